//! The UTF-8 matcher grammar of Alertmanager 0.27 and newer (upstream's matcher/parse).
//!
//! ```text
//! matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]     braces must pair
//! matcher  = text ( "=" | "!=" | "=~" | "!~" ) text
//! text     = quoted | 1*( any character except Unicode space and { } ! = ~ , \ " ' ` )
//! quoted   = a double-quoted string of Go
//! ```

use super::{MatchOp, Matcher};
use std::ops::Range;

/// What is wrong, and which bytes of the input are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Moves the position from a part to the whole.
    pub(super) fn shifted(self, by: usize) -> Self {
        Self { at: self.at.start + by..self.at.end + by, ..self }
    }

    fn expected(self, what: &str) -> Self {
        Self { message: format!("{}: expected {what}", self.message), ..self }
    }
}

const NAME: &str = "label name";
const OPERATOR: &str = "an operator such as '=', '!=', '=~' or '!~'";
const VALUE: &str = "label value";
const COMMA_OR_CLOSE: &str = "a comma or close brace";
const MATCHER_OR_CLOSE: &str = "a matcher or close brace after comma";
const CLOSE: &str = "close brace";
const END: &str = "end of input";

/// Reports whether `c` cannot stand in an unquoted text.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// Parses one matcher; braces around it are allowed.
pub(super) fn matcher(input: &str) -> Result<Matcher, Problem> {
    let mut matchers = list(input)?;
    match (matchers.pop(), matchers.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Problem::new(0..input.len(), "no matchers")),
        (Some(_), more) => {
            Err(Problem::new(0..input.len(), format!("expected 1 matcher, found {}", more + 1)))
        }
    }
}

/// Parses a list of matchers.
pub(super) fn list(input: &str) -> Result<Vec<Matcher>, Problem> {
    let mut lexer = Lexer { input, pos: 0 };
    let mut matchers = Vec::new();
    let open = lexer.peek()?.kind == Kind::Open;
    if open {
        lexer.scan()?;
    }
    let mut next = lexer.peek()?;
    while !matches!(next.kind, Kind::Close | Kind::End) {
        matchers.push(one(&mut lexer)?);
        next = lexer.peek().map_err(|problem| problem.expected(COMMA_OR_CLOSE))?;
        match next.kind {
            Kind::Comma => lexer.scan()?,
            Kind::Close | Kind::End => break,
            _ => return Err(lexer.unexpected(&next).expected(COMMA_OR_CLOSE)),
        };
        next = lexer.peek().map_err(|problem| problem.expected(MATCHER_OR_CLOSE))?;
        if !matches!(next.kind, Kind::Close | Kind::End | Kind::Quoted | Kind::Unquoted) {
            return Err(lexer.unexpected(&next).expected(MATCHER_OR_CLOSE));
        }
    }
    match (open, next.kind) {
        (true, Kind::Close) => finish(&mut lexer)?,
        (true, _) => return Err(lexer.unexpected(&next).expected(CLOSE)),
        (false, Kind::Close) => return Err(Problem::new(next.at, "}").expected("opening brace")),
        (false, _) => {}
    }
    Ok(matchers)
}

/// Takes the closing brace; nothing may follow.
fn finish(lexer: &mut Lexer<'_>) -> Result<(), Problem> {
    lexer.scan()?;
    let after = lexer.peek().map_err(|problem| problem.expected(END))?;
    if after.kind == Kind::End {
        return Ok(());
    }
    Err(Problem::new(after.at.clone(), &lexer.input[after.at]).expected(END))
}

/// Parses name, operator and value.
fn one(lexer: &mut Lexer<'_>) -> Result<Matcher, Problem> {
    let text = |kind| matches!(kind, Kind::Quoted | Kind::Unquoted);
    let name = lexer.expect(NAME, text)?;
    let name = lexer.text(&name)?;
    let op = lexer.expect(OPERATOR, |kind| matches!(kind, Kind::Op(_)))?;
    let value = lexer.expect(VALUE, text)?;
    let value = lexer.text(&value)?;
    let Kind::Op(op) = op.kind else { unreachable!("expect() returns operators only") };
    Ok(Matcher::new(&name, op, &value))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Quoted,
    Unquoted,
    End,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    at: Range<usize>,
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
}

