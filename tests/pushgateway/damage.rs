//! A file of groups that is damaged, cut, of somebody else or in use: the gateway serves no wrong value, says what it does, and
//! goes on.

use super::gate_world::Gate;
use super::support::run;
use super::support::service::Place;
use nix::sys::signal::Signal;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const GROUPS: usize = 150;
/// So many groups are pushed at a time.
const AT_ONCE: usize = 15;
const FLIPS: usize = 12;

/// What a group says: enough of it that the file has many pages.
fn body(number: usize, of: &str) -> String {
    format!(
        "# HELP number The number, {}\n# TYPE number gauge\nnumber {of}{number}\n",
        "and more. ".repeat(20)
    )
}

/// A file of many groups, each of which said something else before.
fn sample(end: Signal) -> Vec<u8> {
    let mut gate = Gate::kept(&[]);
    for of in ["999", "1"] {
        for first in (0..GROUPS).step_by(AT_ONCE) {
            let line = |number| {
                json!({"job": format!("n{number}"), "mode": "replace", "metrics": body(number, of)})
                    .to_string()
            };
            let lines: Vec<String> = (first..first + AT_ONCE).map(line).collect();
            assert_eq!(gate.ask("POST", "/api/v1/push", lines.join("\n")).code, 200);
        }
    }
    // A commit that was the last one before a kill may be taken back; this one nobody asks for.
    gate.push("/metrics/job/last", "last 1\n");
    gate.running.end(end);
    std::fs::read(gate.place.path("groups")).unwrap()
}

/// The groups that are served, none of them with anything but its number.
fn served(gate: &Gate) -> BTreeSet<usize> {
    let page = gate.page();
    let lines = page.lines().filter_map(|line| line.strip_prefix("number{instance=\"\",job=\"n"));
    let mut served = BTreeSet::new();
    for line in lines {
        let (number, value) = line.split_once("\"} ").unwrap();
        assert_eq!(value, format!("1{number}"), "a value that is not its own");
        served.insert(number.parse().unwrap());
    }
    served
}

fn set_aside(place: &Place) -> Vec<PathBuf> {
    let files = std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.to_string_lossy().contains("groups.damaged-")).collect()
}

/// Starts on these bytes, and looks that it says what it does, takes pushes and has them after the next start. Returns what was
/// served from the first.
fn start_on(bytes: &[u8], what: &str) -> BTreeSet<usize> {
    let place = Place::new();
    place.write("groups", bytes);
    let gate = Gate::kept_at(place, &[]);
    let first = served(&gate);
    let aside = set_aside(&gate.place);
    if first.len() < GROUPS && !bytes.is_empty() {
        assert_eq!(aside.len(), 1, "{what}: {} groups are served: {}", first.len(), gate.place.said());
    }
    for aside in &aside {
        assert_eq!(std::fs::read(aside).unwrap(), bytes, "{what}: it is kept as it was");
        let name = aside.file_name().unwrap().to_string_lossy();
        assert!(gate.place.said().contains(&*name), "{what}: {}", gate.place.said());
        gate.place.await_ready(200, &name);
    }
    gate.push("/metrics/job/new", "new 1\n");
    let overwritten = first.first().copied().unwrap_or_default();
    gate.push(&format!("/metrics/job/n{overwritten}"), body(overwritten, "1"));
    let expected: BTreeSet<usize> = first.iter().copied().chain([overwritten]).collect();
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert!(gate.page().contains("\nnew{instance=\"\",job=\"new\"} 1\n"), "{what}");
    assert_eq!(served(&gate), expected, "{what}: after another start");
    assert_eq!(set_aside(&gate.place), aside, "{what}");
    first
}

fn dice(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Flips bits, and returns how many groups were served each time.
fn flip(end: Signal, seed: u64) -> Vec<usize> {
    let (whole, mut random) = (sample(end), dice(seed));
    assert_eq!(start_on(&whole, "nothing is wrong").len(), GROUPS);
    // Most of the file is room that was never used.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut start = |_| {
        let at = used[(random.next_u64() % used.len() as u64) as usize];
        let bit = random.next_u64() % 8;
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        start_on(&bytes, &format!("{end}: bit {bit} of byte {at}")).len()
    };
    (0..FLIPS).map(&mut start).collect()
}

