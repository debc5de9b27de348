//! The filter of a list: what is typed, the last of it that was valid, and which rows that lets through.

use crate::fleet::alerts::AlertMarks;
use crate::fleet::filter::{AlertSubject, ClusterLabels, MarkedAlert, NodeSubject, SilenceSubject};
pub use crate::model::filter::Filter;
use crate::model::filter::{Field, FilterError, RowKind, Scope, Subject, Value};
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::tui::state::complete::Completion;
use crate::tui::state::data::ClusterData;
use crate::tui::state::rows::{AlertRow, NodeRow};
use crate::tui::state::silences::SilenceRow;
use tui_input::Input;

#[cfg(test)]
mod tests;

/// The field that a filter is typed into.
#[derive(Debug, Clone)]
pub struct FilterField {
    /// What stands in it.
    pub input: Input,
    /// Whether keys go into it.
    pub editing: bool,
    /// What is in force: the last valid text.
    pub applied: Filter,
    /// Why the text is not valid.
    pub error: Option<FilterError>,
    /// Whether the reader is told of the error: a half-typed matcher is none until typing pauses.
    pub told: bool,
    /// What Tab has put into it.
    pub completion: Option<Completion>,
    kind: Option<RowKind>,
    before: String,
}

impl FilterField {
    /// Starts empty, for rows of `kind`.
    pub fn new(kind: Option<RowKind>) -> Self {
        Self {
            input: Input::default(),
            editing: false,
            applied: Filter::default(),
            error: None,
            told: false,
            completion: None,
            kind,
            before: String::new(),
        }
    }

    /// Returns what stands in the field.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Returns the kind of rows that it is for.
    pub fn kind(&self) -> Option<RowKind> {
        self.kind
    }

    /// Returns the error that the reader is to see.
    pub fn complaint(&self) -> Option<&FilterError> {
        self.error.as_ref().filter(|_| self.told)
    }

    /// Starts typing, behind a blank where something stands already.
    pub fn edit(&mut self) {
        self.before = self.text().to_owned();
        self.editing = true;
        if !self.before.is_empty() && !self.before.ends_with(' ') {
            self.input = Input::new(format!("{} ", self.before));
        }
    }

    /// Ends typing and keeps what is valid; an invalid text stays open and is named.
    pub fn accept(&mut self) {
        self.editing = self.error.is_some();
        if !self.editing {
            self.input = Input::new(self.text().trim().to_owned());
        }
        (self.told, self.completion) = (true, None);
    }

    /// Ends typing and returns to what was before.
    pub fn cancel(&mut self, own: &ClusterLabels) {
        self.editing = false;
        self.set(&self.before.clone(), own);
    }

    /// Sets the text.
    pub fn set(&mut self, text: &str, own: &ClusterLabels) {
        self.input = Input::new(text.to_owned());
        self.changed(own);
    }

    /// Takes over what was typed, if it is valid.
    pub fn changed(&mut self, own: &ClusterLabels) {
        (self.told, self.completion) = (false, None);
        let scope = Scope { kind: self.kind, cluster_labels: &own.names() };
        match Filter::parse_for(&scope, self.input.value()) {
            Ok(filter) => (self.applied, self.error) = (filter, None),
            Err(error) => self.error = Some(error),
        }
    }
}

/// A filter in force, with what it needs beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// The filter.
    pub filter: &'a Filter,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
    /// What is known beside the alerts: their silences, and which of them flap.
    pub marks: &'a AlertMarks,
    /// When ages are counted from.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Reports whether it lets an alert of `cluster` through.
    pub fn accepts_alert(&self, row: &AlertRow, cluster: &ClusterData) -> bool {
        self.filter.is_empty() || self.filter.shows(&self.alert(row, cluster))
    }

    /// Reports whether it lets a node through.
    pub fn accepts_node(&self, row: &NodeRow) -> bool {
        self.filter.is_empty() || self.filter.shows(&self.node(row))
    }

    /// Reports whether it lets a silence through.
    pub fn accepts_silence(&self, row: &SilenceRow) -> bool {
        self.filter.is_empty() || self.filter.shows(&self.silence(row))
    }
}

impl<'a> Judge<'a> {
    /// Returns an alert of `cluster` as a filter sees it.
    pub fn alert(&self, row: &'a AlertRow, cluster: &'a ClusterData) -> impl Subject + 'a {
        let alert = AlertSubject {
            alert: &row.alert,
            node_label: &cluster.node_label,
            check_label: &cluster.check_label,
            own: self.own,
            now: self.now,
        };
        Folded { subject: MarkedAlert { alert, marks: self.marks }, search: &row.search }
    }

    /// Returns a node as a filter sees it.
    pub fn node(&self, row: &'a NodeRow) -> impl Subject + 'a {
        Folded { subject: NodeSubject { node: &row.node, own: self.own }, search: &row.search }
    }

    /// Returns a silence as a filter sees it.
    pub fn silence(&self, row: &'a SilenceRow) -> impl Subject + 'a {
        Folded { subject: SilenceSubject::new(&row.silence, self.own, self.now), search: &row.search }
    }
}

/// A subject whose texts were put into one lower-case column before, so that a word is one search.
struct Folded<'a, S> {
    subject: S,
    search: &'a str,
}

impl<S: Subject> Subject for Folded<'_, S> {
    fn labels(&self) -> &Labels {
        self.subject.labels()
    }
    fn field(&self, field: &Field) -> Value<'_> {
        self.subject.field(field)
    }
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.subject.any_text(test)
    }
    fn has_folded(&self, word: &str) -> bool {
        // `str::contains` took a quarter of the time of a key of a filter over 50,000 alerts.
        memchr::memmem::find(self.search.as_bytes(), word.as_bytes()).is_some()
    }
}
