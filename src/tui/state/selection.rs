//! What a silence of the selection would match: of marked alerts, a group, nodes, a check, or a filter.

use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::matcher::MatchOp::{Equal, Regex};
use crate::model::matcher::Matcher;
use crate::tui::state::State;
use crate::tui::state::alerts::{AlertLine, Group};
use crate::tui::state::list::RowKey;
use crate::tui::state::rows::{AlertRow, CheckKey, NodeKey};
use crate::tui::state::screen::Screen;
use std::collections::BTreeSet;

/// More values than this do not become one regular expression: nobody can read it.
const MOST_VALUES: usize = 20;
/// Labels that choose nothing or that only tell replicas apart.
const STRIPPED: [&str; 7] =
    ["severity", "prometheus", "replica", "monitor", "job", "prometheus_replica", "env"];

/// What a silence begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What is shared by everything that was selected.
    pub matchers: Vec<Matcher>,
    /// The clusters of what was selected; none where nothing in particular was.
    pub clusters: Vec<ClusterName>,
    /// What of the selection the matchers do not say.
    pub notes: Vec<String>,
}

impl State {
    /// Returns what a silence of the selection would match: marks, else what is under the cursor, else the filter.
    pub fn selection(&self) -> Selection {
        let marks = &self.page().list.marks;
        match self.screen() {
            Screen::Alerts if !marks.is_empty() => {
                let keys = marks.iter().filter_map(|key| match key {
                    RowKey::Alert(key) => self.alert_of(*key),
                    _ => None,
                });
                self.of_alerts(&keys.collect::<Vec<_>>(), true)
            }
            Screen::Alerts => match self.alerts.lines.get(self.page().list.at) {
                Some(AlertLine::Alert(_, at)) => self.of_alerts(self.alert(*at).as_slice(), true),
                Some(AlertLine::Group(g)) => self.of_group(self.alerts.groups.get(*g)),
                None => self.of_filter(),
            },
            Screen::Overview => match self.current() {
                Some(RowKey::Group(key)) => self.of_group(self.alerts.new.iter().find(|g| g.key == key)),
                _ => Selection::default(),
            },
            Screen::Alert(key) => self.of_alerts(self.alert_of(*key).as_slice(), true),
            Screen::Nodes => {
                let keys = marks.iter().cloned().chain(self.current().filter(|_| marks.is_empty()));
                let nodes: Vec<NodeKey> = keys
                    .filter_map(|key| match key {
                        RowKey::Node(key) => Some(key),
                        _ => None,
                    })
                    .collect();
                if nodes.is_empty() { self.of_filter() } else { self.of_nodes(&nodes) }
            }
            // On a node's list the check under the cursor is meant; S is the whole node.
            Screen::Node(node) => match self.current() {
                Some(RowKey::Check(key)) => self.of_check(&key),
                _ => self.of_nodes(std::slice::from_ref(node)),
            },
            Screen::Check(key) => self.of_check(key),
            _ => Selection::default(),
        }
    }

    /// Returns the wider silence of the screen: of a node everything, of a list what its filter says.
    pub fn wide_selection(&self) -> Selection {
        match self.screen() {
            Screen::Node(node) => self.of_nodes(std::slice::from_ref(node)),
            Screen::Check(key) => self.of_nodes(std::slice::from_ref(&key.node)),
            Screen::Alert(key) => {
                let node = self.alert_of(*key).and_then(|row| {
                    let label = &self.cluster(row.cluster)?.node_label;
                    let name = Some(row.alert.labels.get(label)).filter(|name| !name.is_empty())?;
                    Some(NodeKey { cluster: row.cluster, name: name.into() })
                });
                self.of_nodes(node.as_slice())
            }
            _ => self.of_filter(),
        }
    }

    /// Returns the part of the list's filter that a silence can carry; the rest is named.
    fn of_filter(&self) -> Selection {
        let conversion = self.filter().applied.to_matchers();
        let notes = match conversion.dropped.as_slice() {
            [] => Vec::new(),
            dropped => vec![format!("of the filter this cannot go into a silence: {}", dropped.join("  "))],
        };
        Selection { matchers: conversion.matchers, clusters: Vec::new(), notes }
    }

    fn of_group(&self, group: Option<&Group>) -> Selection {
        let members = group.into_iter().flat_map(|g| &g.members);
        self.of_alerts(&members.filter_map(|at| self.alert(*at)).collect::<Vec<_>>(), false)
    }

