//! The list of alerts, grouped.

use super::pen::{Pen, part};
use super::table::{Column, Cut, LUXURY, Table};
use super::words;
use crate::model::alert::AlertState;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::alerts::{AlertLine, Group, GroupBy};
use crate::tui::state::list::RowKey;
use crate::tui::state::lookup::EXTRA_LABELS;
use crate::tui::state::rows::AlertRow;
use crate::tui::theme::Role;
use std::borrow::Cow;

/// Draws the list.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let alerts = &state.alerts;
    let left = format!(" grouped by {} (b)   worst, newest first", alerts.by.word());
    let right = match (alerts.by, alerts.groups.len()) {
        (GroupBy::Nothing, _) => format!("{} alerts ", state.count(alerts.shown)),
        (_, 1) => format!("{} in 1 group ", state.count(alerts.shown)),
        (_, groups) => format!("{} in {groups} groups ", state.count(alerts.shown)),
    };
    pen.ends(0, &[part(Role::Muted, left)], &[part(Role::Text, right)]);
    let table = Table::fit(columns(state), pen.columns());
    pen.line(1, &table.head());
    if alerts.lines.is_empty() {
        return empty(state, pen);
    }
    let list = &state.page().list;
    for (i, line) in alerts.lines.iter().enumerate().skip(list.top).take(state.list_rows()) {
        let row = 2 + i - list.top;
        let cursor = i == list.at;
        match *line {
            AlertLine::Group(g) => {
                if let Some(group) = alerts.groups.get(g) {
                    draw_group(state, group, cursor, &table, row, pen);
                }
            }
            AlertLine::Alert(_, at) => {
                if let Some(alert) = state.alert(at) {
                    draw_alert(state, alert, cursor, &table, row, pen);
                }
            }
        }
        if cursor {
            pen.highlight(row, Role::Selection);
        }
    }
}

/// The columns by place; `ALERT / NODE` holds a group's title or an alert's node, or its job where it has none.
fn columns(state: &State) -> Vec<Column> {
    let wide = state.lookup.alerts;
    let node = match state.alerts.by {
        GroupBy::NameAndCluster | GroupBy::Name => wide.name.max(wide.node + 2),
        GroupBy::Node => wide.node.max(wide.name + 2),
        _ => wide.name + 1 + wide.node,
    };
    let mut columns = vec![
        Column::fixed("SEV", 4, 0, Cut::End),
        Column::between("ALERT / NODE", 18, node.clamp(18, 60), 0, Cut::Middle),
        Column::fixed("CLUSTER", words::cluster_columns(state), 1, Cut::Middle),
        Column::fixed("COUNT", 5, 3, Cut::Left),
        Column::fixed("FOR", 4, 2, Cut::Left),
        Column::fixed("STATE", 9, 2, Cut::End),
    ];
    columns.extend(
        EXTRA_LABELS.iter().zip(wide.labels).map(|(head, wide)| words::extra_column(head, wide, LUXURY)),
    );
    columns.push(words::extra_column("told to", wide.receivers, LUXURY + 1));
    columns.push(Column::rest("SUMMARY", 12, 4));
    columns
}

/// What the columns from `COUNT` on say.
struct Cells<'a> {
    severity: crate::model::alert::Severity,
    title: (Role, Cow<'a, str>),
    cluster: &'a str,
    count: String,
    since: String,
    state: (Role, Cow<'a, str>),
    /// The alert that labels and receivers are taken from.
    labels: Option<&'a AlertRow>,
    summary: (Role, Cow<'a, str>),
}

impl Cells<'_> {
    /// Returns the cell of a column.
    fn at(&self, column: usize) -> (Role, Cow<'_, str>) {
        const FIRST_LABEL: usize = 6;
        const RECEIVER: usize = FIRST_LABEL + EXTRA_LABELS.len();
        let borrow = |(role, text): &'_ (Role, Cow<'_, str>)| (*role, text.clone().into_owned().into());
        match column {
            0 => (words::severity(self.severity), self.severity.word().into()),
            1 => borrow(&self.title),
            2 => (Role::Text, self.cluster.into()),
            3 => (Role::Text, (&*self.count).into()),
            4 => (Role::Text, (&*self.since).into()),
            5 => borrow(&self.state),
            FIRST_LABEL..RECEIVER => {
                let value =
                    self.labels.map_or("", |row| row.alert.labels.get(EXTRA_LABELS[column - FIRST_LABEL]));
                (Role::Text, text::line(value))
            }
            RECEIVER => {
                let first = self.labels.and_then(|row| row.alert.receivers.first());
                (Role::Text, text::line(first.map_or("", |name| name)))
            }
            _ => borrow(&self.summary),
        }
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
        format!(
            "No alert fits. {} hidden by the filter (/ to edit, Backspace to drop it)",
            state.count(hidden)
        )
    } else if whole == all {
        format!("No alerts firing on {all} of {all} clusters")
    } else {
        format!("None seen on {whole} of {all} clusters; {} (key 5: clusters)", words::unclear(state))
    };
    pen.text(3, Role::Text, format!("   {says}"));
}

