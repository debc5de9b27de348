//! The embedded store: named tables of bytes in one file, for what can be made again or missed.
//!
//! A store never keeps its owner from starting. A file that is damaged, foreign or of another version is set aside as
//! `NAME.damaged-TIME` and an empty one takes its place, also when the damage is found later or as a panic of the
//! database. A full or read-only disk is an error and nothing more: the next call tries again. Whoever needs an
//! acknowledged write to be on the disk commits with [`Durability::Immediate`].
//!
//! Memory stays small: the cache is 1 MiB unless an owner asks for more (the database's own default is 1 GiB).

mod aside;
mod batch;
#[cfg(test)]
pub(crate) mod faulty;
mod salvage;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadableDatabase, TableDefinition, TableHandle};

pub use batch::Batch;
pub use salvage::{Salvage, is_like_a_store, salvage};

/// The database's cache.
const CACHE_BYTES: usize = 1024 * 1024;
/// The content is kept below this unless [`Store::open_limited`] says otherwise.
pub const LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// Smaller files are not worth a compaction; an empty one has about as much.
const LEAST_COMPACTED_BYTES: u64 = 4 * 1024 * 1024;

/// Takes a key and its value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

type Row = (Vec<u8>, Vec<u8>);

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Where the file went that could not be used.
    pub set_aside: Option<PathBuf>,
    /// Why the file system does not give the file now; the next call tries again.
    pub trouble: Option<io::Error>,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused, for example because the disk is full or read-only.
    #[error("{}: {source}", path.display())]
    Io {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the file.
    #[error("{}: in use by another process", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The file was damaged; it is set aside and an empty store is in its place.
    #[error("{}: damaged, set aside as {}: {reason}", path.display(), set_aside.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// Where the damaged file is.
        set_aside: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The content has reached the limit: remove some, then write again.
    #[error("{}: full: the limit is {limit} bytes", path.display())]
    Full {
        /// The store's file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A use of the database that it does not allow, for example a value over 3 GiB.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The store's file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
}

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the commit returns.
    Immediate,
    /// With the next immediate commit; a crash before it takes both or none.
    Eventual,
}

/// In which order keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lowest key first.
    Ascending,
    /// The highest key first.
    Descending,
}

/// What went wrong inside, before it is known what to do about it.
#[derive(Debug)]
enum Fault {
    Io(io::Error),
    InUse,
    Damage(String),
    Full,
    Refused(String),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Fault {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Fault::InUse,
            // Not a database, or one that ends before its content does.
            redb::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Fault::Damage(error.to_string())
            }
            redb::Error::Io(error) => Fault::Io(error),
            redb::Error::PreviousIo => Fault::Io(io::Error::other("an earlier write failed")),
            error @ (redb::Error::ValueTooLarge(_) | redb::Error::TransactionInProgress) => {
                Fault::Refused(error.to_string())
            }
            error => Fault::Damage(error.to_string()),
        }
    }
}

impl Fault {
    /// Returns the same fault for telling it twice: to the caller of a batch, and to the commit.
    fn told(&self) -> Fault {
        match self {
            Fault::Io(error) => Fault::Io(io::Error::new(error.kind(), error.to_string())),
            Fault::InUse => Fault::InUse,
            Fault::Damage(reason) => Fault::Damage(reason.clone()),
            Fault::Full => Fault::Full,
            Fault::Refused(reason) => Fault::Refused(reason.clone()),
        }
    }
}

/// Runs a step of the database; a panic in it is damage.
fn guarded<T>(step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(Fault::Damage(format!("the database panicked: {said}")))
    })
}

fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

/// The store; to be shared between threads. All calls block.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    limit: u64,
    cache: usize,
    place: RwLock<Place>,
}

/// The open database.
#[derive(Debug, Default)]
struct Place {
    /// None after an error of the file system: the next call opens it again.
    database: Option<Database>,
    /// Counts the databases that were here, so that one fault met by two threads is handled once.
    generation: u64,
}

impl Place {
    fn put(&mut self, database: Database) {
        self.database = Some(database);
        self.generation += 1;
    }

    /// Closing writes too, and what was wrong before can panic again; nothing depends on its success.
    fn close(&mut self) {
        if let Some(database) = self.database.take() {
            guarded(|| {
                drop(database);
                Ok(())
            })
            .ok();
        }
    }
}

impl Store {
    /// Opens or makes the store at `path`, of at most 64 MiB.
    pub fn open(path: impl Into<PathBuf>) -> Result<Opened, StoreError> {
        Store::open_limited(path, LIMIT_BYTES)
    }

    /// Opens or makes the store at `path`; its content stays below about `limit` bytes.
    ///
    /// The file takes up to twice as much for pages of powers of two, and up to twice that for having grown by doubling.
    pub fn open_limited(path: impl Into<PathBuf>, limit: u64) -> Result<Opened, StoreError> {
        Store::open_cached(path, limit, CACHE_BYTES)
    }

