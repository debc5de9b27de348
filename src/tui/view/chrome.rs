//! What surrounds every screen: title, scope and freshness above; message and keys below.

use super::pen::{Part, Pen, part};
use crate::model::filter::FilterError;
use crate::model::text;
use crate::tui::state::complete::Completion;
use crate::tui::state::filter::FilterField;
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
    let fresh = freshness(state);
    let room = pen.columns().saturating_sub(fresh.iter().map(|(_, words)| text::width(words)).sum());
    pen.ends(1, &scope(state, room), &fresh);
    if state.has_rules() {
        match complaint(state) {
            Some(error) => pen.line(2, &[below(state, error, pen.columns(), room)]),
            None => pen.rule(2),
        }
    }
}

/// What is wrong with the filter that is being typed.
fn complaint(state: &State) -> Option<&FilterError> {
    state.filter().complaint().filter(|_| state.filter().editing && state.stack.is_empty())
}

/// A caret below the fault and what is wrong, beside it where there is more room.
fn below(state: &State, error: &FilterError, columns: usize, room: usize) -> Part {
    let field = state.filter();
    let shown = |bytes: &str| text::width(&text::line(bytes));
    let input = field.text();
    let (before, fault) = (&input[..error.at.start], &input[error.at.clone()]);
    // The cursor takes a column of its own.
    let cursor = usize::from(before.chars().count() >= field.input.cursor());
    let at = (" /".len() + shown(before) + cursor).saturating_sub(hidden(field, room));
    let at = at.min(columns.saturating_sub(2));
    let carets = "^".repeat(shown(fault).clamp(1, (columns - at).max(1)));
    let says = match &error.hint {
        Some(hint) => format!("{error}: {}", text::line(hint)),
        None => error.to_string(),
    };
    let right = columns.saturating_sub(at + carets.len() + 1);
    part(
        Role::Error,
        if text::width(&says) <= right || right >= at {
            format!("{}{carets} {}", " ".repeat(at), text::truncate_end(&says, right))
        } else {
            format!("{} {carets}", text::pad_left(&text::truncate_end(&says, at - 1), at - 1))
        },
    )
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
fn scope(state: &State, room: usize) -> Vec<Part> {
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
        _ => return filter(state, room),
    };
    vec![part(Role::Text, format!(" {path}"))]
}

fn filter(state: &State, room: usize) -> Vec<Part> {
    let field = state.filter();
    let typed = text::line(field.text()).into_owned();
    if field.editing {
        let role = if field.complaint().is_some() { Role::InputError } else { Role::Input };
        // The cursor is a cell of its own, so that it is seen without colour and without a real cursor.
        let (before, after) = at_cursor(field);
        let typed = format!("{}_{}", text::line(before), text::line(after));
        let shown = match hidden(field, room) {
            0 => typed,
            columns => text::split_at_width(&typed, columns).1.to_owned(),
        };
        return vec![part(Role::Key, " /"), part(role, shown)];
    }
    if !typed.is_empty() {
        return vec![part(Role::Notice, " filter: "), part(Role::Text, typed)];
    }
    let count = state.clusters.len();
    vec![part(Role::Muted, format!(" all {count} cluster{}", if count == 1 { "" } else { "s" }))]
}

/// Splits what is typed where the cursor is.
fn at_cursor(field: &FilterField) -> (&str, &str) {
    let typed = field.text();
    typed.split_at(typed.char_indices().nth(field.input.cursor()).map_or(typed.len(), |(i, _)| i))
}

/// Returns how many columns of a long filter are pushed out at the left, so that the cursor stays in `room`.
fn hidden(field: &FilterField, room: usize) -> usize {
    // Slash, cursor, and the blank before what stands at the right.
    let (before, margin) = (text::width(&text::line(at_cursor(field).0)), 5);
    (before + margin).saturating_sub(room)
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
    if let Some(error) = complaint(state).filter(|_| !state.has_rules()) {
        return part(Role::Error, format!(" {error}"));
    }
    if let Some(completion) = &state.filter().completion {
        return part(Role::Text, format!(" {}", text::line(&offers(completion))));
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

/// What Tab offers, from the one that stands in the field on.
fn offers(completion: &Completion) -> String {
    let rest = completion.offers.iter().skip(completion.at);
    let words = rest.map(|(word, count)| match count {
        0 => word.clone(),
        count => format!("{word} ({count})"),
    });
    words.collect::<Vec<_>>().join("  ")
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
        let hint = [("Enter", "keep"), ("Esc", "undo"), ("Tab", "complete"), ("Up Down", "move")];
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
