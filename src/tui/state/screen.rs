//! Which screens there are, and how many lines each has for its list.

use crate::fleet::silence::OpId;
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
    /// The operations of the journal.
    Operations,
    /// An operation and what became of it; `None` is the one that was confirmed here last.
    Operation(Option<OpId>),
}

/// Below this nothing but a summary fits.
pub const SMALLEST: (u16, u16) = (60, 14);
/// Below this many rows the rules go.
const RULES: u16 = 20;
/// Below this many rows the key line goes, too.
const KEYS: u16 = 16;
/// From this many rows on there is room for more facts above an output.
const TALL: u16 = 34;

/// Where what is under the cursor of a list is shown in more detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// Nowhere: the list needs the room.
    None,
    /// Below the list, on so many rows.
    Below(usize),
    /// To the right of the list, on so many columns.
    Right(usize),
}

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

    /// Reports whether the last row names keys.
    pub fn has_keys(&self) -> bool {
        self.size.1 >= KEYS
    }

    /// Returns how many rows stand below the body: rule, message, keys.
    pub fn foot_rows(&self) -> usize {
        1 + usize::from(self.has_rules()) + usize::from(self.has_keys())
    }

    /// Returns how many rows stand above the body: title, scope, rule.
    pub fn title_rows(&self) -> usize {
        2 + usize::from(self.has_rules())
    }

    /// Returns how many rows lie between the head and the foot of the screen.
    pub fn body_rows(&self) -> usize {
        usize::from(self.size.1).saturating_sub(self.title_rows() + self.foot_rows())
    }

    /// Returns how many keys the help shows at a time: title, scope, its own rule and the lines at its end stay.
    pub fn help_rows(&self) -> usize {
        usize::from(self.size.1).saturating_sub(6).max(1)
    }

    /// Returns where the preview of the shown screen is.
    pub fn preview(&self) -> Preview {
        let (columns, rows) = self.size;
        match self.screen() {
            // Its replicas are what the screen is for, and their lines are long.
            Screen::Clusters => Preview::Below((self.body_rows() / 2).min(16)),
            Screen::Overview | Screen::Alerts | Screen::Nodes | Screen::Silences => match (columns, rows) {
                (160.., _) => Preview::Right(usize::from(columns) * 2 / 5),
                (100..=159, 36..) => Preview::Below(self.body_rows() * 2 / 5),
                (130..=159, _) => Preview::Right(usize::from(columns) * 2 / 5),
                _ => Preview::None,
            },
            _ => Preview::None,
        }
    }

    /// Returns how many rows the body has beside or above the preview.
    pub fn main_rows(&self) -> usize {
        match self.preview() {
            Preview::Below(rows) => self.body_rows().saturating_sub(rows),
            Preview::None | Preview::Right(_) => self.body_rows(),
        }
    }

    /// Returns how many rows the facts of an alert take above its output.
    pub fn fact_rows(&self) -> usize {
        if self.size.1 >= TALL { 10 } else { 7 }
    }

    /// Returns how many rows stand above the list of the shown screen.
    pub fn head_rows(&self) -> usize {
        match self.screen() {
            Screen::Overview => 0,
            Screen::Alerts | Screen::Nodes | Screen::Silences => 2,
            Screen::Clusters => 1,
            Screen::Operations => 2,
            Screen::Alert(_) => self.fact_rows() + 1,
            Screen::Node(_) => 6,
            Screen::Check(_) => 4,
            Screen::Silence(_) | Screen::Editor | Screen::Operation(_) => 0,
        }
    }

    /// Returns how many lines of the shown screen's list fit.
    pub fn list_rows(&self) -> usize {
        self.main_rows().saturating_sub(self.head_rows())
    }
}
