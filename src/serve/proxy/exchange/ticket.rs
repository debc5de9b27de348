//! What a sender is told: each alert of its request is with a member, or none takes it.

use super::{Lane, Member};
use foldhash::HashMap;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// Some member has each of its alerts, or newer copies of them.
    Accepted,
    /// No member will ever take any of its alerts; the words of one.
    Refused(String),
    /// No member takes them now.
    Failed,
}

/// One alert of a request that waits for a member to take it.
#[derive(Debug)]
pub(super) struct Waiter {
    pub receipt: u64,
    pub ticket: u64,
    /// The members that failed to take it.
    pub failed: Vec<Member>,
}

/// The requests that wait.
#[derive(Default)]
pub(super) struct Tickets {
    number: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    left: usize,
    taken: usize,
    refusal: Option<String>,
    verdict: oneshot::Sender<Verdict>,
}

impl Tickets {
    /// Opens one for so many alerts.
    pub(super) fn open(&mut self, alerts: usize) -> (u64, oneshot::Receiver<Verdict>) {
        let (verdict, receiver) = oneshot::channel();
        self.number += 1;
        self.open.insert(self.number, Open { left: alerts, taken: 0, refusal: None, verdict });
        self.close_if_done(self.number);
        (self.number, receiver)
    }

    fn take(&mut self, ticket: u64) {
        if let Some(open) = self.open.get_mut(&ticket) {
            (open.left, open.taken) = (open.left - 1, open.taken + 1);
            self.close_if_done(ticket);
        }
    }

    fn refuse(&mut self, ticket: u64, why: &str) {
        if let Some(open) = self.open.get_mut(&ticket) {
            open.left -= 1;
            open.refusal.get_or_insert_with(|| why.to_owned());
            self.close_if_done(ticket);
        }
    }

    /// Tells the sender that none takes one of its alerts, which is all that it can be told.
    pub(super) fn fail(&mut self, ticket: u64) {
        if let Some(open) = self.open.remove(&ticket) {
            // Who waits no longer need not be told.
            let _ = open.verdict.send(Verdict::Failed);
        }
    }

    fn close_if_done(&mut self, ticket: u64) {
        if self.open.get(&ticket).is_some_and(|open| open.left == 0)
            && let Some(open) = self.open.remove(&ticket)
        {
            let verdict = match open.refusal {
                Some(why) if open.taken == 0 => Verdict::Refused(why),
                _ => Verdict::Accepted,
            };
            let _ = open.verdict.send(verdict);
        }
    }
}

/// Notes that a member has a copy of this receipt: whoever waits for it or for an older one need not any more.
pub(super) fn accept(waiters: &mut Vec<Waiter>, receipt: u64, tickets: &mut Tickets) {
    waiters.extract_if(.., |waiter| waiter.receipt <= receipt).for_each(|waiter| tickets.take(waiter.ticket));
}

/// Notes that a copy will never be taken.
pub(super) fn refuse(waiters: &mut Vec<Waiter>, receipt: u64, why: &str, tickets: &mut Tickets) {
    let told = waiters.extract_if(.., |waiter| waiter.receipt <= receipt);
    told.for_each(|waiter| tickets.refuse(waiter.ticket, why));
}

/// Notes that a member failed to take a copy.
pub(super) fn fail(waiters: &mut [Waiter], receipt: u64, member: Member) {
    for waiter in waiters.iter_mut().filter(|waiter| waiter.receipt <= receipt) {
        if !waiter.failed.contains(&member) {
            waiter.failed.push(member);
        }
    }
}

/// Tells those whom every member has failed.
pub(super) fn settle(waiters: &mut Vec<Waiter>, lanes: &BTreeMap<Member, Lane>, tickets: &mut Tickets) {
    let failed = |waiter: &mut Waiter| lanes.keys().all(|member| waiter.failed.contains(member));
    waiters.extract_if(.., failed).for_each(|waiter| tickets.fail(waiter.ticket));
}
