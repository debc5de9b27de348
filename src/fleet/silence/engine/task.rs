//! One cluster's task from beginning to end: write, expire, verify, look for forks.

use super::members::{Caught, Expected, Member, has_ended, newest, read_all, survey};
use super::{Engine, Halt, What};
use crate::config::Access;
use crate::fleet::Cluster;
use crate::fleet::silence::identity::Key;
use crate::fleet::silence::operation::{Seen, Task};
use crate::fleet::silence::record::{Outcome, Record, Replication};
use crate::model::silence::SilenceState;
use crate::net::NetErrorKind;
use futures_util::future::join_all;
use std::sync::Arc;

/// What a cluster's task does with one thing: go on, or end with this outcome.
pub(super) type Go<T> = Result<Result<T, Outcome>, Halt>;

/// What somebody else did to a silence that is about to be replaced.
pub(super) enum Changed {
    Ended,
    /// It is still in force; its author now.
    Lives(String),
}

/// A silence that was written.
pub(super) struct Wrote {
    pub id: Arc<str>,
    pub notes: Vec<String>,
    /// Whether it has ended since, by somebody else's hand.
    pub gone: bool,
}

pub(super) fn failed(why: impl Into<String>) -> Outcome {
    Outcome::Failed { why: why.into(), silent: false }
}

/// What failed with `errors`, each with words for it.
pub(super) fn failed_by<'e>(
    why: impl Into<String>,
    errors: impl IntoIterator<Item = &'e NetErrorKind>,
) -> Outcome {
    let silent = errors.into_iter().all(|kind| !matches!(kind, NetErrorKind::Status { .. }));
    Outcome::Failed { why: why.into(), silent }
}

/// Says that somebody changed a silence that was about to be replaced.
pub(super) fn changed_behind(who: &str, old: &Seen) -> String {
    format!("{who} changed the old one meanwhile: look at both, {}", old.id)
}

pub(super) fn unknown(why: impl Into<String>) -> Outcome {
    Outcome::Unknown { why: why.into() }
}

