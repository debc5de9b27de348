//! A service of ours as a process on an address of its own, and what it is asked.

use super::{Killed, SOON, await_until, command, insist};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// So that tests of one process never meet.
static PORT: AtomicU16 = AtomicU16::new(10_105);

/// A folder and an address for one service.
pub struct Place {
    dir: TempDir,
    /// Where the service listens.
    pub address: String,
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub code: u16,
    /// The status line and the headers.
    pub head: String,
    /// What follows them.
    pub body: Vec<u8>,
}

impl Answer {
    /// Splits what came over a connection.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let code = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { code, head, body: bytes[at + 4..].to_vec() })
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        let [b, c] = [8, 0].map(|shift| std::process::id() >> shift & 0xff);
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            address: format!("127.31.{b}.{}:{port}", c.max(1)),
        }
    }

    /// Returns a path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns a path inside the folder, to be put on a command line.
    pub fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("written");
    }

    /// The command line of `iaasmon serve` on the address of this place.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut serve = command();
        serve.arg("serve").args(args).args(["--listen", &self.address]).current_dir(self.dir.path());
        serve
    }

    /// Starts a command in the background; what it says goes to the file `said`.
    pub fn spawn(&self, command: &mut Command) -> Running {
        let said = File::options().create(true).append(true).open(self.path("said")).expect("created");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        Running(Killed(child.expect("it starts")))
    }

    /// Starts `iaasmon serve` and waits until it answers.
    pub fn serve(&self, args: &[&str]) -> Running {
        self.await_answer(self.spawn(&mut self.command(args)))
    }

    /// Waits until what was started answers.
    pub fn await_answer(&self, mut running: Running) -> Running {
        let answers = || self.get("/-/healthy").is_some() || running.has_ended();
        assert!(await_until(SOON, answers), "it does not answer: {}", self.said());
        assert!(!running.has_ended(), "it ended: {}", self.said());
        running
    }

    /// Returns what the service said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// Sends bytes and returns the answer once the connection is closed.
    pub fn send(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        stream.write_all(request).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        Answer::read(&bytes)
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> Option<Answer> {
        self.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
    }

    /// Returns a page as JSON.
    pub fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).unwrap_or_else(|| panic!("no answer for {path}: {}", self.said())).json()
    }

    /// Returns the value of one series, named as it stands in `/metrics`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics")?.text();
        let line =
            page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
        line?.trim().parse().ok()
    }

    /// Waits until a series has a value.
    pub fn await_metric(&self, series: &str, value: f64) {
        let mut last = None;
        let mut is_so = || {
            last = self.metric(series);
            last == Some(value)
        };
        let reached = await_until(SOON, &mut is_so);
        assert!(reached, "{series} is {last:?} and not {value}: {}", self.said());
    }

    /// Waits until `/-/ready` answers so, with `text` in it.
    pub fn await_ready(&self, code: u16, text: &str) {
        let mut last = None;
        let mut is_so = || {
            last = self.get("/-/ready");
            last.as_ref().is_some_and(|answer| answer.code == code && answer.text().contains(text))
        };
        assert!(await_until(SOON, &mut is_so), "not {code} with {text:?}: {last:?}");
    }
}

/// A running service; it is killed when dropped.
pub struct Running(Killed);

impl Running {
    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.0.id()).expect("a process id"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.0.try_wait().expect("our own child").is_some()
    }

    /// Sends it a signal again and again, as somebody who does not want to wait, until it has ended.
    pub fn insist(&mut self, signal: Signal) {
        insist(&mut self.0.0, signal);
    }

    /// Sends it a signal and waits for its end.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        assert!(await_until(SOON, || self.has_ended()), "it goes on after {signal}");
        self.0.0.wait().expect("our own child")
    }
}
