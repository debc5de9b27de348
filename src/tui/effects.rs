//! Doing what the state asks for outside of it: every request is a task that sends messages back.

use crate::fleet::alerts::{Annotations, Wanted};
use crate::fleet::node::NodeDetail;
use crate::fleet::silence::{Limits, OpId, Opened, Operation, Step};
use crate::fleet::{
    Answer, Cluster, Coverage, Fleet, SoFar, alerts, detail, node, nodes, silence, silences, status,
};
use crate::model::alert::Alert;
use crate::model::cluster::{ClusterName, ReplicaKind};
use crate::model::node::Node;
use crate::sys::clock;
use crate::sys::journal::JournalError;
use crate::tui::msg::{Effect, Journalled, Kind, Msg, OutputOf, Payload, Remains};
use crate::tui::state::confirm::{Agreed, Deed};
use crate::tui::state::editor::Search;
use crate::tui::state::past::RUNS;
use crate::tui::state::rows::{AlertRow, CheckKey, NodeRow};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// Where messages go.
type Send = Arc<dyn Fn(Msg) + std::marker::Send + Sync>;

/// Runs effects on a tokio runtime.
#[derive(Clone)]
pub struct Effects {
    fleet: Fleet,
    runtime: Handle,
    send: Send,
    /// Tasks that write; the end waits for them.
    writes: TaskTracker,
    /// Where operations are journalled.
    journals: Option<PathBuf>,
    /// The search for a preview that was asked for last.
    search: Arc<Mutex<Option<AbortHandle>>>,
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects").field("clusters", &self.fleet.clusters().len()).finish_non_exhaustive()
    }
}

impl Effects {
    /// Works on `fleet`, with tasks on `runtime`; what comes of them is told through `send`.
    pub fn new(
        fleet: Fleet,
        runtime: Handle,
        send: impl Fn(Msg) + std::marker::Send + Sync + 'static,
    ) -> Self {
        let writes = TaskTracker::new();
        Self { fleet, runtime, send: Arc::new(send), writes, journals: None, search: Arc::default() }
    }

    /// Journals operations in this folder. Without a folder nothing is written: after a crash nobody would know.
    pub fn journal_in(self, folder: Option<PathBuf>) -> Self {
        Self { journals: folder, ..self }
    }

    /// Carries out what was confirmed and tells of every step.
    fn write(&self, deed: Deed) {
        let Some(folder) = self.journals.clone() else {
            return (self.send)(Msg::Ended(Err(NO_FOLDER.to_owned())));
        };
        let work = Work { fleet: self.fleet.clone(), folder, send: self.send.clone() };
        self.writes
            .spawn_on(async move { (work.send)(Msg::Ended(work.carry_out(deed).await)) }, &self.runtime);
    }

    /// Reads the journal's operations; none where there is no folder for it.
    fn load_operations(&self) {
        let (folder, send) = (self.journals.clone(), self.send.clone());
        self.runtime.spawn_blocking(move || {
            let answer = folder.map_or_else(|| Ok(Journalled::default()), |folder| journalled(&folder));
            send(Msg::Operations(answer.map_err(|error| error.to_string())));
        });
    }

    /// Finds out what is left of operations, without sending anything.
    fn find_remains(&self, ops: Vec<OpId>, token: u64) {
        let (folder, fleet, send) = (self.journals.clone(), self.fleet.clone(), self.send.clone());
        self.runtime.spawn(async move {
            let found = match &folder {
                Some(folder) => remains(&fleet, folder, ops).await,
                None => Err(NO_FOLDER.to_owned()),
            };
            send(Msg::Remains { token, found });
        });
    }

