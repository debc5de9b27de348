//! Whether another client is at work: plugins repair things, and none may run twice.

use std::path::{Path, PathBuf};

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
    /// Its socket.
    #[error("another client runs already: it has {0}")]
    Port(String),
}

/// Looks at our own pid file and at the packaged client's.
///
/// # Errors
/// When one of them names a process that lives and is not ours.
pub(super) fn look(ours: Option<&Path>) -> Result<(), Rival> {
    let files = ours.into_iter().chain([Path::new(PACKAGED)]);
    for file in files {
        // Too long a file is no pid file.
        let pid = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i32>().ok());
        let Some(pid) = pid.filter(|pid| *pid > 1 && is_client(*pid)) else { continue };
        return Err(Rival::Process { pid, file: file.to_owned() });
    }
    Ok(())
}

/// Whether a process lives that runs checks; a number that was given to some other program since does not count.
fn is_client(pid: i32) -> bool {
    if u32::try_from(pid).is_ok_and(|pid| pid == std::process::id()) {
        return false;
    }
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let line = String::from_utf8_lossy(&line);
    ["sensu", "iaasmon", "checkscript-runner", "ruby"].iter().any(|name| line.contains(name))
}

#[cfg(test)]
mod tests {
    use super::{Rival, look};
    use std::os::unix::process::CommandExt as _;

    #[test]
    fn a_living_client_is_a_rival_and_a_number_given_to_another_program_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sensu-client.pid");
        assert_eq!(look(Some(&file)), Ok(()));
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
        assert_eq!(look(Some(&file)), Ok(()));
        let mut client = begun(std::process::Command::new("sleep").arg0("sensu-client").arg("60"));
        std::fs::write(&file, format!("{}\n", client.id())).expect("written");
        let found = look(Some(&file));
        for child in [&mut other, &mut client] {
            child.kill().expect("ended");
            child.wait().expect("waited for");
        }
        let Err(Rival::Process { file: named, .. }) = found else { panic!("{found:?}") };
        assert_eq!(named, file);
        assert_eq!(look(Some(&file)), Ok(()), "it is gone");
    }
}
