//! Drawing: state and theme in, cells out.

use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::text::Line;

/// Draws the whole screen.
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame<'_>) {
    let clock = format!("iaasmon  {} UTC", state.now.format("%H:%M"));
    frame.render_widget(Line::styled(clock, theme.style(Role::Title)), frame.area());
}
