//! What is wrong with the monitoring itself: the things that make alerts late, double or lost.
//!
//! Each rule of `rules` looks at what the cluster's servers told of themselves and says what is
//! wrong, why it matters, and what to do. What a server does not tell is a finding too: nothing unread is called well.

use super::alerts::alerts;
use super::clusters::Cluster;
use super::coverage::Coverage;
use super::gather::Answer;
use super::nodes::nodes;
use super::silences::{SilenceCopy, silences};
use super::status::{ClusterStatus, Unread, status};
use crate::model::alert::{Alert, AlertState};
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::node::Node;
use crate::model::relabel::{AlertRelabelling, Relabelled};
use crate::net::{Ledger, NetError, PrometheusClient, Reply, Sending};
use crate::wire::am_v2::Annotations;
use crate::wire::prom_config::decode_alert_relabelling;
use crate::wire::prom_json::QueryValue;
use pushed::{Gateway, Scraped};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

mod pushed;
mod rules;
#[cfg(test)]
mod tests;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Alerts are late, double or lost, or will be.
    Problem,
    /// It works, but not as it should.
    Warning,
    /// Looked at and found right.
    Ok,
}

impl Level {
    /// Returns the word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Problem => "PROBLEM",
            Self::Warning => "WARNING",
            Self::Ok => "ok",
        }
    }
}

/// One thing that the doctor says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The cluster.
    pub cluster: ClusterName,
    /// How bad.
    pub level: Level,
    /// A stable name of the rule, for scripts.
    pub rule: &'static str,
    /// What was found.
    pub text: String,
    /// What to do about it; empty where nothing is to be done.
    pub hint: String,
}

/// What one Prometheus tells of its way to Alertmanager; absent is what it hides.
#[derive(Debug, Clone)]
struct Sender {
    name: Arc<str>,
    queue_capacity: Option<u64>,
    alertmanagers: Option<usize>,
    relabelling: Option<AlertRelabelling>,
    records_bad: Option<bool>,
    failed_sends: Option<f64>,
    sending: Sending,
    scraped: Option<Scraped>,
    unread: Vec<Unread>,
}

/// What one alert proxy tells of its way to the Alertmanagers, or why it tells nothing.
#[derive(Debug, Clone)]
struct Forwarder {
    name: Arc<str>,
    ledger: Result<BTreeMap<String, Ledger>, String>,
}

/// Everything that the rules look at.
struct Facts<'a> {
    cluster: &'a Cluster,
    status: &'a ClusterStatus,
    senders: &'a [Sender],
    forwarders: &'a [Forwarder],
    gateways: &'a [Gateway],
    nodes: &'a [Node],
    alerts: &'a [Alert],
    silences: &'a [SilenceCopy],
    /// Who told the lists of nodes, alerts and silences, and who did not.
    lists: &'a [(&'static str, Coverage)],
}

/// Examines one cluster. The findings come worst first.
pub async fn doctor(cluster: &Cluster) -> Answer<Vec<Finding>> {
    let senders = futures_util::future::join_all(cluster.prometheus.iter().map(|prom| sender(cluster, prom)));
    let forwarders = futures_util::future::join_all(cluster.proxy.iter().map(|proxy| async {
        let ledger = proxy.ledger().await.map(|reply| reply.value).map_err(|error| error.kind.to_string());
        Forwarder { name: proxy.replica().name.clone(), ledger }
    }));
    let (status, senders, forwarders, gateways, nodes, alerts, silences) = tokio::join!(
        status(cluster, |_| {}),
        senders,
        forwarders,
        pushed::gateways(cluster),
        nodes(cluster, |_| {}),
        settled_alerts(cluster),
        silences(cluster, |_| {}),
    );
    let lists = [("nodes", nodes.coverage), ("alerts", alerts.coverage), ("silences", silences.coverage)];
    let facts = Facts {
        cluster,
        status: &status.value,
        senders: &senders,
        forwarders: &forwarders,
        gateways: &gateways,
        nodes: &nodes.value,
        alerts: &alerts.value,
        silences: &silences.value,
        lists: &lists,
    };
    let mut findings = rules::examine(&facts);
    findings.sort_by_key(|f| f.level);
    let coverage = lists.into_iter().fold(status.coverage, |whole, (_, part)| whole.join(part));
    Answer { value: findings, coverage, notes: Vec::new() }
}

