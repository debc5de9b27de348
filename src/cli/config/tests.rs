use super::*;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use tempfile::TempDir;

struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// A home without anything in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".config/iaasmon/config.toml")
    }

    /// Runs a command, with the folder's name taken out of what it says.
    fn run(&self, file: Option<&Path>, command: ConfigCommand) -> Ran {
        let env: Env = [("HOME", self.0.path().as_os_str())].into_iter().collect();
        let sources = Sources { file, flags: &[], env: &env };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&command, &sources, &mut out, &mut err).expect("written to memory");
        let home = self.0.path().display().to_string();
        let text = |bytes| String::from_utf8(bytes).expect("text").replace(&home, "HOME");
        Ran { code, out: text(out), err: text(err) }
    }
}

fn check_command() -> ConfigCommand {
    ConfigCommand::Check(CheckArgs { strict: false })
}

fn init_command(force: bool, path: Option<PathBuf>) -> ConfigCommand {
    ConfigCommand::Init(InitArgs { force, path })
}

#[test]
fn init_then_check_then_show() {
    let home = Home::new();
    let ran = home.run(None, init_command(false, None));
    assert_eq!(ran.code, DONE, "{}", ran.err);
    assert_eq!(
        ran.out,
        "wrote HOME/.config/iaasmon/config.toml\n\
         next: put your servers' addresses into it, then run `iaasmon config check`\n"
    );
    assert_eq!(home.file().metadata().expect("there").mode() & 0o777, 0o600);

    let file = home.file();
    let ran = home.run(Some(&file), check_command());
    assert_eq!((ran.code, ran.err.as_str()), (DONE, ""));
    assert_eq!(ran.out, "ok: 1 cluster, 4 servers (HOME/.config/iaasmon/config.toml)\n");

    let show = ConfigCommand::Show(ShowArgs { origin: true, output: ShowFormat::Toml });
    let ran = home.run(Some(&file), show);
    assert_eq!(ran.code, DONE);
    assert!(ran.out.contains("timeout = \"5s\"  # default\n"), "{}", ran.out);
    assert!(
        ran.out.contains("name = \"prod-east\"  # HOME/.config/iaasmon/config.toml:18:8\n"),
        "{}",
        ran.out
    );

    let show = ConfigCommand::Show(ShowArgs { origin: false, output: ShowFormat::Json });
    let ran = home.run(Some(&file), show);
    let json: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(json["v"], 1);
    assert_eq!(json["data"]["cluster"][0]["name"], "prod-east");
}

#[test]
fn init_replaces_nothing_unless_forced() {
    let home = Home::new();
    let mine = home.0.path().join("deep/mine.toml");
    let ran = home.run(None, init_command(false, Some(mine.clone())));
    assert!(ran.out.contains("run `iaasmon --config HOME/deep/mine.toml config check`"), "{}", ran.out);
    fs::write(&mine, "mine").expect("written");
    let ran = home.run(Some(&mine), init_command(false, None));
    assert_eq!(ran.code, WRONG);
    assert_eq!(
        ran.err,
        "error: HOME/deep/mine.toml is there already\n  hint: --force replaces it; `iaasmon config check` checks it\n"
    );
    assert_eq!(fs::read_to_string(&mine).expect("readable"), "mine");
    assert_eq!(home.run(Some(&mine), init_command(true, None)).code, DONE);
    assert_eq!(fs::read_to_string(&mine).expect("readable"), EXAMPLE);
}

#[test]
fn init_says_why_it_cannot_write() {
    let home = Home::new();
    fs::write(home.0.path().join("file"), "").expect("written");
    let ran = home.run(None, init_command(false, Some(home.0.path().join("file/config.toml"))));
    assert_eq!(ran.code, WRONG);
    assert!(ran.err.starts_with("error: cannot write HOME/file/config.toml: "), "{}", ran.err);
}

#[test]
fn check_lists_every_problem_and_counts_them() {
    let home = Home::new();
    let file = home.0.path().join("c.toml");
    fs::write(&file, "[ui]\ncolor = \"red\"\ntheem = \"dark\"\n").expect("written");
    for command in
        [check_command(), ConfigCommand::Show(ShowArgs { origin: false, output: ShowFormat::Toml })]
    {
        let ran = home.run(Some(&file), command);
        assert_eq!((ran.code, ran.out.as_str()), (WRONG, ""));
        assert_eq!(
            ran.err,
            "error: HOME/c.toml:2:9: `color`: unknown value `red`\n  \
               hint: choose from: auto, always, never, 16, 256, truecolor\n\
             error: HOME/c.toml:3:1: unknown key `theem` in [ui]\n  \
               hint: did you mean `theme`?\n\
             2 problems\n"
        );
    }
}

#[test]
fn warnings_fail_a_strict_check_alone() {
    let home = Home::new();
    let file = home.0.path().join("c.toml");
    fs::write(&file, "[[cluster]]\nname = \"a\"\nprometheus = [\"http://a\"]\n").expect("written");
    let ran = home.run(Some(&file), check_command());
    assert_eq!((ran.code, ran.out.as_str()), (DONE, "ok: 1 cluster, 1 server (HOME/c.toml)\n"));
    let warning = "warning: HOME/c.toml:3:14: cluster `a` has a single prometheus server: nothing answers while it is down\n";
    assert_eq!(ran.err, warning);
    let ran = home.run(Some(&file), ConfigCommand::Check(CheckArgs { strict: true }));
    assert_eq!((ran.code, ran.out.as_str()), (WRONG, ""));
    assert_eq!(ran.err, format!("{warning}1 warning\n"));
}

#[test]
fn a_closed_pipe_is_passed_on() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let env = Env::default();
    let sources = Sources { file: Some(Path::new("/nowhere")), flags: &[], env: &env };
    let error = run(&check_command(), &sources, &mut Closed, &mut Closed).expect_err("closed");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
