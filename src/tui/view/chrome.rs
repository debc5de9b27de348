//! What surrounds every screen: title, scope and freshness above; message and keys below.

use super::pen::{Part, Pen, part};
use crate::model::text;
use crate::tui::state::rows::without_port;
use crate::tui::state::{Screen, State};
use crate::tui::theme::Role;

const TABS: [&str; 5] = ["1Over", "2Alert", "3Node", "4Silence", "5Cluster"];

/// Draws title, scope and rule.
pub fn head(state: &State, pen: &mut Pen<'_>) {
    let mut left = vec![part(Role::Title, "iaasmon")];
    for (i, tab) in TABS.iter().enumerate() {
        left.push(if i == state.tab {
            part(Role::Title, format!(" [{tab}]"))
        } else {
            part(Role::Muted, format!("  {tab}"))
        });
    }
    let access = if state.writable() { "rw" } else { "ro" };
    let right = [part(Role::Text, state.now.format("%H:%M:%SZ ").to_string()), part(Role::Title, access)];
    pen.ends(0, &left, &right);
    pen.ends(1, &scope(state), &freshness(state));
    if state.has_rules() {
        pen.rule(2);
    }
}

/// How far the data can be trusted.
fn freshness(state: &State) -> Vec<Part> {
    let (good, problem) = state.freshness();
    let mut parts = vec![part(Role::Text, good)];
    if !problem.is_empty() {
        parts.push(part(Role::Error, format!(" {}", text::truncate_end(&problem, 34))));
    }
    parts
}

/// What is shown: the path to a detail, or scope and filter of a list.
fn scope(state: &State) -> Vec<Part> {
    let path = match state.screen() {
        Screen::Alert(key) => state.alert_of(*key).map_or_else(
            || "Alerts > (gone)".to_owned(),
            |row| format!("Alerts > {} > {}", row.name, row.node),
        ),
        Screen::Node(key) => format!("Nodes > {}", text::line(without_port(&key.name))),
        Screen::Check(key) => {
            format!("Nodes > {} > {}", text::line(without_port(&key.node.name)), text::line(&key.check))
        }
        Screen::Silence(_) => "Silences > one".to_owned(),
        Screen::Editor => "Silences > new  (nothing is sent before you confirm)".to_owned(),
        Screen::Operation => "Silences > operation".to_owned(),
        _ => return filter(state),
    };
    vec![part(Role::Text, format!(" {path}"))]
}

fn filter(state: &State) -> Vec<Part> {
    let field = state.filter();
    let typed = text::line(field.text()).into_owned();
    if field.editing {
        let role = if field.error.is_some() { Role::InputError } else { Role::Input };
        // The cursor is a cell of its own, so that it is seen without colour and without a real cursor.
        let split = typed.char_indices().nth(field.input.cursor()).map_or(typed.len(), |(i, _)| i);
        let (before, after) = typed.split_at(split);
        return vec![part(Role::Key, " /"), part(role, format!("{before}_{after}"))];
    }
    if !typed.is_empty() {
        return vec![part(Role::Notice, " filter: "), part(Role::Text, typed)];
    }
    let count = state.clusters.len();
    vec![part(Role::Muted, format!(" all {count} cluster{}", if count == 1 { "" } else { "s" }))]
}

/// Draws rule, message and keys.
pub fn foot(state: &State, pen: &mut Pen<'_>) {
    let rows = pen.rows();
    if state.has_rules() {
        pen.rule(rows.saturating_sub(3));
    }
    pen.ends(rows.saturating_sub(2), &[message(state)], &[part(Role::Muted, place(state))]);
    pen.line(rows.saturating_sub(1), &keys(state, pen.columns()));
}

fn message(state: &State) -> Part {
    let field = state.filter();
    if let Some(error) = field.error.as_ref().filter(|_| field.editing) {
        let caret = " ".repeat(error.at + 2);
        return part(Role::Error, format!("{caret}^ {}", text::line(&error.message)));
    }
    if let Some((role, message)) = &state.message {
        return part(*role, format!(" {}", text::line(message)));
    }
    let marks = state.page().list.marks.len();
    if marks > 0 {
        return part(Role::Mark, format!(" {marks} marked"));
    }
    match state.source_problem() {
        Some(problem) => part(Role::Notice, format!(" {problem}")),
        None => part(Role::Text, ""),
    }
}

fn place(state: &State) -> String {
    let (at, len) = match state.screen() {
        Screen::Alert(_) | Screen::Check(_) => (state.page().output.top, state.len()),
        Screen::Silence(_) | Screen::Editor | Screen::Operation => return String::new(),
        _ => (state.page().list.at, state.len()),
    };
    let what = match state.screen() {
        Screen::Alert(_) | Screen::Check(_) => "line",
        _ => "row",
    };
    if len == 0 { String::new() } else { format!("{what} {}/{len} ", at + 1) }
}

/// The keys that matter here, as many as fit; help is always among them.
fn keys(state: &State, columns: usize) -> Vec<Part> {
    if state.filter().editing {
        let hint = [("Enter", "keep"), ("Esc", "undo"), ("Up Down", "move")];
        return hint.iter().flat_map(|(key, label)| key_parts(key, label)).collect();
    }
    if state.screen() == &Screen::Editor {
        let hint = [("Tab", "field"), ("Space", "where"), ("C-x", "review"), ("Esc", "cancel")];
        return hint.iter().flat_map(|(key, label)| key_parts(key, label)).collect();
    }
    let mut list = state.keys(false);
    if !state.writable() {
        list.retain(|(_, label)| !matches!(*label, "silence" | "expire" | "new"));
    }
    // Help comes first by rank, so that it always fits, and is shown last.
    let mut room = columns.saturating_sub(1);
    list.retain(|(key, label)| {
        let wide = key.len() + label.len() + 3;
        let fits = wide <= room;
        room = if fits { room - wide } else { 0 };
        fits
    });
    if let Some(help) = list.iter().position(|(key, _)| *key == "?") {
        let help = list.remove(help);
        list.push(help);
    }
    list.iter().flat_map(|(key, label)| key_parts(key, label)).collect()
}

fn key_parts(key: &str, label: &str) -> [Part; 2] {
    [part(Role::Key, format!(" {key}")), part(Role::Text, format!(" {label} "))]
}

/// Draws what fits on a terminal that is too small for any list.
pub fn small(state: &State, pen: &mut Pen<'_>) {
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
    pen.text(1, Role::Error, problem);
    let (columns, rows) = crate::tui::state::screen::SMALLEST;
    pen.text(2, Role::Text, format!("too small: {}x{}", state.size.0, state.size.1));
    pen.text(3, Role::Text, format!("needs {columns}x{rows}. q quit"));
}
