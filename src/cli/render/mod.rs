//! One typed model of a list, printed in every form: table, wide, csv, name, json, jsonl, yaml.
//!
//! A [`Column`] knows how to take its [`Cell`] from a row; sorting, limiting and all forms work on
//! that. The structured forms print the rows themselves, raw; the forms for people print text that
//! has passed `model::text`.

mod column;
mod page;
mod structured;
mod table;
#[cfg(test)]
mod tests;

pub use column::{Cell, Column, Key, Tone};
pub use page::Page;
pub use structured::{Document, write_json, write_yaml};

use super::args::{Format, ListArgs};
use super::error::AppError;
use super::streams::View;
use crate::fleet::Coverage;
use crate::model::nearest::nearest;
use crate::model::text;
use crate::model::time::Timestamp;
use serde::Serialize;
use std::cmp::Ordering;
use std::io::{self, Write};
use std::mem::ManuallyDrop;

/// What kind of rows a command lists.
pub struct Shape<T: 'static> {
    /// Its columns, in order.
    pub columns: &'static [Column<T>],
    /// What identifies a row, for `-o name`.
    pub name: fn(&T) -> String,
}

/// Rows on their way to the reader, with who stands behind them.
pub struct Listing<'a, T: 'static> {
    /// How the rows look.
    pub shape: &'a Shape<T>,
    /// The rows.
    pub rows: Vec<T>,
    /// Who answered.
    pub coverage: &'a Coverage,
    /// What the reader must know.
    pub notes: &'a [String],
    /// The moment to which ages relate.
    pub now: Timestamp,
}

impl<T: Serialize> Listing<'_, T> {
    /// Sorts and limits as asked, and prints in the form asked for.
    pub fn print(mut self, args: &ListArgs, view: View, out: &mut dyn Write) -> Result<(), AppError> {
        self.sort(&args.sort)?;
        self.rows.truncate(args.limit.unwrap_or(usize::MAX));
        // A long list is the last thing that a command does: to take its thousands of rows apart before the program
        // ends would take an eighth of all its time.
        let this = ManuallyDrop::new(self);
        match args.output {
            Format::Table | Format::Wide => {
                let wide = args.output == Format::Wide;
                table::write(&this, wide, !args.no_headers, view, out)?;
            }
            Format::Json => write_json(&this.document(), out)?,
            Format::Yaml => write_yaml(&this.document(), out)?,
            Format::Jsonl => {
                for row in &this.rows {
                    structured::write_line(row, out)?;
                }
            }
            Format::Csv => this.write_csv(!args.no_headers, view.is_terminal(), out)?,
            Format::Name => {
                for row in &this.rows {
                    writeln!(out, "{}", crate::model::text::line(&(this.shape.name)(row)))?;
                }
            }
        }
        Ok(out.flush()?)
    }

    fn document(&self) -> Document<'_, &[T]> {
        Document::new(self.rows.as_slice(), self.coverage, self.notes)
    }

    /// Sorts by the named columns; rows that are equal there keep their order.
    fn sort(&mut self, by: &[String]) -> Result<(), AppError> {
        if by.is_empty() {
            return Ok(());
        }
        let keys = by.iter().map(|name| self.sort_key(name)).collect::<Result<Vec<_>, _>>()?;
        let now = self.now;
        self.rows.sort_by(|a, b| {
            keys.iter().fold(Ordering::Equal, |order, (column, descending)| {
                order.then_with(|| {
                    let order = (column.cell)(a, now).key.compare(&(column.cell)(b, now).key);
                    if *descending { order.reverse() } else { order }
                })
            })
        });
        Ok(())
    }

    fn sort_key(&self, text: &str) -> Result<(&'static Column<T>, bool), AppError> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let found = self.shape.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        found.map(|column| (column, descending)).ok_or_else(|| self.unknown_column(name))
    }

    fn unknown_column(&self, name: &str) -> AppError {
        let known: Vec<&str> = self.shape.columns.iter().map(|column| column.name).collect();
        let mut error = AppError::usage(format!("--sort: there is no column `{name}`"));
        if let Some(near) = nearest(name, &known) {
            error = error.hint(format!("did you mean `{near}`?"));
        }
        error.hint(format!("columns are {}", known.join(", ")))
    }

    /// Writes raw text for programs; for a person at a terminal it is made safe like everything else.
    fn write_csv(&self, headers: bool, safe: bool, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        if headers {
            writer.write_record(self.shape.columns.iter().map(|column| column.name)).map_err(io_error)?;
        }
        for row in &self.rows {
            let cells = self.shape.columns.iter().map(|column| (column.cell)(row, self.now).raw);
            let shown = |raw: &str| if safe { text::line(raw).into_owned() } else { raw.to_owned() };
            writer.write_record(cells.map(|raw| shown(&raw))).map_err(io_error)?;
        }
        writer.flush()
    }
}

/// Keeps what kind of failure it was: a closed pipe is none.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
