use super::{Age, Exchange, Member, Outgoing, Received, Verdict};
use crate::model::labels::Labels;
use crate::sys::clock::{self, Moment};
use crate::wire::am_post::{Posted, decode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::error::TryRecvError;

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
        body: Box::from(&b"{}"[..]),
    }
}

fn exchange() -> Exchange {
    let mut exchange = Exchange::default();
    MEMBERS.iter().for_each(|member| exchange.join(*member));
    exchange
}

fn take_all(exchange: &mut Exchange, member: Member, now: Moment) -> Vec<Arc<Outgoing>> {
    exchange.take(member, usize::MAX, usize::MAX, now)
}

#[test]
fn a_sender_is_told_as_soon_as_one_member_has_all_and_when_none_takes_them() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let (received, mut verdict) =
        exchange.receive(vec![posted(1, false, now), posted(2, false, now)], now).expect("few");
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    let first = take_all(&mut exchange, MEMBERS[0], now);
    exchange.failed(MEMBERS[0], &first, &[], false);
    assert_eq!(verdict.try_recv(), Err(TryRecvError::Empty), "the other one may take them");
    let second = take_all(&mut exchange, MEMBERS[1], now);
    exchange.accepted(MEMBERS[1], &second, now);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Accepted));

    let (received, mut verdict) = exchange.receive(vec![posted(1, false, now)], now).expect("few");
    exchange.offer(outgoing(&received[0], 0, now));
    let second = take_all(&mut exchange, MEMBERS[1], now);
    exchange.failed(MEMBERS[1], &second, &[], true);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed), "the first one was failing before");

    let (received, mut verdict) = exchange.receive(vec![posted(3, false, now)], now).expect("few");
    exchange.offer(outgoing(&received[0], 0, now));
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed), "both were");
    for copy in take_all(&mut exchange, MEMBERS[0], now) {
        exchange.refused(MEMBERS[0], &copy, "bad label");
    }
    let (received, mut verdict) = exchange.receive(vec![posted(4, false, now)], now).expect("few");
    exchange.offer(outgoing(&received[0], 0, now));
    let copies = take_all(&mut exchange, MEMBERS[0], now);
    exchange.refused(MEMBERS[0], &copies[0], "bad label");
    assert_eq!(verdict.try_recv(), Ok(Verdict::Refused("bad label".to_owned())));
    assert_eq!(exchange.receive(Vec::new(), now).expect("few").1.try_recv(), Ok(Verdict::Accepted));
}

#[test]
fn copies_that_come_too_late_are_given_up() {
    let (mut exchange, now) = (exchange(), clock::moment());
    let (received, mut verdict) =
        exchange.receive(vec![posted(1, false, now), posted(2, true, now)], now).expect("few");
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
    let (received, mut verdict) = exchange.receive(alerts, now).expect("few");
    received.iter().for_each(|one| exchange.offer(outgoing(one, 0, now)));
    assert_eq!(exchange.take(MEMBERS[0], 3, usize::MAX, now).len(), 3);
    let first = exchange.take(MEMBERS[1], 10, 3, now);
    assert_eq!(first.len(), 1, "one alone may be larger");
    exchange.leave(MEMBERS[0]);
    exchange.failed(MEMBERS[1], &first, &[], false);
    assert_eq!(verdict.try_recv(), Ok(Verdict::Failed));
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
}

/// How a request to a member ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Answered,
    Refused,
    /// The member has it, and the answer is lost.
    Lost,
    /// The member sleeps: it has the request once it wakes.
    Asleep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Answered),
        1 => Just(Outcome::Refused),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Asleep),
    ];
    let step = prop_oneof![
        4 => (0..4u8, any::<bool>()).prop_map(|(key, resolved)| Step::Receive(key, resolved)),
        4 => (0..9usize).prop_map(Step::Enriched),
        1 => (0..4u8).prop_map(Step::Revise),
        4 => (0..2usize, outcome).prop_map(|(member, outcome)| Step::Send(member, outcome)),
        1 => (0..2u8).prop_map(Step::Pass),
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
    now: Moment,
    enriching: Vec<Received>,
    newest: BTreeMap<String, u64>,
    revisions: u32,
}

impl World {
    fn new() -> Self {
        Self {
            exchange: exchange(),
            members: Default::default(),
            now: clock::moment(),
            enriching: Vec::new(),
            newest: BTreeMap::new(),
            revisions: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Receive(key, resolved) => {
                let alert = posted(*key, *resolved, self.now);
                let (received, _) = self.exchange.receive(vec![alert], self.now).expect("few");
                self.newest.insert(name(&received[0].alert.labels), received[0].receipt);
                self.enriching.extend(received);
            }
            Step::Enriched(place) => {
                if !self.enriching.is_empty() {
                    let received = self.enriching.remove(place % self.enriching.len());
                    self.exchange.offer(outgoing(&received, 0, self.now));
                }
            }
            Step::Revise(key) => {
                self.revisions += 1;
                let labels = posted(*key, false, self.now).labels;
                if let Some(newest) = self.exchange.newest(&labels).cloned() {
                    self.exchange.offer(outgoing(&newest, self.revisions, self.now));
                }
            }
            Step::Send(place, outcome) => self.send(*place, *outcome),
            Step::Pass(seconds) => self.now = self.now.after(Duration::from_secs((*seconds).into())),
        }
    }

    fn send(&mut self, place: usize, outcome: Outcome) {
        let (member, am) = (MEMBERS[place], &mut self.members[place]);
        let batch = self.exchange.take(member, 3, usize::MAX, self.now);
        if batch.is_empty() {
            return;
        }
        match outcome {
            Outcome::Answered => {
                am.arrive(&batch);
                // It woke just now: the old requests may run after the new one, but not much later.
                std::mem::take(&mut am.asleep).iter().for_each(|late| am.arrive(late));
                self.exchange.accepted(member, &batch, self.now);
            }
            Outcome::Refused => self.exchange.failed(member, &batch, &[], false),
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
        while !world.enriching.is_empty() {
            world.step(&Step::Enriched(0));
        }
        // Everybody is well now.
        for _ in 0..60 {
            (0..2).for_each(|place| world.send(place, Outcome::Answered));
            world.now = world.now.after(Duration::from_secs(1));
        }
        for (place, (_, lane)) in world.exchange.lanes().enumerate() {
            let counts = lane.counts();
            let settled = counts.forwarded + counts.refused + counts.superseded + counts.expired;
            prop_assert_eq!((counts.offered, lane.len()), (settled, 0), "the ledger of {}", place);
            let holds: BTreeMap<String, u64> =
                world.members[place].holds.iter().map(|(name, age)| (name.clone(), age.receipt)).collect();
            prop_assert_eq!(&holds, &world.newest, "member {}", place);
        }
    }

    #[test]
    fn who_is_told_that_it_is_accepted_has_it_at_a_member(steps in steps()) {
        let mut world = World::new();
        let mut waiting = Vec::new();
        for step in &steps {
            if let Step::Receive(key, resolved) = step {
                let alert = posted(*key, *resolved, world.now);
                let (received, verdict) = world.exchange.receive(vec![alert], world.now).expect("few");
                waiting.push((received[0].clone(), verdict));
                world.enriching.extend(received);
            } else {
                world.step(step);
            }
            for (received, verdict) in &mut waiting {
                if verdict.try_recv() == Ok(Verdict::Accepted) {
                    let name = name(&received.alert.labels);
                    let had = |am: &Am| am.had.get(&name).is_some_and(|had| *had >= received.receipt);
                    prop_assert!(world.members.iter().any(had), "{name}");
                }
            }
        }
    }
}
