//! The detail API (DESIGN 5.2): words of checks, for those who may read them.

use super::Shared;
use crate::detail::history::Past;
use crate::detail::latest::Key;
use crate::detail::page;
use crate::serve::skeleton::http::{
    Extension, FromRequestParts, IntoResponse, Next, Parts, Path, Query, Request, Response, Router, State,
    StatusCode, any, from_fn_with_state, get, header,
};
use crate::serve::skeleton::{LocalAddress, Peer};
use crate::sys::apart::apart;
use crate::sys::clock;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

type Exporter = State<Arc<Shared>>;

/// Which check is asked for, and how much of its history.
struct Which {
    key: Key,
    limit: Option<usize>,
}

/// The query as it comes.
#[derive(Debug, Deserialize)]
struct Raw {
    source: Option<String>,
    limit: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Ok(Path(check)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(refusal(StatusCode::BAD_REQUEST, "the name of the check is no text"));
        };
        let Ok(Query(raw)) = Query::<Raw>::from_request_parts(parts, state).await else {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "the query cannot be read: source and limit, once each",
            ));
        };
        let limit = raw.limit.map(|limit| limit.parse()).transpose();
        let limit =
            limit.map_err(|_| refusal(StatusCode::BAD_REQUEST, "limit is a number of runs, 0 or more"))?;
        let source = raw.source.filter(|source| !source.is_empty());
        Ok(Self { key: Key { source: source.map(Into::into), check: check.into() }, limit })
    }
}

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    let words = Router::new()
        .route("/api/v1/checks", get(list))
        .route("/api/v1/checks/{check}", get(detail))
        .route("/api/v1/checks/{check}/history", get(history))
        .route_layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared);
    let unknown = || any(async || refusal(StatusCode::NOT_FOUND, "unknown path: see /api/v1/checks"));
    Router::new()
        .route("/api", unknown())
        .route("/api/", unknown())
        .route("/api/{*path}", unknown())
        .route("/", get(async || "iaasmon exporter: /metrics, /api/v1/checks, /-/ready\n"))
        .merge(words)
}

impl Shared {
    /// Returns the refusal where this client may not read the words of checks.
    fn refuse(&self, peer: &Peer) -> Option<Response> {
        let why = peer.may_not_read(&self.options.detail_allow, "exporter")?;
        Some(refusal(StatusCode::FORBIDDEN, &why))
    }

    /// The name that the results give this node.
    fn node(&self) -> String {
        let state = self.state();
        let newest = state.latest.iter().max_by_key(|(_, entry)| entry.executed);
        newest.map(|(_, entry)| entry.client.to_string()).unwrap_or_default()
    }
}

fn refusal(status: StatusCode, error: &str) -> Response {
    answer(status, &json!({"v": 1, "error": error}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut text = body.to_string();
    text.push('\n');
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Lets through who may read the words of checks, after a look at the logs: what is answered is as new as they are.
async fn guard(
    State(shared): Exporter,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(refused) = shared.refuse(&peer) {
        return refused;
    }
    shared.read(super::BEFORE_SCRAPE);
    next.run(request).await
}

async fn list(State(shared): Exporter) -> Response {
    let node = shared.node();
    let now = clock::moment();
    let state = shared.state();
    let stale = state.latest.is_runner_stale(now);
    let mut all: Vec<_> = state.latest.iter().collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    let rows = all.into_iter().map(|(key, entry)| (key, entry, entry.judge(stale, now)));
    answer(StatusCode::OK, &page::list(&node, rows))
}

async fn detail(
    State(shared): Exporter,
    local: Option<Extension<LocalAddress>>,
    Which { key, .. }: Which,
) -> Response {
    let node = shared.node();
    let now = clock::moment();
    let state = shared.state();
    let Some((key, entry)) = state.latest.find(&key) else {
        return answer(StatusCode::NOT_FOUND, &page::unknown(&key.check, state.latest.len()));
    };
    let judged = entry.judge(state.latest.is_runner_stale(now), now);
    let address = local.map(|Extension(LocalAddress(address))| address.ip().to_canonical().to_string());
    let log = shared.options.logs.get(usize::from(entry.log)).map(PathBuf::as_path);
    let origin = page::Origin { node: &node, address: address.as_deref(), log };
    answer(StatusCode::OK, &page::detail(origin, key, entry, &judged))
}

async fn history(State(shared): Exporter, Which { key, limit }: Which) -> Response {
    let node = shared.node();
    let (known, unkept) = {
        let state = shared.state();
        let Some((known, _)) = state.latest.find(&key) else {
            return answer(StatusCode::NOT_FOUND, &page::unknown(&key.check, state.latest.len()));
        };
        let mut unkept: Vec<Past> = state
            .unkept()
            .filter(|unkept| unkept.key == *known)
            .map(|unkept| Past {
                run: unkept.run.clone(),
                output: unkept.output.as_ref().map(|(_, output)| output.to_vec()),
            })
            .collect();
        unkept.dedup_by_key(|past| past.run.number);
        (known.clone(), unkept)
    };
    let (reader, of) = (shared.clone(), known.clone());
    let kept = apart(move || reader.keeper.as_ref().map_or(Ok(Vec::new()), |keeper| keeper.read(&of))).await;
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => {
            let error = format!("the history cannot be read: {error}");
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error);
        }
    };
    let newest = unkept.last().map_or(u64::MAX, |past| past.run.number);
    let older = kept.into_iter().filter(|past| past.run.number < newest);
    let most = shared.options.history.runs as usize;
    let runs = unkept.into_iter().chain(older).take(limit.unwrap_or(most).min(most));
    answer(StatusCode::OK, &page::history(&node, &known, runs))
}

#[cfg(test)]
mod tests {
    use crate::detail::history::Depth;
    use crate::serve::exporter::{Exporter, ExtraSeries, Options};
    use crate::serve::skeleton::Peer;
    use crate::serve::skeleton::http::StatusCode;
    use std::time::Duration;

    #[test]
    fn words_are_for_this_machine_for_those_who_proved_themselves_and_for_networks_that_were_named() {
        let exporter = Exporter::prepare(Options {
            logs: vec!["log".into()],
            state_dir: None,
            detail_allow: vec!["192.0.2.0/24".parse().expect("a network")],
            output_limit: 1024,
            extra_series: ExtraSeries::default(),
            retire_after: Duration::from_secs(1),
            history: Depth::default(),
        });
        let shared = exporter.expect("nothing to refuse").shared;
        let peer = |address: &str| Peer {
            address: Some(format!("{address}:5").parse().expect("an address")),
            ..Peer::default()
        };
        let stranger = peer("198.51.100.7");
        for (peer, may) in [
            (Peer::default(), true),
            (peer("127.0.0.5"), true),
            (peer("[::1]"), true),
            (peer("[::ffff:127.0.0.1]"), true),
            (peer("192.0.2.9"), true),
            (peer("[::ffff:192.0.2.9]"), true),
            (Peer { user: Some("ann".to_owned()), ..stranger.clone() }, true),
            (Peer { certificate: true, ..stranger.clone() }, true),
            (stranger, false),
            (peer("[2001:db8::1]"), false),
        ] {
            let refused = shared.refuse(&peer).map(|response| response.status());
            assert_eq!(refused, (!may).then_some(StatusCode::FORBIDDEN), "{peer:?}");
        }
    }
}
