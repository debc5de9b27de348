//! Doing what the state asks for outside of it: every request is a task that sends messages back.

use crate::fleet::alerts::Annotations;
use crate::fleet::silence::{Limits, OpId, Standing, Step};
use crate::fleet::{Answer, Cluster, Fleet, alerts, detail, node, nodes, silence, silences, status};
use crate::model::alert::Alert;
use crate::model::node::Node;
use crate::sys::clock;
use crate::tui::msg::{Effect, Kind, Msg, OutputOf, Payload};
use crate::tui::state::confirm::Deed;
use crate::tui::state::rows::{AlertRow, CheckKey, NodeRow};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
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
        Self { fleet, runtime, send: Arc::new(send), writes: TaskTracker::new(), journals: None }
    }

    /// Journals operations in this folder. Without a folder nothing is written: after a crash nobody would know.
    pub fn journal_in(self, folder: Option<PathBuf>) -> Self {
        Self { journals: folder, ..self }
    }

    /// Carries out what was confirmed and tells of every step.
    fn write(&self, deed: Deed) {
        let Some(folder) = self.journals.clone() else {
            let why = "no folder for the journal: neither XDG_STATE_HOME nor HOME is set".to_owned();
            return (self.send)(Msg::Ended(Err(why)));
        };
        let (fleet, send) = (self.fleet.clone(), self.send.clone());
        let task = async move {
            let outcome = carry_out(&fleet, &folder, deed, &send).await;
            send(Msg::Ended(outcome));
        };
        self.writes.spawn_on(task, &self.runtime);
    }

    /// Starts what `effect` asks for. Effects on the terminal itself are the runtime's and do nothing here.
    pub fn run(&self, effect: Effect) {
        match effect {
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::NextTheme | Effect::Copy(_) => {}
            Effect::Fetch { cluster, kind } => self.on(cluster, move |c, send| fetch(cluster, c, kind, send)),
            Effect::FetchAlertOutput(key, alert) => self.on(key.cluster, move |c, send| async move {
                let source = detail::detail_of_alert(&c, &alert).await;
                send(Msg::Output(OutputOf::Alert(key), clock::now(), source));
            }),
            Effect::FetchOutput(key) => self.on(key.node.cluster, move |c, send| fetch_output(c, key, send)),
            Effect::Facts { token } => {
                for cluster in 0..u16::try_from(self.fleet.clusters().len()).unwrap_or(u16::MAX) {
                    self.on(cluster, move |c, send| async move {
                        let facts = Box::new(silence::fetch_facts(&c).await);
                        send(Msg::Facts { cluster, token, facts });
                    });
                }
            }
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
            Effect::FetchNode(key) => self.on(key.cluster, move |c, send| async move {
                let answer = node::node(&c, &key.name).await;
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

async fn carry_out(fleet: &Fleet, folder: &Path, deed: Deed, send: &Send) -> Result<Box<Standing>, String> {
    let now = clock::now();
    let op = OpId::new(now);
    let operation = match &deed {
        Deed::Add { draft, preview, facts } => silence::add(draft, preview, facts, op, now),
        Deed::Expire(silence) => silence::expire(silence, op, now),
    };
    let opened = silence::begin(folder, operation).map_err(|e| format!("nothing was sent: {e}"))?;
    send(Msg::Began(op.to_string()));
    let tell = |step: &Step| {
        send(Msg::Step(step.clone()));
        ControlFlow::Continue(())
    };
    let standing = silence::run(fleet, opened, Limits::default(), &tell).await;
    let lost = || format!("the journal cannot be written: `iaasmon silence status {op}` tells what was done");
    standing.map(Box::new).ok_or_else(lost)
}

async fn fetch_output(cluster: Arc<Cluster>, key: CheckKey, send: Send) {
    let answer = detail::detail(&cluster, &key.node.name, &key.check).await;
    send(Msg::Output(OutputOf::Check(key), clock::now(), answer.value));
}

/// Asks one question of one cluster and tells of each part of the answer, rows made ready.
async fn fetch(index: u16, cluster: Arc<Cluster>, kind: Kind, send: Send) {
    let tell = |payload: Payload, last: bool| {
        send(Msg::Data { cluster: index, at: clock::now(), last, payload });
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
            let whole =
                alerts::alerts(&cluster, Annotations::FirstLine, |part| tell(alert_rows(part), false)).await;
            tell(alert_rows(whole), true);
        }
        Kind::Nodes => {
            let whole = nodes::nodes(&cluster, |part| tell(node_rows(part), false)).await;
            tell(node_rows(whole), true);
        }
        Kind::Silences => {
            let whole = silences::silences(&cluster, |part| tell(Payload::Silences(part), false)).await;
            tell(Payload::Silences(whole), true);
        }
        Kind::Status => {
            let whole = status::status(&cluster, |part| tell(Payload::Status(Box::new(part)), false)).await;
            tell(Payload::Status(Box::new(whole)), true);
        }
    }
}
