//! The guard: ends everything a demo started once the demo is gone, even after `kill -9`.
//!
//! It holds the read end of a pipe whose only write end is in the demo. When that closes, it kills
//! every other process of its process group (the demo starts its servers in it) and removes the
//! demo's folder. It never removes a folder without the demo's mark.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::sys::child::members;
use nix::sys::signal::{Signal, kill};

/// The file that marks a folder as one that the guard may remove.
pub const MARK: &str = ".iaasmon-demo";
/// A killed process needs a moment to go; this is how long the guard insists.
const ROUNDS: u32 = 200;

/// Waits until `demo` (standard input) ends, then cleans up behind it.
///
/// # Errors
/// When the folder is not a demo's, or cannot be removed.
pub fn watch(demo: &mut impl Read, folder: &Path) -> std::io::Result<()> {
    if !folder.join(MARK).is_file() {
        return Err(std::io::Error::other(format!("{}: not a folder of a demo", folder.display())));
    }
    let mut ignored = [0_u8; 256];
    while demo.read(&mut ignored)? > 0 {}
    end_group();
    std::fs::remove_dir_all(folder)
}

/// Kills the other members of our process group until none is left.
fn end_group() {
    let own = nix::unistd::getpid();
    // Someone ran the guard by hand: its group is a shell's job, or the shell's own.
    if nix::unistd::getpgrp() != own {
        return;
    }
    for _ in 0..ROUNDS {
        let others: Vec<_> = members(own).into_iter().filter(|pid| *pid != own).collect();
        if others.is_empty() {
            return;
        }
        for pid in others {
            // A process that ended meanwhile is what we want.
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_mark_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let error = watch(&mut std::io::empty(), dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("not a folder of a demo"), "{error}");
        assert!(dir.path().exists());
    }
}
