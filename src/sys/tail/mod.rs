//! Follows one log file through rotation, truncation, deletion and restarts, and reads every line once.
//!
//! ```text
//! let mut tail = Tail::open(path, checkpoint);        // never fails: the file may appear later
//! let progress = tail.read(1 << 20, &mut |line| ..)?; // until `progress.more` is false; then wait for a change
//! store(tail.position());                             // whenever a restart shall not read the lines again
//! ```
//!
//! Polling is the truth: [`Tail::read`] notices by itself whatever happened to the file; [`watch`] only says when it is
//! worth the call. Files are known by their content ([`Position`]), not by inode or device numbers.
//!
//! - *Renamed away*: the old file is read to its end, and on until its successor has its first byte: a writer may keep
//!   the old file for a while. What was rotated in between (twice between two polls, or while we were down) is read in
//!   the order of writing. A last line without an end is handed out when its file is left.
//! - *Copied and truncated*: the rest is read from the copy. What was written after the copy was made and before the
//!   truncation is in no file: it is lost, as it is for every reader. So are the first lines of all, if the log was empty
//!   at the last call and was filled, copied and truncated before the next one.
//! - *Deleted*: the open file is read to its end, and let go of a while after an empty one is in its place: on a full disk
//!   nothing can be written there before. A file that nobody has open is gone with its unread lines.
//! - *Compressed*: such siblings are not read; [`Notice::Compressed`] says so.

mod identity;
mod rotation;
#[cfg(test)]
mod tests;
pub mod watch;
mod window;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::sys::clock;
use identity::Place;
pub use identity::{Position, Stamp};
use rotation::LogFile;
use window::{Fill, Taken, Window};

/// Longer lines are passed over unless [`Tail::with_line_limit`] says otherwise.
pub const LINE_LIMIT: usize = 4 * 1024 * 1024;

/// How long a deleted log is still read that has an empty one in its place: who deletes it may tell the writer a moment later.
const DELETED_PATIENCE: Duration = Duration::from_secs(10);

/// One line of the log, without its end.
#[derive(Debug)]
pub struct Line<'a> {
    /// The line; of an oversized one the first 4 KiB.
    pub bytes: &'a [u8],
    /// The file that it was read from: the log, or what it was rotated to.
    pub path: &'a Path,
    /// Where in that file it starts.
    pub offset: u64,
    /// The line is longer than the limit and was not kept.
    pub oversized: bool,
}

/// What one call of [`Tail::read`] did and left.
#[derive(Debug, Default)]
pub struct Progress {
    /// Lines that were handed out.
    pub lines: u64,
    /// Bytes that they took.
    pub bytes: u64,
    /// Bytes of the file that is being read that were not handed out yet, an unfinished line included.
    pub behind: u64,
    /// The budget ended before the log did: call again.
    pub more: bool,
    /// How often reading went on in a newer file.
    pub rotated: u32,
    /// How often the file was found truncated or overwritten.
    pub truncated: u32,
    /// What somebody should know, lost lines above all.
    pub notices: Vec<Notice>,
}

/// Something that happened to the log, worth a line in our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Reading went on in another file.
    Rotated {
        /// The file that was read to its end.
        from: PathBuf,
        /// The file that is read now.
        to: PathBuf,
    },
    /// The log was truncated and the rest is read from the copy.
    Copied {
        /// The copy.
        copy: PathBuf,
    },
    /// The log was truncated or overwritten, and there is no copy: lines that were not read are lost.
    Truncated {
        /// Up to here it was read.
        offset: u64,
    },
    /// No file holds what was read before the restart: reading starts with the log as it is; lines may be lost.
    Forgotten {
        /// Up to here that file was read.
        offset: u64,
    },
    /// Lines that were not read may be in this compressed file.
    Compressed(PathBuf),
}

impl fmt::Display for Notice {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Rotated { from, to: next } => {
                write!(to, "{}: read on in {}", from.display(), next.display())
            }
            Notice::Copied { copy } => write!(to, "log truncated, reading the rest from {}", copy.display()),
            Notice::Truncated { offset } => {
                write!(to, "log truncated or overwritten after byte {offset}, lines may be lost")
            }
            Notice::Forgotten { offset } => {
                write!(to, "the file that was read up to byte {offset} is gone, lines may be lost")
            }
            Notice::Compressed(path) => {
                write!(to, "{}: compressed, not read, lines may be lost", path.display())
            }
        }
    }
}

/// The reader of one log.
pub struct Tail {
    path: PathBuf,
    limit: usize,
    patience: Duration,
    state: State,
    /// What was found out before a call failed, for the next one to tell.
    untold: Progress,
}

enum State {
    /// No file is open: the log has not appeared, or where we were was not looked up yet.
    Away(Option<Position>),
    At(Box<Cursor>),
}

