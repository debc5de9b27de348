//! The federation: asking every replica, merging, coverage, and the use cases of CLI and TUI.
