//! Fetching details: one request for whoever asks for the same at a time, few at a time, and none to a node that is dead.

use super::breaker::Breaker;
use super::cache::{Cache, Cached};
use super::meter::Meter;
use super::words::Words;
use crate::net::{Confined, NetErrorKind};
use crate::sys::clock;
use crate::wire::detail::{decode_detail, error_text};
use foldhash::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use url::Url;

/// So many requests at a time, and so many more to nodes that did not answer the last one.
const AT_A_TIME: usize = 256;
const SUSPECTS: usize = 128;
/// So many of them to one node, once it has answered; until then one alone, for it may be dead.
const PER_NODE: usize = 4;
/// So many wait or run at most.
const MOST_FLIGHTS: usize = 50_000;
/// A node that nobody asked about for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// What a fetch brought.
pub(super) type Fetched = Result<Arc<Words>, Failure>;

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
    how: RwLock<Arc<How>>,
    good: Semaphore,
    suspect: Semaphore,
    meter: Arc<Meter>,
    keeps: bool,
    inner: Mutex<Inner>,
}

/// What a reload may change.
pub(super) struct How {
    /// Asks the addresses that may be asked.
    pub confined: Confined,
    /// How much of an output is kept.
    pub keep: usize,
}

#[derive(Default)]
struct Inner {
    cache: Cache,
    nodes: HashMap<Box<str>, Node>,
    flights: HashMap<Box<str>, watch::Receiver<Option<Fetched>>>,
    /// Details that were fetched since they were last kept, where anybody keeps them.
    unkept: HashSet<Box<str>>,
}

impl Inner {
    /// Notes that somebody wants to know, and says why nobody of these is asked now, if so.
    fn why_paused(&mut self, urls: &[Url], now: Instant) -> Option<String> {
        let mut why = Vec::new();
        for url in urls {
            let node = self.nodes.entry(place(url).into()).or_insert_with(|| Node::new(now));
            node.used = now;
            why.extend(node.breaker.why_open(now).map(str::to_owned));
        }
        if why.len() == urls.len() { why.into_iter().next() } else { None }
    }
}

struct Node {
    breaker: Breaker,
    permits: Arc<Semaphore>,
    has_answered: bool,
    used: Instant,
}

impl Node {
    fn new(now: Instant) -> Self {
        let permits = Arc::new(Semaphore::new(1));
        Self { breaker: Breaker::default(), permits, has_answered: false, used: now }
    }

    fn answered(&mut self) {
        self.breaker.answered();
        if !self.has_answered {
            self.has_answered = true;
            self.permits.add_permits(PER_NODE - 1);
        }
    }
}

/// A fetch that is under way. It is forgotten at its end, however that comes.
struct Flight {
    fetcher: Arc<Fetcher>,
    /// What is asked one after the other, until one has it. It is known by the first.
    urls: Vec<Url>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.fetcher.inner().flights.remove(self.urls[0].as_str());
    }
}

