//! The stage of one demo: its folder, its addresses, and the guard that clears it away.

use super::DemoError;
use super::block::Block;
use super::guard::MARK;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// How much of a log an error shows.
const LOG_TAIL: usize = 1500;

/// A folder, a block of addresses and a process group, all gone when this is dropped.
///
/// Drop the children first: the guard kills what is left and removes the folder.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    block: Block,
    program: PathBuf,
    guard: Child,
    lifeline: Option<ChildStdin>,
}

impl Stage {
    /// Sets the stage below `parent`. `program` is iaasmon itself, which also plays the guard.
    pub(crate) fn set(parent: &Path, program: &Path) -> Result<Self, DemoError> {
        let block = Block::reserve(std::process::id())?;
        let folder = make_folder(parent)?;
        std::fs::write(folder.join(MARK), "").map_err(DemoError::file(folder.join(MARK)))?;
        let mut guard = Command::new(program)
            .arg("demo-guard")
            .arg(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| DemoError::Spawn { program: program.display().to_string(), source })?;
        let lifeline = guard.stdin.take();
        Ok(Self { folder, block, program: program.to_owned(), guard, lifeline })
    }

    /// Returns the folder that everything of this demo is written into.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the addresses of this demo.
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    /// Returns iaasmon's own program file.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the process group that every child joins, so that the guard finds it.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.guard.id()).expect("process ids are positive 32-bit numbers")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.lifeline = None;
        // The guard ends by itself; waiting for it means that the folder is gone when we return.
        let _ = self.guard.wait();
    }
}

/// Makes a new folder that only we can read.
fn make_folder(parent: &Path) -> Result<PathBuf, DemoError> {
    let mut attempt = 0;
    loop {
        let folder = parent.join(format!("iaasmon-demo-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(error) => return Err(DemoError::file(folder)(error)),
        }
    }
}

/// Starts `command` in the process group `group` with its output going to the file `log`.
pub(crate) fn spawn(command: &mut Command, group: i32, log: &Path) -> Result<Child, DemoError> {
    let out = File::options().create(true).append(true).open(log).map_err(DemoError::file(log))?;
    let err = out.try_clone().map_err(DemoError::file(log))?;
    command
        .process_group(group)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(|source| DemoError::Spawn { program: command.get_program().display().to_string(), source })
}

/// Runs `command` to its end as [`spawn`] starts it.
pub(crate) fn run(command: &mut Command, group: i32, log: &Path) -> Result<(), DemoError> {
    let ended = spawn(command, group, log)?.wait().map_err(DemoError::file(log))?;
    if ended.success() {
        return Ok(());
    }
    let name = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Err(DemoError::NotReady { name, reason: format!("ended ({ended})"), log: log_end(log) })
}

/// Returns the last lines of a log.
pub(crate) fn log_end(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..]).into_owned()
}
