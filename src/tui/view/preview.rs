//! What is under the cursor of a list, in more detail, from what is known already: moving the cursor asks nobody.

use super::pen::{Part, Pen, cell, name, number, part};
use super::{clusters, detail, silences, words};
use crate::model::text;
use crate::tui::state::Screen;
use crate::tui::state::State;
use crate::tui::state::alerts::{AlertLine, Group, GroupKey};
use crate::tui::state::list::RowKey;
use crate::tui::state::rows::{AlertRow, NodeRow};
use crate::tui::theme::Role;

/// Draws the preview of the shown list; `ruled` with a rule above it.
pub fn draw(state: &State, ruled: bool, pen: &mut Pen<'_>) {
    let Some((at, key)) = &state.previewed else { return };
    let title = title_of(state, key);
    if ruled || state.screen() == &Screen::Clusters {
        pen.titled_rule(0, &title);
    } else {
        pen.text(0, Role::Title, text::truncate_middle(&title, pen.columns()).into_owned());
    }
    let rows = pen.rows().saturating_sub(1);
    let mut pen = pen.below(1, rows);
    match key {
        RowKey::Alert(key) => {
            if let Some(row) = state.alert_of(*key) {
                alert(state, row, &mut pen);
            }
        }
        RowKey::Group(key) => {
            if let Some(group) = group_of(state, *at, key) {
                members(state, group, &mut pen);
            } else if let Some(group) = state.alerts.new.iter().find(|group| group.key == *key) {
                members(state, group, &mut pen);
            }
        }
        RowKey::Node(key) => {
            if let Some(row) = state.lookup.node(key.cluster, &key.name) {
                node(state, row, &mut pen);
            }
        }
        RowKey::Silence(id) => silences::one(state, id, &mut pen),
        RowKey::Cluster(index) => {
            if let Some(cluster) = state.cluster(*index) {
                clusters::replicas(state, cluster, &mut pen);
            }
        }
        RowKey::Check(_) | RowKey::Operation(_) => {}
    }
}

fn title_of(state: &State, key: &RowKey) -> String {
    match key {
        RowKey::Alert(key) => {
            state.alert_of(*key).map_or_else(String::new, |row| format!("{} {}", row.name, row.place()))
        }
        RowKey::Group(key) => key.title.to_string(),
        RowKey::Node(key) => {
            state.lookup.node(key.cluster, &key.name).map_or_else(String::new, |row| row.name.to_string())
        }
        RowKey::Silence(_) => "silence".to_owned(),
        RowKey::Cluster(index) => state.cluster_name(*index).to_owned(),
        RowKey::Check(_) | RowKey::Operation(_) => String::new(),
    }
}

/// Returns the group on line `at` of the list of alerts, if it is still there.
fn group_of<'a>(state: &'a State, at: usize, key: &GroupKey) -> Option<&'a Group> {
    match state.alerts.lines.get(at) {
        Some(AlertLine::Group(g)) if state.screen() == &Screen::Alerts => {
            state.alerts.groups.get(*g).filter(|group| group.key == *key)
        }
        _ => None,
    }
}

/// One alert: its facts, what else is wrong on its node, and the output that came with it.
fn alert(state: &State, row: &AlertRow, pen: &mut Pen<'_>) {
    let facts = detail::facts(state, row, pen.columns());
    for (i, line) in facts.iter().enumerate() {
        pen.line(i, line);
    }
    let mut y = facts.len();
    let rest = pen.rows().saturating_sub(y);
    y += others(state, row, &mut pen.below(y, rest));
    let output = ["output", "check_output"].map(|name| row.alert.annotations.get(name));
    let Some(output) = output.into_iter().find(|text| !text.is_empty()) else { return };
    let keeper = if row.node.is_empty() { "pushgateway" } else { "node" };
    pen.text(
        y,
        Role::Title,
        format!(" output as it came with the alert (Enter: all of it, from the {keeper})"),
    );
    // Only what can be seen is made safe: an output may be long.
    let room = pen.rows().saturating_sub(y + 1);
    for (i, line) in output.lines().take(room).enumerate() {
        pen.text(y + 1 + i, Role::Text, format!("  {}", text::line(line)));
    }
}

