//! The only place that reads the clock; everything else is given `now`.

use crate::model::time::Timestamp;
use std::time::Instant;

/// Returns the wall-clock time in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the one door to the wall clock")]
pub fn now() -> Timestamp {
    chrono::Utc::now()
}

/// Returns the wall-clock time in the zone of this machine.
pub fn local() -> chrono::DateTime<chrono::Local> {
    now().with_timezone(&chrono::Local)
}

/// Returns the monotonic clock's reading, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the one door to the monotonic clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// One moment by both clocks: the wall clock may jump, the steady one says how long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The steady clock.
    pub steady: Instant,
}

/// Reads both clocks.
pub fn moment() -> Moment {
    Moment { wall: now(), steady: instant() }
}

impl Moment {
    /// Returns this moment so much later, by both clocks.
    pub fn after(self, passed: std::time::Duration) -> Self {
        let wall = chrono::Duration::from_std(passed).unwrap_or(chrono::Duration::MAX);
        Self { wall: self.wall + wall, steady: self.steady + passed }
    }

    /// By how much the wall clock went ahead of the steady one since `earlier`; less than nothing where it fell back.
    pub fn drift_since(self, earlier: Self) -> chrono::Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        (self.wall - earlier.wall) - chrono::Duration::from_std(steady).unwrap_or(chrono::Duration::MAX)
    }
}
