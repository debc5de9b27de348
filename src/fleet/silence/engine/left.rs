//! Telling what of an interrupted operation is still to be done, without sending or writing down anything.
//!
//! This mirrors what `carry_out` and `expire` (task.rs), `write_new`, `write_onto` and `settle` (write.rs) do, in
//! their order: whatever changes there changes here. The tests that kill an operation at every step hold the two
//! together: what is left is shown first, and nothing but that may be sent.

use super::members::{Member, has_ended, read_all, survey};
use super::task::{Changed, changed_behind, failed};
use super::write::Onto;
use super::{Engine, Limits, Shared};
use crate::fleet::silence::operation::{Content, Seen, Task};
use crate::fleet::silence::own::Found;
use crate::fleet::silence::record::{Outcome, Standing};
use crate::fleet::{Cluster, Fleet};
use futures_util::future::join_all;

/// What is left of a cluster's task.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// This part of it is still to be sent; none of it where neither anything is written nor anything expires.
    pub part: Task,
    /// Nothing more than that is sent as long as this is so.
    pub stuck: Option<Outcome>,
}

impl Left {
    /// Returns what is still to be sent, if anything is.
    pub fn task(&self) -> Option<&Task> {
        Some(&self.part).filter(|task| task.write.is_some() || !task.expire.is_empty())
    }
}

/// Reads on every cluster what a [`run`](super::run) would still send there, each with the task as it was planned.
pub async fn left<'s>(fleet: &Fleet, standing: &'s Standing, limits: Limits) -> Vec<(&'s Task, Left)> {
    let engine = Engine::unobserved(fleet, limits, Shared { journal: None, standing: standing.clone() });
    let looks = standing.operation.tasks.iter().map(async |task| {
        let mut part = Task { write: None, expire: Vec::new(), ..task.clone() };
        let stuck = engine.left_of(task, &mut part).await.err();
        (task, Left { part, stuck })
    });
    join_all(looks).await
}

impl Engine<'_> {
    /// Adds what would be sent to `left`, as far as an obstacle lets it come.
    async fn left_of(&self, task: &Task, left: &mut Task) -> Result<(), Outcome> {
        let progress = self.progress(&task.cluster);
        if !progress.is_left() {
            return Ok(());
        }
        let cluster = self.cluster_of(task)?;
        let members = survey(cluster, &self.limits).await;
        match (&task.write, &task.onto) {
            (None, _) => {}
            (Some(content), Some(seen)) => match self.look_onto(task, seen, content, &members).await? {
                Onto::Shows(_) => {}
                Onto::AsSeen(_) => left.write = Some(content.clone()),
            },
            (Some(content), None) => match self.left_of_new(task, content, cluster, &members).await? {
                New::Stands(twins) => left.expire = twins,
                New::Missing => left.write = Some(content.clone()),
            },
        }
        for seen in task.expire.iter().filter(|seen| progress.written.as_ref() != Some(&seen.id)) {
            if task.write.is_some()
                && let Some(Changed::Lives(who)) = self.changed_by_another(task, seen, &members).await
            {
                return Err(failed(changed_behind(&who, seen)));
            }
            if has_ended(&seen.id, &members).await != Some(true) {
                left.expire.push(seen.clone());
            }
        }
        Ok(())
    }

    /// Tells whether a new silence is there already.
    async fn left_of_new(
        &self,
        task: &Task,
        content: &Content,
        cluster: &Cluster,
        members: &[Member<'_>],
    ) -> Result<New, Outcome> {
        let holdings = read_all(cluster).await;
        let found = self.own(task, content).find(holdings.silences.values());
        match found {
            // Twins come of what was sent and not answered.
            Found::InForce(ids) if !self.progress(&task.cluster).sent.is_empty() => {
                Ok(New::Stands(ids[1..].iter().map(|id| Seen::of(&holdings.silences[id])).collect()))
            }
            Found::InForce(_) | Found::Gone(_) => Ok(New::Stands(Vec::new())),
            Found::Nothing => {
                self.absent(task, &holdings)?;
                self.changed_since(task, members).await.map_or(Ok(New::Missing), Err)
            }
        }
    }
}

/// Whether a new silence is there.
enum New {
    /// It is, or was and has ended; these came beside it and are to end.
    Stands(Vec<Seen>),
    /// It is not.
    Missing,
}
