//! Servers, the doctor's findings and the series of a query as a filter sees them.

use super::ClusterLabels;
use crate::fleet::doctor::Finding;
use crate::fleet::query::QueryRow;
use crate::fleet::status::ReplicaStatus;
use crate::model::filter::{Field, Pseudo, Subject, Value};
use crate::model::labels::Labels;
use std::time::Duration;

/// A server of the monitoring itself. Its labels are `kind`, `replica` and `version`.
#[derive(Debug, Clone)]
pub struct ReplicaSubject<'a> {
    replica: &'a ReplicaStatus,
    labels: Labels,
    own: &'a ClusterLabels,
}

impl<'a> ReplicaSubject<'a> {
    /// Takes a server.
    pub fn new(replica: &'a ReplicaStatus, own: &'a ClusterLabels) -> Self {
        let who = &replica.replica;
        let version = replica.version.as_deref().unwrap_or_default();
        let pairs = [("kind", who.kind.word()), ("replica", &*who.name), ("version", version)];
        Self { replica, labels: pairs.into_iter().collect(), own }
    }
}

impl Subject for ReplicaSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let cluster = &self.replica.replica.cluster;
        match field {
            Field::ClusterLabel(name) => self.own.value(cluster, name),
            Field::Pseudo(Pseudo::Cluster) => Value::Text(cluster.as_str().into()),
            Field::Pseudo(Pseudo::State) => Value::Text(if self.replica.up { "up" } else { "down" }.into()),
            Field::Pseudo(Pseudo::Age) => {
                let age = self.replica.age_seconds.and_then(|age| Duration::try_from_secs_f64(age).ok());
                age.map_or(Value::Absent, Value::Duration)
            }
            Field::Pseudo(_) => Value::Absent,
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.replica.replica.cluster.as_str())
            || self.labels.iter().any(|(_, value)| test(value))
            || self.replica.error.as_deref().is_some_and(&mut *test)
            || self.replica.not_ready.as_deref().is_some_and(&mut *test)
            || self.replica.notifications.keys().any(|integration| test(integration))
    }
}

/// What the doctor says. Its labels are `rule` and `level`.
#[derive(Debug, Clone)]
pub struct FindingSubject<'a> {
    finding: &'a Finding,
    labels: Labels,
    own: &'a ClusterLabels,
}

impl<'a> FindingSubject<'a> {
    /// Takes a finding.
    pub fn new(finding: &'a Finding, own: &'a ClusterLabels) -> Self {
        let level = finding.level.word().to_lowercase();
        let pairs = [("rule", finding.rule), ("level", &*level)];
        Self { finding, labels: pairs.into_iter().collect(), own }
    }
}

impl Subject for FindingSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        match field {
            Field::ClusterLabel(name) => self.own.value(&self.finding.cluster, name),
            Field::Pseudo(Pseudo::Cluster) => Value::Text(self.finding.cluster.as_str().into()),
            Field::Pseudo(Pseudo::State) => Value::Text(self.labels.get("level").into()),
            Field::Pseudo(_) => Value::Absent,
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let Finding { cluster, rule, text, hint, .. } = self.finding;
        test(cluster.as_str()) || test(rule) || test(text) || test(hint)
    }
}

/// A series of a query's result.
#[derive(Debug, Clone, Copy)]
pub struct SeriesSubject<'a> {
    /// The series.
    pub row: &'a QueryRow,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
}

impl Subject for SeriesSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.row.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        match field {
            Field::ClusterLabel(name) => self.own.value(&self.row.cluster, name),
            Field::Pseudo(Pseudo::Cluster) => Value::Text(self.row.cluster.as_str().into()),
            Field::Pseudo(_) => Value::Absent,
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(self.row.cluster.as_str()) || self.row.labels.iter().any(|(_, value)| test(value))
    }
}
