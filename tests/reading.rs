//! Reading a real fleet while its servers die, hang, restart empty or stop talking to each other:
//! the rows that others can answer are there, coverage names what is missing, and the exit code tells.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "reading/contract.rs"]
mod contract;
#[path = "reading/doctor.rs"]
mod doctor;
#[path = "reading/lists.rs"]
mod lists;
mod support;

use iaasmon::demo::Demo;
use serde_json::Value;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;
use support::{Outcome, await_until, fleet, iaasmon_on};

const SOON: Duration = Duration::from_secs(60);
/// The default time limit of a request plus the program's own start and end on a busy machine.
const WITHIN: Duration = Duration::from_secs(9);

/// Runs a command with `-o json` and returns what it printed beside the outcome.
fn json(demo: &Demo, args: &[&str]) -> (Value, Outcome) {
    let outcome = iaasmon_on(demo, &[args, &["-o", "json"]].concat());
    let value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|e| panic!("{args:?}: {e}\n{}\n{}", outcome.stdout, outcome.stderr));
    (value, outcome)
}

fn rows<'v>(value: &'v Value, cluster: &str) -> Vec<&'v Value> {
    value["data"].as_array().unwrap().iter().filter(|row| row["cluster"] == cluster).collect()
}

/// Starts a fleet and waits until both clusters' alerts have reached Alertmanager.
fn settled() -> Demo {
    let demo = fleet();
    let firing = |demo: &Demo| {
        let (alerts, outcome) = json(demo, &["alerts"]);
        let east_and_west = ["prod-east", "prod-west"]
            .map(|c| rows(&alerts, c).iter().filter(|a| a["state"] == "active").count());
        outcome.code == Some(0)
            && east_and_west.iter().all(|n| *n > 3)
            && rows(&alerts, "prod-east").iter().any(|a| a["labels"]["alertname"] == "NodeDown")
    };
    assert!(await_until(SOON, || firing(&demo)), "the scenario's alerts arrive");
    demo
}

