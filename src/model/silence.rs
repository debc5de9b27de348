//! A silence as one Alertmanager keeps it.

use super::labels::Labels;
use super::matcher::{Matcher, Verdict, accepts_all};
use super::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a silence stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// In force now.
    Active,
    /// Starts later.
    Pending,
    /// Over; kept for Alertmanager's retention (120 h by default).
    Expired,
}

impl SilenceState {
    /// Returns the word for screens and filters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// A silence as one Alertmanager member reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Alertmanager's id (a UUID).
    pub id: Arc<str>,
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Where it stands, as the member says.
    pub state: SilenceState,
    /// Annotations (Alertmanager 0.32 and newer).
    pub annotations: BTreeMap<String, String>,
}

/// The labels that say most of what is silenced, the first one before all others.
const TELLING: [&str; 4] = ["alertname", "check", "instance", "job"];

/// Returns matchers as they are shown where there is room for a few: those first that say most; Alertmanager has them by name.
pub fn telling_first(matchers: &[Matcher]) -> Vec<&Matcher> {
    let mut ordered: Vec<&Matcher> = matchers.iter().collect();
    ordered.sort_by_key(|matcher| {
        TELLING.iter().position(|name| *name == &*matcher.name).unwrap_or(TELLING.len())
    });
    ordered
}

impl Silence {
    /// Reports whether the silence hits an alert with these labels.
    pub fn hits(&self, labels: &Labels) -> Verdict {
        accepts_all(&self.matchers, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::{Matcher, telling_first};
    use crate::model::matcher::MatchOp;

    #[test]
    fn what_says_most_comes_first_and_the_rest_as_it_was() {
        let matchers = ["address", "alertname", "az", "check", "instance"]
            .map(|name| Matcher::new(name, MatchOp::Equal, "x"));
        let names: Vec<&str> = telling_first(&matchers).into_iter().map(|matcher| &*matcher.name).collect();
        assert_eq!(names, ["alertname", "check", "instance", "address", "az"]);
    }
}
