//! The table of alerts: sorted when data changes, filtered when the filter changes, never per frame.

use crate::model::alert::{AlertState, Severity};
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::state::data::ClusterData;
use crate::tui::state::filter::Judge;
use crate::tui::state::list::RowKey;
use crate::tui::state::lookup::EXTRA_LABELS;
use crate::tui::state::rows::{AlertKey, AlertRow};
use foldhash::{HashMap, HashMapExt as _};
use std::collections::{BTreeSet, HashSet};

/// Where a row stands: cluster, and place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The cluster, by its place in the configuration.
    pub cluster: u16,
    /// The place in the cluster's list.
    pub index: u32,
}

/// What alerts are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupBy {
    /// Name and cluster.
    #[default]
    NameAndCluster,
    /// Name.
    Name,
    /// Check.
    Check,
    /// Cluster.
    Cluster,
    /// Node.
    Node,
    /// A label of [`EXTRA_LABELS`], by its place.
    Label(usize),
    /// Nothing: one flat list.
    Nothing,
}

impl GroupBy {
    /// Everything, in the order of `b`.
    const ALL: [Self; 9] = [
        Self::NameAndCluster,
        Self::Name,
        Self::Check,
        Self::Cluster,
        Self::Node,
        Self::Label(0),
        Self::Label(1),
        Self::Label(2),
        Self::Nothing,
    ];

    /// Returns what `b` changes to: the next thing that some alert `has`.
    pub fn next(self, has: impl Fn(Self) -> bool) -> Self {
        let at = Self::ALL.iter().position(|by| *by == self).unwrap_or(0);
        let mut others = Self::ALL.into_iter().cycle().skip(at + 1).take(Self::ALL.len());
        others.find(|by| has(*by)).unwrap_or(self)
    }

    /// Returns the words for the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::NameAndCluster => "alertname,cluster",
            Self::Name => "alertname",
            Self::Check => "check",
            Self::Node => "node",
            Self::Label(place) => EXTRA_LABELS[place],
            Self::Cluster => "cluster",
            Self::Nothing => "nothing",
        }
    }
}

/// Identity of a group: its title and, where it belongs to one, its cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// What its alerts share.
    pub title: Box<str>,
    /// The cluster.
    pub cluster: Option<u16>,
}

/// Alerts that are shown as one line until it is opened.
#[derive(Debug, Clone)]
pub struct Group {
    /// Identity.
    pub key: GroupKey,
    /// The worst severity in it.
    pub severity: Severity,
    /// The start of its newest alert.
    pub newest: Timestamp,
    /// The start of its oldest alert.
    pub oldest: Timestamp,
    /// Its alerts, worst and newest first.
    pub members: Vec<At>,
    /// How many of them somebody is told of.
    pub loud: usize,
    /// The clusters that they are on.
    pub on: Vec<u16>,
    /// Whether one of them is kept from an earlier answer.
    pub kept: bool,
    /// How many nodes they are on.
    pub nodes: usize,
    /// Whether all are in the same state, as far as Alertmanager says.
    pub alike: bool,
    /// How many are held back by what was made here, although Alertmanager has not said so yet.
    pub just_silenced: usize,
    /// The clusters of those that are not kept from an earlier answer.
    pub heard_on: Vec<u16>,
    /// How many are marked.
    pub marked: usize,
}

/// One line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertLine {
    /// A group, by its place.
    Group(usize),
    /// An alert of a group.
    Alert(usize, At),
}

/// Alerts by severity and what holds them back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Told of, by severity: CRIT, WARN, UNKN, INFO.
    pub loud: [usize; 4],
    /// Silenced.
    pub silenced: usize,
    /// Inhibited or muted.
    pub inhibited: usize,
    /// Pending.
    pub pending: usize,
    /// CRITs that began within the last 15 minutes.
    pub new_crit: usize,
}

impl Tally {
    fn add(&mut self, row: &AlertRow, now: Timestamp) {
        match row.alert.state {
            AlertState::Silenced => self.silenced += 1,
            AlertState::Inhibited | AlertState::Muted => self.inhibited += 1,
            AlertState::Pending => self.pending += 1,
            _ => {
                self.loud[row.alert.severity as usize] += 1;
                let new = now - row.alert.since <= NEW;
                self.new_crit += usize::from(new && row.alert.severity == Severity::Critical);
            }
        }
    }

    /// Returns how many fire and are told of.
    pub fn total(&self) -> usize {
        self.loud.iter().sum()
    }
}

/// How long an alert counts as new.
pub const NEW: chrono::TimeDelta = chrono::TimeDelta::minutes(15);

