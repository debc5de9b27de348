use super::{Age, Exchange, Member, Outgoing, Received, Verdict};
use crate::model::labels::Labels;
use crate::sys::clock::{self, Moment};
use crate::wire::am_post::{Posted, decode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::{self, error::TryRecvError};

const MEMBERS: [Member; 2] = [Member(1), Member(2)];

fn posted(key: u8, resolved: bool, now: Moment) -> Posted {
    let ends_at = now.wall + chrono::Duration::seconds(if resolved { -1 } else { 240 });
    let body = format!(r#"[{{"labels":{{"alertname":"a{key}"}},"endsAt":"{}"}}]"#, ends_at.to_rfc3339());
    decode(body.as_bytes()).expect("an alert").0.remove(0)
}

fn outgoing(received: &Received, revision: u32, now: Moment) -> Outgoing {
    Outgoing {
        labels: received.alert.labels.clone(),
        age: Age { receipt: received.receipt, revision },
        resolved: received.resolved,
        ends_at: received.alert.ends_at,
        received: now.steady,
        body: b"{}".to_vec(),
    }
}

fn exchange() -> Exchange {
    let mut exchange = Exchange::default();
    MEMBERS.iter().for_each(|member| exchange.join(*member, clock::moment()));
    exchange
}

fn take_all(exchange: &mut Exchange, member: Member, now: Moment) -> Vec<Arc<Outgoing>> {
    exchange.take(member, usize::MAX, usize::MAX, now)
}

#[test]
fn a_sender_is_told_as_soon_as_one_member_has_all_and_when_none_takes_them() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let (received, mut verdict) = exchange.receive(vec![posted(1, false, now), posted(2, false, now)], now);
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    let first = take_all(&mut exchange, MEMBERS[0], now);
    exchange.failed(MEMBERS[0], &first, &[], false);
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty), "the other one may take them");
    let second = take_all(&mut exchange, MEMBERS[1], now);
    exchange.accepted(MEMBERS[1], &second, now);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Accepted));

    let (received, mut verdict) = exchange.receive(vec![posted(3, false, now)], now);
    exchange.offer(outgoing(&received[0], 0, now));
    let second = take_all(&mut exchange, MEMBERS[1], now);
    exchange.failed(MEMBERS[1], &second, &[], true);
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty), "the first one was not tried since");
    let first = exchange.take(MEMBERS[0], 1, usize::MAX, now);
    assert_eq!(name(&first[0].labels), "a1", "what failed before goes first");
    exchange.failed(MEMBERS[0], &first, &[], false);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed), "what waits behind has no better chance");
    assert_eq!(exchange.receive(Vec::new(), now).1.try_recv(), Ok(Verdict::Accepted));
}

#[test]
fn what_one_member_refuses_another_may_take() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let refuse = |exchange: &mut Exchange, member: Member| {
        take_all(exchange, member, now).iter().for_each(|copy| exchange.refused(member, copy, "bad label"));
    };
    let (received, mut verdict) = exchange.receive(vec![posted(1, false, now)], now);
    exchange.offer(outgoing(&received[0], 0, now));
    refuse(&mut exchange, MEMBERS[0]);
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty));
    let second = take_all(&mut exchange, MEMBERS[1], now);
    exchange.accepted(MEMBERS[1], &second, now);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Accepted));

    let (received, mut verdict) = exchange.receive(vec![posted(2, false, now)], now);
    exchange.offer(outgoing(&received[0], 0, now));
    MEMBERS.into_iter().for_each(|member| refuse(&mut exchange, member));
    assert_eq!(verdict.try_recv(), Ok(Verdict::Refused("bad label".to_owned())));

    let (received, mut verdict) = exchange.receive(vec![posted(3, false, now)], now);
    exchange.offer(outgoing(&received[0], 0, now));
    let first = take_all(&mut exchange, MEMBERS[0], now);
    exchange.failed(MEMBERS[0], &first, &[], false);
    refuse(&mut exchange, MEMBERS[1]);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed), "the one that failed may still take it");
}

