//! Finding out what an interrupted operation has done, without sending anything.

use super::members::{newest, read_all, survey};
use super::write::shows;
use super::{Engine, Halt, Limits, Opened, Shared};
use crate::fleet::silence::operation::{Content, Seen, Task};
use crate::fleet::silence::own::Found;
use crate::fleet::silence::record::{Progress, Record};
use crate::fleet::{Cluster, Fleet};
use crate::model::silence::SilenceState;
use crate::sys::clock;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Looks on every cluster for what the journal does not know, and writes it into the journal. What cannot be read
/// stays in doubt: its [`Progress::sent`] keeps the members.
pub async fn find_out(fleet: &Fleet, opened: Opened, limits: Limits) -> Opened {
    let Opened { standing, journal, agreed } = opened;
    let tasks = standing.operation.tasks.clone();
    let engine = Engine::unobserved(fleet, limits, Shared { journal, standing });
    // A journal that takes no more lines leaves in doubt what could not be noted.
    join_all(tasks.iter().map(|task| async { engine.look_into(task).await.ok() })).await;
    let Shared { journal, standing } =
        engine.shared.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    Opened { standing, journal, agreed }
}

impl Engine<'_> {
    async fn look_into(&self, task: &Task) -> Result<(), Halt> {
        let progress = self.progress(&task.cluster);
        let Some(cluster) = self.fleet.cluster(&task.cluster).filter(|_| !progress.is_settled()) else {
            return Ok(());
        };
        if let Some(content) = &task.write
            && !progress.sent.is_empty()
        {
            match &task.onto {
                Some(seen) => self.look_for_change(task, seen, content, cluster).await?,
                None => self.look_for_new(task, content, cluster).await?,
            }
        }
        let members = survey(cluster, &self.limits).await;
        for seen in task.expire.iter().filter(|seen| !progress.expired.contains(&seen.id)) {
            let now = newest(&seen.id, &members).await.0;
            if now.is_some_and(|now| now.state == SilenceState::Expired) {
                self.note(Record::Expired { cluster: task.cluster.clone(), id: seen.id.clone() })?;
            }
        }
        Ok(())
    }

    /// Looks for the operation's silence. A request may still be on its way, so that its absence counts only after
    /// a while.
    async fn look_for_new(&self, task: &Task, content: &Content, cluster: &Cluster) -> Result<(), Halt> {
        let Progress { sent, .. } = self.progress(&task.cluster);
        let started = clock::instant();
        loop {
            let holdings = read_all(cluster).await;
            let unread: BTreeSet<Arc<str>> = holdings.unread.keys().cloned().collect();
            match self.own(task, content).find(holdings.silences.values()) {
                Found::InForce(ids) => {
                    self.note(Record::Written { cluster: task.cluster.clone(), id: ids[0].clone() })?;
                }
                Found::Gone(id) => self.note(Record::Written { cluster: task.cluster.clone(), id })?,
                Found::Nothing if unread.is_empty() && started.elapsed() < self.limits.watch => {
                    tokio::time::sleep(self.limits.poll).await;
                    continue;
                }
                Found::Nothing if !unread.is_empty() => return Ok(()),
                Found::Nothing => {}
            }
            return self.resolve(task, sent.difference(&unread));
        }
    }

    async fn look_for_change(
        &self,
        task: &Task,
        seen: &Seen,
        content: &Content,
        cluster: &Cluster,
    ) -> Result<(), Halt> {
        let members = survey(cluster, &self.limits).await;
        let (now, _, errors) = newest(&seen.id, &members).await;
        if let Some(now) = now.filter(|now| shows(now, content)) {
            self.note(Record::Written { cluster: task.cluster.clone(), id: now.id })?;
        }
        let sent = self.progress(&task.cluster).sent;
        let unread: BTreeSet<Arc<str>> = errors.into_keys().collect();
        self.resolve(task, sent.difference(&unread))
    }
}
