//! The one thread that changes groups: it takes what has come meanwhile as one batch, writes it to the disk, shows it, and only
//! then says so. Fewer, larger commits are what lets many push at once.

use super::disk::Disk;
use super::group::{Group, Nanos};
use super::index::Index;
use super::keep::{KeepError, Keeper};
use super::meter::Meter;
use super::past::Past;
use super::ready::Inconsistent;
use super::room::Held;
use super::series::Series;
use super::shelf::Shelf;
use super::stage::{Change, Changed, Refused, Stage, What, nanos};
use super::tidy::Tidy;
use crate::model::group::GroupKey;
use crate::serve::skeleton::Readiness;
use crate::sys::clock::{self, Moment};
use crate::sys::store::StoreError;
use chrono::TimeDelta;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// So many changes wait at most; who comes then is held up, as by upstream.
pub(super) const QUEUE: usize = 1000;
/// So many changes are one batch at most.
const MOST_CHANGES: usize = 512;
/// A batch ends where its groups hold so much: all of them are there twice until it is on the disk, however little of each is new.
const MOST_STAGED: usize = 256 * 1024 * 1024;
/// How often it is looked for groups whose time has come, and for what is still to be written.
const TICK: Duration = Duration::from_secs(1);
/// So many groups wait to be written: also those that have come and gone again.
const MOST_UNWRITTEN_GROUPS: usize = 100_000;
/// A wall clock that goes by so much against the steady one was set, or has gone wrong for long.
const STEP: TimeDelta = TimeDelta::seconds(1);
/// So many bytes of outputs of runs wait to be written.
const MOST_UNWRITTEN: usize = 64 * 1024 * 1024;

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is made, and on the disk where it is to be.
    Done,
    /// It came to nothing: a newer result is known.
    Older,
    /// It cannot stand beside what is there.
    Refused(Inconsistent),
    /// It was not made: the disk does not take it.
    Unavailable(String),
    /// It was not made: there is no room.
    Full(String),
}

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// What is held for it is given back once it is made.
    Change(Change, oneshot::Sender<Outcome>, Arc<Held>),
    Tick,
}

/// When what is acknowledged is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Before it is acknowledged.
    Commit,
    /// So long after at the latest, as upstream has it.
    Interval(Duration),
}

/// All groups, to be read by anybody.
pub(super) type Groups = Arc<RwLock<Shelf>>;

/// Reads the groups.
pub(super) fn look(groups: &Groups) -> RwLockReadGuard<'_, Shelf> {
    groups.read().unwrap_or_else(PoisonError::into_inner)
}

/// Returns all groups in the order of their keys; they are put in order beside the writer.
pub(super) fn sorted(groups: &Groups) -> Vec<Arc<Group>> {
    let mut groups: Vec<Arc<Group>> = look(groups).iter().map(|(_, group)| group.clone()).collect();
    groups.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    groups
}

/// The writer.
pub(super) struct Writer {
    groups: Groups,
    index: Index,
    series: Series,
    disk: Option<Disk>,
    promise: Promise,
    /// How much all groups may hold.
    limit: usize,
    /// How many bytes of an output are kept.
    keep: usize,
    readiness: Readiness,
    meter: Arc<Meter>,
    /// What is still to be written, and since when.
    unwritten: HashMap<GroupKey, Changed>,
    unwritten_past: Past,
    unwritten_since: Option<Instant>,
    tidy: Tidy,
    /// When groups go.
    ends: Ends,
    /// The clocks as the lives of groups in the file count by them.
    clocks: Moment,
}

/// When which group goes: by the steady clock, so that a jump of the other one ends none.
#[derive(Default)]
struct Ends {
    by_time: BTreeSet<(Instant, GroupKey)>,
    by_key: HashMap<GroupKey, Instant>,
}

impl Ends {
    fn set(&mut self, key: &GroupKey, at: Option<Instant>) {
        if let Some(before) = self.by_key.remove(key) {
            self.by_time.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key.clone()));
            self.by_key.insert(key.clone(), at);
        }
    }

    fn over(&self, now: Instant) -> Vec<GroupKey> {
        self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect()
    }
}

/// When a group goes; none where it does not.
fn end(group: &Group, now: Moment) -> Option<Instant> {
    // One whose life begins in the future begins it now.
    let age = u64::try_from(nanos(now.wall).saturating_sub(group.since)).unwrap_or_default();
    now.steady.checked_add(group.ttl?.saturating_sub(Duration::from_nanos(age)))
}

