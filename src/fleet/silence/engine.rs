//! Carries an operation out: journal first, at most one silence per cluster whatever happens on the way, and
//! an honest word about each cluster at the end.
//!
//! Alertmanager has no idempotent creation: each POST without id makes another silence. So a POST whose answer
//! is missing is never repeated blindly. Both members are read first; only where all of them could be read and
//! none has the silence it is sent again, and then the first member stays under watch, because a stopped
//! process runs the request that lies in its socket when it wakes.

use super::operation::{Operation, Task};
use super::record::{Outcome, Progress, Record, Standing, VERSION};
use crate::fleet::Fleet;
use crate::model::cluster::ClusterName;
use crate::model::time::Timestamp;
use crate::sys::clock;
use crate::sys::journal::{Journal, JournalError};
use chrono::TimeDelta;
use futures_util::StreamExt as _;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

mod doubt;
mod left;
mod members;
mod task;
mod words;
mod write;

pub use doubt::find_out;
pub use left::{Left, left};
pub(super) use write::request;

use super::identity::OpId;

/// So long is a journal kept after its operation began: whoever asks what happened asks within a quarter.
const KEPT: TimeDelta = TimeDelta::days(90);

/// So many clusters are worked on at a time.
const CLUSTERS_AT_ONCE: usize = 8;

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the other member to have a silence. Gossip takes 200 ms; a full exchange, which heals what gossip
    /// lost, comes every 60 s.
    pub verify: Duration,
    /// The same, where a member says itself that it does not know the other.
    pub split: Duration,
    /// How long a member is watched for a request that arrives late, after the same was sent again.
    pub watch: Duration,
    /// Between two looks.
    pub poll: Duration,
    /// For a second member to say how it is, after the first has.
    pub straggler: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            verify: Duration::from_secs(30),
            split: Duration::from_secs(2),
            watch: Duration::from_secs(8),
            poll: Duration::from_millis(100),
            straggler: Duration::from_millis(300),
        }
    }
}

/// What the engine has just done or is about to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// On which cluster; `None` for the whole operation.
    pub cluster: Option<ClusterName>,
    /// What.
    pub what: What,
}

/// A step of an operation, in the order in which they come.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The plan is in the journal, or there is none.
    Journalled,
    /// A silence is about to be sent to this member.
    Sending(Arc<str>),
    /// The member has answered or not.
    Answered(Arc<str>),
    /// What became of a request is not known: all members are read.
    Reading,
    /// The silence of this id is there.
    Written(Arc<str>),
    /// A silence is about to be ended.
    Expiring(Arc<str>),
    /// It has ended.
    Expired(Arc<str>),
    /// The other members are asked whether they have it.
    Verifying,
    /// The cluster's part is over.
    Done(Outcome),
    /// Every cluster's part is over.
    Ended,
}

/// Told of every step, between any two; `Break` stops at once, as a crash would.
pub type Observer<'a> = &'a (dyn Fn(&Step) -> ControlFlow<()> + Send + Sync);

/// Why the engine stops in the middle.
#[derive(Debug)]
enum Halt {
    /// The observer wants it.
    Stopped,
    /// The journal cannot be written.
    Journal(JournalError),
    /// Something would have to be sent to a cluster on which nobody agreed to that.
    Withheld,
}

/// An operation that is under way.
struct Engine<'a> {
    fleet: &'a Fleet,
    limits: Limits,
    observe: Observer<'a>,
    /// The clusters that may be sent something; `None` for all of them.
    agreed: Option<BTreeSet<ClusterName>>,
    shared: Mutex<Shared>,
}

struct Shared {
    journal: Option<Journal>,
    standing: Standing,
}

/// An operation whose journal is open: only its owner may carry it out.
#[derive(Debug)]
pub struct Opened {
    standing: Standing,
    journal: Option<Journal>,
    agreed: Option<BTreeSet<ClusterName>>,
}

impl Opened {
    /// Takes an operation that is in no journal: after a crash nobody knows of it.
    pub fn without_journal(operation: Operation) -> Self {
        Self { standing: Standing::new(operation), journal: None, agreed: None }
    }

