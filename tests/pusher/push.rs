//! `iaasmon push`: one command, or metrics of a file.

use super::gateway::Gateway;
use super::support::service::Place;
use super::support::{Outcome, SOON, await_until, command, iaasmon, run};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::process::Stdio;

const DEAD: &str = "http://127.0.0.1:1";

fn push(gateway: &Gateway, args: &[&str]) -> Outcome {
    iaasmon(&[&["push", "--gateway", &gateway.url()], args].concat())
}

#[test]
fn a_jobs_result_is_pushed_and_its_exit_code_is_ours() {
    let gateway = Gateway::running();
    let good = push(
        &gateway,
        &[
            "--job",
            "backup",
            "--grouping",
            "db=main",
            "--interval",
            "1d",
            "--",
            "sh",
            "-c",
            "echo saved; echo all >&2",
        ],
    );
    assert_eq!((good.code, good.stdout.as_str(), good.stderr.as_str()), (Some(0), "saved\n", "all\n"));
    let path = "/job/backup/db/main/checks/backup";
    let result = gateway.result(path).expect("pushed");
    assert_eq!(
        (&result["status"], &result["output"], &result["exit_code"]),
        (&0.into(), &"saved\nall\n".into(), &0.into())
    );
    assert_eq!(
        (&result["interval"], &result["command"]),
        (&86_400.0.into(), &"sh -c 'echo saved; echo all >&2'".into())
    );
    assert!(
        result["duration"].as_f64().is_some_and(|took| took < 30.0) && result["client"].is_string(),
        "{result}"
    );

    std::thread::sleep(std::time::Duration::from_millis(1100));
    let bad = push(
        &gateway,
        &["--job", "backup", "--grouping", "db=main", "--quiet", "--", "sh", "-c", "echo no space; exit 7"],
    );
    assert_eq!((bad.code, bad.stdout.as_str(), bad.stderr.as_str()), (Some(7), "", ""));
    let result = gateway.result(path).expect("pushed");
    assert_eq!(
        (&result["status"], &result["output"], &result["exit_code"]),
        (&2.into(), &"no space\n".into(), &7.into())
    );

    let plugin = push(
        &gateway,
        &[
            "--job",
            "edge",
            "--check",
            "vpn 1",
            "--source",
            "gw",
            "--plugin",
            "--",
            "sh",
            "-c",
            "echo slow; exit 1",
        ],
    );
    assert_eq!(plugin.code, Some(1));
    let result = gateway.result("/job/edge/checks/vpn%201?source=gw").expect("pushed");
    assert_eq!(result["status"], 1);
}

