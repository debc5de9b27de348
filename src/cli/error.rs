//! Errors for people: what is wrong, what to do about it, and the exit code that it means.

use super::demo::DemoFailure;
use crate::config::ConfigErrors;
use crate::fleet::UnknownCluster;
use crate::model::text;
use crate::tui::TuiError;
use crate::tui::state::twin::copied;
use std::io::{self, Write};
use std::path::Path;

/// What a command ended with; the numbers are documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The question was answered, the deed done.
    Done,
    /// Answered, and the answer is that problems exist; where `--exit-code` asks for it, and where two systems are compared.
    Problems,
    /// Wrong usage, configuration or policy: nothing was asked.
    Usage,
    /// A part of the fleet did not answer, or something went wrong on the way.
    Partial,
    /// Nobody answered.
    Nothing,
}

impl Exit {
    /// Returns the process' exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Nothing => 4,
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub struct AppError {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong; several only for a configuration. Empty where nobody reads any more.
    pub complaints: Vec<Complaint>,
}

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// A lower-case fragment.
    pub message: String,
    /// One sentence each.
    pub hints: Vec<String>,
}

impl AppError {
    /// Builds the error of a request that cannot be understood or must not be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Builds an error with any exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, complaints: vec![Complaint { message: message.into(), hints: Vec::new() }] }
    }

    /// Adds a hint to the last complaint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(last) = self.complaints.last_mut() {
            last.hints.push(hint.into());
        }
        self
    }

    /// Lets the commands in its hints name the configuration that was named.
    pub fn naming(mut self, file: Option<&Path>) -> Self {
        for hint in self.complaints.iter_mut().flat_map(|complaint| &mut complaint.hints) {
            *hint = naming(hint, file);
        }
        self
    }

    /// Writes every complaint with its hints. Servers' words and names are among them: they are made safe here.
    pub fn write(&self, err: &mut dyn Write) -> io::Result<()> {
        for complaint in &self.complaints {
            writeln!(err, "error: {}", text::block(&complaint.message))?;
            complaint.hints.iter().try_for_each(|hint| writeln!(err, "  hint: {}", text::line(hint)))?;
        }
        Ok(())
    }
}

/// Returns a hint whose commands, between backquotes, name the configuration that was named: what they look for is
/// nowhere else. Help is the same everywhere.
pub fn naming(hint: &str, file: Option<&Path>) -> String {
    let parts = hint.split('`').enumerate();
    let is_command = |i: usize, part: &str| i % 2 == 1 && !part.ends_with("--help");
    let named = parts.map(|(i, part)| if is_command(i, part) { copied(part, file) } else { part.to_owned() });
    named.collect::<Vec<_>>().join("`")
}

/// A closed pipe is a reader who has seen enough: success. Anything else lost output.
impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, complaints: Vec::new() };
        }
        Self::new(Exit::Partial, format!("cannot write the output: {error}"))
    }
}

impl From<ConfigErrors> for AppError {
    fn from(errors: ConfigErrors) -> Self {
        let complaint = |problem: &crate::config::Problem| {
            let place = problem.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
            Complaint { message: format!("{place}{}", problem.message), hints: problem.hints.clone() }
        };
        Self { exit: Exit::Usage, complaints: errors.problems().iter().map(complaint).collect() }
    }
}

impl From<UnknownCluster> for AppError {
    fn from(unknown: UnknownCluster) -> Self {
        let error = Self::usage(unknown.to_string());
        let known: Vec<&str> = unknown.known.iter().map(String::as_str).collect();
        match crate::model::nearest::nearest(&unknown.pattern, &known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("there are {}", known.join(", "))),
        }
    }
}

impl From<TuiError> for AppError {
    fn from(error: TuiError) -> Self {
        let exit = if matches!(error, TuiError::Io(_)) { Exit::Partial } else { Exit::Usage };
        Self::new(exit, error.to_string())
            .hint("`iaasmon alerts` lists what fires, `iaasmon nodes` the machines; `iaasmon --help` lists every command")
    }
}

impl From<DemoFailure> for AppError {
    fn from(failure: DemoFailure) -> Self {
        match failure {
            DemoFailure::Demo(error) => Self::usage(error.to_string()),
            DemoFailure::Io(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(error: &AppError) -> String {
        let mut text = Vec::new();
        error.write(&mut text).expect("memory");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn hints_stand_on_lines_of_their_own() {
        let unknown = UnknownCluster { pattern: "eu1".into(), known: vec!["eu-1".into(), "us-1".into()] };
        let error = AppError::from(unknown);
        assert_eq!(written(&error), "error: no cluster is called `eu1`\n  hint: did you mean `eu-1`?\n");
        assert_eq!(error.exit.code(), 2);
        let far = UnknownCluster { pattern: "asia-*".into(), known: vec!["eu-1".into(), "us-1".into()] };
        assert_eq!(
            written(&AppError::from(far)),
            "error: no cluster is called `asia-*`\n  hint: there are eu-1, us-1\n"
        );
    }

    #[test]
    fn what_a_server_says_cannot_reach_the_terminal_raw() {
        let error = AppError::usage("refused: \u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[31mevil\u{202e}\nat\n   ^^")
            .hint("ask \u{9b}2J it\nerror: nothing");
        let text = written(&error);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.starts_with("error: refused: evil\nat\n   ^^\n  hint: ask "), "{text:?}");
        assert_eq!(text.lines().count(), 4, "a hint is one line: {text:?}");
    }

    #[test]
    fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
        let closed = AppError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((closed.exit, written(&closed)), (Exit::Done, String::new()));
        let full = AppError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit, Exit::Partial);
        assert!(written(&full).starts_with("error: cannot write the output: "), "{full:?}");
    }
}
