//! The HTTP client of one cluster: time limits, authentication, TLS, caps, and typed errors.

use super::client::build_client;
use super::deadline::Deadline;
use super::error::{NetError, NetErrorKind};
use crate::config::{Auth, Cluster, reason};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::model::time::{Timestamp, age};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::WireError;
use crate::wire::exposition::Format;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use reqwest::{Client, Method};
use secrecy::ExposeSecret as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// At most so many requests at a time per replica: a Prometheus serves 20 queries at once by default,
/// and we are not alone.
const CONCURRENT_PER_REPLICA: usize = 4;

/// How many redirects on the same host are followed (a route prefix, a trailing slash).
const MAX_REDIRECTS: usize = 5;

/// From this size on a body is decoded on a thread of its own: 1 MiB takes some 5 ms.
const LARGE: usize = 1 << 20;

/// A list of alerts is decoded while it comes and may be so many times as large as any other answer: 50,000 alerts
/// with their outputs are 100 MB, which an Alertmanager before 0.26 sends uncompressed.
const STREAMED: u64 = 8;

/// When and how a request was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Meta {
    /// From sending until the body was read.
    pub took: Duration,
    /// When the answer was complete, by our clock.
    pub at: Timestamp,
    /// How far the server's clock is from ours in seconds (positive: ahead), from its `Date` header,
    /// which has a resolution of one second.
    pub skew: Option<f64>,
}

/// A decoded answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The value.
    pub value: T,
    /// When and how.
    pub meta: Meta,
    /// What the server remarked beside its answer.
    pub warnings: Vec<String>,
}

impl<T> Reply<T> {
    /// Applies `f` to the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: f(self.value), meta: self.meta, warnings: self.warnings }
    }
}

/// A replica's door: where it is and how to get in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    replica: Arc<Replica>,
    base: Url,
    /// Why no request can be sent, where that is so: a certificate or key that cannot be used.
    client: Result<Client, Arc<str>>,
    auth: Option<Auth>,
    timeout: Duration,
    /// The limit of the question that a request belongs to, if it is one of several.
    deadline: Option<Deadline>,
    max_body: u64,
    permits: Arc<Semaphore>,
}

/// A request under way.
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Below the base URL, with a leading slash.
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    /// What is told beside what every request tells.
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Payload<'a>,
    /// Whether a repetition does no harm.
    pub repeatable: bool,
}

/// What is sent in the body.
pub(super) enum Payload<'a> {
    None,
    Json(&'a serde_json::Value),
    Form(&'a [(&'a str, &'a str)]),
    /// JSON that is written already.
    Written(Vec<u8>),
    /// Metrics, as whatever they are written.
    Metrics(&'a [u8], Format),
}

impl<'a> Ask<'a> {
    /// A plain GET.
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, query: &[], headers: &[], body: Payload::None, repeatable: true }
    }
}

/// Reads the server's words out of an error body.
pub(super) type ErrorText<'a> = dyn Fn(&[u8]) -> String + Sync + 'a;

/// An answer that is passed on.
pub struct Passed {
    /// Its status.
    pub status: u16,
    /// What it says that its body is.
    pub content_type: Option<String>,
    /// Its body, while it comes.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
}

/// What came back before it is decoded.
pub(super) struct Raw<B = Vec<u8>> {
    pub body: B,
    pub meta: Meta,
}

impl Http {
    /// Opens the doors of all replicas of one kind.
    ///
    /// A door that cannot be opened (a certificate that cannot be read) is there and says why at each request:
    /// the other clusters must not suffer from it.
    pub fn open(cluster: &Cluster, kind: ReplicaKind, urls: &[Url]) -> Vec<Self> {
        urls.iter().map(|url| Self::open_one(cluster, kind, url)).collect()
    }

    /// Opens the door of one replica.
    pub fn open_one(cluster: &Cluster, kind: ReplicaKind, url: &Url) -> Self {
        Self::open_at(cluster, kind, url, None)
    }

    /// Opens the door of one replica, at this one of the addresses that its name has.
    pub fn open_at(cluster: &Cluster, kind: ReplicaKind, url: &Url, address: Option<SocketAddr>) -> Self {
        let name = replica_name(url);
        let name = address.map_or_else(|| name.clone(), |address| format!("{name} ({address})"));
        let replica = Replica { cluster: cluster.name.clone(), kind, name: name.into() };
        let (base, client) = match build_client(cluster, url, address) {
            Ok((base, client)) => (base, Ok(client)),
            Err(why) => (url.clone(), Err(why.into())),
        };
        Self {
            replica: Arc::new(replica),
            base,
            client,
            auth: cluster.auth.clone(),
            timeout: cluster.timeout,
            deadline: None,
            max_body: cluster.max_body,
            permits: Arc::new(Semaphore::new(CONCURRENT_PER_REPLICA)),
        }
    }

