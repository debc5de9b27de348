//! The way to one member: at most one copy of each alert waits, in the order in which alerts came.

use super::Outgoing;
use crate::model::labels::Labels;
use crate::sys::clock::Moment;
use foldhash::{HashMap, HashSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a member is well again it is told once more what it may have had in a request without an answer: a process that
/// wakes runs what lies in its socket, and nobody knows when.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What became of the copies for one member. Each that was offered is in one of the others, or waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Counts {
    /// Copies that were to be sent.
    pub offered: u64,
    /// Those that it took.
    pub forwarded: u64,
    /// Those that it will never take.
    pub refused: u64,
    /// Those in whose place a newer one was sent.
    pub superseded: u64,
    /// Those that came too late.
    pub expired: u64,
    /// Those of them that no other member has either.
    pub lost: u64,
    /// Requests that failed.
    pub failures: u64,
}

/// A copy on its way.
#[derive(Debug, Clone)]
struct Waiting {
    copy: Arc<Outgoing>,
    /// Since when the member is without this alert.
    since: Instant,
    /// How many copies had been offered with it.
    number: u64,
}

/// The way to one member.
#[derive(Debug, Default)]
pub(in super::super) struct Lane {
    waiting: HashMap<Labels, Waiting>,
    /// The alerts that wait; some have gone meanwhile.
    order: VecDeque<Labels>,
    in_flight: HashMap<Labels, Waiting>,
    failing: bool,
    /// How many copies had been offered when those who wait were told that it fails.
    told: u64,
    /// Alerts of which it may have a copy that comes late.
    doubtful: HashSet<Labels>,
    /// What it is told once more, and when.
    again: HashMap<Labels, (Instant, Arc<Outgoing>)>,
    counts: Counts,
}

impl Lane {
    /// Returns what became of its copies.
    pub(in super::super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns how many copies wait or are under way.
    pub(in super::super) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Returns since when it is without the first of them.
    pub(in super::super) fn oldest(&self) -> Option<Instant> {
        let first = self.order.iter().find_map(|labels| self.waiting.get(labels));
        first.into_iter().chain(self.in_flight.values()).map(|waiting| waiting.since).min()
    }

    /// Reports whether its last request failed.
    pub(in super::super) fn is_failing(&self) -> bool {
        self.failing
    }

    pub(super) fn holds(&self, labels: &Labels) -> bool {
        self.waiting.contains_key(labels) || self.in_flight.contains_key(labels)
    }

    /// Counts a copy that was old before it was offered.
    pub(super) fn pass_over(&mut self) {
        self.counts.offered += 1;
        self.counts.superseded += 1;
    }

    /// Counts a copy that came too late and that no other member has.
    pub(super) fn count_lost(&mut self) {
        self.counts.lost += 1;
    }

    /// Puts a copy behind the others, or in the place of an older one. The member is without this alert since then.
    pub(super) fn offer(&mut self, copy: Arc<Outgoing>, since: Instant) {
        self.counts.offered += 1;
        let number = self.counts.offered;
        match self.waiting.get_mut(&copy.labels) {
            Some(waiting) => {
                self.counts.superseded += 1;
                if waiting.copy.age < copy.age {
                    (waiting.copy, waiting.number) = (copy, number);
                }
            }
            None => {
                // While an older one is under way the member is without it for as long as without that one.
                let since = self.in_flight.get(&copy.labels).map_or(since, |older| older.since);
                self.order.push_back(copy.labels.clone());
                self.waiting.insert(copy.labels.clone(), Waiting { copy, since, number });
            }
        }
    }

    /// Forgets what it may have of alerts that nobody speaks of any more.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&Labels) -> bool) {
        self.doubtful.retain(|labels| !is_gone(labels));
        self.again.retain(|labels, _| !is_gone(labels));
    }

    /// Gives up what waits of an alert.
    pub(super) fn give_up(&mut self, labels: &Labels) -> Option<Arc<Outgoing>> {
        let waiting = self.waiting.remove(labels)?;
        self.counts.expired += 1;
        Some(waiting.copy)
    }

