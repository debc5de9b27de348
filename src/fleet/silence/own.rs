//! Finding the silences that an operation made on a cluster, whatever its journal knows of them. Pure.

use super::identity::{Key, OP_ANNOTATION, OpId};
use super::operation::Content;
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::Timestamp;
use chrono::TimeDelta;
use std::sync::Arc;

/// How far a server's clock may be behind ours when a silence's start tells whether it came after the plan.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Whether an operation's silence is on a cluster.
pub(super) enum Found {
    /// It is, perhaps more than once; the oldest first.
    InForce(Vec<Arc<str>>),
    /// It was there and has ended.
    Gone(Arc<str>),
    /// It is not, nor was it.
    Nothing,
}

/// What tells the silences that an operation made with `content` on a cluster.
pub(super) struct Own<'t> {
    pub op: OpId,
    pub began: Timestamp,
    pub content: &'t Content,
    /// Those that were there before look alike and are none of ours.
    pub before: &'t [Arc<str>],
}

impl Own<'_> {
    /// Looks for them among all silences of the cluster.
    pub(super) fn find<'s>(&self, silences: impl Iterator<Item = &'s Silence> + Clone) -> Found {
        let (key, op) = (self.content.key(), self.op.to_string());
        let alike = || {
            silences.clone().filter(|s| Key::of(s) == key && !self.before.contains(&s.id)).filter(|s| {
                // Where annotations are kept, another operation's silence is not ours, whatever its end.
                s.annotations.get(OP_ANNOTATION).is_none_or(|theirs| *theirs == op)
            })
        };
        let tagged = |s: &Silence| s.annotations.contains_key(OP_ANNOTATION);
        let mut in_force: Vec<&Silence> = alike()
            .filter(|s| s.state != SilenceState::Expired && (tagged(s) || s.ends_at == self.content.ends_at))
            .collect();
        in_force.sort_by_key(|s| (s.updated_at, s.id.clone()));
        if !in_force.is_empty() {
            return Found::InForce(in_force.into_iter().map(|s| s.id.clone()).collect());
        }
        // Ending a silence overwrites its end, so the start has to tell.
        let ours = |s: &&Silence| {
            s.state == SilenceState::Expired && s.starts_at >= self.began.min(self.content.starts_at) - SKEW
        };
        alike().find(ours).map_or(Found::Nothing, |s| Found::Gone(s.id.clone()))
    }
}