#[test]
fn only_what_no_member_has_is_lost_and_what_has_ended_is_not_told_again() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let (received, _verdict) = exchange.receive(vec![posted(1, false, now), posted(2, false, now)], now);
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    // No answer came, then one did: it would be told once more two seconds later.
    let one = exchange.take(MEMBERS[0], 1, usize::MAX, now);
    exchange.failed(MEMBERS[0], &one, &[], true);
    let one = exchange.take(MEMBERS[0], 1, usize::MAX, now);
    exchange.accepted(MEMBERS[0], &one, now);
    let later = now.after(Duration::from_secs(300));
    MEMBERS.into_iter().for_each(|member| assert!(take_all(&mut exchange, member, later).is_empty()));
    let counts: Vec<_> =
        exchange.lanes().map(|(_, lane)| (lane.counts().expired, lane.counts().lost)).collect();
    assert_eq!(counts, [(1, 0), (2, 1)], "the first one is at the first member");
}

#[test]
fn a_member_is_without_an_alert_for_as_long_as_it_has_no_copy_of_it() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let oldest = |exchange: &Exchange| exchange.lanes().next().and_then(|(_, lane)| lane.oldest());
    for minute in 0..5 {
        let at = now.after(Duration::from_secs(60 * minute));
        let (received, _verdict) = exchange.receive(vec![posted(1, false, at)], at);
        exchange.offer(outgoing(&received[0], 0, at));
        assert_eq!(oldest(&exchange), Some(now.steady));
        let batch = take_all(&mut exchange, MEMBERS[0], at);
        assert_eq!(oldest(&exchange), Some(now.steady), "what is under way has not arrived");
        exchange.failed(MEMBERS[0], &batch, &[], true);
    }
    let batch = take_all(&mut exchange, MEMBERS[0], now.after(Duration::from_secs(250)));
    exchange.accepted(MEMBERS[0], &batch, now);
    assert_eq!(oldest(&exchange), None);
}

#[test]
fn who_joins_gets_what_still_means_something_and_who_leaves_is_waited_for_no_more() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let alerts = vec![posted(1, false, now), posted(2, true, now), posted(3, false, now)];
    let (received, mut verdict) = exchange.receive(alerts, now);
    received[..2].iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    let all = take_all(&mut exchange, MEMBERS[0], now);
    exchange.accepted(MEMBERS[0], &all, now);
    exchange.join(Member(3), now.after(Duration::from_secs(80)));
    let names = |copies: &[Arc<Outgoing>]| copies.iter().map(|copy| name(&copy.labels)).collect::<Vec<_>>();
    assert_eq!(names(&take_all(&mut exchange, Member(3), now)), ["a1", "a2"]);
    exchange.join(Member(4), now.after(Duration::from_secs(100)));
    assert_eq!(names(&take_all(&mut exchange, Member(4), now)), ["a2"], "what fires is old by then");
    exchange.offer(outgoing(&received[2], 0, now));
    for member in [Member(1), Member(2), Member(3)] {
        let batch = take_all(&mut exchange, member, now);
        exchange.failed(member, &batch, &[], false);
    }
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty));
    exchange.leave(Member(4));
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed));
}

/// An alert with a body of so many bytes.
fn large(exchange: &mut Exchange, key: u8, bytes: usize, now: Moment) -> oneshot::Receiver<Verdict> {
    let (received, verdict) = exchange.receive(vec![posted(key, false, now)], now);
    exchange.offer(Outgoing { body: vec![b' '; bytes], ..outgoing(&received[0], 0, now) });
    verdict
}

#[test]
fn bytes_are_bounded_and_the_oldest_that_nobody_waits_for_go_first() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let length = super::MOST_BYTES / 10;
    let mut first = large(&mut exchange, 0, length, now);
    let mut taken = Vec::new();
    for key in 1..40 {
        let _verdict = large(&mut exchange, key, length, now);
        assert!(exchange.bytes <= super::MOST_BYTES, "{}", exchange.bytes);
        // The first member takes all of them, the second one is away.
        let batch = take_all(&mut exchange, MEMBERS[0], now);
        exchange.accepted(MEMBERS[0], &batch, now);
        taken.extend(batch.iter().map(|copy| name(&copy.labels)));
    }
    assert_eq!(taken.len(), 40, "nothing is kept from a member that is well");
    assert_eq!(first.try_recv(), Ok(Verdict::Accepted));
    let counts: Vec<_> = exchange.lanes().map(|(_, lane)| lane.counts()).collect();
    assert!(counts[1].expired > 25 && counts[1].lost == 0, "{counts:?}");
    let waits = take_all(&mut exchange, MEMBERS[1], now);
    assert_eq!(name(&waits.last().expect("some").labels), "a39", "the newest stay");

    exchange.accepted(MEMBERS[1], &waits, now);
    exchange.tidy(now);
    assert!(exchange.bytes <= super::SPARE_BYTES, "{}", exchange.bytes);
}