    /// Opens or makes the store at `path` as [`Store::open_limited`] does, with a cache of so many bytes.
    pub fn open_cached(path: impl Into<PathBuf>, limit: u64, cache: usize) -> Result<Opened, StoreError> {
        let store = Store { path: path.into(), limit, cache, place: RwLock::default() };
        let mut set_aside = None;
        let database = match open_database(&store.path, cache) {
            Err(Fault::Damage(_)) => aside::set_aside(&store.path).map_err(Fault::Io).and_then(|aside| {
                set_aside = Some(aside);
                open_database(&store.path, cache)
            }),
            other => other,
        };
        let trouble = match database {
            Ok(database) => {
                store.write_lock().put(database);
                None
            }
            Err(Fault::Io(error)) => Some(error),
            Err(fault) => return Err(store.say(fault)),
        };
        Ok(Opened { store, set_aside, trouble })
    }

    /// Opens the file where it is not open.
    pub fn try_open(&self) -> Result<(), StoreError> {
        self.reopen()
    }

    /// Closes the file: the next call opens it anew and looks at all of it. For who sees that somebody else wrote to it.
    pub fn close(&self) {
        self.write_lock().close();
    }

    /// Returns a number that is another one after the file was opened anew: what is in it may be less than what was written
    /// before, since a damaged file is set aside whoever finds it.
    pub fn generation(&self) -> u64 {
        self.read_lock().generation
    }

    /// Returns the store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size of the store's file.
    pub fn file_bytes(&self) -> Result<u64, StoreError> {
        fs::metadata(&self.path).map(|known| known.len()).map_err(|error| self.io(error))
    }

    /// Writes what `fill` puts into the batch: all of it, or nothing if `fill` or the disk fails.
    ///
    /// `fill` must not call the store itself; [`Batch::get`] sees what the batch has written.
    pub fn commit<T>(
        &self,
        durability: Durability,
        fill: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let full = self.is_full()?;
        let mut filled = None;
        self.with(|database| {
            let transaction = guarded(|| Ok(begin(database, durability)?))?;
            let mut batch = Batch::new(&transaction, self, full);
            let outcome = fill(&mut batch);
            let fault = batch.close();
            match (outcome, fault) {
                (Ok(value), None) => {
                    guarded(|| Ok(transaction.commit()?))?;
                    filled = Some(Ok(value));
                }
                (_, Some(fault @ (Fault::Io(_) | Fault::Damage(_)))) => {
                    guarded(|| Ok(transaction.abort()?)).ok();
                    return Err(fault);
                }
                (Err(error), _) => {
                    guarded(|| Ok(transaction.abort()?))?;
                    filled = Some(Err(error));
                }
                // The caller went on in spite of the error; the batch is not whole.
                (Ok(_), Some(fault)) => {
                    guarded(|| Ok(transaction.abort()?))?;
                    return Err(fault);
                }
            }
            Ok(())
        })?;
        filled.expect("the transaction was committed, or its error returned above")
    }

