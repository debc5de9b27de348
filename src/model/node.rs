//! A monitored machine as the fleet sees it.

use super::cluster::ClusterName;
use super::labels::Labels;
use super::status::Status;
use serde::Serialize;
use std::sync::Arc;

/// Whether a node can be scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeUp {
    /// Every answering replica says down.
    Down,
    /// The replicas disagree.
    Split,
    /// No replica that answered knows its `up`.
    Unknown,
    /// At least one says up, none says down.
    Up,
}

impl NodeUp {
    /// Returns the word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::Split => "SPLIT",
            Self::Unknown => "?",
            Self::Up => "up",
        }
    }

    /// Folds one replica's `up` into what others said: down only when every answering replica says so, else split.
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (a, b) if a == b => a,
            _ => Self::Split,
        }
    }
}

/// How many checks of something are in each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounts {
    /// CRIT.
    pub crit: u32,
    /// UNKNOWN.
    pub unknown: u32,
    /// WARN.
    pub warn: u32,
    /// OK; only where all series were asked for.
    pub ok: u32,
}

impl StatusCounts {
    /// Counts one more check.
    pub fn add(&mut self, status: Status) {
        let slot = match status {
            Status::Crit => &mut self.crit,
            Status::Unknown => &mut self.unknown,
            Status::Warn => &mut self.warn,
            Status::Ok => &mut self.ok,
        };
        *slot += 1;
    }

    /// Returns how many are not OK.
    pub fn bad(self) -> u32 {
        self.crit + self.unknown + self.warn
    }

    /// Returns the worst status counted.
    pub fn worst(self) -> Status {
        if self.crit > 0 {
            Status::Crit
        } else if self.unknown > 0 {
            Status::Unknown
        } else if self.warn > 0 {
            Status::Warn
        } else {
            Status::Ok
        }
    }
}

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node's name: the value of the configured node label.
    pub name: Arc<str>,
    /// Whether it can be scraped.
    pub up: NodeUp,
    /// Labels of its `up` series, without replica labels.
    pub labels: Labels,
    /// Its failing checks by status (OK is not counted here: that would need a scan of every series).
    pub counts: StatusCounts,
    /// The names of its failing checks, worst first.
    pub failing: Vec<FailingCheck>,
    /// Names of the replicas that know it, in order.
    #[serde(skip)]
    pub seen_by: Vec<Arc<str>>,
    /// Whether it comes from an earlier answer of a source that is silent now.
    pub stale: bool,
}

impl Node {
    /// Notes that `replica` knows it.
    pub fn note_witness(&mut self, replica: &Arc<str>) {
        if let Err(i) = self.seen_by.binary_search(replica) {
            self.seen_by.insert(i, replica.clone());
        }
    }

    /// Returns the worst status of its checks; a node that is down is critical whatever its checks last said.
    pub fn worst(&self) -> Status {
        let down = if self.up == NodeUp::Down { Status::Crit } else { Status::Ok };
        self.counts.worst().worse(down)
    }
}

/// A check that is not OK.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailingCheck {
    /// The check's name.
    pub check: Arc<str>,
    /// Its status, the worse where replicas disagree.
    pub status: Status,
    /// Whether the replicas disagree about it.
    pub disputed: bool,
}
