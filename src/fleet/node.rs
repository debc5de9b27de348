//! One node: all its checks, its alerts, and the silences that hit it.

use super::alerts::alerts_about;
use super::clusters::Cluster;
use super::coverage::Coverage;
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
use crate::net::{Alertmanager, NetError, PrometheusClient, Reply};
use crate::wire::am_v2::Annotations;
use crate::wire::prom_json::Sample;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// What the three questions about a node have brought so far.
#[derive(Default)]
struct Heard {
    checks: Option<Checks>,
    alerts: Option<Answer<Vec<Alert>>>,
    silences: Option<Answer<Vec<SilenceCopy>>>,
}

/// What the Prometheus replicas say of the node itself.
struct Checks {
    up: (NodeUp, Labels),
    merged: Merged,
    coverage: Coverage,
}

impl Checks {
    fn of(cluster: &Cluster, gathered: &Gathered<Part>) -> Self {
        let merged = status_series(cluster, gathered);
        Self { up: up_series(cluster, gathered), merged, coverage: gathered.coverage.clone() }
    }
}

impl Heard {
    /// Puts together what is there; replicas of which nothing is there yet are waited for.
    fn detail(&self, cluster: &Cluster, name: &str) -> Answer<NodeDetail> {
        let (alerts, notes) =
            self.alerts.as_ref().map_or_else(Default::default, |a| (a.value.clone(), a.notes.clone()));
        let (up, labels) =
            self.checks.as_ref().map_or((NodeUp::Unknown, Labels::default()), |c| c.up.clone());
        let copies = self.silences.iter().flat_map(|answer| &answer.value);
        let hits = copies.filter_map(|copy| hit(copy.clone(), &labels, &alerts)).collect();
        let nothing = Merged::default();
        let merged = self.checks.as_ref().map_or(&nothing, |checks| &checks.merged);
        let (checks, counts) = check_states(cluster, merged, &alerts);
        let coverage = [
            self.checks.as_ref().map(|checks| &checks.coverage),
            self.alerts.as_ref().map(|answer| &answer.coverage),
            self.silences.as_ref().map(|answer| &answer.coverage),
        ];
        let asked = cluster.prometheus.iter().map(PrometheusClient::replica);
        let asked =
            asked.chain(cluster.alertmanager.iter().map(Alertmanager::replica)).map(Coverage::waiting);
        let whole = coverage.iter().all(Option::is_some);
        let waiting = asked.filter(|_| !whole).fold(Coverage::default(), Coverage::join);
        Answer {
            value: NodeDetail {
                cluster: cluster.name().clone(),
                name: name.into(),
                up,
                labels,
                checks,
                counts,
                alerts,
                silences: hits,
            },
            coverage: coverage.into_iter().flatten().cloned().fold(waiting, Coverage::join),
            notes,
        }
    }
}

/// Asks every replica of a cluster about one node.
///
/// `so_far` is told what is known each time that something comes, once a Prometheus has answered: a replica that
/// hangs must not keep a page empty.
pub async fn node(
    cluster: &Cluster,
    name: &str,
    so_far: impl Fn(Answer<NodeDetail>) + Sync,
) -> Answer<NodeDetail> {
    let cluster = &cluster.one_question();
    let heard = Mutex::new(Heard::default());
    let note = |change: &dyn Fn(&mut Heard)| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut heard);
        if heard.checks.as_ref().is_some_and(|checks| checks.coverage.answered() > 0) {
            so_far(heard.detail(cluster, name));
        }
    };
    let checks = async {
        let asks =
            cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom, name))).collect();
        let partial = |partial: &Gathered<Part>| {
            note(&|heard| heard.checks = Some(Checks::of(cluster, partial)));
        };
        let gathered = gather(asks, partial).await;
        let mut checks = Checks::of(cluster, &gathered);
        settle(cluster, &mut checks.merged).await;
        checks
    };
    let here = [(&*cluster.config.node_label, name)].into_iter().collect();
    let (checks, alerts, silences) = tokio::join!(
        checks,
        alerts_about(cluster, &here, Annotations::FirstLine, |partial| {
            note(&|heard| heard.alerts = Some(partial()));
        }),
        silences(cluster, |partial| note(&|heard| heard.silences = Some(partial())))
    );
    Heard { checks: Some(checks), alerts: Some(alerts), silences: Some(silences) }.detail(cluster, name)
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
