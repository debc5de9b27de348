//! What came before the newest result of each pushed check, in the file beside the groups.

use crate::detail::history::{self, Depth, keeps_output};
use crate::detail::latest::{Key, Run};
use crate::model::group::GroupKey;
use crate::model::time::Timestamp;
use crate::sys::store::{Batch, Store, StoreError};
use std::collections::{HashMap, HashSet};

/// The number of a check's first run.
const FIRST: u64 = 1;

/// A run that was pushed.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub key: Key,
    pub run: Run,
    pub output: Box<[u8]>,
}

/// What a batch of changes does to the past.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    pub runs: Vec<Pushed>,
    /// Checks that are no more: the next one of that name begins anew.
    pub gone: HashSet<Key>,
}

impl Past {
    /// Takes over what came after it, in the order in which it came.
    pub(super) fn extend(&mut self, later: Self) {
        self.runs.retain(|pushed| !later.gone.contains(&pushed.key));
        self.gone.extend(later.gone);
        self.runs.extend(later.runs);
    }
}

impl Past {
    /// Lets the oldest runs go where all of them hold more than so many bytes.
    pub(super) fn trim(&mut self, most: usize) {
        let size = |pushed: &Pushed| pushed.output.len() + size_of::<Pushed>();
        let mut held: usize = self.runs.iter().map(size).sum();
        let over = self.runs.iter().take_while(|pushed| {
            let is_over = held > most;
            held -= size(pushed);
            is_over
        });
        let over = over.count();
        self.runs.drain(..over);
    }
}

/// Returns what names a check of a group where checks of all groups stand together.
pub(super) fn name(group: &GroupKey, key: &Key) -> Key {
    let source = format!("{group:?}\u{0}{}", key.source.as_deref().unwrap_or_default());
    Key { source: Some(source.into()), check: key.check.clone() }
}

/// What is known of the past of checks without reading it.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// How many outputs of each check were kept, and when the last one was; none of a check that has none.
    kept: HashMap<Key, Option<(u64, Timestamp)>>,
    /// Runs of writes that failed: nobody knows whether they are there.
    doubtful: HashSet<(Key, u64)>,
    /// How much room was taken since somebody asked.
    taken: u64,
}

impl Outputs {
    /// Looks up what was kept before this process of the checks of a batch: while it is written the store must not be read.
    pub(super) fn prepare(&mut self, store: &Store, past: &Past) {
        for Pushed { key, .. } in &past.runs {
            if !self.kept.contains_key(key) {
                // What cannot be read is written over.
                let kept = history::newest_output(store, key).ok().flatten();
                self.kept.insert(key.clone(), kept);
            }
        }
    }

    /// Returns how much room was taken since this was last called.
    pub(super) fn taken(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// Forgets what it knows: what was written last may be there, or not.
    pub(super) fn doubt(&mut self, past: &Past) {
        self.kept.clear();
        // Of one that had gone and begun anew the numbers are those of the runs before it, which are acknowledged.
        let runs = past.runs.iter().filter(|pushed| !past.gone.contains(&pushed.key));
        self.doubtful.extend(runs.map(|pushed| (pushed.key.clone(), pushed.run.number)));
    }

    /// All that was written is there.
    pub(super) fn trust(&mut self) {
        self.doubtful.clear();
    }

    /// Writes the past of a batch.
    pub(super) fn write(&mut self, batch: &mut Batch<'_>, past: &Past) -> Result<(), StoreError> {
        for (key, number) in &self.doubtful {
            history::take_back(batch, key, *number, Depth::default())?;
        }
        for Pushed { key, run, output } in &past.runs {
            if run.number == FIRST {
                // What there is of this name is of a check that is gone, by a wish or by damage.
                self.kept.insert(key.clone(), None);
                history::forget(batch, key)?;
            }
            let kept = self.kept.get(key).copied().flatten();
            let keeps = keeps_output(run, kept.map(|(_, at)| at));
            let number = kept.map_or(0, |(count, _)| count + 1);
            let output = keeps.then_some((number, &**output));
            self.taken += history::write(batch, key, run, output, Depth::default())?;
            if keeps {
                self.kept.insert(key.clone(), Some((number, run.executed)));
            }
        }
        Ok(())
    }

    /// Forgets the past of checks that are gone. It comes after the commit by which they went: that one may fail and be there all
    /// the same, and their group is then written once more, which nobody can do with their past.
    pub(super) fn forget(&mut self, batch: &mut Batch<'_>, past: &Past) -> Result<(), StoreError> {
        // Those that are there again have begun anew.
        let run: HashSet<&Key> = past.runs.iter().map(|pushed| &pushed.key).collect();
        for key in past.gone.iter().filter(|key| !run.contains(key)) {
            self.kept.remove(key);
            history::forget(batch, key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Outputs, Past, Pushed};
    use crate::detail::history::read;
    use crate::detail::latest::{Key, Run};
    use crate::sys::store::{Durability, Store};

    #[test]
    fn a_check_that_begins_anew_has_no_past() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store")).expect("opens").store;
        let key = Key { source: None, check: "check_disk".into() };
        let mut outputs = Outputs::default();
        let mut push = |number: u64, seconds: i64| {
            let executed = chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
            let run =
                Run { number, executed, status: 0, duration: None, sha256: [0; 32], changed: number == 1 };
            let past = Past {
                runs: vec![Pushed { key: key.clone(), run, output: b"ok".as_slice().into() }],
                ..Past::default()
            };
            outputs.prepare(&store, &past);
            store.commit(Durability::Immediate, |batch| outputs.write(batch, &past)).expect("written");
            read(&store, &key).expect("read").iter().map(|past| past.run.number).collect::<Vec<u64>>()
        };
        assert_eq!((push(1, 1000), push(2, 2000), push(3, 3000)), (vec![1], vec![2, 1], vec![3, 2, 1]));
        assert_eq!((push(1, 4000), push(2, 5000)), (vec![1], vec![2, 1]));
    }
}
