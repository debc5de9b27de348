//! Nodes of a cluster: which there are, which are down, which checks fail.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, Outcome, SoFar, ask, gather};
use super::merge::{Merged, status_of, up_of};
use super::node::{not_servers, quote};
use super::settle::{count_absent, settle};
use crate::model::labels::Labels;
use crate::model::node::{FailingCheck, Node, NodeUp, StatusCounts};
use crate::net::{NetError, NetErrorKind, PrometheusClient, Reply};
use crate::wire::prom_json::Sample;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One replica's part: `up` of every target and the status of what is bad.
struct Part {
    up: Vec<Sample>,
    bad: Vec<Sample>,
    /// Why every status series had to be scanned, where that was so.
    scanned: Option<Scanned>,
}

/// Why the recorded series was not enough.
enum Scanned {
    /// No rule records it.
    NoRule,
    /// Whether a rule records it was not told; some backends that speak the query API have no rules.
    NotTold(NetErrorKind),
}

/// Asks every Prometheus of a cluster for its nodes and their failing checks.
pub async fn nodes(cluster: &Cluster, mut so_far: impl FnMut(SoFar<'_, Vec<Node>>)) -> Answer<Vec<Node>> {
    let cluster = &cluster.one_question();
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom))).collect();
    let gathered =
        gather(asks, |partial| so_far(&|| answer(cluster, merge(cluster, partial), partial))).await;
    let (up, mut bad) = merge(cluster, &gathered);
    count_absent(cluster, &up, &mut bad);
    settle(cluster, &mut bad).await;
    bad.drop_ok();
    answer(cluster, (up, bad), &gathered)
}

async fn part(cluster: &Cluster, prom: &PrometheusClient) -> Result<Reply<Part>, NetError> {
    let bad_metric = &cluster.config.bad_metric;
    // The expressions name metrics by matcher: a recorded series may carry any UTF-8 name.
    let bad = format!("{{__name__={}}}", quote(bad_metric));
    let targets = format!("up{{{}}}", not_servers());
    let (up, bad) = tokio::join!(prom.vector(&targets), prom.vector(&bad));
    let (up, mut bad) = (up?, bad?);
    let mut scanned = None;
    // Nothing bad is good news only where somebody records it.
    if bad.value.is_empty() {
        scanned = match prom.has_rule(bad_metric).await {
            Ok(true) => None,
            Ok(false) => Some(Scanned::NoRule),
            Err(error) => Some(Scanned::NotTold(error.kind)),
        };
    }
    if scanned.is_some() {
        bad = prom.vector(&format!("{{__name__={}}} != 0", quote(&cluster.config.status_metric))).await?;
    }
    let mut reply = up.map(|up| Part { up, bad: bad.value, scanned });
    reply.meta.took = reply.meta.took.max(bad.meta.took);
    reply.warnings.extend(bad.warnings);
    Ok(reply)
}

/// Merges `up` and what is bad over the replicas that answered.
fn merge(cluster: &Cluster, gathered: &Gathered<Part>) -> (Merged, Merged) {
    let (mut up, mut bad) = (Merged::default(), Merged::default());
    // One replica may have scanned what the other has recorded: by their names they would count twice.
    let dropped = [&cluster.config.drop_labels[..], &["__name__".to_owned()]].concat();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let name = &outcome.replica.name;
        up.add(name, &reply.value.up, &dropped);
        bad.add(name, &reply.value.bad, &dropped);
    }
    (up, bad)
}

fn answer(cluster: &Cluster, (up, bad): (Merged, Merged), gathered: &Gathered<Part>) -> Answer<Vec<Node>> {
    let note = |outcome: &Outcome<Part>| {
        let why = match outcome.result.as_ref().ok()?.value.scanned.as_ref()? {
            Scanned::NoRule => format!("has no rule that records {}", cluster.config.bad_metric),
            Scanned::NotTold(why) => {
                format!("does not tell whether a rule records {} ({why})", cluster.config.bad_metric)
            }
        };
        let (cluster, name) = (cluster.name(), &outcome.replica.name);
        Some(format!("cluster {cluster}: {name} {why}: every status series was scanned, which is slow"))
    };
    let notes = gathered.outcomes.iter().filter_map(note).collect();
    Answer { value: assemble(cluster, &up, &bad), coverage: gathered.coverage.clone(), notes }
}

