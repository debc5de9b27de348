//! Walking over JSON without taking it in: keys and values as spans of the line.
//!
//! What is passed over is checked for its brackets and strings only. That is enough to tell a whole line from a torn one:
//! in a torn line a string or a bracket is still open, or the next line's beginning stands where a comma belongs.

use crate::wire::sensu_json::{MAX_DEPTH, unescape};
use std::borrow::Cow;

const SHORT: usize = 16;

/// A string as it stands in the line, between its quotes, with its escapes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Takes the span of a value for a string.
    pub(super) fn of(value: &'a [u8]) -> Option<Self> {
        match value {
            [b'"', inner @ .., b'"'] => Some(Self(inner)),
            _ => None,
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes as they stand in the line: equal ones mean equal strings.
    pub fn escaped(self) -> &'a [u8] {
        self.0
    }

    /// Returns the string's bytes, borrowed where nothing is escaped.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        let Some(first) = memchr::memchr(b'\\', self.0) else { return Cow::Borrowed(self.0) };
        let mut out = Vec::with_capacity(self.0.len());
        let (plain, mut rest) = self.0.split_at(first);
        out.extend_from_slice(plain);
        while !rest.is_empty() {
            // An escape that JSON does not know: better as it stands than lost.
            let Some(taken) = unescape(rest, &mut out) else { return Cow::Borrowed(self.0) };
            rest = &rest[taken..];
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
        }
        Cow::Owned(out)
    }

    /// Returns the string as text; what is no UTF-8 becomes U+FFFD.
    pub fn to_text(self) -> Cow<'a, str> {
        match self.bytes() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }
}

/// Returns where a short string has its first quote or backslash: most are keys and numbers of a few bytes, for which the search
/// through blocks of bytes costs more than it saves.
fn ends_soon(text: &[u8]) -> Option<usize> {
    text.iter().take(SHORT).position(|byte| matches!(byte, b'"' | b'\\'))
}

/// Returns where `part` lies in `whole`, of which it must be a slice.
pub(super) fn span(whole: &[u8], part: &[u8]) -> (usize, usize) {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    (start, start + part.len())
}

/// A walk over the fields of one object or the items of one list.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
    end: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Inside,
    Ended,
    Broken,
}

impl<'a> Scan<'a> {
    pub(super) fn object(text: &'a [u8]) -> Option<Self> {
        Self::open(text, b'{', b'}')
    }

    pub(super) fn array(text: &'a [u8]) -> Option<Self> {
        Self::open(text, b'[', b']')
    }

    fn open(text: &'a [u8], begin: u8, end: u8) -> Option<Self> {
        let mut scan = Self { text, at: 0, first: true, end, state: State::Inside };
        scan.blank();
        scan.eat(begin).then_some(scan)
    }

    /// Whether the walk went to the closing bracket and nothing stands behind it.
    pub(super) fn ended_well(&mut self) -> bool {
        self.blank();
        self.state == State::Ended && self.at == self.text.len()
    }

    /// Returns the next key, escapes and all, and the span of its value.
    pub(super) fn next_field(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let key = self.next_key()?;
        Some((key, self.pass()?))
    }

    /// Returns the next key; its value is to be taken by [`Self::pass`] or [`Self::enter`] before the next call.
    pub(super) fn next_key(&mut self) -> Option<&'a [u8]> {
        if !self.begin_item() {
            return None;
        }
        let key = self.key();
        self.broken_if(key.is_none());
        key
    }

    /// Passes a value and returns its span.
    pub(super) fn pass(&mut self) -> Option<&'a [u8]> {
        let value = self.value();
        self.broken_if(value.is_none());
        value
    }

    /// Walks over an object in place, so that its bytes are passed once; none, and nothing is passed, where the value is
    /// something else. Returns what `walk` returned and the object's span.
    pub(super) fn enter<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> Option<(T, &'a [u8])> {
        self.blank();
        if self.peek() != Some(b'{') {
            return None;
        }
        let start = self.at;
        let mut inner = Self { text: self.text, at: start + 1, first: true, end: b'}', state: State::Inside };
        let walked = walk(&mut inner);
        while inner.next_field().is_some() {}
        self.at = inner.at;
        self.broken_if(inner.state == State::Broken);
        Some((walked, &self.text[start..inner.at]))
    }

    fn broken_if(&mut self, broken: bool) {
        if broken {
            self.state = State::Broken;
        }
    }

    /// Returns the span of the next item.
    pub(super) fn next_item(&mut self) -> Option<&'a [u8]> {
        if !self.begin_item() {
            return None;
        }
        self.pass()
    }

    /// Passes the comma; false at the end, or where none stands.
    fn begin_item(&mut self) -> bool {
        if self.state != State::Inside {
            return false;
        }
        self.blank();
        if self.eat(self.end) {
            self.state = State::Ended;
        } else if !self.first && !self.eat(b',') {
            self.state = State::Broken;
        }
        self.first = false;
        self.blank();
        self.state == State::Inside
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.string()?;
        let key = &self.text[start + 1..self.at - 1];
        self.blank();
        self.eat(b':').then_some(key)
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        self.blank();
        let start = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            _ => self.word()?,
        }
        Some(&self.text[start..self.at])
    }

    fn string(&mut self) -> Option<()> {
        if !self.eat(b'"') {
            return None;
        }
        loop {
            let rest = &self.text[self.at..];
            let end = ends_soon(rest).or_else(|| memchr::memchr2(b'"', b'\\', rest))?;
            self.at += end + 1;
            if rest[end] == b'"' {
                return Some(());
            }
            // The escaped byte, whatever it is, does not end the string.
            self.at += 1;
            if self.at > self.text.len() {
                return None;
            }
        }
    }

    /// Passes an object or a list by its brackets.
    fn nested(&mut self) -> Option<()> {
        let mut open = [0_u8; MAX_DEPTH];
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                byte @ (b'{' | b'[') => {
                    *open.get_mut(depth)? = byte + 2;
                    depth += 1;
                }
                byte @ (b'}' | b']') => {
                    depth -= 1;
                    if open[depth] != byte {
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
        {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }
}
