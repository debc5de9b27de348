//! The list of alerts, grouped.

use super::pen::{Pen, cell, name, number, part};
use super::words;
use crate::model::alert::AlertState;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::alerts::{AlertLine, Group, GroupBy};
use crate::tui::state::list::RowKey;
use crate::tui::state::rows::AlertRow;
use crate::tui::theme::Role;

/// Draws the list and, where it fits, the alert under the cursor.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let table = &state.alerts;
    let left = format!(" grouped by {} (b)   worst, newest first", table.by.word());
    let right = format!("{} in {} groups ", state.count(table.shown), table.groups.len());
    pen.ends(0, &[part(Role::Muted, left)], &[part(Role::Text, right)]);
    let wide = Columns::of(state, pen.columns());
    pen.line(1, &wide.head());
    if table.lines.is_empty() {
        return empty(state, pen);
    }
    let list = &state.page().list;
    let rows = state.list_rows();
    for (i, line) in table.lines.iter().enumerate().skip(list.top).take(rows) {
        let row = 2 + i - list.top;
        let cursor = i == list.at;
        match *line {
            AlertLine::Group(g) => {
                if let Some(group) = table.groups.get(g) {
                    draw_group(state, group, cursor, wide, row, pen);
                }
            }
            AlertLine::Alert(_, at) => {
                if let Some(alert) = state.alert(at) {
                    draw_alert(state, alert, cursor, wide, row, pen);
                }
            }
        }
        if cursor {
            pen.highlight(row, Role::Selection);
        }
    }
    preview(state, &mut pen.below(2 + rows, state.preview_rows()));
}

/// The widths of the columns.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    cluster: usize,
}

impl Columns {
    fn of(state: &State, columns: usize) -> Self {
        let cluster = words::cluster_columns(state);
        Self { name: (columns.saturating_sub(cluster + 32) * 5 / 11).clamp(18, 56), cluster }
    }

    fn head(self) -> [super::pen::Part; 7] {
        [
            part(Role::Title, "   "),
            cell(Role::Title, "SEV", 4),
            cell(Role::Title, "ALERT / NODE", self.name),
            cell(Role::Title, "CLUSTER", self.cluster),
            cell(Role::Title, "COUNT", 5),
            cell(Role::Title, " FOR", 4),
            part(Role::Title, "STATE    SUMMARY"),
        ]
    }
}

fn empty(state: &State, pen: &mut Pen<'_>) {
    let hidden = state.alerts.total;
    let all = state.clusters.len();
    let loading = state.clusters.iter().any(|c| c.alerts.value.is_none() && !c.alerts.answered);
    let whole = (0u16..).zip(&state.clusters).filter(|(i, _)| state.fresh(*i).is_whole()).count();
    let says = if loading {
        "loading ...".to_owned()
    } else if hidden > 0 {
        format!("No alert fits. {hidden} hidden by the filter (/ to edit, Backspace to drop it)")
    } else if whole == all {
        format!("No alerts on {all} of {all} clusters")
    } else {
        format!("None seen on {whole} of {all} clusters; the rest is unknown (5)")
    };
    pen.text(3, Role::Text, format!("   {says}"));
}

fn draw_group(state: &State, group: &Group, cursor: bool, wide: Columns, row: usize, pen: &mut Pen<'_>) {
    let table = &state.alerts;
    let marks = &state.page().list.marks;
    let first = group.members.first().and_then(|at| state.alert(*at));
    let stale = group.members.iter().any(|at| state.is_stale(at.cluster));
    let marked = !marks.is_empty()
        && group
            .members
            .iter()
            .all(|at| state.alert(*at).is_some_and(|alert| marks.contains(&RowKey::Alert(alert.key()))));
    let sign = match (marked, table.open.contains(&group.key)) {
        (true, _) => '*',
        _ if stale => '~',
        (_, true) => '-',
        (_, false) => '+',
    };
    let title = match (&*group.key.title, group.key.cluster) {
        ("", Some(_)) if table.by == GroupBy::Cluster => "all alerts",
        ("", _) => "(none)",
        (title, _) => title,
    };
    let cluster = group.key.cluster.map_or("", |c| state.cluster_name(c));
    let (word, role) = group_state(state, group, first);
    let summary = summary_of(state, group, first);
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(cursor, sign)),
            cell(words::severity(group.severity), group.severity.word(), 4),
            name(Role::Text, title, wide.name),
            name(Role::Text, cluster, wide.cluster),
            number(Role::Text, &group.members.len().to_string(), 5),
            number(Role::Text, &words::ago(group.oldest, state.now), 4),
            cell(role, &word, 8),
            part(Role::Text, summary),
        ],
    );
}