    /// Returns who is behind the door.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns the base URL as configured.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Returns how long a request that is sent now may take.
    pub fn time_left(&self) -> Duration {
        self.deadline.map_or(self.timeout, |deadline| deadline.left().min(self.timeout))
    }

    /// Makes a reply of the answer to what was asked at `path`.
    pub(super) async fn reply<T: Send + 'static>(
        &self,
        path: &str,
        raw: Raw,
        decode: impl FnOnce(&[u8]) -> Result<T, WireError> + Send + 'static,
    ) -> Result<Reply<T>, NetError> {
        match self.decode(raw, decode).await {
            Ok((value, meta)) => Ok(Reply { value, meta, warnings: Vec::new() }),
            Err(kind) => Err(NetError { replica: self.replica().clone(), request: path.to_owned(), kind }),
        }
    }

    /// Decodes a body within the time that its request has left. A large one is decoded on a thread of its own:
    /// on that of the requests it would hold up everybody else's answers and time limits.
    async fn decode<T: Send + 'static>(
        &self,
        raw: Raw,
        decode: impl FnOnce(&[u8]) -> Result<T, WireError> + Send + 'static,
    ) -> Result<(T, Meta), NetErrorKind> {
        let Raw { body, meta } = raw;
        if body.len() < LARGE {
            return Ok((decode(&body)?, meta));
        }
        let left = match self.deadline {
            Some(deadline) => deadline.left(),
            None => self.timeout.saturating_sub(meta.took),
        };
        let permits = self.permits.clone();
        let decoding = async {
            // Held by the thread, not by who waits for it: given up answers count until they are out of the way.
            let permit = permits.acquire_owned().await;
            apart(move || {
                let _permit = permit;
                decode(&body)
            })
            .await
        };
        match tokio::time::timeout(left, decoding).await {
            Ok(decoded) => Ok((decoded?, meta)),
            Err(_) => Err(NetErrorKind::Unread(self.limit())),
        }
    }

    /// Returns the same door for the requests of one question, which must all be answered by `deadline`.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// What a request that took too long is told to have taken.
    fn limit(&self) -> Duration {
        self.deadline.map_or(self.timeout, |deadline| deadline.limit().min(self.timeout))
    }

    /// Sends a request and reads its body, all within the cluster's time limit.
    ///
    /// `error_text` reads the server's words out of an error body.
    pub(super) async fn ask(&self, ask: Ask<'_>, error_text: fn(&[u8]) -> String) -> Result<Raw, NetError> {
        self.ask_looking(ask, &error_text).await
    }

    /// As [`Self::ask`], where `error_text` looks at an error body for more than the words.
    pub(super) async fn ask_looking(
        &self,
        ask: Ask<'_>,
        error_text: &ErrorText<'_>,
    ) -> Result<Raw, NetError> {
        let take = |body: &mut Vec<u8>, chunk: &[u8]| {
            body.extend_from_slice(chunk);
            Ok(())
        };
        self.receive(ask, error_text, self.max_body, Vec::with_capacity, take).await
    }

    /// As [`Self::ask`], for bodies that are decoded while they come and may be larger: `begin` starts with the length
    /// that the server announced, or 0, once more for a repetition; `take` gets every chunk.
    pub(super) async fn stream<B>(
        &self,
        ask: Ask<'_>,
        error_text: fn(&[u8]) -> String,
        begin: impl Fn(usize) -> B,
        take: impl Fn(&mut B, &[u8]) -> Result<(), WireError>,
    ) -> Result<Raw<B>, NetError> {
        self.receive(ask, &error_text, self.max_body.saturating_mul(STREAMED), begin, take).await
    }

    async fn receive<B>(
        &self,
        ask: Ask<'_>,
        error_text: &ErrorText<'_>,
        cap: u64,
        begin: impl Fn(usize) -> B,
        take: impl Fn(&mut B, &[u8]) -> Result<(), WireError>,
    ) -> Result<Raw<B>, NetError> {
        let request = format!("{} {}", ask.method, ask.path);
        let failed =
            |kind| NetError { replica: Replica::clone(&self.replica), request: request.clone(), kind };
        let started = clock::instant();
        // One limit over everything, the wait for a permit and the repetition included.
        let answer = tokio::time::timeout(self.time_left(), async {
            let _permit = self.permits.acquire().await;
            match self.send(&ask, error_text, cap, &begin, &take).await {
                // A pooled connection that the server closed meanwhile breaks at once; a fresh one will do.
                Err(NetErrorKind::Broken(_)) if ask.repeatable => {
                    self.send(&ask, error_text, cap, &begin, &take).await
                }
                answer => answer,
            }
        });
        let (body, date) = match answer.await {
            Ok(answer) => answer.map_err(failed)?,
            Err(_) => return Err(failed(NetErrorKind::Timeout(self.limit()))),
        };
        let took = started.elapsed();
        let at = clock::now();
        Ok(Raw { body, meta: Meta { took, at, skew: date.map(|date| skew(date, at, took)) } })
    }

    async fn send<B>(
        &self,
        ask: &Ask<'_>,
        error_text: &ErrorText<'_>,
        cap: u64,
        begin: &impl Fn(usize) -> B,
        take: &impl Fn(&mut B, &[u8]) -> Result<(), WireError>,
    ) -> Result<(B, Option<Timestamp>), NetErrorKind> {
        let client = self.client.as_ref().map_err(|why| NetErrorKind::Unsent(why.to_string()))?;
        let response = self.deliver(client, ask).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(NetErrorKind::Redirect(redirect_target(&response)));
        }
        let date =
            response.headers().get("date").and_then(|date| date.to_str().ok()).and_then(parse_http_date);
        if status.is_success() {
            // What a server announces is believed only as far as it may be sent.
            let announced = response.content_length().unwrap_or(0).min(cap);
            let mut body = begin(announced as usize);
            read_capped(response, cap, |chunk| Ok(take(&mut body, chunk)?)).await?;
            return Ok((body, date));
        }
        // An error page needs no 64 MiB; what cannot be read of it does not hide the status.
        let mut body = Vec::new();
        let take = |chunk: &[u8]| {
            body.extend_from_slice(chunk);
            Ok(())
        };
        if read_capped(response, 64 * 1024, take).await.is_err() {
            body.clear();
        }
        Err(NetErrorKind::Status { status: status.as_u16(), message: one_line(&error_text(&body)) })
    }

    /// Passes a request on as it is and returns the answer as it comes, whatever its status: within the time limit up to its head,
    /// and twelve times as long up to its end.
    pub(super) async fn pass(
        &self,
        method: Method,
        path_and_query: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Passed, NetErrorKind> {
        let client = self.client.as_ref().map_err(|why| NetErrorKind::Unsent(why.to_string()))?;
        let prefix = self.base.path().trim_end_matches('/');
        let url = self.base.join(&format!("{prefix}{path_and_query}"));
        let url = url.map_err(|error| NetErrorKind::Unsent(error.to_string()))?;
        // `..` must not lead out of the API, nor what a server behind this one reads as dots and slashes.
        let is_below = url.path().starts_with(&format!("{prefix}/api/v2/"));
        let coded = url.path().to_ascii_lowercase();
        let hides = ["%2f", "%5c", "%2e"].iter().any(|hidden| coded.contains(hidden));
        if url.origin() != self.base.origin() || !is_below || hides {
            return Err(NetErrorKind::Unsent(format!("{} is not below /api/v2/", url.path())));
        }
        let request = client.request(method, url).timeout(self.timeout * 12);
        let request = match body {
            Some(body) => request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body),
            None => request,
        };
        let request = match &self.auth {
            Some(auth) => authenticate(request, auth).await?,
            None => request,
        };
        let sent = tokio::time::timeout(self.timeout, request.send()).await;
        let response = sent.map_err(|_| NetErrorKind::Timeout(self.timeout))?;
        let response = response.map_err(|error| NetErrorKind::of_transport(&error, self.timeout))?;
        let content_type = response.headers().get(reqwest::header::CONTENT_TYPE);
        Ok(Passed {
            status: response.status().as_u16(),
            content_type: content_type.and_then(|value| value.to_str().ok()).map(str::to_owned),
            body: response.bytes_stream().map_err(std::io::Error::other).boxed(),
        })
    }

    /// Sends a request, and a reading one once more where the server says that it has to go.
    async fn deliver(&self, client: &Client, ask: &Ask<'_>) -> Result<reqwest::Response, NetErrorKind> {
        let mut url = self.url(ask.path);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        for _ in 0..MAX_REDIRECTS {
            let response = self.send_to(client, ask, url.clone()).await?;
            match onward(ask, &url, &response) {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        self.send_to(client, ask, url).await
    }

    async fn send_to(
        &self,
        client: &Client,
        ask: &Ask<'_>,
        url: Url,
    ) -> Result<reqwest::Response, NetErrorKind> {
        let request = client.request(ask.method.clone(), url);
        let request =
            ask.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = match &ask.body {
            Payload::None => request,
            Payload::Json(json) => request.json(json),
            Payload::Form(form) => request.form(form),
            Payload::Written(json) => {
                request.header(reqwest::header::CONTENT_TYPE, "application/json").body(json.clone())
            }
            Payload::Metrics(body, format) => {
                request.header(reqwest::header::CONTENT_TYPE, format.content_type()).body(body.to_vec())
            }
        };
        let request = match &self.auth {
            Some(auth) => authenticate(request, auth).await?,
            None => request,
        };
        request.send().await.map_err(|error| NetErrorKind::of_transport(&error, self.limit()))
    }

    /// Joins the path to the base, keeping the base's own prefix (`/prometheus`).
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}{path}"));
        url
    }
}

