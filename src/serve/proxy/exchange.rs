//! Which copy of which alert is still to go to which Alertmanager: the order of things, without I/O and given the time.
//!
//! Alertmanager stamps an alert when it arrives, so what arrives last is what counts (facts: a late copy of a firing alert after
//! the resolved one fires it again). Hence one lane a member with one request in flight, and in each lane at most one copy of an
//! alert, the newest. A copy is as new as the request that it came with: its number is given on receipt, before anything is
//! fetched for it.

mod lane;
mod strings;
#[cfg(test)]
mod tests;
mod ticket;

pub(super) use lane::{Counts, Lane};
pub(super) use ticket::Verdict;

use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::sys::clock::Moment;
use crate::wire::am_post::Posted;
use chrono::TimeDelta;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strings::Strings;
use ticket::{Tickets, Waiter};
use tokio::sync::oneshot;

/// So many different alerts are known at most: ten times what a whole fleet of 20,000 nodes fires in a storm.
const MOST_ALERTS: usize = 200_000;
/// So many bytes of copies are held at most: a storm's, with what its checks print.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// So many of them for members that are yet to come; the next copies from their senders bring the rest.
const SPARE_BYTES: usize = 32 * 1024 * 1024;
/// How long a firing copy is tried: its sender sends it again each minute.
const FIRING_FOR: Duration = Duration::from_secs(90);
/// How long a resolved one is: Prometheus sends it for as long (rules/alerting.go, resolvedRetention).
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);
/// How long an alert is known after it was last received.
const KNOWN_FOR: Duration = Duration::from_secs(20 * 60);

/// What ends within this is resolved though our clock is behind the sender's: a firing copy ends in minutes.
const SKEW: TimeDelta = TimeDelta::seconds(2);

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
    pub body: Vec<u8>,
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
    /// The newest that was received.
    receipt: u64,
    resolved: bool,
    at: Instant,
    first: Instant,
    /// The newest copy, while it is worth sending: for members that join.
    copy: Option<Arc<Outgoing>>,
    /// The newest receipt that some member has.
    had: u64,
    waiters: Vec<Waiter>,
}

impl Known {
    fn bytes(&self) -> usize {
        self.copy.as_ref().map_or(0, |copy| copy.body.len())
    }
}

/// All alerts, and what each member has yet to get of them.
#[derive(Default)]
pub(super) struct Exchange {
    receipts: u64,
    known: HashMap<Labels, Known>,
    strings: Strings,
    lanes: BTreeMap<Member, Lane>,
    tickets: Tickets,
    /// Of all copies that are held.
    bytes: usize,
}

impl Exchange {
    /// Has a member be sent what is received from now on, and what still means something of what was received before: it may be
    /// one that was away and is back at another address.
    pub(super) fn join(&mut self, member: Member, now: Moment) {
        let mut copies: Vec<&Arc<Outgoing>> =
            self.known.values().filter_map(|known| known.copy.as_ref()).collect();
        copies.retain(|copy| !copy.is_over(now));
        copies.sort_unstable_by_key(|copy| copy.age);
        let mut lane = Lane::default();
        copies.into_iter().for_each(|copy| lane.offer(copy.clone(), now.steady));
        self.lanes.insert(member, lane);
    }

    /// Forgets a member, and what was still to be sent to it. Nobody waits for it any more.
    pub(super) fn leave(&mut self, member: Member) {
        self.lanes.remove(&member);
        for known in self.known.values_mut() {
            ticket::settle(&mut known.waiters, &self.lanes, &mut self.tickets);
        }
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
    ) -> (Vec<Received>, oneshot::Receiver<Verdict>) {
        let new = alerts.iter().filter(|alert| !self.known.contains_key(&alert.labels)).count();
        if self.known.len() + new > MOST_ALERTS {
            self.make_room();
        }
        let (ticket, verdict) = self.tickets.open(alerts.len());
        let received = alerts.into_iter().map(|alert| self.note(alert, ticket, now)).collect();
        if self.lanes.is_empty() {
            self.tickets.fail(ticket);
        }
        (received, verdict)
    }

    fn note(&mut self, mut alert: Posted, ticket: u64, now: Moment) -> Received {
        self.receipts += 1;
        // From here on they are the very same, which is seen at a glance.
        alert.labels = match self.known.get_key_value(&alert.labels) {
            Some((known, _)) => known.clone(),
            None => self.strings.share(&alert.labels),
        };
        let (receipt, resolved, at) = (self.receipts, alert.is_resolved(now.wall + SKEW), now.steady);
        let waiter = Waiter { receipt, ticket, without: Vec::new() };
        let first = match self.known.get_mut(&alert.labels) {
            Some(known) => {
                // What fires anew is new.
                let first = if known.resolved && !resolved { at } else { known.first };
                (known.receipt, known.resolved, known.at, known.first) = (receipt, resolved, at, first);
                known.waiters.push(waiter);
                first
            }
            None => {
                let waiters = vec![waiter];
                let known = Known { receipt, resolved, at, first: at, copy: None, had: 0, waiters };
                self.known.insert(alert.labels.clone(), known);
                at
            }
        };
        Received { receipt, alert: Arc::new(alert), resolved, at, first }
    }

    /// Returns the number of the newest copy that was received of an alert.
    pub(super) fn newest(&self, labels: &Labels) -> Option<u64> {
        self.known.get(labels).map(|known| known.receipt)
    }

