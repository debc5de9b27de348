//! What a batch of changes makes of the groups, before it is on the disk and anybody sees it: all of it comes, or none.

use super::group::{A_GROUP, Group, Mode, Nanos};
use super::index::{Index, Slot};
use super::past::{self, Past, Pushed};
use super::ready::{Inconsistent, Ready};
use super::series::Series;
use super::shelf::Shelf;
use crate::detail::latest::{Key, Latest, MOST_CHECKS, Took};
use crate::model::group::GroupKey;
use crate::model::time::Timestamp;
use crate::wire::sensu_log::{self, Line};
use chrono::TimeDelta;
use foldhash::HashMap;
use indexmap::IndexMap;
use std::sync::Arc;
use std::time::Duration;

/// A change of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub key: GroupKey,
    pub what: What,
}

/// What is to become of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// It gets metrics, and goes after so long without others.
    Push(Mode, Vec<Ready>, Option<Duration>),
    /// A push of it was refused already: that is stamped. One that is new goes after so long.
    Fail(Option<Duration>),
    /// It gets a result of a check, as a line of sensu-client's log.
    Check(Vec<u8>, Option<Duration>),
    /// It loses a check.
    DropCheck(Key),
    /// The wall clock was set: by what it shows now its life has begun then.
    Since(Nanos),
    /// It goes.
    Delete,
}

impl Change {
    /// How much more it makes be held at most, beside what it replaces.
    pub(super) fn size(&self) -> usize {
        let group = A_GROUP + 2 * self.key.as_bytes().len();
        match &self.what {
            What::Push(_, families, _) => group + families.iter().map(Ready::size).sum::<usize>(),
            What::Check(line, _) => group + line.len(),
            What::Fail(_) => group,
            What::DropCheck(_) | What::Since(_) | What::Delete => 0,
        }
    }
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot stand beside what is there.
    Inconsistent(Inconsistent),
    /// Its group would be too large.
    Full(String),
}

impl From<Inconsistent> for Refused {
    fn from(why: Inconsistent) -> Self {
        Self::Inconsistent(why)
    }
}

/// So much one group may hold: a push into it writes all of it anew, a few times over.
const MOST_GROUP: usize = 256 * 1024 * 1024;

fn fits(group: &Group) -> Result<(), Refused> {
    let why = || Refused::Full(format!("a group holds at most {} MiB", MOST_GROUP / 1024 / 1024));
    if group.bytes() > MOST_GROUP { Err(why()) } else { Ok(()) }
}

/// When something happened, as a stamp.
pub(super) fn nanos(time: Timestamp) -> Nanos {
    time.timestamp_nanos_opt().unwrap_or_default()
}

/// A batch that is being put together.
pub(super) struct Stage<'a> {
    /// How many bytes of an output are kept.
    keep: usize,
    shelf: &'a Shelf,
    index: &'a mut Index,
    series: &'a Series,
    pending: IndexMap<Slot, Pending, foldhash::fast::RandomState>,
    /// The places of groups that are new.
    new: HashMap<GroupKey, Slot>,
    past: Past,
    /// How much the groups hold that were made.
    bytes: usize,
    /// Whether the last change was a result that is older than the one that is known.
    is_older: bool,
}

struct Pending {
    key: GroupKey,
    before: Option<Arc<Group>>,
    now: Option<Arc<Group>>,
}

/// A result from further ahead is older than any that comes.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

/// What became of a result.
enum Taken {
    Newest(Option<Pushed>),
    Older,
}

/// Takes a result, unless a newer one is known: what waited in a spool does not replace what was pushed since.
fn take(checks: &mut Latest, group: &GroupKey, line: &[u8], now: Timestamp) -> Result<Taken, Inconsistent> {
    let Line::Result(result) = sensu_log::read(line) else {
        return Err(Inconsistent("the result of a check cannot be read".to_owned()));
    };
    // As for a log: who names itself is no other host.
    let source = result.source.filter(|source| source.escaped() != result.client.escaped());
    let source = source.map(|source| source.to_text().into());
    let known = checks.get(&Key { source, check: result.check.to_text().into() });
    if let (Some(known), Some(executed)) = (known, result.executed)
        && executed < known.executed.timestamp()
        // What ran in the future was stamped by a clock that was wrong.
        && known.executed <= now + AHEAD
    {
        return Ok(Taken::Older);
    }
    let mut pushed = None;
    let took = checks.take(0, line, now, &mut |key, entry, run, _| {
        pushed = Some(Pushed { key: past::name(group, key), run, output: entry.output.clone() });
    });
    match took {
        Took::Result | Took::Older | Took::Other => Ok(Taken::Newest(pushed)),
        Took::Refused => Err(Inconsistent(format!("a group has at most {MOST_CHECKS} checks"))),
        Took::NotJson => Err(Inconsistent("the result of a check cannot be read".to_owned())),
    }
}