/// Returns what an operator calls a server: `host:port` and the path prefix, if any.
pub fn replica_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}{}", url.path().trim_end_matches('/'))
}

/// Returns where a redirect is followed to: only within the same scheme, host and port, for credentials must not
/// travel, and only by what reads. A write that comes to another address (a login page) would pass for done there.
fn onward(ask: &Ask<'_>, from: &Url, response: &reqwest::Response) -> Option<Url> {
    // 307 and 308 alone leave a query in its body what it is.
    let same_request = matches!(response.status().as_u16(), 307 | 308);
    let reads = ask.method == Method::GET || (same_request && matches!(ask.body, Payload::Form(_)));
    let location = response.headers().get("location")?.to_str().ok()?;
    let to = from.join(location).ok()?;
    (response.status().is_redirection() && reads && to.origin() == from.origin()).then_some(to)
}

fn redirect_target(response: &reqwest::Response) -> String {
    let location = response.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or("nowhere");
    match Url::parse(location) {
        Ok(url) => format!("{}://{}", url.scheme(), replica_name(&url)),
        Err(_) => one_line(location),
    }
}

async fn authenticate(
    request: reqwest::RequestBuilder,
    auth: &Auth,
) -> Result<reqwest::RequestBuilder, NetErrorKind> {
    let secret = async |path: &std::path::Path| {
        let unsent = |why: &str| NetErrorKind::Unsent(format!("cannot read {}: {why}", path.display()));
        let text = tokio::fs::read_to_string(path).await.map_err(|e| unsent(&reason(&e)))?;
        match text.trim() {
            "" => Err(unsent("it is empty")),
            text if text.contains(char::is_control) => Err(unsent("it holds more than one line")),
            text => Ok(text.to_owned()),
        }
    };
    Ok(match auth {
        Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
        Auth::BearerFile(path) => request.bearer_auth(secret(path).await?),
        Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
        Auth::BasicFile { user, password_file } => {
            request.basic_auth(user, Some(secret(password_file).await?))
        }
    })
}

