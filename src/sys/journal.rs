//! Journal files: one per operation, lines only ever appended, each on disk before the caller goes on.
//!
//! Whoever opens a journal to write holds its lock, so that two processes never carry out the same
//! operation. A line that was cut off by a crash is not a line: it is ignored when read, and ended before
//! the next one is written. What lies in the folder and is no file of a journal's size is refused unread: a
//! pipe would be waited for, a device read, for ever.

use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a journal's file name ends with.
const SUFFIX: &str = "jsonl";

/// No journal of ours comes near this.
const MOST_BYTES: u64 = 16 << 20;

/// How often, and how far apart, the lock is tried before somebody else is taken for its owner.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A journal that is open for writing, locked.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes to it.
    #[error("{}: another process is working on it", .0.display())]
    Busy(PathBuf),
    /// There is none of that name.
    #[error("{}: there is no such operation", .0.display())]
    Missing(PathBuf),
    /// It is no journal, or whoever reads its lines does not understand them.
    #[error("{}: {why}", path.display())]
    Illegible {
        /// Which journal.
        path: PathBuf,
        /// Why, in words.
        why: String,
    },
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was worked on.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> JournalError + '_ {
    move |source| JournalError::Io { path: path.to_owned(), source }
}

impl Journal {
    /// Starts a journal in `folder`, which is made where it is missing. Nothing of the name may exist.
    ///
    /// When this returns, the file is in its folder even if the machine loses power.
    pub fn create(folder: &Path, name: &str) -> Result<Self, JournalError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
        let path = Self::path_of(folder, name);
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        lock(&file, &path)?;
        file.sync_all().map_err(at(&path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        Ok(Self { file, path })
    }

    /// Opens a journal to go on with it, and returns its whole lines.
    pub fn open(folder: &Path, name: &str) -> Result<(Self, Vec<String>), JournalError> {
        let path = Self::path_of(folder, name);
        let mut file = open_file(OpenOptions::new().append(true), &path)?;
        lock(&file, &path)?;
        let bytes = read_bytes(&mut file, &path)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // The rest of a line that a crash cut off must not run into the next one.
            file.write_all(b"\n").and_then(|()| file.sync_data()).map_err(at(&path))?;
        }
        Ok((Self { file, path }, whole_lines(&bytes)))
    }

    /// Reads a journal's whole lines without a lock, and whether somebody is writing to it now.
    pub fn read(folder: &Path, name: &str) -> Result<(Vec<String>, bool), JournalError> {
        let path = Self::path_of(folder, name);
        let mut file = open_file(&mut OpenOptions::new(), &path)?;
        let busy = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        // Held no longer than the question takes: somebody may want to write.
        file.unlock().map_err(at(&path))?;
        Ok((whole_lines(&read_bytes(&mut file, &path)?), busy))
    }

    /// Deletes the journal; whoever still has it open is left with a file that has no name.
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(at(&self.path))
    }

    /// Returns the names of all journals in `folder`, in order; none where the folder is missing.
    pub fn list(folder: &Path) -> Result<Vec<String>, JournalError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(folder)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(at(folder))?.path();
            if path.extension().is_some_and(|e| e == SUFFIX)
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Appends a line, which must not contain a line break, and returns when it is on disk.
    pub fn append(&mut self, line: &str) -> Result<(), JournalError> {
        debug_assert!(!line.contains('\n'), "one line at a time");
        // One write: a crash leaves a beginning of this line at the worst, never a mixture.
        let bytes = format!("{line}\n").into_bytes();
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(at(&self.path))
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the journal of this name is, or would be.
    pub fn path_of(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.{SUFFIX}"))
    }
}

/// Opens what is a file; anything else neither keeps us waiting nor is read.
fn open_file(options: &mut OpenOptions, path: &Path) -> Result<File, JournalError> {
    let opened = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
        _ => JournalError::Io { path: path.to_owned(), source },
    })?;
    match file.metadata().map_err(at(path))?.is_file() {
        true => Ok(file),
        false => Err(illegible(path, "not a file, no journal of ours")),
    }
}

