//! What an operation is going to do on each cluster, planned before anything is sent. Pure.
//!
//! An operation is written into its journal whole, before the first request: whoever finds the journal
//! later can finish the work, or take it back.

use super::draft::{Draft, Facts};
use super::identity::{Key, OpId};
use super::logical::LogicalSilence;
use super::own::{Found, Own};
use super::preview::Preview;
use crate::config::Access;
use crate::fleet::Fleet;
use crate::fleet::silences::SilenceCopy;
use crate::model::cluster::ClusterName;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// New silences.
    Add,
    /// Silences end now.
    Expire,
    /// Silences are changed.
    Edit,
    /// Silences end later.
    Extend,
    /// An earlier operation is taken back.
    Undo,
}

impl Kind {
    /// Returns the word of the command.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Expire => "expire",
            Self::Edit => "edit",
            Self::Extend => "extend",
            Self::Undo => "undo",
        }
    }
}

/// One change on several clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub op: OpId,
    /// What kind.
    pub kind: Kind,
    /// When it was planned.
    pub began: Timestamp,
    /// One task per cluster.
    pub tasks: Vec<Task>,
    /// Clusters that were chosen but are not written to, and why.
    pub skipped: Vec<(ClusterName, String)>,
}

impl Operation {
    /// Takes out what may not be written to.
    pub fn skip_read_only(&mut self, fleet: &Fleet) {
        let read_only = |task: &Task| {
            fleet.cluster(&task.cluster).is_some_and(|cluster| cluster.config.access == Access::Ro)
        };
        let skipped = self.tasks.extract_if(.., |task| read_only(task));
        self.skipped.extend(skipped.map(|task| (task.cluster, "read-only".to_owned())));
    }
}

/// The part of an operation on one cluster: perhaps something is written, then perhaps something expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Where.
    pub cluster: ClusterName,
    /// What is written.
    pub write: Option<Content>,
    /// The silence that is changed in place; `None` makes a new one.
    pub onto: Option<Seen>,
    /// What expires after the writing has succeeded.
    pub expire: Vec<Seen>,
    /// Ids of silences with the same matchers, author and comment that were there before.
    pub before: Vec<Arc<str>>,
}

/// A silence's content, as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// All must hold; the order matters to Alertmanager.
    #[serde(serialize_with = "write_matchers", deserialize_with = "read_matchers")]
    pub matchers: Vec<Matcher>,
    /// When it starts; a time in the past means at once.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence as it was when the operation was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its id.
    pub id: Arc<str>,
    /// Its version: another one means that somebody else changed it meanwhile.
    pub updated_at: Timestamp,
    /// What it was.
    pub content: Content,
}

impl Content {
    pub(super) fn key(&self) -> Key {
        Key::new(&self.matchers, &self.created_by, &self.comment)
    }

    fn of(silence: &Silence) -> Self {
        Self {
            matchers: silence.matchers.clone(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
        }
    }
}

impl Seen {
    pub(super) fn of(silence: &Silence) -> Self {
        Self { id: silence.id.clone(), updated_at: silence.updated_at, content: Content::of(silence) }
    }
}

impl Task {
    /// Starts with nothing to do.
    fn on(cluster: &ClusterName) -> Self {
        Self { cluster: cluster.clone(), write: None, onto: None, expire: Vec::new(), before: Vec::new() }
    }
}

/// Plans new silences on the clusters that the preview says are written to.
pub fn add<F: Borrow<Facts>>(
    draft: &Draft,
    preview: &Preview,
    facts: &[F],
    op: OpId,
    now: Timestamp,
) -> Operation {
    let content = Content {
        matchers: draft.matchers.clone(),
        starts_at: draft.starts_at.unwrap_or(now),
        ends_at: op.stamp(draft.ends_at),
        created_by: draft.created_by.clone(),
        comment: draft.comment.clone(),
    };
    let tasks = preview.written().map(|c| {
        let there = facts.iter().map(Borrow::borrow).filter(|f: &&Facts| f.cluster == c.cluster);
        let there = there.flat_map(|f| &f.silences);
        Task { write: Some(content.clone()), before: alike(&content, there), ..Task::on(&c.cluster) }
    });
    let skipped = preview.clusters.iter().filter(|c| c.chosen);
    Operation {
        op,
        kind: Kind::Add,
        began: now,
        tasks: tasks.collect(),
        skipped: skipped.filter_map(|c| Some((c.cluster.clone(), c.skipped?.words().to_owned()))).collect(),
    }
}

fn alike<'a>(content: &Content, there: impl Iterator<Item = &'a SilenceCopy>) -> Vec<Arc<str>> {
    let key = content.key();
    there.filter(|copy| Key::of(&copy.silence) == key).map(|copy| copy.silence.id.clone()).collect()
}

