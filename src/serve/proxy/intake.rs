//! What the proxy answers: alerts are taken in, everything that reads goes on to an Alertmanager.

use super::Shared;
use super::exchange::{Received, Verdict};
use super::meter::Answer;
use crate::net::{Passed, Write};
use crate::serve::skeleton::Peer;
use crate::serve::skeleton::http::{
    Body, Bytes, Extension, IntoResponse, Method, Request, Response, Router, State, StatusCode, any, get,
    header, post, to_bytes,
};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::am_post::{self, Posted};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// The largest request; 256 alerts with long annotations are a tenth of it.
const MOST_BODY: usize = 16 * 1024 * 1024;
/// The largest request that is only passed on: a silence.
const MOST_WRITE: usize = 1024 * 1024;
/// From this size on a request is decoded on a thread of its own, and needs a place.
const LARGE: usize = 1024 * 1024;
/// So many KiB of large requests are held at a time.
pub(super) const LARGE_BODIES: usize = 64 * 1024;
/// How long one waits for its place.
const PLACE_WITHIN: Duration = Duration::from_secs(2);
/// The longest that a sender waits. Prometheus gives up after ten seconds, and the next batch waits meanwhile.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// What is told at once may wait for so long, and an alert is heard of for the first time for so long.
const BEFORE_A_MAIL: Duration = Duration::from_secs(1);

type Proxy = State<Arc<Shared>>;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/v2/alerts", post(take).get(pass))
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
    /// When the first of those that run began.
    begun: Option<Instant>,
    /// How long those that run waited for details.
    waited: Duration,
    /// How long they may: as long as there was rest before, less what was spent since.
    credit: Duration,
    ended: Option<Instant>,
}

impl Pace {
    /// Begins a request that would wait for so long, and returns until when it may: all together they wait for no longer than there
    /// was rest, a second of it at the most, so that whoever sends one after the other is not held up. Senders that come at the same
    /// time wait together, and the second copy of an alert has what the first has.
    fn begin(&self, now: Instant, wanted: Duration) -> Instant {
        let mut recent = self.recent();
        if recent.running == 0 {
            let rest = recent.ended.map_or(Duration::MAX, |ended| now.saturating_duration_since(ended));
            recent.credit = recent.credit.saturating_add(rest).min(wanted.max(BEFORE_A_MAIL));
            (recent.begun, recent.waited) = (Some(now), Duration::ZERO);
        }
        recent.running += 1;
        recent.begun.unwrap_or(now) + wanted.min(recent.credit)
    }

    /// The details of a request are there, or it waits for them no longer.
    fn waited(&self, now: Instant) {
        let mut recent = self.recent();
        let since = recent.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        recent.waited = recent.waited.max(since);
    }

    fn end(&self, now: Instant) {
        let mut recent = self.recent();
        recent.running = recent.running.saturating_sub(1);
        if recent.running == 0 {
            recent.credit = recent.credit.saturating_sub(recent.waited);
        }
        recent.ended = Some(now);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that runs; it ends however that goes.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.pace.end(clock::instant());
    }
}

/// `POST /api/v2/alerts`
async fn take(State(shared): Proxy, request: Request) -> Response {
    let begun = clock::instant();
    let (body, _place) = match read(&shared.large, request).await {
        Ok(read) => read,
        Err((answer, refusal)) => {
            shared.meter.answered(answer, Duration::ZERO, begun.elapsed());
            return refusal;
        }
    };
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
        false => forward(&shared, alerts, begun).await,
    };
    shared.meter.answered(answer, added, begun.elapsed());
    match status {
        StatusCode::OK => status.into_response(),
        _ => refusal(status, &why),
    }
}

/// Reads the body of a request. One that is large has a place until it is answered, so that few are held at a time.
async fn read(
    places: &Semaphore,
    request: Request,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), (Answer, Response)> {
    let too_large =
        || (Answer::Invalid, refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 16 MiB"));
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok()).unwrap_or(MOST_BODY);
    let place = match length {
        0..LARGE => None,
        LARGE..=MOST_BODY => {
            let kibibytes = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
            match tokio::time::timeout(PLACE_WITHIN, places.acquire_many(kibibytes)).await {
                Ok(place) => place.ok(),
                Err(_) => {
                    let why = "too many large requests are under way";
                    return Err((Answer::Failed, refusal(StatusCode::SERVICE_UNAVAILABLE, why)));
                }
            }
        }
        _ => return Err(too_large()),
    };
    let body = to_bytes(request.into_body(), MOST_BODY).await;
    body.map(|body| (body, place)).map_err(|_| too_large())
}

