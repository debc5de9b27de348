//! What the proxy answers: alerts are taken in, everything that reads goes on to an Alertmanager.

use super::Shared;
use super::exchange::{Received, Verdict};
use super::meter::Answer;
use crate::net::{Passed, Write};
use crate::serve::skeleton::Peer;
use crate::serve::skeleton::http::{
    Body, Bytes, DefaultBodyLimit, Extension, IntoResponse, Method, Request, Response, Router, State,
    StatusCode, any, get, header, post, to_bytes,
};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::am_post::{self, Posted};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The largest request; 256 alerts with long annotations are a tenth of it.
const MOST_BODY: usize = 16 * 1024 * 1024;
/// The largest request that is only passed on: a silence.
const MOST_WRITE: usize = 1024 * 1024;
/// From this size on a request is read on a thread of its own.
const LARGE: usize = 1024 * 1024;
/// The longest that a sender waits. Prometheus gives up after ten seconds, and the next batch waits meanwhile.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Alertmanager sends at once what has fired for longer than this when it hears of it (its default `group_wait`): then the first
/// mail has what is there now, and it is worth this wait.
const GROUP_WAIT: Duration = Duration::from_secs(30);
const BEFORE_A_MAIL: Duration = Duration::from_secs(1);

type Proxy = State<Arc<Shared>>;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/v2/alerts", post(take).get(pass).layer(DefaultBodyLimit::max(MOST_BODY)))
        .route("/api/v2/{*path}", any(pass))
        .route("/api/v1/{*path}", any(async || refusal(StatusCode::GONE, V1)))
        .route("/", get(async || "iaasmon proxy: POST /api/v2/alerts, GET /api/v2/..., /metrics, /-/ready\n"))
        .with_state(shared)
}

/// As Alertmanager says since 0.27.
const V1: &str = "the v1 API is gone, as it is from Alertmanager 0.27 on: set `api_version: v2` in the sender's alertmanagers section";

fn refusal(status: StatusCode, why: &str) -> Response {
    // Alertmanager's errors are JSON strings.
    (status, [(header::CONTENT_TYPE, "application/json")], serde_json::json!(why).to_string()).into_response()
}

/// How close requests come one after the other.
#[derive(Default)]
pub(super) struct Pace {
    state: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    running: u32,
    begun: Option<Instant>,
    ended: Option<Instant>,
}

impl Pace {
    /// Begins a request and returns for how long there was none. Two senders that evaluate at the same time are no crowd: beside
    /// one that runs it counts from its beginning; beside more there was no rest.
    fn begin(&self, now: Instant) -> Duration {
        let mut recent = self.recent();
        let since = match recent.running {
            0 => recent.ended,
            1 => recent.begun,
            _ => Some(now),
        };
        recent.running += 1;
        recent.begun = Some(now);
        since.map_or(Duration::MAX, |since| now.saturating_duration_since(since))
    }

    fn end(&self, now: Instant) {
        let mut recent = self.recent();
        recent.running = recent.running.saturating_sub(1);
        recent.ended = Some(now);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that runs; it ends however that goes.
struct Running<'a>(&'a Pace);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end(clock::instant());
    }
}

