//! Making foreign text safe and narrow enough for a terminal.
//!
//! Text stays raw in the model; these functions stand at the display border alone, once per value. What they
//! return holds no control character, no escape sequence and nothing that reorders or hides its neighbours.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

mod escape;
#[cfg(test)]
mod tests;

/// What stands for a part that was cut off. ASCII, so that every font and locale has it.
const ELLIPSIS: &str = "..";
/// Columns between tab stops.
const TAB: usize = 8;
/// ZERO WIDTH JOINER, which makes one emoji of several.
const JOINER: char = '\u{200d}';
/// How far before a joiner is looked, in bytes: an emoji with its modifiers and selectors takes some 15.
const JOIN_REACH: usize = 64;

/// Returns `text` as one safe line: line breaks and tabs become a space.
pub fn line(text: &str) -> Cow<'_, str> {
    clean(text, Layout::Line)
}

/// Returns `text` as safe lines separated by `\n`: tabs are expanded to multiples of 8 columns, and a lone
/// carriage return starts a new line, so that nothing is overwritten.
pub fn block(text: &str) -> Cow<'_, str> {
    clean(text, Layout::Block)
}

/// Returns `text` without escape sequences and control characters, for mails and chats: its lines and tabs stay, and what only
/// a terminal must not see.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = escape::skip(c, after).unwrap_or(after);
        if !c.is_control() || matches!(c, '\n' | '\t') {
            plain.push(c);
        }
    }
    plain
}

/// Returns how many columns `text` takes on a terminal, grapheme by grapheme as ratatui draws it.
pub fn width(text: &str) -> usize {
    if is_plain(text) { text.len() } else { text.graphemes(true).map(UnicodeWidthStr::width).sum() }
}

/// Splits `text` where a line of `columns` columns ends; at least one character goes first, so that
/// breaking a line always gets on.
pub fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let fits = head(text, columns).len();
    let first = text.graphemes(true).next().map_or(0, str::len);
    text.split_at(fits.max(first))
}

/// Cuts the end of `text` so that it takes at most `columns`; `..` shows the cut.
pub fn truncate_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(ELLIPSIS.len()) else {
        return Cow::Borrowed(&ELLIPSIS[..columns]);
    };
    Cow::Owned(format!("{}{ELLIPSIS}", head(text, room)))
}

/// Cuts the middle of `text` so that it takes at most `columns`: names differ at their ends.
pub fn truncate_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(ELLIPSIS.len()) else {
        return Cow::Borrowed(&ELLIPSIS[..columns]);
    };
    let head = head(text, room.div_ceil(2));
    let tail = tail(text, room - width(head));
    Cow::Owned(format!("{head}{ELLIPSIS}{tail}"))
}

/// Returns `text` in exactly `columns` columns: cut at the end, or filled with spaces on the right.
pub fn pad(text: &str, columns: usize) -> String {
    let mut cell = truncate_end(text, columns).into_owned();
    let missing = columns.saturating_sub(width(&cell));
    cell.extend(std::iter::repeat_n(' ', missing));
    cell
}

/// Returns `text` in exactly `columns` columns with spaces on the left, as numbers are set.
pub fn pad_left(text: &str, columns: usize) -> String {
    let cell = truncate_end(text, columns);
    let missing = columns.saturating_sub(width(&cell));
    let mut padded = " ".repeat(missing);
    padded.push_str(&cell);
    padded
}

/// Returns two lines: `source` made safe, and carets under the bytes `at` of it (at least one caret).
pub fn point(source: &str, at: Range<usize>) -> String {
    let start = source.floor_char_boundary(at.start.min(source.len()));
    let end = source.ceil_char_boundary(at.end.clamp(start, source.len()));
    let (before, marked) = (line(&source[..start]), line(&source[start..end]));
    let mut text = format!("{before}{marked}{}\n", line(&source[end..]));
    let carets = width(&marked).max(1);
    let _ = write!(text, "{:indent$}{:^<carets$}", "", "", indent = width(&before));
    text
}

/// The longest beginning that takes at most `columns`.
fn head(text: &str, columns: usize) -> &str {
    if is_plain(text) {
        return &text[..columns.min(text.len())];
    }
    let mut used = 0;
    let cut = text.grapheme_indices(true).find(|(_, grapheme)| {
        used += grapheme.width();
        used > columns
    });
    cut.map_or(text, |(at, _)| &text[..at])
}

