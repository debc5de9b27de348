//! What a draft would hit now, cluster by cluster. Only what fires or is known now can be seen: alerts to come
//! that match will be silent too.

use super::draft::{Draft, Facts, Targets};
use super::identity::normalised;
use super::logical::{LogicalSilence, group};
use crate::config::Access;
use crate::model::alert::{Alert, AlertState, Severity};
use crate::model::cluster::ClusterName;
use crate::model::labels::Fingerprint;
use crate::model::matcher::{MatchOp, Matcher, Verdict, accepts_all};
use crate::model::silence::SilenceState;
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What a draft would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Every cluster, in order of configuration.
    pub clusters: Vec<ClusterPreview>,
    /// Existing silences that do the same or nearly the same on the clusters written to.
    pub overlaps: Vec<Overlap>,
    /// Firing critical alerts of the whole fleet.
    pub crit_firing: usize,
    /// Matchers whose regex cannot be evaluated here, and why.
    pub cannot_evaluate: Vec<(Matcher, String)>,
}

/// What a draft would do on one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterPreview {
    /// The cluster.
    pub cluster: ClusterName,
    /// Whether the draft names it, or matches there while it names none.
    pub chosen: bool,
    /// Why it is not written to although chosen.
    pub skipped: Option<Skip>,
    /// Whether its Alertmanager answered: otherwise the counts are not the whole truth.
    pub reachable: bool,
    /// Firing alerts that it hits.
    pub alerts: Vec<Hit>,
    /// Alerts of which only Alertmanager can tell.
    pub undecided: usize,
    /// Nodes hit: of these alerts, and known targets with such labels.
    pub nodes: BTreeSet<Arc<str>>,
    /// Alerts on the same nodes that go on paging.
    pub stays_visible: usize,
}

/// Why a chosen cluster is not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// The configuration says `access = "ro"`.
    ReadOnly,
    /// It has no Alertmanager.
    NoAlertmanager,
}

impl Skip {
    /// Returns the words for reports.
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::NoAlertmanager => "has no Alertmanager",
        }
    }
}

/// A firing alert that is hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Its name.
    pub name: Arc<str>,
    /// Its node, if it has one.
    pub node: Arc<str>,
    /// Where it is: its node, else its job.
    pub place: Arc<str>,
    /// How urgent.
    pub severity: Severity,
    /// Whether a silence holds it back already.
    pub silenced: bool,
}

/// An existing silence that is like a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// How.
    pub kind: OverlapKind,
    /// Which.
    pub silence: LogicalSilence,
}

/// How an existing silence is like a draft, the most alike first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OverlapKind {
    /// The same matchers.
    Same,
    /// It holds back so many of the alerts already.
    Alerts(usize),
    /// The same alertname with other labels.
    SameAlertname,
}

/// Why a draft can be made nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// It matches nothing and names no cluster.
    #[error("it matches no firing alert and no known node{}", unknown_clusters(.unknown))]
    NothingMatches {
        /// Clusters that could not be asked.
        unknown: Vec<ClusterName>,
    },
    /// Every cluster that was chosen cannot be written to.
    #[error("nothing can be written: {}", skips(.0))]
    AllSkipped(Vec<(ClusterName, Skip)>),
}

fn unknown_clusters(unknown: &[ClusterName]) -> String {
    match unknown {
        [] => String::new(),
        list => format!(" (not known: {})", names(list)),
    }
}

fn skips(list: &[(ClusterName, Skip)]) -> String {
    list.iter().map(|(cluster, skip)| format!("{cluster} {}", skip.words())).collect::<Vec<_>>().join(", ")
}

fn names(list: &[ClusterName]) -> String {
    list.iter().map(ClusterName::as_str).collect::<Vec<_>>().join(", ")
}

impl Preview {
    /// Returns the clusters that would be written to and those chosen but skipped.
    pub fn targets(&self) -> Result<Vec<&ClusterPreview>, PreviewError> {
        let chosen: Vec<&ClusterPreview> = self.clusters.iter().filter(|c| c.chosen).collect();
        if chosen.is_empty() {
            let unknown = self.clusters.iter().filter(|c| !c.reachable && c.skipped.is_none());
            return Err(PreviewError::NothingMatches {
                unknown: unknown.map(|c| c.cluster.clone()).collect(),
            });
        }
        if chosen.iter().all(|c| c.skipped.is_some()) {
            let skipped = chosen.iter().filter_map(|c| Some((c.cluster.clone(), c.skipped?)));
            return Err(PreviewError::AllSkipped(skipped.collect()));
        }
        Ok(chosen)
    }

