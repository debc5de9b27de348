//! What a node's own metrics say now, beside what Prometheus has of them.

use super::clusters::Cluster;
use super::detail::SOURCE;
use super::gather::Answer;
use super::merge::{Merged, status_of};
use super::node::whole_checks;
use crate::model::status::Status;
use crate::net::{LiveSample, NetError};
use std::collections::BTreeMap;

/// The exporter's own word for a node none of whose checks has a fresh result.
const RUNNER_STALE: &str = "iaasmon_runner_stale";

/// A node by its own metrics and by Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its checks, those that differ first, then the worst.
    pub checks: Vec<LiveCheck>,
    /// Whether the node says that none of its checks has a fresh result.
    pub runner_stale: bool,
}

/// One check on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveCheck {
    /// The check.
    pub check: String,
    /// The host that the result is about, where that is not the node.
    pub source: Option<String>,
    /// What the node says; nothing where it does not know the check.
    pub live: Option<Status>,
    /// What Prometheus says; nothing where it has no such series, or where none was heard.
    pub prometheus: Option<Status>,
    /// Whether the replicas disagree.
    pub disputed: bool,
    /// How the two sides differ.
    pub difference: Option<Difference>,
}

/// How the node and Prometheus differ about a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Both know it, with different statuses.
    Status,
    /// Prometheus has no such series.
    NotInPrometheus,
    /// The node does not know it any more.
    NotOnNode,
}

impl Difference {
    /// Returns it in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NotInPrometheus => "not in Prometheus",
            Self::NotOnNode => "not on the node",
        }
    }
}

/// Asks Prometheus and then the node itself: its address is among the labels that Prometheus has.
pub async fn live(cluster: &Cluster, name: &str) -> Answer<Result<Live, NetError>> {
    let deadline = cluster.deadline();
    let known = whole_checks(&cluster.by(deadline.part(1, 2)), name).await;
    let labels = known.up.1.with(&cluster.config.node_label, name);
    let metric = cluster.config.status_metric.as_str();
    let reply = cluster.detail.by(deadline).metrics(&[metric, RUNNER_STALE], &labels).await;
    let heard = known.coverage.answered() > 0;
    let value = reply.map(|reply| {
        let stale = |sample: &LiveSample| sample.metric == RUNNER_STALE && sample.value == 1.0;
        let checks = reply.value.iter().filter(|sample| sample.metric == metric);
        let merged = heard.then_some(&known.merged);
        Live {
            checks: compare(&cluster.config.check_label, checks, merged),
            runner_stale: reply.value.iter().any(stale),
        }
    });
    Answer { value, coverage: known.coverage, notes: Vec::new() }
}

/// What the node and what Prometheus say of a check; the latter with whether its replicas disagree.
type Sides = (Option<Status>, Option<(Status, bool)>);

/// Sets both sides beside each other. Where no Prometheus was heard nothing differs: nobody knows.
fn compare<'a>(
    check_label: &str,
    live: impl Iterator<Item = &'a LiveSample>,
    merged: Option<&Merged>,
) -> Vec<LiveCheck> {
    let mut sides: BTreeMap<(&str, &str), Sides> = BTreeMap::new();
    for sample in live {
        // The exporter's own label: relabelling happens on the other side.
        let key = (sample.labels.get("check"), sample.labels.get(SOURCE));
        let status = Status::from_value(sample.value);
        let side = &mut sides.entry(key).or_default().0;
        *side = Some(side.map_or(status, |other| other.worse(status)));
    }
    for (labels, votes) in merged.into_iter().flat_map(Merged::iter) {
        let key = (labels.get(check_label), labels.get(SOURCE));
        let (status, disputed) = status_of(votes);
        let side = &mut sides.entry(key).or_default().1;
        *side = Some(side.map_or((status, disputed), |(s, d)| (s.worse(status), d || disputed)));
    }
    let mut checks: Vec<LiveCheck> = (sides.into_iter())
        .map(|((check, source), (live, known))| {
            let prometheus = known.map(|(status, _)| status);
            LiveCheck {
                check: check.to_owned(),
                source: (!source.is_empty()).then(|| source.to_owned()),
                live,
                prometheus,
                disputed: known.is_some_and(|(_, disputed)| disputed),
                difference: merged.and_then(|_| difference(live, prometheus)),
            }
        })
        .collect();
    let badness = |status: Option<Status>| status.map_or(0, Status::badness);
    let rank = |c: &LiveCheck| (c.difference.is_some(), badness(c.live).max(badness(c.prometheus)));
    checks.sort_by_key(|check| std::cmp::Reverse(rank(check)));
    checks
}

fn difference(live: Option<Status>, prometheus: Option<Status>) -> Option<Difference> {
    match (live, prometheus) {
        (Some(live), Some(prometheus)) => (live != prometheus).then_some(Difference::Status),
        (Some(_), None) => Some(Difference::NotInPrometheus),
        (None, Some(_)) => Some(Difference::NotOnNode),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::Labels;
    use crate::wire::prom_json::Sample;

    fn labels(check: &str, source: &str) -> Labels {
        let labels: Labels = [("check", check)].into_iter().collect();
        if source.is_empty() { labels } else { labels.with(SOURCE, source) }
    }

    fn live(check: &str, source: &str, value: f64) -> LiveSample {
        LiveSample { metric: "iaasmon_check_status".into(), labels: labels(check, source), value }
    }

    fn known(check: &str, source: &str, value: f64) -> Sample {
        Sample { labels: labels(check, source), time: 1.0, value }
    }

    #[test]
    fn each_check_and_source_stands_beside_its_series() {
        let node =
            [live("disk", "", 2.0), live("ntp", "", 0.0), live("ping", "", 0.0), live("ping", "lb-1", 127.0)];
        let series = [
            known("disk", "", 2.0),
            known("ntp", "", 1.0),
            known("ping", "lb-1", 3.0),
            known("raid", "", 0.0),
        ];
        let merged = Merged::of(&"a".into(), &series, &[]);
        let checks = compare("check", node.iter(), Some(&merged));
        let read: Vec<_> = (checks.iter())
            .map(|c| (&*c.check, c.source.as_deref(), c.live, c.prometheus, c.difference))
            .collect();
        use Status::{Crit, Ok, Unknown, Warn};
        assert_eq!(
            read,
            [
                ("ntp", None, Some(Ok), Some(Warn), Some(Difference::Status)),
                ("ping", None, Some(Ok), None, Some(Difference::NotInPrometheus)),
                ("raid", None, None, Some(Ok), Some(Difference::NotOnNode)),
                ("disk", None, Some(Crit), Some(Crit), None),
                ("ping", Some("lb-1"), Some(Unknown), Some(Unknown), None),
            ]
        );
        let alone = compare("check", node.iter(), None);
        assert!(alone.iter().all(|c| c.difference.is_none() && c.prometheus.is_none()), "nobody was heard");
    }
}
