//! The filter that a command takes behind its name, and the rows that pass it.

use super::error::AppError;
use super::session::Session;
use crate::model::filter::{Field, Filter, FilterError, Pseudo, RowKind, Scope, Subject, Value};
use crate::model::labels::Labels;
use crate::model::time::{Timestamp, age};
use crate::model::{alert::Alert, node::Node};
use clap::Args;
use std::collections::BTreeMap;
use std::sync::Arc;

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
        let clusters = session.fleet.clusters().iter();
        let names: Vec<&str> = clusters.flat_map(|c| c.config.labels.keys()).map(String::as_str).collect();
        let scope = Scope { kind: Some(kind), cluster_labels: &names };
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

/// Rows as a filter sees them.
pub trait Filterable {
    /// The row's labels.
    fn labels(&self) -> &Labels;
    /// The name of its cluster.
    fn cluster(&self) -> &str;
    /// Texts that words are searched in.
    fn text(&self) -> String;
    /// The answer for a field of its kind.
    fn pseudo(&self, pseudo: Pseudo, now: Timestamp) -> Value<'_>;
}

/// Keeps the rows that `filter` shows.
pub fn keep<T: Filterable>(rows: &mut Vec<T>, filter: &Filter, session: &Session<'_>) {
    if filter.is_empty() {
        return;
    }
    let own: BTreeMap<&str, &BTreeMap<String, String>> =
        session.fleet.clusters().iter().map(|c| (c.name().as_str(), &c.config.labels)).collect();
    let now = session.now;
    rows.retain(|row| {
        let text = if filter.uses_text() { row.text() } else { String::new() };
        let folded = Filter::fold(&text);
        let field = |field: &Field| match field {
            Field::Pseudo(pseudo) => row.pseudo(*pseudo, now),
            Field::ClusterLabel(name) => own
                .get(row.cluster())
                .and_then(|labels| labels.get(&**name))
                .map_or(Value::Absent, |value| Value::Text(value.as_str().into())),
        };
        filter.shows(&Subject { labels: row.labels(), text: &text, folded: &folded, field: &field })
    });
}

impl Filterable for super::alerts::AlertRow {
    fn labels(&self) -> &Labels {
        &self.alert.labels
    }
    fn cluster(&self) -> &str {
        self.alert.cluster.as_str()
    }
    fn text(&self) -> String {
        searched(&self.alert.labels, self.alert.annotations.iter().map(|(_, value)| value))
    }
    fn pseudo(&self, pseudo: Pseudo, now: Timestamp) -> Value<'_> {
        alert_field(&self.alert, &self.node, &self.check, pseudo, now)
    }
}

fn alert_field<'a>(
    alert: &'a Alert,
    node: &'a Arc<str>,
    check: &'a Arc<str>,
    pseudo: Pseudo,
    now: Timestamp,
) -> Value<'a> {
    match pseudo {
        Pseudo::Cluster => Value::Text(alert.cluster.as_str().into()),
        Pseudo::State => Value::Text(alert.state.word().into()),
        Pseudo::Age | Pseudo::Since | Pseudo::For => Value::Duration(age(alert.since, now)),
        Pseudo::Node => Value::Text((&**node).into()),
        Pseudo::Check => Value::Text((&**check).into()),
        Pseudo::Out => Value::Texts(alert.annotations.iter().map(|(_, value)| value.into()).collect()),
        Pseudo::Am => Value::List(&alert.seen_by),
        Pseudo::Silence => Value::List(&alert.silenced_by),
        Pseudo::Receiver => Value::List(&alert.receivers),
        Pseudo::Fp => Value::Text(alert.fingerprint.to_string().into()),
        _ => Value::Absent,
    }
}

impl Filterable for Node {
    fn labels(&self) -> &Labels {
        &self.labels
    }
    fn cluster(&self) -> &str {
        self.cluster.as_str()
    }
    fn text(&self) -> String {
        searched(&self.labels, self.failing.iter().map(|f| &*f.check).chain([&*self.name]))
    }
    fn pseudo(&self, pseudo: Pseudo, _: Timestamp) -> Value<'_> {
        match pseudo {
            Pseudo::Cluster => Value::Text(self.cluster.as_str().into()),
            Pseudo::State => Value::Text(self.worst().word().to_lowercase().into()),
            Pseudo::Node => Value::Text((&*self.name).into()),
            Pseudo::Check => Value::Texts(self.failing.iter().map(|f| (&*f.check).into()).collect()),
            Pseudo::Fails => Value::Number(f64::from(self.counts.bad())),
            Pseudo::Up => {
                let word = self.up.word();
                Value::Text(if word == "?" { "unknown".into() } else { word.to_lowercase().into() })
            }
            _ => Value::Absent,
        }
    }
}

/// Joins what a word is searched in, a line each, so that no word is found across two values.
fn searched<'a>(labels: &'a Labels, more: impl Iterator<Item = &'a str>) -> String {
    labels.iter().map(|(_, value)| value).chain(more).collect::<Vec<_>>().join("\n")
}
