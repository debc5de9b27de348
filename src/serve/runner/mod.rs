//! The runner: takes sensu-client's place on a node. It runs the checks and writes their results to a log in sensu-client's
//! own format, which is the hand-over to whoever reads it. Who is in the same process may have the results directly, too.

mod fit;
mod http_socket;
mod intake;
mod journal;
mod metrics;
mod rival;
mod socket;
mod sockets;

pub use journal::{Journal, Output, Written};
pub use rival::Rival;

use crate::sensu::definitions::{LoadedFiles, Notice, Refused, Settings, Sources, load};
use crate::sensu::engine::{Bounds, Engine, Event, Tell, payload};
use crate::sensu::level::Level;
use crate::serve::skeleton::{Ending, Readiness};
use crate::sys::child::{Guard, Surroundings};
use crate::sys::logfile::{LogFile, Rotation, is_unfit};
use crate::sys::pidfile::PidFile;
use crate::sys::{clock, disk};
use crate::wire::exposition::Exposition;
use crate::wire::sensu_json::{Object, Value, field, set};
use intake::Intake;
use sockets::Sockets;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// How often is tried to write what the disk did not take.
const RETRY: Duration = Duration::from_secs(1);

/// What a runner is told at its start.
#[derive(Debug)]
pub struct Options {
    /// Where the definitions are.
    pub sources: Sources,
    /// The log; standard output where there is none.
    pub log: Option<PathBuf>,
    /// From which level on events are logged; results always are.
    pub level: Level,
    /// Whether and when the log is moved away by us.
    pub rotation: Rotation,
    /// A file for our process id.
    pub pid_file: Option<PathBuf>,
    /// Run these checks alone: another client runs the rest.
    pub only: Vec<String>,
    /// Whether it takes a client's place: with its sockets, and with nobody beside it.
    pub alone: bool,
    /// What bounds every check.
    pub bounds: Bounds,
    /// Folder and environment of every command.
    pub around: Surroundings,
    /// The folder of the file that names the loaded definitions to every check.
    pub loaded_folder: PathBuf,
    /// The hidden argument of this program that is the guard.
    pub guard: &'static str,
    /// Who gets the results beside the log.
    pub receiver: Option<Receiver>,
}

/// Who gets every result of a check that ran, beside the log.
#[derive(Clone)]
pub struct Receiver {
    /// Takes the payload of a result. It is called on the engine's own thread, so it must not wait.
    pub take: Arc<dyn Fn(&Object) + Send + Sync>,
    /// Says what it cannot work with in definitions that are valid otherwise.
    pub judge: fn(&Settings) -> Vec<String>,
    /// Hears of definitions before they are in force: from then on nothing is to be expected of any other check, but for the end
    /// of what runs.
    pub define: Arc<dyn Fn(&Settings) + Send + Sync>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver")
    }
}

/// Why a runner did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The definitions are wrong; every problem stands in the log too.
    #[error("the definitions are not valid")]
    Refused(Refused),
    /// The definitions are valid, but not for who receives the results.
    #[error("the definitions are not fit: {}", .0.join("; "))]
    Unfit(Vec<String>),
    /// Another client is at work.
    #[error(transparent)]
    Rival(#[from] Rival),
    /// A name of `--only` is no check of this client.
    #[error("no check that is scheduled here is called `{0}`")]
    NoCheck(String),
    /// A file or an address cannot be had.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
}

fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> RunnerError {
    move |error| RunnerError::Io { what: what.to_string(), error }
}

/// A runner that is ready to start: all that can be wrong has been looked at.
pub struct Runner {
    works: Works,
    sockets: Sockets,
    pid_file: Option<PidFile>,
    signals: Signals,
}

/// The signals of a runner alone, heard from before its start: none may end the process while a backlog is read.
struct Signals {
    reopen: Signal,
    debug: Signal,
    /// USR1, for which nothing is done: a slip for USR2 must not end a node's monitoring.
    slip: Signal,
}

