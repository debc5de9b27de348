//! One node: all its checks, its alerts, and the silences that hit it.

use super::alerts::alerts_about;
use super::clusters::Cluster;
use super::coverage::Coverage;
use super::detail::SOURCE;
use super::gather::{Answer, Gathered, SoFar, ask, gather};
use super::merge::{Merged, status_of, up_of};
use super::settle::settle;
use super::silences::{SilenceCopy, silences};
use crate::model::alert::Alert;
use crate::model::check::CheckState;
use crate::model::cluster::{ClusterName, PEER_JOBS, Replica, SERVER_JOBS};
use crate::model::labels::Labels;
use crate::model::matcher::Verdict;
use crate::model::node::{NodeUp, StatusCounts};
use crate::model::silence::SilenceState;
use crate::net::{Alertmanager, NetError, PrometheusClient, Reply};
use crate::wire::am_v2::Annotations;
use crate::wire::prom_json::Sample;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

impl NodeDetail {
    /// Reports whether a Prometheus has told anything of the node itself.
    pub fn is_known(&self) -> bool {
        self.up != NodeUp::Unknown || !self.checks.is_empty()
    }
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

/// Looks for nodes called `name`: whole, or without its port; with `prefix` also those that only begin so. One that is scraped
/// nowhere is known by what was pushed for it, under its whole name.
pub async fn find(cluster: &Cluster, name: &str, prefix: bool) -> Answer<Vec<FoundNode>> {
    let tail = if prefix { ".*" } else { "(:[0-9]+)?" };
    let pattern = quote(&format!("{}{tail}", regex::escape(name)));
    let (label, nodes) = (&cluster.config.node_label, not_servers());
    let mut expr = format!("group by ({label}) (up{{{label}=~{pattern},{nodes}}})");
    if !prefix {
        let status = quote(&cluster.config.status_metric);
        let _ = write!(expr, " or group by ({label}) ({{__name__={status},{label}=~{pattern},{nodes}}})");
    }
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

/// Writes the matcher that leaves out what `generate prometheus` has scraped beside the nodes: the monitoring's own servers.
pub(super) fn not_servers() -> String {
    format!("job!~\"{SERVER_JOBS}|{PEER_JOBS}\"")
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
    /// How many of the three are answered whole.
    whole: usize,
}

/// What the Prometheus replicas say of the node itself.
pub(super) struct Checks {
    pub(super) up: (NodeUp, Labels),
    pub(super) merged: Merged,
    pub(super) coverage: Coverage,
}

impl Checks {
    fn of(cluster: &Cluster, gathered: &Gathered<Part>) -> Self {
        let merged = status_series(cluster, gathered);
        Self { up: up_series(cluster, gathered), merged, coverage: gathered.coverage.clone() }
    }
}

impl Heard {
    /// Puts together what is there; whoever was asked what has brought nothing yet is waited for.
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
        let prometheus = || cluster.prometheus.iter().map(PrometheusClient::replica);
        let members = || cluster.alertmanager.iter().map(Alertmanager::replica);
        let waiting = |asked: &mut dyn Iterator<Item = &Replica>| {
            asked.map(Coverage::waiting).fold(Coverage::default(), Coverage::join)
        };
        let coverage = [
            self.checks.as_ref().map_or_else(|| waiting(&mut prometheus()), |c| c.coverage.clone()),
            self.alerts
                .as_ref()
                .map_or_else(|| waiting(&mut prometheus().chain(members())), |a| a.coverage.clone()),
            self.silences.as_ref().map_or_else(|| waiting(&mut members()), |s| s.coverage.clone()),
        ];
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
            coverage: coverage.into_iter().fold(Coverage::default(), Coverage::join),
            notes,
        }
    }
}

/// The three questions about a node while they are under way.
struct Asking<'a, F> {
    cluster: &'a Cluster,
    name: &'a str,
    heard: Mutex<Heard>,
    so_far: F,
}

impl<F: Fn(SoFar<'_, NodeDetail>)> Asking<'_, F> {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a part of an answer, which is put in only if somebody wants to know.
    fn part(&self, take: impl Fn(&mut Heard)) {
        (self.so_far)(&|| {
            let mut heard = self.heard();
            take(&mut heard);
            heard.detail(self.cluster, self.name)
        });
    }

    /// Takes a whole answer, and tells of it unless it is the last one.
    fn whole(&self, take: impl FnOnce(&mut Heard)) {
        let whole = {
            let mut heard = self.heard();
            take(&mut heard);
            heard.whole += 1;
            heard.whole
        };
        if whole < 3 {
            (self.so_far)(&|| self.heard().detail(self.cluster, self.name));
        }
    }
}

/// Asks every replica of a cluster about one node.
///
/// `so_far` is told each time that something comes: a replica that hangs must not keep a page empty. Before a
/// Prometheus has answered that is not [known](NodeDetail::is_known). Whoever wants to know of some parts must
/// ask for all: what was not asked for is not in the next one, unless it was whole.
pub async fn node(
    cluster: &Cluster,
    name: &str,
    so_far: impl Fn(SoFar<'_, NodeDetail>) + Sync,
) -> Answer<NodeDetail> {
    let cluster = &cluster.one_question();
    let asking = Asking { cluster, name, heard: Mutex::default(), so_far };
    let checks = async {
        let partial = |partial: &Gathered<Part>| {
            asking.part(|heard| heard.checks = Some(Checks::of(cluster, partial)));
        };
        let checks = checks(cluster, name, partial).await;
        asking.whole(|heard| heard.checks = Some(checks));
    };
    let here = [(&*cluster.config.node_label, name)].into_iter().collect();
    let alerts = async {
        let partial = |partial: SoFar<'_, Vec<Alert>>| {
            asking.part(|heard| heard.alerts = Some(partial()));
        };
        let alerts = alerts_about(cluster, &here, Annotations::FirstLine, partial).await;
        asking.whole(|heard| heard.alerts = Some(alerts));
    };
    let silences = async {
        let partial = |partial: SoFar<'_, Vec<SilenceCopy>>| {
            asking.part(|heard| heard.silences = Some(partial()));
        };
        let silences = silences(cluster, partial).await;
        asking.whole(|heard| heard.silences = Some(silences));
    };
    tokio::join!(checks, alerts, silences);
    asking.heard().detail(cluster, name)
}

/// Asks what the Prometheus replicas say of the node's checks; where they disagree, the fresher one decides.
async fn checks(cluster: &Cluster, name: &str, partial: impl Fn(&Gathered<Part>)) -> Checks {
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), part(cluster, prom, name))).collect();
    let gathered = gather(asks, partial).await;
    let mut checks = Checks::of(cluster, &gathered);
    settle(cluster, &mut checks.merged).await;
    checks
}

/// Asks what the Prometheus replicas say of the node's checks, and waits for all of them.
pub(super) async fn whole_checks(cluster: &Cluster, name: &str) -> Checks {
    checks(cluster, name, |_| {}).await
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
            let name = [&*cluster.config.check_label, SOURCE];
            let [check, source] = name.map(|label| labels.get(label));
            let its_own = alerts.iter().filter(|a| name.map(|label| a.labels.get(label)) == [check, source]);
            CheckState {
                check: check.into(),
                source: (!source.is_empty()).then(|| source.into()),
                status,
                disputed,
                since: its_own.map(|a| a.since).min(),
            }
        })
        .collect();
    let name = |check: &CheckState| (check.check.clone(), check.source.clone());
    checks.sort_by(|a, b| b.status.badness().cmp(&a.status.badness()).then_with(|| name(a).cmp(&name(b))));
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
