//! No checkpoint and no log makes the follower panic or read a byte twice, and what is left of the log is read.
#![no_main]

use iaasmon::sys::tail::{Position, Tail};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], u16)| {
    let (checkpoint, log, limit) = input;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    std::fs::write(&path, log).expect("written");
    let position: Option<Position> = serde_json::from_slice(checkpoint).ok();
    let mut tail = Tail::open(&path, position).with_line_limit(limit.into());
    let mut end = 0;
    let mut read = |tail: &mut Tail| loop {
        let mut each = |line: iaasmon::sys::tail::Line<'_>| {
            assert!(line.offset >= end);
            end = line.offset + line.bytes.len() as u64;
        };
        if !tail.read(100, &mut each).expect("readable").more {
            return;
        }
    };
    read(&mut tail);
    let saved = serde_json::to_vec(&tail.position()).expect("written");
    let saved: Option<Position> = serde_json::from_slice(&saved).expect("read");
    // A restart reads nothing again but the line that has no end yet, and that is not handed out.
    let mut again = Tail::open(&path, saved).with_line_limit(limit.into());
    read(&mut again);
    assert_eq!(again.position(), tail.position());
});
