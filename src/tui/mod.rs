//! The terminal interface: state, update (pure), view, and the runtime that owns the terminal.

pub mod effects;
pub mod keymap;
pub mod msg;
pub mod state;
pub mod theme;
pub mod update;
pub mod view;
