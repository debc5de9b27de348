//! What fits on a terminal that is too small for any list: the counts, and the worst of what fires.

use super::pen::{Pen, cell, number, part};
use super::words;
use crate::tui::state::State;
use crate::tui::state::screen::SMALLEST;
use crate::tui::theme::Role;

/// Draws it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let sum = |i: usize| state.count(state.alerts.tallies.iter().map(|t| t.loud[i]).sum());
    let (good, problem) = state.freshness();
    pen.line(
        0,
        &[
            part(Role::Critical, format!("CRIT {} ", sum(0))),
            part(Role::Warning, format!("WARN {} ", sum(1))),
            part(Role::Text, good),
        ],
    );
    let top = if problem.is_empty() { 1 } else { 2 };
    pen.text(1, Role::Error, problem);
    let last = pen.rows().saturating_sub(1).max(top);
    let wide = pen.columns().saturating_sub(24).clamp(8, 40);
    for (i, group) in state.alerts.groups.iter().enumerate().take(last - top) {
        let cluster = group.key.cluster.map_or("", |c| state.cluster_name(c));
        let mark = if group.on.iter().any(|c| state.is_stale(*c)) { "~" } else { " " };
        pen.line(
            top + i,
            &[
                part(Role::Text, mark),
                cell(words::severity(group.severity), group.severity.word(), 4),
                super::pen::name(Role::Text, &group.key.title, wide),
                number(Role::Text, &group.members.len().to_string(), 4),
                part(Role::Text, cluster),
            ],
        );
    }
    let (columns, rows) = SMALLEST;
    let (has_columns, has_rows) = state.size;
    pen.text(
        last,
        Role::Muted,
        format!("{has_columns}x{has_rows} is too small, needs {columns}x{rows}. q quit"),
    );
}
