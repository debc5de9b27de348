//! Reads the filter language.

use super::field::{Class, UP_WORDS};
use super::{Field, Filter, FilterError, Order, Pseudo, RowKind, Scope, Term, Test};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::nearest::nearest;
use crate::model::time::parse_duration;
use regex::RegexBuilder;
use std::ops::Range;

/// Compiled text patterns beyond this size are refused.
const PATTERN_LIMIT: usize = 1 << 20;

pub(super) fn filter(input: &str, scope: &Scope<'_>) -> Result<Filter, FilterError> {
    let mut parser = Parser { input, pos: 0, braces: Vec::new(), scope };
    let mut terms = Vec::new();
    while parser.next_term()? {
        terms.push(parser.term()?);
    }
    match parser.braces.pop() {
        Some(at) => Err(parser.error(at..at + 1, "this brace is never closed", None)),
        None => Ok(Filter { terms }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Match(MatchOp),
    Order(Order),
}

/// A name or value and where it stands.
struct Part<'a> {
    text: &'a str,
    at: Range<usize>,
}

struct Parser<'a> {
    input: &'a str,
    pos: usize,
    /// Where the open braces around matchers are.
    braces: Vec<usize>,
    scope: &'a Scope<'a>,
}

impl<'a> Parser<'a> {
    fn error(&self, at: Range<usize>, message: impl Into<String>, hint: Option<&str>) -> FilterError {
        let hint = hint.map(str::to_owned);
        FilterError { input: self.input.to_owned(), at, message: message.into(), hint }
    }

