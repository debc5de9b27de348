//! Reads families from length-delimited protobuf, as Go's and Java's libraries push them (handler/push.go of the pushgateway).
//!
//! Names and labels are held to the rules of the text format. Upstream takes any, and has a page that nobody can read
//! afterwards.

pub mod message;
pub mod write;

use crate::model::family::{Family, Kind, Metric, Pair, Summary, Value};
use crate::model::histogram::{Buckets, Count, Counts, Histogram, Native, Span};
use crate::model::names::{Names, is_reserved};
use crate::wire::go;
use foldhash::HashMap;
use prost::Message as _;
use std::borrow::Cow;

/// What the numbers of types mean.
const KINDS: [Kind; 6] =
    [Kind::Counter, Kind::Gauge, Kind::Summary, Kind::Untyped, Kind::Histogram, Kind::GaugeHistogram];

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

/// Reads what can be read of a page, metric by metric: what is wrong with one of them is no fault of the others. `None` where it
/// is no page in messages at all.
pub fn parse_leniently(mut body: &[u8], names: Names) -> Option<Vec<Family<'static>>> {
    let mut families = Vec::new();
    while !body.is_empty() {
        match take_message(&mut body) {
            Ok(mut family) => {
                let metrics = std::mem::take(&mut family.metrics);
                let Ok(mut head) = head_of(family, names) else { continue };
                let metrics =
                    metrics.into_iter().map(|metric| metric_of(metric, head.kind, &head.name, names));
                head.metrics = metrics.filter_map(Result::ok).collect();
                families.push(head);
            }
            Err(_) if families.is_empty() => return None,
            Err(_) => break,
        }
    }
    Some(families)
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

fn family_of(mut family: message::MetricFamily, names: Names) -> Result<Family<'static>, Undecodable> {
    let metrics = std::mem::take(&mut family.metrics);
    let mut head = head_of(family, names)?;
    let metrics = metrics.into_iter().map(|metric| metric_of(metric, head.kind, &head.name, names));
    head.metrics = metrics.collect::<Result<_, _>>()?;
    Ok(head)
}

/// Returns a family without its metrics.
fn head_of(family: message::MetricFamily, names: Names) -> Result<Family<'static>, Undecodable> {
    let name = family.name.unwrap_or_default();
    if !names.take_metric(&name) {
        return content(format!("invalid metric name {}", quote(&name)));
    }
    let number = family.kind.unwrap_or_default();
    let Some(kind) = usize::try_from(number).ok().and_then(|number| KINDS.get(number)).copied() else {
        return content(format!("unknown type {number} of metric {}", quote(&name)));
    };
    Ok(Family { name: Cow::Owned(name), help: family.help.map(Cow::Owned), kind, metrics: Vec::new() })
}

fn metric_of(
    metric: message::Metric,
    kind: Kind,
    name: &str,
    names: Names,
) -> Result<Metric<'static>, Undecodable> {
    Ok(Metric {
        timestamp_ms: metric.timestamp_ms,
        value: value_of(&metric, kind, name)?,
        labels: labels_of(metric.labels, kind, name, names)?,
    })
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
    let wrong = |why: &str| content(format!("{why} for histogram {}", quote(name)));
    let bucket = |bucket: &message::Bucket| {
        let count = count_of(bucket.cumulative_count, bucket.cumulative_count_float);
        (bucket.upper_bound.unwrap_or_default(), count.unwrap_or(Count::Whole(0)))
    };
    let native = is_native(histogram).then(|| native_of(histogram));
    let made = Histogram {
        count: match &native {
            None => count_of(histogram.sample_count, histogram.sample_count_float),
            Some(_) => counted(histogram, histogram.sample_count, histogram.sample_count_float),
        },
        // One NaN among many means that a series is stale.
        sum: histogram.sample_sum.map(|sum| if sum.is_nan() { f64::NAN } else { sum }),
        buckets: histogram.buckets.iter().map(bucket).collect(),
        native: native.map(Box::new),
    };
    // As in text.
    if made.native.is_none() && made.count.is_some_and(|count| count.value() < 0.0) {
        return wrong("negative count");
    }
    if made.buckets.iter().any(|(_, count)| count.value() < 0.0) {
        return wrong("negative bucket population");
    }
    match made.check_native() {
        Ok(()) => Ok(Value::Histogram(made)),
        Err(why) => content(format!("native histogram {} cannot be scraped: {why}", quote(name))),
    }
}

/// Whether a histogram is native for Prometheus, whatever else it says (isNativeHistogram in model/textparse/protobufparse.go).
/// One without values has a span without buckets.
fn is_native(histogram: &message::Histogram) -> bool {
    !(histogram.negative_spans.is_empty() && histogram.positive_spans.is_empty())
        || histogram.zero_threshold.is_some_and(|threshold| threshold > 0.0)
        || histogram.zero_count.is_some_and(|count| count > 0)
        || histogram.zero_count_float.is_some_and(|count| count > 0.0)
}

/// Whether a native histogram is one of weights: then all that counts values is passed over, else all that adds up weights
/// (Histogram in model/textparse/protobufparse.go).
fn is_weighted(histogram: &message::Histogram) -> bool {
    let weighs = |count: Option<f64>| count.is_some_and(|count| count > 0.0);
    weighs(histogram.sample_count_float) || weighs(histogram.zero_count_float)
}

fn counted(histogram: &message::Histogram, whole: Option<u64>, float: Option<f64>) -> Option<Count> {
    if is_weighted(histogram) { float.map(Count::Float) } else { whole.map(Count::Whole) }
}

fn native_of(histogram: &message::Histogram) -> Native {
    let is_weighted = is_weighted(histogram);
    let side = |spans: &[message::BucketSpan], deltas: &[i64], floats: &[f64]| Buckets {
        spans: (spans.iter())
            .map(|span| Span {
                offset: span.offset.unwrap_or_default(),
                length: span.length.unwrap_or_default(),
            })
            .collect(),
        counts: if is_weighted { Counts::Floats(floats.to_vec()) } else { Counts::Deltas(deltas.to_vec()) },
    };
    Native {
        schema: histogram.schema.unwrap_or_default(),
        zero_threshold: histogram.zero_threshold.unwrap_or_default(),
        zero_count: counted(histogram, histogram.zero_count, histogram.zero_count_float),
        negative: side(&histogram.negative_spans, &histogram.negative_deltas, &histogram.negative_counts),
        positive: side(&histogram.positive_spans, &histogram.positive_deltas, &histogram.positive_counts),
    }
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
