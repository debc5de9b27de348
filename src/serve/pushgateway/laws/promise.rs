//! What holds of the writer and its file on any disk: one that refuses, one whose power goes, and whatever the wall clock is set
//! to. What was acknowledged is there after every start, what was not is there as a whole or not at all, and groups live as long
//! as they said.

use super::{Deed, Model, Nanos, Page, assert_shows, change, deed, key, named, own, page};
use crate::model::group::GroupKey;
use crate::serve::pushgateway::index::Index;
use crate::serve::pushgateway::keep::Keeper;
use crate::serve::pushgateway::meter::Meter;
use crate::serve::pushgateway::series::Series;
use crate::serve::pushgateway::writer::{Groups, Message, Outcome, Parts, Promise, Writer, look};
use crate::serve::skeleton::Readiness;
use crate::sys::clock::{self, Moment};
use crate::sys::store::faulty::Disk;
use crate::wire::exposition::Format;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// Deeds as one batch.
    Batch(Vec<(GroupKey, Deed)>),
    /// All groups are deleted.
    Wipe,
    /// Time passes, and the writer is told.
    Pass(Duration),
    /// Somebody sets the wall clock.
    Set(TimeDelta),
    /// After so many more steps the disk takes none.
    Refuse(u64),
    Heal,
    /// The process ends by itself, or is killed.
    End,
    Kill,
    /// The power goes, and so many eighths of what was not synced are there, in turn.
    PowerCut(Vec<usize>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let eighths = prop_oneof![3 => Just(0), 3 => Just(8), 2 => 1..8_usize];
    let by = prop_oneof![1..100_000_000_i64, -100_000_000..-1_i64, 1..20_i64, -20..-1_i64];
    let event = prop_oneof![
        16 => prop::collection::vec((key(), deed()), 1..5).prop_map(Event::Batch),
        1 => Just(Event::Wipe),
        4 => (1..4_000_u64).prop_map(|passed| Event::Pass(Duration::from_millis(passed))),
        2 => by.prop_map(|by| Event::Set(TimeDelta::seconds(by))),
        3 => (0..24_u64).prop_map(Event::Refuse),
        3 => Just(Event::Heal),
        1 => Just(Event::End),
        2 => Just(Event::Kill),
        2 => prop::collection::vec(eighths, 1..8).prop_map(Event::PowerCut),
    ];
    prop::collection::vec(event, 1..25)
}

/// What there is to be: groups, and when those go that do, as time passes in truth.
#[derive(Debug, Clone, Default)]
struct Held {
    model: Model,
    ends: BTreeMap<GroupKey, Duration>,
    /// The statuses of each check, the newest last.
    runs: BTreeMap<(GroupKey, &'static str), Vec<i64>>,
}

impl Held {
    /// Does all of a batch, and returns what was taken.
    fn batch(&mut self, deeds: &[(GroupKey, Deed)], passed: Duration, stamp: Nanos) -> Vec<bool> {
        let over: Vec<GroupKey> =
            self.ends.iter().filter(|(_, end)| **end <= passed).map(|(key, _)| key.clone()).collect();
        over.iter().for_each(|key| {
            self.model.0.remove(key);
        });
        self.runs.retain(|(key, _), _| self.model.0.contains_key(key));
        let (mut taken, mut in_batch) = (Vec::new(), BTreeSet::new());
        for (key, deed) in deeds {
            let before = self.model.0.get(key).cloned();
            let was_there = before.is_some();
            let is_taken = self.model.apply(key, deed, stamp);
            taken.push(is_taken);
            if let Deed::Check(check, status, _) = deed
                && is_taken
                // What ran at the same time with the same result is the same run.
                && !(in_batch.contains(&(key, *check)) && before.is_some_and(|group| group.checks.get(check) == Some(status)))
            {
                self.runs.entry((key.clone(), *check)).or_default().push(*status);
                in_batch.insert((key, *check));
            }
            self.runs.retain(|(key, check), _| {
                self.model.0.get(key).is_some_and(|group| group.checks.contains_key(check))
            });
            // A push that fails does not lengthen a life, but begins one.
            let begins = match deed {
                Deed::Push(..) | Deed::Check(..) => is_taken || !was_there,
                Deed::DropCheck(_) | Deed::Delete => false,
            };
            let ttl = self.model.0.get(key).and_then(|group| group.ttl);
            if begins && let Some(ttl) = ttl {
                self.ends.insert(key.clone(), passed + ttl);
            } else if begins {
                self.ends.remove(key);
            }
        }
        self.ends.retain(|key, _| self.model.0.contains_key(key));
        taken
    }
}

/// What is under test, and what it is held to.
struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    disk: Disk,
    open: Option<(Writer, Groups)>,
    keeper: Option<Arc<Keeper>>,
    series: Series,
    begun: Moment,
    /// How long that is ago, and by how much the wall clock was set since.
    passed: Duration,
    set: TimeDelta,
    held: Held,
    /// What would be there by each batch since the last good write: the disk refused it, and may have it.
    refused: Vec<Held>,
    /// Checks that a batch let go and began anew which the disk refused: it may have it, and then what was before is lost.
    anew: BTreeSet<(GroupKey, &'static str)>,
    may_refuse: bool,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("groups");
        let mut world = Self {
            _folder: folder,
            disk: Disk::under(&path),
            path,
            open: None,
            keeper: None,
            series: Series::default(),
            begun: clock::moment(),
            passed: Duration::from_nanos(1),
            set: TimeDelta::zero(),
            held: Held::default(),
            refused: Vec::new(),
            anew: BTreeSet::new(),
            may_refuse: false,
        };
        world.start();
        world
    }

