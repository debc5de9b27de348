//! A mount and user namespace of a test's own: there are disks that are really full or read-only, and limits that are really
//! reached, without being root and without anybody else noticing.

use super::{Killed, run};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The namespaces; they are gone when this is dropped and everything in them has ended.
pub struct Apart {
    holder: Killed,
}

impl Apart {
    /// Makes the namespaces and does this in them (a shell's words, with `$1` and so on).
    pub fn with(setup: &str, args: &[&str]) -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--map-root-user",
            "--mount",
            "sh",
            "-ec",
            &format!("{setup}\necho ready; exec sleep 1000"),
            "sh",
        ]);
        unshare.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut holder = Killed(unshare.spawn().expect("unshare is installed (util-linux)"));
        let mut said = String::new();
        let out = holder.0.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut said).expect("readable");
        assert_eq!(
            said, "ready\n",
            "this test makes user and mount namespaces (unshare --map-root-user --mount): this machine does not allow it"
        );
        Self { holder }
    }

    /// A file system of its own at `folder`, of so many kibibytes.
    pub fn small_disk(folder: &Path, kibibytes: u32) -> Self {
        let folder = folder.display().to_string();
        Self::with("mount -t tmpfs -o size=$2k,mode=755 tmpfs \"$1\"", &[&folder, &kibibytes.to_string()])
    }

    /// The folder as it is, but read-only.
    pub fn read_only(folder: &Path) -> Self {
        let folder = folder.display().to_string();
        Self::with("mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"", &[&folder])
    }

    /// Lets the folder of [`Apart::read_only`] be written to.
    pub fn make_writable(&self, folder: &Path) {
        self.run(&["mount", "-o", "remount,bind,rw", &folder.display().to_string()]);
    }

    /// Fills the disk of a folder to its last byte, and returns the file that does.
    pub fn fill(&self, folder: &Path) -> PathBuf {
        let filler = self.outside(&folder.join("filler"));
        let mut file = std::fs::File::options().create(true).append(true).open(&filler).expect("created");
        for piece in [1 << 16, 1 << 12, 1] {
            while std::io::Write::write_all(&mut file, &vec![b'x'; piece]).is_ok() {}
        }
        filler
    }

    /// Returns the path by which a file in here is seen from outside.
    pub fn outside(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.0.id())).join(inside)
    }

    /// The same command in here. Its environment is what the command sets, and nothing else.
    pub fn command(&self, command: &Command) -> Command {
        self.command_by(&[], command)
    }

    /// The same command in here, where the rights of files hold for everybody.
    pub fn command_without_privilege(&self, command: &Command) -> Command {
        self.command_by(&["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"], command)
    }

    fn command_by(&self, launcher: &[&str], command: &Command) -> Command {
        let mut entered = self.enter();
        let folder = command.get_current_dir().unwrap_or(Path::new("/"));
        entered.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(folder).args(launcher);
        entered.arg(command.get_program()).args(command.get_args()).env_clear();
        entered.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        entered
    }

    fn enter(&self) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        nsenter.arg(self.holder.0.id().to_string()).arg("--");
        nsenter
    }

    fn run(&self, args: &[&str]) {
        let done = run(self.enter().args(args), b"");
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
    }
}
