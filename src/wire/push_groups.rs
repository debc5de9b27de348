//! A Pushgateway's `/api/v1/metrics`: every group with its families, numbers as texts (upstream's api/v1/api.go); the flags of
//! its `/api/v1/status`; and which checks one of iaasmon has (`/api/v1/checks`).

use super::{WireError, go};
use crate::model::cluster::About;
use crate::model::family::{Family, Kind, Metric, Summary, Value};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::histogram::{Count, Histogram};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A group as a gateway tells it, without its stamps.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedGroup {
    /// Its labels.
    pub key: GroupKey,
    /// Its families, in order of name.
    pub families: Vec<Family<'static>>,
    /// Whether nothing was refused since it was last pushed.
    pub last_push_successful: bool,
    /// Whether it has native histograms, of which it is told no more than their counts and sums.
    pub has_native: bool,
}

/// What a gateway says beside the families of a group.
const STAMPS: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

#[derive(Deserialize)]
struct Answer<'a> {
    /// What a group says of itself stands beside its families.
    #[serde(borrow)]
    data: Vec<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

#[derive(Deserialize)]
struct OneFamily {
    #[serde(rename = "type")]
    kind: String,
    help: Option<String>,
    metrics: Vec<OneMetric>,
}

#[derive(Deserialize)]
struct OneMetric {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    value: Option<String>,
    quantiles: Option<BTreeMap<String, String>>,
    buckets: Option<Buckets>,
    count: Option<String>,
    sum: Option<String>,
}

/// The buckets of a histogram.
#[derive(Deserialize)]
#[serde(untagged)]
enum Buckets {
    /// Counts by bound.
    Classic(BTreeMap<String, String>),
    /// Native ones, by bounds, which do not say the schema. Older versions, as 1.5.1, do not tell them.
    Native(#[expect(dead_code, reason = "they say no more than that they are there")] Vec<IgnoredAny>),
}

/// Reads all groups.
///
/// # Errors
/// Where it is not what a Pushgateway says.
pub fn decode_groups(body: &[u8]) -> Result<Vec<PushedGroup>, WireError> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    answer.data.into_iter().map(group).collect()
}

/// Reads the flags, which are texts whatever they say.
///
/// # Errors
/// Where it is not what a Pushgateway says.
pub fn decode_flags(body: &[u8]) -> Result<BTreeMap<String, String>, WireError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        flags: BTreeMap<String, String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    Ok(answer.data.flags)
}

/// Reads what a gateway is, beside its flags.
///
/// # Errors
/// Where it is not what a Pushgateway says.
pub fn decode_build(body: &[u8]) -> Result<About, WireError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        build_information: BTreeMap<String, String>,
        start_time: Option<Timestamp>,
    }
    let Answer { data: mut told } = serde_json::from_slice(body)?;
    let version = told.build_information.remove("version").filter(|version| !version.is_empty());
    Ok(About { version, started: told.start_time })
}