    fn now(&self) -> Moment {
        let now = self.begun.after(self.passed);
        Moment { wall: now.wall + self.set, ..now }
    }

    fn stamp(&self) -> Nanos {
        self.now().wall.timestamp_nanos_opt().expect("of this age")
    }

    /// Starts the gateway anew on what the disk has, and looks what that is.
    fn start(&mut self) {
        self.disk.heal();
        drop(self.keeper.take());
        let keeper = Arc::new(Keeper::open(&self.path, 1 << 30).expect("it is a file of ours"));
        self.keeper = Some(keeper.clone());
        let parts = Parts {
            index: Index::new(own(), self.series.clone()),
            series: self.series.clone(),
            keeper: Some(keeper),
            promise: Promise::Commit,
            limit: 1 << 30,
            keep: 1024,
            readiness: Readiness::default(),
            meter: Arc::new(Meter::default()),
        };
        let (writer, groups) = Writer::open(parts, self.now()).expect("it can be read");
        let shown = page(&look(&groups), self.stamp(), Format::Protobuf);
        let may_be = std::mem::take(&mut self.refused);
        if shown != self.held.model.page(Format::Protobuf) {
            let pages: Vec<Page> = may_be.iter().map(|held| held.model.page(Format::Protobuf)).collect();
            let place = pages.iter().position(|page| *page == shown);
            let place = place.unwrap_or_else(|| {
                panic!(
                    "there is {shown:#?}\nand not {:#?}\nnor {pages:#?}",
                    self.held.model.page(Format::Protobuf)
                )
            });
            self.held = may_be[place].clone();
        }
        self.open = Some((writer, groups));
        self.may_refuse = false;
    }

