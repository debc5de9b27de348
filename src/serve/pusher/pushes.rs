//! All gateways, and what they have in common: every result goes to each, what waits is kept on disk, and what is wrong is told.

use super::gateway::Gateway;
use super::keep::{Earlier, Keeper, StateDirError, Writing};
use super::lane::{Bounds, Change};
use super::metrics;
use super::result::{Labelling, Pushed, planned, read};
use super::roster::Roster;
use crate::model::group::PushedCheck;
use crate::model::text::line;
use crate::net::PushgatewayClient;
use crate::sensu::definitions::Settings;
use crate::serve::skeleton::Readiness;
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::exposition::Exposition;
use crate::wire::sensu_json::Object;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many results wait for one gateway at most, as `--spool-limit` says.
const MOST_RESULTS: usize = 10_000;
/// A result that a gateway takes within this time costs the disk nothing.
const SETTLE: Duration = Duration::from_millis(250);
/// How often is tried to write what the disk did not take.
const RETRY: Duration = Duration::from_secs(5);
/// How long is waited at the end for gateways that answer.
const DRAIN_FOR: Duration = Duration::from_secs(10);
/// What the store needs beside the bodies: keys, and what is written before what is old goes.
const SPARE_BYTES: u64 = 8 * 1024 * 1024;

/// What a pusher is told at its start.
#[derive(Debug)]
pub struct Options {
    /// Where every result goes.
    pub gateways: Vec<PushgatewayClient>,
    /// Where results belong whose definitions say nothing about it.
    pub labelling: Labelling,
    /// How many bytes of an output are pushed.
    pub output_limit: usize,
    /// Where is kept what waits; none keeps nothing over a restart.
    pub state_dir: Option<PathBuf>,
    /// How many bytes may wait for one gateway.
    pub spool_limit: usize,
}

/// The pushes of one process. Cheap to clone.
#[derive(Clone)]
pub struct Pushes {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) gateways: Vec<Arc<Gateway>>,
    pub(super) keeper: Option<Keeper>,
    labelling: Labelling,
    output_limit: usize,
    roster: Mutex<Roster>,
    /// Something may have to be written.
    changed: Notify,
}

/// The tasks that push, and how they are told to end.
pub(super) struct Pushing {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    keeping: JoinSet<()>,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Pushes {
    /// Opens the spool and takes up what waits in it.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub fn prepare(options: Options) -> Result<Self, StateDirError> {
        let bounds = Bounds { results: MOST_RESULTS, bytes: options.spool_limit };
        let gateways = Gateway::all(options.gateways, bounds);
        let limit = (options.spool_limit as u64).saturating_mul(2 * gateways.len() as u64) + SPARE_BYTES;
        let keeper = options.state_dir.map(|folder| Keeper::open(&folder, limit)).transpose()?;
        if keeper.is_none() {
            tracing::warn!("no --state-dir: results that wait for a gateway are lost at a restart");
        }
        let (labelling, output_limit) = (options.labelling, options.output_limit);
        let (roster, changed) = (Mutex::default(), Notify::new());
        let shared = Shared { gateways, keeper, labelling, output_limit, roster, changed };
        // Where the disk does not let us, that is tried again.
        let _ = shared.take_up();
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Hears of definitions that are to be in force: what is not defined any more is deleted at the gateways.
    pub fn define(&self, settings: &Settings) {
        let is_whole = settings.unread().is_empty() && !settings.files().is_empty();
        let gone = self.shared.roster().define(planned(settings, &self.shared.labelling), is_whole);
        self.shared.let_go(gone);
        self.shared.changed.notify_one();
    }

    /// Has a result pushed: the payload that the engine publishes.
    pub fn take(&self, payload: &Object) {
        let Some(pushed) = read(payload, &self.shared.labelling, self.shared.output_limit) else { return };
        if !self.shared.roster().has(&pushed.check) {
            return tracing::info!(check = %line(&pushed.check.to_string()), "its definition is gone, its last result is not pushed");
        }
        self.shared.gateways.iter().for_each(|gateway| gateway.offer(pushed.clone()));
        self.shared.changed.notify_one();
    }

    /// Writes the metrics of the pushes.
    pub fn write_metrics(&self, out: &mut Exposition) {
        metrics::write(out, &self.shared);
    }