/// The file that is being read.
struct Cursor {
    file: LogFile,
    window: Window,
    /// The stamp of the first line, once a line was read.
    head: Option<Stamp>,
    /// Where the file before this one was left: the position until this file's first line is read.
    before: Option<Position>,
    /// When the file was first found deleted, with an empty one in its place.
    deleted: Option<Instant>,
}

impl Cursor {
    fn start_of(file: LogFile, before: Option<Position>) -> Cursor {
        Cursor { file, window: Window::at(Place::default()), head: None, before, deleted: None }
    }

    fn resume(file: LogFile, position: &Position, place: Place) -> Cursor {
        if !position.has_content() {
            return Cursor::start_of(file, None);
        }
        Cursor { file, window: Window::at(place), head: position.head, before: None, deleted: None }
    }

    /// Reports whether the file was deleted so long ago that nobody writes it any more.
    fn is_left(&mut self, patience: Duration) -> io::Result<bool> {
        Ok(self.file.is_deleted()? && self.deleted.get_or_insert_with(clock::instant).elapsed() >= patience)
    }

    /// Hands out what a complete file has after its last line end.
    fn finish(&mut self, limit: usize, each: &mut dyn FnMut(Line<'_>), progress: &mut Progress) {
        if let Some(rest) = self.window.take_rest(limit) {
            self.head = self.head.or_else(|| Some(Stamp::of_line(rest.bytes, false)));
            give(&rest, &self.file.path, each, progress);
        }
    }

    fn fill(&mut self) -> io::Result<Fill> {
        self.window.fill(&self.file.file).map_err(|error| rotation::name(&self.file.path, &error))
    }

    fn position(&self) -> Position {
        let inode = self.file.id.inode;
        match (self.head, &self.before) {
            (Some(head), _) => Position {
                offset: self.window.offset(),
                head: Some(head),
                back: Some(self.window.back()),
                inode,
            },
            (None, Some(before)) => before.clone(),
            (None, None) => Position { offset: 0, head: None, back: None, inode },
        }
    }
}

impl Tail {
    /// Follows `path` from `position`, or from its start.
    ///
    /// Nothing is opened yet: a log that is missing or cannot be read is for [`Tail::read`] to say, each time.
    pub fn open(path: impl Into<PathBuf>, position: Option<Position>) -> Tail {
        Tail {
            path: path.into(),
            limit: LINE_LIMIT,
            patience: DELETED_PATIENCE,
            state: State::Away(position),
            untold: Progress::default(),
        }
    }

    /// Passes over lines longer than `bytes`.
    #[must_use]
    pub fn with_line_limit(mut self, bytes: usize) -> Tail {
        self.limit = bytes;
        self
    }

    /// Returns the path that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reports whether a file is open; a log that never appeared has none.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::At(_))
    }

    /// Returns where a restart goes on: after the last line that was handed out. None while no file was ever seen.
    pub fn position(&self) -> Option<Position> {
        match &self.state {
            State::Away(position) => position.clone(),
            State::At(cursor) => Some(cursor.position()),
        }
    }

