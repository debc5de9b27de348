//! Who answered, who did not, and why: carried by every answer.

use crate::model::cluster::{ClusterName, Replica, ReplicaKind};
use crate::model::time::Timestamp;
use crate::net::{NetError, Reply};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where one replica's part of an answer stands. The order is the order in which parts of several
/// requests are joined: the worst wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// It answered.
    Answered,
    /// It was asked and has not answered yet.
    Waiting,
    /// It did not answer, or not usefully.
    Missing,
}

/// One replica's part in an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaCoverage {
    /// Who.
    #[serde(flatten)]
    pub replica: Replica,
    /// Whether it answered.
    pub state: ReplicaState,
    /// Seconds that its slowest request took.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Option<Duration>,
    /// When it answered last.
    #[serde(serialize_with = "crate::model::time::serialize_option")]
    pub at: Option<Timestamp>,
    /// Why it did not answer.
    pub error: Option<String>,
    /// Which request failed: method and path, without the query.
    pub request: Option<String>,
    /// Whether it refused us (401, 403) rather than failed.
    pub forbidden: bool,
    /// What it remarked beside its answer.
    pub warnings: Vec<String>,
}

fn seconds<S: serde::Serializer>(took: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    took.map(|took| (took.as_secs_f64() * 1e3).round() / 1e3).serialize(serializer)
}

/// What the parts add up to. A group is what can stand in for each other: the replicas of one kind in one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoverageVerdict {
    /// Every group has an answer: complete, even if a replica of a pair is missing.
    Complete,
    /// Some group has none.
    Partial,
    /// Nobody answered.
    Nothing,
}

/// Who answered, one entry per replica, in order of cluster, kind and name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Coverage {
    replicas: Vec<ReplicaCoverage>,
}

impl Coverage {
    /// Notes that `replica` was asked.
    pub fn waiting(replica: &Replica) -> Self {
        Self::one(replica, ReplicaState::Waiting)
    }

    /// Notes one outcome.
    pub fn of<T>(replica: &Replica, outcome: &Result<Reply<T>, NetError>) -> Self {
        let mut coverage = Self::one(replica, ReplicaState::Answered);
        let entry = &mut coverage.replicas[0];
        match outcome {
            Ok(reply) => {
                entry.took = Some(reply.meta.took);
                entry.at = Some(reply.meta.at);
                entry.warnings = reply.warnings.clone();
            }
            Err(error) => {
                entry.state = ReplicaState::Missing;
                entry.error = Some(error.kind.to_string());
                entry.request = Some(error.request.clone());
                entry.forbidden = error.kind.is_forbidden();
            }
        }
        coverage
    }

    fn one(replica: &Replica, state: ReplicaState) -> Self {
        let replica = replica.clone();
        Self {
            replicas: vec![ReplicaCoverage {
                replica,
                state,
                took: None,
                at: None,
                error: None,
                request: None,
                forbidden: false,
                warnings: Vec::new(),
            }],
        }
    }

    /// Joins two coverages. Where both tell of the same replica, the worse state stands, and a
    /// replica that failed one request of several counts as missing.
    pub fn join(mut self, other: Self) -> Self {
        for theirs in other.replicas {
            match self.replicas.binary_search_by(|ours| ours.replica.cmp(&theirs.replica)) {
                Ok(i) => self.replicas[i].absorb(theirs),
                Err(i) => self.replicas.insert(i, theirs),
            }
        }
        self
    }

    /// Returns every replica's part.
    pub fn replicas(&self) -> &[ReplicaCoverage] {
        &self.replicas
    }

    /// Returns the replicas that did not answer.
    pub fn missing(&self) -> impl Iterator<Item = &ReplicaCoverage> {
        self.replicas.iter().filter(|r| r.state == ReplicaState::Missing)
    }

    /// Returns how many answered.
    pub fn answered(&self) -> usize {
        self.replicas.iter().filter(|r| r.state == ReplicaState::Answered).count()
    }

    /// Returns what it adds up to. An empty coverage is complete: nobody had to be asked.
    pub fn verdict(&self) -> CoverageVerdict {
        let groups = self.groups();
        if groups.values().all(|answered| *answered) {
            CoverageVerdict::Complete
        } else if self.answered() == 0 {
            CoverageVerdict::Nothing
        } else {
            CoverageVerdict::Partial
        }
    }

    /// Returns the groups of which no replica answered.
    pub fn uncovered(&self) -> Vec<(ClusterName, ReplicaKind)> {
        self.groups()
            .into_iter()
            .filter(|(_, answered)| !answered)
            .map(|((cluster, kind), _)| (cluster.clone(), kind))
            .collect()
    }

    /// Reports whether the replicas of `kind` in `cluster` are covered (or there are none).
    pub fn covers(&self, cluster: &ClusterName, kind: ReplicaKind) -> bool {
        self.groups().get(&(cluster, kind)).copied().unwrap_or(true)
    }

    fn groups(&self) -> BTreeMap<(&ClusterName, ReplicaKind), bool> {
        let mut groups = BTreeMap::new();
        for r in &self.replicas {
            *groups.entry((&r.replica.cluster, r.replica.kind)).or_insert(false) |=
                r.state == ReplicaState::Answered;
        }
        groups
    }

