//! One server process of a demo, and the things a test does to it: kill, stop, wake, restart.

use super::{DemoError, probe, stage};
use crate::sys::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use url::form_urlencoded;

/// The longest wait for a server to become ready: a busy machine starts eight at once.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Alertmanager gives its peer ten seconds to hear that it leaves.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks at a server that starts or ends.
const POLL: Duration = Duration::from_millis(20);

/// How a server is started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    pub(crate) address: SocketAddr,
    pub(crate) data: Option<PathBuf>,
    pub(crate) log: PathBuf,
    pub(crate) group: i32,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    recipe: Recipe,
    child: Mutex<Child>,
}

impl Server {
    /// Starts the server without waiting for it: see [`Server::await_ready`].
    pub(crate) fn start(recipe: Recipe) -> Result<Self, DemoError> {
        let child = Mutex::new(launch(&recipe, &recipe.args)?);
        Ok(Self { recipe, child })
    }

    /// Returns its name, such as `prod-east prometheus b`.
    pub fn name(&self) -> &str {
        &self.recipe.name
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.recipe.address)
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.recipe.address
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Returns the file that holds what it printed.
    pub fn log(&self) -> &Path {
        &self.recipe.log
    }

    /// Reports whether the process is there, be it stopped or not.
    pub fn is_alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When the system refuses; an ended server is no error.
    pub fn kill(&self) -> Result<(), DemoError> {
        let mut child = self.child();
        child.kill().and_then(|()| child.wait()).map_err(|error| self.signal_error(&error))?;
        Ok(())
    }

    /// Freezes it (SIGSTOP): it accepts connections and never answers.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn stop(&self) -> Result<(), DemoError> {
        self.signal(Signal::SIGSTOP)
    }

    /// Wakes it after [`Server::stop`].
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cont(&self) -> Result<(), DemoError> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end and waits for it: Alertmanager writes its silences to disk only then.
    ///
    /// # Errors
    /// When the system refuses; an ended server is no error.
    pub fn terminate(&self) -> Result<(), DemoError> {
        if self.is_alive() {
            self.signal(Signal::SIGTERM)?;
            self.signal(Signal::SIGCONT)?;
        }
        let started = clock::instant();
        while self.is_alive() && started.elapsed() < END_WITHIN {
            std::thread::sleep(POLL);
        }
        self.kill()
    }

    /// Ends it in order, starts it again with its data, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub fn restart(&self) -> Result<(), DemoError> {
        self.terminate()?;
        self.relaunch(&self.recipe.args)?;
        self.await_ready()
    }

    /// Starts it after its end without the flag `--name=...`, until the next restart.
    pub(crate) fn relaunch_without(&self, name: &str) -> Result<(), DemoError> {
        let flag = format!("--{name}=");
        let kept = self.recipe.args.iter().filter(|arg| !arg.to_string_lossy().starts_with(&flag));
        self.relaunch(&kept.cloned().collect::<Vec<_>>())
    }

    fn relaunch(&self, args: &[OsString]) -> Result<(), DemoError> {
        *self.child() = launch(&self.recipe, args)?;
        Ok(())
    }

    /// As [`Server::restart`], but it has forgotten everything.
    ///
    /// # Errors
    /// When its data cannot be removed, or as [`Server::restart`].
    pub fn restart_empty(&self) -> Result<(), DemoError> {
        self.kill()?;
        if let Some(data) = &self.recipe.data {
            std::fs::remove_dir_all(data).map_err(DemoError::file(data))?;
        }
        self.restart()
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ended or did not become ready in time; the error holds the end of its log.
    pub fn await_ready(&self) -> Result<(), DemoError> {
        let started = clock::instant();
        while started.elapsed() < READY_WITHIN {
            if let Ok(Some(status)) = self.child().try_wait() {
                return Err(self.not_ready(format!("ended at its start ({status})")));
            }
            let answer = probe::get(self.recipe.address, "/-/ready", Duration::from_secs(1));
            if answer.is_some_and(|(status, _)| status == 200) {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Err(self.not_ready(format!("not ready after {READY_WITHIN:?}")))
    }

    /// Asks a Prometheus how many series of this kind it has; nothing where it has none or does not say.
    pub(crate) fn count(&self, selector: &str) -> Option<u32> {
        let selector: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let path = format!("/api/v1/query?query=count({selector})");
        let (_, answer) = probe::get(self.recipe.address, &path, Duration::from_secs(5))?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    fn signal(&self, signal: Signal) -> Result<(), DemoError> {
        let pid = i32::try_from(self.pid()).expect("process ids are positive 32-bit numbers");
        kill(Pid::from_raw(pid), signal).map_err(|error| self.signal_error(&error))
    }

    fn signal_error(&self, reason: &dyn std::fmt::Display) -> DemoError {
        DemoError::Signal { name: self.recipe.name.clone(), reason: reason.to_string() }
    }

    fn not_ready(&self, reason: String) -> DemoError {
        DemoError::NotReady { name: self.recipe.name.clone(), reason, log: stage::log_end(&self.recipe.log) }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the guard tries again.
        let _ = self.kill();
    }
}

fn launch(recipe: &Recipe, args: &[OsString]) -> Result<Child, DemoError> {
    // A machine's proxy settings must not lead loopback traffic away.
    let mut command = Command::new(&recipe.program);
    command.args(args).envs(recipe.environment.iter().map(|(name, value)| (name, value)));
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    stage::spawn(&mut command, recipe.group, &recipe.log)
}
