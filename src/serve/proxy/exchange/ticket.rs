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
    /// The members that do not have it: they failed to take it, or refused it and said why.
    pub without: Vec<(Member, Option<Box<str>>)>,
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
    if waiters.is_empty() {
        // Each alert of a storm has such a list.
        *waiters = Vec::new();
    }
}

/// Notes that a member does not take a copy: it failed, or it refused it and said why.
pub(super) fn note(waiters: &mut [Waiter], receipt: u64, member: Member, refusal: Option<&str>) {
    for waiter in waiters.iter_mut().filter(|waiter| waiter.receipt <= receipt) {
        waiter.without.retain(|(known, _)| *known != member);
        waiter.without.push((member, refusal.map(Box::from)));
    }
}

/// Tells those for whom no member is left: they are refused where every one has refused them.
pub(super) fn settle(waiters: &mut Vec<Waiter>, lanes: &BTreeMap<Member, Lane>, tickets: &mut Tickets) {
    let has_missed = |waiter: &Waiter, member: &Member| waiter.without.iter().any(|(one, _)| one == member);
    let is_left_alone = |waiter: &mut Waiter| lanes.keys().all(|member| has_missed(waiter, member));
    for waiter in waiters.extract_if(.., is_left_alone) {
        let members = waiter.without.iter().filter(|(member, _)| lanes.contains_key(member));
        let refusals: Option<Vec<&str>> = members.map(|(_, why)| why.as_deref()).collect();
        match refusals.as_deref() {
            Some([why, ..]) => tickets.refuse(waiter.ticket, why),
            _ => tickets.fail(waiter.ticket),
        }
    }
}
