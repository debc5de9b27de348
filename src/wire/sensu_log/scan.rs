//! Walking over JSON without taking it in: keys and values as spans of the line.
//!
//! What is passed over is checked for its brackets and strings only. That is enough to tell a whole line from a torn one:
//! in a torn line a string or a bracket is still open, or the next line's beginning stands where a comma belongs.

use crate::wire::sensu_json::{MAX_DEPTH, unescape};
use std::borrow::Cow;

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

/// Returns where the first quote or backslash is. Most strings are keys and names of a few bytes, for which a search by larger blocks
/// costs more than it saves: eight bytes at a time, as serde_json does.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The high bit of the lowest byte that is the wanted one; bytes above it may be marked too.
        let marked = |wanted: u8| {
            let other = word ^ (ONES * u64::from(wanted));
            other.wrapping_sub(ONES) & !other & HIGH
        };
        let found = marked(b'"') | marked(b'\\');
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(8 * words.len() + at)
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
            let end = quote_or_backslash(rest)?;
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

#[cfg(test)]
mod tests {
    use super::quote_or_backslash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_search_by_words_finds_what_one_by_bytes_finds(
            text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'#'), Just(b']')], 0..40),
            plain in 0_usize..40,
        ) {
            let text = [vec![b'!'; plain], text].concat();
            let found = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(quote_or_backslash(&text), found);
        }
    }
}
