//! How messages change the state. Pure: what must be done outside is returned.

mod confirm;
mod data;
mod navigate;
mod operations;
mod review;
mod silence;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod tests;
mod typing;

use crate::tui::keymap::{self, Action};
use crate::tui::msg::{Effect, Msg};
use crate::tui::state::list::RowKey;
use crate::tui::state::output::Output;
use crate::tui::state::past::Past;
use crate::tui::state::screen::Preview;
use crate::tui::state::{Popup, Screen, State, twin};
use crate::tui::theme::Role;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

/// Applies `msg` to `state` and returns what is to be done.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let effects = match msg {
        Msg::Key(key) if key.kind != KeyEventKind::Release => press(state, &key),
        Msg::Key(_) => Vec::new(),
        Msg::Paste(text) => typing::paste(state, &text),
        Msg::Resize(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Msg::Tick(now) => data::tick(state, now),
        Msg::Resumed => data::hurry(state),
        Msg::Data { cluster, at, last, payload } => {
            data::take(state, cluster, at, last, payload);
            Vec::new()
        }
        Msg::Output(of, at, source) => {
            data::take_output(state, &of, at, &source);
            Vec::new()
        }
        Msg::History(of, history) => {
            data::take_history(state, &of, &history);
            Vec::new()
        }
        Msg::Node(key, at, answer) => {
            // The worst checks come first, so the one under the cursor may have another place now.
            data::follow(state, |state| data::take_node(state, &key, at, answer));
            Vec::new()
        }
        Msg::Facts { cluster, token, facts } => silence::take_facts(state, cluster, token, *facts),
        Msg::Previewed { token, round, preview } => silence::take_preview(state, token, round, *preview),
        Msg::Rested(moves) => {
            state.moving &= moves != state.moves;
            Vec::new()
        }
        Msg::Armed(token) => {
            confirm::arm(state, token);
            Vec::new()
        }
        Msg::Began(op) => {
            confirm::began(state, op);
            Vec::new()
        }
        Msg::Step(step) => {
            confirm::step(state, &step);
            Vec::new()
        }
        Msg::Carried(standing) => {
            confirm::carried(state, &standing);
            Vec::new()
        }
        Msg::Ended(outcome) => {
            confirm::ended(state, outcome);
            // What was written must be seen at once.
            let mut effects = data::hurry(state);
            effects.push(Effect::LoadOperations);
            effects
        }
        Msg::Operations(answer) => {
            data::take_operations(state, answer);
            Vec::new()
        }
        Msg::Remains { token, found } => operations::take_remains(state, token, found),
    };
    state.settle();
    if !state.moving {
        state.previewed = state.current().map(|key| (state.page().list.at, key));
    }
    effects
}

/// How long the cursor must stay before the preview follows: longer than a held key's next repeat.
const REST: std::time::Duration = std::time::Duration::from_millis(120);

/// Lets the preview wait until the cursor rests: while a key is held down over a slow link, only the cursor moves.
fn rest(state: &mut State) -> Vec<Effect> {
    if state.preview() == Preview::None {
        return Vec::new();
    }
    state.moves += 1;
    state.moving = true;
    vec![Effect::Rest { after: REST, moves: state.moves }]
}

fn press(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    state.moving = false;
    // These three work everywhere, also inside a text field.
    let place = state.place();
    if let Some(action @ (Action::Quit | Action::Suspend | Action::Redraw)) = keymap::action(place, key) {
        return act(state, action);
    }
    // What lies over the screen, and what a key would change, cannot be seen there: only going and quitting is safe.
    if state.is_small() {
        state.popup = Popup::None;
        let safe = matches!(key.code, KeyCode::Char('q' | 'r' | '1'..='5'));
        return keymap::action(place, key)
            .filter(|_| safe)
            .map_or_else(Vec::new, |action| act(state, action));
    }
    if let Some(effects) = typing::press(state, key) {
        return effects;
    }
    state.message = None;
    match keymap::action(place, key) {
        Some(action) => act(state, action),
        None => Vec::new(),
    }
}

