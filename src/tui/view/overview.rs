//! What is going on everywhere: counts, what is new, the clusters.

use super::pen::{Pen, cell, name, number, part};
use super::words;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::alerts::Group;
use crate::tui::state::data::Fresh;
use crate::tui::state::list::RowKey;
use crate::tui::state::overview::OverviewLine;
use crate::tui::theme::Role;

/// Draws the overview.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let overview = state.overview();
    let current = overview.keys().get(state.page().list.at).cloned();
    let is_current = |line: &OverviewLine| match (line, &current) {
        (OverviewLine::New(i), Some(RowKey::Group(key))) => {
            state.alerts.new.get(*i).is_some_and(|g| g.key == *key)
        }
        (OverviewLine::Cluster(i), Some(RowKey::Cluster(at))) => i == at,
        _ => false,
    };
    let at = overview.lines.iter().position(is_current).unwrap_or(0);
    // The counts stay in sight; the rest scrolls so that the cursor is seen.
    let top = (at + 1).saturating_sub(pen.rows());
    for (row, line) in overview.lines.iter().skip(top).take(pen.rows()).enumerate() {
        let cursor = is_current(line);
        draw_line(state, line, cursor, row, pen);
        if cursor {
            pen.highlight(row, Role::Selection);
        }
    }
}

fn draw_line(state: &State, line: &OverviewLine, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    match line {
        OverviewLine::Blank => {}
        OverviewLine::Firing => firing(state, row, pen),
        OverviewLine::Nodes => nodes(state, row, pen),
        OverviewLine::NewHead => {
            let wide = name_columns(pen.columns());
            let title = text::pad(" NEW IN LAST 15m (worst, newest first)", wide + 9);
            pen.text(row, Role::Title, format!("{title}alerts  nodes clusters since"));
        }
        OverviewLine::New(i) => {
            if let Some(group) = state.alerts.new.get(*i) {
                new_group(state, group, cursor, row, pen);
            }
        }
        OverviewLine::MoreNew(more) => pen.text(row, Role::Muted, format!("   + {more} more (2)")),
        OverviewLine::NothingNew => pen.text(row, Role::Muted, format!("   {}", nothing_new(state))),
        OverviewLine::ClusterHead => {
            let wide = words::cluster_columns(state);
            let head = text::pad("   CLUSTER", wide + 4);
            pen.text(
                row,
                Role::Title,
                format!("{head} CRIT  WARN  UNKN  INFO   SIL   NODES up/tot  PROM   AM  AGE  NOTE"),
            );
        }
        OverviewLine::Cluster(i) => cluster(state, *i, cursor, row, pen),
    }
}

fn nothing_new(state: &State) -> &'static str {
    if state.clusters.iter().any(|c| c.alerts.value.is_none() && !c.alerts.answered) {
        "loading ..."
    } else if state.is_whole() {
        "nothing new"
    } else {
        "nothing new where data is fresh; not every cluster is"
    }
}

fn firing(state: &State, row: usize, pen: &mut Pen<'_>) {
    let sum =
        |f: fn(&crate::tui::state::alerts::Tally) -> usize| state.alerts.tallies.iter().map(f).sum::<usize>();
    let new = sum(|t| t.new_crit);
    let new = if new > 0 { format!("(+{new} new) ") } else { String::new() };
    let crit = sum(|t| t.loud[0]);
    let mut parts = vec![
        part(Role::Title, " FIRING  "),
        part(Role::Critical, format!("CRIT {} ", state.count(crit))),
        part(Role::New, new),
        part(Role::Warning, format!(" WARN {} ", state.count(sum(|t| t.loud[1])))),
    ];
    let unknown = sum(|t| t.loud[2]);
    if unknown > 0 {
        parts.push(part(Role::Unknown, format!(" UNKN {} ", state.count(unknown))));
    }
    parts.push(part(Role::Info, format!(" INFO {}", state.count(sum(|t| t.loud[3])))));
    parts.push(part(Role::Silenced, format!("   silenced {}", state.count(sum(|t| t.silenced)))));
    let (inhibited, pending) = (sum(|t| t.inhibited), sum(|t| t.pending));
    if inhibited > 0 {
        parts.push(part(Role::Silenced, format!("  inhib {inhibited}")));
    }
    if pending > 0 {
        parts.push(part(Role::Muted, format!("  pending {pending}")));
    }
    pen.line(row, &parts);
}

