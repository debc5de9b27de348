//! Texts to typed values: one function a kind, each saying what is wrong with the text.

use super::valid::{Access, Color, Ui};
use crate::model::cluster::ClusterName;
use crate::model::nearest::nearest;
use crate::model::time::{format_duration, parse_duration};
use regex::{Regex, RegexBuilder};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Why a text is not the value it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Wrong {
    /// Builds one without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Sets the hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Names that filters already use as `@name`; a cluster's label of that name could never be asked for.
pub const RESERVED_LABELS: [&str; 25] = [
    "age", "am", "author", "check", "cluster", "comment", "dur", "exit", "expires", "fails", "flap", "for",
    "fp", "name", "new", "node", "out", "receiver", "replica", "silence", "since", "state", "status",
    "ticket", "up",
];

/// Names of headers that the HTTP client sets itself.
const OWN_HEADERS: [&str; 5] =
    ["accept-encoding", "connection", "content-length", "content-type", "transfer-encoding"];

/// The longest text taken for a name, a label, an author.
const MAX_NAME: usize = 128;

/// Returns `text` in backticks, short and without control characters, for a message.
pub fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    format!("`{}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

/// Parses a duration that may be zero.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    parse_duration(text).map_err(|_| {
        Wrong::new(format!("not a duration: {}", quote(text)))
            .hint("write it like \"30s\", \"5m\", \"2h\", \"1d12h\"")
    })
}

/// Parses a duration above zero.
pub fn timeout(text: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        Duration::ZERO => Err(Wrong::new("must be longer than 0")),
        timeout => Ok(timeout),
    }
}

/// Parses a longest duration, where `0` says that there is none.
pub fn limit(text: &str) -> Result<Option<Duration>, Wrong> {
    Ok(Some(duration(text)?).filter(|limit| !limit.is_zero()))
}

/// Parses how often sources are asked.
pub fn refresh(text: &str) -> Result<Duration, Wrong> {
    let refresh = duration(text)?;
    if refresh < Ui::MIN_REFRESH {
        return Err(Wrong::new(format!("must be at least {}", format_duration(Ui::MIN_REFRESH)))
            .hint("every refresh asks every server; press r for one at once"));
    }
    Ok(refresh)
}

/// Units of [`size`], largest first.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Parses a number of bytes above zero: `67108864`, `64MiB`, `64 MB`.
pub fn size(text: &str) -> Result<u64, Wrong> {
    let (digits, factor) = SIZES
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text, 1));
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let bytes = plain.then(|| digits.parse::<u64>().ok()?.checked_mul(factor)).flatten();
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| Wrong::new(format!("not a size: {}", quote(text))).hint("write it like \"64MiB\""))
}

/// Writes a size so that [`size`] reads it back.
pub fn format_size(bytes: u64) -> String {
    SIZES
        .iter()
        .find(|(unit, factor)| unit.ends_with("iB") && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// Parses a whole number.
pub fn count(text: &str) -> Result<u32, Wrong> {
    text.parse().map_err(|_| Wrong::new(format!("not a number from 0 to {}: {}", u32::MAX, quote(text))))
}

/// As [`quote`], without what might be a password: everything before the last `@`.
fn quote_url(text: &str) -> String {
    // What follows a `?` is refused, and may be a token.
    let (text, query) = text.split_once('?').map_or((text, ""), |(text, _)| (text, "?***"));
    let Some((secret, host)) = text.rsplit_once('@') else { return quote(&format!("{text}{query}")) };
    let scheme = secret.find("://").map_or("", |at| &secret[..at + 3]);
    quote(&format!("{scheme}***@{host}{query}"))
}

/// Parses the address of a server.
pub fn url(text: &str) -> Result<Url, Wrong> {
    check_url(text, text, URL_EXAMPLE)
}

const URL_EXAMPLE: &str = "write it like \"http://prom-a.east:9090\"";

/// Parses `text`, which messages show as `written`.
fn check_url(text: &str, written: &str, example: &str) -> Result<Url, Wrong> {
    let shown = quote_url(written);
    // The parser would drop tabs and line breaks and trim spaces without a word.
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Wrong::new(format!("a space or control character in the URL {shown}")).hint(example));
    }
    let url = match Url::parse(text) {
        // `prom-a:9090` parses as a scheme and a path.
        Ok(url) if !text.contains("://") && !url.has_host() => {
            let hint = if text.contains('@') {
                example.to_owned()
            } else {
                format!("did you mean \"http://{text}\"?")
            };
            return Err(Wrong::new(format!("no scheme in the URL {shown}")).hint(hint));
        }
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return Err(Wrong::new(format!("no scheme in the URL {shown}")).hint(example));
        }
        Err(why) => return Err(Wrong::new(format!("not a URL: {shown}: {why}")).hint(example)),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new(format!("user and password do not belong in a URL: {shown}"))
            .hint("write auth = { basic = { user = \"...\", password_file = \"...\" } }"));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Wrong::new(format!("the scheme must be http or https: {shown}")).hint(example));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new(format!("no query and no fragment may follow in the URL {shown}")));
    }
    Ok(url)
}