/// What a writer is made of.
pub(super) struct Parts {
    pub index: Index,
    pub series: Series,
    pub keeper: Option<Arc<Keeper>>,
    pub promise: Promise,
    pub limit: usize,
    pub keep: usize,
    pub readiness: Readiness,
    pub meter: Arc<Meter>,
}

impl Writer {
    /// Reads what was kept.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(super) fn open(parts: Parts, now: Moment) -> Result<(Self, Groups), KeepError> {
        let Parts { index, series, keeper, promise, limit, keep, readiness, meter } = parts;
        let groups = Groups::default();
        let mut writer = Self {
            groups: groups.clone(),
            index,
            series,
            disk: None,
            promise,
            limit,
            keep,
            readiness,
            meter,
            unwritten: HashMap::new(),
            unwritten_past: Past::default(),
            unwritten_since: None,
            tidy: Tidy::new(),
            ends: Ends::default(),
            clocks: now,
        };
        if let Some(keeper) = keeper {
            // What is read before damage is found is written to the file that takes the damaged one's place.
            let disk = Disk::new(keeper.clone(), writer.readiness.clone(), writer.meter.clone());
            let read = keeper.read(|kept| {
                let key = kept.key().clone();
                let group = kept.group(&writer.index, &writer.series, keep, now.wall);
                if !group.is_some_and(|group| writer.restore(group, now)) {
                    tracing::error!(group = ?key, "what is kept of a group cannot be used");
                }
            });
            match read {
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!(%error, "not all groups can be read")
                }
                read => read?,
            }
            writer.readiness.note("store", disk.keeper().damage().map(str::to_owned));
            writer.disk = Some(disk);
            writer.meter.series(writer.index.len());
        }
        Ok((writer, groups))
    }

    fn restore(&mut self, group: Group, now: Moment) -> bool {
        let mut shelf = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = shelf.vacant().next() else { return false };
        if self.index.add(slot, &group, |slot| shelf.at(slot).map(|group| &**group)).is_err() {
            return false;
        }
        self.ends.set(&group.key, end(&group, now));
        shelf.put(slot, Some(Arc::new(group)));
        true
    }

    /// Makes changes until nobody can send any more, then writes what is left.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut waiting = Vec::new();
        while messages.blocking_recv_many(&mut waiting, MOST_CHANGES) > 0 {
            self.take(waiting.drain(..), clock::moment());
        }
        self.write_rest(clock::instant());
        self.tidy.end();
    }

    /// Takes what has come meanwhile as one batch, and answers it.
    pub(super) fn take(&mut self, messages: impl IntoIterator<Item = Message>, now: Moment) {
        self.follow_clock(now);
        // What goes does so before what is pushed: a group that is pushed in its last moment is there.
        let mut changes = self.expired(now.steady);
        let gone = changes.len();
        let mut replies = Vec::new();
        let mut ticked = false;
        for message in messages {
            match message {
                Message::Change(change, reply, held) => {
                    changes.push(change);
                    replies.push((reply, held));
                }
                Message::Tick => ticked = true,
            }
        }
        let outcomes = self.change(changes, now);
        let expired = outcomes.iter().take(gone).filter(|outcome| **outcome == Outcome::Done);
        self.meter.expired(expired.count());
        for ((reply, _held), outcome) in replies.into_iter().zip(outcomes.into_iter().skip(gone)) {
            // Who hung up does not want to know.
            let _ = reply.send(outcome);
        }
        if ticked {
            self.write_in_time(now.steady);
        }
        if let Some(disk) = &self.disk {
            self.tidy.look(disk.keeper());
        }
    }

    /// Keeps how old groups are where the wall clock was set: whoever reads the file knows nothing but that clock.
    fn follow_clock(&mut self, now: Moment) {
        let drift = now.drift_since(self.clocks);
        if drift.abs() < STEP {
            return;
        }
        let shelf = look(&self.groups);
        let since = |(key, end): (&GroupKey, &Instant)| {
            let ttl = shelf.slot(key).and_then(|slot| shelf.at(slot))?.ttl?;
            let lived = ttl.saturating_sub(end.saturating_duration_since(now.steady));
            let lived = Nanos::try_from(lived.as_nanos()).unwrap_or(Nanos::MAX);
            Some(Change { key: key.clone(), what: What::Since(nanos(now.wall).saturating_sub(lived)) })
        };
        let changes: Vec<Change> = self.ends.by_key.iter().filter_map(since).collect();
        drop(shelf);
        // What the disk does not take is tried again with the next batch.
        if self.change(changes, now).iter().all(|outcome| *outcome == Outcome::Done) {
            self.clocks = now;
        }
    }

    fn change(&mut self, changes: Vec<Change>, now: Moment) -> Vec<Outcome> {
        let mut changes = changes.into_iter();
        let mut outcomes = Vec::new();
        while changes.len() > 0 {
            outcomes.extend(self.change_some(&mut changes, now));
        }
        outcomes
    }

    /// Makes the first of these changes, as many as one batch holds.
    fn change_some(&mut self, changes: &mut impl Iterator<Item = Change>, now: Moment) -> Vec<Outcome> {
        let shelf = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let mut room = self.limit.saturating_sub(shelf.bytes());
        let mut stage = Stage::new(&shelf, &mut self.index, &self.series, self.keep);
        let mut outcomes = Vec::new();
        while stage.bytes() < MOST_STAGED
            && let Some(change) = changes.next()
        {
            let size = change.size();
            if size > room {
                let why = format!("the pushgateway is full: {} MiB (--limit)", self.limit / 1024 / 1024);
                outcomes.push(Outcome::Full(why));
                continue;
            }
            room -= size;
            outcomes.push(match stage.apply(change, now.wall) {
                Ok(()) if stage.take_older() => Outcome::Older,
                Ok(()) => Outcome::Done,
                Err(Refused::Inconsistent(why)) => Outcome::Refused(why),
                Err(Refused::Full(why)) => Outcome::Full(why),
            });
        }
        let changed: Vec<Changed> = stage.changed().collect();
        let past = stage.take_past();
        if self.promise == Promise::Commit
            && let Some(disk) = self.disk.as_mut().filter(|_| !changed.is_empty())
            && let Err(error) = disk.write(&shelf, &changed, &past)
        {
            stage.undo();
            return outcomes.iter().map(|_| Outcome::Unavailable(error.to_string())).collect();
        }
        drop(stage);
        drop(shelf);
        self.meter.series(self.index.len());
        if self.promise != Promise::Commit && self.disk.is_some() {
            self.unwritten_past.extend(past);
            self.unwritten_past.trim(MOST_UNWRITTEN);
        }
        self.show(changed, now);
        outcomes
    }

    fn show(&mut self, changed: Vec<Changed>, now: Moment) {
        let mut shelf = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        for change in changed {
            let life = |group: &Option<Arc<Group>>| group.as_ref().map(|group| (group.since, group.ttl));
            // What is but stamped goes on living by the clock that its end was reckoned by.
            if life(&change.before) != life(&change.now) {
                self.ends.set(&change.key, change.now.as_deref().and_then(|group| end(group, now)));
            }
            shelf.put(change.slot, change.now.clone());
            if self.promise != Promise::Commit && self.disk.is_some() {
                self.unwritten_since.get_or_insert(now.steady);
                // The file has what was there before the first of several changes.
                let before = match self.unwritten.remove(&change.key) {
                    Some(earlier) => earlier.before,
                    None => change.before.clone(),
                };
                self.unwritten.insert(change.key.clone(), Changed { before, ..change });
            }
        }
    }

    fn expired(&self, now: Instant) -> Vec<Change> {
        self.ends.over(now).into_iter().map(|key| Change { key, what: What::Delete }).collect()
    }

    /// Writes what is due, and what the file may lack of what was acknowledged.
    fn write_in_time(&mut self, now: Instant) {
        let is_due = match self.promise {
            Promise::Interval(interval) => {
                let is_time = self
                    .unwritten_since
                    .is_some_and(|since| now.saturating_duration_since(since) >= interval);
                is_time || self.unwritten.len() > MOST_UNWRITTEN_GROUPS
            }
            Promise::Commit => false,
        };
        if is_due || self.disk.as_ref().is_some_and(Disk::is_behind) {
            self.write_rest(now);
        }
    }

    fn write_rest(&mut self, now: Instant) {
        let Some(disk) = self.disk.as_mut().filter(|disk| disk.is_behind() || !self.unwritten.is_empty())
        else {
            return;
        };
        let changed: Vec<Changed> = self.unwritten.values().cloned().collect();
        if disk.write(&look(&self.groups), &changed, &self.unwritten_past).is_ok() {
            self.unwritten.clear();
            self.unwritten_past = Past::default();
        }
        self.unwritten_since = (!self.unwritten.is_empty()).then_some(now);
    }
}

/// Tells the writer each second that time passes, until nobody else speaks to it.
pub(super) async fn tick(writer: mpsc::WeakSender<Message>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let Some(writer) = writer.upgrade() else { return };
        // One that is busy looks at the time soon enough.
        let _ = writer.try_send(Message::Tick);
    }
}
