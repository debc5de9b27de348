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