/// Does what a key or a palette entry asks for.
fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => return vec![Effect::Quit],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Theme => return vec![Effect::NextTheme],
        Action::BackOrQuit if state.stack.is_empty() => return vec![Effect::Quit],
        Action::BackOrQuit | Action::Back => navigate::back(state),
        Action::Tab(tab) => navigate::tab(state, usize::from(tab)),
        Action::Move(step) => {
            navigate::step(state, isize::from(step));
            return rest(state);
        }
        Action::Page(pages) => {
            let rows = isize::try_from(state.list_rows().max(2) - 1).unwrap_or(1);
            navigate::step(state, isize::from(pages) * rows);
        }
        Action::Top => navigate::step(state, isize::MIN / 2),
        Action::Bottom => navigate::step(state, isize::MAX / 2),
        Action::Open => return navigate::open(state),
        Action::GoNode => return navigate::go_node(state),
        Action::Mark => navigate::mark(state),
        Action::Unmark => state.unmark(),
        Action::Filter => {
            if state.tab == 0 || state.tab == 4 {
                navigate::tab(state, 1);
            }
            state.filters[state.tab].edit();
        }
        Action::ClearFilter => {
            data::follow(state, |state| state.set_filter(""));
        }
        Action::Group => navigate::regroup(state),
        Action::ShowExpired => {
            state.silences.expired = !state.silences.expired;
            navigate::refilter(state);
        }
        Action::OlderRun => return navigate::past(state, |output| output.step_run(true)),
        Action::NewerRun => return navigate::past(state, |output| output.step_run(false)),
        Action::Diff => return navigate::past(state, Output::toggle_diff),
        Action::Wrap => {
            let output = &mut state.page_mut().output;
            output.wrap = !output.wrap;
        }
        Action::Refresh => {
            let mut effects = data::hurry(state);
            effects.extend(navigate::load(state));
            state.message = Some((Role::Notice, "asked every source again".into()));
            return effects;
        }
        Action::Help => state.popup = Popup::Help(0),
        Action::Palette => typing::open_palette(state),
        Action::Copy => return copy(state),
        Action::Silence => return silence::silence(state),
        Action::WideSilence => return silence::silence_wide(state),
        Action::NewSilence => return silence::new(state),
        Action::Ack => return silence::acknowledge(state),
        Action::EditSilence => return silence::change(state),
        Action::Extend => return silence::extend(state),
        Action::Duplicate => return silence::duplicate(state),
        Action::Repair => return silence::repair(state),
        Action::Expire => return review::expire(state),
        Action::Operations => return navigate::push(state, Screen::Operations),
        Action::Resume => return operations::finish(state),
        Action::Undo => return operations::take_back(state),
        Action::CopyReport => return copy_report(state),
    }
    Vec::new()
}

/// Copies the command line that shows the same.
fn copy(state: &mut State) -> Vec<Effect> {
    let shown = state.command();
    let command = twin::copied(&shown, state.config_file.as_deref());
    let says = match state.config_file {
        None => format!("sent to the terminal's clipboard (unconfirmed): {shown}"),
        // The file is left out for its length: a screen of 80 columns must have room for the command.
        Some(_) => format!("sent to the clipboard (unconfirmed), with --config FILE: {shown}"),
    };
    state.message = Some((Role::Notice, says));
    vec![Effect::Copy(command)]
}

/// Copies what became of an operation.
fn copy_report(state: &mut State) -> Vec<Effect> {
    let Some(run) = state.shown_run() else { return Vec::new() };
    let report = run.report(&twin::copied(&state.command(), state.config_file.as_deref()));
    state.message =
        Some((Role::Notice, "the report was sent to the terminal's clipboard (unconfirmed)".into()));
    vec![Effect::Copy(report)]
}

impl State {
    /// Returns the command line that shows the same as the screen.
    pub fn command(&self) -> String {
        use twin::quoted;
        match self.screen() {
            Screen::Overview | Screen::Clusters => "iaasmon status".into(),
            Screen::Alerts => match self.current() {
                Some(RowKey::Alert(key)) => format!("iaasmon alert {}", key.fingerprint),
                _ => format!("iaasmon alerts {}", quoted(self.filter().text())).replace(" ''", ""),
            },
            Screen::Alert(key) => format!("iaasmon alert {}", key.fingerprint),
            Screen::Nodes => match self.current() {
                Some(RowKey::Node(key)) => format!("iaasmon node {}", quoted(&key.name)),
                _ => "iaasmon nodes".into(),
            },
            Screen::Node(key) => format!("iaasmon node {}", quoted(&key.name)),
            Screen::Check(key) => {
                let past = match &self.page().output.past {
                    Past { diff: true, .. } => " --diff",
                    Past { back: 1.., .. } => " --history",
                    _ => "",
                };
                format!("iaasmon check {} {}{past}", quoted(&key.node.name), quoted(&key.check))
            }
            Screen::Silences => match self.current() {
                Some(RowKey::Silence(id)) => format!("iaasmon silence show {id}"),
                _ => "iaasmon silence list".into(),
            },
            Screen::Silence(id) => format!("iaasmon silence show {id}"),
            Screen::Editor => self.editor.as_ref().map_or_else(String::new, |editor| editor.command()),
            Screen::Operations => match self.current() {
                Some(RowKey::Operation(op)) => format!("iaasmon silence status {op}"),
                _ => "iaasmon silence status".into(),
            },
            Screen::Operation(_) => match self.shown_run() {
                Some(run) if !run.ops.is_empty() => twin::operations("status", &run.ops),
                _ => "iaasmon silence status".into(),
            },
        }
    }
}
