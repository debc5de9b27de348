//! The exporter: follows the logs of runner and sensu-client, exports one status per check, and serves each check's words.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/checks` | every check with its status |
//! | `GET /api/v1/checks/{check}?source=S` | one check with its output |
//! | `GET /api/v1/checks/{check}/history?limit=N` | its last runs |
//!
//! The log is the truth. What is in the store only saves reading it again.

mod api;
mod keep;
mod metrics;
mod state;

pub use metrics::ExtraSeries;

use crate::detail::history::Depth;
use crate::model::network::Network;
use crate::serve::skeleton::Readiness;
use crate::serve::skeleton::http::Router;
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::sys::store::StoreError;
use crate::sys::tail::watch::Watch;
use crate::wire::exposition::Exposition;
use keep::Keeper;
use state::State;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How much of a log is read at a time: what others wait for meanwhile takes a few milliseconds.
const BITE: usize = 1024 * 1024;
/// So much is read beside the requests without a thread of its own: a few lines take less than waking one.
const NIBBLE: usize = 32 * 1024;
/// How much is read before a scrape is answered: a value is as new as the log, unless that is far behind.
const BEFORE_SCRAPE: usize = 4 * 1024 * 1024;
/// Polling is the truth about a log, this often.
const POLL: Duration = Duration::from_secs(1);
/// How often history and checkpoint are written. The log has everything: no more often, for 20,000 disks do it.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// How often progress is told while a backlog is read.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// What an exporter is told at its start.
#[derive(Debug)]
pub struct Options {
    /// The logs to follow.
    pub logs: Vec<PathBuf>,
    /// The folder of checkpoint and history; none keeps nothing over a restart.
    pub state_dir: Option<PathBuf>,
    /// Who may read the words of checks, beside this machine and authenticated clients.
    pub detail_allow: Vec<Network>,
    /// How many bytes of an output are kept.
    pub output_limit: usize,
    /// More series than the status.
    pub extra_series: ExtraSeries,
    /// After how long a check of a sensu-client that fell silent is forgotten.
    pub retire_after: Duration,
    /// How much history is kept.
    pub history: Depth,
}

/// Why an exporter did not start.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The folder of checkpoint and history cannot be used.
    #[error("--state-dir: {}: {error}", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

/// An exporter; each copy is the same one.
#[derive(Clone)]
pub struct Exporter {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    keeper: Option<Keeper>,
    options: Options,
}

impl Exporter {
    /// Opens the store and puts back what it holds: results are served before a log is read, since a series that is
    /// missing would resolve an alert.
    ///
    /// # Errors
    /// When the folder can never be used. A damaged store is set aside, and one that the disk does not give now is tried
    /// again: a node whose disk became read-only is one that must be seen.
    pub fn prepare(options: Options) -> Result<Self, ExporterError> {
        let open = |folder: &PathBuf| {
            let fail = |error| ExporterError::StateDir { path: folder.clone(), error };
            Keeper::open(folder, options.history).map_err(fail)
        };
        let keeper = options.state_dir.as_ref().map(open).transpose()?;
        let mut state = State::new(&options);
        if let Some(keeper) = &keeper {
            keeper.restore(&mut state, &options);
        }
        Ok(Self { shared: Arc::new(Shared { state: Mutex::new(state), keeper, options }) })
    }

    /// Whether results were put back: they can be served before the logs are read.
    pub fn is_restored(&self) -> bool {
        !self.shared.state().latest.is_empty()
    }