/// Reads a body, counting bytes after decompression, and gives up at `cap`.
pub(super) async fn read_capped(
    mut response: reqwest::Response,
    cap: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), NetErrorKind>,
) -> Result<(), NetErrorKind> {
    if response.content_length().is_some_and(|announced| announced > cap) {
        return Err(NetErrorKind::TooLarge(cap));
    }
    let mut read = 0;
    while let Some(chunk) =
        response.chunk().await.map_err(|e| NetErrorKind::of_transport(&e, Duration::ZERO))?
    {
        read += chunk.len() as u64;
        if read > cap {
            return Err(NetErrorKind::TooLarge(cap));
        }
        take(&chunk)?;
    }
    Ok(())
}

/// Keeps error texts to one line of a screen's length; an HTML page says nothing that the status does not.
pub(super) fn one_line(text: &str) -> String {
    if text.trim_start().starts_with('<') {
        return String::new();
    }
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(300)].to_owned()
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

/// Returns how far the server's clock is ahead, taking the middle of the exchange as its moment.
fn skew(date: Timestamp, at: Timestamp, took: Duration) -> f64 {
    let middle = at - took / 2;
    let ahead = age(middle, date).as_secs_f64() - age(date, middle).as_secs_f64();
    // `Date` is cut to whole seconds: half a second is the best guess of what is missing.
    ahead + 0.5
}
