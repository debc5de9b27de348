//! What came before the newest result: the last runs of each check, and some of their outputs, in the store.
//!
//! Runs are kept in rings: a run's number says which place it takes, so nothing is ever searched for or swept up.

pub mod room;

use super::latest::{Key, Run};
use super::pack::{Pack, Unpack};
use crate::model::time::Timestamp;
use crate::sys::store::{Batch, Order, Store, StoreError};
use sha2::{Digest as _, Sha256};
use std::ops::ControlFlow;

/// How often an output is kept while the status stays what it is (DESIGN 5.2).
const OUTPUT_EVERY: chrono::Duration = chrono::Duration::minutes(5);

const RUNS: &str = "runs";
const OUTPUTS: &str = "outputs";

/// How much is kept of each check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// How many runs.
    pub runs: u32,
    /// How many outputs.
    pub outputs: u32,
    /// For how long, in days.
    pub days: u32,
}

impl Default for Depth {
    fn default() -> Self {
        // 50 checks: 100 runs are 350 kB; 20 outputs of a few hundred bytes as much again. Only checks that seldom run have any
        // that are older than a month.
        Self { runs: 100, outputs: 20, days: 30 }
    }
}

/// A run with its output, where that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The run.
    pub run: Run,
    /// Its output.
    pub output: Option<Vec<u8>>,
}

/// Decides whether the output of a run is kept, by when one was last kept.
pub fn keeps_output(run: &Run, kept: Option<Timestamp>) -> bool {
    run.changed || kept.is_none_or(|kept| run.executed - kept >= OUTPUT_EVERY || run.executed < kept)
}

/// The first eight bytes of the digest of a key: what stands in front of everything of a check.
fn prefix(key: &Key) -> [u8; 8] {
    let mut digest = Sha256::new();
    digest.update(key.source.as_deref().unwrap_or_default());
    digest.update([0]);
    digest.update(&*key.check);
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&digest.finalize()[..8]);
    prefix
}

fn place(key: &Key, number: u64, ring: u32) -> [u8; 12] {
    let mut place = [0; 12];
    place[..8].copy_from_slice(&prefix(key));
    let at = u32::try_from(number % u64::from(ring.max(1))).unwrap_or_default();
    place[8..].copy_from_slice(&at.to_be_bytes());
    place
}

/// Writes one run, and returns how much room it takes; `output` is the run's and the number of outputs that were kept before it.
pub fn write(
    batch: &mut Batch<'_>,
    key: &Key,
    run: &Run,
    output: Option<(u64, &[u8])>,
    depth: Depth,
) -> Result<u64, StoreError> {
    let mut pack = Pack::default();
    pack.number(run.number.cast_signed()).number(run.executed.timestamp_millis()).number(run.status);
    pack.float(run.duration).number(i64::from(run.changed)).bytes(&run.sha256);
    let packed = pack.done();
    batch.put(RUNS, &place(key, run.number, depth.runs), &packed)?;
    let mut taken = room::room(packed.len());
    if let Some((kept, output)) = output {
        pack.number(run.number.cast_signed()).number(run.executed.timestamp_millis()).bytes(output);
        let packed = pack.done();
        batch.put(OUTPUTS, &place(key, kept, depth.outputs), &packed)?;
        taken += room::room(packed.len());
    }
    Ok(taken)
}

/// Takes a run back that may have been written, or not.
pub fn take_back(batch: &mut Batch<'_>, key: &Key, number: u64, depth: Depth) -> Result<(), StoreError> {
    for (table, ring) in [(RUNS, depth.runs), (OUTPUTS, depth.outputs)] {
        for at in 0..ring {
            let place = place(key, at.into(), ring);
            let found = batch.get(table, &place)?;
            let found = found.and_then(|value| number_and_time(&mut Unpack(&value)));
            if found.is_some_and(|(found, _)| found == number) {
                batch.remove(table, &place)?;
            }
        }
    }
    Ok(())
}

