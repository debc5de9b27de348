//! The detail API of a gateway (DESIGN 5.2): checks that are pushed with their words, and who may read those.
//!
//! | request | answer |
//! |---|---|
//! | `PUT`, `POST /api/v1/groups/job/JOB/LABEL/VALUE/.../checks/CHECK?source=S` | takes a result: status and words at once; one that is older than what is known is passed over: `{"v":1,"older":true}` |
//! | `DELETE` of the same | forgets it |
//! | `GET` of the same | the newest result |
//! | `GET` of the same with `/history?limit=N` | its last runs, where a file keeps them |
//! | `GET /api/v1/checks` | every check of every group |
//! | `GET /api/v1/checks/CHECK/history?limit=N&label=value&...` | its last runs, where a file keeps them |
//! | `GET /api/v1/checks/CHECK?label=value&...` | that of the group whose labels are all among those given, the most of them |

use super::Shared;
use super::body::{Refusal, take};
use super::group::Group;
use super::meter::Handler;
use super::ready::cut;
use super::result;
use super::room::{Held, weight_of_json};
use super::stage::{Change, What};
use super::writer::{Outcome, look};
use crate::detail::latest::{Entry, Key};
use crate::detail::page::{self, Origin};
use crate::model::group::GroupKey;
use crate::serve::skeleton::Peer;
use crate::serve::skeleton::http::{
    Body, Extension, IntoResponse, Method, Parts, Path, Request, Response, Router, State, StatusCode, Uri,
    any, get, header,
};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::push_path;
use crate::wire::sensu_log::LONGEST_LINE;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::form_urlencoded;

type Gateway = State<Arc<Shared>>;

/// The label of a result about another host.
const SOURCE: &str = "source";
/// What comes before the labels of a group in a path.
const GROUPS: &str = "/api/v1/groups/job";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/groups/{*rest}", any(group))
        .route("/api/v1/checks", get(list))
        .route("/api/v1/checks/{check}", get(find))
        .route("/api/v1/checks/{check}/history", get(history))
}

fn refusal(status: StatusCode, error: &str) -> Response {
    answer(status, &json!({"v": 1, "error": cut(error)}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// Takes, forgets or tells one check of a group that is named whole.
async fn group(State(shared): Gateway, Extension(peer): Extension<Peer>, request: Request) -> Response {
    let begun = clock::instant();
    let (parts, body) = request.into_parts();
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let (group, key) = match named(&shared, parts.uri.path(), &parts.uri) {
        Ok(named) => named,
        // A check that is called so itself was found already.
        Err(why) => match parts.uri.path().strip_suffix("/history").filter(|_| is_read) {
            Some(path) => match named(&shared, path, &parts.uri) {
                Ok((group, key)) => return shared.tell_history_of(&peer, &group, &key, &parts.uri).await,
                Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
            },
            None => return refusal(StatusCode::BAD_REQUEST, &why),
        },
    };
    let outcome = match parts.method {
        Method::GET | Method::HEAD => return shared.tell(&peer, &group, &key),
        Method::PUT | Method::POST => {
            let taken = shared.take_result(group.clone(), key, &parts, body).await;
            taken.inspect_err(|(_, why)| shared.note_refusal(&group, &peer, why))
        }
        Method::DELETE => shared.drop_check(group, key).await,
        _ => {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "GET, PUT, POST and DELETE alone are known here");
        }
    };
    let response = match outcome {
        Ok(response) => response,
        Err((status, why)) => refusal(status, &why),
    };
    shared.meter.answered(Handler::Check, &parts.method, response.status().as_u16(), begun.elapsed());
    response
}

/// Reads which check a path names: the last two of its parts, behind the labels of the group.
fn named(shared: &Shared, path: &str, uri: &Uri) -> Result<(GroupKey, Key), String> {
    let form = || format!("a check is at {GROUPS}/JOB/LABEL/VALUE/.../checks/CHECK");
    let path = path.strip_prefix(GROUPS).ok_or_else(form)?;
    let (group, check) = path.rsplit_once('/').ok_or_else(form)?;
    let group = group.strip_suffix("/checks").ok_or_else(form)?;
    let group = push_path::parse(group, shared.options.names).map_err(|error| error.to_string())?;
    if group.get("check").or(group.get(SOURCE)).is_some() {
        // Labels of the group take the place of the metric's own: two checks would be one series.
        return Err("a group of checks is not named by `check` or `source`".to_owned());
    }
    let check = push_path::decode(check).map_err(|_| "the name of the check is no text".to_owned())?;
    Ok((group, Key { source: pairs(uri).source, check: check.into() }))
}

/// What a query says.
struct Pairs {
    source: Option<Box<str>>,
    limit: Option<String>,
    labels: Vec<(String, String)>,
}

fn pairs(uri: &Uri) -> Pairs {
    let mut pairs = Pairs { source: None, limit: None, labels: Vec::new() };
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "source" => pairs.source = (!value.is_empty()).then(|| value.into()),
            "limit" => pairs.limit = Some(value.into_owned()),
            _ => pairs.labels.push((name.into_owned(), value.into_owned())),
        }
    }
    pairs
}