    /// Takes out the next copies, and those that are over.
    pub(super) fn take(
        &mut self,
        most: usize,
        bytes: usize,
        now: Moment,
    ) -> (Vec<Arc<Outgoing>>, Vec<Arc<Outgoing>>) {
        self.tell_again(now);
        let (mut batch, mut over, mut length) = (Vec::new(), Vec::new(), 0);
        self.in_flight.clear();
        while batch.len() < most
            && let Some(labels) = self.order.front()
        {
            let is_too_much = |copy: &Outgoing| !copy.is_over(now) && length + copy.body.len() > bytes;
            if !batch.is_empty() && self.waiting.get(labels).is_some_and(|next| is_too_much(&next.copy)) {
                break;
            }
            let labels = self.order.pop_front();
            let Some(waiting) = labels.and_then(|labels| self.waiting.remove(&labels)) else { continue };
            if waiting.copy.is_over(now) {
                self.counts.expired += 1;
                over.push(waiting.copy);
            } else {
                length += waiting.copy.body.len();
                batch.push(waiting.copy.clone());
                self.in_flight.insert(waiting.copy.labels.clone(), waiting);
            }
        }
        (batch, over)
    }

    /// Has it told once more what is due, unless something newer waits.
    fn tell_again(&mut self, now: Moment) {
        if self.failing {
            return;
        }
        let due: Vec<Labels> = self
            .again
            .iter()
            .filter(|(_, (at, _))| *at <= now.steady)
            .map(|(labels, _)| labels.clone())
            .collect();
        for labels in due {
            if let Some((_, copy)) = self.again.remove(&labels)
                && !self.waiting.contains_key(&labels)
                && !copy.is_over(now)
            {
                self.offer(copy, now.steady);
            }
        }
    }

    /// Returns when something is to be told once more, if anything is.
    pub(in super::super) fn next_again(&self) -> Option<Instant> {
        self.again.values().map(|(at, _)| *at).min()
    }

    pub(super) fn accepted(&mut self, batch: &[Arc<Outgoing>], now: Moment) {
        self.failing = false;
        self.counts.forwarded += batch.len() as u64;
        for copy in batch {
            self.in_flight.remove(&copy.labels);
            if let Some(newer) = self.waiting.get_mut(&copy.labels) {
                newer.since = newer.copy.received;
            }
            if let Some((_, known)) = self.again.get_mut(&copy.labels) {
                *known = copy.clone();
            } else if self.doubtful.remove(&copy.labels) {
                self.again.insert(copy.labels.clone(), (now.steady + AGAIN_AFTER, copy.clone()));
            }
        }
    }

    pub(super) fn refused(&mut self, copy: &Outgoing) {
        self.failing = false;
        self.counts.refused += 1;
        self.in_flight.remove(&copy.labels);
        self.again.remove(&copy.labels);
        self.doubtful.remove(&copy.labels);
    }

    pub(super) fn failed(&mut self, sent: &[Arc<Outgoing>], unsent: &[Arc<Outgoing>], in_doubt: bool) {
        self.failing = true;
        self.counts.failures += 1;
        if in_doubt {
            self.doubtful.extend(sent.iter().map(|copy| copy.labels.clone()));
        }
        for copy in sent.iter().chain(unsent).rev() {
            let Some(tried) = self.in_flight.remove(&copy.labels) else { continue };
            if self.waiting.contains_key(&copy.labels) {
                self.counts.superseded += 1;
                continue;
            }
            self.order.push_front(copy.labels.clone());
            self.waiting.insert(copy.labels.clone(), tried);
        }
    }

    /// Returns the copies of which nobody was told yet that the member fails.
    pub(super) fn untold(&mut self) -> Vec<Arc<Outgoing>> {
        let told = std::mem::replace(&mut self.told, self.counts.offered);
        let untold = self.waiting.values().filter(|waiting| waiting.number > told);
        untold.map(|waiting| waiting.copy.clone()).collect()
    }
}
