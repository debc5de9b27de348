//! Many groups in one request: `POST /api/v1/push`, one JSON object a line, each all or nothing by itself.
//!
//! ```text
//! {"job": "backup", "labels": {"db": "main"}, "metrics": "backup_bytes 42\n", "mode": "replace"}
//! ```
//!
//! The answer has a line for each, in order: `{"line":1,"status":200}`, or with `error`. It is 200 where all were taken, 207 where
//! some were, and else the worst code of a line.

use super::Shared;
use super::body::{Refusal, take};
use super::group::Mode;
use super::meter::Handler;
use super::push::{Made, TTL, plain};
use super::ready::{Inconsistent, cut};
use super::room::{weight, weight_of_json};
use super::stage::{Change, What};
use super::writer::Outcome;
use crate::model::group::GroupKey;
use crate::serve::skeleton::Peer;
use crate::serve::skeleton::http::{
    Body, Extension, HeaderMap, HeaderValue, IntoResponse, Method, Request, Response, State, StatusCode,
    header,
};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::exposition::{extent, parse};
use crate::wire::push_line::{self, PushLine, lines};
use serde_json::{Value, json};
use std::sync::Arc;

/// So many lines are taken at most.
const MOST_LINES: usize = 10_000;

/// `POST /api/v1/push`
pub(super) async fn push(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let begun = clock::instant();
    let (parts, body) = request.into_parts();
    let response = match many(&shared, &peer, &parts.headers, body).await {
        Ok(answers) => {
            let status = status_of(&answers);
            let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
            (status, [(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
        }
        Err((status, why)) => plain(status, &why),
    };
    shared.meter.answered(Handler::Bulk, &Method::POST, response.status().as_u16(), begun.elapsed());
    response
}

/// One look says whether all went well; where nothing did, a client that knows no lines is to notice (`curl -f`): it is told the
/// worst of them, so that what can be repeated is.
fn status_of(answers: &[Value]) -> StatusCode {
    let codes = || answers.iter().filter_map(|answer| answer["status"].as_u64());
    let worst = codes().max().and_then(|code| u16::try_from(code).ok());
    match worst.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(worst) if codes().all(|code| code >= 300) => worst,
        Some(worst) if !worst.is_success() => StatusCode::MULTI_STATUS,
        _ => StatusCode::OK,
    }
}

async fn many(
    shared: &Arc<Shared>,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<Value>, Refusal> {
    let (taken, held) = take(&shared.room, body).await?;
    let (taken, mut held) = shared.unpack(headers, taken, held).await?;
    if lines(&taken).count() > MOST_LINES {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {MOST_LINES} lines")));
    }
    // First for what the lines are as JSON, and, once they are read, for what their metrics become.
    shared.room.take_for_reading(weight_of_json(&taken), &mut held).await?;
    let gateway = shared.clone();
    let (parsed, weight, mut held) = apart(move || {
        let parsed = gateway.parse_lines(&taken);
        let weight = parsed.iter().filter_map(|(_, line)| line.as_ref().ok().map(weight_of));
        let weight = weight.fold(0, usize::saturating_add);
        (parsed, weight, held)
    })
    .await;
    shared.room.take_for_reading(weight, &mut held).await?;
    let gateway = shared.clone();
    let (made, held) = apart(move || {
        let make = |(place, line): (usize, Result<PushLine, Refusal>)| {
            let key = line.as_ref().ok().map(|line| line.key.clone());
            (place, key, line.and_then(|line| gateway.make_line(line)))
        };
        (parsed.into_iter().map(make).collect::<Vec<_>>(), held)
    })
    .await;
    let (mut told, mut sound, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let note = |key: Option<&GroupKey>, why: &str| {
        if let Some(key) = key {
            shared.note_refusal(key, peer, why);
        }
    };
    for (place, key, change) in made {
        match change {
            Ok((change, why)) => {
                sound.push(change);
                places.push((told.len(), place, key, why));
                told.push(Value::Null);
            }
            Err((status, why)) => {
                note(key.as_ref(), &why);
                told.push(refused(place, status, &why));
            }
        }
    }
    for (outcome, (at, place, key, why)) in shared.change_all(sound, held).await.into_iter().zip(places) {
        told[at] = tell_line(place, outcome, why);
        if let Some(why) = told[at]["error"].as_str() {
            note(key.as_ref(), why);
        }
    }
    Ok(told)
}

fn refused(place: usize, status: StatusCode, why: &str) -> Value {
    json!({"line": place, "status": status.as_u16(), "error": cut(why)})
}

fn weight_of(line: &PushLine) -> usize {
    weight(extent::of_text(line.metrics.as_bytes()), &line.key)
}

type Lines = Vec<(usize, Result<PushLine, Refusal>)>;

impl Shared {
    fn parse_lines(&self, body: &[u8]) -> Lines {
        let bad = |why| (StatusCode::BAD_REQUEST, cut(why));
        let parse = |line| push_line::parse(line, self.options.names).map_err(bad);
        lines(body).map(|(place, line)| (place, parse(line))).collect()
    }

    fn make_line(&self, line: PushLine) -> Made {
        let bad = |why: String| (StatusCode::BAD_REQUEST, why);
        let PushLine { key, mode, metrics, ttl } = line;
        let mut headers = HeaderMap::new();
        if let Some(ttl) = &ttl {
            let told = |_| bad(format!("ttl {ttl:?} is no duration: write one like 15m, or 0s for ever"));
            let ttl = HeaderValue::from_str(ttl).map_err(told)?;
            headers.insert(TTL, ttl);
        }
        let ttl = self.ttl(&key, &headers)?;
        let mode = match mode {
            push_line::Mode::Merge => Mode::Merge,
            push_line::Mode::Replace => Mode::Replace,
            push_line::Mode::Delete => return Ok((Change { key, what: What::Delete }, None)),
        };
        let families = parse::parse(metrics.as_bytes(), self.options.names);
        self.make(families.map_err(|error| bad(cut(error)))?, key, mode, ttl)
    }
}

fn tell_line(place: usize, outcome: Outcome, why: Option<Inconsistent>) -> Value {
    match (outcome, why) {
        (Outcome::Done | Outcome::Older, None) => json!({"line": place, "status": 200}),
        (Outcome::Done | Outcome::Older, Some(why)) | (Outcome::Refused(why), _) => {
            refused(place, StatusCode::BAD_REQUEST, &why.to_string())
        }
        (Outcome::Unavailable(why), _) => refused(place, StatusCode::SERVICE_UNAVAILABLE, &why),
        (Outcome::Full(why), _) => refused(place, StatusCode::INSUFFICIENT_STORAGE, &why),
    }
}