    /// Begins to push. Needs a runtime.
    pub(super) fn begin(&self, readiness: &Readiness) -> Pushing {
        let (mut tasks, mut keeping) = (JoinSet::new(), JoinSet::new());
        let (closing, closed) = (CancellationToken::new(), CancellationToken::new());
        for gateway in &self.shared.gateways {
            let (shared, readiness) = (self.shared.clone(), readiness.clone());
            let told = move || {
                shared.changed.notify_one();
                shared.tell(&readiness);
            };
            tasks.spawn(gateway.clone().run(closing.clone(), told));
        }
        keeping.spawn(keep(self.shared.clone(), readiness.clone(), closed.clone()));
        Pushing { shared: self.shared.clone(), tasks, keeping, closing, closed }
    }
}

/// Keeps what waits until `closed` is cancelled, and what waits then.
async fn keep(shared: Arc<Shared>, readiness: Readiness, closed: CancellationToken) {
    while !closed.is_cancelled() {
        if shared.has_trouble() {
            shared.changed.notify_one();
        }
        let pause = if shared.has_trouble() { RETRY } else { SETTLE };
        shared.tell(&readiness);
        tokio::select! {
            () = async { shared.changed.notified().await; tokio::time::sleep(pause).await } => {}
            () = closed.cancelled() => {}
        }
        shared.clone().write().await;
    }
    // What came while that was written, and what somebody did to the file since.
    apart(move || shared.write_now()).await;
}

impl Pushing {
    /// Waits until every gateway that answers has all results, and keeps what waits for the others.
    pub(super) async fn finish(mut self, at_once: &CancellationToken) {
        self.closing.cancel();
        tokio::select! {
            () = async { while self.tasks.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(DRAIN_FOR) => {}
            () = at_once.cancelled() => {}
        }
        self.tasks.shutdown().await;
        self.closed.cancel();
        while self.keeping.join_next().await.is_some() {}
        for gateway in &self.shared.gateways {
            let results = gateway.lane().len();
            let why = gateway.trouble().unwrap_or_else(|| "there was no time".to_owned());
            match self.shared.is_kept(gateway) {
                _ if results == 0 => {}
                true => tracing::warn!(gateway = gateway.name, results, why, "they wait for the next start"),
                false => tracing::error!(gateway = gateway.name, results, why, "results are lost"),
            }
        }
    }
}

impl Shared {
    /// Says what the pushes do without. The checks run all the same, and what waits is kept: the service stays ready.
    fn tell(&self, readiness: &Readiness) {
        let failing =
            |gateway: &Arc<Gateway>| gateway.complaint().map(|why| format!("{}: {why}", gateway.name));
        let failing: Vec<String> = self.gateways.iter().filter_map(failing).collect();
        readiness.note("gateways", (!failing.is_empty()).then(|| failing.join("; ")));
        readiness.note("spool", self.keeper.as_ref().and_then(Keeper::trouble));
    }

    /// Reports whether the disk does not take what waits.
    fn has_trouble(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.trouble().is_some())
    }

    /// Reports whether all that waits for a gateway is on disk.
    fn is_kept(&self, gateway: &Gateway) -> bool {
        self.keeper.is_some() && !gateway.lane().has_unkept()
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has checks that are not defined any more deleted at every gateway, and those that are defined stay.
    fn let_go(&self, gone: Vec<PushedCheck>) {
        if !gone.is_empty() {
            tracing::info!(checks = gone.len(), "not defined any more, they are deleted at the gateways");
        }
        for gateway in &self.gateways {
            let roster = self.roster();
            gateway.lane().withdraw(|check| roster.defines(check));
            drop(roster);
            gone.iter().for_each(|check| gateway.offer(Pushed { check: check.clone(), body: None }));
        }
    }

    /// Takes up what an earlier life left, where that was not done yet. Blocks.
    fn take_up(&self) -> Result<(), String> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let keys: Vec<&str> = self.gateways.iter().map(|gateway| gateway.key.as_str()).collect();
        let earlier = keeper.take_up(&keys, clock::now()).map_err(|error| error.to_string())?;
        let Some(Earlier { mut waiting, known }) = earlier else { return Ok(()) };
        for gateway in &self.gateways {
            let records = waiting.remove(&gateway.key).unwrap_or_default();
            if !records.is_empty() {
                tracing::info!(gateway = gateway.name, results = records.len(), "taken up from the spool");
            }
            let mut lane = gateway.lane();
            records.into_iter().for_each(|(check, record)| lane.restore(check, record));
            drop(lane);
            gateway.wake();
        }
        let gone = self.roster().restore(known);
        self.let_go(gone);
        Ok(())
    }

    /// Writes what has changed since the last time, on a thread that may wait for the disk.
    async fn write(self: Arc<Self>) {
        let has_unkept = || self.gateways.iter().any(|gateway| gateway.lane().has_unkept());
        if self.keeper.is_some() && (self.has_trouble() || has_unkept() || self.roster().has_unkept()) {
            apart(move || self.write_now()).await;
        }
    }

    /// Writes what has changed, and all where the file is another one than was written to. Blocks.
    fn write_now(&self) {
        let Some(keeper) = &self.keeper else { return };
        if self.take_up().is_err() {
            return;
        }
        // That the file is damaged is found by writing: then an empty one is in its place.
        for _ in 0..2 {
            let anew = keeper.is_another();
            if self.write_to(keeper, anew) && !keeper.is_another() {
                return;
            }
        }
    }

    /// Writes what has changed, or all, and reports whether the disk took it.
    fn write_to(&self, keeper: &Keeper, anew: bool) -> bool {
        if anew {
            tracing::warn!(
                "the file of the spool was opened anew or is another one, all that waits is written to it"
            );
            self.gateways.iter().for_each(|gateway| gateway.lane().forget_disk());
            self.roster().not_kept();
        }
        let known = self.roster().take_unkept();
        let changes: Vec<Vec<Change>> =
            self.gateways.iter().map(|gateway| gateway.lane().take_unkept()).collect();
        // That the disk is well again is found out by writing.
        if changes.iter().all(Vec::is_empty) && known.is_none() && !self.has_trouble() && !anew {
            return true;
        }
        let named = self.gateways.iter().zip(&changes);
        let waiting = named.map(|(gateway, changes)| (gateway.key.as_str(), changes.as_slice())).collect();
        let written = keeper.write(&Writing { waiting, known: known.as_deref(), anew }).is_ok();
        for (gateway, changes) in self.gateways.iter().zip(changes) {
            match written {
                true => gateway.lane().kept(changes),
                false => gateway.lane().not_kept(changes),
            }
        }
        if !written && known.is_some() {
            self.roster().not_kept();
        }
        written
    }
}
