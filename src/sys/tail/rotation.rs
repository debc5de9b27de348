//! The files around a log: where it was rotated to, and in which order they were written.
//!
//! Names of logrotate and the like are known: `log.1`, `log.2` (a higher number is older), `log-20261123` (a later date
//! is newer), and the same before the extension. Files of other names (`log.old`) are used only if they have the
//! content that is looked for. Compressed files are not read.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;

use super::identity::{Place, Position, Stamp};

const COMPRESSED: [&str; 6] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z"];

/// What the system calls a file while it is open; nothing to remember longer than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    pub inode: u64,
}

/// An open regular file.
#[derive(Debug)]
pub(super) struct LogFile {
    pub file: File,
    pub path: PathBuf,
    pub id: FileId,
}

impl LogFile {
    /// Opens a regular file; none if there is no file of that name.
    ///
    /// The open never waits (a FIFO would), and whatever has no end or no offsets is refused.
    pub fn open(path: &Path) -> io::Result<Option<LogFile>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits());
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(name(path, &error)),
        };
        let known = file.metadata().map_err(|error| name(path, &error))?;
        if !known.is_file() {
            let what = if known.is_dir() { "is a directory" } else { "is not a regular file" };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {what}", path.display())));
        }
        let id = FileId { device: known.dev(), inode: known.ino() };
        Ok(Some(LogFile { file, path: path.to_owned(), id }))
    }

    /// Returns when it was written to last.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata().and_then(|known| known.modified()).map_err(|error| name(&self.path, &error))
    }

    /// Reports whether no name leads to it any more.
    pub fn is_deleted(&self) -> io::Result<bool> {
        Ok(self.file.metadata().map_err(|error| name(&self.path, &error))?.nlink() == 0)
    }

    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(|error| name(&self.path, &error))?.len())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Puts the path in front of an error of the file system.
pub(super) fn name(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A file beside the log whose name begins as the log's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sibling {
    pub path: PathBuf,
    pub id: FileId,
    pub size: u64,
    pub modified: SystemTime,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Numbered(u32),
    Dated(Vec<u8>),
    Compressed,
    Other,
}

impl Sibling {
    pub fn is_compressed(&self) -> bool {
        self.kind == Kind::Compressed
    }

    fn is_rotated(&self) -> bool {
        matches!(self.kind, Kind::Numbered(_) | Kind::Dated(_))
    }
}

/// Lists the files that `log` may have been rotated to, the oldest first.
pub(super) fn siblings(log: &Path) -> io::Result<Vec<Sibling>> {
    let folder = folder_of(log);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(name(folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| name(folder, &error))?;
        let Some(kind) = kind_of(log, &entry.file_name()) else { continue };
        // A file may be renamed away between the two calls: then it is seen under its next name.
        let Ok(known) = fs::symlink_metadata(entry.path()) else { continue };
        if known.is_file() {
            let id = FileId { device: known.dev(), inode: known.ino() };
            let modified = known.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Sibling { path: entry.path(), id, size: known.len(), modified, kind });
        }
    }
    sort(&mut found);
    Ok(found)
}

/// Returns the folder that a path's last name is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// One scheme of names gives the order; where they are mixed, the time of the last write does.
fn sort(siblings: &mut [Sibling]) {
    let rotated = || siblings.iter().filter(|sibling| sibling.is_rotated());
    let numbered = rotated().all(|sibling| matches!(sibling.kind, Kind::Numbered(_)));
    let dated = rotated().all(|sibling| matches!(sibling.kind, Kind::Dated(_)));
    siblings.sort_by(|a, b| match (&a.kind, &b.kind) {
        (Kind::Numbered(a), Kind::Numbered(b)) if numbered => Reverse(a).cmp(&Reverse(b)),
        (Kind::Dated(a), Kind::Dated(b)) if dated => a.cmp(b),
        _ if a.is_rotated() != b.is_rotated() => a.is_rotated().cmp(&b.is_rotated()),
        _ => (a.modified, &a.path).cmp(&(b.modified, &b.path)),
    });
}

/// Reads from its name what a file beside the log is; none if it has nothing to do with the log.
fn kind_of(log: &Path, name: &OsStr) -> Option<Kind> {
    let (base, stem) = (log.file_name()?.as_bytes(), log.file_stem()?.as_bytes());
    let extension = log.extension().map(|extension| [b".", extension.as_bytes()].concat());
    let compressed = COMPRESSED.iter().find_map(|end| name.as_bytes().strip_suffix(end.as_bytes()));
    let plain = compressed.unwrap_or(name.as_bytes());
    let before_extension = || plain.strip_prefix(stem)?.strip_suffix(extension?.as_slice());
    let added = plain.strip_prefix(base).or_else(before_extension)?;
    if added.is_empty() {
        return compressed.map(|_| Kind::Compressed);
    }
    let named = added.first().is_some_and(|first| b".-_".contains(first));
    named.then(|| if compressed.is_some() { Kind::Compressed } else { kind_of_ending(&added[1..]) })
}