    /// Lets something be sent on these clusters alone; the others are only looked at.
    #[must_use]
    pub fn only_on(self, clusters: impl IntoIterator<Item = ClusterName>) -> Self {
        Self { agreed: Some(clusters.into_iter().collect()), ..self }
    }

    /// Returns where the operation stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Reports whether it can be found again after a crash.
    pub fn is_journalled(&self) -> bool {
        self.journal.is_some()
    }

    /// Writes down that another operation takes this one back, so that nobody finishes it afterwards.
    pub fn note_undone(&mut self, by: OpId) -> Result<(), JournalError> {
        let record = Record::Undone { by };
        if let Some(journal) = &mut self.journal {
            journal.append(&line(&record))?;
        }
        self.standing.apply(record);
        Ok(())
    }
}

/// Writes the operation into a new journal in `folder`. Nothing is sent before this has succeeded. Old journals that
/// nobody needs any more go.
pub fn begin(folder: &Path, operation: Operation) -> Result<Opened, JournalError> {
    let mut journal = Journal::create(folder, &operation.op.to_string())?;
    journal.append(&line(&Record::Begin { v: VERSION, operation: operation.clone() }))?;
    prune(folder, operation.began);
    Ok(Opened { standing: Standing::new(operation), journal: Some(journal), agreed: None })
}

/// Opens the journal of an earlier operation to go on with it. `None`: it was interrupted before its plan was
/// written, so nothing was sent.
pub fn open(folder: &Path, op: OpId) -> Result<Option<Opened>, JournalError> {
    let (journal, lines) = Journal::open(folder, &op.to_string())?;
    Ok(understood(&lines, journal.path())?.map(|standing| Opened {
        standing,
        journal: Some(journal),
        agreed: None,
    }))
}

/// Reads where an operation stands, and whether a process is working on it now.
pub fn load(folder: &Path, op: OpId) -> Result<Option<(Standing, bool)>, JournalError> {
    let name = op.to_string();
    let (lines, busy) = Journal::read(folder, &name)?;
    Ok(understood(&lines, &Journal::path_of(folder, &name))?.map(|standing| (standing, busy)))
}

/// Deletes the journals of operations that are over and older than [`KEPT`], as far as that can be done: what is
/// unfinished, worked on or cannot be read stays, and no trouble with it hinders what is about to begin.
fn prune(folder: &Path, now: Timestamp) {
    let is_old = |op: &OpId| op.made() < now - KEPT;
    let is_over = |lines: &[String]| {
        let read = Standing::read(lines);
        read.is_ok_and(|standing| standing.is_none_or(|standing| needs_nobody(&standing, folder, now)))
    };
    for op in operations(folder).unwrap_or_default().into_iter().take_while(is_old) {
        let name = op.to_string();
        // Opened only then, because that mends what a crash cut off; under the lock nobody goes on with it any more.
        if Journal::read(folder, &name).is_ok_and(|(lines, busy)| !busy && is_over(&lines))
            && let Ok((journal, lines)) = Journal::open(folder, &name)
            && is_over(&lines)
        {
            // The next operation tries again.
            let _ = journal.remove();
        }
    }
}

/// Reports whether nobody can want to finish an operation or to take it back any more: it hangs nowhere, what it made
/// or ended would be over by now, and where it was taken back that was done everywhere.
fn needs_nobody(standing: &Standing, folder: &Path, now: Timestamp) -> bool {
    let lasts = |task: &Task| {
        let seen = task.onto.iter().chain(&task.expire).map(|seen| &seen.content);
        task.write.iter().chain(seen).any(|content| content.ends_at > now)
    };
    if standing.operation.tasks.iter().any(lasts) {
        return false;
    }
    match standing.undone {
        None => standing.is_settled(),
        // Nothing of it stood any more.
        Some(by) if by == standing.operation.op => true,
        Some(by) => {
            let back = load(folder, by).ok().flatten().map(|(back, _)| back.tasks).unwrap_or_default();
            let is_back = |(cluster, own): (&ClusterName, &Progress)| {
                back.get(cluster).map_or_else(|| own.is_settled(), Progress::is_settled)
            };
            standing.tasks.iter().all(is_back)
        }
    }
}

