//! Whole screens: what stands on them at every size and in every state, and what never does.

mod bytes;
mod laws;
mod panic;
mod screens;
mod sources;
pub mod world;

use crate::tui::msg::Msg;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::update::update;
use crate::tui::view;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// Presses keys: characters as they are, `\n` for Enter, `\u{1b}` for Esc.
pub fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        update(state, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    let moves = state.moves;
    update(state, Msg::Rested(moves));
}

/// Draws the state on a terminal of its size, without colours.
fn draw(state: &State) -> Buffer {
    let backend = TestBackend::new(state.size.0, state.size.1);
    let mut terminal = Terminal::new(backend).expect("a backend in memory");
    let theme = Theme::mono();
    terminal.draw(|frame| view::draw(state, &theme, frame)).expect("a backend in memory");
    terminal.backend().buffer().clone()
}

/// Returns the rows of a screen as text alone, without any style.
fn rows(buffer: &Buffer) -> Vec<String> {
    let row = |y| {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width()).unwrap_or(1).max(1);
        }
        line.trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect()
}

/// Writes a screen for people: runs of empty rows are counted.
fn page(title: &str, state: &State) -> String {
    let rows = rows(&draw(state));
    let mut text = format!("=== {title}, {}x{} ===\n", state.size.0, state.size.1);
    let mut i = 0;
    while i < rows.len() {
        // A line that does nothing but part two panes is empty, too.
        let empty = rows[i..].iter().take_while(|row| row.trim_matches([' ', '|']).is_empty()).count();
        if empty > 2 {
            text.push_str(&format!("({empty} empty rows)\n"));
            i += empty;
        } else {
            text.push_str(&rows[i]);
            text.push('\n');
            i += 1;
        }
    }
    // The second clock is where the tests run.
    let local = regex::Regex::new(r"= \d\d \w{3} \d\d:\d\d local").expect("a regex");
    local.replace_all(&text, "= .. ... ..:.. local").into_owned()
}
