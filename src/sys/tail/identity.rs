//! What tells one log file from another: its content. Device and inode numbers are reused and renumbered, so they
//! are hints at most; the first line (it carries a time in microseconds) and the bytes before the offset are not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// At most so many bytes of the first line, and before the offset, are hashed.
pub(super) const STAMP_BYTES: usize = 1024;

/// Where reading goes on, in a form that survives restarts and rotations.
///
/// It may come from a damaged or foreign checkpoint: a position that fits no file is answered with the current file
/// from its start, never with a panic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The start of the first line that was not read.
    pub offset: u64,
    /// The file's first line (up to 1 KiB); none while no line of any file was read.
    pub head: Option<Stamp>,
    /// The bytes before `offset` (up to 1 KiB).
    pub back: Option<Stamp>,
    /// The file's inode number: decides only between files whose content fits equally well.
    pub inode: u64,
}

/// A length and the hash of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    length: u32,
    hash: u64,
}

impl Stamp {
    /// Returns the stamp of `bytes`, of which there are at most 1 KiB.
    pub(super) fn of(bytes: &[u8]) -> Stamp {
        debug_assert!(bytes.len() <= STAMP_BYTES, "a stamp is of 1 KiB at most");
        let digest = Sha256::digest(bytes);
        let first: [u8; 8] = std::array::from_fn(|index| digest[index]);
        Stamp { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash: u64::from_be_bytes(first) }
    }

    /// Returns the stamp of the first line of `file`, if there is a whole one (or 1 KiB of it).
    pub(super) fn of_head(file: &File) -> io::Result<Option<Stamp>> {
        let mut bytes = [0; STAMP_BYTES];
        let read = read_at(file, &mut bytes, 0)?;
        let line = memchr::memchr(b'\n', &bytes[..read]).map(|end| end + 1);
        let length = line.or((read == STAMP_BYTES).then_some(read));
        Ok(length.map(|length| Stamp::of(&bytes[..length])))
    }

    /// Returns the stamp that [`Stamp::of_head`] finds where `line` is the first one.
    pub(super) fn of_line(line: &[u8], ended: bool) -> Stamp {
        let mut bytes = line[..line.len().min(STAMP_BYTES)].to_vec();
        if ended && bytes.len() < STAMP_BYTES {
            bytes.push(b'\n');
        }
        Stamp::of(&bytes)
    }

    fn len(self) -> usize {
        self.length as usize
    }

    /// Reads the stamped bytes back from `offset`; none if they are not there or are others.
    fn find_at(self, file: &File, offset: u64) -> io::Result<Option<Vec<u8>>> {
        if self.len() > STAMP_BYTES {
            return Ok(None);
        }
        let mut bytes = vec![0; self.len()];
        let read = read_at(file, &mut bytes, offset)?;
        Ok((read == bytes.len() && Stamp::of(&bytes) == self).then_some(bytes))
    }
}

/// A place in a file, with the bytes by which it is recognised.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub offset: u64,
    /// The first bytes of the file, at most those of [`STAMP_BYTES`].
    pub first: Vec<u8>,
    /// The bytes before the offset.
    pub back: Vec<u8>,
}

impl Position {
    /// Returns its place in `file`, if that is the file of this position or a copy of it.
    pub(super) fn find_in(&self, file: &File) -> io::Result<Option<Place>> {
        let (Some(head), Some(back)) = (self.head, self.back) else { return Ok(None) };
        let Some(start) = self.offset.checked_sub(u64::from(back.length)) else { return Ok(None) };
        let whole = u64::from(back.length) == self.offset.min(STAMP_BYTES as u64);
        if !whole || back.length == 0 || head.length == 0 || u64::from(head.length) > self.offset {
            return Ok(None);
        }
        let Some(first) = head.find_at(file, 0)? else { return Ok(None) };
        Ok(back.find_at(file, start)?.map(|back| Place { offset: self.offset, first, back }))
    }

    /// Reports whether a line was read before it was taken: only then the content tells files apart.
    pub(super) fn has_content(&self) -> bool {
        self.head.is_some()
    }
}

/// Reads until `bytes` is full or the file ends.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        // An offset past what the system can seek to is past every file's end.
        let Some(at) = offset.checked_add(filled as u64).filter(|&at| at <= i64::MAX as u64) else { break };
        match file.read_at(&mut bytes[filled..], at) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