/// `GET /api/v1/checks`
async fn list(State(shared): Gateway, Extension(peer): Extension<Peer>) -> Response {
    if let Some(refused) = shared.refuse(&peer) {
        return refused;
    }
    let gateway = shared.clone();
    let make = move || {
        let now = clock::moment();
        let groups: Vec<Arc<Group>> = look(&gateway.groups).checked().cloned().collect();
        let mut rows = Vec::new();
        for group in &groups {
            let checks = group.checks.iter().flat_map(|checks| checks.iter());
            let mut told = page::list("", checks.map(|(key, entry)| (key, entry, entry.judge(false, now))));
            let told = told["checks"].as_array_mut().map(std::mem::take).unwrap_or_default();
            rows.extend(told.into_iter().map(|row| with_group(row, group)));
        }
        answer(StatusCode::OK, &json!({"v": 1, "checks": rows}))
    };
    shared.long.answer(make).await
}

/// `GET /api/v1/checks/CHECK?label=value&...`
async fn find(
    State(shared): Gateway,
    Extension(peer): Extension<Peer>,
    Path(check): Path<String>,
    uri: Uri,
) -> Response {
    match shared.find(&peer, check, &uri) {
        Ok((group, key)) => match group.checks.as_ref().and_then(|checks| checks.find(&key)) {
            Some((key, entry)) => told(&group, key, entry),
            None => refusal(StatusCode::NOT_FOUND, "it was deleted a moment ago"),
        },
        Err(refused) => *refused,
    }
}

/// `GET /api/v1/checks/CHECK/history?limit=N&label=value&...`
async fn history(
    State(shared): Gateway,
    Extension(peer): Extension<Peer>,
    Path(check): Path<String>,
    uri: Uri,
) -> Response {
    match shared.find(&peer, check, &uri) {
        Ok((group, key)) => shared.tell_history(&group, key, &uri).await,
        Err(refused) => *refused,
    }
}

fn told(group: &Group, key: &Key, entry: &Entry) -> Response {
    let judged = entry.judge(false, clock::moment());
    let origin = Origin { node: &entry.client, address: None, log: None };
    answer(StatusCode::OK, &with_group(page::detail(origin, key, entry, &judged), group))
}

/// Says of which group something is.
fn with_group(mut told: Value, group: &Group) -> Value {
    let labels: Map<String, Value> =
        group.key.labels().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if let Some(told) = told.as_object_mut() {
        told.insert("group".to_owned(), labels.into());
    }
    told
}

/// Says how a check is asked for that groups have, none of which is meant by the labels that were given.
fn elsewhere(key: &Key, group: &GroupKey, groups: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in group.labels().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    if let Some(source) = &key.source {
        query.append_pair(SOURCE, source);
    }
    let has = if groups == 1 { "1 group has".to_owned() } else { format!("{groups} groups have") };
    format!("no group of these labels has check `{}`; {has} it: ask for ?{}", key.check, query.finish())
}

impl Shared {
    /// Finds the group of a check, for whom outputs are meant, by labels that may be more than its own.
    fn find(&self, peer: &Peer, check: String, uri: &Uri) -> Result<(Arc<Group>, Key), Box<Response>> {
        if let Some(refused) = self.refuse(peer) {
            return Err(Box::new(refused));
        }
        let Pairs { source, labels, .. } = pairs(uri);
        let key = Key { source, check: check.into() };
        // An empty label is none for Prometheus: no alert has it.
        let given =
            |name: &str, value: &str| value.is_empty() || labels.iter().any(|(n, v)| n == name && v == value);
        let shelf = look(&self.groups);
        let has =
            |group: &&Arc<Group>| group.checks.as_ref().is_some_and(|checks| checks.find(&key).is_some());
        let having: Vec<&Arc<Group>> = shelf.checked().filter(has).collect();
        let is_meant = |group: &&&Arc<Group>| group.key.labels().all(|(name, value)| given(name, value));
        let mut found: Vec<&Arc<Group>> = having.iter().filter(is_meant).copied().collect();
        // An alert of a group has the labels of every group that has fewer: the one that has most is meant.
        let most = found.iter().map(|group| group.key.labels().count()).max();
        found.retain(|group| Some(group.key.labels().count()) == most);
        match &found[..] {
            [] => {
                let known = shelf.checked().filter_map(|group| Some(group.checks.as_ref()?.len())).sum();
                let mut told = page::unknown(&key.check, known);
                if let (Some(group), Some(told)) = (having.first(), told.as_object_mut()) {
                    told.insert("error".to_owned(), cut(elsewhere(&key, &group.key, having.len())).into());
                }
                Err(Box::new(answer(StatusCode::NOT_FOUND, &told)))
            }
            [group] => {
                let known = group.checks.as_ref().and_then(|checks| checks.find(&key));
                let key = known.map(|(key, _)| key.clone()).unwrap_or(key);
                Ok(((*group).clone(), key))
            }
            several => {
                let groups: Vec<String> =
                    several.iter().take(5).map(|group| format!("{:?}", group.key)).collect();
                let error =
                    format!("check `{}` is in {} groups: {}", key.check, several.len(), groups.join(", "));
                Err(Box::new(refusal(StatusCode::CONFLICT, &error)))
            }
        }
    }

