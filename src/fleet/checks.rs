//! Checks by name over a cluster: how many nodes are in each status, and the worst of them.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, ask, gather};
use super::merge::{Merged, status_of};
use super::node::quote;
use crate::model::cluster::ClusterName;
use crate::model::node::StatusCounts;
use crate::model::status::Status;
use crate::net::{NetError, PrometheusClient, Reply};
use crate::wire::prom_json::Sample;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many of the worst nodes are kept per check.
const WORST: usize = 10;

/// One check name over one cluster or the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckSummary {
    /// The check's name.
    pub check: Arc<str>,
    /// Nodes by status.
    pub counts: StatusCounts,
    /// The worst nodes, worst first, at most ten.
    pub worst: Vec<WorstNode>,
    /// The clusters that run it.
    pub clusters: Vec<ClusterName>,
}

/// A node on which a check fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorstNode {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node; empty where it was pushed and belongs to none.
    pub node: Arc<str>,
    /// The job that it was pushed for, where it belongs to no node.
    pub job: Option<Arc<str>>,
    /// The check's status there.
    pub status: Status,
}

/// One replica's part: what is bad, and how many nodes run each check.
struct Part {
    bad: Vec<Sample>,
    total: Vec<Sample>,
}

/// Asks every Prometheus of a cluster for its checks by name.
///
/// Counting the healthy ones scans every status series on the server; that is why this is a command
/// and not part of any screen's refresh.
pub async fn checks(cluster: &Cluster) -> Answer<Vec<CheckSummary>> {
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom))).collect();
    let gathered = gather(asks, |_| {}).await;
    Answer { value: summarise(cluster, &gathered), coverage: gathered.coverage, notes: Vec::new() }
}

async fn part(cluster: &Cluster, prom: &PrometheusClient) -> Result<Reply<Part>, NetError> {
    let config = &cluster.config;
    let (status_metric, bad_metric) = (quote(&config.status_metric), quote(&config.bad_metric));
    let bad = format!("{{__name__={status_metric}}} != 0 or {{__name__={bad_metric}}}");
    let total = format!("count by ({}) ({{__name__={status_metric}}})", config.check_label);
    let (bad, total) = tokio::join!(prom.vector(&bad), prom.vector(&total));
    let (bad, total) = (bad?, total?);
    let mut reply = bad.map(|bad| Part { bad, total: total.value });
    reply.meta.took = reply.meta.took.max(total.meta.took);
    reply.warnings.extend(total.warnings);
    Ok(reply)
}

fn summarise(cluster: &Cluster, gathered: &Gathered<Part>) -> Vec<CheckSummary> {
    let mut bad = Merged::default();
    let mut totals: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let nameless: Vec<Sample> = reply
            .value
            .bad
            .iter()
            .map(|s| Sample { labels: s.labels.without(&["__name__"]), ..*s })
            .collect();
        bad.add(&outcome.replica.name, &nameless, &cluster.config.drop_labels);
        for sample in &reply.value.total {
            // An empty, restarted replica counts fewer; the larger count is the fleet.
            let total = totals.entry(sample.labels.get(&cluster.config.check_label).into()).or_default();
            *total = (*total).max(sample.value as u32);
        }
    }
    let mut summaries: BTreeMap<Arc<str>, CheckSummary> =
        totals.keys().map(|check| (check.clone(), empty(cluster, check))).collect();
    for (labels, votes) in bad.iter() {
        let check: Arc<str> = labels.get(&cluster.config.check_label).into();
        let summary = summaries.entry(check.clone()).or_insert_with(|| empty(cluster, &check));
        let (status, _) = status_of(votes);
        summary.counts.add(status);
        let node = labels.get(&cluster.config.node_label);
        let job = Some(labels.get("job")).filter(|job| node.is_empty() && !job.is_empty());
        let (cluster, node, job) = (cluster.name().clone(), node.into(), job.map(Into::into));
        summary.worst.push(WorstNode { cluster, node, job, status });
    }
    let mut list: Vec<CheckSummary> = summaries.into_values().collect();
    for summary in &mut list {
        let total = totals.get(&summary.check).copied().unwrap_or_default();
        summary.counts.ok = total.saturating_sub(summary.counts.bad());
        keep_worst(&mut summary.worst);
    }
    list
}

fn empty(cluster: &Cluster, check: &Arc<str>) -> CheckSummary {
    CheckSummary {
        check: check.clone(),
        counts: StatusCounts::default(),
        worst: Vec::new(),
        clusters: vec![cluster.name().clone()],
    }
}

fn keep_worst(worst: &mut Vec<WorstNode>) {
    worst.sort_by(|a, b| {
        b.status
            .badness()
            .cmp(&a.status.badness())
            .then_with(|| (&a.cluster, &a.node, &a.job).cmp(&(&b.cluster, &b.node, &b.job)))
    });
    worst.truncate(WORST);
}

/// Joins the summaries of several clusters by check name, worst check first.
pub fn combine(summaries: Vec<CheckSummary>) -> Vec<CheckSummary> {
    let mut by_name: BTreeMap<Arc<str>, CheckSummary> = BTreeMap::new();
    for summary in summaries {
        let Some(ours) = by_name.get_mut(&summary.check) else {
            by_name.insert(summary.check.clone(), summary);
            continue;
        };
        ours.counts.crit += summary.counts.crit;
        ours.counts.unknown += summary.counts.unknown;
        ours.counts.warn += summary.counts.warn;
        ours.counts.ok += summary.counts.ok;
        ours.clusters.extend(summary.clusters);
        ours.worst.extend(summary.worst);
        keep_worst(&mut ours.worst);
    }
    let mut list: Vec<CheckSummary> = by_name.into_values().collect();
    let key = |s: &CheckSummary| std::cmp::Reverse((s.counts.crit, s.counts.unknown, s.counts.warn));
    list.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.check.cmp(&b.check)));
    list
}
