//! Groups on the disk: what was acknowledged is there after a crash, and after the power went.

use super::entries::{self, CHECKS, Entries};
use super::group::{Group, Mode, Nanos};
use super::index::Index;
use super::past::{self, Outputs, Past};
use super::ready::{Ready, ready};
use super::seal::{seal, unseal};
use super::series::Series;
use super::stage::Changed;
use crate::detail::history;
use crate::detail::latest::{Entry, Key, Latest};
use crate::detail::pack::{Pack, Unpack};
use crate::model::group::GroupKey;
use crate::model::names::Names;
use crate::model::time::Timestamp;
use crate::sys::store::{Durability, Opened, Order, Salvage, Store, StoreError, is_like_a_store, salvage};
use crate::wire::exposition::{parse, protobuf};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const GROUPS: &str = "groups";
/// What is written again and again is found without reading it from the file.
const CACHE: usize = 32 * 1024 * 1024;
/// The form of what is kept of a group.
const FORM: i64 = 3;
/// The one before, without native histograms.
const FORM_OF_TEXT: i64 = 2;

/// The file of all groups.
pub(super) struct Keeper {
    store: Store,
    outputs: Mutex<Outputs>,
    /// How much room the past may take.
    share: u64,
    /// How much it takes at most, as far as is known.
    past: AtomicU64,
    /// What became of a file that was damaged.
    damage: Option<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// What upstream writes.
    #[error("{path}: a file of the original pushgateway (Go gob), which is not read")]
    Gob {
        /// The file.
        path: String,
    },
    /// What is no file of a pushgateway.
    #[error("{path}: another program's file, nothing is written to it")]
    Foreign {
        /// The file.
        path: String,
    },
    /// The file cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk does not give it.
    #[error("{path}: {error}")]
    Disk {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

impl Keeper {
    /// Opens the file; a damaged one is set aside.
    ///
    /// # Errors
    /// One of upstream's, one that another process has, or one that the disk does not give.
    pub(super) fn open(path: &Path, limit: u64) -> Result<Self, KeepError> {
        let name = || path.display().to_string();
        let head = head(path).map_err(|error| KeepError::Disk { path: name(), error })?;
        // Nobody else's is to be set aside for a slip in a path.
        if !is_like_a_store(&head) {
            return Err(match is_gob(&head) {
                true => KeepError::Gob { path: name() },
                false => KeepError::Foreign { path: name() },
            });
        }
        let Opened { store, set_aside, trouble } = Store::open_cached(path, limit, CACHE)?;
        // All of it may be past; more is known once that is looked at.
        let past = AtomicU64::new(store.file_bytes().unwrap_or_default());
        let mut keeper = Self { store, outputs: Mutex::default(), share: limit / 2, past, damage: None };
        let saved = match (trouble, &set_aside) {
            (Some(error), _) => Err(KeepError::Disk { path: name(), error }),
            (None, Some(aside)) => keeper.take_over(aside).map(Some).map_err(KeepError::Store),
            (None, None) => Ok(None),
        };
        match (saved, set_aside) {
            // There is no room for what can be saved: the next start is to find the damaged file once more.
            (Err(error), Some(aside)) => {
                drop(keeper);
                std::fs::rename(aside, path).map_err(|error| KeepError::Disk { path: name(), error })?;
                return Err(error);
            }
            (saved, _) => keeper.damage = saved?,
        }
        // A file that has grown large once makes every commit look at all of it.
        if let Err(error) = keeper.store.compact() {
            tracing::warn!(%error, "the file of groups could not be made smaller");
        }
        Ok(keeper)
    }

    /// Takes over what can be read of a file that was set aside, and returns what became of it.
    fn take_over(&self, aside: &Path) -> Result<String, StoreError> {
        let told =
            format!("{} was damaged and is set aside as {}", self.store.path().display(), aside.display());
        let is_whole = |key: &[u8], value: &[u8]| {
            GroupKey::from_bytes(key).is_some_and(|key| Kept::unpack(key, value).is_some())
        };
        let groups = whole(aside, GROUPS, is_whole);
        let checks = whole(aside, CHECKS, entries::is_whole);
        let told = match &groups {
            None => format!("{told}: nothing of it can be read"),
            Some(groups) => {
                let checks = checks.as_ref().map_or("no results of checks".to_owned(), |checks| {
                    format!("{} of {} results of checks", checks.rows.len(), checks.all)
                });
                let (saved, all) = (groups.rows.len(), groups.all);
                format!(
                    "{told}: {saved} of {all} groups and {checks} are saved, what came before these is not"
                )
            }
        };
        // In one piece: a start that is broken off finds all of it or nothing.
        self.store.commit(Durability::Immediate, |batch| {
            for (table, saved) in [(GROUPS, &groups), (CHECKS, &checks)] {
                let mut rows = saved.iter().flat_map(|saved| &saved.rows);
                rows.try_for_each(|(key, value)| batch.put(table, key, value))?;
            }
            Ok(())
        })?;
        tracing::warn!("{told}");
        Ok(told)
    }

    /// Returns what became of a file that was damaged.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Hands every group that was kept to `each`; what cannot be read is told and left out.
    pub(super) fn read(&self, mut each: impl FnMut(Kept)) -> Result<(), StoreError> {
        let mut entries = Entries::read(&self.store)?;
        self.store.prefix(GROUPS, b"", Order::Ascending, &mut |key, value| {
            match GroupKey::from_bytes(key).and_then(|key| Kept::unpack(key, value)) {
                Some(kept) => each(Kept { checks: entries.take(&kept.key), ..kept }),
                None => tracing::error!(group = ?String::from_utf8_lossy(key), "what is kept of a group is damaged"),
            }
            ControlFlow::Continue(())
        })?;
        entries.forget_rest(&self.store);
        Ok(())
    }

    /// Writes what has changed, all of it or nothing.
    pub(super) fn write(&self, changed: &[Changed], past: &Past) -> Result<(), StoreError> {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || self.write_once(&mut outputs, changed, past);
        history::room::write_or_forget(self.share, write, |most| self.make_room(None, most))?;
        if !past.gone.is_empty() {
            let forgotten = self.store.commit(Durability::Eventual, |batch| outputs.forget(batch, past));
            if let Err(error) = forgotten {
                tracing::warn!(%error, "the past of checks that are gone stays until it is too old");
            }
        }
        Ok(())
    }

    /// Returns which opening of the file this is.
    pub(super) fn generation(&self) -> u64 {
        self.store.generation()
    }

    fn write_once(&self, outputs: &mut Outputs, changed: &[Changed], past: &Past) -> Result<(), StoreError> {
        outputs.prepare(&self.store, past);
        let written = self.store.commit(Durability::Immediate, |batch| {
            outputs.write(batch, past)?;
            for change in changed {
                entries::write(batch, change)?;
                match &change.now {
                    Some(group) => batch.put(GROUPS, change.key.as_bytes(), &pack(group))?,
                    None => {
                        batch.remove(GROUPS, change.key.as_bytes())?;
                    }
                }
            }
            Ok(())
        });
        match &written {
            Ok(()) => outputs.trust(),
            Err(_) => outputs.doubt(past),
        }
        self.past.fetch_add(outputs.taken(), Ordering::Relaxed);
        written
    }
}

impl Keeper {
    /// Returns the runs of a check, the newest first.
    pub(super) fn runs(&self, group: &GroupKey, key: &Key) -> Result<Vec<history::Past>, StoreError> {
        history::read(&self.store, &past::name(group, key))
    }

    /// Whether the past may take more room than it should.
    pub(super) fn has_much_past(&self) -> bool {
        self.past.load(Ordering::Relaxed) > self.share
    }

    /// Forgets what was run too long ago, and what is more than should be kept. It reads all of the past, beside whoever writes.
    pub(super) fn forget(&self, oldest: Timestamp) -> Result<(), StoreError> {
        // With some room to spare, or every push would be followed by this.
        self.make_room(Some(oldest), self.share / 8 * 7)
    }

    fn make_room(&self, oldest: Option<Timestamp>, most: u64) -> Result<(), StoreError> {
        // What is written meanwhile may be counted twice, and is never missed.
        let before = self.past.swap(0, Ordering::Relaxed);
        let made = history::room::make(&self.store, oldest, most);
        self.past.fetch_add(*made.as_ref().unwrap_or(&before), Ordering::Relaxed);
        made.map(drop)
    }
}

/// Reads the rows of a table of a file that was set aside, as far as they are as they were written.
fn whole(aside: &Path, table: &str, is_whole: impl Fn(&[u8], &[u8]) -> bool) -> Option<Salvage> {
    let found = salvage(aside, table).unwrap_or_else(|error| {
        tracing::warn!(%error, file = %aside.display(), "what was set aside cannot be read");
        None
    });
    let mut found = found?;
    found.rows.retain(|key, value| is_whole(key, value));
    Some(found)
}

/// Reads the beginning of a file; there may be none.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut head = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(256).read_to_end(&mut head).map(|_| head),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(head),
        Err(error) => Err(error),
    }
}

