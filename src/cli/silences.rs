//! What the read commands tell of a silence.

use crate::fleet::silences::SilenceCopy;
use crate::model::silence::SilenceState;
use crate::model::time::{Timestamp, format_left, rfc3339, serialize};
use serde::Serialize;
use std::sync::Arc;

/// A silence beside what it hits: who, until when, why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SilenceNote {
    /// Alertmanager's id.
    pub id: Arc<str>,
    /// Where it stands in time.
    pub state: SilenceState,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it starts.
    #[serde(serialize_with = "serialize")]
    pub starts_at: Timestamp,
    /// When it ends.
    #[serde(serialize_with = "serialize")]
    pub ends_at: Timestamp,
    /// What it asks for.
    pub matchers: Vec<String>,
}

impl SilenceNote {
    /// Takes what is told from a silence.
    pub fn of(copy: &SilenceCopy) -> Self {
        let silence = &copy.silence;
        Self {
            id: silence.id.clone(),
            state: silence.state,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            matchers: silence.matchers.iter().map(ToString::to_string).collect(),
        }
    }

    /// Tells it in one line.
    pub fn line(&self, now: Timestamp) -> String {
        let Self { created_by, comment, matchers, .. } = self;
        let left = |then: Timestamp| format_left((then - now).to_std().unwrap_or_default());
        let when = match self.state {
            SilenceState::Active => {
                format!("for {} more, until {}", left(self.ends_at), rfc3339(self.ends_at))
            }
            SilenceState::Pending => {
                format!("starts in {}, until {}", left(self.starts_at), rfc3339(self.ends_at))
            }
            SilenceState::Expired => format!("ended {}", rfc3339(self.ends_at)),
        };
        format!("{created_by}: {comment} ({when}) {{{}}} {}", matchers.join(", "), self.id)
    }
}
