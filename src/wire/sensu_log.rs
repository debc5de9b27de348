//! sensu-client's log: one JSON object a line, with results under `payload`.
//!
//! Reading borrows everything from the line: a backlog holds a hundred runs of each check, and only the newest of them is
//! kept. Foreign lines are expected, since Ruby's own warnings land in the same file (sensu-logger, stream.rb:24).

mod scan;

use super::sensu_json::{Value, write_string};
use chrono::{DateTime, Local};
pub use scan::Text;
use scan::{Scan, span};

/// The message of the one kind of line that carries a result.
pub const RESULT: &str = "publishing check result";
/// The message with which our runner names every check that it schedules, at its start and after each reload.
///
/// sensu-client writes nothing like it: a check that vanished from its definitions just falls silent.
pub const SCHEDULED: &str = "scheduled checks";

/// The longest line that is read, and that our runner writes: nobody's memory is to be filled by one.
pub const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// What one line of the log says.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every line is a result, and a box would cost each of them an allocation"
)]
pub enum Line<'a> {
    /// A check ran, or its result came by a socket.
    Result(ResultLine<'a>),
    /// The names of all checks that are scheduled from here on.
    Scheduled(Vec<Text<'a>>),
    /// Another event.
    Other,
    /// No JSON object: a backtrace, or a line that was torn by a crash.
    NotJson,
}

/// A result, borrowed from its line.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultLine<'a> {
    /// When the line was written, as it stands there (`2026-11-23T06:40:25.675998+0000`).
    pub timestamp: Text<'a>,
    /// The client that ran the check.
    pub client: Text<'a>,
    /// The check's name.
    pub check: Text<'a>,
    /// The host that the result is about, where it is not the client.
    pub source: Option<Text<'a>>,
    /// The exit code, or whatever number came by a socket.
    pub status: Option<i64>,
    /// When it ran, in epoch seconds.
    pub executed: Option<i64>,
    /// Seconds that it took; absent where nothing was executed here.
    pub duration: Option<f64>,
    /// What says how long the result holds.
    pub bound: BoundFields<'a>,
    /// The value of `prometheus_labels`, as it stands in the line.
    pub labels: Option<&'a [u8]>,
    /// What the script wrote.
    pub output: Text<'a>,
    /// The whole `check` object as it stands in the line; [`Value::parse`] reads it.
    pub fields: &'a [u8],
    /// Where the value of `output`, with its quotes, begins and ends in [`Self::fields`]; empty where there is none.
    pub output_at: (usize, usize),
}

/// The fields of a definition that say how long its result holds, as they stand in the line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BoundFields<'a> {
    /// Seconds between runs.
    pub interval: Option<f64>,
    /// Seconds after which the result is void.
    pub ttl: Option<f64>,
    /// The status that it has then.
    pub ttl_status: Option<i64>,
    /// The cron line.
    pub cron: Option<Text<'a>>,
    /// The windows in which the check does not run.
    pub subdue: Option<&'a [u8]>,
}

/// Reads one line, without its line end.
pub fn read(line: &[u8]) -> Line<'_> {
    let mut timestamp = Text::default();
    let mut message: &[u8] = b"";
    let (mut payload, mut read, mut checks) = (None, None, None);
    let mut scan = match Scan::object(line) {
        Some(scan) => scan,
        None => return Line::NotJson,
    };
    while let Some(key) = scan.next_key() {
        if key == b"payload" && says(message, RESULT) {
            // In the original's order the message comes first: the result is read on the way, each byte once.
            if let Some((result, _)) = scan.enter(|scan| result(scan, timestamp)) {
                (payload, read) = (None, result);
                continue;
            }
        }
        let Some(value) = scan.pass() else { break };
        match key {
            b"timestamp" => timestamp = Text::of(value).unwrap_or_default(),
            b"message" => message = value,
            b"payload" => payload = Some(value),
            b"checks" => checks = Some(value),
            _ => {}
        }
    }
    if !scan.ended_well() {
        return Line::NotJson;
    }
    if says(message, RESULT) {
        let late = |payload| Scan::object(payload).and_then(|mut scan| result(&mut scan, timestamp));
        payload.map_or(read, late).map_or(Line::Other, Line::Result)
    } else if says(message, SCHEDULED) {
        checks.and_then(names).map_or(Line::Other, Line::Scheduled)
    } else {
        Line::Other
    }
}