impl Lexer<'_> {
    /// Returns the next token without taking it.
    fn peek(&self) -> Result<Token, Problem> {
        let rest = self.input[self.pos..].trim_start();
        let start = self.input.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(Token { kind: Kind::End, at: start..start });
        };
        let (kind, len) = match first {
            '{' => (Kind::Open, 1),
            '}' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '=' | '!' => operator(rest).map_err(|problem| problem.shifted(start))?,
            '"' => (Kind::Quoted, quoted(rest).map_err(|problem| problem.shifted(start))?),
            _ if !is_reserved(first) => (Kind::Unquoted, rest.find(is_reserved).unwrap_or(rest.len())),
            _ => {
                let message = format!("{first}: invalid input");
                return Err(Problem::new(start..start + first.len_utf8(), message));
            }
        };
        Ok(Token { kind, at: start..start + len })
    }

    /// Takes the next token.
    fn scan(&mut self) -> Result<Token, Problem> {
        let token = self.peek()?;
        self.pos = token.at.end;
        Ok(token)
    }

    /// Takes the next token if `wanted` says so.
    fn expect(&mut self, what: &str, wanted: impl Fn(Kind) -> bool) -> Result<Token, Problem> {
        let token = self.scan().map_err(|problem| problem.expected(what))?;
        if wanted(token.kind) { Ok(token) } else { Err(self.unexpected(&token).expected(what)) }
    }

    fn unexpected(&self, token: &Token) -> Problem {
        let message = match token.kind {
            Kind::End => END.to_owned(),
            _ => format!("unexpected {}", &self.input[token.at.clone()]),
        };
        Problem::new(token.at.clone(), message)
    }

    /// Returns what a text token says.
    fn text(&self, token: &Token) -> Result<String, Problem> {
        let raw = &self.input[token.at.clone()];
        if token.kind == Kind::Unquoted {
            return Ok(raw.to_owned());
        }
        unquote(&raw[1..raw.len() - 1])
            .ok_or_else(|| Problem::new(token.at.clone(), format!("{raw}: invalid input")))
    }
}

/// Reads the operator at the start of `rest`, which begins with `=` or `!`.
fn operator(rest: &str) -> Result<(Kind, usize), Problem> {
    let ops = [MatchOp::Regex, MatchOp::NotEqual, MatchOp::NotRegex, MatchOp::Equal];
    let found = ops.into_iter().find(|op| rest.starts_with(op.symbol()));
    found.map(|op| (Kind::Op(op), op.symbol().len())).ok_or_else(|| {
        let message = if rest.len() == 1 {
            "unexpected end of input, expected one of '=~'"
        } else {
            "!: expected one of '=~'"
        };
        Problem::new(0..1, message)
    })
}

/// Returns the length of the quoted text at the start of `rest`, both quotes included.
fn quoted(rest: &str) -> Result<usize, Problem> {
    let mut escaped = false;
    for (i, b) in rest.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(i + 1),
            _ => {}
        }
    }
    Err(Problem::new(0..rest.len(), format!("{rest}: missing end \"")))
}

/// Undoes the quoting of a Go string (strconv.Unquote); `None` if it is none, or not UTF-8.
fn unquote(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = unescape(rest, &mut bytes)?,
            '\n' => return None,
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Undoes one escape; `rest` stands behind the backslash. Returns what follows.
fn unescape<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let plain = |bytes: &mut Vec<u8>, byte| {
        bytes.push(byte);
        Some(&rest[1..])
    };
    let number = |from: usize, len: usize, radix: u32| {
        let digits = rest.get(from..from + len)?;
        // `from_str_radix` takes a sign; a Go escape does not.
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, radix).ok())?
    };
    let (value, len) = match *rest.as_bytes().first()? {
        b'a' => return plain(bytes, 0x07),
        b'b' => return plain(bytes, 0x08),
        b'f' => return plain(bytes, 0x0c),
        b'n' => return plain(bytes, b'\n'),
        b'r' => return plain(bytes, b'\r'),
        b't' => return plain(bytes, b'\t'),
        b'v' => return plain(bytes, 0x0b),
        quote @ (b'\\' | b'"') => return plain(bytes, quote),
        b'x' => {
            bytes.push(u8::try_from(number(1, 2, 16)?).ok()?);
            return Some(&rest[3..]);
        }
        b'0'..=b'7' => {
            bytes.push(u8::try_from(number(0, 3, 8)?).ok()?);
            return Some(&rest[3..]);
        }
        b'u' => (number(1, 4, 16)?, 5),
        b'U' => (number(1, 8, 16)?, 9),
        _ => return None,
    };
    let c = char::from_u32(value)?;
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(&rest[len..])
}
