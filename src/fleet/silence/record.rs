//! What an operation's journal says: one JSON object per line, and where the operation stands by it.

use super::identity::OpId;
use super::operation::Operation;
use crate::model::cluster::ClusterName;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The form of the journals that this version writes and reads.
pub(super) const VERSION: u32 = 1;

/// Why a journal says nothing that may be relied on, so that nothing may be done on its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Illegible {
    /// Its form is not ours.
    #[error("it was written by another version of iaasmon")]
    Foreign,
    /// Its plan cannot be read.
    #[error("it is damaged")]
    Damaged,
}

/// Why a first line holds no plan.
enum Unplanned {
    CutOff,
    Illegible(Illegible),
}

/// Reads the plan out of a journal's first line.
fn plan(first: &str) -> Result<Operation, Unplanned> {
    let value: serde_json::Value = serde_json::from_str(first).map_err(|error| match error.is_eof() {
        true => Unplanned::CutOff,
        false => Unplanned::Illegible(Illegible::Damaged),
    })?;
    if value["v"].as_u64().is_some_and(|v| v != u64::from(VERSION)) {
        return Err(Unplanned::Illegible(Illegible::Foreign));
    }
    match serde_json::from_value(value) {
        Ok(Record::Begin { operation, .. }) => Ok(operation),
        _ => Err(Unplanned::Illegible(Illegible::Damaged)),
    }
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Record {
    /// Everything that is planned; the first line.
    Begin {
        /// The form of this journal.
        v: u32,
        operation: Operation,
    },
    /// A POST goes out: from now on this member may have it.
    Sending { cluster: ClusterName, member: Arc<str>, at: Timestamp },
    /// The member has nothing of ours under way any more: it answered, refused, or was read since.
    Resolved { cluster: ClusterName, member: Arc<str> },
    /// The silence is there.
    Written { cluster: ClusterName, id: Arc<str> },
    /// A silence has ended.
    Expired { cluster: ClusterName, id: Arc<str> },
    /// A cluster's task has ended like this.
    Done { cluster: ClusterName, outcome: Outcome },
    /// Every task has ended for good.
    End { at: Timestamp },
    /// Another operation takes this one back: it must not be finished any more.
    Undone { by: OpId },
}

/// What became of a cluster's task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// It is done.
    Applied {
        /// The silence that stands there now; none where the task was to end one.
        id: Option<Arc<str>>,
        /// Whether the other members have it.
        replication: Replication,
        /// What the operator must know beside it.
        notes: Vec<String>,
    },
    /// It is certainly not done.
    Failed {
        /// Why, in words.
        why: String,
        /// Whether that is because no member answers.
        #[serde(default)]
        silent: bool,
    },
    /// It may be done or not; `resume` finds out.
    Unknown {
        /// Why, in words.
        why: String,
    },
    /// It was not to be done.
    Skipped {
        /// Why, in words.
        why: String,
    },
}

/// Whether the other members of a cluster have what one was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replication {
    /// There is only one member.
    Alone,
    /// All have it.
    Done,
    /// These do not answer; the others have it.
    Down(Vec<Arc<str>>),
    /// These answer and do not have it: they go on paging.
    Missing(Vec<Arc<str>>),
}

impl Outcome {
    /// Returns the one word for screens and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Reports whether it is done and every member that answers has it. What was skipped was not to be done.
    pub fn is_well(&self) -> bool {
        match self {
            Self::Applied { replication, .. } => !matches!(replication, Replication::Missing(_)),
            Self::Skipped { .. } => true,
            Self::Failed { .. } | Self::Unknown { .. } => false,
        }
    }
}

/// Says it as a table does: `applied`, `applied (not replicated: ...)`, `failed (...)`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (detail, notes) = match self {
            Self::Applied { replication, notes, .. } => {
                let detail = match replication {
                    Replication::Alone | Replication::Done => String::new(),
                    Replication::Down(members) => format!("{} not answering", members.join(", ")),
                    Replication::Missing(members) => format!("not replicated to {}", members.join(", ")),
                };
                (detail, notes.as_slice())
            }
            Self::Failed { why, .. } | Self::Unknown { why } | Self::Skipped { why } => {
                (why.clone(), &[][..])
            }
        };
        let details: Vec<&str> = [detail.as_str()]
            .into_iter()
            .chain(notes.iter().map(String::as_str))
            .filter(|t| !t.is_empty())
            .collect();
        match details.as_slice() {
            [] => f.write_str(self.word()),
            details => write!(f, "{} ({})", self.word(), details.join("; ")),
        }
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What was planned.
    pub operation: Operation,
    /// Each cluster's part, one entry per task.
    pub tasks: BTreeMap<ClusterName, Progress>,
    /// Whether every task has ended for good.
    pub ended: bool,
    /// The operation that took it back.
    pub undone: Option<OpId>,
}