/// Whether a message, quotes and all, is this one.
fn says(message: &[u8], text: &str) -> bool {
    message.get(1..message.len().saturating_sub(1)) == Some(text.as_bytes())
}

/// Reads a payload.
fn result<'a>(scan: &mut Scan<'a>, timestamp: Text<'a>) -> Option<ResultLine<'a>> {
    let (mut client, mut check) = (None, None);
    while let Some(key) = scan.next_key() {
        if key == b"check" {
            check = scan.enter(fields);
            if check.is_some() {
                continue;
            }
        }
        let value = scan.pass()?;
        if key == b"client" {
            client = Text::of(value);
        }
    }
    let (read, fields) = check?;
    let (result, output) = read?;
    let output_at = output.map_or((0, 0), |output| span(fields, output));
    Some(ResultLine { timestamp, client: client?, fields, output_at, ..result })
}

/// Reads a check's fields: a result without what stands around them, and the value of its output.
fn fields<'a>(scan: &mut Scan<'a>) -> Option<(ResultLine<'a>, Option<&'a [u8]>)> {
    let mut result = ResultLine {
        timestamp: Text::default(),
        client: Text::default(),
        check: Text::default(),
        source: None,
        status: None,
        executed: None,
        duration: None,
        bound: BoundFields::default(),
        labels: None,
        output: Text::default(),
        fields: b"",
        output_at: (0, 0),
    };
    let (mut named, mut output) = (false, None);
    while let Some((key, value)) = scan.next_field() {
        match key {
            b"name" => {
                result.check = Text::of(value)?;
                named = true;
            }
            b"source" => result.source = Text::of(value).filter(|source| !source.is_empty()),
            b"status" => result.status = number(value),
            b"executed" => result.executed = number(value),
            b"duration" => result.duration = number::<f64>(value).filter(|seconds| seconds.is_finite()),
            b"interval" => result.bound.interval = number::<f64>(value).filter(|seconds| seconds.is_finite()),
            b"ttl" => result.bound.ttl = number::<f64>(value).filter(|seconds| seconds.is_finite()),
            b"ttl_status" => result.bound.ttl_status = number(value),
            b"cron" => result.bound.cron = Text::of(value).filter(|line| !line.is_empty()),
            b"subdue" => result.bound.subdue = Some(value).filter(|value| value.starts_with(b"{")),
            b"prometheus_labels" => result.labels = Some(value).filter(|value| value.starts_with(b"{")),
            b"output" => {
                result.output = Text::of(value).unwrap_or_default();
                output = Some(value);
            }
            _ => {}
        }
    }
    named.then_some((result, output))
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn names(value: &[u8]) -> Option<Vec<Text<'_>>> {
    let mut scan = Scan::array(value)?;
    let mut names = Vec::new();
    while let Some(item) = scan.next_item() {
        names.push(Text::of(item)?);
    }
    Some(names)
}

/// Appends one line with its line end: time, level and message, then `fields` in their order (sensu-logger, stream.rb:122-131).
pub fn write_line(
    out: &mut Vec<u8>,
    now: &DateTime<Local>,
    level: &str,
    message: &str,
    fields: &[(&str, &Value)],
) {
    let timestamp = now.format("%Y-%m-%dT%H:%M:%S%.6f%z").to_string();
    out.push(b'{');
    for (key, value) in [("timestamp", timestamp.as_str()), ("level", level), ("message", message)] {
        write_string(key.as_bytes(), out);
        out.push(b':');
        write_string(value.as_bytes(), out);
        out.push(b',');
    }
    for (key, value) in fields {
        write_string(key.as_bytes(), out);
        out.push(b':');
        value.write(out);
        out.push(b',');
    }
    out.pop();
    out.extend(b"}\n");
}

#[cfg(test)]
mod tests;
