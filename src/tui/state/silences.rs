//! The table of silences: copies on several clusters that one operation made are one line.

use crate::fleet::silences::SilenceCopy;
use crate::model::silence::SilenceState;
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::state::data::ClusterData;
use crate::tui::state::filter::Filter;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One logical silence.
#[derive(Debug, Clone)]
pub struct SilenceRow {
    /// Identity: the id of its first copy.
    pub id: Arc<str>,
    /// Its copies with their clusters.
    pub copies: Vec<(u16, SilenceCopy)>,
    /// Its matchers, safe.
    pub matchers: Box<str>,
    /// Who made it, safe.
    pub author: Box<str>,
    /// Why, safe.
    pub comment: Box<str>,
    /// How many alerts it holds back now.
    pub hits: usize,
    /// Everything that a search looks at, in lower case.
    pub search: Box<str>,
}

impl SilenceRow {
    /// Returns when it starts.
    pub fn starts_at(&self) -> Timestamp {
        self.copies[0].1.silence.starts_at
    }

    /// Returns when it ends.
    pub fn ends_at(&self) -> Timestamp {
        self.copies[0].1.silence.ends_at
    }

    /// Returns where it stands in time.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if self.ends_at() <= now {
            SilenceState::Expired
        } else if self.starts_at() > now {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
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
}

impl SilenceTable {
    /// Builds everything anew from changed data.
    pub fn rebuild(&mut self, clusters: &[ClusterData], filter: &Filter, now: Timestamp) {
        let hits = hits(clusters);
        let mut groups: BTreeMap<String, Vec<(u16, SilenceCopy)>> = BTreeMap::new();
        for (cluster, c) in clusters.iter().zip(0u16..) {
            for copy in cluster.silences.value.iter().flat_map(|list| list.iter()) {
                groups.entry(identity(copy)).or_default().push((c, copy.clone()));
            }
        }
        self.rows = groups.into_values().map(|copies| ready(copies, clusters, &hits)).collect();
        self.rows.sort_by(|a, b| {
            let over = |r: &SilenceRow| r.ends_at() <= now;
            over(a)
                .cmp(&over(b))
                .then_with(|| {
                    if over(a) { b.ends_at().cmp(&a.ends_at()) } else { a.ends_at().cmp(&b.ends_at()) }
                })
                .then_with(|| a.id.cmp(&b.id))
        });
        self.refilter(filter, now);
    }

    /// Filters anew.
    pub fn refilter(&mut self, filter: &Filter, now: Timestamp) {
        let fits = |row: &SilenceRow| {
            (self.expired || row.state(now) != SilenceState::Expired) && filter.accepts_text(&row.search)
        };
        self.shown = (0..self.rows.len()).filter(|i| fits(&self.rows[*i])).collect();
    }

    /// Finds a silence by identity, or by the id of any of its copies.
    pub fn find(&self, id: &str) -> Option<&SilenceRow> {
        self.rows.iter().find(|row| row.copies.iter().any(|(_, copy)| *copy.silence.id == *id))
    }
}

fn identity(copy: &SilenceCopy) -> String {
    let silence = &copy.silence;
    let mut matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    matchers.sort();
    format!("{matchers:?} {:?} {:?} {}", silence.created_by, silence.comment, silence.ends_at)
}

fn ready(
    copies: Vec<(u16, SilenceCopy)>,
    clusters: &[ClusterData],
    hits: &HashMap<(u16, &str), usize>,
) -> SilenceRow {
    let silence = &copies[0].1.silence;
    let matchers = silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let names = copies.iter().map(|(c, _)| &*clusters[usize::from(*c)].name).collect::<Vec<_>>().join("\n");
    let search = format!("{matchers}\n{}\n{}\n{names}", silence.created_by, silence.comment).to_lowercase();
    SilenceRow {
        id: silence.id.clone(),
        matchers: text::line(&matchers).into(),
        author: text::line(&silence.created_by).into(),
        comment: text::line(&silence.comment).into(),
        hits: copies.iter().filter_map(|(c, copy)| hits.get(&(*c, &*copy.silence.id))).sum(),
        search: search.into(),
        copies,
    }
}

/// Counts the alerts that each silence holds back.
fn hits(clusters: &[ClusterData]) -> HashMap<(u16, &str), usize> {
    let mut hits = HashMap::new();
    for (cluster, c) in clusters.iter().zip(0u16..) {
        for row in cluster.alerts.value.iter().flat_map(|rows| rows.iter()) {
            for id in &row.alert.silenced_by {
                *hits.entry((c, &**id)).or_insert(0) += 1;
            }
        }
    }
    hits
}
