//! Drawing: state and theme in, cells out. Only rows on the screen are built.

mod alerts;
mod chrome;
mod clusters;
mod detail;
mod editor;
mod node;
mod nodes;
mod overview;
mod pen;
mod popup;
mod silences;
mod words;

use crate::tui::state::{Popup, Screen, State};
use crate::tui::theme::Theme;
use pen::Pen;
use ratatui::Frame;

/// Draws the whole screen.
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut pen = Pen::new(frame.buffer_mut(), theme, area);
    if state.is_small() {
        return chrome::small(state, &mut pen);
    }
    chrome::head(state, &mut pen);
    let top = if state.has_rules() { 3 } else { 2 };
    let mut body = pen.below(top, state.body_rows());
    match state.screen() {
        Screen::Overview => overview::draw(state, &mut body),
        Screen::Alerts => alerts::draw(state, &mut body),
        Screen::Alert(key) => detail::alert(state, *key, &mut body),
        Screen::Nodes => nodes::draw(state, &mut body),
        Screen::Node(key) => node::draw(state, key, &mut body),
        Screen::Check(key) => detail::check(state, key, &mut body),
        Screen::Silences => silences::draw(state, &mut body),
        Screen::Silence(id) => silences::one(state, id, &mut body),
        Screen::Clusters => clusters::draw(state, &mut body),
        Screen::Editor => editor::draw(state, &mut body),
        Screen::Operation => editor::operation(state, &mut body),
    }
    chrome::foot(state, &mut pen);
    match &state.popup {
        Popup::None => {}
        Popup::Help(top) => popup::help(state, *top, &mut pen),
        Popup::Palette(palette) => popup::palette(palette, &mut pen),
        Popup::Confirm(confirm) => editor::confirm(confirm, &mut pen),
    }
}
