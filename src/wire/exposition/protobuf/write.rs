//! Writes families as length-delimited protobuf: what a scraper asks for that takes native histograms, which no text can hold.

use super::message::{self, BucketSpan, LabelPair, MetricFamily, Number};
use super::{KINDS, Undecodable, family_of};
use crate::model::family::{Family, Kind, Metric, Pair, Summary, Value};
use crate::model::histogram::{Buckets, Count, Counts, Histogram, Native, Span};
use crate::model::names::Names;
use crate::wire::exposition::parse::{self, Malformed};
use foldhash::HashMap;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The native histograms of families, as [`natives`] writes them: by name, of each group that has some.
pub type Natives = BTreeMap<String, Vec<Arc<[u8]>>>;

/// Writes a page of text as messages, with these native histograms in the place of what text says of them.
///
/// # Errors
/// Where the page is none.
pub fn page(text: &str, natives: &Natives) -> Result<Vec<u8>, Malformed> {
    let mut page = Vec::with_capacity(text.len());
    // One after the other: as messages they are many times what they are as text.
    for family in families(text) {
        for mut family in parse::parse(family.as_bytes(), Names::Utf8)? {
            if let Some(natives) = natives.get(&*family.name) {
                // They were written here.
                let _ = restore(&mut family, natives.iter().map(|native| &**native));
            }
            page.extend(delimited(&family));
        }
    }
    Ok(page)
}

/// Takes a page apart: a family begins with its head, after the samples of the one before.
fn families(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let heads = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len);
        let samples = heads.sum::<usize>();
        let end = match text[samples..].starts_with('#') {
            true => samples,
            false => memchr::memmem::find(&text.as_bytes()[samples..], b"\n#")
                .map_or(text.len(), |end| samples + end + 1),
        };
        let (family, rest) = text.split_at(end);
        text = rest;
        (!family.is_empty()).then_some(family)
    })
}

/// Writes the metrics of a family that are native histograms; `None` where there are none.
pub fn natives(family: &Family<'_>) -> Option<Vec<u8>> {
    let metrics: Vec<_> = family
        .metrics
        .iter()
        .filter(|metric| metric.is_native())
        .map(|one| metric(one, family.kind))
        .collect();
    if metrics.is_empty() {
        return None;
    }
    let (name, kind) = (Some(family.name.to_string()), number_of(family.kind));
    Some(MetricFamily { name, help: None, kind, metrics }.encode_to_vec())
}

/// Puts native histograms, as [`natives`] wrote them, in the place of what text says of them.
///
/// # Errors
/// Where they are none.
pub fn restore<'f, 'n>(
    family: &mut Family<'f>,
    natives: impl Iterator<Item = &'n [u8]>,
) -> Result<(), Undecodable> {
    let mut values: HashMap<Vec<Pair<'f>>, Value> = HashMap::default();
    for native in natives {
        let native = MetricFamily::decode(native).map_err(|error| Undecodable::Message(error.to_string()))?;
        let native = family_of(native, Names::Utf8)?;
        values.extend(native.metrics.into_iter().map(|metric| (metric.labels, metric.value)));
    }
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
    use super::families;

    #[test]
    fn a_page_is_taken_apart_at_its_heads() {
        let text = "# HELP a A.\n# TYPE a gauge\na 1\na{x=\"#\"} 2\n# TYPE b gauge\nb 1\n# TYPE c gauge\n";
        let found: Vec<_> = families(text).collect();
        assert_eq!(
            found,
            ["# HELP a A.\n# TYPE a gauge\na 1\na{x=\"#\"} 2\n", "# TYPE b gauge\nb 1\n", "# TYPE c gauge\n"]
        );
        assert_eq!(families("").count(), 0);
        assert_eq!(families("a 1\n# TYPE b gauge").collect::<Vec<_>>(), ["a 1\n", "# TYPE b gauge"]);
    }
}
