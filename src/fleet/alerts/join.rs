//! The pure join of Prometheus' alerts with Alertmanager's.

use super::{
    AlertRelabelling, AlertState, AmAlert, Arc, Fingerprint, HashMap, Labels, PromAlert, Relabelled, Severity,
};
use crate::model::alert::Alert;
use crate::model::cluster::ClusterName;
use std::collections::hash_map::Entry;

/// What one Prometheus replica says.
#[derive(Debug, Clone)]
pub struct PromView {
    /// Its name.
    pub replica: Arc<str>,
    /// Its alerts, as its own API shows them.
    pub alerts: Vec<PromAlert>,
    /// What it does to labels on the way to Alertmanager; `None` if that cannot be read.
    pub relabelling: Option<AlertRelabelling>,
}

/// Everything that the replicas of one cluster said.
#[derive(Debug)]
pub struct JoinInput<'a> {
    /// The cluster.
    pub cluster: ClusterName,
    /// Labels that only tell replicas apart.
    pub drop_labels: &'a [String],
    /// Prometheus replicas that answered.
    pub prometheus: Vec<&'a PromView>,
    /// Alertmanager members that answered.
    pub alertmanager: Vec<(Arc<str>, &'a [AmAlert])>,
    /// Whether the cluster has Alertmanagers at all: without any, an alert is active as Prometheus says.
    pub has_alertmanager: bool,
}

/// Joins all views into one list without duplicates, in order of fingerprint.
///
/// The order of replicas does not matter. An alert that any replica reports is in the list: a member
/// that lags or has just started takes nothing away.
pub fn join(input: &JoinInput<'_>) -> Vec<Alert> {
    let mut table = Table { input, alerts: Vec::new(), index: HashMap::new(), by_name: HashMap::new() };
    for (member, alerts) in &input.alertmanager {
        for alert in *alerts {
            table.add_alertmanager(member, alert);
        }
    }
    // Whose labels are known goes first, so that the others find it: also what no Alertmanager has yet.
    let mut by_subset = Vec::new();
    for view in &input.prometheus {
        for alert in &view.alerts {
            match view.relabelling.as_ref().map_or(Relabelled::Unknown, |r| r.apply(&alert.labels)) {
                Relabelled::Dropped => {}
                Relabelled::Sent(labels) => {
                    let labels = labels.without(input.drop_labels);
                    table.add_prometheus(labels.fingerprint(), labels, view, alert);
                }
                Relabelled::Unknown => by_subset.push((view, alert)),
            }
        }
    }
    table.index_names();
    for (view, alert) in by_subset {
        let labels = alert.labels.without(input.drop_labels);
        let fingerprint = table.find(&labels).unwrap_or_else(|| labels.fingerprint());
        table.add_prometheus(fingerprint, labels, view, alert);
    }
    let mut list = table.alerts;
    for alert in &mut list {
        alert.seen_by.sort();
        alert.seen_by.dedup();
    }
    list.sort_unstable_by_key(|alert| alert.fingerprint);
    list
}

struct Table<'a> {
    input: &'a JoinInput<'a>,
    alerts: Vec<Alert>,
    /// Where each is in `alerts`: an alert is some 300 bytes, too much to be moved about in a growing table.
    index: HashMap<Fingerprint, usize>,
    /// The alerts whose labels are known, by name, for the join by subset.
    by_name: HashMap<String, Vec<usize>>,
}

