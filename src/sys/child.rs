//! Commands of foreign origin: a shell of their own in a process group of their own, with a time limit and bounded output.
//!
//! This is sensu-spawn with childprocess (spawn.rb:51-178, unix/process.rb:10-26), but for one thing: at the end of the
//! time limit the *whole* group is ended for certain. The original looks at the shell alone and leaves a script that ignores
//! TERM running once its shell is gone.

mod attended;
mod group;
mod guard;
mod kept;
mod user;

pub use attended::{Attended, Finish, Output, Running, Uncopied, attend};
pub use group::{Group, members};
pub use guard::{Guard, Other, watch};
pub use user::{RunAs, become_user};

use kept::Kept;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin};

/// How much is read at a time, as the original does.
const PIECE: usize = 8192;

/// So long is waited for a command's end before its output is read: most have ended by then and have written less than a pipe
/// holds (64 KiB), and so wake us once and not with each line. One that writes more waits as long.
const UNREAD: Duration = Duration::from_millis(100);

/// So many pieces are read without looking up: more than a pipe holds, and an end for a command that writes as fast as we read.
const AT_ONCE: usize = 64;

/// What every command of a process finds around it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The folder that commands start in; ours where none is named.
    pub folder: Option<PathBuf>,
    /// What is set over our own environment.
    pub variables: Vec<(OsString, OsString)>,
    /// The user that commands run as; ours where none is named.
    pub user: Option<RunAs>,
}

/// One command to be run.
#[derive(Debug)]
pub struct Command<'a> {
    /// What `sh -c` gets.
    pub line: &'a [u8],
    /// What the command reads; ours is inherited where there is none.
    pub stdin: Option<Vec<u8>>,
    /// How long it may take, from its start on.
    pub limit: Option<Duration>,
    /// How many bytes of its output are kept; the rest is read and dropped.
    pub keep: usize,
    /// Folder and environment.
    pub around: &'a Surroundings,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or why there is none.
    pub outcome: Outcome,
    /// Standard output and standard error in the order in which they were written, as far as kept.
    pub output: Vec<u8>,
    /// How many bytes it wrote.
    pub output_bytes: u64,
    /// The group, where it could not be ended: a process in it waits for a disk, say.
    pub lingering: Option<Group>,
}

/// Whether a command gave an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its exit code, or the signal that ended it: its bare number as a check has it, 128 more for one that is attended.
    Exited(i32),
    /// The time limit came first.
    TimedOut,
    /// It could not be started, or not be read from.
    Failed(String),
}

impl Ended {
    fn without_output(outcome: Outcome) -> Self {
        Self { outcome, output: Vec::new(), output_bytes: 0, lingering: None }
    }
}

/// Runs a command to its end: until the shell has exited *and* nobody holds its output any more, or until the limit. Of one that
/// met the limit there is no output.
pub async fn run(command: Command<'_>, guard: Option<&Guard>) -> Ended {
    let (mut child, output) = match start(&command) {
        Ok(started) => started,
        Err(error) => return Ended::without_output(Outcome::Failed(words(&error))),
    };
    let Some(group) = child.id().and_then(Group::of) else {
        return Ended::without_output(Outcome::Failed("the process has no id".to_owned()));
    };
    let watched = guard.map(|guard| guard.watch(group));
    let mut kept = Kept::new(command.keep, 0);
    // One that is ended and says a last word must not die of nobody reading it.
    let open = output.try_clone();
    let whole = work(&mut child, output, command.stdin, &mut kept);
    let done = tokio::select! {
        biased;
        done = whole => Some(done),
        () = over(command.limit) => None,
    };
    let ended = match done {
        Some(Ok(status)) => {
            let outcome = Outcome::Exited(number(status));
            Ended { outcome, output: kept.bytes, output_bytes: kept.total, lingering: None }
        }
        Some(Err(error)) => {
            let lingering = group.end(&mut child).await;
            Ended { lingering, ..Ended::without_output(Outcome::Failed(words(&error))) }
        }
        None => {
            let lingering = group.end(&mut child).await;
            Ended { lingering, ..Ended::without_output(Outcome::TimedOut) }
        }
    };
    if let Some(watched) = watched {
        watched.ended();
    }
    drop(open);
    ended
}

/// Waits until the limit is over; where there is none, for ever.
async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Starts `sh -c` with one pipe for both of its outputs.
fn start(command: &Command<'_>) -> io::Result<(Child, PipeReader)> {
    if command.line.contains(&0) {
        let line = String::from_utf8_lossy(command.line);
        return Err(io::Error::other(format!("argument cannot contain null bytes: {line:?}")));
    }
    let (reader, writer) = io::pipe()?;
    let line = OsStr::from_bytes(command.line);
    let mut shell = match &command.around.user {
        Some(user) => user.shell(line),
        None => {
            let mut shell = tokio::process::Command::new("sh");
            shell.arg("-c").arg(line);
            shell
        }
    };
    shell.process_group(0);
    shell.stdout(Stdio::from(writer.try_clone()?)).stderr(Stdio::from(writer));
    shell.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::inherit() });
    shell.envs(command.around.variables.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &command.around.folder {
        shell.current_dir(folder);
    }
    let child = shell.spawn()?;
    // The shell's ends of the pipe close here, with `shell`: the end of the output is the end of the last writer.
    drop(shell);
    Ok((child, reader))
}

async fn work(
    child: &mut Child,
    output: PipeReader,
    stdin: Option<Vec<u8>>,
    kept: &mut Kept,
) -> io::Result<ExitStatus> {
    let input = child.stdin.take();
    let read = async {
        // How it ended is asked for again below.
        let _ = tokio::time::timeout(UNREAD, child.wait()).await;
        read(output, kept).await
    };
    let (read, ()) = tokio::join!(read, feed(input, stdin));
    read?;
    child.wait().await
}

/// Writes a command its input. One that does not read it is no failure: the original loses that race now and then, and
/// reports `Broken pipe` instead of the command's own status.
async fn feed(input: Option<ChildStdin>, bytes: Option<Vec<u8>>) {
    if let (Some(mut input), Some(bytes)) = (input, bytes) {
        let _ = input.write_all(&bytes).await;
    }
}

/// Reads to the end: what is there at once, and only where more is to come is that waited for.
async fn read(mut output: PipeReader, kept: &mut Kept) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    for _ in 0..AT_ONCE {
        match output.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => kept.take(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut output = pipe::Receiver::from_owned_fd(output.into())?;
    loop {
        match output.read(&mut piece).await? {
            0 => return Ok(()),
            read => kept.take(&piece[..read]),
        }
    }
}

/// childprocess takes the exit status, else the signal's number (unix/process.rb:79-81).
fn number(status: ExitStatus) -> i32 {
    status.code().or(status.signal()).unwrap_or_default()
}

/// An error in Ruby's words: the system's text and its number.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => format!("{} ({code})", Errno::from_raw(code).desc()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
