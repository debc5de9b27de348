//! The tokens of text 0.0.4, as upstream cuts them (the functions `readTokenAs...` of expfmt/text_parse.go).

use crate::wire::go;
use std::borrow::Cow;

/// Why parsing ends before the body does.
#[derive(Debug)]
pub(super) enum Stop {
    /// More had to come.
    End,
    /// Something else had to come.
    Wrong(String),
}

impl Stop {
    /// Something is wrong with the line.
    pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Wrong(what.into()))
    }
}

/// What of a body is still to be read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Returns the next byte without taking it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Returns the next byte without taking it; there has to be one.
    pub(super) fn byte(&self) -> Result<u8, Stop> {
        self.peek().ok_or(Stop::End)
    }

    /// Takes so many bytes, which are there.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Takes blanks and tabs, and returns what follows without taking it.
    pub(super) fn after_blanks(&mut self) -> Result<u8, Stop> {
        self.skip_blanks();
        self.byte()
    }

    pub(super) fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (token, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        token
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !belongs(*byte));
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// Takes what comes before the next blank or the end of the line, which has to follow.
    pub(super) fn word(&mut self) -> Result<&'a [u8], Stop> {
        let word = self.take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n'));
        self.byte().map(|_| word)
    }

    /// Takes the rest of the line and its end.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Stop> {
        let end = memchr::memchr(b'\n', self.rest).ok_or(Stop::End)?;
        let line = self.take(end);
        self.skip(1);
        Ok(line)
    }

    /// Takes the name of a metric, which may be quoted; it is empty where none begins. Something has to follow.
    pub(super) fn metric_name(&mut self) -> Result<Cow<'a, [u8]>, Stop> {
        self.name("metric", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
    }

    /// Takes the name of a label, which may be quoted; it is empty where none begins. Something has to follow.
    pub(super) fn label_name(&mut self) -> Result<Cow<'a, [u8]>, Stop> {
        self.name("label", |byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn name(&mut self, what: &str, belongs: impl Fn(u8) -> bool) -> Result<Cow<'a, [u8]>, Stop> {
        let name = match self.byte()? {
            b'"' => self.quoted(&format_args!("{what} name"))?,
            first if belongs(first) && !first.is_ascii_digit() => Cow::Borrowed(self.take_while(belongs)),
            _ => Cow::Borrowed(&[][..]),
        };
        self.byte().map(|_| name)
    }

    /// Takes the value of a label with its quotes.
    pub(super) fn label_value(&mut self) -> Result<Cow<'a, [u8]>, Stop> {
        self.quoted(&"label value")
    }

    /// Takes a text in quotes, with escapes for quotes, backslashes and ends of lines.
    fn quoted(&mut self, what: &dyn std::fmt::Display) -> Result<Cow<'a, [u8]>, Stop> {
        self.skip(1);
        let mut owned: Option<Vec<u8>> = None;
        loop {
            let end = memchr::memchr3(b'"', b'\\', b'\n', self.rest).ok_or(Stop::End)?;
            let plain = self.take(end);
            match self.byte()? {
                b'"' => {
                    self.skip(1);
                    return Ok(joined(owned, plain));
                }
                b'\\' => {
                    let text = owned.get_or_insert_default();
                    text.extend_from_slice(plain);
                    text.push(self.escape()?);
                }
                _ => {
                    let text = go::quote(&joined(owned, plain));
                    return Stop::wrong(format!("{what} {text} contains unescaped new-line"));
                }
            }
        }
    }

    /// Takes the words of a `HELP` line and its end, with the same escapes as a label's value.
    pub(super) fn help(&mut self) -> Result<Cow<'a, [u8]>, Stop> {
        let mut owned: Option<Vec<u8>> = None;
        loop {
            let end = memchr::memchr2(b'\\', b'\n', self.rest).ok_or(Stop::End)?;
            let plain = self.take(end);
            if self.byte()? == b'\n' {
                self.skip(1);
                return Ok(joined(owned, plain));
            }
            let text = owned.get_or_insert_default();
            text.extend_from_slice(plain);
            text.push(self.escape()?);
        }
    }

    /// Takes a backslash with the letter after it, and returns what they stand for.
    fn escape(&mut self) -> Result<u8, Stop> {
        self.skip(1);
        let stands_for = match self.byte()? {
            byte @ (b'\\' | b'"') => byte,
            b'n' => b'\n',
            other => return Stop::wrong(format!("invalid escape sequence '\\{}'", char::from(other))),
        };
        self.skip(1);
        Ok(stands_for)
    }
}

fn joined(owned: Option<Vec<u8>>, plain: &[u8]) -> Cow<'_, [u8]> {
    match owned {
        None => Cow::Borrowed(plain),
        Some(mut text) => {
            text.extend_from_slice(plain);
            Cow::Owned(text)
        }
    }
}
