//! A reader over TOML's spanned values that collects problems instead of stopping at the first.
//!
//! serde would stop at the first unknown key or wrong type; here each missing piece is a `None` and a problem.

use super::keys::Section;
use super::origin::{At, List, Origin, Pairs, Place};
use super::problem::Problem;
use super::value::{Wrong, quote};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One file's text and the problems found in it.
pub struct Document<'t> {
    file: Arc<Path>,
    text: &'t str,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    unusable: RefCell<Vec<Problem>>,
    /// Lines with a syntax error: what the parser made of their values is a guess, not to be judged.
    broken_lines: RefCell<BTreeSet<usize>>,
}

impl<'t> Document<'t> {
    /// Prepares `text` of `file`.
    pub fn new(file: &Path, text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self {
            file: file.into(),
            text,
            line_starts,
            problems: RefCell::default(),
            unusable: RefCell::default(),
            broken_lines: RefCell::default(),
        }
    }

    /// Parses the text and notes what is wrong with its syntax. `None` if what follows an error cannot be trusted.
    pub fn parse(&self) -> Option<Spanned<DeTable<'t>>> {
        let (table, mut errors) = DeTable::parse_recoverable(self.text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        for error in errors {
            let at = self.origin(error.span().unwrap_or(0..0));
            let local = stays_in_its_line(error.message());
            // One mistake often makes the parser stumble several times over the same line.
            if self.broken_lines.borrow_mut().insert(line_of(&at)) {
                let problem = Problem::at(&at, error.message());
                let problem = if local { problem } else { problem.hint("what follows was not checked") };
                self.problems.borrow_mut().push(problem);
            }
            if !local {
                return None;
            }
        }
        Some(table)
    }

    /// Returns what was found.
    pub fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.unusable.into_inner())
    }

    /// Reports whether anything was found.
    pub fn is_flawed(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Notes a file that is named and cannot be used.
    pub fn report_file(&self, problem: Problem) {
        self.unusable.borrow_mut().push(problem);
    }

    /// Notes a problem, except on a line whose syntax is wrong already.
    pub fn report(&self, problem: Problem) {
        if !problem.origin.as_ref().is_some_and(|at| self.broken_lines.borrow().contains(&line_of(at))) {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// Returns the place of `span`.
    pub fn origin(&self, span: Range<usize>) -> Origin {
        let offset = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = &self.text.as_bytes()[self.line_starts[line - 1]..offset];
        // Characters are counted by their first bytes, so that an offset within one cannot panic.
        let column = 1 + before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        Origin::File(Place { file: self.file.clone(), line, column })
    }
}

fn line_of(origin: &Origin) -> usize {
    match origin {
        Origin::File(place) => place.line,
        _ => 0,
    }
}

/// Reports whether a syntax error spoils its own line only. After a bracket that is not closed the parser takes
/// the rest of the file for something else, and everything it says from there on would mislead.
fn stays_in_its_line(message: &str) -> bool {
    [
        "string values must be quoted",
        "duplicate key",
        "invalid basic string",
        "invalid literal string",
        "key with no value",
    ]
    .iter()
    .any(|known| message.starts_with(known))
}

/// What a scalar may be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// Either.
    TextOrNumber,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a whole number",
            Self::TextOrNumber => "a string or a whole number",
        }
    }
}

/// One table of a document whose keys are known.
pub struct Table<'d> {
    /// The document it stands in.
    pub document: &'d Document<'d>,
    /// Where it begins.
    pub origin: Origin,
    /// Whether it has keys that nobody knows.
    pub has_unknown_keys: bool,
    entries: &'d DeTable<'d>,
    problems_before: usize,
}

impl<'d> Table<'d> {
    /// Opens a table and notes every key that `section` does not have.
    pub fn open(
        document: &'d Document<'d>,
        entries: &'d DeTable<'d>,
        section: &Section,
        span: Range<usize>,
    ) -> Self {
        let problems_before = document.problems.borrow().len();
        for key in entries.keys().filter(|key| !section.keys.contains(&key.get_ref().as_ref())) {
            let message = format!("unknown key {} in {}", quote(key.get_ref()), section.name);
            let origin = document.origin(key.span());
            document.report(Problem::at(&origin, message).hint(section.suggest(key.get_ref())));
        }
        let has_unknown_keys = document.problems.borrow().len() > problems_before;
        Self { document, entries, origin: document.origin(span), problems_before, has_unknown_keys }
    }

    /// Reports whether something was found since this table was opened, or may be hidden by wrong syntax: then
    /// what seems to be missing may be there.
    pub fn is_flawed(&self) -> bool {
        let document = self.document;
        document.problems.borrow().len() > self.problems_before || !document.broken_lines.borrow().is_empty()
    }

    /// Reports whether a key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns the place of a key, or of the table where it is absent.
    pub fn origin_of(&self, key: &str) -> Origin {
        self.entries
            .get_key_value(key)
            .map_or_else(|| self.origin.clone(), |(key, _)| self.document.origin(key.span()))
    }