/// How far a cluster's task has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Members that may have been sent the silence and have not said what became of it.
    pub sent: BTreeSet<Arc<str>>,
    /// How often the silence was sent. After more than once a request may still be on its way when another
    /// one has been answered.
    pub tries: u32,
    /// The silence that was written.
    pub written: Option<Arc<str>>,
    /// What has expired.
    pub expired: BTreeSet<Arc<str>>,
    /// How the last try ended.
    pub outcome: Option<Outcome>,
    /// Whether an earlier run worked on it.
    pub resumed: bool,
}

impl Progress {
    /// Reports whether there is nothing left to do or to find out.
    pub fn is_settled(&self) -> bool {
        match &self.outcome {
            Some(Outcome::Applied { .. } | Outcome::Skipped { .. }) => self.sent.is_empty(),
            Some(Outcome::Failed { .. } | Outcome::Unknown { .. }) | None => false,
        }
    }

    /// Reports whether a member did not have it when it was last asked: it may have it now.
    fn is_unreplicated(&self) -> bool {
        let Some(Outcome::Applied { replication, .. }) = &self.outcome else { return false };
        matches!(replication, Replication::Down(_) | Replication::Missing(_))
    }

    /// Reports whether a run has anything to do or to look at here.
    pub(super) fn is_left(&self) -> bool {
        !self.is_settled() || self.is_unreplicated()
    }

    /// Reports whether anything of it is known to be done.
    pub fn has_done_something(&self) -> bool {
        let applied = matches!(self.outcome, Some(Outcome::Applied { .. }));
        applied || self.written.is_some() || !self.expired.is_empty()
    }
}

impl Standing {
    /// Starts at the beginning.
    pub(super) fn new(operation: Operation) -> Self {
        let tasks = operation.tasks.iter().map(|t| (t.cluster.clone(), Progress::default())).collect();
        Self { operation, tasks, ended: false, undone: None }
    }

    /// Reads a journal's lines; `None` where the first one is missing or cut off and nothing follows: the crash came
    /// before anything was sent. A later line that is none (cut off by a crash) is skipped.
    pub(super) fn read(lines: &[String]) -> Result<Option<Self>, Illegible> {
        let Some((first, rest)) = lines.split_first() else { return Ok(None) };
        let operation = match plan(first) {
            Ok(operation) => operation,
            Err(Unplanned::CutOff) if rest.is_empty() => return Ok(None),
            Err(Unplanned::CutOff) => return Err(Illegible::Damaged),
            Err(Unplanned::Illegible(why)) => return Err(why),
        };
        let mut standing = Self::new(operation);
        for record in rest.iter().filter_map(|line| serde_json::from_str::<Record>(line).ok()) {
            standing.apply(record);
        }
        for progress in standing.tasks.values_mut() {
            progress.resumed = true;
        }
        Ok(Some(standing))
    }

    /// Takes the next line.
    pub(super) fn apply(&mut self, record: Record) {
        let mut on = |cluster: ClusterName, change: &mut dyn FnMut(&mut Progress)| {
            change(self.tasks.entry(cluster).or_default());
        };
        match record {
            Record::Begin { .. } => {}
            Record::Sending { cluster, member, .. } => on(cluster, &mut |p| {
                p.sent.insert(member.clone());
                p.tries += 1;
            }),
            Record::Resolved { cluster, member } => on(cluster, &mut |p| {
                p.sent.remove(&member);
            }),
            Record::Written { cluster, id } => on(cluster, &mut |p| p.written = Some(id.clone())),
            Record::Expired { cluster, id } => on(cluster, &mut |p| {
                p.expired.insert(id.clone());
            }),
            Record::Done { cluster, outcome } => on(cluster, &mut |p| p.outcome = Some(outcome.clone())),
            Record::End { .. } => self.ended = true,
            Record::Undone { by } => self.undone = Some(by),
        }
    }

    /// Reports whether every task is settled or has certainly failed: nothing hangs in the air.
    pub fn is_settled(&self) -> bool {
        let over = |p: &Progress| p.is_settled() || matches!(p.outcome, Some(Outcome::Failed { .. }));
        self.tasks.values().all(over)
    }

