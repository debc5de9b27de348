//! The lines of the overview: what is new, then the clusters, the worst first.

use crate::tui::state::State;
use crate::tui::state::alerts::Tally;
use crate::tui::state::data::Fresh;
use crate::tui::state::list::RowKey;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverviewLine {
    /// The alerts by severity.
    Firing,
    /// The nodes by state.
    Nodes,
    /// Nothing.
    Blank,
    /// What to do when nobody answers, by its place in the text.
    Blind(usize),
    /// The heading of what is new.
    NewHead,
    /// Its columns.
    NewColumns,
    /// A new group, by its place.
    New(usize),
    /// So many more new groups than fit.
    MoreNew(usize),
    /// What stands there if nothing is new.
    NothingNew,
    /// The heading of the clusters.
    ClusterHead,
    /// A cluster, by its place in the configuration.
    Cluster(u16),
}

/// The lines of the overview.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Every line, from the top.
    pub lines: Vec<OverviewLine>,
    keys: Vec<RowKey>,
}

impl Overview {
    /// Returns the lines that the cursor can be on.
    pub fn keys(&self) -> &[RowKey] {
        &self.keys
    }
}

impl State {
    /// Lays the overview out for the size of the screen.
    pub fn overview(&self) -> Overview {
        let rows = self.main_rows();
        let room = (rows.saturating_sub(8) / 2).max(2);
        let new = &self.alerts.new;
        let mut lines = vec![OverviewLine::Firing, OverviewLine::Nodes];
        if self.is_blind() {
            lines.extend([0, 1].map(OverviewLine::Blind));
        }
        // Where every row counts, the columns speak for themselves.
        if self.has_rules() {
            lines.extend([OverviewLine::Blank, OverviewLine::NewHead]);
        }
        if !new.is_empty() {
            lines.push(OverviewLine::NewColumns);
        }
        let shown = if new.len() > room { room - 1 } else { new.len() };
        let mut keys = Vec::new();
        for (i, group) in new.iter().enumerate().take(shown) {
            lines.push(OverviewLine::New(i));
            keys.push(RowKey::Group(group.key.clone()));
        }
        if new.len() > shown {
            lines.push(OverviewLine::MoreNew(new.len() - shown));
        } else if new.is_empty() {
            lines.push(OverviewLine::NothingNew);
        }
        if self.has_rules() {
            lines.push(OverviewLine::Blank);
        }
        lines.push(OverviewLine::ClusterHead);
        for cluster in self.worst_clusters() {
            lines.push(OverviewLine::Cluster(cluster));
            keys.push(RowKey::Cluster(cluster));
        }
        Overview { lines, keys }
    }

    /// Returns the clusters, those without data and those with most CRITs first.
    pub fn worst_clusters(&self) -> Vec<u16> {
        let mut list: Vec<u16> = (0u16..).zip(&self.clusters).map(|(i, _)| i).collect();
        list.sort_by_key(|i| {
            let tally: Tally = self.alerts.tallies.get(usize::from(*i)).copied().unwrap_or_default();
            let unclear = !matches!(self.fresh(*i), Fresh::Yes | Fresh::Slow(_) | Fresh::Loading);
            (!unclear, std::cmp::Reverse(tally.loud), *i)
        });
        list
    }
}
