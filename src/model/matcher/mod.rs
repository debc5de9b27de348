//! Label matchers with Alertmanager's semantics: anchored regexes, an absent label is empty.
//!
//! [`parse_matcher`] reads one as an operator types it, with both of Alertmanager's grammars; [`breadth`] says how
//! much of a fleet a silence's matchers take in. A regex that this engine might judge differently from Go's is
//! [`Verdict::Unknown`], never guessed.

pub mod breadth;
mod classic;
mod parse;
mod print;
mod regex;
#[cfg(test)]
mod tests;
mod utf8;

pub use parse::{
    MatcherError, ParsedArguments, ParsedMatcher, ParsedMatchers, parse_arguments, parse_matcher,
    parse_matchers,
};

use super::labels::Labels;
use super::names::Names;
use regex::Compiled;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// Returns the operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Reports whether the operator excludes (`!=`, `!~`).
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotRegex)
    }

    /// Reports whether the value is a regular expression.
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Returns the operator of Alertmanager's `isEqual` and `isRegex`.
    pub fn from_flags(is_equal: bool, is_regex: bool) -> Self {
        match (is_equal, is_regex) {
            (true, false) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Regex,
            (false, true) => Self::NotRegex,
        }
    }
}

/// What a matcher says of a label set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It matches.
    Yes,
    /// It does not match.
    No,
    /// Its regex is beyond our engine; only Alertmanager can tell.
    Unknown,
}

impl Verdict {
    /// Combines verdicts of matchers that must all hold: one No decides, else one Unknown spoils.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

/// A label matcher as written in a silence: `instance=~"node-.*"`.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: Box<str>,
    /// How it compares.
    pub op: MatchOp,
    /// The value or regex as written.
    pub value: Box<str>,
    /// The anchored regex, or why this engine does not take it. Compiled when it is first asked for: a list of 500
    /// silences judges none of its matchers, and their regexes would cost 5 MB and more time than all the rest.
    regex: Arc<OnceLock<Result<Compiled, Box<str>>>>,
}

impl Matcher {
    /// Builds a matcher. A regex that does not compile here is kept and answers [`Verdict::Unknown`].
    pub fn new(name: &str, op: MatchOp, value: &str) -> Self {
        Self { name: name.into(), op, value: value.into(), regex: Arc::default() }
    }

    fn compiled(&self) -> Result<&Compiled, &str> {
        self.regex.get_or_init(|| Compiled::new(&self.value)).as_ref().map_err(|why| &**why)
    }

    /// Returns why the regex cannot be evaluated here, if so.
    pub fn unsupported(&self) -> Option<&str> {
        if self.op.is_regex() { self.compiled().err() } else { None }
    }

    /// Reports whether `labels` satisfies this matcher. A missing label counts as the empty string.
    pub fn accepts(&self, labels: &Labels) -> Verdict {
        self.accepts_value(labels.get(&self.name))
    }

    /// Reports whether a label of value `actual` satisfies this matcher.
    pub fn accepts_value(&self, actual: &str) -> Verdict {
        let found = if self.op.is_regex() {
            self.compiled().ok().and_then(|regex| regex.is_match(actual))
        } else {
            Some(*actual == *self.value)
        };
        match found {
            None => Verdict::Unknown,
            Some(found) if found != self.op.is_negative() => Verdict::Yes,
            Some(_) => Verdict::No,
        }
    }

    /// Reports whether every Alertmanager takes the name; other names need 0.27 or newer.
    pub fn has_classic_name(&self) -> bool {
        Names::Legacy.take_label(&self.name)
    }
}

/// Two matchers are equal if they are written alike, whatever the engine makes of them.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The normal order of a silence's matchers: by name, operator, value.
impl Ord for Matcher {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.name, self.op, &self.value).cmp(&(&other.name, other.op, &other.value))
    }
}

/// Prints as Alertmanager does; [`parse_matcher`] reads it back.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::matcher(self, f)
    }
}

/// Reports whether `labels` satisfies every matcher, as a silence does.
pub fn accepts_all(matchers: &[Matcher], labels: &Labels) -> Verdict {
    matchers.iter().fold(Verdict::Yes, |verdict, m| verdict.and(m.accepts(labels)))
}
