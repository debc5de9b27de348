//! The pushgateway: holds what jobs without a node push, and is scraped for it, as Prometheus' own does.
//!
//! ```text
//! PUT, POST, DELETE /metrics/job/... -> body -> ready -> one writer: stage -> disk -> shelf -> GET /metrics
//!                     unpacked, read as text     held against all others    what is seen
//!                     or protobuf                at a cost that does not grow
//! ```
//!
//! What is acknowledged is on the disk, and what is refused leaves no trace but the stamp of its failure: a page that cannot be
//! scraped never comes of it.

mod api;
mod body;
mod bulk;
mod checks;
mod disk;
mod entries;
mod group;
mod index;
mod keep;
#[cfg(test)]
mod laws;
mod meter;
mod page;
mod past;
mod push;
mod ready;
mod refusals;
mod result;
mod room;
mod scrape;
mod seal;
mod series;
mod shelf;
mod stage;
mod tidy;
mod writer;

pub use keep::KeepError;
pub use writer::Promise;

use crate::model::family::Kind;
use crate::model::names::Names;
use crate::model::network::Network;
use crate::serve::skeleton::http::{Router, any, get, post, put};
use crate::serve::skeleton::{Bound, Ending, LongAnswers, Pages, Service};
use crate::sys::clock;
use crate::wire::exposition::{Exposition, Format};
use index::Index;
use keep::Keeper;
use meter::Meter;
use refusals::Refusals;
use room::Room;
use scrape::Scrape;
use series::Series;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use writer::{Groups, Message, Parts, QUEUE, Writer};

/// What a pushgateway is told at its start.
#[derive(Debug)]
pub struct Options {
    /// Where groups are kept; none keeps nothing over a restart.
    pub file: Option<PathBuf>,
    /// When what is acknowledged is there.
    pub promise: Promise,
    /// Whether a push is told that it cannot stand beside others, where it cannot. It is not taken in any case.
    pub check_consistency: bool,
    /// Which names metrics and labels may have.
    pub names: Names,
    /// How many bytes all groups may hold.
    pub limit: usize,
    /// How many bytes of an output are kept.
    pub output_limit: usize,
    /// Who may read the words of checks, beside this machine and authenticated clients.
    pub detail_allow: Vec<Network>,
    /// After how long without a push groups of a job go; the first pattern that fits.
    pub ttls: Vec<(regex::Regex, Duration)>,
    /// Where it is scraped.
    pub telemetry_path: String,
    /// What comes before every path.
    pub prefix: String,
    /// What comes before every path for browsers, which may ask through a proxy.
    pub browsed: String,
    /// Whether it may be told to end over HTTP.
    pub lifecycle: bool,
    /// Whether all groups may be deleted at once over HTTP.
    pub admin_api: bool,
    /// The flags as they were given, for `/api/v1/status`.
    pub flags: Vec<(String, String)>,
}

impl Options {
    fn ttl_of(&self, job: &str) -> Option<Duration> {
        self.ttls.iter().find(|(pattern, _)| pattern.is_match(job)).map(|(_, ttl)| *ttl)
    }
}

/// What all parts of a gateway share.
struct Shared {
    options: Options,
    groups: Groups,
    series: Series,
    /// The names of its own families.
    own: BTreeSet<String>,
    /// None once the service ends.
    writer: Mutex<Option<mpsc::Sender<Message>>>,
    room: Room,
    refusals: Refusals,
    long: LongAnswers,
    keeper: Option<Arc<Keeper>>,
    meter: Arc<Meter>,
    started: crate::model::time::Timestamp,
    ending: Ending,
}