    /// Hands the complete lines that are there to `each`, and stops after about `budget` bytes.
    ///
    /// The log may be missing: that is no error, and [`Tail::is_open`] tells. An error names its path; the next call
    /// tries again, does not repeat the lines that were handed out, and tells what happened to the log before.
    pub fn read(&mut self, budget: usize, each: &mut dyn FnMut(Line<'_>)) -> io::Result<Progress> {
        let mut progress = std::mem::take(&mut self.untold);
        match self.read_some(budget.max(1), each, &mut progress) {
            Ok(()) => Ok(progress),
            Err(error) => {
                self.untold = progress;
                Err(error)
            }
        }
    }

    fn read_some(
        &mut self,
        budget: usize,
        each: &mut dyn FnMut(Line<'_>),
        progress: &mut Progress,
    ) -> io::Result<()> {
        let limit = self.limit;
        let enough = progress.bytes + budget as u64;
        let mut filled = 0;
        while let Some(cursor) = self.cursor(progress)? {
            while progress.bytes < enough && hand_out(cursor, limit, each, progress) {}
            if progress.bytes >= enough || filled >= budget {
                progress.more = true;
                break;
            }
            match cursor.fill()? {
                Fill::Grown(bytes) => filled += bytes,
                Fill::Changed => self.follow_truncation(progress)?,
                Fill::AtEnd if self.follow_rotation(each, progress)? => {}
                Fill::AtEnd => break,
            }
        }
        progress.behind = self.behind()?;
        Ok(())
    }

    fn behind(&self) -> io::Result<u64> {
        match &self.state {
            State::Away(_) => Ok(0),
            State::At(cursor) => Ok(cursor.file.size()?.saturating_sub(cursor.window.offset())),
        }
    }

    /// Returns the open file; finds the one to begin with.
    fn cursor(&mut self, progress: &mut Progress) -> io::Result<Option<&mut Cursor>> {
        if let State::Away(position) = &self.state {
            match find_start(&self.path, position.as_ref(), progress)? {
                Some(cursor) => self.state = State::At(Box::new(cursor)),
                None => return Ok(None),
            }
        }
        match &mut self.state {
            State::At(cursor) => Ok(Some(cursor)),
            State::Away(_) => Ok(None),
        }
    }

    /// Goes on in the copy, or from the start of what the file is now.
    fn follow_truncation(&mut self, progress: &mut Progress) -> io::Result<()> {
        let State::At(cursor) = &mut self.state else { return Ok(()) };
        let position = cursor.position();
        if cursor.head.is_some()
            && let Some(place) = rotation::place_in(&cursor.file, &position)?
        {
            // Only the unfinished line was rewritten: what was handed out is as it was.
            cursor.window = Window::at(place);
            return Ok(());
        }
        // Before its first line was read, the copy is found as what followed the file before.
        if position.has_content()
            && let Some((file, place)) = rotation::find_content(&self.path, &position, Some(cursor.file.id))?
        {
            progress.truncated += 1;
            progress.notices.push(Notice::Copied { copy: file.path.clone() });
            **cursor = Cursor::resume(file, &position, place);
            return Ok(());
        }
        progress.truncated += 1;
        progress.notices.push(Notice::Truncated { offset: cursor.window.offset() });
        progress.notices.extend(compressed_since(&self.path, SystemTime::UNIX_EPOCH));
        cursor.window = Window::at(Place::default());
        (cursor.head, cursor.before) = (None, None);
        Ok(())
    }

    /// At the end of a file: moves on to the one that was written next, and reports whether there is more to read.
    fn follow_rotation(
        &mut self,
        each: &mut dyn FnMut(Line<'_>),
        progress: &mut Progress,
    ) -> io::Result<bool> {
        let State::At(cursor) = &mut self.state else { return Ok(false) };
        let Some(log) = LogFile::open(&self.path)?.filter(|log| log.id != cursor.file.id) else {
            return Ok(false);
        };
        let position = cursor.position();
        if position.has_content()
            && cursor.head.is_some()
            && let Some(place) = rotation::place_in(&log, &position)?
        {
            // The same log under another number: a layered file system, or a file that was replaced by its copy.
            **cursor = Cursor::resume(log, &position, place);
            return Ok(cursor.fill()? != Fill::AtEnd);
        }
        let left = cursor.is_left(self.patience)?;
        let Some(next) = rotation::successor(&self.path, &cursor.file, log, left)? else { return Ok(false) };
        // The writer has begun the next file, so this one is complete: but only a look from now on sees all of it.
        match cursor.fill()? {
            Fill::AtEnd => {}
            Fill::Grown(_) => return Ok(true),
            Fill::Changed => return self.follow_truncation(progress).map(|()| true),
        }
        cursor.finish(self.limit, each, progress);
        progress.rotated += 1;
        progress.notices.push(Notice::Rotated { from: cursor.file.path.clone(), to: next.path.clone() });
        progress.notices.extend(compressed_since(&self.path, cursor.file.modified()?));
        let left = cursor.position();
        **cursor = Cursor::start_of(next, left.has_content().then_some(left));
        Ok(true)
    }
}

/// Hands out one line, if there is a whole one.
fn hand_out(
    cursor: &mut Cursor,
    limit: usize,
    each: &mut dyn FnMut(Line<'_>),
    progress: &mut Progress,
) -> bool {
    let Some(line) = cursor.window.take_line(limit) else { return false };
    cursor.head = cursor.head.or_else(|| Some(Stamp::of_line(line.bytes, true)));
    give(&line, &cursor.file.path, each, progress);
    true
}

fn give(line: &Taken<'_>, path: &Path, each: &mut dyn FnMut(Line<'_>), progress: &mut Progress) {
    progress.lines += 1;
    progress.bytes += line.length;
    each(Line { bytes: line.bytes, path, offset: line.offset, oversized: line.oversized });
}

/// Finds the file to begin with, and the place in it; none while there is no log.
fn find_start(
    path: &Path,
    position: Option<&Position>,
    progress: &mut Progress,
) -> io::Result<Option<Cursor>> {
    let log = LogFile::open(path);
    let Some(position) = position else { return Ok(log?.map(|log| Cursor::start_of(log, None))) };
    let log = match log {
        Ok(Some(log)) => match rotation::place_in(&log, position)? {
            Some(place) => return Ok(Some(Cursor::resume(log, position, place))),
            None => Ok(Some(log)),
        },
        other => other,
    };
    if let Some((file, place)) = rotation::find_content(path, position, None)? {
        return Ok(Some(Cursor::resume(file, position, place)));
    }
    let Some(log) = log? else { return Ok(None) };
    if position.has_content() {
        progress.notices.push(Notice::Forgotten { offset: position.offset });
        progress.notices.extend(compressed_since(path, SystemTime::UNIX_EPOCH));
    }
    Ok(Some(Cursor::start_of(log, None)))
}

fn compressed_since(path: &Path, since: SystemTime) -> Option<Notice> {
    rotation::compressed_since(path, since).map(Notice::Compressed)
}
