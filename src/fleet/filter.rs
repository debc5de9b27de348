//! The rows of the use cases as a filter sees them: one place, so that CLI and TUI filter alike.

use super::checks::CheckSummary;
use super::silence::LogicalSilence;
use crate::config::Config;
use crate::model::check::{CheckState, Detail};
use crate::model::cluster::ClusterName;
use crate::model::filter::{Field, Pseudo, Subject, Value};
use crate::model::labels::Labels;
use crate::model::node::{Node, NodeUp};
use crate::model::silence::SilenceState;
use crate::model::status::Status;
use crate::model::time::{Timestamp, age};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod alert;
mod server;

pub use alert::{AlertSubject, MarkedAlert};
pub use server::{FindingSubject, ReplicaSubject, SeriesSubject};

/// The labels that the configuration gives to clusters; a filter knows them as `@env`, `@region`.
#[derive(Debug, Clone, Default)]
pub struct ClusterLabels(BTreeMap<ClusterName, BTreeMap<String, String>>);

impl ClusterLabels {
    /// Takes them from the configuration.
    pub fn of(config: &Config) -> Self {
        Self(config.clusters.iter().map(|c| (c.name.clone(), c.labels.clone())).collect())
    }

    /// Returns the names that any cluster has, each once.
    pub fn names(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.0.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
        names.into_iter().collect()
    }

    fn value(&self, cluster: &ClusterName, name: &str) -> Value<'_> {
        self.get(cluster, name).map_or(Value::Absent, |value| Value::Text(value.into()))
    }

    /// Answers for a row that is about several clusters.
    fn values<'a>(&'a self, clusters: impl Iterator<Item = &'a ClusterName>, name: &str) -> Value<'a> {
        Value::Texts(clusters.filter_map(|cluster| self.get(cluster, name)).map(Into::into).collect())
    }

    fn get(&self, cluster: &ClusterName, name: &str) -> Option<&str> {
        self.0.get(cluster)?.get(name).map(String::as_str)
    }
}

/// A node.
#[derive(Debug, Clone, Copy)]
pub struct NodeSubject<'a> {
    /// The node.
    pub node: &'a Node,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
}

impl Subject for NodeSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.node.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let node = self.node;
        match field {
            Field::ClusterLabel(name) => self.own.value(&node.cluster, name),
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::Cluster => Value::Text(node.cluster.as_str().into()),
                Pseudo::State => status_words(node.worst()),
                Pseudo::Node => Value::Text((&*node.name).into()),
                Pseudo::Check => Value::Texts(node.failing.iter().map(|f| (&*f.check).into()).collect()),
                Pseudo::Fails => Value::Number(f64::from(node.counts.bad())),
                Pseudo::Up => Value::Text(up_word(node.up).into()),
                _ => Value::Absent,
            },
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let node = self.node;
        test(&node.name)
            || test(node.cluster.as_str())
            || node.labels.iter().any(|(_, value)| test(value))
            || node.failing.iter().any(|failing| test(&failing.check))
    }
}

/// A status as the tables write it, and as JSON and alert rules do.
fn status_words(status: Status) -> Value<'static> {
    let words: &[&str] = match status {
        Status::Ok => &["ok"],
        Status::Warn => &["warn", "warning"],
        Status::Crit => &["crit", "critical"],
        Status::Unknown => &["unkn", "unknown"],
    };
    Value::Texts(words.iter().map(|word| (*word).into()).collect())
}

fn up_word(up: NodeUp) -> &'static str {
    match up {
        NodeUp::Up => "up",
        NodeUp::Down => "down",
        NodeUp::Split => "split",
        NodeUp::Unknown => "unknown",
    }
}

/// A check name over the fleet. It has no labels of its own.
#[derive(Debug, Clone)]
pub struct CheckSubject<'a> {
    /// The check.
    pub check: &'a CheckSummary,
    /// None.
    pub labels: Labels,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
}

impl Subject for CheckSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let check = self.check;
        match field {
            Field::ClusterLabel(name) => self.own.values(check.clusters.iter(), name),
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::Cluster => {
                    Value::Texts(check.clusters.iter().map(|cluster| cluster.as_str().into()).collect())
                }
                Pseudo::State => status_words(check.counts.worst()),
                Pseudo::Node => Value::Texts(check.worst.iter().map(|w| (&*w.node).into()).collect()),
                Pseudo::Check => Value::Text((&*check.check).into()),
                Pseudo::Fails => Value::Number(f64::from(check.counts.bad())),
                _ => Value::Absent,
            },
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(&self.check.check)
            || self.check.clusters.iter().any(|cluster| test(cluster.as_str()))
            || self.check.worst.iter().any(|worst| test(&worst.node))
    }
}

