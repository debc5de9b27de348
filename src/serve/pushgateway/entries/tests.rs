use super::{CHECKS, Entries, of_group, row, write};
use crate::detail::latest::{Key, Latest};
use crate::model::group::GroupKey;
use crate::model::time::Timestamp;
use crate::serve::pushgateway::group::Group;
use crate::serve::pushgateway::series::Series;
use crate::serve::pushgateway::stage::Changed;
use crate::sys::store::{Durability, Order, Store};
use std::ops::ControlFlow;
use std::sync::Arc;

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path().join("store")).expect("opens").store
}

fn key(check: &str) -> Key {
    Key { source: None, check: check.into() }
}

fn now() -> Timestamp {
    chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time")
}

/// A group after results of these checks, each with what it said.
fn after(group: &GroupKey, before: Option<&Arc<Group>>, results: &[(&str, &str)]) -> Arc<Group> {
    let mut checks =
        before.and_then(|group| group.checks.as_deref().cloned()).unwrap_or_else(|| Latest::new(1, 1024));
    for (check, output) in results {
        let line = format!(
            r#"{{"message":"publishing check result","payload":{{"client":"c","check":{{"name":"{check}","status":1,"output":"{output}"}}}}}}"#
        );
        checks.take(0, line.as_bytes(), now(), &mut |_, _, _, _| {});
    }
    let series = Series::default();
    Group::empty(group.clone(), &series).with_checks(checks, &series).into()
}

fn commit(store: &Store, group: &GroupKey, before: Option<&Arc<Group>>, now: Option<&Arc<Group>>) {
    let change = Changed { slot: 0, key: group.clone(), before: before.cloned(), now: now.cloned() };
    store.commit(Durability::Immediate, |batch| write(batch, &change)).expect("written");
}

/// Puts anything into the row of a check.
fn put(store: &Store, row: &[u8], value: &[u8]) {
    store.commit(Durability::Immediate, |batch| batch.put(CHECKS, row, value)).expect("written");
}

/// What a start finds of a group: its checks, and what they said.
fn found(store: &Store, group: &GroupKey) -> Vec<(String, String)> {
    let mut entries = Entries::read(store).expect("read");
    let text = |(key, entry): (Key, crate::detail::latest::Entry)| {
        (key.check.into(), String::from_utf8_lossy(&entry.output).into_owned())
    };
    entries.take(group).into_iter().map(text).collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(check, output)| ((*check).to_owned(), (*output).to_owned())).collect()
}

#[test]
fn a_push_writes_the_check_that_it_is_of_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, group) = (open(&folder), GroupKey::new("j", []));
    let first = after(&group, None, &[("a", "1"), ("b", "1"), ("c", "1")]);
    commit(&store, &group, None, Some(&first));
    assert_eq!(found(&store, &group), said(&[("a", "1"), ("b", "1"), ("c", "1")]));
    // What was not pushed stays as it stands, even as nonsense.
    put(&store, &row(&group, &key("b")), b"nonsense");
    let second = after(&group, Some(&first), &[("a", "2"), ("d", "2")]);
    commit(&store, &group, Some(&first), Some(&second));
    assert_eq!(found(&store, &group), said(&[("a", "2"), ("c", "1"), ("d", "2")]));
    // Where nobody knows what is there, all of it is written.
    put(&store, &row(&group, &key("gone")), b"nonsense");
    commit(&store, &group, None, Some(&second));
    assert_eq!(found(&store, &group), said(&[("a", "2"), ("b", "1"), ("c", "1"), ("d", "2")]));
    assert_eq!(store.get(CHECKS, &row(&group, &key("gone"))).expect("read"), None);

    let mut fewer = second.checks.as_deref().cloned().expect("checks");
    fewer.remove(&key("c"));
    let third: Arc<Group> = second.with_checks(fewer, &Series::default()).into();
    commit(&store, &group, Some(&second), Some(&third));
    assert_eq!(found(&store, &group), said(&[("a", "2"), ("b", "1"), ("d", "2")]));
}

#[test]
fn a_group_that_goes_takes_its_checks_along_and_those_of_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    // One is the beginning of the other.
    let [short, long] = [&[][..], &[("zone", "z")]].map(|more| GroupKey::new("j", more.iter().copied()));
    let [first, second] = [&short, &long].map(|group| after(group, None, &[("a", "1"), ("b", "1")]));
    commit(&store, &short, None, Some(&first));
    commit(&store, &long, None, Some(&second));
    commit(&store, &short, Some(&first), None);
    assert_eq!((found(&store, &short), found(&store, &long).len()), (said(&[]), 2));
    commit(&store, &long, None, None);
    assert_eq!(found(&store, &long), said(&[]));
}

#[test]
fn what_is_damaged_or_stands_in_another_s_place_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, group) = (open(&folder), GroupKey::new("j", []));
    commit(&store, &group, None, Some(&after(&group, None, &[("a", "1"), ("b", "1"), ("c", "1")])));
    let row_of = |check: &str| row(&group, &key(check));
    let a = store.get(CHECKS, &row_of("a")).expect("read").expect("there");
    put(&store, &row_of("b"), &a);
    let mut c = store.get(CHECKS, &row_of("c")).expect("read").expect("there");
    c[20] ^= 1;
    put(&store, &row_of("c"), &c);
    put(&store, b"\xff\xff\xff\xffrow", &a);
    put(&store, b"", &a);
    assert_eq!(found(&store, &group), said(&[("a", "1")]));
}

#[test]
fn checks_of_no_group_are_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, [known, lost]) = (open(&folder), ["known", "lost"].map(|job| GroupKey::new(job, [])));
    for group in [&known, &lost] {
        commit(&store, group, None, Some(&after(group, None, &[("a", "1")])));
    }
    let mut entries = Entries::read(&store).expect("read");
    assert_eq!(entries.take(&known).len(), 1);
    entries.forget_rest(&store);
    let mut left = Vec::new();
    let mut each = |row: &[u8], _: &[u8]| {
        left.push(row.to_vec());
        ControlFlow::Continue(())
    };
    store.prefix(CHECKS, b"", Order::Ascending, &mut each).expect("read");
    assert_eq!(left.len(), 1);
    assert!(left[0].starts_with(&of_group(&known)));
}
