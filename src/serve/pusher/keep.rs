//! What waits, on disk: of each gateway and check one result, so that a restart pushes what the one before could not. And which
//! checks there were, so that a restart tells the gateways which of them are gone.

use super::lane::{Change, Record};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::time::Timestamp;
use crate::sys::disk;
use crate::sys::store::{Batch, Durability, Order, Store, StoreError};
use chrono::{DateTime, TimeDelta};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const WAITING: &str = "waiting";
const KNOWN: &str = "known";
/// Gateways that are not named any more: since when.
const UNNAMED: &str = "unnamed";
/// A flag that was forgotten, or a configuration that was mistyped, loses nothing within this time.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);
/// Stands between the parts of a key; no text contains it, and no group's key.
const SEPARATOR: u8 = 0xfe;
/// Number and time before the body.
const HEAD: usize = 16;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--state-dir {}: {why}", folder.display())]
pub struct StateDirError {
    folder: PathBuf,
    why: String,
}

/// What an earlier life left.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Earlier {
    /// What waits for each gateway, by its key.
    pub(super) waiting: BTreeMap<String, Vec<(PushedCheck, Record)>>,
    /// The checks that were pushed.
    pub(super) known: HashSet<PushedCheck>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Writing<'a> {
    /// What has changed for each gateway, by its key.
    pub(super) waiting: Vec<(&'a str, &'a [Change])>,
    /// The checks that are pushed, where they are other ones.
    pub(super) known: Option<&'a [PushedCheck]>,
    /// Whether that is all that there is to be: nobody knows what the file holds.
    pub(super) anew: bool,
}

/// The results that wait, in a store of their own.
pub(super) struct Keeper {
    store: Store,
    folder: PathBuf,
    /// Whether what an earlier life left was read; before, nothing may be written over it.
    taken_up: AtomicBool,
    seen: Mutex<Seen>,
    trouble: Mutex<Option<String>>,
}

/// The file as it was when we last wrote to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    generation: u64,
    /// Device, number, length and time of the last write.
    stamp: Option<[i128; 4]>,
}

impl Keeper {
    /// Opens the store in `folder`. A disk that is full or read-only is no reason not to run checks: [`Keeper::take_up`] tries
    /// again.
    ///
    /// # Errors
    /// When the folder can never be used, or another pusher has it.
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self, StateDirError> {
        let fail = |why: String| StateDirError { folder: folder.to_owned(), why };
        let made = std::fs::create_dir_all(folder);
        let opened = Store::open_limited(folder.join("pusher.redb"), limit)
            .map_err(|error| fail(error.to_string()))?;
        if let Some(aside) = opened.set_aside {
            tracing::warn!(aside = %aside.display(), "the spool was damaged, what waited in it is not pushed");
        }
        let trouble = made.err().or(opened.trouble);
        if let Some(error) = trouble.as_ref().filter(|error| !disk::is_trouble(error)) {
            return Err(fail(error.to_string()));
        }
        Ok(Self {
            store: opened.store,
            folder: folder.to_owned(),
            taken_up: AtomicBool::new(false),
            seen: Mutex::default(),
            trouble: Mutex::new(trouble.map(|error| error.to_string())),
        })
    }

    /// Reads what an earlier life left, once. What it left for a gateway that is none of `gateways` is kept for a day. Blocks.
    ///
    /// # Errors
    /// When the disk does not let us: another time it may.
    pub(super) fn take_up(&self, gateways: &[&str], now: Timestamp) -> Result<Option<Earlier>, StoreError> {
        if self.taken_up.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.noted(self.read(gateways, now)).map(|earlier| {
            self.taken_up.store(true, Ordering::Release);
            Some(earlier)
        })
    }

