//! What goes wrong on a node, and what must hold then.

use super::support::{PROGRAM, SOON, await_until};
use super::world::World;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Command, Stdio};

/// A check every second.
fn check(name: &str, command: &str) -> String {
    format!(r#"{{"checks": {{"{name}": {{"command": "{command}", "interval": 1, "standalone": true}}}}}}"#)
}

/// How a result with this output stands in the log; the words alone stand in the definition too.
fn wrote(words: &str) -> String {
    format!("\"output\":\"{words}\\n\"")
}

/// Whether a process lives (a zombie does not).
fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, after)| !after.starts_with(['Z', 'X']))
}

fn pid_in(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn killed_outright_it_leaves_no_child_behind_and_every_line_is_whole() {
    let world = World::new();
    world.define("stuck", &check("stuck", "echo $$ > stuck.pid; trap '' TERM; sleep 1000; sleep 1000"));
    world.define("quick", &check("quick", "echo ran"));
    let mut runner = world.start(&[]);
    let stuck = world.path("stuck.pid");
    assert!(await_until(SOON, || pid_in(&stuck).is_some()), "{}", world.log_text());
    world.await_log(&wrote("ran"));
    let child = pid_in(&stuck).expect("it runs");
    assert!(lives(child));
    runner.signal(Signal::SIGKILL);
    runner.wait();
    assert!(await_until(SOON, || !lives(child)), "the check outlived the runner");
    for line in world.log_text().lines() {
        assert!(line.ends_with('}'), "torn: {line}");
    }
    // The next one is not kept out by what the first left: its pid file names nobody.
    let mut next = world.start(&[]);
    assert!(await_until(SOON, || pid_in(&stuck).is_some_and(|pid| pid != child && lives(pid))));
    // Its end waits for what runs, as the original's does: the shell leads a group.
    killpg(Pid::from_raw(pid_in(&stuck).expect("it runs")), Signal::SIGKILL).expect("it lives");
    assert!(next.end().success());
}

#[test]
fn a_full_disk_loses_nothing_silently() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    world.define("b", &check("b", "echo of b"));
    std::os::unix::fs::symlink("/dev/full", world.path("log")).expect("linked");
    let mut runner = world.start(&[]);
    let waiting = || world.metric("iaasmon_runner_results_waiting");
    assert!(await_until(SOON, || waiting() == Some(2.0)), "{:?}", world.get("/metrics"));
    let ready = world.get("/-/ready");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("No space left"), "{ready}");
    std::fs::remove_file(world.path("log")).expect("removed");
    runner.signal(Signal::SIGUSR2);
    world.await_log(&wrote("of a"));
    world.await_log(&wrote("of b"));
    assert!(await_until(SOON, || waiting() == Some(0.0)));
    assert!(await_until(SOON, || world.get("/-/ready").starts_with("HTTP/1.1 200")));
    assert!(runner.end().success());
}

#[test]
fn a_moved_log_is_left_behind_and_a_new_one_begun() {
    let world = World::new();
    world.define("a", &check("a", "echo ran"));
    let mut runner = world.start(&[]);
    world.await_log(&wrote("ran"));
    std::fs::rename(world.path("log"), world.path("log.1")).expect("moved");
    // A slip of whoever writes the logrotate file.
    runner.signal(Signal::SIGUSR1);
    runner.signal(Signal::SIGUSR2);
    world.await_log(&wrote("ran"));
    assert!(runner.end().success());
    assert!(world.log_text().ends_with("\"message\":\"stopping reactor\"}\n"), "{}", world.log_text());
}

#[test]
fn a_reload_takes_good_definitions_and_keeps_the_old_ones_where_the_new_are_bad() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    let mut runner = world.start(&[]);
    world.await_log(&wrote("of a"));
    world.define("b", r#"{"checks": {"b": {"command": 5, "interval": "x"}}}"#);
    runner.signal(Signal::SIGHUP);
    world.await_log("check command must be a string");
    assert!(!world.log_text().contains("SENSU NOT RUNNING"), "it runs on");
    let refused = "iaasmon_runner_definitions_reloads_total{outcome=\"refused\"}";
    assert!(await_until(SOON, || world.metric(refused) == Some(1.0)), "{}", world.get("/metrics"));
    // Nor does a file that cannot be read for once take its checks away.
    let file = world.path("conf.d/a.json");
    std::fs::rename(&file, world.path("a.json")).expect("moved");
    std::os::unix::fs::symlink(world.path("nowhere"), &file).expect("linked");
    runner.signal(Signal::SIGHUP);
    assert!(await_until(SOON, || world.metric(refused) == Some(2.0)), "{}", world.get("/metrics"));
    std::fs::rename(world.path("a.json"), &file).expect("moved back");
    let ran = || world.log_text().matches(&wrote("of a")).count();
    let before = ran();
    assert!(await_until(SOON, || ran() > before), "the old definitions are not in force");
    std::fs::remove_file(world.path("conf.d/a.json")).expect("removed");
    world.define("b", &check("b", "echo of b"));
    runner.signal(Signal::SIGHUP);
    world.await_log(&wrote("of b"));
    world.await_log("\"message\":\"scheduled checks\",\"checks\":[\"b\"]");
    assert!(runner.end().success());
}