/// Puts nodes together from merged `up` and merged failing checks, in order of name.
fn assemble(cluster: &Cluster, up: &Merged, bad: &Merged) -> Vec<Node> {
    let mut nodes: BTreeMap<Arc<str>, Node> = BTreeMap::new();
    for (labels, votes) in up.iter() {
        let node = entry(cluster, &mut nodes, labels);
        votes.iter().for_each(|vote| node.note_witness(&vote.replica));
        // A node may be scraped by several jobs; it is as down as its worst target, and of equally bad ones
        // the smaller labels stand, because the series come in no particular order.
        let target = up_of(votes);
        if node.up == NodeUp::Unknown || (target, labels) < (node.up, &node.labels) {
            node.up = target;
            node.labels = labels.clone();
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
    // What was pushed may belong to no node.
    nodes.remove("");
    let mut list: Vec<Node> = nodes.into_values().collect();
    for node in &mut list {
        node.failing.sort_by(|a, b| {
            let badness = b.status.badness().cmp(&a.status.badness());
            badness.then_with(|| (&a.check, a.disputed).cmp(&(&b.check, b.disputed)))
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config};
    use crate::fleet::Fleet;
    use crate::fleet::coverage::Coverage;
    use crate::model::cluster::{Replica, ReplicaKind};
    use crate::net::Meta;
    use proptest::prelude::*;

    fn cluster() -> Arc<Cluster> {
        let mut config = Config::default();
        config.clusters = vec![config::Cluster::new("east", &config.defaults)];
        Fleet::new(&config).clusters()[0].clone()
    }

    fn series(name: &str, labels: [(&str, String); 3], value: f64) -> Sample {
        Sample {
            labels: labels.into_iter().chain([("__name__", name.to_owned())]).collect(),
            time: 1.0,
            value,
        }
    }

    fn outcome(name: String, up: Vec<Sample>, bad: Vec<Sample>) -> Outcome<Part> {
        let replica = Replica { cluster: "east".into(), kind: ReplicaKind::Prometheus, name: name.into() };
        let meta = Meta { took: Default::default(), at: Default::default(), skew: None };
        let value = Part { up, bad, scanned: None };
        Outcome { replica, result: Ok(Reply { value, meta, warnings: Vec::new() }) }
    }

    fn nodes_of(outcomes: Vec<Outcome<Part>>) -> Vec<Node> {
        let gathered = Gathered { outcomes, coverage: Coverage::default() };
        let (up, bad) = merge(&cluster(), &gathered);
        assemble(&cluster(), &up, &bad)
    }

    type Said = (Vec<(u8, u8, bool)>, Vec<(u8, u8, u8)>);

    /// A replica's part: `up` by node and job, and what is bad by node, check and value.
    fn said(i: usize, (up, bad): &Said) -> Outcome<Part> {
        let target = |(node, job, up): &(u8, u8, bool)| {
            let labels =
                [("instance", format!("n{node}")), ("job", format!("j{job}")), ("rack", format!("r{job}"))];
            series("up", labels, f64::from(u8::from(*up)))
        };
        let failing = |(node, check, value): &(u8, u8, u8)| {
            let labels =
                [("instance", format!("n{node}")), ("job", "j1".to_owned()), ("check", format!("c{check}"))];
            series("iaasmon_check_status:bad", labels, f64::from(*value))
        };
        outcome(format!("p{i}"), up.iter().map(target).collect(), bad.iter().map(failing).collect())
    }

    fn any_said() -> impl Strategy<Value = Said> {
        let up = proptest::collection::vec((0u8..3, 0u8..4, any::<bool>()), 0..8);
        (up, proptest::collection::vec((0u8..3, 0u8..3, 1u8..4), 0..6))
    }

    proptest! {
        #[test]
        fn neither_the_order_of_replies_nor_of_series_matters(said_by in proptest::collection::vec(any_said(), 1..4)) {
            let forward: Vec<_> = said_by.iter().enumerate().map(|(i, s)| said(i, s)).collect();
            let mut backward: Vec<_> = said_by.iter().enumerate().map(|(i, (up, bad))| {
                said(i, &(up.iter().rev().copied().collect(), bad.iter().rev().copied().collect()))
            }).collect();
            backward.reverse();
            prop_assert_eq!(nodes_of(forward), nodes_of(backward));
        }
    }

    #[test]
    fn what_one_replica_recorded_and_the_other_scanned_counts_once() {
        let bad = |name: &str| {
            let labels =
                [("instance", "n1"), ("job", "j"), ("check", "disk")].map(|(l, v)| (l, v.to_owned()));
            vec![series(name, labels, 2.0)]
        };
        let nodes = nodes_of(vec![
            outcome("a".to_owned(), Vec::new(), bad("iaasmon_check_status:bad")),
            outcome("b".to_owned(), Vec::new(), bad("iaasmon_check_status")),
        ]);
        assert_eq!((nodes.len(), nodes[0].counts.crit, nodes[0].failing.len()), (1, 1, 1));
    }
}