/// Plans the end of every copy that is in force.
pub fn expire(silence: &LogicalSilence, op: OpId, now: Timestamp) -> Operation {
    let tasks = silence.clusters().into_iter().filter_map(|cluster| {
        let copies = silence.in_force().filter(|copy| copy.cluster == cluster);
        let expire: Vec<Seen> = copies.map(|copy| Seen::of(&copy.silence)).collect();
        (!expire.is_empty()).then(|| Task { expire, ..Task::on(&cluster) })
    });
    Operation { op, kind: Kind::Expire, began: now, tasks: tasks.collect(), skipped: Vec::new() }
}

/// What an edit changes; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// The new end.
    pub ends_at: Option<Timestamp>,
    /// The new comment.
    pub comment: Option<String>,
    /// The new author.
    pub created_by: Option<String>,
    /// The new matchers.
    pub matchers: Option<Vec<Matcher>>,
}

/// Plans a change of every copy that stands for the silence on its cluster.
///
/// An expired silence is made anew on every cluster that had it: `change` must then say when it ends.
pub fn edit(silence: &LogicalSilence, change: &Change, kind: Kind, op: OpId, now: Timestamp) -> Operation {
    let over = silence.state == SilenceState::Expired;
    let clusters = silence.clusters().into_iter();
    let tasks = clusters.filter_map(|cluster| {
        let copy = silence.on(&cluster)?;
        // A copy that somebody expired on one cluster alone stays so, unless the whole silence is brought back.
        if copy.silence.state == SilenceState::Expired && !over {
            return None;
        }
        let old = &copy.silence;
        let wanted = Content {
            matchers: change.matchers.clone().unwrap_or_else(|| old.matchers.clone()),
            starts_at: old.starts_at,
            ends_at: change.ends_at.map_or(old.ends_at, |end| op.stamp(end)),
            created_by: change.created_by.clone().unwrap_or_else(|| old.created_by.clone()),
            comment: change.comment.clone().unwrap_or_else(|| old.comment.clone()),
        };
        Some(change_copies(silence, &cluster, old, wanted, now))
    });
    Operation { op, kind, began: now, tasks: tasks.collect(), skipped: Vec::new() }
}

fn change_copies(
    silence: &LogicalSilence,
    cluster: &ClusterName,
    old: &Silence,
    wanted: Content,
    now: Timestamp,
) -> Task {
    let here = || silence.copies.iter().filter(|copy| copy.cluster == *cluster);
    let others =
        here().filter(|copy| copy.silence.state != SilenceState::Expired && copy.silence.id != old.id);
    let mut task = Task { expire: others.map(|copy| Seen::of(&copy.silence)).collect(), ..Task::on(cluster) };
    task.before = here().map(|copy| copy.silence.id.clone()).collect();
    if keeps_id(old, &wanted, now) {
        task.onto = Some(Seen::of(old));
        task.write = Some(wanted);
    } else {
        if old.state != SilenceState::Expired {
            task.expire.insert(0, Seen::of(old));
        }
        task.write = Some(Content { starts_at: wanted.starts_at.max(now), ..wanted });
    }
    task
}

/// Reports whether Alertmanager would change `old` in place (silence.go `canUpdate`): the same matchers in the
/// same order, still in force, an active one with the same start.
fn keeps_id(old: &Silence, wanted: &Content, now: Timestamp) -> bool {
    let same_start = match old.state {
        SilenceState::Active => wanted.starts_at.timestamp() == old.starts_at.timestamp(),
        // A pending one that starts within seconds may be active when the request arrives: not in place.
        SilenceState::Pending => wanted.starts_at > now + chrono::TimeDelta::seconds(30),
        SilenceState::Expired => false,
    };
    same_start && old.matchers == wanted.matchers && old.ends_at > now && wanted.ends_at > now
}

