//! Names of clusters and of the servers in them.

use super::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The job of a cluster's Prometheus servers in what `iaasmon generate` writes.
pub const PROMETHEUS_JOB: &str = "iaasmon-prometheus";
/// The job of its Alertmanagers.
pub const ALERTMANAGER_JOB: &str = "iaasmon-alertmanager";
/// The job of its proxies.
pub const PROXY_JOB: &str = "iaasmon-proxy";
/// The job of its pushgateways.
pub const PUSHGATEWAY_JOB: &str = "iaasmon-pushgateway";
/// The job of what pushes there.
pub const PUSHER_JOB: &str = "iaasmon-pusher";
/// A pattern of the jobs of this cluster's servers.
pub const SERVER_JOBS: &str = "iaasmon-(prometheus|alertmanager|proxy|pushgateway|pusher)";
/// A pattern of the jobs of peers' servers; their series have a label `peer`.
pub const PEER_JOBS: &str = "iaasmon-peer-(prometheus|alertmanager|proxy)";

/// The name of a cluster: one pair set of Prometheus and Alertmanager servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

impl ClusterName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClusterName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for ClusterName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClusterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Arc::deserialize(deserializer)?))
    }
}

/// What a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaKind {
    /// A Prometheus server, or any backend that speaks its query API.
    Prometheus,
    /// An Alertmanager member.
    Alertmanager,
    /// One of our alert proxies.
    Proxy,
    /// A pushgateway that takes the results of checks, too.
    Pushgateway,
    /// A node's detail API.
    Node,
    /// Sensu's API, while both systems run.
    Sensu,
}

impl ReplicaKind {
    /// Returns the short word used on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
            Self::Proxy => "proxy",
            Self::Pushgateway => "pushgateway",
            Self::Node => "node",
            Self::Sensu => "sensu",
        }
    }
}

/// One server of a cluster. Its name is `host:port` of its address, which is what an operator types into `ssh` or `curl`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Replica {
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// What it is.
    pub kind: ReplicaKind,
    /// `host:port`, plus the path prefix where there is one.
    pub name: Arc<str>,
}

/// What a server tells of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Its version.
    pub version: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            // It is beside all clusters.
            ReplicaKind::Sensu => write!(f, "Sensu's API: {}", self.name),
            _ => write!(f, "cluster {}: {}", self.cluster, self.name),
        }
    }
}
