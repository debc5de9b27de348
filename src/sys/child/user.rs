//! Running commands as another user.
//!
//! The standard library's own way drops the user's further groups, and a plugin that reads a log through `adm` would fail. So the
//! change is made by a process between: this program with a hidden argument, which then becomes the shell.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::process::CommandExt as _;

/// A user that commands run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    user: User,
    argument: &'static str,
}

impl RunAs {
    /// Looks a user up; `argument` is the hidden one that has this program call [`become_user`].
    ///
    /// # Errors
    /// When there is none of that name, or the system does not say.
    pub fn named(name: &str, argument: &'static str) -> Result<Self, String> {
        match User::from_name(name) {
            Ok(Some(user)) => Ok(Self { user, argument }),
            Ok(None) => Err(format!("there is no user `{name}`")),
            Err(error) => Err(error.desc().to_owned()),
        }
    }

    /// Returns the command that becomes the user, with what a login would set, and then runs `sh -c LINE`.
    pub(super) fn shell(&self, line: &OsStr) -> tokio::process::Command {
        // The program that runs, even when its file was replaced by an upgrade.
        let mut command = tokio::process::Command::new("/proc/self/exe");
        let ids = [self.user.uid.to_string(), self.user.gid.to_string()];
        command.arg(self.argument).arg(&self.user.name).args(ids).arg("--").arg(line);
        command.env("HOME", &self.user.dir).env("USER", &self.user.name).env("LOGNAME", &self.user.name);
        command
    }
}

/// Becomes the user with all of its groups, and then the shell that runs `line`. Returns only why it could not.
pub fn become_user(name: &str, user: u32, group: u32, line: &OsStr) -> io::Error {
    let changed = CString::new(name).map_err(|_| Errno::EINVAL).and_then(|name| {
        initgroups(&name, Gid::from_raw(group))?;
        setgid(Gid::from_raw(group))?;
        setuid(Uid::from_raw(user))
    });
    match changed {
        Ok(()) => std::process::Command::new("sh").arg("-c").arg(line).exec(),
        Err(error) => io::Error::other(format!("cannot become {name}: {}", error.desc())),
    }
}
