//! A folder of numbered files, of which the newest are kept.

use crate::demo::DemoError;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many are kept: more than anyone reads, and a storm has thousands.
pub(super) const KEPT: u64 = 400;

/// The folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    extension: &'static str,
    put: AtomicU64,
}

impl Shelf {
    /// Makes the folder.
    pub(super) fn make(folder: PathBuf, extension: &'static str) -> Result<Self, DemoError> {
        std::fs::create_dir_all(&folder).map_err(DemoError::file(&folder))?;
        Ok(Self { folder, extension, put: AtomicU64::new(0) })
    }

    /// Puts the next file there, whole from the moment that its name is seen, and takes the oldest away.
    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let number = self.put.fetch_add(1, Ordering::Relaxed) + 1;
        // `ls` and `*` pass over a name with a dot before it.
        let aside = self.folder.join(format!(".{}", self.name(number)));
        let written = std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, self.path(number)));
        if written.is_err() {
            // It takes room where that may be what is missing.
            let _ = std::fs::remove_file(&aside);
        }
        if let Some(oldest) = number.checked_sub(KEPT).filter(|oldest| *oldest > 0) {
            // It may never have been written.
            let _ = std::fs::remove_file(self.path(oldest));
        }
        written
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(self.name(number))
    }

    fn name(&self, number: u64) -> String {
        format!("{number:04}.{}", self.extension)
    }
}
