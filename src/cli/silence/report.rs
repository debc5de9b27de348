//! What the silence commands say: previews, requests of a dry run, results.

use crate::cli::args::{Format, ListArgs};
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Document, Listing, Shape, Tone, write_json, write_yaml};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{
    ConfirmLevel, Draft, Judgement, Operation, Outcome, OverlapKind, Preview, Progress, Replication, Request,
    Skip, Standing, requests,
};
use crate::model::cluster::ClusterName;
use crate::model::text;
use crate::model::time::{Timestamp, age, format_left, rfc3339};
use chrono::Local;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;

/// Says what a draft would do, for people.
pub fn write_preview(
    out: &mut dyn Write,
    draft: &Draft,
    preview: &Preview,
    judgement: &Judgement,
    now: Timestamp,
) -> io::Result<()> {
    let matchers: Vec<String> = draft.matchers.iter().map(ToString::to_string).collect();
    writeln!(out, "silence  {}", text::line(&matchers.join(" ")))?;
    if let Some(start) = draft.starts_at {
        writeln!(out, "from     {}", both_clocks(start))?;
    }
    let length = format_left(age(draft.starts_at.unwrap_or(now), draft.ends_at));
    writeln!(out, "until    {} ({length})", both_clocks(draft.ends_at))?;
    writeln!(out, "author   {}", text::line(&draft.created_by))?;
    writeln!(out, "comment  {}", text::line(&draft.comment))?;
    for cluster in preview.clusters.iter().filter(|c| c.chosen) {
        let silenced = cluster.alerts.iter().filter(|hit| hit.silenced).count();
        let mut said = format!(
            "hits {} firing alert(s) on {} node(s), {silenced} silenced already",
            cluster.alerts.len(),
            cluster.nodes.len()
        );
        if cluster.undecided > 0 {
            said += &format!(", cannot evaluate {} alert(s)", cluster.undecided);
        }
        if cluster.stays_visible > 0 {
            said += &format!("; {} other alert(s) on them go on paging", cluster.stays_visible);
        }
        if !cluster.reachable {
            said = "does not answer: what it would hit is not known".to_owned();
        }
        if let Some(skip) = cluster.skipped {
            said = format!("skipped: {}", skip.words());
        }
        writeln!(out, "cluster  {}: {said}", cluster.cluster)?;
    }
    for cluster in preview.unknown() {
        writeln!(out, "unknown  {}: does not answer, nothing is made there", cluster.cluster)?;
    }
    for (matcher, why) in &preview.cannot_evaluate {
        let said = format!("{matcher}: cannot evaluate here ({why}); Alertmanager judges");
        writeln!(out, "note     {}", text::line(&said))?;
    }
    for overlap in preview.overlaps.iter().take(5) {
        let kind = match overlap.kind {
            OverlapKind::Same => "does the same".to_owned(),
            OverlapKind::Alerts(n) => format!("holds back {n} of these alerts"),
            OverlapKind::SameAlertname => "has the same alertname".to_owned(),
        };
        let s = &overlap.silence;
        let said = format!("{} by {} {kind}, until {}", s.id, s.created_by, rfc3339(s.ends_at));
        writeln!(out, "similar  {}", text::line(&said))?;
    }
    if preview.overlaps.len() > 5 {
        writeln!(out, "similar  and {} more", preview.overlaps.len() - 5)?;
    }
    write_reasons(out, judgement)?;
    writeln!(out, "note     only what fires now is counted; alerts to come that match will be silent too")
}

/// Says what asks for a second look.
pub fn write_reasons(out: &mut dyn Write, judgement: &Judgement) -> io::Result<()> {
    let mut reasons = judgement.reasons.iter();
    reasons.try_for_each(|(level, why)| writeln!(out, "{:<8} {}", level.word(), text::line(why)))
}

/// Writes a time in UTC and as the operator's own clock shows it.
pub fn both_clocks(time: Timestamp) -> String {
    let local = time.with_timezone(&Local);
    format!("{} ({} here)", time.format("%Y-%m-%d %H:%M:%SZ"), local.format("%Y-%m-%d %H:%M %:z"))
}

#[derive(Serialize)]
struct PreviewData<'a> {
    matchers: Vec<String>,
    #[serde(serialize_with = "crate::model::time::serialize_option")]
    starts_at: Option<Timestamp>,
    #[serde(serialize_with = "crate::model::time::serialize")]
    ends_at: Timestamp,
    created_by: &'a str,
    comment: &'a str,
    level: &'static str,
    reasons: Vec<Reason<'a>>,
    clusters: Vec<ClusterData<'a>>,
    overlaps: Vec<OverlapData<'a>>,
    cannot_evaluate: Vec<String>,
}

#[derive(Serialize)]
struct Reason<'a> {
    level: &'static str,
    why: &'a str,
}