#[test]
fn it_does_not_start_beside_another_client_unless_told_which_checks_are_ours() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    world.define("b", &check("b", "echo of b"));
    let mut first = world.start(&[]);
    world.await_log(&wrote("of a"));
    let refused = world.command(&[]).output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("another client runs already: process") && said.contains("--only"), "{said}");
    // Nor where it names checks of its own: what holds the pid file or writes the log is a runner as it is.
    let text = world.log_text().len();
    for (pid, args) in [("pid", &["--only", "b"][..]), ("other.pid", &[]), ("other.pid", &["--only", "b"])] {
        let refused = world.command_with_pid(pid, args).output().expect("it ends");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("runs already"), "{pid} {args:?}: {said}");
    }
    assert!(!world.path("other.pid").exists() && world.path("pid").exists());
    assert!(!world.log_text()[text..].contains("SENSU NOT RUNNING"), "the log is another's");
    assert!(first.end().success());
    // The pid file went with it.
    assert!(!world.path("pid").exists());
    std::fs::remove_file(world.path("log")).expect("removed");
    let mut some = world.start(&["--only", "b"]);
    world.await_log(&wrote("of b"));
    assert!(some.end().success());
    assert!(!world.log_text().contains(&wrote("of a")));
    let unknown = world.command(&["--only", "nothing"]).output().expect("it ends");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&unknown.stderr)
            .contains("no check that is scheduled here is called `nothing`")
    );
}

#[test]
fn after_a_kill_no_check_runs_beside_the_one_that_the_dead_runner_left() {
    let world = World::new();
    // It does not listen to TERM, so its guard takes three seconds to end it.
    world.define("deaf", &check("deaf", "trap '' TERM; echo $$ >> pids; exec sleep 1000"));
    let pids = || -> Vec<i32> {
        let text = std::fs::read_to_string(world.path("pids")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    let mut runner = world.start(&[]);
    assert!(await_until(SOON, || !pids().is_empty()), "it runs");
    // One thread begins a check, has it guarded and answers: who is answered finds it guarded.
    assert!(await_until(SOON, || world.metric("iaasmon_runner_checks_running") == Some(1.0)));
    runner.signal(Signal::SIGKILL);
    runner.wait();
    let mut again = world.start(&[]);
    assert!(await_until(SOON, || pids().len() > 1), "the next runner runs it");
    assert!(!lives(pids()[0]), "both run");
    again.signal(Signal::SIGKILL);
    again.wait();
    let left = pids()[1];
    assert!(await_until(SOON, || !lives(left)), "the guard ends it");
}

#[test]
fn while_the_last_checks_end_it_answers_that_it_ends() {
    let world = World::new();
    world
        .define("long", &check("long", "touch begun; while [ ! -e done ]; do sleep 0.1; done; echo of long"));
    let mut runner = world.start(&[]);
    assert!(await_until(SOON, || world.path("begun").exists()), "it runs");
    runner.signal(Signal::SIGTERM);
    let ends = || world.get("/-/ready").contains("ending: told to end, what runs is waited for");
    assert!(await_until(SOON, ends), "{}", world.get("/-/ready"));
    assert_eq!(world.metric("iaasmon_runner_checks_running"), Some(1.0));
    std::fs::write(world.path("done"), "").expect("written");
    assert!(runner.wait().success());
    world.await_log(&wrote("of long"));
}

#[test]
fn two_runners_of_the_same_definitions_have_no_check_in_common() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    world.define("b", &check("b", "echo of b"));
    let mut first = world.start(&["--only", "a"]);
    world.await_log(&wrote("of a"));
    let start = |log: &str, args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "runner", "-d"]).arg(world.path("conf.d")).arg("-l").arg(world.path(log));
        command.arg("--listen").arg(format!("unix:{}", world.path("http2").display())).args(args);
        command.stderr(Stdio::piped()).spawn().expect("it starts")
    };
    for args in [&[][..], &["--only", "b,a"]] {
        let refused = start("other.log", args).wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            said.contains("another runner of these definitions runs already: process"),
            "{args:?}: {said}"
        );
    }
    let mut second = start("other.log", &["--only", "b"]);
    let ran = || std::fs::read_to_string(world.path("other.log")).is_ok_and(|log| log.contains("of b"));
    assert!(await_until(SOON, ran), "checks of its own");
    second.kill().expect("our own child");
    second.wait().expect("our own child");
    assert!(first.end().success());
}

