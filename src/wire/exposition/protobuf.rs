//! Reads families from length-delimited protobuf, as Go's and Java's libraries push them (handler/push.go of the pushgateway).
//!
//! Names and labels are held to the rules of the text format. Upstream takes any, and has a page that nobody can read
//! afterwards.

use crate::model::family::{Count, Family, Histogram, Kind, Metric, Pair, Summary, Value};
use crate::model::names::{Names, is_reserved};
use crate::wire::go;
use foldhash::HashMap;
use prost::Message as _;
use std::borrow::Cow;

/// The messages of `io.prometheus.client`, as far as they are kept (metrics.proto of prometheus/client_model).
pub mod message {
    /// Metrics of one name.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct MetricFamily {
        /// Its name.
        #[prost(string, optional, tag = "1")]
        pub name: Option<String>,
        /// What it says about itself.
        #[prost(string, optional, tag = "2")]
        pub help: Option<String>,
        /// What its values mean: a `MetricType`.
        #[prost(int32, optional, tag = "3")]
        pub kind: Option<i32>,
        /// Its metrics.
        #[prost(message, repeated, tag = "4")]
        pub metrics: Vec<Metric>,
    }

    /// A metric with the value of its family's type.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Metric {
        /// Its labels.
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<LabelPair>,
        /// The value of a gauge.
        #[prost(message, optional, tag = "2")]
        pub gauge: Option<Number>,
        /// The value of a counter.
        #[prost(message, optional, tag = "3")]
        pub counter: Option<Number>,
        /// The value of a summary.
        #[prost(message, optional, boxed, tag = "4")]
        pub summary: Option<Box<Summary>>,
        /// The value of what has no type.
        #[prost(message, optional, tag = "5")]
        pub untyped: Option<Number>,
        /// Milliseconds since 1970.
        #[prost(int64, optional, tag = "6")]
        pub timestamp_ms: Option<i64>,
        /// The value of a histogram.
        #[prost(message, optional, boxed, tag = "7")]
        pub histogram: Option<Box<Histogram>>,
    }

    /// A label.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct LabelPair {
        /// Its name.
        #[prost(string, optional, tag = "1")]
        pub name: Option<String>,
        /// Its value.
        #[prost(string, optional, tag = "2")]
        pub value: Option<String>,
    }

    /// What `Gauge`, `Counter` and `Untyped` have in common.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Number {
        /// The value.
        #[prost(double, optional, tag = "1")]
        pub value: Option<f64>,
    }

    /// The parts of a summary.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Summary {
        /// How many values there were.
        #[prost(uint64, optional, tag = "1")]
        pub sample_count: Option<u64>,
        /// Their sum.
        #[prost(double, optional, tag = "2")]
        pub sample_sum: Option<f64>,
        /// Quantiles.
        #[prost(message, repeated, tag = "3")]
        pub quantiles: Vec<Quantile>,
    }

    /// A quantile of a summary.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Quantile {
        /// Which.
        #[prost(double, optional, tag = "1")]
        pub quantile: Option<f64>,
        /// Its value.
        #[prost(double, optional, tag = "2")]
        pub value: Option<f64>,
    }

    /// The parts of a histogram.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Histogram {
        /// How many values there were.
        #[prost(uint64, optional, tag = "1")]
        pub sample_count: Option<u64>,
        /// Their sum.
        #[prost(double, optional, tag = "2")]
        pub sample_sum: Option<f64>,
        /// Counts up to bounds.
        #[prost(message, repeated, tag = "3")]
        pub buckets: Vec<Bucket>,
        /// The sum of weights, in place of the count where it is not 0.
        #[prost(double, optional, tag = "4")]
        pub sample_count_float: Option<f64>,
        /// Every native histogram has one.
        #[prost(sint32, optional, tag = "5")]
        pub schema: Option<i32>,
    }

    /// A bucket of a histogram.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Bucket {
        /// How many values there were up to the bound.
        #[prost(uint64, optional, tag = "1")]
        pub cumulative_count: Option<u64>,
        /// The bound.
        #[prost(double, optional, tag = "2")]
        pub upper_bound: Option<f64>,
        /// The sum of weights, in place of the count where it is not 0.
        #[prost(double, optional, tag = "4")]
        pub cumulative_count_float: Option<f64>,
    }
}

