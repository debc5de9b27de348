//! Secrets in a text that anybody may have written: a command, the output of a plugin, a document inside of either.
//!
//! Nobody can know where a secret of an unknown form ends. Where it is in doubt, more is masked and not less. A pattern finds
//! the names alone; what stands around them is looked at by hand, forward from the name and never twice.

use super::{KEYS, MASK};
use regex::bytes::Regex;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// How far a name is looked at backwards: for the `-` of its flag, or the `<` of its tag.
const MOST_NAME: usize = 64;
/// How far the end of an XML element is looked for.
const MOST_ELEMENT: usize = 4096;
/// The most backslashes that a quote of a document within documents has in front of it: four documents deep.
const MOST_DEEP: usize = 15;

/// The names of secrets, whatever stands in front of them; those that end with another are found by that.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    let is_own = |key: &&str| !KEYS.iter().any(|other| other != key && key.ends_with(other));
    let mut names: Vec<&str> = KEYS.iter().copied().filter(is_own).collect();
    // The first that fits is taken: `access_key_id` before `access_key`.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    pattern(&format!("(?i-u){}", names.join("|").replace('_', "[_-]?")))
});
/// `scheme://user:pass@host`: all up to the last `@` of the word, for a password may hold one, and a slash.
static URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?-u)(://[^\s:/@"'<>]*:)[^\s"<>]+@"#));
/// `Bearer x`, `Authorization: Basic x`
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i-u)\b(bearer|authorization["'\\]*\s*[:=]\s*["'\\]*basic)(\s+)[a-z0-9._~+/=-]{4,}"#)
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is fixed")
}

/// Returns a text with its secrets masked; borrowed where there is none.
pub fn redact(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = named(text);
    let patterns: [(&LazyLock<Regex>, &[u8]); 2] = [(&URL, b"${1}REDACTED@"), (&SCHEME, b"${1}${2}REDACTED")];
    for (pattern, mask) in patterns {
        if let Cow::Owned(masked) = pattern.replace_all(&text, mask) {
            text = Cow::Owned(masked);
        }
    }
    text
}

/// Masks what stands behind a name.
fn named(text: &[u8]) -> Cow<'_, [u8]> {
    let mut masked = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(name) = NAME.find_at(text, at) {
        let Some(secret) = secret_of(text, &name.range()) else {
            // Names may overlap.
            at = name.start() + 1;
            continue;
        };
        masked.extend(&text[kept..secret.start]);
        masked.extend(MASK);
        (kept, at) = (secret.end, secret.end);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    masked.extend(&text[kept..]);
    Cow::Owned(masked)
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As a shell takes it: quotes may begin and end within a word.
    Word,
    /// As JSON or a header has it: what follows a closing quote belongs to something else.
    Plain,
}

/// Returns where the secret with this name stands; none where the name is but a word.
fn secret_of(text: &[u8], name: &Range<usize>) -> Option<Range<usize>> {
    let quotes = count(&text[name.end..], |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let sign = skip_space(text, name.end + quotes);
    let signs = [&b"=>"[..], b">", b":=", b"::", b"== ", b"=", b":"];
    let signs = signs.into_iter().find(|signs| text[sign..].starts_with(signs)).unwrap_or_default();
    let behind = skip_space(text, sign + signs.len());
    let (from, form) = match signs {
        b"" if !is_flag(text, name.start) => return element(text, name),
        // `["--password", "x"]`
        b"" if quotes > 0 && text.get(sign) == Some(&b',') => (skip_space(text, sign + 1), Form::Plain),
        b"" if sign > name.end + quotes => (sign, Form::Word),
        b"" | b">" => return element(text, name),
        b"=" | b"== " => (behind, Form::Word),
        _ => (behind, Form::Plain),
    };
    let is_value = !signs.is_empty() || text.get(from) != Some(&b'-');
    let to = match scalar(text, from) {
        Some(end) if quotes > 0 && form == Form::Plain => end,
        _ => value_end(text, from, form),
    };
    (is_value && to > from).then_some(from..to)
}

/// Whether the name that ends a word is a flag: `--db-password`.
fn is_flag(text: &[u8], name: usize) -> bool {
    let before = &text[name.saturating_sub(MOST_NAME)..name];
    let length = before.iter().rev().take_while(|byte| is_word(**byte)).count();
    before.get(before.len() - length) == Some(&b'-')
}

/// Returns what stands in an XML element whose tag ends with the name; nothing where the element has no end, as in the
/// `<password>` of a usage line.
fn element(text: &[u8], name: &Range<usize>) -> Option<Range<usize>> {
    let before = &text[name.start.saturating_sub(MOST_NAME)..name.start];
    let prefix =
        before.iter().rev().take_while(|byte| is_word(**byte) || matches!(byte, b':' | b'.')).count();
    if before[..before.len() - prefix].last() != Some(&b'<') {
        return None;
    }
    let ahead = &text[name.end..text.len().min(name.end + MOST_ELEMENT)];
    let tag = count(ahead, |byte| !matches!(byte, b'<' | b'>'));
    let is_tag = ahead.get(tag) == Some(&b'>') && (tag == 0 || ahead[0].is_ascii_whitespace());
    let close = [b"</", &text[name.start - prefix..name.end]].concat();
    let from = if is_tag { tag + 1 } else { return None };
    let length = memchr::memmem::find(&ahead[from..], &close)?;
    (length > 0).then_some(name.end + from..name.end + from + length)
}

/// Returns where a number or word of JSON ends, where one stands there: what follows it in the document is no secret.
fn scalar(text: &[u8], from: usize) -> Option<usize> {
    let length =
        count(&text[from..], |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let word = &text[from..from + length];
    let is_scalar = matches!(word, b"true" | b"false" | b"null")
        || word.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-')
            && std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok());
    let ends = matches!(text.get(from + length), Some(b',' | b'}' | b']'));
    (is_scalar && ends).then_some(from + length)
}

/// Returns where a value ends: at white space that stands in no quotes, or behind its quotes.
fn value_end(text: &[u8], from: usize, form: Form) -> usize {
    let mut at = from;
    // Whether a quote here surely opens: at the begin, or where a shell's word goes on behind quotes.
    let mut joined = true;
    loop {
        let depth = count(&text[at..], |byte| byte == b'\\');
        let behind = at + depth + 1;
        match text.get(at + depth) {
            None => return text.len(),
            Some(b'"' | b'\'') => {
                let opens = joined || !is_end(text.get(behind));
                let may_open = opens && (at == from || depth == 0) && depth <= MOST_DEEP;
                match may_open.then(|| quoted_end(text, at, depth)).flatten() {
                    Some(end) if form == Form::Plain && is_end(text.get(end)) => return end,
                    Some(end) => (at, joined) = (end, true),
                    // It was cut off before its end: what is left of its line is its.
                    None if at == from && may_open => {
                        return from + count(&text[from..], |byte| byte != b'\n');
                    }
                    None => (at, joined) = (behind, depth > 0),
                }
            }
            Some(b' ') if form == Form::Word && depth % 2 == 1 => (at, joined) = (behind, false),
            Some(byte) if byte.is_ascii_whitespace() => return at + depth,
            Some(_) => (at, joined) = (behind, false),
        }
    }
}

/// Returns where the quotes that open at `at` end, within the line. An escaped quote is none of them, and `depth` says how
/// many backslashes one has here: in a document that is a text of another, `\"` is a quote and `\\\"` an escaped one.
fn quoted_end(text: &[u8], at: usize, depth: usize) -> Option<usize> {
    let quote = text[at + depth];
    let from = at + depth + 1;
    let mut escapes = 0;
    for (place, byte) in text[from..].iter().enumerate() {
        match byte {
            b'\n' => return None,
            b'\\' => escapes += 1,
            // One with fewer ends the text around.
            byte if *byte == quote && (escapes < depth || escapes % (2 * (depth + 1)) == depth) => {
                return Some(from + place + 1);
            }
            _ => escapes = 0,
        }
    }
    None
}

/// Whether nothing of a value can follow: a quote before it closes something.
fn is_end(next: Option<&u8>) -> bool {
    next.is_none_or(|next| next.is_ascii_whitespace() || b",;:)}]>\\".contains(next))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Skips white space, a line that goes on behind a backslash too.
fn skip_space(text: &[u8], mut at: usize) -> usize {
    loop {
        at += count(&text[at..], |byte| byte.is_ascii_whitespace());
        if !text[at..].starts_with(b"\\\n") {
            return at;
        }
        at += 2;
    }
}

fn count(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is(**byte)).count()
}

#[cfg(test)]
mod tests;
