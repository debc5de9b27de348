//! The terminal interface: state, update (pure), view, and the runtime that owns the terminal.

mod clipboard;
mod crash;
pub mod effects;
mod events;
pub mod keymap;
pub mod msg;
mod pace;
mod runtime;
mod screen;
pub mod state;
mod suspend;
mod terminal;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod update;
pub mod view;

pub use runtime::{ExitReason, Opening, TuiError, run, theme_folder};
