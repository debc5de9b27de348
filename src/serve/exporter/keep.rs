//! Checkpoint, newest results and history in the store, always written together: after a crash the log is read again from
//! where all of them are.

use super::Options;
use super::state::{LogState, State, ToKeep};
use crate::detail::history::{self, Depth, Past};
use crate::detail::latest::{Entry, Key};
use crate::sys::store::{Batch, Durability, Order, Store, StoreError};
use crate::sys::{clock, disk};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How large checkpoint and history may be; the file takes up to four times as much (see [`Store::open_limited`]).
const MOST_KEPT: u64 = 16 * 1024 * 1024;

/// How often what is too old is looked for, all of the history being read for it. The first time so long after the start: by then
/// a clock that was wrong at boot is right.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const ENTRIES: &str = "entries";
const STATE: &str = "state";
const LOGS: &[u8] = b"logs";

pub(super) struct Keeper {
    store: Store,
    folder: PathBuf,
    depth: Depth,
    /// What the store holds is part of what is known: before, nothing may be written to it or read from it.
    taken_up: AtomicBool,
    failed: Mutex<Option<Failed>>,
    forgot: Mutex<Instant>,
}

/// The last try to write, where it failed.
#[derive(Debug)]
struct Failed {
    at: Instant,
    why: String,
}

impl Keeper {
    /// Opens the store in `folder`. Where the disk does not let us, that is told, and [`Keeper::try_open`] tries again.
    ///
    /// # Errors
    /// When the folder can never be used: its name is no folder's, or another process has the store.
    pub(super) fn open(folder: &Path, depth: Depth) -> Result<Self, String> {
        let made = std::fs::create_dir_all(folder);
        let opened = Store::open_limited(folder.join("exporter.redb"), MOST_KEPT);
        let opened = opened.map_err(|error| error.to_string())?;
        if let Some(aside) = opened.set_aside {
            tracing::warn!(aside = %aside.display(), "the store was damaged, history begins anew");
        }
        let trouble = made.err().or(opened.trouble);
        if let Some(error) = trouble.as_ref().filter(|error| !passes(error)) {
            return Err(error.to_string());
        }
        let keeper = Self {
            store: opened.store,
            folder: folder.to_owned(),
            depth,
            taken_up: AtomicBool::new(trouble.is_none()),
            failed: Mutex::default(),
            forgot: Mutex::new(clock::instant()),
        };
        *keeper.failed() = trouble
            .map(|error| Failed { at: clock::instant(), why: format!("{}: {error}", folder.display()) });
        Ok(keeper)
    }

    /// Opens the store where that was not possible before.
    pub(super) fn try_open(&self) -> Result<(), StoreError> {
        let made = std::fs::create_dir_all(&self.folder);
        let made = made.map_err(|source| StoreError::Io { path: self.folder.clone(), source });
        self.noted(made.and_then(|()| self.store.try_open()))
    }

    /// Whether what the store holds is part of what is known.
    pub(super) fn is_taken_up(&self) -> bool {
        self.taken_up.load(Ordering::Acquire)
    }

    /// Notes that it is.
    pub(super) fn take_up(&self) {
        self.taken_up.store(true, Ordering::Release);
    }

