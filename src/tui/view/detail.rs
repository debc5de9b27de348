//! An alert with its check's output, and a check with its output.

use super::pen::{Part, Pen, part};
use super::words;
use crate::model::alert::AlertState;
use crate::model::labels::Fingerprint;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::output::Output;
use crate::tui::state::rows::{AlertKey, AlertRow, CheckKey};
use crate::tui::theme::Role;

/// Draws an alert and the output of its check.
pub fn alert(state: &State, key: AlertKey, pen: &mut Pen<'_>) {
    match state.alert_of(key) {
        None => pen.text(0, Role::Notice, gone(state, key.cluster)),
        Some(row) => {
            for (i, line) in facts(state, row, pen.columns()).iter().enumerate().take(state.fact_rows()) {
                pen.line(i, line);
            }
        }
    }
    output(state, state.fact_rows(), pen);
}

/// Says that an alert is not in the list any more; only who hears everybody knows that it is over.
fn gone(state: &State, cluster: u16) -> String {
    let name = state.cluster_name(cluster);
    match state.fresh(cluster).is_whole() {
        true => format!(" {name} no longer reports this alert: it has been resolved."),
        false => {
            format!(" {name} no longer reports this alert, but not every replica answers: it may still fire.")
        }
    }
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
    output(state, 3, pen);
}

/// The facts of an alert: what a reader needs first comes first, and long ones take several lines.
pub fn facts(state: &State, row: &AlertRow, columns: usize) -> Vec<Vec<Part>> {
    let alert = &row.alert;
    let (word, role) = words::alert_state(state, row);
    let since = alert.since.format("%d %b %H:%M:%SZ");
    let mut lines = vec![vec![
        part(words::severity(alert.severity), format!(" {} ", alert.severity.word())),
        part(Role::Title, format!("{}  ", row.name)),
        part(role, format!("{word} {}", words::ago(alert.since, state.now))),
        part(Role::Muted, format!(" (since {since})")),
        part(Role::Text, format!("  {}  {}", row.place(), state.cluster_name(row.cluster))),
    ]];
    let room = columns.saturating_sub(9);
    let mut fact = |name: &str, value: Vec<String>, most: usize| {
        for (i, line) in words::wrap(value, room).into_iter().enumerate().take(most) {
            let name = if i == 0 { name } else { "" };
            lines.push(vec![part(Role::Muted, format!(" {name:<6} ")), part(Role::Text, line)]);
        }
    };
    let words_of = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let labels = alert.labels.iter().filter(|(n, _)| *n != "alertname");
    fact("what", words_of(&row.summary), 2);
    fact("who", words_of(&who(alert)), 1);
    fact("book", vec![text::line(runbook(row)).into_owned()], 1);
    fact("quiet", words_of(&quiet(state, row)), 2);
    fact("labels", labels.map(|(n, v)| text::line(&format!("{n}={v}")).into_owned()).collect(), 3);
    fact("seen", seen(state, row), 3);
    fact("node", on_node(state, row), 2);
    lines
}

fn who(alert: &crate::model::alert::Alert) -> String {
    if alert.receivers.is_empty() {
        return "no receiver known".into();
    }
    let receivers = alert.receivers.join(", ");
    let told = match alert.state {
        AlertState::Silenced | AlertState::Inhibited | AlertState::Muted => {
            format!("{receivers} (not told now)")
        }
        _ => format!("told to {receivers}"),
    };
    text::line(&told).into_owned()
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
        words.push(format!("inhibited by {}", inhibitors(state, row)));
    }
    words.extend(alert.muted_by.iter().map(|name| format!("muted by {name}")));
    if words.is_empty() { "nothing holds it back".into() } else { text::line(&words.join("; ")).into_owned() }
}

/// Names the first alert that inhibits this one, where it is known, and how many more there are.
fn inhibitors(state: &State, row: &AlertRow) -> String {
    let by = &row.alert.inhibited_by;
    let ids: Vec<Fingerprint> = by.iter().filter_map(|id| id.parse().ok()).collect();
    let alerts = state.cluster(row.cluster).and_then(|cluster| cluster.alerts.value.as_ref());
    let found =
        alerts.into_iter().flat_map(|all| all.iter()).find(|other| ids.contains(&other.alert.fingerprint));
    match (found, by.len()) {
        (None, 1) => "1 alert".to_owned(),
        (None, count) => format!("{count} alerts"),
        (Some(first), count) => {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("{} {}{more}", first.name, first.node)
        }
    }
}

/// Which replicas report the alert, which do not, and which could not be asked.
fn seen(state: &State, row: &AlertRow) -> Vec<String> {
    let alert = &row.alert;
    let mut words: Vec<String> = alert.value.map(|value| format!("value {value} ")).into_iter().collect();
    let by = |name: &str| alert.seen_by.iter().any(|seen| &**seen == name);
    let replicas = state.cluster(row.cluster).map_or(&[][..], |c| c.alerts.coverage.replicas());
    for replica in replicas {
        let name = text::line(&replica.replica.name);
        let says = match (by(&replica.replica.name), replica.error.is_some()) {
            (true, false) => "yes",
            (true, true) => "before",
            (false, true) => "?",
            (false, false) => "NO",
        };
        words.push(format!("{name} {says} "));
    }
    let asked = |name: &str| replicas.iter().any(|replica| &*replica.replica.name == name);
    words.extend(alert.seen_by.iter().filter(|name| !asked(name)).map(|name| text::line(name).into_owned()));
    words
}

/// How the alert's node is, and which of its checks fail.
fn on_node(state: &State, row: &AlertRow) -> Vec<String> {
    let label = state.cluster(row.cluster).map_or("", |c| c.node_label.as_str());
    let raw = row.alert.labels.get(label);
    let Some(node) = state.lookup.node(row.cluster, raw).filter(|_| !raw.is_empty()) else {
        return Vec::new();
    };
    let failing = node.node.failing.iter().take(12);
    let checks = failing.map(|f| text::line(&format!("{} {}", f.status.word(), f.check)).into_owned());
    let sum = if node.node.failing.is_empty() { "no check fails" } else { "failing:" };
    [format!("{}, {sum}", node.node.up.word())].into_iter().chain(checks).collect()
}

/// Draws an output below a rule that says where it comes from.
fn output(state: &State, top: usize, pen: &mut Pen<'_>) {
    let output = &state.page().output;
    let lines = output.len();
    let mut title = source(state, output);
    let size = match lines {
        0 => String::new(),
        1 => " -- 1 line".to_owned(),
        _ => format!(" -- {lines} lines"),
    };
    let wrap = if output.wrap { " -- wrap on" } else { " -- wrap off" };
    // On a narrow screen the rest goes before the time of the run does.
    for more in [&*size, wrap] {
        if text::width(&title) + text::width(more) <= pen.titled_rule_room() {
            title.push_str(more);
        }
    }
    pen.titled_rule(top, &title);
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
        pen.text(row, Role::Muted, format!(" {}", output.empty));
    }
}

/// Where an output comes from, and how old it is.
fn source(state: &State, output: &Output) -> String {
    let ago = |at| words::ago(at, state.now);
    match output.ran {
        Some(at) if output.against.is_some() => {
            let good = output.against.map(ago).unwrap_or_default();
            format!("diff: - last ok ({good} ago), + {} ({} ago)", output.source, ago(at))
        }
        Some(at) => {
            format!("{}, ran {} ({} ago)", output.source, at.format("%H:%M:%SZ"), ago(at))
        }
        None => output.source.clone(),
    }
}
