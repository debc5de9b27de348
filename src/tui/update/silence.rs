//! Writing silences: the editor, the prompt before an extension or acknowledgement, the choice of clusters.

use crate::fleet::silence::{Facts, LogicalSilence, Preview};
use crate::model::silence::SilenceState;
use crate::model::text;
use crate::tui::msg::Effect;
use crate::tui::state::editor::{Editor, Field, Mode, Where};
use crate::tui::state::list::RowKey;
use crate::tui::state::selection::Selection;
use crate::tui::state::{Page, Popup, Screen, State, twin};
use crate::tui::theme::Role;
use crate::tui::update::review;
use crate::tui::update::typing::{edit, insert};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::Duration;
use tui_input::Input;

/// Opens the editor on what is selected.
pub fn silence(state: &mut State) -> Vec<Effect> {
    on_selection(state, state.selection(), |editor| editor)
}

/// Opens the editor on the whole node, or on what the filter says.
pub fn silence_wide(state: &mut State) -> Vec<Effect> {
    on_selection(state, state.wide_selection(), |editor| editor)
}

/// Acknowledges what is selected: the last look opens as soon as every cluster has answered.
pub fn acknowledge(state: &mut State) -> Vec<Effect> {
    on_selection(state, state.selection(), Editor::acknowledging)
}

fn on_selection(state: &mut State, selection: Selection, make: impl FnOnce(Editor) -> Editor) -> Vec<Effect> {
    if selection.matchers.is_empty() {
        let says = match selection.notes.first() {
            Some(note) => format!("nothing is left that a silence could match: {note}"),
            None => "nothing is selected that a silence could match (4, then n: a new one)".to_owned(),
        };
        state.message = Some((Role::Notice, says));
        return Vec::new();
    }
    open(state, selection, make)
}

/// Opens the editor on nothing, or on the draft that was left.
pub fn new(state: &mut State) -> Vec<Effect> {
    let Some(left) = state.left.take() else {
        return open(state, Selection::default(), |editor| editor);
    };
    let effects = open(state, Selection::default(), |fresh| fresh.taking_up(left));
    if !effects.is_empty() {
        state.message = Some((Role::Notice, "the draft that was left (C-u empties a field)".into()));
    }
    effects
}

/// Changes the silence under the cursor; one that is over is made anew.
pub fn change(state: &mut State) -> Vec<Effect> {
    let Some(silence) = chosen(state) else { return Vec::new() };
    if silence.state == SilenceState::Expired {
        let effects = duplicate(state);
        if !effects.is_empty() {
            state.message = Some((Role::Notice, "it has ended: this makes a new one like it".into()));
        }
        return effects;
    }
    let now = state.now;
    open(state, selection_of(&silence, false), |editor| editor.changing(&silence, now))
}

/// Gives all copies of the silence under the cursor the latest end that one of them has.
pub fn repair(state: &mut State) -> Vec<Effect> {
    let Some(silence) = chosen(state) else { return Vec::new() };
    if silence.drift.is_empty() || silence.state == SilenceState::Expired {
        state.message = Some((Role::Notice, "its copies are alike: there is nothing to repair".into()));
        return Vec::new();
    }
    let now = state.now;
    open(state, selection_of(&silence, false), |editor| {
        let mut editor = editor.changing(&silence, now);
        editor.end = Some(silence.ends_at);
        editor.notes.push("every copy in force gets the latest end, twins are expired".into());
        let over: Vec<String> = silence
            .clusters()
            .iter()
            .filter(|c| silence.on(c).is_some_and(|copy| copy.silence.state == SilenceState::Expired))
            .map(ToString::to_string)
            .collect();
        if !over.is_empty() {
            let names = over.join(", ");
            editor.notes.push(format!("where it has ended it stays so ({names}): d makes it there again"));
        }
        editor.focus_on(Field::Review);
        editor
    })
}

/// Opens the editor on a new silence like the one under the cursor.
pub fn duplicate(state: &mut State) -> Vec<Effect> {
    let Some(silence) = chosen(state) else { return Vec::new() };
    open(state, selection_of(&silence, true), |editor| editor.duplicating(&silence))
}

/// Asks how much longer the silence under the cursor lasts.
pub fn extend(state: &mut State) -> Vec<Effect> {
    let Some(silence) = chosen(state) else { return Vec::new() };
    open(state, selection_of(&silence, false), |editor| editor.extending(&silence))
}

fn selection_of(silence: &LogicalSilence, clusters: bool) -> Selection {
    let clusters = if clusters { silence.clusters() } else { Vec::new() };
    Selection { matchers: silence.matchers.clone(), clusters, notes: Vec::new() }
}

