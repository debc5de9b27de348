//! One silence out of its copies on many clusters.
//!
//! Only what the servers keep is used, so that every operator sees the same silences whoever made them.
//! Copies with the same matchers, author and comment belong together if they carry the same operation in
//! an annotation, or end at the same millisecond, or are on different clusters and started within seconds
//! (somebody changed the end of one copy, or expired it, which overwrites the end).

use super::identity::{Key, OP_ANNOTATION, normalised};
use crate::fleet::silences::SilenceCopy;
use crate::model::cluster::ClusterName;
use crate::model::matcher::Matcher;
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::{Timestamp, rfc3339};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// How far apart copies of one silence may start: requests to clusters go out together, each member clamps the
/// start to its own clock.
const SAME_START: TimeDelta = TimeDelta::seconds(10);

/// The shortest beginning of an id that names a silence.
const SHORTEST_PREFIX: usize = 8;

/// The same silence on one or more clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct LogicalSilence {
    /// The smallest id among the copies that are in force longest; any other copy's id names it as well.
    pub id: Arc<str>,
    /// All must hold; in normal order.
    pub matchers: Vec<Matcher>,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When the first copy starts.
    pub starts_at: Timestamp,
    /// When the last copy in force ends.
    pub ends_at: Timestamp,
    /// Active if any copy is, else pending if any is.
    pub state: SilenceState,
    /// Every copy, in order of cluster and id. A cluster may have several: twins, or what an edit replaced.
    pub copies: Vec<SilenceCopy>,
    /// How the clusters' copies differ.
    pub drift: Vec<Drift>,
}

/// A way in which copies of one silence came apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// The copies in force end at different times.
    Ends {
        /// The cluster where it ends first, and when.
        first: (ClusterName, Timestamp),
        /// The cluster where it ends last, and when.
        last: (ClusterName, Timestamp),
    },
    /// It is over on some clusters and in force on others.
    Expired(Vec<ClusterName>),
    /// A cluster has more than one copy in force.
    Twins(ClusterName),
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends { first, last } => {
                let (early, late) = (rfc3339(first.1), rfc3339(last.1));
                write!(f, "it ends {early} on {} and {late} on {}", first.0, last.0)
            }
            Self::Expired(clusters) => {
                let names: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
                write!(f, "it has ended on {} and is in force elsewhere", names.join(", "))
            }
            Self::Twins(cluster) => write!(f, "it is there more than once on {cluster}"),
        }
    }
}

/// Returns as much of an id as every command takes for the whole.
pub fn short_id(id: &str) -> &str {
    id.get(..SHORTEST_PREFIX).unwrap_or(id)
}

impl LogicalSilence {
    /// Returns the beginning of its id, which names it on the command line.
    pub fn short_id(&self) -> &str {
        short_id(&self.id)
    }

    /// Returns the clusters that have a copy, each once, in order of name.
    pub fn clusters(&self) -> Vec<ClusterName> {
        let names: BTreeSet<&ClusterName> = self.copies.iter().map(|copy| &copy.cluster).collect();
        names.into_iter().cloned().collect()
    }

    /// Returns the copies that are in force or will be.
    pub fn in_force(&self) -> impl Iterator<Item = &SilenceCopy> {
        self.copies.iter().filter(|copy| copy.silence.state != SilenceState::Expired)
    }

    /// Returns the copy that stands for the silence on `cluster`: in force rather than expired, the latest end.
    pub fn on(&self, cluster: &ClusterName) -> Option<&SilenceCopy> {
        self.copies.iter().filter(|copy| copy.cluster == *cluster).max_by_key(|copy| rank(&copy.silence))
    }

    /// Reports whether one of the copies has this id.
    pub fn has_id(&self, id: &str) -> bool {
        self.copies.iter().any(|copy| &*copy.silence.id == id)
    }

    /// Builds from copies of one silence; at least one.
    fn of(mut copies: Vec<SilenceCopy>) -> Self {
        copies.sort_by(|a, b| (&a.cluster, &a.silence.id).cmp(&(&b.cluster, &b.silence.id)));
        let state = copies.iter().map(|c| c.silence.state).min().expect("at least one copy");
        let of_state = || copies.iter().map(|c| &c.silence).filter(|s| s.state == state);
        let id = of_state().map(|s| s.id.clone()).min().expect("one copy has the state");
        let ends_at = of_state().map(|s| s.ends_at).max().expect("one copy has the state");
        let starts_at = copies.iter().map(|c| c.silence.starts_at).min().expect("at least one copy");
        let Silence { matchers, created_by, comment, .. } = copies[0].silence.clone();
        let matchers = normalised(&matchers);
        let drift = Vec::new();
        let mut whole = Self { id, matchers, created_by, comment, starts_at, ends_at, state, copies, drift };
        whole.drift = drift_of(&whole);
        whole
    }
}

/// The order in which a copy stands for its cluster.
fn rank(silence: &Silence) -> (std::cmp::Reverse<SilenceState>, Timestamp, std::cmp::Reverse<Arc<str>>) {
    let Silence { state, ends_at, id, .. } = silence;
    (std::cmp::Reverse(*state), *ends_at, std::cmp::Reverse(id.clone()))
}

