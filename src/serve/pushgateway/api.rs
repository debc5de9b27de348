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
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
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
        let told: Vec<Told<'_>> = groups.iter().map(|group| Told(group)).collect();
        // There is nothing in it that JSON does not know.
        answer(serde_json::to_string(&Answer { status: "success", data: told }).unwrap_or_default())
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

#[derive(Serialize)]
struct Answer<'a> {
    status: &'static str,
    data: Vec<Told<'a>>,
}

/// A group as it is told, family by family: as a tree of values it is many times what it is as text.
struct Told<'a>(&'a Group);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(group) = self;
        let mut told = serializer.serialize_map(None)?;
        told.serialize_entry("labels", &Pairs(group.key.labels().collect()))?;
        told.serialize_entry("last_push_successful", &(group.failed <= group.pushed))?;
        for (name, stamp, other, help) in [
            (super::ready::PUSHED, group.pushed, group.failed, super::scrape::PUSHED_HELP),
            (super::ready::FAILED, group.failed, group.pushed, super::scrape::FAILED_HELP),
        ] {
            let metric = json!({"labels": Pairs(group.labels()), "value": float(seconds(stamp))});
            // One that never was came with the other.
            let since = time(if stamp == 0 { other } else { stamp });
            let family = json!({"time_stamp": since, "type": "GAUGE", "help": help, "metrics": [metric]});
            told.serialize_entry(name, &family)?;
        }
        for (place, part) in group.parts().iter().enumerate() {
            if let Some(family) = group.family(place) {
                told.serialize_entry(&*part.name, &ToldFamily(&family, part.pushed))?;
            }
        }
        told.end()
    }
}

/// Names and values as an object.
struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

fn time(at: Nanos) -> String {
    DateTime::from_timestamp_nanos(at).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A family, and when it was pushed.
struct ToldFamily<'a>(&'a Family<'a>, Nanos);

impl Serialize for ToldFamily<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(family, pushed) = self;
        let mut told = serializer.serialize_map(None)?;
        told.serialize_entry("time_stamp", &time(*pushed))?;
        told.serialize_entry("type", family.kind.name())?;
        if let Some(help) = &family.help {
            told.serialize_entry("help", help)?;
        }
        told.serialize_entry("metrics", &Metrics(&family.metrics))?;
        told.end()
    }
}

/// The metrics of a family, of which each is made when it is written.
struct Metrics<'a>(&'a [Metric<'a>]);

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(of_metric))
    }
}

fn of_metric(metric: &Metric<'_>) -> Json {
    let labels = Pairs(metric.labels.iter().map(|(name, value)| (&**name, &**value)).collect());
    match &metric.value {
        Value::Plain(value) => json!({"labels": labels, "value": float(*value)}),
        Value::Summary(summary) => {
            let quantiles =
                summary.quantiles.iter().map(|(quantile, value)| (float(*quantile), float(*value).into()));
            json!({
                "labels": labels,
                "quantiles": quantiles.collect::<Map<_, _>>(),
                "count": summary.count.unwrap_or_default().to_string(),
                "sum": float(summary.sum.unwrap_or_default()),
            })
        }
        Value::Histogram(histogram) => json!({
            "labels": labels,
            "buckets": buckets_of(histogram),
            "count": counted(histogram.count.unwrap_or(Count::Whole(0))),
            "sum": float(histogram.sum.unwrap_or_default()),
        }),
    }
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
