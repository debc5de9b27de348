//! A check's output: from the node itself, else from what its alert carries.

use super::alerts::alerts_about;
use super::clusters::Cluster;
use super::coverage::Coverage;
use super::gather::{Answer, ask, gather};
use super::node::quote;
use crate::model::alert::Alert;
use crate::model::check::{CheckState, Detail, History};
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::net::{NetError, NetErrorKind};
use crate::wire::am_v2::Annotations;
use futures_util::stream::{self, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a check's output comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum DetailSource {
    /// The node's own detail API, just now.
    Node(Detail),
    /// The pushgateway, just now: the check belongs to no node.
    Pushgateway(Detail),
    /// Neither answers; this is what its alert carries.
    Alert {
        /// Why the one that was asked did not answer.
        why: String,
        /// The alert with its whole annotations; their age is that of `updated_at`.
        alert: Box<Alert>,
    },
    /// None of them.
    Nothing {
        /// Why the one that was asked did not answer.
        why: String,
    },
}

impl DetailSource {
    /// A detail of a check with these labels, which says who has it.
    fn of(cluster: &Cluster, labels: &Labels, detail: Detail) -> Self {
        match cluster.detail.is_pushed(labels) {
            true => Self::Pushgateway(detail),
            false => Self::Node(detail),
        }
    }
}

/// Which check is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The node that runs it; empty where none does.
    pub node: &'a str,
    /// The group that it was pushed to, where it was: labels that its series has beside its own.
    pub group: Option<&'a Labels>,
    /// Its name.
    pub check: &'a str,
    /// The host that its results are about, where that is another one than the node.
    pub source: Option<&'a str>,
}

/// The label of a result about another host (DESIGN 5.3).
pub const SOURCE: &str = "source";

/// Fetches the output of a check.
///
/// Series, node and alert are asked one after the other and together have the time of one question. A replica that
/// hangs must not use up what the node needs, nor a node that hangs what its alert needs: a third for each.
pub async fn detail(cluster: &Cluster, which: Which<'_>) -> Answer<DetailSource> {
    let deadline = cluster.deadline();
    let series = series_labels(&cluster.by(deadline.part(1, 3)), which).await;
    match cluster.detail.by(deadline.part(2, 3)).fetch(which.check, &series.value).await {
        Ok(reply) => series.map(|labels| DetailSource::of(cluster, &labels, reply.value)),
        Err(error) => from_alert(&cluster.by(deadline), which, &error).await,
    }
}

/// Fetches the output for an alert whose labels are at hand: no Prometheus need be asked.
pub async fn detail_of_alert(cluster: &Cluster, alert: &Alert) -> DetailSource {
    let check = alert.labels.get(&cluster.config.check_label);
    if check.is_empty() {
        return DetailSource::Nothing {
            why: format!("the alert has no label `{}`", cluster.config.check_label),
        };
    }
    let deadline = cluster.deadline();
    match cluster.detail.by(deadline.part(2, 3)).fetch(check, &alert.labels).await {
        Ok(reply) => DetailSource::of(cluster, &alert.labels, reply.value),
        Err(error) => {
            let source = Some(alert.labels.get(SOURCE)).filter(|source| !source.is_empty());
            let node = alert.labels.get(&cluster.config.node_label);
            // One of no node is known by all that its check's alerts have in common.
            let group = alert.labels.without(&["alertname", "severity"]);
            let which = Which { node, group: Some(&group).filter(|_| node.is_empty()), check, source };
            from_alert(&cluster.by(deadline), which, &error).await.value
        }
    }
}

/// A group of a pushgateway that has a check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundGroup {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its labels, the job among them.
    pub labels: Labels,
}

