//! When each check is due: a heap of instants, one sleep at a time for however many checks.
//!
//! Intervals go by the monotonic clock, so that a jump of the wall clock neither holds up nor floods anything; cron lines go by
//! the wall clock and are worked out anew after a jump.

use crate::sensu::cron::Cron;
use crate::sensu::schedule::Timing;
use crate::sensu::splay;
use crate::sys::clock;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How long is slept at most: after a jump of the wall clock a cron line is at most this late.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// By how much the clocks may drift apart between two looks before it is a jump.
const JUMP: Duration = Duration::from_secs(2);

/// A check that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The check's place among all definitions.
    pub(super) check: usize,
    /// How much later it is than it should be.
    pub(super) late: Duration,
}

pub(super) struct Timetable {
    entries: Vec<Entry>,
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    clocks: Clocks,
}

struct Entry {
    check: usize,
    timing: Timing,
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Clocks {
    wall_ms: i64,
    steady: Instant,
}

impl Clocks {
    fn now() -> Self {
        Self { wall_ms: clock::now().timestamp_millis(), steady: clock::instant() }
    }

    /// By how much the wall clock went ahead or back against the steady one.
    fn jumped(self, since: Self) -> bool {
        let wall = self.wall_ms - since.wall_ms;
        let steady = i64::try_from((self.steady - since.steady).as_millis()).unwrap_or(i64::MAX);
        wall.abs_diff(steady) > JUMP.as_millis() as u64
    }
}

impl Timetable {
    /// Builds the timetable of these checks: each with its place, its name and when it runs.
    pub(super) fn of(checks: Vec<(usize, &str, Timing)>, client: &str) -> Self {
        let clocks = Clocks::now();
        let mut table = Self { entries: Vec::new(), heap: BinaryHeap::new(), clocks };
        for (check, name, timing) in checks {
            let first = match &timing {
                Timing::Interval(interval) => splay::until_first(client, name, *interval, clocks.wall_ms),
                Timing::Cron(cron) => Self::until(cron),
            };
            let at = table.entries.len();
            table.entries.push(Entry { check, timing });
            table.heap.push(Reverse((clocks.steady + first, at)));
        }
        table
    }

    /// Waits for the next check that is due and plans its next run.
    pub(super) async fn next_due(&mut self) -> Due {
        loop {
            let now = clock::instant();
            match self.heap.peek() {
                Some(Reverse((at, _))) if *at <= now => return self.take(now),
                Some(Reverse((at, _))) => {
                    tokio::time::sleep_until((*at).min(now + LOOK_EVERY).into()).await;
                }
                None => std::future::pending().await,
            }
            self.look_at_the_clocks();
        }
    }

    /// Takes the first entry. Its next run is counted from now on, as the original's timer is armed again after it fired:
    /// a check that was late stays late, and none is ever run twice to catch up.
    fn take(&mut self, now: Instant) -> Due {
        let Some(Reverse((at, entry))) = self.heap.pop() else {
            return Due { check: 0, late: Duration::ZERO };
        };
        let Entry { check, timing } = &self.entries[entry];
        let wait = match timing {
            Timing::Interval(interval) => *interval,
            Timing::Cron(cron) => Self::until(cron),
        };
        self.heap.push(Reverse((now + wait, entry)));
        Due { check: *check, late: now - at }
    }

    /// Works cron lines out anew after a jump of the wall clock.
    fn look_at_the_clocks(&mut self) {
        let now = Clocks::now();
        let jumped = now.jumped(self.clocks);
        self.clocks = now;
        if !jumped {
            return;
        }
        let entries = &self.entries;
        let renewed = self.heap.drain().map(|Reverse((at, entry))| match &entries[entry].timing {
            Timing::Cron(cron) => Reverse((now.steady + Self::until(cron), entry)),
            Timing::Interval(_) => Reverse((at, entry)),
        });
        self.heap = renewed.collect();
    }

    fn until(cron: &Cron) -> Duration {
        let now = clock::local();
        // A line that never comes true again is looked at once a day.
        cron.next_after(&now).map_or(Duration::from_secs(86_400), |next| {
            next.signed_duration_since(now).to_std().unwrap_or_default()
        })
    }
}