    /// Looks for a preview after a while. What was asked for before is not wanted any more.
    fn search(&self, after: Duration, search: Box<Search>) {
        let send = self.send.clone();
        let task = self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            let find = move || {
                let preview = Box::new(search.preview());
                send(Msg::Previewed { token: search.token, round: search.round, preview });
            };
            // A panic there leaves its report; the editor goes on saying that it is being worked out.
            let _ = tokio::task::spawn_blocking(find).await;
        });
        let before = self.search.lock().unwrap_or_else(PoisonError::into_inner).replace(task.abort_handle());
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Starts what `effect` asks for. Effects on the terminal itself are the runtime's and do nothing here.
    pub fn run(&self, effect: Effect) {
        match effect {
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::NextTheme | Effect::Copy(_) => {}
            Effect::Fetch { cluster, kind, parts } => {
                self.on(cluster, move |c, send| fetch(cluster, c, kind, parts, send));
            }
            Effect::FetchAlertOutput(key, alert) => self.on(key.cluster, move |c, send| async move {
                let source = detail::detail_of_alert(&c, &alert).await;
                send(Msg::Output(OutputOf::Alert(key), clock::now(), source));
            }),
            Effect::FetchOutput(key) => self.on(key.node.cluster, move |c, send| fetch_output(c, key, send)),
            Effect::FetchAlertHistory(key, alert) => self.on(key.cluster, move |c, send| async move {
                let history = detail::history_of_alert(&c, &alert, RUNS).await;
                send(Msg::History(OutputOf::Alert(key), history));
            }),
            Effect::FetchHistory(key) => self.on(key.node.cluster, move |c, send| async move {
                let history = detail::history(&c, which(&key), RUNS).await.value;
                send(Msg::History(OutputOf::Check(key), history.map_err(|error| error.to_string())));
            }),
            Effect::Facts { token } => {
                for cluster in 0..u16::try_from(self.fleet.clusters().len()).unwrap_or(u16::MAX) {
                    self.on(cluster, move |c, send| async move {
                        let facts = Box::new(silence::fetch_facts(&c).await);
                        send(Msg::Facts { cluster, token, facts });
                    });
                }
            }
            Effect::Preview { after, search } => self.search(after, search),
            Effect::Forget(facts) => drop(self.runtime.spawn_blocking(move || drop(facts))),
            Effect::Arm { after, token } => {
                let send = self.send.clone();
                self.runtime.spawn(async move {
                    tokio::time::sleep(after).await;
                    send(Msg::Armed(token));
                });
            }
            Effect::Rest { after, moves } => {
                let send = self.send.clone();
                self.runtime.spawn(async move {
                    tokio::time::sleep(after).await;
                    send(Msg::Rested(moves));
                });
            }
            Effect::Write(deed) => self.write(*deed),
            Effect::LoadOperations => self.load_operations(),
            Effect::FindRemains { ops, token } => self.find_remains(ops, token),
            Effect::FetchNode(key) => self.on(key.cluster, move |c, send| async move {
                let so_far = |part: SoFar<'_, NodeDetail>| {
                    let answer = part();
                    // Nothing but alerts and silences is no page yet.
                    if answer.value.is_known() || answer.coverage.covers(c.name(), ReplicaKind::Prometheus) {
                        send(Msg::Node(key.clone(), clock::now(), Box::new(answer)));
                    }
                };
                let answer = node::node(&c, &key.name, so_far).await;
                send(Msg::Node(key, clock::now(), Box::new(answer)));
            }),
        }
    }

    /// Waits until what is being written has been written, at most as long as `grace`. What is cut off stands
    /// in its journal.
    pub fn settle(&self, grace: Duration) {
        self.writes.close();
        // Whether it was in time makes no difference any more.
        let _ = self.runtime.block_on(async { tokio::time::timeout(grace, self.writes.wait()).await });
    }

    /// Starts a task about one cluster.
    fn on<F: Future<Output = ()> + std::marker::Send + 'static>(
        &self,
        cluster: u16,
        task: impl FnOnce(Arc<Cluster>, Send) -> F,
    ) {
        if let Some(c) = self.fleet.clusters().get(usize::from(cluster)) {
            self.runtime.spawn(task(c.clone(), self.send.clone()));
        }
    }
}

const NO_FOLDER: &str = "no folder for the journal: neither XDG_STATE_HOME nor HOME is set";

/// No more operations than these are listed: who looks for an older one has its name.
const MOST_OPERATIONS: usize = 500;

/// Reads the operations of a journal, the newest first.
fn journalled(folder: &Path) -> Result<Journalled, JournalError> {
    let mut journalled = Journalled::default();
    for op in silence::operations(folder)?.into_iter().rev().take(MOST_OPERATIONS) {
        match silence::load(folder, op) {
            Ok(found) => journalled.operations.extend(found),
            Err(error) => journalled.unreadable.push(error.to_string()),
        }
    }
    Ok(journalled)
}