    /// Returns the value of `key`.
    pub fn get(&self, name: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|database| {
            guarded(|| {
                let Some(table) = open_for_reading(database, name)? else { return Ok(None) };
                Ok(table.get(key)?.map(|value| value.value().to_vec()))
            })
        })
    }

    /// Hands the rows between two keys to `each`, until it breaks.
    ///
    /// They are those of one moment, whatever is committed meanwhile; `each` must not call the store itself.
    pub fn range(
        &self,
        name: &str,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        each: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        if is_empty(from, to) {
            return Ok(());
        }
        self.with(|database| {
            let Some(table) = guarded(|| open_for_reading(database, name))? else { return Ok(()) };
            let mut rows = guarded(|| Ok(table.range::<&[u8]>((from, to))?))?;
            loop {
                let row = guarded(|| {
                    let row = if order == Order::Ascending { rows.next() } else { rows.next_back() };
                    Ok(row.transpose()?.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
                })?;
                let Some((key, value)): Option<Row> = row else { return Ok(()) };
                if each(&key, &value).is_break() {
                    return Ok(());
                }
            }
        })
    }

    /// Hands the rows whose keys begin with `prefix` to `each`, until it breaks.
    pub fn prefix(
        &self,
        name: &str,
        prefix: &[u8],
        order: Order,
        each: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let end = after_prefix(prefix);
        self.range(name, prefix_range(prefix, end.as_deref()), order, each)
    }

    /// Makes the file small again if it is much larger than its content, and reports whether it did.
    ///
    /// Takes as long as writing the content anew, in which other calls wait: call it now and then, not after each commit.
    pub fn compact(&self) -> Result<bool, StoreError> {
        let file = self.file_bytes()?;
        if file < LEAST_COMPACTED_BYTES || self.content_bytes()? > file / 3 {
            return Ok(false);
        }
        let mut place = self.write_lock();
        let compacted = match &mut place.database {
            Some(database) => guarded(|| Ok(database.compact()?)),
            None => Ok(false),
        };
        let generation = place.generation;
        drop(place);
        compacted.map_err(|fault| self.handle(fault, generation))
    }

    /// Returns the bytes of keys and values, with what the tree needs to find them; room that is free in the file is not
    /// counted.
    pub fn content_bytes(&self) -> Result<u64, StoreError> {
        self.with(|database| {
            guarded(|| {
                let transaction = database.begin_write()?;
                let stats = transaction.stats()?;
                transaction.abort()?;
                Ok(stats.stored_bytes() + stats.metadata_bytes())
            })
        })
    }

    /// The tree is counted only when the file is large enough for it to matter.
    fn is_full(&self) -> Result<bool, StoreError> {
        match fs::metadata(&self.path) {
            Ok(known) if known.len() < self.limit => Ok(false),
            // Deleted under us: the open file still works until the next start.
            Err(_) => Ok(false),
            Ok(_) => Ok(self.content_bytes()? >= self.limit),
        }
    }

    /// Runs `step` on the open database, and handles what goes wrong.
    fn with<T>(&self, step: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.reopen()?;
        let place = self.read_lock();
        let outcome = match &place.database {
            Some(database) => step(database),
            None => Err(Fault::Io(io::Error::other("closed by an error of another thread"))),
        };
        let generation = place.generation;
        drop(place);
        outcome.map_err(|fault| self.handle(fault, generation))
    }

    fn reopen(&self) -> Result<(), StoreError> {
        if self.read_lock().database.is_some() {
            return Ok(());
        }
        let mut place = self.write_lock();
        if place.database.is_none() {
            match open_database(&self.path, self.cache) {
                Ok(database) => place.put(database),
                Err(fault) => {
                    let generation = place.generation;
                    drop(place);
                    return Err(self.handle(fault, generation));
                }
            }
        }
        Ok(())
    }

    /// Turns a fault of the database of that generation into an error, and makes the store usable again if it can be.
    fn handle(&self, fault: Fault, generation: u64) -> StoreError {
        let mut place = self.write_lock();
        let path = self.path.clone();
        match fault {
            _ if place.generation != generation => {
                let source = io::Error::other("another thread found the store unusable and opened it again");
                StoreError::Io { path, source }
            }
            // A database that had such an error refuses all that follows.
            Fault::Io(source) => {
                place.close();
                StoreError::Io { path, source }
            }
            Fault::Damage(reason) => {
                place.close();
                match aside::set_aside(&path) {
                    Ok(set_aside) => {
                        // If this fails, the next call says why.
                        open_database(&path, self.cache).map(|database| place.put(database)).ok();
                        StoreError::Damaged { path, set_aside, reason }
                    }
                    Err(source) => StoreError::Io { path, source },
                }
            }
            fault => self.say(fault),
        }
    }

    fn say(&self, fault: Fault) -> StoreError {
        let path = self.path.clone();
        match fault {
            Fault::Io(source) => StoreError::Io { path, source },
            Fault::InUse => StoreError::InUse { path },
            Fault::Full => StoreError::Full { path, limit: self.limit },
            Fault::Damage(reason) | Fault::Refused(reason) => StoreError::Refused { path, reason },
        }
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }

    // A panic while the lock was held left the database as usable as `guarded` found it.
    fn read_lock(&self) -> RwLockReadGuard<'_, Place> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Place> {
        self.place.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.write_lock().close();
    }
}

/// Opens the database, and reads all of it once: what is damaged is found now.
fn open_database(path: &Path, cache: usize) -> Result<Database, Fault> {
    // Check output may be confidential; only the owner reads it.
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(Fault::Io)?;
    drop(file);
    let attempt = aside::Attempt::begin(path)?;
    let database = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(cache).set_check_integrity_on_open(true);
        let database = create(&builder, path)?;
        check_tables(&database)?;
        Ok(database)
    });
    attempt.end();
    database
}

#[cfg(test)]
use faulty::create;

#[cfg(not(test))]
fn create(builder: &redb::Builder, path: &Path) -> Result<Database, redb::DatabaseError> {
    builder.create(path)
}

/// Tables of other types are those of a foreign database.
fn check_tables(database: &Database) -> Result<(), Fault> {
    let transaction = database.begin_read()?;
    for found in transaction.list_tables()? {
        transaction.open_table(table(found.name()))?;
    }
    Ok(())
}

fn begin(database: &Database, durability: Durability) -> Result<redb::WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(match durability {
        Durability::Immediate => redb::Durability::Immediate,
        Durability::Eventual => redb::Durability::None,
    })?;
    Ok(transaction)
}

type ReadTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

fn open_for_reading(database: &Database, name: &str) -> Result<Option<ReadTable>, Fault> {
    match database.begin_read()?.open_table(table(name)) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The database panics on a range that ends before it starts.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}

/// Returns the lowest key after all that begin with `prefix`; none if there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn prefix_range<'a>(prefix: &'a [u8], end: Option<&'a [u8]>) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(prefix), end.map_or(Bound::Unbounded, Bound::Excluded))
}
