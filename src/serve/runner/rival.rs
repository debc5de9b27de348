//! Whether another client is at work: plugins repair things, and none may run twice.

use super::RunnerError;
use crate::sensu::definitions::Sources;
use crate::sys::child::Guard;
use crate::sys::clock;
use crate::sys::pidfile::PidFile;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long is waited for the end of what a dead runner left: TERM and KILL have three seconds each.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What programs that run checks are called.
const CLIENTS: [&[u8]; 2] = [b"sensu-client", b"checkscript-runner"];
/// Where the packaged client keeps its process id (sensu-service script).
const PACKAGED: &str = "/var/run/sensu/sensu-client.pid";

/// Another client, or what looks like one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rival {
    /// A process that a pid file names.
    #[error("another client runs already: process {pid}, by {file}")]
    Process {
        /// Its id.
        pid: i32,
        /// The file.
        file: PathBuf,
    },
    /// A file that another process holds.
    #[error("another runner runs already: it holds {0}")]
    Held(PathBuf),
    /// A runner of the same definitions.
    #[error("another runner of these definitions runs already: process {0}")]
    Same(i32),
    /// What another runner left behind.
    #[error("checks of a runner that died cannot be ended: process {0} tries")]
    Left(i32),
    /// Its socket.
    #[error("another client runs already: it has {0}")]
    Port(String),
}

/// Takes hold of our own pid file, and looks what stands in it.
///
/// # Errors
/// When another runner holds it, or it names a client that lives.
pub(super) fn hold(path: &Path) -> Result<PidFile, RunnerError> {
    let mut file = PidFile::hold(path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => held(path).into(),
        _ => RunnerError::Io { what: format!("--pid_file {}", path.display()), error },
    })?;
    match file.pid() {
        Some(pid) if is_client(pid) => Err(Rival::Process { pid, file: path.to_owned() }.into()),
        _ => Ok(file),
    }
}

/// Waits until nothing is left of a runner of the same definitions that died: its guard ends the checks that it ran, and none of
/// them may run beside another of its kind.
///
/// # Errors
/// When such a runner lives, or what it left does not end.
pub(super) async fn wait_for_end(guard: &Guard) -> Result<(), Rival> {
    let begun = clock::instant();
    loop {
        let others = guard.others();
        let Some(other) = others.iter().find(|other| overlap(&other.of, guard.of())) else { return Ok(()) };
        match other.guarded {
            Some(pid) => return Err(Rival::Same(pid)),
            None if begun.elapsed() > PATIENCE => return Err(Rival::Left(other.pid)),
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// What the guard of a runner is told that it is for: the definitions, and which checks of them, where not all.
pub(super) fn of(sources: &Sources, only: &[String]) -> Vec<String> {
    let paths = sources.file.iter().chain(&sources.folders);
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string();
    let paths: Vec<String> = paths.map(whole).collect();
    std::iter::once(paths.join(",")).chain(only.iter().cloned()).collect()
}

/// Reports whether two runners have a check in common.
fn overlap(one: &[String], other: &[String]) -> bool {
    let (Some((sources, only)), Some((others, others_only))) = (one.split_first(), other.split_first())
    else {
        return false;
    };
    sources == others
        && (only.is_empty() || others_only.is_empty() || only.iter().any(|name| others_only.contains(name)))
}

fn held(file: &Path) -> Rival {
    match std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
        Some(pid) => Rival::Process { pid, file: file.to_owned() },
        None => Rival::Held(file.to_owned()),
    }
}

/// Looks at the packaged client's pid file.
///
/// # Errors
/// When it names a client that lives.
pub(super) fn look() -> Result<(), Rival> {
    look_at(Path::new(PACKAGED))
}

fn look_at(file: &Path) -> Result<(), Rival> {
    let pid = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
    match pid {
        Some(pid) if is_client(pid) => Err(Rival::Process { pid, file: file.to_owned() }),
        _ => Ok(()),
    }
}

/// Whether a process lives that runs checks; a number that was given to some other program since does not count.
fn is_client(pid: i32) -> bool {
    let Ok(id) = u32::try_from(pid) else { return false };
    if id <= 1 || id == std::process::id() {
        return false;
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| matches!(byte, 0 | b' ')).take(3).collect();
    let name = |word: &[u8]| word.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    // Either by its own name, or an interpreter with the script as an argument.
    words.iter().any(|word| CLIENTS.iter().any(|client| name(word) == *client))
        || (words.first().is_some_and(|word| name(word) == b"iaasmon") && words.contains(&&b"serve"[..]))
}

#[cfg(test)]
mod tests {
    use super::{Rival, look_at, overlap};
    use std::os::unix::process::CommandExt as _;

    #[test]
    fn runners_have_a_check_in_common_unless_they_name_others() {
        let of = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (one, other, common) in [
            (&["/etc/sensu"][..], &["/etc/sensu"][..], true),
            (&["/etc/sensu", "a"], &["/etc/sensu"], true),
            (&["/etc/sensu", "a", "b"], &["/etc/sensu", "b"], true),
            (&["/etc/sensu", "a"], &["/etc/sensu", "b"], false),
            (&["/etc/sensu"], &["/srv/sensu"], false),
            (&[], &[], false),
        ] {
            assert_eq!(overlap(&of(one), &of(other)), common, "{one:?} {other:?}");
            assert_eq!(overlap(&of(other), &of(one)), common, "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_living_client_is_a_rival_and_a_number_given_to_another_program_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sensu-client.pid");
        assert_eq!(look_at(&file), Ok(()));
        let begun = |command: &mut std::process::Command| {
            let child = command.spawn().expect("started");
            // For a moment after its start a process has no command line.
            let line = format!("/proc/{}/cmdline", child.id());
            while std::fs::read(&line).is_ok_and(|line| line.is_empty()) {
                std::thread::yield_now();
            }
            child
        };
        let mut other = begun(std::process::Command::new("sleep").arg("60"));
        std::fs::write(&file, format!("{}\n", other.id())).expect("written");
        assert_eq!(look_at(&file), Ok(()));
        let mut reader = begun(
            std::process::Command::new("sleep")
                .arg0("/usr/bin/less /var/log/sensu/sensu-client.log")
                .arg("60"),
        );
        std::fs::write(&file, format!("{}\n", reader.id())).expect("written");
        assert_eq!(look_at(&file), Ok(()));
        let mut client = begun(std::process::Command::new("sleep").arg0("sensu-client").arg("60"));
        std::fs::write(&file, format!("{}\n", client.id())).expect("written");
        let found = look_at(&file);
        for child in [&mut other, &mut reader, &mut client] {
            child.kill().expect("ended");
            child.wait().expect("waited for");
        }
        let Err(Rival::Process { file: named, .. }) = found else { panic!("{found:?}") };
        assert_eq!(named, file);
        assert_eq!(look_at(&file), Ok(()), "it is gone");
    }
}
