//! A PromQL expression asked of every Prometheus at one moment, merged per series.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, ask, gather};
use super::merge::{Merged, Vote};
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::sys::apart::apart;
use crate::wire::prom_json::{QueryValue, Sample};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One series of a federated answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryRow {
    /// The cluster.
    pub cluster: ClusterName,
    /// The series; empty for a scalar or a text.
    pub labels: Labels,
    /// The value as Prometheus prints it. Where replicas disagree, the first replica's. Of a range, the points of
    /// the replica that holds the most.
    pub value: String,
    /// What the replicas that disagree say, by name. Ranges are not compared: replicas scrape at different
    /// moments, so their points always differ.
    pub disagreeing: Vec<(Arc<str>, String)>,
}

/// Evaluates `expr` at `time` on every replica of a cluster. All are asked for the same moment, so
/// that a difference is a difference of data.
pub async fn query(cluster: &Cluster, expr: &str, time: Timestamp) -> Answer<Vec<QueryRow>> {
    let asks =
        cluster.prometheus.iter().map(|prom| ask(prom.replica(), prom.query(expr, Some(time)))).collect();
    let gathered = gather(asks, |_| {}).await;
    let (name, drop_labels) = (cluster.name().clone(), cluster.config.drop_labels.clone());
    apart(move || answer(&name, &drop_labels, &gathered)).await
}

/// The points of one series, and the replica that holds them.
type Range<'r> = (&'r Arc<str>, &'r [(f64, f64)]);

fn answer(
    cluster: &ClusterName,
    drop_labels: &[String],
    gathered: &Gathered<QueryValue>,
) -> Answer<Vec<QueryRow>> {
    let mut merged = Merged::default();
    let mut texts: Vec<(Labels, Arc<str>, String)> = Vec::new();
    let mut ranges: BTreeMap<Labels, Range<'_>> = BTreeMap::new();
    for outcome in &gathered.outcomes {
        let Ok(reply) = &outcome.result else { continue };
        let name = &outcome.replica.name;
        match &reply.value {
            QueryValue::Vector(samples) => merged.add(name, samples, drop_labels),
            QueryValue::Scalar { time, value } => {
                let sample = Sample { labels: Labels::default(), time: *time, value: *value };
                merged.add(name, &[sample], &[]);
            }
            QueryValue::Text(text) => texts.push((Labels::default(), name.clone(), text.clone())),
            QueryValue::Matrix(series) => {
                for (labels, points) in series {
                    let labels = labels.without(drop_labels);
                    let best = ranges.entry(labels).or_insert((name, points));
                    // A restarted replica holds fewer; of equally many, the first by name.
                    if (points.len(), Reverse(name)) > (best.1.len(), Reverse(best.0)) {
                        *best = (name, points);
                    }
                }
            }
        }
    }
    let mut rows: Vec<QueryRow> = merged.iter().map(|(labels, votes)| row(cluster, labels, votes)).collect();
    rows.extend(text_rows(cluster, texts));
    rows.extend(ranges.into_iter().map(|(labels, (_, points))| QueryRow {
        cluster: cluster.clone(),
        labels,
        value: matrix_text(points),
        disagreeing: Vec::new(),
    }));
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    Answer { value: rows, coverage: gathered.coverage.clone(), notes: Vec::new() }
}

fn row(cluster: &ClusterName, labels: &Labels, votes: &[Vote]) -> QueryRow {
    let value = votes.first().map_or_else(String::new, |v| number(v.value));
    let disagreeing = votes
        .iter()
        .skip(1)
        .map(|v| (v.replica.clone(), number(v.value)))
        .filter(|(_, other)| *other != value)
        .collect();
    QueryRow { cluster: cluster.clone(), labels: labels.clone(), value, disagreeing }
}

/// Texts are few; the first replica's stands and the others' are shown where they differ.
fn text_rows(cluster: &ClusterName, mut texts: Vec<(Labels, Arc<str>, String)>) -> Vec<QueryRow> {
    texts.sort();
    let mut rows: Vec<QueryRow> = Vec::new();
    for (labels, replica, text) in texts {
        match rows.last_mut().filter(|last| last.labels == labels) {
            Some(last) if last.value == text => {}
            Some(last) => last.disagreeing.push((replica, text)),
            None => {
                rows.push(QueryRow { cluster: cluster.clone(), labels, value: text, disagreeing: Vec::new() })
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Coverage;
    use crate::fleet::gather::Outcome;
    use crate::model::cluster::{Replica, ReplicaKind};
    use crate::net::{Meta, Reply};
    use std::time::Duration;

    fn asked(values: Vec<(&str, QueryValue)>) -> Vec<QueryRow> {
        let outcomes = values.into_iter().map(|(name, value)| {
            let meta = Meta { took: Duration::ZERO, at: Timestamp::UNIX_EPOCH, skew: None };
            let replica =
                Replica { cluster: "east".into(), kind: ReplicaKind::Prometheus, name: name.into() };
            Outcome { replica, result: Ok(Reply { value, meta, warnings: Vec::new() }) }
        });
        let gathered = Gathered { outcomes: outcomes.collect(), coverage: Coverage::default() };
        answer(&"east".into(), &[], &gathered).value
    }

    #[test]
    fn ranges_do_not_disagree_because_replicas_scrape_at_different_moments() {
        let up: Labels = [("instance", "n1")].into_iter().collect();
        let a = QueryValue::Matrix(vec![(up.clone(), vec![(10.0, 1.0)])]);
        let b = QueryValue::Matrix(vec![(up.clone(), vec![(5.5, 1.0), (15.5, 1.0)])]);
        let forward = asked(vec![("a", a.clone()), ("b", b.clone())]);
        assert_eq!(forward, asked(vec![("b", b), ("a", a)]), "the order of replies does not matter");
        assert_eq!(forward.len(), 1);
        assert_eq!(forward[0].value, "1 @5.5 1 @15.5", "the replica that holds the most");
        assert_eq!(forward[0].disagreeing, []);
    }
}
