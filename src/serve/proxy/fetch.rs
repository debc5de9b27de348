//! Fetching details: one request for whoever asks for the same at a time, few at a time, and none to a node that is dead.

use super::breaker::Breaker;
use super::cache::{Cache, Cached, trim};
use crate::model::check::Detail;
use crate::net::{Confined, NetErrorKind};
use crate::sys::clock;
use crate::wire::detail::{decode_detail, error_text};
use foldhash::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use url::Url;

/// So many requests at a time, and so many more to nodes that did not answer the last one.
const AT_A_TIME: usize = 256;
const SUSPECTS: usize = 64;
/// So many of them to one node.
const PER_NODE: usize = 4;
/// A node that nobody asked about for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// What a fetch brought.
pub(super) type Fetched = Result<Arc<Detail>, Failure>;

/// Why there is no detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its class, for counting.
    pub class: Class,
    /// In words.
    pub why: String,
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The alert's labels lead to no address.
    Label,
    /// The address may not be asked.
    Forbidden,
    /// The node did not answer lately and was not asked.
    Paused,
    Refused,
    Timeout,
    Tls,
    Broken,
    /// It answered that it does not have the check.
    Unknown,
    /// It answered with another error.
    Status,
    /// What it said is no detail, or too much.
    Garbage,
}

impl Class {
    pub(super) const ALL: [Self; 10] = [
        Self::Label,
        Self::Forbidden,
        Self::Paused,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::Broken,
        Self::Unknown,
        Self::Status,
        Self::Garbage,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Forbidden => "forbidden",
            Self::Paused => "paused",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::Status => "status",
            Self::Garbage => "garbage",
        }
    }

    fn of(kind: &NetErrorKind) -> Self {
        match kind {
            NetErrorKind::Timeout(_) | NetErrorKind::Unread(_) => Self::Timeout,
            NetErrorKind::Connect(_) => Self::Refused,
            NetErrorKind::Tls(_) => Self::Tls,
            NetErrorKind::Broken(_) => Self::Broken,
            NetErrorKind::Status { status: 404, .. } => Self::Unknown,
            NetErrorKind::Status { .. } | NetErrorKind::Redirect(_) => Self::Status,
            NetErrorKind::TooLarge(_) | NetErrorKind::Decode(_) => Self::Garbage,
            NetErrorKind::Unsent(_) => Self::Forbidden,
        }
    }

    /// Whether the node itself is the trouble, and not this check.
    fn is_of_the_node(self) -> bool {
        matches!(self, Self::Refused | Self::Timeout | Self::Tls | Self::Broken)
    }
}

/// Fetches details.
pub(super) struct Fetcher {
    confined: Confined,
    /// How much of an output is kept.
    keep: usize,
    good: Arc<Semaphore>,
    suspect: Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    cache: Cache,
    nodes: HashMap<Box<str>, Node>,
    flights: HashMap<Box<str>, watch::Receiver<Option<Fetched>>>,
    /// Details that were fetched since they were last kept.
    unkept: HashSet<Box<str>>,
}

struct Node {
    breaker: Breaker,
    permits: Arc<Semaphore>,
    used: Instant,
}

impl Fetcher {
    pub(super) fn new(confined: Confined, keep: usize) -> Arc<Self> {
        Arc::new(Self {
            confined,
            keep,
            good: Arc::new(Semaphore::new(AT_A_TIME)),
            suspect: Arc::new(Semaphore::new(SUSPECTS)),
            inner: Mutex::default(),
        })
    }

    /// Returns what is known of a detail.
    pub(super) fn known(&self, url: &Url) -> Option<Cached> {
        self.inner().cache.get(url.as_str())
    }

