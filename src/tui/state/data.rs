//! What each cluster said last, and how far that can be trusted.

use crate::config;
use crate::config::Access;
use crate::fleet::alerts::AlertMarks;
use crate::fleet::silences::SilenceCopy;
use crate::fleet::status::ClusterStatus;
use crate::fleet::{Answer, Coverage, CoverageVerdict, ReplicaState};
use crate::model::alert::Alert;
use crate::model::cluster::ReplicaKind;
use crate::model::labels::Fingerprint;
use crate::model::node::Node;
use crate::model::text;
use crate::model::time::{Timestamp, age};
use crate::tui::msg::Kind;
use crate::tui::state::rows::{AlertRow, NodeRow};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How far an answer can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fresh {
    /// Complete and recent.
    Yes,
    /// Complete, from then, and the next answer is overdue.
    Slow(Timestamp),
    /// Nothing has come yet.
    Loading,
    /// The last complete answer is from then; what came after was partial or nothing.
    Stale(Timestamp),
    /// It was asked for, and there never was a complete answer.
    Missing,
}

impl Fresh {
    /// Reports whether counts made from it are complete.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Yes | Self::Slow(_))
    }
}

/// The last answer to one question.
#[derive(Debug, Clone)]
pub struct Slot<T> {
    /// The value; kept while the source is silent.
    pub value: Option<Arc<T>>,
    /// Who stood behind the last whole question.
    pub coverage: Coverage,
    /// What the reader must know about the value.
    pub notes: Vec<String>,
    /// When the value was complete last.
    pub whole_at: Option<Timestamp>,
    /// Whether a question was answered to its end, well or not.
    pub answered: bool,
    /// When a question that is out was sent.
    pub asked: Option<Timestamp>,
    /// When to ask next; unset means now.
    pub next: Option<Timestamp>,
    /// How many questions were asked, which moves them apart.
    rounds: u32,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            value: None,
            coverage: Coverage::default(),
            notes: Vec::new(),
            whole_at: None,
            answered: false,
            asked: None,
            next: None,
            rounds: 0,
        }
    }
}

/// A question that brought no answer for so long is taken as lost and asked again.
const LOST: Duration = Duration::from_secs(120);