    /// Tells the last runs of a check of a group that is named whole.
    async fn tell_history_of(&self, peer: &Peer, group: &GroupKey, key: &Key, uri: &Uri) -> Response {
        if let Some(refused) = self.refuse(peer) {
            return refused;
        }
        let group = {
            let shelf = look(&self.groups);
            shelf.slot(group).and_then(|slot| shelf.at(slot)).cloned()
        };
        let checks = group.as_ref().and_then(|group| group.checks.as_ref());
        let known = checks.and_then(|checks| checks.find(key)).map(|(known, _)| known.clone());
        match (&group, known) {
            (Some(group), Some(known)) => self.tell_history(group, known, uri).await,
            _ => {
                let known = checks.map_or(0, |checks| checks.len());
                answer(StatusCode::NOT_FOUND, &page::unknown(&key.check, known))
            }
        }
    }

    async fn tell_history(&self, group: &Arc<Group>, key: Key, uri: &Uri) -> Response {
        let limit = pairs(uri).limit;
        let Ok(limit) = limit.map_or(Ok(usize::MAX), |limit| limit.parse::<usize>()) else {
            return refusal(StatusCode::BAD_REQUEST, "limit is a number of runs, 0 or more");
        };
        let (of, reader) = (key.clone(), self.keeper.clone());
        let runs = apart({
            let group = group.clone();
            move || reader.map_or(Ok(Vec::new()), |keeper| keeper.runs(&group.key, &of))
        });
        match runs.await {
            Ok(runs) => {
                let client = group.checks.as_ref().and_then(|checks| Some(checks.get(&key)?.client.clone()));
                let page = page::history(&client.unwrap_or_default(), &key, runs.into_iter().take(limit));
                answer(StatusCode::OK, &with_group(page, group))
            }
            Err(error) => {
                refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("the history cannot be read: {error}"))
            }
        }
    }

    fn refuse(&self, peer: &Peer) -> Option<Response> {
        let why = peer.may_not_read(&self.options.detail_allow, "pushgateway")?;
        Some(refusal(StatusCode::FORBIDDEN, &why))
    }

    fn tell(&self, peer: &Peer, group: &GroupKey, key: &Key) -> Response {
        if let Some(refused) = self.refuse(peer) {
            return refused;
        }
        let shelf = look(&self.groups);
        let group = shelf.slot(group).and_then(|slot| shelf.at(slot));
        let checks = group.and_then(|group| Some((group, group.checks.as_ref()?)));
        match checks.and_then(|(group, checks)| Some((group, checks.find(key)?))) {
            Some((group, (key, entry))) => told(group, key, entry),
            None => {
                let known = checks.map_or(0, |(_, checks)| checks.len());
                answer(StatusCode::NOT_FOUND, &page::unknown(&key.check, known))
            }
        }
    }

    async fn take_result(
        &self,
        group: GroupKey,
        key: Key,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        let ttl = self.ttl(&group, &parts.headers)?;
        let (taken, held) = take(&self.room, body).await?;
        self.meter.pushed(&parts.method, taken.len());
        let (taken, mut held) = self.unpack(&parts.headers, taken, held).await?;
        let bad = |why: String| (StatusCode::BAD_REQUEST, why);
        if taken.len() > LONGEST_LINE {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "a result holds at most 16 MiB".to_owned()));
        }
        self.room.take_for_reading(weight_of_json(&taken), &mut held).await?;
        let (of, its) = (group.clone(), key.clone());
        let (line, held) = apart(move || (result::line(&its, &of, &taken), held)).await;
        let what = What::Check(line.map_err(bad)?, ttl);
        match self.change(Change { key: group, what }, held).await {
            Outcome::Done => Ok(StatusCode::OK.into_response()),
            Outcome::Older => {
                self.meter.older();
                Ok(answer(StatusCode::OK, &json!({"v": 1, "older": true})))
            }
            Outcome::Refused(why) => Err(bad(why.to_string())),
            Outcome::Unavailable(why) => Err((StatusCode::SERVICE_UNAVAILABLE, why)),
            Outcome::Full(why) => Err((StatusCode::INSUFFICIENT_STORAGE, why)),
        }
    }

    async fn drop_check(&self, group: GroupKey, key: Key) -> Result<Response, Refusal> {
        match self.change(Change { key: group, what: What::DropCheck(key) }, Held::default()).await {
            Outcome::Unavailable(why) => Err((StatusCode::SERVICE_UNAVAILABLE, why)),
            _ => Ok(StatusCode::ACCEPTED.into_response()),
        }
    }
}
