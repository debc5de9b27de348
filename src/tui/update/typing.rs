//! Keys and pasted text that go into a field or a popup.

use crate::tui::msg::Effect;
use crate::tui::state::palette::{Goal, Palette};
use crate::tui::state::{Popup, Screen, State};
use crate::tui::update::{confirm, navigate, silence};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// No field takes more than this.
const LONGEST: usize = 2000;

/// Gives a key to whatever takes it before the screen does; `None` leaves it to the screen.
pub fn press(state: &mut State, key: &KeyEvent) -> Option<Vec<Effect>> {
    match state.popup {
        Popup::Help(top) => Some(help(state, key, top)),
        Popup::Palette(_) => Some(palette(state, key)),
        Popup::Confirm(_) => Some(confirm::press(state, key)),
        Popup::Remains(_) => {
            // What is typed ahead was meant for the question.
            if key.code == KeyCode::Esc {
                confirm::cancel(state);
            }
            Some(Vec::new())
        }
        Popup::Prompt => {
            keep_or_clear(state);
            Some(silence::prompt_key(state, key))
        }
        Popup::Clusters(at) => Some(silence::clusters_key(state, key, at)),
        Popup::None if state.screen() == &Screen::Editor => {
            keep_or_clear(state);
            Some(silence::press(state, key))
        }
        Popup::None if state.filter().editing => {
            filter(state, key);
            Some(Vec::new())
        }
        Popup::None => None,
    }
}

/// Drops what was told, unless it says that keys are not taken now.
fn keep_or_clear(state: &mut State) {
    if !state.editor.as_ref().is_some_and(|editor| editor.hurried) {
        state.message = None;
    }
}

/// Puts pasted text into the field that has the focus; elsewhere it does nothing.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let tab = state.tab;
    let editing = state.screen() == &Screen::Editor;
    match &mut state.popup {
        Popup::Palette(palette) => {
            insert(&mut palette.input, clean.trim());
            find(state);
        }
        Popup::None if editing => return silence::paste(state, clean.trim()),
        Popup::None if state.filters[tab].editing => {
            insert(&mut state.filters[tab].input, clean.trim());
            navigate::filter_typed(state);
        }
        _ => {}
    }
    Vec::new()
}

/// Inserts text at the cursor.
pub fn insert(input: &mut Input, text: &str) {
    for c in text.chars().take(LONGEST.saturating_sub(input.value().chars().count())) {
        input.handle(InputRequest::InsertChar(c));
    }
}

/// Gives a key to a field; reports whether the field took it. Readline's keys.
pub fn edit(input: &mut Input, key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let request = match key.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('u') if control => InputRequest::DeleteLine,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return false,
        KeyCode::Char(c) if input.value().chars().count() < LONGEST => InputRequest::InsertChar(c),
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return false,
    };
    input.handle(request);
    true
}

fn filter(state: &mut State, key: &KeyEvent) {
    let tab = state.tab;
    match key.code {
        KeyCode::Enter => state.filters[tab].accept(),
        KeyCode::Esc => {
            state.filters[tab].cancel(&state.own);
            navigate::refilter(state);
        }
        KeyCode::Tab | KeyCode::BackTab => {
            state.complete(key.code == KeyCode::Tab);
            navigate::refilter(state);
        }
        KeyCode::Down | KeyCode::Up => {
            navigate::step(state, if key.code == KeyCode::Down { 1 } else { -1 });
        }
        _ => {
            if edit(&mut state.filters[tab].input, key) {
                navigate::filter_typed(state);
            }
        }
    }
}

fn help(state: &mut State, key: &KeyEvent, top: usize) -> Vec<Effect> {
    let most = state.keys(true).len().saturating_sub(state.help_rows());
    state.popup = match key.code {
        KeyCode::Char('j') | KeyCode::Down => Popup::Help((top + 1).min(most)),
        KeyCode::Char('k') | KeyCode::Up => Popup::Help(top.saturating_sub(1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Popup::Help((top + 10).min(most)),
        KeyCode::PageUp => Popup::Help(top.saturating_sub(10)),
        _ => Popup::None,
    };
    Vec::new()
}

/// Opens the palette.
pub fn open_palette(state: &mut State) {
    state.popup = Popup::Palette(Palette { entries: state.palette_entries(""), ..Palette::default() });
}

fn find(state: &mut State) {
    let Popup::Palette(palette) = &state.popup else { return };
    let entries = state.palette_entries(palette.input.value());
    if let Popup::Palette(palette) = &mut state.popup {
        (palette.entries, palette.at) = (entries, 0);
    }
}

fn palette(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Popup::Palette(palette) = &mut state.popup else { return Vec::new() };
    match key.code {
        KeyCode::Esc => state.popup = Popup::None,
        KeyCode::Down | KeyCode::Tab => {
            palette.at = (palette.at + 1).min(palette.entries.len().saturating_sub(1))
        }
        KeyCode::Up | KeyCode::BackTab => palette.at = palette.at.saturating_sub(1),
        KeyCode::Enter => {
            let goal = palette.entries.get(palette.at).map(|entry| entry.goal.clone());
            state.popup = Popup::None;
            return goal.map_or_else(Vec::new, |goal| reach(state, goal));
        }
        _ => {
            if edit(&mut palette.input, key) {
                find(state);
            }
        }
    }
    Vec::new()
}

fn reach(state: &mut State, goal: Goal) -> Vec<Effect> {
    match goal {
        Goal::Do(action) => super::act(state, action),
        Goal::Cluster(cluster) => {
            navigate::show_cluster(state, cluster);
            Vec::new()
        }
        Goal::Node(key) => {
            navigate::tab(state, 2);
            navigate::push(state, Screen::Node(key))
        }
    }
}
