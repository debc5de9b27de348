//! The status of a check and the one order of badness.

use serde::Serialize;
use std::borrow::Cow;

/// What a check's exit code says (Nagios and Sensu convention).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Exit code 0.
    Ok,
    /// Exit code 1.
    Warn,
    /// Exit code 2.
    Crit,
    /// Any other exit code, or no trustworthy result.
    Unknown,
}

impl Status {
    /// Returns the status of an exported value. Only exactly 0, 1 and 2 mean something; all else,
    /// NaN included, is unknown.
    pub fn from_value(value: f64) -> Self {
        if value == 0.0 {
            Self::Ok
        } else if value == 1.0 {
            Self::Warn
        } else if value == 2.0 {
            Self::Crit
        } else {
            Self::Unknown
        }
    }

    /// Returns the exported value: 0, 1, 2 or 3.
    pub fn value(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 1,
            Self::Crit => 2,
            Self::Unknown => 3,
        }
    }

    /// Returns the rank of badness: CRIT > UNKNOWN > WARN > OK. A critical disk outranks a check
    /// that could not run, which outranks a warning, because nobody knows what it hides.
    pub fn badness(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 1,
            Self::Unknown => 2,
            Self::Crit => 3,
        }
    }

    /// Returns the worse of two statuses.
    pub fn worse(self, other: Self) -> Self {
        if other.badness() > self.badness() { other } else { self }
    }

    /// Returns the word for screens; problems are upper case so that they stand out without colour.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Crit => "CRIT",
            Self::Unknown => "UNKN",
        }
    }

    /// Returns the word, with an exit code that it does not tell: `UNKN (127)`.
    pub fn word_of_exit(self, code: Option<i64>) -> Cow<'static, str> {
        match code {
            Some(code) if !(0..=3).contains(&code) => format!("{} ({code})", self.word()).into(),
            _ => self.word().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{self, Crit, Ok, Unknown, Warn};

    #[test]
    fn worse_is_a_maximum_over_badness() {
        let order = [Ok, Warn, Unknown, Crit];
        for (i, a) in order.into_iter().enumerate() {
            for (j, b) in order.into_iter().enumerate() {
                assert_eq!(a.worse(b), order[i.max(j)]);
            }
        }
    }

    #[test]
    fn an_exit_code_is_told_where_the_word_does_not_tell_it() {
        let told = [None, Some(3), Some(127), Some(-1)].map(|code| Unknown.word_of_exit(code));
        assert_eq!(told, ["UNKN", "UNKN", "UNKN (127)", "UNKN (-1)"]);
    }

    #[test]
    fn values_other_than_the_three_are_unknown() {
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, f64::NAN].map(Status::from_value),
            [Ok, Warn, Crit, Unknown, Unknown, Unknown, Unknown]
        );
    }
}