impl Signals {
    fn hear() -> std::io::Result<Self> {
        Ok(Self {
            reopen: signal(SignalKind::user_defined2())?,
            debug: signal(SignalKind::from_raw(nix::libc::SIGTRAP))?,
            slip: signal(SignalKind::user_defined1())?,
        })
    }
}

/// What a runner works with; each copy is the same one.
#[derive(Clone)]
pub struct Works {
    engine: Engine,
    journal: Arc<Journal>,
    sources: Arc<Sources>,
    loaded_files: Option<Arc<LoadedFiles>>,
    reloads: Arc<[AtomicU64; 2]>,
    receiver: Option<Receiver>,
}

impl Runner {
    /// Loads the definitions, looks for another client, opens the log and binds the local sockets. Needs a runtime.
    ///
    /// # Errors
    /// Everything that keeps a runner from its job.
    pub async fn prepare(options: Options) -> Result<Self, RunnerError> {
        // Our own kind is kept away always, another client unless it is known to have the rest.
        let mut pid_file = options.pid_file.as_deref().map(rival::hold).transpose()?;
        let signals = Signals::hear().map_err(io("signals"))?;
        let of = rival::of(&options.sources, &options.only);
        let guard = Guard::start(options.guard, of).map_err(io("the guard of the checks"))?;
        rival::wait_for_end(&guard).await?;
        let mut notices = Vec::new();
        let loaded = load(&options.sources, &mut notices);
        let journal = Arc::new(open_journal(&options)?);
        notices.iter().for_each(|notice| say(&journal, notice));
        notices.iter().filter_map(Notice::passed_over).for_each(|what| tracing::warn!("{what}"));
        let settings = loaded.map_err(|refused| {
            refused.notices().iter().for_each(|notice| say(&journal, notice));
            journal.line(Level::Fatal, "SENSU NOT RUNNING!", &[]);
            RunnerError::Refused(refused)
        })?;
        let unfit = unfit(options.receiver.as_ref(), &settings);
        if !unfit.is_empty() {
            return Err(RunnerError::Unfit(unfit));
        }
        if options.alone {
            rival::look()?;
        }
        let sockets = Sockets::bind(&settings, &journal, options.alone).await?;
        if let Some(file) = &mut pid_file {
            file.write().map_err(io("the pid file"))?;
        }
        let limit = Value::from(i64::try_from(settings.spawn_limit()).unwrap_or(i64::MAX));
        let spawn = Value::Object(Object::from_iter([(b"limit"[..].into(), limit)]));
        journal.line(Level::Info, "configuring sensu spawn", &[("settings", &spawn)]);
        let tell = teller(journal.clone(), options.receiver.as_ref());
        let mut around = options.around;
        let loaded_files = LoadedFiles::write(&options.loaded_folder, &settings);
        let loaded_files = loaded_files.inspect_err(|error| {
            // Hardly a plugin reads it: checks that run without it are better than none.
            tracing::warn!(%error, "SENSU_LOADED_TEMPFILE cannot be written");
        });
        let loaded_files = loaded_files.ok().map(Arc::new);
        around.variables.extend(loaded_files.as_ref().map(|file| file.variable()));
        let engine = Engine::new(settings, around, Some(guard), options.bounds, tell);
        engine.set_debug(journal.is_debug());
        if !options.only.is_empty() {
            engine.only(options.only.iter().cloned());
            let scheduled = engine.scheduled();
            if let Some(name) = options.only.iter().find(|name| !scheduled.contains(name)) {
                return Err(RunnerError::NoCheck(name.clone()));
            }
        }
        let works = Works {
            engine,
            journal,
            sources: Arc::new(options.sources),
            loaded_files,
            reloads: Arc::default(),
            receiver: options.receiver,
        };
        Ok(Self { works, sockets, pid_file, signals })
    }

    /// Returns what the runner works with, for reloads and metrics.
    pub fn works(&self) -> Works {
        self.works.clone()
    }