#[test]
fn a_command_that_cannot_run_or_dies_is_told_as_a_shell_tells_it() {
    let gateway = Gateway::running();
    let missing = push(&gateway, &["--job", "a", "--", "/nonexistent/backup.sh"]);
    assert_eq!(missing.code, Some(127));
    let result = gateway.result("/job/a/checks/a").expect("pushed");
    assert_eq!(result["status"], 2);
    assert!(result["output"].as_str().is_some_and(|output| output.contains("not found")), "{result}");
    let killed = push(&gateway, &["--job", "b", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.code, Some(137));
    // A word is a word, whatever a shell would make of it.
    let words = push(&gateway, &["--job", "c", "--", "printf", "%s.", "$HOME", "it's", "", "a  b"]);
    assert_eq!(words.stdout, "$HOME.it's..a  b.");
    let (one, other) = ("'".repeat(70_000), "x".repeat(70_000));
    let long = push(&gateway, &["--job", "e", "--", "printf", "%s%s", &one, &other]);
    assert_eq!((long.code, long.stdout.len()), (Some(0), 140_000), "{}", long.stderr);
    // What it reads is what we are given.
    let mut reading = command();
    reading.args(["push", "--job", "d", "--gateway", &gateway.url(), "--", "wc", "-c"]);
    assert_eq!(run(&mut reading, &[b'x'; 100_000]).stdout.trim(), "100000");
}

#[test]
fn a_job_that_takes_too_long_is_ended_with_all_that_it_began_and_its_output_is_told() {
    let gateway = Gateway::running();
    let place = Place::new();
    let pid = place.arg("pid");
    let line = format!("echo begun; sleep 300 & echo $! > {pid}; wait");
    let late = push(&gateway, &["--job", "a", "--timeout", "500ms", "--", "sh", "-c", &line]);
    assert_eq!((late.code, late.stdout.as_str()), (Some(124), "begun\n"));
    assert_eq!(late.stderr, "error: timed out after 500ms\n");
    let result = gateway.result("/job/a/checks/a").expect("pushed");
    assert_eq!(result["status"], 2);
    let output = result["output"].as_str().unwrap_or_default();
    assert!(output.starts_with("timed out after 500ms\nbegun\n"), "{output}");
    assert!(has_gone(&pid));
}

/// Whether the process that a file names has ended.
fn has_gone(file: &str) -> bool {
    let pid = std::fs::read_to_string(file).expect("it began").trim().parse().expect("a number");
    await_until(SOON, || kill(Pid::from_raw(pid), None).is_err())
}

#[test]
fn of_a_long_output_the_beginning_and_the_end_are_pushed() {
    let gateway = Gateway::running();
    let long = push(&gateway, &["--job", "a", "--max-output", "400", "--", "seq", "1", "100000"]);
    assert_eq!(long.stdout.lines().count(), 100_000);
    let result = gateway.result("/job/a/checks/a").expect("pushed");
    let output = result["output"].as_str().unwrap_or_default();
    assert!(output.starts_with("1\n2\n") && output.ends_with("99999\n100000\n"), "{output}");
    assert!(output.contains("bytes are left out)") && output.len() < 500, "{output}");
}

#[test]
fn the_job_runs_whatever_is_wrong_with_the_push() {
    let dead = ["push", "--job", "a", "--patience", "300ms", "--gateway", DEAD];
    let failed = iaasmon(&[&dead[..], &["--", "sh", "-c", "echo ran; exit 4"]].concat());
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(4), "ran\n"));
    assert!(
        failed.stderr.starts_with("error: 127.0.0.1:1 did not take the push: connection refused"),
        "{failed:?}"
    );
    let strict = iaasmon(&[&dead[..], &["--strict", "--", "sh", "-c", "exit 4"]].concat());
    assert_eq!(strict.code, Some(3));

    let place = Place::new();
    place.write("bad.toml", "[[cluster]\nname = 1");
    for config in ["bad.toml", "missing.toml"] {
        let config = place.arg(config);
        let unconfigured = iaasmon(&["push", "--config", &config, "--job", "a", "--", "echo", "ran"]);
        assert_eq!((unconfigured.code, unconfigured.stdout.as_str()), (Some(0), "ran\n"));
        assert!(unconfigured.stderr.starts_with("error: "), "{unconfigured:?}");
        let strict = iaasmon(&["push", "--config", &config, "--job", "a", "--strict", "--", "echo", "ran"]);
        assert_eq!((strict.code, strict.stdout.as_str()), (Some(3), "ran\n"));
    }
    for gateway in ["", "push:9091", "http://"] {
        let unnamed =
            iaasmon(&["push", "--gateway", gateway, "--job", "a", "--", "sh", "-c", "echo ran; exit 5"]);
        assert_eq!((unnamed.code, unnamed.stdout.as_str()), (Some(5), "ran\n"));
        assert!(unnamed.stderr.starts_with(&format!("error: --gateway `{gateway}`: ")), "{unnamed:?}");
    }
    // One of two is enough for nobody but the other one.
    let gateway = Gateway::running();
    let half =
        push(&gateway, &["--gateway", DEAD, "--patience", "0s", "--strict", "--job", "a", "--", "true"]);
    assert_eq!(half.code, Some(3));
    assert!(gateway.result("/job/a/checks/a").is_some());
}

#[test]
fn a_gateway_that_is_back_in_time_is_pushed_to() {
    let gateway = Gateway::new();
    let mut pushing = command();
    pushing.args([
        "push",
        "--job",
        "a",
        "--gateway",
        &gateway.url(),
        "--patience",
        "1m",
        "--strict",
        "--",
        "true",
    ]);
    let mut child = pushing.stdin(Stdio::null()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_secs(1));
    gateway.start();
    assert_eq!(child.wait().expect("our own").code(), Some(0));
    assert!(gateway.result("/job/a/checks/a").is_some());
}

#[test]
fn a_dry_run_runs_and_sends_nothing_and_shows_the_request() {
    let place = Place::new();
    let touched = place.arg("touched");
    let shown = iaasmon(&[
        "push",
        "--job",
        "a b",
        "--gateway",
        DEAD,
        "--ttl",
        "15m",
        "--dry-run",
        "--",
        "touch",
        &touched,
    ]);
    assert_eq!(shown.code, Some(0));
    let request = format!("PUT {DEAD}/api/v1/groups/job/a%20b/checks/a%20b\nx-iaasmon-ttl: 15m\n{{\n");
    assert!(shown.stdout.starts_with(&request), "{shown:?}");
    assert!(shown.stderr.starts_with("dry run: nothing was run or sent"), "{shown:?}");
    assert!(!place.path("touched").exists());
    place.write("metrics", "a 1\n");
    let metrics = place.arg("metrics");
    let shown = iaasmon(&["push", "--job", "j", "--gateway", DEAD, "--dry-run", "--from-textfile", &metrics]);
    assert_eq!((shown.code, shown.stdout), (Some(0), format!("POST {DEAD}/metrics/job/j\na 1\n")));
}

