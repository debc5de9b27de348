//! The engine: fires each check when it is due, runs it, and tells what came of it.
//!
//! It imitates sensu-client 1.9 (client/process.rb) with the differences that DESIGN 5.5 lists. Runner and pusher share it;
//! what becomes of a result is theirs.

mod counts;
mod execute;
mod hooks;
mod timetable;

pub use counts::Counts;
pub use execute::{payload, run_once};

use super::definitions::Settings;
use super::level::Level;
use super::schedule::{Timing, scheduled};
use super::subdue;
use crate::sys::child::{Guard, Surroundings};
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use timetable::{Due, Timetable};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the engine tells whoever runs it.
#[derive(Debug)]
pub enum Event {
    /// A line for the log, in the original's words.
    Log(Level, &'static str, Vec<(&'static str, Value)>),
    /// A result: the payload of "publishing check result".
    Result(Object),
}

/// Where events go: called on the engine's own thread, so it must not wait.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// What bounds every check beside its own definition.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a check without a timeout may run.
    pub max_runtime: Duration,
    /// How many bytes of its output are kept.
    pub max_output: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // 2 MiB: Sensu's own users send 1 MB; the line of the log is at most six times as long and still one that is read.
        Self { max_runtime: Duration::from_secs(3600), max_output: 2 * 1024 * 1024 }
    }
}

/// Runs checks.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    around: Surroundings,
    guard: Option<Guard>,
    bounds: Bounds,
    tell: Tell,
    counts: Counts,
    debug: AtomicBool,
    changed: Notify,
    running: TaskTracker,
}

struct State {
    settings: Arc<Settings>,
    slots: Arc<Semaphore>,
    /// `source:name` or `name` of each check that runs (process.rb:190).
    in_progress: HashSet<Vec<u8>>,
    only: Option<Arc<HashSet<String>>>,
}

impl Engine {
    /// Builds the engine; nothing runs before [`Engine::run`].
    pub fn new(
        settings: Settings,
        around: Surroundings,
        guard: Option<Guard>,
        bounds: Bounds,
        tell: Tell,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(settings.spawn_limit()));
        let state = State { settings: Arc::new(settings), slots, in_progress: HashSet::new(), only: None };
        let shared = Shared {
            state: Mutex::new(state),
            around,
            guard,
            bounds,
            tell,
            counts: Counts::default(),
            debug: AtomicBool::new(false),
            changed: Notify::new(),
            running: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs none but these checks: another client has the rest.
    pub fn only(&self, names: impl IntoIterator<Item = String>) {
        self.shared.state().only = Some(Arc::new(names.into_iter().collect()));
        self.shared.changed.notify_one();
    }

    /// Whether lines of level debug are wanted; they cost a copy of the check each.
    pub fn set_debug(&self, wanted: bool) {
        self.shared.debug.store(wanted, Ordering::Relaxed);
    }

    /// Returns the definitions in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.shared.state().settings.clone()
    }

    /// Puts other definitions in force. What runs goes on with those that it began with.
    pub fn replace(&self, settings: Settings) {
        let mut state = self.shared.state();
        if state.settings.spawn_limit() != settings.spawn_limit() {
            state.slots = Arc::new(Semaphore::new(settings.spawn_limit()));
        }
        state.settings = Arc::new(settings);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Returns the names of all checks that are scheduled here, in order of definition.
    pub fn scheduled(&self) -> Vec<String> {
        let definitions = self.shared.definitions();
        definitions.mine().into_iter().map(|(_, name, _)| name.to_owned()).collect()
    }

    /// Returns the keys of the checks that run or wait for a slot now, in no order.
    pub fn in_progress(&self) -> Vec<Vec<u8>> {
        self.shared.state().in_progress.iter().cloned().collect()
    }

    /// Returns what was counted.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Fires checks until `stop` is cancelled; those that run are not waited for ([`Engine::finish`] does).
    pub async fn run(&self, stop: CancellationToken) {
        let mut now = clock::moment();
        loop {
            let definitions = self.shared.definitions();
            let settings = &definitions.settings;
            let mut timetable = Timetable::begun_at(now, definitions.mine(), settings.client_name());
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.changed.notified() => {}
                () = self.fire_by(&mut timetable, settings) => {}
            }
            // What is due by now goes with no timetable: the next one begins where this one ends, and a daily check would be
            // lost until tomorrow.
            now = clock::moment();
            while let Some(due) = timetable.due_by(now) {
                self.fire(due, settings);
            }
        }
    }

