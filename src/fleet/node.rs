//! One node: all its checks, its alerts, and the silences that hit it.

use super::alerts::alerts_about;
use super::clusters::Cluster;
use super::gather::{Answer, Gathered, ask, gather};
use super::merge::{Merged, status_of, up_of};
use super::settle::settle;
use super::silences::{SilenceCopy, silences};
use crate::model::alert::Alert;
use crate::model::check::CheckState;
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::matcher::Verdict;
use crate::model::node::{NodeUp, StatusCounts};
use crate::model::silence::SilenceState;
use crate::net::{NetError, PrometheusClient, Reply};
use crate::wire::am_v2::Annotations;
use crate::wire::prom_json::Sample;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is known of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDetail {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node's name.
    pub name: Arc<str>,
    /// Whether it can be scraped.
    pub up: NodeUp,
    /// Labels of its `up` series.
    pub labels: Labels,
    /// Its checks, worst first, then by name.
    pub checks: Vec<CheckState>,
    /// Its checks by status.
    pub counts: StatusCounts,
    /// Its alerts, pending ones included.
    pub alerts: Vec<Alert>,
    /// Silences in force or to come that hit it.
    pub silences: Vec<NodeSilence>,
}

/// A silence that hits a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSilence {
    /// The silence.
    pub copy: SilenceCopy,
    /// How many of the node's alerts it hits now.
    pub alerts: usize,
    /// Whether a regex of it cannot be evaluated here.
    pub uncertain: bool,
}

/// A node that fits a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FoundNode {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node's whole name.
    pub name: Arc<str>,
}

/// Looks for nodes called `name`: whole, or without its port; with `prefix` also those that only begin so.
pub async fn find(cluster: &Cluster, name: &str, prefix: bool) -> Answer<Vec<FoundNode>> {
    let tail = if prefix { ".*" } else { "(:[0-9]+)?" };
    let pattern = quote(&format!("{}{tail}", regex::escape(name)));
    let expr = format!("group by ({label}) (up{{{label}=~{pattern}}})", label = cluster.config.node_label);
    // What is asked of the node comes behind it: a replica that hangs must not take a whole limit twice.
    let cluster = &cluster.by(cluster.deadline().part(1, 2));
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.vector(&expr))).collect();
    let gathered = gather(asks, |_| {}).await;
    let samples =
        gathered.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flat_map(|reply| &reply.value);
    let mut found: Vec<FoundNode> = samples
        .map(|s| FoundNode {
            cluster: cluster.name().clone(),
            name: s.labels.get(&cluster.config.node_label).into(),
        })
        .collect();
    found.sort();
    found.dedup();
    Answer { value: found, coverage: gathered.coverage, notes: Vec::new() }
}

/// Writes a PromQL string literal.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// One replica's part.
struct Part {
    up: Vec<Sample>,
    status: Vec<Sample>,
}

/// Asks every replica of a cluster about one node.
pub async fn node(cluster: &Cluster, name: &str) -> Answer<NodeDetail> {
    let cluster = &cluster.one_question();
    let checks = async {
        let asks =
            cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom, name))).collect();
        let gathered = gather(asks, |_| {}).await;
        let mut merged = status_series(cluster, &gathered);
        settle(cluster, &mut merged).await;
        (gathered, merged)
    };
    let here = [(&*cluster.config.node_label, name)].into_iter().collect();
    let ((gathered, merged), alerts, silences) =
        tokio::join!(checks, alerts_about(cluster, &here, Annotations::FirstLine), silences(cluster, |_| {}));
    let alerts_here = alerts.value;
    let (up, labels) = up_series(cluster, &gathered);
    let hits = silences.value.into_iter().filter_map(|copy| hit(copy, &labels, &alerts_here)).collect();
    let (checks, counts) = check_states(cluster, &merged, &alerts_here);
    let value = NodeDetail {
        cluster: cluster.name().clone(),
        name: name.into(),
        up,
        labels,
        checks,
        counts,
        alerts: alerts_here,
        silences: hits,
    };
    Answer {
        value,
        coverage: gathered.coverage.join(alerts.coverage).join(silences.coverage),
        notes: alerts.notes,
    }
}

