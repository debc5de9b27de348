//! What one commit writes.

use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadableTable, Table, WriteTransaction};

use super::{Fault, Store, StoreError, after_prefix, guarded, is_empty, prefix_range, table};

type OpenTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The writes of one commit.
pub struct Batch<'t> {
    transaction: &'t WriteTransaction,
    store: &'t Store,
    full: bool,
    tables: BTreeMap<Box<str>, OpenTable<'t>>,
    /// The first error decides what becomes of the commit.
    fault: Option<Fault>,
}

impl<'t> Batch<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction, store: &'t Store, full: bool) -> Batch<'t> {
        Batch { transaction, store, full, tables: BTreeMap::new(), fault: None }
    }

    /// Sets `key` to `value`; refused with [`StoreError::Full`] when the limit is reached.
    pub fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.full {
            return self.outcome(Err(Fault::Full));
        }
        self.on_table(name, |table| {
            table.insert(key, value)?;
            Ok(())
        })
    }

    /// Returns the value of `key`, with what this batch wrote.
    pub fn get(&mut self, name: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.on_table(name, |table| Ok(table.get(key)?.map(|value| value.value().to_vec())))
    }

    /// Removes `key`, and reports whether it was there.
    pub fn remove(&mut self, name: &str, key: &[u8]) -> Result<bool, StoreError> {
        self.on_table(name, |table| Ok(table.remove(key)?.is_some()))
    }

    /// Removes the rows between two keys.
    pub fn remove_range(
        &mut self,
        name: &str,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<(), StoreError> {
        if is_empty(from, to) {
            return Ok(());
        }
        self.on_table(name, |table| Ok(table.retain_in::<&[u8], _>((from, to), |_, _| false)?))
    }

    /// Removes the rows whose keys begin with `prefix`.
    pub fn remove_prefix(&mut self, name: &str, prefix: &[u8]) -> Result<(), StoreError> {
        let end = after_prefix(prefix);
        self.remove_range(name, prefix_range(prefix, end.as_deref()))
    }

    /// Removes every row of a table that `keep` does not want.
    pub fn retain(
        &mut self,
        name: &str,
        mut keep: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.on_table(name, |table| Ok(table.retain(|key, value| keep(key, value))?))
    }

    /// Ends the batch and returns what went wrong in it.
    pub(super) fn close(self) -> Option<Fault> {
        let tables = self.tables;
        let closed = guarded(|| {
            drop(tables);
            Ok(())
        });
        self.fault.or(closed.err())
    }

    /// Opens a table at its first use and keeps it open to the end of the batch.
    fn on_table<T>(
        &mut self,
        name: &str,
        step: impl FnOnce(&mut OpenTable<'t>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let (transaction, tables) = (self.transaction, &mut self.tables);
        let outcome = guarded(|| {
            if !tables.contains_key(name) {
                tables.insert(name.into(), transaction.open_table(table(name))?);
            }
            tables.get_mut(name).map_or_else(|| Err(Fault::Damage("a table was lost".into())), step)
        });
        self.outcome(outcome)
    }

    fn outcome<T>(&mut self, outcome: Result<T, Fault>) -> Result<T, StoreError> {
        outcome.map_err(|fault| {
            let told = self.store.say(fault.told());
            self.fault.get_or_insert(fault);
            told
        })
    }
}
