//! Alerts: as one Prometheus reports them, as one Alertmanager reports them, and joined.

use super::cluster::ClusterName;
use super::labels::{Fingerprint, Labels};
use super::time::Timestamp;
use chrono::DateTime;
use serde::Serialize;
use std::sync::Arc;

/// How urgent an alert is, from its `severity` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// `critical`, `crit`, `page`, `emergency`, `error`.
    Critical,
    /// `warning`, `warn`.
    Warning,
    /// `unknown`: a check that could not tell.
    Unknown,
    /// Anything else, and no label at all.
    Info,
}

impl Severity {
    /// Returns the severity that the label's value stands for, ignoring case.
    pub fn of(labels: &Labels) -> Self {
        let value = labels.get("severity");
        let is = |names: &[&str]| names.iter().any(|name| value.eq_ignore_ascii_case(name));
        if is(&["critical", "crit", "page", "emergency", "error"]) {
            Self::Critical
        } else if is(&["warning", "warn"]) {
            Self::Warning
        } else if is(&["unknown"]) {
            Self::Unknown
        } else {
            Self::Info
        }
    }

    /// Returns the four-letter word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRIT",
            Self::Warning => "WARN",
            Self::Unknown => "UNKN",
            Self::Info => "INFO",
        }
    }
}

/// An alert as one Alertmanager member reports it (`GET /api/v2/alerts`).
#[derive(Debug, Clone, PartialEq)]
pub struct AmAlert {
    /// Identity, as Alertmanager calculated it.
    pub fingerprint: Fingerprint,
    /// The label set that routing, silences and inhibition see.
    pub labels: Labels,
    /// Texts for people, the check's output among them.
    pub annotations: Labels,
    /// When it started firing.
    pub starts_at: Timestamp,
    /// When it ends unless it is sent again.
    pub ends_at: Timestamp,
    /// When the member last received it (its own clock).
    pub updated_at: Timestamp,
    /// Link to the expression on the Prometheus that sent it last.
    pub generator_url: Arc<str>,
    /// Receivers it is routed to.
    pub receivers: Vec<Arc<str>>,
    /// Ids of silences that hit it.
    pub silenced_by: Vec<Arc<str>>,
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<Arc<str>>,
    /// Names of time intervals that mute it (Alertmanager 0.28 and newer).
    pub muted_by: Vec<Arc<str>>,
    /// Whether the member has not processed it yet (`unprocessed`).
    pub unprocessed: bool,
}

/// An alert as one Prometheus reports it (`GET /api/v1/alerts`): without external labels.
#[derive(Debug, Clone, PartialEq)]
pub struct PromAlert {
    /// Labels of the rule and the series; external labels and relabelling are not applied yet.
    pub labels: Labels,
    /// Rendered annotations.
    pub annotations: Labels,
    /// Whether it is firing, otherwise pending.
    pub firing: bool,
    /// When the expression became true.
    pub active_at: Timestamp,
    /// The expression's value.
    pub value: f64,
}

/// What is known of an alert's way to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Firing and neither silenced nor inhibited nor muted: somebody is told.
    Active,
    /// Firing on Prometheus, but no Alertmanager answered: whether it is silenced is not known.
    Unknown,
    /// Firing on Prometheus, but every Alertmanager that answered does not have it: nobody is told.
    Unsent,
    /// Received by Alertmanager, not processed yet.
    Unprocessed,
    /// Suppressed by a silence.
    Silenced,
    /// Suppressed by another alert.
    Inhibited,
    /// Suppressed by a time interval.
    Muted,
    /// The expression is true, the rule's `for` has not passed yet.
    Pending,
}

impl AlertState {
    /// Returns the word for screens and filters (`@state=silenced`).
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unknown => "unknown",
            Self::Unsent => "unsent",
            Self::Unprocessed => "unprocessed",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Muted => "muted",
            Self::Pending => "pending",
        }
    }

    /// Reports whether the alert fires; only a pending one does not.
    pub fn is_firing(self) -> bool {
        self != Self::Pending
    }
}

/// One alert of a cluster, joined from every replica that knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// The cluster.
    pub cluster: ClusterName,
    /// Identity: the fingerprint of Alertmanager's label set.
    pub fingerprint: Fingerprint,
    /// Alertmanager's label set, or what Prometheus would send where Alertmanager does not have it.
    pub labels: Labels,
    /// Texts for people, the check's output among them.
    pub annotations: Labels,
    /// How urgent.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// When it started: the earliest that any replica says.
    #[serde(serialize_with = "super::time::serialize")]
    pub since: Timestamp,
    /// The expression's value on the Prometheus that reports the newest state, where one answered.
    pub value: Option<f64>,
    /// Ids of silences that hit it, on any member.
    pub silenced_by: Vec<Arc<str>>,
    /// Fingerprints of alerts that inhibit it.
    pub inhibited_by: Vec<Arc<str>>,
    /// Time intervals that mute it.
    pub muted_by: Vec<Arc<str>>,
    /// Receivers it is routed to.
    pub receivers: Vec<Arc<str>>,
    /// Link to the expression.
    pub generator_url: Arc<str>,
    /// Names of the replicas that report it.
    pub seen_by: Vec<Arc<str>>,
    /// When an Alertmanager last received it; the age of its annotations.
    #[serde(serialize_with = "super::time::serialize_option")]
    pub updated_at: Option<Timestamp>,
    /// Whether it comes from an earlier answer of a source that is silent now.
    pub stale: bool,
}

impl Alert {
    /// Returns when the check ran whose words its annotations have, where our proxy has put them there.
    pub fn executed(&self) -> Option<Timestamp> {
        DateTime::parse_from_rfc3339(self.annotations.get("check_executed")).ok().map(|at| at.to_utc())
    }

    /// Returns an alert of these labels that fires, for tests to change.
    #[cfg(test)]
    pub fn firing(cluster: &str, labels: Labels, since: Timestamp) -> Self {
        Self {
            cluster: cluster.into(),
            fingerprint: labels.fingerprint(),
            severity: Severity::of(&labels),
            labels,
            annotations: Labels::default(),
            state: AlertState::Active,
            since,
            value: None,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
            muted_by: Vec::new(),
            receivers: Vec::new(),
            generator_url: "".into(),
            seen_by: Vec::new(),
            updated_at: None,
            stale: false,
        }
    }

    /// Returns the alert's name.
    pub fn name(&self) -> &str {
        self.labels.get("alertname")
    }

    /// Returns what stands where a node would, for an alert that is about none: its job, as a matcher; nothing without one.
    pub fn job(&self) -> String {
        of_job(&self.labels)
    }

    /// Returns the best one-line text: summary, else description, else message, else nothing.
    pub fn summary(&self) -> &str {
        ["summary", "description", "message"]
            .iter()
            .map(|name| self.annotations.get(name))
            .find(|text| !text.is_empty())
            .unwrap_or("")
    }
}

/// Returns the job of what has no node as it is written in a matcher, by which it is found; nothing without one.
pub fn of_job(labels: &Labels) -> String {
    match labels.get("job") {
        "" => String::new(),
        job => format!("job={job}"),
    }
}