fn understood(lines: &[String], path: &Path) -> Result<Option<Standing>, JournalError> {
    Standing::read(lines)
        .map_err(|why| JournalError::Illegible { path: path.to_owned(), why: why.to_string() })
}

/// Lists the operations that have a journal, oldest first.
pub fn operations(folder: &Path) -> Result<Vec<OpId>, JournalError> {
    Ok(Journal::list(folder)?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Carries an operation out and returns where it stands at the end; `None` where `observe` stopped it.
///
/// What has been done by an earlier run is found again and not done twice, so this also [`resume`]s.
pub async fn run(fleet: &Fleet, opened: Opened, limits: Limits, observe: Observer<'_>) -> Option<Standing> {
    let Opened { standing, journal, agreed } = opened;
    let todo: Vec<Task> =
        standing.operation.tasks.iter().filter(|t| standing.tasks[&t.cluster].is_left()).cloned().collect();
    let engine = Engine { fleet, limits, observe, agreed, shared: Mutex::new(Shared { journal, standing }) };
    engine.step(None, What::Journalled).ok()?;
    // Collected first: a stream that maps borrowed tasks makes a future that cannot be spawned.
    let tasks: Vec<_> = todo.iter().map(|t| engine.task(t)).collect();
    let mut running = futures_util::stream::iter(tasks).buffer_unordered(CLUSTERS_AT_ONCE);
    while let Some(outcome) = running.next().await {
        outcome.ok()?;
    }
    drop(running);
    let settled = engine.shared().standing.is_settled();
    if settled && !engine.shared().standing.ended {
        // Losing this line costs a look at the clusters when somebody asks to resume, nothing more.
        let _ = engine.note(Record::End { at: clock::now() });
    }
    engine.step(None, What::Ended).ok()?;
    Some(engine.shared.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).standing)
}

/// Finds out what an interrupted operation has done, and does the rest. The same as [`run`], by the name that
/// people use.
pub async fn resume(
    fleet: &Fleet,
    opened: Opened,
    limits: Limits,
    observe: Observer<'_>,
) -> Option<Standing> {
    run(fleet, opened, limits, observe).await
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("records hold nothing that JSON cannot")
}

impl<'a> Engine<'a> {
    /// Works for somebody who wants to know the end alone.
    fn unobserved(fleet: &'a Fleet, limits: Limits, shared: Shared) -> Self {
        let observe = &|_: &Step| ControlFlow::Continue(());
        Self { fleet, limits, observe, agreed: None, shared: Mutex::new(shared) }
    }
}

impl Engine<'_> {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere leaves the journal as consistent as a crash does.
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn step(&self, cluster: Option<&ClusterName>, what: What) -> Result<(), Halt> {
        match (self.observe)(&Step { cluster: cluster.cloned(), what }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }

    /// Reports whether something may be sent; asked before that is written down.
    fn may_send(&self, cluster: &ClusterName) -> Result<(), Halt> {
        match &self.agreed {
            Some(agreed) if !agreed.contains(cluster) => Err(Halt::Withheld),
            _ => Ok(()),
        }
    }

    /// Writes a line into the journal, and on success takes it into account.
    fn note(&self, record: Record) -> Result<(), Halt> {
        let mut shared = self.shared();
        if let Some(journal) = &mut shared.journal {
            journal.append(&line(&record)).map_err(Halt::Journal)?;
        }
        shared.standing.apply(record);
        Ok(())
    }

    fn progress(&self, cluster: &ClusterName) -> Progress {
        self.shared().standing.tasks.get(cluster).cloned().unwrap_or_default()
    }

    fn operation(&self) -> (OpId, Timestamp) {
        let shared = self.shared();
        (shared.standing.operation.op, shared.standing.operation.began)
    }
}

#[cfg(test)]
mod tests;
