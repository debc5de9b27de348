//! Doing what the state asks for outside of it: every request is a task that sends messages back.

use crate::fleet::alerts::Annotations;
use crate::fleet::{Answer, Cluster, Fleet, alerts, detail, node, nodes, silences, status};
use crate::model::alert::Alert;
use crate::model::node::Node;
use crate::sys::clock;
use crate::tui::msg::{Effect, Kind, Msg, OutputOf, Payload};
use crate::tui::state::rows::{AlertRow, CheckKey, NodeRow};
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
        Self { fleet, runtime, send: Arc::new(send), writes: TaskTracker::new() }
    }

    /// Starts what `effect` asks for. Effects on the terminal itself are the runtime's and do nothing here.
    pub fn run(&self, effect: Effect) {
        match effect {
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) => {}
            Effect::Fetch { cluster, kind } => self.on(cluster, move |c, send| fetch(cluster, c, kind, send)),
            Effect::FetchAlertOutput(key, alert) => self.on(key.cluster, move |c, send| async move {
                let source = detail::detail_of_alert(&c, &alert).await;
                send(Msg::Output(OutputOf::Alert(key), clock::now(), source));
            }),
            Effect::FetchOutput(key) => self.on(key.node.cluster, move |c, send| fetch_output(c, key, send)),
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
        Payload::Alerts(
            answer.map(|list| list.into_iter().map(|a| AlertRow::new(index, a, &label)).collect()),
        )
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