    /// Says it in one line: `7/8 replicas, missing east: 10.0.0.2:9090 (timed out after 5s)`.
    pub fn summary(&self) -> String {
        let mut text = format!("{}/{} replicas", self.answered(), self.replicas.len());
        let missing: Vec<&ReplicaCoverage> = self.missing().collect();
        // A cause that several servers of a cluster share (a token file, a dead link) is told once.
        let same = |a: &&ReplicaCoverage, b: &&ReplicaCoverage| {
            (&a.replica.cluster, &a.error) == (&b.replica.cluster, &b.error)
        };
        for (i, group) in missing.chunk_by(same).enumerate() {
            let lead = if i == 0 { ", missing " } else { ", " };
            let why = group[0].error.as_deref().unwrap_or("no answer");
            let names: Vec<&str> = group.iter().map(|r| &*r.replica.name).collect();
            text.push_str(&format!("{lead}{}: {} ({why})", group[0].replica.cluster, names.join(" ")));
        }
        text
    }
}

impl ReplicaCoverage {
    fn absorb(&mut self, other: Self) {
        self.state = self.state.max(other.state);
        self.took = self.took.max(other.took);
        self.at = self.at.max(other.at);
        // Two failures of one replica have the same cause nearly always; the smaller text keeps the join orderless.
        let ours = self.error.take().map(|error| (error, self.request.take()));
        let theirs = other.error.map(|error| (error, other.request));
        if let Some((error, request)) = [ours, theirs].into_iter().flatten().min() {
            (self.error, self.request) = (Some(error), request);
        }
        self.forbidden |= other.forbidden;
        self.warnings.extend(other.warnings);
        self.warnings.sort();
        self.warnings.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetErrorKind;
    use proptest::prelude::*;

    fn entry(cluster: u8, kind: bool, name: u8, state: u8, error: Option<u8>) -> Coverage {
        let kind = if kind { ReplicaKind::Prometheus } else { ReplicaKind::Alertmanager };
        let replica =
            Replica { cluster: format!("c{cluster}").as_str().into(), kind, name: format!("r{name}").into() };
        let state =
            [ReplicaState::Answered, ReplicaState::Waiting, ReplicaState::Missing][usize::from(state)];
        let mut coverage = Coverage::one(&replica, state);
        coverage.replicas[0].error = error.map(|e| format!("e{e}"));
        coverage.replicas[0].request = error.map(|e| format!("GET /{name}{e}"));
        coverage
    }

    fn any_coverage() -> impl Strategy<Value = Coverage> {
        proptest::collection::vec((0u8..3, any::<bool>(), 0u8..3, 0u8..3, proptest::option::of(0u8..3)), 0..6)
            .prop_map(|list| {
                list.into_iter()
                    .map(|(c, k, n, s, e)| entry(c, k, n, s, e))
                    .fold(Coverage::default(), Coverage::join)
            })
    }

    proptest! {
        #[test]
        fn joining_is_commutative_associative_and_idempotent(a in any_coverage(), b in any_coverage(), c in any_coverage()) {
            prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
            prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.clone().join(b.join(c)));
            prop_assert_eq!(a.clone().join(a.clone()), a);
        }
    }

    #[test]
    fn the_request_that_failed_is_told_with_its_reason() {
        let replica = Replica { cluster: "c".into(), kind: ReplicaKind::Prometheus, name: "p".into() };
        let failed = |request: &str, kind| {
            let request = request.to_owned();
            Coverage::of::<()>(&replica, &Err(NetError { replica: replica.clone(), request, kind }))
        };
        let refused = failed("GET /api/v1/rules", NetErrorKind::Connect("connection refused".into()));
        let late = failed("POST /api/v1/query", NetErrorKind::Timeout(Duration::from_secs(5)));
        let both = late.join(refused);
        let json = serde_json::to_value(&both).expect("plain data");
        assert_eq!(json[0]["error"], "connection refused");
        assert_eq!(json[0]["request"], "GET /api/v1/rules", "of the same failure");
    }

    #[test]
    fn one_of_a_pair_is_enough_and_a_silent_pair_is_partial() {
        let pair = entry(1, true, 1, 0, None).join(entry(1, true, 2, 2, Some(1)));
        assert_eq!(pair.verdict(), CoverageVerdict::Complete);
        assert_eq!(pair.summary(), "1/2 replicas, missing c1: r2 (e1)");
        let both = entry(1, true, 1, 2, Some(1)).join(entry(1, true, 2, 2, Some(1)));
        let elsewhere = entry(2, true, 1, 2, Some(1));
        assert_eq!(both.join(elsewhere).summary(), "0/3 replicas, missing c1: r1 r2 (e1), c2: r1 (e1)");
        let partial = pair.join(entry(1, false, 1, 2, Some(1)));
        assert_eq!(partial.verdict(), CoverageVerdict::Partial);
        assert_eq!(partial.uncovered(), [("c1".into(), ReplicaKind::Alertmanager)]);
        assert_eq!(entry(1, true, 1, 2, None).verdict(), CoverageVerdict::Nothing);
        assert_eq!(Coverage::default().verdict(), CoverageVerdict::Complete);
    }
}
