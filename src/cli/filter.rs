//! The filter that a command takes behind its name, and the rows that pass it.

use super::error::AppError;
use super::session::Session;
use crate::model::filter::{Filter, FilterError, RowKind, Scope};
use crate::model::text;
use clap::Args;

/// The filter, in as many arguments as it is typed in.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Only rows that fit: label=value, label=~regex, @cluster=NAME, words; all must hold
    ///
    /// Matchers are Alertmanager's: =, !=, =~, !~, and a regex must match the whole value. @fields are what a row
    /// has beside its labels, and the labels of its cluster (@env); @age, @since, @for, @dur and @expires are
    /// compared like @age<15m, @fails and @exit like @fails>2. A word is searched everywhere, upper case in it
    /// makes case matter; 'exact words', /regex/. A ! in front turns any of them around. A field or state that
    /// the rows do not have is an error that lists those they have.
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
}

impl FilterArgs {
    /// Parses the filter for rows of `kind`; fields named like clusters' own labels are taken, too.
    pub fn parse(&self, kind: RowKind, session: &mut Session<'_>) -> Result<Filter, AppError> {
        let scope = Scope { kind: Some(kind), cluster_labels: &session.labels.names() };
        let filter = Filter::parse_for(&scope, &self.filter.join(" ")).map_err(complaint)?;
        session.hint_if_empty = filter.anchored().map(|term| {
            let term = text::line(term);
            format!("the regex of {term} must match the whole value, as in Alertmanager; a part: .*part.*")
        });
        Ok(filter)
    }
}

/// Moves the text and its carets under the error.
fn indented(pointer: &str) -> String {
    pointer.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn complaint(error: FilterError) -> AppError {
    let app = AppError::usage(format!("the filter cannot be read: {error}\n{}", indented(&error.pointer())));
    match &error.hint {
        Some(hint) => app.hint(hint.clone()),
        None => app,
    }
}
