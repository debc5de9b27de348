//! Files that people name on the command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file, a pipe of a shell among them, of at most so many MiB.
///
/// # Errors
/// What keeps it from being read, and one that is larger.
pub fn read_bounded(path: &Path, most_mib: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take((most_mib << 20) + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most_mib << 20 {
        true => Err(io::Error::other(format!("it is larger than {most_mib} MiB"))),
        false => Ok(bytes),
    }
}
