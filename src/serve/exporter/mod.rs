//! The exporter: follows the logs of runner and sensu-client, exports one status per check, and serves each check's words.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/checks` | every check with its status |
//! | `GET /api/v1/checks/{check}?source=S` | one check with its output |
//! | `GET /api/v1/checks/{check}/history?limit=N` | its last runs |
//!
//! The log is the truth. What is in the store only saves reading it again.

mod allow;
mod api;
mod keep;
mod metrics;
mod state;

pub use allow::{BadNetwork, Network};
pub use metrics::ExtraSeries;

use crate::detail::history::Depth;
use crate::serve::skeleton::Readiness;
use crate::serve::skeleton::http::Router;
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::sys::store::{Store, StoreError};
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
/// How much is read before a scrape is answered: a value is as new as the log, unless that is far behind.
const BEFORE_SCRAPE: usize = 4 * 1024 * 1024;
/// Polling is the truth about a log, this often.
const POLL: Duration = Duration::from_secs(1);
/// How often history and checkpoint are written. The log has everything: no more often, for 20,000 disks do it.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// How large checkpoint and history may be; the file takes up to four times as much (see [`Store::open_limited`]).
const MOST_KEPT: u64 = 16 * 1024 * 1024;
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
    /// When the folder cannot be used. A damaged store is set aside and no error.
    pub fn prepare(options: Options) -> Result<Self, ExporterError> {
        let keeper = match &options.state_dir {
            None => None,
            Some(folder) => {
                let fail = |error: String| ExporterError::StateDir { path: folder.clone(), error };
                std::fs::create_dir_all(folder).map_err(|error| fail(error.to_string()))?;
                let opened = Store::open_limited(folder.join("exporter.redb"), MOST_KEPT)
                    .map_err(|error| fail(error.to_string()))?;
                if let Some(aside) = opened.set_aside {
                    tracing::warn!(aside = %aside.display(), "the store was damaged, history begins anew");
                }
                Some(Keeper::new(opened.store, options.history))
            }
        };
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
        self.catch_up(&readiness, &stop).await;
        let mut watch = Watch::new(&self.shared.options.logs, POLL);
        let mut kept = clock::instant();
        loop {
            while self.read(BITE).await.is_some() && !stop.is_cancelled() {
                self.unload(&readiness).await;
                tokio::task::yield_now().await;
            }
            self.unload(&readiness).await;
            let trouble = self.shared.state().trouble();
            readiness.block("followed logs", trouble);
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

    /// Keeps what was read before its time where it is much.
    async fn unload(&self, readiness: &Readiness) {
        let laden = self.shared.state().is_laden();
        if laden {
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
        let failed = apart(move || shared.keep()).await;
        readiness.block("history", failed.map(|why| format!("the state cannot be written: {why}")));
    }

    /// Returns what the exporter answers.
    pub fn routes(&self) -> Router {
        api::routes(self.shared.clone())
    }

    /// Writes the exporter's metrics, after a look at the logs.
    pub fn write_metrics(&self, out: &mut Exposition) {
        self.shared.read(BEFORE_SCRAPE);
        metrics::write(out, &self.shared.state(), &self.shared.options, clock::now());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, budget: usize) -> Option<u64> {
        self.state().read(budget, clock::now())
    }

    /// Returns why it failed.
    fn keep(&self) -> Option<String> {
        let keeper = self.keeper.as_ref()?;
        let unkept = self.state().take_unkept(&self.options);
        match keeper.keep(&unkept) {
            Ok(()) => {
                self.state().kept();
                None
            }
            Err(failed) => {
                let mut state = self.state();
                state.put_back(unkept);
                if matches!(failed, StoreError::Damaged { .. }) {
                    // An empty store is in its place.
                    state.all_changed();
                }
                Some(failed.to_string())
            }
        }
    }
}
