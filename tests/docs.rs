//! Documentation that a machine can hold to the program: man pages, help texts, examples, completions.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use iaasmon::cli::args::Cli;
use iaasmon::cli::docs;

#[test]
fn the_man_pages_are_those_of_the_program() {
    let want: BTreeMap<String, Vec<u8>> = docs::man_pages(Cli::command())
        .expect("pages")
        .into_iter()
        .map(|page| (page.file, page.text))
        .collect();
    let have: BTreeMap<String, Vec<u8>> = files("man", "1")
        .into_iter()
        .map(|path| (file_name(&path), fs::read(&path).expect("page is readable")))
        .collect();
    let mut differ = Vec::new();
    differ.extend(
        have.keys()
            .filter(|file| !want.contains_key(*file))
            .map(|file| format!("man/{file}: no such command")),
    );
    differ.extend(
        want.iter()
            .filter(|(file, _)| !have.contains_key(*file))
            .map(|(file, _)| format!("man/{file}: missing")),
    );
    differ.extend(
        want.iter()
            .filter(|(file, text)| have.get(*file).is_some_and(|old| old != *text))
            .map(|(file, _)| format!("man/{file}: differs")),
    );
    report(&differ, "renew them: rm -f man/*.1 && cargo run -- gen man man");
}

#[test]
fn every_command_and_every_argument_is_explained() {
    let mut missing = Vec::new();
    for (path, command) in commands() {
        if command.get_about().is_none() {
            missing.push(format!("{path}: no help text"));
        }
        if !command.has_subcommands() && examples(&command).is_empty() {
            missing.push(format!(
                "{path}: no line in its help that begins with `iaasmon` (after_help = \"Examples: ...\")"
            ));
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if arg.get_help().or(arg.get_long_help()).is_none() {
                missing.push(format!("{path}: `{}` has no help text", arg.get_id()));
            }
        }
    }
    report(&missing, "help that is missing");
}

#[test]
fn the_help_of_a_list_names_every_field_of_its_filter() {
    use iaasmon::model::filter::{Pseudo, RowKind};
    let kinds = [
        ("iaasmon alerts", RowKind::Alert),
        ("iaasmon nodes", RowKind::Node),
        ("iaasmon node", RowKind::NodeCheck),
        ("iaasmon checks", RowKind::Check),
        ("iaasmon silence list", RowKind::Silence),
        ("iaasmon status", RowKind::Replica),
        ("iaasmon query", RowKind::Series),
        ("iaasmon doctor", RowKind::Finding),
    ];
    let commands: BTreeMap<String, Command> = commands().into_iter().collect();
    let mut missing = Vec::new();
    for (path, kind) in kinds {
        let about = commands[path].get_long_about().map(ToString::to_string).unwrap_or_default();
        let named: Vec<&str> = about.split(|c: char| !(c == '@' || c.is_ascii_alphanumeric())).collect();
        missing.extend(
            Pseudo::of(kind)
                .map(|field| format!("@{}", field.name()))
                .filter(|field| !named.contains(&field.as_str()))
                .map(|field| format!("{path}: {field}")),
        );
    }
    report(&missing, "fields that the help does not name");
}

#[test]
fn every_example_in_help_and_documents_is_accepted() {
    let mut tried = 0;
    let mut refused = Vec::new();
    let helps = commands().into_iter().flat_map(|(path, command)| {
        examples(&command).into_iter().map(move |line| (format!("help of {path}"), line)).collect::<Vec<_>>()
    });
    let documents = ["README.md", "ARCHITECTURE.md"]
        .map(|name| project().join(name))
        .into_iter()
        .chain(files("docs", "md"));
    let documents = documents.flat_map(|path| {
        let text = fs::read_to_string(&path).expect("document is readable");
        code_lines(&text).into_iter().map(move |line| (file_name(&path), line)).collect::<Vec<_>>()
    });
    for (place, line) in helps.chain(documents) {
        tried += 1;
        if let Err(error) = Cli::command().try_get_matches_from(words(&line))
            && error.use_stderr()
        {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            refused.push(format!("{place}: `{line}`: {first}"));
        }
    }
    assert!(tried > 10, "only {tried} examples were found");
    report(&refused, "examples that the program refuses");
}