#[test]
fn a_log_that_is_deleted_and_definitions_that_are_all_gone_lose_nothing() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    let mut runner = world.start(&[]);
    world.await_log(&wrote("of a"));
    std::fs::remove_file(world.path("log")).expect("removed");
    world.await_log(&wrote("of a"));
    std::fs::rename(world.path("conf.d"), world.path("away")).expect("moved");
    std::fs::create_dir(world.path("conf.d")).expect("created");
    runner.signal(Signal::SIGHUP);
    let refused = "iaasmon_runner_definitions_reloads_total{outcome=\"refused\"}";
    assert!(await_until(SOON, || world.metric(refused) == Some(1.0)), "{}", world.get("/metrics"));
    assert_eq!(world.metric("iaasmon_runner_checks"), Some(1.0));
    assert!(runner.end().success());
}

#[test]
fn told_twice_to_end_it_waits_for_nothing_and_leaves_nothing() {
    let world = World::new();
    world.define("long", &check("long", "echo $$ > long.pid; exec sleep 1000"));
    let mut runner = world.start(&[]);
    let pid = || std::fs::read_to_string(world.path("long.pid")).ok()?.trim().parse::<i32>().ok();
    assert!(await_until(SOON, || pid().is_some()), "it runs");
    runner.signal(Signal::SIGINT);
    world.await_log("\"message\":\"received signal\",\"signal\":\"INT\"");
    world.await_log("completing checks in progress");
    assert!(lives(runner.pid().as_raw()), "it waits for the check");
    assert!(runner.insist().success());
    let check = nix::unistd::Pid::from_raw(pid().expect("it ran"));
    let gone = || nix::sys::signal::kill(check, None) == Err(nix::errno::Errno::ESRCH);
    assert!(await_until(SOON, gone), "the check is left");
}

#[test]
fn a_node_that_is_asked_about_its_definitions_runs_nothing() {
    let world = World::new();
    world.define("a", &check("a", "touch ran"));
    let ask = |flag: &str| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["serve", "node", flag, "-d"]).arg(world.path("conf.d")).current_dir(world.path(""));
        let output = command.output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(ask("--validate_config"), (Some(0), "configuration is valid\n".to_owned()));
    let (code, printed) = ask("-P");
    assert!(code == Some(0) && printed.contains("touch ran"), "{printed}");
    world.define("x", r#"{"checks": {"x": {"command": 5}}}"#);
    assert_eq!(ask("--validate_config").0, Some(2));
    assert!(!world.path("ran").exists());
}

#[test]
fn what_a_first_start_lacks_is_named() {
    let world = World::new();
    world.define("a", &check("a", "echo of a"));
    let said = |more: &[&str]| {
        let output = world.command(more).output().expect("it ends");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = world.path("no").display().to_string();
    let mut start = std::process::Command::new(PROGRAM);
    start.args(["serve", "runner", "-d"]).arg(world.path("conf.d")).arg("-l").arg(world.path("no/log"));
    let lacks = String::from_utf8_lossy(&start.output().expect("it ends").stderr).into_owned();
    assert!(lacks.contains(&format!("hint: its folder is missing: mkdir -p {folder}\n")), "{lacks}");
    let lacks = said(&["-c", "typo.json", "-d", "missing.d"]);
    let warned = "typo.json: config file does not exist or is not readable";
    assert_eq!(lacks.matches(warned).count(), 1, "{lacks}");
    assert!(lacks.contains("hint: missing.d: it does not exist\n"), "{lacks}");
    assert!(world.log_text().contains("insufficient permissions for loading"));
    let valid = world.command(&["-c", "typo.json", "--validate_config"]).output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&valid.stderr), format!("warning: {warned}\n"));
    assert!(said(&["--rotate-size", "100MB"]).contains("a number of bytes is expected"));
}