/// Why a body holds no families.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A message is longer than what is left of the body.
    #[error("unexpected EOF")]
    Truncated,
    /// The length of a message is no number.
    #[error("variable length integer overflow")]
    Length,
    /// A message is none.
    #[error("proto: cannot parse invalid wire-format data: {0}")]
    Message(String),
    /// A message says what cannot be.
    #[error("{0}")]
    Content(String),
}

fn content<T>(what: String) -> Result<T, Undecodable> {
    Err(Undecodable::Content(what))
}

/// Returns whether a `Content-Type` announces families as protobuf. Everything else is text.
pub fn is_announced(content_type: &str) -> bool {
    let Some((kind, parameters)) = media_type(content_type) else { return false };
    let has = |name: &str, value: &str| {
        parameters.iter().any(|known| *known == (name.to_owned(), value.to_owned()))
    };
    kind == "application/vnd.google.protobuf"
        && has("encoding", "delimited")
        && has("proto", "io.prometheus.client.MetricFamily")
}

/// Takes a media type apart as Go's mime.ParseMediaType does; `None` where that fails.
fn media_type(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let (kind, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let mut parameters: Vec<(String, String)> = Vec::new();
    while !rest.trim().is_empty() && rest.trim() != ";" {
        let (name, value) = rest.trim_start().strip_prefix(';')?.split_once('=')?;
        let name = name.trim_start().to_ascii_lowercase();
        let value = value.trim_start();
        let (value, after) = if value.starts_with('"') { quoted_value(value)? } else { plain_value(value)? };
        if !is_token(&name) || parameters.iter().any(|(known, _)| *known == name) {
            return None;
        }
        parameters.push((name, value));
        rest = after;
    }
    Some((kind.trim().to_ascii_lowercase(), parameters))
}

fn is_token(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte);
    !text.is_empty() && text.bytes().all(good)
}

fn plain_value(text: &str) -> Option<(String, &str)> {
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    is_token(&text[..end]).then(|| (text[..end].to_owned(), &text[end..]))
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

/// Reads all families of a body, in the order in which they were named first; of those with one name the last counts, and one
/// without metrics is none.
///
/// # Errors
/// At the first message that is wrong.
pub fn parse(mut body: &[u8], names: Names) -> Result<Vec<Family<'static>>, Undecodable> {
    let mut families: Vec<Family<'static>> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::default();
    while !body.is_empty() {
        let family = family_of(take_message(&mut body)?, names)?;
        match by_name.get(&*family.name) {
            Some(known) => families[*known] = family,
            None => {
                by_name.insert(family.name.clone().into_owned(), families.len());
                families.push(family);
            }
        }
    }
    families.retain(|family| !family.metrics.is_empty());
    Ok(families)
}

fn take_message(body: &mut &[u8]) -> Result<message::MetricFamily, Undecodable> {
    let mut rest = *body;
    let Ok(length) = prost::decode_length_delimiter(&mut rest) else {
        let ends_within = body.len() < 10 && body.iter().all(|byte| *byte >= 0x80);
        return Err(if ends_within { Undecodable::Truncated } else { Undecodable::Length });
    };
    let (message, rest) = rest.split_at_checked(length).ok_or(Undecodable::Truncated)?;
    *body = rest;
    message::MetricFamily::decode(message).map_err(|error| Undecodable::Message(error.to_string()))
}

