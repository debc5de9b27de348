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

/// What stands at the end of a line that was cut.
const CUT: &str = "..";

/// Reports whether a line has more than blanks beyond `columns`; in fewer than four a mark would say nothing.
fn is_longer(parts: &[Part], columns: usize) -> bool {
    let mut used = 0;
    columns > 3
        && parts.iter().any(|(_, text)| {
            let said = used + text::width(text.trim_end());
            used += text::width(text);
            !text.trim_end().is_empty() && said > columns
        })
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

    /// Writes a line. One that is too long ends in `..`: nobody must take a part for the whole.
    pub fn line(&mut self, row: usize, parts: &[Part]) {
        let Some(y) = self.y(row) else { return };
        let (mut x, end) = (self.area.x, self.area.right());
        let cut = if is_longer(parts, self.columns()) { CUT } else { "" };
        let mut room = self.columns().saturating_sub(cut.len());
        for (role, text) in parts {
            let style = self.theme.style(*role);
            let wide = text::width(text);
            x = self.buffer.set_stringn(x, y, text, room, style).0;
            if wide > room {
                self.buffer.set_stringn(x, y, cut, usize::from(end - x), style);
                break;
            }
            room -= wide;
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
        let Some(start) = columns.checked_sub(wide) else {
            return self.line(row, right);
        };
        let start = u16::try_from(start).unwrap_or(u16::MAX).min(self.area.width);
        // A blank stays between the two.
        let room = if wide > 0 { start.saturating_sub(1) } else { start };
        Pen { buffer: self.buffer, theme: self.theme, area: Rect { width: room, ..self.area } }
            .line(row, left);
        let area = Rect { x: self.area.x + start, width: self.area.width - start, ..self.area };
        Pen { buffer: self.buffer, theme: self.theme, area }.line(row, right);
    }

    /// Draws a rule across a row.
    pub fn rule(&mut self, row: usize) {
        self.text(row, Role::Border, "-".repeat(self.columns()));
    }

    /// Returns how many columns the title of a rule may take.
    pub fn titled_rule_room(&self) -> usize {
        self.columns().saturating_sub(6)
    }

    /// Draws a rule with a title in it.
    pub fn titled_rule(&mut self, row: usize, title: &str) {
        let text = text::truncate_middle(title, self.titled_rule_room());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(parts: &[Part], columns: u16) -> String {
        let area = Rect::new(0, 0, columns, 1);
        let mut buffer = Buffer::empty(area);
        Pen::new(&mut buffer, &Theme::mono(), area).line(0, parts);
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn a_line_that_is_cut_says_so_and_no_other_does() {
        let parts = [part(Role::Text, "alert "), part(Role::Title, "on east"), part(Role::Text, "   ")];
        assert_eq!(drawn(&parts, 13), "alert on east");
        assert_eq!(drawn(&parts, 12), "alert on e..");
        assert_eq!(drawn(&parts, 7), "alert..");
        assert_eq!(drawn(&parts, 3), "ale", "too narrow for a mark");
        assert_eq!(drawn(&[part(Role::Text, "日本日本")], 7), "日 本 .. ");
    }
}
