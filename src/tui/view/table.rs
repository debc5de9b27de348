//! Columns of a list: which of them fit, how wide each is, and their cells.

use super::pen::{Part, cell, name, number, part};
use crate::tui::theme::Role;

/// How a value that is too long for its column is cut, and on which side it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Text: at its end.
    End,
    /// Names: in the middle, because they differ at their ends.
    Middle,
    /// Numbers: they stand on the right.
    Left,
}

/// A column as a list wishes it.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    head: &'static str,
    /// Narrower than this it says nothing.
    least: usize,
    /// Wider than this is of no use; the rest of a line goes to the column with the largest.
    most: usize,
    /// What is dropped first where room is short has the highest rank; rank 0 is never dropped.
    rank: u8,
    cut: Cut,
}

/// A column that takes what the others leave counts as at ease with so much of it.
const ENOUGH: usize = 40;
/// No column gets more than this before all have as much.
const COMFORT: usize = 28;
/// Columns from this rank on are a luxury: they come only after every other one is at ease.
pub const LUXURY: u8 = 10;
/// The two columns of cursor and mark and a space.
pub const MARKS: usize = 3;

impl Column {
    /// Builds a column of one width.
    pub fn fixed(head: &'static str, columns: usize, rank: u8, cut: Cut) -> Self {
        Self { head, least: columns, most: columns, rank, cut }
    }

    /// Builds a column that may grow from `least` to `most` columns.
    pub fn between(head: &'static str, least: usize, most: usize, rank: u8, cut: Cut) -> Self {
        Self { head, least: least.min(most), most, rank, cut }
    }

    /// Builds the column that takes what is left, at the end of the line.
    pub fn rest(head: &'static str, least: usize, rank: u8) -> Self {
        Self { head, least, most: usize::MAX, rank, cut: Cut::End }
    }

    fn ease(&self) -> usize {
        self.most.min(ENOUGH.max(self.least))
    }
}

/// Columns laid out for a width.
#[derive(Debug, Clone)]
pub struct Table {
    /// Each column with its width; 0 for one that is dropped.
    columns: Vec<(Column, usize)>,
}

impl Table {
    /// Chooses the columns that fit beside the marks and gives each its width.
    pub fn fit(wished: Vec<Column>, columns: usize) -> Self {
        let room = columns.saturating_sub(MARKS);
        let mut table = Self { columns: wished.into_iter().map(|column| (column, 0)).collect() };
        let mut order: Vec<usize> = (0..table.columns.len()).collect();
        order.sort_by_key(|i| table.columns[*i].0.rank);
        let mut used = 0;
        for i in &order {
            let column = table.columns[*i].0;
            // A luxury must leave the columns before it at ease.
            let others: usize = if column.rank >= LUXURY { table.unease() } else { 0 };
            let fits = used + others + column.least < room + 1;
            if column.least > 0 && (column.rank == 0 || fits) {
                table.columns[*i].1 = column.least;
                used += column.least + 1;
            }
        }
        // First everybody gets something, then the first everything.
        for most in [COMFORT, usize::MAX] {
            for i in &order {
                let (column, wide) = &mut table.columns[*i];
                let more = room
                    .saturating_sub(used.saturating_sub(1))
                    .min(column.most.min(most).saturating_sub(*wide));
                if *wide > 0 {
                    *wide += more;
                    used += more;
                }
            }
        }
        table
    }

    /// How many columns are missing until every column that is there is at ease.
    fn unease(&self) -> usize {
        self.columns
            .iter()
            .filter(|(_, wide)| *wide > 0)
            .map(|(column, wide)| column.ease().saturating_sub(*wide))
            .sum()
    }

    /// Returns the line of headings.
    pub fn head(&self) -> Vec<Part> {
        let mut parts = vec![part(Role::Title, " ".repeat(MARKS))];
        parts.extend(self.shown().map(|(_, column, wide)| cut(column, Role::Title, column.head, wide)));
        parts
    }

    /// Returns a line: cursor and marks, then the cell of each column that is shown.
    pub fn row<'a>(
        &self,
        marks: String,
        value: impl Fn(usize) -> (Role, std::borrow::Cow<'a, str>),
    ) -> Vec<Part> {
        let mut parts = vec![part(Role::Text, marks)];
        parts.extend(self.shown().map(|(i, column, wide)| {
            let (role, text) = value(i);
            cut(column, role, &text, wide)
        }));
        parts
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Column, usize)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, (_, wide))| *wide > 0)
            .map(|(i, (column, wide))| (i, column, *wide))
    }
}

fn cut(column: &Column, role: Role, text: &str, wide: usize) -> Part {
    match column.cut {
        Cut::End => cell(role, text, wide),
        Cut::Middle => name(role, text, wide),
        Cut::Left => number(role, text, wide),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn widths(columns: usize) -> Vec<usize> {
        let wished = vec![
            Column::fixed("SEV", 4, 0, Cut::End),
            Column::between("NAME", 10, 30, 0, Cut::Middle),
            Column::fixed("STATE", 8, 2, Cut::End),
            Column::rest("SUMMARY", 14, 3),
            Column::fixed("RACK", 5, LUXURY, Cut::End),
        ];
        let table = Table::fit(wished, columns);
        table.columns.into_iter().map(|(_, wide)| wide).collect()
    }

    #[test]
    fn what_matters_least_goes_first_and_the_rest_goes_to_the_last() {
        assert_eq!(widths(100), [4, 30, 8, 46, 5]);
        assert_eq!(widths(80), [4, 30, 8, 32, 0], "a luxury leaves the others at ease or stays away");
        assert_eq!(widths(50), [4, 18, 8, 14, 0]);
        assert_eq!(widths(40), [4, 23, 8, 0, 0]);
        assert_eq!(widths(10), [4, 10, 0, 0, 0], "the name is never dropped");
    }

    proptest! {
        #[test]
        fn a_line_is_never_longer_than_the_screen(columns in 20usize..300) {
            let used: usize = widths(columns).iter().filter(|wide| **wide > 0).map(|wide| wide + 1).sum();
            prop_assert!(used <= columns.saturating_sub(MARKS) + 1);
        }
    }
}
