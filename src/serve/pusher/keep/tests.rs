use super::{Earlier, Keeper, Record, Writing};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::time::{Timestamp, from_epoch};
use crate::serve::pusher::lane::Change;
use crate::sys::store::StoreError;
use std::path::Path;
use tempfile::TempDir;

const GATEWAYS: [&str; 2] = ["http://a:9091/", "http://b:9091/"];

fn check(name: &str, source: Option<&str>) -> PushedCheck {
    let group = GroupKey::new("backup", [("db", ""), ("né", "x/y")]);
    PushedCheck { group, check: name.into(), source: source.map(Into::into) }
}

fn at(hours: u32) -> Timestamp {
    from_epoch(1_700_000_000.25 + 3600.0 * f64::from(hours)).expect("a time")
}

/// No body says that the check is gone.
fn record(number: u64, body: &str) -> Record {
    let body = Some(body).filter(|body| !body.is_empty()).map(|body| body.as_bytes().into());
    Record { number, since: at(0), body }
}

fn open(folder: &Path) -> Keeper {
    Keeper::open(folder, 1 << 20).expect("opened")
}

/// Reads what another life left, that many hours after the first.
fn read(folder: &Path, gateways: &[&str], hours: u32) -> Earlier {
    open(folder).take_up(gateways, at(hours)).expect("read").expect("the first time")
}

fn write(keeper: &Keeper, waiting: &[(&str, &[Change])]) -> Result<(), StoreError> {
    keeper.write(&Writing { waiting: waiting.to_vec(), ..Writing::default() })
}

#[test]
fn what_waits_is_read_back_and_what_went_is_not() {
    let folder = TempDir::new().expect("a folder");
    let folder = &folder.path().join("new");
    let keeper = open(folder);
    assert_eq!(keeper.take_up(&GATEWAYS, at(0)).expect("read"), Some(Earlier::default()));
    let changes = [
        (check("one", None), Some(record(1, "{}"))),
        (check("one", Some("lb")), Some(record(2, ""))),
        (check("two", None), Some(record(3, "x"))),
    ];
    write(&keeper, &[(GATEWAYS[0], &changes), (GATEWAYS[1], &changes[..1])]).expect("written");
    write(&keeper, &[(GATEWAYS[0], &[(check("two", None), None)])]).expect("written");
    assert!(Keeper::open(folder, 1 << 20).is_err(), "another one has it");
    assert_eq!(keeper.take_up(&GATEWAYS, at(0)).expect("read"), None, "once");
    drop(keeper);
    let earlier = read(folder, &GATEWAYS, 0);
    let one = [(check("one", None), record(1, "{}")), (check("one", Some("lb")), record(2, ""))];
    assert_eq!(earlier.waiting[GATEWAYS[0]], one);
    assert_eq!(earlier.waiting[GATEWAYS[1]], one[..1]);
}

#[test]
fn the_checks_that_were_pushed_are_read_back() {
    let folder = TempDir::new().expect("a folder");
    let keeper = open(folder.path());
    keeper.take_up(&GATEWAYS, at(0)).expect("read");
    for known in [["one", "two"], ["two", "three"]] {
        let known = known.map(|name| check(name, Some("lb")));
        keeper.write(&Writing { known: Some(&known), ..Writing::default() }).expect("written");
    }
    drop(keeper);
    let known = ["two", "three"].map(|name| check(name, Some("lb")));
    assert_eq!(read(folder.path(), &GATEWAYS, 0).known, known.into());
}

