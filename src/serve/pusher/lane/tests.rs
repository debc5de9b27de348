use super::{Bounds, Lane, Parcel, Record};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::time::{Timestamp, from_epoch};
use crate::serve::pusher::result::Pushed;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ROOMY: Bounds = Bounds { results: 100, bytes: 10_000 };

fn at(second: u32) -> Timestamp {
    from_epoch(1_700_000_000.0 + f64::from(second)).expect("a time")
}

fn check(name: u8) -> PushedCheck {
    // Half of them have names that others have in other groups.
    let group = GroupKey::new(if name < 4 { "a" } else { "b" }, []);
    PushedCheck { group, check: format!("c{}", name % 4).into(), source: None }
}

/// The result of a run; the later run has the larger number.
fn pushed(name: u8, run: u32) -> Pushed {
    Pushed { check: check(name), body: Some(run.to_be_bytes().into()) }
}

fn gone(name: u8) -> Pushed {
    Pushed { check: check(name), body: None }
}

/// None where the check is gone.
fn run(body: &Option<Arc<[u8]>>) -> Option<u32> {
    body.as_ref().map(|body| u32::from_be_bytes((**body).try_into().expect("of four bytes")))
}

fn run_of(body: &Option<Arc<[u8]>>) -> u32 {
    run(body).expect("a result")
}

fn name_of(parcel: &Parcel) -> String {
    format!("{}/{}={}", parcel.check.group.job(), parcel.check.check, run_of(&parcel.body))
}

#[test]
fn the_newest_goes_first_and_every_other_turn_is_the_oldests() {
    let mut lane = Lane::new(ROOMY);
    (0..4).for_each(|name| lane.offer(pushed(name, u32::from(name)), at(u32::from(name))));
    // In the place of one that has waited already.
    lane.offer(pushed(1, 9), at(9));
    assert_eq!((lane.len(), lane.bytes(), lane.oldest()), (4, 16, Some(at(0))));
    let mut order = Vec::new();
    while let Some(parcel) = lane.take() {
        order.push(name_of(&parcel));
        lane.accepted(&parcel, at(10));
    }
    assert_eq!(order, ["a/c1=9", "a/c0=0", "a/c3=3", "a/c2=2"]);
    let counts = lane.counts();
    assert_eq!((counts.offered, counts.accepted, counts.superseded), (5, 4, 1));
    assert_eq!((lane.len(), lane.bytes(), lane.oldest()), (0, 0, None));
}

#[test]
fn what_fails_goes_behind_what_was_not_tried_as_often() {
    let mut lane = Lane::new(ROOMY);
    (0..3).for_each(|name| lane.offer(pushed(name, 0), at(0)));
    let mut tried = Vec::new();
    for _ in 0..6 {
        let parcel = lane.take().expect("it waits");
        tried.push(parcel.check.check.to_string());
        lane.failed(&parcel);
    }
    tried[..3].sort();
    tried[3..].sort();
    assert_eq!(tried, ["c0", "c1", "c2", "c0", "c1", "c2"]);
    // A newer one was never tried.
    lane.offer(pushed(1, 1), at(1));
    assert_eq!(lane.take().map(|parcel| name_of(&parcel)).as_deref(), Some("a/c1=1"));
}

#[test]
fn one_that_comes_while_an_older_one_is_in_flight_is_pushed_after_it_whatever_becomes_of_that() {
    for (end, counts) in [(0, (1, 0, 0)), (1, (0, 1, 0)), (2, (0, 0, 1))] {
        let mut lane = Lane::new(ROOMY);
        lane.offer(pushed(0, 1), at(1));
        let first = lane.take().expect("it waits");
        lane.offer(pushed(0, 2), at(2));
        assert_eq!((lane.oldest(), lane.counts().superseded), (Some(at(1)), 0));
        match end {
            0 => lane.accepted(&first, at(3)),
            1 => lane.refused(&first, at(3)),
            _ => lane.failed(&first),
        }
        let told = lane.counts();
        assert_eq!((told.accepted, told.refused, told.superseded), counts);
        assert_eq!(lane.oldest(), Some(at(if end == 2 { 1 } else { 3 })));
        let second = lane.take().expect("it waits");
        assert_eq!(run_of(&second.body), 2);
        lane.accepted(&second, at(4));
        assert_eq!((lane.len(), lane.take()), (0, None));
    }
}

