//! The guard: a second process that ends what was started here when we are killed outright.
//!
//! Plugins repair things; one that outlives a killed runner would run beside the one that the next runner starts. The guard
//! is told each group that begins and ends. When the pipe closes that only we hold open, it ends the groups that are left.

use super::group::{AFTER_TERM, Group};
use nix::sys::signal::Signal;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A record: begun or ended, and the group's number.
const RECORD: usize = 5;
const BEGUN: u8 = b'+';
const ENDED: u8 = b'-';

/// Our end of the guard.
#[derive(Debug)]
pub struct Guard {
    state: Mutex<State>,
    argument: &'static str,
}

#[derive(Debug)]
struct State {
    child: Child,
    pipe: Option<ChildStdin>,
    groups: Vec<Group>,
}

impl Guard {
    /// Starts the guard: this program again, with the one argument that makes it call [`watch`].
    pub fn start(argument: &'static str) -> io::Result<Self> {
        let (child, pipe) = spawn(argument)?;
        Ok(Self { state: Mutex::new(State { child, pipe, groups: Vec::new() }), argument })
    }

    /// Has a group ended if we are gone before it is told that it has ended.
    pub(super) fn watch(&self, group: Group) -> Watched<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.push(group);
        self.tell(&mut state, BEGUN, group);
        Watched { guard: self, group }
    }

    fn tell(&self, state: &mut State, what: u8, group: Group) {
        let told = state.pipe.as_mut().is_some_and(|pipe| pipe.write_all(&record(what, group)).is_ok());
        if !told {
            self.replace(state);
        }
    }

    /// Starts another guard in the place of one that is gone, and tells it everything.
    fn replace(&self, state: &mut State) {
        let _ = state.child.try_wait();
        let Ok((child, pipe)) = spawn(self.argument) else {
            state.pipe = None;
            return;
        };
        (state.child, state.pipe) = (child, pipe);
        let all: Vec<u8> = state.groups.iter().flat_map(|group| record(BEGUN, *group)).collect();
        if state.pipe.as_mut().is_some_and(|pipe| pipe.write_all(&all).is_err()) {
            state.pipe = None;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.pipe = None;
        let _ = state.child.wait();
    }
}

/// A group in the guard's care.
pub(super) struct Watched<'a> {
    guard: &'a Guard,
    group: Group,
}

impl Watched<'_> {
    /// The group has ended. Without this, when the run itself is given up, the guard ends the group once we are gone.
    pub(super) fn ended(self) {
        let mut state = self.guard.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.retain(|group| *group != self.group);
        self.guard.tell(&mut state, ENDED, self.group);
    }
}

fn spawn(argument: &str) -> io::Result<(Child, Option<ChildStdin>)> {
    // The program that runs, even when its file was replaced by an upgrade.
    let mut command = Command::new("/proc/self/exe");
    // A group of its own: what is sent to ours must not reach it.
    command.arg(argument).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn()?;
    let pipe = child.stdin.take();
    Ok((child, pipe))
}

fn record(what: u8, group: Group) -> [u8; RECORD] {
    let [a, b, c, d] = group.number().to_ne_bytes();
    [what, a, b, c, d]
}

/// Is the guard: reads what begins and ends until `told` closes, then ends what is left as a time limit does.
///
/// # Errors
/// When `told` cannot be read.
pub fn watch(told: &mut impl Read) -> io::Result<()> {
    let mut groups: Vec<Group> = Vec::new();
    let mut record = [0; RECORD];
    loop {
        match told.read_exact(&mut record) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let [what, a, b, c, d] = record;
        let number = u32::try_from(i32::from_ne_bytes([a, b, c, d])).ok();
        let Some(group) = number.and_then(Group::of) else { continue };
        match what {
            BEGUN => groups.push(group),
            _ => groups.retain(|known| *known != group),
        }
    }
    end(&groups);
    Ok(())
}

fn end(groups: &[Group]) {
    let look_every = Duration::from_millis(20);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        groups.iter().filter(|group| group.is_alive()).for_each(|group| group.send(signal));
        for _ in 0..AFTER_TERM.as_millis() / look_every.as_millis() {
            if !groups.iter().any(|group| group.is_alive()) {
                return;
            }
            std::thread::sleep(look_every);
        }
    }
}
