//! What upstream's clients speak: pushes by path, and a few paths around them.

use super::Shared;
use super::body::{self, MOST_BODY, Refusal, is_packed, take, unpack};
use super::group::Mode;
use super::meter::Handler;
use super::ready::{Inconsistent, cut, is_too_long, ready};
use super::room::{Held, weight};
use super::stage::{Change, What};
use super::writer::{Message, Outcome};
use crate::model::family::Family;
use crate::model::group::GroupKey;
use crate::serve::skeleton::Peer;
use crate::serve::skeleton::http::{
    Body, Extension, HeaderMap, IntoResponse, Method, Parts, Request, Response, State, StatusCode, header,
};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::push_path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// From this size on a body is read on a thread of its own.
const LARGE: usize = 256 * 1024;
/// Says after how long without a push a group goes.
pub(super) const TTL: &str = "x-iaasmon-ttl";
/// How long one waits for the disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

type Gateway = State<Arc<Shared>>;

/// `PUT`, `POST` and `DELETE` of `/metrics/job/...`.
pub(super) async fn push(
    State(shared): Gateway,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let begun = clock::instant();
    let (parts, body) = request.into_parts();
    let mode = match parts.method {
        Method::PUT => Some(Mode::Replace),
        Method::POST => Some(Mode::Merge),
        Method::DELETE => None,
        _ => return plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
    };
    let rest = parts.uri.path().strip_prefix(push_path::PREFIX).unwrap_or_default();
    let answer = match (push_path::parse(rest, shared.options.names), mode) {
        (Err(error), _) => Err((StatusCode::BAD_REQUEST, error.to_string())),
        (Ok(key), None) => delete(&shared, key).await,
        (Ok(key), Some(mode)) => {
            let taken = take_push(&shared, key.clone(), mode, &parts, body).await;
            taken.inspect_err(|(_, why)| shared.note_refusal(&key, &peer, why))
        }
    };
    let handler = if mode.is_some() { Handler::Push } else { Handler::Delete };
    let status = match &answer {
        Ok(status) | Err((status, _)) => *status,
    };
    shared.meter.answered(handler, &parts.method, status.as_u16(), begun.elapsed());
    match answer {
        Ok(status) => status.into_response(),
        Err((status, _)) if status.is_success() => status.into_response(),
        Err((status, why)) => plain(status, &why),
    }
}

/// An error as Go's http.Error writes it, as far as anybody reads it: it may name what was pushed.
pub(super) fn plain(status: StatusCode, why: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], cut(why) + "\n").into_response()
}

async fn delete(shared: &Shared, key: GroupKey) -> Result<StatusCode, Refusal> {
    match shared.change(Change { key, what: What::Delete }, Held::default()).await {
        Outcome::Unavailable(why) => Err((StatusCode::SERVICE_UNAVAILABLE, why)),
        _ => Ok(StatusCode::ACCEPTED),
    }
}

async fn take_push(
    shared: &Arc<Shared>,
    key: GroupKey,
    mode: Mode,
    parts: &Parts,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let ttl = shared.ttl(&key, &parts.headers)?;
    let (body, held) = take(&shared.room, body).await?;
    shared.meter.pushed(&parts.method, body.len());
    let (body, mut held) = shared.unpack(&parts.headers, body, held).await?;
    let is_large = body.len() >= LARGE;
    let (headers, gateway) = (parts.headers.clone(), shared.clone());
    let weigh = move || (weight(body::extent_of(&headers, &body), &key), key, headers, body);
    let (weight, key, headers, body) = if is_large { apart(weigh).await } else { weigh() };
    shared.room.take_for_reading(weight, &mut held).await?;
    let read = move || (gateway.read(&headers, key, mode, ttl, &body), held);
    let (change, held) = if is_large { apart(read).await } else { read() };
    let (change, refused) = change?;
    let outcome = shared.change(change, held).await;
    match (outcome, refused) {
        (Outcome::Done | Outcome::Older, None) => Ok(shared.done()),
        (Outcome::Done | Outcome::Older, Some(why)) | (Outcome::Refused(why), _) => {
            Err((shared.refused(), why.to_string()))
        }
        (Outcome::Unavailable(why), _) => Err((StatusCode::SERVICE_UNAVAILABLE, why)),
        (Outcome::Full(why), _) => Err((StatusCode::INSUFFICIENT_STORAGE, why)),
    }
}

