//! All groups as they are read: all of them by those who scrape, and by those who ask for one.

use super::group::Group;
use super::index::Slot;
use crate::model::group::GroupKey;
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    slots: Vec<Option<Arc<Group>>>,
    free: BTreeSet<Slot>,
    by_key: HashMap<GroupKey, Slot>,
    /// Who has checks.
    checked: BTreeSet<Slot>,
    bytes: usize,
}

impl Shelf {
    /// Returns the place of a group.
    pub(super) fn slot(&self, key: &GroupKey) -> Option<Slot> {
        self.by_key.get(key).copied()
    }

    /// Returns a group by its place.
    pub(super) fn at(&self, slot: Slot) -> Option<&Arc<Group>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Returns all groups with their places, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Arc<Group>)> {
        let all = self.slots.iter().enumerate();
        all.filter_map(|(slot, group)| Some((Slot::try_from(slot).ok()?, group.as_ref()?)))
    }

    /// Returns how much they hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns places that no group has.
    pub(super) fn vacant(&self) -> impl Iterator<Item = Slot> {
        let end = Slot::try_from(self.slots.len()).unwrap_or(Slot::MAX);
        self.free.iter().copied().chain(end..)
    }

    /// Puts a group into its place, or takes it away.
    pub(super) fn put(&mut self, slot: Slot, group: Option<Arc<Group>>) {
        if self.slots.len() <= slot as usize {
            self.slots.resize(slot as usize + 1, None);
        }
        let before = std::mem::replace(&mut self.slots[slot as usize], group.clone());
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes());
        self.bytes += group.as_ref().map_or(0, |group| group.bytes());
        match (&before, &group) {
            (None, Some(group)) => {
                self.free.remove(&slot);
                self.by_key.insert(group.key.clone(), slot);
            }
            (Some(before), None) => {
                self.by_key.remove(&before.key);
                self.free.insert(slot);
            }
            (None, None) => {
                self.free.insert(slot);
            }
            (Some(_), Some(_)) => {}
        }
        match group.as_ref().is_some_and(|group| group.checks.is_some()) {
            true => self.checked.insert(slot),
            false => self.checked.remove(&slot),
        };
    }

    /// Returns the groups that have checks.
    pub(super) fn checked(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.checked.iter().filter_map(|slot| self.at(*slot))
    }
}
