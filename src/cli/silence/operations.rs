//! `silence status` and `undo`: what became of operations.

use super::change::ask;
use super::confirm::Desk;
use super::results::{Results, rows};
use super::{StatusArgs, Surroundings, UndoArgs};
use crate::cli::args::Format;
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Listing, Shape, Tone};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{self, ConfirmLevel, Judgement, Limits, OpId, Opened, Standing};
use crate::model::cluster::ClusterName;
use crate::model::time::{Timestamp, age, format_left};
use crate::sys::journal::JournalError;
use serde::Serialize;
use std::path::Path;

/// An operation as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct OperationRow {
    op: String,
    /// Nothing where the journal cannot be read; so are the numbers.
    kind: Option<&'static str>,
    #[serde(serialize_with = "crate::model::time::serialize")]
    began: Timestamp,
    state: &'static str,
    applied: Option<usize>,
    clusters: Option<usize>,
    /// Why the journal cannot be read.
    why: Option<String>,
}

/// Returns a count, or nothing where it is not known.
fn count(known: Option<usize>) -> Cell<'static> {
    known.map_or_else(|| Cell::text("-"), |number| Cell::number(number as f64))
}

type C = Column<OperationRow>;

const SHAPE: Shape<OperationRow> = Shape {
    columns: &[
        C::word("op", |row, _| Cell::text(&*row.op)),
        C::word("kind", |row, _| Cell::text(row.kind.unwrap_or("-"))),
        C::number("began", |row, now| Cell::age(row.began, now)),
        C::word("state", |row, _| {
            Cell::text(row.state).tone(if row.is_left() { Tone::Bad } else { Tone::Plain })
        }),
        C::number("applied", |row, _| count(row.applied)),
        C::number("clusters", |row, _| count(row.clusters)),
        C::text("why", |row, _| Cell::text(row.why.as_deref().unwrap_or(""))),
    ],
    name: |row| row.op.clone(),
};

impl OperationRow {
    fn unreadable(op: OpId, error: &JournalError) -> Self {
        Self {
            op: op.to_string(),
            kind: None,
            began: op.made(),
            state: "unreadable",
            applied: None,
            clusters: None,
            why: Some(error.to_string()),
        }
    }

    /// Reports whether somebody has to look at it.
    fn is_left(&self) -> bool {
        matches!(self.state, "unfinished" | "unreadable")
    }
}

/// Returns where the journals are.
pub fn folder(around: &Surroundings) -> Result<&Path, AppError> {
    around.journals.as_deref().ok_or_else(|| {
        AppError::usage("there is no place for journals: neither $XDG_STATE_HOME nor $HOME is set")
    })
}

fn unreadable(error: &JournalError) -> AppError {
    AppError::usage(error.to_string()).hint("`iaasmon silence status` lists all operations")
}

/// Says why an operation cannot be gone on with.
fn unusable(op: OpId, error: &JournalError) -> AppError {
    match error {
        JournalError::Busy(_) => AppError::usage(format!("operation {op} is running in another process"))
            .hint("`iaasmon silence status` shows when it has ended"),
        JournalError::Illegible { .. } => AppError::usage(format!("{error}; nothing is done on its word"))
            .hint("`iaasmon silence list` shows what is there"),
        JournalError::Missing(_) | JournalError::Io { .. } => unreadable(error),
    }
}

fn unwritten(error: &JournalError) -> AppError {
    AppError::new(Exit::Partial, format!("the journal cannot be written: {error}; nothing was sent"))
}

/// Says that there is nothing to finish or to take back.
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
        let results = Results { standing: &standing, journalled: true, coverage: &Coverage::default() };
        return results.show(args.list.output, session);
    }
    let mut list = Vec::new();
    for op in silence::operations(folder).map_err(|error| unreadable(&error))?.into_iter().rev() {
        // One that cannot be read hides no other.
        match silence::load(folder, op) {
            Ok(Some((standing, busy))) => list.push(operation_row(&standing, busy)),
            Ok(None) => {}
            Err(error) => list.push(OperationRow::unreadable(op, &error)),
        }
    }
    // Whatever else there is, and however few are wanted: what somebody has to look at comes first.
    list.sort_by_key(|row| !row.is_left());
    let coverage = Coverage::default();
    let listing = Listing { shape: &SHAPE, rows: list, coverage: &coverage, notes: &[], now: session.now };
    let unfinished = listing.rows.iter().any(OperationRow::is_left);
    let nothing = listing.rows.is_empty() && session.streams.view.is_terminal();
    listing.print(&args.list, session.streams.view, session.streams.out)?;
    if nothing && matches!(args.list.output, Format::Table | Format::Wide) {
        writeln!(session.streams.err, "no operations")?;
    }
    Ok(Exit::Done.or_problems(&args.list, unfinished))
}