#[test]
fn a_document_says_what_became_of_it_at_each_gateway() {
    let gateway = Gateway::running();
    let args = [
        "--gateway",
        DEAD,
        "--patience",
        "0s",
        "--job",
        "a",
        "--grouping",
        "x=y",
        "--interval",
        "1h",
        "-o",
        "json",
        "--",
        "echo",
        "ran",
    ];
    let told = push(&gateway, &args);
    assert_eq!(told.code, Some(0));
    let document: serde_json::Value = serde_json::from_str(&told.stdout).expect("one document");
    assert_eq!((&document["v"], &document["data"]["check"]), (&1.into(), &"a".into()));
    let data = &document["data"];
    assert_eq!(
        (&data["exit_code"], &data["detail"]["output"], &data["grouping"]["x"]),
        (&0.into(), &"ran\n".into(), &"y".into())
    );
    let gateways: Vec<_> =
        data["gateways"].as_array().into_iter().flatten().map(|one| &one["outcome"]).collect();
    assert_eq!(gateways, ["accepted", "failed"]);
    assert_eq!(data["gateways"][1]["error"], "connection refused");
    // `docs/json.md` describes it.
    let page = include_str!("../../docs/json.md");
    let section = page.split("## `iaasmon push`\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows =
        section.expect("a section").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut printed: Vec<String> = fields(data, "");
    printed.extend(fields(&data["detail"], "detail."));
    printed.extend(fields(&data["gateways"][0], "gateways[]."));
    let mut described: Vec<&str> = rows.collect();
    printed.sort();
    described.sort_unstable();
    assert_eq!(printed, described);
}

fn fields(object: &serde_json::Value, of: &str) -> Vec<String> {
    object.as_object().expect("an object").keys().map(|name| format!("{of}{name}")).collect()
}

#[test]
fn metrics_of_a_file_go_to_a_real_pushgateway() {
    let place = Place::new();
    let _running = place.serve(&["pushgateway"]);
    let url = format!("http://{}", place.address);
    let push = |more: &[&str], input: &[u8]| {
        let args = ["push", "--job", "backup", "--grouping", "db=a/b", "--gateway", &url, "--from-textfile"];
        run(command().args(args).args(more).current_dir(place.path("")), input)
    };
    place.write("metrics", "# TYPE size_bytes gauge\nsize_bytes 42\nage_seconds 7");
    let done = push(&["metrics"], b"");
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""));
    let size = r#"size_bytes{db="a/b",instance="",job="backup"}"#;
    let age = r#"age_seconds{db="a/b",instance="",job="backup"}"#;
    assert_eq!((place.metric(size), place.metric(age)), (Some(42.0), Some(7.0)));
    assert_eq!(push(&["-"], b"size_bytes 43\n").code, Some(0));
    assert_eq!((place.metric(size), place.metric(age)), (Some(43.0), Some(7.0)));
    assert_eq!(push(&["-", "--replace"], b"size_bytes 44\n").code, Some(0));
    assert_eq!((place.metric(size), place.metric(age)), (Some(44.0), None));

    let bad = push(&["-"], b"a 1\nb x\n");
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("-: text format parsing error in line 2"), "{bad:?}");
    let refused = push(&["-"], b"a 1 1700000000000\n");
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("refuses the push") && refused.stderr.contains("timestamps"),
        "{refused:?}"
    );
    let nobody = iaasmon(&[
        "push",
        "--job",
        "j",
        "--gateway",
        DEAD,
        "--patience",
        "0s",
        "--from-textfile",
        &place.arg("metrics"),
    ]);
    assert_eq!(nobody.code, Some(4));
}

#[test]
fn a_result_that_a_gateway_passes_over_was_not_delivered() {
    let gateway = Gateway::running();
    // By the clock of whoever pushed this it is later already.
    let ahead = iaasmon::sys::clock::now().timestamp() + 40;
    gateway.put_result("/job/a/checks/a", &format!(r#"{{"status":0,"output":"newer","executed":{ahead}}}"#));
    let told = push(&gateway, &["--job", "a", "-o", "json", "--", "false"]);
    assert_eq!(told.code, Some(1));
    let said = format!(
        "error: {} has a newer result of the check and passed this one over: is a clock wrong?\n",
        gateway.name()
    );
    assert_eq!(told.stderr, said);
    let document: serde_json::Value = serde_json::from_str(&told.stdout).expect("one document");
    assert_eq!(document["data"]["gateways"][0]["outcome"], "older");
    assert_eq!(push(&gateway, &["--job", "a", "--strict", "--", "true"]).code, Some(3));
    let kept = gateway.result("/job/a/checks/a").expect("there");
    assert_eq!(kept["output"], "newer");
}
