//! A folder with definitions and scripts, and the runner that works in it.

use super::support::{PROGRAM, SOON, await_until, insist};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Everything that one runner sees.
pub struct World {
    dir: TempDir,
    /// The loopback address of its sockets, so that two worlds never meet.
    pub address: String,
}

impl World {
    /// An empty one, with a client that has no sockets.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("conf.d")).expect("created");
        let [_, b, c] = [16, 8, 0].map(|shift| std::process::id() >> shift & 0xff);
        let world = Self { dir, address: format!("127.30.{b}.{}", c.max(1)) };
        world.define(
            "client",
            r#"{"client": {"name": "n1", "address": "127.0.0.1", "subscriptions": ["base"],
                "socket": {"enabled": false}, "deregister": false}}"#,
        );
        world
    }

    /// The golden definitions and scripts: `fixtures/golden/conf.d/*` and `fixtures/golden/scripts/*`.
    pub fn golden() -> Self {
        let world = Self::new();
        copy(Path::new("fixtures/golden/conf.d"), &world.path("conf.d"));
        copy(Path::new("fixtures/golden/scripts"), &world.path("scripts"));
        let file = world.path("conf.d/client.json");
        let text = std::fs::read_to_string(&file).expect("the client");
        let bind = |address: &str| format!("\"bind\": \"{address}\"");
        std::fs::write(&file, text.replace(&bind("127.0.0.1"), &bind(&world.address))).expect("written");
        world
    }

    /// Writes one file of definitions.
    pub fn define(&self, name: &str, json: &str) {
        std::fs::write(self.path(&format!("conf.d/{name}.json")), json).expect("written");
    }

    /// Returns a path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the log so far, with the sockets' address as the golden log has it.
    pub fn log(&self) -> Vec<u8> {
        let log = std::fs::read(self.path("log")).unwrap_or_default();
        let ours = regex::bytes::Regex::new(&regex::escape(&self.address)).expect("a pattern");
        ours.replace_all(&log, &b"127.0.0.1"[..]).into_owned()
    }

    /// Returns the log as text.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&self.log()).into_owned()
    }

    /// Waits until the log holds `text`.
    pub fn await_log(&self, text: &str) {
        assert!(
            await_until(SOON, || self.log_text().contains(text)),
            "{text:?} is not in {}",
            self.log_text()
        );
    }

    /// Returns the command line of the runner.
    pub fn command(&self, more: &[&str]) -> Command {
        self.command_with_pid("pid", more)
    }

    /// The same with a pid file of this name.
    pub fn command_with_pid(&self, pid: &str, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "runner", "-d"]).arg(self.path("conf.d"));
        command.arg("-l").arg(self.path("log")).arg("-p").arg(self.path(pid));
        command.arg("--listen").arg(format!("unix:{}", self.path("http").display()));
        command.args(more).current_dir(self.dir.path()).env("TMPDIR", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the runner.
    pub fn start(&self, more: &[&str]) -> Runner {
        Runner { child: self.command(more).spawn().expect("iaasmon starts") }
    }

    /// Asks the runner over its socket.
    pub fn get(&self, path: &str) -> String {
        let output = Command::new("curl")
            .args(["-s", "-i", "--max-time", "10", "--unix-socket"])
            .arg(self.path("http"))
            .arg(format!("http://localhost{path}"))
            .output()
            .expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the value of one of the runner's metrics.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics");
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line?.trim().parse().ok()
    }
}

/// A running runner; it is killed when dropped.
pub struct Runner {
    child: Child,
}

impl Runner {
    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Ends it as a supervisor does and waits for it.
    pub fn end(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Tells it to end again and again, as somebody who does not want to wait, until it does.
    pub fn insist(&mut self) -> ExitStatus {
        insist(&mut self.child, Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = await_until(SOON, || {
            status = self.child.try_wait().expect("it was started here");
            status.is_some()
        });
        assert!(ended, "the runner goes on");
        status.expect("it ended")
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