#[test]
fn results_and_bytes_are_bounded_and_what_came_longest_ago_goes_first() {
    let mut lane = Lane::new(Bounds { results: 3, bytes: 1000 });
    (0..5).for_each(|name| lane.offer(pushed(name, 0), at(0)));
    assert_eq!((lane.len(), lane.counts().dropped), (3, 2));
    assert!(lane.take().is_some_and(|parcel| parcel.check == check(4)));
    let mut lane = Lane::new(Bounds { results: 10, bytes: 100 });
    let large = |name, bytes| Pushed { check: check(name), body: Some(vec![0; bytes].into()) };
    (0..3).for_each(|name| lane.offer(large(name, 40), at(0)));
    assert_eq!((lane.len(), lane.bytes()), (2, 80));
    lane.offer(large(3, 1000), at(0));
    assert_eq!((lane.len(), lane.bytes()), (1, 1000), "one alone may be larger");
    // One in flight may have to go as well; what becomes of it is counted all the same.
    let flying = lane.take().expect("it waits");
    lane.offer(large(4, 90), at(0));
    assert_eq!((lane.len(), lane.counts().dropped), (1, 3));
    lane.failed(&flying);
    assert_eq!(lane.counts().dropped, 4);
}

#[test]
fn the_disk_is_told_what_has_changed_and_nothing_else() {
    let mut lane = Lane::new(ROOMY);
    lane.offer(pushed(0, 1), at(1));
    let parcel = lane.take().expect("it waits");
    lane.accepted(&parcel, at(1));
    assert!(lane.take_unkept().is_empty(), "it came and went in between");
    lane.offer(pushed(0, 2), at(2));
    let changes = lane.take_unkept();
    assert_eq!(changes.len(), 1);
    lane.not_kept(changes);
    let changes = lane.take_unkept();
    let Some((_, Some(record))) = changes.first().cloned() else { panic!("{changes:?}") };
    lane.kept(changes);
    assert!(lane.take_unkept().is_empty());
    let parcel = lane.take().expect("it waits");
    lane.accepted(&parcel, at(2));
    assert_eq!(lane.take_unkept(), [(check(0), None)]);

    // The disk could be read only after newer ones had come, which may have the same numbers.
    let mut late = Lane::new(ROOMY);
    late.offer(pushed(0, 3), at(3));
    late.restore(check(0), Record { number: 1, ..record });
    assert_eq!(late.len(), 1);
    let changes = late.take_unkept();
    assert!(matches!(&changes[..], [(_, Some(record))] if run_of(&record.body) == 3), "{changes:?}");
}

#[test]
fn what_is_read_late_takes_no_others_number() {
    let mut lane = Lane::new(ROOMY);
    lane.offer(pushed(0, 3), at(3));
    lane.restore(check(1), Record { number: 1, since: at(1), body: pushed(1, 1).body });
    let mut taken = Vec::new();
    while let Some(parcel) = lane.take() {
        lane.accepted(&parcel, at(4));
        taken.push(parcel.check);
    }
    taken.sort();
    assert_eq!((taken, lane.len()), (vec![check(0), check(1)], 0));
}

#[test]
fn that_a_check_is_gone_takes_the_place_of_its_results_until_it_is_there_again() {
    let mut lane = Lane::new(ROOMY);
    lane.offer(pushed(0, 1), at(1));
    lane.offer(gone(0), at(2));
    lane.offer(gone(1), at(3));
    lane.offer(gone(2), at(4));
    assert_eq!((lane.len(), lane.bytes(), lane.counts().superseded), (3, 0, 1));
    lane.offer(pushed(1, 2), at(5));
    lane.withdraw(|known| *known == check(2));
    assert_eq!((lane.len(), lane.counts().superseded), (2, 3));
    let mut taken = Vec::new();
    while let Some(parcel) = lane.take() {
        taken.push((parcel.check.clone(), run(&parcel.body)));
        lane.accepted(&parcel, at(6));
    }
    taken.sort();
    assert_eq!(taken, [(check(0), None), (check(1), Some(2))]);
}