/// Reads on every cluster what is left of operations, or says why they cannot be gone on with.
async fn remains(fleet: &Fleet, folder: &Path, ops: Vec<OpId>) -> Result<Vec<Remains>, String> {
    let mut all = Vec::new();
    for op in ops {
        match silence::load(folder, op).map_err(|error| error.to_string())? {
            None => {}
            Some((_, true)) => return Err("another process works on it now".into()),
            Some((standing, _)) if standing.undone.is_some() => return Err(TAKEN_BACK.into()),
            Some((standing, _)) => {
                let left = silence::left(fleet, &standing, Limits::default()).await;
                let parts = left.into_iter().map(|(_, left)| left).collect();
                all.push(Remains { standing, parts });
            }
        }
    }
    if all.is_empty() {
        Err("nothing of it was ever sent: there is nothing to finish".into())
    } else {
        Ok(all)
    }
}

const TAKEN_BACK: &str = "it was taken back";

/// What writing needs.
struct Work {
    fleet: Fleet,
    folder: PathBuf,
    send: Send,
}

impl Work {
    /// Carries out a deed, one operation after the other, and tells of every step. What cannot begin ends it all.
    async fn carry_out(&self, deed: Deed) -> Result<(), String> {
        let now = clock::now();
        match deed {
            Deed::Add { draft, preview, facts } => {
                self.begin(silence::add(&draft, &preview, &facts, OpId::new(now), now)).await
            }
            Deed::Change { silence, change, kind } => {
                self.begin(silence::edit(&silence, &change, kind, OpId::new(now), now)).await
            }
            Deed::Expire(silences) => {
                for silence in &silences {
                    self.begin(silence::expire(silence, OpId::new(now), now)).await?;
                }
                Ok(())
            }
            Deed::Resume(agreed) => {
                for agreed in agreed {
                    self.resume(agreed).await?;
                }
                Ok(())
            }
            Deed::Undo(ops) => {
                // The last first: an earlier one may be what it was built on.
                for op in ops.into_iter().rev() {
                    self.undo(op).await?;
                }
                Ok(())
            }
        }
    }

    /// Journals an operation and carries it out.
    async fn begin(&self, operation: Operation) -> Result<(), String> {
        let opened = self.journal(operation)?;
        self.run(opened).await
    }

    fn journal(&self, mut operation: Operation) -> Result<Opened, String> {
        operation.skip_read_only(&self.fleet);
        if operation.tasks.is_empty() {
            return Err("nothing of it can be written".into());
        }
        silence::begin(&self.folder, operation).map_err(|error| format!("nothing was sent: {error}"))
    }

    /// Does the rest of an operation where that was agreed to; elsewhere it is only noted what stands.
    async fn resume(&self, agreed: Agreed) -> Result<(), String> {
        let Some(opened) = silence::open(&self.folder, agreed.op).map_err(|error| error.to_string())? else {
            return Ok(());
        };
        if opened.standing().undone.is_some() {
            return Err(TAKEN_BACK.into());
        }
        // What nobody was shown is not sent, should it turn out to be needed after all.
        self.run(opened.only_on(agreed.on)).await
    }

    /// Plans to take an operation back from what stands there now, and does it.
    async fn undo(&self, op: OpId) -> Result<(), String> {
        let opened = silence::open(&self.folder, op).map_err(|error| error.to_string())?;
        let Some(opened) = opened else { return Err("nothing of it was ever sent".into()) };
        let mut opened = silence::find_out(&self.fleet, opened, Limits::default()).await;
        let asked = self.fleet.clusters().iter().map(|cluster| silences::silences(cluster, |_| {}));
        let answers = join_all(asked).await;
        let heard: BTreeMap<&ClusterName, bool> = (self.fleet.clusters().iter().zip(&answers))
            .map(|(cluster, answer)| (cluster.name(), answer.coverage.answered() > 0))
            .collect();
        let standing = opened.standing();
        let left = standing.unclear(|cluster| heard.get(cluster).copied());
        let copies: Vec<_> = answers.iter().flat_map(|answer| answer.value.iter().cloned()).collect();
        let now = clock::now();
        let back = silence::undo(&standing.operation, &standing.applied(), &copies, OpId::new(now), now);
        let unwritten = |error: JournalError| format!("the journal cannot be written: {error}");
        if !back.tasks.is_empty() {
            let by = back.op;
            let back = self.journal(back)?;
            opened.note_undone(by).map_err(unwritten)?;
            self.run(back).await?;
        } else if left.is_empty() {
            if standing.undone.is_none() {
                opened.note_undone(op).map_err(unwritten)?;
            }
            return Err("nothing of it stands any more: there is nothing to take back".into());
        }
        let words: Vec<String> = left.iter().map(|(cluster, why)| format!("{cluster}: {why}")).collect();
        match words.as_slice() {
            [] => Ok(()),
            words => Err(format!("not everything is taken back: {}", words.join("; "))),
        }
    }

