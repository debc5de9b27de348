//! Finding rows by what they are, and how wide their columns need to be: worked out once per answer, so
//! that a frame never looks at every row.

use crate::model::labels::Fingerprint;
use crate::model::text;
use crate::tui::state::data::ClusterData;
use crate::tui::state::rows::{AlertRow, NodeRow};
use std::sync::Arc;

/// Labels that get a column of their own where there is room and the rows have them.
pub const EXTRA_LABELS: [&str; 3] = ["rack", "team", "role"];

/// The columns that the longest values take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widths {
    /// Of names of nodes.
    pub node: usize,
    /// Of names of alerts.
    pub name: usize,
    /// Of the labels in [`EXTRA_LABELS`]; 0 where no row has it.
    pub labels: [usize; EXTRA_LABELS.len()],
    /// Of the first receivers.
    pub receivers: usize,
}

impl Widths {
    fn max(self, other: Self) -> Self {
        Self {
            node: self.node.max(other.node),
            name: self.name.max(other.name),
            labels: std::array::from_fn(|i| self.labels[i].max(other.labels[i])),
            receivers: self.receivers.max(other.receivers),
        }
    }

    fn add_labels(&mut self, labels: &crate::model::labels::Labels) {
        for (wide, name) in self.labels.iter_mut().zip(EXTRA_LABELS) {
            *wide = (*wide).max(text::width(labels.get(name)));
        }
    }
}

/// What is looked up in one cluster's last answers.
#[derive(Debug, Clone, Default)]
struct Index {
    /// The very lists that the orders below are of.
    alerts: Option<Arc<Vec<AlertRow>>>,
    nodes: Option<Arc<Vec<NodeRow>>>,
    by_node: Vec<u32>,
    by_fingerprint: Vec<u32>,
    /// The silences that hold alerts back, each with an alert.
    by_silence: Vec<(Arc<str>, u32)>,
    by_name: Vec<u32>,
    alert_widths: Widths,
    node_widths: Widths,
}

/// What is looked up in every cluster's last answers.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    clusters: Vec<Index>,
    /// The widths of the columns of all alerts.
    pub alerts: Widths,
    /// The widths of the columns of all nodes.
    pub nodes: Widths,
}

fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Returns the places of `rows` in the order of `key`.
fn order<'a, T, K: Ord>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<u32> {
    let mut order: Vec<u32> = (0u32..).zip(rows).map(|(i, _)| i).collect();
    order.sort_unstable_by(|a, b| key(&rows[*a as usize]).cmp(&key(&rows[*b as usize])).then(a.cmp(b)));
    order
}

impl Lookup {
    /// Takes over what has changed.
    pub fn refresh(&mut self, clusters: &[ClusterData]) {
        self.clusters.resize_with(clusters.len(), Index::default);
        for (index, data) in self.clusters.iter_mut().zip(clusters) {
            if !is_same(index.alerts.as_ref(), data.alerts.value.as_ref()) {
                index.take_alerts(data.alerts.value.clone());
            }
            if !is_same(index.nodes.as_ref(), data.nodes.value.as_ref()) {
                index.take_nodes(data.nodes.value.clone());
            }
        }
        let widest =
            |of: fn(&Index) -> Widths| self.clusters.iter().map(of).fold(Widths::default(), Widths::max);
        (self.alerts, self.nodes) = (widest(|index| index.alert_widths), widest(|index| index.node_widths));
    }

    /// Returns the alerts of a cluster whose node is shown as `node`.
    pub fn alerts_on(&self, cluster: u16, node: &str) -> impl Iterator<Item = &AlertRow> {
        let index = self.clusters.get(usize::from(cluster));
        let rows = index.and_then(|index| index.alerts.as_deref()).map_or(&[][..], Vec::as_slice);
        let order = index.map_or(&[][..], |index| &index.by_node);
        let start = order.partition_point(|i| &*rows[*i as usize].node < node);
        let end = order.partition_point(|i| &*rows[*i as usize].node <= node);
        order[start..end].iter().map(|i| &rows[*i as usize])
    }

    /// Returns the alerts of a cluster that the silence of this id holds back.
    pub fn silenced_by(&self, cluster: u16, id: &str) -> impl Iterator<Item = &AlertRow> {
        let index = self.clusters.get(usize::from(cluster));
        let rows = index.and_then(|index| index.alerts.as_deref()).map_or(&[][..], Vec::as_slice);
        let held = index.map_or(&[][..], |index| &index.by_silence);
        let start = held.partition_point(|(other, _)| &**other < id);
        held[start..].iter().take_while(move |(other, _)| &**other == id).map(|(_, i)| &rows[*i as usize])
    }

    /// Returns the alert of a fingerprint.
    pub fn alert(&self, cluster: u16, fingerprint: Fingerprint) -> Option<&AlertRow> {
        let index = self.clusters.get(usize::from(cluster))?;
        let rows = index.alerts.as_deref()?;
        let of = |i: &u32| rows[*i as usize].alert.fingerprint;
        let at = index.by_fingerprint.binary_search_by_key(&fingerprint, of).ok()?;
        rows.get(index.by_fingerprint[at] as usize)
    }

    /// Returns the node of a raw name.
    pub fn node(&self, cluster: u16, name: &str) -> Option<&NodeRow> {
        let index = self.clusters.get(usize::from(cluster))?;
        let rows = index.nodes.as_deref()?;
        let at = index.by_name.binary_search_by(|i| (*rows[*i as usize].node.name).cmp(name)).ok()?;
        rows.get(index.by_name[at] as usize)
    }
}

impl Index {
    fn take_alerts(&mut self, rows: Option<Arc<Vec<AlertRow>>>) {
        let list = rows.as_deref().map_or(&[][..], Vec::as_slice);
        self.by_node = order(list, |row| &*row.node);
        let held = (0u32..)
            .zip(list)
            .flat_map(|(i, row)| row.alert.silenced_by.iter().map(move |id| (id.clone(), i)));
        self.by_silence = held.collect();
        self.by_silence.sort_unstable();
        self.by_fingerprint = order(list, |row| row.alert.fingerprint);
        self.alert_widths = list.iter().fold(Widths::default(), |mut wide, row| {
            wide.add_labels(&row.alert.labels);
            wide.node = wide.node.max(text::width(&row.place()));
            wide.name = wide.name.max(text::width(&row.name));
            let receiver = row.alert.receivers.first().map_or(0, |first| text::width(first));
            wide.receivers = wide.receivers.max(receiver);
            wide
        });
        self.alerts = rows;
    }

    fn take_nodes(&mut self, rows: Option<Arc<Vec<NodeRow>>>) {
        let list = rows.as_deref().map_or(&[][..], Vec::as_slice);
        self.by_name = order(list, |row| &*row.node.name);
        self.node_widths = list.iter().fold(Widths::default(), |mut wide, row| {
            wide.add_labels(&row.node.labels);
            wide.node = wide.node.max(text::width(&row.name));
            wide
        });
        self.nodes = rows;
    }
}

#[cfg(test)]
mod tests {
    use super::order;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_holds_every_place_once_and_is_sorted(rows in proptest::collection::vec(0u8..9, 0..40)) {
            let order = order(&rows, |row| *row);
            let mut places: Vec<usize> = order.iter().map(|i| *i as usize).collect();
            prop_assert!(places.is_sorted_by_key(|i| (rows[*i], *i)));
            places.sort_unstable();
            prop_assert_eq!(places, (0..rows.len()).collect::<Vec<_>>());
        }
    }
}
