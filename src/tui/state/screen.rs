//! Which screens there are, and how many lines each has for its list.

use crate::tui::state::State;
use crate::tui::state::rows::{AlertKey, CheckKey, NodeKey};
use std::sync::Arc;

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// What is going on everywhere.
    Overview,
    /// The list of alerts.
    Alerts,
    /// One alert with its check's output.
    Alert(AlertKey),
    /// The list of nodes.
    Nodes,
    /// One node with its checks.
    Node(NodeKey),
    /// One check with its output.
    Check(CheckKey),
    /// The list of silences.
    Silences,
    /// One silence.
    Silence(Arc<str>),
    /// Every cluster and replica.
    Clusters,
    /// A silence that is being written.
    Editor,
    /// An operation and what became of it.
    Operation,
}

/// Below this nothing but a summary fits.
pub const SMALLEST: (u16, u16) = (60, 14);
/// Below this many rows the rules go.
const RULES: u16 = 20;

impl Screen {
    /// The screens of the digits 1 to 5.
    pub const ROOTS: [Self; 5] = [Self::Overview, Self::Alerts, Self::Nodes, Self::Silences, Self::Clusters];
}

impl State {
    /// Reports whether the terminal is too small for any list.
    pub fn is_small(&self) -> bool {
        self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1
    }

    /// Reports whether the rules are drawn.
    pub fn has_rules(&self) -> bool {
        self.size.1 >= RULES
    }

    /// Returns how many rows lie between the head and the foot of the screen.
    pub fn body_rows(&self) -> usize {
        usize::from(self.size.1).saturating_sub(if self.has_rules() { 6 } else { 4 })
    }

    /// Returns how many rows the preview below a list takes; 0 where it does not fit.
    pub fn preview_rows(&self) -> usize {
        let fits = self.size.0 >= 100 && self.size.1 >= 36;
        match self.screen() {
            Screen::Alerts | Screen::Nodes if fits => 10,
            Screen::Clusters => (self.body_rows() / 2).min(14),
            _ => 0,
        }
    }

    /// Returns how many rows stand above the list of the shown screen.
    pub fn head_rows(&self) -> usize {
        match self.screen() {
            Screen::Overview => 0,
            Screen::Alerts | Screen::Nodes | Screen::Silences => 2,
            Screen::Clusters => 1,
            Screen::Alert(_) => 8,
            Screen::Node(_) => 6,
            Screen::Check(_) => 4,
            Screen::Silence(_) | Screen::Editor | Screen::Operation => 0,
        }
    }

    /// Returns how many lines of the shown screen's list fit.
    pub fn list_rows(&self) -> usize {
        self.body_rows().saturating_sub(self.head_rows() + self.preview_rows())
    }
}
