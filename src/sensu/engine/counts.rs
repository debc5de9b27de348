//! What the engine counts, for `/metrics`.

use crate::sys::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Results by status: OK, WARN, CRIT, any other.
    pub results: [AtomicU64; 4],
    /// Commands that met their time limit.
    pub timed_out: AtomicU64,
    /// Runs that were left out because the one before ran still, or waited for a slot.
    pub overlapped: AtomicU64,
    /// Runs that were left out inside a subdue window.
    pub subdued: AtomicU64,
    /// Runs whose command was begun.
    pub begun: AtomicU64,
    /// Microseconds by which all of them together were late.
    late: AtomicU64,
    /// Checks and hooks that wait for a slot now.
    waiting: AtomicUsize,
    /// The most by which one was late, in this minute and in the one before.
    most_late: Mutex<Window>,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begun(&self, late: Duration) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        Self::add(&self.begun);
        self.late.fetch_add(micros, Ordering::Relaxed);
        self.window().take(late, clock::instant());
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.most_late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a result by its status.
    pub fn result(&self, status: i64) {
        let at = usize::try_from(status).map_or(3, |status| status.min(3));
        Self::add(&self.results[at]);
    }

    /// Counts one that waits for a slot until what is returned is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Returns how many checks and hooks wait for a slot now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns the seconds by which all runs together were begun late.
    pub fn late_seconds(&self) -> f64 {
        self.late.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Returns the most seconds by which a run of the last minute or two was begun late: however many ask, each is told.
    pub fn most_late_seconds(&self) -> f64 {
        self.window().most(clock::instant()).as_secs_f64()
    }
}

/// One that waits.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The largest of what came within a minute, and within the one before.
#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    now: Duration,
    before: Duration,
}

impl Window {
    fn take(&mut self, value: Duration, at: Instant) {
        self.turn(at);
        self.now = self.now.max(value);
    }

    fn most(&mut self, at: Instant) -> Duration {
        self.turn(at);
        self.now.max(self.before)
    }

    fn turn(&mut self, at: Instant) {
        let passed = at.duration_since(*self.begun.get_or_insert(at));
        if passed < MINUTE {
            return;
        }
        self.before = if passed < 2 * MINUTE { self.now } else { Duration::ZERO };
        (self.begun, self.now) = (Some(at), Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, Window};
    use crate::sys::clock;
    use std::time::Duration;

    #[test]
    fn what_was_late_is_told_for_a_minute_and_forgotten_after_two() {
        let (mut window, start, second) = (Window::default(), clock::instant(), Duration::from_secs(1));
        window.take(3 * second, start);
        window.take(second, start + second);
        assert_eq!(window.most(start + MINUTE - second), 3 * second);
        assert_eq!(window.most(start + MINUTE), 3 * second, "however often it is asked");
        assert_eq!(window.most(start + MINUTE), 3 * second);
        assert_eq!(window.most(start + 2 * MINUTE), Duration::ZERO);
        window.take(second, start + 2 * MINUTE);
        assert_eq!(window.most(start + 9 * MINUTE), Duration::ZERO);
    }
}