fn kind_of_ending(ending: &[u8]) -> Kind {
    let digits = ending.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && digits == ending.len() && digits <= 4 {
        let number = ending.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Kind::Numbered(number)
    } else if digits > 4 && ending.iter().all(|byte| byte.is_ascii_digit() || b"-_.:T".contains(byte)) {
        Kind::Dated(ending.to_vec())
    } else {
        Kind::Other
    }
}

/// Finds the sibling that holds the content before `position`, and the place in it.
///
/// Several may (a copy that somebody made): the one of the same inode, else the longest, else the newest is taken.
pub(super) fn find_content(
    log: &Path,
    position: &Position,
    not: Option<FileId>,
) -> io::Result<Option<(LogFile, Place)>> {
    let mut best = None;
    let mut best_rank = (false, 0, 0);
    for (index, sibling) in siblings(log)?.into_iter().enumerate() {
        if sibling.is_compressed() || Some(sibling.id) == not {
            continue;
        }
        let Some(found) = fits(&sibling.path, position) else { continue };
        let rank = (sibling.id.inode == position.inode, sibling.size, index);
        if best.is_none() || rank > best_rank {
            (best, best_rank) = (Some(found), rank);
        }
    }
    Ok(best)
}

/// A sibling that cannot be read is no candidate; the log itself is opened, and complained about, elsewhere.
fn fits(path: &Path, position: &Position) -> Option<(LogFile, Place)> {
    let file = LogFile::open(path).ok()??;
    let place = place_in(&file, position).ok()??;
    Some((file, place))
}

/// Returns the place in `file` if it is the file of `position`, or a copy of it.
///
/// Before a line was read there is no content to go by: then, and only then, the inode decides.
pub(super) fn place_in(file: &LogFile, position: &Position) -> io::Result<Option<Place>> {
    if position.has_content() {
        position.find_in(&file.file).map_err(|error| name(&file.path, &error))
    } else {
        Ok((file.id.inode == position.inode).then(Place::default))
    }
}

/// Finds the file that was written next after `current`: a rotated one, else the log itself, while that is empty only if
/// `though_empty`; none if `current` is the newest.
pub(super) fn successor(
    path: &Path,
    current: &LogFile,
    log: LogFile,
    though_empty: bool,
) -> io::Result<Option<LogFile>> {
    if log.size()? == 0 && !though_empty {
        return Ok(None);
    }
    let between = first_between(path, current, &log)?;
    // While files are renamed, a listing can miss one or show it twice: it counts once it is seen twice alike.
    let again = first_between(path, current, &log)?;
    let same_log = LogFile::open(path)?.is_some_and(|again| again.id == log.id);
    if !same_log || between.as_ref().map(|file| file.id) != again.map(|file| file.id) {
        return Ok(None);
    }
    Ok(Some(between.unwrap_or(log)))
}

fn first_between(path: &Path, current: &LogFile, log: &LogFile) -> io::Result<Option<LogFile>> {
    let written = current.modified()?;
    let siblings = siblings(path)?;
    let place = siblings.iter().position(|sibling| sibling.id == current.id);
    let heads = [Stamp::of_head(&current.file)?, Stamp::of_head(&log.file)?];
    for (index, sibling) in siblings.iter().enumerate() {
        // If the current file was deleted, what was written to after its last line is newer.
        let later = place.map_or(sibling.modified > written, |place| index > place);
        if !later || !sibling.is_rotated() || sibling.size == 0 || sibling.id == log.id {
            continue;
        }
        let Ok(Some(file)) = LogFile::open(&sibling.path) else { continue };
        // A copy of a file that is read anyway is not read again.
        let head = Stamp::of_head(&file.file)?;
        if file.id == sibling.id && (head.is_none() || !heads.contains(&head)) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Finds the newest compressed file that was written after `since` and whose original is gone.
pub(super) fn compressed_since(path: &Path, since: SystemTime) -> Option<PathBuf> {
    let siblings = siblings(path).ok()?;
    let whole: Vec<_> = siblings.iter().map(|sibling| sibling.path.clone()).collect();
    let later = siblings.into_iter().filter(|sibling| {
        let original = sibling.path.with_extension("");
        sibling.is_compressed() && sibling.modified > since && !whole.contains(&original)
    });
    later.max_by_key(|sibling| sibling.modified).map(|sibling| sibling.path)
}