    /// Begins to fetch a detail, unless that is under way; the receiver gets what came of it.
    pub(super) fn fetch(self: &Arc<Self>, url: &Url, check: &str) -> watch::Receiver<Option<Fetched>> {
        let now = clock::instant();
        let mut inner = self.inner();
        if let Some(flight) = inner.flights.get(url.as_str()) {
            return flight.clone();
        }
        let node = inner.nodes.entry(place(url).into()).or_insert_with(|| Node {
            breaker: Breaker::default(),
            permits: Arc::new(Semaphore::new(PER_NODE)),
            used: now,
        });
        node.used = now;
        if let Err(why) = node.breaker.admit(now) {
            return watch::channel(Some(Err(Failure { class: Class::Paused, why }))).1;
        }
        let lane = if node.breaker.is_suspect() { &self.suspect } else { &self.good };
        let (lane, permits) = (lane.clone(), node.permits.clone());
        let (tell, flight) = watch::channel(None);
        inner.flights.insert(url.as_str().into(), flight.clone());
        drop(inner);
        let (fetcher, url, check) = (self.clone(), url.clone(), check.to_owned());
        tokio::spawn(async move {
            // The node first: one that is slow must not hold places that others could use.
            let _of_node = permits.acquire().await;
            let _of_all = lane.acquire().await;
            let fetched = fetcher.ask(&url, &check).await;
            // Whoever waited may have gone.
            let _ = tell.send(Some(fetcher.take_in(&url, fetched)));
        });
        flight
    }

    async fn ask(&self, url: &Url, check: &str) -> Result<Detail, NetErrorKind> {
        let body = self.confined.get(url, error_text).await?;
        let mut detail = decode_detail(check, &body)?;
        trim(&mut detail, self.keep);
        Ok(detail)
    }

    /// Notes what a fetch brought.
    fn take_in(&self, url: &Url, fetched: Result<Detail, NetErrorKind>) -> Fetched {
        let now = clock::instant();
        let fetched = match fetched {
            Ok(detail) => Ok(Arc::new(detail)),
            Err(kind) => Err(Failure { class: Class::of(&kind), why: format!("{}: {kind}", place(url)) }),
        };
        let mut inner = self.inner();
        inner.flights.remove(url.as_str());
        if let Some(node) = inner.nodes.get_mut(place(url)) {
            match &fetched {
                Err(failure) if failure.class.is_of_the_node() => node.breaker.failed(&failure.why, now),
                _ => node.breaker.answered(),
            }
        }
        if let Ok(detail) = &fetched {
            inner.cache.put(url.as_str(), detail.clone(), Some(now));
            inner.unkept.insert(url.as_str().into());
        }
        fetched
    }

    /// Forgets nodes that nobody asks about. Call it now and then.
    pub(super) fn tidy(&self) {
        let now = clock::instant();
        self.inner().nodes.retain(|_, node| now.duration_since(node.used) < FORGET_AFTER);
    }

    /// Returns how many details are held and the bytes of their words, how many fetches run, and how many nodes are left alone.
    pub(super) fn counts(&self) -> [usize; 4] {
        let (inner, now) = (self.inner(), clock::instant());
        let paused = inner.nodes.values().filter(|node| node.breaker.is_open(now)).count();
        [inner.cache.len(), inner.cache.bytes(), inner.flights.len(), paused]
    }

    /// Takes out the details that were fetched since the last call.
    pub(super) fn take_unkept(&self) -> Vec<(Box<str>, Arc<Detail>)> {
        let mut inner = self.inner();
        let Inner { cache, unkept, .. } = &mut *inner;
        unkept.drain().filter_map(|url| cache.get(&url).map(|cached| (url, cached.detail))).collect()
    }

    /// Reports whether a detail is held.
    pub(super) fn holds(&self, url: &str) -> bool {
        self.inner().cache.get(url).is_some()
    }

    /// Puts back a detail that was kept over a restart. It is shown until a newer one is there.
    pub(super) fn restore(&self, url: &str, detail: Detail) {
        self.inner().cache.put(url, Arc::new(detail), None);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node that a URL leads to: host and port, as they stand there.
fn place(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}
