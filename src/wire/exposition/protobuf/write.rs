//! Writes families as length-delimited protobuf: what a scraper asks for that takes native histograms, which no text can hold.

use super::message::{self, BucketSpan, LabelPair, MetricFamily, Number};
use super::{KINDS, Undecodable, family_of};
use crate::model::family::{Family, Kind, Metric, Pair, Summary, Value};
use crate::model::histogram::{Buckets, Count, Counts, Histogram, Native, Span};
use crate::model::names::Names;
use crate::wire::exposition::escape;
use crate::wire::exposition::parse::{self, Malformed};
use foldhash::{HashMap, HashSet};
use prost::Message as _;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The native histograms of families, as [`natives`] writes them: by name, of each group that has some.
pub type Natives = BTreeMap<String, Vec<Arc<[u8]>>>;

/// So many lines of a page are read at a time: as families and messages they are many times what they are as text.
const LINES: usize = 1000;

/// Writes a page of text as messages, with these native histograms in the place of what text says of them.
///
/// # Errors
/// Where the page is none, or they are none.
pub fn page(text: &str, natives: &Natives) -> Result<Vec<u8>, Undecodable> {
    let mut page = Vec::with_capacity(text.len());
    let mut metrics = Vec::new();
    for (heads, samples) in families(text) {
        let Some(mut head) = open(heads, samples)? else { continue };
        let natives = natives.get(&*head.name).map_or(&[][..], Vec::as_slice);
        let mut native = HashSet::default();
        for one in natives {
            native.extend(labels(one)?);
        }
        metrics.clear();
        for slice in slices(samples, &head) {
            let text = [heads, slice].concat();
            let families = parse::parse(text.as_bytes(), Names::Utf8).map_err(unreadable)?;
            let told = families.iter().flat_map(|family| &family.metrics);
            for told in told.filter(|metric| !native.contains(&metric.labels)) {
                prost::encoding::message::encode(METRIC, &metric(told, head.kind), &mut metrics);
            }
        }
        head.metrics.clear();
        let head = message(&head);
        let length =
            head.encoded_len() + metrics.len() + natives.iter().map(|native| native.len()).sum::<usize>();
        prost::encoding::encode_varint(length as u64, &mut page);
        // There is always room in a vector.
        let _ = head.encode(&mut page);
        // The classic ones come first. A Prometheus of 2.42 takes a family for what its first metric is, and who has classic
        // buckets, whether native ones beside them or not, has rules for those.
        page.extend_from_slice(&metrics);
        natives.iter().for_each(|native| page.extend_from_slice(native));
    }
    Ok(page)
}

/// The number of a family's metrics in its message.
const METRIC: u32 = 4;

fn unreadable(error: Malformed) -> Undecodable {
    Undecodable::Content(error.to_string())
}

/// Reads the head of a family by the first of its samples; `None` where it has none.
fn open(heads: &str, samples: &str) -> Result<Option<Family<'static>>, Undecodable> {
    let first = samples.split_inclusive('\n').next().unwrap_or_default();
    let text = [heads, first].concat();
    let mut families = parse::parse(text.as_bytes(), Names::Utf8).map_err(unreadable)?;
    Ok(families.pop().map(Family::into_owned))
}

/// Reads the labels of native histograms, without the rest of them: their values are many times what they are as they are kept.
fn labels(natives: &[u8]) -> Result<impl Iterator<Item = Vec<Pair<'static>>>, Undecodable> {
    let family = Labelled::decode(natives).map_err(|error| Undecodable::Message(error.to_string()))?;
    let owned = |text: Option<String>| Cow::Owned(text.unwrap_or_default());
    let pair = move |label: LabelPair| (owned(label.name), owned(label.value));
    Ok(family.metrics.into_iter().map(move |metric| metric.labels.into_iter().map(pair).collect()))
}

/// A family of which nothing is read but the labels.
#[derive(Clone, PartialEq, prost::Message)]
struct Labelled {
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<LabelledMetric>,
}

/// One metric of it.
#[derive(Clone, PartialEq, prost::Message)]
struct LabelledMetric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
}

/// Takes a page apart: the heads of each family, and its samples.
fn families(mut text: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let heads = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
        let (heads, rest) = text.split_at(heads);
        let end = memchr::memmem::find(rest.as_bytes(), b"\n#").map_or(rest.len(), |end| end + 1);
        let (samples, after) = rest.split_at(end);
        text = after;
        (!(heads.is_empty() && samples.is_empty())).then_some((heads, samples))
    })
}

