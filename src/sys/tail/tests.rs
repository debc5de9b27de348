use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Notice, Position, Progress, State, Tail};

mod laws;
mod watching;

/// A folder with a log in it.
pub(super) struct Logs {
    folder: tempfile::TempDir,
}

impl Logs {
    pub fn new() -> Logs {
        Logs { folder: tempfile::tempdir().expect("a folder for the test") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.path("sensu-client.log")
    }

    pub fn append(&self, text: impl AsRef<[u8]>) {
        append(&self.log(), text.as_ref());
    }

    pub fn rotate(&self, name: &str) {
        fs::rename(self.log(), self.path(name)).expect("renamed");
    }

    pub fn copy_truncate(&self, name: &str) {
        fs::copy(self.log(), self.path(name)).expect("copied");
        fs::File::options().write(true).open(self.log()).expect("there").set_len(0).expect("truncated");
    }
}

pub(super) fn append(path: &Path, text: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("writable");
    file.write_all(text).expect("written");
}

/// Reads all that is there, in small steps.
pub(super) fn lines(tail: &mut Tail) -> Vec<String> {
    read_all(tail).0
}

fn read_all(tail: &mut Tail) -> (Vec<String>, Vec<Notice>) {
    let (mut lines, mut notices) = (Vec::new(), Vec::new());
    loop {
        let progress = step(tail, 64, &mut lines);
        notices.extend(progress.notices);
        if !progress.more {
            return (lines, notices);
        }
    }
}

fn step(tail: &mut Tail, budget: usize, lines: &mut Vec<String>) -> Progress {
    tail.read(budget, &mut |line| lines.push(String::from_utf8_lossy(line.bytes).into_owned()))
        .expect("readable")
}

fn restart(tail: &Tail) -> Tail {
    let saved = serde_json::to_vec(&tail.position()).expect("a position can be written");
    Tail::open(tail.path(), serde_json::from_slice::<Option<Position>>(&saved).expect("and read"))
}

#[test]
fn a_log_may_appear_late_and_is_read_once() {
    let logs = Logs::new();
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), [""; 0]);
    assert!(!tail.is_open());
    logs.append("one\ntwo\n");
    assert_eq!(lines(&mut tail), ["one", "two"]);
    assert_eq!(lines(&mut tail), [""; 0]);
    assert_eq!(lines(&mut restart(&tail)), [""; 0]);
}

#[test]
fn a_line_without_its_end_is_kept_for_later_and_read_again_after_a_restart() {
    let logs = Logs::new();
    logs.append("one\ntw");
    let mut tail = Tail::open(logs.log(), None);
    let mut read = Vec::new();
    assert_eq!(step(&mut tail, 1 << 20, &mut read).behind, 2);
    assert_eq!(read, ["one"]);
    let mut second = restart(&tail);
    logs.append("o\n");
    assert_eq!(lines(&mut tail), ["two"]);
    assert_eq!(lines(&mut second), ["two"]);
}

#[test]
fn a_budget_stops_reading_and_says_how_much_is_left() {
    let logs = Logs::new();
    logs.append("0123456789\n".repeat(1000));
    let mut tail = Tail::open(logs.log(), None);
    let mut read = Vec::new();
    let progress = step(&mut tail, 1100, &mut read);
    assert_eq!((progress.lines, progress.bytes, progress.behind), (100, 1100, 9900));
    assert!(progress.more);
    assert_eq!(read.len() + lines(&mut tail).len(), 1000);
}

#[test]
fn a_renamed_log_is_read_to_its_end_even_if_the_writer_stays_with_it() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    logs.append("two\n");
    logs.rotate("sensu-client.log.1");
    logs.append("");
    assert_eq!(lines(&mut tail), ["two"]);
    append(&logs.path("sensu-client.log.1"), b"three\n");
    assert_eq!(lines(&mut tail), ["three"]);
    append(&logs.path("sensu-client.log.1"), b"four\n");
    logs.append("five\n");
    let (read, notices) = read_all(&mut tail);
    assert_eq!(read, ["four", "five"]);
    assert!(matches!(notices[..], [Notice::Rotated { .. }]), "{notices:?}");
}

#[test]
fn two_rotations_between_two_looks_lose_nothing_running_or_not() {
    for (first, second) in [
        ("sensu-client.log.2", "sensu-client.log.1"),
        ("sensu-client.log-20261123", "sensu-client.log-20261124"),
        ("sensu-client-20261123.log", "sensu-client-20261124.log"),
    ] {
        let logs = Logs::new();
        append(&logs.path("sensu-client.log.7"), b"older\n");
        logs.append("one\n");
        let mut tail = Tail::open(logs.log(), None);
        assert_eq!(lines(&mut tail), ["one"]);
        logs.append("two\n");
        logs.rotate(first);
        logs.append("three\n");
        logs.rotate(second);
        logs.append("four\n");
        assert_eq!(lines(&mut restart(&tail)), ["two", "three", "four"], "restarted, {first}");
        assert_eq!(lines(&mut tail), ["two", "three", "four"], "running, {first}");
    }
}