#[test]
fn bad_definitions_refuse_the_start_with_every_problem() {
    let world = World::new();
    world.define("x", r#"{"checks": {"x": {"command": 5, "interval": 0}, "y": 3}}"#);
    let output = world.command(&[]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    for problem in [
        "check command must be a string",
        "check interval must be an integer greater than 0",
        "check must be a hash",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
        assert!(world.log_text().contains(problem), "{problem}: {}", world.log_text());
    }
    assert!(world.log_text().contains("SENSU NOT RUNNING!"));
}

#[test]
fn at_its_end_it_waits_for_what_runs() {
    let world = World::new();
    world.define("slow", &check("slow", "echo begun > begun; sleep 2; echo done"));
    let mut runner = world.start(&[]);
    assert!(await_until(SOON, || world.path("begun").exists()));
    assert!(runner.end().success());
    let log = world.log_text();
    assert!(
        log.contains("\"message\":\"completing checks in progress\",\"checks_in_progress\":[\"slow\"]"),
        "{log}"
    );
    assert!(log.contains("\"output\":\"done\\n\""), "{log}");
}

#[test]
fn output_without_end_costs_no_memory() {
    let world = World::new();
    world.define(
        "loud",
        r#"{"checks": {"loud": {"command": "head -c 400000000 /dev/zero; echo end", "interval": 1, "standalone": true}}}"#,
    );
    let mut runner = world.start(&["--max-output", "100000"]);
    world.await_log("bytes in all");
    let status = std::fs::read_to_string(format!("/proc/{}/status", runner.pid())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 80_000, "{kilobytes} kB (a debug build is large, 400 MB are not in it)");
    assert!(runner.end().success());
}

#[test]
fn ten_thousand_checks_are_taken_in_and_begun_in_time() {
    let world = World::new();
    let one = |n: u32| format!(r#""c{n}": {{"command": "true", "interval": 3600, "standalone": true}}"#);
    let all: Vec<String> = (0..10_000).map(one).collect();
    world.define("many", &format!(r#"{{"checks": {{{}}}}}"#, all.join(",")));
    let mut runner = world.start(&[]);
    assert!(await_until(SOON, || world.metric("iaasmon_runner_checks") == Some(10_000.0)));
    // Spread over the hour, three are due each second.
    assert!(await_until(SOON, || world.metric("iaasmon_runner_runs_fired_total") >= Some(10.0)));
    let fired = world.metric("iaasmon_runner_runs_fired_total").unwrap_or_default();
    let late = world.metric("iaasmon_runner_late_seconds_total").unwrap_or_default();
    assert!(late / fired < 0.5, "{late} s late in {fired} runs");
    assert!(runner.end().success());
}

#[test]
fn checks_find_the_environment_that_plugins_expect() {
    let world = World::new();
    world.define(
        "env",
        &check(
            "env",
            "tr : ' ' < $SENSU_LOADED_TEMPFILE | wc -w; pwd -P | xargs basename; echo $EXTRA-$PATH",
        ),
    );
    std::fs::create_dir(world.path("elsewhere")).expect("created");
    let folder = world.path("elsewhere").display().to_string();
    let mut runner = world.start(&[
        "--check-dir",
        &folder,
        "--check-env",
        "EXTRA=more",
        "--check-path",
        "/usr/bin:/bin:/opt/x",
    ]);
    world.await_log("\"output\":\"2\\nelsewhere\\nmore-/usr/bin:/bin:/opt/x\\n\"");
    assert!(runner.end().success());
    // Only root can become another; others are told before anything starts.
    let mut other = world.command(&["--check-user", "nobody"]);
    if nix::unistd::geteuid().is_root() {
        world.define("env", &check("env", "echo $(id -un):$(id -G):$HOME"));
        let groups = std::process::Command::new("id").args(["-G", "nobody"]).output().expect("it ends");
        let groups = String::from_utf8_lossy(&groups.stdout).trim().to_owned();
        let mut runner = world.start(&["--check-user", "nobody"]);
        world.await_log(&wrote(&format!("nobody:{groups}:/nonexistent")));
        assert!(runner.end().success());
    } else {
        let refused = other.output().expect("it ends");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--check-user: only root"));
    }
}
