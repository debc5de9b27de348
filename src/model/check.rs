//! A check's result with its output text, as a node's detail API serves it.

use super::status::Status;
use super::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One check of one node as Prometheus knows it: a number, no text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckState {
    /// The check's name.
    pub check: Arc<str>,
    /// Its status; the worse where replicas disagree.
    pub status: Status,
    /// Whether the replicas disagree.
    pub disputed: bool,
    /// Since when its alert fires, where one does.
    #[serde(serialize_with = "super::time::serialize_option")]
    pub since: Option<Timestamp>,
}

/// A result with its output text (DESIGN: detail). Only `output` is certain to be there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// The check's name, as asked for.
    pub check: String,
    /// Its status.
    pub status: Option<Status>,
    /// When it ran.
    #[serde(serialize_with = "super::time::serialize_option")]
    pub executed: Option<Timestamp>,
    /// Seconds between runs.
    pub interval: Option<f64>,
    /// Seconds that the run took.
    pub duration: Option<f64>,
    /// Whether the result is past its bound.
    pub stale: bool,
    /// The script's own output, raw.
    pub output: String,
    /// Size of the whole output in bytes, where the server cut it.
    pub output_bytes: Option<u64>,
    /// Whether `output` was cut.
    pub output_truncated: bool,
    /// The command as defined, secrets masked by the node.
    pub command: Option<String>,
    /// Everything else the node told, in order of name.
    pub other: BTreeMap<String, serde_json::Value>,
}