    /// Returns the clusters that would be written to.
    pub fn written(&self) -> impl Iterator<Item = &ClusterPreview> {
        self.clusters.iter().filter(|c| c.chosen && c.skipped.is_none())
    }

    /// Returns the alerts hit on the clusters that would be written to.
    pub fn hits(&self) -> impl Iterator<Item = &Hit> {
        self.written().flat_map(|c| &c.alerts)
    }

    /// Returns the clusters without fresh data that are not written to: what is there is not known.
    pub fn unknown(&self) -> impl Iterator<Item = &ClusterPreview> {
        self.clusters.iter().filter(|c| !c.reachable && !c.chosen && c.skipped.is_none())
    }
}

/// Evaluates a draft on what is known of every cluster.
pub fn preview<F: Borrow<Facts>>(draft: &Draft, facts: &[F]) -> Preview {
    let facts: Vec<&Facts> = facts.iter().map(Borrow::borrow).collect();
    let hit: Vec<Vec<&Alert>> = facts.iter().map(|f| hit_by(draft, f)).collect();
    let clusters: Vec<ClusterPreview> =
        facts.iter().zip(&hit).map(|(f, alerts)| on_cluster(draft, f, alerts)).collect();
    let unsupported = |m: &Matcher| Some((m.clone(), m.unsupported()?.to_owned()));
    let mut preview = Preview {
        clusters,
        overlaps: Vec::new(),
        crit_firing: facts
            .iter()
            .flat_map(|f| &f.alerts)
            .filter(|a| fires(a) && a.severity == Severity::Critical)
            .count(),
        cannot_evaluate: draft.matchers.iter().filter_map(unsupported).collect(),
    };
    preview.overlaps = overlaps(draft, &facts, &hit, &preview);
    preview
}

/// Returns the firing alerts of a cluster that a draft certainly hits.
fn hit_by<'a>(draft: &Draft, facts: &'a Facts) -> Vec<&'a Alert> {
    let all = facts.alerts.iter().filter(|a| fires(a));
    all.filter(|a| accepts_all(&draft.matchers, &a.labels) == Verdict::Yes).collect()
}

/// Counts the firing alerts of which only Alertmanager can tell: some only where a regex is beyond us.
fn undecided(draft: &Draft, facts: &Facts) -> usize {
    if draft.matchers.iter().all(|m| m.unsupported().is_none()) {
        return 0;
    }
    let all = facts.alerts.iter().filter(|a| fires(a));
    all.filter(|a| accepts_all(&draft.matchers, &a.labels) == Verdict::Unknown).count()
}

/// Reports whether the alert fires and Alertmanager has it, or may have it.
fn fires(alert: &Alert) -> bool {
    alert.state.is_firing()
}

fn on_cluster(draft: &Draft, facts: &Facts, alerts: &[&Alert]) -> ClusterPreview {
    let alerts: Vec<Hit> = alerts.iter().map(|alert| hit(alert, facts)).collect();
    let undecided = undecided(draft, facts);
    let with_node = alerts.iter().filter(|h| !h.node.is_empty());
    let mut nodes: BTreeSet<Arc<str>> = with_node.map(|h| h.node.clone()).collect();
    let of_targets = target_matchers(&draft.matchers, facts);
    if let Some(matchers) = of_targets {
        let known =
            facts.nodes.iter().filter(|n| accepts_all(&matchers, &facts.labels_of(n)) == Verdict::Yes);
        nodes.extend(known.map(|n| n.name.clone()));
    }
    let skipped = match (facts.has_alertmanager, facts.access) {
        (false, _) => Some(Skip::NoAlertmanager),
        (true, Access::Ro) => Some(Skip::ReadOnly),
        (true, Access::Rw) => None,
    };
    let chosen = match &draft.targets {
        // What cannot be written to is not worth naming each time.
        Targets::All => skipped != Some(Skip::NoAlertmanager),
        Targets::Named(names) => names.contains(&facts.cluster),
        Targets::Matching => {
            (!alerts.is_empty() || !nodes.is_empty() || undecided > 0)
                && facts.reachable
                && skipped != Some(Skip::NoAlertmanager)
        }
    };
    let stays_visible = stays_visible(draft, facts, &nodes);
    let reachable = facts.reachable;
    ClusterPreview {
        cluster: facts.cluster.clone(),
        chosen,
        skipped,
        reachable,
        alerts,
        undecided,
        nodes,
        stays_visible,
    }
}

