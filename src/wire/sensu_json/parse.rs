//! The reader: what oj 2.18.1 accepts, with the place of what it does not.

use super::{Int, Object, Value};
use std::fmt;

/// How deep lists and objects may stand in each other. oj has no bound and ends with its stack; no definition comes near.
pub const MAX_DEPTH: usize = 128;

/// Why a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: &'static str,
    /// Where in the text, in bytes.
    pub offset: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.problem, self.line, self.column)
    }
}

impl std::error::Error for SyntaxError {}

/// Reads one document and nothing behind it.
pub(super) fn document(text: &[u8]) -> Result<Value, SyntaxError> {
    let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut reader = Reader { text, at: start };
    let read = reader.value(0).and_then(|value| {
        reader.blank()?;
        if reader.at == text.len() { Ok(value) } else { Err("something stands behind the end") }
    });
    read.map_err(|problem| place(text, reader.at, problem))
}

fn place(text: &[u8], offset: usize, problem: &'static str) -> SyntaxError {
    let before = &text[..offset.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
    SyntaxError { line, column, problem, offset }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    /// Passes white space and comments.
    fn blank(&mut self) -> Read<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') => self.at += 1,
                Some(b'/') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Read<()> {
        let rest = &self.text[self.at..];
        let length = if rest.starts_with(b"//") {
            memchr::memchr(b'\n', rest).unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            2 + memchr::memmem::find(&rest[2..], b"*/").ok_or("a comment is not closed")? + 2
        } else {
            return Err("a single slash, where a comment begins with two or with /*");
        };
        self.at += length;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        self.blank()?;
        if depth > MAX_DEPTH {
            return Err("nested too deeply");
        }
        match self.peek() {
            None => Err("a value is missing at the end"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
        }
    }

    fn word(&mut self) -> Read<Value> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("a value is expected")
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut items = Vec::new();
        self.blank()?;
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank()?;
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err("a comma or ] is expected");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut fields = Object::new();
        self.blank()?;
        if self.eat(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.blank()?;
            if self.peek() != Some(b'"') {
                return Err("a key in double quotes is expected");
            }
            let key = self.string()?;
            self.blank()?;
            if !self.eat(b':') {
                return Err("a colon is expected");
            }
            let value = self.value(depth + 1)?;
            fields.insert(key, value);
            self.blank()?;
            if self.eat(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.eat(b',') {
                return Err("a comma or } is expected");
            }
        }
    }

    fn string(&mut self) -> Read<Box<[u8]>> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = memchr::memchr2(b'"', b'\\', rest) else { return Err("a string is not closed") };
            if rest[end] == b'"' && out.is_empty() {
                self.at += end + 1;
                return Ok(rest[..end].into());
            }
            out.extend_from_slice(&rest[..end]);
            self.at += end;
            if self.eat(b'"') {
                return Ok(out.into());
            }
            let taken = unescape(&self.text[self.at..], &mut out).ok_or("an unknown escape")?;
            self.at += taken;
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        self.eat(b'-');
        self.digits()?;
        let mut whole = true;
        if self.eat(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            whole = false;
            let _sign = self.eat(b'-') || self.eat(b'+');
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).map_err(|_| "a number is expected")?;
        if whole {
            return Ok(Value::Int(int(text)));
        }
        let number: f64 = text.parse().map_err(|_| "a number is expected")?;
        if number.is_finite() { Ok(Value::Float(number)) } else { Err("a number is too large") }
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err("a digit is expected") } else { Ok(()) }
    }
}

/// Returns a whole number; leading zeros are passed over, as oj does.
fn int(text: &str) -> Int {
    if let Ok(small) = text.parse() {
        return Int::Small(small);
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let digits = digits.trim_start_matches('0');
    match format!("{sign}{digits}") {
        short if short.len() < 19 => short.parse().map_or(Int::Small(0), Int::Small),
        long => long.parse().map_or_else(|_| Int::Big(long.into()), Int::Small),
    }
}

/// Appends what the escape at the start of `text` means and returns its length.
pub(in crate::wire) fn unescape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let byte = match text.get(1)? {
        b'u' => return unicode(text, out),
        b'"' => b'"',
        b'\\' => b'\\',
        b'/' => b'/',
        b'b' => b'\x08',
        b'f' => b'\x0c',
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    };
    out.push(byte);
    Some(2)
}

/// `\u12ab`, two of them where they are a surrogate pair. Half a pair becomes the three bytes that oj makes of it.
fn unicode(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = hex(text.get(2..6)?)?;
    let (code, taken) = match first {
        0xd800..=0xdbff if text.get(6..8) == Some(b"\\u") => {
            let second = hex(text.get(8..12)?)?;
            if (0xdc00..=0xdfff).contains(&second) {
                (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
            } else {
                (first, 6)
            }
        }
        _ => (first, 6),
    };
    match char::from_u32(code) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend([
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
    Some(taken)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}
