//! Which copy of which alert is still to go to which Alertmanager: the order of things, without I/O and given the time.
//!
//! Alertmanager stamps an alert when it arrives, so what arrives last is what counts (facts: a late copy of a firing alert after
//! the resolved one fires it again). Hence one lane a member with one request in flight, and in each lane at most one copy of an
//! alert, the newest. A copy is as new as the request that it came with: its number is given on receipt, before anything is
//! fetched for it.

mod lane;
#[cfg(test)]
mod tests;
mod ticket;

pub(super) use lane::{Counts, Lane};
pub(super) use ticket::Verdict;

use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::sys::clock::Moment;
use crate::wire::am_post::Posted;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ticket::{Tickets, Waiter};
use tokio::sync::oneshot;

/// So many different alerts are known at most: ten times what a whole fleet of 20,000 nodes fires in a storm.
const MOST_ALERTS: usize = 200_000;
/// How long a firing copy is tried: its sender sends it again each minute.
const FIRING_FOR: Duration = Duration::from_secs(90);
/// How long a resolved one is: Prometheus sends it for as long (rules/alerting.go, resolvedRetention).
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);
/// How long an alert is known after it was last received.
const KNOWN_FOR: Duration = Duration::from_secs(20 * 60);

/// A member, by a number that no other one has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Member(pub u32);

/// How new a copy is: by its receipt, then by how often it was enriched since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    pub receipt: u64,
    pub revision: u32,
}

/// One copy of an alert, as it goes to the members.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub labels: Labels,
    pub age: Age,
    pub resolved: bool,
    pub ends_at: Option<Timestamp>,
    pub received: Instant,
    pub body: Box<[u8]>,
}

impl Outgoing {
    /// Whether it comes too late to be sent.
    fn is_over(&self, now: Moment) -> bool {
        let waited = now.steady.saturating_duration_since(self.received);
        match self.resolved {
            true => waited > RESOLVED_FOR,
            false => waited > FIRING_FOR || self.ends_at.is_some_and(|ends_at| ends_at <= now.wall),
        }
    }
}

/// One alert as it was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub receipt: u64,
    pub alert: Arc<Posted>,
    pub resolved: bool,
    /// When this copy was received.
    pub at: Instant,
    /// When this alert was first received, since it fires.
    pub first: Instant,
}

/// What is known of one alert.
struct Known {
    newest: Received,
    waiters: Vec<Waiter>,
}

/// More alerts than are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_ALERTS} different alerts are on their way")]
pub(super) struct TooMany;

/// All alerts, and what each member has yet to get of them.
#[derive(Default)]
pub(super) struct Exchange {
    receipts: u64,
    known: HashMap<Labels, Known>,
    lanes: BTreeMap<Member, Lane>,
    tickets: Tickets,
}

impl Exchange {
    /// Has a member be sent what is received from now on.
    pub(super) fn join(&mut self, member: Member) {
        self.lanes.entry(member).or_default();
    }

    /// Forgets a member, and what was still to be sent to it.
    pub(super) fn leave(&mut self, member: Member) {
        self.lanes.remove(&member);
    }