fn drift_of(silence: &LogicalSilence) -> Vec<Drift> {
    let mut drift = Vec::new();
    let ends = || silence.in_force().map(|copy| (copy.silence.ends_at, &copy.cluster));
    if let (Some(first), Some(last)) = (ends().min(), ends().max())
        && first.0 != last.0
    {
        let own = |(at, cluster): (Timestamp, &ClusterName)| (cluster.clone(), at);
        drift.push(Drift::Ends { first: own(first), last: own(last) });
    }
    if silence.state != SilenceState::Expired {
        let over: Vec<ClusterName> = silence
            .clusters()
            .into_iter()
            .filter(|c| silence.on(c).is_some_and(|copy| copy.silence.state == SilenceState::Expired))
            .collect();
        if !over.is_empty() {
            drift.push(Drift::Expired(over));
        }
    }
    let twins = silence
        .clusters()
        .into_iter()
        .filter(|c| silence.in_force().filter(|copy| copy.cluster == *c).count() > 1);
    drift.extend(twins.map(Drift::Twins));
    drift
}

/// Groups copies into logical silences: active ones by end, then pending ones by start, then expired ones, the
/// latest end first, as Alertmanager sorts them. The order of `copies` does not matter.
pub fn group(copies: impl IntoIterator<Item = SilenceCopy>) -> Vec<LogicalSilence> {
    let mut by_key: BTreeMap<Key, Vec<SilenceCopy>> = BTreeMap::new();
    for copy in copies {
        by_key.entry(Key::of(&copy.silence)).or_default().push(copy);
    }
    let mut silences: Vec<LogicalSilence> = by_key
        .into_values()
        .flat_map(|alike| join_drifted(join_exact(alike)))
        .map(LogicalSilence::of)
        .collect();
    silences.sort_by_key(order);
    silences
}

fn order(s: &LogicalSilence) -> (SilenceState, i64, Arc<str>) {
    let time = match s.state {
        SilenceState::Active => s.ends_at.timestamp_millis(),
        SilenceState::Pending => s.starts_at.timestamp_millis(),
        SilenceState::Expired => -s.ends_at.timestamp_millis(),
    };
    (s.state, time, s.id.clone())
}

/// Joins what carries the same operation or ends at the same millisecond.
fn join_exact(mut copies: Vec<SilenceCopy>) -> Vec<Vec<SilenceCopy>> {
    copies.sort_by_key(birth);
    let mut groups: Vec<Vec<SilenceCopy>> = Vec::new();
    for copy in copies {
        let (mut mine, rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| same_operation(&copy, other)));
        // A copy may tie two groups together, one by annotation and one by its end.
        let mut whole: Vec<SilenceCopy> = mine.drain(..).flatten().collect();
        whole.push(copy);
        groups = rest;
        groups.push(whole);
    }
    groups
}

fn same_operation(a: &SilenceCopy, b: &SilenceCopy) -> bool {
    let op = |copy: &SilenceCopy| copy.silence.annotations.get(OP_ANNOTATION).cloned();
    (op(a).is_some() && op(a) == op(b)) || a.silence.ends_at == b.silence.ends_at
}

/// Joins groups on different clusters that started within seconds: copies whose end was changed on one side.
fn join_drifted(mut groups: Vec<Vec<SilenceCopy>>) -> Vec<Vec<SilenceCopy>> {
    groups.sort_by_key(|group| group.iter().map(birth).min());
    let mut joined: Vec<Vec<SilenceCopy>> = Vec::new();
    for group in groups {
        let near = |other: &Vec<SilenceCopy>| {
            let apart = start(&group) - start(other);
            (apart <= SAME_START && !share_cluster(&group, other)).then_some(apart)
        };
        let nearest = joined.iter().enumerate().filter_map(|(i, other)| Some((near(other)?, i))).min();
        match nearest {
            Some((_, i)) => joined[i].extend(group),
            None => joined.push(group),
        }
    }
    joined
}

fn birth(copy: &SilenceCopy) -> (Timestamp, ClusterName, Arc<str>) {
    (copy.silence.starts_at, copy.cluster.clone(), copy.silence.id.clone())
}

fn start(group: &[SilenceCopy]) -> Timestamp {
    group.iter().map(|copy| copy.silence.starts_at).min().expect("groups are not empty")
}

fn share_cluster(a: &[SilenceCopy], b: &[SilenceCopy]) -> bool {
    a.iter().any(|copy| b.iter().any(|other| other.cluster == copy.cluster))
}

/// Why an id names no silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// No copy has it.
    #[error("no silence has the id `{0}`")]
    Unknown(String),
    /// It is the beginning of several.
    #[error("`{0}` begins the ids of {1} silences")]
    Ambiguous(String, usize),
    /// It is too short to be looked for.
    #[error("`{0}` is too short: give at least {SHORTEST_PREFIX} characters of the id")]
    TooShort(String),
}

/// Finds the silence that has a copy of this id, or of an id with this unique beginning.
pub fn find<'s>(silences: &'s [LogicalSilence], id: &str) -> Result<&'s LogicalSilence, FindError> {
    if let Some(exact) = silences.iter().find(|s| s.has_id(id)) {
        return Ok(exact);
    }
    if id.len() < SHORTEST_PREFIX {
        return Err(FindError::TooShort(id.to_owned()));
    }
    let begins = |s: &&LogicalSilence| s.copies.iter().any(|copy| copy.silence.id.starts_with(id));
    let mut candidates = silences.iter().filter(begins);
    match (candidates.next(), candidates.count()) {
        (None, _) => Err(FindError::Unknown(id.to_owned())),
        (Some(one), 0) => Ok(one),
        (Some(_), more) => Err(FindError::Ambiguous(id.to_owned(), more + 1)),
    }
}