impl Engine<'_> {
    /// Carries out one cluster's task and notes how it ended. An error is the observer's wish to stop.
    pub(super) async fn task(&self, task: &Task) -> Result<(), Halt> {
        let outcome = match self.carry_out(task).await {
            Ok(outcome) => outcome,
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            // Not `failed`, which would be its last word: somebody may agree to it yet.
            Err(Halt::Withheld) => unknown("what the members hold has changed meanwhile; nothing was sent"),
            Err(Halt::Journal(error)) => {
                // Without a journal nothing more is sent. What was sent before is in doubt.
                let progress = self.progress(&task.cluster);
                let why = format!("the journal cannot be written: {error}");
                if progress.sent.is_empty() && progress.written.is_none() {
                    failed(why)
                } else {
                    unknown(why)
                }
            }
        };
        let record = Record::Done { cluster: task.cluster.clone(), outcome: outcome.clone() };
        if let Err(Halt::Journal(_)) = self.note(record.clone()) {
            self.shared().standing.apply(record);
        }
        self.step(Some(&task.cluster), What::Done(outcome))
    }

    async fn carry_out(&self, task: &Task) -> Result<Outcome, Halt> {
        let cluster = match self.cluster_of(task) {
            Ok(cluster) => cluster,
            Err(outcome) => return Ok(outcome),
        };
        let members = survey(cluster, &self.limits).await;
        let wrote = match self.write(task, cluster, &members).await? {
            Ok(wrote) => wrote,
            Err(outcome) => return Ok(outcome),
        };
        let mut notes = wrote.as_ref().map(|w| w.notes.clone()).unwrap_or_default();
        for seen in &task.expire {
            // The silence that was just written must never be taken for the one that it replaces.
            if wrote.as_ref().is_some_and(|w| w.id == seen.id) {
                continue;
            }
            if wrote.is_some()
                && let Some(other) = self.changed_by_another(task, seen, &members).await
            {
                match other {
                    Changed::Ended => notes.push(format!("{} had been ended by somebody else", seen.id)),
                    Changed::Lives(who) => {
                        let new = wrote.as_ref().map(|w| w.id.clone()).unwrap_or_default();
                        return Ok(failed(format!("{} and {new}", changed_behind(&who, seen))));
                    }
                }
            }
            if let Err(outcome) = self.expire(task, seen, &members).await? {
                return Ok(half_done(outcome, wrote.as_ref(), seen));
            }
        }
        self.step(Some(&task.cluster), What::Verifying)?;
        let replication = self.replication(task, wrote.as_ref(), &members).await;
        if wrote.is_some() && (task.onto.is_some() || !task.expire.is_empty()) {
            notes.extend(self.fork(task, wrote.as_ref(), cluster).await);
        }
        Ok(Outcome::Applied { id: wrote.map(|w| w.id), replication, notes })
    }

    /// Returns the cluster of a task, if it may be written to.
    pub(super) fn cluster_of(&self, task: &Task) -> Result<&Cluster, Outcome> {
        match self.fleet.cluster(&task.cluster) {
            None => Err(failed("the cluster is not in the configuration")),
            Some(cluster) if cluster.config.access == Access::Ro => Err(failed("the cluster is read-only")),
            Some(cluster) if cluster.alertmanager.is_empty() => {
                Err(failed("the cluster has no Alertmanager"))
            }
            Some(cluster) => Ok(cluster),
        }
    }

    /// Tells whether somebody else has changed or ended what this task is about to replace. After a crash an end
    /// may be this operation's own, so then only a change counts.
    pub(super) async fn changed_by_another(
        &self,
        task: &Task,
        seen: &Seen,
        members: &[Member<'_>],
    ) -> Option<Changed> {
        let now = newest(&seen.id, members).await.0?;
        if now.updated_at <= seen.updated_at {
            return None;
        }
        match now.state {
            SilenceState::Expired => (!self.progress(&task.cluster).resumed).then_some(Changed::Ended),
            _ => Some(Changed::Lives(now.created_by)),
        }
    }

    /// Writes what the task wants written, if anything.
    async fn write(&self, task: &Task, cluster: &Cluster, members: &[Member<'_>]) -> Go<Option<Wrote>> {
        let Some(content) = &task.write else { return Ok(Ok(None)) };
        let wrote = match &task.onto {
            Some(seen) => self.write_onto(task, seen, content, members).await?,
            None => self.write_new(task, content, cluster, members).await?,
        };
        Ok(wrote.map(Some))
    }

    /// Ends one silence. Repeating that does no harm, so every member is tried until one has done it.
    async fn expire(&self, task: &Task, seen: &Seen, members: &[Member<'_>]) -> Go<()> {
        let id = &seen.id;
        let progress = self.progress(&task.cluster);
        let known = progress.expired.contains(id);
        // What an earlier run has ended may have been lost with the member that was told: the members have to say it.
        if progress.resumed && has_ended(id, members).await == Some(true) {
            if !known {
                self.note(Record::Expired { cluster: task.cluster.clone(), id: id.clone() })?;
            }
            return Ok(Ok(()));
        }
        if known && !progress.resumed {
            return Ok(Ok(()));
        }
        self.may_send(&task.cluster)?;
        self.step(Some(&task.cluster), What::Expiring(id.clone()))?;
        let (mut doubtful, mut refused, mut kinds, mut absent) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for member in members {
            match member.am.expire_silence(id).await {
                Ok(_) => {
                    self.note(Record::Expired { cluster: task.cluster.clone(), id: id.clone() })?;
                    self.step(Some(&task.cluster), What::Expired(id.clone()))?;
                    return Ok(Ok(()));
                }
                Err(error) if is_unknown_silence(&error.kind) => absent += 1,
                Err(error) => {
                    let list = if error.kind.may_have_arrived() { &mut doubtful } else { &mut refused };
                    list.push(format!("{}: {}", member.name(), error.kind));
                    kinds.push(error.kind);
                }
            }
        }
        // Nobody holds it any more: it ended long ago and was cleared away.
        if absent == members.len() {
            return Ok(Ok(()));
        }
        let why = |list: Vec<String>| list.join(", ");
        Ok(Err(if doubtful.is_empty() { failed_by(why(refused), &kinds) } else { unknown(why(doubtful)) }))
    }

    /// Asks the other members whether they have what was done.
    async fn replication(&self, task: &Task, wrote: Option<&Wrote>, members: &[Member<'_>]) -> Replication {
        if members.len() == 1 {
            return Replication::Alone;
        }
        let mut expected: Vec<Expected<'_>> =
            task.expire.iter().map(|seen| Expected::Ended(&seen.id)).collect();
        if let (Some(wrote), Some(content)) = (wrote, &task.write)
            && !wrote.gone
        {
            expected.push(Expected::InForce(&wrote.id, content.ends_at));
        }
        let first = &members[0];
        let checks = members.iter().map(|member| async {
            let limit = if member.is_split_from(first) { self.limits.split } else { self.limits.verify };
            let mut caught = Caught::Up;
            for what in &expected {
                caught = self.catch_up(member, *what, limit).await;
                if !matches!(caught, Caught::Up) {
                    break;
                }
            }
            (member.name(), caught)
        });
        let (mut down, mut behind) = (Vec::new(), Vec::new());
        for (name, caught) in join_all(checks).await {
            match caught {
                Caught::Up => {}
                Caught::Down => down.push(name),
                Caught::Behind => behind.push(name),
            }
        }
        match (behind.is_empty(), down.is_empty()) {
            (false, _) => Replication::Missing(behind),
            (true, false) => Replication::Down(down),
            (true, true) => Replication::Done,
        }
    }

    /// Looks for a silence that somebody else made out of the same one at the same time: Alertmanager lets both
    /// edits succeed.
    async fn fork(&self, task: &Task, wrote: Option<&Wrote>, cluster: &Cluster) -> Vec<String> {
        let (_, began) = self.operation();
        let old = task.onto.iter().chain(&task.expire);
        let keys: Vec<Key> =
            task.write.iter().map(|c| c.key()).chain(old.clone().map(|seen| seen.content.key())).collect();
        let known = |id: &Arc<str>| {
            task.before.contains(id) || old.clone().any(|s| s.id == *id) || wrote.is_some_and(|w| w.id == *id)
        };
        let holdings = read_all(cluster).await;
        let foreign = holdings.silences.values().filter(|s| {
            s.state != SilenceState::Expired
                && s.updated_at >= began - chrono::TimeDelta::seconds(60)
                && !known(&s.id)
                && keys.contains(&Key::of(s))
        });
        foreign
            .map(|s| format!("{} made {} out of the same silence: look at both", s.created_by, s.id))
            .collect()
    }
}

/// 404 since 0.26; before that the expiry of an unknown id was a 500 with these words.
fn is_unknown_silence(kind: &NetErrorKind) -> bool {
    kind.is_not_found()
        || matches!(kind, NetErrorKind::Status { status: 500, message } if message.contains("not found"))
}

/// Says what is there already when the second half of a change did not succeed.
fn half_done(outcome: Outcome, wrote: Option<&Wrote>, old: &Seen) -> Outcome {
    let Some(wrote) = wrote else { return outcome };
    let add = |why: String| format!("{} is made, but {} could not be ended: {why}", wrote.id, old.id);
    match outcome {
        Outcome::Failed { why, .. } => failed(add(why)),
        Outcome::Unknown { why } => Outcome::Unknown { why: add(why) },
        other => other,
    }
}
