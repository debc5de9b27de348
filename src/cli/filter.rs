//! The filter that a command takes behind its name, and the rows that pass it.

use super::error::AppError;
use super::session::Session;
use crate::model::filter::{Filter, FilterError, RowKind, Scope};
use clap::Args;

/// The filter, in as many arguments as it is typed in.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Only rows that fit: label=value, label=~regex, @state=active, @age<15m, words; all must hold
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
}

impl FilterArgs {
    /// Parses the filter for rows of `kind`; fields named like clusters' own labels are taken, too.
    pub fn parse(&self, kind: RowKind, session: &Session<'_>) -> Result<Filter, AppError> {
        let scope = Scope { kind: Some(kind), cluster_labels: &session.labels.names() };
        Filter::parse_for(&scope, &self.filter.join(" ")).map_err(complaint)
    }
}

fn complaint(error: FilterError) -> AppError {
    let app = AppError::usage(format!("the filter cannot be read: {error}\n{}", error.pointer()));
    match &error.hint {
        Some(hint) => app.hint(hint.clone()),
        None => app,
    }
}
