//! What is left behind when the program breaks: a usable terminal, a report, three lines.

use crate::model::text;
use crate::sys::clock;
use crate::tui::terminal;
use std::backtrace::Backtrace;
use std::fs;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::thread;

/// Makes a panic leave the terminal before it says anything, and write a report into `folder`.
///
/// A panic of another thread than this one is no end: the task's owner hears of it, the screen stays, and
/// only the report is written.
pub fn install(folder: PathBuf) {
    let drawing = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        let ends = thread::current().id() == drawing;
        if ends {
            terminal::leave();
        }
        let report = write_report(&folder, &report(info, &Backtrace::force_capture()));
        if ends {
            // Standard error may be closed; then nobody can be told.
            let _ = tell(&mut io::stderr(), &what(info), &report);
        }
    }));
}

/// Says in one line what broke and where.
fn what(info: &PanicHookInfo<'_>) -> String {
    // Whatever was being drawn may stand in the message.
    let message = text::line(info.payload_as_str().unwrap_or("no message"));
    match info.location() {
        Some(at) => format!("{message} ({}:{})", at.file(), at.line()),
        None => message.into_owned(),
    }
}

fn report(info: &PanicHookInfo<'_>, trace: &Backtrace) -> String {
    let thread = thread::current();
    format!(
        "iaasmon {}\n{}\nthread {}\n{info}\n\n{trace}\n",
        env!("CARGO_PKG_VERSION"),
        clock::now().to_rfc3339(),
        thread.name().unwrap_or("unnamed"),
    )
}

/// Writes the report to a file of its own and returns its path.
fn write_report(folder: &Path, text: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path =
        folder.join(format!("crash-{}-{}.txt", clock::now().format("%Y%m%dT%H%M%SZ"), std::process::id()));
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// Prints the three lines.
fn tell(out: &mut impl Write, what: &str, report: &io::Result<PathBuf>) -> io::Result<()> {
    writeln!(out, "iaasmon broke: {what}")?;
    match report {
        Ok(path) => writeln!(out, "  report: {}", path.display())?,
        Err(error) => writeln!(out, "  report: could not be written: {error}")?,
    }
    writeln!(
        out,
        "  silences: what was under way is journalled; `iaasmon silence status` shows and resumes it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_elsewhere_leaves_a_report_and_one_here_would_say_where_it_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let before = panic::take_hook();
        install(folder.path().join("new"));
        let died =
            thread::Builder::new().name("worker".into()).spawn(|| panic!("the disk is made of cheese"));
        died.expect("a thread").join().expect_err("it panicked");
        panic::set_hook(before);
        let files: Vec<_> = fs::read_dir(folder.path().join("new")).expect("made").flatten().collect();
        assert_eq!(files.len(), 1);
        let text = fs::read_to_string(files[0].path()).expect("readable");
        assert!(text.contains("the disk is made of cheese") && text.contains("thread worker"), "{text}");
        assert!(text.contains("crash.rs"), "where it happened: {text}");
    }

    #[test]
    fn what_was_drawn_cannot_reach_the_terminal_through_the_message() {
        let (sender, said) = std::sync::mpsc::channel();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| sender.send(what(info)).expect("heard")));
        let died = thread::spawn(|| panic!("bad cell \u{1b}]0;owned\u{7}\nline"));
        died.join().expect_err("it panicked");
        panic::set_hook(before);
        let said = said.recv().expect("said");
        assert!(said.contains("bad cell") && !said.contains(char::is_control), "{said:?}");
    }

    #[test]
    fn three_lines_say_what_where_and_what_about_silences() {
        let mut out = Vec::new();
        tell(&mut out, "index out of bounds (x.rs:7)", &Ok("/s/crash-1.txt".into())).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text.lines().count(), 3);
        for part in ["index out of bounds (x.rs:7)", "/s/crash-1.txt", "iaasmon silence status"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let mut out = Vec::new();
        tell(&mut out, "x", &Err(io::Error::other("disk full"))).expect("memory");
        assert!(String::from_utf8(out).expect("UTF-8").contains("could not be written: disk full"));
    }
}