/// Looks for groups with a check of this name whose labels are, among others, these. Whatever is scraped at a place of its own
/// was not pushed.
pub async fn find_groups(cluster: &Cluster, check: &str, labels: &Labels) -> Answer<Vec<FoundGroup>> {
    let config = &cluster.config;
    let metrics = format!("{}|{}", regex::escape(&config.status_metric), regex::escape(&config.bad_metric));
    let wanted: String = labels.iter().map(|(name, value)| format!(",{name}={}", quote(value))).collect();
    let series = format!("{{__name__=~{},{}={}{wanted}}}", quote(&metrics), config.check_label, quote(check));
    let expr = format!("group without (__name__) ({series}) unless on (job, instance) up");
    // What is asked of the pushgateway comes behind it.
    let deadline = cluster.deadline().part(1, 2);
    let prometheus = cluster.by(deadline.part(2, 3)).prometheus;
    let asks = prometheus.iter().map(|prom| ask(prom.replica(), prom.vector(&expr))).collect();
    let gathered = gather(asks, |_| {}).await;
    let samples =
        gathered.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flat_map(|reply| &reply.value);
    let own = [&config.drop_labels[..], &[config.check_label.clone(), SOURCE.to_owned()]].concat();
    let found: BTreeSet<FoundGroup> = samples
        .map(|sample| FoundGroup { cluster: cluster.name().clone(), labels: sample.labels.without(&own) })
        .collect();
    let mut coverage = gathered.coverage;
    if found.is_empty() {
        // What is well is known to Prometheus only while it is scraped.
        coverage = coverage.join(gateways_there(&cluster.by(deadline)).await);
    }
    Answer { value: found.into_iter().collect(), coverage, notes: Vec::new() }
}

/// Asks which pushgateways of a cluster are there. One that answers with an error is: it may hide what was asked for.
async fn gateways_there(cluster: &Cluster) -> Coverage {
    let asks = cluster.pushgateway.iter().map(|gateway| ask(gateway.replica(), gateway.healthy())).collect();
    let outcomes = gather(asks, |_| {}).await.outcomes.into_iter();
    let hides = |error: &NetError| matches!(error.kind, NetErrorKind::Status { .. });
    let telling = outcomes.filter(|outcome| !outcome.result.as_ref().is_err_and(hides));
    telling
        .map(|outcome| Coverage::of(&outcome.replica, &outcome.result))
        .fold(Coverage::default(), Coverage::join)
}

/// Fetches the newest `limit` runs of a check from its node or pushgateway; an alert knows nothing of them.
pub async fn history(cluster: &Cluster, which: Which<'_>, limit: usize) -> Answer<Result<History, NetError>> {
    let deadline = cluster.deadline();
    let series = series_labels(&cluster.by(deadline.part(1, 2)), which).await;
    let reply = cluster.detail.by(deadline).history(which.check, &series.value, limit).await;
    series.map(|_| reply.map(|reply| reply.value))
}

/// Fetches the newest `limit` runs of the check behind an alert.
pub async fn history_of_alert(cluster: &Cluster, alert: &Alert, limit: usize) -> Result<History, String> {
    let check = alert.labels.get(&cluster.config.check_label);
    if check.is_empty() {
        return Err(format!("the alert has no label `{}`", cluster.config.check_label));
    }
    let reply = cluster.one_question().detail.history(check, &alert.labels, limit).await;
    reply.map(|reply| reply.value).map_err(|error| error.to_string())
}

/// The newest output of a check beside its past.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The newest result with its output.
    pub newest: Detail,
    /// The runs before it.
    pub history: History,
}

/// Fetches what the newest output of a check can be compared with: the newest `limit` runs.
pub async fn comparison(
    cluster: &Cluster,
    which: Which<'_>,
    limit: usize,
) -> Answer<Result<Comparison, NetError>> {
    let deadline = cluster.deadline();
    let series = series_labels(&cluster.by(deadline.part(1, 2)), which).await;
    let detail = cluster.detail.by(deadline);
    let (newest, history) = tokio::join!(
        detail.fetch(which.check, &series.value),
        detail.history(which.check, &series.value, limit)
    );
    series.map(|_| Ok(Comparison { newest: newest?.value, history: history?.value }))
}

