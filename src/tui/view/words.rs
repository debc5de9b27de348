//! Words and marks that several screens share. Meaning is always in a word or mark, colour only helps.

use super::table::{Column, Cut};
use crate::model::alert::{AlertState, Severity};
use crate::model::node::NodeUp;
use crate::model::status::Status;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::data::Fresh;
use crate::tui::state::rows::AlertRow;
pub use crate::tui::state::trust::ago;
use crate::tui::theme::Role;

/// The role of a severity.
pub fn severity(severity: Severity) -> Role {
    match severity {
        Severity::Critical => Role::Critical,
        Severity::Warning => Role::Warning,
        Severity::Unknown => Role::Unknown,
        Severity::Info => Role::Info,
    }
}

/// The role of a status.
pub fn status(status: Status) -> Role {
    match status {
        Status::Crit => Role::Critical,
        Status::Warn => Role::Warning,
        Status::Unknown => Role::Unknown,
        Status::Ok => Role::Good,
    }
}

/// The role of a node's reachability.
pub fn up(up: NodeUp) -> Role {
    match up {
        NodeUp::Down => Role::Critical,
        NodeUp::Split | NodeUp::Unknown => Role::Unknown,
        NodeUp::Up => Role::Good,
    }
}

/// The word and role of an alert's state.
pub fn alert_state(state: &State, row: &AlertRow) -> (&'static str, Role) {
    if row.alert.stale || state.is_outdated(row.cluster) {
        return ("STALE", Role::Stale);
    }
    if state.is_just_silenced(row) {
        return ("silenced*", Role::Silenced);
    }
    match row.alert.state {
        AlertState::Active => ("firing", Role::Text),
        AlertState::Unknown => ("?", Role::Unknown),
        AlertState::Unsent => ("UNSENT", Role::Warning),
        AlertState::Unprocessed => ("firing", Role::Text),
        AlertState::Silenced if state.marks.is_acked(&row.alert) => ("acked", Role::Acked),
        AlertState::Silenced => ("silenced", Role::Silenced),
        AlertState::Inhibited => ("inhib", Role::Silenced),
        AlertState::Muted => ("muted", Role::Silenced),
        AlertState::Pending => ("pending", Role::Muted),
    }
}

/// The two columns at the start of every list row: cursor, and mark, staleness or problem.
pub fn marks(cursor: bool, mark: char) -> String {
    format!("{}{mark} ", if cursor { '>' } else { ' ' })
}

/// Returns a column's width for the widest cluster name.
pub fn cluster_columns(state: &State) -> usize {
    let widest = state.clusters.iter().map(|c| text::width(&c.name)).max().unwrap_or(0);
    widest.clamp(7, if state.size.0 >= 120 { 20 } else { 12 })
}

/// Breaks words into lines of at most `columns` columns; a longer word has a line of its own and is cut.
pub fn wrap(words: impl IntoIterator<Item = String>, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let word = text::truncate_end(&word, columns).into_owned();
        let wide = text::width(&word);
        match lines.last_mut() {
            Some(line) if used + 1 + wide <= columns => {
                line.push(' ');
                line.push_str(&word);
                used += 1 + wide;
            }
            _ => {
                lines.push(word);
                used = wide;
            }
        }
    }
    lines
}

/// The column of a label, as wide as its values; not there if no row has the label.
pub fn extra_column(head: &'static str, widest: usize, rank: u8) -> Column {
    // A label's name in small letters, unlike the headings that are ours.
    let wide = if widest == 0 { 0 } else { widest.clamp(head.len(), 14) };
    Column::fixed(head, wide, rank, Cut::Middle)
}

/// Says of which clusters nothing certain is known: `east is unknown`, `3 are unknown`.
pub fn unclear(state: &State) -> String {
    let unclear = (0u16..).zip(&state.clusters).filter(|(i, _)| !state.fresh(*i).is_whole());
    let names: Vec<&str> = unclear.map(|(_, cluster)| &*cluster.name).collect();
    match names.as_slice() {
        [one] => format!("{one} is unknown"),
        many => format!("{} are unknown", many.len()),
    }
}

/// What is to be known of a cluster, in one line: first what is wrong with its data, then why.
pub fn note(state: &State, index: u16) -> String {
    let silent = state.cluster(index).map(|c| c.silent()).unwrap_or_default();
    let first = silent.first().cloned().unwrap_or_default();
    match (state.trouble(index), state.fresh(index)) {
        (_, Fresh::Loading) => "loading".to_owned(),
        (Some(trouble), Fresh::Slow(_)) => format!("slow, {trouble} old"),
        (Some(trouble), _) if first.is_empty() => trouble,
        (Some(trouble), _) => format!("{trouble}: {first}"),
        (None, _) => first,
    }
}