#[test]
fn more_alerts_than_are_held_are_taken_in_the_place_of_the_oldest() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let alerts = |from: usize| {
        let of = |number| format!(r#"{{"labels":{{"alertname":"a","n":"{number}"}}}}"#);
        let all: Vec<String> = (from..from + 50_000).map(of).collect();
        decode(format!("[{}]", all.join(",")).as_bytes()).expect("alerts").0
    };
    for round in 0..5 {
        let (received, _verdict) = exchange.receive(alerts(round * 50_000), now);
        received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
        assert!(exchange.len() <= super::MOST_ALERTS, "{}", exchange.len());
    }
    let newest = take_all(&mut exchange, MEMBERS[0], now).pop().expect("some");
    assert_eq!(newest.labels.get("n"), "249999");
}

#[test]
fn copies_that_come_too_late_are_given_up() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let (received, mut verdict) = exchange.receive(vec![posted(1, false, now), posted(2, true, now)], now);
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    let later = now.after(Duration::from_secs(91));
    let left = take_all(&mut exchange, MEMBERS[0], later);
    assert_eq!(left.len(), 1, "what is resolved is told for a quarter of an hour");
    assert!(left[0].resolved);
    exchange.failed(MEMBERS[0], &left, &[], false);
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty));
    assert!(take_all(&mut exchange, MEMBERS[1], now.after(Duration::from_secs(901))).is_empty());
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed));
    let counts: Vec<_> = exchange.lanes().map(|(_, lane)| (lane.counts().expired, lane.len())).collect();
    assert_eq!(counts, [(1, 1), (2, 0)]);
    // What nobody speaks of is forgotten once it is nowhere on its way.
    let later = now.after(Duration::from_secs(3600));
    exchange.tidy(later);
    assert_eq!(exchange.len(), 1);
    assert!(take_all(&mut exchange, MEMBERS[0], later).is_empty());
    exchange.tidy(later);
    assert_eq!(exchange.len(), 0);
}

#[test]
fn a_batch_is_bounded_and_a_member_that_left_holds_nobody_up() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let alerts = (0..5).map(|key| posted(key, false, now)).collect();
    let (received, mut verdict) = exchange.receive(alerts, now);
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    assert_eq!(exchange.take(MEMBERS[0], 3, usize::MAX, now).len(), 3);
    let first = exchange.take(MEMBERS[1], 10, 3, now);
    assert_eq!(first.len(), 1, "one alone may be larger");
    exchange.leave(MEMBERS[0]);
    exchange.failed(MEMBERS[1], &first, &[], false);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed));
}

#[test]
fn alerts_that_are_over_make_room_and_those_on_their_way_do_not() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let many = |from: usize, count: usize| -> Vec<Posted> {
        let label = |number| format!(r#"{{"labels":{{"alertname":"a{number}"}}}}"#);
        let body = (from..from + count).map(label).collect::<Vec<_>>().join(",");
        decode(format!("[{body}]").as_bytes()).expect("alerts").0
    };
    for part in 0..4 {
        let (received, _verdict) = exchange.receive(many(part * 50_000, 50_000), now);
        // Those of the first part reach nobody yet.
        if part > 0 {
            received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
            for member in MEMBERS {
                let taken = take_all(&mut exchange, member, now);
                exchange.accepted(member, &taken, now);
            }
        }
    }
    assert_eq!(exchange.len(), 200_000);
    let _ = exchange.receive(many(200_000, 1), now);
    assert_eq!(exchange.len(), 150_001);
    assert!(exchange.newest(&many(0, 1)[0].labels).is_some());
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Receive(u8, bool),
    /// What was fetched for one of those that were received has come: in any order.
    Enriched(usize),
    /// It is sent once more with what was fetched.
    Revise(u8),
    Send(usize, Outcome),
    Pass(u8),
    /// The member restarts at another address, with nothing.
    Move(usize),
    /// The wall clock jumps, of the proxy alone.
    Jump(i16),
}

