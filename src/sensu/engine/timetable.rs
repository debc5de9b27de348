//! When each check is due: a heap of instants, one sleep at a time for however many checks.
//!
//! Intervals go by the steady clock, so that a jump of the wall clock neither holds up nor floods anything. Cron lines go by
//! the wall clock: they are worked out anew when the clocks have come apart, none fires before its time, and one whose time
//! was jumped over fires once, late.

use crate::sensu::schedule::Timing;
use crate::sensu::splay;
use crate::sys::clock::{self, Moment};
use chrono::Local;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How long is slept at most: after a jump of the wall clock a cron line is at most this late.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// By how much the clocks may come apart before cron lines are worked out anew. An NTP server that slews gets here too.
const APART: chrono::Duration = chrono::Duration::seconds(2);
/// A clock that is set back by less than this brings no time again for which a line has fired.
const SET_BACK: chrono::Duration = chrono::Duration::minutes(1);
/// A line that never comes true again is looked at once a day.
const NEVER: Duration = Duration::from_secs(86_400);

/// A check that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The check's place among all definitions.
    pub(super) check: usize,
    /// When it is.
    pub(super) at: Instant,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Fire(Due),
    /// Look again at this instant.
    Wait(Instant),
    /// There is no check.
    Nothing,
}

pub(super) struct Timetable {
    entries: Vec<Entry>,
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    /// When cron lines were last worked out together.
    planned: Moment,
}

struct Entry {
    check: usize,
    timing: Timing,
    /// When its cron line is true next, by the wall clock.
    due: Option<chrono::DateTime<Local>>,
    /// The time for which it fired last.
    fired: Option<chrono::DateTime<Local>>,
}

impl Timetable {
    /// Builds the timetable of these checks: each with its place, its name and when it runs.
    pub(super) fn begun_at(now: Moment, checks: Vec<(usize, &str, Timing)>, client: &str) -> Self {
        let mut table = Self { entries: Vec::new(), heap: BinaryHeap::new(), planned: now };
        for (check, name, timing) in checks {
            let mut entry = Entry { check, timing, due: None, fired: None };
            let first = match &entry.timing {
                Timing::Interval(interval) => {
                    splay::until_first(client, name, *interval, now.wall.timestamp_millis())
                }
                Timing::Cron(_) => entry.plan(now),
            };
            table.heap.push(Reverse((now.steady + first, table.entries.len())));
            table.entries.push(entry);
        }
        table
    }

    /// Waits for the next check that is due and plans its next run.
    pub(super) async fn next_due(&mut self) -> Due {
        loop {
            match self.next(clock::moment()) {
                Next::Fire(due) => return due,
                Next::Wait(until) => tokio::time::sleep_until(until.into()).await,
                Next::Nothing => std::future::pending().await,
            }
        }
    }

    /// Returns a check that is due already.
    pub(super) fn due_by(&mut self, now: Moment) -> Option<Due> {
        match self.next(now) {
            Next::Fire(due) => Some(due),
            Next::Wait(_) | Next::Nothing => None,
        }
    }

    fn next(&mut self, now: Moment) -> Next {
        let drift = now.drift_since(self.planned);
        if drift.abs() > APART {
            self.plan_anew(now);
        }
        while let Some(Reverse((at, entry))) = self.heap.peek().copied() {
            if at > now.steady {
                return Next::Wait(at.min(now.steady + LOOK_EVERY));
            }
            self.heap.pop();
            let early = self.entries[entry].until_next(now);
            if early > Duration::ZERO {
                self.heap.push(Reverse((now.steady + early, entry)));
                continue;
            }
            return Next::Fire(self.take(at, entry, now));
        }
        Next::Nothing
    }

    /// Plans the next run of an entry that fires. It is counted from now on, as the original's timer is armed again after it
    /// fired: a check that was late stays late, and none is ever run twice to catch up.
    fn take(&mut self, at: Instant, place: usize, now: Moment) -> Due {
        let entry = &mut self.entries[place];
        entry.fired = entry.due;
        let wait = match &entry.timing {
            Timing::Interval(interval) => *interval,
            Timing::Cron(_) => entry.plan(now),
        };
        self.heap.push(Reverse((now.steady + wait, place)));
        Due { check: entry.check, at }
    }

    /// Works cron lines out anew after the clocks have come apart.
    fn plan_anew(&mut self, now: Moment) {
        self.planned = now;
        let entries = &mut self.entries;
        let renewed = self.heap.drain().map(|Reverse((at, place))| {
            let entry = &mut entries[place];
            match &entry.timing {
                Timing::Interval(_) => Reverse((at, place)),
                // Its time was jumped over: better once, and late, than not before the next time.
                Timing::Cron(_) if entry.due.is_some() && entry.until_due(now).is_zero() => {
                    Reverse((now.steady, place))
                }
                Timing::Cron(_) => Reverse((now.steady + entry.plan(now), place)),
            }
        });
        self.heap = renewed.collect();
    }
}

impl Entry {
    /// Works out when a cron line is true next, and returns how long that is from now.
    fn plan(&mut self, now: Moment) -> Duration {
        let Timing::Cron(cron) = &self.timing else { return Duration::ZERO };
        let wall = now.wall.with_timezone(&Local);
        let fired = self.fired.filter(|fired| (wall..wall + SET_BACK).contains(fired));
        self.due = cron.next_after(&fired.unwrap_or(wall));
        if self.due.is_some() { self.until_due(now) } else { NEVER }
    }

    /// Returns how much too early it is to fire. The wall clock may be a little behind, and a line that fired before its time
    /// would fire again at its time; one that never comes true is but looked at.
    fn until_next(&mut self, now: Moment) -> Duration {
        let is_never = matches!(self.timing, Timing::Cron(_)) && self.due.is_none();
        if is_never { self.plan(now) } else { self.until_due(now) }
    }

    /// Returns how long it is until the line is true; nothing where that is over, or where there is no line.
    fn until_due(&self, now: Moment) -> Duration {
        self.due
            .map_or(Duration::ZERO, |due| due.signed_duration_since(now.wall).to_std().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
