//! What surrounds every screen: title, scope and freshness above; message and keys below.

use super::pen::{Part, Pen, part};
use crate::model::filter::FilterError;
use crate::model::text;
use crate::tui::state::complete::Completion;
use crate::tui::state::confirm::Level;
use crate::tui::state::filter::FilterField;
use crate::tui::state::rows::without_port;
use crate::tui::state::{Popup, Screen, State};
use crate::tui::theme::Role;

const TABS: [&str; 5] = ["1Over", "2Alert", "3Node", "4Silence", "5Cluster"];

/// From so many columns on there is room for more words.
const WIDE: usize = 100;

/// Draws title, scope and rule.
pub fn head(state: &State, pen: &mut Pen<'_>) {
    let mut left = vec![part(Role::Title, "iaasmon")];
    for (i, tab) in TABS.iter().enumerate() {
        // On a narrow screen the digits must do.
        let short = if pen.columns() < 80 { &tab[..1] } else { tab };
        left.push(if i == state.tab {
            part(Role::Title, format!(" [{tab}]"))
        } else {
            part(Role::Muted, format!("  {short}"))
        });
    }
    let access = if state.writable() { "rw" } else { "ro" };
    let mut right = vec![part(Role::Text, state.now.format("%H:%M:%SZ ").to_string())];
    if let Some(env) = environment(state) {
        let role = if env == "prod" || env == "production" { Role::EnvProd } else { Role::EnvTest };
        right.push(part(role, format!("{env} ")));
    }
    right.push(part(Role::Title, access));
    pen.ends(0, &left, &right);
    let fresh = freshness(state, pen.columns());
    let room = pen.columns().saturating_sub(fresh.iter().map(|(_, words)| text::width(words)).sum());
    pen.ends(1, &scope(state, room), &fresh);
    if state.has_rules() {
        match complaint(state) {
            Some(error) => pen.line(2, &[below(state, error, pen.columns(), room)]),
            None => pen.rule(2),
        }
    }
}

/// The environment of the clusters, as the configuration labels them: production if one of them is.
fn environment(state: &State) -> Option<String> {
    let mut all: Vec<&str> =
        state.clusters.iter().filter_map(|c| c.labels.get("env")).map(String::as_str).collect();
    all.sort_by_key(|env| (!env.starts_with("prod"), *env));
    all.first().map(|env| text::truncate_end(&text::line(env), 10).into_owned())
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
fn freshness(state: &State, columns: usize) -> Vec<Part> {
    let (good, problem) = state.freshness();
    let mut parts = vec![part(Role::Text, good)];
    if !problem.is_empty() {
        let most = if columns < WIDE { 34 } else { 60 };
        parts.push(part(Role::Error, format!(" {}", text::truncate_end(&problem, most))));
    }
    if columns >= WIDE {
        let every = crate::model::time::format_duration(state.refresh);
        parts.push(part(Role::Muted, format!("   asked every {every}")));
    }
    parts
}

/// What is shown: the path to a detail, or scope and filter of a list.
fn scope(state: &State, room: usize) -> Vec<Part> {
    let path = match state.screen() {
        Screen::Alert(key) => state.alert_of(*key).map_or_else(
            || "Alerts > (gone)".to_owned(),
            |row| format!("Alerts > {} > {}", row.name, row.place()),
        ),
        Screen::Node(key) => format!("Nodes > {}", text::line(without_port(&key.name))),
        Screen::Check(key) => {
            format!("Nodes > {} > {}", text::line(without_port(&key.node.name)), text::line(&key.check))
        }
        Screen::Silence(_) => "Silences > one".to_owned(),
        Screen::Editor => match state.editor.as_ref().and_then(|editor| editor.changed_silence()) {
            Some(silence) => format!("Silences > edit {}", text::line(&silence.id)),
            None => "Silences > new  (nothing is sent before you confirm)".to_owned(),
        },
        Screen::Operations => "Operations of this journal, newest first".to_owned(),
        Screen::Operation(_) => "Operations > one".to_owned(),
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
    let top = rows.saturating_sub(state.foot_rows());
    if state.has_rules() {
        pen.rule(top);
    }
    let message_row = top + usize::from(state.has_rules());
    let mut right = vec![part(Role::Muted, place(state))];
    if state.has_keys() {
        pen.line(rows.saturating_sub(1), &keys(state, pen.columns()));
    } else {
        right.extend(key_parts("?", "help"));
    }
    pen.ends(message_row, &[message(state)], &right);
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
    if let Some(reminder) = state.operations.reminder() {
        return part(Role::Error, format!(" {reminder}"));
    }
    match state.source_problem() {
        Some(problem) => part(Role::Notice, format!(" {problem}")),
        None => part(Role::Text, ""),
    }
}

/// What Tab offers, from the one that stands in the field on.
fn offers(completion: &Completion) -> String {
    let rest = completion.offers.iter().skip(completion.at.unwrap_or(0));
    let words = rest.map(|(word, count)| match count {
        0 => word.clone(),
        count => format!("{word} ({count})"),
    });
    words.collect::<Vec<_>>().join("  ")
}

fn place(state: &State) -> String {
    let (at, len) = match state.screen() {
        Screen::Alert(_) | Screen::Check(_) => (state.page().output.top, state.len()),
        Screen::Silence(_) | Screen::Editor | Screen::Operation(_) => return String::new(),
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
    let popup: &[(&str, &str)] = match &state.popup {
        Popup::None => &[],
        Popup::Help(_) => &[("j k", "scroll"), ("Esc", "close")],
        Popup::Palette(_) => &[("Enter", "go"), ("Up Down", "choose"), ("Esc", "close")],
        Popup::Confirm(confirm) if confirm.level == Level::Broad => {
            &[("Enter", "send, below the word"), ("Up Down", "scroll"), ("Esc", "cancel")]
        }
        Popup::Confirm(confirm) => &[("y", confirm.verb()), ("Enter Esc", "cancel"), ("Up Down", "scroll")],
        Popup::Remains(_) => &[("Esc", "cancel")],
        Popup::Prompt => {
            let keys = state.editor.iter().flat_map(|editor| editor.prompt_keys());
            return keys.flat_map(|(key, label)| key_parts(key, label)).collect();
        }
        Popup::Clusters(_) => &[("Space", "take or leave out"), ("Enter", "close")],
    };
    if !popup.is_empty() {
        return popup.iter().flat_map(|(key, label)| key_parts(key, label)).collect();
    }
    if state.filter().editing {
        let hint = [("Enter", "keep"), ("Esc", "undo"), ("Tab", "complete"), ("Up Down", "move")];
        return hint.iter().flat_map(|(key, label)| key_parts(key, label)).collect();
    }
    if state.screen() == &Screen::Editor {
        let hint = [
            ("Tab", "field"),
            ("Space", "where"),
            ("C-x", "review"),
            ("C-y", "copy command"),
            ("Esc", "cancel"),
        ];
        return hint.iter().flat_map(|(key, label)| key_parts(key, label)).collect();
    }
    let mut list = state.keys(false);
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