    fn read(&self, gateways: &[&str], now: Timestamp) -> Result<Earlier, StoreError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| StoreError::Io { path: self.folder.clone(), source })?;
        self.store.try_open()?;
        let generation = self.store.generation();
        let mut earlier = Earlier::default();
        let (mut unnamed, mut damaged) = (BTreeMap::<String, usize>::new(), Vec::new());
        self.store.prefix(WAITING, &[], Order::Ascending, &mut |key, value| {
            match (read_key(key), read_record(value)) {
                (Some((gateway, check)), Some(record)) if gateways.contains(&&*gateway) => {
                    earlier.waiting.entry(gateway).or_default().push((check, record));
                }
                (Some((gateway, _)), Some(_)) => *unnamed.entry(gateway).or_default() += 1,
                _ => damaged.push(key.to_vec()),
            }
            ControlFlow::Continue(())
        })?;
        self.store.prefix(KNOWN, &[], Order::Ascending, &mut |key, _| {
            earlier.known.extend(read_key(key).map(|(_, check)| check));
            ControlFlow::Continue(())
        })?;
        self.tidy(&unnamed, &damaged, now)?;
        // After a long outage the file is large. That it stays so is no harm.
        let _ = self.store.compact();
        *self.seen() = Seen { generation, stamp: self.stamp() };
        Ok(earlier)
    }

    /// Removes what cannot be read, and what waits for gateways that have not been named for long; notes which are not named.
    fn tidy(
        &self,
        unnamed: &BTreeMap<String, usize>,
        damaged: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut since = BTreeMap::new();
        self.store.prefix(UNNAMED, &[], Order::Ascending, &mut |key, value| {
            since.extend(str::from_utf8(key).ok().map(str::to_owned).zip(read_time(value)));
            ControlFlow::Continue(())
        })?;
        if unnamed.is_empty() && damaged.is_empty() && since.is_empty() {
            return Ok(());
        }
        let is_over = |gateway: &String| since.get(gateway).is_some_and(|since| now - *since > KEPT_FOR);
        let (over, left): (Vec<_>, Vec<_>) = unnamed.iter().partition(|(gateway, _)| is_over(gateway));
        for (gateway, results) in &over {
            tracing::warn!(gateway, results, "is not configured any more, what waited for it is dropped");
        }
        for (gateway, results) in &left {
            let why = "is not configured any more, what waits for it is dropped at a start in a day";
            tracing::warn!(gateway, results, "{why}");
        }
        let remove = |batch: &mut Batch<'_>| {
            damaged.iter().try_for_each(|key| batch.remove(WAITING, key).map(drop))?;
            over.iter().try_for_each(|(gateway, _)| batch.remove_prefix(WAITING, &prefix(gateway)))?;
            batch.remove_prefix(UNNAMED, &[])
        };
        let whole = self.store.commit(Durability::Immediate, |batch| {
            remove(batch)?;
            left.iter().try_for_each(|(gateway, _)| {
                let since = since.get(*gateway).unwrap_or(&now);
                batch.put(UNNAMED, gateway.as_bytes(), &since.timestamp_millis().to_be_bytes())
            })
        });
        match whole {
            // It is removed then where there is no room for what waits for those that are named.
            Err(StoreError::Full { .. }) => self.store.commit(Durability::Immediate, remove),
            whole => whole,
        }
    }

    /// Writes what has changed: all of it, or nothing. Blocks.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn write(&self, writing: &Writing<'_>) -> Result<(), StoreError> {
        let before = self.store.generation();
        let mut written = self.store.commit(Durability::Immediate, |batch| writing.write(batch));
        if let Err(StoreError::Full { .. }) = written {
            // Only what is gone makes room.
            written = self
                .store
                .commit(Durability::Immediate, |batch| writing.make_room(batch))
                .and_then(|()| self.store.commit(Durability::Immediate, |batch| writing.write(batch)));
        }
        let generation = self.store.generation();
        if written.is_ok() && (writing.anew || generation == before) {
            *self.seen() = Seen { generation, stamp: self.stamp() };
        }
        self.noted(written)
    }

    /// Reports whether the file may hold something else than we wrote: it was damaged, or somebody wrote to it, deleted it, or put
    /// another in its place. All has to be written anew then.
    pub(super) fn is_another(&self) -> bool {
        let seen = *self.seen();
        if seen.stamp != self.stamp() {
            // What is in the cache hides what became of the file: it is looked at as at a start.
            self.store.close();
            // Where that cannot be done either, the write says so.
            let _ = std::fs::create_dir_all(&self.folder);
            return true;
        }
        seen.generation != self.store.generation()
    }

    /// Returns why the last try to use the disk failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn noted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self) -> Option<[i128; 4]> {
        let file = std::fs::metadata(self.store.path()).ok()?;
        let written = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
        Some([file.dev().into(), file.ino().into(), file.len().into(), written])
    }
}