async fn part(cluster: &Cluster, prom: &PrometheusClient, name: &str) -> Result<Reply<Part>, NetError> {
    let here = format!("{}={}", cluster.config.node_label, quote(name));
    // The recorded series holds the last state of a node that cannot be scraped any more.
    let either = format!(
        "{}|{}",
        regex::escape(&cluster.config.status_metric),
        regex::escape(&cluster.config.bad_metric)
    );
    let (up, status) = (format!("up{{{here}}}"), format!("{{__name__=~{},{here}}}", quote(&either)));
    let (up, status) = tokio::join!(prom.vector(&up), prom.vector(&status));
    let (up, status) = (up?, status?);
    let mut reply = up.map(|up| Part { up, status: status.value });
    reply.meta.took = reply.meta.took.max(status.meta.took);
    reply.warnings.extend(status.warnings);
    Ok(reply)
}

/// Merges raw and recorded status per check. A raw series beats the recorded one of the same replica:
/// it is newer by up to an evaluation.
fn status_series(cluster: &Cluster, gathered: &Gathered<Part>) -> Merged {
    let mut merged = Merged::default();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let mut by_check: BTreeMap<Labels, Sample> = BTreeMap::new();
        for sample in &reply.value.status {
            let raw = sample.labels.get("__name__") == cluster.config.status_metric;
            let labels = sample.labels.without(&["__name__"]);
            if raw || !by_check.contains_key(&labels) {
                by_check.insert(labels.clone(), Sample { labels, ..*sample });
            }
        }
        let samples: Vec<Sample> = by_check.into_values().collect();
        merged.add(&outcome.replica.name, &samples, &cluster.config.drop_labels);
    }
    merged
}

fn up_series(cluster: &Cluster, gathered: &Gathered<Part>) -> (NodeUp, Labels) {
    let answers =
        gathered.outcomes.iter().filter_map(|o| Some((o.replica.name.clone(), o.result.as_ref().ok()?)));
    let merged = answers
        .map(|(name, reply)| Merged::of(&name, &reply.value.up, &cluster.config.drop_labels))
        .fold(Merged::default(), Merged::union);
    let worst = merged.iter().map(|(labels, votes)| (up_of(votes), labels)).min();
    worst.map_or((NodeUp::Unknown, Labels::default()), |(up, labels)| (up, labels.without(&["__name__"])))
}

fn check_states(cluster: &Cluster, merged: &Merged, alerts: &[Alert]) -> (Vec<CheckState>, StatusCounts) {
    let mut counts = StatusCounts::default();
    let mut checks: Vec<CheckState> = merged
        .iter()
        .map(|(labels, votes)| {
            let (status, disputed) = status_of(votes);
            counts.add(status);
            let check: Arc<str> = labels.get(&cluster.config.check_label).into();
            let since = alerts
                .iter()
                .filter(|a| a.labels.get(&cluster.config.check_label) == &*check)
                .map(|a| a.since)
                .min();
            CheckState { check, status, disputed, since }
        })
        .collect();
    checks.sort_by(|a, b| b.status.badness().cmp(&a.status.badness()).then_with(|| a.check.cmp(&b.check)));
    (checks, counts)
}

/// Tells whether a silence hits the node: one of its alerts, or, for alerts to come, the node itself
/// by a matcher on one of its own labels while no other such matcher excludes it.
fn hit(copy: SilenceCopy, labels: &Labels, alerts: &[Alert]) -> Option<NodeSilence> {
    if copy.silence.state == SilenceState::Expired {
        return None;
    }
    let verdicts: Vec<Verdict> = alerts.iter().map(|a| copy.silence.hits(&a.labels)).collect();
    let count = verdicts.iter().filter(|v| **v == Verdict::Yes).count();
    let about_node: Vec<Verdict> = copy
        .silence
        .matchers
        .iter()
        .filter(|m| !labels.get(&m.name).is_empty())
        .map(|m| m.accepts(labels))
        .collect();
    let by_label = !about_node.is_empty() && !about_node.contains(&Verdict::No);
    let uncertain = verdicts.contains(&Verdict::Unknown) || about_node.contains(&Verdict::Unknown);
    (count > 0 || by_label).then_some(NodeSilence { copy, alerts: count, uncertain })
}
