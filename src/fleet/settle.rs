//! Settling a disagreement: the fresher sample is right.
//!
//! Replicas scrape at different moments, so for some seconds after a change they differ. An instant
//! answer carries the time of evaluation, not the sample's: for the few series that differ, and only
//! for those, the samples' own times are asked. They are asked of the raw series: a recorded one is
//! as old as its evaluation.

use super::clusters::Cluster;
use super::gather::{ask, gather};
use super::merge::{Merged, status_of};
use super::node::quote;
use crate::model::labels::Labels;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// More disagreements than this are not a matter of seconds; they stay visible as they are.
const MAX_DISPUTED: usize = 200;

/// Samples whose times differ by less than this are equally fresh, and the worse status stands.
const SAME_MOMENT: f64 = 1.0;

/// Asks the replicas for the times of the samples in dispute and drops the votes that are older.
pub(super) async fn settle(cluster: &Cluster, merged: &mut Merged) {
    let disputed: Vec<Labels> =
        merged.iter().filter(|(_, votes)| status_of(votes).1).map(|(labels, _)| labels.clone()).collect();
    if disputed.is_empty() || disputed.len() > MAX_DISPUTED {
        return;
    }
    let expr = times_of(cluster, &disputed);
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.vector(&expr))).collect();
    let gathered = gather(asks, |_| {}).await;
    let mut times: HashMap<(Arc<str>, Labels), f64> = HashMap::new();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        for sample in &reply.value {
            times.insert(
                (outcome.replica.name.clone(), sample.labels.without(&cluster.config.drop_labels)),
                sample.value,
            );
        }
    }
    for labels in disputed {
        // timestamp() drops the metric's name; a series may have kept it.
        let bare = labels.without(&["__name__"]);
        let time = |replica: &Arc<str>| times.get(&(replica.clone(), bare.clone())).copied();
        merged.keep_freshest(&labels, time, SAME_MOMENT);
    }
}

/// Builds one expression for the times of all disputed samples.
fn times_of(cluster: &Cluster, disputed: &[Labels]) -> String {
    let any_of = |label: &str| {
        let values: BTreeSet<String> = disputed.iter().map(|l| regex::escape(l.get(label))).collect();
        quote(&values.into_iter().collect::<Vec<_>>().join("|"))
    };
    let (node, check) = (&cluster.config.node_label, &cluster.config.check_label);
    format!(
        "timestamp({{__name__={},{node}=~{},{check}=~{}}})",
        quote(&cluster.config.status_metric),
        any_of(node),
        any_of(check)
    )
}
