//! Upstream's query API (api/v1/api.go) and what manages it.

use super::Shared;
use super::group::{Group, Nanos};
use super::meter::Handler;
use super::push::plain;
use super::room::Held;
use super::scrape::seconds;
use super::stage::{Change, What};
use super::writer::{Outcome, look, sorted};
use crate::model::family::{Family, Metric, Value};
use crate::model::histogram::{Bucket, Count, Histogram, Native, Sign};
use crate::serve::skeleton::http::{IntoResponse, Method, Response, State, StatusCode, header};
use crate::sys::clock;
use crate::wire::go::write_float;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;
use std::sync::Arc;

type Gateway = State<Arc<Shared>>;

/// What lets pages of others ask (api/v1/api.go, setCORS).
const HEAD: [(header::HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
];

/// Answers with JSON.
fn answer(text: String) -> Response {
    (HEAD, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// `OPTIONS`: what a browser asks before it asks for another page's sake.
pub(super) async fn options() -> Response {
    HEAD.into_response()
}

/// `GET /api/v1/metrics`: every group with its families.
pub(super) async fn metrics(State(shared): Gateway) -> Response {
    let gateway = shared.clone();
    let make = move || {
        let groups = sorted(&gateway.groups);
        let mut told = "{\"status\":\"success\",\"data\":[".to_owned();
        for (place, group) in groups.iter().enumerate() {
            told.push_str(if place == 0 { "" } else { "," });
            // As a tree of values one group is many times what it is as text, and all of them would be as many times that.
            let _ = write!(told, "{}", tell(group));
        }
        answer(told + "]}")
    };
    shared.long.answer(make).await
}

/// `GET /api/v1/status`: the flags and the build.
pub(super) async fn status(State(shared): Gateway) -> Response {
    let flags: Map<String, Json> =
        shared.options.flags.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let build = json!({"version": env!("CARGO_PKG_VERSION"), "branch": "iaasmon", "goVersion": "", "revision": "",
        "buildDate": "", "buildUser": ""});
    let status = json!({
        "build_information": build,
        "flags": flags,
        "start_time": shared.started.to_rfc3339_opts(SecondsFormat::Nanos, true),
    });
    answer(json!({"status": "success", "data": status}).to_string())
}

/// `PUT /api/v1/admin/wipe`: deletes every group.
pub(super) async fn wipe(State(shared): Gateway) -> Response {
    if !shared.options.admin_api {
        return plain(StatusCode::NOT_FOUND, "404 page not found");
    }
    let begun = clock::instant();
    let keys: Vec<_> = look(&shared.groups).iter().map(|(_, group)| group.key.clone()).collect();
    let changes = keys.into_iter().map(|key| Change { key, what: What::Delete });
    let deleted = shared.change_all(changes, Held::default()).await;
    let failed = deleted.into_iter().find_map(|outcome| match outcome {
        Outcome::Unavailable(why) => Some(why),
        Outcome::Done | Outcome::Older | Outcome::Refused(_) | Outcome::Full(_) => None,
    });
    let answer = match failed {
        None => StatusCode::ACCEPTED.into_response(),
        Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, &why),
    };
    shared.meter.answered(Handler::Wipe, &Method::PUT, answer.status().as_u16(), begun.elapsed());
    answer
}

/// `PUT` or `POST /-/quit`: ends the service, where that is wanted.
pub(super) async fn quit(State(shared): Gateway, method: Method) -> Response {
    if !matches!(method, Method::PUT | Method::POST) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed.");
    }
    if !shared.options.lifecycle {
        return plain(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
    }
    shared.ending.begun().cancel();
    "Requesting termination... Goodbye!".into_response()
}

fn tell(group: &Group) -> Json {
    let labels: Map<String, Json> =
        group.key.labels().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut told = Map::new();
    told.insert("labels".to_owned(), labels.clone().into());
    told.insert("last_push_successful".to_owned(), (group.failed <= group.pushed).into());
    for (name, stamp, other, help) in [
        (super::ready::PUSHED, group.pushed, group.failed, super::scrape::PUSHED_HELP),
        (super::ready::FAILED, group.failed, group.pushed, super::scrape::FAILED_HELP),
    ] {
        let labels: Map<String, Json> =
            group.labels().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let metric = json!({"labels": labels, "value": float(seconds(stamp))});
        // One that never was came with the other.
        let since = time(if stamp == 0 { other } else { stamp });
        let family = json!({"time_stamp": since, "type": "GAUGE", "help": help, "metrics": [metric]});
        told.insert(name.to_owned(), family);
    }
    for (place, part) in group.parts().iter().enumerate() {
        if let Some(family) = group.family(place) {
            told.insert(part.name.to_string(), of_family(&family, part.pushed));
        }
    }
    told.into()
}

fn time(at: Nanos) -> String {
    DateTime::from_timestamp_nanos(at).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn of_family(family: &Family<'_>, pushed: Nanos) -> Json {
    let metrics: Vec<Json> = family.metrics.iter().map(of_metric).collect();
    let mut told = json!({"time_stamp": time(pushed), "type": family.kind.name(), "metrics": metrics});
    if let (Some(help), Some(told)) = (&family.help, told.as_object_mut()) {
        told.insert("help".to_owned(), help.as_ref().into());
    }
    told
}

fn of_metric(metric: &Metric<'_>) -> Json {
    let labels: Map<String, Json> = metric
        .labels
        .iter()
        .map(|(name, value)| (name.clone().into_owned(), value.as_ref().into()))
        .collect();
    let mut told = Map::new();
    told.insert("labels".to_owned(), labels.into());
    match &metric.value {
        Value::Plain(value) => {
            told.insert("value".to_owned(), float(*value).into());
        }
        Value::Summary(summary) => {
            let quantiles =
                summary.quantiles.iter().map(|(quantile, value)| (float(*quantile), float(*value).into()));
            told.insert("quantiles".to_owned(), quantiles.collect::<Map<_, _>>().into());
            told.insert("count".to_owned(), summary.count.unwrap_or_default().to_string().into());
            told.insert("sum".to_owned(), float(summary.sum.unwrap_or_default()).into());
        }
        Value::Histogram(histogram) => {
            told.insert("buckets".to_owned(), buckets_of(histogram));
            told.insert("count".to_owned(), counted(histogram.count.unwrap_or(Count::Whole(0))).into());
            told.insert("sum".to_owned(), float(histogram.sum.unwrap_or_default()).into());
        }
    }
    told.into()
}

/// Returns classic buckets by their bounds, and native ones, which upstream tells in the place of those, as
/// `[which bounds belong to it, lower, upper, count]` (histogram/prometheus_model.go).
fn buckets_of(histogram: &Histogram) -> Json {
    let is_native =
        |native: &&Native| !(native.negative.spans.is_empty() && native.positive.spans.is_empty());
    let Some(native) = histogram.native.as_deref().filter(is_native) else {
        let classic = histogram.buckets.iter().map(|(bound, count)| (float(*bound), counted(*count).into()));
        return classic.collect::<Map<_, _>>().into();
    };
    let bucket = |bucket: Bucket| {
        let bounds = match bucket.side {
            Some(Sign::Positive) => 0,
            Some(Sign::Negative) => 1,
            None => 3,
        };
        json!([bounds, float(bucket.lower), float(bucket.upper), counted(bucket.count)])
    };
    native.buckets().into_iter().map(bucket).collect::<Vec<_>>().into()
}

/// Numbers of values have no exponents.
fn counted(count: Count) -> String {
    match count {
        Count::Whole(count) => count.to_string(),
        Count::Float(count) => float(count),
    }
}

fn float(value: f64) -> String {
    let mut text = String::new();
    write_float(value, &mut text);
    text
}
