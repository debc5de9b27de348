//! The guard: ends everything a demo started once the demo is gone, even after `kill -9`.
//!
//! It holds the read end of a pipe whose only write end is in the demo. When that closes, it kills
//! every other process of its process group (the demo starts its servers in it) and removes the
//! demo's folder. It never removes a folder without the demo's mark.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
        let others = members(own);
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

/// Lists the living processes of `group`, its leader excepted.
fn members(group: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != group.as_raw())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_member(&stat, group))
        })
        .map(Pid::from_raw)
        .collect()
}

/// Reports whether `/proc/PID/stat` shows a living member of `group`. A zombie is as good as gone.
fn is_member(stat: &str, group: Pid) -> bool {
    // The command stands in parentheses and may itself hold spaces and parentheses.
    let Some((_, after)) = stat.rsplit_once(") ") else { return false };
    let mut fields = after.split(' ');
    let alive = !matches!(fields.next(), Some("Z" | "X") | None);
    alive && fields.nth(1).and_then(|pgrp| pgrp.parse().ok()) == Some(group.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_told_by_its_group_whatever_its_name() {
        let group = Pid::from_raw(42);
        assert!(is_member("77 (a) S 1 9) S 1 42 42 0", group));
        assert!(!is_member("77 (prometheus) S 1 43 42 0", group));
        assert!(!is_member("77 (prometheus) Z 1 42 42 0", group));
        assert!(!is_member("garbage", group));
    }

    #[test]
    fn a_folder_without_the_mark_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let error = watch(&mut std::io::empty(), dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("not a folder of a demo"), "{error}");
        assert!(dir.path().exists());
    }
}
