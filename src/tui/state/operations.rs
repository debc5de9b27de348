//! The operations of this machine's journal, and those that were interrupted.

use crate::fleet::silence::{OpId, Outcome, Progress, Standing};
use crate::tui::state::run::{Run, title};

/// One operation.
#[derive(Debug, Clone)]
pub struct OperationRow {
    /// Where it stands.
    pub standing: Standing,
    /// Whether a process works on it now.
    pub busy: bool,
    /// What it is, safe.
    pub title: String,
}

/// The operations that are known of, the newest first.
#[derive(Debug, Clone, Default)]
pub struct Operations {
    /// Every one.
    pub rows: Vec<OperationRow>,
    /// Why the journal cannot be read, safe.
    pub error: Option<String>,
}

impl OperationRow {
    /// Takes what a journal says.
    pub fn new(standing: Standing, busy: bool) -> Self {
        Self { title: title(&standing), standing, busy }
    }

    /// Returns its name.
    pub fn op(&self) -> OpId {
        self.standing.operation.op
    }

    /// Reports whether it was interrupted: what it has done is not known, or not all.
    pub fn is_unfinished(&self) -> bool {
        !self.busy && !self.standing.is_settled()
    }

    /// Reports whether something of it is left to be done or found out.
    pub fn is_resumable(&self) -> bool {
        !self.busy
            && self.standing.undone.is_none()
            && !self.standing.tasks.values().all(Progress::is_settled)
    }

    /// Reports whether there may be something to take back.
    pub fn is_undoable(&self) -> bool {
        let touched = |p: &Progress| p.has_done_something() || !p.sent.is_empty();
        !self.busy && self.standing.undone.is_none() && self.standing.tasks.values().any(touched)
    }

    /// Returns the word for how it stands.
    pub fn word(&self) -> &'static str {
        match (self.busy, self.standing.is_settled()) {
            (true, _) => "running",
            (false, true) if Run::of(&self.standing).is_well() => "done",
            (false, true) => "partial",
            (false, false) => "UNFINISHED",
        }
    }

    /// Counts the clusters where it is done, and all of them.
    pub fn applied(&self) -> (usize, usize) {
        let tasks = &self.standing.tasks;
        let applied = tasks.values().filter(|p| matches!(p.outcome, Some(Outcome::Applied { .. }))).count();
        (applied, tasks.len())
    }
}

impl Operations {
    /// Finds an operation.
    pub fn find(&self, op: OpId) -> Option<&OperationRow> {
        self.rows.iter().find(|row| row.op() == op)
    }

    /// Returns those that were interrupted.
    pub fn unfinished(&self) -> impl Iterator<Item = &OperationRow> {
        self.rows.iter().filter(|row| row.is_unfinished())
    }

    /// Says that some were interrupted, if so.
    pub fn reminder(&self) -> Option<String> {
        let first = self.unfinished().next()?;
        let (applied, all) = first.applied();
        let count = self.unfinished().count();
        let plural = if count == 1 { "" } else { "s" };
        let said = format!("! {count} unfinished silence operation{plural}");
        let op = first.op().to_string();
        Some(format!("{said} ..{} ({applied} of {all} applied)  O: finish or undo", &op[op.len() - 6..]))
    }
}