#[derive(Serialize)]
struct ClusterData<'a> {
    cluster: &'a ClusterName,
    chosen: bool,
    skipped: Option<&'static str>,
    reachable: bool,
    alerts: usize,
    already_silenced: usize,
    cannot_evaluate: usize,
    stays_visible: usize,
    nodes: Vec<&'a str>,
    fingerprints: Vec<String>,
}

#[derive(Serialize)]
struct OverlapData<'a> {
    kind: &'static str,
    alerts: usize,
    id: &'a str,
}

/// Prints a preview in a form for programs.
pub fn print_preview(
    format: Format,
    draft: &Draft,
    preview: &Preview,
    judgement: &Judgement,
    coverage: &Coverage,
    session: &mut Session<'_>,
) -> Result<(), AppError> {
    let clusters = preview.clusters.iter().map(|c| ClusterData {
        cluster: &c.cluster,
        chosen: c.chosen,
        skipped: c.skipped.map(Skip::words),
        reachable: c.reachable,
        alerts: c.alerts.len(),
        already_silenced: c.alerts.iter().filter(|hit| hit.silenced).count(),
        cannot_evaluate: c.undecided,
        stays_visible: c.stays_visible,
        nodes: c.nodes.iter().map(|name| &**name).collect(),
        fingerprints: c.alerts.iter().map(|hit| hit.fingerprint.to_string()).collect(),
    });
    let overlaps = preview.overlaps.iter().map(|o| {
        let (kind, alerts) = match o.kind {
            OverlapKind::Same => ("same", 0),
            OverlapKind::Alerts(n) => ("alerts", n),
            OverlapKind::SameAlertname => ("alertname", 0),
        };
        OverlapData { kind, alerts, id: &o.silence.id }
    });
    let data = PreviewData {
        matchers: draft.matchers.iter().map(ToString::to_string).collect(),
        starts_at: draft.starts_at,
        ends_at: draft.ends_at,
        created_by: &draft.created_by,
        comment: &draft.comment,
        level: judgement.level.word(),
        reasons: judgement.reasons.iter().map(|(level, why)| Reason { level: level.word(), why }).collect(),
        clusters: clusters.collect(),
        overlaps: overlaps.collect(),
        cannot_evaluate: preview.cannot_evaluate.iter().map(|(m, _)| m.to_string()).collect(),
    };
    let out = &mut *session.streams.out;
    match format {
        Format::Json => write_json(&Document::new(&data, coverage, &[]), out)?,
        Format::Yaml => write_yaml(&Document::new(&data, coverage, &[]), out)?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&data).map_err(io::Error::from)?)?,
        Format::Name => preview.written().try_for_each(|c| writeln!(out, "{}", c.cluster))?,
        Format::Table | Format::Wide | Format::Csv => {
            let now = session.now;
            write_preview(out, draft, preview, judgement, now)?;
        }
    }
    Ok(())
}

/// Prints the requests that an operation would send.
pub fn dry_run(
    operation: &Operation,
    format: Format,
    coverage: &Coverage,
    session: &mut Session<'_>,
) -> Result<Exit, AppError> {
    let requests = requests(operation, &session.fleet);
    let out = &mut *session.streams.out;
    match format {
        Format::Json => write_json(&Document::new(&requests, coverage, &[]), out)?,
        Format::Yaml => write_yaml(&Document::new(&requests, coverage, &[]), out)?,
        Format::Jsonl => {
            for request in &requests {
                writeln!(out, "{}", serde_json::to_string(request).map_err(io::Error::from)?)?;
            }
        }
        Format::Table | Format::Wide | Format::Csv | Format::Name => {
            for Request { cluster, method, url, body } in &requests {
                let body = body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
                writeln!(out, "{cluster}: {method} {}{}", text::line(url), text::line(&body))?;
            }
        }
    }
    writeln!(session.streams.err, "dry run: nothing was sent")?;
    Ok(Exit::Done)
}

/// One cluster's result; the shape of its JSON.
#[derive(Debug, Clone, Serialize)]
pub struct ResultRow {
    /// The cluster.
    pub cluster: ClusterName,
    /// `applied`, `failed`, `unknown`, `skipped`, or `interrupted`.
    pub result: &'static str,
    /// Whether all members have it, where that is known.
    pub replicated: Option<bool>,
    /// The id there.
    pub id: Option<Arc<str>>,
    /// The result in words.
    pub detail: String,
}

type C = Column<ResultRow>;

/// How results are listed.
const SHAPE: Shape<ResultRow> = Shape {
    columns: &[
        C::name("cluster", |row, _| Cell::text(row.cluster.as_str())),
        C::text("result", |row, _| {
            let tone = match row.result {
                "applied" => Tone::Plain,
                "skipped" => Tone::Dim,
                _ => Tone::Bad,
            };
            Cell::text(&*row.detail).tone(tone)
        }),
        C::word("id", |row, _| Cell::text(row.id.as_deref().unwrap_or(""))),
    ],
    name: |row| row.id.as_deref().unwrap_or("").to_owned(),
};