    /// Waits for all that runs. New checks are still let in by none: call it after [`Engine::run`] has returned.
    pub async fn finish(&self) {
        self.shared.running.close();
        self.shared.running.wait().await;
    }

    /// Fires by one timetable, for ever.
    async fn fire_by(&self, timetable: &mut Timetable, settings: &Arc<Settings>) {
        loop {
            let due = timetable.next_due().await;
            self.fire(due, settings);
        }
    }

    /// Begins one run, unless it is subdued (process.rb:364-372).
    fn fire(&self, due: Due, settings: &Arc<Settings>) {
        let Some(check) = settings.check_at(due.check) else { return };
        if subdue::is_subdued(check, &clock::local()) {
            Counts::add(&self.shared.counts.subdued);
            return self.shared.log(Level::Info, "check execution was subdued", check);
        }
        let mut check = check.clone();
        set(&mut check, "issued", clock::now().timestamp());
        self.shared.debug("processing check", &check);
        if !check.contains_key(&b"command"[..]) {
            return self.shared.log(Level::Warn, "unknown check extension", &check);
        }
        self.shared.debug("attempting to execute check command", &check);
        let key = key(&check);
        if !self.shared.state().in_progress.insert(key.clone()) {
            Counts::add(&self.shared.counts.overlapped);
            return self.shared.log(Level::Warn, "previous check command execution in progress", &check);
        }
        let (shared, settings) = (self.shared.clone(), settings.clone());
        let tracked = self.shared.running.token();
        tokio::spawn(async move {
            let run = InProgress { shared: &shared, key };
            let lingering = execute::publish(&shared, check, &settings, due.at).await;
            // What comes now is not waited for at the end.
            drop(tracked);
            if let Some(group) = lingering {
                // Its processes wait inside the kernel, or are another user's: another run beside them would help nobody.
                group.gone().await;
            }
            drop(run);
        });
    }
}

impl Shared {
    fn debug(&self, message: &'static str, check: &Object) {
        if self.debug.load(Ordering::Relaxed) {
            self.log(Level::Debug, message, check);
        }
    }

    fn log(&self, level: Level, message: &'static str, check: &Object) {
        (self.tell)(Event::Log(level, message, vec![("check", Value::Object(check.clone()))]));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn definitions(&self) -> Definitions {
        let state = self.state();
        Definitions { settings: state.settings.clone(), only: state.only.clone() }
    }
}

/// The definitions in force, and which of them are ours.
struct Definitions {
    settings: Arc<Settings>,
    only: Option<Arc<HashSet<String>>>,
}

impl Definitions {
    fn mine(&self) -> Vec<(usize, &str, Timing)> {
        let mut all = scheduled(&self.settings);
        if let Some(only) = &self.only {
            all.retain(|(_, name, _)| only.contains(*name));
        }
        all
    }
}

/// A check's entry among those that run; it goes however the run ends.
struct InProgress<'a> {
    shared: &'a Shared,
    key: Vec<u8>,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.shared.state().in_progress.remove(&self.key);
    }
}

/// `[source, name].compact.join(":")` (process.rb:190).
fn key(check: &Object) -> Vec<u8> {
    let text = |name| field(check, name).and_then(Value::as_bytes);
    let parts: Vec<&[u8]> = [text("source"), text("name")].into_iter().flatten().collect();
    parts.join(&b':')
}

#[cfg(test)]
mod tests;
