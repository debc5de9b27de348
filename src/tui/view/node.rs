//! One node with its checks, alerts and silences.

use super::pen::{Pen, cell, name, number, part};
use super::words;
use crate::model::cluster::ReplicaKind;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::rows::NodeKey;
use crate::tui::state::trust::gaps;
use crate::tui::theme::Role;

/// Draws a node.
pub fn draw(state: &State, key: &NodeKey, pen: &mut Pen<'_>) {
    let cluster = state.cluster_name(key.cluster);
    let Some(answer) = &state.page().node else {
        pen.text(0, Role::Text, format!(" {}  {cluster}   loading ...", text::line(&key.name)));
        return;
    };
    let node = &answer.value;
    let labels: Vec<String> = node.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    pen.line(
        0,
        &[
            part(words::up(node.up), format!(" {}  ", node.up.word())),
            part(Role::Title, text::line(&key.name).into_owned()),
            part(Role::Text, format!("  {cluster}   ")),
            part(Role::Muted, text::line(&labels.join(" ")).into_owned()),
        ],
    );
    pen.line(1, &alerts(state, key));
    let known = answer.coverage.covers(&node.cluster, ReplicaKind::Alertmanager);
    let count = format!("{}{}", node.silences.len(), if known { "" } else { "+?" });
    pen.line(2, &silences(state, &count, node.silences.first().map(|s| &*s.copy.silence.id)));
    let counts = node.counts;
    let sum = format!(
        " {} checks: {} CRIT {} WARN {} UNKN {} ok",
        node.checks.len(),
        counts.crit,
        counts.warn,
        counts.unknown,
        counts.ok
    );
    let partial = gaps(&answer.coverage);
    pen.line(3, &[part(Role::Text, sum), part(Role::Error, partial)]);
    let wide = (pen.columns() * 2 / 5).clamp(24, 48);
    pen.line(
        5,
        &[
            part(Role::Title, "   "),
            cell(Role::Title, "CHECK", wide),
            cell(Role::Title, "STATE", 5),
            cell(Role::Title, "SINCE", 5),
            part(Role::Title, "ALERT"),
        ],
    );
    if node.checks.is_empty() {
        pen.text(6, Role::Text, "   No Prometheus that answered knows a check of this node");
    }
    let list = &state.page().list;
    for (i, check) in node.checks.iter().enumerate().skip(list.top).take(state.list_rows()) {
        let row = 6 + i - list.top;
        let label = state.cluster(key.cluster).map_or("", |c| c.check_label.as_str());
        let alert = state.alerts_of(key).find(|row| row.alert.labels.get(label) == &*check.check);
        let since = check.since.map_or_else(String::new, |at| words::ago(at, state.now));
        let mark = if check.disputed { '?' } else { ' ' };
        pen.line(
            row,
            &[
                part(Role::Text, words::marks(i == list.at, mark)),
                name(Role::Text, &text::line(&check.check), wide),
                cell(words::status(check.status), check.status.word(), 5),
                number(Role::Text, &since, 5),
                part(
                    Role::Text,
                    alert.map_or_else(String::new, |a| {
                        format!("{} {}: {}", a.name, words::alert_state(state, a).0, a.summary)
                    }),
                ),
            ],
        );
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
}

fn alerts(state: &State, key: &NodeKey) -> Vec<super::pen::Part> {
    let rows: Vec<_> = state.alerts_of(key).collect();
    let mut parts = vec![part(Role::Muted, format!(" alerts {}: ", rows.len()))];
    for row in rows.iter().take(6) {
        parts.push(part(words::severity(row.alert.severity), format!("{} ", row.alert.severity.word())));
        parts.push(part(Role::Text, format!("{}  ", row.name)));
    }
    parts
}

fn silences(state: &State, count: &str, first: Option<&str>) -> Vec<super::pen::Part> {
    let words = first.and_then(|id| state.silences.find(id)).map_or_else(String::new, |s| {
        format!(": until {} by {} ({})", s.silence.ends_at.format("%d %b %H:%MZ"), s.author, s.comment)
    });
    vec![part(Role::Muted, format!(" silences {count}")), part(Role::Text, words)]
}
