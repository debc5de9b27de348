//! `iaasmon push` in the place of a command: outputs, signals and full disks do what they do without it.

use super::gateway::Gateway;
use super::support::service::Place;
use super::support::{Killed, SOON, await_until, command, iaasmon, insist, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The command line of a push to this gateway.
fn pushing(gateway: &Gateway, args: &[&str]) -> Command {
    let mut pushing = command();
    pushing.args(["push", "--gateway", &gateway.url(), "--job", "a"]).args(args).stdin(Stdio::null());
    pushing
}

/// The same, of a shell's line.
fn pushing_line(gateway: &Gateway, line: &str) -> Command {
    pushing(gateway, &["--", "sh", "-c", line])
}

/// The same, begun by a shell's line that ends with `"$@"`.
fn by_shell(line: &str, pushing: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line, "sh"]).arg(pushing.get_program()).args(pushing.get_args()).stdin(Stdio::null());
    shell
}

/// A disk without room.
fn full() -> File {
    File::options().write(true).open("/dev/full").expect("there is one")
}

fn pid(pushing: &Killed) -> Pid {
    Pid::from_raw(i32::try_from(pushing.0.id()).expect("a process id"))
}

/// Returns the process id that a command has written to a file.
fn written(file: &str) -> Pid {
    let text = || std::fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'));
    assert!(await_until(SOON, || text().is_some()), "it begins");
    Pid::from_raw(text().unwrap_or_default().trim().parse().expect("a number"))
}

/// Waits for the end, and returns the exit code.
fn code(mut pushing: Killed) -> Option<i32> {
    assert!(await_until(SOON, || pushing.0.try_wait().expect("our own").is_some()), "it goes on");
    pushing.0.wait().expect("our own").code()
}

fn result(gateway: &Gateway) -> (i64, String) {
    let result = gateway.result("/job/a/checks/a").expect("pushed");
    (result["status"].as_i64().expect("a number"), result["output"].as_str().expect("text").to_owned())
}

#[test]
fn a_job_whose_output_finds_no_room_has_failed() {
    let gateway = Gateway::running();
    let Output { status, stderr, .. } =
        pushing_line(&gateway, "seq 1 200000").stdout(full()).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), &*stderr), (Some(1), "error: standard output: No space left on device\n"));
    let (status, output) = result(&gateway);
    assert_eq!(status, 2);
    assert!(output.starts_with("standard output: No space left on device\n1\n2\n"), "{output}");
    assert!(output.ends_with("\n200000\n"), "all of it is read: {output}");
}