#[derive(Serialize)]
struct ResultData<'a> {
    op: String,
    kind: &'static str,
    id: Option<&'a str>,
    settled: bool,
    clusters: &'a [ResultRow],
}

/// Returns one row per cluster.
pub fn rows(standing: &Standing) -> Vec<ResultRow> {
    let written = |cluster: &ClusterName| standing.tasks.get(cluster).and_then(|p| p.written.clone());
    let row = |(cluster, outcome): (ClusterName, Option<Outcome>)| {
        let replicated = match &outcome {
            Some(Outcome::Applied { replication, .. }) => Some(match replication {
                Replication::Alone | Replication::Done => true,
                Replication::Down(_) | Replication::Missing(_) => false,
            }),
            _ => None,
        };
        let id = written(&cluster);
        let result = outcome.as_ref().map_or("interrupted", Outcome::word);
        let detail = outcome.map_or_else(|| "interrupted".to_owned(), |outcome| outcome.to_string());
        ResultRow { cluster, result, replicated, id, detail }
    };
    standing.outcomes().into_iter().map(row).collect()
}

/// Prints what became of an operation, one id first, and returns what it amounts to. Without a journal it cannot
/// be gone on with.
pub fn print_results(
    standing: &Standing,
    format: Format,
    journalled: bool,
    coverage: &Coverage,
    session: &mut Session<'_>,
) -> Result<Exit, AppError> {
    let rows = rows(standing);
    let (id, settled) = (standing.id(), standing.is_settled());
    let well = settled
        && rows.iter().all(|row| row.result == "applied" || row.result == "skipped")
        && all_well(standing);
    let sentence = sentence(standing, &rows);
    let now = session.now;
    let out = &mut *session.streams.out;
    let operation = &standing.operation;
    let data = ResultData {
        op: operation.op.to_string(),
        kind: operation.kind.word(),
        id: id.as_deref(),
        settled,
        clusters: &rows,
    };
    match format {
        Format::Json => write_json(&Document::new(&data, coverage, &[]), out)?,
        Format::Yaml => write_yaml(&Document::new(&data, coverage, &[]), out)?,
        Format::Name => id.iter().try_for_each(|id| writeln!(out, "{}", text::line(id)))?,
        Format::Table | Format::Wide | Format::Jsonl | Format::Csv => {
            if matches!(format, Format::Table | Format::Wide) {
                id.iter().try_for_each(|id| writeln!(out, "{}", text::line(id)))?;
            }
            let listing = Listing { shape: &SHAPE, rows, coverage, notes: &[], now };
            let args = ListArgs { output: format, ..ListArgs::default() };
            listing.print(&args, session.streams.view, out)?;
        }
    }
    session.streams.out.flush()?;
    writeln!(session.streams.err, "{sentence}")?;
    if let Some(by) = standing.undone {
        let by = if by == operation.op { String::new() } else { format!(" by {by}") };
        writeln!(session.streams.err, "it was taken back{by}")?;
    } else if !well && journalled {
        let op = operation.op;
        writeln!(
            session.streams.err,
            "  hint: `iaasmon silence resume {op}` finishes it, `undo {op}` takes it back"
        )?;
    }
    Ok(match well {
        true => Exit::Done,
        false if all_silent(standing) => Exit::Nothing,
        false => Exit::Partial,
    })
}

/// Reports whether nothing was done because nobody answered.
fn all_silent(standing: &Standing) -> bool {
    let silent = |p: &Progress| matches!(p.outcome, Some(Outcome::Failed { silent: true, .. }));
    !standing.tasks.is_empty() && standing.tasks.values().all(silent)
}

fn all_well(standing: &Standing) -> bool {
    standing.outcomes().iter().all(|(_, outcome)| outcome.as_ref().is_some_and(Outcome::is_well))
}

fn sentence(standing: &Standing, rows: &[ResultRow]) -> String {
    let tasks = standing.operation.tasks.len();
    let applied = rows.iter().filter(|row| row.result == "applied").count();
    let mut said = format!("{} applied on {applied} of {tasks} cluster(s)", standing.operation.kind.word());
    for word in ["failed", "unknown", "interrupted", "skipped"] {
        let of: Vec<&str> =
            rows.iter().filter(|row| row.result == word).map(|row| row.cluster.as_str()).collect();
        if !of.is_empty() {
            said += &format!("; {word}: {}", of.join(", "));
        }
    }
    said
}

/// Says a judgement that forbids as an error.
pub fn refusal(judgement: &Judgement) -> Option<AppError> {
    (judgement.level == ConfirmLevel::Refused).then(|| {
        let why: Vec<&str> = judgement.why().collect();
        AppError::usage(format!("refused: {}", text::line(&why.join("; "))))
    })
}
