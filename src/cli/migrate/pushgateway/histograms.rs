//! What the query API of a gateway does not tell of histograms: native buckets, and the values of gauge histograms. They are on the
//! page that Prometheus reads, where that is asked for as messages.

use super::page;
use crate::model::family::{Family, Kind, Metric, Pair, Value};
use crate::model::group::GroupKey;
use crate::model::names::Names;
use crate::net::PushgatewayClient;
use crate::wire::exposition::{Format, protobuf};
use crate::wire::push_groups::PushedGroup;
use std::collections::{HashMap, HashSet};

type Labels = Vec<Pair<'static>>;

/// What became of the histograms of all groups.
#[derive(Debug, Default)]
pub(super) struct Completed {
    /// The groups of which something is nowhere to be had: they must not be copied without it.
    pub lacking: HashSet<GroupKey>,
    /// What is to be known of all of them.
    pub note: Option<String>,
}

/// Puts what the page says of histograms in the place of what was told of them.
pub(super) async fn complete(old: &PushgatewayClient, groups: &mut [PushedGroup]) -> Completed {
    let mut kinds = groups.iter().flat_map(|group| &group.families).map(|family| family.kind);
    if !kinds.any(is_histogram) {
        return Completed::default();
    }
    let (families, note) = match page(old, Format::Protobuf).await {
        // Whoever knows text alone has none to tell of.
        Ok(page) => (protobuf::parse_leniently(&page, Names::Utf8), None),
        Err(error) => {
            let note = format!(
                "the page of the old gateway cannot be read: native histograms are copied without their buckets: {}",
                error.kind
            );
            (None, Some(note))
        }
    };
    let is_read = families.is_some();
    let mut shown = by_labels(families.unwrap_or_default());
    let mut lacking = HashSet::new();
    for group in groups {
        let mut lacks = false;
        for family in group.families.iter_mut().filter(|family| is_histogram(family.kind)) {
            let mut values = shown.get_mut(&*family.name);
            for metric in &mut family.metrics {
                match values.as_mut().and_then(|values| values.remove(&metric.labels)) {
                    Some(value) => metric.value = value,
                    // On a page in messages that cannot be read is a histogram that no Prometheus could scrape.
                    None => lacks |= is_read || family.kind == Kind::GaugeHistogram || is_bare(metric),
                }
            }
        }
        if lacks || (group.has_native && !is_read) {
            lacking.insert(group.key.clone());
        }
    }
    Completed { lacking, note }
}

fn is_histogram(kind: Kind) -> bool {
    matches!(kind, Kind::Histogram | Kind::GaugeHistogram)
}

/// Whether a histogram has values and no bucket that counts them, as old versions tell a native one.
fn is_bare(metric: &Metric<'_>) -> bool {
    let Value::Histogram(histogram) = &metric.value else { return false };
    histogram.buckets.is_empty() && histogram.count.is_some_and(|count| count.value() > 0.0)
}

fn by_labels(families: Vec<Family<'static>>) -> HashMap<String, HashMap<Labels, Value>> {
    let mut shown: HashMap<String, HashMap<Labels, Value>> = HashMap::new();
    for family in families.into_iter().filter(|family| is_histogram(family.kind)) {
        let values = family.metrics.into_iter().map(|metric| (metric.labels, metric.value));
        shown.entry(family.name.into_owned()).or_default().extend(values);
    }
    shown
}
