//! The filter language of the CLI and the TUI: Alertmanager's matchers, `@fields` of ours, and free text.
//!
//! ```text
//! filter = term { (space | ",") term }            all must hold; braces around are accepted
//! term   = [ "!" ] ( matcher | text )
//! matcher = name op value                         name = label | "quoted label" | "@" field
//! op     = "=" | "!=" | "=~" | "!~" | ">" | "<"   > and < for ages, durations and counts only; none behind @new, @flap
//! value  = bare word | "double quoted, \" \\ \n escapes"
//! text   = word (smart-case) | "several words" | 'exact' | /regex/
//! ```
//!
//! A filter is parsed once and then holds everything it needs, so that judging a row is a few comparisons. A
//! regex that this engine does not take is an error here; in a silence it is kept, because Alertmanager judges it.
//! What a row does not know of itself never hides it.

mod eval;
mod field;
mod parse;
#[cfg(test)]
mod tests;

pub use eval::{Subject, Value};
pub use field::{Field, NEW_WITHIN, Pseudo, RowKind, Scope};

use super::matcher::{MatchOp, Matcher};
use super::text;
use regex::Regex;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Why a text is no filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What was read.
    pub input: String,
    /// The bytes of `input` that are meant.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl FilterError {
    /// Returns the input, safe to show, and a line of carets under the fault.
    pub fn pointer(&self) -> String {
        text::point(&self.input, self.at.clone())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::line(&self.message))
    }
}

impl std::error::Error for FilterError {}

/// A parsed filter. The empty one shows every row.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

/// One condition and the text that it was written as.
#[derive(Debug, Clone)]
struct Term {
    source: Box<str>,
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    /// A label of the row.
    Label(Matcher),
    /// A field compared as text.
    Field(Field, Matcher),
    /// A field compared as a duration.
    Duration(Field, Order, Duration),
    /// A field compared as a number.
    Number(Field, Order, f64),
    /// A field that is yes or no.
    Flag(Field, bool),
    /// Text that occurs, whatever its case; lower case here.
    Folded(Box<str>),
    /// Text that occurs as it is.
    Exact(Box<str>),
    /// A regex that matches somewhere in the text.
    Pattern(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    Equal,
    Greater,
}

/// What a filter becomes as a silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The matchers on real labels.
    pub matchers: Vec<Matcher>,
    /// The terms that no silence can express, as they were written.
    pub dropped: Vec<String>,
}

impl Filter {
    /// Parses a filter for any kind of row, without cluster labels.
    pub fn parse(input: &str) -> Result<Self, FilterError> {
        parse::filter(input, &Scope::default())
    }

    /// Parses a filter for rows of `scope`: a field that such rows do not have is an error.
    pub fn parse_for(scope: &Scope<'_>, input: &str) -> Result<Self, FilterError> {
        parse::filter(input, scope)
    }

    /// Reports whether every row passes.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Reports whether rows are asked for `pseudo`.
    pub fn uses(&self, pseudo: Pseudo) -> bool {
        self.terms.iter().any(|term| match &term.test {
            Test::Field(field, _)
            | Test::Duration(field, ..)
            | Test::Number(field, ..)
            | Test::Flag(field, _) => *field == Field::Pseudo(pseudo),
            Test::Label(_) | Test::Folded(_) | Test::Exact(_) | Test::Pattern(_) => false,
        })
    }

    /// Reports whether rows are asked whether `pseudo` is `word`, also by a regex that names it.
    pub fn names(&self, pseudo: Pseudo, word: &str) -> bool {
        self.terms.iter().any(|term| match &term.test {
            Test::Field(field, matcher) => {
                let value = &*matcher.value;
                let named = if matcher.op.is_regex() { value.contains(word) } else { value == word };
                *field == Field::Pseudo(pseudo) && named
            }
            _ => false,
        })
    }

    /// Returns a term whose regex may have been meant to match a part of the value: it must match the whole.
    pub fn anchored(&self) -> Option<&str> {
        let term = self.terms.iter().find(|term| match &term.test {
            Test::Label(matcher) | Test::Field(_, matcher) => {
                matcher.op == MatchOp::Regex && !matcher.value.contains(".*")
            }
            _ => false,
        });
        term.map(|term| &*term.source)
    }

    /// Returns the matchers that a silence can carry, and what would be lost.
    pub fn to_matchers(&self) -> Conversion {
        let mut conversion = Conversion { matchers: Vec::new(), dropped: Vec::new() };
        for term in &self.terms {
            match &term.test {
                // A negation is already part of a label matcher's operator.
                Test::Label(matcher) => conversion.matchers.push(matcher.clone()),
                _ => conversion.dropped.push(term.source.to_string()),
            }
        }
        conversion
    }
}

/// The filter as it was written, its terms separated by blanks.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let blank = if i > 0 { " " } else { "" };
            write!(f, "{blank}{}", term.source)?;
        }
        Ok(())
    }
}