fn nodes(state: &State, row: usize, pen: &mut Pen<'_>) {
    let sum = |f: fn(&crate::tui::state::nodes::NodeTally) -> usize| {
        state.nodes.tallies.iter().map(f).sum::<usize>()
    };
    let (down, unclear) = (sum(|t| t.down), sum(|t| t.unclear));
    let mut parts = vec![
        part(Role::Title, " NODES   "),
        part(Role::Text, format!("{} up  ", state.count(sum(|t| t.up)))),
        part(if down > 0 { Role::Critical } else { Role::Text }, format!("{} down  ", state.count(down))),
        part(Role::Text, format!("{} with failing checks", state.count(sum(|t| t.failing)))),
    ];
    if unclear > 0 {
        parts.push(part(Role::Unknown, format!("  {unclear} unclear")));
    }
    pen.line(row, &parts);
}

fn name_columns(columns: usize) -> usize {
    columns.saturating_sub(43).clamp(20, 80)
}

fn new_group(state: &State, group: &Group, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    let wide = name_columns(pen.columns());
    let where_ = where_of(state, group);
    let title = format!("{}  {where_}", text::truncate_middle(&group.key.title, wide.min(28)));
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(cursor, ' ')),
            cell(words::severity(group.severity), group.severity.word(), 4),
            cell(Role::Text, &title, wide),
            number(Role::Text, &group.members.len().to_string(), 6),
            number(Role::Text, &group.nodes.to_string(), 6),
            number(Role::Text, &group.clusters.to_string(), 8),
            number(Role::Text, &words::ago(group.newest, state.now), 5),
        ],
    );
}

/// Where a group is: its clusters if several, else cluster and first nodes.
fn where_of(state: &State, group: &Group) -> String {
    let rows = || group.members.iter().filter_map(|at| state.alert(*at));
    let mut clusters: Vec<&str> = Vec::new();
    for row in rows() {
        let cluster = state.cluster_name(row.cluster);
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    }
    let mut words: Vec<&str> = clusters.clone();
    if clusters.len() == 1 {
        words.extend(rows().map(|row| &*row.node).filter(|node| !node.is_empty()).take(4));
    }
    words.join(" ")
}

fn cluster(state: &State, index: u16, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    let Some(cluster) = state.cluster(index) else { return };
    let tally = state.alerts.tallies.get(usize::from(index)).copied().unwrap_or_default();
    let nodes = state.nodes.tallies.get(usize::from(index)).copied().unwrap_or_default();
    let fresh = state.fresh(index);
    let known = cluster.alerts.value.is_some();
    let count = |n: usize| match fresh {
        _ if !known => "?".to_owned(),
        Fresh::Yes => n.to_string(),
        _ => format!("{n}?"),
    };
    let role = |n: usize, role: Role| if n > 0 { role } else { Role::Muted };
    let up = match (cluster.servers.0, &cluster.nodes.value) {
        (0, _) => "-".to_owned(),
        (_, None) => "?".to_owned(),
        _ => format!("{}/{}{}", nodes.up, nodes.total, if fresh.is_whole() { "" } else { "?" }),
    };
    let mark = match fresh {
        Fresh::Stale(_) => '~',
        Fresh::Missing => '!',
        _ => ' ',
    };
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(cursor, mark)),
            name(Role::Text, &cluster.name, words::cluster_columns(state)),
            number(role(tally.loud[0], Role::Critical), &count(tally.loud[0]), 5),
            number(role(tally.loud[1], Role::Warning), &count(tally.loud[1]), 5),
            number(role(tally.loud[2], Role::Unknown), &count(tally.loud[2]), 5),
            number(role(tally.loud[3], Role::Info), &count(tally.loud[3]), 5),
            number(Role::Text, &count(tally.silenced), 5),
            number(if nodes.down > 0 { Role::Critical } else { Role::Text }, &up, 14),
            number(Role::Text, &cluster.servers_up(true), 5),
            number(Role::Text, &cluster.servers_up(false), 4),
            number(Role::Text, &cluster.age_text(state.now), 4),
            part(Role::Error, format!(" {}", note(state, index))),
        ],
    );
}

fn note(state: &State, index: u16) -> String {
    match state.fresh(index) {
        Fresh::Stale(_) => "STALE".into(),
        Fresh::Missing => "NO DATA".into(),
        Fresh::Loading => "loading".into(),
        Fresh::Yes => state.cluster(index).and_then(|c| c.silent().into_iter().next()).unwrap_or_default(),
    }
}