    fn of_check(&self, key: &CheckKey) -> Selection {
        let mut selection = self.of_nodes(std::slice::from_ref(&key.node));
        if let Some(cluster) = self.cluster(key.node.cluster) {
            selection.matchers.push(Matcher::new(&cluster.check_label, Equal, &key.check));
        }
        selection
    }

    /// Returns what all of `rows` share. `pinned` also names their nodes.
    fn of_alerts(&self, rows: &[&AlertRow], pinned: bool) -> Selection {
        let Some(first) = rows.first() else { return Selection::default() };
        let clusters: BTreeSet<u16> = rows.iter().map(|row| row.cluster).collect();
        let labels: Vec<&Labels> = rows.iter().map(|row| &row.alert.labels).collect();
        let mut matchers = self.shared(&labels, &clusters);
        // Of what has no node the job is a part of its name.
        let job = first.alert.labels.get("job");
        let is_of_job = |row: &&AlertRow| row.node.is_empty() && row.alert.labels.get("job") == job;
        if !job.is_empty() && rows.iter().all(is_of_job) {
            matchers.push(Matcher::new("job", Equal, job));
        }
        let node_label = self.cluster(first.cluster).map_or("instance", |c| c.node_label.as_str());
        let nodes: BTreeSet<&str> = labels.iter().map(|labels| labels.get(node_label)).collect();
        let mut notes = Vec::new();
        if pinned && nodes.len() > MOST_VALUES {
            notes.push(too_many(nodes.len()));
        } else if pinned && nodes.len() > 1 && !nodes.contains("") {
            matchers.push(Matcher::new(node_label, Regex, &any_of(&nodes)));
        }
        Selection { matchers, clusters: self.raw_names(&clusters), notes }
    }

    /// Returns a matcher for these nodes; of more than a few the labels that they share.
    fn of_nodes(&self, nodes: &[NodeKey]) -> Selection {
        let Some(first) = nodes.first() else { return Selection::default() };
        let label = self.cluster(first.cluster).map_or("instance", |c| c.node_label.as_str());
        let names: BTreeSet<&str> = nodes.iter().map(|n| &*n.name).collect();
        let clusters: BTreeSet<u16> = nodes.iter().map(|n| n.cluster).collect();
        let (matchers, notes) = match names.len() {
            1 => (vec![Matcher::new(label, Equal, &first.name)], Vec::new()),
            2..=MOST_VALUES => (vec![Matcher::new(label, Regex, &any_of(&names))], Vec::new()),
            many => {
                let all = self.nodes.all().iter().filter_map(|at| self.node(*at));
                let keys: BTreeSet<&NodeKey> = nodes.iter().collect();
                let rows = all.filter(|row| keys.contains(&row.key()));
                let labels: Vec<&Labels> = rows.map(|row| &row.node.labels).collect();
                (self.shared(&labels, &clusters), vec![too_many(many)])
            }
        };
        Selection { matchers, clusters: self.raw_names(&clusters), notes }
    }

    /// Returns the labels that all of `rows` have with the same value, without those that a cluster gives itself.
    fn shared(&self, rows: &[&Labels], clusters: &BTreeSet<u16>) -> Vec<Matcher> {
        let Some((first, rest)) = rows.split_first() else { return Vec::new() };
        let own = |name: &str| {
            clusters.iter().filter_map(|c| self.cluster(*c)).any(|c| c.labels.contains_key(name))
        };
        let shared = first.iter().filter(|(name, value)| {
            !STRIPPED.contains(name) && !own(name) && rest.iter().all(|labels| labels.get(name) == *value)
        });
        shared.map(|(name, value)| Matcher::new(name, Equal, value)).collect()
    }

    fn raw_names(&self, clusters: &BTreeSet<u16>) -> Vec<ClusterName> {
        clusters.iter().filter_map(|c| self.cluster(*c)).map(|c| c.raw_name.clone()).collect()
    }
}

fn too_many(nodes: usize) -> String {
    format!(
        "{nodes} nodes, more than the {MOST_VALUES} that one matcher names: these are the labels they share, \
         other nodes may have them too"
    )
}

fn any_of(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| escape(name)).collect::<Vec<_>>().join("|")
}

/// Escapes what both Rust's and Go's regular expressions take for an operator, and nothing else: the
/// result is read by people.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
