//! What of the past is let go where it is too old or takes too much room: the oldest first, outputs before runs, and few rows at a
//! time, so that who writes beside it does not wait for long.

use super::{OUTPUTS, RUNS, number_and_time};
use crate::detail::pack::Unpack;
use crate::model::time::Timestamp;
use crate::sys::store::{Batch, Durability, Order, Store, StoreError};
use std::ops::ControlFlow;

/// Outputs go before runs.
const TABLES: [&str; 2] = [OUTPUTS, RUNS];
/// So many rows go in one commit.
const AT_ONCE: usize = 256;
/// The database's page: what needs more has so many of them as a power of two.
const PAGE: usize = 4096;
/// About what a row takes beside its value.
const BESIDE: usize = 48;

/// What names a row, in either table.
type Place = [u8; 12];

/// A row of the past. There may be millions.
#[derive(Debug)]
struct Row {
    place: Place,
    room: u32,
    /// Milliseconds since 1970; what cannot be read is older than everything.
    executed: i64,
}

/// Returns how much room in the file a row with a value of so many bytes takes.
pub(super) fn room(value: usize) -> u64 {
    let row = value + BESIDE;
    (if row > PAGE / 2 { row.next_power_of_two().max(PAGE) } else { row }) as u64
}

fn executed(value: &[u8]) -> i64 {
    number_and_time(&mut Unpack(value)).map_or(i64::MIN, |(_, executed)| executed.timestamp_millis())
}

/// Writes, and where there is no room for that has more and more forgotten before it writes again: all but half of what the past
/// may take, all but an eighth, all of it. What is known now matters more than its past. Forgetting is a commit of its own: only
/// what is gone makes room.
pub fn write_or_forget<T>(
    share: u64,
    mut write: impl FnMut() -> Result<T, StoreError>,
    forget: impl Fn(u64) -> Result<(), StoreError>,
) -> Result<T, StoreError> {
    for most in [share / 2, share / 8, 0] {
        match write() {
            Err(StoreError::Full { .. }) => forget(most)?,
            done => return done,
        }
    }
    write()
}

/// Lets go what was run before `oldest`, and as much more that the rest takes no more than `most`. Returns what that takes.
pub fn make(store: &Store, oldest: Option<Timestamp>, most: u64) -> Result<u64, StoreError> {
    let mut left = [0_u64; 2];
    for (left, table) in left.iter_mut().zip(TABLES) {
        let mut old = Vec::new();
        each(store, table, |row| {
            match oldest.is_some_and(|oldest| row.executed < oldest.timestamp_millis()) {
                true => old.push(row),
                false => *left += u64::from(row.room),
            }
        })?;
        let_go(store, table, &old)?;
    }
    for (at, table) in TABLES.into_iter().enumerate() {
        let over = left.iter().sum::<u64>().saturating_sub(most);
        if over > 0 {
            // More may have been written meanwhile.
            left[at] = left[at].saturating_sub(let_oldest_go(store, table, over)?);
        }
    }
    Ok(left.iter().sum())
}

/// Lets so much of a table go, the oldest first, and returns how much that was; all of it where it has less.
fn let_oldest_go(store: &Store, table: &str, over: u64) -> Result<u64, StoreError> {
    let mut rows = Vec::new();
    each(store, table, |row| rows.push(row))?;
    rows.sort_unstable_by_key(|row| row.executed);
    let mut gone = 0_u64;
    let enough = rows.iter().position(|row| {
        let is_enough = gone >= over;
        gone += if is_enough { 0 } else { u64::from(row.room) };
        is_enough
    });
    rows.truncate(enough.unwrap_or(rows.len()));
    let_go(store, table, &rows)?;
    Ok(gone)
}

fn each(store: &Store, table: &str, mut take: impl FnMut(Row)) -> Result<(), StoreError> {
    store.prefix(table, b"", Order::Ascending, &mut |key, value| {
        if let Ok(place) = key.try_into() {
            let room = u32::try_from(room(value.len())).unwrap_or(u32::MAX);
            take(Row { place, room, executed: executed(value) });
        }
        ControlFlow::Continue(())
    })
}

fn let_go(store: &Store, table: &str, rows: &[Row]) -> Result<(), StoreError> {
    for part in rows.chunks(AT_ONCE) {
        // With the next commit that waits for the disk is early enough.
        store.commit(Durability::Eventual, |batch| {
            part.iter().try_for_each(|row| forget(batch, table, row))
        })?;
    }
    Ok(())
}