    fn rest(&self) -> &'a str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.pos = self.input.len() - self.rest().trim_start().len();
    }

    /// Skips separators and braces; reports whether a term follows.
    fn next_term(&mut self) -> Result<bool, FilterError> {
        while let Some(c) = self.peek() {
            match c {
                ',' => {}
                '{' => self.braces.push(self.pos),
                '}' if self.braces.pop().is_none() => {
                    return Err(self.error(self.pos..self.pos + 1, "no brace is open here", None));
                }
                '}' => {}
                _ if c.is_whitespace() => {}
                _ => return Ok(true),
            }
            self.pos += c.len_utf8();
        }
        Ok(false)
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        let start = self.pos;
        let negated = self.peek() == Some('!');
        if negated {
            self.pos += 1;
            if self.peek().is_none_or(|c| c.is_whitespace() || ",{}!=~".contains(c)) {
                let hint = "write !word, !'text' or !name=value";
                return Err(self.error(start..self.pos, "there is nothing to negate", Some(hint)));
            }
        }
        let test = match self.peek() {
            Some(quote @ ('\'' | '/')) => self.delimited(quote)?,
            _ => self.word_or_matcher(negated)?,
        };
        Ok(Term { source: self.input[start..self.pos].into(), negated, test })
    }

    /// Reads `'exact'` or `/regex/`. The end counts only before a separator, so that `/srv/data` stays text.
    fn delimited(&mut self, quote: char) -> Result<Test, FilterError> {
        let start = self.pos;
        let inner = &self.input[start + 1..];
        let ends =
            |at: usize| inner[at + 1..].chars().next().is_none_or(|c| c.is_whitespace() || ",}".contains(c));
        let Some(len) = inner.match_indices(quote).map(|(at, _)| at).find(|at| ends(*at)) else {
            if quote == '/' {
                let word = self.bare_end(start, |_| false);
                self.pos = word;
                return Ok(text(&self.input[start..word]));
            }
            return Err(self.error(start..self.input.len(), "this quote is never closed", None));
        };
        let body = &inner[..len];
        self.pos = start + len + 2;
        if body.is_empty() {
            return Err(self.error(start..self.pos, "there is nothing to look for", None));
        }
        if quote == '\'' {
            return Ok(Test::Exact(body.into()));
        }
        let regex = RegexBuilder::new(body).size_limit(PATTERN_LIMIT).build();
        regex.map(Test::Pattern).map_err(|error| {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or("").trim_start_matches("error: ");
            self.error(start..self.pos, format!("not a regex: {why}"), None)
        })
    }

    fn word_or_matcher(&mut self, negated: bool) -> Result<Test, FilterError> {
        let start = self.pos;
        let quoted = self.peek() == Some('"');
        let name = if quoted { self.quoted()? } else { self.name() };
        let at = start..self.pos;
        let Some((op, op_at)) = self.operator(&name) else {
            return self.plain(&name, at, quoted);
        };
        if name.is_empty() {
            let hint = "write name=value, or quote text: '=x'";
            return Err(self.error(op_at, "a label name is missing before the operator", Some(hint)));
        }
        // With blanks around the operator the value is the next word; `rack= disk` is an empty value and a text.
        if op_at.start > at.end {
            self.skip_space();
        }
        let value_start = self.pos;
        // As PromQL writes it: as a value it would quietly show nothing.
        if op_at.end == value_start && self.peek() == Some('=') {
            let hint = "write name=value, and quote a value that begins with =";
            return Err(self.error(op_at.start..value_start + 1, "there is no operator ==", Some(hint)));
        }
        let value = self.value()?;
        let value_at = value_start..self.pos;
        match name.strip_prefix('@').filter(|_| !quoted) {
            Some(field) => self.field(
                Part { text: field, at },
                (op, op_at),
                Part { text: &value, at: value_at },
                negated,
            ),
            None => match op {
                Op::Match(op) => self.matcher(&name, apply(negated, op), &value, value_at).map(Test::Label),
                Op::Order(_) => Err(self.order_error(op_at)),
            },
        }
    }

    /// A term without an operator: text, or half a field.
    fn plain(&self, word: &str, at: Range<usize>, quoted: bool) -> Result<Test, FilterError> {
        if word.is_empty() {
            return Err(self.error(at, "there is nothing to look for", None));
        }
        if let Some(field) = word.strip_prefix('@').filter(|_| !quoted) {
            let field = self.find(field, at.clone())?;
            if field.class() == Class::Flag {
                return Ok(Test::Flag(field, true));
            }
            let message = format!("an operator is missing after {word}");
            return Err(self.error(at, message, Some("write it like @state=active or @age<15m")));
        }
        Ok(text(word))
    }

    fn order_error(&self, at: Range<usize>) -> FilterError {
        let message = "> and < compare @age, @since, @for, @dur, @expires, @fails and @exit only";
        self.error(at, message, Some("quote it to look for it as text: 'a>b'"))
    }

    fn find(&self, name: &str, at: Range<usize>) -> Result<Field, FilterError> {
        Field::find(name, self.scope).map_err(|(message, hint)| self.error(at, message, hint.as_deref()))
    }

    fn field(
        &self,
        name: Part<'_>,
        (op, op_at): (Op, Range<usize>),
        value: Part<'_>,
        negated: bool,
    ) -> Result<Test, FilterError> {
        let field = self.find(name.text, name.at)?;
        let (name, value, value_at) = (name.text, value.text, value.at);
        match (field.class(), op) {
            (Class::Text, Op::Match(op)) => {
                self.check_word(&field, op, value, value_at.clone())?;
                // An output has many lines: what stands in one of them is looked for, as a label's value never is.
                let lines = op.is_regex() && field == Field::Pseudo(Pseudo::Out);
                let value = if lines { format!("(?s){value}") } else { value.to_owned() };
                let matcher = self.matcher(name, apply(negated, op), &value, value_at)?;
                Ok(Test::Field(field, matcher))
            }
            (Class::Flag, Op::Match(MatchOp::Equal)) => match value {
                "true" => Ok(Test::Flag(field, true)),
                "false" => Ok(Test::Flag(field, false)),
                _ => Err(self.flag_error(name, value_at)),
            },
            (Class::Flag, _) => Err(self.flag_error(name, op_at)),
            (Class::Text, Op::Order(_)) => Err(self.order_error(op_at)),
            (Class::Duration, Op::Order(order)) => {
                let bound =
                    parse_duration(value).map_err(|error| self.error(value_at, error.to_string(), None))?;
                Ok(Test::Duration(field, order, bound))
            }
            (Class::Number, Op::Order(_) | Op::Match(MatchOp::Equal)) => {
                let order = if let Op::Order(order) = op { order } else { Order::Equal };
                let bound = value.parse().ok().filter(|n: &f64| n.is_finite());
                let bound =
                    bound.ok_or_else(|| self.error(value_at, format!("not a number: `{value}`"), None))?;
                Ok(Test::Number(field, order, bound))
            }
            (Class::Duration, Op::Match(_)) => {
                let hint = format!("write @{name}<15m or @{name}>2h");
                Err(self.error(op_at, format!("@{name} is compared with > or <"), Some(&hint)))
            }
            (Class::Number, Op::Match(_)) => {
                let hint = format!("for the opposite write !@{name}={value}");
                Err(self.error(op_at, format!("@{name} is compared with =, > or <"), Some(&hint)))
            }
        }
    }

    fn flag_error(&self, name: &str, at: Range<usize>) -> FilterError {
        let hint = format!("write @{name}, !@{name}, @{name}=true or @{name}=false");
        self.error(at, format!("@{name} is yes or no"), Some(&hint))
    }

    /// Builds a matcher. A regex that cannot be judged would let every row through.
    fn matcher(
        &self,
        name: &str,
        op: MatchOp,
        value: &str,
        at: Range<usize>,
    ) -> Result<Matcher, FilterError> {
        let matcher = Matcher::new(name, op, value);
        match matcher.unsupported() {
            Some(why) => Err(self.error(at, format!("this regex cannot be evaluated here: {why}"), None)),
            None => Ok(matcher),
        }
    }

    /// A misspelt state, of a row or of its node's scrape, would quietly show nothing.
    fn check_word(
        &self,
        field: &Field,
        op: MatchOp,
        value: &str,
        at: Range<usize>,
    ) -> Result<(), FilterError> {
        if *field == Field::Pseudo(Pseudo::Up) && !op.is_regex() && !UP_WORDS.contains(&value) {
            let hint = format!("there are {}", UP_WORDS.join(", "));
            return Err(self.error(at, format!("no node is `{value}`"), Some(&hint)));
        }
        let Some(kind) = self.scope.kind.filter(|_| *field == Field::Pseudo(Pseudo::State)) else {
            return Ok(());
        };
        let states = kind.states();
        // The empty text stands for "none", which no row answers: it is a word that was forgotten.
        if op.is_regex() || states.contains(&value) {
            return Ok(());
        }
        let hint = match nearest(value, states) {
            _ if kind == RowKind::Node && UP_WORDS.contains(&value) => format!("write @up={value}"),
            _ if kind == RowKind::Alert && value == "firing" => {
                "write @state=active, or !@state=pending for all that fire".to_owned()
            }
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", states.join(", ")),
        };
        Err(self.error(at, format!("{} have no state `{value}`", kind.word()), Some(&hint)))
    }

    /// Reads a name, or a word of text: up to a separator or an operator.
    fn name(&mut self) -> String {
        let start = self.pos;
        self.pos = self.bare_end(start, |rest| {
            rest.starts_with(['=', '<', '>']) || rest.starts_with("!=") || rest.starts_with("!~")
        });
        self.input[start..self.pos].to_owned()
    }

    /// Takes the operator that follows, also behind blanks; the name's text decides what `<` and `>` are.
    fn operator(&mut self, name: &str) -> Option<(Op, Range<usize>)> {
        let before = self.pos;
        self.skip_space();
        // `web >2` and `a <b` are words: only a field is compared behind a blank.
        let order = self.pos == before || name.starts_with('@');
        let ops = [
            ("=~", Op::Match(MatchOp::Regex)),
            ("!=", Op::Match(MatchOp::NotEqual)),
            ("!~", Op::Match(MatchOp::NotRegex)),
            ("=", Op::Match(MatchOp::Equal)),
            ("<", Op::Order(Order::Less)),
            (">", Op::Order(Order::Greater)),
        ];
        let found = ops
            .into_iter()
            .find(|(symbol, op)| self.rest().starts_with(symbol) && (order || matches!(op, Op::Match(_))));
        match found {
            Some((symbol, op)) => {
                let start = self.pos;
                self.pos += symbol.len();
                Some((op, start..self.pos))
            }
            None => {
                self.pos = before;
                None
            }
        }
    }

    fn value(&mut self) -> Result<String, FilterError> {
        let start = self.pos;
        if self.peek() == Some('"') {
            let value = self.quoted()?;
            if let Some(c) = self.peek().filter(|c| !c.is_whitespace() && !",}".contains(*c)) {
                let hint = "separate terms with a blank or a comma";
                let at = self.pos..self.pos + c.len_utf8();
                return Err(self.error(at, "something follows the closing quote", Some(hint)));
            }
            return Ok(value);
        }
        self.pos = self.bare_end(start, |_| false);
        Ok(self.input[start..self.pos].to_owned())
    }

    /// Reads text in double quotes with the escapes of a classic matcher: an unknown one stays as it is.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.pos;
        let mut text = String::new();
        let mut chars = self.input[start + 1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.pos = start + at + 2;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                _ => text.push(c),
            }
        }
        Err(self.error(start..self.input.len(), "this quote is never closed", None))
    }

    /// Returns where the bare word at `start` ends: at a blank, at a comma or closing brace that is not part of
    /// the word's own braces (`a{1,2}`), or where `stop` says so.
    fn bare_end(&self, start: usize, stop: impl Fn(&str) -> bool) -> usize {
        let mut depth = 0_usize;
        for (at, c) in self.input[start..].char_indices() {
            let end = match c {
                '{' => {
                    depth += 1;
                    false
                }
                '}' if depth > 0 => {
                    depth -= 1;
                    false
                }
                '}' => !self.braces.is_empty(),
                ',' => depth == 0,
                _ => c.is_whitespace() || stop(&self.input[start + at..]),
            };
            if end {
                return start + at;
            }
        }
        self.input.len()
    }
}

/// Returns the operator, or its opposite.
fn apply(negated: bool, op: MatchOp) -> MatchOp {
    if negated { MatchOp::from_flags(op.is_negative(), op.is_regex()) } else { op }
}

/// Text to look for: an upper-case letter in it makes case matter.
fn text(word: &str) -> Test {
    if word.contains(char::is_uppercase) {
        Test::Exact(word.into())
    } else {
        Test::Folded(word.to_lowercase().into())
    }
}