/// How a request to a member ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Answered,
    /// It refuses each alert.
    Refused,
    /// Nothing was sent.
    Unsent,
    /// The member has it, and the answer is lost.
    Lost,
    /// The member sleeps: it has the request once it wakes.
    Asleep,
}

fn steps_with_refusals() -> impl Strategy<Value = Vec<Step>> {
    let refused = (0..2usize).prop_map(|member| vec![Step::Send(member, Outcome::Refused)]);
    let step = prop_oneof![3 => steps(), 1 => refused];
    proptest::collection::vec(step, 1..6).prop_map(|parts| parts.concat())
}

fn steps_with_jumps() -> impl Strategy<Value = Vec<Step>> {
    let jump = (-2000..2000_i16).prop_map(Step::Jump);
    let step = prop_oneof![9 => steps(), 1 => jump.prop_map(|jump| vec![jump])];
    proptest::collection::vec(step, 1..6).prop_map(|parts| parts.concat())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Answered),
        1 => Just(Outcome::Unsent),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Asleep),
    ];
    let step = prop_oneof![
        4 => (0..4u8, any::<bool>()).prop_map(|(key, resolved)| Step::Receive(key, resolved)),
        4 => (0..9usize).prop_map(Step::Enriched),
        1 => (0..4u8).prop_map(Step::Revise),
        4 => (0..2usize, outcome).prop_map(|(member, outcome)| Step::Send(member, outcome)),
        1 => (0..2u8).prop_map(Step::Pass),
        1 => (0..2usize).prop_map(Step::Move),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A member: what it holds of each alert, and the requests that lie in its sockets while it sleeps.
#[derive(Default)]
struct Am {
    holds: BTreeMap<String, Age>,
    /// The newest that it ever had.
    had: BTreeMap<String, u64>,
    asleep: Vec<Vec<Arc<Outgoing>>>,
}

impl Am {
    fn arrive(&mut self, batch: &[Arc<Outgoing>]) {
        for copy in batch {
            self.holds.insert(name(&copy.labels), copy.age);
            let had = self.had.entry(name(&copy.labels)).or_default();
            *had = (*had).max(copy.age.receipt);
        }
    }
}

fn name(labels: &Labels) -> String {
    labels.get("alertname").to_owned()
}

struct World {
    exchange: Exchange,
    members: [Am; 2],
    names: [Member; 2],
    /// The newest receipt when the member failed or refused the last time.
    unwell: [u64; 2],
    receipts: u64,
    now: Moment,
    /// The senders' clock: it never jumps.
    senders: Moment,
    enriching: Vec<Received>,
    newest: BTreeMap<String, Received>,
    revisions: u32,
}

impl World {
    fn new() -> Self {
        Self {
            exchange: exchange(),
            members: Default::default(),
            names: MEMBERS,
            unwell: [0; 2],
            receipts: 0,
            now: clock::moment(),
            senders: clock::moment(),
            enriching: Vec::new(),
            newest: BTreeMap::new(),
            revisions: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Receive(key, resolved) => {
                let alert = posted(*key, *resolved, self.senders);
                self.receive(alert);
            }
            Step::Enriched(place) => {
                if !self.enriching.is_empty() {
                    let received = self.enriching.remove(place % self.enriching.len());
                    self.exchange.offer(outgoing(&received, 0, self.now));
                }
            }
            Step::Revise(key) => {
                self.revisions += 1;
                if let Some(newest) = self.newest.get(&format!("a{key}")) {
                    assert_eq!(self.exchange.newest(&newest.alert.labels), Some(newest.receipt));
                    self.exchange.offer(outgoing(newest, self.revisions, self.now));
                }
            }
            Step::Send(place, outcome) => self.send(*place, *outcome),
            Step::Pass(seconds) => self.pass(*seconds),
            Step::Move(place) => {
                let (before, after) = (self.names[*place], Member(self.names[0].0.max(self.names[1].0) + 1));
                self.exchange.join(after, self.now);
                self.exchange.leave(before);
                (self.names[*place], self.unwell[*place]) = (after, 0);
                self.members[*place].holds.clear();
                self.members[*place].asleep.clear();
            }
            Step::Jump(seconds) => self.now.wall += chrono::Duration::seconds((*seconds).into()),
        }
    }

    fn receive(&mut self, alert: Posted) -> (Received, oneshot::Receiver<Verdict>) {
        let (received, verdict) = self.exchange.receive(vec![alert], self.now);
        self.receipts = received[0].receipt;
        self.newest.insert(name(&received[0].alert.labels), received[0].clone());
        self.enriching.extend(received.iter().cloned());
        (received[0].clone(), verdict)
    }

    fn pass(&mut self, seconds: u8) {
        let passed = Duration::from_secs(seconds.into());
        (self.now, self.senders) = (self.now.after(passed), self.senders.after(passed));
    }

    /// Brings everything to its end, with every member well.
    fn settle(&mut self) {
        while !self.enriching.is_empty() {
            self.step(&Step::Enriched(0));
        }
        for _ in 0..60 {
            (0..2).for_each(|place| self.send(place, Outcome::Answered));
            self.pass(1);
        }
    }

    fn assert_all_is_told(&self) -> Result<(), TestCaseError> {
        let newest: BTreeMap<&String, u64> =
            self.newest.iter().map(|(name, received)| (name, received.receipt)).collect();
        for (member, lane) in self.exchange.lanes() {
            let place = usize::from(member != self.names[0]);
            let counts = lane.counts();
            let settled = counts.forwarded + counts.refused + counts.superseded + counts.expired;
            prop_assert_eq!((counts.offered, lane.len()), (settled, 0), "the ledger of {}", place);
            let holds: BTreeMap<&String, u64> =
                self.members[place].holds.iter().map(|(name, age)| (name, age.receipt)).collect();
            prop_assert_eq!(&holds, &newest, "member {}", place);
        }
        Ok(())
    }

    fn send(&mut self, place: usize, outcome: Outcome) {
        let (member, am) = (self.names[place], &mut self.members[place]);
        let batch = self.exchange.take(member, 3, usize::MAX, self.now);
        if batch.is_empty() {
            return;
        }
        if outcome != Outcome::Answered {
            self.unwell[place] = self.receipts;
        }
        match outcome {
            Outcome::Answered => {
                am.arrive(&batch);
                // It woke just now: the old requests may run after the new one, but not much later.
                std::mem::take(&mut am.asleep).iter().for_each(|late| am.arrive(late));
                self.exchange.accepted(member, &batch, self.now);
            }
            Outcome::Refused => batch.iter().for_each(|copy| self.exchange.refused(member, copy, "bad")),
            Outcome::Unsent => self.exchange.failed(member, &batch, &[], false),
            Outcome::Lost => {
                am.arrive(&batch);
                self.exchange.failed(member, &batch, &[], true);
            }
            Outcome::Asleep => {
                am.asleep.push(batch.clone());
                self.exchange.failed(member, &batch, &[], true);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_member_ends_with_the_newest_of_every_alert(steps in steps()) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.settle();
        world.assert_all_is_told()?;
    }

    #[test]
    fn a_wall_clock_that_jumps_costs_nothing_that_the_next_resend_does_not_bring(steps in steps_with_jumps()) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.settle();
        // A minute later everything is sent once more, and everybody is well; the clock may still be wrong.
        let again: Vec<(u8, bool)> = (0..4)
            .filter_map(|key| {
                let newest = world.newest.get(&format!("a{key}"))?;
                Some((key, newest.alert.is_resolved(world.senders.wall)))
            })
            .collect();
        again.iter().for_each(|(key, resolved)| world.step(&Step::Receive(*key, *resolved)));
        world.settle();
        world.assert_all_is_told()?;
    }

    #[test]
    fn who_is_told_that_it_is_accepted_has_it_at_a_member_and_else_every_member_was_tried(
        steps in steps_with_refusals(),
    ) {
        let mut world = World::new();
        let mut waiting = Vec::new();
        for step in &steps {
            if let Step::Receive(key, resolved) = step {
                let alert = posted(*key, *resolved, world.now);
                waiting.push(world.receive(alert));
            } else {
                world.step(step);
            }
            for (received, verdict) in &mut waiting {
                let name = name(&received.alert.labels);
                let had = |am: &Am| am.had.get(&name).is_some_and(|had| *had >= received.receipt);
                match verdict.try_recv() {
                    Ok(Verdict::Accepted) => prop_assert!(world.members.iter().any(had), "{}", name),
                    Ok(_) => {
                        let tried = world.unwell.iter().all(|at| *at >= received.receipt);
                        prop_assert!(tried, "{} of {}: {:?}", received.receipt, name, world.unwell);
                    }
                    Err(_) => {}
                }
            }
        }
    }
}
