//! Words and marks that several screens share. Meaning is always in a word or mark, colour only helps.

use crate::model::alert::{AlertState, Severity};
use crate::model::node::NodeUp;
use crate::model::status::Status;
use crate::model::time::{Timestamp, age, format_age};
use crate::tui::state::State;
use crate::tui::state::rows::AlertRow;
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
    if row.kept || state.is_stale(row.cluster) {
        return ("STALE", Role::Stale);
    }
    match row.alert.state {
        AlertState::Active => ("firing", Role::Text),
        AlertState::Unknown => ("?", Role::Unknown),
        AlertState::Unsent => ("UNSENT", Role::Warning),
        AlertState::Unprocessed => ("firing", Role::Text),
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

/// How long ago something was, coarsely.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    format_age(age(then, now))
}

/// Returns a column's width for the widest cluster name.
pub fn cluster_columns(state: &State) -> usize {
    let widest = state.clusters.iter().map(|c| crate::model::text::width(&c.name)).max().unwrap_or(0);
    widest.clamp(7, if state.size.0 >= 120 { 20 } else { 12 })
}