#[test]
fn a_disk_that_was_lost_is_told_all_that_waits() {
    let mut lane = Lane::new(ROOMY);
    (0..3).for_each(|name| lane.offer(pushed(name, 1), at(1)));
    let changes = lane.take_unkept();
    lane.kept(changes);
    assert_eq!((lane.kept_results(), lane.has_unkept()), (3, false));
    lane.forget_disk();
    assert_eq!((lane.kept_results(), lane.has_unkept(), lane.take_unkept().len()), (0, true, 3));
}

/// What may happen to a pusher with one gateway.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A check has run.
    Ran(u8),
    /// It is not defined any more; or is again.
    Gone(u8),
    Back(u8),
    /// A push begins, where none is under way.
    Push,
    /// It is answered; or fails, and did or did not arrive, or arrives later.
    Answered,
    Refused,
    Lost,
    Unheard,
    Late,
    /// What failed and lay somewhere arrives now.
    Arrives,
    /// The disk is written; or takes nothing.
    Keep,
    DiskFull,
    /// The pusher is killed, and begins anew with what is on disk.
    Killed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..8).prop_map(Step::Ran),
        1 => (0_u8..8).prop_map(Step::Gone),
        1 => (0_u8..8).prop_map(Step::Back),
        4 => Just(Step::Push),
        2 => Just(Step::Answered),
        1 => prop::sample::select(vec![
            Step::Refused, Step::Lost, Step::Unheard, Step::Late, Step::Arrives, Step::DiskFull, Step::Killed,
        ]),
        2 => Just(Step::Keep),
    ];
    prop::collection::vec(step, 0..80)
}

/// A gateway: of each check the newest result, as the contract has it.
#[derive(Default)]
struct Gateway(BTreeMap<PushedCheck, u32>);

impl Gateway {
    fn take(&mut self, parcel: &Parcel) {
        let Some(run) = run(&parcel.body) else {
            self.0.remove(&parcel.check);
            return;
        };
        let known = self.0.entry(parcel.check.clone()).or_default();
        *known = (*known).max(run);
    }
}

struct World {
    lane: Lane,
    gateway: Gateway,
    disk: BTreeMap<PushedCheck, Record>,
    flying: Option<Parcel>,
    late: Vec<Parcel>,
    runs: u32,
    /// The newest run that the gateway must have in the end; or nothing, where the check is gone.
    owed: BTreeMap<PushedCheck, Option<u32>>,
    /// Checks of which something that is gone arrived late: a gateway cannot tell.
    excused: BTreeSet<PushedCheck>,
}

impl World {
    fn step(&mut self, step: Step, bounds: Bounds) {
        match step {
            Step::Ran(name) => {
                self.runs += 1;
                self.offer(pushed(name, self.runs));
            }
            Step::Gone(name) => self.offer(gone(name)),
            Step::Back(name) => {
                self.lane.withdraw(|known| *known == check(name));
                if self.owed.get(&check(name)) == Some(&None) {
                    self.owed.remove(&check(name));
                }
            }
            Step::Push if self.flying.is_none() => self.flying = self.lane.take(),
            Step::Push => {}
            Step::Arrives => {
                for parcel in self.late.drain(..) {
                    if parcel.body.is_none() || self.owed.get(&parcel.check) == Some(&None) {
                        self.excused.insert(parcel.check.clone());
                    }
                    self.gateway.take(&parcel);
                }
            }
            Step::Keep => {
                let changes = self.lane.take_unkept();
                for (check, record) in &changes {
                    match record {
                        Some(record) => self.disk.insert(check.clone(), record.clone()),
                        None => self.disk.remove(check),
                    };
                }
                self.lane.kept(changes);
            }
            Step::DiskFull => {
                let changes = self.lane.take_unkept();
                self.lane.not_kept(changes);
            }
            Step::Killed => self.restart(bounds),
            answer => self.answer(answer),
        }
    }

