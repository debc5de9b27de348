//! Drawing: state and theme in, cells out. Only rows on the screen are built.

mod alerts;
mod chrome;
mod clusters;
mod confirm;
mod detail;
mod editor;
mod node;
mod nodes;
mod operation;
mod overview;
mod pen;
mod popup;
mod preview;
mod silences;
mod small;
mod table;
mod words;

use crate::tui::state::screen::Preview;
use crate::tui::state::{Popup, Screen, State};
use crate::tui::theme::Theme;
use pen::Pen;
use ratatui::Frame;

/// Draws the whole screen.
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut pen = Pen::new(frame.buffer_mut(), theme, area);
    if state.is_small() {
        return small::draw(state, &mut pen);
    }
    chrome::head(state, &mut pen);
    let mut body = pen.below(state.title_rows(), state.body_rows());
    match state.preview() {
        Preview::None => screen(state, &mut body),
        Preview::Below(rows) => {
            screen(state, &mut body.below(0, state.main_rows()));
            preview::draw(state, true, &mut body.below(state.main_rows(), rows));
        }
        Preview::Right(columns) => {
            let (mut left, right) = body.split_right(columns);
            screen(state, &mut left);
            preview::draw(state, false, &mut body.within(right));
        }
    }
    chrome::foot(state, &mut pen);
    // Title and coverage stay in sight whatever lies over the screen.
    let mut over = pen.below(1, state.size.1.into());
    match &state.popup {
        Popup::None => {}
        Popup::Help(top) => popup::help(state, *top, &mut over),
        Popup::Palette(palette) => popup::palette(palette, &mut over),
        Popup::Confirm(confirm) => confirm::draw(confirm, &mut over),
        Popup::Remains(asked) => confirm::remains(asked, &mut over),
        Popup::Prompt => editor::prompt(state, &mut over),
        Popup::Clusters(at) => editor::clusters(state, *at, &mut over),
    }
}

fn screen(state: &State, pen: &mut Pen<'_>) {
    match state.screen() {
        Screen::Overview => overview::draw(state, pen),
        Screen::Alerts => alerts::draw(state, pen),
        Screen::Alert(key) => detail::alert(state, *key, pen),
        Screen::Nodes => nodes::draw(state, pen),
        Screen::Node(key) => node::draw(state, key, pen),
        Screen::Check(key) => detail::check(state, key, pen),
        Screen::Silences => silences::draw(state, pen),
        Screen::Silence(id) => silences::one(state, id, pen),
        Screen::Clusters => clusters::draw(state, pen),
        Screen::Editor => editor::draw(state, pen),
        Screen::Operations => operation::list(state, pen),
        Screen::Operation(_) => operation::one(state, pen),
    }
}