impl<T> Slot<T> {
    /// Reports whether it is time to ask, and if so notes that it was asked.
    fn ask(&mut self, now: Timestamp) -> bool {
        let out = self.asked.is_some_and(|asked| age(asked, now) < LOST);
        let due = !out && self.next.is_none_or(|next| next <= now);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// Returns how far the value can be trusted.
    pub fn fresh(&self, now: Timestamp, interval: Duration) -> Fresh {
        match (self.whole_at, self.answered) {
            (None, false) => Fresh::Loading,
            (None, true) => Fresh::Missing,
            (Some(at), _) if self.coverage.verdict() != CoverageVerdict::Complete => Fresh::Stale(at),
            // A program that was stopped for an hour shows what was true an hour ago. A slow server is asked less often.
            (Some(at), _) if age(at, now) > (interval * 5).max(self.slowest() * 30) => Fresh::Stale(at),
            (Some(at), _) if age(at, now) > (interval * 2).max(self.slowest() * 20) => Fresh::Slow(at),
            _ => Fresh::Yes,
        }
    }

    fn slowest(&self) -> Duration {
        self.coverage.replicas().iter().filter_map(|r| r.took).max().unwrap_or_default()
    }

    /// Takes a part of an answer: painted only while there is nothing better. Reports whether it was.
    fn paint(&mut self, value: T) -> bool {
        let first = self.value.is_none();
        if first {
            self.value = Some(Arc::new(value));
        }
        first
    }

    /// Takes the end of a question; `value` is absent where nobody answered.
    fn finish(
        &mut self,
        value: Option<T>,
        coverage: Coverage,
        notes: Vec<String>,
        at: Timestamp,
        pace: Pace,
    ) {
        if coverage.verdict() == CoverageVerdict::Complete {
            self.whole_at = Some(at);
        }
        if let Some(value) = value {
            self.value = Some(Arc::new(value));
        }
        (self.coverage, self.notes) = (coverage, notes);
        (self.answered, self.asked) = (true, None);
        self.rounds = self.rounds.wrapping_add(1);
        let wait = pace.interval.max(self.slowest() * 10);
        self.next = Some(at + wait + jitter(wait, pace.seed.wrapping_add(self.rounds)));
    }
}

/// How often one question may be asked.
#[derive(Debug, Clone, Copy)]
struct Pace {
    interval: Duration,
    seed: u32,
}

/// Up to a tenth of `wait`, spread over the questions so that they do not all go out at once.
fn jitter(wait: Duration, seed: u32) -> Duration {
    wait / 10 * (seed.wrapping_mul(2_654_435_761) >> 24) / 256
}

/// One cluster: who it is, and what it said.
#[derive(Debug, Clone)]
pub struct ClusterData {
    /// Its name, safe.
    pub name: Box<str>,
    /// Its raw name.
    pub raw_name: crate::model::cluster::ClusterName,
    /// Whether silences may be written there.
    pub access: Access,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// The label that names a node.
    pub node_label: String,
    /// The label that names a check.
    pub check_label: String,
    /// How many Prometheus and how many Alertmanager replicas it has.
    pub servers: (usize, usize),
    /// Alerts.
    pub alerts: Slot<Vec<AlertRow>>,
    /// Nodes.
    pub nodes: Slot<Vec<NodeRow>>,
    /// Silences.
    pub silences: Slot<Vec<SilenceCopy>>,
    /// Health.
    pub status: Slot<ClusterStatus>,
    /// Which alerts flap.
    pub flapping: Slot<Vec<AlertMarks>>,
}

impl ClusterData {
    /// Builds a cluster of which nothing is known yet.
    pub fn new(config: &config::Cluster) -> Self {
        Self {
            name: text::line(config.name.as_str()).into(),
            raw_name: config.name.clone(),
            access: config.access,
            labels: config.labels.clone(),
            node_label: config.node_label.clone(),
            check_label: config.check_label.clone(),
            servers: (config.prometheus.len(), config.alertmanager.len()),
            alerts: Slot::default(),
            nodes: Slot::default(),
            silences: Slot::default(),
            status: Slot::default(),
            flapping: Slot::default(),
        }
    }