/// Hands alerts on, and waits for a member to take them.
async fn forward(
    shared: &Arc<Shared>,
    alerts: Vec<Posted>,
    begun: Instant,
) -> (Answer, StatusCode, String, Duration) {
    let handed = shared.offering.spawn(hand_on(shared.clone(), alerts, begun)).await;
    let added = begun.elapsed();
    let failed = |why: String| (Answer::Failed, StatusCode::SERVICE_UNAVAILABLE, why, added);
    let (verdict, _running) = match handed {
        Ok(handed) => handed,
        Err(error) => return failed(format!("the alerts could not be handed on: {error}")),
    };
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

/// Enriches alerts and hands them to the lanes. It is a task of its own: a copy that was received is the newest from then on, and
/// goes out though its sender hangs up.
async fn hand_on(
    shared: Arc<Shared>,
    alerts: Vec<Posted>,
    begun: Instant,
) -> (oneshot::Receiver<Verdict>, Running) {
    let (received, verdict) = shared.exchange().receive(alerts, clock::moment());
    received.iter().for_each(|one| shared.meter.received(one.resolved));
    let until = shared.pace.begin(begun, budget(&received, shared.budget, shared.group_wait));
    let running = Running(shared.clone());
    let mut works: Vec<_> = received.into_iter().map(|one| shared.enricher.begin(one)).collect();
    shared.enricher.wait(&mut works, until).await;
    shared.pace.waited(clock::instant());
    let (out, late): (Vec<_>, Vec<_>) = works.into_iter().map(|work| shared.enricher.finish(work)).unzip();
    {
        let mut exchange = shared.exchange();
        out.into_iter().for_each(|copy| exchange.offer(copy));
    }
    shared.wake();
    late.into_iter().flatten().for_each(|late| shared.catch_up(late));
    (verdict, running)
}

/// How long a batch may wait for its details. Alertmanager tells at once of what has fired for longer than its `group_wait` when it
/// hears of it: then the first mail has what is there now, and that is worth a longer wait.
fn budget(received: &[Received], usual: Duration, group_wait: Duration) -> Duration {
    let now = clock::moment();
    let mails_at_once = |one: &Received| {
        let waited = one.alert.starts_at.and_then(|at| (now.wall - at).to_std().ok()).unwrap_or_default();
        // Its first copy may have come by another sender.
        let is_first = one.at.saturating_duration_since(one.first) <= BEFORE_A_MAIL;
        !one.resolved && is_first && waited >= group_wait
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
    if write.is_none() && shared.members.lends() && !is_known(&peer) {
        let why = "the proxy has credentials for the Alertmanagers and lends them to nobody: only authenticated clients and this machine read through it (--web.config.file)";
        return refusal(StatusCode::FORBIDDEN, why);
    }
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

/// Whether it is somebody who may read what the proxy may.
fn is_known(peer: &Peer) -> bool {
    peer.is_authenticated() || peer.is_local()
}

#[cfg(test)]
mod tests {
    use super::{Pace, Peer, is_known};
    use crate::sys::clock;
    use std::time::Duration;

    #[test]
    fn credentials_are_lent_to_this_machine_and_to_whoever_proves_who_he_is() {
        let from =
            |address: &str| Peer { address: Some(address.parse().expect("an address")), ..Peer::default() };
        let stranger = from("10.0.0.7:40000");
        assert!(!is_known(&stranger));
        assert!(is_known(&from("127.0.0.1:40000")) && is_known(&Peer::default()));
        assert!(is_known(&Peer { user: Some("ann".to_owned()), ..stranger.clone() }));
        assert!(is_known(&Peer { certificate: true, ..stranger }));
    }

    #[test]
    fn requests_that_come_one_after_the_other_leave_no_time_and_those_beside_each_other_share_it() {
        let (pace, begun) = (Pace::default(), clock::instant());
        let at = |millis| begun + Duration::from_millis(millis);
        let [usual, long] = [100, 1000].map(Duration::from_millis);
        assert_eq!(pace.begin(at(0), usual), at(100));
        assert_eq!(pace.begin(at(20), usual), at(100), "another sender at the same time");
        assert_eq!(pace.begin(at(30), long), at(1000), "one whose alerts are sent at once");
        pace.waited(at(100));
        pace.waited(at(1000));
        pace.waited(at(110));
        (0..3).for_each(|_| pace.end(at(1200)));
        assert_eq!(pace.begin(at(1201), usual), at(1202), "the next batch of the same sender");
        pace.waited(at(1202));
        assert_eq!(pace.begin(at(1202), long), at(1202), "and of the other one");
        (0..2).for_each(|_| pace.end(at(1210)));
        assert_eq!(pace.begin(at(61_210), long), at(62_210));
    }

    #[test]
    fn a_request_that_did_not_wait_leaves_its_time_to_the_next() {
        let (pace, begun) = (Pace::default(), clock::instant());
        let at = |millis| begun + Duration::from_millis(millis);
        let usual = Duration::from_millis(100);
        for batch in 0..10 {
            assert_eq!(pace.begin(at(batch * 100), usual), at(batch * 100 + 100));
            pace.waited(at(batch * 100 + 95));
            pace.end(at(batch * 100 + 100));
        }
        assert_eq!(pace.begin(at(1000), usual), at(1050), "what is left of a second of rest");
    }
}
