//! How messages change the state. Pure: what must be done outside is returned.

use crate::tui::msg::{Effect, Msg};
use crate::tui::state::State;
use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};

/// Applies `msg` to `state` and returns what is to be done.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) if key.kind != KeyEventKind::Release => match (key.code, key.modifiers) {
            (KeyCode::Char('q'), KeyModifiers::NONE) => vec![Effect::Quit],
            (KeyCode::Char('c'), KeyModifiers::CONTROL) => vec![Effect::Quit],
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => vec![Effect::Suspend],
            (KeyCode::Char('l'), KeyModifiers::CONTROL) => vec![Effect::Redraw],
            _ => Vec::new(),
        },
        Msg::Key(_) | Msg::Paste(_) | Msg::Resumed => Vec::new(),
        Msg::Resize(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Msg::Tick(now) => {
            state.now = now;
            Vec::new()
        }
    }
}
