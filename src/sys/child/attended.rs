//! One command that somebody waits for, in whose place we stand: as much as possible is as it would be without us.
//!
//! It has standard output and standard error of its own, each copied to ours as it comes. Where ours are one and the same, so are
//! its: then both keep their order to the byte. Where nobody reads ours any more, nobody reads its, and SIGPIPE ends it. A command
//! that has ended has ended, though a process that it began runs on with its output in hand.

use super::{Group, Guard, Kept, Outcome, over, words};
use crate::sys::apart::apart;
use crate::sys::clock;
use futures_util::FutureExt as _;
use futures_util::future::{join_all, maybe_done};
use nix::sys::signal::Signal;
use nix::sys::stat::fstat;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::future::{Future, pending};
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

/// As much is read at a time as a pipe holds.
const PIECE: usize = 64 * 1024;
/// So long is waited for the end of the output of a command that has ended.
const HELD: Duration = Duration::from_secs(2);
/// In so many pieces is read what is there then: more than a pipe holds, and an end for one that is filled as fast.
const LAST_PIECES: usize = 16;
/// So long may the copying take of what a command wrote last, where nobody wants to wait any more.
const LAST_COPY: Duration = Duration::from_secs(1);
/// An output that does not block is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// One command that somebody waits for.
#[derive(Debug, Default)]
pub struct Attended<'a> {
    /// The program and its arguments.
    pub words: &'a [OsString],
    /// How long it may take, from its start on.
    pub limit: Option<Duration>,
    /// Whether what it writes is copied to our own outputs, as it comes.
    pub copy: bool,
    /// How many bytes of the beginning of its output are kept.
    pub keep: usize,
    /// How many bytes of the end of it are kept, beside those.
    pub tail: usize,
    /// The group, as long as the command itself runs.
    pub running: Running,
}

/// Whether a command runs, for somebody who has a signal for it.
#[derive(Debug, Default)]
pub struct Running {
    group: Cell<Option<Group>>,
    enough: CancellationToken,
}

/// How it ended.
#[derive(Debug)]
pub struct Finish {
    /// Its exit code, or why there is none.
    pub outcome: Outcome,
    /// What it wrote in the order in which it came, as far as kept.
    pub output: Vec<u8>,
    /// The end of it, as far as wanted and not part of the above.
    pub tail: Vec<u8>,
    /// How many bytes it wrote.
    pub output_bytes: u64,
    /// Whether its output had no end: a process that it began has it in hand.
    pub is_held: bool,
    /// Why not all of it was copied.
    pub uncopied: Vec<Uncopied>,
    /// How long it ran itself.
    pub took: Duration,
    /// The group, where it could not be ended.
    pub lingering: Option<Group>,
}

/// One of our own outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, and standard error where that is the same.
    Out,
    /// Standard error.
    Err,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Out => "standard output",
            Self::Err => "standard error",
        })
    }
}

/// One of our outputs could not be written.
#[derive(Debug)]
pub struct Uncopied {
    /// Which one.
    pub output: Output,
    /// Why.
    pub error: io::Error,
}