    /// Reports whether it has servers that can answer `kind`.
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Alerts | Kind::Status => self.servers.0 + self.servers.1 > 0,
            Kind::Nodes | Kind::Flapping => self.servers.0 > 0,
            Kind::Silences => self.servers.1 > 0,
        }
    }

    /// Notes that `kind` is asked if it is time for that, and reports whether it is.
    pub fn ask(&mut self, kind: Kind, now: Timestamp) -> bool {
        self.has(kind)
            && match kind {
                Kind::Alerts => self.alerts.ask(now),
                Kind::Nodes => self.nodes.ask(now),
                Kind::Silences => self.silences.ask(now),
                Kind::Status => self.status.ask(now),
                Kind::Flapping => self.flapping.ask(now),
            }
    }

    /// Reports whether parts of an answer are of use: there is nothing to show yet.
    pub fn wants_parts(&self, kind: Kind) -> bool {
        match kind {
            Kind::Alerts => self.alerts.value.is_none(),
            Kind::Nodes => self.nodes.value.is_none(),
            Kind::Silences => self.silences.value.is_none(),
            Kind::Status => self.status.value.is_none(),
            Kind::Flapping => self.flapping.value.is_none(),
        }
    }

    /// Makes `kind` due.
    pub fn hurry(&mut self, kind: Kind) {
        match kind {
            Kind::Alerts => self.alerts.next = None,
            Kind::Nodes => self.nodes.next = None,
            Kind::Silences => self.silences.next = None,
            Kind::Status => self.status.next = None,
            Kind::Flapping => self.flapping.next = None,
        }
    }

    /// Returns how far its alerts and nodes can be trusted: the worse of both.
    pub fn fresh(&self, now: Timestamp, refresh: Duration) -> Fresh {
        let alerts = self.alerts.fresh(now, pace(Kind::Alerts, refresh));
        if self.has(Kind::Nodes) {
            alerts.max(self.nodes.fresh(now, pace(Kind::Nodes, refresh)))
        } else {
            alerts
        }
    }

    /// Takes a part of an answer about alerts, or its end; reports whether that may change the list.
    pub fn take_alerts(
        &mut self,
        answer: Answer<Vec<AlertRow>>,
        last: bool,
        at: Timestamp,
        refresh: Duration,
    ) -> bool {
        let pace = self.pace(Kind::Alerts, refresh);
        take_witnessed(&mut self.alerts, answer, last, at, pace)
    }

    /// Takes a part of an answer about nodes, or its end; reports whether that may change the list.
    pub fn take_nodes(
        &mut self,
        answer: Answer<Vec<NodeRow>>,
        last: bool,
        at: Timestamp,
        refresh: Duration,
    ) -> bool {
        // A Prometheus that has just started knows no node yet: that is not worth a minute's rest.
        let kind = if answer.value.is_empty() { Kind::Alerts } else { Kind::Nodes };
        let pace = self.pace(kind, refresh);
        take_witnessed(&mut self.nodes, answer, last, at, pace)
    }

    /// Takes a part of an answer about silences, or its end; reports whether that may change the list.
    pub fn take_silences(
        &mut self,
        answer: Answer<Vec<SilenceCopy>>,
        last: bool,
        at: Timestamp,
        refresh: Duration,
    ) -> bool {
        let pace = self.pace(Kind::Silences, refresh);
        take_witnessed(&mut self.silences, answer, last, at, pace)
    }

    /// Takes a part of an answer about alerts that flap, or its end; reports whether that may change anything.
    pub fn take_flapping(
        &mut self,
        answer: Answer<Vec<AlertMarks>>,
        last: bool,
        at: Timestamp,
        refresh: Duration,
    ) -> bool {
        let pace = self.pace(Kind::Flapping, refresh);
        take(&mut self.flapping, answer, last, at, pace)
    }

    /// Takes a part of an answer about health, or its end. What failed is part of it.
    pub fn take_status(
        &mut self,
        answer: Answer<ClusterStatus>,
        last: bool,
        at: Timestamp,
        refresh: Duration,
    ) {
        let pace = self.pace(Kind::Status, refresh);
        if last {
            self.status.finish(Some(answer.value), answer.coverage, answer.notes, at, pace);
        } else {
            self.status.paint(answer.value);
        }
    }

    fn pace(&self, kind: Kind, refresh: Duration) -> Pace {
        let seed = self.name.bytes().fold(kind as u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
        Pace { interval: pace(kind, refresh), seed }
    }

    /// Reports whether a replica refused us (401, 403): then it is not the network that is to be looked at.
    pub fn forbidden(&self) -> bool {
        let alerts = self.alerts.coverage.missing();
        let mut all = alerts.chain(self.nodes.coverage.missing()).chain(self.silences.coverage.missing());
        all.any(|replica| replica.forbidden)
    }

    /// Returns the replicas that did not answer the last questions, with the reason, safe and each once.
    pub fn silent(&self) -> Vec<String> {
        let mut list: BTreeMap<&str, &str> = BTreeMap::new();
        let alerts = self.alerts.coverage.missing();
        for replica in alerts.chain(self.nodes.coverage.missing()).chain(self.silences.coverage.missing()) {
            list.entry(&replica.replica.name).or_insert(replica.error.as_deref().unwrap_or("no answer"));
        }
        list.iter().map(|(name, why)| text::line(&format!("{name}: {why}")).into_owned()).collect()
    }
}

fn take<T>(slot: &mut Slot<Vec<T>>, answer: Answer<Vec<T>>, last: bool, at: Timestamp, pace: Pace) -> bool {
    if !last {
        return slot.paint(answer.value);
    }
    let value = (answer.coverage.verdict() != CoverageVerdict::Nothing).then_some(answer.value);
    slot.finish(value, answer.coverage, answer.notes, at, pace);
    true
}

/// Returns how often `kind` is asked at the most. Lists of all nodes are large and change slowly.
pub fn pace(kind: Kind, refresh: Duration) -> Duration {
    match kind {
        Kind::Alerts | Kind::Silences => refresh,
        Kind::Status => refresh * 2,
        Kind::Nodes | Kind::Flapping => refresh * 4,
    }
}

/// Takes an answer as [`take`] does, and keeps what only silent replicas know.
fn take_witnessed<T: Witnessed>(
    slot: &mut Slot<Vec<T>>,
    mut answer: Answer<Vec<T>>,
    last: bool,
    at: Timestamp,
    pace: Pace,
) -> bool {
    if last {
        answer.value = keep_unheard(slot.value.as_deref(), answer.value, &answer.coverage);
    }
    take(slot, answer, last, at, pace)
}

