//! The way to one gateway: of each check the newest result that it has not taken yet, and nothing else. Pure.
//!
//! One push is in flight at a time. What is newest goes first, and every other turn is the oldest's, so that none waits for ever;
//! what failed goes behind what was not tried as often, so that one that is refused with every other answer holds up nobody.

use super::result::Pushed;
use crate::model::group::PushedCheck;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// More failures than this do not put a result further behind.
const MOST_TRIES: u32 = 1000;

/// The number of a result that is on disk and is none of those that wait.
const OTHER: u64 = 0;

/// What waits for one gateway at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) results: usize,
    pub(super) bytes: usize,
}

/// A result that waits, or that its check is gone, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Of two the one with the larger number came later.
    pub(super) number: u64,
    /// Since when the gateway is without the newest result of this check.
    pub(super) since: Timestamp,
    /// None where the check is gone.
    pub(super) body: Option<Arc<[u8]>>,
}

impl Record {
    fn size(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.len())
    }
}

/// A result in flight, or that its check is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) check: PushedCheck,
    pub(super) body: Option<Arc<[u8]>>,
    number: u64,
}

/// A change of what is kept: the result that waits now, or none.
pub(super) type Change = (PushedCheck, Option<Record>);

/// What became of results. Each that was offered is in one of the next five, or waits, or is in flight beside a newer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Results that were to be pushed.
    pub(super) offered: u64,
    /// Those that the gateway took.
    pub(super) accepted: u64,
    /// Those that it passed over, because it knew newer ones.
    pub(super) older: u64,
    /// Those that it will never take.
    pub(super) refused: u64,
    /// Those in whose place a newer one of the same check came.
    pub(super) superseded: u64,
    /// Those for which there was no room.
    pub(super) dropped: u64,
    /// Pushes that failed and are repeated.
    pub(super) failed: u64,
}

/// The way to one gateway.
#[derive(Debug)]
pub(super) struct Lane {
    bounds: Bounds,
    waiting: HashMap<PushedCheck, Waiting>,
    /// What waits, by how often it was tried, then by age.
    order: BTreeMap<(u32, u64), PushedCheck>,
    bytes: usize,
    in_flight: Option<(PushedCheck, u64)>,
    /// Whose turn is next: the oldest's, or the newest's.
    for_the_oldest: bool,
    last_number: u64,
    /// Whether anything was offered yet: what is restored then has numbers of an earlier count.
    has_offers: bool,
    /// The numbers of the results that are on disk.
    on_disk: HashMap<PushedCheck, u64>,
    /// Checks of which the disk may say something else.
    changed: HashSet<PushedCheck>,
    counts: Counts,
}

#[derive(Debug)]
struct Waiting {
    record: Record,
    tries: u32,
}

impl Lane {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: HashMap::new(),
            order: BTreeMap::new(),
            bytes: 0,
            in_flight: None,
            for_the_oldest: false,
            last_number: 0,
            has_offers: false,
            on_disk: HashMap::new(),
            changed: HashSet::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns how many results wait, the one in flight among them.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many results are on disk.
    pub(super) fn kept_results(&self) -> usize {
        self.on_disk.len()
    }

