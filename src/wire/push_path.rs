//! The path of a push, which names its group: `/metrics/job/JOB/NAME/VALUE...`, each value also in Base64 behind `NAME@base64`.
//!
//! The semantics and words are upstream's (handler/push.go) but for one thing: the path is cut at its slashes before it is
//! decoded, so `%2F` is a slash of a value. Upstream decodes first and finds a component more. What it answers with a redirect,
//! which clients follow without the body, is an error here: components that are empty, `.` or `..`.

use super::go;
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::names::{Names, is_reserved};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the path of every push begins with; the rest is what is read and written here.
pub const PREFIX: &str = "/metrics/job";
/// What the path of a pushed check begins with.
const CHECK_PREFIX: &str = "/api/v1/groups/job";
/// Behind a name it says that the value is in Base64.
const BASE64: &str = "@base64";

/// Why a path names no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is not the path of a push at all.
    #[error("not the path of a push: {0}")]
    Other(String),
    /// A `%` without the two digits that belong to it.
    #[error("invalid URL escape {0}")]
    Escape(String),
    /// There is no job, or it is empty.
    #[error("job name is required")]
    NoJob,
    /// The job is no Base64; upstream names what was decoded until then.
    #[error("invalid base64 encoding in job name {decoded}: illegal base64 data at input byte {at}")]
    JobBase64 {
        /// The job as far as it was decoded, quoted.
        decoded: String,
        /// Where the decoding ended.
        at: usize,
    },
    /// The job is no text.
    #[error("job name {0} is not valid UTF-8")]
    JobUtf8(String),
    /// A name without a value.
    #[error("odd number of components in label string {0}")]
    Odd(String),
    /// An empty component, which a proxy or a library would leave out.
    #[error("empty component in label string {0}: an empty value is written as name@base64/=")]
    Empty(String),
    /// A component that a proxy or a library would follow.
    #[error("component {component} in label string {labels}: write it as name@base64/{base64}")]
    Dots {
        /// `.` or `..`, quoted.
        component: String,
        /// All components, quoted.
        labels: String,
        /// How it can be written.
        base64: String,
    },
    /// A name that no grouping label may have.
    #[error("improper label name {0}")]
    Name(String),
    /// A value is no Base64.
    #[error("invalid base64 encoding for label {name}={value}: illegal base64 data at input byte {at}")]
    Base64 {
        /// The label.
        name: String,
        /// Its value, quoted.
        value: String,
        /// Where the decoding ended.
        at: usize,
    },
    /// A value is no text.
    #[error("value {value} of label {name} is not valid UTF-8")]
    Utf8 {
        /// The label.
        name: String,
        /// Its value, quoted.
        value: String,
    },
}