/// A row that names the replicas that reported it.
trait Witnessed: Sized {
    /// What it is within its cluster.
    type Id: Eq + std::hash::Hash;
    fn id(&self) -> Self::Id;
    fn witnesses(&self) -> &[Arc<str>];
    /// Returns it as a row of an earlier answer.
    fn kept(&self) -> Self;
}

impl Witnessed for AlertRow {
    type Id = Fingerprint;
    fn id(&self) -> Fingerprint {
        self.alert.fingerprint
    }
    fn witnesses(&self) -> &[Arc<str>] {
        &self.alert.seen_by
    }
    fn kept(&self) -> Self {
        Self { alert: Arc::new(Alert { stale: true, ..Alert::clone(&self.alert) }), ..self.clone() }
    }
}

impl Witnessed for NodeRow {
    type Id = Arc<str>;
    fn id(&self) -> Arc<str> {
        self.node.name.clone()
    }
    fn witnesses(&self) -> &[Arc<str>] {
        &self.node.seen_by
    }
    fn kept(&self) -> Self {
        Self { node: Arc::new(Node { stale: true, ..Node::clone(&self.node) }), ..self.clone() }
    }
}

impl Witnessed for SilenceCopy {
    type Id = Arc<str>;
    fn id(&self) -> Arc<str> {
        self.silence.id.clone()
    }
    fn witnesses(&self) -> &[Arc<str>] {
        &self.seen_by
    }
    /// Whether it is from an earlier answer is read off the coverage: [`ClusterData::is_unheard`].
    fn kept(&self) -> Self {
        self.clone()
    }
}

/// Keeps the rows that only silent replicas reported: their silence resolves nothing and removes no node.
fn keep_unheard<T: Witnessed>(old: Option<&Vec<T>>, mut new: Vec<T>, coverage: &Coverage) -> Vec<T> {
    if coverage.missing().next().is_none() {
        return new;
    }
    let known: HashSet<T::Id> = new.iter().map(T::id).collect();
    let unheard = old
        .into_iter()
        .flatten()
        .filter(|row| !known.contains(&row.id()) && !heard(row.witnesses(), coverage));
    new.extend(unheard.map(T::kept));
    new
}

/// Reports whether one of `witnesses` has answered; a row that names none belongs to whoever answers.
fn heard(witnesses: &[Arc<str>], coverage: &Coverage) -> bool {
    let mut answered = coverage.replicas().iter().filter(|r| r.state == ReplicaState::Answered);
    witnesses.is_empty() || answered.any(|r| witnesses.contains(&r.replica.name))
}

impl ClusterData {
    /// Reports whether none of the members that know a silence answered the last question.
    pub fn is_unheard(&self, copy: &SilenceCopy) -> bool {
        self.silences.coverage.missing().next().is_some() && !heard(&copy.seen_by, &self.silences.coverage)
    }

    /// Returns what servers remarked beside their last answers, safe and each once.
    pub fn warnings(&self) -> Vec<String> {
        let all = [&self.alerts.coverage, &self.nodes.coverage, &self.silences.coverage];
        let all = all.into_iter().flat_map(Coverage::replicas);
        let lines: BTreeSet<String> = all
            .flat_map(|r| {
                r.warnings.iter().map(|w| text::line(&format!("{}: {w}", r.replica.name)).into_owned())
            })
            .collect();
        lines.into_iter().collect()
    }

    /// Writes how many replicas of a kind answered the last questions: `1/2`; `-` where there are none.
    pub fn servers_up(&self, prometheus: bool) -> String {
        let kind = if prometheus { ReplicaKind::Prometheus } else { ReplicaKind::Alertmanager };
        let all = if prometheus { self.servers.0 } else { self.servers.1 };
        let of_kind = self.alerts.coverage.replicas().iter().filter(|r| r.replica.kind == kind);
        match (all, self.alerts.answered) {
            (0, _) => "-".into(),
            (_, false) => "?".into(),
            _ => format!("{}/{all}", of_kind.filter(|r| r.state == ReplicaState::Answered).count()),
        }
    }
}