    /// Puts a copy into every lane, in the place of an older one. One that is not the newest received goes nowhere.
    pub(super) fn offer(&mut self, copy: Outgoing) {
        let Some(known) = self.known.get_mut(&copy.labels) else { return };
        let is_newest = known.receipt == copy.age.receipt;
        let copy = Arc::new(copy);
        for lane in self.lanes.values_mut() {
            match is_newest {
                true => lane.offer(copy.clone(), copy.received),
                false => lane.pass_over(),
            }
        }
        if is_newest && known.copy.as_ref().is_none_or(|held| held.age < copy.age) {
            self.bytes = self.bytes - known.bytes() + copy.body.len();
            known.copy = Some(copy);
        }
        if self.bytes > MOST_BYTES {
            self.make_room();
        }
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
            self.count_if_lost(member, &copy);
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
                known.had = known.had.max(copy.age.receipt);
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
            ticket::note(&mut known.waiters, copy.age.receipt, member, Some(why));
            ticket::settle(&mut known.waiters, &self.lanes, &mut self.tickets);
        }
    }

    /// Puts back what a member did not take, and what was to be sent after it. It may have the first nevertheless where no answer
    /// came (`in_doubt`). Whoever waits for it with anything in its lane hears of it: what waits behind has no better chance.
    pub(super) fn failed(
        &mut self,
        member: Member,
        sent: &[Arc<Outgoing>],
        unsent: &[Arc<Outgoing>],
        in_doubt: bool,
    ) {
        let Some(lane) = self.lanes.get_mut(&member) else { return };
        lane.failed(sent, unsent, in_doubt);
        for copy in lane.untold() {
            self.tell_failure(&copy, member);
        }
    }

    fn tell_failure(&mut self, copy: &Outgoing, member: Member) {
        if let Some(known) = self.known.get_mut(&copy.labels) {
            ticket::note(&mut known.waiters, copy.age.receipt, member, None);
            ticket::settle(&mut known.waiters, &self.lanes, &mut self.tickets);
        }
    }

    /// Counts a copy that came too late for a member where it is the newest, and no member has it or will.
    fn count_if_lost(&mut self, member: Member, copy: &Outgoing) {
        let Some(known) = self.known.get(&copy.labels) else { return };
        let is_newest = known.receipt == copy.age.receipt;
        let is_held = || self.lanes.values().any(|lane| lane.holds(&copy.labels));
        if is_newest
            && known.had < copy.age.receipt
            && !is_held()
            && let Some(lane) = self.lanes.get_mut(&member)
        {
            lane.count_lost();
        }
    }

    /// Forgets alerts that nobody has spoken of for long. Call it now and then.
    pub(super) fn tidy(&mut self, now: Moment) {
        self.strings = Strings::default();
        let lanes = &self.lanes;
        let is_held = |labels: &Labels| lanes.values().any(|lane| lane.holds(labels));
        let is_old = |known: &Known| now.steady.saturating_duration_since(known.at) >= KNOWN_FOR;
        let gone = self.known.extract_if(|labels, known| is_old(known) && !is_held(labels));
        let waiters = gone.flat_map(|(_, known)| known.waiters);
        waiters.for_each(|waiter| self.tickets.fail(waiter.ticket));
        // What no lane has any more is held for members that are yet to come, the newest of it.
        let mut spare: Vec<&mut Known> = Vec::new();
        for (labels, known) in &mut self.known {
            if known.copy.as_ref().is_some_and(|copy| !copy.is_over(now)) {
                if !is_held(labels) {
                    spare.push(known);
                }
            } else {
                known.copy = None;
            }
        }
        spare.sort_unstable_by_key(|known| std::cmp::Reverse(known.receipt));
        let mut bytes = 0;
        for known in spare {
            bytes += known.bytes();
            if bytes > SPARE_BYTES {
                known.copy = None;
            }
        }
        self.bytes = self.known.values().map(Known::bytes).sum();
        let known = &self.known;
        self.lanes.values_mut().for_each(|lane| lane.forget(|labels| !known.contains_key(labels)));
    }

    /// Forgets a quarter of what is known: what nobody waits for first, and the oldest.
    fn make_room(&mut self) {
        let is_held = |labels: &Labels| self.lanes.values().any(|lane| lane.holds(labels));
        let is_awaited = |labels: &Labels, known: &Known| !known.waiters.is_empty() || is_held(labels);
        let all = self.known.iter();
        let mut all: Vec<(bool, u64, Labels)> =
            all.map(|(labels, known)| (is_awaited(labels, known), known.receipt, labels.clone())).collect();
        all.sort_unstable_by_key(|(is_awaited, receipt, _)| (*is_awaited, *receipt));
        for (.., labels) in all {
            if self.known.len() <= MOST_ALERTS / 4 * 3 && self.bytes <= MOST_BYTES / 4 * 3 {
                break;
            }
            self.give_up(&labels);
        }
    }

    /// Forgets an alert wherever it waits, and tells whoever waits for it.
    fn give_up(&mut self, labels: &Labels) {
        let members: Vec<Member> = self.lanes.keys().copied().collect();
        for member in members {
            if let Some(copy) = self.lanes.get_mut(&member).and_then(|lane| lane.give_up(labels)) {
                self.count_if_lost(member, &copy);
            }
        }
        if let Some(known) = self.known.remove(labels) {
            self.bytes -= known.bytes();
            known.waiters.iter().for_each(|waiter| self.tickets.fail(waiter.ticket));
        }
    }
}