    /// Returns since when the gateway is without the first of them.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.waiting.values().map(|waiting| waiting.record.since).min()
    }

    /// Takes up what was on disk, unless something newer waits.
    pub(super) fn restore(&mut self, check: PushedCheck, mut record: Record) {
        self.last_number = self.last_number.max(record.number);
        if self.waiting.contains_key(&check) {
            self.on_disk.insert(check.clone(), OTHER);
            self.changed.insert(check);
            return;
        }
        self.on_disk.insert(check.clone(), record.number);
        self.counts.offered += 1;
        if self.has_offers {
            // It may have the number of another check's result, which came before the disk could be read.
            self.last_number += 1;
            record.number = self.last_number;
        }
        self.put(check, record);
        self.make_room();
    }

    /// Has a result wait, or that its check is gone, in the place of what is older of the same check.
    pub(super) fn offer(&mut self, pushed: Pushed, now: Timestamp) {
        let Pushed { check, body } = pushed;
        self.has_offers = true;
        self.counts.offered += 1;
        self.last_number += 1;
        let older = self.remove(&check);
        // What became of one in flight is not known yet.
        if let Some(older) = &older
            && !self.is_in_flight(&check, older.number)
        {
            self.counts.superseded += 1;
        }
        let since = older.map_or(now, |older| older.since);
        self.put(check, Record { number: self.last_number, since, body });
        self.make_room();
    }

    /// Has a check that is there again stay: what waits to say that it is gone must not delete what it had.
    pub(super) fn withdraw(&mut self, is_there: impl Fn(&PushedCheck) -> bool) {
        let gone = self.waiting.iter().filter(|(_, waiting)| waiting.record.body.is_none());
        let back: Vec<PushedCheck> =
            gone.map(|(check, _)| check).filter(|check| is_there(check)).cloned().collect();
        for check in back {
            if let Some(record) = self.remove(&check)
                && !self.is_in_flight(&check, record.number)
            {
                self.counts.superseded += 1;
            }
        }
    }

    /// Takes the next one out, to be told what became of it before the next is taken.
    pub(super) fn take(&mut self) -> Option<Parcel> {
        let (tries, _) = *self.order.first_key_value()?.0;
        let mut fewest = self.order.range((tries, 0)..(tries + 1, 0));
        let next = if self.for_the_oldest { fewest.next() } else { fewest.next_back() };
        let check = next?.1.clone();
        self.for_the_oldest = !self.for_the_oldest;
        let record = &self.waiting.get(&check)?.record;
        self.in_flight = Some((check.clone(), record.number));
        Some(Parcel { check, body: record.body.clone(), number: record.number })
    }

    /// The gateway took it.
    pub(super) fn accepted(&mut self, parcel: &Parcel, now: Timestamp) {
        self.counts.accepted += 1;
        self.over(parcel, now);
    }

    /// The gateway passed it over.
    pub(super) fn older(&mut self, parcel: &Parcel, now: Timestamp) {
        self.counts.older += 1;
        self.over(parcel, now);
    }

    /// The gateway will never take it.
    pub(super) fn refused(&mut self, parcel: &Parcel, now: Timestamp) {
        self.counts.refused += 1;
        self.over(parcel, now);
    }

    fn over(&mut self, parcel: &Parcel, now: Timestamp) {
        self.in_flight = None;
        match self.waiting.get_mut(&parcel.check) {
            Some(waiting) if waiting.record.number == parcel.number => {
                self.remove(&parcel.check);
            }
            // It is without the newer one only.
            Some(newer) => newer.record.since = now,
            None => {}
        }
    }

    /// Nobody knows whether the gateway has it; it is pushed again, unless a newer one waits.
    pub(super) fn failed(&mut self, parcel: &Parcel) {
        self.counts.failed += 1;
        self.in_flight = None;
        match self.waiting.get_mut(&parcel.check) {
            Some(waiting) if waiting.record.number == parcel.number => {
                let number = parcel.number;
                self.order.remove(&(waiting.tries, number));
                waiting.tries = (waiting.tries + 1).min(MOST_TRIES);
                self.order.insert((waiting.tries, number), parcel.check.clone());
            }
            Some(_) => self.counts.superseded += 1,
            // There was no room for it, nor for a newer one; or its check is there again.
            None => self.counts.dropped += 1,
        }
    }

    /// Takes what is to be written, or removed, so that the disk says what waits.
    pub(super) fn take_unkept(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed);
        let differs = |check: PushedCheck| {
            let (waiting, on_disk) = (self.waiting.get(&check), self.on_disk.get(&check));
            let differs = waiting.map(|waiting| waiting.record.number) != on_disk.copied();
            differs.then(|| (check, waiting.map(|waiting| waiting.record.clone())))
        };
        changed.into_iter().filter_map(differs).collect()
    }

    /// Reports whether the disk may say something else than what waits.
    pub(super) fn has_unkept(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The changes are on disk.
    pub(super) fn kept(&mut self, changes: Vec<Change>) {
        for (check, record) in changes {
            match record {
                Some(record) => self.on_disk.insert(check, record.number),
                None => self.on_disk.remove(&check),
            };
        }
    }

    /// The disk did not take the changes.
    pub(super) fn not_kept(&mut self, changes: Vec<Change>) {
        self.changed.extend(changes.into_iter().map(|(check, _)| check));
    }

    /// Nobody knows what is on disk: all that waits is to be written.
    pub(super) fn forget_disk(&mut self) {
        self.on_disk.clear();
        self.changed.extend(self.waiting.keys().cloned());
    }

    fn is_in_flight(&self, check: &PushedCheck, number: u64) -> bool {
        self.in_flight.as_ref().is_some_and(|(flying, of)| flying == check && *of == number)
    }

    fn put(&mut self, check: PushedCheck, record: Record) {
        self.bytes += record.size();
        self.order.insert((0, record.number), check.clone());
        self.changed.insert(check.clone());
        self.waiting.insert(check, Waiting { record, tries: 0 });
    }

    fn remove(&mut self, check: &PushedCheck) -> Option<Record> {
        let Waiting { record, tries } = self.waiting.remove(check)?;
        self.bytes -= record.size();
        self.order.remove(&(tries, record.number));
        self.changed.insert(check.clone());
        Some(record)
    }

    /// Gives up what came longest ago, where there is more than may wait.
    fn make_room(&mut self) {
        while self.waiting.len() > self.bounds.results
            || (self.bytes > self.bounds.bytes && self.waiting.len() > 1)
        {
            let oldest = self.waiting.iter().min_by_key(|(_, waiting)| waiting.record.number);
            let Some(check) = oldest.map(|(check, _)| check.clone()) else { return };
            if let Some(record) = self.remove(&check)
                && !self.is_in_flight(&check, record.number)
            {
                self.counts.dropped += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
