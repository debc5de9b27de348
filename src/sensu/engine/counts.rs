//! What the engine counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Results by status: OK, WARN, CRIT, any other.
    pub results: [AtomicU64; 4],
    /// Commands that met their time limit.
    pub timed_out: AtomicU64,
    /// Runs that were left out because the one before was not over.
    pub overlapped: AtomicU64,
    /// Runs that were left out inside a subdue window.
    pub subdued: AtomicU64,
    /// Runs that were fired.
    pub fired: AtomicU64,
    /// Microseconds by which all fired runs together were late.
    late: AtomicU64,
    /// Microseconds by which the latest one was late, since it was last asked for.
    latest: AtomicU64,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fired(&self, late: Duration) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        Self::add(&self.fired);
        self.late.fetch_add(micros, Ordering::Relaxed);
        self.latest.fetch_max(micros, Ordering::Relaxed);
    }

    /// Counts a result by its status.
    pub fn result(&self, status: i64) {
        let at = usize::try_from(status).map_or(3, |status| status.min(3));
        Self::add(&self.results[at]);
    }

    /// Returns the seconds by which all fired runs together were late.
    pub fn late_seconds(&self) -> f64 {
        self.late.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Returns the seconds by which the latest run was late since this was last called, and begins anew.
    pub fn take_latest_seconds(&self) -> f64 {
        self.latest.swap(0, Ordering::Relaxed) as f64 / 1e6
    }
}
