//! `iaasmon node NAME --live`: the node's own metrics beside Prometheus.

use super::NodeArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::lookup::Target;
use crate::cli::render::{Cell, Column, Shape, Tone};
use crate::cli::session::Session;
use crate::fleet::Answer;
use crate::fleet::live::{LiveCheck, live};
use crate::model::cluster::ClusterName;
use crate::model::status::Status;
use serde::Serialize;
use std::sync::Arc;

/// A check on both sides.
#[derive(Debug, Serialize)]
struct Row {
    cluster: ClusterName,
    node: Arc<str>,
    check: String,
    source: Option<String>,
    live: Option<Status>,
    prometheus: Option<Status>,
    disputed: bool,
    differs: Option<&'static str>,
}

type C = Column<Row>;

const SHAPE: Shape<Row> = Shape {
    columns: &[
        C::name("node", |row, _| Cell::text(&*row.node)).wide(),
        C::word("live", |row, _| status(row.live)),
        C::word("prometheus", |row, _| status(row.prometheus)),
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::name("source", |row, _| Cell::text(row.source.as_deref().unwrap_or_default())),
        C::word("differs", |row, _| Cell::text(row.differs.unwrap_or_default()).tone(Tone::Warn)),
        C::word("replicas", |row, _| Cell::text(if row.disputed { "disagree" } else { "" }).tone(Tone::Warn)),
    ],
    name: |row| match &row.source {
        Some(source) => format!("{}/{source}", row.check),
        None => row.check.clone(),
    },
};

fn status<'a>(status: Option<Status>) -> Cell<'a> {
    match status {
        Some(status) => Cell::ranked(status.word(), 3 - status.badness()).tone(status.into()),
        None => Cell::ranked("-", 4).tone(Tone::Dim),
    }
}

/// Lists the node's checks.
pub async fn run(args: &NodeArgs, target: Target, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let Answer { value, coverage, mut notes } = live(&target.cluster, &target.name).await;
    let coverage = coverage.join(target.coverage);
    let live = match value {
        Ok(live) => live,
        Err(error) => {
            session.tell(&coverage, &notes)?;
            let message = format!("{} does not give its metrics: {error}", target.name);
            let hint = format!("`iaasmon node {}` shows what Prometheus has", target.name);
            return Err(AppError::new(Exit::Partial, message).hint(hint));
        }
    };
    if live.runner_stale {
        notes.push("the node says that none of its checks has a fresh result".into());
    }
    let bad = |c: &LiveCheck| c.difference.is_some() || c.live.is_some_and(|status| status != Status::Ok);
    let found = live.runner_stale || live.checks.iter().any(bad);
    let cluster = target.cluster.name();
    let row = |c: LiveCheck| Row {
        cluster: cluster.clone(),
        node: target.name.clone(),
        check: c.check,
        source: c.source,
        live: c.live,
        prometheus: c.prometheus,
        disputed: c.disputed,
        differs: c.difference.map(|difference| difference.word()),
    };
    let rows = live.checks.into_iter().map(row).collect();
    let answer = Answer { value: rows, coverage, notes };
    let exit = session.list(&SHAPE, answer, &args.list, "the node's metrics hold no check")?;
    Ok(exit.or_problems(&args.list, found))
}
