//! `iaasmon check NODE CHECK --history` and `--diff`: earlier runs, and what is new since the check was well.

use super::{CheckArgs, explain};
use crate::cli::args::Format;
use crate::cli::error::{AppError, Exit};
use crate::cli::lookup::Target;
use crate::cli::render::{Cell, Column, Document, Key, Page, Shape, Tone, write_json, write_yaml};
use crate::cli::session::Session;
use crate::fleet::Answer;
use crate::fleet::detail::{Comparison, comparison, history as ask_history};
use crate::model::check::History;
use crate::model::cluster::ClusterName;
use crate::model::diff;
use crate::model::labels::Labels;
use crate::model::status::Status;
use crate::model::time::{Timestamp, age, format_age, format_took, rfc3339, serialize_option};
use serde::Serialize;
use std::sync::Arc;

/// How many runs are listed.
const LISTED: usize = 20;
/// How many runs are asked for at least: the output of a run may be kept with an earlier one that said the same.
const ASKED: usize = 100;
/// How many runs are looked through for one that was well.
const SEARCHED: usize = 500;

/// One run.
#[derive(Debug, Serialize)]
struct RunRow {
    cluster: ClusterName,
    node: Arc<str>,
    group: Option<Labels>,
    check: String,
    #[serde(skip)]
    place: Arc<str>,
    source: Option<String>,
    #[serde(serialize_with = "serialize_option")]
    executed: Option<Timestamp>,
    status: Option<Status>,
    exit_status: Option<i64>,
    duration: Option<f64>,
    changed: Option<bool>,
    output_sha256: Option<String>,
    output: Option<String>,
}

type C = Column<RunRow>;

const RUNS: Shape<RunRow> = Shape {
    columns: &[
        C::name("node", |row, _| place(&row.node, &row.place)).wide(),
        C::name("check", |row, _| Cell::text(&*row.check)).wide(),
        C::name("source", |row, _| Cell::text(row.source.as_deref().unwrap_or_default())).wide(),
        C::word("executed", |row, _| moment(row.executed)),
        C::word("status", |row, _| exit(row.status, row.exit_status)),
        C::number("took", |row, _| Cell::optional(row.duration, format_took)),
        C::word("changed", |row, _| Cell::text(if row.changed == Some(true) { "changed" } else { "" })),
        C::text("output", |row, _| match row.output.as_deref() {
            Some(output) => Cell::text(first_line(output)),
            None => Cell::text("(not kept)").tone(Tone::Dim),
        }),
    ],
    name: |row| row.executed.map(rfc3339).unwrap_or_default(),
};

/// The newest output against the last one that was well.
#[derive(Debug, Serialize)]
struct DiffRow {
    cluster: ClusterName,
    node: Arc<str>,
    group: Option<Labels>,
    check: String,
    #[serde(skip)]
    place: Arc<str>,
    #[serde(serialize_with = "serialize_option")]
    executed: Option<Timestamp>,
    status: Option<Status>,
    found: bool,
    #[serde(serialize_with = "serialize_option")]
    last_ok: Option<Timestamp>,
    diff: String,
}

type D = Column<DiffRow>;

const DIFF: Shape<DiffRow> = Shape {
    columns: &[
        D::name("node", |row, _| place(&row.node, &row.place)),
        D::name("check", |row, _| Cell::text(&*row.check)),
        D::word("executed", |row, _| moment(row.executed)),
        D::word("status", |row, _| status(row.status)),
        D::word("last_ok", |row, _| moment(row.last_ok)),
        D::text("diff", |row, _| Cell::text(&*row.diff)),
    ],
    name: |row| format!("{}/{}", row.place, row.check),
};

/// The node, or the group of what was pushed; scripts read the node alone.
fn place<'a>(node: &'a str, place: &'a str) -> Cell<'a> {
    Cell { raw: node.into(), ..Cell::text(place) }
}

fn status<'a>(status: Option<Status>) -> Cell<'a> {
    status.map_or(Cell::text(""), |s| Cell::text(s.word()).tone(s.into()))
}

/// A status with its exit code where the word alone does not tell it; scripts read the word.
fn exit<'a>(of: Option<Status>, code: Option<i64>) -> Cell<'a> {
    match of {
        Some(of) => Cell { raw: of.word().into(), ..Cell::text(of.word_of_exit(code)).tone(of.into()) },
        None => Cell::text(""),
    }
}

/// A moment by the clock: the ages of many runs would read alike.
fn moment<'a>(at: Option<Timestamp>) -> Cell<'a> {
    match at {
        None => Cell { key: Key::Nothing, ..Cell::text("") },
        Some(at) => {
            let text = at.format("%d %b %H:%M:%SZ").to_string();
            Cell { raw: rfc3339(at).into(), key: Key::Time(at), ..Cell::text(text) }
        }
    }
}