#[test]
fn a_bit_that_flips_makes_no_value_another_one() {
    let served = flip(Signal::SIGTERM, 1);
    // What is hit is a value nearly always.
    assert!(served.iter().filter(|served| **served >= GROUPS - 1).count() > FLIPS / 2, "{served:?}");
}

#[test]
fn a_bit_that_flips_after_a_kill_makes_no_value_another_one() {
    let served = flip(Signal::SIGKILL, 2);
    assert!(served.iter().filter(|served| **served >= GROUPS - 1).count() > FLIPS / 2, "{served:?}");
}

#[test]
fn a_bit_that_flips_in_a_value_costs_its_group_alone() {
    let whole = sample(Signal::SIGTERM);
    let mut lost = BTreeMap::new();
    for number in [0, 77, 149] {
        let text = format!("number{{instance=\"\",job=\"n{number}\"}} 1{number}\n");
        let mut bytes = whole.clone();
        // The last digit becomes another one, also where a page that is no longer used still has it: which copy counts is
        // the store's affair.
        let places: Vec<usize> = memchr::memmem::find_iter(&whole, text.as_bytes()).collect();
        assert!(!places.is_empty(), "n{number} is not in the file");
        for place in places {
            bytes[place + text.len() - 2] ^= 1;
        }
        let left = start_on(&bytes, &format!("a value of n{number}"));
        lost.insert(number, (0..GROUPS).filter(|group| !left.contains(group)).collect::<Vec<_>>());
    }
    assert!(lost.iter().all(|(number, lost)| *lost == [*number]), "{lost:?}");
}

#[test]
fn a_file_that_is_cut_is_set_aside() {
    let whole = sample(Signal::SIGTERM);
    for length in [0, 1, 4, 9, 100, 4096, 4097, whole.len() / 2, whole.len() - 1] {
        start_on(&whole[..length], &format!("cut to {length} bytes"));
    }
    for (what, bytes) in [("zeros", &[0; 8192][..]), ("a name", b"redb"), ("a bit", b"sedb\x1a")] {
        assert!(start_on(bytes, what).is_empty());
    }
}

#[test]
fn a_file_of_the_original_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("groups").display().to_string();
    let mut original = Gate::debian(&[&format!("--persistence.file={file}")]);
    original.push("/metrics/job/j", "m 1\n");
    original.running.end(Signal::SIGTERM);
    let written = std::fs::read(&file).unwrap();
    assert!(!written.is_empty());
    let place = Place::new();
    let outcome = run(&mut place.command(&["pushgateway", "--persistence.file", &file]), b"");
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    for words in ["Go gob", "iaasmon migrate pushgateway", &file] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    assert_eq!(std::fs::read(&file).unwrap(), written);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let place = Place::new();
    for text in ["x", "job=backup\n", "SQLite format 3\0"] {
        place.write("groups", text);
        let file = place.arg("groups");
        let outcome = run(&mut place.command(&["pushgateway", "--persistence.file", &file]), b"");
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("another program's file"), "{}", outcome.stderr);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert_eq!(set_aside(&place), [""; 0].map(PathBuf::from));
    }
}

#[test]
fn a_file_that_another_process_has_is_left_to_it() {
    let gate = Gate::kept(&[]);
    gate.push("/metrics/job/n0", body(0, "1"));
    let (file, place) = (gate.place.arg("groups"), Place::new());
    for _ in 0..4 {
        let outcome = run(&mut place.command(&["pushgateway", "--persistence.file", &file]), b"");
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("in use by another process"), "{}", outcome.stderr);
    }
    gate.push("/metrics/job/n1", body(1, "1"));
    assert_eq!(set_aside(&gate.place), [""; 0].map(PathBuf::from));
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert_eq!(served(&gate), BTreeSet::from([0, 1]));
}