/// The other alerts of the alert's node; returns how many lines they took.
fn others(state: &State, row: &AlertRow, pen: &mut Pen<'_>) -> usize {
    const MOST: usize = 6;
    if row.node.is_empty() {
        return 0;
    }
    let all = state.lookup.alerts_on(row.cluster, &row.node);
    let list: Vec<&AlertRow> = all.filter(|other| other.key() != row.key()).take(MOST).collect();
    if list.is_empty() {
        return 0;
    }
    pen.text(0, Role::Title, " also on this node");
    for (i, other) in list.iter().enumerate() {
        pen.line(1 + i, &line_of(state, other, false, pen.columns()));
    }
    1 + list.len()
}

/// The alerts of a group.
fn members(state: &State, group: &Group, pen: &mut Pen<'_>) {
    let first = group.members.first().and_then(|at| state.alert(*at));
    let Some(first) = first else { return };
    if group.members.len() == 1 {
        return alert(state, first, pen);
    }
    let places: Vec<String> = group.on.iter().map(|c| state.cluster_name(*c).to_owned()).collect();
    let lines = words::wrap(
        [format!("{} alerts on", group.members.len())].into_iter().chain(places),
        pen.columns().saturating_sub(2),
    );
    let mut y = 0;
    for line in lines.into_iter().take(2) {
        pen.text(y, Role::Text, format!(" {line}"));
        y += 1;
    }
    let room = pen.rows().saturating_sub(y);
    let fits = if group.members.len() > room { room.saturating_sub(1) } else { room };
    for alert in group.members.iter().take(fits).filter_map(|at| state.alert(*at)) {
        pen.line(y, &line_of(state, alert, true, pen.columns()));
        y += 1;
    }
    let more = group.members.len().saturating_sub(fits);
    if more > 0 {
        pen.text(y, Role::Muted, format!("   + {more} more"));
    }
}

/// An alert on one line: under its node or, where that is known, under its name.
fn line_of(state: &State, row: &AlertRow, by_node: bool, columns: usize) -> Vec<Part> {
    let (word, role) = words::alert_state(state, row);
    let place = row.place();
    let title = if by_node && !place.is_empty() { &place } else { &*row.name };
    let mark = if row.alert.stale || state.is_stale(row.cluster) { "~" } else { " " };
    vec![
        part(Role::Text, mark),
        cell(words::severity(row.alert.severity), row.alert.severity.word(), 4),
        name(Role::Text, title, (columns / 3).clamp(12, 28)),
        number(Role::Text, &words::ago(row.alert.since, state.now), 4),
        cell(role, word, 8),
        part(Role::Text, row.summary.to_string()),
    ]
}

/// One node: labels, failing checks, alerts.
fn node(state: &State, row: &NodeRow, pen: &mut Pen<'_>) {
    let mut lines: Vec<Vec<Part>> = vec![vec![
        part(words::up(row.node.up), format!(" {}  ", row.node.up.word())),
        part(Role::Text, state.cluster_name(row.cluster).to_owned()),
    ]];
    let labels = row.node.labels.iter().map(|(n, v)| text::line(&format!("{n}={v}")).into_owned());
    let wrapped = words::wrap(labels, pen.columns().saturating_sub(2));
    lines.extend(wrapped.into_iter().take(3).map(|line| vec![part(Role::Muted, format!(" {line}"))]));
    if !row.node.failing.is_empty() {
        lines.push(vec![part(Role::Title, " failing checks")]);
        // Worst first, and the rest of the screen is for the alerts.
        let most = (pen.rows() / 3).max(2);
        for failing in row.node.failing.iter().take(most) {
            let doubt = if failing.disputed { "  the replicas disagree" } else { "" };
            lines.push(vec![
                part(Role::Text, " "),
                cell(words::status(failing.status), failing.status.word(), 4),
                part(Role::Text, text::line(&failing.check).into_owned()),
                part(Role::Notice, doubt),
            ]);
        }
        let more = row.node.failing.len().saturating_sub(most);
        if more > 0 {
            lines.push(vec![part(Role::Muted, format!("   + {more} more"))]);
        }
    }
    let key = row.key();
    let room = pen.rows().saturating_sub(lines.len() + 1);
    let alerts: Vec<Vec<Part>> =
        state.alerts_of(&key).take(room).map(|alert| line_of(state, alert, false, pen.columns())).collect();
    lines.push(vec![part(Role::Title, if alerts.is_empty() { " no alerts" } else { " alerts" })]);
    lines.extend(alerts);
    for (i, line) in lines.iter().enumerate() {
        pen.line(i, line);
    }
}
