//! `silence status`, `resume` and `undo`: what became of operations.

use super::change::{ask, carry_out, finish, skip_read_only};
use super::report::{print_results, rows};
use super::{OperationArgs, StatusArgs, Surroundings, UndoArgs};
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Listing, Shape, Tone};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{self, ConfirmLevel, Judgement, OpId, Outcome, Standing};
use crate::model::time::Timestamp;
use serde::Serialize;
use std::path::Path;

/// An operation as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct OperationRow {
    op: String,
    kind: &'static str,
    #[serde(serialize_with = "crate::model::time::serialize")]
    began: Timestamp,
    state: &'static str,
    applied: usize,
    clusters: usize,
}

type C = Column<OperationRow>;

const SHAPE: Shape<OperationRow> = Shape {
    columns: &[
        C::word("op", |row, _| Cell::text(&*row.op)),
        C::word("kind", |row, _| Cell::text(row.kind)),
        C::number("began", |row, now| Cell::age(row.began, now)),
        C::word("state", |row, _| {
            Cell::text(row.state).tone(if row.state == "unfinished" { Tone::Bad } else { Tone::Plain })
        }),
        C::number("applied", |row, _| Cell::number(row.applied as f64)),
        C::number("clusters", |row, _| Cell::number(row.clusters as f64)),
    ],
    name: |row| row.op.clone(),
};

fn folder(around: &Surroundings) -> Result<&Path, AppError> {
    around.journals.as_deref().ok_or_else(|| {
        AppError::usage("there is no place for journals: neither $XDG_STATE_HOME nor $HOME is set")
    })
}

fn unreadable(error: &crate::sys::journal::JournalError) -> AppError {
    AppError::usage(error.to_string()).hint("`iaasmon silence status` lists all operations")
}

fn nothing_sent(op: OpId) -> AppError {
    AppError::usage(format!(
        "operation {op} was interrupted before anything was sent: there is nothing to do"
    ))
}

/// Runs `silence status`.
pub fn status(args: &StatusArgs, session: &mut Session<'_>, around: &Surroundings) -> Result<Exit, AppError> {
    let folder = folder(around)?;
    if let Some(op) = args.op {
        let loaded = silence::load(folder, op).map_err(|error| unreadable(&error))?;
        let (standing, _) = loaded.ok_or_else(|| nothing_sent(op))?;
        return print_results(&standing, args.list.output, session);
    }
    let mut list = Vec::new();
    for op in silence::operations(folder).map_err(|error| unreadable(&error))?.into_iter().rev() {
        if let Some((standing, busy)) = silence::load(folder, op).map_err(|error| unreadable(&error))? {
            list.push(operation_row(&standing, busy));
        }
    }
    let coverage = Coverage::default();
    let listing = Listing { shape: &SHAPE, rows: list, coverage: &coverage, notes: &[], now: session.now };
    listing.print(&args.list, session.streams.view, session.streams.out)?;
    Ok(Exit::Done)
}

fn operation_row(standing: &Standing, busy: bool) -> OperationRow {
    let results = rows(standing);
    let state = match (busy, standing.is_settled()) {
        (true, _) => "running",
        (false, true) => "ended",
        (false, false) => "unfinished",
    };
    OperationRow {
        op: standing.operation.op.to_string(),
        kind: standing.operation.kind.word(),
        began: standing.operation.began,
        state,
        applied: results.iter().filter(|row| row.result == "applied").count(),
        clusters: standing.operation.tasks.len(),
    }
}

/// Runs `silence resume`.
pub async fn resume(
    args: &OperationArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let opened = silence::open(folder(around)?, args.op).map_err(|error| unreadable(&error))?;
    finish(opened.ok_or_else(|| nothing_sent(args.op))?, args.output, session).await
}

/// Runs `silence undo`.
pub async fn undo(
    args: &UndoArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let loaded = silence::load(folder(around)?, args.op).map_err(|error| unreadable(&error))?;
    let (standing, busy) = loaded.ok_or_else(|| nothing_sent(args.op))?;
    if busy {
        return Err(AppError::usage(format!("operation {} is running", args.op)));
    }
    if standing.tasks.values().any(|p| !p.sent.is_empty()) {
        return Err(AppError::usage("it is not known what the operation has done")
            .hint(format!("`iaasmon silence resume {}` finds out first", args.op)));
    }
    let known = ask(session).await;
    session.tell(&known.coverage, &[])?;
    let copies: Vec<_> = known.facts.iter().flat_map(|f| &f.silences).cloned().collect();
    let applied: Vec<_> = standing
        .tasks
        .iter()
        .filter(|(_, p)| p.written.is_some() || matches!(p.outcome, Some(Outcome::Applied { .. })))
        .map(|(cluster, p)| (cluster.clone(), p.written.clone()))
        .collect();
    let mut operation =
        silence::undo(&standing.operation, &applied, &copies, OpId::new(session.now), session.now);
    skip_read_only(&mut operation, &known.facts);
    if operation.tasks.is_empty() && operation.skipped.is_empty() {
        writeln!(session.streams.err, "nothing of it stands any more: there is nothing to take back")?;
        return Ok(Exit::Done);
    }
    let kind = standing.operation.kind.word();
    writeln!(session.streams.err, "takes back {} ({kind}) on {} cluster(s)", args.op, operation.tasks.len())?;
    let small = Judgement { level: ConfirmLevel::Small, reasons: Vec::new() };
    carry_out(operation, &small, &args.confirm, session, around).await
}
