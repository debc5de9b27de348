//! A PromQL expression asked of every Prometheus at one moment, merged per series.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, ask, gather};
use super::merge::{Merged, Vote};
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::wire::prom_json::{QueryValue, Sample};
use serde::Serialize;
use std::sync::Arc;

/// One series of a federated answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryRow {
    /// The cluster.
    pub cluster: ClusterName,
    /// The series; empty for a scalar or a text.
    pub labels: Labels,
    /// The value as Prometheus prints it. Where replicas disagree, the first replica's.
    pub value: String,
    /// What the replicas that disagree say, by name.
    pub disagreeing: Vec<(Arc<str>, String)>,
}

/// Evaluates `expr` at `time` on every replica of a cluster. All are asked for the same moment, so
/// that a difference is a difference of data.
pub async fn query(
    cluster: &Cluster,
    expr: &str,
    time: Timestamp,
    mut so_far: impl FnMut(Answer<Vec<QueryRow>>),
) -> Answer<Vec<QueryRow>> {
    let asks =
        cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.query(expr, Some(time)))).collect();
    let gathered = gather(asks, |partial| so_far(answer(cluster, partial))).await;
    answer(cluster, &gathered)
}

fn answer(cluster: &Cluster, gathered: &Gathered<QueryValue>) -> Answer<Vec<QueryRow>> {
    let mut merged = Merged::default();
    let mut texts: Vec<(Labels, Arc<str>, String)> = Vec::new();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let name = &outcome.replica.name;
        match &reply.value {
            QueryValue::Vector(samples) => {
                merged = merged.union(Merged::of(name, samples, &cluster.config.drop_labels))
            }
            QueryValue::Scalar { time, value } => {
                let sample = Sample { labels: Labels::default(), time: *time, value: *value };
                merged = merged.union(Merged::of(name, &[sample], &[]));
            }
            QueryValue::Text(text) => texts.push((Labels::default(), name.clone(), text.clone())),
            QueryValue::Matrix(series) => texts.extend(series.iter().map(|(labels, points)| {
                (labels.without(&cluster.config.drop_labels), name.clone(), matrix_text(points))
            })),
        }
    }
    let mut rows: Vec<QueryRow> = merged.iter().map(|(labels, votes)| row(cluster, labels, votes)).collect();
    rows.extend(text_rows(cluster, texts));
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    Answer { value: rows, coverage: gathered.coverage.clone(), notes: Vec::new() }
}

fn row(cluster: &Cluster, labels: &Labels, votes: &[Vote]) -> QueryRow {
    let value = votes.first().map_or_else(String::new, |v| number(v.value));
    let disagreeing = votes
        .iter()
        .skip(1)
        .map(|v| (v.replica.clone(), number(v.value)))
        .filter(|(_, other)| *other != value)
        .collect();
    QueryRow { cluster: cluster.name().clone(), labels: labels.clone(), value, disagreeing }
}

/// Texts are few; the first replica's stands and the others' are shown where they differ.
fn text_rows(cluster: &Cluster, mut texts: Vec<(Labels, Arc<str>, String)>) -> Vec<QueryRow> {
    texts.sort();
    let mut rows: Vec<QueryRow> = Vec::new();
    for (labels, replica, text) in texts {
        match rows.last_mut().filter(|last| last.labels == labels) {
            Some(last) if last.value == text => {}
            Some(last) => last.disagreeing.push((replica, text)),
            None => rows.push(QueryRow {
                cluster: cluster.name().clone(),
                labels,
                value: text,
                disagreeing: Vec::new(),
            }),
        }
    }
    rows
}

/// Writes a range as `value @time` per point, as `promtool query instant` does.
fn matrix_text(points: &[(f64, f64)]) -> String {
    points.iter().map(|(time, value)| format!("{} @{time}", number(*value))).collect::<Vec<_>>().join(" ")
}

/// Writes a number as Prometheus does: `NaN`, `+Inf`, `-Inf`, otherwise the shortest text.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