/// Returns what coverage says of the server at `url`.
fn coverage_of<'v>(value: &'v Value, url: &str) -> &'v Value {
    let name = url.strip_prefix("http://").unwrap();
    value["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == name)
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

/// Returns a node of `cluster` with a failing check, and the check's name.
fn failing(demo: &Demo, cluster: &str) -> (String, String) {
    let (nodes, _) = json(demo, &["nodes"]);
    let node = rows(&nodes, cluster)
        .into_iter()
        .find(|n| n["up"] == "up" && !n["failing"].as_array().unwrap().is_empty())
        .cloned()
        .unwrap();
    (node["name"].as_str().unwrap().to_owned(), node["failing"][0]["check"].as_str().unwrap().to_owned())
}

#[test]
fn live_every_command_answers_on_a_healthy_fleet() {
    let demo = settled();
    let (nodes, outcome) = json(&demo, &["nodes"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "", "nothing is missing, so nothing is said");
    assert_eq!(rows(&nodes, "prod-east").len() + rows(&nodes, "prod-west").len(), 32);
    assert_eq!(nodes["v"], 1);

    let (node, check) = failing(&demo, "prod-east");
    let (detail, _) = json(&demo, &["node", &node]);
    assert_eq!(detail["data"]["checks"].as_array().unwrap().len(), 12);
    assert!(!detail["data"]["alerts"].as_array().unwrap().is_empty());

    let output = iaasmon_on(&demo, &["check", &node, &check]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.lines().count() >= 2, "the script's own words:\n{}", output.stdout);
    assert!(!output.stdout.contains('\u{1b}'), "made safe");

    let (alerts, _) = json(&demo, &["alerts", "severity=critical", &format!("instance={node}")]);
    let alert = alerts["data"][0].clone();
    assert_eq!(alert["value"].as_f64(), Some(2.0), "Prometheus' value is joined: {alert}");
    assert_eq!(
        alert["seen_by"].as_array().unwrap().len(),
        4,
        "both Prometheus and both Alertmanagers: {alert}"
    );
    let fingerprint = alert["fingerprint"].as_str().unwrap();
    let (one, _) = json(&demo, &["alert", fingerprint]);
    assert!(one.to_string().contains(fingerprint));

    let (checks, _) = json(&demo, &["checks"]);
    let summary = checks["data"].as_array().unwrap().iter().find(|c| c["check"] == check.as_str()).unwrap();
    assert!(summary["counts"]["crit"].as_u64().unwrap() >= 1, "{summary}");

    let (query, _) = json(&demo, &["query", "count(up)"]);
    assert_eq!(query["data"].as_array().unwrap().len(), 2);

    let (status, _) = json(&demo, &["status"]);
    assert_eq!(status["coverage"].as_array().unwrap().len(), 8);
    let (doctor, outcome) = json(&demo, &["doctor"]);
    assert_eq!(outcome.code, Some(0), "{doctor}");
}

#[test]
fn live_a_prometheus_that_dies_hangs_or_restarts_empty_takes_nothing_away() {
    let demo = settled();
    let [a, _] = &demo.clusters()[0].prometheus;
    let before = rows(&json(&demo, &["nodes"]).0, "prod-east").len();

    a.kill().unwrap();
    let (nodes, outcome) = json(&demo, &["nodes"]);
    assert_eq!(rows(&nodes, "prod-east").len(), before);
    assert_eq!(outcome.code, Some(0), "the other replica's answer is complete: {}", outcome.stderr);
    assert_eq!(coverage_of(&nodes, &a.url())["error"], "connection refused");
    assert!(outcome.stderr.contains("7/8") || outcome.stderr.contains("3/4"), "{}", outcome.stderr);

    // Restarted without its data it knows no `up` before its first scrapes, and no bad check at all.
    a.restart_empty().unwrap();
    a.await_ready().unwrap();
    let (nodes, outcome) = json(&demo, &["nodes"]);
    assert_eq!(rows(&nodes, "prod-east").len(), before);
    assert!(
        rows(&nodes, "prod-east").iter().any(|n| n["counts"]["crit"].as_u64().unwrap() > 0),
        "an empty replica turns nothing green"
    );
    assert_eq!(outcome.code, Some(0));

    a.stop().unwrap();
    let (nodes, outcome) = json(&demo, &["nodes"]);
    assert_eq!(rows(&nodes, "prod-east").len(), before);
    assert_eq!(coverage_of(&nodes, &a.url())["error"], "timed out after 5s");
    assert!(outcome.took < WITHIN, "{:?}", outcome.took);
    assert_eq!(outcome.code, Some(0));
    a.cont().unwrap();
}

#[test]
fn live_without_any_alertmanager_what_fires_is_known_and_whether_it_is_silenced_is_not() {
    let demo = settled();
    let members = &demo.clusters()[0].alertmanager;
    let names = |value: &Value| {
        let mut names: Vec<String> =
            rows(value, "prod-east").iter().map(|a| a["labels"].to_string()).collect();
        names.sort();
        names
    };
    let before = names(&json(&demo, &["alerts"]).0);

    members[0].kill().unwrap();
    let (alerts, outcome) = json(&demo, &["alerts"]);
    assert_eq!(names(&alerts), before, "one member is enough");
    assert_eq!(outcome.code, Some(0));
    assert_eq!(coverage_of(&alerts, &members[0].url())["error"], "connection refused");

    members[1].kill().unwrap();
    let (alerts, outcome) = json(&demo, &["alerts"]);
    assert_eq!(names(&alerts), before, "Prometheus alone knows the same alerts by the same labels");
    assert!(rows(&alerts, "prod-east").iter().all(|a| a["state"] == "unknown"), "{alerts}");
    assert!(
        rows(&alerts, "prod-west").iter().any(|a| a["state"] == "active"),
        "the other cluster is untouched"
    );
    assert_eq!(outcome.code, Some(3));
    let (doctor, _) = json(&demo, &["doctor"]);
    assert!(
        doctor["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["rule"] == "unreachable" && f["level"] == "problem")
    );

    for replica in &demo.clusters()[0].prometheus {
        replica.kill().unwrap();
    }
    let (alerts, outcome) = json(&demo, &["alerts"]);
    assert!(rows(&alerts, "prod-east").is_empty());
    assert!(!rows(&alerts, "prod-west").is_empty());
    assert_eq!(outcome.code, Some(3));
    let (_, outcome) = json(&demo, &["alerts", "--cluster", "prod-east"]);
    assert_eq!(outcome.code, Some(4), "nobody answered");
}

#[test]
fn live_a_restarted_member_without_alerts_makes_none_vanish() {
    let demo = settled();
    let member = &demo.clusters()[1].alertmanager[0];
    let before = json(&demo, &["alerts"]).0;
    member.restart_empty().unwrap();
    member.await_ready().unwrap();
    let (alerts, outcome) = json(&demo, &["alerts"]);
    // New ones may have come meanwhile.
    for old in rows(&before, "prod-west") {
        let same = |alert: &&&Value| alert["fingerprint"] == old["fingerprint"];
        let now = rows(&alerts, "prod-west");
        let now = now.iter().find(same).unwrap_or_else(|| panic!("{old} has vanished"));
        assert!(now["state"] != "unsent" || old["state"] == "unsent", "{now}");
    }
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn live_what_only_one_of_two_split_members_knows_is_listed() {
    let demo = settled();
    let cluster = &demo.clusters()[0];
    let [first, second] = &cluster.alertmanager;
    cluster.split_gossip().unwrap();
    let post = |member: &str, comment: &str| {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("one.toml");
        std::fs::write(&config, format!("[[cluster]]\nname = \"one\"\nalertmanager = [{member:?}]\n"))
            .unwrap();
        let state = dir.path().to_str().unwrap().to_owned();
        let args =
            ["--config", config.to_str().unwrap(), "silence", "add", "alertname=Split", "--all-clusters"];
        let outcome = Command::new(env!("CARGO_BIN_EXE_iaasmon"))
            .args(args)
            .args(["--comment", comment, "--author", "kim", "--yes", "--allow-broad"])
            .env("XDG_STATE_HOME", state)
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    };
    let body = r#"[{"labels": {"alertname": "OnlyHere", "severity": "critical"}}]"#;
    let mut stream = std::net::TcpStream::connect(second.address()).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /api/v2/alerts HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    post(&first.url(), "INC-1 first");
    post(&second.url(), "INC-2 second");
    let listed = json(&demo, &["silence", "list"]).0.to_string();
    assert!(listed.contains("INC-1 first") && listed.contains("INC-2 second"), "{listed}");
    let whole = || {
        let (alerts, outcome) = json(&demo, &["alerts"]);
        outcome.code == Some(0) && rows(&alerts, "prod-east").iter().any(|a| a["state"] == "active")
    };
    assert!(await_until(SOON, whole), "alerts come to both members");
    let alone =
        || json(&demo, &["alerts", "OnlyHere"]).0["data"].as_array().is_some_and(|list| list.len() == 1);
    assert!(await_until(SOON, alone), "an alert that one member alone knows");
    assert!(!crate::support::alert_names(&first.url()).contains(&"OnlyHere".to_owned()));
    let (alerts, _) = json(&demo, &["alerts"]);
    let mut fingerprints: Vec<&str> =
        rows(&alerts, "prod-east").iter().map(|a| a["fingerprint"].as_str().unwrap()).collect();
    fingerprints.sort();
    let all = fingerprints.len();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), all, "each alert once");
    let (doctor, _) = json(&demo, &["doctor"]);
    let found = doctor["data"].as_array().unwrap();
    assert!(found.iter().any(|f| f["rule"] == "gossip" && f["level"] == "problem"), "{doctor}");
}

/// Runs every command that asks Prometheus and checks what it says of the server at `url`: the time it may take, that
/// the other replica's answer is whole, and how many rows it has (at least as many as `before`, where that is given).
fn every_reader(demo: &Demo, url: &str, error: Option<&str>, node: &str, before: &[usize]) -> Vec<usize> {
    let commands: [&[&str]; 6] =
        [&["nodes"], &["alerts"], &["checks"], &["node", node], &["query", "up"], &["status"]];
    let mut counts = Vec::new();
    for (i, command) in commands.into_iter().enumerate() {
        let (value, outcome) = json(demo, command);
        assert_eq!(outcome.code, Some(0), "{command:?}: {}", outcome.stderr);
        assert!(outcome.took < WITHIN, "{command:?}: {:?}", outcome.took);
        let said = coverage_of(&value, url)["error"].as_str();
        assert!(said.unwrap_or_default().starts_with(error.unwrap_or_default()), "{command:?}: {said:?}");
        assert_eq!(said.is_some(), error.is_some(), "{command:?}: {said:?}");
        let count = match &value["data"] {
            Value::Array(list) => list.len(),
            one => one["checks"].as_array().map_or(1, Vec::len),
        };
        assert!(count > 0, "{command:?}: nothing");
        // Alerts come and go by themselves.
        if let Some(before) = before.get(i).filter(|_| command != ["alerts"]) {
            assert_eq!(count, *before, "{command:?}");
        }
        counts.push(count);
    }
    counts
}

#[test]
fn live_every_command_does_without_one_prometheus() {
    let demo = settled();
    let [a, _] = &demo.clusters()[0].prometheus;
    let (node, _) = failing(&demo, "prod-east");
    let before = every_reader(&demo, &a.url(), None, &node, &[]);
    a.kill().unwrap();
    every_reader(&demo, &a.url(), Some("connection refused"), &node, &before);
    a.restart_empty().unwrap();
    a.await_ready().unwrap();
    every_reader(&demo, &a.url(), None, &node, &before);
    a.stop().unwrap();
    every_reader(&demo, &a.url(), Some("timed out after "), &node, &before);
    a.cont().unwrap();
}

#[test]
fn live_a_dead_nodes_output_comes_from_its_alert() {
    let demo = settled();
    let (node, check) = failing(&demo, "prod-west");
    demo.clusters()[1].nodes.kill().unwrap();
    let outcome = iaasmon_on(&demo, &["check", &node, &check]);
    assert_eq!(outcome.code, Some(3), "what was asked did not answer: {}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("connection refused"), "why: {}", outcome.stderr);
    assert!(outcome.stdout.contains(&check), "what the alert says: {}", outcome.stdout);
    let raw = iaasmon_on(&demo, &["check", &node, &check, "--raw"]);
    assert_eq!(raw.code, Some(3), "{}", raw.stderr);
    assert!(!raw.stdout.is_empty() && raw.stderr.contains("connection refused"), "{}", raw.stderr);
}