/// Whether a file is one that upstream persists: it has the name of the one type that it holds (storage/diskmetricstore.go, persist).
fn is_gob(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"MetricGroup").is_some()
}

/// A group as it was kept.
#[derive(Debug)]
pub(super) struct Kept {
    key: GroupKey,
    pushed: Nanos,
    failed: Nanos,
    since: Nanos,
    ttl: Option<Duration>,
    /// Families as text, and when those were pushed that are older than the newest.
    text: String,
    times: BTreeMap<String, Nanos>,
    /// The native histograms of families.
    natives: BTreeMap<String, Vec<u8>>,
    /// What stands beside it in rows of its own.
    checks: Vec<(Key, Entry)>,
}

/// Writes a group as it is kept, but for its checks.
pub(super) fn pack(group: &Group) -> Vec<u8> {
    let mut text = String::with_capacity(group.page_bytes());
    (0..group.parts().len()).for_each(|place| group.write(place, &mut text));
    let times = || group.parts().iter().filter(|part| part.pushed != group.pushed);
    let mut packed = Pack::default();
    packed.number(FORM).number(group.pushed).number(group.failed).number(group.since);
    packed.number(group.ttl.map_or(-1, |ttl| i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX)));
    packed.bytes(text.as_bytes()).number(times().count() as i64);
    times().for_each(|part| {
        packed.bytes(part.name.as_bytes()).number(part.pushed);
    });
    packed.number(group.natives().count() as i64);
    group.natives().for_each(|(name, native)| {
        packed.bytes(name.as_bytes()).bytes(native);
    });
    seal(group.key.as_bytes(), packed.done())
}