    /// Runs until the service is told to end and every check that runs has ended, or until nothing is to be waited for.
    pub async fn run(self, readiness: &Readiness, ending: &Ending) {
        let Self { works, sockets, pid_file, mut signals } = self;
        let mut retry = tokio::time::interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let intake = Intake { engine: works.engine.clone(), journal: works.journal.clone() };
        let mut listening = sockets.listen(&intake);
        works.define(&works.engine.settings());
        works.say_scheduled();
        let working = async {
            works.engine.run(ending.begun().clone()).await;
            works.finish(ending).await;
        };
        tokio::pin!(working);
        loop {
            tokio::select! {
                () = &mut working => break,
                _ = signals.reopen.recv() => works.reopen(),
                _ = signals.slip.recv() => tracing::warn!("USR1 means nothing here: USR2 opens the log again"),
                _ = signals.debug.recv() => works.engine.set_debug(works.journal.toggle_debug()),
                _ = retry.tick() => {}
            }
            works.journal.retry();
            works.tell_readiness(readiness);
        }
        works.journal.line(Level::Info, "closing client sockets", &[]);
        listening.shutdown().await;
        works.journal.line(Level::Warn, "stopping reactor", &[]);
        works.give_up();
        drop(pid_file);
    }
}

impl Works {
    /// Loads the definitions again and says so. Where they are not valid, those in force stay.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn reload(&self) -> Result<&'static str, String> {
        let mut notices = Vec::new();
        let loaded = load(&self.sources, &mut notices);
        notices.iter().for_each(|notice| say(&self.journal, notice));
        let [good, bad] = &*self.reloads;
        let refused = match loaded {
            Ok(settings) => match self.objection(&settings) {
                None => {
                    if let Some(file) = &self.loaded_files {
                        // The old list is better than none.
                        let _ = file.renew(&settings);
                    }
                    self.define(&settings);
                    self.engine.replace(settings);
                    self.say_scheduled();
                    good.fetch_add(1, Ordering::Relaxed);
                    return Ok("definitions");
                }
                Some(why) => format!("the old definitions stay: {why}"),
            },
            Err(refused) => {
                // They are fatal at the start only: here the old definitions stay in force.
                for notice in refused.notices() {
                    say(&self.journal, &Notice { level: Level::Error, ..notice });
                }
                format!("the old definitions stay: {refused}")
            }
        };
        bad.fetch_add(1, Ordering::Relaxed);
        Err(refused)
    }

    fn define(&self, settings: &Settings) {
        if let Some(receiver) = &self.receiver {
            (receiver.define)(settings);
        }
    }

    /// Returns why definitions that are valid do not take the place of those in force.
    fn objection(&self, settings: &Settings) -> Option<String> {
        let unfit = unfit(self.receiver.as_ref(), settings);
        loss(settings, &self.engine.settings()).or_else(|| (!unfit.is_empty()).then(|| unfit.join("; ")))
    }

    /// Writes the runner's own metrics.
    pub fn write_metrics(&self, out: &mut Exposition) {
        let reloads = [&self.reloads[0], &self.reloads[1]].map(|count| count.load(Ordering::Relaxed));
        metrics::write(out, &self.engine, &self.journal.written(), reloads);
    }

    /// Names every check that is scheduled, so that a reader of the log knows which ones are gone.
    fn say_scheduled(&self) {
        let names = self.engine.scheduled().iter().map(Value::text).collect();
        self.journal.scheduled(&Value::Array(names));
    }

    fn reopen(&self) {
        if let Err(error) = self.journal.reopen() {
            tracing::error!(%error, "the log cannot be opened again");
        }
        // Who begins to read with this file finds there what is scheduled.
        self.say_scheduled();
    }

    fn tell_readiness(&self, readiness: &Readiness) {
        let written = self.journal.written();
        let why = written
            .trouble
            .map(|why| format!("the log cannot be written: {why}; {} results wait for it", written.waiting));
        // The exporter beside us says whether the log can be read.
        readiness.block("results", why);
        let none = self.engine.settings().files().is_empty();
        let why = "no file of definitions was loaded: name them by -c and -d";
        readiness.block("definitions", none.then(|| why.to_owned()));
    }

    /// Stops as the original does: nothing new is begun, what runs is waited for without a limit (client/process.rb:640-668).
    async fn finish(&self, ending: &Ending) {
        if let Some(name) = ending.signal() {
            self.journal.line(Level::Warn, "received signal", &[("signal", &Value::from(name))]);
        }
        self.journal.line(Level::Warn, "stopping", &[]);
        self.deregister();
        let running = Value::Array(self.engine.in_progress().into_iter().map(Value::text).collect());
        let message = "completing checks in progress";
        self.journal.line(Level::Info, message, &[("checks_in_progress", &running)]);
        tokio::select! {
            () = self.engine.finish() => {}
            // The guard ends what runs, once we are gone.
            () = ending.at_once().cancelled() => {}
        }
    }

    /// Tries a last time to write what waits for the disk, and says what is lost.
    fn give_up(&self) {
        self.journal.retry();
        let written = self.journal.written();
        if let Some(why) = written.trouble.filter(|_| written.waiting > 0) {
            tracing::error!(results = written.waiting, why, "results are lost: the log cannot be written");
        }
    }

    /// The result that tells a server to forget this client, where the client wants it (client/process.rb: deregister).
    fn deregister(&self) {
        let settings = self.engine.settings();
        if !field(settings.client(), "deregister").is_some_and(Value::is_truthy) {
            return;
        }
        let now = clock::now().timestamp();
        let mut check = Object::from_iter([
            (b"handler"[..].into(), Value::from("deregistration")),
            (b"status"[..].into(), Value::from(1)),
        ]);
        if let Some(more) = field(settings.client(), "deregistration").and_then(Value::as_object) {
            check.extend(more.clone());
        }
        set(&mut check, "name", "deregistration");
        set(&mut check, "output", "client initiated deregistration");
        set(&mut check, "issued", now);
        set(&mut check, "executed", now);
        self.journal.take(Event::Result(payload(check, &settings)));
    }
}