/// Returns the silence that is shown or under the cursor.
fn chosen(state: &State) -> Option<LogicalSilence> {
    let id = match (state.screen(), state.current()) {
        (Screen::Silence(id), _) => id.clone(),
        (_, Some(RowKey::Silence(id))) => id,
        _ => return None,
    };
    state.silences.find(&id).map(|row| row.silence.clone())
}

/// Opens an editor, or its prompt, and asks every cluster for what it must know.
fn open(state: &mut State, selection: Selection, make: impl FnOnce(Editor) -> Editor) -> Vec<Effect> {
    if let Some(why) = forbidden(state) {
        state.message = Some((Role::Error, why));
        return Vec::new();
    }
    state.token += 1;
    let clusters = state.clusters.iter().map(|c| c.raw_name.clone()).collect();
    let mut editor = make(Editor::new(selection, &state.author, clusters, state.token));
    editor.narrowed = state.narrowed;
    match editor.mode {
        Mode::New | Mode::Edit(_) => state.stack.push(Page::new(Screen::Editor)),
        Mode::Ack | Mode::Extend(_) => state.popup = Popup::Prompt,
    }
    state.editor = Some(editor);
    let mut effects = recompute(state, Duration::ZERO);
    effects.push(Effect::Facts { token: state.token });
    effects
}

/// Says why nothing can be written, if so.
pub fn forbidden(state: &State) -> Option<String> {
    if state.run.as_ref().is_some_and(|run| run.ended.is_none()) {
        return Some("an operation is still under way".into());
    }
    (!state.writable()).then(|| "read only: no cluster has access = \"rw\" and an Alertmanager".into())
}

/// How long typing must pause before it is worked out what the fields would do.
const PAUSE: Duration = Duration::from_millis(150);

/// Reads anew what stands in the editor; what it would do is found out when nothing has changed for so long.
pub fn recompute(state: &mut State, after: Duration) -> Vec<Effect> {
    let now = state.now;
    let search = state.editor.as_mut().and_then(|editor| editor.recompute(&state.policy, now));
    search.map(|search| Effect::Preview { after, search: Box::new(search) }).into_iter().collect()
}

/// Takes what the fields of the editor that asked would do, and goes on to the last look if that was waited for.
pub fn take_preview(state: &mut State, token: u64, round: u64, preview: Preview) -> Vec<Effect> {
    let now = state.now;
    let Some(editor) = state.editor.as_mut().filter(|e| e.token == token) else { return Vec::new() };
    editor.take_preview(round, preview, &state.policy, now);
    go_on(state)
}

/// Opens the last look if it was waited for, and nothing is left to wait for.
fn go_on(state: &mut State) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    if editor.is_waiting() || !editor.hurried {
        return Vec::new();
    }
    match (&state.popup, state.screen()) {
        (Popup::Prompt, _) => finish_prompt(state),
        (Popup::None, Screen::Editor) => review::review(state),
        _ => Vec::new(),
    }
}

/// Takes what is known of a cluster for the editor that asked.
pub fn take_facts(state: &mut State, cluster: u16, token: u64, facts: Facts) -> Vec<Effect> {
    let Some(editor) = state.editor.as_mut().filter(|e| e.token == token) else { return Vec::new() };
    editor.take_facts(usize::from(cluster), facts);
    let mut effects = recompute(state, Duration::ZERO);
    effects.extend(go_on(state));
    effects
}

/// Gives a key to the editor.
pub fn press(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    // What is typed while the review is awaited was meant for the review.
    if editor.hurried && key.code != KeyCode::Esc {
        return Vec::new();
    }
    if std::mem::take(&mut editor.hurried) {
        state.message = Some((Role::Notice, "the review was called off; Esc again leaves the editor".into()));
        return Vec::new();
    }
    let fresh = std::mem::take(&mut editor.fresh);
    match (key.code, editor.focus) {
        (KeyCode::Esc, _) | (KeyCode::Enter, Field::Cancel) => return close(state),
        (KeyCode::Char('x'), _) if control => return review::review(state),
        (KeyCode::Char('y'), _) if control => {
            let command = twin::copied(&editor.command(), state.config_file.as_deref());
            state.message = Some((Role::Notice, "sent to the terminal's clipboard (unconfirmed)".into()));
            return vec![Effect::Copy(command)];
        }
        // A held Enter must not run through the fields into the review.
        (KeyCode::Enter, Field::Review) if key.kind == KeyEventKind::Press => return review::review(state),
        (KeyCode::Enter, Field::Targets)
            if editor.target == Where::Choose && editor.changed_silence().is_none() =>
        {
            state.popup = Popup::Clusters(0);
        }
        (KeyCode::Tab | KeyCode::Down | KeyCode::Enter, focus)
            if focus != Field::Review || key.code == KeyCode::Tab =>
        {
            editor.focus_on(focus.step(true));
        }
        (KeyCode::BackTab | KeyCode::Up, focus) => editor.focus_on(focus.step(false)),
        (KeyCode::Left | KeyCode::Right | KeyCode::Char(' '), Field::Targets) => {
            editor.next_target(key.code != KeyCode::Left);
            return recompute(state, PAUSE);
        }
        (KeyCode::Left | KeyCode::Right, focus @ (Field::Cancel | Field::Review)) => {
            editor.focus = if focus == Field::Cancel { Field::Review } else { Field::Cancel };
        }
        _ => {
            if editor.input().is_some_and(|input| type_into(input, key, fresh)) {
                return recompute(state, PAUSE);
            }
        }
    }
    Vec::new()
}