/// Plans to take `done` back: what it made expires, what it ended is made again, what it changed gets its old
/// content, on those clusters where `applied` has the id that stands there now. What was taken back already, or
/// still stands as it was, is left alone, so that this can be repeated.
pub fn undo(
    done: &Operation,
    applied: &[(ClusterName, Option<Arc<str>>)],
    silences: &[SilenceCopy],
    op: OpId,
    now: Timestamp,
) -> Operation {
    let tasks = applied.iter().filter_map(|(cluster, id)| {
        let task = done.tasks.iter().find(|task| task.cluster == *cluster)?;
        let here: Vec<&SilenceCopy> = silences.iter().filter(|copy| copy.cluster == *cluster).collect();
        take_back(done, task, id.as_ref(), &here, op, now)
    });
    Operation { op, kind: Kind::Undo, began: now, tasks: tasks.collect(), skipped: Vec::new() }
}

/// Plans to take back the part of `done` that was `task`; `None` where nothing of it stands any more.
fn take_back(
    done: &Operation,
    task: &Task,
    id: Option<&Arc<str>>,
    here: &[&SilenceCopy],
    op: OpId,
    now: Timestamp,
) -> Option<Task> {
    let in_force = || here.iter().map(|c| &c.silence).filter(|s| s.state != SilenceState::Expired);
    let made = made_by(done, task, id, here);
    let replaced = || task.onto.iter().chain(&task.expire);
    // What an edit was about to replace may not have ended yet, and what has ended may be back already.
    let stands = |old: &Seen| task.onto.is_none() && in_force().any(|s| s.id == old.id);
    let is_back = |old: &Content| {
        let mut others = in_force().filter(|s| task.onto.is_some() || !made.iter().any(|m| m.id == s.id));
        others.any(|s| Key::of(s) == old.key() && same_second(s.ends_at, old.ends_at))
    };
    let old = replaced().map(|seen| &seen.content).find(|old| old.ends_at > now);
    let old = old.filter(|old| !replaced().any(stands) && !is_back(old));
    let mut back = Task::on(&task.cluster);
    back.expire = made.iter().map(|s| Seen::of(s)).collect();
    match (made.first(), old) {
        (None, None) => return None,
        // What was changed in place and has its old content again must not be ended.
        (Some(_), None) if task.onto.as_ref().is_some_and(|seen| is_back(&seen.content)) => return None,
        (Some(_), None) => {}
        (Some(first), Some(old))
            if keeps_id(first, &Content { starts_at: first.starts_at, ..old.clone() }, now) =>
        {
            back.write = Some(Content { starts_at: first.starts_at, ..old.clone() });
            back.onto = Some(Seen::of(first));
            back.expire.remove(0);
        }
        (_, Some(old)) => {
            let (starts_at, ends_at) = (old.starts_at.max(now), op.stamp(old.ends_at));
            back.write = Some(Content { starts_at, ends_at, ..old.clone() });
            back.before = alike(old, here.iter().copied());
        }
    }
    Some(back)
}

/// Returns what `done` made on a cluster and is still in force, twins too; the one of this id first.
fn made_by<'s>(
    done: &Operation,
    task: &Task,
    id: Option<&Arc<str>>,
    here: &[&'s SilenceCopy],
) -> Vec<&'s Silence> {
    let all = || here.iter().map(|copy| &copy.silence);
    let twins = match (&task.write, &task.onto) {
        (Some(content), None) => {
            let own = Own { op: done.op, began: done.began, content, before: &task.before };
            match own.find(all()) {
                Found::InForce(ids) => ids,
                Found::Gone(_) | Found::Nothing => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let mut ids: Vec<&Arc<str>> = id.into_iter().collect();
    ids.extend(twins.iter().filter(|twin| id != Some(twin)));
    let in_force = |id: &&Arc<str>| all().find(|s| s.id == **id && s.state != SilenceState::Expired);
    ids.iter().filter_map(in_force).collect()
}

fn same_second(a: Timestamp, b: Timestamp) -> bool {
    a.timestamp() == b.timestamp()
}

/// A matcher as a journal keeps it.
#[derive(Serialize, Deserialize)]
struct MatcherRecord {
    name: String,
    op: String,
    value: String,
}

fn write_matchers<S: Serializer>(matchers: &[Matcher], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(matchers.iter().map(|m| MatcherRecord {
        name: m.name.to_string(),
        op: m.op.symbol().to_owned(),
        value: m.value.to_string(),
    }))
}

fn read_matchers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Matcher>, D::Error> {
    let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
    let records = Vec::<MatcherRecord>::deserialize(deserializer)?;
    let read = |record: MatcherRecord| {
        let op = ops.into_iter().find(|op| op.symbol() == record.op);
        let op = op.ok_or_else(|| serde::de::Error::custom(format!("`{}` is no operator", record.op)))?;
        Ok(Matcher::new(&record.name, op, &record.value))
    };
    records.into_iter().map(read).collect()
}