    /// Returns why the last try to write failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.failed().as_ref().map(|failed| failed.why.clone())
    }

    /// Whether the last try to write failed, and not so long ago.
    pub(super) fn failed_within(&self, time: Duration) -> bool {
        self.failed().as_ref().is_some_and(|failed| failed.at.elapsed() < time)
    }

    fn failed(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        *self.failed() =
            outcome.as_ref().err().map(|error| Failed { at: clock::instant(), why: error.to_string() });
        outcome
    }

    /// Writes what was read, and now and then forgets what is too old.
    pub(super) fn keep(&self, keep: &ToKeep) -> Result<(), StoreError> {
        self.noted(self.commit(keep).and_then(|()| self.forget_old()))
    }

    fn forget_old(&self) -> Result<(), StoreError> {
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        if forgot.elapsed() < FORGET_EVERY {
            return Ok(());
        }
        *forgot = clock::instant();
        let oldest = clock::now() - chrono::Duration::days(i64::from(self.depth.days));
        history::room::make(&self.store, Some(oldest), u64::MAX).map(drop)
    }

    fn commit(&self, keep: &ToKeep) -> Result<(), StoreError> {
        let commit = || self.store.commit(Durability::Immediate, |batch| self.write(batch, keep));
        let forget = |most| history::room::make(&self.store, None, most).map(drop);
        history::room::write_or_forget(MOST_KEPT, commit, forget)
    }

    fn write(&self, batch: &mut Batch<'_>, keep: &ToKeep) -> Result<(), StoreError> {
        for unkept in keep.runs.iter() {
            let output = unkept.output.as_ref().map(|(number, output)| (*number, &**output));
            history::write(batch, &unkept.key, &unkept.run, output, self.depth)?;
        }
        for (key, packed) in &keep.entries {
            match packed {
                Some(packed) => batch.put(ENTRIES, &name(key), packed)?,
                None => {
                    batch.remove(ENTRIES, &name(key))?;
                    history::forget(batch, key)?;
                }
            }
        }
        let logs = serde_json::to_vec(&keep.logs).unwrap_or_default();
        batch.put(STATE, LOGS, &logs)
    }

    /// Puts back what was written, and returns whether there was anything. A log that is followed under another place than
    /// before keeps its results.
    pub(super) fn restore(&self, state: &mut State, options: &Options) -> bool {
        if self.failed().is_some() {
            return false;
        }
        let logs = self.store.get(STATE, LOGS).ok().flatten().unwrap_or_default();
        let logs: Vec<LogState> = serde_json::from_slice(&logs).unwrap_or_default();
        let place = |log: u16| {
            let path = &logs.get(usize::from(log))?.path;
            options.logs.iter().position(|known| known == path).and_then(|at| u16::try_from(at).ok())
        };
        let mut entries = Vec::new();
        let visited = self.store.prefix(ENTRIES, &[], Order::Ascending, &mut |_, packed| {
            entries.extend(Entry::unpack(packed));
            ControlFlow::Continue(())
        });
        if let Err(error) = visited {
            tracing::warn!(%error, "the newest results cannot be read back; the logs are");
            return false;
        }
        let now = clock::now();
        for (key, mut entry) in entries {
            let Some(log) = place(entry.log) else { continue };
            entry.log = log;
            self.restore_outputs(state, &key);
            state.latest.restore(key, entry, now);
        }
        let any = !logs.is_empty();
        for kept in logs {
            if let Some(at) = options.logs.iter().position(|known| *known == kept.path) {
                state.resume(at, kept);
            }
        }
        tracing::info!(checks = state.latest.len(), "restored");
        any
    }

    fn restore_outputs(&self, state: &mut State, key: &Key) {
        let outputs = history::newest_output(&self.store, key).ok().flatten();
        if let Some((number, executed)) = outputs {
            state.restore_outputs(key.clone(), number, executed);
        }
    }

    /// Returns the runs of a check that are in the store, the newest first.
    pub(super) fn read(&self, key: &Key) -> Result<Vec<Past>, StoreError> {
        if !self.is_taken_up() {
            return Ok(Vec::new());
        }
        history::read(&self.store, key)
    }
}

/// Whether it may be possible later. Rights too are given back by somebody who sees that they are missing, and without the
/// statuses of a node more is missing than its history.
fn passes(error: &io::Error) -> bool {
    disk::is_trouble(error) || error.kind() == io::ErrorKind::PermissionDenied
}

/// The key of an entry in the store.
fn name(key: &Key) -> Vec<u8> {
    [key.source.as_deref().unwrap_or_default().as_bytes(), &[0], key.check.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{Keeper, ToKeep};
    use crate::detail::history::Depth;
    use crate::detail::latest::{Key, Run};
    use crate::serve::exporter::state::Unkept;
    use crate::sys::clock;
    use crate::sys::store::Store;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex};

    fn one(number: u64, output: &[u8]) -> ToKeep {
        many(number..number + 1, Some(output))
    }

    fn many(numbers: Range<u64>, output: Option<&[u8]>) -> ToKeep {
        let key = Key { source: None, check: "check_disk".into() };
        let run = |number| Run {
            number,
            executed: chrono::DateTime::from_timestamp(1_700_000_000 + number.cast_signed(), 0)
                .expect("a time"),
            status: 0,
            duration: None,
            changed: false,
            sha256: [0; 32],
        };
        let unkept = |number| Unkept {
            key: key.clone(),
            run: run(number),
            output: output.map(|output| (number, output.into())),
        };
        ToKeep { runs: Arc::new(numbers.map(unkept).collect()), entries: Vec::new(), logs: Vec::new() }
    }

    #[test]
    fn a_full_store_loses_its_oldest_outputs_and_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = keeper(folder.path());
        for number in 0..100 {
            keeper.keep(&one(number, &[7; 50_000])).expect("kept");
        }
        let past = keeper.read(&Key { source: None, check: "check_disk".into() }).expect("read");
        assert_eq!(past.len(), 100, "no run is lost");
        // The newest first: from one on none has its output.
        let outputs = past.iter().take_while(|past| past.output.is_some()).count();
        assert!((5..100).contains(&outputs), "{outputs}");
        assert!(past[outputs..].iter().all(|past| past.output.is_none()));
    }

    #[test]
    fn a_store_that_is_full_of_runs_loses_the_oldest() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = keeper(folder.path());
        for from in (0..40_000).step_by(5_000) {
            keeper.keep(&many(from..from + 5_000, None)).expect("kept");
        }
        let past = keeper.read(&Key { source: None, check: "check_disk".into() }).expect("read");
        assert!((5_000..40_000).contains(&past.len()), "{}", past.len());
        assert!(past.iter().zip((0..40_000).rev()).all(|(past, number)| past.run.number == number));
    }

    fn keeper(folder: &Path) -> Keeper {
        Keeper {
            store: Store::open_limited(folder.join("store"), 2 << 20).expect("opens").store,
            folder: folder.to_owned(),
            depth: Depth { runs: 100_000, outputs: 1000, ..Depth::default() },
            taken_up: AtomicBool::new(true),
            failed: Mutex::default(),
            forgot: Mutex::new(clock::instant()),
        }
    }
}
