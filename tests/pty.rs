//! The screens on a real (pseudo) terminal: how it is taken over, and that it is always given back.

#![allow(clippy::unwrap_used, reason = "tests: a panic is a failure")]

#[path = "pty/session.rs"]
mod session;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use session::{PROGRAM, Session, now, size, start, start_as};
use std::num::NonZero;
use std::time::Duration;

/// What is switched on at the start, and off at the end in reverse.
const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?25l";
const LEAVE: &str = "\x1b[?2004l\x1b[0m\x1b[?1049l";

/// Asserts that every mode was switched off again after it was switched on.
fn assert_left(session: &Session) {
    // What was written last may still be on its way through the terminal.
    session
        .wait_for("the end of the screen", |bytes| bytes.rfind("\x1b[?1049l") > bytes.rfind("\x1b[?1049h"));
    let bytes = session.bytes();
    for (on, off) in
        [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?2004h", "\x1b[?2004l"), ("\x1b[?25l", "\x1b[?25h")]
    {
        assert!(bytes.rfind(off) > bytes.rfind(on), "{off:?} does not follow {on:?}: {bytes:?}");
    }
    assert_eq!(bytes.matches("\x1b[?1049h").count(), bytes.matches("\x1b[?1049l").count());
}

fn signal(session: &Session, signal: Signal) {
    kill(Pid::from_raw(session.pid()), signal).expect("it runs");
}

#[test]
fn quitting_leaves_the_terminal_exactly_as_it_was() {
    let probe = portable_pty::native_pty_system().openpty(size(80, 24)).unwrap();
    let before = probe.master.get_termios();
    let mut session = start(&[]);
    session.wait_for_screen();
    assert!(session.bytes().starts_with(ENTER), "{:?}", session.bytes());
    assert_ne!(session.master.get_termios(), before, "raw while it runs");
    session.send("q");
    let (status, _) = session.wait_for_end();
    assert_eq!(status.exit_code(), 0);
    session.wait_for("the end of the screen", |bytes| bytes.ends_with(LEAVE));
    assert_left(&session);
    assert_eq!(session.master.get_termios(), before);
    // Never asked: cursor position, colours, device attributes; never used: mouse, focus, kitty's keyboard.
    let bytes = session.bytes();
    for sequence in ["\x1b[6n", "\x1b]10", "\x1b]11", "\x1b[c", "\x1b[?100", "\x1b[>"] {
        assert!(!bytes.contains(sequence), "{sequence:?}: {bytes:?}");
    }
}

#[test]
fn a_signal_restores_the_terminal_and_stays_the_cause_of_the_end() {
    for (kind, name) in
        [(Signal::SIGTERM, "Terminated"), (Signal::SIGINT, "Interrupt"), (Signal::SIGHUP, "Hangup")]
    {
        let mut session = start(&[]);
        session.wait_for_screen();
        let raw = session.master.get_termios();
        signal(&session, kind);
        let (status, took) = session.wait_for_end();
        assert_eq!(status.signal(), Some(name));
        assert!(took < Duration::from_secs(6), "{name}: {took:?}");
        session.wait_for("the end of the screen", |bytes| bytes.ends_with(LEAVE));
        assert_left(&session);
        assert_ne!(session.master.get_termios(), raw);
    }
}

#[test]
fn a_closed_terminal_ends_the_program_without_spinning() {
    let session = start(&[]);
    session.wait_for_screen();
    let pid = session.pid();
    let before = session.cpu_ticks().unwrap();
    let stat = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<String> = text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
        (fields[0] != "Z").then(|| fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
    };
    let mut child = session.hang_up();
    let (start, mut after) = (now(), before);
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(6), "it lives on");
        after = stat(pid).unwrap_or(after);
        std::thread::sleep(Duration::from_millis(5));
    }
    // 100 ticks a second: a spinning reader uses a core for as long as it lives.
    assert!(after - before < 30, "{} ticks of processor time", after - before);
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    // A job needs a shell that controls jobs.
    let script = |config: std::path::PathBuf| {
        let line =
            format!("set -m; {PROGRAM} --config {}; echo AWAY; read x; fg; echo BACK", config.display());
        vec!["/bin/bash".into(), "-c".into(), line]
    };
    let mut session = start_as(&[], script);
    let cooked = session.master.get_termios();
    session.wait_for_screen();
    session.send("\x1a");
    session.wait_for("shell", |bytes| bytes.contains("AWAY"));
    assert_left(&session);
    assert_eq!(session.master.get_termios(), cooked);
    let before = session.bytes().len();
    session.send("\n");
    session.wait_for("second screen", |bytes| {
        bytes[before..].contains(ENTER) && bytes[before..].contains("\x1b[?2026l")
    });
    // Everything is drawn anew, not only what has changed.
    assert!(session.bytes()[before..].contains("\x1b[2J"));
    session.send("q");
    session.wait_for("shell", |bytes| bytes.contains("BACK"));
    session.wait_for_end();
    assert_left(&session);
}

#[test]
fn pasted_text_never_runs_keys() {
    let mut session = start(&[]);
    session.wait_for_screen();
    session.send("\x1b[200~qqx\x1b[201~");
    // A frame that comes after the paste: the redraw of Ctrl-L.
    session.send("\x0c");
    session.wait_for("redraw", |bytes| bytes.contains("\x1b[2J"));
    assert_eq!(session.child.try_wait().unwrap().map(|status| status.exit_code()), None, "it still runs");
    session.send("\x03");
    assert_eq!(session.wait_for_end().0.exit_code(), 0);
    assert_left(&session);
}

#[test]
fn a_storm_of_resizes_ends_in_the_last_size() {
    let mut session = start(&[]);
    session.wait_for_screen();
    for step in 0..60_u16 {
        session.master.resize(size(step * 37 % 200, step * 17 % 70)).unwrap();
    }
    for (cols, rows) in [(0, 0), (1, 1), (100, 30)] {
        session.master.resize(size(cols, rows)).unwrap();
    }
    // The key line of the last size stands in its last row.
    session.wait_for("a frame of 30 rows", |bytes| {
        let mut parser =
            vt100::Parser::new(NonZero::new(30).expect("not zero"), NonZero::new(100).expect("not zero"), 0);
        parser.process(bytes.rsplit_once("\x1b[2J").map_or(bytes, |(_, last)| last).as_bytes());
        let lines: Vec<String> = parser.screen().rows(0, 100).collect();
        !lines[29].trim().is_empty() && lines[0].contains("iaasmon")
    });
    session.send("q");
    assert_eq!(session.wait_for_end().0.exit_code(), 0);
    assert_left(&session);
}

/// Every parameter of every SGR sequence.
fn sgr(bytes: &str) -> Vec<u16> {
    let sequences =
        bytes.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m').map(|(head, _)| head));
    let numeric = sequences.filter(|head| head.bytes().all(|b| b.is_ascii_digit() || b == b';'));
    numeric.flat_map(|head| head.split(';').map(|n| n.parse().unwrap_or(0)).collect::<Vec<_>>()).collect()
}

#[test]
fn no_color_keeps_bold_and_reverse_and_sends_no_colour() {
    let mut session = start(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]);
    session.wait_for("an answer", |bytes| bytes.contains("prod-east"));
    let codes = sgr(&session.bytes());
    assert!(codes.iter().all(|code| matches!(code, 0 | 1 | 2 | 3 | 4 | 7 | 9)), "{codes:?}");
    assert!(codes.contains(&1) || codes.contains(&7), "{codes:?}");
    assert!(!session.bytes().contains("\x1b[;m"), "an empty SGR would reset bold and reverse");
    session.send("q");
    session.wait_for_end();
}

#[test]
fn a_terminal_that_cannot_show_screens_is_told_what_to_use_instead() {
    let mut session = start(&[("TERM", "dumb")]);
    assert_eq!(session.wait_for_end().0.exit_code(), 2);
    session.wait_for("a hint", |bytes| bytes.contains("iaasmon alerts"));
    assert!(!session.bytes().contains('\x1b'), "{:?}", session.bytes());
}

#[test]
fn a_script_is_told_too() {
    let out = std::process::Command::new(PROGRAM).args(["demo", "--list-scenarios"]).output().unwrap();
    assert!(out.status.success(), "commands need no terminal");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, "[[cluster]]\nname = \"x\"\nprometheus = [\"http://127.0.0.1:1\"]\n").unwrap();
    let out = std::process::Command::new(PROGRAM)
        .arg("--config")
        .arg(&config)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("iaasmon alerts"));
    assert!(out.stdout.is_empty());
}
