//! What happens to the interface, and what the interface wants done.

use crate::model::time::Timestamp;
use crossterm::event::KeyEvent;

/// Something that happened; the only way in which the state changes.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key went down. Releases and repeats of a held key are told apart by the event's kind.
    Key(KeyEvent),
    /// Text was pasted; never keys.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// Time has passed.
    Tick(Timestamp),
    /// The program runs again after it was stopped; what is shown may be old.
    Resumed,
}

/// Something to be done outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Leave the terminal and end.
    Quit,
    /// Leave the terminal and stop until continued (Ctrl-Z).
    Suspend,
    /// Draw every cell anew, for a screen that something else has written to.
    Redraw,
}