/// Forgets a check.
pub fn forget(batch: &mut Batch<'_>, key: &Key) -> Result<(), StoreError> {
    batch.remove_prefix(RUNS, &prefix(key))?;
    batch.remove_prefix(OUTPUTS, &prefix(key))
}

/// Returns the runs of a check that are in the store, the newest first.
pub fn read(store: &Store, key: &Key) -> Result<Vec<Past>, StoreError> {
    let mut runs: Vec<Past> = Vec::new();
    store.prefix(RUNS, &prefix(key), Order::Ascending, &mut |_, value| {
        runs.extend(unpack_run(value).map(|run| Past { run, output: None }));
        ControlFlow::Continue(())
    })?;
    store.prefix(OUTPUTS, &prefix(key), Order::Ascending, &mut |_, value| {
        let mut read = Unpack(value);
        if let (Some((number, _)), Some(output)) = (number_and_time(&mut read), read.bytes()) {
            let of = runs.iter_mut().find(|past| past.run.number == number);
            if let Some(past) = of {
                past.output = Some(output.to_vec());
            }
        }
        ControlFlow::Continue(())
    })?;
    runs.sort_by_key(|past| std::cmp::Reverse(past.run.number));
    Ok(runs)
}

/// What runs and outputs begin with.
fn number_and_time(read: &mut Unpack<'_>) -> Option<(u64, Timestamp)> {
    let number = read.number()?.cast_unsigned();
    Some((number, chrono::DateTime::from_timestamp_millis(read.number()?)?))
}

fn unpack_run(bytes: &[u8]) -> Option<Run> {
    let mut read = Unpack(bytes);
    let (number, executed) = number_and_time(&mut read)?;
    Some(Run {
        number,
        executed,
        status: read.number()?,
        duration: read.float()?,
        changed: read.number()? != 0,
        sha256: read.bytes()?.try_into().ok()?,
    })
}

/// Returns the number and the time of the output that was kept last.
pub fn newest_output(store: &Store, key: &Key) -> Result<Option<(u64, Timestamp)>, StoreError> {
    let mut newest: Option<(u64, Timestamp)> = None;
    let mut place = 0;
    store.prefix(OUTPUTS, &prefix(key), Order::Ascending, &mut |name, value| {
        let run = number_and_time(&mut Unpack(value));
        if run > newest {
            newest = run;
            let at = name.get(8..12).and_then(|at| at.try_into().ok()).map_or(0, u32::from_be_bytes);
            place = u64::from(at);
        }
        ControlFlow::Continue(())
    })?;
    // Where in the ring it stands is all that matters for the next one.
    Ok(newest.map(|(_, executed)| (place, executed)))
}

#[cfg(test)]
mod tests {
    use super::{Depth, newest_output, read, room, write};
    use crate::detail::latest::{Key, Run};
    use crate::sys::store::{Durability, Store};

    #[test]
    fn what_is_too_old_goes_with_its_output() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store")).expect("opens").store;
        let key = Key { source: None, check: "check_disk".into() };
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
        let run = |number: u64| Run {
            number,
            executed: at(1000 + number.cast_signed()),
            status: 0,
            duration: Some(0.1),
            changed: false,
            sha256: [0; 32],
        };
        let written = store.commit(Durability::Immediate, |batch| {
            (0..10).try_for_each(|number| {
                write(batch, &key, &run(number), Some((number, b"DISK OK")), Depth::default()).map(drop)
            })
        });
        written.expect("written");
        room::make(&store, Some(at(1007)), u64::MAX).expect("forgotten");
        let left = read(&store, &key).expect("read");
        let numbers: Vec<u64> = left.iter().map(|past| past.run.number).collect();
        assert_eq!(numbers, [9, 8, 7]);
        assert_eq!(newest_output(&store, &key).expect("read"), Some((9, at(1009))));
        assert!(left.iter().all(|past| past.output.as_deref() == Some(b"DISK OK")), "{left:?}");
    }
}
