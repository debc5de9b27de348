//! The guard: a second process that ends what was started here when we are killed outright.
//!
//! Plugins repair things; one that outlives a killed runner would run beside the one that the next runner starts. The groups
//! that run stand in a table in memory that the guard holds too. When the pipe closes that only we hold open, it ends those
//! that are left. A table is written without waking anybody: a message for each begin and end would wake the guard twice a run.

use super::group::{AFTER_TERM, Group, parent, processes};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An entry of the table: a group's number, or 0.
const ENTRY: usize = size_of::<i32>();

/// Our end of the guard.
#[derive(Debug)]
pub struct Guard {
    state: Mutex<State>,
    argument: &'static str,
    of: Vec<String>,
}

/// Another guard on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its process.
    pub pid: i32,
    /// The process that it guards; none where that is gone, and the guard ends what is left of it.
    pub guarded: Option<i32>,
    /// What it is for, in the words that [`Guard::start`] was told.
    pub of: Vec<String>,
}

#[derive(Debug)]
struct State {
    process: Process,
    table: File,
    /// Which entries of the table are in use.
    used: Vec<bool>,
}

/// The second process, and the pipe by whose end it knows of ours.
#[derive(Debug)]
struct Process {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the guard: this program again, with the argument that makes it call [`watch`] with what it reads and writes. The
    /// words after it, our process id and `of`, tell others what it is for.
    pub fn start(argument: &'static str, of: Vec<String>) -> io::Result<Self> {
        let table = File::from(memfd_create("groups", MFdFlags::MFD_CLOEXEC)?);
        let process = Process::start(argument, &of, &table)?;
        Ok(Self { state: Mutex::new(State { process, table, used: Vec::new() }), argument, of })
    }

    /// Returns what it is for.
    pub fn of(&self) -> &[String] {
        &self.of
    }

    /// Finds the other guards of our user or root. What another user calls a guard is none.
    pub fn others(&self) -> Vec<Other> {
        let own = self.state().process.child.id();
        processes().filter(|pid| u32::try_from(*pid) != Ok(own)).filter_map(|pid| self.look(pid)).collect()
    }

    fn look(&self, pid: i32) -> Option<Other> {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8(line).ok()?;
        let mut words = line.strip_suffix('\0')?.split('\0').skip(1);
        let is_guard = words.next() == Some(self.argument);
        let user = std::fs::metadata(format!("/proc/{pid}")).ok()?.uid();
        if !is_guard || (user != 0 && user != nix::unistd::geteuid().as_raw()) {
            return None;
        }
        let guarded = words.next()?.parse().ok()?;
        // Who has lost its parent is given another one.
        let lives = parent(pid) == Some(guarded);
        Some(Other { pid, guarded: lives.then_some(guarded), of: words.map(str::to_owned).collect() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a group ended if we are gone before it is told that it has ended.
    pub(super) fn watch(&self, group: Group) -> Watched<'_> {
        let mut state = self.state();
        let free = state.used.iter().position(|used| !used);
        let entry = free.unwrap_or_else(|| {
            state.used.push(false);
            state.used.len() - 1
        });
        state.used[entry] = true;
        state.write(entry, group.number());
        if state.process.has_gone()
            && let Ok(process) = Process::start(self.argument, &self.of, &state.table)
        {
            state.process = process;
        }
        Watched { guard: self, entry }
    }
}

impl State {
    fn write(&self, entry: usize, number: i32) {
        // Memory that cannot be had: the group is not guarded, and the check is still worth its run.
        let _ = self.table.write_all_at(&number.to_ne_bytes(), (entry * ENTRY) as u64);
    }
}

impl Process {
    fn start(argument: &str, of: &[String], table: &File) -> io::Result<Self> {
        // The program that runs, even when its file was replaced by an upgrade.
        let mut command = Command::new("/proc/self/exe");
        // A group of its own: what is sent to ours must not reach it.
        command.arg(argument).arg(std::process::id().to_string()).args(of);
        command.process_group(0).stdin(Stdio::piped()).stdout(table.try_clone()?);
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    fn has_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.child.wait();
    }
}

/// A group in the guard's care.
pub(super) struct Watched<'a> {
    guard: &'a Guard,
    entry: usize,
}

impl Watched<'_> {
    /// The group has ended. Without this, when the run itself is given up, the guard ends the group once we are gone.
    pub(super) fn ended(self) {
        let mut state = self.guard.state();
        state.write(self.entry, 0);
        state.used[self.entry] = false;
    }
}

/// Is the guard: waits until `pipe` closes, then ends the groups that stand in `table` as a time limit does.
///
/// # Errors
/// When one of them cannot be read.
pub fn watch(pipe: &mut impl Read, table: &File) -> io::Result<()> {
    io::copy(pipe, &mut io::sink())?;
    let mut entries = vec![0; usize::try_from(table.metadata()?.len()).unwrap_or(0)];
    table.read_exact_at(&mut entries, 0)?;
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let numbers = entries.iter().filter_map(|entry| u32::try_from(i32::from_ne_bytes(*entry)).ok());
    end(&numbers.filter_map(Group::of).collect::<Vec<_>>());
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
