//! Alerts of a cluster: Prometheus' view joined with Alertmanager's, over all replicas.
//!
//! Alertmanager knows the label set, who is told and what is suppressed; Prometheus knows what is
//! pending, the value, and what Alertmanager lost. The join is by fingerprint of the label set that
//! Prometheus would send; where that cannot be calculated, by subset.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, SoFar, ask, gather};
use crate::model::alert::{Alert, AlertState, AmAlert, PromAlert, Severity};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::relabel::{AlertRelabelling, Relabelled};
use crate::net::{NetError, PrometheusClient, Reply};
pub use crate::wire::am_v2::Annotations;
use crate::wire::prom_config::decode_alert_relabelling;
use std::collections::HashMap;
use std::sync::Arc;

mod join;
mod marks;
#[cfg(test)]
mod tests;

pub use join::{JoinInput, PromView, join};
pub use marks::{AlertMarks, Wanted, marks};

/// One replica's part.
enum Part {
    Prometheus(PromView),
    Alertmanager(Vec<AmAlert>),
}

/// Asks every replica of a cluster for its alerts and joins them, pending ones included.
///
/// `so_far` is told the joined alerts after each reply but the last.
pub async fn alerts(
    cluster: &Cluster,
    keep: Annotations,
    so_far: impl FnMut(SoFar<'_, Vec<Alert>>),
) -> Answer<Vec<Alert>> {
    joined(cluster, &[], keep, so_far).await
}

/// As [`alerts`], only those that have all of `labels`: an Alertmanager sends no others, so that the outputs of a whole
/// storm do not travel for the sake of one.
///
/// `so_far` is told as by [`alerts`].
pub async fn alerts_about(
    cluster: &Cluster,
    labels: &Labels,
    keep: Annotations,
    mut so_far: impl FnMut(SoFar<'_, Vec<Alert>>),
) -> Answer<Vec<Alert>> {
    // A member before 0.27 cannot read other names; what it sends too much is dropped below.
    let readable = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let filters: Vec<String> = labels
        .iter()
        .filter(|(name, _)| readable(name))
        .map(|(name, value)| Matcher::new(name, MatchOp::Equal, value).to_string())
        .collect();
    let about = |mut answer: Answer<Vec<Alert>>| {
        answer.value.retain(|alert| labels.is_subset_of(&alert.labels));
        answer
    };
    about(joined(cluster, &filters, keep, |partial| so_far(&|| about(partial()))).await)
}

async fn joined(
    cluster: &Cluster,
    filters: &[String],
    keep: Annotations,
    mut so_far: impl FnMut(SoFar<'_, Vec<Alert>>),
) -> Answer<Vec<Alert>> {
    let members = cluster.alertmanager.iter().map(|am| {
        let alerts = async move { Ok(am.alerts_matching(filters, keep).await?.map(Part::Alertmanager)) };
        ask(am.replica(), alerts)
    });
    let servers = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom_view(prom)));
    let gathered =
        gather(members.chain(servers).collect(), |partial| so_far(&|| answer(cluster, partial))).await;
    answer(cluster, &gathered)
}

/// Asks one Prometheus for its alerts and for what it does to their labels. The second may fail
/// (some backends hide their configuration): then the join is by subset.
async fn prom_view(prom: &PrometheusClient) -> Result<Reply<Part>, NetError> {
    let (alerts, settings) = tokio::join!(prom.alerts(), prom.settings());
    let relabelling = settings.ok().and_then(|reply| decode_alert_relabelling(&reply.value.yaml).ok());
    Ok(alerts?.map(|alerts| {
        Part::Prometheus(PromView { replica: prom.replica().name.clone(), alerts, relabelling })
    }))
}

fn answer(cluster: &Cluster, gathered: &Gathered<Part>) -> Answer<Vec<Alert>> {
    let mut input = JoinInput {
        cluster: cluster.name().clone(),
        drop_labels: &cluster.config.drop_labels,
        prometheus: Vec::new(),
        alertmanager: Vec::new(),
        has_alertmanager: !cluster.alertmanager.is_empty(),
    };
    for outcome in &gathered.outcomes {
        match &outcome.result {
            Ok(Reply { value: Part::Prometheus(view), .. }) => input.prometheus.push(view),
            Ok(Reply { value: Part::Alertmanager(alerts), .. }) => {
                input.alertmanager.push((outcome.replica.name.clone(), alerts.as_slice()))
            }
            Err(_) => {}
        }
    }
    let by_subset = input
        .prometheus
        .iter()
        .filter(|view| view.relabelling.is_none())
        .map(|view| view.replica.to_string())
        .collect::<Vec<_>>();
    let mut notes = Vec::new();
    if !by_subset.is_empty() && !cluster.alertmanager.is_empty() {
        notes.push(format!(
            "cluster {}: the configuration of {} cannot be read: alerts are joined by subset of labels",
            cluster.name(),
            by_subset.join(", ")
        ));
    }
    Answer { value: join(&input), coverage: gathered.coverage.clone(), notes }
}