/// `POST /api/v2/alerts`
async fn take(State(shared): Proxy, body: Bytes) -> Response {
    let begun = clock::instant();
    let idle = shared.pace.begin(begun);
    let running = Running(&shared.pace);
    let decoded = match body.len() {
        0..LARGE => am_post::decode(&body),
        _ => apart(move || am_post::decode(&body)).await,
    };
    let (alerts, misshapen) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            shared.meter.answered(Answer::Invalid, Duration::ZERO, begun.elapsed());
            return refusal(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    shared.meter.misshapen(misshapen.len());
    for one in misshapen.iter().take(3) {
        tracing::warn!(place = one.place, why = one.why, "a part of a request is no alert");
    }
    let only_bad = alerts.is_empty() && !misshapen.is_empty();
    let (answer, status, why, added) = match only_bad {
        true => (Answer::Invalid, StatusCode::BAD_REQUEST, misshapen[0].why.clone(), begun.elapsed()),
        false => forward(&shared, alerts, begun, idle).await,
    };
    drop(running);
    shared.meter.answered(answer, added, begun.elapsed());
    match status {
        StatusCode::OK => status.into_response(),
        _ => refusal(status, &why),
    }
}

/// Enriches alerts, hands them to the lanes, and waits for a member to take them.
async fn forward(
    shared: &Arc<Shared>,
    alerts: Vec<Posted>,
    begun: Instant,
    idle: Duration,
) -> (Answer, StatusCode, String, Duration) {
    let received = shared.exchange().receive(alerts, clock::moment());
    let (received, verdict) = match received {
        Ok(received) => received,
        Err(error) => {
            return (Answer::Failed, StatusCode::SERVICE_UNAVAILABLE, error.to_string(), begun.elapsed());
        }
    };
    received.iter().for_each(|one| shared.meter.received(one.resolved));
    let budget = budget(&received, shared.budget).min(idle);
    let mut works: Vec<_> = received.into_iter().map(|one| shared.enricher.begin(one)).collect();
    shared.enricher.wait(&mut works, budget).await;
    let (out, late): (Vec<_>, Vec<_>) =
        works.into_iter().map(|work| shared.enricher.finish(work, budget)).unzip();
    {
        let mut exchange = shared.exchange();
        out.into_iter().for_each(|copy| exchange.offer(copy));
    }
    shared.wake();
    let added = begun.elapsed();
    late.into_iter().flatten().for_each(|late| shared.clone().catch_up(late));
    let left = ANSWER_WITHIN.saturating_sub(begun.elapsed());
    match tokio::time::timeout(left, verdict).await {
        Ok(Ok(Verdict::Accepted)) => (Answer::Accepted, StatusCode::OK, String::new(), added),
        Ok(Ok(Verdict::Refused(why))) => (Answer::Refused, StatusCode::BAD_REQUEST, why, added),
        Ok(_) => (Answer::Failed, StatusCode::SERVICE_UNAVAILABLE, shared.troubles(), added),
        Err(_) => {
            let why =
                format!("no Alertmanager took the alerts within {ANSWER_WITHIN:?}: {}", shared.troubles());
            (Answer::Failed, StatusCode::GATEWAY_TIMEOUT, why, added)
        }
    }
}

/// How long a batch may wait for its details.
fn budget(received: &[Received], usual: Duration) -> Duration {
    let now = clock::moment();
    let mails_at_once = |one: &Received| {
        let waited = one.alert.starts_at.and_then(|at| (now.wall - at).to_std().ok()).unwrap_or_default();
        !one.resolved && one.first == one.at && waited > GROUP_WAIT
    };
    if usual.is_zero() || !received.iter().any(mails_at_once) { usual } else { usual.max(BEFORE_A_MAIL) }
}

/// Everything else of Alertmanager's API: what reads goes on, what writes only where that is wanted.
async fn pass(State(shared): Proxy, Extension(peer): Extension<Peer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let write = match parts.method {
        Method::GET | Method::HEAD => None,
        Method::POST => Some(Write::Post),
        Method::DELETE => Some(Write::Delete),
        _ => return refusal(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE alone are known here"),
    };
    if write.is_some() && !(shared.pass_through_writes && peer.is_authenticated()) {
        let why = "the proxy passes no writes on but alerts: its credentials are lent to nobody (--pass-through-writes lets authenticated clients write)";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let Ok(body) = to_bytes(body, MOST_WRITE).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
    };
    let mut last = "no Alertmanager is known".to_owned();
    for alertmanager in shared.well_first() {
        match alertmanager.pass(&path, write.map(|write| (write, body.to_vec()))).await {
            Ok(Passed { status, content_type, body }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                let head =
                    [(header::CONTENT_TYPE, content_type.unwrap_or_else(|| "application/json".to_owned()))];
                return (status, head, Body::from_stream(body)).into_response();
            }
            // A write may have arrived: it is not repeated elsewhere.
            Err(error) if write.is_some() && error.kind.may_have_arrived() => {
                return refusal(StatusCode::BAD_GATEWAY, &error.to_string());
            }
            Err(error) => last = error.to_string(),
        }
    }
    refusal(StatusCode::BAD_GATEWAY, &last)
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use crate::sys::clock;
    use std::time::Duration;

    #[test]
    fn requests_that_come_one_after_the_other_leave_no_time() {
        let (pace, begun) = (Pace::default(), clock::instant());
        let at = |millis| begun + Duration::from_millis(millis);
        let millis = |millis| Duration::from_millis(millis);
        assert_eq!(pace.begin(at(0)), Duration::MAX);
        assert_eq!(pace.begin(at(20)), millis(20), "another sender at the same time");
        assert_eq!(pace.begin(at(30)), millis(0), "a crowd");
        (0..3).for_each(|_| pace.end(at(100)));
        assert_eq!(pace.begin(at(101)), millis(1), "the next batch of the same sender");
        pace.end(at(102));
        assert_eq!(pace.begin(at(60_102)), millis(60_000));
    }
}
