//! The files that a configuration names: whether they can be read and hold what they should.

use super::value::{Wrong, password, secret};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The largest file that is read; a bundle of every public authority is 200 KB.
const MAX_FILE: u64 = 1 << 20;

/// What a file should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A token that goes into a header.
    Token,
    /// A password: any text on one line.
    Password,
    /// Certificates in PEM.
    Certificates,
    /// A private key in PEM.
    Key,
}

/// How relative paths and `~` in one configuration file are read.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// The folder of that file.
    pub base: PathBuf,
    /// The user's home.
    pub home: Option<PathBuf>,
}

impl Paths {
    /// Returns the file that `text` names.
    pub fn resolve(&self, text: &str) -> Result<PathBuf, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("must not be empty"));
        }
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Ok(home.join(rest)),
            (Some(_), None) => Err(Wrong::new("`~` cannot be resolved: HOME is not set")),
            (None, _) => Ok(self.base.join(text)),
        }
    }
}

impl Content {
    /// Says why a file cannot be read or does not hold this.
    pub fn check(self, path: &Path) -> Result<(), Wrong> {
        let shown = path.display();
        let bytes =
            read_bounded(path).map_err(|why| Wrong::new(format!("cannot read {shown}: {}", reason(&why))))?;
        let missing = |what: &str| {
            Wrong::new(format!("{shown} holds no {what}")).hint("the file must be in PEM format")
        };
        match self {
            Self::Certificates if !contains(&bytes, "-----BEGIN CERTIFICATE-----") => {
                Err(missing("certificate"))
            }
            Self::Key if !contains(&bytes, "PRIVATE KEY-----") => Err(missing("private key")),
            Self::Certificates | Self::Key => Ok(()),
            Self::Token | Self::Password => {
                // The line break that editors add at the end is no part of it.
                let text = String::from_utf8_lossy(&bytes);
                let parse = if self == Self::Token { secret } else { password };
                parse(text.trim()).map_err(|why| Wrong::new(format!("{shown}: {}", why.message)))?;
                Ok(())
            }
        }
    }
}

/// Reads a regular file of at most [`MAX_FILE`] bytes. A pipe is refused: opening one could wait forever.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("larger than {} MiB", MAX_FILE >> 20)));
    }
    Ok(bytes)
}

/// Reports whether users other than the owner and the group may read a file.
pub fn is_open_to_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}

/// Returns the words of an error without Rust's `(os error 2)`.
pub fn reason(why: &io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