#[test]
fn a_position_stays_with_the_old_file_until_the_new_one_has_a_line() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    logs.rotate("sensu-client.log.1");
    logs.append("tw");
    assert_eq!(lines(&mut tail), [""; 0]);
    let mut tail = restart(&tail);
    logs.append("o\n");
    logs.rotate("sensu-client.log.0");
    logs.append("three\n");
    assert_eq!(lines(&mut tail), ["two", "three"]);
}

#[test]
fn the_rest_of_a_truncated_log_is_read_from_its_copy() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    logs.append("two\n");
    logs.copy_truncate("sensu-client.log.1");
    logs.append("three is longer than what was there before\n");
    assert_eq!(lines(&mut restart(&tail)), ["two", "three is longer than what was there before"]);
    let (read, notices) = read_all(&mut tail);
    assert_eq!(read, ["two", "three is longer than what was there before"]);
    assert!(matches!(notices[0], Notice::Copied { .. }), "{notices:?}");
}

#[test]
fn a_log_overwritten_in_place_is_noticed_whatever_its_size() {
    for next in ["x\n", "four\nfive\n", "a line that is longer than all that was read\n"] {
        let logs = Logs::new();
        logs.append("one\ntwo\nt\n");
        let mut tail = Tail::open(logs.log(), None);
        assert_eq!(lines(&mut tail).len(), 3);
        fs::write(logs.log(), next).expect("overwritten");
        let (read, notices) = read_all(&mut tail);
        assert_eq!(read.join("\n") + "\n", next);
        assert_eq!(notices, [Notice::Truncated { offset: 10 }]);
    }
}

#[test]
fn a_deleted_log_is_read_to_its_end_and_its_successor_from_the_start() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    logs.append("two\n");
    fs::remove_file(logs.log()).expect("deleted");
    assert_eq!(lines(&mut tail), ["two"]);
    let saved = restart(&tail);
    logs.append("three\n");
    assert_eq!(lines(&mut tail), ["three"]);
    let mut saved = saved;
    let (read, notices) = read_all(&mut saved);
    assert_eq!(read, ["three"]);
    assert_eq!(notices, [Notice::Forgotten { offset: 8 }]);
}

#[test]
fn a_deleted_log_is_let_go_of_a_while_after_an_empty_one_is_in_its_place() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    let writer = fs::File::options().append(true).open(logs.log()).expect("there");
    fs::remove_file(logs.log()).expect("deleted");
    logs.append("");
    assert_eq!(lines(&mut tail), [""; 0], "its writer has yet to be told");
    (&writer).write_all(b"two\n").expect("written");
    assert_eq!(lines(&mut tail), ["two"]);
    drop(writer);
    tail.patience = std::time::Duration::ZERO;
    let (read, notices) = read_all(&mut tail);
    assert_eq!((read.len(), notices.len()), (0, 1), "{notices:?}");
    let State::At(cursor) = &tail.state else { panic!("no file is open") };
    assert!(!cursor.file.is_deleted().expect("open"), "the disk has its room back");
    let mut saved = restart(&tail);
    logs.append("three\n");
    assert_eq!(lines(&mut tail), ["three"]);
    assert_eq!(lines(&mut saved), ["three"]);
}

#[test]
fn the_same_inode_with_other_content_is_another_log() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    let position = tail.position().expect("a line was read");
    fs::write(logs.log(), "two\nthree\n").expect("overwritten in the same inode");
    assert_eq!(lines(&mut Tail::open(logs.log(), Some(position))), ["two", "three"]);
}

#[test]
fn another_inode_with_the_same_content_is_the_same_log() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    fs::copy(logs.log(), logs.path("restored")).expect("copied");
    fs::rename(logs.path("restored"), logs.log()).expect("put in place");
    logs.append("two\n");
    assert_eq!(lines(&mut restart(&tail)), ["two"]);
    assert_eq!(lines(&mut tail), ["two"]);
}

#[test]
fn a_copy_that_somebody_made_is_not_read_beside_its_original() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    logs.append("two\n");
    logs.rotate("sensu-client.log.3");
    logs.append("three\n");
    fs::copy(logs.path("sensu-client.log.3"), logs.path("sensu-client.log.2")).expect("copied");
    fs::copy(logs.log(), logs.path("sensu-client.log.1")).expect("copied");
    assert_eq!(lines(&mut restart(&tail)), ["two", "three"]);
    assert_eq!(lines(&mut tail), ["two", "three"]);
}

#[test]
fn compressed_logs_are_named_and_not_read() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), ["one"]);
    fs::remove_file(logs.log()).expect("deleted");
    let compressed = logs.path("sensu-client.log.1.gz");
    fs::write(&compressed, "not looked into").expect("written");
    let mut tail = restart(&tail);
    logs.append("two\n");
    let (read, notices) = read_all(&mut tail);
    assert_eq!(read, ["two"]);
    assert_eq!(notices, [Notice::Forgotten { offset: 4 }, Notice::Compressed(compressed)]);
}

