//! What becomes of a file that cannot be used: it is kept beside its successor, but not for ever.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Fault;
use crate::sys::clock;

/// So many damaged files are kept; the oldest goes first.
const MOST_KEPT: usize = 2;
/// A file that was being opened when the process died so many times is taken for the cause.
const MOST_DEATHS: u8 = 3;

/// Renames the file to `NAME.damaged-TIME` and returns that path.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let time = clock::now().format("%Y%m%dT%H%M%S%.6fZ");
    let aside = with_ending(path, &format!(".damaged-{time}"));
    fs::rename(path, &aside)?;
    forget_oldest(path);
    Ok(aside)
}

/// An old damaged file that cannot be deleted is no reason to stop.
fn forget_oldest(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let start = [name.as_encoded_bytes(), b".damaged-"].concat();
    let Ok(entries) = fs::read_dir(folder) else { return };
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut kept: Vec<OsString> = names.filter(|name| name.as_encoded_bytes().starts_with(&start)).collect();
    kept.sort();
    for oldest in kept.iter().rev().skip(MOST_KEPT) {
        fs::remove_file(folder.join(oldest)).ok();
    }
}

/// An attempt to open the file, noted beside it while it lasts.
///
/// Not every damage ends in an error that can be caught: one that exhausts memory or never ends takes the process with
/// it, and would do so at every start.
pub(super) struct Attempt {
    note: PathBuf,
}

impl Attempt {
    /// Notes the attempt; damage, if earlier ones did not live to its end.
    pub fn begin(path: &Path) -> Result<Attempt, Fault> {
        let note = with_ending(path, ".opening");
        let deaths = fs::read(&note).ok().and_then(|bytes| bytes.first().copied()).unwrap_or(0);
        let attempt = Attempt { note };
        if deaths >= MOST_DEATHS {
            attempt.end();
            return Err(Fault::Damage(format!("the process died {deaths} times while opening it")));
        }
        // Without a place for the note (a full disk) the store is opened all the same.
        fs::write(&attempt.note, [deaths + 1]).ok();
        Ok(attempt)
    }

    pub fn end(self) {
        fs::remove_file(&self.note).ok();
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
