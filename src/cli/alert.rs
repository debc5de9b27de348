//! `iaasmon alert FINGERPRINT`: everything that is known of one alert.

use super::alerts::{AlertRow, SHAPE, rows, short, tone_of};
use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::output::CheckOutput;
use super::render::{Document, Page, write_json, write_yaml};
use super::session::Session;
use super::silences::SilenceNote;
use crate::fleet::alerts::alerts_about;
use crate::fleet::detail::detail_of_alert;
use crate::fleet::silences::silences;
use crate::fleet::{Answer, Cluster};
use crate::model::time::{Timestamp, age, format_age, rfc3339};
use crate::wire::am_v2::Annotations;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  iaasmon alerts -o wide            shows the fingerprints
  iaasmon alert 5a0c                the beginning of one is enough
  iaasmon alert 5a0c -o json | jq -r .data.output.output";

/// The shortest beginning of a fingerprint: below it, a word typed by mistake fits something.
const SHORTEST: usize = 4;

/// Show everything about one alert: labels, annotations, the check's output, who silenced it and why
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertArgs {
    /// The alert's fingerprint, or its beginning (4 digits at least)
    #[arg(value_parser = parse_prefix)]
    pub fingerprint: String,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Parses a fingerprint or its beginning.
pub fn parse_prefix(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    match text.len() {
        SHORTEST..=16 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(text),
        _ => {
            Err(format!("a fingerprint is {SHORTEST} to 16 hexadecimal digits; `alerts -o wide` shows them"))
        }
    }
}

/// An alert with what stands around it.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    row: &'a AlertRow,
    silences: &'a [SilenceNote],
    output: &'a CheckOutput,
}

/// Runs the command.
pub async fn run(args: &AlertArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let answer = one_alert(&args.fingerprint, session).await?;
    if !matches!(args.list.output, Format::Table | Format::Wide | Format::Json | Format::Yaml) {
        return session.list(&SHAPE, answer, &args.list, "");
    }
    let row = &answer.value[0];
    let cluster = cluster_of(row, session);
    let (silences, output) = tokio::join!(silenced_by(&cluster, row), detail_of_alert(&cluster, &row.alert));
    let output = CheckOutput::from(output);
    let coverage = answer.coverage.clone().join(silences.coverage);
    let whole = Whole { row, silences: &silences.value, output: &output };
    let (out, view) = (&mut *session.streams.out, session.streams.view);
    match args.list.output {
        Format::Json => write_json(&Document::new(&whole, &coverage, &answer.notes), out)?,
        Format::Yaml => write_yaml(&Document::new(&whole, &coverage, &answer.notes), out)?,
        _ => write_page(&mut Page::new(out, view), &whole, session.now)?,
    }
    Ok(session.tell(&coverage, &answer.notes)?)
}

/// Finds the one alert whose fingerprint begins so, with its annotations whole: the answer has exactly one row.
pub async fn one_alert(prefix: &str, session: &mut Session<'_>) -> Result<Answer<Vec<AlertRow>>, AppError> {
    let mut answer = session.ask_all(async |cluster| rows(cluster, Annotations::FirstLine).await).await;
    answer.value.retain(|row| row.alert.fingerprint.to_string().starts_with(prefix));
    let row = match answer.value.as_mut_slice() {
        [only] => only,
        [] => return Err(unknown(session, prefix, &answer)?),
        several => return Err(ambiguous(prefix, several)),
    };
    let cluster = cluster_of(row, session);
    // The search took the first line of each text; only this one's are wanted whole.
    let whole = alerts_about(&cluster, &row.alert.labels, Annotations::Whole, |_| {}).await;
    if let Some(alert) = whole.value.into_iter().find(|a| a.fingerprint == row.alert.fingerprint) {
        *row = AlertRow::new(&cluster, alert);
    }
    answer.coverage = answer.coverage.join(whole.coverage);
    Ok(answer)
}