/// Checks a template of a detail URL: `http://{instance}/api/v1/checks/{check}`.
pub fn detail_url(text: &str) -> Result<String, Wrong> {
    let shown = quote_url(text);
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((label, after)) = after.split_once('}') else {
            return Err(Wrong::new(format!("`{{` without `}}` in {shown}")));
        };
        label_name(label)
            .map_err(|why| why.hint("a placeholder is a label of the alert or series: {instance}"))?;
        filled.push_str(before);
        // What stands for a port has to look like one for the parser below.
        let port = filled.ends_with(':') && filled.contains("://");
        filled.push_str(if port { "1" } else { "x" });
        rest = after;
    }
    filled.push_str(rest);
    if filled.contains('}') {
        return Err(Wrong::new(format!("`}}` without `{{` in {shown}")));
    }
    if filled.contains('#') {
        return Err(Wrong::new(format!("no fragment may follow in {shown}")));
    }
    // A query is fine here: `?source={source}`.
    let (address, query) = filled.split_once('?').unwrap_or((&filled, ""));
    check_url(address, text, DETAIL_EXAMPLE)?;
    if query.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Wrong::new(format!("a space or control character in {shown}")));
    }
    // The host is the node's: only what follows can lead to one of its checks.
    let host = text.split_once("://").map_or("", |(_, host)| host);
    if !host.split_once(['/', '?']).is_some_and(|(_, rest)| rest.contains('{')) {
        return Err(
            Wrong::new(format!("nothing behind the host names the check in {shown}")).hint(DETAIL_EXAMPLE)
        );
    }
    Ok(text.to_owned())
}

const DETAIL_EXAMPLE: &str = "write it like \"http://{instance}/api/v1/checks/{check}\"";

/// Parses the name of a cluster. `*`, `?` and spaces are kept out so that `--cluster` can use globs and lists.
pub fn cluster_name(text: &str) -> Result<ClusterName, Wrong> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(inner);
    if !good || text.len() > MAX_NAME {
        return Err(Wrong::new(format!("not a cluster name: {}", quote(text)))
            .hint("use letters, digits, `.`, `_` and `-`, a letter or digit first"));
    }
    Ok(text.into())
}

/// Parses the name of a label (the classic alphabet, which every version understands).
pub fn label_name(text: &str) -> Result<String, Wrong> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    identifier(text, "label", inner, "use letters, digits and `_`, no digit first")
}

/// Parses the name of a metric.
pub fn metric_name(text: &str) -> Result<String, Wrong> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    identifier(text, "metric", inner, "use letters, digits, `_` and `:`, no digit first")
}

fn identifier(text: &str, what: &str, inner: impl Fn(char) -> bool, hint: &str) -> Result<String, Wrong> {
    let good = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(inner);
    if !good || text.len() > MAX_NAME {
        return Err(Wrong::new(format!("not a {what} name: {}", quote(text))).hint(hint));
    }
    Ok(text.to_owned())
}