impl Uncopied {
    /// Whether there is nobody who reads it: that is the reader's right.
    pub fn is_unread(&self) -> bool {
        self.error.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Running {
    /// Whether the command itself runs still.
    pub fn is_so(&self) -> bool {
        self.group.get().is_some()
    }

    /// Hands a signal on to the command and all that it began, and returns whether it runs.
    pub fn pass(&self, signal: Signal) -> bool {
        self.group.get().inspect(|group| group.send(signal)).is_some()
    }

    /// Has what is left of a command that has ended waited for no more.
    pub fn give_up(&self) {
        self.enough.cancel();
    }
}

/// Runs a command to its end, or to the limit, at which it is ended with all that it began.
pub async fn attend(attended: &Attended<'_>, guard: Option<&Guard>) -> Finish {
    let (kept, begun) = (Kept::new(attended.keep, attended.tail), clock::instant());
    let told = RefCell::new(Told { kept, is_held: false, uncopied: Vec::new(), took: Duration::ZERO });
    let (mut child, relays) = match start(attended) {
        Ok(started) => started,
        Err(error) => return told.into_inner().finish(Outcome::Failed(words(&error)), None),
    };
    let Some(group) = child.id().and_then(Group::of) else {
        return told.into_inner().finish(Outcome::Failed("the process has no id".to_owned()), None);
    };
    let watched = guard.map(|guard| guard.watch(group));
    attended.running.group.set(Some(group));
    let deadline = attended.limit.and_then(|limit| begun.checked_add(limit));
    let stops = Stops::default();
    let (outcome, lingering) = {
        let mut relays = pin!(maybe_done(join_all(relays.into_iter().map(|relay| relay.run(&told, &stops)))));
        let status = tokio::select! {
            biased;
            status = beside(relays.as_mut(), child.wait()) => Some(status),
            () = until(deadline) => None,
        };
        attended.running.group.set(None);
        let ended = match status {
            Some(Ok(status)) => (Outcome::Exited(code(status)), None),
            Some(Err(error)) => {
                (Outcome::Failed(words(&error)), beside(relays.as_mut(), group.end(&mut child)).await)
            }
            None => (Outcome::TimedOut, beside(relays.as_mut(), group.end(&mut child)).await),
        };
        told.borrow_mut().took = begun.elapsed();
        let enough = async {
            tokio::select! {
                () = until(deadline) => {}
                () = attended.running.enough.cancelled() => {}
            }
        };
        stops.end(relays, enough).await;
        ended
    };
    if let Some(watched) = watched {
        watched.ended();
    }
    told.into_inner().finish(outcome, lingering)
}

/// Does one thing while another goes on.
async fn beside<T>(other: impl Future<Output = ()>, this: impl Future<Output = T>) -> T {
    let without_end = async {
        other.await;
        pending().await
    };
    tokio::select! {
        biased;
        never = without_end => never,
        done = this => done,
    }
}

/// Waits until a time; where there is none, for ever.
async fn until(deadline: Option<Instant>) {
    over(deadline.map(|deadline| deadline.saturating_duration_since(clock::instant()))).await;
}

/// Starts the command. A shell becomes it, as it would from a crontab: that finds programs without a first line, and has the words
/// for one that is missing.
fn start(attended: &Attended<'_>) -> io::Result<(Child, Vec<Relay>)> {
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", "exec \"$@\"", "sh"]).args(attended.words).process_group(0).stdin(Stdio::inherit());
    let (out, writer) = io::pipe()?;
    let sink = |of: &dyn AsFd, which| attended.copy.then(|| Sink::new(of, which)).transpose();
    let mut relays = vec![Relay::new(out, sink(&io::stdout(), Output::Out)?)?];
    let err: PipeWriter = if !attended.copy || are_one(&io::stdout(), &io::stderr()) {
        writer.try_clone()?
    } else {
        let (err, writer) = io::pipe()?;
        relays.push(Relay::new(err, sink(&io::stderr(), Output::Err)?)?);
        writer
    };
    shell.stdout(Stdio::from(writer)).stderr(Stdio::from(err));
    let child = shell.spawn()?;
    // The shell's ends of the pipes close here, with `shell`: the end of the output is the end of the last writer.
    drop(shell);
    Ok((child, relays))
}

/// Whether two descriptors write to the same place.
fn are_one(one: &dyn AsFd, other: &dyn AsFd) -> bool {
    match (fstat(one.as_fd()), fstat(other.as_fd())) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// As a shell has it.
fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or_default()
}

/// What is known so far of a command's output.
struct Told {
    kept: Kept,
    is_held: bool,
    uncopied: Vec<Uncopied>,
    took: Duration,
}

impl Told {
    fn finish(self, outcome: Outcome, lingering: Option<Group>) -> Finish {
        let Self { kept, is_held, uncopied, took } = self;
        let (output, tail, output_bytes) = (kept.bytes, kept.tail.into(), kept.total);
        Finish { outcome, output, tail, output_bytes, is_held, uncopied, took, lingering }
    }
}

