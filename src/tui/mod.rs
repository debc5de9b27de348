//! The terminal interface: state, update (pure), view, and the runtime that owns the terminal.