fn cluster_of(row: &AlertRow, session: &Session<'_>) -> Arc<Cluster> {
    session.fleet.cluster(&row.alert.cluster).expect("only clusters of the fleet were asked").clone()
}

fn unknown(
    session: &mut Session<'_>,
    prefix: &str,
    answer: &Answer<Vec<AlertRow>>,
) -> Result<AppError, AppError> {
    let exit = session.tell(&answer.coverage, &answer.notes)?;
    Ok(match exit {
        Exit::Done => AppError::usage(format!("no alert has the fingerprint `{prefix}`"))
            .hint("it may have ended; `iaasmon alerts -o wide` shows what fires with fingerprints"),
        exit => AppError::new(exit, format!("no alert `{prefix}` was found where somebody answered")),
    })
}

fn ambiguous(prefix: &str, several: &[AlertRow]) -> AppError {
    let name =
        |row: &AlertRow| format!("{} ({}, {})", row.alert.fingerprint, row.alert.name(), row.alert.cluster);
    let names: Vec<String> = several.iter().take(8).map(name).collect();
    AppError::usage(format!("`{prefix}` fits {} alerts", several.len()))
        .hint(format!("it may be {}", names.join(", ")))
        .hint("type more digits, or choose with --cluster")
}

/// Asks for the silences that hit the alert; none are asked for where none do.
async fn silenced_by(cluster: &Cluster, row: &AlertRow) -> Answer<Vec<SilenceNote>> {
    if row.alert.silenced_by.is_empty() {
        return Answer::concat([]);
    }
    let answer = silences(cluster, |_| {}).await;
    let hits = |id: &Arc<str>| row.alert.silenced_by.contains(id);
    answer.map(|copies| copies.iter().filter(|copy| hits(&copy.silence.id)).map(SilenceNote::of).collect())
}

fn write_page(page: &mut Page<'_>, whole: &Whole<'_>, now: Timestamp) -> Result<(), AppError> {
    let alert = &whole.row.alert;
    page.title(
        alert.severity.word(),
        alert.severity.into(),
        &format!("{}  {}", alert.name(), whole.row.place()),
    )?;
    let ago = |then: Timestamp| format!("{} ago ({})", format_age(age(then, now)), rfc3339(then));
    page.toned("state", alert.state.word(), tone_of(alert.state))?;
    page.fact("summary", alert.summary())?;
    page.fact("since", &ago(alert.since))?;
    page.fact("cluster", alert.cluster.as_str())?;
    page.fact("check", &whole.row.check)?;
    page.fact("value", &alert.value.map(short).unwrap_or_default())?;
    page.fact("receivers", &alert.receivers.join(", "))?;
    let silences: Vec<String> = whole.silences.iter().map(|note| note.line(now)).collect();
    page.lines("silenced by", silences.iter().map(String::as_str))?;
    page.fact("inhibited by", &alert.inhibited_by.join(", "))?;
    page.fact("muted by", &alert.muted_by.join(", "))?;
    page.fact("received", &alert.updated_at.map(ago).unwrap_or_default())?;
    page.fact("seen by", &alert.seen_by.join(", "))?;
    page.fact("fingerprint", &alert.fingerprint.to_string())?;
    page.fact("source", &alert.generator_url)?;
    page.part("labels")?;
    for (name, value) in alert.labels.iter() {
        page.block(&format!("{name}={value:?}"))?;
    }
    page.part("annotations")?;
    for (name, value) in alert.annotations.iter() {
        page.block(&format!("{name}: {value}"))?;
    }
    if !whole.row.check.is_empty() {
        whole.output.write(page, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_must_be_long_enough_and_hexadecimal() {
        assert_eq!(parse_prefix("5A0c"), Ok("5a0c".to_owned()));
        for text in ["5a0", "", "5a0g", "5a0c5a0c5a0c5a0c5"] {
            assert!(parse_prefix(text).is_err(), "{text}");
        }
    }
}