    /// Reports whether nobody has to come back to it: it hangs nowhere, or was taken back.
    pub fn is_over(&self) -> bool {
        self.undone.is_some() || self.is_settled()
    }

    /// Returns the outcomes so far, skipped clusters among them, in order of cluster.
    pub fn outcomes(&self) -> Vec<(ClusterName, Option<Outcome>)> {
        let skipped = self.operation.skipped.iter();
        let skipped =
            skipped.map(|(cluster, why)| (cluster.clone(), Some(Outcome::Skipped { why: why.clone() })));
        let tasks = self.tasks.iter().map(|(cluster, p)| (cluster.clone(), p.outcome.clone()));
        let mut all: Vec<_> = tasks.chain(skipped).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Returns where something of it was done, with the silence that was written there: what an undo begins with.
    pub fn applied(&self) -> Vec<(ClusterName, Option<Arc<str>>)> {
        let tasks = self.tasks.iter().filter(|(_, progress)| progress.has_done_something());
        tasks.map(|(cluster, progress)| (cluster.clone(), progress.written.clone())).collect()
    }

    /// Returns the clusters of which it is not known what stands there, and why: nothing can be taken back there.
    /// `answers` reports whether a cluster was heard; nothing for one that was not asked.
    pub fn unclear(&self, answers: impl Fn(&ClusterName) -> Option<bool>) -> Vec<(ClusterName, String)> {
        let unclear = self.tasks.iter().filter_map(|(cluster, progress)| {
            let why = match answers(cluster) {
                None => "it is not among the clusters asked".to_owned(),
                Some(false) => "it does not answer".to_owned(),
                Some(true) if !progress.sent.is_empty() => {
                    let members: Vec<&str> = progress.sent.iter().map(|name| &**name).collect();
                    format!("{} may have it and cannot be read", members.join(", "))
                }
                Some(true) => return None,
            };
            let may_stand = progress.has_done_something() || !progress.sent.is_empty();
            may_stand.then(|| (cluster.clone(), why))
        });
        unclear.collect()
    }

    /// Returns the id that stands for what the operation made: the smallest of those written.
    pub fn id(&self) -> Option<Arc<str>> {
        self.tasks.values().filter_map(|p| p.written.clone()).min()
    }

    /// Returns the id that stands for what the operation ended, where it was to end something and make nothing.
    pub fn ended_id(&self) -> Option<Arc<str>> {
        if self.operation.tasks.iter().any(|task| task.write.is_some()) {
            return None;
        }
        self.tasks.values().flat_map(|p| p.expired.iter().cloned()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::silence::fixtures::now;
    use crate::fleet::silence::operation::Kind;

    fn begin(v: u32) -> String {
        let op = OpId::new(now());
        let operation =
            Operation { op, kind: Kind::Add, began: now(), tasks: Vec::new(), skipped: Vec::new() };
        serde_json::to_string(&Record::Begin { v, operation }).expect("JSON")
    }

    fn read(lines: &[&str]) -> Result<Option<Standing>, Illegible> {
        Standing::read(&lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_an_empty_or_cut_off_journal_means_that_nothing_was_sent() {
        let whole = begin(VERSION);
        assert_eq!(read(&[]), Ok(None));
        for end in 0..whole.len() {
            assert_eq!(read(&[&whole[..end]]), Ok(None), "{}", &whole[..end]);
        }
        assert!(read(&[&whole]).is_ok_and(|standing| standing.is_some()));
        assert!(read(&[&whole, "{\"event\":\"sen"]).is_ok_and(|standing| standing.is_some()));
    }

    #[test]
    fn what_another_version_wrote_or_a_disk_spoiled_is_refused() {
        let (whole, newer) = (begin(VERSION), begin(VERSION + 1));
        assert_eq!(read(&[&newer]), Err(Illegible::Foreign));
        assert_eq!(read(&["{\"event\":\"plan\",\"v\":2,\"steps\":[]}"]), Err(Illegible::Foreign));
        let end = "{\"event\":\"end\",\"at\":\"2026-11-24T12:00:00Z\"}";
        for spoiled in ["\0\0\0\0", "[]", "{}", end, &whole.replace("tasks", "tusks")] {
            assert_eq!(read(&[spoiled]), Err(Illegible::Damaged), "{spoiled}");
        }
        // Something was written after the plan: it was sent, whatever it was.
        assert_eq!(read(&[&whole[..40], end]), Err(Illegible::Damaged));
    }
}
