//! A pid file that is held as long as its process lives: who finds it held knows that the other one is at work.

use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A pid file of ours; it goes with this value.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl PidFile {
    /// Takes hold of the file, and makes it where there is none; what stands in it is left as it is. A link is not followed: the
    /// folder may be another user's.
    ///
    /// # Errors
    /// `WouldBlock` where another process holds it; what the system says.
    pub fn hold(path: &Path) -> io::Result<Self> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
                .open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            file.try_lock()?;
            let held = Self { path: path.to_owned(), file, written: false };
            // The one before may have removed it between the two calls.
            if held.is_in_place() {
                return Ok(held);
            }
        }
    }

    /// Returns the process that stands in it, if one does.
    pub fn pid(&mut self) -> Option<i32> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        // Too long a file is no pid file.
        (&self.file).take(64).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// Writes our own number.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.written = true;
        self.file.write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    fn is_in_place(&self) -> bool {
        let id = |about: io::Result<std::fs::Metadata>| about.map(|about| (about.dev(), about.ino())).ok();
        let ours = id(self.file.metadata());
        ours.is_some() && ours == id(std::fs::symlink_metadata(&self.path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // What names another process is left to it.
        let ours = self.file.metadata().is_ok_and(|about| about.len() == 0) || self.written;
        if ours && self.is_in_place() {
            // That it stays is no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PidFile;
    use std::io::ErrorKind;

    #[test]
    fn one_process_holds_it_and_it_goes_with_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runner.pid");
        std::fs::write(&path, "4711\n").expect("written");
        let mut first = PidFile::hold(&path).expect("nobody holds it");
        assert_eq!(first.pid(), Some(4711), "what stands there is left");
        let second = PidFile::hold(&path).expect_err("it is held");
        assert_eq!(second.kind(), ErrorKind::WouldBlock);
        drop(first);
        assert!(path.exists(), "it still names the other one");
        let mut first = PidFile::hold(&path).expect("nobody holds it");
        first.write().expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), format!("{}\n", std::process::id()));
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn another_s_file_in_its_place_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runner.pid");
        let held = PidFile::hold(&path).expect("nobody holds it");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "1\n").expect("written");
        drop(held);
        assert!(path.exists());
    }

    #[test]
    fn links_and_what_is_no_file_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
        std::fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, &link).expect("linked");
        PidFile::hold(&link).expect_err("a link");
        assert_eq!(std::fs::read_to_string(&victim).expect("there"), "precious");
        PidFile::hold(folder.path()).expect_err("a folder");
    }
}
