//! Man pages and shell completions, generated from the types that parse the command line.
//!
//! The man pages are committed (packages want files); `tests/docs.rs` compares them with what these
//! functions write. Completions are written on demand and therefore never out of date.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Args, Command, Subcommand};
use clap_complete::Shell;

/// `iaasmon completions SHELL`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    pub shell: Shell,
}

/// `iaasmon gen ...`: what packagers need and nobody else.
#[derive(Debug, Clone, Subcommand)]
pub enum Gen {
    /// Write one man page a command
    Man {
        /// The folder to write to; it is made if it is not there
        dir: PathBuf,
    },
}

/// One man page: the name of its file and its text in roff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManPage {
    /// Such as `iaasmon-silence-add.1`.
    pub file: String,
    /// The page.
    pub text: Vec<u8>,
}

/// Returns the page of `command` and those of all its visible subcommands, sorted by file.
pub fn man_pages(mut command: Command) -> io::Result<Vec<ManPage>> {
    // `help` would get a page of its own for every command that there is.
    command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    pages.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(pages)
}

fn collect(command: &Command, pages: &mut Vec<ManPage>) -> io::Result<()> {
    // What stands behind the help would be filled like prose, examples and all.
    let page = clap_mangen::Man::new(command.clone().after_help(Resettable::Reset));
    let mut text = Vec::new();
    page.render(&mut text)?;
    if let Some(after) = command.get_after_help() {
        after.to_string().split("\n\n").for_each(|part| write_part(part, &mut text));
    }
    pages.push(ManPage { file: page.get_filename(), text });
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).try_for_each(|inner| collect(inner, pages))
}

/// Writes lines as they are, under the first of them as the heading.
fn write_part(part: &str, text: &mut Vec<u8>) {
    let (heading, lines) = part.split_once('\n').unwrap_or((part, ""));
    let heading = heading.trim_end_matches(':').to_uppercase();
    text.extend(format!(".SH \"{heading}\"\n.nf\n").bytes());
    for line in lines.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\*(Aq");
        // A point in front would be a request.
        text.extend(format!("\\&{line}\n").bytes());
    }
    text.extend(b".fi\n");
}

/// Writes the man pages of `command` into `dir` and returns how many.
pub fn write_man_pages(command: Command, dir: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    let pages = man_pages(command)?;
    for page in &pages {
        std::fs::write(dir.join(&page.file), &page.text)?;
    }
    Ok(pages.len())
}

/// Writes the completion script of `command` for `shell` to `out`.
pub fn write_completions(shell: Shell, mut command: Command, out: &mut dyn Write) -> io::Result<()> {
    let name = command.get_name().to_owned();
    // clap_complete panics where a write fails, and a closed pipe is no reason to.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    out.write_all(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let add = Command::new("add").about("Silences").arg(clap::arg!(--comment <TEXT> "Why"));
        let add = add.after_help("Examples:\n  iaasmon silence add 'a\\b' --comment x\n\nCodes:\n  0 done");
        let silence = Command::new("silence").about("Silences of all clusters").subcommand(add);
        let hidden = Command::new("gen").hide(true);
        Command::new("iaasmon")
            .version("1.2.3")
            .about("Over all clusters")
            .subcommand(silence)
            .subcommand(hidden)
    }

    #[test]
    fn every_visible_command_has_a_page_of_its_own() {
        let pages = man_pages(command()).expect("pages");
        let files: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files, ["iaasmon-silence-add.1", "iaasmon-silence.1", "iaasmon.1"]);
        let add = String::from_utf8(pages[0].text.clone()).expect("roff is text");
        assert!(add.contains("comment") && add.contains("Why"), "{add}");
        let examples =
            ".SH \"EXAMPLES\"\n.nf\n\\&  iaasmon silence add \\*(Aqa\\eb\\*(Aq \\-\\-comment x\n.fi\n";
        assert!(add.ends_with(&format!("{examples}.SH \"CODES\"\n.nf\n\\&  0 done\n.fi\n")), "{add}");
    }

    #[test]
    fn pages_are_written_to_a_new_folder() {
        let dir = tempfile::tempdir().expect("folder");
        let man = dir.path().join("share/man1");
        assert_eq!(write_man_pages(command(), &man).expect("written"), 3);
        assert!(man.join("iaasmon-silence.1").is_file());
    }

    #[test]
    fn a_closed_pipe_is_an_error_and_no_panic() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = write_completions(Shell::Bash, command(), &mut Closed).expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut script = Vec::new();
        write_completions(Shell::Fish, command(), &mut script).expect("written");
        assert!(String::from_utf8(script).expect("text").contains("silence"));
    }
}