fn group_state(state: &State, group: &Group, first: Option<&AlertRow>) -> (String, Role) {
    let count = group.members.len();
    match first {
        Some(first) if group.loud == 0 || group.loud == count => {
            let (word, role) = words::alert_state(state, first);
            // What fires is the ordinary case and needs no word.
            (if word == "firing" { String::new() } else { word.to_owned() }, role)
        }
        _ => (format!("{} quiet", count - group.loud), Role::Silenced),
    }
}

/// A single alert's summary; of several the nodes, then what the first says.
fn summary_of(state: &State, group: &Group, first: Option<&AlertRow>) -> String {
    let Some(first) = first else { return String::new() };
    if group.members.len() == 1 {
        return join(&first.node, &first.summary);
    }
    let rows = group.members.iter().take(3).filter_map(|at| state.alert(*at));
    let mut names: Vec<&str> = rows.map(|row| &*row.node).filter(|node| !node.is_empty()).collect();
    names.dedup();
    let more = group.members.len().saturating_sub(names.len());
    let names = names.join(" ");
    let names = if more > 0 && !names.is_empty() { format!("{names} +{more}") } else { names };
    join(&names, &first.summary)
}

fn join(a: &str, b: &str) -> String {
    if a.is_empty() || b.is_empty() { format!("{a}{b}") } else { format!("{a}: {b}") }
}

fn draw_alert(state: &State, alert: &AlertRow, cursor: bool, wide: Columns, row: usize, pen: &mut Pen<'_>) {
    let (word, role) = words::alert_state(state, alert);
    let mark = if state.page().list.marks.contains(&RowKey::Alert(alert.key())) {
        '*'
    } else if alert.kept || state.is_stale(alert.cluster) {
        '~'
    } else {
        ' '
    };
    let title = match (state.alerts.by, &*alert.node) {
        (GroupBy::Node, _) => format!("  {}", alert.name),
        (GroupBy::Cluster | GroupBy::Nothing, "") => alert.name.to_string(),
        (GroupBy::Cluster | GroupBy::Nothing, node) => format!("{} {node}", alert.name),
        (_, "") => format!("  {}", instance_words(alert)),
        (_, node) => format!("  {node}"),
    };
    let text = if alert.alert.state == AlertState::Pending { Role::Muted } else { Role::Text };
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(cursor, mark)),
            cell(words::severity(alert.alert.severity), alert.alert.severity.word(), 4),
            name(text, &title, wide.name),
            name(Role::Text, state.cluster_name(alert.cluster), wide.cluster),
            cell(Role::Text, "", 5),
            number(Role::Text, &words::ago(alert.alert.since, state.now), 4),
            cell(role, word, 8),
            part(text, alert.summary.to_string()),
        ],
    );
}

/// What tells an alert without a node apart from the others of its name.
fn instance_words(alert: &AlertRow) -> String {
    let labels = alert.alert.labels.iter().filter(|(n, _)| !matches!(*n, "alertname" | "severity"));
    let words: Vec<String> = labels.map(|(n, v)| format!("{n}={}", text::line(v))).collect();
    if words.is_empty() { "(no labels)".into() } else { words.join(" ") }
}

fn preview(state: &State, pen: &mut Pen<'_>) {
    if pen.rows() == 0 {
        return;
    }
    let row = match state.alerts.lines.get(state.page().list.at) {
        Some(AlertLine::Alert(_, at)) => state.alert(*at),
        Some(AlertLine::Group(g)) => {
            state.alerts.groups.get(*g).and_then(|g| g.members.first()).and_then(|at| state.alert(*at))
        }
        None => None,
    };
    let Some(row) = row else { return };
    pen.titled_rule(0, &format!("preview: {} {}", row.name, row.node));
    for (i, line) in super::detail::alert_lines(state, row, pen.columns()).iter().enumerate() {
        pen.line(1 + i, line);
    }
}