impl Kept {
    /// Returns which group it is.
    pub(super) fn key(&self) -> &GroupKey {
        &self.key
    }

    /// Reads what [`pack`] wrote; none where it is damaged.
    pub(super) fn unpack(key: GroupKey, bytes: &[u8]) -> Option<Self> {
        let mut read = Unpack(unseal(key.as_bytes(), bytes)?);
        let form = read.number()?;
        (form == FORM || form == FORM_OF_TEXT).then_some(())?;
        let (pushed, failed, since, ttl) = (read.number()?, read.number()?, read.number()?, read.number()?);
        let text = String::from_utf8(read.bytes()?.to_vec()).ok()?;
        let mut times = BTreeMap::new();
        for _ in 0..read.number()? {
            times.insert(String::from_utf8(read.bytes()?.to_vec()).ok()?, read.number()?);
        }
        let mut natives = BTreeMap::new();
        for _ in 0..if form == FORM { read.number()? } else { 0 } {
            natives.insert(String::from_utf8(read.bytes()?.to_vec()).ok()?, read.bytes()?.to_vec());
        }
        let ttl = u64::try_from(ttl).ok().map(Duration::from_nanos);
        Some(Self { key, pushed, failed, since, ttl, text, times, natives, checks: Vec::new() })
    }

    /// The same with checks that stand in rows of their own.
    #[cfg(test)]
    pub(super) fn with_checks(self, checks: Vec<(Key, Entry)>) -> Self {
        Self { checks, ..self }
    }

