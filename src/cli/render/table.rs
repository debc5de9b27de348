//! Tables for people: columns that fit the terminal, in text that cannot harm it.

use super::Listing;
use super::column::{Column, Kind, Tone};
use crate::cli::streams::View;
use crate::model::text;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// Columns between columns.
const GAP: usize = 2;
/// A text without a terminal: long enough to be found with grep, short enough to be read in a pager.
const TEXT_MAX: usize = 120;
/// The narrowest that a name and a text can be and still mean something; a column that can be dropped goes before
/// names become narrower.
const NAME_MIN: usize = 18;
const TEXT_MIN: usize = 16;

/// Writes the table of `listing`.
pub fn write<T: Serialize>(
    listing: &Listing<'_, T>,
    wide: bool,
    headers: bool,
    view: View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns: Vec<&Column<T>> =
        listing.shape.columns.iter().filter(|column| wide || !column.wide).collect();
    // Cells are worked out twice, for their widths and to be written: kept, they would take more memory than the rows.
    let rows = || listing.rows.iter().map(|row| pieces(listing, &columns, row));
    // In `wide` the reader has asked for everything, whatever it does to the terminal.
    let width = view.width.filter(|_| !wide);
    let limits = fit(&columns, &widest(&columns, rows()), headers, width);
    let room = width.unwrap_or(usize::MAX);
    if headers && !listing.rows.is_empty() {
        let titles: Vec<Piece<'_>> = columns
            .iter()
            .map(|column| Piece {
                text: column.name.to_uppercase().replace('_', " ").into(),
                width: column.name.len(),
                tone: Tone::Strong,
            })
            .collect();
        write_row(&columns, &titles, &limits, room, view.color, out)?;
    }
    rows().try_for_each(|row| write_row(&columns, &row, &limits, room, view.color, out))
}

/// Returns `text` in the style of `tone`, or as it is.
pub fn paint(text: &str, tone: Tone, color: bool) -> Cow<'_, str> {
    if !color || tone == Tone::Plain || text.is_empty() {
        return Cow::Borrowed(text);
    }
    let style = tone.style();
    Cow::Owned(format!("{style}{text}{style:#}"))
}

/// A cell made safe, with its width.
struct Piece<'a> {
    text: Cow<'a, str>,
    width: usize,
    tone: Tone,
}

fn pieces<'a, T>(listing: &'a Listing<'_, T>, columns: &[&Column<T>], row: &'a T) -> Vec<Piece<'a>> {
    let piece = |column: &&Column<T>| {
        let cell = (column.cell)(row, listing.now);
        let text = match cell.text {
            Cow::Borrowed(raw) => text::line(raw),
            Cow::Owned(raw) => Cow::Owned(match text::line(&raw) {
                Cow::Borrowed(_) => raw,
                Cow::Owned(safe) => safe,
            }),
        };
        Piece { width: text::width(&text), text, tone: cell.tone }
    };
    columns.iter().map(piece).collect()
}

/// Returns the width of each column's widest cell.
fn widest<'a, T>(columns: &[&Column<T>], rows: impl Iterator<Item = Vec<Piece<'a>>>) -> Vec<usize> {
    let mut widest = vec![0; columns.len()];
    for row in rows {
        for (widest, piece) in widest.iter_mut().zip(row) {
            *widest = piece.width.max(*widest);
        }
    }
    widest
}

/// Decides how wide each column may be; `None` is a column that is dropped.
fn fit<T>(
    columns: &[&Column<T>],
    widest: &[usize],
    headers: bool,
    width: Option<usize>,
) -> Vec<Option<usize>> {
    let natural: Vec<usize> = columns
        .iter()
        .zip(widest)
        .map(|(column, &widest)| {
            let widest = if headers { widest.max(column.name.len()) } else { widest };
            if column.kind == Kind::Text { widest.min(TEXT_MAX) } else { widest }
        })
        .collect();
    let is_shown = |i: &usize| !columns[*i].sparse || widest[*i] > 0;
    let Some(width) = width else {
        return natural.iter().enumerate().map(|(i, width)| is_shown(&i).then_some(*width)).collect();
    };
    let least: Vec<usize> = columns
        .iter()
        .zip(&natural)
        .map(|(column, natural)| match column.kind {
            Kind::Word | Kind::Number => *natural,
            Kind::Name => NAME_MIN.min(*natural),
            Kind::Text => TEXT_MIN.min(*natural),
        })
        .collect();
    let mut kept: Vec<usize> = (0..columns.len()).filter(is_shown).collect();
    while total(&kept, &least) > width {
        let candidates = kept.iter().filter(|i| columns[**i].droppable > 0);
        let Some(last) = candidates.max_by_key(|i| columns[**i].droppable).copied() else { break };
        kept.retain(|i| *i != last);
    }
    spread(columns, &natural, &least, &kept, width)
}

fn total(kept: &[usize], widths: &[usize]) -> usize {
    kept.iter().map(|i| widths[*i]).sum::<usize>() + GAP * kept.len().saturating_sub(1)
}

/// Gives the kept columns what is left over: names first, texts after them.
fn spread<T>(
    columns: &[&Column<T>],
    natural: &[usize],
    least: &[usize],
    kept: &[usize],
    width: usize,
) -> Vec<Option<usize>> {
    let mut limits: Vec<Option<usize>> = vec![None; columns.len()];
    let mut spare = width.saturating_sub(total(kept, least));
    for i in kept {
        limits[*i] = Some(least[*i]);
    }
    for kind in [Kind::Name, Kind::Text] {
        let mut open: Vec<usize> = kept.iter().copied().filter(|i| columns[*i].kind == kind).collect();
        // The one that needs least first, so that an even share is never wasted.
        open.sort_by_key(|i| natural[*i]);
        for (done, i) in open.iter().enumerate() {
            let share = spare / (open.len() - done);
            let more = (natural[*i] - least[*i]).min(share);
            limits[*i] = Some(least[*i] + more);
            spare -= more;
        }
    }
    limits
}

fn write_row<T>(
    columns: &[&Column<T>],
    row: &[Piece<'_>],
    limits: &[Option<usize>],
    mut room: usize,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let last = limits.iter().rposition(Option::is_some).unwrap_or(0);
    let mut line = String::new();
    for (i, (column, piece)) in columns.iter().zip(row).enumerate() {
        let Some(limit) = limits[i] else { continue };
        // Only where not even the columns that are never dropped fit, the row's end is cut.
        let limit = limit.min(room);
        if limit == 0 {
            break;
        }
        let text = cut(&piece.text, column.kind, limit);
        let missing = limit - text::width(&text);
        let (before, after) = if column.kind == Kind::Number { (missing, 0) } else { (0, missing) };
        line.extend(std::iter::repeat_n(' ', before));
        line.push_str(&paint(&text, piece.tone, color));
        if i != last {
            line.extend(std::iter::repeat_n(' ', after + GAP));
        }
        room = room.saturating_sub(limit + GAP);
    }
    writeln!(out, "{}", line.trim_end_matches(' '))
}

fn cut(text: &str, kind: Kind, limit: usize) -> Cow<'_, str> {
    if kind == Kind::Name { text::truncate_middle(text, limit) } else { text::truncate_end(text, limit) }
}
