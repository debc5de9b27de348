//! The detail API's answers (DESIGN 5.2), secrets masked.

use super::bound::Judged;
use super::history::Past;
use super::latest::{Entry, Key};
use crate::model::status::Status;
use crate::model::time::Timestamp;
use crate::sensu::redact::{redact_for_others, redact_text};
use crate::wire::sensu_json::{Int, Object, Value as Sensu, field};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The version of these shapes.
const VERSION: u32 = 1;
/// What the detail says by itself; the rest of the definition follows as it is.
const OWN: [&str; 15] = [
    "name", "source", "output", "status", "executed", "issued", "duration", "interval", "command",
    "handlers", "handler", "client", "address", "stale", "log",
];

/// Writes a time as RFC 3339 with milliseconds, in UTC.
pub fn time(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `GET /api/v1/checks`
pub fn list<'a>(node: &str, checks: impl Iterator<Item = (&'a Key, &'a Entry, Judged)>) -> Value {
    let row = |(key, entry, judged): (&Key, &Entry, Judged)| Value::Object(head(key, entry, &judged));
    json!({"v": VERSION, "node": node, "checks": checks.map(row).collect::<Vec<_>>()})
}

/// The fields that a list and a detail share.
fn head(key: &Key, entry: &Entry, judged: &Judged) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("check".into(), (*key.check).into());
    if let Some(source) = &key.source {
        head.insert("source".into(), (**source).into());
    }
    head.insert("status".into(), judged.status.value().into());
    head.insert("executed".into(), time(entry.executed).into());
    head.insert("interval".into(), json!(entry.bound.interval()));
    head.insert("duration".into(), json!(entry.duration));
    head.insert("stale".into(), judged.stale.into());
    head
}

/// Where a result came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The node's address, as the one who asks sees it.
    pub address: Option<&'a str>,
    /// The log.
    pub log: Option<&'a Path>,
}

/// `GET /api/v1/checks/{check}`
pub fn detail(origin: Origin<'_>, key: &Key, entry: &Entry, judged: &Judged) -> Value {
    let definition = match Sensu::parse(&entry.fields) {
        Ok(Sensu::Object(fields)) => fields,
        _ => Object::new(),
    };
    let mut page = Map::new();
    page.insert("v".into(), VERSION.into());
    page.insert("node".into(), origin.node.into());
    page.append(&mut head(key, entry, judged));
    page.insert("client".into(), (*entry.client).into());
    page.insert("address".into(), json!(origin.address));
    page.insert("log".into(), json!(origin.log.map(Path::to_string_lossy)));
    let own = text(&redact_text(&entry.output));
    let output = match &judged.reason {
        // What Sensu's server would say comes first; what the script last said is what helps.
        Some(reason) => format!("{reason}\n{own}"),
        None => own,
    };
    page.insert("output".into(), output.into());
    page.insert("output_bytes".into(), entry.output_bytes.into());
    page.insert("output_truncated".into(), (entry.output_bytes > entry.output.len() as u64).into());
    let command = field(&definition, "command").and_then(Sensu::as_bytes);
    page.insert("command".into(), command.map_or(Value::Null, |command| text(&redact_text(command)).into()));
    let issued = field(&definition, "issued").and_then(Sensu::as_i64);
    let issued = issued.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    page.insert("issued".into(), json!(issued.map(time)));
    page.insert("handlers".into(), handlers(&definition));
    page.insert("occurrences".into(), entry.occurrences.into());
    page.insert("history".into(), entry.history.as_bytes().into());
    page.insert("last_ok".into(), json!(entry.last_ok.map(time)));
    page.insert("status_since".into(), time(entry.status_since).into());
    if Status::from_value(entry.status as f64) != judged.status || !(0..=3).contains(&entry.status) {
        page.insert("exit_status".into(), entry.status.into());
    }
    if let Sensu::Object(rest) = redact_for_others(&Sensu::Object(definition)) {
        let custom = rest.iter().filter(|(name, _)| !OWN.iter().any(|own| own.as_bytes() == &***name));
        for (name, value) in custom {
            page.entry(text(name)).or_insert_with(|| plain(value));
        }
    }
    Value::Object(page)
}

/// `handlers`, or the one `handler`.
fn handlers(definition: &Object) -> Value {
    let many = field(definition, "handlers")
        .and_then(Sensu::as_array)
        .map(|items| items.iter().map(plain).collect());
    many.unwrap_or_else(|| field(definition, "handler").map(plain).into_iter().collect())
}

/// `GET /api/v1/checks/{check}/history`
pub fn history(node: &str, key: &Key, runs: impl Iterator<Item = Past>) -> Value {
    let row = |past: Past| {
        let mut row = json!({
            "executed": time(past.run.executed),
            "status": past.run.status,
            "duration": past.run.duration,
            "output_sha256": past.run.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        });
        if let (Some(output), Some(row)) = (past.output, row.as_object_mut()) {
            row.insert("output".into(), text(&redact_text(&output)).into());
        }
        row
    };
    let mut page =
        json!({"v": VERSION, "node": node, "check": key.check, "runs": runs.map(row).collect::<Vec<_>>()});
    if let (Some(source), Some(page)) = (&key.source, page.as_object_mut()) {
        page.insert("source".into(), (**source).into());
    }
    page
}

/// ``{"v":1,"error":"unknown check `x`","known":12}``
pub fn unknown(check: &str, known: usize) -> Value {
    json!({"v": VERSION, "error": format!("unknown check `{check}`"), "known": known})
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value of a definition as JSON has it.
fn plain(value: &Sensu) -> Value {
    match value {
        Sensu::Null => Value::Null,
        Sensu::Bool(value) => (*value).into(),
        Sensu::Int(Int::Small(n)) => (*n).into(),
        // Larger than any reader's numbers: its digits are what is meant.
        Sensu::Int(Int::Big(digits)) => (**digits).into(),
        Sensu::Float(n) => json!(n),
        Sensu::String(bytes) => text(bytes).into(),
        Sensu::Array(items) => items.iter().map(plain).collect(),
        Sensu::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (text(name), plain(value))).collect())
        }
    }
}
