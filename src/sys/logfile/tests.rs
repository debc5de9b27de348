use super::{LogFile, Rotation, is_unfit};
use crate::model::time::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    path.with_extension(format!("log.{number}"))
}

#[test]
fn lines_follow_what_stands_there_and_a_torn_line_is_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    std::fs::write(&path, "whole\ntor").expect("written");
    let mut log = LogFile::open(&path, Rotation::default(), at(0)).expect("opened");
    log.append(b"one\n", at(0)).expect("room");
    assert_eq!(read(&path), "whole\ntor\none\n");
}

#[test]
fn after_a_move_the_path_is_begun_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    let mut log = LogFile::open(&path, Rotation::default(), at(0)).expect("opened");
    log.append(b"one\n", at(0)).expect("room");
    std::fs::rename(&path, numbered(&path, 1)).expect("moved");
    log.append(b"two\n", at(0)).expect("room");
    log.reopen(at(0)).expect("opened");
    log.append(b"three\n", at(0)).expect("room");
    assert_eq!((read(&numbered(&path, 1)), read(&path)), ("one\ntwo\n".into(), "three\n".into()));
}

#[test]
fn a_deleted_log_is_begun_anew_without_being_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log");
    let mut log = LogFile::open(&path, Rotation::default(), at(0)).expect("opened");
    log.append(b"one\n", at(1)).expect("written");
    std::fs::remove_file(&path).expect("deleted");
    log.append(b"two\n", at(2)).expect("written");
    assert_eq!(read(&path), "two\n");
}

#[test]
fn our_own_rotation_keeps_so_many_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    let rotation = Rotation { size: Some(10), age: Some(Duration::from_secs(100)), keep: 2 };
    let mut log = LogFile::open(&path, rotation, at(0)).expect("opened");
    for line in ["aaaa\n", "bbbb\n", "cccc\n"] {
        log.append(line.as_bytes(), at(1)).expect("room");
    }
    assert_eq!((read(&numbered(&path, 1)), read(&path)), ("aaaa\nbbbb\n".into(), "cccc\n".into()));
    log.append(b"dddd\n", at(101)).expect("room");
    assert_eq!((read(&numbered(&path, 1)), read(&path)), ("cccc\n".into(), "dddd\n".into()));
    log.append(b"longer than the size\n", at(102)).expect("room");
    assert_eq!(read(&numbered(&path, 2)), "cccc\n");
    assert!(!numbered(&path, 3).exists());
}

#[test]
fn a_rotation_that_fails_loses_no_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    // A folder with something in it gives way to no file.
    std::fs::create_dir_all(numbered(&path, 1).join("full")).expect("created");
    std::fs::create_dir_all(numbered(&path, 2).join("full")).expect("created");
    let rotation = Rotation { size: Some(8), age: None, keep: 2 };
    let mut log = LogFile::open(&path, rotation, at(0)).expect("opened");
    for line in ["aaaa\n", "bbbb\n", "cccc\n"] {
        log.append(line.as_bytes(), at(1)).expect("room");
    }
    assert_eq!(read(&path), "aaaa\nbbbb\ncccc\n");
    for number in [1, 2] {
        std::fs::remove_dir_all(numbered(&path, number)).expect("removed");
    }
    log.append(b"dddd\n", at(1)).expect("room");
    assert_eq!((read(&numbered(&path, 1)), read(&path)), ("aaaa\nbbbb\ncccc\n".into(), "dddd\n".into()));
}

#[test]
fn the_age_of_a_log_counts_from_its_beginning_not_from_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    std::fs::write(&path, "from before\n").expect("written");
    let born = std::fs::metadata(&path).and_then(|about| about.created()).expect("known here");
    let after = |seconds| Timestamp::from(born) + Duration::from_secs(seconds);
    let rotation = Rotation { size: None, age: Some(Duration::from_secs(100)), keep: 1 };
    for (seconds, moved) in [(40, false), (80, false), (120, true)] {
        let mut log = LogFile::open(&path, rotation, after(seconds)).expect("opened");
        log.append(b"more\n", after(seconds)).expect("room");
        assert_eq!(numbered(&path, 1).exists(), moved, "{seconds}");
    }
    assert_eq!(read(&path), "more\n");
}

#[test]
fn where_none_is_kept_the_log_itself_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.log");
    let rotation = Rotation { size: Some(8), age: None, keep: 0 };
    let mut log = LogFile::open(&path, rotation, at(0)).expect("opened");
    for line in ["aaaa\n", "bbbb\n"] {
        log.append(line.as_bytes(), at(1)).expect("room");
    }
    assert_eq!(read(&path), "bbbb\n");
    assert!(!numbered(&path, 1).exists());
}

#[test]
fn a_full_disk_takes_a_line_wholly_or_not_at_all() {
    let full = Path::new("/dev/full");
    let mut log = LogFile::open(full, Rotation::default(), at(0)).expect("opened");
    let error = log.append(b"one\n", at(0)).expect_err("no room");
    assert_eq!(error.raw_os_error(), Some(28), "{error}");
}

#[test]
fn folders_and_pipes_are_no_logs() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(is_unfit(dir.path()));
    assert!(!is_unfit(&dir.path().join("none")));
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert!(is_unfit(&fifo));
}