#[test]
fn an_oversized_line_is_reported_once_and_passed_over() {
    for length in [100, 5000, 200_000, 1_000_000] {
        let logs = Logs::new();
        let long = "x".repeat(length);
        logs.append(format!("one\n{long}"));
        let mut tail = Tail::open(logs.log(), None).with_line_limit(99);
        let mut read = Vec::new();
        let mut take = |tail: &mut Tail| {
            while tail
                .read(10_000, &mut |line| read.push((line.offset, line.bytes.len(), line.oversized)))
                .expect("readable")
                .more
            {}
        };
        take(&mut tail);
        let mut saved = restart(&tail).with_line_limit(99);
        logs.append("yz\nthree\n");
        take(&mut tail);
        let after = 4 + length as u64 + 3;
        let shown = (length + 2).min(4096);
        assert_eq!(read, [(0, 3, false), (4, shown, true), (after, 5, false)]);
        let mut again = restart(&tail).with_line_limit(99);
        logs.append("four\n");
        assert_eq!(lines(&mut again), ["four"]);
        assert_eq!(lines(&mut saved)[1..], ["three", "four"]);
    }
}

#[test]
fn what_is_no_log_is_an_error_that_names_it_and_is_tried_again() {
    let logs = Logs::new();
    let mut tail = Tail::open(logs.log(), None);
    fs::create_dir(logs.log()).expect("a folder in its place");
    let error = tail.read(1, &mut |_| {}).expect_err("a folder is no log").to_string();
    assert_eq!(error, format!("{}: is a directory", logs.log().display()));
    fs::remove_dir(logs.log()).expect("removed");
    nix::unistd::mkfifo(&logs.log(), nix::sys::stat::Mode::S_IRWXU).expect("a fifo in its place");
    let error = tail.read(1, &mut |_| {}).expect_err("a fifo has no offsets").to_string();
    assert_eq!(error, format!("{}: is not a regular file", logs.log().display()));
    fs::remove_file(logs.log()).expect("removed");
    logs.append("one\n");
    assert_eq!(lines(&mut tail), ["one"]);
    fs::rename(logs.log(), logs.path("sensu-client.log.1")).expect("renamed");
    append(&logs.path("sensu-client.log.1"), b"two\n");
    fs::create_dir(logs.log()).expect("a folder in its place");
    let mut read = Vec::new();
    tail.read(1 << 20, &mut |line| read.push(line.bytes.to_vec())).expect_err("a folder is no log");
    assert_eq!(read, [b"two"]);
    assert!(Tail::open("/dev/zero", None).read(1, &mut |_| {}).is_err());
}

#[test]
fn foreign_positions_mean_the_start_and_never_a_panic() {
    let logs = Logs::new();
    logs.append("one\n");
    for text in [
        r#"{"offset":18446744073709551615,"head":{"length":4294967295,"hash":1},"back":{"length":4294967295,"hash":1},"inode":0}"#,
        r#"{"offset":18446744073709551615,"head":{"length":4,"hash":1},"back":{"length":1024,"hash":1},"inode":0}"#,
        r#"{"offset":3,"head":null,"back":null,"inode":0}"#,
        r#"{"offset":1,"head":{"length":0,"hash":0},"back":{"length":0,"hash":0},"inode":0}"#,
    ] {
        let position: Position = serde_json::from_str(text).expect("well-formed");
        assert_eq!(lines(&mut Tail::open(logs.log(), Some(position))), ["one"]);
    }
}

#[test]
fn a_log_that_is_truncated_before_its_first_line_was_whole_is_read_from_its_copy() {
    for length in [10, 1500, 100_000] {
        let logs = Logs::new();
        logs.append("one\n");
        let mut tail = Tail::open(logs.log(), None);
        assert_eq!(lines(&mut tail), ["one"]);
        logs.rotate("sensu-client.log.2");
        let line = "x".repeat(length);
        logs.append(&line);
        assert_eq!(lines(&mut tail), [""; 0]);
        logs.append("\n");
        logs.copy_truncate("sensu-client.log.1");
        logs.append("three\n");
        let (read, notices) = read_all(&mut tail);
        assert_eq!(read, [&line, "three"], "{notices:?}");
    }
}

#[test]
fn an_unfinished_line_is_not_continued_by_another_log_that_looks_like_it() {
    let logs = Logs::new();
    logs.append(format!("1:{}", "x".repeat(2000)));
    let mut tail = Tail::open(logs.log(), None);
    assert_eq!(lines(&mut tail), [""; 0]);
    let next = format!("2:{}", "x".repeat(2500));
    fs::write(logs.log(), format!("{next}\n")).expect("overwritten");
    assert_eq!(lines(&mut tail), [next]);
}
