use std::fs::{self, File};
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Durability, Opened, Order, Store, StoreError, Visit};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

fn open(path: &Path) -> Store {
    let Opened { store, set_aside, trouble } = Store::open(path).expect("opens");
    assert!(set_aside.is_none() && trouble.is_none(), "{set_aside:?} {trouble:?}");
    store
}

fn put(store: &Store, rows: &[(&str, &str)]) {
    let put = |batch: &mut super::Batch<'_>| {
        rows.iter().try_for_each(|(key, value)| batch.put("runs", key.as_bytes(), value.as_bytes()))
    };
    store.commit(Durability::Immediate, put).expect("committed");
}

fn keys(read: impl FnOnce(&mut Visit<'_>) -> Result<(), StoreError>) -> String {
    let mut keys = Vec::new();
    read(&mut |key, _| {
        keys.push(String::from_utf8_lossy(key).into_owned());
        ControlFlow::Continue(())
    })
    .expect("readable");
    keys.join(" ")
}

fn damaged(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().contains(".damaged-")).collect();
    paths.sort();
    paths
}

#[test]
fn what_is_committed_is_there_after_a_restart() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    assert_eq!(store.get("runs", b"a").expect("no table yet"), None);
    put(&store, &[("a", "1"), ("b", "2")]);
    drop(store);
    let store = open(&path);
    assert_eq!(store.get("runs", b"a").expect("readable").as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get("runs", b"c").expect("readable"), None);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "no note of the attempt is left");
}

#[test]
fn an_eventual_commit_is_read_at_once_and_kept_by_the_next_immediate_one() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    store.commit(Durability::Eventual, |batch| batch.put("runs", b"a", b"1")).expect("committed");
    assert!(store.get("runs", b"a").expect("readable").is_some());
    put(&store, &[("b", "2")]);
    // As a crash leaves it: the file is copied while the store is open.
    let crashed = folder.path().join("crashed");
    fs::copy(&path, &crashed).expect("copied");
    let crashed = open(&crashed);
    assert_eq!(keys(|each| crashed.prefix("runs", b"", Order::Ascending, each)), "a b");
}

#[test]
fn ranges_and_prefixes_are_read_in_both_orders_and_removed() {
    let folder = folder();
    let store = open(&folder.path().join("store"));
    put(
        &store,
        &[("cpu/1", ""), ("disk/1", ""), ("disk/2", ""), ("disk/3", ""), ("disk0", ""), ("\u{ff}", "")],
    );
    let all = |store: &Store| keys(|each| store.prefix("runs", b"", Order::Ascending, each));
    assert_eq!(keys(|each| store.prefix("runs", b"disk/", Order::Descending, each)), "disk/3 disk/2 disk/1");
    let between = (Bound::Excluded(&b"disk/1"[..]), Bound::Included(&b"disk/3"[..]));
    assert_eq!(keys(|each| store.range("runs", between, Order::Ascending, each)), "disk/2 disk/3");
    let backwards = (Bound::Included(&b"z"[..]), Bound::Included(&b"a"[..]));
    assert_eq!(keys(|each| store.range("runs", backwards, Order::Ascending, each)), "");
    let mut seen = 0;
    let mut first = |_: &[u8], _: &[u8]| {
        seen += 1;
        ControlFlow::Break(())
    };
    store.prefix("runs", b"disk/", Order::Descending, &mut first).expect("readable");
    assert_eq!(seen, 1);
    let remove = |batch: &mut super::Batch<'_>| {
        batch.remove_range("runs", backwards)?;
        batch.remove_range("runs", between)?;
        batch.remove_prefix("runs", b"cpu/")?;
        assert!(!batch.remove("runs", b"cpu/1")?);
        batch.remove("runs", b"disk0")
    };
    assert!(store.commit(Durability::Immediate, remove).expect("committed"));
    assert_eq!(all(&store), "disk/1 \u{ff}");
}

