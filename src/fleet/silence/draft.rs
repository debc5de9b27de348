//! What somebody wants silenced, and what is known of a cluster when deciding about it.

use super::identity::version;
use crate::config::Access;
use crate::fleet::silences::{SilenceCopy, silences};
use crate::fleet::{Answer, Cluster, Coverage, alerts, nodes};
use crate::model::alert::Alert;
use crate::model::cluster::{ClusterName, ReplicaKind};
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::matcher::breadth::{Refusal, check_silence};
use crate::model::node::Node;
use crate::model::time::{Timestamp, rfc3339};
use crate::wire::am_v2::Annotations;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a silence lasts where nobody says, in the command line and the screens alike.
pub const DEFAULT_LENGTH: Duration = Duration::from_secs(2 * 3600);

/// How long an acknowledgement lasts where nobody says.
pub const ACK_LENGTH: Duration = Duration::from_secs(30 * 60);

/// A silence to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// All must hold, in the order in which they were given.
    pub matchers: Vec<Matcher>,
    /// When it starts; `None` is at once.
    pub starts_at: Option<Timestamp>,
    /// When it ends. Its milliseconds will be the operation's.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Where.
    pub targets: Targets,
}

/// Where a silence is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// On every cluster where it matches a firing alert or a known node now.
    Matching,
    /// On every cluster.
    All,
    /// On these.
    Named(Vec<ClusterName>),
}

/// Why Alertmanager would not take a draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Its matchers.
    #[error("{0}")]
    Matchers(#[from] Refusal),
    /// It would end before it starts.
    #[error("the silence would start at {} and end at {}", rfc3339(*.0), rfc3339(*.1))]
    EndsBeforeStart(Timestamp, Timestamp),
    /// It would be over.
    #[error("the silence would have ended at {}", rfc3339(*.0))]
    EndsInThePast(Timestamp),
    /// Nobody would be named.
    #[error("the silence has no author")]
    NoAuthor,
}

impl Draft {
    /// Checks what Alertmanager checks (silence.go `validateSilence`, api.go `postSilencesHandler`) before
    /// anything is sent. A regex that cannot be evaluated here passes: Alertmanager judges.
    pub fn validate(&self, now: Timestamp) -> Result<(), DraftError> {
        check_silence(&self.matchers)?;
        let start = self.starts_at.unwrap_or(now);
        if start >= self.ends_at {
            return Err(DraftError::EndsBeforeStart(start, self.ends_at));
        }
        if self.ends_at <= now {
            return Err(DraftError::EndsInThePast(self.ends_at));
        }
        if self.created_by.trim().is_empty() {
            return Err(DraftError::NoAuthor);
        }
        Ok(())
    }

    /// Reports whether a matcher's label name needs Alertmanager 0.27 or newer.
    pub fn needs_utf8(&self) -> bool {
        self.matchers.iter().any(|m| !m.has_classic_name())
    }
}

/// What is known of one cluster.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The cluster.
    pub cluster: ClusterName,
    /// Whether silences may be written there.
    pub access: Access,
    /// Whether it has an Alertmanager at all.
    pub has_alertmanager: bool,
    /// Whether an Alertmanager answered: otherwise what is hit there is not known.
    pub reachable: bool,
    /// The label that names a node.
    pub node_label: String,
    /// The label that names a check.
    pub check_label: String,
    /// The cluster's own labels; usually its Prometheus' external labels.
    pub labels: BTreeMap<String, String>,
    /// Its alerts.
    pub alerts: Vec<Alert>,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its silences, expired ones included.
    pub silences: Vec<SilenceCopy>,
    /// The oldest version among its members, as (major, minor); `None` where it is not known.
    pub version: Option<(u32, u32)>,
    /// Who answered.
    pub coverage: Coverage,
    /// What must be known about the answers.
    pub notes: Vec<String>,
}

impl Facts {
    /// Takes what was answered; a screen has the answers already.
    pub fn new(
        cluster: &Cluster,
        alerts: Answer<Vec<Alert>>,
        nodes: Answer<Vec<Node>>,
        silences: Answer<Vec<SilenceCopy>>,
    ) -> Self {
        let name = cluster.name();
        let reachable = !cluster.alertmanager.is_empty()
            && alerts.coverage.covers(name, ReplicaKind::Alertmanager)
            && silences.coverage.covers(name, ReplicaKind::Alertmanager);
        Self {
            cluster: name.clone(),
            access: cluster.config.access,
            has_alertmanager: !cluster.alertmanager.is_empty(),
            reachable,
            node_label: cluster.config.node_label.clone(),
            check_label: cluster.config.check_label.clone(),
            labels: cluster.config.labels.clone(),
            alerts: alerts.value,
            nodes: nodes.value,
            silences: silences.value,
            version: None,
            coverage: alerts.coverage.join(nodes.coverage).join(silences.coverage),
            notes: alerts.notes.into_iter().chain(nodes.notes).collect(),
        }
    }

    /// Returns a node's labels as its alerts would carry them: with the cluster's own where it has none of that name.
    pub(super) fn labels_of(&self, node: &Node) -> Labels {
        let own = self.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let named = [(self.node_label.as_str().into(), node.name.clone())];
        Labels::new(own.chain(named).chain(node.labels.pairs().iter().cloned()))
    }
}

/// Asks a cluster for everything that a preview needs, all at once.
pub async fn fetch_facts(cluster: &Cluster) -> Facts {
    let versions = futures_util::future::join_all(cluster.alertmanager.iter().map(|am| am.status()));
    let (alerts, nodes, silences, versions) = tokio::join!(
        alerts::alerts(cluster, Annotations::FirstLine, |_| {}),
        nodes::nodes(cluster, |_| {}),
        silences(cluster, |_| {}),
        versions,
    );
    let oldest =
        versions.iter().flatten().filter_map(|reply| version(&reply.value.version_info.version)).min();
    Facts { version: oldest, ..Facts::new(cluster, alerts, nodes, silences) }
}
