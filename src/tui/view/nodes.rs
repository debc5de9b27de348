//! The list of nodes.

use super::pen::{Pen, cell, name, number, part};
use super::words;
use crate::model::node::{Node, NodeUp};
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::list::RowKey;
use crate::tui::state::rows::NodeRow;
use crate::tui::theme::Role;

/// Draws the list and, where it fits, the node under the cursor.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let shown = state.nodes.shown.len();
    let right = format!("{shown} of {} nodes ", state.count(state.nodes.total()));
    pen.ends(0, &[part(Role::Muted, " worst first")], &[part(Role::Text, right)]);
    let cluster = words::cluster_columns(state);
    let wide = (pen.columns().saturating_sub(cluster + 28) * 2 / 5).clamp(16, 44);
    pen.line(
        1,
        &[
            part(Role::Title, "   "),
            cell(Role::Title, "NODE", wide),
            cell(Role::Title, "CLUSTER", cluster),
            cell(Role::Title, "UP", 5),
            part(Role::Title, "CRIT WARN UNKN FAILING CHECKS"),
        ],
    );
    if shown == 0 {
        return empty(state, pen);
    }
    let list = &state.page().list;
    let rows = state.list_rows();
    for (i, at) in state.nodes.shown.iter().enumerate().skip(list.top).take(rows) {
        let row = 2 + i - list.top;
        let Some(node) = state.node(*at) else { continue };
        draw_node(state, node, i == list.at, (wide, cluster), row, pen);
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
    preview(state, &mut pen.below(2 + rows, state.preview_rows()));
}

fn empty(state: &State, pen: &mut Pen<'_>) {
    let total = state.nodes.total();
    let says =
        if state.clusters.iter().any(|c| c.servers.0 > 0 && c.nodes.value.is_none() && !c.nodes.answered) {
            "loading ...".to_owned()
        } else if total > 0 {
            format!("No node fits. {total} hidden by the filter (/ to edit, Backspace to drop it)")
        } else if state.is_whole() {
            "No Prometheus knows any node".to_owned()
        } else {
            "No nodes seen; not every cluster answers (5)".to_owned()
        };
    pen.text(3, Role::Text, format!("   {says}"));
}

fn draw_node(
    state: &State,
    row: &NodeRow,
    cursor: bool,
    (wide, cluster): (usize, usize),
    y: usize,
    pen: &mut Pen<'_>,
) {
    let node = &row.node;
    let stale = state.is_stale(row.cluster);
    let mark = if state.page().list.marks.contains(&RowKey::Node(row.key())) {
        '*'
    } else if stale {
        '~'
    } else if node.up == NodeUp::Down {
        '!'
    } else {
        ' '
    };
    let count = |n: u32, role: Role| number(if n > 0 { role } else { Role::Muted }, &n.to_string(), 4);
    pen.line(
        y,
        &[
            part(Role::Text, words::marks(cursor, mark)),
            name(Role::Text, &row.name, wide),
            name(Role::Text, state.cluster_name(row.cluster), cluster),
            cell(words::up(node.up), node.up.word(), 5),
            count(node.counts.crit, Role::Critical),
            count(node.counts.warn, Role::Warning),
            count(node.counts.unknown, Role::Unknown),
            part(Role::Text, failing(node)),
        ],
    );
}

fn failing(node: &Node) -> String {
    let names: Vec<String> = node
        .failing
        .iter()
        .take(6)
        .map(|f| {
            let doubt = if f.disputed { "?" } else { "" };
            format!("{}{doubt}", text::line(&f.check))
        })
        .collect();
    names.join(" ")
}

fn preview(state: &State, pen: &mut Pen<'_>) {
    if pen.rows() == 0 {
        return;
    }
    let Some(row) = state.nodes.shown.get(state.page().list.at).and_then(|at| state.node(*at)) else {
        return;
    };
    pen.titled_rule(0, &format!("preview: {}", row.name));
    let labels: Vec<String> = row.node.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    pen.text(1, Role::Text, format!(" {}", text::line(&labels.join("  "))));
    let key = row.key();
    let room = pen.rows().saturating_sub(2);
    for (i, alert) in state.alerts_of(&key).take(room).enumerate() {
        let (word, role) = words::alert_state(state, alert);
        pen.line(
            2 + i,
            &[
                part(Role::Text, " "),
                cell(words::severity(alert.alert.severity), alert.alert.severity.word(), 4),
                cell(Role::Text, &alert.name, 28),
                cell(role, word, 8),
                number(Role::Text, &words::ago(alert.alert.since, state.now), 4),
                part(Role::Text, alert.summary.to_string()),
            ],
        );
    }
}
