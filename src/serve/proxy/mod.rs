//! The proxy: stands between Prometheus and Alertmanager, and puts the words of each failing check into its alert.
//!
//! ```text
//! POST /api/v2/alerts -> exchange (a number on receipt) -> enricher (known, or fetched within the budget) -> a lane a member
//!                                                            |  what comes later is sent once more          |
//!                                                            +-- fetcher: one flight a detail, a breaker    +-> Alertmanager
//!                                                                 a node, allowed addresses alone
//! ```
//!
//! An alert never waits for its words, and never changes its labels. What was accepted reached a member, or the sender is told
//! otherwise; what a member missed goes to it once it is back, the newest copy alone.

mod annotate;
mod breaker;
mod cache;
mod deliver;
mod enrich;
mod exchange;
mod fetch;
mod intake;
mod keep;
mod late;
mod members;
mod meter;
mod metrics;
mod words;

pub use annotate::{OUTPUT_CAP, Rule};

use crate::config::Cluster;
use crate::net::{Alertmanager, Allowed, Confined};
use crate::serve::skeleton::{Pages, Readiness, ServeError, Service, Skeleton};
use crate::sys::clock;
use deliver::Delivery;
use enrich::{Enricher, Rules};
use exchange::{Exchange, Outgoing};
use fetch::{Fetcher, How};
use intake::Pace;
use keep::Keeper;
use late::{Late, Lates};
use members::Members;
use meter::Meter;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The largest detail that is read: 64 KiB of output, all of it escaped, with the definition.
const MOST_DETAIL: u64 = 1024 * 1024;
/// How often what is old is forgotten and what is new is kept.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How long is waited at the end for what was accepted to reach the other members, too.
const DRAIN_FOR: Duration = Duration::from_secs(5);

/// What a proxy is told at its start, and again at each reload.
#[derive(Debug)]
pub struct Options {
    /// The members that get the alerts, with credentials, certificates and time limit.
    pub cluster: Cluster,
    /// A file of Prometheus' that names more members.
    pub targets: Option<PathBuf>,
    /// Which alerts are enriched, the first that fits.
    pub rules: Vec<Rule>,
    /// The longest that a batch waits for details.
    pub budget: Duration,
    /// How long an Alertmanager waits before it tells of a new group: what is older when it comes is told at once.
    pub group_wait: Duration,
    /// Addresses that may be asked for details.
    pub allowed: Vec<Allowed>,
    /// Where details are kept over a restart.
    pub state_dir: Option<PathBuf>,
    /// Whether authenticated clients may write through the proxy.
    pub pass_through_writes: bool,
}

/// Reads the options anew, or says what is wrong with them.
pub type LoadOptions = Box<dyn Fn() -> Result<Options, String> + Send + Sync>;

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nobody to forward to.
    #[error("no Alertmanager is named")]
    NoAlertmanager,
    /// The file that names members cannot be read.
    #[error("--alertmanager-file: {0}")]
    Targets(String),
    /// The folder cannot be used.
    #[error("--state-dir: {}: {error}", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

/// What all parts of a proxy share.
pub(super) struct Shared {
    exchange: Mutex<Exchange>,
    members: Members,
    tasks: TaskTracker,
    /// Those that may offer copies yet.
    offering: TaskTracker,
    enricher: Enricher,
    fetcher: Arc<Fetcher>,
    keeper: Option<Keeper>,
    meter: Arc<Meter>,
    pace: Pace,
    /// Places for requests that are large.
    large: Semaphore,
    lates: Lates,
    budget: Duration,
    group_wait: Duration,
    pass_through_writes: bool,
}

/// A proxy that is ready to start.
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// Opens the doors of all members, and puts back the details that were kept.
    ///
    /// # Errors
    /// Everything that keeps it from its job.
    pub fn prepare(options: Options) -> Result<Self, ProxyError> {
        options.validate()?;
        let (how, rules) = (options.how(), options.rules());
        let Options { cluster, targets, budget, group_wait, state_dir, pass_through_writes, .. } = options;
        let meter = Arc::new(Meter::default());
        let fetcher = Fetcher::new(how, meter.clone(), state_dir.is_some());
        let keeper = state_dir.map(|folder| Keeper::open(&folder, &fetcher)).transpose()?;
        if keeper.is_none() {
            let why = "after a restart alerts of nodes that do not answer go out without their output";
            tracing::warn!(why, "no --state-dir");
        }
        let enricher = Enricher::new(rules, fetcher.clone(), meter.clone());
        let shared = Shared {
            exchange: Mutex::default(),
            members: Members::new(cluster, targets),
            tasks: TaskTracker::new(),
            offering: TaskTracker::new(),
            enricher,
            fetcher,
            keeper,
            meter,
            pace: Pace::default(),
            large: Semaphore::new(intake::LARGE_BODIES),
            lates: Lates::default(),
            budget,
            group_wait,
            pass_through_writes,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes alerts in and hands them on until the service ends. A reload takes from `options` what has changed, or why nothing
    /// may.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub async fn run(self, skeleton: Skeleton, options: LoadOptions) -> Result<(), ServeError> {
        let Self { shared } = self;
        let (readiness, ending) = (skeleton.readiness(), skeleton.ending());
        let bound = skeleton.bind().await?;
        let end = CancellationToken::new();
        shared.members.look(&shared, &end).await;
        shared.tasks.spawn(shared.clone().keep_house(readiness, end.clone()));
        shared.tasks.spawn({
            let (shared, end) = (shared.clone(), end.clone());
            async move { shared.members.follow(&shared, &end).await }
        });
        let pages = shared.clone();
        let service = Service {
            name: "proxy",
            routes: intake::routes(shared.clone()),
            metrics: Arc::new(move |out| metrics::write(out, &pages)),
            reload: {
                let shared = shared.clone();
                Arc::new(move || {
                    let adopted = options().and_then(|options| shared.adopt(options));
                    adopted.map_err(|why| format!("the old configuration stays: {why}"))?;
                    Ok(Some("configuration"))
                })
            },
            pages: Pages::default(),
        };
        bound.serve_during(service, ending.begun().cancelled()).await;
        tokio::select! {
            () = shared.drained() => {}
            () = tokio::time::sleep(DRAIN_FOR) => {}
            () = ending.at_once().cancelled() => {}
        }
        end.cancel();
        shared.tasks.close();
        // A member that hangs holds its request for as long as its timeout is; what was learned is kept before that.
        shared.keep().await;
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = tokio::time::sleep(DRAIN_FOR) => {}
            () = ending.at_once().cancelled() => {}
        }
        Ok(())
    }
}

