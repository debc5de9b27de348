//! A log that others read while it grows: whole lines only, reopened on demand, rotated by size and age where asked.
//!
//! One process writes it at a time: a second runner beside the first would run every check twice.
//!
//! Opened as the original opens its log (sensu-logger, stream.rb): append, created 0666 under the umask, unbuffered.

use crate::model::time::Timestamp;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When a log is moved away by us; by default somebody else does it (logrotate, with USR2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// At this size in bytes.
    pub size: Option<u64>,
    /// At this age of the file, whoever began it.
    pub age: Option<Duration>,
    /// How many files are kept beside the one that is written: `log.1` is the newest. With 0 the log goes once it is due.
    pub keep: u32,
}

/// A log file that is written to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    /// The last rotation failed, which has been said.
    stuck: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    begun: Timestamp,
    /// The last write ended inside a line, and the bytes could not be taken back.
    torn: bool,
}

impl LogFile {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// When it cannot be appended to.
    pub fn open(path: &Path, rotation: Rotation, now: Timestamp) -> io::Result<Self> {
        let mut log = Self::closed(path, rotation);
        log.open = Some(log.begin(now)?);
        Ok(log)
    }

    /// A log that the next [`Self::append`] opens: its disk may not give it now.
    pub fn closed(path: &Path, rotation: Rotation) -> Self {
        Self { path: path.to_owned(), rotation, open: None, stuck: false }
    }

    /// Returns where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the file and opens the path again: it may have been moved away. On failure the next [`Self::append`] tries.
    pub fn reopen(&mut self, now: Timestamp) -> io::Result<()> {
        self.open = None;
        self.open = Some(self.begin(now)?);
        Ok(())
    }

    /// Appends one line, which ends with a line end, wholly or not at all.
    ///
    /// # Errors
    /// When the system does not take it: the disk is full, or the file cannot be opened again.
    pub fn append(&mut self, line: &[u8], now: Timestamp) -> io::Result<()> {
        if self.is_due(line.len(), now) {
            match self.rotate() {
                Ok(()) => (self.open, self.stuck) = (None, false),
                // A log that grows too large is better than one that loses what it is told.
                Err(error) if !self.stuck => {
                    tracing::warn!(log = %self.path.display(), %error, "the log cannot be moved away, it grows on");
                    self.stuck = true;
                }
                Err(_) => {}
            }
        }
        // In a file that was deleted nobody would find it: the original goes on writing there until it is told to reopen.
        if self.open.as_ref().is_none_or(Open::is_deleted) {
            self.open = None;
            self.open = Some(self.begin(now)?);
        }
        self.open.as_mut().map_or(Ok(()), |open| open.append(line))
    }

    fn begin(&self, now: Timestamp) -> io::Result<Open> {
        let file = OpenOptions::new().append(true).create(true).mode(0o666).open(&self.path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process writes this log"));
            }
            // Some file systems know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let about = file.metadata()?;
        // What stands there ends inside a line when its writer was killed in the middle of one.
        let torn = about.is_file() && about.len() > 0 && !ends_with_line_end(&self.path, about.len());
        // Else a runner that is started anew every day would never find its log old. Where the file system does not know when a
        // file was begun, it counts from here on.
        let born = about.created().ok().filter(|_| about.len() > 0).map(Timestamp::from);
        Ok(Open { file, begun: born.map_or(now, |born| born.min(now)), torn })
    }

    fn is_due(&self, more: usize, now: Timestamp) -> bool {
        let Some(open) = &self.open else { return false };
        let old = self.rotation.age.is_some_and(|age| {
            now.signed_duration_since(open.begun).to_std().is_ok_and(|passed| passed >= age)
        });
        if self.rotation.size.is_none() && !old {
            return false;
        }
        let Ok(about) = open.file.metadata() else { return false };
        let full = self.rotation.size.is_some_and(|size| about.len() + more as u64 > size);
        (full || old) && about.len() > 0
    }

    /// Moves `log.1` to `log.2` and so on, and `log` to `log.1`; the last one goes.
    fn rotate(&self) -> io::Result<()> {
        if self.rotation.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        let name = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        for number in (0..self.rotation.keep).rev() {
            match std::fs::rename(name(number), name(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Open {
    fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.is_file() && about.nlink() == 0)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let about = self.file.metadata()?;
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let Err((written, error)) = write(&mut self.file, line) else { return Ok(()) };
        if written > 0 {
            // A part of a line would swallow the next one. Only what is ours may be taken back.
            let ours = self.file.metadata().is_ok_and(|after| after.len() == about.len() + written as u64);
            self.torn = !(ours && self.file.set_len(about.len()).is_ok());
        }
        Err(error)
    }
}

/// Writes all of `line`, or tells how much of it was taken.
fn write(file: &mut File, line: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < line.len() {
        match file.write(&line[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn ends_with_line_end(path: &Path, length: u64) -> bool {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, length - 1));
    // Write-only logs cannot be looked at; an empty line does no harm, a swallowed one does.
    read.is_ok() && last == *b"\n"
}

/// Whether a path is something that a log cannot be: a folder, or a pipe that would block its writer.
pub fn is_unfit(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_dir() || about.file_type().is_fifo())
}

#[cfg(test)]
mod tests;
