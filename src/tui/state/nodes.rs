//! The table of nodes: sorted when data changes, filtered when the filter changes.

use crate::model::node::NodeUp;
use crate::tui::state::alerts::At;
use crate::tui::state::data::ClusterData;
use crate::tui::state::filter::Judge;
use crate::tui::state::rows::NodeRow;

/// How many nodes are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeTally {
    /// Can be scraped.
    pub up: usize,
    /// Cannot, as every replica says.
    pub down: usize,
    /// The replicas disagree, or none knows.
    pub unclear: usize,
    /// Have a failing check.
    pub failing: usize,
    /// All.
    pub total: usize,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct NodeTable {
    /// The nodes that the filter leaves, worst first.
    pub shown: Vec<At>,
    /// Nodes per cluster, whatever the filter.
    pub tallies: Vec<NodeTally>,
    /// Every node, worst first.
    order: Vec<At>,
}

/// Returns the row at `at`.
pub fn row(clusters: &[ClusterData], at: At) -> Option<&NodeRow> {
    clusters.get(usize::from(at.cluster))?.nodes.value.as_ref()?.get(at.index as usize)
}

impl NodeTable {
    /// Builds everything anew from changed data.
    pub fn rebuild(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        self.tallies = clusters.iter().map(tally).collect();
        let mut keyed: Vec<_> = Vec::new();
        for (cluster, c) in clusters.iter().zip(0u16..) {
            for (row, index) in cluster.nodes.value.iter().flat_map(|rows| rows.iter()).zip(0u32..) {
                let node = &row.node;
                let worst = u8::MAX - node.worst().badness();
                let counts = (u32::MAX - node.counts.crit, u32::MAX - node.counts.bad());
                keyed.push(((worst, node.up, counts), &*row.name, At { cluster: c, index }));
            }
        }
        keyed.sort_unstable_by(|a, b| {
            (a.0, a.1, a.2.cluster, a.2.index).cmp(&(b.0, b.1, b.2.cluster, b.2.index))
        });
        self.order = keyed.into_iter().map(|(.., at)| at).collect();
        self.refilter(clusters, judge);
    }

    /// Filters anew.
    pub fn refilter(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        let fits = |at: &At| row(clusters, *at).is_some_and(|r| judge.accepts_node(r));
        self.shown = self.order.iter().copied().filter(fits).collect();
    }

    /// Returns how many nodes there are.
    pub fn total(&self) -> usize {
        self.order.len()
    }

    /// Returns every node, worst first.
    pub fn all(&self) -> &[At] {
        &self.order
    }
}

fn tally(cluster: &ClusterData) -> NodeTally {
    let mut tally = NodeTally::default();
    for row in cluster.nodes.value.iter().flat_map(|rows| rows.iter()) {
        match row.node.up {
            NodeUp::Up => tally.up += 1,
            NodeUp::Down => tally.down += 1,
            NodeUp::Split | NodeUp::Unknown => tally.unclear += 1,
        }
        tally.failing += usize::from(row.node.counts.bad() > 0);
        tally.total += 1;
    }
    tally
}
