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
    /// Requests that failed.
    pub failures: u64,
}

/// The way to one member.
#[derive(Debug, Default)]
pub(in super::super) struct Lane {
    waiting: HashMap<Labels, Arc<Outgoing>>,
    order: VecDeque<Labels>,
    in_flight: HashSet<Labels>,
    failing: bool,
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

    /// Returns since when the first of them waits.
    pub(in super::super) fn oldest(&self) -> Option<Instant> {
        self.order.front().and_then(|labels| self.waiting.get(labels)).map(|copy| copy.received)
    }

    /// Reports whether its last request failed.
    pub(in super::super) fn is_failing(&self) -> bool {
        self.failing
    }

    pub(super) fn holds(&self, labels: &Labels) -> bool {
        self.waiting.contains_key(labels) || self.in_flight.contains(labels)
    }

    /// Counts a copy that was old before it was offered.
    pub(super) fn pass_over(&mut self) {
        self.counts.offered += 1;
        self.counts.superseded += 1;
    }

    pub(super) fn offer(&mut self, copy: Arc<Outgoing>) {
        self.counts.offered += 1;
        match self.waiting.get_mut(&copy.labels) {
            Some(waiting) => {
                self.counts.superseded += 1;
                if waiting.age < copy.age {
                    *waiting = copy;
                }
            }
            None => {
                self.order.push_back(copy.labels.clone());
                self.waiting.insert(copy.labels.clone(), copy);
            }
        }
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
        while batch.len() < most
            && let Some(copy) = self.order.front().and_then(|labels| self.waiting.get(labels))
        {
            let is_over = copy.is_over(now);
            if !is_over && !batch.is_empty() && length + copy.body.len() > bytes {
                break;
            }
            let labels = self.order.pop_front();
            let Some(copy) = labels.and_then(|labels| self.waiting.remove(&labels)) else { break };
            if is_over {
                self.counts.expired += 1;
                over.push(copy);
            } else {
                length += copy.body.len();
                batch.push(copy);
            }
        }
        self.in_flight = batch.iter().map(|copy| copy.labels.clone()).collect();
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
            {
                self.offer(copy);
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
            self.in_flight.remove(&copy.labels);
            if self.waiting.contains_key(&copy.labels) {
                self.counts.superseded += 1;
                continue;
            }
            self.order.push_front(copy.labels.clone());
            self.waiting.insert(copy.labels.clone(), copy.clone());
        }
    }
}