/// Reads what follows [`PREFIX`] in the path of a request as it came, not decoded.
///
/// # Errors
/// Where it names no group.
pub fn parse(rest: &str, names: Names) -> Result<GroupKey, BadPath> {
    let other = || BadPath::Other(go::quote(format!("{PREFIX}{rest}").as_bytes()));
    let (suffix, rest) = rest.split_once('/').ok_or_else(other)?;
    let in_base64 = match &*percent_decode(suffix)? {
        b"" => false,
        suffix if suffix == BASE64.as_bytes() => true,
        _ => return Err(other()),
    };
    let (job, labels) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let job = job_of(&percent_decode(job)?, in_base64)?;
    let labels = labels_of(labels, names)?;
    if job.is_empty() {
        return Err(BadPath::NoJob);
    }
    Ok(GroupKey::new(&job, labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

fn job_of(job: &[u8], in_base64: bool) -> Result<String, BadPath> {
    if job == b"." || job == b".." {
        return Err(dots(job, job));
    }
    let job = match in_base64 {
        true => from_base64(job)
            .map_err(|bad| BadPath::JobBase64 { decoded: go::quote(&bad.decoded), at: bad.at })?,
        false => job.to_vec(),
    };
    String::from_utf8(job).map_err(|error| BadPath::JobUtf8(go::quote(error.as_bytes())))
}

/// Reads the grouping labels; of those with one name the last counts.
fn labels_of(raw: &str, names: Names) -> Result<BTreeMap<String, String>, BadPath> {
    let mut labels = BTreeMap::new();
    if raw.len() <= 1 {
        return Ok(labels);
    }
    let whole = percent_decode(raw)?;
    let components = raw[1..].split('/').map(percent_decode).collect::<Result<Vec<_>, _>>()?;
    if let Some(component) = components.iter().find(|one| matches!(&***one, b"." | b"..")) {
        return Err(dots(component, &whole));
    }
    // An empty last one is a value: with a slash at the end upstream takes it so.
    if components[..components.len() - 1].iter().any(|component| component.is_empty()) {
        return Err(BadPath::Empty(go::quote(&whole)));
    }
    let (pairs, []) = components.as_chunks::<2>() else { return Err(BadPath::Odd(go::quote(&whole))) };
    for [name, value] in pairs {
        let (name, value) = label_of(name, value, names)?;
        labels.insert(name, value);
    }
    Ok(labels)
}

fn label_of(name: &[u8], value: &[u8], names: Names) -> Result<(String, String), BadPath> {
    let in_base64 = name.strip_suffix(BASE64.as_bytes());
    let written = in_base64.unwrap_or(name);
    let improper = || BadPath::Name(go::quote(written));
    let written = str::from_utf8(written).map_err(|_| improper())?;
    let name = names.unescape(written);
    if !names.take_label(&name) || is_reserved(&name) || is_reserved(written) {
        return Err(improper());
    }
    let value = match in_base64 {
        Some(_) => from_base64(value).map_err(|bad| BadPath::Base64 {
            name: written.to_owned(),
            value: go::quote(value),
            at: bad.at,
        })?,
        None => value.to_vec(),
    };
    let value = String::from_utf8(value)
        .map_err(|error| BadPath::Utf8 { name: written.to_owned(), value: go::quote(error.as_bytes()) })?;
    Ok((name.into_owned(), value))
}

fn dots(component: &[u8], whole: &[u8]) -> BadPath {
    BadPath::Dots {
        component: go::quote(component),
        labels: go::quote(whole),
        base64: URL_SAFE_NO_PAD.encode(component),
    }
}

/// Padding is left out, or as much as one likes.
fn from_base64(text: &[u8]) -> Result<Vec<u8>, go::BadBase64> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    go::decode_base64(&text[..text.len() - padding])
}

/// Reads one component of a path that is no label.
///
/// # Errors
/// Where it is no text, or a `%` begins nothing.
pub fn decode(component: &str) -> Result<String, BadPath> {
    let decoded = percent_decode(component)?;
    String::from_utf8(decoded.into_owned())
        .map_err(|error| BadPath::Utf8 { name: String::new(), value: go::quote(error.as_bytes()) })
}

fn percent_decode(text: &str) -> Result<Cow<'_, [u8]>, BadPath> {
    let mut rest = text.as_bytes();
    let Some(first) = memchr::memchr(b'%', rest) else { return Ok(Cow::Borrowed(rest)) };
    let mut decoded = Vec::with_capacity(rest.len());
    let mut next = Some(first);
    while let Some(at) = next {
        decoded.extend_from_slice(&rest[..at]);
        let digit = |place: usize| rest.get(at + place).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(1), digit(2)) else {
            return Err(BadPath::Escape(go::quote(&rest[at..rest.len().min(at + 3)])));
        };
        decoded.push((high << 4 | low) as u8);
        rest = &rest[at + 3..];
        next = memchr::memchr(b'%', rest);
    }
    decoded.extend_from_slice(rest);
    Ok(Cow::Owned(decoded))
}

/// Writes what follows [`PREFIX`] in the path of a group, so that [`parse`] and any Pushgateway read the group from it.
pub fn write(group: &GroupKey, names: Names) -> String {
    let mut path = String::new();
    component("", group.job(), &mut path);
    for (name, value) in group.labels().filter(|(name, _)| *name != "job") {
        path.push('/');
        component(&names.escape(name), value, &mut path);
    }
    path
}

/// Writes the path of a check in a group, where its result is put and removed; its source is the query's. There is none for a check that is called
/// `.` or `..`: whoever reads the path on the way would follow it.
pub fn write_check(check: &PushedCheck, names: Names) -> Option<String> {
    if matches!(&*check.check, "" | "." | "..") {
        return None;
    }
    let mut path = format!("{CHECK_PREFIX}{}/checks/", write(&check.group, names));
    percent_encode(&check.check, &mut path);
    Some(path)
}

/// Writes a name and its value, in Base64 where upstream could not read it otherwise or where others on the way might not.
fn component(name: &str, value: &str, path: &mut String) {
    percent_encode(name, path);
    let is_plain =
        !matches!(value, "" | "." | "..") && !value.contains(|c: char| c == '/' || c.is_ascii_control());
    if !is_plain {
        path.push_str(BASE64);
    }
    path.push('/');
    match value {
        "" => path.push('='),
        _ if is_plain => percent_encode(value, path),
        _ => URL_SAFE_NO_PAD.encode_string(value, path),
    }
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