fn operation_row(standing: &Standing, busy: bool) -> OperationRow {
    let results = rows(standing);
    let state = match (busy, standing.undone, standing.is_settled()) {
        (true, _, _) => "running",
        (false, Some(_), _) => "undone",
        (false, None, true) => "ended",
        (false, None, false) => "unfinished",
    };
    OperationRow {
        op: standing.operation.op.to_string(),
        kind: Some(standing.operation.kind.word()),
        began: standing.operation.began,
        state,
        applied: Some(results.iter().filter(|row| row.result == "applied").count()),
        clusters: Some(standing.operation.tasks.len()),
        why: None,
    }
}

/// Opens the operation that is meant, to go on with it.
pub fn opened(
    op: Option<OpId>,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Opened, AppError> {
    let folder = folder(around)?;
    let op = chosen(op, folder, session)?;
    let opened = silence::open(folder, op).map_err(|error| unusable(op, &error))?;
    opened.ok_or_else(|| nothing_sent(op))
}

/// Returns the operation that is meant: the one named, else the only unfinished one, which is then told.
fn chosen(op: Option<OpId>, folder: &Path, session: &mut Session<'_>) -> Result<OpId, AppError> {
    if let Some(op) = op {
        return Ok(op);
    }
    let (mut unfinished, mut unread) = (Vec::new(), 0);
    for op in silence::operations(folder).map_err(|error| unreadable(&error))?.into_iter().rev() {
        match silence::load(folder, op) {
            Ok(Some((standing, false))) if !standing.is_over() => unfinished.push(standing),
            Ok(_) => {}
            Err(_) => unread += 1,
        }
    }
    if let [only] = unfinished.as_slice() {
        writeln!(session.streams.err, "operation {}", in_words(only, session.now))?;
        return Ok(only.operation.op);
    }
    let error = match unfinished.len() {
        0 => AppError::usage("no operation is unfinished")
            .hint("`iaasmon silence status` lists all operations; any of them can be named"),
        several => AppError::usage(format!("{several} operations are unfinished: name one")),
    };
    let error = unfinished.iter().fold(error, |error, standing| error.hint(in_words(standing, session.now)));
    Err(match unread {
        0 => error,
        unread => {
            error.hint(format!("{unread} journal(s) cannot be read: `iaasmon silence status` says why"))
        }
    })
}

/// Says which operation it is: its id, kind, age and clusters.
fn in_words(standing: &Standing, now: Timestamp) -> String {
    let operation = &standing.operation;
    let clusters: Vec<&str> = standing.tasks.keys().map(ClusterName::as_str).collect();
    let (kind, ago) = (operation.kind.word(), format_left(age(operation.began, now)));
    format!("{}: {kind}, begun {ago} ago, on {}", operation.op, clusters.join(", "))
}

/// Runs `silence undo`.
pub async fn undo(
    args: &UndoArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let opened = opened(args.op, session, around)?;
    let mut opened = silence::find_out(&session.fleet, opened, Limits::default()).await;
    let standing = opened.standing();
    let op = standing.operation.op;
    let known = ask(session).await;
    session.tell(&known.coverage, &[])?;
    let facts_of = |cluster: &_| known.facts.iter().find(|facts| facts.cluster == *cluster);
    let left = standing.unclear(|cluster| Some(facts_of(cluster)?.reachable));
    for (cluster, why) in &left {
        writeln!(session.streams.err, "unknown  {cluster}: {why}; nothing is taken back there")?;
    }
    let copies: Vec<_> = known.facts.iter().flat_map(|f| &f.silences).cloned().collect();
    let mut operation =
        silence::undo(&standing.operation, &standing.applied(), &copies, OpId::new(session.now), session.now);
    operation.skip_read_only(&session.fleet);
    let later = || {
        AppError::new(Exit::Partial, "not everything is taken back")
            .hint(format!("`iaasmon silence undo {op}` again, when every cluster answers, does the rest"))
    };
    let dry_run = args.confirm.ask.dry_run;
    if operation.tasks.is_empty() && operation.skipped.is_empty() {
        if !left.is_empty() {
            return Err(later());
        }
        if !dry_run && standing.undone.is_none() {
            opened.note_undone(op).map_err(|error| unwritten(&error))?;
        }
        writeln!(session.streams.err, "nothing of it stands any more: there is nothing to take back")?;
        return Ok(Exit::Done);
    }
    let kind = standing.operation.kind.word();
    writeln!(session.streams.err, "takes back {op} ({kind}) on {} cluster(s)", operation.tasks.len())?;
    let small = Judgement { level: ConfirmLevel::Small, reasons: Vec::new() };
    let mut desk = Desk { session, around, confirm: &args.confirm, known: &known };
    let Some(back) = desk.prepare(operation, &small).await? else {
        return Ok(if dry_run { Exit::Done } else { Exit::Usage });
    };
    let by = back.standing().operation.op;
    opened.note_undone(by).map_err(|error| unwritten(&error))?;
    let exit = desk.finish(back).await?;
    if left.is_empty() { Ok(exit) } else { Err(later()) }
}
