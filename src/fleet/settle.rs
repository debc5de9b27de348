//! Settling a disagreement: the fresher sample is right.
//!
//! Replicas scrape at different moments, so for some seconds after a change they differ. An instant
//! answer carries the time of evaluation, not the sample's: for the few series that differ, and only
//! for those, value and time of the samples are asked. They are asked of the raw series: a recorded
//! one is as old as its evaluation, and it is not there at all for what is OK.

use super::clusters::Cluster;
use super::gather::{ask, gather};
use super::merge::{Merged, RawSample, Vote, status_of};
use super::node::quote;
use crate::model::labels::Labels;
use crate::wire::prom_json::Sample;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// More disagreements than this are not a matter of seconds; they stay visible as they are.
const MAX_DISPUTED: usize = 200;

/// Samples whose times differ by less than this are equally fresh, and the worse status stands.
const SAME_MOMENT: f64 = 1.0;

/// The label that tells a raw value from its time where both come in one answer.
const VALUE_MARK: &str = "iaasmon_raw";

/// Gives a voice to replicas that report nothing bad: one that scrapes a node (`up` is 1 there) and does not
/// list a check of it among the bad ones says OK. One that does not scrape it says nothing.
pub(super) fn count_absent(cluster: &Cluster, up: &Merged, bad: &mut Merged) {
    let target = |labels: &Labels| {
        (Arc::<str>::from(labels.get(&cluster.config.node_label)), Arc::<str>::from(labels.get("job")))
    };
    let replicas = cluster.prometheus.len();
    let lone: Vec<Labels> =
        bad.iter().filter(|(_, votes)| votes.len() < replicas).map(|(labels, _)| labels.clone()).collect();
    let wanted: HashSet<_> = lone.iter().map(target).collect();
    if wanted.is_empty() {
        return;
    }
    let mut scraped: HashMap<_, Vec<Arc<str>>> = HashMap::new();
    for (labels, votes) in up.iter() {
        let target = target(labels);
        if wanted.contains(&target) {
            let by = votes.iter().filter(|v| v.value == 1.0).map(|v| v.replica.clone());
            scraped.entry(target).or_default().extend(by);
        }
    }
    for labels in lone {
        for replica in scraped.get(&target(&labels)).into_iter().flatten() {
            if bad.votes(&labels).iter().all(|v| v.replica != *replica) {
                bad.cast(&labels, Vote { replica: replica.clone(), value: 0.0 });
            }
        }
    }
}

/// Asks the replicas for the samples in dispute and drops the votes that are older.
pub(super) async fn settle(cluster: &Cluster, merged: &mut Merged) {
    let disputed: Vec<Labels> =
        merged.iter().filter(|(_, votes)| status_of(votes).1).map(|(labels, _)| labels.clone()).collect();
    if disputed.is_empty() || disputed.len() > MAX_DISPUTED {
        return;
    }
    let expr = samples_of(cluster, &disputed);
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.vector(&expr))).collect();
    let gathered = gather(asks, |_| {}).await;
    let mut raw: HashMap<Arc<str>, HashMap<Labels, RawSample>> = HashMap::new();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        raw.insert(outcome.replica.name.clone(), pair(&reply.value, &cluster.config.drop_labels));
    }
    for labels in disputed {
        // timestamp() drops the metric's name; a series may have kept it.
        let bare = labels.without(&["__name__"]);
        let sample = |replica: &Arc<str>| raw.get(replica)?.get(&bare).copied();
        merged.settle(&labels, sample, SAME_MOMENT);
    }
}

/// Puts values and times of one replica's answer together, by series.
fn pair(samples: &[Sample], drop_labels: &[String]) -> HashMap<Labels, RawSample> {
    let bare = |sample: &Sample| sample.labels.without(drop_labels).without(&["__name__", VALUE_MARK]);
    let (values, times): (Vec<&Sample>, Vec<&Sample>) =
        samples.iter().partition(|s| !s.labels.get(VALUE_MARK).is_empty());
    let times: HashMap<Labels, f64> = times.into_iter().map(|s| (bare(s), s.value)).collect();
    let paired = values.into_iter().filter_map(|sample| {
        let labels = bare(sample);
        let time = *times.get(&labels)?;
        Some((labels, RawSample { value: sample.value, time }))
    });
    paired.collect()
}

/// Builds one expression for the times and, marked, the values of all disputed samples: both from one evaluation.
fn samples_of(cluster: &Cluster, disputed: &[Labels]) -> String {
    let any_of = |label: &str| {
        let values: BTreeSet<String> = disputed.iter().map(|l| regex::escape(l.get(label))).collect();
        quote(&values.into_iter().collect::<Vec<_>>().join("|"))
    };
    let (node, check) = (&cluster.config.node_label, &cluster.config.check_label);
    let series = format!(
        "{{__name__={},{node}=~{},{check}=~{}}}",
        quote(&cluster.config.status_metric),
        any_of(node),
        any_of(check)
    );
    format!("timestamp({series}) or label_replace({series}, \"{VALUE_MARK}\", \"1\", \"\", \"\")")
}
