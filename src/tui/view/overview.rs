//! What is going on everywhere: counts, what is new, the clusters.

use super::pen::{Pen, part};
use super::table::{Column, Cut, LUXURY, Table};
use super::words;
use crate::tui::state::State;
use crate::tui::state::alerts::Group;
use crate::tui::state::data::Fresh;
use crate::tui::state::list::RowKey;
use crate::tui::state::overview::OverviewLine;
use crate::tui::state::rows::AlertRow;
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

/// What to look at when nobody answers; as many lines as [`OverviewLine::Blind`] has.
const BLIND: [&str; 2] = [
    " Nobody answers; this is what was true before. Look at this machine first: VPN,",
    " proxy, DNS. 5 shows each error, r asks again; from a shell: iaasmon doctor",
];

fn draw_line(state: &State, line: &OverviewLine, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    match line {
        OverviewLine::Blank => {}
        OverviewLine::Firing => firing(state, row, pen),
        OverviewLine::Nodes => nodes(state, row, pen),
        OverviewLine::NewHead => pen.text(row, Role::Title, " NEW IN LAST 15m (worst, newest first)"),
        OverviewLine::NewColumns => {
            let table = Table::fit(new_columns(state), pen.columns());
            pen.line(row, &table.head());
        }
        OverviewLine::Blind(i) => pen.text(row, Role::Notice, BLIND.get(*i).copied().unwrap_or_default()),
        OverviewLine::New(i) => {
            if let Some(group) = state.alerts.new.get(*i) {
                new_group(state, group, cursor, row, pen);
            }
        }
        OverviewLine::MoreNew(more) => pen.text(row, Role::Muted, format!("   + {more} more (2)")),
        OverviewLine::NothingNew => pen.text(row, Role::Muted, format!("   {}", nothing_new(state))),
        OverviewLine::ClusterHead => {
            let table = Table::fit(cluster_columns(state), pen.columns());
            pen.line(row, &table.head());
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

/// The columns of what is new.
fn new_columns(state: &State) -> Vec<Column> {
    vec![
        Column::fixed("SEV", 4, 0, Cut::End),
        Column::between("ALERT", 14, state.lookup.alerts.name.clamp(14, 40), 0, Cut::Middle),
        Column::fixed("alerts", 6, 1, Cut::Left),
        Column::fixed("nodes", 6, 3, Cut::Left),
        Column::fixed("clusters", 8, 3, Cut::Left),
        Column::fixed("since", 5, 1, Cut::Left),
        Column::rest("WHERE", 10, 2),
    ]
}

fn new_group(state: &State, group: &Group, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    let doubt = if group.kept || group.on.iter().any(|c| state.is_stale(*c)) { '~' } else { ' ' };
    let table = Table::fit(new_columns(state), pen.columns());
    let line = table.row(words::marks(cursor, doubt), |column| match column {
        0 => (words::severity(group.severity), group.severity.word().into()),
        1 => (Role::Text, (&*group.key.title).into()),
        2 => (Role::Text, group.members.len().to_string().into()),
        3 => (Role::Text, group.nodes.to_string().into()),
        4 => (Role::Text, group.on.len().to_string().into()),
        5 => (Role::Text, words::ago(group.newest, state.now).into()),
        _ => (Role::Text, where_of(state, group).into()),
    });
    pen.line(row, &line);
}

/// Where a group is: its clusters, then as many of its nodes as a long line shows.
fn where_of(state: &State, group: &Group) -> String {
    const MOST: usize = 12;
    let clusters = group.on.iter().take(MOST).map(|cluster| state.cluster_name(*cluster));
    let mut words: Vec<&str> = clusters.collect();
    if let Some(last) = words.last_mut().filter(|_| group.on.len() == 1) {
        let rows = group.members.iter().take(MOST).filter_map(|at| state.alert(*at));
        let places: Vec<_> = rows.map(AlertRow::place).filter(|place| !place.is_empty()).collect();
        let text = format!("{last} {}", places.join(" "));
        return if group.members.len() > places.len() && !places.is_empty() { text + " .." } else { text };
    }
    words.dedup();
    words.join(" ")
}

/// The columns of the clusters.
fn cluster_columns(state: &State) -> Vec<Column> {
    vec![
        Column::fixed("CLUSTER", words::cluster_columns(state), 0, Cut::Middle),
        Column::fixed("CRIT", 5, 0, Cut::Left),
        Column::fixed("WARN", 5, 0, Cut::Left),
        Column::fixed("UNKN", 5, 2, Cut::Left),
        Column::fixed("INFO", 5, 4, Cut::Left),
        Column::fixed("SIL", 4, 3, Cut::Left),
        Column::fixed("NODES up/tot", 12, 3, Cut::Left),
        Column::fixed("PROM", 4, 2, Cut::Left),
        Column::fixed("AM", 4, 2, Cut::Left),
        Column::fixed("AGE", 5, 1, Cut::Left),
        Column::fixed("inhib", 5, LUXURY, Cut::Left),
        Column::fixed("pending", 7, LUXURY, Cut::Left),
        Column::fixed("DOWN", 5, LUXURY, Cut::Left),
        Column::fixed("with failing checks", 19, LUXURY + 1, Cut::Left),
        Column::rest("NOTE", 12, 1),
    ]
}

fn cluster(state: &State, index: u16, cursor: bool, row: usize, pen: &mut Pen<'_>) {
    let Some(cluster) = state.cluster(index) else { return };
    let tally = state.alerts.tallies.get(usize::from(index)).copied().unwrap_or_default();
    let nodes = state.nodes.tallies.get(usize::from(index)).copied().unwrap_or_default();
    let fresh = state.fresh(index);
    let doubt = if fresh.is_whole() { "" } else { "?" };
    let count = |n: usize, worry: Role| match cluster.alerts.value {
        None => (Role::Unknown, "?".into()),
        Some(_) => (if n > 0 { worry } else { Role::Muted }, format!("{n}{doubt}").into()),
    };
    let of_nodes = |text: String, worry: Role| match (cluster.servers.0, &cluster.nodes.value) {
        (0, _) => (Role::Muted, "-".into()),
        (_, None) => (Role::Unknown, "?".into()),
        _ => (worry, format!("{text}{doubt}").into()),
    };
    let down = if nodes.down > 0 { Role::Critical } else { Role::Text };
    let mark = match fresh {
        Fresh::Stale(_) | Fresh::Slow(_) => '~',
        Fresh::Missing => '!',
        Fresh::Yes | Fresh::Loading if !cluster.silent().is_empty() => '!',
        Fresh::Yes | Fresh::Loading => ' ',
    };
    let table = Table::fit(cluster_columns(state), pen.columns());
    let line = table.row(words::marks(cursor, mark), |column| match column {
        0 => (Role::Text, (&*cluster.name).into()),
        1 => count(tally.loud[0], Role::Critical),
        2 => count(tally.loud[1], Role::Warning),
        3 => count(tally.loud[2], Role::Unknown),
        4 => count(tally.loud[3], Role::Info),
        5 if !state.knows_silenced(index) => (Role::Unknown, "?".into()),
        5 => count(tally.silenced, Role::Silenced),
        6 => of_nodes(format!("{}/{}", nodes.up, nodes.total), down),
        7 => (Role::Text, cluster.servers_up(true).into()),
        8 => (Role::Text, cluster.servers_up(false).into()),
        9 => (Role::Text, state.age_text(index).into()),
        10 if !state.knows_silenced(index) => (Role::Unknown, "?".into()),
        10 => count(tally.inhibited, Role::Silenced),
        11 => count(tally.pending, Role::Muted),
        12 => of_nodes(nodes.down.to_string(), down),
        13 => of_nodes(nodes.failing.to_string(), Role::Text),
        _ => {
            let note = words::note(state, index);
            // An error's colours may fill the cell: one that says nothing has none.
            (if note.is_empty() { Role::Text } else { Role::Error }, note.into())
        }
    });
    pen.line(row, &line);
}
