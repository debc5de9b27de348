//! The operations of the journal, and what becomes or became of one.

use super::pen::{Pen, cell, part};
use super::words;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::wrap::{cut, wrapped};
use crate::tui::theme::Role;

/// Draws the list.
pub fn list(state: &State, pen: &mut Pen<'_>) {
    let operations = &state.operations;
    let unfinished = operations.unfinished().count();
    let says = match (&operations.error, unfinished) {
        (Some(why), _) => part(Role::Error, format!(" the journal cannot be read: {why}")),
        (None, 0) => part(Role::Muted, " nothing is left unfinished"),
        (None, n) => part(Role::Error, format!(" {n} unfinished: r finishes one, u takes it back")),
    };
    pen.line(0, &[says]);
    let head = [
        part(Role::Title, "   "),
        cell(Role::Title, "BEGAN", 5),
        cell(Role::Title, "STATE", 10),
        cell(Role::Title, "APPLIED", 7),
        part(Role::Title, "WHAT"),
    ];
    pen.line(1, &head);
    if operations.rows.is_empty() {
        return pen.text(3, Role::Text, "   No operation was made on this machine by this user");
    }
    let list = &state.page().list;
    for (i, operation) in operations.rows.iter().enumerate().skip(list.top).take(state.list_rows()) {
        let row = 2 + i - list.top;
        let (applied, all) = operation.applied();
        let role = match operation.word() {
            "done" => Role::Text,
            "running" => Role::Notice,
            _ => Role::Error,
        };
        let mark = if operation.is_unfinished() { '!' } else { ' ' };
        pen.line(
            row,
            &[
                part(Role::Text, words::marks(i == list.at, mark)),
                cell(Role::Text, &words::ago(operation.standing.operation.began, state.now), 5),
                cell(role, operation.word(), 10),
                cell(Role::Text, &format!("{applied} of {all}"), 7),
                part(Role::Text, operation.title.clone()),
            ],
        );
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
}

/// Draws one.
pub fn one(state: &State, pen: &mut Pen<'_>) {
    let Some(run) = state.shown_run() else {
        return pen.text(0, Role::Notice, " This operation is not in the journal.");
    };
    let columns = pen.columns();
    let mut row = 0;
    for line in cut(wrapped(&format!(" {}", run.title), columns, 3), 3) {
        pen.text(row, Role::Title, line);
        row += 1;
    }
    let role = match (&run.ended, run.is_well()) {
        (None, _) => Role::Notice,
        (Some(_), true) => Role::Good,
        (Some(_), false) => Role::Error,
    };
    for line in wrapped(&format!(" {}", run.result()), columns, 3) {
        pen.text(row, role, line);
        row += 1;
    }
    row += 1;
    let wide = words::cluster_columns(state);
    let foot = 5 + run.ops.len().min(3);
    let room = pen.rows().saturating_sub(row + foot);
    for (i, part_of) in run.rows.iter().enumerate() {
        if i >= room {
            pen.text(row, Role::Muted, format!("    and {} more clusters", run.rows.len() - i));
            row += 1;
            break;
        }
        let (mark, role) = match (part_of.is_under_way(), part_of.is_well()) {
            (true, _) => ("..", Role::Muted),
            (false, true) => ("ok", Role::Good),
            (false, false) => ("!!", Role::Error),
        };
        pen.line(
            row,
            &[
                part(Role::Text, " "),
                cell(role, mark, 2),
                cell(Role::Text, &part_of.cluster, wide),
                cell(role, part_of.word(), if part_of.is_under_way() { 31 } else { 11 }),
                cell(Role::Text, text::split_at_width(&part_of.id, 8).0, 8),
                part(role, part_of.detail()),
            ],
        );
        row += 1;
    }
    row += 1;
    for line in run.meaning().iter().flat_map(|line| wrapped(&format!(" {line}"), columns, 3)) {
        pen.text(row, Role::Text, line);
        row += 1;
    }
    for op in &run.ops {
        pen.text(row, Role::Muted, format!(" operation {op}"));
        row += 1;
    }
    let finish = " r finishes it: what is there already is not made again";
    let says = match (state.may_finish(), state.may_take_back()) {
        (true, true) => format!("{finish}; u takes it back"),
        (true, false) => finish.to_owned(),
        (false, true) => " u takes it back".to_owned(),
        (false, false) => String::new(),
    };
    pen.text(row, Role::Notice, says);
}