/// Removes a row, unless another run has taken its place.
fn forget(batch: &mut Batch<'_>, table: &str, row: &Row) -> Result<(), StoreError> {
    if batch.get(table, &row.place)?.is_some_and(|value| executed(&value) == row.executed) {
        batch.remove(table, &row.place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, TABLES, each, let_go, make, room};
    use crate::detail::history::{Depth, Past, read, write};
    use crate::detail::latest::{Key, Run};
    use crate::model::time::Timestamp;
    use crate::sys::store::{Durability, Store};

    const OUTPUT: usize = 3000;

    fn at(seconds: u64) -> Timestamp {
        chrono::DateTime::from_timestamp(seconds.cast_signed(), 0).expect("a time")
    }

    fn key(check: usize) -> Key {
        Key { source: None, check: format!("check{check}").into() }
    }

    /// Writes runs with their outputs, and returns what they take.
    fn put(store: &Store, check: usize, times: impl Iterator<Item = u64>) -> u64 {
        let written = store.commit(Durability::Immediate, |batch| {
            times.enumerate().try_fold(0, |sum, (number, time)| {
                let number = number as u64;
                let (sha256, executed) = ([0; 32], at(time));
                let run = Run { number, executed, status: 0, duration: None, sha256, changed: true };
                Ok(sum + write(batch, &key(check), &run, Some((number, &[7; OUTPUT])), Depth::default())?)
            })
        });
        written.expect("written")
    }

    /// Which runs of a check are there, and which of them with their output.
    fn there(store: &Store, check: usize) -> (Vec<u64>, Vec<u64>) {
        let runs = read(store, &key(check)).expect("read");
        let numbers = |runs: &[&Past]| runs.iter().map(|past| past.run.number).collect();
        let told: Vec<&Past> = runs.iter().filter(|past| past.output.is_some()).collect();
        (numbers(&runs.iter().collect::<Vec<_>>()), numbers(&told))
    }

    #[test]
    fn the_oldest_outputs_go_first_of_whatever_check_and_runs_only_after_all_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store")).expect("opens").store;
        // Those of one are between those of the other.
        let all =
            put(&store, 0, (0..5).map(|n| 1000 + 20 * n)) + put(&store, 1, (0..5).map(|n| 1010 + 20 * n));
        assert_eq!(make(&store, None, all).expect("made"), all);
        assert_eq!(there(&store, 0), (vec![4, 3, 2, 1, 0], vec![4, 3, 2, 1, 0]));
        let less = all - 3 * room(OUTPUT + 30);
        assert_eq!(make(&store, None, less).expect("made"), less);
        assert_eq!(there(&store, 0), (vec![4, 3, 2, 1, 0], vec![4, 3, 2]));
        assert_eq!(there(&store, 1), (vec![4, 3, 2, 1, 0], vec![4, 3, 2, 1]));
        let few = 4 * room(100);
        assert!((1..=few).contains(&make(&store, None, few).expect("made")));
        assert_eq!((there(&store, 0), there(&store, 1)), ((vec![4, 3], vec![]), (vec![4, 3], vec![])));
        assert_eq!(make(&store, None, 0).expect("made"), 0);
        assert_eq!(there(&store, 0), (vec![], vec![]));
    }

    #[test]
    fn what_is_too_old_goes_in_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store")).expect("opens").store;
        let checks = 2 * AT_ONCE / 10 + 1;
        for check in 0..checks {
            put(&store, check, (0..10).map(|n| 1000 + n));
        }
        make(&store, Some(at(1007)), u64::MAX).expect("made");
        assert!((0..checks).all(|check| there(&store, check) == (vec![9, 8, 7], vec![9, 8, 7])));
    }

    #[test]
    fn what_was_written_meanwhile_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store")).expect("opens").store;
        put(&store, 0, [1000].into_iter());
        let seen = TABLES.map(|table| {
            let mut rows = Vec::new();
            each(&store, table, |row| rows.push(row)).expect("read");
            (table, rows)
        });
        put(&store, 0, [2000].into_iter());
        for (table, rows) in &seen {
            assert_eq!(rows.len(), 1);
            let_go(&store, table, rows).expect("gone");
        }
        assert_eq!(there(&store, 0), (vec![0], vec![0]));
    }
}
