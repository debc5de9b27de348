//! The program on a pseudo terminal, with somebody who types and reads.
// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, reason = "tests: no file uses all of it")]

use portable_pty::{
    Child, CommandBuilder, ExitStatus, MasterPty, PtyPair, PtySize, SlavePty, native_pty_system,
};
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_iaasmon");
/// No step takes longer when all is well.
const SOON: Duration = Duration::from_secs(20);

/// What was read so far, and the wish to be told of more.
type Output = Arc<(Mutex<Vec<u8>>, Condvar)>;

/// A terminal with the program on it.
pub struct Session {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    /// Kept open, so that the line's settings outlive the program.
    _slave: Box<dyn SlavePty + Send>,
    writer: Box<dyn Write + Send>,
    output: Output,
    enough: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

/// Starts the program on a terminal of 80x24, over one cluster that answers nothing.
pub fn start(env: &[(&str, &str)]) -> Session {
    start_as(env, |config| vec![PROGRAM.into(), "--config".into(), config.display().to_string()])
}

/// Starts a command line made from the path of a configuration.
pub fn start_as(env: &[(&str, &str)], command: impl FnOnce(PathBuf) -> Vec<String>) -> Session {
    let folder = tempfile::tempdir().expect("temporary folder");
    let config = folder.path().join("config.toml");
    // Nothing listens on port 1: every source is refused at once.
    let text = "[[cluster]]\nname = \"prod-east\"\nprometheus = [\"http://127.0.0.1:1\"]\n";
    std::fs::write(&config, text).expect("writable");
    let home = folder.path().to_owned();
    Session { _folder: Some(folder), ..start_at_home(&home, env, &command(config)) }
}

/// Starts a command line with a home that outlives it.
pub fn start_at_home(home: &Path, env: &[(&str, &str)], command: &[String]) -> Session {
    let PtyPair { slave, master } = native_pty_system().openpty(size(80, 24)).expect("a pseudo terminal");
    let mut builder = CommandBuilder::new(&command[0]);
    builder.args(&command[1..]);
    builder.env_clear();
    for (name, value) in [("TERM", "xterm-256color"), ("PATH", "/usr/bin:/bin")].iter().chain(env) {
        builder.env(name, value);
    }
    builder.env("HOME", home);
    let child = slave.spawn_command(builder).expect("starts");
    let mut from = master.try_clone_reader().expect("readable");
    let output = Output::default();
    let enough = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (output, enough) = (output.clone(), enough.clone());
        move || {
            let mut buffer = [0; 65536];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                output.0.lock().expect("no panic").extend_from_slice(&buffer[..n]);
                output.1.notify_all();
                if enough.load(Ordering::SeqCst) {
                    return;
                }
            }
        }
    });
    let writer = master.take_writer().expect("writable");
    Session { child, master, _slave: slave, writer, output, enough, reader, _folder: None }
}

pub fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Session {
    /// Types `keys`.
    pub fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.writer.flush().expect("the terminal takes keys");
    }

    /// Returns every byte that the program has written.
    pub fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.output.0.lock().expect("no panic")).into_owned()
    }

    /// Waits until what was written fulfils `condition`.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let mut bytes = self.output.0.lock().expect("no panic");
        let end = now() + SOON;
        while !condition(&String::from_utf8_lossy(&bytes)) {
            let left = end.saturating_duration_since(now());
            assert!(!left.is_zero(), "no {what}: {:?}", String::from_utf8_lossy(&bytes));
            bytes = self.output.1.wait_timeout(bytes, left).expect("no panic").0;
        }
    }

    /// Waits until the screen of 80x24, as its reader sees it, fulfils `condition`, and returns it.
    pub fn wait_for_sight(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let end = now() + SOON;
        loop {
            let seen = sight(&self.bytes());
            if condition(&seen) {
                return seen;
            }
            assert!(now() < end, "no {what}:\n{seen}");
            let bytes = self.output.0.lock().expect("no panic");
            drop(self.output.1.wait_timeout(bytes, Duration::from_millis(200)).expect("no panic"));
        }
    }

    /// Waits until a frame was drawn.
    pub fn wait_for_screen(&self) {
        self.wait_for("frame", |bytes| bytes.contains("\x1b[?2026l"));
    }

    /// Waits for the end and returns how it came and how long it took.
    pub fn wait_for_end(&mut self) -> (ExitStatus, Duration) {
        let start = now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, start.elapsed());
            }
            assert!(start.elapsed() < SOON, "it goes on: {:?}", self.bytes());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.process_id().expect("it was started") as i32
    }

    /// Returns the ticks of processor time used so far; none once the program has ended.
    pub fn cpu_ticks(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
    }

    /// Closes the terminal as a lost connection does, and returns what is left of the program.
    pub fn hang_up(mut self) -> Box<dyn Child + Send + Sync> {
        // The reader holds the terminal open: have it leave after one more frame.
        self.enough.store(true, Ordering::SeqCst);
        self.send("\x0c");
        self.reader.join().expect("no panic");
        self.child
    }
}

/// Returns what a terminal of 80x24 shows after `bytes`.
fn sight(bytes: &str) -> String {
    let (rows, columns) = (NonZero::new(24).expect("not zero"), NonZero::new(80).expect("not zero"));
    let mut parser = vt100::Parser::new(rows, columns, 0);
    parser.process(bytes.as_bytes());
    parser.screen().rows(0, 80).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::disallowed_methods, reason = "a test measures how long the program takes")]
pub fn now() -> Instant {
    Instant::now()
}
