//! Pages for people: one thing told in titled parts. All text passes `model::text` here.

use super::column::Tone;
use super::table::paint;
use crate::cli::streams::View;
use crate::model::text;
use std::io::{self, Write};

/// How far values are indented: the longest name of a fact and a gap.
const INDENT: usize = 13;

/// Writes a page part by part.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    view: View,
}

impl<'a> Page<'a> {
    /// Begins a page.
    pub fn new(out: &'a mut dyn Write, view: View) -> Self {
        Self { out, view }
    }

    /// Writes the first line: a word that says how bad it is, and what it is about.
    pub fn title(&mut self, word: &str, tone: Tone, rest: &str) -> io::Result<()> {
        let (word, rest) = (text::line(word), text::line(rest));
        let (word, rest) = (paint(&word, tone, self.view.color), paint(&rest, Tone::Strong, self.view.color));
        writeln!(self.out, "{word}  {rest}")
    }

    /// Writes `name  value`; nothing where the value is empty.
    pub fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.lines(name, [value].into_iter().filter(|value| !value.is_empty()))
    }

    /// Writes `name  value` with a word of our own in its tone.
    pub fn toned(&mut self, name: &str, word: &str, tone: Tone) -> io::Result<()> {
        let name = text::pad(name, INDENT);
        let (name, word) = (paint(&name, Tone::Dim, self.view.color), paint(word, tone, self.view.color));
        writeln!(self.out, "{name}{word}")
    }

    /// Writes an empty line.
    pub fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Writes one name and several values below each other; nothing where there are none.
    pub fn lines<'v>(&mut self, name: &str, values: impl IntoIterator<Item = &'v str>) -> io::Result<()> {
        for (i, value) in values.into_iter().enumerate() {
            let name = text::pad(if i == 0 { name } else { "" }, INDENT);
            let name = paint(&name, Tone::Dim, self.view.color);
            writeln!(self.out, "{name}{}", text::line(value))?;
        }
        Ok(())
    }

    /// Begins a part.
    pub fn part(&mut self, title: &str) -> io::Result<()> {
        let title = text::line(title);
        writeln!(self.out, "\n{}", paint(&title, Tone::Strong, self.view.color))
    }

    /// Writes text of several lines, indented so that it cannot be taken for a part of the page.
    pub fn block(&mut self, raw: &str) -> io::Result<()> {
        text::block(raw).trim_end_matches('\n').lines().try_for_each(|line| {
            if line.is_empty() { writeln!(self.out) } else { writeln!(self.out, "  {line}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_place() {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, View::default());
        page.title("CRIT", Tone::Bad, "Disk\u{1b}[2J full").expect("memory");
        page.fact("node", "a\nb").expect("memory");
        page.fact("empty", "").expect("memory");
        page.lines("labels", ["x=\"1\"", "y=\"2\""]).expect("memory");
        page.part("output").expect("memory");
        page.block("one\r\n\u{1b}[31mtwo\u{1b}[0m\n\nlabels  forged\n").expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"), @r#"
        CRIT  Disk full
        node         a b
        labels       x="1"
                     y="2"

        output
          one
          two

          labels  forged
        "#);
    }
}