/// A check of one node. Its labels are the node's, and its own name.
#[derive(Debug, Clone)]
pub struct NodeCheckSubject<'a> {
    /// The check.
    pub check: &'a CheckState,
    /// What its node told of it, where it was asked.
    pub detail: Option<&'a Detail>,
    /// The cluster of its node.
    pub cluster: &'a ClusterName,
    /// The labels of the node with the check's.
    pub labels: Labels,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
    /// When ages are counted from.
    pub now: Timestamp,
}

impl Subject for NodeCheckSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let (state, detail) = (self.check, self.detail);
        match field {
            Field::ClusterLabel(name) => self.own.value(self.cluster, name),
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::Cluster => Value::Text(self.cluster.as_str().into()),
                Pseudo::State => status_words(state.status),
                Pseudo::Check => Value::Text((&*state.check).into()),
                Pseudo::Age | Pseudo::Since | Pseudo::For => {
                    state.since.map_or(Value::Absent, |since| Value::Duration(age(since, self.now)))
                }
                Pseudo::Exit => Value::Number(f64::from(state.status.value())),
                // The line end that every script writes is no part of what it says.
                Pseudo::Out => {
                    detail.map_or(Value::Absent, |detail| Value::Text(detail.output.trim_end().into()))
                }
                Pseudo::Dur => {
                    let took = detail.and_then(|detail| detail.duration);
                    let took = took.and_then(|took| Duration::try_from_secs_f64(took).ok());
                    took.map_or(Value::Absent, Value::Duration)
                }
                _ => Value::Absent,
            },
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(&self.check.check) || self.check.source.as_deref().is_some_and(test)
    }
}

/// A logical silence. Its labels are those that its matchers name with `=`: what it is about.
#[derive(Debug, Clone)]
pub struct SilenceSubject<'a> {
    silence: &'a LogicalSilence,
    labels: Labels,
    own: &'a ClusterLabels,
    now: Timestamp,
}

impl<'a> SilenceSubject<'a> {
    /// Takes a silence.
    pub fn new(silence: &'a LogicalSilence, own: &'a ClusterLabels, now: Timestamp) -> Self {
        use crate::model::matcher::MatchOp::Equal;
        let equal = silence.matchers.iter().filter(|m| m.op == Equal);
        let labels = Labels::new(equal.map(|m| ((&*m.name).into(), (&*m.value).into())));
        Self { silence, labels, own, now }
    }

    /// Returns where it stands now; the server's word may be a refresh old.
    fn state(&self) -> SilenceState {
        if self.silence.ends_at <= self.now {
            SilenceState::Expired
        } else if self.silence.starts_at > self.now {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.silence.copies.iter().map(|copy| &copy.cluster)
    }
}

impl Subject for SilenceSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let silence = self.silence;
        let copies = || silence.copies.iter();
        match field {
            Field::ClusterLabel(name) => self.own.values(self.clusters(), name),
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::Cluster => Value::Texts(self.clusters().map(|c| c.as_str().into()).collect()),
                Pseudo::State => Value::Text(self.state().word().into()),
                Pseudo::Age | Pseudo::Since => Value::Duration(age(silence.starts_at, self.now)),
                Pseudo::Am => {
                    Value::Texts(copies().flat_map(|copy| &copy.seen_by).map(|m| (&**m).into()).collect())
                }
                Pseudo::Silence => Value::Texts(copies().map(|copy| (&*copy.silence.id).into()).collect()),
                Pseudo::Author => Value::Text(silence.created_by.as_str().into()),
                Pseudo::Comment => Value::Text(silence.comment.as_str().into()),
                Pseudo::Ticket => Value::Texts(tickets(&silence.comment).map(Into::into).collect()),
                Pseudo::Expires => {
                    let left = (silence.ends_at - self.now).to_std();
                    Value::Duration(left.unwrap_or(Duration::ZERO))
                }
                _ => Value::Absent,
            },
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(&self.silence.created_by)
            || test(&self.silence.comment)
            || self.silence.matchers.iter().any(|matcher| test(&matcher.to_string()))
            || self.clusters().any(|cluster| test(cluster.as_str()))
    }
}

/// Finds what looks like a ticket in a comment: letters, a hyphen, digits (`INC-4711`).
fn tickets(comment: &str) -> impl Iterator<Item = &str> {
    let words = comment.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| {
        word.split_once('-').is_some_and(|(project, number)| {
            project.starts_with(|c: char| c.is_ascii_uppercase())
                && project.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_a_project_and_a_number() {
        let found: Vec<&str> = tickets("ACK! INC-4711: r114 PDU, see OPS2-9, not RFC-, -3, a-1").collect();
        assert_eq!(found, ["INC-4711", "OPS2-9"]);
    }
}