    /// Has the writer take a batch, and says whether the disk took it.
    fn take(&mut self, deeds: &[(GroupKey, Deed)]) -> bool {
        let (now, mut receivers, mut refusals) = (self.now(), Vec::new(), Vec::new());
        let mut messages = vec![Message::Tick];
        for (key, deed) in deeds {
            let (change, is_refused) = change(key, deed.clone(), &self.series);
            let (reply, receiver) = oneshot::channel();
            messages.push(Message::Change(change, reply, Arc::default()));
            receivers.push(receiver);
            refusals.push(is_refused);
        }
        let (writer, _) = self.open.as_mut().expect("it runs");
        writer.take(messages, now);
        let outcomes: Vec<Outcome> =
            receivers.into_iter().map(|mut receiver| receiver.try_recv().expect("answered")).collect();
        let mut after = self.held.clone();
        let taken = after.batch(deeds, self.passed, self.stamp());
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Unavailable(_))) {
            assert!(
                outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unavailable(_))),
                "{outcomes:?}"
            );
            self.refused.push(after);
            self.note_anew(deeds);
            return false;
        }
        let done = outcomes
            .iter()
            .zip(refusals)
            .map(|(outcome, is_refused)| *outcome == Outcome::Done && !is_refused);
        assert_eq!(done.collect::<Vec<_>>(), taken);
        if deeds.is_empty()
            && self.shown() == self.held.model.page(Format::Protobuf)
            && self.shown() != after.model.page(Format::Protobuf)
        {
            // Nothing but what had to go.
            self.refused.push(after);
            return false;
        }
        // A batch that changes nothing is not written, and says nothing of the disk.
        let is_written = self.held.model.page(Format::Protobuf) != after.model.page(Format::Protobuf);
        self.held = after;
        if is_written {
            self.refused.clear();
        }
        true
    }

    fn note_anew(&mut self, deeds: &[(GroupKey, Deed)]) {
        for (key, deed) in deeds {
            let Deed::Check(check, ..) = deed else { continue };
            let ends = |other: &Deed| {
                matches!(other, Deed::Delete) || matches!(other, Deed::DropCheck(gone) if gone == check)
            };
            let is_over = self.held.ends.get(key).is_some_and(|end| *end <= self.passed);
            if is_over || deeds.iter().any(|(other, deed)| other == key && ends(deed)) {
                self.anew.insert((key.clone(), *check));
            }
        }
    }

    fn shown(&self) -> Page {
        page(&look(&self.open.as_ref().expect("it runs").1), self.stamp(), Format::Protobuf)
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Batch(deeds) => self.take_in_the_end(&deeds),
            Event::Wipe => {
                let all: Vec<_> = self.held.model.0.keys().map(|key| (key.clone(), Deed::Delete)).collect();
                self.take_in_the_end(&all);
            }
            Event::Pass(passed) => {
                self.passed += passed;
                self.take_in_the_end(&[]);
            }
            // What the disk does not take of that is tried again, but not over the end of the process.
            Event::Set(_) if self.may_refuse => {}
            Event::Set(by) => {
                self.set += by;
                self.take_in_the_end(&[]);
            }
            Event::Refuse(steps) => {
                self.disk.refuse_after(steps);
                self.may_refuse = true;
            }
            Event::Heal => {
                self.disk.heal();
                // What was refused in silence is found by the next batch.
                self.take(&[]);
                self.take(&[]);
                self.may_refuse = false;
            }
            Event::End => {
                let (writer, _) = self.open.take().expect("it runs");
                let (sender, messages) = mpsc::channel(1);
                drop(sender);
                writer.run(messages);
                self.start();
            }
            Event::Kill => self.crash(&[8]),
            Event::PowerCut(eighths) => self.crash(&eighths),
        }
        let (_, groups) = self.open.as_ref().expect("it runs");
        assert_shows(&look(groups), &self.held.model, self.stamp());
        if !self.may_refuse && self.refused.is_empty() {
            self.assert_past();
        }
    }

    /// What came before the newest result of a check are the runs that were acknowledged.
    fn assert_past(&self) {
        let keeper = self.keeper.as_ref().expect("it is open");
        for (group, plain) in &self.held.model.0 {
            // Of one that is gone nobody is told anything; another of its name begins anew.
            for check in plain.checks.keys().filter(|check| !self.anew.contains(&(group.clone(), **check))) {
                let runs = keeper.runs(group, &named(check)).expect("readable");
                let statuses: Vec<i64> = runs.iter().rev().map(|past| past.run.status).collect();
                let expected = self.held.runs.get(&(group.clone(), *check)).cloned().unwrap_or_default();
                assert_eq!(statuses, expected, "{check} of {group:?}: {plain:?}");
            }
        }
    }

    /// A disk that has not refused takes it at once.
    fn take_in_the_end(&mut self, deeds: &[(GroupKey, Deed)]) {
        self.passed += Duration::from_millis(1);
        let is_taken = self.take(deeds);
        assert!(is_taken || self.may_refuse, "the disk has refused nothing");
    }

    fn crash(&mut self, eighths: &[usize]) {
        let mut eighths = eighths.iter().copied().cycle();
        self.disk.crash(|| eighths.next().unwrap_or(8));
        drop(self.open.take());
        self.start();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_on_any_disk_and_lives_as_long_as_it_said(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happens(event);
        }
    }
}

#[test]
fn a_clock_that_is_set_ends_no_group_and_keeps_none() {
    let labels = GroupKey::new("j", []);
    let push = || Event::Batch(vec![(labels.clone(), Deed::Check("a", 0, Some(Duration::from_secs(10))))]);
    for by in [-86_400, -3600, -5, 5, 3600, 86_400] {
        let mut world = World::new();
        let there = |world: &World| look(&world.open.as_ref().expect("it runs").1).iter().count();
        world.happens(push());
        let stamp = world.held.model.0[&labels].pushed;
        for event in [Event::Pass(Duration::from_secs(4)), Event::Set(TimeDelta::seconds(by)), Event::Kill] {
            world.happens(event);
        }
        world.happens(Event::Pass(Duration::from_millis(5900)));
        assert_eq!((there(&world), world.held.model.0[&labels].pushed), (1, stamp), "{by}");
        world.happens(Event::Pass(Duration::from_millis(100)));
        assert_eq!(there(&world), 0, "{by}");
        // Whoever pushes after it is stamped by what the clock shows.
        world.happens(push());
        assert_eq!(world.held.model.0[&labels].pushed, world.stamp(), "{by}");
    }
}