/// Reads the whole file if a journal can be that large.
fn read_bytes(file: &mut File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    // Some files say that they are empty and never end.
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(illegible(path, "larger than 16 MiB, no journal of ours"));
    }
    Ok(bytes)
}

fn illegible(path: &Path, why: &str) -> JournalError {
    JournalError::Illegible { path: path.to_owned(), why: why.to_owned() }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    // Whoever only asks whether somebody writes ([`Journal::read`]) has the lock for a moment as well.
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(at(path)(error)),
        }
    }
    Err(JournalError::Busy(path.to_owned()))
}

/// Splits into lines that were written whole.
fn whole_lines(bytes: &[u8]) -> Vec<String> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn lines_come_back_and_nobody_else_may_read_them() {
        let root = folder();
        let deep = root.path().join("iaasmon/operations");
        let mut journal = Journal::create(&deep, "01A").expect("created");
        journal.append("one").expect("written");
        journal.append("two").expect("written");
        let mode = fs::metadata(journal.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::metadata(&deep).expect("there").permissions().mode() & 0o777, 0o700);
        drop(journal);
        assert_eq!(Journal::open(&deep, "01A").expect("opened").1, ["one", "two"]);
        assert_eq!(Journal::list(&deep).expect("listed"), ["01A"]);
    }

    #[test]
    fn one_process_at_a_time_and_a_name_only_once() {
        let root = folder();
        let journal = Journal::create(root.path(), "01A").expect("created");
        assert!(matches!(Journal::open(root.path(), "01A"), Err(JournalError::Busy(_))));
        assert!(Journal::read(root.path(), "01A").expect("readable").1, "somebody writes");
        assert!(Journal::create(root.path(), "01A").is_err());
        drop(journal);
        assert!(!Journal::read(root.path(), "01A").expect("readable").1);
        assert!(Journal::open(root.path(), "01A").is_ok());
        assert!(matches!(Journal::open(root.path(), "01B"), Err(JournalError::Missing(_))));
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_no_line_and_spoils_no_other() {
        let root = folder();
        let path = Journal::path_of(root.path(), "01A");
        fs::write(&path, "one\ntw").expect("written");
        let (mut journal, lines) = Journal::open(root.path(), "01A").expect("opened");
        assert_eq!(lines, ["one"]);
        journal.append("three").expect("written");
        drop(journal);
        assert_eq!(Journal::read(root.path(), "01A").expect("readable").0, ["one", "tw", "three"]);
    }

    /// Asserts that what lies under a journal's name is refused at once, in these words, by whoever reads it.
    fn assert_refused(folder: &Path, words: &str) {
        let path = Journal::path_of(folder, "01A").display().to_string();
        let read = Journal::read(folder, "01A").expect_err("it is no journal").to_string();
        let opened = Journal::open(folder, "01A").expect_err("it is no journal").to_string();
        for error in [read, opened] {
            assert!(error.starts_with(&path) && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_pipe_a_device_or_a_folder_is_not_waited_for() {
        let root = folder();
        let path = Journal::path_of(root.path(), "01A");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_refused(root.path(), "not a file, no journal of ours");
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
        assert_refused(root.path(), "not a file, no journal of ours");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a folder");
        assert_refused(root.path(), "");
    }

    #[test]
    fn what_is_larger_than_any_journal_is_not_read_to_its_end() {
        let root = folder();
        let file = File::create(Journal::path_of(root.path(), "01A")).expect("created");
        file.set_len(MOST_BYTES).expect("sparse");
        assert!(Journal::read(root.path(), "01A").is_ok());
        file.set_len(1 << 40).expect("sparse");
        assert_refused(root.path(), "larger than 16 MiB, no journal of ours");
    }

    #[test]
    fn a_journal_that_was_removed_is_not_there() {
        let root = folder();
        Journal::create(root.path(), "01A").and_then(Journal::remove).expect("removed");
        assert!(Journal::list(root.path()).expect("listed").is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
        let root = folder();
        let file = root.path().join("file");
        fs::write(&file, "").expect("written");
        let error = Journal::create(&file.join("operations"), "01A").expect_err("not a folder");
        assert!(error.to_string().contains("file"), "{error}");
        assert!(Journal::list(&root.path().join("missing")).expect("none").is_empty());
    }
}
