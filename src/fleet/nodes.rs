//! Nodes of a cluster: which there are, which are down, which checks fail.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, ask, gather};
use super::merge::{Merged, status_of, up_of};
use super::settle::{count_absent, settle};
use crate::model::labels::Labels;
use crate::model::node::{FailingCheck, Node, NodeUp, StatusCounts};
use crate::net::{NetError, PrometheusClient, Reply};
use crate::wire::prom_json::Sample;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One replica's part: `up` of every target and the status of what is bad.
struct Part {
    up: Vec<Sample>,
    bad: Vec<Sample>,
    /// Whether the recorded series is missing and every status series had to be scanned.
    scanned: bool,
}

/// Asks every Prometheus of a cluster for its nodes and their failing checks.
pub async fn nodes(cluster: &Cluster, mut so_far: impl FnMut(Answer<Vec<Node>>)) -> Answer<Vec<Node>> {
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom))).collect();
    let gathered = gather(asks, |partial| so_far(answer(cluster, merge(cluster, partial), partial))).await;
    let (up, mut bad) = merge(cluster, &gathered);
    count_absent(cluster, &up, &mut bad);
    settle(cluster, &mut bad).await;
    bad.drop_ok();
    answer(cluster, (up, bad), &gathered)
}

async fn part(cluster: &Cluster, prom: &PrometheusClient) -> Result<Reply<Part>, NetError> {
    let bad_metric = &cluster.config.bad_metric;
    // The expressions name metrics by matcher: a recorded series may carry any UTF-8 name.
    let bad = format!("{{__name__=\"{bad_metric}\"}}");
    let (up, bad) = tokio::join!(prom.vector("up"), prom.vector(&bad));
    let (up, mut bad) = (up?, bad?);
    // Nothing bad is good news only where somebody records it.
    let mut scanned = false;
    if bad.value.is_empty() && !prom.has_rule(bad_metric).await? {
        scanned = true;
        bad = prom.vector(&format!("{{__name__=\"{}\"}} != 0", cluster.config.status_metric)).await?;
    }
    let mut reply = up.map(|up| Part { up, bad: bad.value, scanned });
    reply.meta.took = reply.meta.took.max(bad.meta.took);
    reply.warnings.extend(bad.warnings);
    Ok(reply)
}

/// Merges `up` and what is bad over the replicas that answered.
fn merge(cluster: &Cluster, gathered: &Gathered<Part>) -> (Merged, Merged) {
    let (mut up, mut bad) = (Merged::default(), Merged::default());
    // One replica may have recorded what the other had to scan: the name tells nothing.
    let nameless = [&cluster.config.drop_labels[..], &["__name__".to_owned()]].concat();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let name = &outcome.replica.name;
        up = up.union(Merged::of(name, &reply.value.up, &cluster.config.drop_labels));
        bad = bad.union(Merged::of(name, &reply.value.bad, &nameless));
    }
    (up, bad)
}

fn answer(cluster: &Cluster, (up, bad): (Merged, Merged), gathered: &Gathered<Part>) -> Answer<Vec<Node>> {
    let scanned =
        gathered.outcomes.iter().filter(|o| o.result.as_ref().is_ok_and(|reply| reply.value.scanned));
    let note = |name: &str| {
        format!(
            "cluster {}: {name} has no rule that records {}: every status series was scanned, which is slow",
            cluster.name(),
            cluster.config.bad_metric
        )
    };
    let notes = scanned.map(|o| note(&o.replica.name)).collect();
    Answer { value: assemble(cluster, &up, &bad), coverage: gathered.coverage.clone(), notes }
}

/// Puts nodes together from merged `up` and merged failing checks, in order of name.
fn assemble(cluster: &Cluster, up: &Merged, bad: &Merged) -> Vec<Node> {
    let mut nodes: BTreeMap<Arc<str>, Node> = BTreeMap::new();
    for (labels, votes) in up.iter() {
        let node = entry(cluster, &mut nodes, labels);
        votes.iter().for_each(|vote| node.note_witness(&vote.replica));
        // A node may be scraped by several jobs; it is as down as its worst target.
        let target = up_of(votes);
        if node.up == NodeUp::Unknown || target < node.up {
            node.up = target;
            node.labels = labels.without(&["__name__"]);
        }
    }
    for (labels, votes) in bad.iter() {
        let (status, disputed) = status_of(votes);
        let check: Arc<str> = labels.get(&cluster.config.check_label).into();
        let node = entry(cluster, &mut nodes, labels);
        votes.iter().for_each(|vote| node.note_witness(&vote.replica));
        node.counts.add(status);
        node.failing.push(FailingCheck { check, status, disputed });
    }
    let mut list: Vec<Node> = nodes.into_values().collect();
    for node in &mut list {
        node.failing
            .sort_by(|a, b| b.status.badness().cmp(&a.status.badness()).then_with(|| a.check.cmp(&b.check)));
    }
    list
}

fn entry<'n>(cluster: &Cluster, nodes: &'n mut BTreeMap<Arc<str>, Node>, labels: &Labels) -> &'n mut Node {
    let name: Arc<str> = labels.get(&cluster.config.node_label).into();
    nodes.entry(name.clone()).or_insert_with(|| Node {
        cluster: cluster.name().clone(),
        name,
        up: NodeUp::Unknown,
        labels: Labels::default(),
        counts: StatusCounts::default(),
        failing: Vec::new(),
        seen_by: Vec::new(),
        stale: false,
    })
}