#[test]
fn the_command_line_is_free_of_contradictions() {
    Cli::command().debug_assert();
}

#[test]
fn completions_are_written_for_every_shell_and_bash_can_read_its_own() {
    for shell in Shell::value_variants() {
        let mut script = Vec::new();
        docs::write_completions(*shell, Cli::command(), &mut script).expect("written");
        let text = String::from_utf8(script).expect("a script is text");
        assert!(text.contains("silence"), "{shell}: `silence` is not completed");
        if *shell == Shell::Bash {
            let mut bash = Process::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash starts");
            bash.stdin.take().expect("stdin is a pipe").write_all(text.as_bytes()).expect("bash reads");
            assert!(bash.wait().expect("bash ends").success(), "bash cannot read its completions");
        }
    }
}

/// Every visible command with the words that lead to it, `iaasmon` itself first.
fn commands() -> Vec<(String, Command)> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut found = Vec::new();
    let mut open = vec![("iaasmon".to_owned(), root)];
    while let Some((path, command)) = open.pop() {
        let visible = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        open.extend(visible.map(|inner| (format!("{path} {}", inner.get_name()), inner.clone())));
        found.push((path, command));
    }
    found
}

/// The lines of a command's help that are commands themselves.
fn examples(command: &Command) -> Vec<String> {
    let texts = [command.get_after_help(), command.get_after_long_help(), command.get_long_about()];
    let mut lines: Vec<String> =
        texts.into_iter().flatten().flat_map(|text| own_commands(&text.to_string())).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The commands in the code blocks of a document; a block of `text` is a picture, not commands.
fn code_lines(text: &str) -> Vec<String> {
    let (mut open, mut picture) = (false, false);
    let code: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            if fence {
                open = !open;
                picture = open && *line == "```text";
            }
            open && !fence && !picture
        })
        .collect();
    own_commands(&code.join("\n"))
}

fn own_commands(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("$ "));
    lines.filter(|line| *line == "iaasmon" || line.starts_with("iaasmon ")).map(str::to_owned).collect()
}

/// Splits a line as a shell would, up to a comment, a pipe or a redirection; what stands apart explains it.
fn words(line: &str) -> Vec<String> {
    let line = line.split("    ").next().unwrap_or_default();
    let mut words = vec![String::new()];
    let (mut quote, mut begun) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '|' | '>' | ';' | '&') => break,
            (None, '#') if !begun => break,
            (None, ' ') if begun => {
                words.push(String::new());
                begun = false;
            }
            (None, ' ') => {}
            _ => {
                words.last_mut().expect("there is always one").push(c);
                begun = true;
            }
        }
    }
    if !begun {
        words.pop();
    }
    words
}

#[test]
fn a_line_is_split_as_a_shell_splits_it() {
    assert_eq!(
        words("iaasmon  query 'count by (job) (up)' # all"),
        ["iaasmon", "query", "count by (job) (up)"]
    );
    assert_eq!(
        words("iaasmon alerts a=\"x y\" -o json | jq ."),
        ["iaasmon", "alerts", "a=x y", "-o", "json"]
    );
    assert_eq!(words("iaasmon silence add x=''"), ["iaasmon", "silence", "add", "x="]);
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder of the project whose name ends in `.extension`; nothing where there is no such folder.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project().join(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("folder is readable").path());
    paths.filter(|path| path.extension().is_some_and(|ext| ext == extension)).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a file has a name").to_string_lossy().into_owned()
}

fn report(broken: &[String], what: &str) {
    assert!(broken.is_empty(), "{what}:\n  {}\n", broken.join("\n  "));
}