    async fn run(&self, opened: Opened) -> Result<(), String> {
        let op = opened.standing().operation.op;
        (self.send)(Msg::Began(op));
        let tell = |step: &Step| {
            (self.send)(Msg::Step(step.clone()));
            ControlFlow::Continue(())
        };
        let standing = silence::run(&self.fleet, opened, Limits::default(), &tell).await;
        let standing = standing
            .ok_or_else(|| format!("it was cut off: `iaasmon silence status {op}` tells what was done"))?;
        (self.send)(Msg::Carried(Box::new(standing)));
        Ok(())
    }
}

/// The list of a node shows its own checks.
fn which(key: &CheckKey) -> detail::Which<'_> {
    detail::Which { node: &key.node.name, group: None, check: &key.check, source: None }
}

async fn fetch_output(cluster: Arc<Cluster>, key: CheckKey, send: Send) {
    let answer = detail::detail(&cluster, which(&key)).await;
    send(Msg::Output(OutputOf::Check(key), clock::now(), answer.value));
}

/// Asks one question of one cluster and tells of the answer, rows made ready; with `parts` also of what came first.
async fn fetch(index: u16, cluster: Arc<Cluster>, kind: Kind, mut parts: bool, send: Send) {
    let tell = |payload: Payload, last: bool| {
        send(Msg::Data { cluster: index, at: clock::now(), last, payload });
    };
    // Only the first part is painted: nobody makes rows of the others.
    let mut wanted = |coverage: &Coverage| {
        let first = parts && coverage.answered() > 0;
        parts &= !first;
        first
    };
    let label = cluster.config.node_label.clone();
    let alert_rows = |answer: Answer<Vec<Alert>>| {
        Payload::Alerts(answer.map(|list| {
            let mut rows: Vec<_> = list.into_iter().map(|a| AlertRow::new(index, a, &label)).collect();
            AlertRow::sort(&mut rows);
            rows
        }))
    };
    let node_rows = |answer: Answer<Vec<Node>>| {
        Payload::Nodes(answer.map(|list| list.into_iter().map(|n| NodeRow::new(index, n)).collect()))
    };
    match kind {
        Kind::Alerts => {
            let whole = alerts::alerts(&cluster, Annotations::FirstLine, |so_far| {
                let part = so_far();
                if wanted(&part.coverage) {
                    tell(alert_rows(part), false);
                }
            });
            let whole = whole.await;
            tell(alert_rows(whole), true);
        }
        Kind::Nodes => {
            let whole = nodes::nodes(&cluster, |so_far| {
                let part = so_far();
                if wanted(&part.coverage) {
                    tell(node_rows(part), false);
                }
            });
            let whole = whole.await;
            tell(node_rows(whole), true);
        }
        Kind::Silences => {
            let whole = silences::silences(&cluster, |so_far| {
                let part = so_far();
                if wanted(&part.coverage) {
                    tell(Payload::Silences(part), false);
                }
            });
            let whole = whole.await;
            tell(Payload::Silences(whole), true);
        }
        Kind::Flapping => {
            let wanted = Wanted { flapping: true, ..Wanted::default() };
            tell(Payload::Flapping(alerts::marks(&cluster, wanted).await), true);
        }
        Kind::Status => {
            let whole =
                status::status(&cluster, |so_far| tell(Payload::Status(Box::new(so_far())), false)).await;
            tell(Payload::Status(Box::new(whole)), true);
        }
    }
}