impl Fetcher {
    pub(super) fn new(how: How, meter: Arc<Meter>, keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            how: RwLock::new(Arc::new(how)),
            good: Semaphore::new(AT_A_TIME),
            suspect: Semaphore::new(SUSPECTS),
            meter,
            keeps,
            inner: Mutex::default(),
        })
    }

    /// Asks so from now on.
    pub(super) fn adopt(&self, how: How) {
        *self.how.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(how);
    }

    /// Returns what is known of a detail.
    pub(super) fn known(&self, url: &str) -> Option<Cached> {
        self.inner().cache.get(url)
    }

    /// Returns why nobody of these was reached when they were last asked, if so.
    pub(super) fn trouble(&self, urls: &[Url]) -> Option<String> {
        let inner = self.inner();
        let trouble = |url| inner.nodes.get(place(url))?.breaker.trouble();
        let all: Option<Vec<&str>> = urls.iter().map(trouble).collect();
        all?.first().map(|why| (*why).to_owned())
    }

    /// Begins to fetch a detail, unless that is under way; the receiver gets what came of it.
    pub(super) fn fetch(self: &Arc<Self>, urls: Vec<Url>, check: &str) -> watch::Receiver<Option<Fetched>> {
        let now = clock::instant();
        let mut inner = self.inner();
        if let Some(flight) = inner.flights.get(urls[0].as_str()) {
            return flight.clone();
        }
        let why = match inner.flights.len() < MOST_FLIGHTS {
            true => inner.why_paused(&urls, now),
            false => Some(format!("{MOST_FLIGHTS} details are being fetched")),
        };
        if let Some(why) = why {
            self.meter.failed(Class::Paused);
            return watch::channel(Some(Err(Failure { class: Class::Paused, why }))).1;
        }
        let (tell, receiver) = watch::channel(None);
        inner.flights.insert(urls[0].as_str().into(), receiver.clone());
        drop(inner);
        let flight = Flight { fetcher: self.clone(), urls };
        let check = check.to_owned();
        tokio::spawn(async move {
            let Flight { fetcher, urls } = &flight;
            let (first, others) = (&urls[0], &urls[1..]);
            let mut fetched = fetcher.fetch_from(first, first, &check).await;
            for other in others {
                let Err(failure) = &fetched else { break };
                let is_told = failure.class != Class::Unknown;
                let next = fetcher.fetch_from(other, first, &check).await;
                // Who did not answer may have what another one does not know.
                if next.is_ok() || !is_told {
                    fetched = next;
                }
            }
            // Whoever waited may have gone.
            let _ = tell.send(Some(fetched));
        });
        receiver
    }

    /// Fetches a detail from one place, known by that name.
    async fn fetch_from(&self, url: &Url, name: &Url, check: &str) -> Fetched {
        let begun = clock::instant();
        let permits = self.node(url, |node| node.permits.clone());
        // The node first: one that is slow must not hold places that others could use.
        let _of_node = permits.acquire().await;
        match self.place_for(url).await {
            Ok(_of_all) => {
                // A request is large, and of a storm most fetches wait: it is made for those that run.
                let fetched = Box::pin(self.ask(url, check)).await;
                let fetched = self.take_in(url, name, fetched);
                self.meter.fetched(&fetched, begun.elapsed());
                fetched
            }
            Err(why) => {
                self.meter.failed(Class::Paused);
                Err(Failure { class: Class::Paused, why })
            }
        }
    }

    /// Waits for a place among the requests that run, or says why the node is not asked. Others asked it meanwhile, so that it is
    /// known only now where its place is.
    async fn place_for(&self, url: &Url) -> Result<Option<SemaphorePermit<'_>>, String> {
        let mut is_suspect = self.node(url, |node| node.breaker.is_suspect());
        loop {
            let lane = if is_suspect { &self.suspect } else { &self.good };
            let place = lane.acquire().await.ok();
            let is_now = self.node(url, |node| node.breaker.is_suspect());
            if is_now == is_suspect {
                return self.node(url, |node| node.breaker.admit(clock::instant())).map(|()| place);
            }
            is_suspect = is_now;
        }
    }

    /// Looks at the node of a URL.
    fn node<T>(&self, url: &Url, look: impl FnOnce(&mut Node) -> T) -> T {
        let mut inner = self.inner();
        look(inner.nodes.entry(place(url).into()).or_insert_with(|| Node::new(clock::instant())))
    }

    async fn ask(&self, url: &Url, check: &str) -> Result<Words, NetErrorKind> {
        let how = self.how.read().unwrap_or_else(PoisonError::into_inner).clone();
        let body = how.confined.get(url, error_text).await?;
        Ok(Words::of(&decode_detail(check, &body)?, how.keep))
    }

    /// Notes what a fetch brought.
    fn take_in(&self, url: &Url, name: &Url, fetched: Result<Words, NetErrorKind>) -> Fetched {
        let now = clock::instant();
        let fetched = match fetched {
            Ok(words) => Ok(Arc::new(words)),
            Err(kind) => Err(Failure { class: Class::of(&kind), why: reason(url, &kind) }),
        };
        let mut inner = self.inner();
        if let Some(node) = inner.nodes.get_mut(place(url)) {
            match &fetched {
                Err(failure) if failure.class.is_of_the_node() => node.breaker.failed(&failure.why, now),
                _ => node.answered(),
            }
        }
        if let Ok(words) = &fetched {
            inner.cache.put(name.as_str(), Cached { words: words.clone(), fetched: Some(now) });
            if self.keeps {
                inner.unkept.insert(name.as_str().into());
            }
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
    pub(super) fn take_unkept(&self) -> Vec<(Box<str>, Arc<Words>)> {
        let mut inner = self.inner();
        let Inner { cache, unkept, .. } = &mut *inner;
        let words = |url: &str| cache.peek(url).map(|cached| cached.words.clone());
        unkept.drain().filter_map(|url| words(&url).map(|words| (url, words))).collect()
    }

    /// Reports whether a detail is held.
    pub(super) fn holds(&self, url: &str) -> bool {
        self.inner().cache.peek(url).is_some()
    }

    /// Puts back a detail that was kept over a restart. It is shown until a newer one is there.
    pub(super) fn restore(&self, url: &str, words: Words) {
        self.inner().cache.put(url, Cached { words: Arc::new(words), fetched: None });
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a fetch failed, in words that two proxies share: how long each of them waited differs.
fn reason(url: &Url, kind: &NetErrorKind) -> String {
    match kind {
        NetErrorKind::Timeout(_) => format!("{}: timed out", place(url)),
        kind => format!("{}: {kind}", place(url)),
    }
}

/// The node that a URL leads to: host and port, as they stand there.
fn place(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

#[cfg(test)]
mod tests {
    use super::{Fetcher, How};
    use crate::config::{Cluster, Defaults};
    use crate::net::Confined;
    use std::net::TcpListener;
    use std::sync::Arc;
    use url::Url;

    #[test]
    fn a_fetch_that_comes_to_no_end_is_forgotten() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let url: Url = format!("http://{address}/").parse().expect("a URL");
        let cluster = Cluster::new("east", &Defaults::default());
        let allowed = vec!["127.0.0.0/8".parse().expect("a network")];
        let how = How { confined: Confined::new(&cluster, allowed, 1000), keep: 1000 };
        let fetcher = Fetcher::new(how, Arc::default(), false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut flight = runtime.block_on(async {
            let flight = fetcher.fetch(vec![Url::clone(&url)], "disk");
            let same = fetcher.fetch(vec![url], "disk");
            assert!(flight.same_channel(&same), "whoever asks for the same waits for it");
            flight
        });
        assert_eq!(fetcher.counts()[2], 1);
        // As a panic does, this ends its task where it stands.
        drop(runtime);
        assert_eq!(fetcher.counts()[2], 0);
        assert!(flight.borrow_and_update().is_none());
    }
}
