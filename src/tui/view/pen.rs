//! Writing lines of differently styled parts into a rectangle, cut at its edge.

use crate::model::text;
use crate::tui::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A part of a line with its meaning.
pub type Part = (Role, String);

/// Returns a part.
pub fn part(role: Role, text: impl Into<String>) -> Part {
    (role, text.into())
}

/// Returns a part of exactly `columns` columns and a space.
pub fn cell(role: Role, text: &str, columns: usize) -> Part {
    (role, text::pad(text, columns) + " ")
}

/// Returns a part of exactly `columns` columns, right-aligned, and a space.
pub fn number(role: Role, text: &str, columns: usize) -> Part {
    (role, text::pad_left(text, columns) + " ")
}

/// Returns a part of exactly `columns` columns, cut in the middle, and a space.
pub fn name(role: Role, text: &str, columns: usize) -> Part {
    (role, text::pad(&text::truncate_middle(text, columns), columns) + " ")
}

/// Draws into one rectangle. Rows outside of it are ignored.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// Draws into the part of `area` that is on the screen.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, theme, area }
    }

    /// Draws into the rows from `top` on, `rows` of them.
    pub fn below(&mut self, top: usize, rows: usize) -> Pen<'_> {
        let top = u16::try_from(top).unwrap_or(u16::MAX).min(self.area.height);
        let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(self.area.height - top);
        let area = Rect { y: self.area.y + top, height: rows, ..self.area };
        Pen { buffer: self.buffer, theme: self.theme, area }
    }

    /// Splits off `columns` columns at the right, behind a line from top to bottom.
    pub fn split_right(&mut self, columns: usize) -> (Pen<'_>, Rect) {
        let wide = u16::try_from(columns).unwrap_or(u16::MAX).min(self.area.width);
        let left = Rect { width: self.area.width - wide, ..self.area };
        let right = Rect { x: left.right(), width: wide, ..self.area };
        let style = self.theme.style(Role::Border);
        for y in right.top()..right.bottom() {
            self.buffer.set_stringn(right.x, y, "| ", usize::from(wide), style);
        }
        let inner = Rect { x: right.x + wide.min(2), width: wide.saturating_sub(2), ..right };
        (Pen { buffer: self.buffer, theme: self.theme, area: left }, inner)
    }

    /// Draws into a part of the buffer.
    pub fn within(&mut self, area: Rect) -> Pen<'_> {
        Pen::new(self.buffer, self.theme, area)
    }

    /// Returns how many columns there are.
    pub fn columns(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        usize::from(self.area.height)
    }

    /// Writes a line.
    pub fn line(&mut self, row: usize, parts: &[Part]) {
        let Some(y) = self.y(row) else { return };
        let (mut x, end) = (self.area.x, self.area.right());
        for (role, text) in parts {
            if x >= end {
                break;
            }
            let style = self.theme.style(*role);
            x = self.buffer.set_stringn(x, y, text, usize::from(end - x), style).0;
        }
    }

    /// Writes a line of which nothing is styled apart.
    pub fn text(&mut self, row: usize, role: Role, text: impl Into<String>) {
        self.line(row, &[part(role, text)]);
    }

    /// Writes two lines into one: the right one whole as long as it fits, the left one cut before it.
    pub fn ends(&mut self, row: usize, left: &[Part], right: &[Part]) {
        let columns = self.columns();
        let wide: usize = right.iter().map(|(_, text)| text::width(text)).sum();
        self.line(row, left);
        let Some(start) = columns.checked_sub(wide) else {
            return self.line(row, right);
        };
        let Some(y) = self.y(row) else { return };
        let start = u16::try_from(start).unwrap_or(u16::MAX).min(self.area.width);
        if start > 0 && wide > 0 {
            self.buffer.set_string(self.area.x + start - 1, y, " ", self.theme.style(Role::Text));
        }
        let area = Rect { x: self.area.x + start, width: self.area.width - start, ..self.area };
        Pen { buffer: self.buffer, theme: self.theme, area }.line(row, right);
    }

    /// Draws a rule across a row.
    pub fn rule(&mut self, row: usize) {
        self.text(row, Role::Border, "-".repeat(self.columns()));
    }

    /// Draws a rule with a title in it.
    pub fn titled_rule(&mut self, row: usize, title: &str) {
        let text = text::truncate_middle(title, self.columns().saturating_sub(6));
        let rest = self.columns().saturating_sub(text::width(&text) + 6);
        self.line(
            row,
            &[
                part(Role::Border, "--[ "),
                part(Role::Title, text.into_owned()),
                part(Role::Border, format!(" ]{}", "-".repeat(rest))),
            ],
        );
    }

    /// Gives a whole row the look of `role`, over what stands there.
    pub fn highlight(&mut self, row: usize, role: Role) {
        if let Some(y) = self.y(row) {
            let area = Rect { y, height: 1, ..self.area };
            self.buffer.set_style(area, self.theme.style(role));
        }
    }

    /// Empties the whole rectangle.
    pub fn clear(&mut self) {
        for row in 0..self.rows() {
            self.text(row, Role::Text, " ".repeat(self.columns()));
            if let Some(y) = self.y(row) {
                for x in self.area.left()..self.area.right() {
                    self.buffer[(x, y)].reset();
                }
            }
        }
    }

    fn y(&self, row: usize) -> Option<u16> {
        let row = u16::try_from(row).ok().filter(|row| *row < self.area.height)?;
        Some(self.area.y + row)
    }
}