impl Shared {
    fn writer(&self) -> Option<mpsc::Sender<Message>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A pushgateway that is ready to start.
pub struct Gateway {
    shared: Arc<Shared>,
    writer: std::thread::JoinHandle<()>,
}

impl Gateway {
    /// Reads what was kept. The addresses are bound by then: who finds one in use leaves no new file behind.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn prepare(options: Options, bound: &Bound) -> Result<Self, KeepError> {
        let limit = options.limit as u64;
        let keeper =
            options.file.as_deref().map(|file| Keeper::open(file, limit.saturating_mul(2))).transpose()?;
        let keeper = keeper.map(Arc::new);
        let (series, meter) = (Series::default(), Arc::new(Meter::default()));
        let own = own_families(bound);
        let own_names = own.iter().map(|(name, _)| name.clone()).collect();
        let own = own.into_iter().chain([(ready::STATUS.to_owned(), Kind::Gauge)]);
        let parts = Parts {
            index: Index::new(own, series.clone()),
            series: series.clone(),
            keeper: keeper.clone(),
            promise: options.promise,
            limit: options.limit,
            keep: options.output_limit,
            readiness: bound.readiness(),
            meter: meter.clone(),
        };
        let (writer, groups) = Writer::open(parts, clock::moment())?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let shared = Shared {
            options,
            groups,
            series,
            own: own_names,
            writer: Mutex::new(Some(sender)),
            room: Room::default(),
            refusals: Refusals::default(),
            long: LongAnswers::default(),
            keeper,
            meter,
            started: clock::now(),
            ending: bound.ending(),
        };
        let writer = std::thread::spawn(move || writer.run(messages));
        Ok(Self { shared: Arc::new(shared), writer })
    }

    /// Takes pushes until the service ends.
    pub async fn run(self, bound: Bound) {
        let Self { shared, writer } = self;
        let ending = bound.ending();
        if let Some(writer) = shared.writer() {
            tokio::spawn(writer::tick(writer.downgrade()));
        }
        let pages = shared.clone();
        let service = Service {
            name: "pushgateway",
            routes: shared.clone().routes(),
            metrics: Arc::new(move |out| pages.write(out)),
            reload: Arc::new(|| Ok(None)),
            pages: Pages {
                prefix: shared.options.prefix.clone(),
                metrics: shared.options.telemetry_path.clone(),
                formats: &[Format::Text, Format::Protobuf],
                long: Some(shared.long.clone()),
            },
        };
        bound.serve_during(service, ending.begun().cancelled()).await;
        drop(shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        // What was taken is written before the end; the disk decides how long that takes.
        let _ = crate::sys::apart::apart(move || writer.join()).await;
    }
}

impl Shared {
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/metrics/{*rest}", any(push::push))
            .merge(checks::routes())
            .route("/api/v1/push", post(bulk::push))
            .route("/api/v1/metrics", get(api::metrics).options(api::options))
            .route("/api/v1/status", get(api::status).options(api::options))
            .route("/api/v1/admin/wipe", put(api::wipe))
            .route("/-/quit", any(api::quit))
            .route("/", get(page::page))
            .route("/status", get(page::page))
            .route("/static/page.js", get(page::script))
            .route("/static/page.css", get(page::style))
            .with_state(self)
    }

    fn write(&self, out: &mut Exposition) {
        let all = Scrape::of(&writer::look(&self.groups));
        let sorted = all.sorted(out.format());
        for name in &self.own {
            if let Some((head, lines)) = sorted.family(name) {
                out.host(name, head, lines);
            }
        }
        self.meter.write(out, all.len(), all.bytes());
        sorted.write(clock::moment(), &self.own, out);
    }
}

/// The families that the gateway exposes by itself: others of their names have to be of their types.
fn own_families(bound: &Bound) -> Vec<(String, Kind)> {
    let mut page = Exposition::new(Format::Text);
    Meter::default().write(&mut page, 0, 0);
    bound.write_metrics("pushgateway", &mut page);
    let page = page.finish();
    // A family without samples is none for a parser; its head is there all the same.
    let heads = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let kind = |word: &str| match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "summary" => Kind::Summary,
        "histogram" => Kind::Histogram,
        _ => Kind::Untyped,
    };
    heads.map(|(name, word)| (name.to_owned(), kind(word))).collect()
}