fn first_line(output: &str) -> &str {
    output.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

/// Lists the runs that the node or the pushgateway keeps.
pub async fn history(args: &CheckArgs, target: &Target, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let limit = args.runs.map_or(LISTED, usize::from);
    let Answer { value, coverage, notes } =
        ask_history(&target.cluster, args.which(target), limit.max(ASKED)).await;
    let history = match value {
        Ok(history) => history,
        Err(error) => {
            let lacks = Answer { value: &*error.to_string(), coverage, notes };
            return Err(explain(lacks, args, target, "history", session).await?);
        }
    };
    let found = history.runs.first().is_some_and(|run| run.status.is_none_or(|s| s != Status::Ok));
    let rows = (0..history.runs.len().min(limit)).map(|at| row(&history, at, args, target)).collect();
    let answer = Answer { value: rows, coverage, notes };
    let exit = session.list(&RUNS, answer, &args.list, "no run is kept yet")?;
    Ok(exit.or_problems(&args.list, found))
}

fn row(history: &History, at: usize, args: &CheckArgs, target: &Target) -> RunRow {
    let run = &history.runs[at];
    RunRow {
        cluster: target.cluster.name().clone(),
        node: target.node().into(),
        group: target.group.clone(),
        check: args.check.clone(),
        place: target.name.clone(),
        source: history.source.clone(),
        executed: run.executed,
        status: run.status,
        exit_status: run.exit_status,
        duration: run.duration,
        changed: history.changed(at),
        output_sha256: run.output_sha256.clone(),
        output: history.output(at).map(str::to_owned),
    }
}

/// Shows how the newest output differs from the last one that was well.
pub async fn diff(args: &CheckArgs, target: &Target, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let limit = args.runs.map_or(SEARCHED, usize::from);
    let Answer { value, coverage, notes } = comparison(&target.cluster, args.which(target), limit).await;
    let compared = match value {
        Ok(compared) => compared,
        Err(error) => {
            let lacks = Answer { value: &*error.to_string(), coverage, notes };
            return Err(explain(lacks, args, target, "history", session).await?);
        }
    };
    let row = compare(&compared, args, target);
    let (found, nothing) = (row.status.is_none_or(|s| s != Status::Ok), !row.found);
    let exit = match args.list.output {
        Format::Json | Format::Yaml => {
            let document = Document::new(&row, &coverage, &notes);
            match args.list.output {
                Format::Json => write_json(&document, session.streams.out)?,
                _ => write_yaml(&document, session.streams.out)?,
            }
            session.tell(&coverage, &notes)?
        }
        Format::Table | Format::Wide => {
            write_diff(&row, session)?;
            session.tell(&coverage, &notes)?
        }
        Format::Csv | Format::Jsonl | Format::Name => {
            session.list(&DIFF, Answer { value: vec![row], coverage, notes }, &args.list, "")?
        }
    };
    if nothing {
        let runs = compared.history.runs.len();
        writeln!(
            session.streams.err,
            "note: of the last {runs} runs none was well and has its output kept: there is nothing to compare with"
        )?;
    }
    Ok(exit.or_problems(&args.list, found))
}

fn compare(compared: &Comparison, args: &CheckArgs, target: &Target) -> DiffRow {
    let Comparison { newest, history } = compared;
    let good = history.last_ok(newest.executed);
    let old = good.and_then(|at| history.output(at));
    DiffRow {
        cluster: target.cluster.name().clone(),
        node: target.node().into(),
        group: target.group.clone(),
        check: args.check.clone(),
        place: target.name.clone(),
        executed: newest.executed,
        status: newest.status,
        found: good.is_some(),
        last_ok: good.and_then(|at| history.runs[at].executed),
        diff: old.map(|old| diff::unified(old, &newest.output)).unwrap_or_default(),
    }
}

fn write_diff(row: &DiffRow, session: &mut Session<'_>) -> Result<(), AppError> {
    let now = session.now;
    let mut page = Page::new(session.streams.out, session.streams.view);
    let (word, tone) = row.status.map_or(("?", Tone::Unknown), |status| (status.word(), status.into()));
    page.title(word, tone, &format!("{}  {}", row.check, row.place))?;
    page.fact("cluster", row.cluster.as_str())?;
    let when =
        |at: Option<Timestamp>| at.map(|at| format!("{} ago ({})", format_age(age(at, now)), rfc3339(at)));
    page.fact("run", &when(row.executed).unwrap_or_default())?;
    page.fact("last ok", &when(row.last_ok).unwrap_or_default())?;
    if !row.found {
        return Ok(());
    }
    if row.diff.is_empty() {
        page.part("the output is that of the last ok run")?;
    } else {
        page.part("output, the last ok (-) against the newest (+)")?;
        page.block(&row.diff)?;
    }
    Ok(())
}
