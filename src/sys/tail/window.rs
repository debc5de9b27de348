//! The stretch of a log file that is in memory: the last bytes that were read, and the unfinished line after them.
//!
//! Every read begins up to 1 KiB before the end of what is known, and what comes back must repeat it: new bytes are
//! believed only when the same read shows that they still follow the old ones, and when the file still begins as it did.
//! So a file that was truncated and has grown past the old offset is noticed without trusting sizes or times.

use std::fs::File;
use std::io;

use super::identity::{Place, STAMP_BYTES, Stamp, read_at};

/// How much is asked of the file at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// So much of an oversized line is shown, enough to name the check that it is about.
const SHOWN_BYTES: usize = 4 * 1024;
/// So much of the file's start is compared as well.
const FIRST_BYTES: usize = 64;

/// Bytes of one file around the offset.
pub(super) struct Window {
    /// The first bytes of the file: what repeats itself in the middle of logs differs here, by its time.
    first: Vec<u8>,
    buffer: Vec<u8>,
    /// The file offset of `buffer[0]`.
    base: u64,
    /// Where in `buffer` the next line starts; up to 1 KiB before it stays.
    start: usize,
    /// Up to here in `buffer` no line end was found.
    scanned: usize,
    skipped: Option<Skipped>,
    /// The first bytes of the oversized line that was passed over last.
    shown: Vec<u8>,
}

/// An oversized line that is being passed over.
struct Skipped {
    offset: u64,
    /// The bytes before the line, for the position; the buffer has lost them.
    back: Vec<u8>,
}

/// What one read of the file brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// So many new bytes.
    Grown(usize),
    /// Nothing new.
    AtEnd,
    /// What was read before is no longer there.
    Changed,
}

/// A line that was taken from the window.
pub(super) struct Taken<'a> {
    pub offset: u64,
    pub bytes: &'a [u8],
    pub oversized: bool,
    /// Bytes of the file that it took, its line end included.
    pub length: u64,
}

impl Window {
    /// Makes a window on what follows `place`.
    pub fn at(place: Place) -> Window {
        let Place { offset, mut first, back } = place;
        first.truncate(FIRST_BYTES);
        let (base, start) = (offset - back.len() as u64, back.len());
        Window { first, buffer: back, base, start, scanned: start, skipped: None, shown: Vec::new() }
    }

    /// Returns the start of the next line.
    pub fn offset(&self) -> u64 {
        self.skipped.as_ref().map_or(self.base + self.start as u64, |skipped| skipped.offset)
    }

    /// Returns the end of what was read from the file.
    pub fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// Returns the stamp of the bytes before the next line.
    pub fn back(&self) -> Stamp {
        match &self.skipped {
            Some(skipped) => Stamp::of(&skipped.back),
            None => Stamp::of(self.before_line()),
        }
    }

    fn before_line(&self) -> &[u8] {
        &self.buffer[self.start.saturating_sub(STAMP_BYTES)..self.start]
    }

    /// Reads the next chunk.
    pub fn fill(&mut self, file: &File) -> io::Result<Fill> {
        self.compact();
        let known = self.buffer.len();
        let from = known.saturating_sub(STAMP_BYTES);
        let mut expected = [0; STAMP_BYTES];
        let expected = &mut expected[..known - from];
        expected.copy_from_slice(&self.buffer[from..]);
        self.buffer.resize(known + CHUNK_BYTES, 0);
        let read = read_at(file, &mut self.buffer[from..], self.base + from as u64);
        let repeats = self.buffer[from..known] == *expected;
        self.buffer[from..known].copy_from_slice(expected);
        // The start is read after the rest: what was put in the file's place before is noticed.
        let outcome = read.and_then(|read| Ok((read, repeats && begins_with(file, &self.first)?)));
        let read = match outcome {
            Ok((read, true)) if from + read >= known => read,
            other => {
                self.buffer.truncate(known);
                return other.map(|_| Fill::Changed);
            }
        };
        self.buffer.truncate(from + read);
        if self.base == 0 && self.first.len() < FIRST_BYTES {
            self.first = self.buffer[..self.buffer.len().min(FIRST_BYTES)].to_vec();
        }
        Ok(if from + read == known { Fill::AtEnd } else { Fill::Grown(from + read - known) })
    }

    /// Takes the next whole line; lines over `limit` are passed over in bounded memory.
    pub fn take_line(&mut self, limit: usize) -> Option<Taken<'_>> {
        match memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            Some(found) => Some(self.take_to(self.scanned + found, 1, limit)),
            None => {
                self.scanned = self.buffer.len();
                if self.skipped.is_some() || self.scanned - self.start > limit {
                    self.skip_all();
                }
                None
            }
        }
    }

    /// Takes what a finished file has after its last line end, as a line.
    pub fn take_rest(&mut self, limit: usize) -> Option<Taken<'_>> {
        let end = self.buffer.len();
        (self.offset() < self.end()).then(|| self.take_to(end, 0, limit))
    }

    fn take_to(&mut self, end: usize, line_end: usize, limit: usize) -> Taken<'_> {
        let offset = self.offset();
        let line = self.start..end;
        if self.skipped.is_some() {
            self.show(end);
        }
        self.start = end + line_end;
        self.scanned = self.start;
        let length = self.base + self.start as u64 - offset;
        if self.skipped.take().is_some() {
            Taken { offset, bytes: &self.shown, oversized: true, length }
        } else if line.len() > limit {
            let shown = line.start..line.start + line.len().min(SHOWN_BYTES);
            Taken { offset, bytes: &self.buffer[shown], oversized: true, length }
        } else {
            Taken { offset, bytes: &self.buffer[line], oversized: false, length }
        }
    }

    /// Forgets the unfinished line that is in the buffer, but for its first and last bytes.
    fn skip_all(&mut self) {
        if self.skipped.is_none() {
            self.shown.clear();
            self.skipped = Some(Skipped { offset: self.offset(), back: self.before_line().to_vec() });
        }
        self.show(self.buffer.len());
        self.start = self.buffer.len();
        self.scanned = self.start;
    }

    /// Adds what is before `end` to the shown part of the line that is passed over.
    fn show(&mut self, end: usize) {
        let room = SHOWN_BYTES - self.shown.len();
        let line = &self.buffer[self.start..end];
        self.shown.extend_from_slice(&line[..line.len().min(room)]);
    }

    /// Gives up the bytes that are neither needed to recognise the file nor part of the next line.
    fn compact(&mut self) {
        let gone = self.start.saturating_sub(STAMP_BYTES);
        self.buffer.drain(..gone);
        self.base += gone as u64;
        self.start -= gone;
        self.scanned -= gone;
        if self.buffer.capacity() > 4 * CHUNK_BYTES && self.buffer.len() < CHUNK_BYTES {
            self.buffer.shrink_to(2 * CHUNK_BYTES);
        }
    }
}

fn begins_with(file: &File, first: &[u8]) -> io::Result<bool> {
    let mut bytes = [0; FIRST_BYTES];
    let bytes = &mut bytes[..first.len()];
    Ok(read_at(file, bytes, 0)? == first.len() && bytes == first)
}
