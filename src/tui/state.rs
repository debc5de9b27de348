//! Everything that the screen is drawn from. Only `update` changes it.

use crate::model::time::Timestamp;

/// The state of the interface.
#[derive(Debug, Clone)]
pub struct State {
    /// The time that ages are counted from.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
}

impl State {
    /// Builds the state of a fresh start.
    pub fn new(now: Timestamp, size: (u16, u16)) -> Self {
        Self { now, size }
    }
}
