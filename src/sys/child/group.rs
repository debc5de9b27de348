//! A process group, and how it is ended.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::time::Duration;
use tokio::process::Child;

/// How often is looked whether a group is gone (childprocess, abstract_process.rb: POLL_INTERVAL).
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a group may take to end after TERM (childprocess, unix/process.rb: stop's default).
pub(super) const AFTER_TERM: Duration = Duration::from_secs(3);
/// How long after KILL is waited: only a process inside the kernel takes longer.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Lists the running processes of a group.
pub fn members(group: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
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
        killpg(self.0, None).is_ok() && !members(self.0).is_empty()
    }

    /// Sends a signal to all; a group that is gone is what was wanted.
    pub(super) fn send(self, signal: Signal) {
        let _ = killpg(self.0, signal);
    }

    /// Ends all processes: TERM, three seconds, KILL. Returns the group where one is left even then.
    pub(super) async fn end(self, leader: &mut Child) -> Option<Self> {
        for (signal, wait) in [(Signal::SIGTERM, AFTER_TERM), (Signal::SIGKILL, AFTER_KILL)] {
            self.send(signal);
            let rounds = wait.as_millis() / LOOK_EVERY.as_millis();
            for _ in 0..=rounds {
                // A leader that nobody waited for would count as alive.
                let _ = leader.try_wait();
                if !self.is_alive() {
                    return None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Some(self)
    }

    /// Waits until no process is in the group.
    pub async fn gone(self) {
        while self.is_alive() {
            tokio::time::sleep(10 * LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_member;
    use nix::unistd::Pid;

    #[test]
    fn a_member_is_told_by_its_group_whatever_its_name() {
        let group = Pid::from_raw(42);
        assert!(is_member("77 (a) S 1 9) S 1 42 42 0", group));
        assert!(!is_member("77 (prometheus) S 1 43 42 0", group));
        assert!(!is_member("77 (prometheus) Z 1 42 42 0", group));
        assert!(!is_member("garbage", group));
    }
}