/// How many details are fetched from a node at a time: what it serves beside its checks must not suffer.
const AT_A_TIME: usize = 4;

/// The name of a check, and the host that its results are about where that is not the node.
type Name = (Arc<str>, Option<Arc<str>>);

/// Fetches the details of several checks of one node, one request a check; those that fail are left out, and the
/// first reason is told.
pub async fn details(
    cluster: &Cluster,
    labels: &Labels,
    checks: impl IntoIterator<Item = &CheckState>,
) -> (BTreeMap<Name, Detail>, Option<NetError>) {
    let detail = cluster.one_question().detail;
    let fetch = async |CheckState { check, source, .. }: &CheckState| {
        let labels = labels.with(&cluster.config.check_label, check);
        let labels = labels.with(SOURCE, source.as_deref().unwrap_or_default());
        ((check.clone(), source.clone()), detail.fetch(check, &labels).await)
    };
    let mut replies = stream::iter(checks.into_iter().map(fetch)).buffer_unordered(AT_A_TIME);
    let (mut details, mut failed) = (BTreeMap::new(), None);
    while let Some((check, reply)) = replies.next().await {
        match reply {
            Ok(reply) => drop(details.insert(check, reply.value)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (details, failed)
}

/// Returns the labels of the check's series, which the detail URL is made from; at least node, check and
/// source, so that a URL of these works while no Prometheus answers.
async fn series_labels(cluster: &Cluster, which: Which<'_>) -> Answer<Labels> {
    let Which { node, group, check, source } = which;
    let (node_label, check_label) = (&cluster.config.node_label, &cluster.config.check_label);
    let group: Vec<(&str, &str)> =
        group.into_iter().flat_map(Labels::iter).filter(|(name, _)| *name != node_label).collect();
    let beside: String = group.iter().map(|(name, value)| format!(",{name}={}", quote(value))).collect();
    let metrics = format!(
        "{}|{}|up",
        regex::escape(&cluster.config.status_metric),
        regex::escape(&cluster.config.bad_metric)
    );
    // `up` has no check label: a matcher that accepts absence keeps it in.
    let expr = format!(
        "{{__name__=~{},{node_label}={},{check_label}=~{},{SOURCE}=~{}{beside}}}",
        quote(&metrics),
        quote(node),
        quote(&format!("{}|", regex::escape(check))),
        quote(&format!("{}|", source.map(regex::escape).unwrap_or_default()))
    );
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.vector(&expr))).collect();
    let gathered = gather(asks, |_| {}).await;
    let samples =
        gathered.outcomes.iter().filter_map(|o| o.result.as_ref().ok()).flat_map(|reply| &reply.value);
    let series = samples.max_by_key(|s| s.labels.len()).map(|s| s.labels.clone()).unwrap_or_default();
    let named = [(&**node_label, node), (check_label, check), (SOURCE, source.unwrap_or_default())];
    let labels =
        group.into_iter().chain(named).fold(series, |labels, (name, value)| labels.with(name, value));
    Answer { value: labels, coverage: gathered.coverage, notes: Vec::new() }
}

async fn from_alert(cluster: &Cluster, which: Which<'_>, error: &NetError) -> Answer<DetailSource> {
    let why = error.to_string();
    let (node_label, check_label) = (&*cluster.config.node_label, &*cluster.config.check_label);
    let named = [(node_label, which.node), (check_label, which.check)];
    let named = named.into_iter().chain(which.source.map(|source| (SOURCE, source)));
    let labels = which.group.into_iter().flat_map(Labels::iter).chain(named).collect();
    let found = alerts_about(cluster, &labels, Annotations::Whole, |_| {}).await;
    let is_of_it = |alert: &Alert| alert.labels.get(node_label) == labels.get(node_label);
    found.map(|alerts| match alerts.into_iter().filter(is_of_it).max_by_key(|a| a.updated_at) {
        Some(alert) => DetailSource::Alert { why, alert: Box::new(alert) },
        None => DetailSource::Nothing { why },
    })
}
