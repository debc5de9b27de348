//! What the query API of a gateway does not tell of histograms: native buckets, and the values of gauge histograms. They are on the
//! page that Prometheus reads, where that is asked for as messages.

use super::page;
use crate::model::family::{Kind, Pair, Value};
use crate::model::names::Names;
use crate::net::{NetError, PushgatewayClient};
use crate::wire::exposition::{Format, protobuf};
use crate::wire::push_groups::PushedGroup;
use std::collections::HashMap;

type Labels = Vec<Pair<'static>>;

/// Puts what the page says of histograms in the place of what was told of them, as far as it says something.
///
/// # Errors
/// Where the gateway does not answer.
pub(super) async fn complete(old: &PushgatewayClient, groups: &mut [PushedGroup]) -> Result<(), NetError> {
    let is_histogram = |kind: Kind| matches!(kind, Kind::Histogram | Kind::GaugeHistogram);
    let mut kinds = groups.iter().flat_map(|group| &group.families).map(|family| family.kind);
    if !kinds.any(is_histogram) {
        return Ok(());
    }
    // Whoever knows text alone has none to tell of.
    let families = protobuf::parse(&page(old, Format::Protobuf).await?, Names::Utf8).unwrap_or_default();
    let mut shown: HashMap<String, HashMap<Labels, Value>> = HashMap::new();
    for family in families.into_iter().filter(|family| is_histogram(family.kind)) {
        let values = family.metrics.into_iter().map(|metric| (metric.labels, metric.value));
        shown.insert(family.name.into_owned(), values.collect());
    }
    for group in groups {
        let mut is_whole = true;
        for family in group.families.iter_mut().filter(|family| is_histogram(family.kind)) {
            let mut values = shown.get_mut(&*family.name);
            for metric in &mut family.metrics {
                match values.as_mut().and_then(|values| values.remove(&metric.labels)) {
                    Some(value) => metric.value = value,
                    None => is_whole = false,
                }
            }
        }
        group.lacks_buckets &= !is_whole;
    }
    Ok(())
}