fn family_of(family: message::MetricFamily, names: Names) -> Result<Family<'static>, Undecodable> {
    let name = family.name.unwrap_or_default();
    if !names.take_metric(&name) {
        return content(format!("invalid metric name {}", quote(&name)));
    }
    let kind = match family.kind.unwrap_or_default() {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Summary,
        3 => Kind::Untyped,
        4 => Kind::Histogram,
        5 => Kind::GaugeHistogram,
        other => return content(format!("unknown type {other} of metric {}", quote(&name))),
    };
    let metrics = family.metrics.into_iter().map(|metric| {
        Ok(Metric {
            timestamp_ms: metric.timestamp_ms,
            value: value_of(&metric, kind, &name)?,
            labels: labels_of(metric.labels, kind, &name, names)?,
        })
    });
    let metrics = metrics.collect::<Result<_, _>>()?;
    Ok(Family { name: Cow::Owned(name), help: family.help.map(Cow::Owned), kind, metrics })
}

fn labels_of(
    labels: Vec<message::LabelPair>,
    kind: Kind,
    metric: &str,
    names: Names,
) -> Result<Vec<Pair<'static>>, Undecodable> {
    let mut pairs = Vec::with_capacity(labels.len());
    for label in labels {
        let name = label.name.unwrap_or_default();
        if is_reserved(&name) {
            return content(format!("label name {} is reserved", quote(&name)));
        }
        if !names.take_label(&name) {
            return content(format!("invalid label name {}", quote(&name)));
        }
        if kind.own_label() == Some(&*name) {
            return content(format!(
                "metric {} must not have an explicit {} label",
                quote(metric),
                quote(&name)
            ));
        }
        pairs.push((Cow::Owned(name), Cow::Owned(label.value.unwrap_or_default())));
    }
    pairs.sort_unstable();
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return content(format!("duplicate label names for metric {}", quote(metric)));
    }
    Ok(pairs)
}

fn value_of(metric: &message::Metric, kind: Kind, name: &str) -> Result<Value, Undecodable> {
    let plain =
        |number: Option<message::Number>| number.map(|number| Value::Plain(number.value.unwrap_or_default()));
    let value = match kind {
        Kind::Counter => plain(metric.counter),
        Kind::Gauge => plain(metric.gauge),
        Kind::Untyped => plain(metric.untyped),
        Kind::Summary => metric.summary.as_deref().map(summary_of),
        Kind::Histogram | Kind::GaugeHistogram => {
            metric.histogram.as_deref().map(|histogram| histogram_of(histogram, name)).transpose()?
        }
    };
    value.map_or_else(|| content(format!("metric {} is not a {}", quote(name), kind.name())), Ok)
}

fn summary_of(summary: &message::Summary) -> Value {
    let quantiles = summary.quantiles.iter();
    let quantiles = quantiles.map(|one| (one.quantile.unwrap_or_default(), one.value.unwrap_or_default()));
    let (count, sum) = (summary.sample_count, summary.sample_sum);
    Value::Summary(Summary { count, sum, quantiles: quantiles.collect() })
}

fn histogram_of(histogram: &message::Histogram, name: &str) -> Result<Value, Undecodable> {
    if histogram.schema.is_some() && histogram.buckets.is_empty() {
        return content(format!("histogram {} is native: only classic buckets can be kept", quote(name)));
    }
    let bucket = |bucket: &message::Bucket| {
        let count = count_of(bucket.cumulative_count, bucket.cumulative_count_float);
        (bucket.upper_bound.unwrap_or_default(), count.unwrap_or(Count::Whole(0)))
    };
    Ok(Value::Histogram(Histogram {
        count: count_of(histogram.sample_count, histogram.sample_count_float),
        sum: histogram.sample_sum,
        buckets: histogram.buckets.iter().map(bucket).collect(),
    }))
}

/// A sum of weights overrides a number of values where it is not 0.
fn count_of(whole: Option<u64>, float: Option<f64>) -> Option<Count> {
    match (whole, float) {
        (Some(whole), None | Some(0.0)) => Some(Count::Whole(whole)),
        (_, float) => float.map(Count::Float),
    }
}

fn quote(text: &str) -> String {
    go::quote(text.as_bytes())
}

#[cfg(test)]
mod tests;