/// Gives a key to the prompt: only a duration can be typed. Enter goes on to the last look.
pub fn prompt_key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    match key.code {
        // What was typed stays. An acknowledgement has nothing to go back to.
        KeyCode::Esc if editor.hurried && editor.mode != Mode::Ack => {
            editor.hurried = false;
            state.message =
                Some((Role::Notice, "the review was called off; Esc again leaves the prompt".into()));
        }
        KeyCode::Esc => {
            state.popup = Popup::None;
            state.editor = None;
            state.message = Some((Role::Notice, "nothing was written".into()));
        }
        _ if editor.hurried => {}
        KeyCode::Enter if editor.is_waiting() => {
            editor.hurried = editor.draft.is_ok();
            state.message = editor.hurried.then(|| (Role::Notice, editor.awaited()));
        }
        KeyCode::Enter => return finish_prompt(state),
        _ if matches!(editor.mode, Mode::Extend(_)) => {
            let fresh = std::mem::take(&mut editor.fresh);
            if type_into(&mut editor.texts.duration, key, fresh) {
                return recompute(state, PAUSE);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Gives a key to a field; the first character replaces a text that is `fresh`.
fn type_into(input: &mut Input, key: &KeyEvent, fresh: bool) -> bool {
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if fresh && plain && matches!(key.code, KeyCode::Char(_)) {
        input.reset();
    }
    edit(input, key)
}

/// Goes from the prompt to the last look. An acknowledgement that the policy does not take is shown whole, to be
/// mended; an extension stays at its prompt.
fn finish_prompt(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let Some(editor) = &mut state.editor else { return Vec::new() };
    editor.hurried = false;
    let Some(why) = editor.obstacle(now) else { return review::review(state) };
    if editor.mode == Mode::Ack {
        editor.mode = Mode::New;
        state.popup = Popup::None;
        state.stack.push(Page::new(Screen::Editor));
    }
    state.message = Some((Role::Error, text::line(&why).into_owned()));
    Vec::new()
}

/// Gives a key to the list of clusters.
pub fn clusters_key(state: &mut State, key: &KeyEvent, at: usize) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let last = editor.clusters.len().saturating_sub(1);
    let at = match key.code {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => {
            state.popup = Popup::None;
            return Vec::new();
        }
        KeyCode::Down | KeyCode::Char('j') => (at + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::PageDown => (at + 10).min(last),
        KeyCode::PageUp => at.saturating_sub(10),
        KeyCode::Char(' ') => {
            editor.toggle(at);
            (at + 1).min(last)
        }
        _ => at,
    };
    state.popup = Popup::Clusters(at);
    recompute(state, PAUSE)
}

/// Puts pasted text into the field that has the focus.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    if editor.hurried {
        return Vec::new();
    }
    let fresh = std::mem::take(&mut editor.fresh);
    if let Some(input) = editor.input() {
        if fresh {
            input.reset();
        }
        insert(input, text);
    }
    recompute(state, PAUSE)
}

/// Leaves the editor. A new silence that was begun is kept for the next `n`.
fn close(state: &mut State) -> Vec<Effect> {
    state.stack.retain(|page| page.screen != Screen::Editor);
    let mut editor = state.editor.take();
    let known = editor.iter_mut().flat_map(|editor| editor.forget()).collect();
    let left = editor.filter(|editor| editor.mode == Mode::New && editor.draft.is_ok());
    let kept = if left.is_some() { "; n on Silences takes the draft up again" } else { "" };
    state.message = Some((Role::Notice, format!("nothing was written{kept}")));
    state.left = left.or(state.left.take());
    vec![Effect::Forget(known)]
}
