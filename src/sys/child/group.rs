//! A process group, and how it is ended.

use crate::sys::apart::apart;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io;
use std::time::Duration;
use tokio::process::Child;

/// How often is looked whether a group is gone (childprocess, abstract_process.rb: POLL_INTERVAL).
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a group may take to end after TERM (childprocess, unix/process.rb: stop's default).
pub(super) const AFTER_TERM: Duration = Duration::from_secs(3);
/// How long after KILL is waited: only a process inside the kernel, or another user's, takes longer.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// How often is looked whether a group is gone that could not be ended.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The processes of a group, as far as `/proc` shows them. A zombie is as good as gone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    running: Vec<Pid>,
    zombies: usize,
}

impl Seen {
    /// Looks through all processes: milliseconds where there are thousands.
    fn of(group: Pid) -> Self {
        let mut seen = Self::default();
        for pid in processes().map(Pid::from_raw) {
            match Member::look(pid, group) {
                Member::Running => seen.running.push(pid),
                Member::Zombie => seen.zombies += 1,
                Member::No => {}
            }
        }
        seen
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Running,
    Zombie,
    No,
}

impl Member {
    fn look(pid: Pid, group: Pid) -> Self {
        match std::fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => Self::read(&stat, group),
            // It ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::No,
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Self::No,
            // What cannot be looked at might be one: nothing is begun beside it.
            Err(_) if nix::unistd::getpgid(Some(pid)) == Ok(group) => Self::Running,
            Err(_) => Self::No,
        }
    }

    /// Reads `/proc/PID/stat`. The command's name stands in parentheses, and is any bytes, parentheses among them.
    fn read(stat: &[u8], group: Pid) -> Self {
        let mut fields = after_name(stat);
        let state = fields.next().unwrap_or_default();
        let pgrp = fields.nth(1).and_then(number);
        match state {
            _ if pgrp != Some(group.as_raw()) => Self::No,
            b"Z" | b"X" => Self::Zombie,
            _ => Self::Running,
        }
    }
}

/// Returns the fields of `/proc/PID/stat` that follow the name: state, parent, group. A name may hold anything.
fn after_name(stat: &[u8]) -> impl Iterator<Item = &[u8]> {
    let name_ends = memchr::memmem::rfind(stat, b") ").map_or(stat.len(), |at| at + 2);
    stat[name_ends..].split(|byte| *byte == b' ')
}

fn number(field: &[u8]) -> Option<i32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Returns the numbers of all processes.
pub(super) fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Returns the parent of a process.
pub(super) fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    after_name(&stat).nth(1).and_then(number)
}

/// Lists the running processes of a group.
pub fn members(group: Pid) -> Vec<Pid> {
    Seen::of(group).running
}

/// A process group of a command that was started here.
///
/// Its number cannot come to mean another group while a process is in it, and once none is, nothing is sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(Pid);

impl Group {
    /// Returns the group that the process with this id leads.
    pub(super) fn of(leader: u32) -> Option<Self> {
        let leader = i32::try_from(leader).ok()?;
        // 0 and 1 would mean ourselves and everybody.
        (leader > 1).then_some(Self(Pid::from_raw(leader)))
    }

    /// Returns the group's number.
    pub fn number(self) -> i32 {
        self.0.as_raw()
    }

    /// Whether a process runs in the group. One that ended and that nobody waited for does not.
    pub fn is_alive(self) -> bool {
        self.exists().is_some_and(|reach| reach.is_alive(&Seen::of(self.0)))
    }

    /// Asks the system, which costs next to nothing; it counts those that ended and that nobody waited for.
    fn exists(self) -> Option<Reach> {
        match killpg(self.0, None) {
            Ok(()) => Some(Reach::Ours),
            Err(Errno::ESRCH) => None,
            Err(_) => Some(Reach::Anothers),
        }
    }

    /// Sends a signal to all; a group that is gone is what was wanted.
    pub(super) fn send(self, signal: Signal) {
        let _ = killpg(self.0, signal);
    }

    /// Ends all processes: TERM, three seconds, KILL. Returns the group where one is left even then.
    pub(super) async fn end(self, leader: &mut Child) -> Option<Self> {
        let mut lookout = Lookout { group: self, known: Vec::new() };
        for (signal, wait) in [(Signal::SIGTERM, AFTER_TERM), (Signal::SIGKILL, AFTER_KILL)] {
            self.send(signal);
            let rounds = wait.as_millis() / LOOK_EVERY.as_millis();
            for _ in 0..=rounds {
                // A leader that nobody waited for would count as alive.
                let _ = leader.try_wait();
                if !lookout.is_alive().await {
                    return None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Some(self)
    }

    /// Waits until no process is in the group.
    pub async fn gone(self) {
        let mut lookout = Lookout { group: self, known: Vec::new() };
        while lookout.is_alive().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Whether a signal of ours reaches a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Ours,
    /// Its processes are another user's: those of `sudo`, for one.
    Anothers,
}

impl Reach {
    /// Where nothing of a group is to be seen that the system knows of, `/proc` is hidden from us (hidepid), and it lives.
    fn is_alive(self, seen: &Seen) -> bool {
        !seen.running.is_empty() || (self == Self::Anothers && seen.zombies == 0)
    }
}

/// Looks again and again whether a group lives. As long as one process lives that was seen, the others are not looked for.
struct Lookout {
    group: Group,
    known: Vec<Pid>,
}

impl Lookout {
    async fn is_alive(&mut self) -> bool {
        let Some(reach) = self.group.exists() else { return false };
        let group = self.group.0;
        self.known.retain(|pid| Member::look(*pid, group) == Member::Running);
        if !self.known.is_empty() {
            return true;
        }
        let seen = apart(move || Seen::of(group)).await;
        let alive = reach.is_alive(&seen);
        self.known = seen.running;
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Reach, Seen};
    use nix::unistd::Pid;

    #[test]
    fn a_member_is_told_by_its_group_whatever_its_name() {
        let read = |stat: &[u8]| Member::read(stat, Pid::from_raw(42));
        assert_eq!(read(b"77 (a) S 1 9) S 1 42 42 0"), Member::Running);
        assert_eq!(read(b"77 (s\xff) D 1 42 42 0"), Member::Running);
        assert_eq!(read(b"77 (prometheus) S 1 43 42 0"), Member::No);
        assert_eq!(read(b"77 (prometheus) Z 1 42 42 0"), Member::Zombie);
        assert_eq!(read(b"garbage"), Member::No);
    }

    #[test]
    fn a_group_that_no_signal_reaches_is_not_gone() {
        let (none, zombie) = (Seen::default(), Seen { running: Vec::new(), zombies: 1 });
        let running = Seen { running: vec![Pid::from_raw(77)], zombies: 0 };
        assert!(Reach::Anothers.is_alive(&running) && Reach::Ours.is_alive(&running));
        assert!(Reach::Anothers.is_alive(&none), "hidden from us");
        assert!(!Reach::Anothers.is_alive(&zombie) && !Reach::Ours.is_alive(&none));
    }
}
