//! The table of silences: one line per logical silence.

use crate::fleet::silence::{LogicalSilence, Standing, group};
use crate::fleet::silences::SilenceCopy;
use crate::model::cluster::ClusterName;
use crate::model::matcher::{Matcher, Verdict, accepts_all};
use crate::model::silence::{SilenceState, telling_first};
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::state::data::ClusterData;
use crate::tui::state::filter::Judge;
use crate::tui::state::rows::AlertRow;
use std::collections::HashMap;
use std::sync::Arc;

/// One logical silence, ready for the screen.
#[derive(Debug, Clone)]
pub struct SilenceRow {
    /// The silence itself, raw.
    pub silence: LogicalSilence,
    /// The clusters of its copies, by their place in the configuration.
    pub clusters: Vec<u16>,
    /// Its matchers, safe.
    pub matchers: Box<str>,
    /// Who made it, safe.
    pub author: Box<str>,
    /// Why, safe.
    pub comment: Box<str>,
    /// How many alerts it holds back now.
    pub hits: usize,
    /// How the clusters' copies differ, in words, safe.
    pub drift: Vec<String>,
    /// Whether a copy of it comes from an earlier answer of members that are silent now.
    pub kept: bool,
    /// Everything that a search looks at, in lower case.
    pub search: Box<str>,
}

impl SilenceRow {
    /// Returns where it stands in time.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if self.silence.ends_at <= now {
            SilenceState::Expired
        } else if self.silence.starts_at > now {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Reports whether it holds an alert back.
    pub fn holds(&self, row: &AlertRow) -> bool {
        row.alert.silenced_by.iter().any(|id| self.silence.has_id(id))
    }

    /// Reports whether an alert would be told of again if all of `silences` ended.
    pub fn all_hold_alone(silences: &[&Self], row: &AlertRow) -> bool {
        let alert = &row.alert;
        let is_theirs = |id: &Arc<str>| silences.iter().any(|silence| silence.silence.has_id(id));
        !alert.silenced_by.is_empty()
            && alert.silenced_by.iter().all(is_theirs)
            && alert.inhibited_by.is_empty()
            && alert.muted_by.is_empty()
    }
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct SilenceTable {
    /// Every logical silence, the one that ends first first; expired ones last.
    pub rows: Vec<SilenceRow>,
    /// Places of the rows that the filter leaves.
    pub shown: Vec<usize>,
    /// Whether expired ones are shown.
    pub expired: bool,
    /// The place of the row of every copy's id.
    by_id: HashMap<Arc<str>, usize>,
}

impl SilenceTable {
    /// Builds everything anew from changed data.
    pub fn rebuild(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        let hits = hits(clusters);
        let copies =
            clusters.iter().flat_map(|c| c.silences.value.iter().flat_map(|list| list.iter().cloned()));
        self.rows = group(copies).into_iter().map(|silence| ready(silence, clusters, &hits)).collect();
        let ids = |(i, row): (usize, &SilenceRow)| -> Vec<(Arc<str>, usize)> {
            row.silence.copies.iter().map(|copy| (copy.silence.id.clone(), i)).collect()
        };
        // Where two share an id, the first in the list counts.
        self.by_id = self.rows.iter().enumerate().rev().flat_map(ids).collect();
        self.refilter(judge);
    }

    /// Filters anew.
    pub fn refilter(&mut self, judge: Judge<'_>) {
        let fits = |row: &SilenceRow| {
            (self.expired || row.state(judge.now) != SilenceState::Expired) && judge.accepts_silence(row)
        };
        self.shown = (0..self.rows.len()).filter(|i| fits(&self.rows[*i])).collect();
    }

    /// Finds a silence by the id of any of its copies.
    pub fn find(&self, id: &str) -> Option<&SilenceRow> {
        self.rows.get(*self.by_id.get(id)?)
    }
}

fn ready(silence: LogicalSilence, clusters: &[ClusterData], hits: &HashMap<&str, usize>) -> SilenceRow {
    let matchers = telling_first(&silence.matchers);
    let matchers = matchers.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let names = silence.clusters();
    let place =
        |name: &ClusterName| (0u16..).zip(clusters).find(|(_, c)| c.raw_name == *name).map(|(i, _)| i);
    let joined = names.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let search = format!("{matchers}\n{}\n{}\n{joined}", silence.created_by, silence.comment).to_lowercase();
    SilenceRow {
        clusters: names.iter().filter_map(place).collect(),
        matchers: text::line(&matchers).into(),
        author: text::line(&silence.created_by).into(),
        comment: text::line(&silence.comment).into(),
        drift: silence.drift.iter().map(|drift| text::line(&drift.to_string()).into_owned()).collect(),
        hits: silence.copies.iter().filter_map(|copy| hits.get(&*copy.silence.id)).sum(),
        kept: silence.copies.iter().any(|copy| is_kept(clusters, copy)),
        search: search.into(),
        silence,
    }
}

fn is_kept(clusters: &[ClusterData], copy: &SilenceCopy) -> bool {
    clusters.iter().any(|c| c.raw_name == copy.cluster && c.is_unheard(copy))
}

/// Counts the alerts that each silence holds back. Ids are UUIDs: no two clusters share one.
fn hits(clusters: &[ClusterData]) -> HashMap<&str, usize> {
    let mut hits = HashMap::new();
    for row in clusters.iter().flat_map(|c| c.alerts.value.iter().flat_map(|rows| rows.iter())) {
        for id in &row.alert.silenced_by {
            *hits.entry(&**id).or_insert(0) += 1;
        }
    }
    hits
}

/// A silence that was made here a moment ago: Alertmanager may not have confirmed yet what it holds back.
#[derive(Debug, Clone)]
pub struct Made {
    cluster: ClusterName,
    id: Arc<str>,
    matchers: Vec<Matcher>,
    at: Timestamp,
}

/// Alertmanager looks at each group of alerts anew at least this often, unless it was configured oddly.
const CONFIRMED_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

impl Made {
    /// Returns what an operation has made.
    pub fn of(standing: &Standing, now: Timestamp) -> Vec<Self> {
        let tasks = standing.operation.tasks.iter();
        let made = tasks.filter_map(|task| {
            let (content, progress) = (task.write.as_ref()?, standing.tasks.get(&task.cluster)?);
            let id = progress.written.clone().filter(|_| content.starts_at <= now)?;
            Some(Self { cluster: task.cluster.clone(), id, matchers: content.matchers.clone(), at: now })
        });
        made.collect()
    }

    /// Reports whether Alertmanager may still have to confirm it.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now - self.at < CONFIRMED_AFTER
    }

    /// Reports whether it should hold an alert back that Alertmanager still calls active.
    pub fn should_hold(&self, row: &AlertRow, silences: &SilenceTable, now: Timestamp) -> bool {
        let in_force = || {
            let copy =
                silences.find(&self.id).map(|row| row.silence.in_force().any(|c| c.silence.id == self.id));
            copy.unwrap_or(true)
        };
        self.is_recent(now)
            && row.is_loud()
            && row.alert.cluster == self.cluster
            && accepts_all(&self.matchers, &row.alert.labels) == Verdict::Yes
            && in_force()
    }
}
