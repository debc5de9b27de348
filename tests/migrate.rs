//! Moving over from Sensu, as the program does it: what it prints, and the codes that scripts go by.

#[path = "faults/server.rs"]
#[allow(dead_code, reason = "the servers that misbehave belong to other tests")]
mod server;

use server::Answer;
use std::path::Path;
use std::process::{Command, Output};

const GOLDEN: &str = "fixtures/golden";

fn iaasmon<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iaasmon")).args(args).output().expect("iaasmon runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

/// Every row as `verdict name`, by the names of these fields.
fn rows(document: &serde_json::Value, name: &str) -> Vec<String> {
    let word = |row: &serde_json::Value, field: &str| row[field].as_str().expect("text").to_owned();
    let rows = document["data"].as_array().expect("a list").iter();
    rows.map(|row| format!("{} {}", word(row, "verdict"), word(row, name))).collect()
}

#[test]
fn the_golden_definitions_are_told_of() {
    let folder = format!("{GOLDEN}/conf.d");
    let output = iaasmon(&["migrate", "sensu", &folder, "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found = rows(&json(&output), "about");
    for expected in ["carries schedule", "differs hooks", "differs timeout", "decide token"] {
        assert!(found.iter().any(|row| row == expected), "{expected}: {found:?}");
    }
    assert!(text(&output.stderr).contains(" checks: "), "{}", text(&output.stderr));
    assert_eq!(iaasmon(&["migrate", "sensu", &folder, "--exit-code"]).status.code(), Some(1));
    let table = text(&iaasmon(&["migrate", "sensu", &folder]).stdout);
    assert!(table.starts_with("VERDICT"), "{table}");
}

#[test]
fn definitions_that_are_wrong_are_refused_with_every_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = r#"{"checks":{"a":{"command":5,"interval":10,"standalone":true},"b":{"command":"x","interval":"10","standalone":true}}}"#;
    std::fs::write(folder.path().join("bad.json"), bad).expect("written");
    let folder = folder.path().to_str().expect("text");
    let output = iaasmon(&["migrate", "sensu", folder]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("a: check command must be a string"), "{told}");
    assert!(told.contains("b: check interval must be an integer"), "{told}");
    let output = iaasmon(&["migrate", "sensu", folder, "-c", "/nonexistent/config.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nonexistent/config.json"));
}

#[test]
fn a_log_agrees_with_itself_and_not_without_its_checks() {
    let log = format!("{GOLDEN}/sensu-client.log");
    let output = iaasmon(&["migrate", "logs", &log, &log, "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(rows(&json(&output), "check").iter().all(|row| row.starts_with("agrees ")));

    let folder = tempfile::tempdir().expect("a folder");
    let after = folder.path().join("after.log");
    let whole = std::fs::read(&log).expect("the fixture");
    let kept = whole.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
        let line = text(line);
        match line.contains(r#""name":"exit_255""#) {
            true => None,
            false => Some(line.replace(r#""name":"bytes"#, r#""name":"octets"#).into_bytes()),
        }
    });
    std::fs::write(&after, kept.collect::<Vec<_>>().concat()).expect("written");
    let output = iaasmon(&[
        "migrate".as_ref(),
        "logs".as_ref(),
        Path::new(&log),
        &after,
        "-o".as_ref(),
        "json".as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(rows(&json(&output), "check").contains(&"missing exit_255".to_owned()));

    let empty = folder.path().join("empty.log");
    std::fs::write(&empty, "").expect("written");
    let output = iaasmon(&["migrate".as_ref(), "logs".as_ref(), Path::new(&log), &empty]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("holds no result of any check"));
}

const EVENTS: &str = r#"[
 {"client":{"name":"web-1"},"check":{"name":"disk","status":2,"output":"DISK CRITICAL\nmore"},"silenced":false},
 {"client":{"name":"web-1"},"check":{"name":"load","status":1,"output":"LOAD"}},
 {"client":{"name":"web-2"},"check":{"name":"keepalive","status":2,"output":"No keepalive"}},
 {"client":{"name":"web-3"},"check":{"name":"ntp","status":1,"output":"NTP"}},
 {"client":{"name":"web-3"},"check":{"name":"well","status":0,"output":"OK"}}]"#;

/// An alert as Alertmanager tells it.
fn alert(labels: &str) -> String {
    // Any number that tells alerts apart will do.
    let fingerprint = labels.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!(
        r#"{{"labels":{{{labels}}},"annotations":{{}},"startsAt":"2026-11-25T00:00:00Z","endsAt":"2026-11-25T00:10:00Z",
        "updatedAt":"2026-11-25T00:00:00Z","fingerprint":"{fingerprint:016x}","generatorURL":"",
        "receivers":[{{"name":"ops"}}],"status":{{"state":"active","silencedBy":[],"inhibitedBy":[]}}}}"#
    )
}

fn check_alert(node: &str, check: &str, severity: &str) -> String {
    alert(&format!(
        r#""alertname":"CheckFailed","instance":"{node}:10105","check":"{check}","severity":"{severity}""#
    ))
}

/// Runs the command against this Sensu and an Alertmanager with these alerts.
fn events(sensu: Answer, alerts: &[String]) -> Output {
    let alerts = format!("[{}]", alerts.join(","));
    let alertmanager = server::start(Answer::json(alerts.as_bytes()));
    let sensu = server::start_routed(move |path, _| match path {
        "/events" => sensu.clone(),
        _ => Answer::http("404 Not Found", "", b""),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let text = format!(
        "[defaults]\ntimeout = \"5s\"\n[[cluster]]\nname = \"east\"\nalertmanager = [\"http://{alertmanager}\"]\n"
    );
    std::fs::write(&config, text).expect("written");
    let config = config.to_str().expect("text");
    let api = format!("http://{sensu}");
    iaasmon(&["--config", config, "migrate", "events", "--sensu-api", &api, "-o", "json"])
}

#[test]
fn events_stand_beside_alerts() {
    let down = alert(r#""alertname":"NodeDown","instance":"web-2:10105","severity":"critical""#);
    let mut alerts = vec![
        check_alert("web-1", "disk", "critical"),
        check_alert("web-1", "load", "critical"),
        check_alert("web-9", "mail", "warning"),
        down,
    ];
    let output = events(Answer::json(EVENTS.as_bytes()), &alerts);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let document = json(&output);
    let found = rows(&document, "check");
    assert_eq!(found, ["missing ntp", "differs load", "extra mail", "agrees disk", "agrees keepalive"]);
    assert_eq!(document["data"][1]["event"], "warn");
    assert_eq!(document["data"][1]["alert"], "crit");
    let kinds = document["coverage"].as_array().expect("a list").iter();
    assert!(kinds.clone().any(|one| one["kind"] == "sensu"), "{document}");

    alerts.truncate(1);
    let one = r#"[{"client":{"name":"web-1"},"check":{"name":"disk","status":2,"output":"x"}}]"#;
    let output = events(Answer::json(one.as_bytes()), &alerts);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_sensu_that_does_not_answer_is_no_agreement() {
    let output = events(Answer::http("503 Service Unavailable", "", b"no redis"), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("error: Sensu's API: ") && told.contains("unavailable (503): no redis"),
        "{told}"
    );
    let output = events(Answer::json(b"{}"), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}

#[test]
fn what_is_wrong_with_the_address_or_the_password_file_is_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[[cluster]]\nname = \"east\"\nprometheus = [\"http://127.0.0.1:1\"]\n")
        .expect("written");
    let ask = |more: &[&str]| {
        let events = ["--config", config.to_str().expect("text"), "migrate", "events", "--sensu-api"];
        let output = iaasmon(&[&events[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(ask(&["sensu:4567"]).contains("no scheme: write http://sensu:4567"));
    let told = ask(&["http://127.0.0.1:1", "--sensu-password-file", "/nonexistent/password"]);
    assert!(told.contains("--sensu-password-file: /nonexistent/password: No such file"), "{told}");
}