    fn offer(&mut self, pushed: Pushed) {
        self.excused.remove(&pushed.check);
        self.owed.insert(pushed.check.clone(), run(&pushed.body));
        self.lane.offer(pushed, at(self.runs));
    }

    fn answer(&mut self, step: Step) {
        let Some(parcel) = self.flying.take() else { return };
        match step {
            Step::Answered => {
                self.gateway.take(&parcel);
                self.lane.accepted(&parcel, at(self.runs));
            }
            Step::Refused => {
                self.lane.refused(&parcel, at(self.runs));
                if self.owed.get(&parcel.check) == Some(&run(&parcel.body)) {
                    self.owed.remove(&parcel.check);
                }
            }
            _ => {
                match step {
                    Step::Unheard => self.gateway.take(&parcel),
                    Step::Late => self.late.push(parcel.clone()),
                    _ => {}
                }
                self.lane.failed(&parcel);
            }
        }
    }

    /// What was neither pushed nor on disk is gone with the process.
    fn restart(&mut self, bounds: Bounds) {
        self.late.extend(self.flying.take());
        self.lane = Lane::new(bounds);
        self.owed = self.gateway.0.iter().map(|(check, run)| (check.clone(), Some(*run))).collect();
        for (check, record) in &self.disk {
            let has = self.gateway.0.get(check).copied();
            self.owed.insert(check.clone(), run(&record.body).map(|run| run.max(has.unwrap_or_default())));
            self.lane.restore(check.clone(), record.clone());
        }
    }
}

fn world(bounds: Bounds) -> World {
    let (lane, gateway) = (Lane::new(bounds), Gateway::default());
    World {
        lane,
        gateway,
        disk: BTreeMap::new(),
        flying: None,
        late: Vec::new(),
        runs: 0,
        owed: BTreeMap::new(),
        excused: BTreeSet::new(),
    }
}

proptest! {
    #[test]
    fn in_the_end_the_gateway_has_the_newest_result_of_every_check(steps in steps()) {
        let mut world = world(ROOMY);
        for step in steps {
            world.step(step, ROOMY);
        }
        // It is well again.
        world.step(Step::Answered, ROOMY);
        for _ in 0..20 {
            world.step(Step::Push, ROOMY);
            world.step(Step::Answered, ROOMY);
        }
        world.step(Step::Arrives, ROOMY);
        prop_assert_eq!(world.lane.len(), 0);
        for (check, owed) in world.owed.iter().filter(|(check, _)| !world.excused.contains(check)) {
            let has = world.gateway.0.get(check).copied();
            let good = if owed.is_none() { has.is_none() } else { has >= *owed };
            prop_assert!(good, "{}: {:?} and not {:?}", check, has, owed);
        }
        world.step(Step::Keep, ROOMY);
        prop_assert!(world.disk.is_empty(), "{:?}", world.disk);
    }

    #[test]
    fn the_ledger_balances_and_the_bounds_hold_whatever_happens(steps in steps()) {
        let bounds = Bounds { results: 4, bytes: 10 };
        let mut world = world(bounds);
        for step in steps {
            world.step(step, bounds);
            let (lane, counts) = (&world.lane, world.lane.counts());
            let beside = world.flying.as_ref().is_some_and(|parcel| {
                lane.waiting.get(&parcel.check).is_none_or(|waiting| waiting.record.number != parcel.number)
            });
            let settled = counts.accepted + counts.refused + counts.superseded + counts.dropped;
            prop_assert_eq!(counts.offered, settled + lane.len() as u64 + u64::from(beside));
            prop_assert!(lane.len() <= 4 && (lane.bytes() <= 10 || lane.len() == 1));
            prop_assert_eq!(lane.order.len(), lane.len());
            prop_assert_eq!(lane.bytes(), lane.waiting.values().map(|waiting| waiting.record.size()).sum::<usize>());
        }
    }
}