/// A group as it is to be from now on.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub slot: Slot,
    pub key: GroupKey,
    /// As it was, where that is what the file has of it; of any other one all is written anew.
    pub before: Option<Arc<Group>>,
    pub now: Option<Arc<Group>>,
}

impl<'a> Stage<'a> {
    /// Begins a batch on what is there.
    pub(super) fn new(shelf: &'a Shelf, index: &'a mut Index, series: &'a Series, keep: usize) -> Self {
        Self {
            keep,
            shelf,
            index,
            series,
            pending: IndexMap::default(),
            new: HashMap::default(),
            past: Past::default(),
            bytes: 0,
            is_older: false,
        }
    }

    /// Returns how much was made for it, also of what has gone again.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reports whether the last change came to nothing, because a newer result is known.
    pub(super) fn take_older(&mut self) -> bool {
        std::mem::take(&mut self.is_older)
    }

    /// Adds a change. One that is refused is stamped on its group, as upstream does, unless there can be no such group.
    ///
    /// # Errors
    /// Where the push cannot stand beside what is there or came before it in the batch, or makes its group too large.
    pub(super) fn apply(&mut self, change: Change, wall: Timestamp) -> Result<(), Refused> {
        let now = nanos(wall);
        let Change { key, what } = change;
        let before = self.slot(&key).and_then(|slot| self.at(slot).cloned());
        match what {
            What::Delete => {
                if let (Some(slot), Some(group)) = (self.slot(&key), &before) {
                    let checks = group.checks.iter().flat_map(|checks| checks.iter());
                    let gone = checks.map(|(check, _)| past::name(&key, check)).collect();
                    self.past.extend(Past { gone, runs: Vec::new() });
                    self.put(slot, key, before, None)?;
                }
                Ok(())
            }
            What::Push(mode, families, ttl) => {
                let new = before.is_none().then(|| Group::empty(key.clone(), self.series));
                let Some(base) = before.as_deref().or(new.as_ref()) else { return Ok(()) };
                let mut after = base.after(mode, families, now, self.index);
                fits(&after)?;
                after.ttl = ttl;
                let slot = self.slot_or_new(&key);
                let put = self.put(slot, key.clone(), before.clone(), Some(after));
                Ok(put.inspect_err(|_| self.stamp(key, before, ttl, now))?)
            }
            What::Check(line, ttl) => {
                let base =
                    before.as_deref().cloned().unwrap_or_else(|| Group::empty(key.clone(), self.series));
                let mut checks = base.checks.as_deref().cloned().unwrap_or_else(|| Latest::new(1, self.keep));
                // It says nothing of how the job is now, so it does not lengthen the group's life.
                let Taken::Newest(run) = take(&mut checks, &key, &line, wall)? else {
                    self.is_older = true;
                    return Ok(());
                };
                let mut after = base.with_checks(checks, self.series);
                fits(&after)?;
                (after.pushed, after.since, after.ttl) = (now, now, ttl);
                let slot = self.slot_or_new(&key);
                match self.put(slot, key.clone(), before.clone(), Some(after)) {
                    Ok(()) => self.past.runs.extend(run),
                    Err(why) => {
                        self.stamp(key, before, ttl, now);
                        return Err(why.into());
                    }
                }
                Ok(())
            }
            What::DropCheck(check) => {
                let Some((slot, group)) = self.slot(&key).zip(before.clone()) else { return Ok(()) };
                let mut checks =
                    group.checks.as_deref().cloned().unwrap_or_else(|| Latest::new(1, self.keep));
                let Some(check) = checks.find(&check).map(|(known, _)| known.clone()) else { return Ok(()) };
                checks.remove(&check);
                let gone = [past::name(&key, &check)].into();
                self.past.extend(Past { gone, runs: Vec::new() });
                let after = group.with_checks(checks, self.series);
                // With its last check a group goes that was there for checks; one whose last push failed still has to say so.
                let is_over =
                    after.checks.is_none() && after.parts().is_empty() && after.failed <= after.pushed;
                Ok(self.put(slot, key, before, (!is_over).then_some(after))?)
            }
            What::Since(since) => {
                let Some((slot, group)) = self.slot(&key).zip(before.clone()) else { return Ok(()) };
                let mut after = (*group).clone();
                after.since = since;
                Ok(self.put(slot, key, before, Some(after))?)
            }
            What::Fail(ttl) => {
                self.stamp(key, before, ttl, now);
                Ok(())
            }
        }
    }

