//! How an operation finds its own silences again without touching the comment: by matchers, author and
//! comment, and by an end whose milliseconds belong to the operation; by annotation where there are any.

use crate::model::matcher::{MatchOp, Matcher};
use crate::model::silence::Silence;
use crate::model::time::Timestamp;
use chrono::Timelike as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use ulid::Ulid;

/// The annotation that carries the operation's id where the Alertmanager keeps annotations.
pub const OP_ANNOTATION: &str = "iaasmon_op";

/// The first Alertmanager that keeps annotations of a silence.
pub(super) const ANNOTATIONS_SINCE: (u32, u32) = (0, 32);

/// The first Alertmanager that takes label names of any UTF-8 (as silences' matchers).
pub(super) const UTF8_SINCE: (u32, u32) = (0, 27);

/// The name of an operation: sorts by time, fits a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpId(Ulid);

impl OpId {
    /// Makes a new one.
    pub fn new(now: Timestamp) -> Self {
        Self(Ulid::from_datetime(now.into()))
    }

    /// Returns when it was made.
    pub fn made(self) -> Timestamp {
        let millis = i64::try_from(self.0.timestamp_ms()).expect("48 bits");
        Timestamp::from_timestamp_millis(millis).expect("48 bits of milliseconds are in the calendar")
    }

    /// Returns `end` with the milliseconds that belong to this operation, never later than asked for by
    /// more than a second. Never `.000`, which is what other tools write.
    pub fn stamp(self, end: Timestamp) -> Timestamp {
        let millis = 1 + u32::try_from(self.0.random() % 999).expect("below 999");
        end.with_nanosecond(millis * 1_000_000).expect("below one second")
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// A text that is no operation's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an operation's name: `{0}` (26 letters and digits, see `iaasmon silence status`)")]
pub struct OpIdError(String);

impl FromStr for OpId {
    type Err = OpIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(Self).map_err(|_| OpIdError(text.to_owned()))
    }
}

impl TryFrom<String> for OpId {
    type Error = OpIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OpId> for String {
    fn from(op: OpId) -> Self {
        op.to_string()
    }
}

/// What must agree for two silences to be the same one on different clusters. The order of matchers says nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    matchers: Vec<(Box<str>, MatchOp, Box<str>)>,
    created_by: String,
    comment: String,
}

impl Key {
    pub(super) fn new(matchers: &[Matcher], created_by: &str, comment: &str) -> Self {
        Self {
            matchers: normalised(matchers).into_iter().map(|m| (m.name, m.op, m.value)).collect(),
            created_by: created_by.to_owned(),
            comment: comment.to_owned(),
        }
    }

    pub(super) fn of(silence: &Silence) -> Self {
        Self::new(&silence.matchers, &silence.created_by, &silence.comment)
    }
}

/// Returns the matchers in their normal order, each once.
pub(super) fn normalised(matchers: &[Matcher]) -> Vec<Matcher> {
    let mut sorted = matchers.to_vec();
    sorted.sort();
    sorted.dedup();
    sorted
}

/// Reads `0.25.0+ds` as (0, 25); `None` where it is no version.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn an_operation_has_milliseconds_of_its_own_and_they_are_never_zero() {
        let end = at("2026-11-24T18:00:00.250Z");
        for n in 0..2_000 {
            let op = OpId(Ulid::from_parts(1, n));
            let stamped = op.stamp(end);
            assert_eq!(stamped.timestamp(), end.timestamp(), "the second stays");
            assert_ne!(stamped.timestamp_subsec_millis(), 0);
            assert_eq!(op.stamp(stamped), stamped, "stamping twice changes nothing");
        }
    }

    #[test]
    fn a_name_reads_back_and_nothing_else_does() {
        let op = OpId::new(at("2026-11-24T18:00:00Z"));
        assert_eq!(op.to_string().parse(), Ok(op));
        assert!("../../etc/passwd".parse::<OpId>().is_err());
        assert!("".parse::<OpId>().is_err());
    }

    #[test]
    fn versions_are_compared_by_their_first_two_numbers() {
        assert_eq!(version("0.25.0+ds"), Some((0, 25)));
        assert_eq!(version("v0.32.1"), Some((0, 32)));
        assert_eq!(version("1.0.0-rc.1"), Some((1, 0)));
        assert_eq!(version("main"), None);
    }
}