fn unfit(receiver: Option<&Receiver>, settings: &Settings) -> Vec<String> {
    receiver.map(|receiver| (receiver.judge)(settings)).unwrap_or_default()
}

/// Where the engine's events go: into the log, and results also to the receiver.
fn teller(journal: Arc<Journal>, receiver: Option<&Receiver>) -> Tell {
    let take = receiver.map(|receiver| receiver.take.clone());
    Arc::new(move |event: Event| {
        if let (Some(take), Event::Result(payload)) = (&take, &event) {
            take(payload);
        }
        journal.take(event);
    })
}

fn say(journal: &Journal, notice: &Notice) {
    let fields: Vec<(String, &Value)> = notice
        .fields
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value))
        .collect();
    let fields: Vec<(&str, &Value)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    journal.line(notice.level, &notice.message, &fields);
}

fn open_journal(options: &Options) -> Result<Journal, RunnerError> {
    let output = match &options.log {
        None => Output::Stdout,
        Some(path) if is_unfit(path) => {
            let error = std::io::Error::other("a folder or a pipe cannot be the log");
            return Err(RunnerError::Io { what: path.display().to_string(), error });
        }
        Some(path) => Output::File(match LogFile::open(path, options.rotation, clock::now()) {
            // The checks repair things, and their results wait for the disk: better than none of both.
            Err(error) if disk::is_trouble(&error) => {
                tracing::warn!(%error, log = %path.display(), "the log cannot be opened, results wait for it");
                LogFile::closed(path, options.rotation)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(Rival::Held(path.clone()).into());
            }
            opened => opened.map_err(io(path.display()))?,
        }),
    };
    Ok(Journal::new(output, options.level))
}

/// Returns what a reload would lose that nobody removed: a file or folder that cannot be read now and could before, or all files
/// at once. Their checks would be retired, and their alerts resolved.
fn loss(new: &Settings, old: &Settings) -> Option<String> {
    let unread = new.unread().iter().find(|path| !old.unread().contains(path));
    let unread = unread.map(|path| format!("{} cannot be read", path.display()));
    let nothing = new.files().is_empty() && !old.files().is_empty();
    unread.or_else(|| nothing.then(|| "no file of definitions is left".to_owned()))
}
