//! What is sent to the terminal for one action: a link of 64 kbit/s carries 8 kB a second.

use super::press;
use super::world::{Case, World, now};
use crate::tui::msg::Msg;
use crate::tui::screen::Screen;
use crate::tui::state::State;
use crate::tui::theme::{Theme, Tier};
use crate::tui::update::update;
use crate::tui::view;
use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::layout::Size;

/// A terminal that counts.
struct Wire {
    terminal: Terminal<Screen>,
    theme: Theme,
}

impl Wire {
    fn new(state: &State, tier: Tier) -> Self {
        let screen = Screen::new(tier, Size::new(state.size.0, state.size.1));
        let terminal = Terminal::new(screen).expect("memory only");
        Self { terminal, theme: Theme::load("default", None, tier, None).0 }
    }

    /// Draws and returns how many bytes that sent.
    fn draw(&mut self, state: &State) -> usize {
        self.terminal.draw(|frame| view::draw(state, &self.theme, frame)).expect("memory only");
        self.terminal.backend_mut().take_frame().map_or(0, |bytes| bytes.len())
    }
}

fn tick(state: &mut State, seconds: i64) {
    update(state, Msg::Tick(now() + TimeDelta::seconds(seconds)));
}

#[test]
fn an_action_sends_no_more_than_it_changes() {
    for (size, full) in [((80, 24), 4_000), ((200, 60), 14_000)] {
        for tier in [Tier::Mono, Tier::Ansi16, Tier::Truecolor] {
            let mut state = World { case: Case::Fresh, odd: String::new() }.state(size);
            let mut wire = Wire::new(&state, tier);
            for tab in ["1", "2", "3", "4", "5"] {
                press(&mut state, tab);
                let bytes = wire.draw(&state);
                assert!((1..=full).contains(&bytes), "screen {tab} at {size:?}: {bytes}");
                assert_eq!(wire.draw(&state), 0, "nothing has changed");
                update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE)));
                let bytes = wire.draw(&state);
                assert!(bytes <= 600, "cursor on screen {tab} at {size:?}: {bytes}");
                // The preview follows when the cursor rests, and costs what it has to say.
                let moves = state.moves;
                update(&mut state, Msg::Rested(moves));
                let bytes = wire.draw(&state);
                assert!(bytes <= 3_000, "preview on screen {tab} at {size:?}: {bytes}");
                press(&mut state, "k");
                wire.draw(&state);
            }
            press(&mut state, "2");
            wire.draw(&state);
            for second in 1..=12 {
                tick(&mut state, second);
                let bytes = wire.draw(&state);
                assert!(bytes <= 60, "a tick of the clock at {size:?}: {bytes}");
            }
            tick(&mut state, 12);
            assert_eq!(wire.draw(&state), 0, "no time has passed");
        }
    }
}
