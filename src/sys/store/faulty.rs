//! A disk for tests that refuses, and that loses what was not synced when the power goes.

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sectors are written whole.
const SECTOR: usize = 512;

static DISKS: Mutex<BTreeMap<PathBuf, Disk>> = Mutex::new(BTreeMap::new());

/// The disk under the file of one store.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// After so many more steps it takes none.
    left: Option<u64>,
    /// What is there for certain, and what was done since.
    synced: Vec<u8>,
    since: Vec<Step>,
    /// How often the power went: who had the file open then reaches it no more.
    crashes: u64,
}

#[derive(Debug)]
enum Step {
    Length(usize),
    Write(usize, Vec<u8>),
}

fn step(content: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Length(length) => content.resize(*length, 0),
        Step::Write(at, bytes) => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
    }
}

impl Disk {
    /// Puts a disk under a file that is not open yet.
    pub(crate) fn under(path: &Path) -> Self {
        let made = Self { path: path.to_owned(), state: Arc::default() };
        made.state().synced = fs::read(path).unwrap_or_default();
        DISKS.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), made.clone());
        made
    }

    /// Has it refuse everything after so many more steps.
    pub(crate) fn refuse_after(&self, steps: u64) {
        self.state().left = Some(steps);
    }

    /// Has it take everything again.
    pub(crate) fn heal(&self) {
        self.state().left = None;
    }

    /// Takes the power away. Of each step that was not synced so many eighths are there.
    pub(crate) fn crash(&self, mut eighths: impl FnMut() -> usize) {
        let mut state = self.state();
        let mut content = std::mem::take(&mut state.synced);
        for done in std::mem::take(&mut state.since) {
            let eighths = eighths();
            match done {
                Step::Write(at, bytes) if eighths < 8 => {
                    let kept = (bytes.len() * eighths / 8).next_multiple_of(SECTOR).min(bytes.len());
                    let kept = if eighths == 0 { 0 } else { kept };
                    step(&mut content, &Step::Write(at, bytes[..kept].to_vec()));
                }
                // What a file system tells of a length is its own: it does not tear.
                whole => step(&mut content, &whole),
            }
        }
        fs::write(&self.path, &content).expect("written");
        state.synced = content;
        state.crashes += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file as one process has it.
#[derive(Debug)]
struct Opened {
    file: FileBackend,
    disk: Disk,
    crashes: u64,
}

impl Opened {
    fn take(&self, done: Option<Step>) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.crashes != self.crashes {
            return Err(io::Error::other("the power went"));
        }
        match &mut state.left {
            Some(0) => return Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(left) => *left -= 1,
            None => {}
        }
        match done {
            Some(done) => state.since.push(done),
            None => {
                let State { synced, since, .. } = &mut *state;
                since.drain(..).for_each(|done| step(synced, &done));
            }
        }
        Ok(())
    }
}

impl StorageBackend for Opened {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.take(Some(Step::Length(length as usize)))?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.take(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.take(Some(Step::Write(offset as usize, data.to_vec())))?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// Opens the file, by its faulty disk where it is on one.
pub(super) fn create(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    let disk = DISKS.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let Some(disk) = disk else { return builder.create(path) };
    let file = FileBackend::new(OpenOptions::new().read(true).write(true).open(path)?)?;
    let crashes = disk.state().crashes;
    builder.create_with_backend(Opened { file, disk, crashes })
}
