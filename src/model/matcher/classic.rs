//! The classic matcher grammar, the only one before Alertmanager 0.27 and the one that wins after it
//! (upstream's pkg/labels/parse.go). It is lenient: an unknown escape stays as it is, a value needs no quotes.

use super::utf8::Problem;
use super::{MatchOp, Matcher};
use std::borrow::Cow;

/// Parses one matcher. `at` of a problem counts bytes of `input`.
///
/// Upstream's regex: `^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*((?s).*?)\s*$`.
pub(super) fn matcher(input: &str) -> Result<Matcher, Problem> {
    let (name, op, raw) = split(input).ok_or_else(|| Problem::new(0..input.len(), "bad matcher format"))?;
    let offset = raw.as_ptr() as usize - input.as_ptr() as usize;
    let value = unescape(raw).map_err(|at| {
        let at = offset + at;
        Problem::new(at..at + 1, "matcher value contains unescaped double quote")
    })?;
    Ok(Matcher::new(name, op, &value))
}

/// Parses a list: a leading `{` and a trailing `}` are dropped independently, commas in quotes do not separate.
pub(super) fn list(input: &str) -> Result<Vec<Matcher>, Problem> {
    tokens(input)
        .into_iter()
        .map(|token| {
            let start = token.as_ptr() as usize - input.as_ptr() as usize;
            matcher(token).map_err(|problem| problem.shifted(start))
        })
        .collect()
}

/// Reports whether `input` begins as a classic matcher does, with a name and an operator.
pub(super) fn begins(input: &str) -> bool {
    split(input).is_some()
}

/// Splits into name, operator and raw value.
fn split(input: &str) -> Option<(&str, MatchOp, &str)> {
    let input = input.trim_matches(is_space);
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    let end = input.bytes().position(|b| !is_name(b))?;
    let (name, rest) = input.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start_matches(is_space);
    let op = [MatchOp::Regex, MatchOp::Equal, MatchOp::NotEqual, MatchOp::NotRegex]
        .into_iter()
        .find(|op| rest.starts_with(op.symbol()))?;
    Some((name, op, rest[op.symbol().len()..].trim_start_matches(is_space)))
}

/// Go's `\s`: without the vertical tab and without Unicode.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

/// Undoes OpenMetrics escaping; fails with the position of a quote that should not be there.
fn unescape(raw: &str) -> Result<Cow<'_, str>, usize> {
    let body = raw.strip_prefix('"');
    let (inner, offset) = body.map_or((raw, 0), |inner| (inner, 1));
    let mut value = String::with_capacity(inner.len());
    let mut closing = body.is_some();
    let mut escaped = false;
    for (i, c) in inner.char_indices() {
        let last = i + 1 == inner.len();
        match (escaped, c) {
            (true, 'n') => value.push('\n'),
            (true, '"' | '\\') => value.push(c),
            (true, _) => value.extend(['\\', c]),
            (false, '\\') if !last => {
                escaped = true;
                continue;
            }
            (false, '"') if closing && last => closing = false,
            (false, '"') => return Err(offset + i),
            (false, _) => value.push(c),
        }
        escaped = false;
    }
    // The opening quote is the one that should not be there when nothing closes it.
    if closing { Err(0) } else { Ok(Cow::Owned(value)) }
}

/// Cuts a list at its commas, exactly as tolerant as upstream: an escape outside quotes counts too.
fn tokens(input: &str) -> Vec<&str> {
    let body = input.strip_prefix('{').unwrap_or(input);
    let body = body.strip_suffix('}').unwrap_or(body);
    let mut tokens = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (i, c) in body.char_indices() {
        match c {
            ',' if !quoted => {
                tokens.push(&body[start..i]);
                start = i + 1;
            }
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let rest = body[start..].trim();
    if !rest.is_empty() {
        tokens.push(rest);
    }
    tokens
}
