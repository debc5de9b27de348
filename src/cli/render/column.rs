//! Columns, and the cells that they take from rows.

use crate::model::alert::Severity;
use crate::model::node::NodeUp;
use crate::model::status::Status;
use crate::model::time::{Timestamp, age, format_age, rfc3339};
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::cmp::Ordering;

/// One column of a list of `T`.
pub struct Column<T> {
    /// Its name: the header is its upper case, `--sort` and CSV use it as it is.
    pub name: &'static str,
    /// How its values are set and cut.
    pub kind: Kind,
    /// How early it is dropped where the terminal is too narrow; 0 is never.
    pub droppable: u8,
    /// Whether only `wide` and `csv` show it.
    pub wide: bool,
    /// Whether a table shows it only where a row has something in it.
    pub sparse: bool,
    /// Takes the cell from a row.
    pub cell: for<'a> fn(&'a T, Timestamp) -> Cell<'a>,
}

/// How a column's values are set and cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A short word; never cut.
    Word,
    /// A number, set to the right; never cut.
    Number,
    /// A name: cut in its middle, and only on a terminal.
    Name,
    /// A text of any length: cut at its end, also where there is no terminal.
    Text,
}

impl<T> Column<T> {
    /// A short word.
    pub const fn word(name: &'static str, cell: for<'a> fn(&'a T, Timestamp) -> Cell<'a>) -> Self {
        Self { name, kind: Kind::Word, droppable: 0, wide: false, sparse: false, cell }
    }

    /// A number.
    pub const fn number(name: &'static str, cell: for<'a> fn(&'a T, Timestamp) -> Cell<'a>) -> Self {
        Self { name, kind: Kind::Number, droppable: 0, wide: false, sparse: false, cell }
    }

    /// A name.
    pub const fn name(name: &'static str, cell: for<'a> fn(&'a T, Timestamp) -> Cell<'a>) -> Self {
        Self { name, kind: Kind::Name, droppable: 0, wide: false, sparse: false, cell }
    }

    /// A text.
    pub const fn text(name: &'static str, cell: for<'a> fn(&'a T, Timestamp) -> Cell<'a>) -> Self {
        Self { name, kind: Kind::Text, droppable: 0, wide: false, sparse: false, cell }
    }

    /// Lets a narrow terminal do without it; the largest rank goes first.
    pub const fn droppable(mut self, rank: u8) -> Self {
        self.droppable = rank;
        self
    }

    /// Leaves it out of a table where every row is empty there.
    pub const fn sparse(mut self) -> Self {
        self.sparse = true;
        self
    }

    /// Shows it in `wide` and `csv` only.
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

/// What a row holds in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell<'a> {
    /// For people; not safe yet.
    pub text: Cow<'a, str>,
    /// For CSV.
    pub raw: Cow<'a, str>,
    /// For sorting.
    pub key: Key<'a>,
    /// How it is painted.
    pub tone: Tone,
}

impl<'a> Cell<'a> {
    /// A text that is sorted as it reads.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        Self { raw: text.clone(), key: Key::Text(text.clone()), text, tone: Tone::Plain }
    }

    /// A word with a rank to sort by.
    pub fn ranked(text: impl Into<Cow<'a, str>>, rank: impl Into<f64>) -> Self {
        Self { key: Key::Number(rank.into()), ..Self::text(text) }
    }

    /// A number.
    pub fn number(number: impl Into<f64>) -> Self {
        let number = number.into();
        Self::ranked(number.to_string(), number)
    }

    /// A number of things of which none is the normal case: a zero is dim.
    pub fn count(count: u32, tone: Tone) -> Self {
        Self::number(count).tone(if count == 0 { Tone::Dim } else { tone })
    }

    /// A number that may be missing.
    pub fn optional(number: Option<f64>, text: impl FnOnce(f64) -> String) -> Self {
        match number {
            Some(number) => Self { raw: number.to_string().into(), ..Self::ranked(text(number), number) },
            None => Self { key: Key::Nothing, ..Self::text("") },
        }
    }

    /// A moment, shown as its age.
    pub fn age(then: Timestamp, now: Timestamp) -> Self {
        Self {
            text: format_age(age(then, now)).into(),
            raw: rfc3339(then).into(),
            key: Key::Time(then),
            tone: Tone::Plain,
        }
    }

    /// A moment that may be missing.
    pub fn maybe_age(then: Option<Timestamp>, now: Timestamp) -> Self {
        then.map_or_else(|| Self { key: Key::Nothing, ..Self::text("") }, |then| Self::age(then, now))
    }

    /// Paints it.
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// What cells are compared by.
#[derive(Debug, Clone, PartialEq)]
pub enum Key<'a> {
    /// In order of bytes.
    Text(Cow<'a, str>),
    /// In order of size.
    Number(f64),
    /// The earlier first.
    Time(Timestamp),
    /// Missing: behind everything.
    Nothing,
}

impl Key<'_> {
    /// Compares two keys of one column.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (a, b) => (*a == Key::Nothing).cmp(&(*b == Key::Nothing)),
        }
    }
}

/// How a cell is painted. Colour repeats what the word says; it never says anything alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As the terminal does.
    #[default]
    Plain,
    /// A header, a title.
    Strong,
    /// Less important.
    Dim,
    /// All well.
    Good,
    /// Critical.
    Bad,
    /// A warning.
    Warn,
    /// Not known.
    Unknown,
}

impl Tone {
    /// Returns the terminal's style: its own 16 colours, which its owner has made readable.
    pub fn style(self) -> Style {
        let style = Style::new();
        let color = |color: AnsiColor| style.fg_color(Some(color.into()));
        match self {
            Self::Plain => style,
            Self::Strong => style.bold(),
            Self::Dim => style.dimmed(),
            Self::Good => color(AnsiColor::Green),
            Self::Bad => color(AnsiColor::Red).bold(),
            Self::Warn => color(AnsiColor::Yellow),
            Self::Unknown => color(AnsiColor::Magenta),
        }
    }
}

impl From<Status> for Tone {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Good,
            Status::Warn => Self::Warn,
            Status::Crit => Self::Bad,
            Status::Unknown => Self::Unknown,
        }
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Bad,
            Severity::Warning => Self::Warn,
            Severity::Unknown => Self::Unknown,
            Severity::Info => Self::Plain,
        }
    }
}

impl From<NodeUp> for Tone {
    fn from(up: NodeUp) -> Self {
        match up {
            NodeUp::Down => Self::Bad,
            NodeUp::Split => Self::Warn,
            NodeUp::Unknown => Self::Unknown,
            NodeUp::Up => Self::Plain,
        }
    }
}
