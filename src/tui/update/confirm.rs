//! The guard of the last look, and the way from there to what became of it.

use crate::fleet::silence::{ConfirmLevel, OpId, Standing, Step};
use crate::model::text;
use crate::tui::msg::Effect;
use crate::tui::state::confirm::{Confirm, Deed};
use crate::tui::state::run::Run;
use crate::tui::state::silences::Made;
use crate::tui::state::{Page, Popup, Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::data::follow;
use crate::tui::update::typing::edit;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use tui_input::Input;

/// What a last look is about, not yet safe for the screen.
pub struct Question {
    pub deed: Deed,
    pub title: String,
    pub lines: Vec<String>,
    pub command: String,
    pub level: ConfirmLevel,
}

/// Opens a last look.
pub fn ask(state: &mut State, question: Question) -> Vec<Effect> {
    state.token += 1;
    let safe = |line: &String| text::line(line).into_owned();
    let confirm = Confirm {
        lines: question.lines.iter().map(safe).collect(),
        title: safe(&question.title),
        command: safe(&question.command),
        deed: question.deed,
        level: question.level,
        typed: Input::default(),
        top: 0,
        armed: false,
        token: state.token,
    };
    state.popup = Popup::Confirm(Box::new(confirm));
    vec![Effect::Arm { after: Confirm::guard(question.level), token: state.token }]
}

/// Lets keys count, unless one was pressed in the meantime.
pub fn arm(state: &mut State, token: u64) {
    if let Popup::Confirm(confirm) = &mut state.popup
        && confirm.token == token
    {
        confirm.armed = true;
    }
}

/// Gives a key to the last look. Only `y`, or Enter below the typed word, writes; Enter alone is Cancel.
pub fn press(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Popup::Confirm(confirm) = &mut state.popup else { return Vec::new() };
    if key.code == KeyCode::Esc {
        cancel(state);
        return Vec::new();
    }
    if !confirm.armed {
        // A held key starts the guard again and again: holding it down never writes.
        state.token += 1;
        confirm.token = state.token;
        return vec![Effect::Arm { after: Confirm::guard(confirm.level), token: state.token }];
    }
    if key.kind == KeyEventKind::Repeat {
        return Vec::new();
    }
    match (confirm.level, key.code) {
        (_, KeyCode::Down | KeyCode::PageDown) => confirm.scroll(1, state.size),
        (_, KeyCode::Up | KeyCode::PageUp) => confirm.scroll(-1, state.size),
        (ConfirmLevel::Small | ConfirmLevel::Medium, KeyCode::Char('y')) if key.modifiers.is_empty() => {
            return write(state);
        }
        (ConfirmLevel::Broad, KeyCode::Enter) if confirm.has_word() => return write(state),
        (ConfirmLevel::Small | ConfirmLevel::Medium, KeyCode::Char('n' | 'q')) | (_, KeyCode::Enter) => {
            cancel(state)
        }
        (ConfirmLevel::Broad, _) => {
            edit(&mut confirm.typed, key);
        }
        _ => {}
    }
    Vec::new()
}

/// Leaves the last look, or what comes before it.
pub fn cancel(state: &mut State) {
    state.popup = Popup::None;
    // The editor below stays; what had only a prompt is over.
    if state.screen() != &Screen::Editor {
        state.editor = None;
    }
    state.message = Some((Role::Notice, "cancelled: nothing was written".into()));
}

/// Hands the deed over and shows what becomes of it.
fn write(state: &mut State) -> Vec<Effect> {
    let Popup::Confirm(confirm) = std::mem::take(&mut state.popup) else { return Vec::new() };
    let parts = parts(state, &confirm.deed);
    state.run = Some(Run::starting(&confirm.title, &confirm.deed, &parts));
    let over = |screen: &Screen| matches!(screen, Screen::Editor | Screen::Operation(_));
    state.stack.retain(|page| !over(&page.screen));
    state.editor = None;
    state.unmark();
    state.stack.push(Page::new(Screen::Operation(None)));
    vec![Effect::Write(Box::new(confirm.deed))]
}

/// Returns the clusters of each operation of a deed.
fn parts(state: &State, deed: &Deed) -> Vec<Vec<String>> {
    let unique = |mut names: Vec<String>| {
        names.dedup();
        names
    };
    let of_ops = |ops: &[OpId], rest: bool| -> Vec<Vec<String>> {
        let tasks = |op: &OpId| {
            let row = state.operations.find(*op)?;
            let tasks = row.standing.tasks.iter().filter(|(_, task)| !rest || !task.is_settled());
            Some(tasks.map(|(cluster, _)| cluster.to_string()).collect())
        };
        ops.iter().map(|op| tasks(op).unwrap_or_default()).collect()
    };
    match deed {
        Deed::Add { preview, .. } => vec![preview.written().map(|c| c.cluster.to_string()).collect()],
        Deed::Change { silence, .. } if silence.in_force().next().is_none() => {
            vec![silence.clusters().iter().map(ToString::to_string).collect()]
        }
        Deed::Change { silence, .. } => {
            vec![unique(silence.in_force().map(|copy| copy.cluster.to_string()).collect())]
        }
        Deed::Expire(silences) => silences
            .iter()
            .map(|silence| unique(silence.in_force().map(|copy| copy.cluster.to_string()).collect()))
            .collect(),
        Deed::Resume(agreed) => of_ops(&agreed.iter().map(|agreed| agreed.op).collect::<Vec<_>>(), true),
        // The last one first, as it is done.
        Deed::Undo(ops) => of_ops(ops, false).into_iter().rev().collect(),
    }
}

/// Takes the name of the operation that begins.
pub fn began(state: &mut State, op: OpId) {
    if let Some(run) = &mut state.run {
        run.began(op);
    }
}

/// Takes a step of the operation.
pub fn step(state: &mut State, step: &Step) {
    if let Some(run) = &mut state.run {
        run.step(step);
    }
}

/// Takes the end of one operation.
pub fn carried(state: &mut State, standing: &Standing) {
    if let Some(run) = &mut state.run {
        run.carried(standing);
    }
    state.made.extend(Made::of(standing, state.now));
    let now = state.now;
    state.made.retain(|made| made.is_recent(now));
    follow(state, State::rebuild_alerts);
}

/// Takes the end of everything that was confirmed.
pub fn ended(state: &mut State, outcome: Result<(), String>) {
    if let Some(run) = &mut state.run {
        run.end(outcome);
    }
}
