//! The list of nodes.

use super::pen::{Pen, part};
use super::table::{Column, Cut, LUXURY, Table};
use super::words;
use crate::model::node::{Node, NodeUp};
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::list::RowKey;
use crate::tui::state::lookup::EXTRA_LABELS;
use crate::tui::state::rows::NodeRow;
use crate::tui::theme::Role;

/// The column of the first label.
const FIRST_LABEL: usize = 6;

/// Draws the list.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let shown = state.nodes.shown.len();
    let right = format!("{shown} of {} nodes ", state.count(state.nodes.total()));
    pen.ends(0, &[part(Role::Muted, " worst first")], &[part(Role::Text, right)]);
    let table = Table::fit(columns(state), pen.columns());
    pen.line(1, &table.head());
    if shown == 0 {
        return empty(state, pen);
    }
    let list = &state.page().list;
    for (i, at) in state.nodes.shown.iter().enumerate().skip(list.top).take(state.list_rows()) {
        let row = 2 + i - list.top;
        let Some(node) = state.node(*at) else { continue };
        draw_node(state, node, i == list.at, &table, row, pen);
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
}

fn columns(state: &State) -> Vec<Column> {
    let wide = state.lookup.nodes;
    let mut columns = vec![
        Column::between("NODE", 16, wide.node.clamp(16, 60), 0, Cut::Middle),
        Column::fixed("CLUSTER", words::cluster_columns(state), 2, Cut::Middle),
        Column::fixed("UP", 5, 1, Cut::End),
        Column::fixed("CRIT", 4, 1, Cut::Left),
        Column::fixed("WARN", 4, 1, Cut::Left),
        Column::fixed("UNKN", 4, 3, Cut::Left),
    ];
    columns.extend(
        EXTRA_LABELS.iter().zip(wide.labels).map(|(head, wide)| words::extra_column(head, wide, LUXURY)),
    );
    columns.push(Column::rest("FAILING CHECKS", 12, 4));
    columns
}

fn empty(state: &State, pen: &mut Pen<'_>) {
    let total = state.nodes.total();
    let says = if state
        .clusters
        .iter()
        .any(|c| c.servers.0 > 0 && c.nodes.value.is_none() && !c.nodes.answered)
    {
        "loading ...".to_owned()
    } else if total > 0 {
        format!("No node fits. {} hidden by the filter (/ to edit, Backspace to drop it)", state.count(total))
    } else if state.is_whole() {
        "No Prometheus knows any node".to_owned()
    } else {
        format!("No nodes seen; {} (key 5: clusters)", words::unclear(state))
    };
    pen.text(3, Role::Text, format!("   {says}"));
}

fn draw_node(state: &State, row: &NodeRow, cursor: bool, table: &Table, y: usize, pen: &mut Pen<'_>) {
    let node = &row.node;
    let stale = node.stale || state.is_stale(row.cluster);
    let mark = if state.page().list.marks.contains(&RowKey::Node(row.key())) {
        '*'
    } else if stale {
        '~'
    } else if node.up == NodeUp::Down {
        '!'
    } else {
        ' '
    };
    let text = if stale { Role::Stale } else { Role::Text };
    let sure = !node.stale && state.fresh(row.cluster).is_whole();
    let doubt = if sure { "" } else { "?" };
    let count = |n: u32, role: Role| (if n > 0 { role } else { Role::Muted }, format!("{n}{doubt}").into());
    let line = table.row(words::marks(cursor, mark), |column| match column {
        0 => (text, (&*row.name).into()),
        1 => (Role::Text, state.cluster_name(row.cluster).into()),
        2 if !sure && node.up != NodeUp::Unknown => {
            (words::up(node.up), format!("{}?", node.up.word()).into())
        }
        2 => (words::up(node.up), node.up.word().into()),
        3 => count(node.counts.crit, Role::Critical),
        4 => count(node.counts.warn, Role::Warning),
        5 => count(node.counts.unknown, Role::Unknown),
        _ => match EXTRA_LABELS.get(column - FIRST_LABEL) {
            Some(label) => (Role::Text, text::line(node.labels.get(label))),
            None => (text, failing(node).into()),
        },
    });
    pen.line(y, &line);
}

fn failing(node: &Node) -> String {
    // More names than this are longer than any line.
    let names = node.failing.iter().take(24).map(|f| {
        let doubt = if f.disputed { "?" } else { "" };
        format!("{}{doubt}", text::line(&f.check))
    });
    names.collect::<Vec<_>>().join(" ")
}
