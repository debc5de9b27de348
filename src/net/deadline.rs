//! The time that a whole question has, however many requests it takes.

use crate::sys::clock;
use std::time::{Duration, Instant};

/// When a whole question must have its answer, however many requests it takes.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    until: Instant,
    limit: Duration,
}

impl Deadline {
    /// The question began just now and may take as long as `limit`.
    pub fn after(limit: Duration) -> Self {
        Self { until: clock::instant() + limit, limit }
    }

    /// Returns an earlier one, at `part` of `whole` of the time: what is asked later needs time, too.
    pub fn part(self, part: u32, whole: u32) -> Self {
        let rest = self.limit - self.limit * part / whole;
        Self { until: self.until - rest, limit: self.limit - rest }
    }

    /// Returns an earlier one, after one of so many parts of the time that is left: what is asked after it has the others.
    pub fn one_of(self, parts: u32) -> Self {
        let rest = self.left() / parts.max(1) * parts.saturating_sub(1);
        Self { until: self.until - rest, limit: self.limit.saturating_sub(rest) }
    }

    /// Returns how long the question may take in all, as an error tells it.
    pub(super) fn limit(self) -> Duration {
        self.limit
    }

    /// Returns how much of it is left.
    pub(super) fn left(self) -> Duration {
        self.until.saturating_duration_since(clock::instant())
    }
}