    fn stamp(&mut self, key: GroupKey, before: Option<Arc<Group>>, ttl: Option<Duration>, now: Nanos) {
        let new = || {
            let mut group = Group::empty(key.clone(), self.series);
            (group.since, group.ttl) = (now, ttl);
            group
        };
        let base = before.as_deref().cloned().unwrap_or_else(new);
        let slot = self.slot_or_new(&key);
        // A group that says of itself what another one says cannot be there: upstream has it, and no page from then on.
        let _ = self.put(slot, key, before, Some(base.after_failure(now)));
    }

    fn put(
        &mut self,
        slot: Slot,
        key: GroupKey,
        before: Option<Arc<Group>>,
        after: Option<Group>,
    ) -> Result<(), Inconsistent> {
        self.bytes += after.as_ref().map_or(0, Group::bytes);
        let stands =
            before.as_ref().zip(after.as_ref()).is_some_and(|(before, after)| after.stands_as(before));
        if let Some(before) = before.as_ref().filter(|_| !stands) {
            self.index.remove(slot, before);
        }
        let (shelf, pending) = (self.shelf, &self.pending);
        let other = |slot| match pending.get(&slot) {
            Some(pending) => pending.now.as_deref(),
            None => shelf.at(slot).map(|group| &**group),
        };
        if let Some(after) = after.as_ref().filter(|_| !stands)
            && let Err(why) = self.index.add(slot, after, other)
        {
            if let Some(before) = &before {
                self.index.restore(slot, before);
            }
            return Err(why);
        }
        let now = after.map(Arc::new);
        match self.pending.get_mut(&slot) {
            Some(pending) => pending.now = now,
            None => {
                if before.is_none() {
                    self.new.insert(key.clone(), slot);
                }
                self.pending.insert(slot, Pending { key, before, now });
            }
        }
        Ok(())
    }

    fn slot(&self, key: &GroupKey) -> Option<Slot> {
        self.shelf.slot(key).or_else(|| self.new.get(key).copied())
    }

    fn slot_or_new(&self, key: &GroupKey) -> Slot {
        let is_vacant = |slot: &Slot| !self.pending.contains_key(slot);
        // There are as many places as numbers.
        self.slot(key).or_else(|| self.shelf.vacant().find(is_vacant)).unwrap_or(Slot::MAX)
    }

    fn at(&self, slot: Slot) -> Option<&Arc<Group>> {
        match self.pending.get(&slot) {
            Some(pending) => pending.now.as_ref(),
            None => self.shelf.at(slot),
        }
    }

    /// Returns what has changed.
    pub(super) fn changed(&self) -> impl Iterator<Item = Changed> {
        let all = self.pending.iter();
        all.map(|(slot, Pending { key, before, now })| Changed {
            slot: *slot,
            key: key.clone(),
            before: before.clone(),
            now: now.clone(),
        })
    }

    /// Takes out what is to be told of the past.
    pub(super) fn take_past(&mut self) -> Past {
        std::mem::take(&mut self.past)
    }

    /// Takes everything back.
    pub(super) fn undo(self) {
        let now = |pending: &Pending| pending.now.clone();
        for (slot, group) in self.pending.iter().filter_map(|(slot, pending)| Some((*slot, now(pending)?))) {
            self.index.remove(slot, &group);
        }
        for (slot, pending) in &self.pending {
            if let Some(before) = &pending.before {
                self.index.restore(*slot, before);
            }
        }
    }
}