fn draw_group(state: &State, group: &Group, cursor: bool, table: &Table, row: usize, pen: &mut Pen<'_>) {
    let first = group.members.first().and_then(|at| state.alert(*at));
    let stale = group.kept || group.on.iter().any(|cluster| state.is_stale(*cluster));
    let marked = group.marked == group.members.len();
    let sign = match (marked, state.alerts.open.contains(&group.key)) {
        (true, _) => '*',
        _ if stale => '~',
        (_, true) => '-',
        (_, false) => '+',
    };
    let title = match (&*group.key.title, group.key.cluster) {
        ("", Some(_)) if state.alerts.by == GroupBy::Cluster => "all alerts",
        ("", _) => "(none)",
        (title, _) => title,
    };
    let (word, role) = group_state(state, group, first);
    let sure = !group.kept && group.on.iter().all(|cluster| state.fresh(*cluster).is_whole());
    let uncertain = if sure { "" } else { "?" };
    let cells = Cells {
        severity: group.severity,
        title: (Role::Text, title.into()),
        cluster: group.key.cluster.map_or("", |c| state.cluster_name(c)),
        count: format!("{}{uncertain}", group.members.len()),
        since: words::ago(group.oldest, state.now),
        state: (role, word.into()),
        labels: first.filter(|_| group.members.len() == 1),
        summary: (Role::Text, summary_of(state, group, first).into()),
    };
    pen.line(row, &table.row(words::marks(cursor, sign), |column| cells.at(column)));
}

fn group_state(state: &State, group: &Group, first: Option<&AlertRow>) -> (String, Role) {
    let count = group.members.len();
    match first {
        Some(first) if group.loud == 0 || group.loud == count => {
            let (word, role) = words::alert_state(state, first);
            let all = || are_alike(state, group);
            // What fires is the ordinary case and needs no word; of a part of the group nothing is said.
            (if word == "firing" || !all() { String::new() } else { word.to_owned() }, role)
        }
        _ => (format!("{} quiet", count - group.loud), Role::Silenced),
    }
}

/// Reports whether one word says how every alert of a group is.
fn are_alike(state: &State, group: &Group) -> bool {
    let outdated = |cluster: &u16| state.is_outdated(*cluster);
    if group.kept || group.on.iter().any(outdated) {
        return group.heard_on.iter().all(outdated);
    }
    match if state.awaits_silence() { group.just_silenced } else { 0 } {
        0 => group.alike,
        some => some == group.members.len(),
    }
}

/// A single alert's summary; of several the nodes (of a node its alerts), then what the first says.
fn summary_of(state: &State, group: &Group, first: Option<&AlertRow>) -> String {
    let Some(first) = first else { return String::new() };
    let of = |row: &AlertRow| match state.alerts.by {
        GroupBy::Node => row.name.to_string(),
        _ => row.place().into_owned(),
    };
    if group.members.len() == 1 {
        return join(&of(first), &first.summary);
    }
    let rows = group.members.iter().take(3).filter_map(|at| state.alert(*at));
    let mut names: Vec<String> = rows.map(of).filter(|name| !name.is_empty()).collect();
    names.dedup();
    let more = group.members.len().saturating_sub(names.len());
    let names = names.join(" ");
    let names = if more > 0 && !names.is_empty() { format!("{names} +{more}") } else { names };
    join(&names, &first.summary)
}

/// Joins a node and what is said of it, which often begins with the node's name.
fn join(node: &str, says: &str) -> String {
    if node.is_empty() || says.is_empty() || says.starts_with(node) {
        format!("{}{says}", if says.is_empty() { node } else { "" })
    } else {
        format!("{node}: {says}")
    }
}

fn draw_alert(state: &State, alert: &AlertRow, cursor: bool, table: &Table, row: usize, pen: &mut Pen<'_>) {
    let (word, role) = words::alert_state(state, alert);
    let mark = if state.page().list.marks.contains(&RowKey::Alert(alert.key())) {
        '*'
    } else if alert.alert.stale || state.is_stale(alert.cluster) {
        '~'
    } else {
        ' '
    };
    let title = match (state.alerts.by, &*alert.place()) {
        (GroupBy::Node, _) => format!("  {}", alert.name),
        (GroupBy::NameAndCluster | GroupBy::Name, "") => format!("  {}", instance_words(alert)),
        (GroupBy::NameAndCluster | GroupBy::Name, node) => format!("  {node}"),
        (_, "") => alert.name.to_string(),
        (_, node) => format!("{} {node}", alert.name),
    };
    let text = match (mark, alert.alert.state) {
        ('~', _) => Role::Stale,
        (_, AlertState::Pending) => Role::Muted,
        _ => Role::Text,
    };
    let cells = Cells {
        severity: alert.alert.severity,
        title: (text, title.into()),
        cluster: state.cluster_name(alert.cluster),
        count: String::new(),
        since: words::ago(alert.alert.since, state.now),
        state: (role, word.into()),
        labels: Some(alert),
        summary: (text, (&*alert.summary).into()),
    };
    pen.line(row, &table.row(words::marks(cursor, mark), |column| cells.at(column)));
}

/// What tells an alert without a node and a job apart from the others of its name.
fn instance_words(alert: &AlertRow) -> String {
    let labels = alert.alert.labels.iter().filter(|(n, _)| !matches!(*n, "alertname" | "severity"));
    let words: Vec<String> = labels.map(|(n, v)| format!("{}={}", text::line(n), text::line(v))).collect();
    if words.is_empty() { "(no labels)".into() } else { words.join(" ") }
}

#[cfg(test)]
#[path = "../tests/groups.rs"]
mod tests;
