//! The last look before something is written.

pub use crate::fleet::silence::ConfirmLevel as Level;
use crate::fleet::silence::{Change, ConfirmLevel, Draft, Facts, Kind, LogicalSilence, OpId, Preview};
use crate::model::cluster::ClusterName;
use crate::tui::state::wrap::{cut, wrapped};
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// What is to be written, frozen: nothing that comes in while somebody reads changes it.
#[derive(Debug, Clone)]
pub enum Deed {
    /// New silences.
    Add {
        /// What.
        draft: Draft,
        /// Where, and what it hits.
        preview: Arc<Preview>,
        /// What that was found from.
        facts: Vec<Arc<Facts>>,
    },
    /// A change of a silence, or its later end.
    Change {
        /// The silence as it was read.
        silence: Box<LogicalSilence>,
        /// What changes.
        change: Change,
        /// Edit or extend.
        kind: Kind,
    },
    /// The end of silences, one operation each.
    Expire(Vec<LogicalSilence>),
    /// The rest of interrupted operations.
    Resume(Vec<Agreed>),
    /// Operations are taken back.
    Undo(Vec<OpId>),
}

/// An operation, and where what was shown of it may be sent; elsewhere it is only noted what stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Which.
    pub op: OpId,
    /// Where.
    pub on: Vec<ClusterName>,
}

/// What is left of operations is being found out; the last look comes after.
#[derive(Debug, Clone)]
pub struct RemainsAsked {
    /// Which.
    pub ops: Vec<OpId>,
    /// What is to come of it, in a few words.
    pub title: String,
    /// The number of the question.
    pub token: u64,
}

/// The last look.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// What is to be written.
    pub deed: Deed,
    /// What it is, in a few words.
    pub title: String,
    /// Who, what, where, until when and how much, safe.
    pub lines: Vec<String>,
    /// The command line that does the same.
    pub command: String,
    /// How strongly it must be confirmed.
    pub level: ConfirmLevel,
    /// What is typed where a word is asked for.
    pub typed: Input,
    /// The first row that is shown, where not all fit.
    pub top: usize,
    /// Whether keys count yet.
    pub armed: bool,
    /// The number of its guard.
    pub token: u64,
}

/// How far continued rows are moved in, so that what a line is about stands alone in its column.
const INDENT: usize = 11;

/// The rows of a last look on a screen of some size.
#[derive(Debug)]
pub struct Layout {
    /// What is said, broken into rows, and whether each warns.
    pub lines: Vec<(bool, String)>,
    /// The command line, broken into rows.
    pub command: Vec<String>,
    /// How many rows of what is said can be shown at once.
    pub room: usize,
}

/// The word that must be typed to confirm something broad.
pub const BROAD_WORD: &str = "broad";

impl Confirm {
    /// Returns for how long every key is ignored: what was pressed for the screen below must not write.
    pub fn guard(level: ConfirmLevel) -> Duration {
        match level {
            ConfirmLevel::Small => Duration::from_millis(400),
            _ => Duration::from_secs(1),
        }
    }

    /// Breaks what is said into rows for a screen of this size.
    pub fn layout(&self, columns: usize, rows: usize) -> Layout {
        let broken = |line: &String| {
            let danger = line.starts_with('!');
            wrapped(&format!(" {line}"), columns, INDENT).into_iter().map(move |row| (danger, row))
        };
        let lines: Vec<(bool, String)> = self.lines.iter().flat_map(broken).collect();
        // What is written is worth more rows than how it would be typed.
        let left = rows.saturating_sub(5 + lines.len()).max(2);
        let command = cut(wrapped(&format!(" same as: {}", self.command), columns, 10), left);
        let room = rows.saturating_sub(5 + command.len());
        Layout { lines, command, room }
    }

    /// Moves what is shown by `rows`, on a terminal of this size, and not past the last row.
    pub fn scroll(&mut self, rows: isize, size: (u16, u16)) {
        // Title and coverage stay in sight above it, and the key line below it.
        let layout = self.layout(size.0.into(), usize::from(size.1).saturating_sub(3));
        let last = layout.lines.len().saturating_sub(layout.room);
        self.top = self.top.min(last).saturating_add_signed(rows).min(last);
    }

    /// Says what confirming does.
    pub fn verb(&self) -> &'static str {
        match &self.deed {
            Deed::Resume(agreed) if agreed.iter().all(|agreed| agreed.on.is_empty()) => "note it",
            _ => "send",
        }
    }

    /// Reports whether the word was typed, where one is asked for.
    pub fn has_word(&self) -> bool {
        self.level == ConfirmLevel::Broad && self.typed.value().trim() == BROAD_WORD
    }
}
