//! What can still be read of a file that was set aside.
//!
//! The database opens no file of which a page is damaged. But it reads one that is open elsewhere by its header and the pages on the
//! way to a row alone, so it is given this one as such: behind a header that is in order, and by the newer of its two roots that is.
//! Nothing says then whether a row is what was written. Who wrote it has to know.

use super::{Fault, guarded, table};
use redb::{
    BackendError, Builder, ConcurrencyMode, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase,
    ReadableTableMetadata, StorageBackend,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::{Bound, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

const PAGE: usize = 4096;
/// What a page with rows begins with.
const LEAF: u8 = 1;
/// What a file begins with (redb, docs/design.md).
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// Where the header says by which root it is read, and both roots (redb, docs/design.md).
const GOD_BYTE: usize = 9;
const COUNTS: Range<usize> = 24..32;
const ROOTS: [Range<usize>; 2] = [64..192, 192..320];
/// Where in a root its number stands.
const NUMBER: Range<usize> = 104..112;
/// Pages of a region, the largest that there are.
const REGION: u64 = 1 << 20;

/// Whether a file that begins so may be a store, damaged or cut though it be. One that begins with zeros was never written to its disk.
pub fn is_like_a_store(head: &[u8]) -> bool {
    let head = &head[..head.len().min(MAGIC.len())];
    let same = head.iter().zip(MAGIC).filter(|(have, want)| *have == want).count();
    2 * same >= head.len() || head.iter().all(|byte| *byte == 0)
}

/// What was read.
#[derive(Debug)]
pub struct Salvage {
    /// The rows, as they stand in the file.
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How many there should be.
    pub all: u64,
}

/// Reads what can be read of a table of a file that nobody else has; nothing where neither root can be used.
///
/// # Errors
/// When the file system does not give the file.
pub fn salvage(path: &Path, name: &str) -> io::Result<Option<Salvage>> {
    let file = Arc::new(File::open(path)?);
    let mut header = vec![0; PAGE];
    let length = file.metadata()?.len();
    let whole = usize::try_from(length).unwrap_or(PAGE).min(PAGE);
    file.read_exact_at(&mut header[..whole], 0)?;
    mend(&mut header, length);
    let number = |root: &usize| {
        let at = ROOTS[*root].start;
        header[at..][NUMBER].try_into().map_or(0, u64::from_le_bytes)
    };
    let mut roots = [0, 1];
    roots.sort_by_key(|root| std::cmp::Reverse(number(root)));
    for root in roots {
        header[GOD_BYTE] = root as u8;
        let mut reader = Reader {
            remains: Remains { file: file.clone(), header: header.clone(), length },
            name,
            open: None,
        };
        if let Some(all) = reader.look(|table| Ok(table.len()?)) {
            let rows = reader.rows(all, &keys(&file, length)?);
            return Ok(Some(Salvage { rows, all }));
        }
    }
    Ok(None)
}

/// Writes what every file of ours has in its header, and how long this one is.
fn mend(header: &mut [u8], length: u64) {
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    // Pages of 4 KiB, none of them a region's header, and so many in one.
    header[GOD_BYTE..COUNTS.start].copy_from_slice(&[0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0]);
    let pages = length.div_ceil(PAGE as u64).saturating_sub(1).max(1);
    let [regions, rest] =
        [pages / REGION, pages % REGION].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    header[COUNTS].copy_from_slice(&[regions.to_le_bytes(), rest.to_le_bytes()].concat());
}

/// Returns what looks like a key anywhere in the file, old ones among them.
fn keys(file: &File, length: u64) -> io::Result<BTreeSet<Vec<u8>>> {
    let mut keys = BTreeSet::new();
    let mut page = vec![0; PAGE];
    for at in (0..length / PAGE as u64).map(|page| page * PAGE as u64) {
        file.read_exact_at(&mut page, at)?;
        if page[0] == LEAF {
            keys.extend(keys_of(&page).into_iter().map(<[u8]>::to_vec));
        }
    }
    Ok(keys)
}

/// The keys of a page with rows: how many there are, where each ends, where each value ends, and then they follow.
fn keys_of(page: &[u8]) -> Vec<&[u8]> {
    let number = usize::from(u16::from_le_bytes([page[2], page[3]]));
    let ends = page[4..]
        .chunks_exact(4)
        .take(number)
        .map(|end| u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    let mut start = 4 + 8 * number;
    let key = |end: u32| {
        let key = page.get(start..end as usize);
        start = end as usize;
        key
    };
    ends.map_while(key).collect()
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Reads rows, and goes on after each failure.
struct Reader<'a> {
    remains: Remains,
    name: &'a str,
    /// None after a failure: what it left behind is not to be used.
    open: Option<(ReadOnlyDatabase, Table)>,
}

impl Reader<'_> {
    /// Reads something; none where that cannot be read.
    fn look<T>(&mut self, step: impl FnOnce(&Table) -> Result<T, Fault>) -> Option<T> {
        if self.open.is_none() {
            self.open = guarded(|| self.remains.open(self.name)).ok();
        }
        let (_, table) = self.open.as_ref()?;
        let read = guarded(|| step(table)).ok();
        if read.is_none() {
            let failed = self.open.take();
            guarded(|| {
                drop(failed);
                Ok(())
            })
            .ok();
        }
        read
    }

    /// Reads all rows from both ends, and where something is in the way those whose keys are known.
    fn rows(&mut self, all: u64, keys: &BTreeSet<Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        let is_whole = self.walk(&mut rows, true) && rows.len() as u64 == all;
        if !is_whole && !self.walk(&mut rows, false) {
            for key in keys {
                if !rows.contains_key(key)
                    && let Some(value) =
                        self.look(|table| Ok(table.get(&**key)?.map(|value| value.value().to_vec())))
                {
                    rows.extend(value.map(|value| (key.clone(), value)));
                }
            }
        }
        rows
    }

    /// Reads rows from one end, and says whether it came to the other.
    fn walk(&mut self, rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, forwards: bool) -> bool {
        let mut last: Option<Vec<u8>> = None;
        let walked = self.look(|table| {
            let mut range = table.range::<&[u8]>(..)?;
            loop {
                let row = if forwards { range.next() } else { range.next_back() };
                let Some((key, value)) = row.transpose()? else { return Ok(()) };
                let key = key.value().to_vec();
                // Where a page is not the one that it should be, its keys are not in their place.
                if last.as_ref().is_some_and(|last| if forwards { key <= *last } else { key >= *last }) {
                    return Err(Fault::Damage("keys are out of order".into()));
                }
                rows.insert(key.clone(), value.value().to_vec());
                last = Some(key);
            }
        });
        walked.is_some()
    }
}

/// The file behind a header that is in order.
#[derive(Debug, Clone)]
struct Remains {
    file: Arc<File>,
    header: Vec<u8>,
    length: u64,
}

impl Remains {
    fn open(&self, name: &str) -> Result<(ReadOnlyDatabase, Table), Fault> {
        let mut builder = Builder::new();
        builder.set_cache_size(super::CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::MultiWriter);
        let database = builder.open_read_only_with_backend(self.clone())?;
        let opened = database.begin_read()?.open_table(table(name))?;
        Ok((database, opened))
    }
}

impl StorageBackend for Remains {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    /// What is past the end is zeros, which are no page: an error would end all reading.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(header) = self.header.get(at..at.saturating_add(out.len())) {
            out.copy_from_slice(header);
            return Ok(());
        }
        let there = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        self.file.read_exact_at(&mut out[..there], offset).or(Ok(()))
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, mend, salvage};
    use crate::sys::store::{Batch, Durability, Store};
    use std::collections::BTreeMap;
    use std::fs;

    const ROWS: u32 = 2000;

    fn key(number: u32) -> Vec<u8> {
        format!("job\u{0}{:08}", number.wrapping_mul(2_654_435_761)).into_bytes()
    }

    /// A row can be told from any other one by itself.
    fn value(number: u32) -> Vec<u8> {
        format!("{number:08}").repeat(number as usize % 40 + 1).into_bytes()
    }

    /// A store of many rows, each of which was another one before, and some are gone.
    fn sample() -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let store = Store::open(&path).expect("opens").store;
        let commit = |fill: &dyn Fn(&mut Batch<'_>, u32)| {
            for first in (0..ROWS + 200).step_by(100) {
                let filled = store.commit(Durability::Immediate, |batch| {
                    (first..first + 100).for_each(|number| fill(batch, number));
                    Ok(())
                });
                filled.expect("committed");
            }
        };
        commit(&|batch, number| batch.put("rows", &key(number), b"old").expect("put"));
        commit(&|batch, number| match number < ROWS {
            true => batch.put("rows", &key(number), &value(number)).expect("put"),
            false => assert!(batch.remove("rows", &key(number)).expect("removed")),
        });
        drop(store);
        fs::read(&path).expect("readable")
    }

    /// What is saved of a file of these bytes, but for rows that somebody can tell are damaged.
    fn saved(bytes: &[u8]) -> Option<usize> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), bytes).expect("written");
        let rows = salvage(file.path(), "rows").expect("readable")?.rows;
        let all: BTreeMap<Vec<u8>, u32> = (0..ROWS).map(|number| (key(number), number)).collect();
        let right = |(key, row): &(&Vec<u8>, &Vec<u8>)| {
            assert_ne!(**row, *b"old", "an old row");
            all.get(*key).is_some_and(|number| **row == value(*number))
        };
        Some(rows.iter().filter(right).count())
    }

    #[test]
    fn a_header_in_order_is_the_one_that_is_written() {
        let whole = sample();
        let mut mended = whole[..PAGE].to_vec();
        mend(&mut mended, whole.len() as u64);
        mended[super::GOD_BYTE] = whole[super::GOD_BYTE];
        assert_eq!(mended, whole[..PAGE]);
        assert_eq!(saved(&whole), Some(ROWS as usize));
    }

    #[test]
    fn most_flips_cost_a_page_at_most_and_none_brings_an_old_row_back() {
        let whole = sample();
        let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let (mut flips, mut good) = (0, 0);
        for at in used.iter().step_by(used.len() / 60) {
            let mut bytes = whole.clone();
            bytes[*at] ^= 1 << (at % 8);
            flips += 1;
            good += usize::from(saved(&bytes).is_some_and(|saved| saved >= ROWS as usize - 100));
        }
        assert!(good * 20 >= flips * 19, "{good} of {flips}");
    }

    #[test]
    fn what_is_no_store_of_ours_gives_nothing() {
        let whole = sample();
        for length in [0, 1, 100, PAGE, PAGE + 1] {
            assert!(saved(&whole[..length]).is_none_or(|saved| saved == 0), "{length}");
        }
        let half = saved(&whole[..whole.len() / 2]);
        assert!(half.is_none_or(|saved| saved < ROWS as usize), "{half:?}");
        assert_eq!(saved(&vec![0xa5; 3 * PAGE]), None);
        assert_eq!(saved(&vec![1; 3 * PAGE]), None);
        let folder = tempfile::tempdir().expect("a folder");
        assert!(salvage(&folder.path().join("none"), "rows").is_err());
    }
}