/// Takes the samples of a family apart, so that no metric is in two pieces: of one with several lines its count is the last
/// ([`crate::wire::exposition::write::samples`]).
fn slices<'t>(mut samples: &'t str, head: &Family<'_>) -> impl Iterator<Item = &'t str> {
    let count = head.kind.own_label().map(|_| {
        let (mut count, is_plain) = (String::new(), Names::Legacy.take_metric(&head.name));
        count.push_str(if is_plain { "" } else { "{\"" });
        escape(&head.name, true, &mut count);
        count + if is_plain { "_count" } else { "_count\"" }
    });
    let is_count = |line: &str, count: &str| {
        line.strip_prefix(count).is_some_and(|rest| rest.starts_with(['{', ' ', ',', '}']))
    };
    let ends = move |line: &str| count.as_ref().is_none_or(|count| is_count(line, count));
    std::iter::from_fn(move || {
        let mut lines = samples.split_inclusive('\n');
        let mut end: usize = lines.by_ref().take(LINES - 1).map(str::len).sum();
        for line in lines {
            end += line.len();
            if ends(line) {
                break;
            }
        }
        let (slice, rest) = samples.split_at(end);
        samples = rest;
        (!slice.is_empty()).then_some(slice)
    })
}

/// Writes the metrics of a family that are native histograms, as they stand in its message; `None` where there are none.
pub fn natives(family: &Family<'_>) -> Option<Vec<u8>> {
    let native = family.metrics.iter().filter(|metric| metric.is_native());
    let metrics: Vec<_> = native.map(|one| metric(one, family.kind)).collect();
    (!metrics.is_empty()).then(|| MetricFamily { metrics, ..MetricFamily::default() }.encode_to_vec())
}

/// Puts native histograms, as [`natives`] wrote them, in the place of what text says of them.
///
/// # Errors
/// Where they are none.
pub fn restore(family: &mut Family<'_>, natives: &[u8]) -> Result<(), Undecodable> {
    let native = MetricFamily::decode(natives).map_err(|error| Undecodable::Message(error.to_string()))?;
    let (name, kind) = (Some(family.name.to_string()), number_of(family.kind));
    let native = family_of(MetricFamily { name, kind, ..native }, Names::Utf8)?;
    let mut values: HashMap<Vec<Pair<'_>>, Value> =
        native.metrics.into_iter().map(|metric| (metric.labels, metric.value)).collect();
    for metric in &mut family.metrics {
        if let Some(value) = values.remove(&metric.labels) {
            metric.value = value;
        }
    }
    Ok(())
}

/// Writes a family with its length before it, as families follow each other.
pub fn delimited(family: &Family<'_>) -> Vec<u8> {
    message(family).encode_length_delimited_to_vec()
}

/// Returns a family as a message.
pub fn message(family: &Family<'_>) -> MetricFamily {
    MetricFamily {
        name: Some(family.name.to_string()),
        help: family.help.as_ref().map(ToString::to_string),
        kind: number_of(family.kind),
        metrics: family.metrics.iter().map(|one| metric(one, family.kind)).collect(),
    }
}

fn number_of(kind: Kind) -> Option<i32> {
    KINDS.iter().zip(0..).find(|(known, _)| **known == kind).map(|(_, number)| number)
}

fn metric(metric: &Metric<'_>, kind: Kind) -> message::Metric {
    let label =
        |(name, value): &Pair<'_>| LabelPair { name: Some(name.to_string()), value: Some(value.to_string()) };
    let mut made = message::Metric {
        labels: metric.labels.iter().map(label).collect(),
        timestamp_ms: metric.timestamp_ms,
        ..message::Metric::default()
    };
    match &metric.value {
        Value::Plain(value) => {
            let number = Some(Number { value: Some(*value) });
            match kind {
                Kind::Counter => made.counter = number,
                Kind::Gauge => made.gauge = number,
                _ => made.untyped = number,
            }
        }
        Value::Summary(value) => made.summary = Some(summary(value).into()),
        Value::Histogram(value) => made.histogram = Some(histogram(value).into()),
    }
    made
}

fn summary(summary: &Summary) -> message::Summary {
    let quantile =
        |(quantile, value): &(f64, f64)| message::Quantile { quantile: Some(*quantile), value: Some(*value) };
    message::Summary {
        sample_count: summary.count,
        sample_sum: summary.sum,
        quantiles: summary.quantiles.iter().map(quantile).collect(),
    }
}