/// A change, and why it is but that of a failure; or why there is none.
pub(super) type Made = Result<(Change, Option<Inconsistent>), Refusal>;

fn gone() -> Outcome {
    Outcome::Unavailable("the pushgateway is ending".to_owned())
}

impl Shared {
    /// Unpacks a body, beside the requests where it may become large, and few of those at a time.
    pub(super) async fn unpack(
        &self,
        headers: &HeaderMap,
        body: Vec<u8>,
        mut held: Held,
    ) -> Result<(Vec<u8>, Held), Refusal> {
        // A byte becomes a thousand at most.
        if !is_packed(headers) || body.len() < LARGE / 1000 {
            return Ok((unpack(headers, body)?, held));
        }
        self.room.take_for_unpacking(&mut held).await?;
        let headers = headers.clone();
        let (unpacked, held) = apart(move || (unpack(&headers, body), held)).await;
        Ok((unpacked?, held))
    }

    /// Reads a body into a change.
    fn read(
        &self,
        headers: &HeaderMap,
        key: GroupKey,
        mode: Mode,
        ttl: Option<Duration>,
        body: &[u8],
    ) -> Made {
        self.make(body::read(headers, body, self.options.names)?, key, mode, ttl)
    }

    /// Makes a change of families; of those that are not consistent in themselves it is a failure that is stamped.
    pub(super) fn make(
        &self,
        families: Vec<Family<'_>>,
        key: GroupKey,
        mode: Mode,
        ttl: Option<Duration>,
    ) -> Made {
        if is_too_long(&families, &key) {
            let why = format!(
                "with the labels of its group on each line a push holds at most {} MiB",
                MOST_BODY >> 20
            );
            return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Ok(match ready(families, &key, &self.series) {
            Ok(families) => (Change { what: What::Push(mode, families, ttl), key }, None),
            Err(why) => (Change { what: What::Fail(ttl), key }, Some(why)),
        })
    }

    /// Has a change made, and waits for it. What is held for it is until then, whoever waits.
    pub(super) async fn change(&self, change: Change, held: Held) -> Outcome {
        let made = async { self.send(change, held.into()).await?.await.map_err(drop) };
        match tokio::time::timeout(ANSWER_WITHIN, made).await {
            Ok(outcome) => outcome.unwrap_or_else(|()| gone()),
            Err(_) => {
                Outcome::Unavailable("the disk has not answered; the push may still be made".to_owned())
            }
        }
    }

    /// Has changes made in their order, and waits for all of them.
    pub(super) async fn change_all(
        &self,
        changes: impl IntoIterator<Item = Change>,
        held: Held,
    ) -> Vec<Outcome> {
        let held = Arc::new(held);
        // One after the other into the queue: what is sent later comes later.
        let mut sent = Vec::new();
        for change in changes {
            sent.push(self.send(change, held.clone()).await);
        }
        let mut outcomes = Vec::new();
        for outcome in sent {
            outcomes.push(match outcome {
                Ok(outcome) => outcome.await.unwrap_or_else(|_| gone()),
                Err(()) => gone(),
            });
        }
        outcomes
    }

    async fn send(&self, change: Change, held: Arc<Held>) -> Result<oneshot::Receiver<Outcome>, ()> {
        let (reply, outcome) = oneshot::channel();
        self.writer().ok_or(())?.send(Message::Change(change, reply, held)).await.map_err(drop)?;
        Ok(outcome)
    }

    /// How long a group lives by what its push says, or by the rules; `0` is for ever.
    pub(super) fn ttl(&self, key: &GroupKey, headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
        let Some(asked) = headers.get(TTL) else { return Ok(self.options.ttl_of(key.job())) };
        let text = String::from_utf8_lossy(asked.as_bytes());
        let bad = |_| {
            let why = format!("{TTL} {text:?} is no duration: write one like 15m, or 0s for ever");
            (StatusCode::BAD_REQUEST, why)
        };
        let ttl = crate::model::time::parse_duration(text.trim()).map_err(bad)?;
        Ok(Some(ttl).filter(|ttl| !ttl.is_zero()))
    }

    fn done(&self) -> StatusCode {
        if self.options.check_consistency { StatusCode::OK } else { StatusCode::ACCEPTED }
    }

    /// Without the consistency check upstream takes what it would refuse, and has a broken page; here it is refused, and who
    /// pushes is not told.
    fn refused(&self) -> StatusCode {
        if self.options.check_consistency { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED }
    }
}
