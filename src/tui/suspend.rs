//! Stopping on Ctrl-Z as every program of a shell does.

use crate::tui::terminal;
use nix::sys::signal::{Signal, killpg, raise};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid, tcgetpgrp};
use std::{fs, io};

/// Gives the terminal back and stops the process group until it is continued in the foreground.
///
/// Returns whether it stopped. A group that no shell looks after is not stopped: nobody could continue it.
pub fn suspend() -> bool {
    if orphaned() {
        return false;
    }
    terminal::leave();
    loop {
        // A script that started us stops with us, or its shell would wait for ever. We catch SIGTSTP, so
        // that it can be answered from outside too, and stop by the signal that cannot be caught.
        let _ = killpg(getpgrp(), Signal::SIGTSTP);
        let _ = raise(Signal::SIGSTOP);
        // `bg` on a program that needs the whole terminal stops it again, as the kernel would for a write.
        if in_foreground() {
            return true;
        }
    }
}

/// Whether the terminal listens to this process group.
pub fn in_foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// Whether no process outside of the group, in the same session, is an ancestor: nobody does job control.
fn orphaned() -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let mut parent = parent_of(getpid());
    while let Some(pid) = parent {
        if getpgid(Some(pid)) != Ok(group) {
            return getsid(Some(pid)) != session;
        }
        parent = parent_of(pid);
    }
    true
}

/// Returns the parent of a process; none for the first one.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; the state and the parent stand after the last one.
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    (parent > 0).then(|| Pid::from_raw(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_and_the_first_process_has_none() {
        assert_eq!(parent_of(getpid()), Some(nix::unistd::getppid()));
        assert_eq!(parent_of(Pid::from_raw(1)), None);
        assert_eq!(parent_of(Pid::from_raw(i32::MAX)), None);
    }
}