fn histogram(histogram: &Histogram) -> message::Histogram {
    let bucket = |(bound, count): &(f64, Count)| message::Bucket {
        upper_bound: Some(*bound),
        cumulative_count: whole(Some(*count)),
        cumulative_count_float: float(Some(*count)),
    };
    let classic = message::Histogram {
        sample_count: whole(histogram.count),
        sample_count_float: float(histogram.count),
        sample_sum: histogram.sum,
        buckets: histogram.buckets.iter().map(bucket).collect(),
        ..message::Histogram::default()
    };
    let Some(native) = &histogram.native else { return classic };
    let Native { schema, zero_threshold, zero_count, negative, positive } = &**native;
    message::Histogram {
        schema: Some(*schema),
        zero_threshold: Some(*zero_threshold),
        zero_count: whole(*zero_count),
        zero_count_float: float(*zero_count),
        negative_spans: spans(negative),
        negative_deltas: deltas(negative),
        negative_counts: floats(negative),
        positive_spans: spans(positive),
        positive_deltas: deltas(positive),
        positive_counts: floats(positive),
        ..classic
    }
}

fn whole(count: Option<Count>) -> Option<u64> {
    match count? {
        Count::Whole(count) => Some(count),
        Count::Float(_) => None,
    }
}

fn float(count: Option<Count>) -> Option<f64> {
    match count? {
        Count::Whole(_) => None,
        Count::Float(count) => Some(count),
    }
}

fn spans(buckets: &Buckets) -> Vec<BucketSpan> {
    let span = |Span { offset, length }: &Span| BucketSpan { offset: Some(*offset), length: Some(*length) };
    buckets.spans.iter().map(span).collect()
}

fn deltas(buckets: &Buckets) -> Vec<i64> {
    match &buckets.counts {
        Counts::Deltas(deltas) => deltas.clone(),
        Counts::Floats(_) => Vec::new(),
    }
}

fn floats(buckets: &Buckets) -> Vec<f64> {
    match &buckets.counts {
        Counts::Deltas(_) => Vec::new(),
        Counts::Floats(floats) => floats.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, families, slices};
    use crate::model::family::{Family, Kind, Metric, Summary, Value};
    use crate::wire::exposition::write;

    #[test]
    fn a_page_is_taken_apart_at_its_heads() {
        let text = "# HELP a A.\n# TYPE a gauge\na 1\na{x=\"#\"} 2\n# TYPE b gauge\nb 1\n# TYPE c gauge\n";
        let found: Vec<_> = families(text).collect();
        assert_eq!(
            found,
            [
                ("# HELP a A.\n# TYPE a gauge\n", "a 1\na{x=\"#\"} 2\n"),
                ("# TYPE b gauge\n", "b 1\n"),
                ("# TYPE c gauge\n", "")
            ]
        );
        assert_eq!(families("").count(), 0);
        assert_eq!(
            families("a 1\n# TYPE b gauge").collect::<Vec<_>>(),
            [("", "a 1\n"), ("# TYPE b gauge", "")]
        );
    }

    #[test]
    fn no_metric_is_in_two_pieces() {
        let lengths = |text: &str, name: &str, kind| -> Vec<usize> {
            let head = Family { name: name.into(), help: None, kind, metrics: Vec::new() };
            slices(text, &head).map(|slice| slice.matches('\n').count()).collect()
        };
        let plain = "m{a=\"1\"} 1\n".repeat(2 * LINES + 5);
        assert_eq!(lengths(&plain, "m", Kind::Gauge), [LINES, LINES, 5]);
        assert_eq!(lengths("", "m", Kind::Gauge), [0; 0]);
        for name in ["h", "h_count", "h.é", "h \"\\\n_count", "_count\",_count"] {
            for labels in [vec![], vec![("a".into(), "_count".into())]] {
                let quantiles = vec![(0.5, 1.0), (0.9, 2.0)];
                let value = Value::Summary(Summary { count: Some(2), sum: Some(3.0), quantiles });
                let metrics = vec![Metric { labels, value, timestamp_ms: None }];
                let family = Family { name: name.into(), help: None, kind: Kind::Summary, metrics };
                let mut lines = String::new();
                write::samples(&family, &mut lines);
                let found = lengths(&lines.repeat(LINES), name, Kind::Summary);
                assert!(found.iter().all(|lines| lines % 4 == 0 && *lines < LINES + 4), "{lines} {found:?}");
                assert_eq!(found.iter().sum::<usize>(), 4 * LINES);
            }
        }
    }
}
