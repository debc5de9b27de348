//! The last look before something is written.

pub use crate::fleet::silence::ConfirmLevel as Level;
use crate::fleet::silence::{Change, ConfirmLevel, Draft, Facts, Kind, LogicalSilence, OpId, Preview};
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
    Resume(Vec<OpId>),
    /// Operations are taken back.
    Undo(Vec<OpId>),
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

    /// Reports whether the word was typed, where one is asked for.
    pub fn has_word(&self) -> bool {
        self.level == ConfirmLevel::Broad && self.typed.value().trim() == BROAD_WORD
    }
}