/// Parses the name of a cluster's own label.
pub fn cluster_label(text: &str) -> Result<String, Wrong> {
    if RESERVED_LABELS.contains(&text) {
        return Err(Wrong::new(format!("the label {} would hide the filter `@{text}`", quote(text)))
            .hint("give it another name"));
    }
    label_name(text)
}

/// Parses the value of a label: anything, within bounds.
pub fn label_value(text: &str) -> Result<String, Wrong> {
    if text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Wrong::new(format!("not a label value: {}", quote(text)))
            .hint(format!("use at most {MAX_NAME} bytes and no control characters")));
    }
    Ok(text.to_owned())
}

/// Parses a name of a person or a theme: not empty, one line.
pub fn word(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("must not be empty"));
    }
    label_value(text).map_err(|_| Wrong::new(format!("too long or not one line: {}", quote(text))))
}

/// Parses the name of a header.
pub fn header_name(text: &str) -> Result<String, Wrong> {
    // RFC 9110, 5.6.2 token.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(token) {
        return Err(Wrong::new(format!("not a header name: {}", quote(text))));
    }
    if OWN_HEADERS.iter().any(|own| text.eq_ignore_ascii_case(own)) {
        return Err(Wrong::new(format!("the header {} is set by iaasmon itself", quote(text))));
    }
    Ok(text.to_owned())
}

/// Parses something secret that goes into a header; the message never holds it.
pub fn secret(text: &str) -> Result<SecretString, Wrong> {
    if text.is_empty() || text.trim() != text {
        return Err(Wrong::new("must not be empty and not begin or end with a space"));
    }
    if !text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
        return Err(Wrong::new("holds a character that no header may carry")
            .hint("use printable ASCII characters, without line breaks"));
    }
    Ok(text.to_owned().into())
}

/// Parses a password: any text on one line, since basic auth encodes it.
pub fn password(text: &str) -> Result<SecretString, Wrong> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Wrong::new("must not be empty and not hold control characters"));
    }
    Ok(text.to_owned().into())
}

/// Parses a user name of basic auth.
pub fn user(text: &str) -> Result<String, Wrong> {
    if text.contains(':') {
        return Err(Wrong::new("a user name must not hold `:`, basic auth ends it there"));
    }
    word(text)
}

/// Parses the name that a server's certificate must carry.
pub fn server_name(text: &str) -> Result<String, Wrong> {
    let bad = |why: String| Wrong::new(format!("not a host name: {}{why}", quote(text)));
    if text.is_empty() || text.contains(['/', ':']) {
        return Err(
            bad(String::new()).hint("write the name in the server's certificate, without scheme and port")
        );
    }
    url::Host::parse(text).map_err(|why| bad(format!(": {why}")))?;
    Ok(text.to_owned())
}

/// Parses a regular expression that is searched for.
pub fn pattern(text: &str) -> Result<Regex, Wrong> {
    RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|why| {
        // The error draws the pattern over several lines; the reason stands in the last.
        let why = why.to_string();
        let reason = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Wrong::new(format!("not a regular expression: {}: {reason}", quote(text)))
    })
}

/// Parses who may write silences.
pub fn access(text: &str) -> Result<Access, Wrong> {
    one_of(text, &[Access::Rw, Access::Ro], Access::word)
}

/// Parses how many colours are used.
pub fn color(text: &str) -> Result<Color, Wrong> {
    one_of(text, &Color::ALL, Color::word)
}

pub fn one_of<T: Copy>(text: &str, choices: &[T], word: fn(T) -> &'static str) -> Result<T, Wrong> {
    let words: Vec<&str> = choices.iter().map(|choice| word(*choice)).collect();
    if let Some(found) = choices.iter().find(|choice| word(**choice) == text) {
        return Ok(*found);
    }
    let hint = match nearest(text, &words) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("choose from: {}", words.join(", ")),
    };
    Err(Wrong::new(format!("unknown value {}", quote(text))).hint(hint))
}

#[cfg(test)]
mod tests;