impl Options {
    /// Reports what keeps a proxy from forwarding.
    fn validate(&self) -> Result<(), ProxyError> {
        let named = self.targets.as_deref().map(members::read).transpose().map_err(ProxyError::Targets)?;
        if self.cluster.alertmanager.is_empty() && named.is_none() {
            return Err(ProxyError::NoAlertmanager);
        }
        Ok(())
    }

    fn how(&self) -> How {
        let keep = self.rules.iter().map(|rule| rule.output_cap).max().unwrap_or(OUTPUT_CAP);
        How { confined: Confined::new(&self.cluster, self.allowed.clone(), MOST_DETAIL), keep }
    }

    fn rules(&self) -> Rules {
        let all = self.rules.iter().cloned().map(Arc::new).collect();
        Rules { all, check_label: self.cluster.check_label.clone() }
    }
}

impl Shared {
    /// Goes by these options from now on, but for what flags alone say: budget, state and who may write.
    fn adopt(&self, options: Options) -> Result<(), String> {
        options.validate().map_err(|error| error.to_string())?;
        self.fetcher.adopt(options.how());
        self.enricher.adopt(options.rules());
        self.members.adopt(options.cluster);
        Ok(())
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.members.all().iter().for_each(|delivery| delivery.wake());
    }

    /// Has an alert sent once more when its detail is there.
    fn catch_up(self: &Arc<Self>, late: Late) {
        let Some(labels) = self.lates.put(late) else { return };
        let shared = self.clone();
        self.offering.spawn(async move {
            if let Some((late, fetched)) = shared.lates.landed(&labels).await
                && let Some(copy) = Enricher::finish_late(late, fetched)
            {
                shared.repost(copy);
            }
        });
    }

    fn repost(&self, copy: Outgoing) {
        {
            let mut exchange = self.exchange();
            // One that came after it brings its own words, and what is resolved needs none.
            if exchange.newest(&copy.labels) != Some(copy.age.receipt) {
                return;
            }
            exchange.offer(copy);
        }
        self.meter.reposted();
        self.wake();
    }

    /// Returns the members, those that took their last request first.
    fn well_first(&self) -> Vec<Alertmanager> {
        let mut all = self.members.all();
        all.sort_by_key(|delivery| delivery.trouble().is_some());
        all.iter().map(|delivery| delivery.alertmanager()).collect()
    }

    /// Says what is wrong with each member.
    fn troubles(&self) -> String {
        let words = |delivery: &Arc<Delivery>| {
            let why = delivery.trouble().unwrap_or_else(|| "has not answered".to_owned());
            format!("{}: {why}", delivery.name)
        };
        let all: Vec<String> = self.members.all().iter().map(words).collect();
        if all.is_empty() { "no Alertmanager is known".to_owned() } else { all.join("; ") }
    }

    /// Returns once nothing is on its way: what is to be sent once more, and then what waits for a member.
    async fn drained(&self) {
        self.offering.close();
        self.offering.wait().await;
        while self.exchange().lanes().any(|(_, lane)| lane.len() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Forgets what is old, keeps what is new, and says whether anybody takes alerts.
    async fn keep_house(self: Arc<Self>, readiness: Readiness, end: CancellationToken) {
        let mut tidied = clock::instant();
        while !end.is_cancelled() {
            let deaf = self.members.all().iter().all(|delivery| delivery.trouble().is_some());
            readiness.block("alertmanagers", deaf.then(|| format!("none takes alerts: {}", self.troubles())));
            if tidied.elapsed() >= TIDY_EVERY {
                tidied = clock::instant();
                self.exchange().tidy(clock::moment());
                self.fetcher.tidy();
                self.keep().await;
                let trouble = self.keeper.as_ref().and_then(Keeper::trouble);
                readiness.note("state", trouble.map(|why| format!("details are not kept: {why}")));
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = end.cancelled() => {}
            }
        }
    }

    async fn keep(self: &Arc<Self>) {
        if self.keeper.is_some() {
            let shared = self.clone();
            crate::sys::apart::apart(move || {
                if let Some(keeper) = &shared.keeper {
                    keeper.keep(&shared.fetcher);
                }
            })
            .await;
        }
    }
}
