//! The file that tells checks which definitions were loaded (loader.rb:442-450), for plugins that read them.

use super::Settings;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file; it goes with this value.
///
/// Its name is ours: the original opens its own, `sensu_client_loaded_files`, for writing and ends where it may not, so that a
/// file of another user would keep a sensu-client from its next start.
#[derive(Debug)]
pub struct LoadedFiles {
    path: PathBuf,
}

impl LoadedFiles {
    /// Writes the paths of the files that were loaded.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn write(folder: &Path, settings: &Settings) -> io::Result<Self> {
        let path = folder.join(format!("iaasmon_loaded_files.{}", std::process::id()));
        let file = Self { path };
        file.renew(settings)?;
        Ok(file)
    }

    /// Returns the variable of every check.
    pub fn variable(&self) -> (OsString, OsString) {
        ("SENSU_LOADED_TEMPFILE".into(), self.path.clone().into())
    }

    /// Writes the paths anew. Anybody may write to the folder: the file is replaced, never written through.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn renew(&self, settings: &Settings) -> io::Result<()> {
        let mut begun = self.path.clone().into_os_string();
        begun.push(".new");
        // One of that name can only be what a runner with our number left.
        let _ = std::fs::remove_file(&begun);
        let names: Vec<_> = settings.files().iter().map(|path| path.as_os_str().as_encoded_bytes()).collect();
        File::create_new(&begun)?.write_all(&names.join(&b':'))?;
        std::fs::rename(&begun, &self.path)
    }
}

impl Drop for LoadedFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
