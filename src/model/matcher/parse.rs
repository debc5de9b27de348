//! Matchers as people type them, read with both grammars as Alertmanager 0.27 and newer does (its fallback mode,
//! upstream's matcher/compat): the classic reading wins, the UTF-8 one is taken where it is the only one.
//!
//! We are stricter than amtool in one thing: what looks like a broken matcher is an error, never an alertname.

use super::utf8::Problem;
use super::{MatchOp, Matcher, classic, utf8};
use crate::model::text;
use std::fmt;
use std::ops::Range;

/// Why a text is no matcher, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherError {
    /// What was read.
    pub input: Box<str>,
    /// The bytes of `input` that are meant.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: Box<str>,
    /// What to write instead, where that is known.
    pub hint: Option<&'static str>,
}

impl MatcherError {
    fn new(input: &str, problem: Problem, hint: Option<&'static str>) -> Self {
        Self { input: input.into(), at: problem.at, message: problem.message.into(), hint }
    }

    /// Returns the input, safe to show, and a line of carets under the fault.
    pub fn pointer(&self) -> String {
        text::point(&self.input, self.at.clone())
    }
}

/// `start:end: message`, columns counted in characters from 0 as Alertmanager does.
impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = |at: usize| self.input[..at].chars().count();
        let message = text::line(&self.message);
        write!(f, "{}:{}: {message}", column(self.at.start), column(self.at.end))
    }
}

impl std::error::Error for MatcherError {}

/// One matcher, as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedMatcher {
    /// The reading that holds.
    pub matcher: Matcher,
    /// What the UTF-8 grammar would read instead, where it differs: warn and show both.
    pub other: Option<Matcher>,
    /// Whether only the UTF-8 grammar takes it: every target must be Alertmanager 0.27 or newer.
    pub needs_utf8: bool,
}

/// A list of matchers, as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedMatchers {
    /// The reading that holds.
    pub matchers: Vec<Matcher>,
    /// What the UTF-8 grammar would read instead, where it differs.
    pub other: Option<Vec<Matcher>>,
    /// Whether only the UTF-8 grammar takes it.
    pub needs_utf8: bool,
}

/// Matchers from a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedArguments {
    /// The matchers, in the order of the arguments.
    pub matchers: Vec<Matcher>,
    /// What the operator should know of how they were read.
    pub notes: Vec<String>,
    /// Whether a matcher is read by the UTF-8 grammar only.
    pub needs_utf8: bool,
}

const NO_BRACES: &str = "write one matcher per argument, without braces; quote a value that ends with `}`";
const ALERTNAME_FIRST: &str = "only the first word can stand for alertname=\"...\"";

/// Parses one argument as one matcher.
pub fn parse_matcher(input: &str) -> Result<ParsedMatcher, MatcherError> {
    let brace = input.starts_with('{').then_some(0).or(input.ends_with('}').then(|| input.len() - 1));
    if let Some(at) = brace {
        let problem = Problem::new(at..at + 1, "unexpected open or close brace");
        return Err(MatcherError::new(input, problem, Some(NO_BRACES)));
    }
    let new = utf8::matcher(input);
    match (classic::matcher(input), new) {
        (Ok(matcher), new) => {
            let other = new.ok().filter(|new| *new != matcher);
            Ok(ParsedMatcher { matcher, other, needs_utf8: false })
        }
        (Err(_), Ok(matcher)) if matcher.name.is_empty() => {
            Err(MatcherError::new(input, Problem::new(0..2, "empty label name"), None))
        }
        (Err(_), Ok(matcher)) => Ok(ParsedMatcher { matcher, other: None, needs_utf8: true }),
        (Err(old), Err(new)) => Err(MatcherError::new(input, clearer(input, old, new), None)),
    }
}

/// Parses a list such as `{a="b",c=~"d"}`; the braces may be left out. `{}` and the empty text are no matchers.
pub fn parse_matchers(input: &str) -> Result<ParsedMatchers, MatcherError> {
    let new = utf8::list(input);
    match (classic::list(input), new) {
        (Ok(matchers), new) => {
            let other = new.ok().filter(|new| *new != matchers);
            Ok(ParsedMatchers { matchers, other, needs_utf8: false })
        }
        (Err(_), Ok(matchers)) if matchers.iter().any(|m| m.name.is_empty()) => {
            Err(MatcherError::new(input, Problem::new(0..input.len(), "empty label name"), None))
        }
        (Err(_), Ok(matchers)) => Ok(ParsedMatchers { matchers, other: None, needs_utf8: true }),
        (Err(old), Err(new)) => {
            let body = input.strip_prefix('{').unwrap_or(input);
            Err(MatcherError::new(input, clearer(body, old, new), None))
        }
    }
}

/// Parses the arguments of a command, one matcher each; a bare first word is an alertname, and that is said.
pub fn parse_arguments(arguments: &[impl AsRef<str>]) -> Result<ParsedArguments, MatcherError> {
    let mut parsed = ParsedArguments::default();
    for (i, argument) in arguments.iter().map(AsRef::as_ref).enumerate() {
        if i == 0 && is_alertname(argument) {
            let matcher = Matcher::new("alertname", MatchOp::Equal, argument.trim());
            parsed.notes.push(format!("`{}` is read as {matcher}", argument.trim()));
            parsed.matchers.push(matcher);
            continue;
        }
        let one = parse_matcher(argument).map_err(|error| {
            let bare = i > 0 && is_alertname(argument);
            MatcherError { hint: error.hint.or(bare.then_some(ALERTNAME_FIRST)), ..error }
        })?;
        parsed.notes.extend(note(argument, &one));
        parsed.needs_utf8 |= one.needs_utf8;
        parsed.matchers.push(one.matcher);
    }
    Ok(parsed)
}

/// Reports whether `word` can only be meant as an alert's name: nothing in it belongs to a matcher or filter.
fn is_alertname(word: &str) -> bool {
    let word = word.trim();
    !word.is_empty() && !word.starts_with('@') && !word.contains(|c| "=!~{}<>\"".contains(c))
}

/// Returns what the operator should know of how `argument` was read, if anything.
fn note(argument: &str, parsed: &ParsedMatcher) -> Option<String> {
    let matcher = &parsed.matcher;
    if let Some(other) = &parsed.other {
        return Some(format!(
            "`{argument}` is read as {matcher}; Alertmanager's UTF-8 grammar would read {other}: \
             quote the value and escape its backslashes to have one meaning"
        ));
    }
    let several = utf8::list(argument).is_ok_and(|list| list.len() > 1);
    several.then(|| {
        format!("`{argument}` is read as one matcher, {matcher}; write one argument for each matcher")
    })
}

/// Chooses the problem that helps: the classic one where only the value is wrong, else the UTF-8 one, which
/// knows what it expected.
fn clearer(input: &str, old: Problem, new: Problem) -> Problem {
    if classic::begins(input) && old.message.contains("quote") { old } else { new }
}