/// An alert that has just begun to fire needs so long to an Alertmanager, through a proxy that asks its node first.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Asks for the alerts, and once more after a while where some are in no Alertmanager: lost is only what still is in none then.
async fn settled_alerts(cluster: &Cluster) -> Answer<Vec<Alert>> {
    let is_unsent = |alert: &&Alert| alert.state == AlertState::Unsent;
    let first = alerts(cluster, Annotations::FirstLine, |_| {}).await;
    let unsent: HashSet<_> = first.value.iter().filter(is_unsent).map(|alert| alert.fingerprint).collect();
    if unsent.is_empty() {
        return first;
    }
    tokio::time::sleep(ON_ITS_WAY).await;
    let mut settled = alerts(cluster, Annotations::FirstLine, |_| {}).await;
    settled.value.retain(|alert| !is_unsent(&alert) || unsent.contains(&alert.fingerprint));
    settled
}

async fn sender(cluster: &Cluster, prom: &PrometheusClient) -> Sender {
    // Only a Prometheus that scrapes itself can tell; the others answer with nothing.
    let failed = "sum(increase(prometheus_notifications_errors_total[15m])) + sum(increase(prometheus_notifications_dropped_total[15m]))";
    let (flags, alertmanagers, settings, rule, failed, sending) = tokio::join!(
        prom.flags(),
        prom.active_alertmanagers(),
        prom.settings(),
        prom.has_rule(&cluster.config.bad_metric),
        prom.query(failed, None),
        prom.sending()
    );
    let mut unread = Vec::new();
    let capacity = heard(&mut unread, "queue capacity", flags).and_then(|flags| {
        let capacity = flags.get("alertmanager.notification-queue-capacity").and_then(|c| c.parse().ok());
        if capacity.is_none() {
            unread.push(Unread { what: "queue capacity", why: "it has no such flag".to_owned() });
        }
        capacity
    });
    let alertmanagers = heard(&mut unread, "its alertmanagers", alertmanagers);
    let relabelling = heard(&mut unread, "relabelling of alerts", settings).and_then(|settings| {
        let decoded = decode_alert_relabelling(&settings.yaml);
        decoded.map_err(|e| unread.push(Unread { what: "relabelling of alerts", why: e.to_string() })).ok()
    });
    let failed = heard(&mut unread, "failed sends", failed);
    let sending = heard(&mut unread, "lost alerts", sending).unwrap_or_default();
    let scraped = pushed::scraped(cluster, prom, &mut unread).await;
    Sender {
        name: prom.replica().name.clone(),
        queue_capacity: capacity,
        alertmanagers,
        relabelling,
        records_bad: match rule {
            Ok(records) => Some(records),
            Err(error) => {
                unread.push(Unread::failed("recording rule", &error));
                None
            }
        },
        failed_sends: failed.and_then(|value| match value {
            QueryValue::Vector(samples) => samples.first().map(|s| s.value),
            _ => None,
        }),
        sending,
        scraped,
        unread,
    }
}

/// Returns what was answered, or notes why nothing was.
fn heard<T>(unread: &mut Vec<Unread>, what: &'static str, answer: Result<Reply<T>, NetError>) -> Option<T> {
    answer.map(|reply| reply.value).map_err(|e| unread.push(Unread::failed(what, &e))).ok()
}

/// Returns the label set that Alertmanager gets for an alert without labels of its own.
fn sent_by(sender: &Sender) -> Option<Labels> {
    match sender.relabelling.as_ref()?.apply(&[("alertname", "x")].into_iter().collect()) {
        Relabelled::Sent(labels) => Some(labels),
        Relabelled::Dropped | Relabelled::Unknown => None,
    }
}