#[test]
fn prefixes_of_the_highest_bytes_have_their_end() {
    assert_eq!(super::after_prefix(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
    assert_eq!(super::after_prefix(b"\xff\xff"), None);
    assert_eq!(super::after_prefix(b""), None);
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    let folder = folder();
    let store = open(&folder.path().join("store"));
    put(&store, &[("a", "1")]);
    let refused = store.commit(Durability::Immediate, |batch| {
        batch.put("runs", b"b", b"2")?;
        assert_eq!(batch.get("runs", b"b")?.as_deref(), Some(&b"2"[..]));
        Err::<(), _>(StoreError::InUse { path: PathBuf::new() })
    });
    assert!(matches!(refused, Err(StoreError::InUse { .. })));
    assert_eq!(keys(|each| store.prefix("runs", b"", Order::Ascending, each)), "a");
}

#[test]
fn a_store_that_is_open_elsewhere_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
    put(&store, &[("a", "1")]);
    assert_eq!(damaged(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn foreign_files_are_set_aside_and_the_last_two_are_kept() {
    let folder = folder();
    let path = folder.path().join("store");
    for content in ["first", "second", "third"] {
        fs::write(&path, content).expect("written");
        let Opened { store, set_aside, .. } = Store::open(&path).expect("opens");
        assert_eq!(fs::read_to_string(set_aside.expect("it was no store")).expect("kept"), content);
        put(&store, &[("a", "1")]);
    }
    let kept: Vec<_> =
        damaged(folder.path()).iter().map(|path| fs::read_to_string(path).expect("kept")).collect();
    assert_eq!(kept, ["second", "third"]);
}

#[test]
fn a_database_of_other_types_is_foreign() {
    let folder = folder();
    let path = folder.path().join("store");
    let other = redb::Database::create(&path).expect("made");
    let transaction = other.begin_write().expect("begun");
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("runs")).expect("opened");
    transaction.commit().expect("committed");
    drop(other);
    assert!(Store::open(&path).expect("opens").set_aside.is_some());
}

#[test]
fn a_file_that_kills_the_process_at_every_start_is_set_aside() {
    let folder = folder();
    let path = folder.path().join("store");
    put(&open(&path), &[("a", "1")]);
    fs::write(folder.path().join("store.opening"), [2]).expect("as two deaths leave it");
    let store = open(&path);
    assert!(store.get("runs", b"a").expect("readable").is_some());
    drop(store);
    fs::write(folder.path().join("store.opening"), [3]).expect("as three deaths leave it");
    assert!(Store::open(&path).expect("opens").set_aside.is_some());
    open(&path);
}

#[test]
fn damage_found_while_running_makes_an_empty_store() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    for number in 0..4000 {
        let key = format!("{number:05}");
        store
            .commit(Durability::Eventual, |batch| batch.put("runs", key.as_bytes(), &[7; 1000]))
            .expect("committed");
    }
    put(&store, &[("a", "1")]);
    let size = store.file_bytes().expect("there");
    let file = File::options().write(true).open(&path).expect("there");
    file.write_all_at(&vec![0xa5; size as usize - 4096], 4096).expect("overwritten");
    let mut found = None;
    for number in 0..4000 {
        if let Err(error) = store.get("runs", format!("{number:05}").as_bytes()) {
            found = Some(error);
            break;
        }
    }
    assert!(matches!(found, Some(StoreError::Damaged { .. })), "{found:?}");
    assert_eq!(damaged(folder.path()).len(), 1);
    put(&store, &[("b", "2")]);
    assert_eq!(keys(|each| store.prefix("runs", b"", Order::Ascending, each)), "b");
}

#[test]
fn a_full_store_takes_no_more_until_something_is_removed() {
    let folder = folder();
    let limit = 4 * 1024 * 1024;
    let store = Store::open_limited(folder.path().join("store"), limit).expect("opens").store;
    let write = |number: u32| {
        let key = number.to_be_bytes();
        store.commit(Durability::Eventual, |batch| batch.put("runs", &key, &[7; 50_000]))
    };
    let full = (0..1000).find_map(|number| write(number).err()).expect("it fills up");
    assert!(matches!(full, StoreError::Full { .. }), "{full}");
    assert!(store.file_bytes().expect("there") <= 4 * limit);
    store.commit(Durability::Immediate, |batch| batch.remove_prefix("runs", b"")).expect("removed");
    write(0).expect("there is room again");
    store.commit(Durability::Immediate, |_| Ok(())).expect("committed");
    assert!(store.compact().expect("compacts"));
    assert!(store.file_bytes().expect("there") < limit);
    assert!(!store.compact().expect("there is nothing to gain"));
}

#[test]
fn what_the_file_system_refuses_is_an_error_and_no_damage() {
    let folder = folder();
    let missing = folder.path().join("missing/store");
    let Opened { store, trouble, .. } = Store::open(&missing).expect("it may come yet");
    assert_eq!(trouble.map(|error| error.kind()), Some(std::io::ErrorKind::NotFound));
    assert!(matches!(store.get("runs", b"a"), Err(StoreError::Io { .. })));
    // The next call tries again.
    fs::create_dir(folder.path().join("missing")).expect("made");
    put(&store, &[("a", "1")]);
    assert!(store.get("runs", b"a").expect("readable").is_some());
    let trouble = Store::open(folder.path()).expect("never mind").trouble.expect("a folder is no store");
    assert_eq!(trouble.kind(), std::io::ErrorKind::IsADirectory);
    assert!(folder.path().is_dir());
}

#[test]
fn an_error_of_the_disk_passes_and_the_content_stays() {
    let folder = folder();
    let store = open(&folder.path().join("store"));
    put(&store, &[("a", "1")]);
    let full = File::options().write(true).open("/dev/full").expect("every Linux has it");
    let source = std::io::Write::write_all(&mut &full, b"x").expect_err("it is always full");
    let generation = store.read_lock().generation;
    let error = store.handle(super::Fault::Io(source), generation);
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(store.read_lock().database.is_none());
    assert!(store.get("runs", b"a").expect("opened again").is_some());
    put(&store, &[("b", "2")]);
    assert_eq!(damaged(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn one_damage_met_by_two_threads_is_handled_once() {
    let folder = folder();
    let store = open(&folder.path().join("store"));
    let generation = store.read_lock().generation;
    let damage = || super::Fault::Damage("met".into());
    assert!(matches!(store.handle(damage(), generation), StoreError::Damaged { .. }));
    put(&store, &[("a", "1")]);
    assert!(matches!(store.handle(damage(), generation), StoreError::Io { .. }));
    assert!(store.get("runs", b"a").expect("readable").is_some());
}

/// One store of many pages and tables, as bytes.
fn sample() -> Vec<u8> {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    for round in 0..20u32 {
        let fill = |batch: &mut super::Batch<'_>| {
            for number in 0..60u32 {
                let key = [number.to_be_bytes(), round.to_be_bytes()].concat();
                batch.put("runs", &key, &vec![round as u8; number as usize * 17])?;
                batch.put("outputs", &key, b"x")?;
            }
            batch.remove_prefix("runs", &round.to_be_bytes())
        };
        store.commit(Durability::Immediate, fill).expect("committed");
    }
    drop(store);
    fs::read(&path).expect("readable")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_opens_and_works(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), 0..8u8), 1..20),
        near_the_start in any::<bool>(),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        static SAMPLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = SAMPLE.get_or_init(sample).clone();
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Where the header is, one bit means more than elsewhere.
        let reach = if near_the_start { bytes.len().min(512) } else { bytes.len() };
        for (place, bit) in flips {
            if reach > 0 {
                bytes[place.index(reach)] ^= 1 << bit;
            }
        }
        let folder = folder();
        let path = folder.path().join("store");
        fs::write(&path, &bytes).expect("written");
        let store = Store::open(&path).expect("always opens").store;
        for table in ["runs", "outputs"] {
            // Damage that opening did not find may be found here, and is then over.
            store.prefix(table, b"", Order::Ascending, &mut |_, _| ControlFlow::Continue(())).ok();
        }
        store.commit(Durability::Immediate, |batch| batch.put("runs", b"new", b"1")).expect("written");
        drop(store);
        let store = open(&path);
        prop_assert!(store.get("runs", b"new").expect("readable").is_some());
    }
}
