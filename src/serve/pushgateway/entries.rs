//! The newest results of checks in the file of groups: each has a row of its own, so that a push of one costs the same however many
//! stand beside it and whatever those have said.
//!
//! They come and go in the commit that writes their group. What is found without a group is of no use, and is let go.

use super::seal::{seal, unseal};
use super::stage::Changed;
use crate::detail::latest::{Entry, Key, Latest};
use crate::model::group::GroupKey;
use crate::sys::store::{Batch, Durability, Order, Store, StoreError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

pub(super) const CHECKS: &str = "checks";
/// Stands between source and check; no UTF-8 text contains it.
const SEPARATOR: u8 = 0xff;

/// What the rows of a group begin with. Its length comes first, so that no group's rows are among those of another one.
fn of_group(group: &GroupKey) -> Vec<u8> {
    let bytes = group.as_bytes();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

/// What names the row of a check.
fn row(group: &GroupKey, key: &Key) -> Vec<u8> {
    let source = key.source.as_deref().unwrap_or_default();
    [&of_group(group), source.as_bytes(), &[SEPARATOR], key.check.as_bytes()].concat()
}

/// Reads of which group a row is.
fn group_of(row: &[u8]) -> Option<GroupKey> {
    let (length, rest) = row.split_first_chunk::<4>()?;
    GroupKey::from_bytes(rest.get(..u32::from_be_bytes(*length) as usize)?)
}

fn unpack(row: &[u8], bytes: &[u8]) -> Option<(Key, Entry)> {
    Entry::unpack(unseal(row, bytes)?)
}

/// Whether a row is as it was written.
pub(super) fn is_whole(row: &[u8], bytes: &[u8]) -> bool {
    group_of(row).is_some() && unpack(row, bytes).is_some()
}

/// Writes what has changed among the checks of a group.
pub(super) fn write(batch: &mut Batch<'_>, change: &Changed) -> Result<(), StoreError> {
    let Changed { key: group, before, now, .. } = change;
    if before.is_none() {
        batch.remove_prefix(CHECKS, &of_group(group))?;
    }
    let [before, now] = [before, now].map(|group| group.as_ref()?.checks.as_deref());
    let has = |checks: Option<&Latest>, key| checks.is_some_and(|checks| checks.get(key).is_some());
    for (key, _) in before.into_iter().flat_map(Latest::iter).filter(|(key, _)| !has(now, key)) {
        batch.remove(CHECKS, &row(group, key))?;
    }
    for (key, entry) in now.into_iter().flat_map(|now| now.beyond(before)) {
        let row = row(group, key);
        batch.put(CHECKS, &row, &seal(&row, entry.pack(key, usize::MAX)))?;
    }
    Ok(())
}

/// The checks of all groups as they were kept.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<GroupKey, Vec<(Key, Entry)>>);

impl Entries {
    /// Reads them; what is damaged is told and left out.
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let mut entries = Self::default();
        store.prefix(CHECKS, b"", Order::Ascending, &mut |row, value| {
            match group_of(row).zip(unpack(row, value)) {
                Some((group, entry)) => entries.0.entry(group).or_default().push(entry),
                None => {
                    tracing::error!(check = ?String::from_utf8_lossy(row), "what is kept of a check is damaged");
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(entries)
    }

    /// Takes out those of a group.
    pub(super) fn take(&mut self, group: &GroupKey) -> Vec<(Key, Entry)> {
        self.0.remove(group).unwrap_or_default()
    }

    /// Lets those go whose group is not there.
    pub(super) fn forget_rest(self, store: &Store) {
        if self.0.is_empty() {
            return;
        }
        for (group, checks) in &self.0 {
            tracing::error!(
                ?group,
                checks = checks.len(),
                "checks are kept of a group that is not there, and are let go"
            );
        }
        let forget = |batch: &mut Batch<'_>| {
            self.0.keys().try_for_each(|group| batch.remove_prefix(CHECKS, &of_group(group)))
        };
        if let Err(error) = store.commit(Durability::Eventual, forget) {
            tracing::warn!(%error, "checks of no group are not forgotten");
        }
    }
}

#[cfg(test)]
mod tests;
