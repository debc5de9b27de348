//! Checkpoint, newest results and history in the store, always written together: after a crash the log is read again from
//! where all of them are.

use super::Options;
use super::state::{LogState, State, ToKeep};
use crate::detail::history::{self, Depth, Past};
use crate::detail::latest::{Entry, Key};
use crate::sys::clock;
use crate::sys::store::{Batch, Durability, Order, Store, StoreError};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often what is too old is looked for, all of the history being read for it. The first time so long after the start: by then
/// a clock that was wrong at boot is right.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const ENTRIES: &str = "entries";
const STATE: &str = "state";
const LOGS: &[u8] = b"logs";

pub(super) struct Keeper {
    store: Store,
    depth: Depth,
    forgot: Mutex<Instant>,
}

impl Keeper {
    pub(super) fn new(store: Store, depth: Depth) -> Self {
        Self { store, depth, forgot: Mutex::new(clock::instant()) }
    }

    /// Writes what was read, and now and then forgets what is too old.
    pub(super) fn keep(&self, keep: &ToKeep) -> Result<(), StoreError> {
        self.write_all(keep)?;
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        if forgot.elapsed() >= FORGET_EVERY {
            *forgot = clock::instant();
            let oldest = clock::now() - chrono::Duration::days(i64::from(self.depth.days));
            // With the next commit is early enough.
            self.store.commit(Durability::Eventual, |batch| history::forget_before(batch, oldest))?;
        }
        Ok(())
    }

    fn write_all(&self, keep: &ToKeep) -> Result<(), StoreError> {
        match self.store.commit(Durability::Immediate, |batch| self.write(batch, keep)) {
            Err(StoreError::Full { .. }) => {
                // Runs and results matter more than old outputs. A commit of its own: only what is gone makes room.
                self.store.commit(Durability::Eventual, history::forget_outputs)?;
                self.store.commit(Durability::Immediate, |batch| self.write(batch, keep))
            }
            done => done,
        }
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

    /// Puts back what was written. A log that is followed under another place than before keeps its results.
    pub(super) fn restore(&self, state: &mut State, options: &Options) {
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
            return;
        }
        for (key, mut entry) in entries {
            let Some(log) = place(entry.log) else { continue };
            entry.log = log;
            self.restore_outputs(state, &key);
            state.latest.restore(key, entry);
        }
        for kept in logs {
            if let Some(at) = options.logs.iter().position(|known| *known == kept.path) {
                state.resume(at, kept);
            }
        }
        tracing::info!(checks = state.latest.len(), "restored");
    }

    fn restore_outputs(&self, state: &mut State, key: &Key) {
        let outputs = history::newest_output(&self.store, key).ok().flatten();
        if let Some((number, executed)) = outputs {
            state.restore_outputs(key.clone(), number, executed);
        }
    }

    /// Returns the runs of a check that are in the store, the newest first.
    pub(super) fn read(&self, key: &Key) -> Result<Vec<Past>, StoreError> {
        history::read(&self.store, key)
    }
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
    use crate::sys::store::Store;
    use std::sync::Arc;

    fn one(number: u64, output: &[u8]) -> ToKeep {
        let key = Key { source: None, check: "check_disk".into() };
        let run = Run {
            number,
            executed: chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("a time"),
            status: 0,
            duration: None,
            changed: false,
            sha256: [0; 32],
        };
        let runs = vec![Unkept { key, run, output: Some((number, output.into())) }];
        ToKeep { runs: Arc::new(runs), entries: Vec::new(), logs: Vec::new() }
    }

    #[test]
    fn a_full_store_loses_its_old_outputs_and_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_limited(folder.path().join("store"), 2 << 20).expect("opens").store;
        let keeper = Keeper::new(store, Depth { runs: 1000, outputs: 1000, ..Depth::default() });
        for number in 0..100 {
            keeper.keep(&one(number, &[7; 50_000])).expect("kept");
        }
        let past = keeper.read(&Key { source: None, check: "check_disk".into() }).expect("read");
        assert_eq!(past.len(), 100, "no run is lost");
        let outputs = past.iter().filter(|past| past.output.is_some()).count();
        assert!((1..100).contains(&outputs), "{outputs}");
        assert!(past[0].output.is_some(), "the newest has its output");
    }
}