    /// Makes the group of it.
    pub(super) fn group(self, index: &Index, series: &Series, keep: usize, now: Timestamp) -> Option<Group> {
        let mut families = parse::parse(self.text.as_bytes(), Names::Utf8).ok()?;
        for family in &mut families {
            if let Some(native) = self.natives.get(&*family.name) {
                protobuf::write::restore(family, native).ok()?;
            }
        }
        let made: Vec<Ready> = ready(families, &self.key, series).ok()?;
        let mut group = Group::empty(self.key.clone(), series).after(Mode::Replace, made, self.pushed, index);
        (group.failed, group.since, group.ttl) = (self.failed, self.since, self.ttl);
        group.restore_times(|name| self.times.get(name).copied());
        if self.checks.is_empty() {
            return Some(group);
        }
        let mut checks = Latest::new(1, keep);
        self.checks.into_iter().for_each(|(key, entry)| checks.restore(key, entry, now));
        Some(group.with_checks(checks, series))
    }
}

#[cfg(test)]
mod tests {
    use super::{FORM_OF_TEXT, GROUPS, Keeper, Kept, pack};
    use crate::detail::pack::Pack;
    use crate::model::group::GroupKey;
    use crate::serve::pushgateway::group::Group;
    use crate::serve::pushgateway::index::Index;
    use crate::serve::pushgateway::seal::seal;
    use crate::serve::pushgateway::series::Series;
    use crate::sys::store::Durability;

    fn packed(job: &str) -> (GroupKey, Vec<u8>) {
        let key = GroupKey::new(job, [("a", "1")]);
        let group = Group::empty(key.clone(), &Series::default()).after_failure(7);
        (key, pack(&group))
    }

    #[test]
    fn what_lands_under_another_key_is_nobodys() {
        let [(one, kept), (other, _)] = ["one", "two"].map(packed);
        assert_eq!(Kept::unpack(one, &kept).expect("its own").failed, 7);
        assert!(Kept::unpack(other, &kept).is_none());
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::open(&folder.path().join("groups"), 1 << 20).expect("opens");
        let commit = |name: &str, value: &[u8]| {
            let key = packed(name).0;
            let put =
                keeper.store.commit(Durability::Immediate, |batch| batch.put(GROUPS, key.as_bytes(), value));
            put.expect("written");
        };
        commit("one", &kept);
        commit("two", &kept);
        // As a form before this one had it.
        commit("three", &[1, 0, 0, 0, 0, 0, 0, 0]);
        commit("four", b"");
        let mut read = Vec::new();
        keeper.read(|kept| read.push(kept.key().job().to_owned())).expect("readable");
        assert_eq!(read, ["one"]);
    }

    #[test]
    fn what_was_kept_before_there_were_native_histograms_is_read() {
        let key = GroupKey::new("j", []);
        let mut packed = Pack::default();
        [FORM_OF_TEXT, 5, 7, 5, -1].into_iter().for_each(|number| {
            packed.number(number);
        });
        packed.bytes(b"# TYPE m GAUGE\nm{instance=\"\",job=\"j\"} 1\n").number(1).bytes(b"m").number(3);
        let kept = Kept::unpack(key.clone(), &seal(key.as_bytes(), packed.done())).expect("readable");
        let (series, now) = (Series::default(), chrono::DateTime::UNIX_EPOCH);
        let group = kept.group(&Index::new([], series.clone()), &series, 1024, now).expect("a group");
        assert_eq!((group.pushed, group.failed, group.parts()[0].pushed), (5, 7, 3));
        assert_eq!(group.lines(0), "m{instance=\"\",job=\"j\"} 1\n");
    }

    #[test]
    fn one_bit_makes_it_damaged() {
        let (key, kept) = packed("one");
        for bit in 0..kept.len() * 8 {
            let mut flipped = kept.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Kept::unpack(key.clone(), &flipped).is_none(), "bit {bit}");
        }
        assert!((0..kept.len()).all(|length| Kept::unpack(key.clone(), &kept[..length]).is_none()));
    }
}
