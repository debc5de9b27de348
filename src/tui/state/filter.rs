//! The filter of a list: what is typed, and the last of it that was valid.

use crate::tui::state::data::ClusterData;
use crate::tui::state::rows::{AlertRow, NodeRow};
use tui_input::Input;

/// A valid filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    words: Vec<(bool, String)>,
}

/// Why a text is no filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The sentence.
    pub message: String,
    /// The byte at which it goes wrong.
    pub at: usize,
}

impl Filter {
    /// Reads a filter: words that must all be found, `!word` for one that must not.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let words = text.split_whitespace().map(|word| match word.strip_prefix('!') {
            Some(rest) => (false, rest.to_lowercase()),
            None => (true, word.to_lowercase()),
        });
        Ok(Self { words: words.filter(|(_, word)| !word.is_empty()).collect() })
    }

    /// Reports whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Reports whether it lets an alert through.
    pub fn accepts_alert(&self, row: &AlertRow, _cluster: &ClusterData) -> bool {
        self.accepts_text(&row.search)
    }

    /// Reports whether it lets a node through.
    pub fn accepts_node(&self, row: &NodeRow, _cluster: &ClusterData) -> bool {
        self.accepts_text(&row.search)
    }

    /// Reports whether it lets something with this lower-case text through.
    pub fn accepts_text(&self, text: &str) -> bool {
        self.words.iter().all(|(wanted, word)| text.contains(word.as_str()) == *wanted)
    }
}

/// The field that a filter is typed into.
#[derive(Debug, Clone, Default)]
pub struct FilterField {
    /// What stands in it.
    pub input: Input,
    /// Whether keys go into it.
    pub editing: bool,
    /// What is in force: the last valid text.
    pub applied: Filter,
    /// Why the text is not valid.
    pub error: Option<FilterError>,
    before: String,
}

impl FilterField {
    /// Returns what stands in the field.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Starts typing.
    pub fn edit(&mut self) {
        self.before = self.text().to_owned();
        self.editing = true;
    }

    /// Ends typing and keeps what is valid; an invalid text stays open and is named.
    pub fn accept(&mut self) {
        self.editing = self.error.is_some();
    }

    /// Ends typing and returns to what was before.
    pub fn cancel(&mut self) {
        self.editing = false;
        self.set(&self.before.clone());
    }

    /// Sets the text.
    pub fn set(&mut self, text: &str) {
        self.input = Input::new(text.to_owned());
        self.changed();
    }

    /// Takes over what was typed, if it is valid.
    pub fn changed(&mut self) {
        match Filter::parse(self.input.value()) {
            Ok(filter) => (self.applied, self.error) = (filter, None),
            Err(error) => self.error = Some(error),
        }
    }
}