#[test]
fn a_job_whose_output_nobody_reads_ends_as_it_would() {
    let gateway = Gateway::running();
    let mut child =
        Killed(pushing_line(&gateway, "exec yes").stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
    assert_eq!((line.as_str(), code(child)), ("y\n", Some(128 + Signal::SIGPIPE as i32)));
    let (status, output) = result(&gateway);
    assert!(status == 2 && output.ends_with("\n(nobody reads its output any more)\n"), "{output}");
}

#[test]
fn standard_error_stays_what_it_is_and_where_both_are_one_they_keep_their_order() {
    let gateway = Gateway::running();
    let apart =
        run(&mut pushing_line(&gateway, "echo data; sleep 0.2; echo warn >&2; sleep 0.2; echo more"), b"");
    assert_eq!((apart.stdout.as_str(), apart.stderr.as_str()), ("data\nmore\n", "warn\n"));
    assert_eq!(result(&gateway), (0, "data\nwarn\nmore\n".to_owned()));
    let line = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done";
    let mut both = by_shell("exec \"$@\" 2>&1", &pushing_line(&gateway, line));
    let expected: String = (1..=9).map(|i| format!("o{i}\ne{i}\n")).collect();
    assert_eq!(run(&mut both, b"").stdout, expected);
}

#[test]
fn a_job_is_over_though_what_it_left_in_the_background_holds_its_output() {
    let gateway = Gateway::running();
    let place = Place::new();
    let file = place.arg("pid");
    let begun = format!("sleep 300 & echo $! > {file}; echo started; exit 3");
    let left = run(&mut pushing_line(&gateway, &begun), b"");
    assert_eq!((left.code, left.stdout.as_str()), (Some(3), "started\n"));
    assert_eq!(result(&gateway).1, "started\n(a process that it began still holds its output)\n");
    kill(written(&file), Signal::SIGKILL).expect("it runs on");
}

#[test]
fn a_signal_ends_the_job_and_is_told_also_where_it_is_sent_twice_at_once() {
    let gateway = Gateway::running();
    let place = Place::new();
    let file = place.arg("pid");
    let line = format!("echo begun; sleep 300 & echo $! > {file}; wait");
    let child = Killed(pushing_line(&gateway, &line).stdout(Stdio::null()).spawn().expect("it starts"));
    let begun = written(&file);
    // As `timeout` of coreutils does.
    kill(pid(&child), Signal::SIGTERM).expect("it runs");
    std::thread::sleep(Duration::from_millis(5));
    let _ = kill(pid(&child), Signal::SIGTERM);
    assert_eq!(code(child), Some(143));
    assert_eq!(result(&gateway), (2, "ended by TERM\nbegun\n".to_owned()));
    assert!(await_until(SOON, || kill(begun, None).is_err()), "it runs on");
}

#[test]
fn a_job_takes_its_time_over_a_signal_and_who_insists_ends_it() {
    let gateway = Gateway::running();
    let place = Place::new();
    let file = place.arg("pid");
    // The last to start says so: whatever is told to end then, is told.
    let line = format!(
        "trap 'sleep 3.5; echo cleaned; exit 9' TERM; sh -c 'echo $$ > {file}; exec sleep 300' & wait"
    );
    let child = Killed(pushing_line(&gateway, &line).stdout(Stdio::null()).spawn().expect("it starts"));
    written(&file);
    kill(pid(&child), Signal::SIGTERM).expect("it runs");
    assert_eq!(code(child), Some(9));
    assert_eq!(result(&gateway), (2, "TERM came while it ran\ncleaned\n".to_owned()));

    let other = Gateway::running();
    let file = place.arg("deaf");
    let line = format!("trap '' TERM; echo $$ > {file}; sleep 300");
    let mut child = Killed(pushing_line(&other, &line).stdout(Stdio::null()).spawn().expect("it starts"));
    let deaf = written(&file);
    insist(&mut child.0, Signal::SIGTERM);
    // Whoever reaps what has lost its parent takes a moment.
    assert!(await_until(SOON, || kill(deaf, None).is_err()), "the job runs on");
    assert_eq!(code(child), Some(143));
    assert!(other.result("/job/a/checks/a").is_none());
}

#[test]
fn what_is_ignored_from_the_start_is_not_heard() {
    let gateway = Gateway::running();
    let place = Place::new();
    let (file, done) = (place.arg("pid"), place.arg("done"));
    let line = format!("echo $$ > {file}; while [ ! -e {done} ]; do sleep 0.05; done; echo survived");
    let mut nohup = by_shell("trap '' HUP INT; exec \"$@\"", &pushing_line(&gateway, &line));
    let child = Killed(nohup.stdout(Stdio::null()).spawn().expect("it starts"));
    written(&file);
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        kill(pid(&child), signal).expect("it runs");
    }
    std::thread::sleep(Duration::from_millis(200));
    place.write("done", "");
    assert_eq!(code(child), Some(0));
    assert_eq!(result(&gateway), (0, "survived\n".to_owned()));
}

#[test]
fn the_exit_code_of_a_job_is_told_though_the_document_finds_no_room() {
    let gateway = Gateway::running();
    let document = |line| pushing(&gateway, &["-o", "json", "--", "sh", "-c", line]);
    let Output { status, stderr, .. } = document("exit 7").stdout(full()).output().expect("it runs");
    assert_eq!(status.code(), Some(7));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(stderr.contains("cannot write the output: No space left on device"), "{stderr}");
    for (line, expected) in [("exit 7", 7), ("true", 0)] {
        let mut child = Killed(document(line).stdout(Stdio::piped()).spawn().expect("it starts"));
        drop(child.0.stdout.take());
        assert_eq!(code(child), Some(expected));
    }
    // Nothing else is wrong: this is.
    assert_eq!(
        document("true").stdout(full()).stderr(Stdio::null()).status().expect("it runs").code(),
        Some(3)
    );
    assert_eq!(iaasmon(&["push", "--job", "a", "-o", "yaml", "--", "true"]).code, Some(2));
}

#[test]
fn who_gives_up_on_a_gateway_that_hangs_is_told_which_have_the_push() {
    let (well, hangs) = (Gateway::running(), Gateway::running());
    hangs.stop();
    let args = ["--gateway", &hangs.url(), "--patience", "1m", "-o", "json", "--", "sh", "-c", "exit 6"];
    let piped = pushing(&well, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = piped.expect("it starts");
    well.await_result("/job/a/checks/a", |result| result["exit_code"] == 6);
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), Signal::SIGTERM).expect("it runs");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("our own");
    assert_eq!(status.code(), Some(6));
    let document: serde_json::Value = serde_json::from_slice(&stdout).expect("one document");
    let gateways = &document["data"]["gateways"];
    assert_eq!(
        (&gateways[0]["outcome"], &gateways[0]["error"]),
        (&"accepted".into(), &().into()),
        "{gateways}"
    );
    assert_eq!(gateways[1]["error"], "ended by a signal", "{gateways}");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    hangs.wake();
}