/// An alert with its group, and what groups are made of: fetched from 50,000 rows at every key of a filter, these few
/// bytes of each would take longer than everything else.
#[derive(Debug, Clone, Copy)]
struct Placed {
    at: At,
    group: u32,
    severity: Severity,
    state: AlertState,
    since: Timestamp,
    loud: bool,
    stale: bool,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct AlertTable {
    /// What it is grouped by.
    pub by: GroupBy,
    /// Which groups are open.
    pub open: BTreeSet<GroupKey>,
    /// The groups that the filter leaves, worst and newest first.
    pub groups: Vec<Group>,
    /// The lines of the list.
    pub lines: Vec<AlertLine>,
    /// How many alerts the filter leaves.
    pub shown: usize,
    /// How many alerts there are.
    pub total: usize,
    /// Alerts per cluster, whatever the filter.
    pub tallies: Vec<Tally>,
    /// The groups, by name and cluster, with an unsuppressed alert that is new; newest first, whatever the filter.
    pub new: Vec<Group>,
    /// The alerts that are held back by what was made here, although Alertmanager has not said so yet.
    pub just_silenced: HashSet<AlertKey>,
    /// Every alert with its group, in the order of the list within each group.
    order: Vec<Placed>,
    keys: Vec<GroupKey>,
}

/// Returns the row at `at`.
pub fn row(clusters: &[ClusterData], at: At) -> Option<&AlertRow> {
    clusters.get(usize::from(at.cluster))?.alerts.value.as_ref()?.get(at.index as usize)
}

fn all(clusters: &[ClusterData]) -> impl Iterator<Item = (At, &AlertRow)> {
    clusters.iter().zip(0u16..).flat_map(|(cluster, c)| {
        let rows = cluster.alerts.value.iter().flat_map(|rows| rows.iter());
        rows.zip(0u32..).map(move |(row, index)| (At { cluster: c, index }, row))
    })
}

impl AlertTable {
    /// Builds everything anew from changed data.
    pub fn rebuild(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        self.tallies = vec![Tally::default(); clusters.len()];
        for (at, row) in all(clusters) {
            self.tallies[usize::from(at.cluster)].add(row, judge.now);
        }
        self.new = new_groups(clusters, judge.now, &self.just_silenced);
        self.regroup(clusters, judge);
    }

    /// Sorts and groups anew, after data or grouping changed.
    pub fn regroup(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        let (keys, order) = assign(clusters, all(clusters), self.by);
        let mut ranked: Vec<_> = order
            .iter()
            .filter_map(|placed| Some((row(clusters, placed.at)?, *placed)))
            .map(ranked)
            .collect();
        // Each cluster's rows come sorted, and this sort takes runs as they are.
        ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.after_rank(b.1)));
        self.order = ranked.into_iter().map(|(_, _, placed)| placed).collect();
        (self.total, self.keys) = (self.order.len(), keys);
        self.refilter(clusters, judge);
    }

    /// Filters anew.
    pub fn refilter(&mut self, clusters: &[ClusterData], judge: Judge<'_>) {
        let fits = |at: &At| {
            row(clusters, *at).is_some_and(|r| judge.accepts_alert(r, &clusters[usize::from(at.cluster)]))
        };
        let chosen = self.order.iter().filter(|placed| judge.filter.is_empty() || fits(&placed.at));
        self.groups = collect(clusters, chosen, &self.keys, &self.just_silenced);
        self.shown = self.groups.iter().map(|g| g.members.len()).sum();
        self.relist();
    }

    /// Groups by the next thing that some alert has.
    pub fn group_by_next(&mut self, clusters: &[ClusterData]) {
        let has = |by| match by {
            GroupBy::Check => all(clusters).any(|(_, row)| !check_of(clusters, row).is_empty()),
            GroupBy::Label(place) => {
                all(clusters).any(|(_, row)| !row.alert.labels.get(EXTRA_LABELS[place]).is_empty())
            }
            _ => true,
        };
        self.by = self.by.next(has);
    }

    /// Counts anew which alerts of each group are marked.
    pub fn count_marks(&mut self, clusters: &[ClusterData], marks: &BTreeSet<RowKey>) {
        let is_marked =
            |at: &&At| row(clusters, **at).is_some_and(|row| marks.contains(&RowKey::Alert(row.key())));
        for group in &mut self.groups {
            // Most often nothing is marked, or too little for the whole group.
            let may_be = marks.len() >= group.members.len();
            group.marked = if may_be { group.members.iter().filter(is_marked).count() } else { 0 };
        }
    }

    /// Lists anew, after a group was opened or closed.
    pub fn relist(&mut self) {
        self.lines.clear();
        let flat = self.by == GroupBy::Nothing;
        for (i, group) in self.groups.iter().enumerate() {
            if !flat {
                self.lines.push(AlertLine::Group(i));
            }
            if flat || self.open.contains(&group.key) {
                self.lines.extend(group.members.iter().map(|at| AlertLine::Alert(i, *at)));
            }
        }
    }
}

fn ranked<T>((row, placed): (&AlertRow, T)) -> (impl Ord, &AlertRow, T) {
    (row.rank(), row, placed)
}