/// What the relays are told once the command has ended.
#[derive(Default)]
struct Stops {
    /// Nothing more is waited for; what is there is read.
    waiting: CancellationToken,
    /// It is read, and not copied any more.
    copying: CancellationToken,
}

impl Stops {
    /// Has the relays end. An output that a process has in hand is waited for a while; a reader of ours that is slow, as long as
    /// no limit is over and nobody insists.
    async fn end(&self, mut relays: Pin<&mut impl Future<Output = ()>>, enough: impl Future<Output = ()>) {
        let mut enough = pin!(maybe_done(enough));
        tokio::select! {
            biased;
            () = relays.as_mut() => return,
            () = tokio::time::sleep(HELD) => {}
            () = enough.as_mut() => {}
        }
        self.waiting.cancel();
        tokio::select! {
            biased;
            () = relays.as_mut() => return,
            () = enough => {}
        }
        tokio::select! {
            biased;
            () = relays.as_mut() => return,
            () = tokio::time::sleep(LAST_COPY) => {}
        }
        self.copying.cancel();
        relays.await;
    }
}

/// One output of the command on its way to ours.
struct Relay {
    from: pipe::Receiver,
    to: Option<Sink>,
}

impl Relay {
    fn new(from: PipeReader, to: Option<Sink>) -> io::Result<Self> {
        Ok(Self { from: pipe::Receiver::from_owned_fd(from.into())?, to })
    }

    async fn run(mut self, told: &RefCell<Told>, stops: &Stops) {
        let mut piece = vec![0; PIECE];
        let mut left = LAST_PIECES;
        while left > 0 {
            let Some(read) = self.read(&mut piece, stops).await else { break };
            if read == 0 {
                return;
            }
            told.borrow_mut().kept.take(&piece[..read]);
            let copied = self.copy(&piece[..read], stops).await;
            if let Err(uncopied) = copied {
                self.to = None;
                let is_unread = uncopied.is_unread();
                told.borrow_mut().uncopied.push(uncopied);
                if is_unread {
                    // Our end of the pipe closes: the command is told as it would be told without us.
                    return;
                }
            }
            left -= usize::from(stops.waiting.is_cancelled());
        }
        told.borrow_mut().is_held = true;
    }

    /// Reads a piece, of no bytes at the end; none where none is there and nothing is waited for any more.
    async fn read(&mut self, piece: &mut [u8], stops: &Stops) -> Option<usize> {
        // A pipe that cannot be read is at its end for us.
        if !stops.waiting.is_cancelled() {
            tokio::select! {
                biased;
                read = self.from.read(piece) => return Some(read.unwrap_or_default()),
                () = stops.waiting.cancelled() => {}
            }
        }
        let present = tokio::task::unconstrained(self.from.read(piece)).now_or_never();
        present.map(Result::unwrap_or_default)
    }

    async fn copy(&self, piece: &[u8], stops: &Stops) -> Result<(), Uncopied> {
        let Some(to) = &self.to else { return Ok(()) };
        tokio::select! {
            copied = to.write(piece.to_vec()) => copied.map_err(|error| Uncopied { output: to.which, error }),
            () = stops.copying.cancelled() => Ok(()),
        }
    }
}

/// Where a relay writes to.
struct Sink {
    file: Arc<File>,
    which: Output,
}

impl Sink {
    fn new(of: &dyn AsFd, which: Output) -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::from(of.as_fd().try_clone_to_owned()?)), which })
    }

    /// Writes it on a thread of its own: who reads may be slow, and still the time limit holds.
    async fn write(&self, piece: Vec<u8>) -> io::Result<()> {
        let file = self.file.clone();
        apart(move || write_all(&file, &piece)).await
    }
}

fn write_all(mut file: &File, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match file.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => piece = &piece[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody else's doing: we share it with whoever made it so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(TRY_AGAIN),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