impl Writing<'_> {
    fn write(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        match self.anew {
            true => self.wipe(batch)?,
            false => self.remove(batch)?,
        }
        for (gateway, (check, record)) in self.changes() {
            if let Some(record) = record {
                batch.put(WAITING, &key(gateway, check), &write_record(record))?;
            }
        }
        if let Some(known) = self.known {
            batch.remove_prefix(KNOWN, &[])?;
            known.iter().try_for_each(|check| batch.put(KNOWN, &key("", check), &[]))?;
        }
        Ok(())
    }

    /// Removes what is to go, and what waits for gateways that nobody names.
    fn make_room(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let named: Vec<Vec<u8>> = self.waiting.iter().map(|(gateway, _)| prefix(gateway)).collect();
        batch.retain(WAITING, |key, _| named.iter().any(|prefix| key.starts_with(prefix)))?;
        self.remove(batch)
    }

    fn remove(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let mut gone = self.changes().filter(|(_, (_, record))| record.is_none());
        gone.try_for_each(|(gateway, (check, _))| batch.remove(WAITING, &key(gateway, check)).map(drop))
    }

    fn wipe(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        self.waiting.iter().try_for_each(|(gateway, _)| batch.remove_prefix(WAITING, &prefix(gateway)))
    }

    fn changes(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.waiting
            .iter()
            .flat_map(|(gateway, changes)| changes.iter().map(move |change| (*gateway, change)))
    }
}

/// What the keys of all that waits for a gateway begin with.
fn prefix(gateway: &str) -> Vec<u8> {
    [gateway.as_bytes(), &[SEPARATOR]].concat()
}

fn key(gateway: &str, check: &PushedCheck) -> Vec<u8> {
    let source = check.source.as_deref().unwrap_or_default();
    [gateway.as_bytes(), check.group.as_bytes(), check.check.as_bytes(), source.as_bytes()].join(&SEPARATOR)
}

fn read_key(key: &[u8]) -> Option<(String, PushedCheck)> {
    let parts: Vec<&[u8]> = key.split(|byte| *byte == SEPARATOR).collect();
    let [gateway, group, check, source] = parts[..] else { return None };
    let text = |bytes| str::from_utf8(bytes).ok();
    let source = Some(text(source)?).filter(|source| !source.is_empty()).map(Into::into);
    let check = PushedCheck { group: GroupKey::from_bytes(group)?, check: text(check)?.into(), source };
    Some((text(gateway)?.to_owned(), check))
}

/// That a check is gone has no body; a result is never empty.
fn write_record(record: &Record) -> Vec<u8> {
    let body = record.body.as_deref().unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(record.number.to_be_bytes());
    bytes.extend(record.since.timestamp_millis().to_be_bytes());
    bytes.extend(body);
    bytes
}

fn read_record(bytes: &[u8]) -> Option<Record> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (since, body) = rest.split_first_chunk::<8>()?;
    let body = Some(body).filter(|body| !body.is_empty()).map(Into::into);
    Some(Record { number: u64::from_be_bytes(*number), since: read_time(since)?, body })
}

fn read_time(bytes: &[u8]) -> Option<Timestamp> {
    DateTime::from_timestamp_millis(i64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