    /// Returns a scalar.
    pub fn value<T>(&self, key: &str, kind: Kind, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<At<T>> {
        self.scalar(key, self.entries.get(key)?, kind, &parse)
    }

    /// Returns a string.
    pub fn text<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<At<T>> {
        self.value(key, Kind::Text, parse)
    }

    /// Returns a boolean.
    pub fn switch(&self, key: &str) -> Option<At<bool>> {
        let value = self.entries.get(key)?;
        let DeValue::Boolean(on) = value.get_ref() else {
            self.wrong_type(key, value, "true or false", None);
            return None;
        };
        Some(At { value: *on, origin: self.document.origin(value.span()) })
    }

    /// Returns a list of strings; entries that are wrong are noted and left out.
    pub fn list<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<At<List<T>>> {
        let value = self.entries.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let hint = value.get_ref().is_str().then(|| "put it in brackets: [\"...\"]".to_owned());
            self.wrong_type(key, value, "a list of strings", hint);
            return None;
        };
        let items = items.iter().filter_map(|item| self.scalar(key, item, Kind::Text, &parse)).collect();
        Some(At { value: items, origin: self.document.origin(value.span()) })
    }

    /// Returns a table of free names; entries that are wrong are noted and left out.
    pub fn map<T>(
        &self,
        key: &str,
        parse_name: impl Fn(&str) -> Result<String, Wrong>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<Pairs<T>>> {
        let value = self.entries.get(key)?;
        let DeValue::Table(entries) = value.get_ref() else {
            self.wrong_type(
                key,
                value,
                "a table",
                Some(format!("write it as {key} = {{ name = \"value\" }}")),
            );
            return None;
        };
        let pairs = entries.iter().filter_map(|(name, value)| {
            let named = self.parsed(key, name.span(), name.get_ref(), &parse_name);
            let value = self.scalar(&format!("{key}.{}", name.get_ref()), value, Kind::Text, &parse);
            Some((named?.value, value?))
        });
        Some(At { value: pairs.collect(), origin: self.document.origin(value.span()) })
    }

    /// Opens a table within this one.
    pub fn table(&self, key: &str, section: &Section) -> Option<Table<'d>> {
        let value = self.entries.get(key)?;
        let DeValue::Table(entries) = value.get_ref() else {
            self.wrong_type(key, value, "a table", None);
            return None;
        };
        Some(Table::open(self.document, entries, section, value.span()))
    }

    /// Opens the tables of a `[[list]]`, each when it is asked for.
    pub fn tables(&self, key: &str, section: &Section) -> impl Iterator<Item = Table<'d>> {
        let hint = move || Some(format!("write its header as [[{key}]]"));
        let items = match self.entries.get(key).map(|value| (value, value.get_ref())) {
            Some((_, DeValue::Array(items))) => &items[..],
            Some((value, _)) => {
                self.wrong_type(key, value, "a list of tables", hint());
                &[]
            }
            None => &[],
        };
        items.iter().filter_map(move |item| match item.get_ref() {
            DeValue::Table(entries) => Some(Table::open(self.document, entries, section, item.span())),
            _ => {
                self.wrong_type(key, item, "a table", hint());
                None
            }
        })
    }

    fn scalar<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        kind: Kind,
        parse: &impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let text = match (value.get_ref(), kind) {
            (DeValue::String(text), Kind::Text | Kind::TextOrNumber) => text.to_string(),
            (DeValue::Integer(number), Kind::Number | Kind::TextOrNumber) => {
                // Hexadecimal and the like become decimal; what is no u64 stays as it is and fails to parse.
                u64::from_str_radix(number.as_str(), number.radix())
                    .map_or_else(|_| number.to_string(), |number| number.to_string())
            }
            (DeValue::Integer(number), Kind::Text) => {
                // Quotes may be all that is missing; a duration wants its unit as well.
                let hint = match parse(&number.to_string()) {
                    Ok(_) => Some("write it in quotes".to_owned()),
                    Err(wrong) => wrong.hint,
                };
                self.wrong_type(key, value, kind.words(), hint);
                return None;
            }
            _ => {
                self.wrong_type(key, value, kind.words(), None);
                return None;
            }
        };
        self.parsed(key, value.span(), &text, parse)
    }

    fn parsed<T>(
        &self,
        key: &str,
        span: Range<usize>,
        text: &str,
        parse: &impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let origin = self.document.origin(span);
        match parse(text) {
            Ok(value) => Some(At { value, origin }),
            Err(wrong) => {
                self.document.report(problem_of(key, &origin, wrong));
                None
            }
        }
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, hint: Option<String>) {
        let message = format!("{} must be {wanted}, not {}", quote(key), type_words(value.get_ref()));
        let problem = Problem::at(&self.document.origin(value.span()), message);
        self.document.report(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
}

/// Builds the problem of a value that did not parse.
pub fn problem_of(key: &str, origin: &Origin, wrong: Wrong) -> Problem {
    let problem = Problem::at(origin, format!("{}: {}", quote(key), wrong.message));
    match wrong.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
