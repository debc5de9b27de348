//! Where the cursor of a list stands. Selection and marks are identities, never places.

use crate::fleet::silence::OpId;
use crate::model::labels::Fingerprint;
use crate::tui::state::alerts::GroupKey;
use crate::tui::state::rows::{AlertKey, CheckKey, NodeKey};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Identity of a line of any list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A group of alerts.
    Group(GroupKey),
    /// An alert.
    Alert(AlertKey),
    /// A node.
    Node(NodeKey),
    /// A check of a node.
    Check(CheckKey),
    /// A logical silence, by its identity.
    Silence(Arc<str>),
    /// A cluster, by its place in the configuration.
    Cluster(u16),
    /// An operation of the journal.
    Operation(OpId),
}

impl RowKey {
    /// Returns the fingerprint of an alert's line.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Alert(key) => Some(key.fingerprint),
            _ => None,
        }
    }
}

/// The cursor of a list.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// The line under the cursor.
    pub at: usize,
    /// The first line on the screen.
    pub top: usize,
    /// Identity of the line under the cursor.
    pub key: Option<RowKey>,
    /// Marked lines.
    pub marks: BTreeSet<RowKey>,
}

impl List {
    /// Moves the cursor by `step` lines within `len`.
    pub fn step(&mut self, step: isize, len: usize) {
        self.at = self.at.saturating_add_signed(step).min(len.saturating_sub(1));
    }

    /// Puts the cursor back on its line after the lines changed, at the same height of the screen. At the
    /// very first line it stays there, so that what is new and worst is seen; `found` is the line's new place.
    pub fn follow(&mut self, found: Option<usize>) {
        if let Some(found) = found.filter(|_| self.at > 0) {
            self.move_to(found);
        }
    }

    /// Moves the cursor to a line, at the same height of the screen.
    pub fn move_to(&mut self, line: usize) {
        let height = self.at.saturating_sub(self.top);
        (self.at, self.top) = (line, line.saturating_sub(height));
    }

    /// Keeps the cursor within `len` lines and on a screen of `rows`.
    pub fn settle(&mut self, len: usize, rows: usize) {
        self.at = self.at.min(len.saturating_sub(1));
        let rows = rows.max(1);
        self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(rows));
        self.top = self.top.min(len.saturating_sub(rows));
    }
}

#[cfg(test)]
mod tests {
    use super::List;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cursor_is_always_on_the_screen(
            at in 0usize..100, top in 0usize..100, len in 0usize..100, rows in 0usize..50, step in -200isize..200,
        ) {
            let mut list = List { at, top, ..List::default() };
            list.step(step, len);
            list.settle(len, rows);
            prop_assert!(list.at < len.max(1));
            prop_assert!(list.top <= list.at && list.at < list.top + rows.max(1));
        }
    }

    #[test]
    fn the_cursor_follows_its_line_and_keeps_its_height() {
        let mut list = List { at: 5, top: 3, ..List::default() };
        list.follow(Some(20));
        assert_eq!((list.at, list.top), (20, 18));
        let mut first = List::default();
        first.follow(Some(20));
        assert_eq!(first.at, 0, "the first line stays the first line");
    }
}