fn hit(alert: &Alert, facts: &Facts) -> Hit {
    let node: Arc<str> = alert.labels.get(&facts.node_label).into();
    Hit {
        place: if node.is_empty() { alert.job().into() } else { node.clone() },
        node,
        fingerprint: alert.fingerprint,
        name: alert.name().into(),
        severity: alert.severity,
        silenced: alert.state == AlertState::Silenced || !alert.silenced_by.is_empty(),
    }
}

fn stays_visible(draft: &Draft, facts: &Facts, nodes: &BTreeSet<Arc<str>>) -> usize {
    let on_them = |a: &&Alert| nodes.contains(a.labels.get(&facts.node_label));
    let pages =
        |a: &&Alert| a.state == AlertState::Active && accepts_all(&draft.matchers, &a.labels) == Verdict::No;
    facts.alerts.iter().filter(on_them).filter(pages).count()
}

/// Returns the matchers that can be held against a target, which has no alertname, severity or check; `None` where
/// the rest would not choose among targets.
fn target_matchers(matchers: &[Matcher], facts: &Facts) -> Option<Vec<Matcher>> {
    let of_alerts = ["alertname", "severity", facts.check_label.as_str()];
    let rest: Vec<Matcher> = matchers.iter().filter(|m| !of_alerts.contains(&&*m.name)).cloned().collect();
    let chooses = |m: &Matcher| !m.op.is_negative() && m.accepts_value("") == Verdict::No;
    rest.iter().any(chooses).then_some(rest)
}

/// `hit` holds the alerts that the draft hits, found once: there may be hundreds of silences to hold them against.
fn overlaps(draft: &Draft, facts: &[&Facts], hit: &[Vec<&Alert>], preview: &Preview) -> Vec<Overlap> {
    let written: BTreeSet<&ClusterName> = preview.written().map(|c| &c.cluster).collect();
    let here = || facts.iter().zip(hit).filter(|(f, _)| written.contains(&f.cluster));
    let matchers = normalised(&draft.matchers);
    let in_force =
        here().flat_map(|(f, _)| &f.silences).filter(|c| c.silence.state != SilenceState::Expired).cloned();
    let mut overlaps: Vec<Overlap> = group(in_force)
        .into_iter()
        .filter_map(|silence| {
            let common = || here().flat_map(|(_, alerts)| alerts).filter(|a| hits(&silence, a)).count();
            let kind = if silence.matchers == matchers {
                OverlapKind::Same
            } else {
                match common() {
                    0 if alertname(&silence.matchers)? == alertname(&matchers)? => OverlapKind::SameAlertname,
                    0 => return None,
                    alerts => OverlapKind::Alerts(alerts),
                }
            };
            Some(Overlap { kind, silence })
        })
        .collect();
    overlaps.sort_by(|a, b| (a.kind, &a.silence.id).cmp(&(b.kind, &b.silence.id)));
    overlaps
}

fn alertname(matchers: &[Matcher]) -> Option<&str> {
    matchers.iter().find(|m| &*m.name == "alertname" && m.op == MatchOp::Equal).map(|m| &*m.value)
}

/// Reports whether a silence is made for this alert: on its cluster, all matchers hold.
fn hits(silence: &LogicalSilence, alert: &Alert) -> bool {
    silence.in_force().any(|copy| {
        copy.cluster == alert.cluster
            && (alert.silenced_by.contains(&copy.silence.id)
                || copy.silence.hits(&alert.labels) == Verdict::Yes)
    })
}

impl LogicalSilence {
    /// Returns the firing alerts that an active copy of the silence hits on its own cluster.
    pub fn firing<'a>(&'a self, alerts: &'a [Alert]) -> impl Iterator<Item = &'a Alert> {
        alerts.iter().filter(|a| fires(a) && hits(self, a))
    }
}

/// Returns the firing alerts that would page again if `silence` ended: hit by an active copy of it, and
/// by nothing else that holds them back.
pub fn would_page<'a>(
    silence: &'a LogicalSilence,
    alerts: &'a [Alert],
    others: &'a [LogicalSilence],
) -> impl Iterator<Item = &'a Alert> {
    let active = |s: &LogicalSilence| s.state == SilenceState::Active;
    let held = move |a: &Alert| {
        let by_other = others.iter().any(|s| s.id != silence.id && active(s) && hits(s, a));
        by_other || !a.inhibited_by.is_empty() || !a.muted_by.is_empty()
    };
    silence.firing(alerts).filter(move |a| active(silence) && !held(a))
}
