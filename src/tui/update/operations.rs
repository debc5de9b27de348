//! The last look on finishing an operation or taking it back.

use crate::fleet::silence::{ConfirmLevel, Kind, OpId};
use crate::model::time::both_clocks;
use crate::tui::msg::{Effect, Remains};
use crate::tui::state::confirm::{Agreed, Deed, RemainsAsked};
use crate::tui::state::operations::OperationRow;
use crate::tui::state::{Popup, State, twin};
use crate::tui::theme::Role;
use crate::tui::update::confirm::{Question, ask};
use crate::tui::update::review::plural;
use crate::tui::update::silence::forbidden;

/// Finds out what is left of the operations that are shown or under the cursor; the last look comes after.
pub fn finish(state: &mut State) -> Vec<Effect> {
    let ops = state.chosen_operations();
    if let Some((role, why)) = obstacle(state, &ops, false) {
        state.message = Some((role, why));
        return Vec::new();
    }
    state.token += 1;
    let title = format!("finish {}", plural(ops.len(), "operation"));
    state.popup = Popup::Remains(RemainsAsked { ops: ops.clone(), title, token: state.token });
    vec![Effect::FindRemains { ops, token: state.token }]
}

/// Takes what is left of operations and asks whether it is to be sent, unless nobody waits for that any more.
pub fn take_remains(state: &mut State, token: u64, found: Result<Vec<Remains>, String>) -> Vec<Effect> {
    let Popup::Remains(asked) = &state.popup else { return Vec::new() };
    if asked.token != token {
        return Vec::new();
    }
    let asked = asked.clone();
    match found {
        Ok(remains) => ask(state, finish_question(asked, &remains)),
        Err(why) => {
            state.popup = Popup::None;
            state.message = Some((Role::Error, format!("nothing was sent: {why}")));
            Vec::new()
        }
    }
}

fn finish_question(asked: RemainsAsked, remains: &[Remains]) -> Question {
    let mut lines = Vec::new();
    for Remains { standing, parts } in remains {
        lines.extend(heading(&OperationRow::new(standing.clone(), false)));
        for (task, left) in standing.operation.tasks.iter().zip(parts) {
            let mark = if left.is_stuck() { "!" } else { "where    " };
            lines.push(format!("{mark} {}: {}", task.cluster, left.in_words(task)));
        }
    }
    let mut parts = remains.iter().flat_map(|remains| &remains.parts);
    let sends = parts.clone().any(|left| left.task().is_some());
    lines.push(match sends {
        true => "does      what is left is sent; every member is read again before".into(),
        false if parts.any(|left| left.is_stuck()) => {
            "does      nothing can be sent as long as that is so: what stands is noted".into()
        }
        false => "does      nothing is left to be sent: what stands is noted".into(),
    });
    let command = twin::operations("resume", &asked.ops);
    let agreed = remains.iter().map(|remains| Agreed {
        op: remains.standing.operation.op,
        on: remains.parts.iter().filter_map(|left| left.task()).map(|task| task.cluster.clone()).collect(),
    });
    Question {
        deed: Deed::Resume(agreed.collect()),
        title: asked.title,
        lines,
        command,
        level: ConfirmLevel::Small,
    }
}

/// Opens the last look on taking back the operations that are shown or under the cursor.
pub fn take_back(state: &mut State) -> Vec<Effect> {
    let ops = state.chosen_operations();
    if let Some((role, why)) = obstacle(state, &ops, true) {
        state.message = Some((role, why));
        return Vec::new();
    }
    let mut lines = Vec::new();
    for op in &ops {
        let Some(row) = state.operations.find(*op) else {
            lines.push(format!("operation {op} of {}", both_clocks(op.made())));
            lines.push("does      what it did is taken back, as far as it still stands".into());
            continue;
        };
        lines.extend(heading(row));
        let tasks = row.standing.tasks.iter();
        let names: Vec<String> = tasks
            .filter(|(_, task)| task.written.is_some() || task.is_settled())
            .map(|(cluster, _)| cluster.to_string())
            .collect();
        lines.push(format!("where     {}", if names.is_empty() { "-".into() } else { names.join(", ") }));
        lines.push(undo_words(row.standing.operation.kind));
    }
    let title = format!("take back {}", plural(ops.len(), "operation"));
    let command = twin::operations("undo", &ops);
    ask(state, Question { deed: Deed::Undo(ops), title, lines, command, level: ConfirmLevel::Small })
}

/// Says which operation it is, and how far it came.
fn heading(row: &OperationRow) -> [String; 3] {
    let (applied, all) = row.applied();
    [
        format!("what      {}", row.title),
        format!("operation {} of {}", row.op(), both_clocks(row.standing.operation.began)),
        format!("so far    applied on {applied} of {}", plural(all, "cluster")),
    ]
}

/// Says why operations cannot be finished, or taken back, if so.
fn obstacle(state: &State, ops: &[OpId], undo: bool) -> Option<(Role, String)> {
    if let Some(why) = forbidden(state) {
        return Some((Role::Error, why));
    }
    let rows: Vec<&OperationRow> = ops.iter().filter_map(|op| state.operations.find(*op)).collect();
    let every = |fits: fn(&OperationRow) -> bool| !rows.is_empty() && rows.iter().all(|row| fits(row));
    let was_undone = every(|row| row.standing.undone.is_some());
    let why = if ops.is_empty() {
        "no operation is chosen that the journal knows"
    } else if rows.iter().any(|row| row.busy) {
        "another process works on it now"
    } else if undo && !state.may_take_back() {
        match was_undone {
            true => "it was taken back already: there is nothing to take back",
            false => "it has written nothing: there is nothing to take back",
        }
    } else if !undo && !state.may_finish() {
        match was_undone {
            true => "it was taken back: there is nothing to finish",
            false => "it is done everywhere: there is nothing to finish",
        }
    } else {
        return None;
    };
    Some((Role::Notice, why.to_owned()))
}

fn undo_words(kind: Kind) -> String {
    let does = match kind {
        Kind::Add => "the silences that it made are expired: their alerts page again",
        Kind::Expire => "the silences that it expired are made again, as far as they would still last",
        Kind::Edit | Kind::Extend => "the silences get their old content and end again",
        Kind::Undo => "what it took back is made again",
    };
    format!("does      {does}")
}