    /// Reads what the logs hold already, a bite at a time, and tells how far it is. Ends early when `stop` is cancelled.
    pub async fn catch_up(&self, readiness: &Readiness, stop: &CancellationToken) {
        let mut told: Option<Instant> = None;
        loop {
            let behind = self.read(BITE).await;
            if behind.is_none() || stop.is_cancelled() {
                break;
            }
            self.unload(readiness).await;
            if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = Some(clock::instant());
                let megabytes = behind.unwrap_or_default() as f64 / 1e6;
                // Each new reason is a line in our own log.
                readiness
                    .block("backlog", Some(format!("{megabytes:.1} MB of the logs are still to be read")));
            }
            tokio::task::yield_now().await;
        }
        readiness.block("backlog", None);
    }

    /// Follows the logs until `stop` is cancelled, and keeps what is read.
    pub async fn follow(&self, readiness: Readiness, stop: CancellationToken) {
        self.tell_lack(&readiness);
        self.catch_up(&readiness, &stop).await;
        let mut watch = Watch::new(&self.shared.options.logs, POLL);
        let mut kept = clock::instant();
        loop {
            let mut more = self.shared.read(NIBBLE).is_some();
            while more && !stop.is_cancelled() {
                self.unload(&readiness).await;
                more = self.read(BITE).await.is_some();
            }
            self.unload(&readiness).await;
            let trouble = self.shared.state().trouble();
            readiness.block("log", trouble);
            if kept.elapsed() >= KEEP_EVERY {
                kept = clock::instant();
                self.keep(&readiness).await;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = watch.changed() => {}
            }
        }
        self.keep(&readiness).await;
    }

    /// Reads a bite of every log; returns how many bytes are left where there is more.
    async fn read(&self, budget: usize) -> Option<u64> {
        let shared = self.shared.clone();
        apart(move || shared.read(budget)).await
    }

    /// Keeps what was read before its time where it is much, unless that has just failed.
    async fn unload(&self, readiness: &Readiness) {
        let laden = self.shared.state().is_laden();
        let failed = self.shared.keeper.as_ref().is_some_and(|keeper| keeper.failed_within(KEEP_EVERY));
        if laden && !failed {
            self.keep(readiness).await;
        }
    }

    /// Writes history and checkpoint in one go; without a store the newest are held.
    async fn keep(&self, readiness: &Readiness) {
        if self.shared.keeper.is_none() {
            self.shared.state().forget_old(&self.shared.options);
            return;
        }
        let shared = self.shared.clone();
        apart(move || shared.keep()).await;
        self.tell_lack(readiness);
    }

    /// Says where checkpoint and history are not kept: the statuses are right without them.
    fn tell_lack(&self, readiness: &Readiness) {
        let trouble = self.shared.keeper.as_ref().and_then(Keeper::trouble);
        readiness.note("history", trouble.map(|why| format!("the state cannot be written: {why}")));
    }

    /// Returns what the exporter answers.
    pub fn routes(&self) -> Router {
        api::routes(self.shared.clone())
    }

    /// Writes the exporter's metrics, after a look at the logs.
    pub fn write_metrics(&self, out: &mut Exposition) {
        self.shared.read(BEFORE_SCRAPE);
        let is_kept = self.shared.keeper.as_ref().map(|keeper| keeper.trouble().is_none());
        metrics::write(out, &self.shared.state(), &self.shared.options, is_kept, clock::moment());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, budget: usize) -> Option<u64> {
        self.state().read(budget, clock::now())
    }

    /// Writes what was read; the keeper knows how that went.
    fn keep(&self) {
        let Some(keeper) = &self.keeper else { return };
        if !keeper.is_taken_up() && self.take_up(keeper).is_err() {
            return self.state().trim();
        }
        let unkept = self.state().take_unkept(&self.options);
        match keeper.keep(&unkept) {
            Ok(()) => self.state().kept(),
            Err(failed) => {
                let mut state = self.state();
                state.put_back(unkept);
                state.trim();
                if matches!(failed, StoreError::Damaged { .. }) {
                    // An empty store is in its place.
                    state.all_changed();
                }
            }
        }
    }

    /// Takes up a store that could not be had at the start and can be now. What it holds is older than what is known: the
    /// logs are read again from its checkpoint on, aside, so that no run is counted twice and nobody sees an older status.
    fn take_up(&self, keeper: &Keeper) -> Result<(), StoreError> {
        keeper.try_open()?;
        let mut anew = State::new(&self.options);
        if !keeper.restore(&mut anew, &self.options) {
            // Nothing was ever kept there: what is known is all there is.
            self.state().all_changed();
            keeper.take_up();
            return Ok(());
        }
        while anew.read(BITE, clock::now()).is_some() {
            if anew.is_laden() {
                let unkept = anew.take_unkept(&self.options);
                keeper.keep(&unkept)?;
                anew.kept();
            }
        }
        let mut state = self.state();
        anew.read(usize::MAX, clock::now());
        anew.take_over(&state);
        *state = anew;
        keeper.take_up();
        Ok(())
    }
}