#[test]
fn what_waits_for_a_gateway_that_is_not_named_is_kept_for_a_day() {
    let folder = TempDir::new().expect("a folder");
    let keeper = open(folder.path());
    keeper.take_up(&GATEWAYS, at(0)).expect("read");
    let waits = [(check("one", None), Some(record(1, "{}")))];
    write(&keeper, &GATEWAYS.map(|gateway| (gateway, &waits[..]))).expect("written");
    drop(keeper);
    let has = |gateways: &[&str], hours| read(folder.path(), gateways, hours).waiting.len();
    assert_eq!([has(&GATEWAYS[..1], 1), has(&GATEWAYS[..1], 20), has(&GATEWAYS, 21)], [1, 1, 2]);
    // It was named meanwhile: the day begins anew.
    assert_eq!([has(&GATEWAYS[..1], 40), has(&GATEWAYS[..1], 60), has(&GATEWAYS, 61)], [1, 1, 2]);
    assert_eq!([has(&GATEWAYS[..1], 80), has(&GATEWAYS[..1], 105), has(&GATEWAYS, 106)], [1, 1, 1]);
}

#[test]
fn a_file_that_another_one_wrote_is_written_anew() {
    let known = [check("one", None)];
    let waits: [Change; 2] = ["one", "two"].map(|name| (check(name, None), Some(record(1, "{}"))));
    for harm in ["written over", "deleted", "replaced"] {
        let folder = TempDir::new().expect("a folder");
        let keeper = open(folder.path());
        keeper.take_up(&GATEWAYS, at(0)).expect("read");
        write(&keeper, &[(GATEWAYS[0], &waits[..])]).expect("written");
        assert!(!keeper.is_another(), "{harm}");
        let file = folder.path().join("pusher.redb");
        match harm {
            "written over" => std::fs::write(&file, vec![0xa5; 100_000]).expect(harm),
            "deleted" => std::fs::remove_file(&file).expect(harm),
            _ => {
                // Of an earlier life, with something that does not wait any more.
                let other = TempDir::new().expect("a folder");
                let before = open(other.path());
                before.take_up(&GATEWAYS, at(0)).expect("read");
                let old = [(check("old", None), Some(record(1, "{}")))];
                write(&before, &[(GATEWAYS[0], &old)]).expect("written");
                drop(before);
                std::fs::copy(other.path().join("pusher.redb"), folder.path().join("copy")).expect(harm);
                std::fs::rename(folder.path().join("copy"), &file).expect(harm);
            }
        }
        assert!(keeper.is_another(), "{harm}");
        let anew = Writing { waiting: vec![(GATEWAYS[0], &waits)], known: Some(&known), anew: true };
        if keeper.write(&anew).is_err() {
            // The damaged one was set aside.
            keeper.write(&anew).expect("written");
        }
        assert!(!keeper.is_another() && keeper.trouble().is_none(), "{harm}");
        drop(keeper);
        let earlier = read(folder.path(), &GATEWAYS, 0);
        assert_eq!((earlier.waiting[GATEWAYS[0]].len(), earlier.known.len()), (2, 1), "{harm}");
    }
}

#[test]
fn a_full_spool_takes_what_comes_in_the_place_of_what_goes() {
    let folder = TempDir::new().expect("a folder");
    let keeper = open(folder.path());
    keeper.take_up(&GATEWAYS[..1], at(0)).expect("read");
    let large = "x".repeat(100_000);
    let put = |number: u64| (check(&number.to_string(), None), Some(record(number, &large)));
    let full = (0..100).find(|number| write(&keeper, &[(GATEWAYS[0], &[put(*number)])]).is_err());
    let full = full.expect("it fills up");
    let gone = (0..full).map(|number| (check(&number.to_string(), None), None));
    let changes: Vec<Change> = gone.chain([put(100)]).collect();
    write(&keeper, &[(GATEWAYS[0], &changes)]).expect("there is room again");
    drop(keeper);
    let left = read(folder.path(), &GATEWAYS, 0).waiting;
    assert_eq!(left[GATEWAYS[0]].iter().map(|(_, record)| record.number).collect::<Vec<_>>(), [100]);
}

#[test]
fn a_folder_that_can_never_be_one_is_refused() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    let error = Keeper::open(&folder.path().join("file"), 1 << 20).err().expect("refused").to_string();
    assert!(error.starts_with("--state-dir ") && error.contains("file: "), "{error}");
}
