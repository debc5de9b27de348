//! What the silence commands say before anything is done: previews, requests of a dry run, refusals.

use crate::cli::args::Format;
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Document, write_json, write_yaml};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{
    ConfirmLevel, Draft, Judgement, Operation, OverlapKind, Preview, Request, Skip, requests,
};
use crate::model::cluster::ClusterName;
use crate::model::text;
use crate::model::time::{Timestamp, age, both_clocks, format_left, rfc3339};
use serde::Serialize;
use std::io::{self, Write};

/// A draft, what it would do, and what the policy says to it.
pub struct Drafted {
    pub draft: Draft,
    pub preview: Preview,
    pub judgement: Judgement,
}

/// Says what a draft would do, for people.
pub fn write_preview(out: &mut dyn Write, drafted: &Drafted, now: Timestamp) -> io::Result<()> {
    let Drafted { draft, preview, judgement } = drafted;
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
    drafted: &Drafted,
    coverage: &Coverage,
    session: &mut Session<'_>,
) -> Result<(), AppError> {
    let Drafted { draft, preview, judgement } = drafted;
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
            write_preview(out, drafted, now)?;
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

/// Says a judgement that forbids as an error.
pub fn refusal(judgement: &Judgement) -> Option<AppError> {
    (judgement.level == ConfirmLevel::Refused).then(|| {
        let why: Vec<&str> = judgement.why().collect();
        AppError::usage(format!("refused: {}", text::line(&why.join("; "))))
    })
}