    /// Returns the lanes of all members.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (Member, &Lane)> {
        self.lanes.iter().map(|(member, lane)| (*member, lane))
    }

    /// Returns how many alerts are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Notes what a request brought. The verdict comes once some member has each of its alerts, or none takes them.
    pub(super) fn receive(
        &mut self,
        alerts: Vec<Posted>,
        now: Moment,
    ) -> Result<(Vec<Received>, oneshot::Receiver<Verdict>), TooMany> {
        let new = alerts.iter().filter(|alert| !self.known.contains_key(&alert.labels)).count();
        if self.known.len() + new > MOST_ALERTS {
            return Err(TooMany);
        }
        let (ticket, verdict) = self.tickets.open(alerts.len());
        let received = alerts.into_iter().map(|alert| self.note(alert, ticket, now)).collect();
        if self.lanes.is_empty() {
            self.tickets.fail(ticket);
        }
        Ok((received, verdict))
    }

    fn note(&mut self, alert: Posted, ticket: u64, now: Moment) -> Received {
        self.receipts += 1;
        let (labels, resolved) = (alert.labels.clone(), alert.is_resolved(now.wall));
        let waiter = Waiter { receipt: self.receipts, ticket, failed: Vec::new() };
        let known = self.known.entry(labels);
        let first = match &known {
            std::collections::hash_map::Entry::Occupied(known) => known.get().newest.first,
            std::collections::hash_map::Entry::Vacant(_) => now.steady,
        };
        let at = now.steady;
        let received = Received { receipt: self.receipts, alert: Arc::new(alert), resolved, at, first };
        let known = known.or_insert_with(|| Known { newest: received.clone(), waiters: Vec::new() });
        // What fires anew is new.
        let first = if known.newest.resolved && !resolved { now.steady } else { first };
        known.newest = Received { first, ..received };
        known.waiters.push(waiter);
        known.newest.clone()
    }

    /// Returns the newest copy that was received of an alert.
    pub(super) fn newest(&self, labels: &Labels) -> Option<&Received> {
        self.known.get(labels).map(|known| &known.newest)
    }

    /// Puts a copy into every lane, in the place of an older one. One that is not the newest received goes nowhere.
    pub(super) fn offer(&mut self, copy: Outgoing) {
        let Some(known) = self.known.get_mut(&copy.labels) else { return };
        let is_newest = known.newest.receipt == copy.age.receipt;
        let copy = Arc::new(copy);
        for (member, lane) in &mut self.lanes {
            if !is_newest {
                lane.pass_over();
                continue;
            }
            lane.offer(copy.clone());
            if lane.is_failing() {
                ticket::fail(&mut known.waiters, copy.age.receipt, *member);
            }
        }
        ticket::settle(&mut known.waiters, &self.lanes, &mut self.tickets);
    }

    /// Takes out what goes to a member next: so many copies at most, of so many bytes together, unless one alone has more.
    pub(super) fn take(
        &mut self,
        member: Member,
        most: usize,
        bytes: usize,
        now: Moment,
    ) -> Vec<Arc<Outgoing>> {
        let Some(lane) = self.lanes.get_mut(&member) else { return Vec::new() };
        let (batch, over) = lane.take(most, bytes, now);
        for copy in over {
            self.tell_failure(&copy, member);
        }
        batch
    }

    /// Notes that a member has taken a batch.
    pub(super) fn accepted(&mut self, member: Member, batch: &[Arc<Outgoing>], now: Moment) {
        if let Some(lane) = self.lanes.get_mut(&member) {
            lane.accepted(batch, now);
        }
        for copy in batch {
            if let Some(known) = self.known.get_mut(&copy.labels) {
                ticket::accept(&mut known.waiters, copy.age.receipt, &mut self.tickets);
            }
        }
    }

    /// Notes that a member will never take a copy, and why.
    pub(super) fn refused(&mut self, member: Member, copy: &Outgoing, why: &str) {
        if let Some(lane) = self.lanes.get_mut(&member) {
            lane.refused(copy);
        }
        if let Some(known) = self.known.get_mut(&copy.labels) {
            ticket::refuse(&mut known.waiters, copy.age.receipt, why, &mut self.tickets);
        }
    }

    /// Puts back what a member did not take, and what was to be sent after it. It may have the first nevertheless where no answer
    /// came (`in_doubt`).
    pub(super) fn failed(
        &mut self,
        member: Member,
        sent: &[Arc<Outgoing>],
        unsent: &[Arc<Outgoing>],
        in_doubt: bool,
    ) {
        let Some(lane) = self.lanes.get_mut(&member) else { return };
        lane.failed(sent, unsent, in_doubt);
        for copy in sent.iter().chain(unsent) {
            self.tell_failure(copy, member);
        }
    }

    fn tell_failure(&mut self, copy: &Outgoing, member: Member) {
        if let Some(known) = self.known.get_mut(&copy.labels) {
            ticket::fail(&mut known.waiters, copy.age.receipt, member);
            ticket::settle(&mut known.waiters, &self.lanes, &mut self.tickets);
        }
    }

    /// Forgets alerts that nobody has spoken of for long. Call it now and then.
    pub(super) fn tidy(&mut self, now: Moment) {
        let lanes = &self.lanes;
        self.known.retain(|labels, known| {
            now.steady.saturating_duration_since(known.newest.at) < KNOWN_FOR
                || lanes.values().any(|lane| lane.holds(labels))
        });
    }
}
