//! Levels of the log, from the least to the most urgent.

/// How much a line of the log matters (sensu-logger).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Debug,
    /// Results, and what happens as planned.
    Info,
    /// What somebody may want to know.
    Warn,
    /// What went wrong.
    Error,
    /// What ends the program.
    Fatal,
}

impl Level {
    const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// Returns the word that stands in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Reads a word, in upper or lower case (cli.rs).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(text))
    }
}
