//! Where a command writes to, and what the reader's side can show.

use crate::config::Color;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write};

/// Where results and remarks go. Commands write here and nowhere else.
pub struct Streams<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything about the results: coverage, notes, errors, questions.
    pub err: &'a mut dyn Write,
    /// What the reader of `out` can show.
    pub view: View,
}

/// What the reader's side can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    /// Columns of the terminal that `out` is; `None` if it is none.
    pub width: Option<usize>,
    /// Whether `out` gets colours.
    pub color: bool,
}

/// What stands in the environment about colours.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColorWishes<'a> {
    /// `$NO_COLOR`: any text but the empty one means none.
    pub no_color: Option<&'a OsStr>,
    /// `$TERM`: `dumb` has none.
    pub term: Option<&'a OsStr>,
}

impl View {
    /// Looks at standard output.
    pub fn of_stdout(choice: Color, wishes: ColorWishes<'_>) -> Self {
        let width = io::stdout().is_terminal().then(|| {
            // A terminal that does not tell its size is taken as the smallest one that people use.
            crossterm::terminal::window_size()
                .ok()
                .map(|size| usize::from(size.columns))
                .filter(|w| *w > 0)
                .unwrap_or(80)
        });
        Self { width, color: wants_color(choice, width.is_some(), wishes) }
    }

    /// Reports whether `out` is a terminal.
    pub fn is_terminal(self) -> bool {
        self.width.is_some()
    }
}

fn wants_color(choice: Color, terminal: bool, wishes: ColorWishes<'_>) -> bool {
    match choice {
        Color::Never => false,
        Color::Always => true,
        // A number of colours says how, not whether: that stays with the environment.
        Color::Auto | Color::Ansi16 | Color::Ansi256 | Color::Truecolor => {
            terminal && wishes.no_color.is_none() && wishes.term != Some(OsStr::new("dumb"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_wanted() {
        let none = ColorWishes::default();
        let no_color = ColorWishes { no_color: Some(OsStr::new("1")), ..none };
        let dumb = ColorWishes { term: Some(OsStr::new("dumb")), ..none };
        assert!(wants_color(Color::Auto, true, none));
        assert!(!wants_color(Color::Auto, false, none));
        assert!(!wants_color(Color::Auto, true, no_color));
        assert!(!wants_color(Color::Ansi256, true, dumb));
        assert!(wants_color(Color::Always, false, no_color));
        assert!(!wants_color(Color::Never, true, none));
    }
}
