//! Small fleets for the tests of this folder.

use super::{Draft, Facts, Targets};
use crate::config::Access;
use crate::fleet::Coverage;
use crate::fleet::silences::SilenceCopy;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::node::{Node, NodeUp, StatusCounts};
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::Timestamp;
use std::collections::BTreeMap;

/// Noon of the day on which all tests happen.
pub fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

pub fn hours(n: i64) -> chrono::TimeDelta {
    chrono::TimeDelta::hours(n)
}

pub fn equal(name: &str, value: &str) -> Matcher {
    Matcher::new(name, MatchOp::Equal, value)
}

pub fn draft(matchers: Vec<Matcher>) -> Draft {
    Draft {
        matchers,
        starts_at: None,
        ends_at: now() + hours(2),
        created_by: "me".into(),
        comment: "INC-1".into(),
        targets: Targets::Matching,
    }
}

pub fn alert(cluster: &str, name: &str, node: &str, severity: &str) -> Alert {
    let labels: Labels = [("alertname", name), ("instance", node), ("severity", severity), ("rack", "r1")]
        .into_iter()
        .collect();
    Alert::firing(cluster, labels, now())
}

pub fn node(cluster: &str, name: &str, rack: &str) -> Node {
    Node {
        cluster: cluster.into(),
        name: name.into(),
        up: NodeUp::Up,
        labels: [("instance", name), ("rack", rack)].into_iter().collect(),
        counts: StatusCounts::default(),
        failing: Vec::new(),
        seen_by: Vec::new(),
        stale: false,
    }
}

pub fn facts(cluster: &str, alerts: Vec<Alert>, nodes: Vec<Node>) -> Facts {
    Facts {
        cluster: cluster.into(),
        access: Access::Rw,
        has_alertmanager: true,
        reachable: true,
        node_label: "instance".into(),
        check_label: "check".into(),
        labels: BTreeMap::new(),
        alerts,
        nodes,
        silences: Vec::new(),
        version: Some((0, 25)),
        coverage: Coverage::default(),
        notes: Vec::new(),
    }
}

pub fn silence(cluster: &str, id: &str, matchers: Vec<Matcher>) -> SilenceCopy {
    SilenceCopy {
        cluster: cluster.into(),
        silence: Silence {
            id: id.into(),
            matchers,
            starts_at: now() - hours(1),
            ends_at: now() + hours(1),
            updated_at: now() - hours(1),
            created_by: "you".into(),
            comment: "INC-9".into(),
            state: SilenceState::Active,
            annotations: BTreeMap::new(),
        },
        seen_by: vec!["am-1".into()],
    }
}
