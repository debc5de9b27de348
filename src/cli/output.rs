//! A check's output for people and scripts: where it comes from is always said.

use super::render::Page;
use crate::fleet::detail::DetailSource;
use crate::model::alert::Severity;
use crate::model::check::Detail;
use crate::model::time::{Timestamp, age, format_age, rfc3339, serialize_option};
use serde::Serialize;
use std::io;

/// A check's output, from its node, from the pushgateway, or from what its alert carries.
#[derive(Debug, Clone, Serialize)]
pub struct CheckOutput {
    /// `node`, `pushgateway`, `alert`, or `nothing`.
    pub source: &'static str,
    /// Why the one that has it did not answer, where it did not.
    pub why: Option<String>,
    /// How bad the alert is, where the text is an alert's.
    pub severity: Option<Severity>,
    /// How old an alert's annotations are: when an Alertmanager last received it.
    #[serde(serialize_with = "serialize_option")]
    pub received: Option<Timestamp>,
    /// When the check ran that the alert tells of, where it says so.
    #[serde(serialize_with = "serialize_option")]
    pub ran: Option<Timestamp>,
    /// The output, raw.
    pub output: Option<String>,
    /// Everything that it told.
    pub detail: Option<Detail>,
}

/// Annotations that carry a script's output, the best first: our proxy's, then what people write themselves.
const OUTPUT_ANNOTATIONS: [&str; 4] = ["output", "check_output", "description", "message"];

impl From<DetailSource> for CheckOutput {
    fn from(source: DetailSource) -> Self {
        let told = |source: &'static str, detail: Detail| Self {
            source,
            why: None,
            severity: None,
            received: None,
            ran: None,
            output: Some(detail.output.clone()),
            detail: Some(detail),
        };
        match source {
            DetailSource::Node(detail) => told("node", detail),
            DetailSource::Pushgateway(detail) => told("pushgateway", detail),
            DetailSource::Alert { why, alert } => {
                let texts = OUTPUT_ANNOTATIONS.iter().map(|name| alert.annotations.get(name));
                let text = texts.chain([alert.summary()]).find(|text| !text.is_empty());
                Self {
                    source: "alert",
                    why: Some(why),
                    severity: Some(alert.severity),
                    received: alert.updated_at,
                    ran: alert.executed(),
                    output: text.map(str::to_owned),
                    detail: None,
                }
            }
            DetailSource::Nothing { why } => Self {
                source: "nothing",
                why: Some(why),
                severity: None,
                received: None,
                ran: None,
                output: None,
                detail: None,
            },
        }
    }
}

impl CheckOutput {
    /// Says in one line where the text comes from and how old it is.
    pub fn origin(&self, now: Timestamp) -> String {
        let ago = |then: Option<Timestamp>| {
            then.map(|then| format!("{} ago ({})", format_age(age(then, now)), rfc3339(then)))
        };
        let why = self.why.as_deref().unwrap_or_default();
        match (self.source, &self.detail) {
            (keeper, Some(detail)) => {
                let ran = ago(detail.executed).map(|ago| format!("run {ago}"));
                let ran = ran.unwrap_or_else(|| "time of the run unknown".to_owned());
                let stale = if detail.stale { ", STALE" } else { "" };
                format!("of the {keeper}, {ran}{stale}")
            }
            ("alert", None) => {
                // What was sent again a moment ago may tell of a run that was long before.
                let run = ago(self.ran).map(|ago| format!("run {ago}"));
                let age = run.or_else(|| ago(self.received).map(|ago| format!("received {ago}")));
                let age = age.unwrap_or_else(|| "received at an unknown time".to_owned());
                format!("of the alert's annotations, {age}, because asking for it failed: {why}")
            }
            _ => format!("is not to be had: asking for it failed ({why}) and no alert carries it"),
        }
    }

    /// Writes the part of a page.
    pub fn write(&self, page: &mut Page<'_>, now: Timestamp) -> io::Result<()> {
        page.part(&format!("output {}", self.origin(now)))?;
        if let Some(cut) = self.detail.as_ref().filter(|detail| detail.output_truncated).map(cut) {
            page.block(&format!("({cut})"))?;
        }
        page.block(self.output.as_deref().unwrap_or_default())
    }
}

/// Says how much of an output was sent.
fn cut(detail: &Detail) -> String {
    match detail.output_bytes {
        Some(bytes) => format!("{} of {bytes} bytes were sent", detail.output.len()),
        None => format!("only the first {} bytes were sent", detail.output.len()),
    }
}
