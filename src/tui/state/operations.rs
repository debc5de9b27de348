//! The operations of this machine's journal, and those that were interrupted.

use crate::fleet::silence::{OpId, Outcome, Progress, Standing};
use crate::tui::keymap::Action;
use crate::tui::state::State;
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
        let applied = tasks.values().filter(|p| is_applied(p)).count();
        (applied, tasks.len())
    }
}

fn is_applied(progress: &Progress) -> bool {
    matches!(progress.outcome, Some(Outcome::Applied { .. }))
}

impl Operations {
    /// Finds an operation.
    pub fn find(&self, op: OpId) -> Option<&OperationRow> {
        self.rows.iter().find(|row| row.op() == op)
    }

    /// Reports whether there may be something of `row` to take back. What was taken back may still stand where a
    /// cluster did not answer: only what is known to be taken back counts.
    pub fn is_undoable(&self, row: &OperationRow) -> bool {
        let undone = row.standing.undone;
        let by = undone.and_then(|by| self.find(by)).map(|by| &by.standing.tasks);
        let is_back = |cluster| by.and_then(|by| by.get(cluster)).is_some_and(is_applied);
        let touched = |p: &Progress| p.has_done_something() || !p.sent.is_empty();
        let mut tasks = row.standing.tasks.iter();
        // One that took itself back was found to stand nowhere any more.
        !row.busy && undone != Some(row.op()) && tasks.any(|(cluster, p)| touched(p) && !is_back(cluster))
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

impl State {
    /// Reports whether something may be left to be done of the operations that are shown or under the cursor.
    pub fn may_finish(&self) -> bool {
        self.may(Run::is_resumable, |row| row.is_resumable())
    }

    /// Reports whether something of them may be there to be taken back.
    pub fn may_take_back(&self) -> bool {
        self.may(Run::is_undoable, |row| self.operations.is_undoable(row))
    }

    /// Asks the journal's rows; where it lists none of them, what was seen of the run.
    fn may(&self, run: fn(&Run) -> bool, row: impl Fn(&OperationRow) -> bool) -> bool {
        let ops = self.chosen_operations();
        let rows: Vec<&OperationRow> = ops.iter().filter_map(|op| self.operations.find(*op)).collect();
        match rows.is_empty() {
            true => self.shown_run().is_some_and(|shown| run(&shown)),
            false => rows.into_iter().any(row),
        }
    }

    /// Reports whether `action` has something to do on operations; of any other action than finishing and taking
    /// back, always.
    pub(super) fn may_change_operation(&self, action: Action) -> bool {
        match action {
            Action::Resume => self.may_finish(),
            Action::Undo => self.may_take_back(),
            _ => true,
        }
    }
}