/// Reads which checks there are.
///
/// # Errors
/// Where it is not what a gateway of iaasmon says.
pub fn decode_checks(body: &[u8]) -> Result<Vec<PushedCheck>, WireError> {
    #[derive(Deserialize)]
    struct Answer {
        checks: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        check: Box<str>,
        source: Option<Box<str>>,
        group: BTreeMap<String, String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let checks = answer.checks.into_iter();
    checks
        .map(|One { check, source, group }| Ok(PushedCheck { group: key(&group)?, check, source }))
        .collect()
}

/// Makes a group's key of its labels.
fn key(labels: &BTreeMap<String, String>) -> Result<GroupKey, WireError> {
    let job = labels.get("job").filter(|job| !job.is_empty());
    let job = job.ok_or_else(|| WireError::Json("a group without a job".to_owned()))?;
    Ok(GroupKey::new(job, labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

fn group(mut told: BTreeMap<Cow<'_, str>, &RawValue>) -> Result<PushedGroup, WireError> {
    let wrong = |what: String| WireError::Json(what);
    let labels = told.remove("labels").ok_or_else(|| wrong("a group without labels".to_owned()))?;
    let labels: BTreeMap<String, String> = serde_json::from_str(labels.get())?;
    let key = key(&labels)?;
    let successful = told.remove("last_push_successful").is_none_or(|told| told.get() == "true");
    told.retain(|name, _| !STAMPS.contains(&&**name));
    let mut has_native = false;
    let families = told.into_iter().map(|(name, told)| {
        let told: OneFamily = serde_json::from_str(told.get())?;
        has_native |= told.metrics.iter().any(|metric| matches!(metric.buckets, Some(Buckets::Native(_))));
        family(name.into_owned(), told).map_err(|what| wrong(format!("{key:?}: {what}")))
    });
    let families = families.collect::<Result<_, _>>()?;
    Ok(PushedGroup { families, last_push_successful: successful, key, has_native })
}

fn family(name: String, told: OneFamily) -> Result<Family<'static>, String> {
    let kind = match told.kind.as_str() {
        "COUNTER" => Kind::Counter,
        "GAUGE" => Kind::Gauge,
        "SUMMARY" => Kind::Summary,
        "HISTOGRAM" => Kind::Histogram,
        "GAUGE_HISTOGRAM" => Kind::GaugeHistogram,
        "UNTYPED" => Kind::Untyped,
        other => return Err(format!("{name} has the type {other:?}")),
    };
    let metrics = told.metrics.into_iter().map(|told| {
        let value = value(kind, &told).ok_or_else(|| format!("{name} has no value that fits its type"))?;
        let labels = told.labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Metric { labels, value, timestamp_ms: None })
    });
    let metrics = metrics.collect::<Result<_, String>>()?;
    Ok(Family { name: name.into(), help: told.help.map(Into::into), kind, metrics })
}

fn value(kind: Kind, told: &OneMetric) -> Option<Value> {
    let number = |text: &String| go::parse_float(text.as_bytes());
    let sum = match &told.sum {
        Some(sum) => Some(number(sum)?),
        None => None,
    };
    Some(match kind {
        Kind::Counter | Kind::Gauge | Kind::Untyped => Value::Plain(number(told.value.as_ref()?)?),
        Kind::Summary => {
            let quantiles = told.quantiles.iter().flatten();
            let mut quantiles: Vec<(f64, f64)> = quantiles
                .map(|(quantile, value)| Some((number(quantile)?, number(value)?)))
                .collect::<Option<_>>()?;
            quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
            let count = told.count.as_ref().and_then(|count| count.parse().ok());
            Value::Summary(Summary { count, sum, quantiles })
        }
        Kind::Histogram | Kind::GaugeHistogram => {
            let classic = told.buckets.iter().filter_map(|buckets| match buckets {
                Buckets::Classic(buckets) => Some(buckets),
                Buckets::Native(_) => None,
            });
            let buckets = classic.flatten();
            let mut buckets: Vec<(f64, Count)> = buckets
                .map(|(bound, count)| Some((number(bound)?, Count::of(number(count)?)?)))
                .collect::<Option<_>>()?;
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let count = told.count.as_ref().and_then(number).and_then(Count::of);
            let mut histogram = Histogram { count, sum, buckets, native: None };
            histogram.unify_counts();
            Value::Histogram(histogram)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{decode_build, decode_checks, decode_flags, decode_groups};
    use crate::wire::exposition::write;

    fn written(body: &str) -> String {
        let mut text = String::new();
        for group in decode_groups(body.as_bytes()).expect("groups") {
            for family in &group.families {
                write::head(&family.name, family.help.as_deref(), family.kind, &mut text);
                write::samples(family, &mut text);
            }
        }
        text
    }

    #[test]
    fn what_an_original_tells_can_be_pushed_again() {
        // As Debian's 1.5.1 says it.
        let body = r#"{"status":"success","data":[{"labels":{"job":"j","db":"m"},"last_push_successful":true,
            "push_time_seconds":{"time_stamp":"0001-01-01T00:00:00Z","type":"GAUGE","metrics":[{"labels":{"job":"j"},"value":"1.6e+09"}]},
            "s":{"time_stamp":"2026-11-30T06:48:36.5Z","type":"SUMMARY","help":"S.","metrics":[{"labels":{"job":"j"},"quantiles":{"0.99":"2","0.5":"NaN"},"count":"3","sum":"4.5"}]},
            "h":{"time_stamp":"2026-11-30T06:48:36.5Z","type":"HISTOGRAM","metrics":[{"labels":{},"buckets":{"+Inf":"2","10":"2","2":"1"},"count":"2","sum":"3"}]},
            "m":{"time_stamp":"2026-11-30T06:48:36.5Z","type":"UNTYPED","metrics":[{"labels":{"a":"\"x\""},"value":"+Inf"}]}}]}"#;
        assert!(!decode_groups(body.as_bytes()).expect("groups")[0].has_native);
        let lines = [
            "# TYPE h histogram",
            r#"h_bucket{le="2"} 1"#,
            r#"h_bucket{le="10"} 2"#,
            r#"h_bucket{le="+Inf"} 2"#,
            "h_sum 3",
            "h_count 2",
            "# TYPE m untyped",
            r#"m{a="\"x\""} +Inf"#,
            "# HELP s S.",
            "# TYPE s summary",
            r#"s{job="j",quantile="0.5"} NaN"#,
            r#"s{job="j",quantile="0.99"} 2"#,
            r#"s_sum{job="j"} 4.5"#,
            r#"s_count{job="j"} 3"#,
        ];
        assert_eq!(written(body).lines().collect::<Vec<_>>(), lines);
        assert_eq!(written(r#"{"status":"success","data":[]}"#), "");
    }

    #[test]
    fn native_buckets_are_not_told() {
        let body = r#"{"data":[{"labels":{"job":"j"},"n":{"time_stamp":"2026-11-30T06:48:36.5Z","type":"HISTOGRAM","metrics":[
            {"labels":{"job":"j"},"buckets":[[0,"1","2","3"],[3,"-0.5","0.5","1"]],"count":"4","sum":"3"}]}}]}"#;
        assert!(decode_groups(body.as_bytes()).expect("groups")[0].has_native);
        let lines = [
            "# TYPE n histogram",
            r#"n_bucket{job="j",le="+Inf"} 4"#,
            r#"n_sum{job="j"} 3"#,
            r#"n_count{job="j"} 4"#,
        ];
        assert_eq!(written(body).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn flags_are_read_as_an_original_tells_them() {
        let body = br#"{"status":"success","data":{"build_information":{"version":"1.5.1+ds"},"start_time":"2026-11-30T06:48:36.5Z",
            "flags":{"persistence.file":"","persistence.interval":"5m","web.enable-admin-api":"false"}}}"#;
        let flags = decode_flags(body).expect("flags");
        assert_eq!((flags["persistence.file"].as_str(), flags.len()), ("", 3));
        let build = decode_build(body).expect("a build");
        assert_eq!(build.version.as_deref(), Some("1.5.1+ds"));
        assert_eq!(build.started.map(|at| at.timestamp_millis()), Some(1_796_021_316_500));
        assert!(decode_flags(br#"{"status":"success","data":{}}"#).is_err());
    }

    #[test]
    fn checks_are_read_as_our_gateway_tells_them() {
        let body = br#"{"v":1,"checks":[{"check":"c","status":0,"group":{"job":"j","db":""}},
            {"check":"d","source":"s","stale":true,"group":{"job":"k"}}]}"#;
        let told: Vec<String> =
            decode_checks(body).expect("checks").iter().map(ToString::to_string).collect();
        assert_eq!(told, [r#"c in {"db": "", "job": "j"}"#, r#"d of s in {"job": "k"}"#]);
        // An exporter's are in no group.
        assert!(decode_checks(br#"{"v":1,"node":"n","checks":[{"check":"c","status":0}]}"#).is_err());
    }

    #[test]
    fn what_is_no_gateways_answer_is_refused() {
        for body in [
            "",
            "{}",
            r#"{"data":[{}]}"#,
            r#"{"data":[{"labels":{"a":"b"}}]}"#,
            r#"{"data":[{"labels":{"job":"j"},"m":{"type":"ODD","metrics":[]}}]}"#,
            r#"{"data":[{"labels":{"job":"j"},"m":{"type":"GAUGE","metrics":[{"labels":{}}]}}]}"#,
        ] {
            assert!(decode_groups(body.as_bytes()).is_err(), "{body}");
        }
    }
}
