//! An alert with its check's output, and a check with its output.

use super::pen::{Part, Pen, part};
use super::words;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::output::Output;
use crate::tui::state::rows::{AlertKey, AlertRow, CheckKey};
use crate::tui::theme::Role;

/// Draws an alert and the output of its check.
pub fn alert(state: &State, key: AlertKey, pen: &mut Pen<'_>) {
    match state.alert_of(key) {
        None => pen.text(0, Role::Notice, " This alert is no longer there: it has been resolved."),
        Some(row) => {
            for (i, line) in alert_lines(state, row, pen.columns()).iter().enumerate().take(7) {
                pen.line(i, line);
            }
        }
    }
    output(&state.page().output, 7, pen);
}

/// Draws a check and its output.
pub fn check(state: &State, key: &CheckKey, pen: &mut Pen<'_>) {
    let cluster = state.cluster_name(key.node.cluster);
    let alert = state.alerts_of(&key.node).find(|row| {
        state.cluster(key.node.cluster).is_some_and(|c| row.alert.labels.get(&c.check_label) == &*key.check)
    });
    let fires = match alert {
        Some(row) => {
            let (word, role) = words::alert_state(state, row);
            vec![
                part(words::severity(row.alert.severity), format!(" {} ", row.alert.severity.word())),
                part(Role::Text, format!("{} ", row.name)),
                part(role, format!("{word} {}", words::ago(row.alert.since, state.now))),
            ]
        }
        None => vec![part(Role::Muted, " no alert of this check")],
    };
    let title = [
        part(Role::Title, format!(" {} ", text::line(&key.check))),
        part(Role::Text, format!(" on {}  cluster {cluster}", text::line(&key.node.name))),
    ];
    pen.line(0, &title);
    pen.line(1, &fires);
    pen.text(2, Role::Text, format!(" {}", state.page().output.facts));
    output(&state.page().output, 3, pen);
}

/// The facts of an alert, one per line.
pub fn alert_lines(state: &State, row: &AlertRow, columns: usize) -> Vec<Vec<Part>> {
    let alert = &row.alert;
    let (word, role) = words::alert_state(state, row);
    let since = alert.since.format("%H:%M:%SZ");
    let room = columns.saturating_sub(8);
    let fact = |name: &str, value: &str| {
        vec![
            part(Role::Muted, format!(" {name:<6} ")),
            part(Role::Text, text::truncate_end(value, room).into_owned()),
        ]
    };
    let labels: Vec<String> =
        alert.labels.iter().filter(|(n, _)| *n != "alertname").map(|(n, v)| format!("{n}={v}")).collect();
    vec![
        vec![
            part(words::severity(alert.severity), format!(" {} ", alert.severity.word())),
            part(Role::Title, format!("{}  ", row.name)),
            part(Role::Text, format!("{}  {}   ", row.node, state.cluster_name(row.cluster))),
            part(role, format!("{word} {}", words::ago(alert.since, state.now))),
            part(Role::Muted, format!(" (since {since})")),
        ],
        fact("what", &row.summary),
        fact("who", &who(alert)),
        fact("book", &text::line(runbook(row))),
        fact("quiet", &quiet(state, row)),
        fact("labels", &text::line(&labels.join(" "))),
        fact("seen", &text::line(&seen(alert))),
    ]
}

fn who(alert: &crate::model::alert::Alert) -> String {
    if alert.receivers.is_empty() {
        return "no receiver known".into();
    }
    text::line(&format!("told to {}", alert.receivers.join(", "))).into_owned()
}

fn runbook(row: &AlertRow) -> &str {
    let names = ["runbook_url", "runbook", "playbook", "dashboard"];
    names.iter().map(|n| row.alert.annotations.get(n)).find(|v| !v.is_empty()).unwrap_or("-")
}

/// What holds the alert back: the silence with its author and end, not only an id.
fn quiet(state: &State, row: &AlertRow) -> String {
    let alert = &row.alert;
    let mut words = Vec::new();
    for id in &alert.silenced_by {
        words.push(match state.silences.find(id) {
            Some(silence) => format!(
                "silenced by {} until {} ({})",
                silence.author,
                silence.silence.ends_at.format("%d %b %H:%MZ"),
                silence.comment
            ),
            None => format!("silenced by {id}"),
        });
    }
    if !alert.inhibited_by.is_empty() {
        words.push(format!("inhibited by {} alert(s)", alert.inhibited_by.len()));
    }
    words.extend(alert.muted_by.iter().map(|name| format!("muted by {name}")));
    if words.is_empty() { "nothing holds it back".into() } else { text::line(&words.join("; ")).into_owned() }
}

fn seen(alert: &crate::model::alert::Alert) -> String {
    let value = alert.value.map_or_else(String::new, |v| format!("   value {v}"));
    format!("by {}{value}", alert.seen_by.join(" "))
}

/// Draws an output below a rule that says where it comes from.
fn output(output: &Output, top: usize, pen: &mut Pen<'_>) {
    let lines = output.len();
    let size = if lines == 0 { String::new() } else { format!(" -- {lines} lines") };
    let wrap = if output.wrap { "wrap on" } else { "wrap off" };
    pen.titled_rule(top, &format!("output {}{size} -- {wrap}", output.source));
    let mut row = top + 1;
    let digits = lines.to_string().len().max(2);
    let room = pen.columns().saturating_sub(digits + 3).max(1);
    for i in output.top..lines {
        if row >= pen.rows() {
            return;
        }
        let Some(line) = output.line(i) else { return };
        let mut rest = line;
        let mut label = format!(" {:>digits$} ", i + 1);
        loop {
            let (head, tail) = text::split_at_width(rest, room);
            pen.line(row, &[part(Role::Muted, label), part(Role::Text, head.to_owned())]);
            row += 1;
            if tail.is_empty() || !output.wrap || row >= pen.rows() {
                break;
            }
            rest = tail;
            label = " ".repeat(digits + 2);
        }
    }
    if output.here && lines == 0 {
        pen.text(row, Role::Muted, " (no output)");
    }
}