/// The longest end that takes at most `columns`.
fn tail(text: &str, columns: usize) -> &str {
    if is_plain(text) {
        return &text[text.len() - columns.min(text.len())..];
    }
    let mut used = 0;
    let cut = text.grapheme_indices(true).rev().find(|(_, grapheme)| {
        used += grapheme.width();
        used > columns
    });
    cut.map_or(text, |(at, grapheme)| &text[at + grapheme.len()..])
}

/// Reports whether `text` is printable ASCII: one byte, one column.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What a line break and a tab become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Line,
    Block,
}

fn clean(text: &str, layout: Layout) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(|c| is_suspect(c, layout)) else {
        return Cow::Borrowed(text);
    };
    let mut cleaner = Cleaner { out: text[..first].to_owned(), layout, measured: 0, column: 0 };
    let mut rest = &text[first..];
    while let Some(c) = rest.chars().next() {
        rest = cleaner.step(c, rest);
    }
    // A joiner inside an emoji is suspect and stays: then nothing has changed.
    if cleaner.out == text { Cow::Borrowed(text) } else { Cow::Owned(cleaner.out) }
}

/// Reports whether `c` may have to change.
fn is_suspect(c: char, layout: Layout) -> bool {
    (c.is_control() && !(c == '\n' && layout == Layout::Block))
        || is_break(c)
        || is_invisible(c)
        || c == JOINER
}

/// Line and paragraph separators, which are not control characters.
fn is_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that show nothing but reorder, hide or smuggle text: bidi controls, zero-width and format
/// characters, tags. Variation selectors stay: they choose the glyph of the character before them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

struct Cleaner {
    out: String,
    layout: Layout,
    /// Up to where `out` is counted in `column`.
    measured: usize,
    column: usize,
}

impl Cleaner {
    /// Takes what stands at the start of `rest` (its first character is `c`) and returns what follows.
    fn step<'a>(&mut self, c: char, rest: &'a str) -> &'a str {
        if !is_suspect(c, self.layout) {
            let end = rest.find(|c| is_suspect(c, self.layout)).unwrap_or(rest.len());
            self.out.push_str(&rest[..end]);
            return &rest[end..];
        }
        let after = &rest[c.len_utf8()..];
        match c {
            '\t' => self.push_tab(),
            '\r' => {
                self.push_break();
                return after.strip_prefix('\n').unwrap_or(after);
            }
            '\n' => self.push_break(),
            JOINER => {
                if joins(&self.out, after) {
                    self.out.push(c);
                }
            }
            _ if is_break(c) => self.push_break(),
            _ if is_invisible(c) => {}
            _ => match escape::skip(c, after) {
                Some(beyond) => return beyond,
                None => self.out.push(char::REPLACEMENT_CHARACTER),
            },
        }
        after
    }

    fn push_break(&mut self) {
        self.out.push(if self.layout == Layout::Line { ' ' } else { '\n' });
    }

    fn push_tab(&mut self) {
        if self.layout == Layout::Line {
            self.out.push(' ');
            return;
        }
        let mut new = &self.out[self.measured..];
        if let Some(at) = new.rfind('\n') {
            self.column = 0;
            new = &new[at + 1..];
        }
        self.column += width(new);
        let stop = TAB - self.column % TAB;
        self.out.extend(std::iter::repeat_n(' ', stop));
        self.column += stop;
        self.measured = self.out.len();
    }
}

/// Reports whether a joiner between `before` and `after` makes one grapheme of them, as inside an emoji. A
/// combining mark behind the joiner does not count: it clings to anything.
fn joins(before: &str, after: &str) -> bool {
    // The end of it decides. Looked at whole, a megabyte of joined emoji, which is one grapheme, would be copied once
    // for each of its joiners.
    let before = &before[before.floor_char_boundary(before.len().saturating_sub(JOIN_REACH))..];
    let (Some(last), Some(next)) = (before.graphemes(true).next_back(), after.chars().next()) else {
        return false;
    };
    let stands_alone = format!("x{next}").graphemes(true).count() == 2;
    stands_alone && format!("{last}{JOINER}{next}").graphemes(true).count() == 1
}