impl Table<'_> {
    fn add_alertmanager(&mut self, member: &Arc<str>, theirs: &AmAlert) {
        let labels = theirs.labels.without(self.input.drop_labels);
        // Dropping a replica label joins what Alertmanager holds twice; otherwise its identity is kept.
        let fingerprint =
            if labels.len() == theirs.labels.len() { theirs.fingerprint } else { labels.fingerprint() };
        let state = state_of(&theirs.silenced_by, &theirs.inhibited_by, &theirs.muted_by, theirs.unprocessed);
        let ours = match self.index.entry(fingerprint) {
            Entry::Occupied(at) => &mut self.alerts[*at.get()],
            Entry::Vacant(free) => {
                free.insert(self.alerts.len());
                let cluster = &self.input.cluster;
                self.alerts.push(from_alertmanager(cluster, fingerprint, labels, member, theirs, state));
                return;
            }
        };
        ours.since = ours.since.min(theirs.starts_at);
        let newer = (Some(theirs.updated_at), &theirs.annotations, &theirs.generator_url)
            > (ours.updated_at, &ours.annotations, &ours.generator_url);
        if newer {
            ours.updated_at = Some(theirs.updated_at);
            ours.annotations = theirs.annotations.clone();
            ours.generator_url = theirs.generator_url.clone();
        }
        union(&mut ours.silenced_by, &theirs.silenced_by);
        union(&mut ours.inhibited_by, &theirs.inhibited_by);
        union(&mut ours.muted_by, &theirs.muted_by);
        union(&mut ours.receivers, &theirs.receivers);
        ours.seen_by.push(member.clone());
        // A member that has not heard of a silence yet must not make the alert flap to active.
        let unprocessed = ours.state == AlertState::Unprocessed && theirs.unprocessed;
        ours.state = state_of(&ours.silenced_by, &ours.inhibited_by, &ours.muted_by, unprocessed);
    }

    fn index_names(&mut self) {
        for (at, alert) in self.alerts.iter().enumerate() {
            self.by_name.entry(alert.name().to_owned()).or_default().push(at);
        }
    }

    /// Adds what a Prometheus says of the alert with that fingerprint; `labels` are those of a new one.
    fn add_prometheus(
        &mut self,
        fingerprint: Fingerprint,
        labels: Labels,
        view: &super::PromView,
        theirs: &PromAlert,
    ) {
        let state = self.state_without_alertmanager(theirs);
        let at = *self.index.entry(fingerprint).or_insert_with(|| {
            self.alerts.push(from_prometheus(&self.input.cluster, fingerprint, labels, theirs, state));
            self.alerts.len() - 1
        });
        let ours = &mut self.alerts[at];
        // What Alertmanager says of an alert stands; only what no member has follows Prometheus.
        if ours.updated_at.is_none() {
            ours.state = if ours.state == AlertState::Pending { state } else { ours.state };
            ours.since = ours.since.min(theirs.active_at);
            // Texts with values in them differ from replica to replica.
            if theirs.annotations > ours.annotations {
                ours.annotations = theirs.annotations.clone();
            }
        }
        ours.value = match ours.value {
            // Replicas differ by a scrape; the larger bits keep the join orderless.
            Some(value) if value.total_cmp(&theirs.value).is_ge() => Some(value),
            _ => Some(theirs.value),
        };
        ours.seen_by.push(view.replica.clone());
    }

    /// Finds the alert that these labels become: by fingerprint, else the only one that has all of them.
    fn find(&self, labels: &Labels) -> Option<Fingerprint> {
        let fingerprint = labels.fingerprint();
        if self.index.contains_key(&fingerprint) {
            return Some(fingerprint);
        }
        let candidates = self.by_name.get(labels.get("alertname"))?;
        let mut fits =
            candidates.iter().map(|&at| &self.alerts[at]).filter(|alert| labels.is_subset_of(&alert.labels));
        match (fits.next(), fits.next()) {
            (Some(only), None) => Some(only.fingerprint),
            _ => None,
        }
    }

    fn state_without_alertmanager(&self, theirs: &PromAlert) -> AlertState {
        if !theirs.firing {
            AlertState::Pending
        } else if !self.input.has_alertmanager {
            AlertState::Active
        } else if self.input.alertmanager.is_empty() {
            AlertState::Unknown
        } else {
            AlertState::Unsent
        }
    }
}

fn state_of(
    silenced_by: &[Arc<str>],
    inhibited_by: &[Arc<str>],
    muted_by: &[Arc<str>],
    unprocessed: bool,
) -> AlertState {
    if !silenced_by.is_empty() {
        AlertState::Silenced
    } else if !inhibited_by.is_empty() {
        AlertState::Inhibited
    } else if !muted_by.is_empty() {
        AlertState::Muted
    } else if unprocessed {
        AlertState::Unprocessed
    } else {
        AlertState::Active
    }
}

fn from_alertmanager(
    cluster: &ClusterName,
    fingerprint: Fingerprint,
    labels: Labels,
    member: &Arc<str>,
    theirs: &AmAlert,
    state: AlertState,
) -> Alert {
    Alert {
        cluster: cluster.clone(),
        fingerprint,
        severity: Severity::of(&labels),
        labels,
        annotations: theirs.annotations.clone(),
        state,
        since: theirs.starts_at,
        value: None,
        silenced_by: sorted(&theirs.silenced_by),
        inhibited_by: sorted(&theirs.inhibited_by),
        muted_by: sorted(&theirs.muted_by),
        receivers: sorted(&theirs.receivers),
        generator_url: theirs.generator_url.clone(),
        seen_by: vec![member.clone()],
        updated_at: Some(theirs.updated_at),
        stale: false,
    }
}

fn from_prometheus(
    cluster: &ClusterName,
    fingerprint: Fingerprint,
    labels: Labels,
    theirs: &PromAlert,
    state: AlertState,
) -> Alert {
    Alert {
        cluster: cluster.clone(),
        fingerprint,
        severity: Severity::of(&labels),
        labels,
        annotations: theirs.annotations.clone(),
        state,
        since: theirs.active_at,
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

/// Sorts a member's list: the members' orders differ.
fn sorted(theirs: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut list = Vec::new();
    union(&mut list, theirs);
    list
}

fn union(ours: &mut Vec<Arc<str>>, theirs: &[Arc<str>]) {
    for item in theirs {
        if !ours.contains(item) {
            ours.push(item.clone());
        }
    }
    ours.sort();
}