/// Returns the check that an alert is about, raw; empty if it is about none.
fn check_of<'a>(clusters: &[ClusterData], row: &'a AlertRow) -> &'a str {
    clusters.get(usize::from(row.cluster)).map_or("", |c| row.alert.labels.get(&c.check_label))
}

/// Gives every alert the number of its group.
fn assign<'a>(
    clusters: &[ClusterData],
    rows: impl Iterator<Item = (At, &'a AlertRow)>,
    by: GroupBy,
) -> (Vec<GroupKey>, Vec<Placed>) {
    let mut numbers: HashMap<(&str, Option<u16>), u32> = HashMap::new();
    let mut keys = Vec::new();
    let mut order = Vec::new();
    for (at, row) in rows {
        let key = match by {
            GroupBy::NameAndCluster => (&*row.name, Some(at.cluster)),
            GroupBy::Name => (&*row.name, None),
            GroupBy::Check => (check_of(clusters, row), None),
            // Two clusters may have a rack of the same name.
            GroupBy::Label(place) => (row.alert.labels.get(EXTRA_LABELS[place]), Some(at.cluster)),
            GroupBy::Node => (&*row.node, Some(at.cluster)),
            GroupBy::Cluster => ("", Some(at.cluster)),
            GroupBy::Nothing => ("", None),
        };
        let number = *numbers.entry(key).or_insert_with(|| {
            keys.push(GroupKey { title: text::line(key.0).into(), cluster: key.1 });
            u32::try_from(keys.len() - 1).expect("fewer groups than alerts")
        });
        order.push(Placed {
            at,
            group: number,
            severity: row.alert.severity,
            state: row.alert.state,
            since: row.alert.since,
            loud: row.is_loud(),
            stale: row.alert.stale,
        });
    }
    (keys, order)
}

/// Puts sorted alerts into their groups: the worst first, then the newest.
fn collect<'a>(
    clusters: &[ClusterData],
    chosen: impl Iterator<Item = &'a Placed>,
    keys: &[GroupKey],
    just_silenced: &HashSet<AlertKey>,
) -> Vec<Group> {
    let mut places: Vec<Option<usize>> = vec![None; keys.len()];
    let mut groups: Vec<Group> = Vec::new();
    let mut states: Vec<AlertState> = Vec::new();
    let is_just_silenced = |at| row(clusters, at).is_some_and(|row| just_silenced.contains(&row.key()));
    for placed in chosen {
        let at = placed.at;
        let place = places[placed.group as usize].get_or_insert_with(|| {
            states.push(placed.state);
            groups.push(Group {
                key: keys[placed.group as usize].clone(),
                severity: placed.severity,
                newest: placed.since,
                oldest: placed.since,
                members: Vec::new(),
                loud: 0,
                on: Vec::new(),
                kept: false,
                nodes: 0,
                alike: true,
                just_silenced: 0,
                heard_on: Vec::new(),
                marked: 0,
            });
            groups.len() - 1
        });
        let group = &mut groups[*place];
        group.severity = group.severity.min(placed.severity);
        group.newest = group.newest.max(placed.since);
        group.oldest = group.oldest.min(placed.since);
        group.loud += usize::from(placed.loud);
        group.kept |= placed.stale;
        group.alike &= placed.state == states[*place];
        group.just_silenced += usize::from(!just_silenced.is_empty() && is_just_silenced(at));
        if !placed.stale && !group.heard_on.contains(&at.cluster) {
            group.heard_on.push(at.cluster);
        }
        if !group.on.contains(&at.cluster) {
            group.on.push(at.cluster);
        }
        group.members.push(at);
    }
    groups.sort_by(|a, b| {
        let rank = |g: &Group| (g.loud == 0, g.severity);
        rank(a).cmp(&rank(b)).then(b.newest.cmp(&a.newest)).then_with(|| a.key.cmp(&b.key))
    });
    groups
}

/// Groups what began lately and is told to somebody, whatever the filter: the first thing to see at night.
fn new_groups(clusters: &[ClusterData], now: Timestamp, just_silenced: &HashSet<AlertKey>) -> Vec<Group> {
    let fresh = all(clusters).filter(|(_, row)| row.is_loud() && now - row.alert.since <= NEW);
    let (keys, mut order) = assign(clusters, fresh, GroupBy::Name);
    order.sort_by_key(|placed| {
        row(clusters, placed.at).map(|r| (r.alert.severity, r.cluster, r.node.clone()))
    });
    let mut groups = collect(clusters, order.iter(), &keys, just_silenced);
    for group in &mut groups {
        let rows = group.members.iter().filter_map(|at| row(clusters, *at));
        let named = rows.filter(|row| !row.node.is_empty());
        group.nodes = named.map(|row| (row.cluster, &*row.node)).collect::<BTreeSet<_>>().len();
    }
    groups.sort_by(|a, b| b.newest.cmp(&a.newest).then(a.severity.cmp(&b.severity)));
    groups.sort_by_key(|g| g.severity);
    groups
}
