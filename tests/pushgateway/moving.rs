//! The move from one gateway of ours to another: `iaasmon migrate pushgateway`, checks included.

use super::gate_world::Gate;
use super::support::service::{Answer, Place};
use super::support::{Outcome, SOON, await_until, command, iaasmon, run};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

fn url(gate: &Gate) -> String {
    format!("http://{}", gate.place.address)
}

fn put(gate: &Gate, path: &str, result: &Value) {
    let answer = gate.ask("PUT", path, result.to_string());
    assert_eq!(answer.code, 200, "{path}: {}", answer.text());
}

fn copy(from: &str, to: &str, args: &[&str]) -> Outcome {
    iaasmon(&[&["migrate", "pushgateway", from, to], args].concat())
}

/// A gateway with two checks in a group of labels that are written in Base64, one of them about another host, and with metrics.
fn with_checks() -> Gate {
    let old = Gate::kept(&[]);
    let group = "/api/v1/groups/job/backup/path@base64/L3Zhcg";
    let bad = json!({"status": 2, "output": "CRIT: no space\n", "executed": "2026-11-30T06:58:00Z", "interval": 60,
        "duration": 1.5, "command": "backup.sh", "handlers": ["mail"], "runbook": "https://wiki", "ttl_status": 2});
    put(&old, &format!("{group}/checks/disk%20space"), &bad);
    put(
        &old,
        &format!("{group}/checks/port?source=switch"),
        &json!({"status": 127, "output": "not found", "executed": "2026-11-30T06:58:00Z"}),
    );
    old.push("/metrics/job/metrics", "m 1\n");
    old
}

const DISK: &str = "/api/v1/groups/job/backup/path@base64/L3Zhcg/checks/disk%20space";
const PORT: &str = "/api/v1/checks/port?job=backup&path=/var&source=switch";

/// What a gateway tells of a check, without what it counts and stamps itself.
fn detail(gate: &Gate, path: &str) -> Value {
    let mut told = gate.place.json(path);
    for own in ["history", "occurrences", "status_since", "last_ok"] {
        told.as_object_mut().unwrap().remove(own);
    }
    told
}

#[test]
fn checks_go_over_with_their_words_and_only_once() {
    let (old, new) = (with_checks(), Gate::kept(&[]));
    let (from, to) = (url(&old), url(&new));
    let dry = copy(&from, &to, &["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(
        dry.stdout.contains("to copy       job=\"backup\",path=\"/var\"; 2 checks to copy\n"),
        "{}",
        dry.stdout
    );
    assert!(dry.stderr.ends_with("; checks: 2 would be copied, 0 left behind\n"), "{}", dry.stderr);
    assert_eq!(new.place.json("/api/v1/checks")["checks"], json!([]));

    let done = copy(&from, &to, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let lines =
        "copied        job=\"backup\",path=\"/var\"; 2 checks copied\ncopied        job=\"metrics\"\n";
    assert_eq!(done.stdout, lines);
    assert!(
        done.stderr.ends_with("2 copied, 0 there already, 0 refused; checks: 2 copied, 0 left behind\n"),
        "{}",
        done.stderr
    );
    for path in [DISK, PORT] {
        assert_eq!(detail(&new, path), detail(&old, path), "{path}");
    }
    // It is more than three intervals old: what is told of it is not what was pushed.
    assert_eq!(detail(&new, PORT)["exit_status"], 127);

    // What was pushed to the new one since stays; what it lacks goes over.
    put(&new, DISK, &json!({"status": 0, "output": "fine again\n"}));
    assert_eq!(
        new.ask("DELETE", "/api/v1/groups/job/backup/path@base64/L3Zhcg/checks/port?source=switch", "").code,
        202
    );
    let again = copy(&from, &to, &["--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let told: Vec<Value> = again.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told[0]["group"], json!({"job": "backup", "path": "/var"}));
    assert_eq!(
        (&told[0]["result"], &told[0]["checks"], &told[0]["checks_left"]),
        (&json!("there already"), &json!(1), &json!(0))
    );
    assert_eq!((&told[1]["result"], &told[1]["checks"]), (&json!("there already"), &json!(0)));
    assert_eq!(detail(&new, DISK)["output"], "fine again\n");
    assert_eq!(detail(&new, PORT), detail(&old, PORT));
}

#[test]
fn who_cannot_take_checks_over_is_told_how_many_stay_behind() {
    let old = with_checks();
    put(&old, "/api/v1/groups/job/metrics/checks/one", &json!({"status": 0}));
    // An original takes none.
    let original = Gate::debian(&["--persistence.file="]);
    let done = copy(&url(&old), &url(&original), &[]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let lines = "copied, without its 2 checks job=\"backup\",path=\"/var\": the new one takes no checks\n\
        copied, without its 1 check job=\"metrics\": the new one takes no checks\n";
    assert_eq!(done.stdout, lines);
    // Nor may everybody read them.
    let (new, forbidding) = (Gate::kept(&[]), forbidding(&old));
    let done = copy(&forbidding, &url(&new), &[]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stdout.starts_with("copied, without its 2 checks job=\"backup\",path=\"/var\": forbidden (403): start it with --detail-allow\n"), "{}", done.stdout);
    assert!(done.stdout.contains("\ncopied, without its 1 check job=\"metrics\": "), "{}", done.stdout);
    assert!(done.stderr.ends_with("; checks: 0 copied, 3 left behind\n"), "{}", done.stderr);
}

/// Stands before a gateway, and gives its checks to nobody; returns where.
fn forbidding(gate: &Gate) -> String {
    let (place, behind) = (Place::new(), gate.place.address.clone());
    let ask = move |path: &str| {
        let mut stream = TcpStream::connect(&behind).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        Answer::read(&bytes)
    };
    let listener = TcpListener::bind(&place.address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let Some(path) = head.split(' ').nth(1) else { continue };
            let (code, body) = match path.starts_with("/api/v1/checks") {
                true => (403, br#"{"v":1,"error":"start it with --detail-allow"}"#.to_vec()),
                false => ask(path).map(|answer| (answer.code, answer.body)).unwrap(),
            };
            let head =
                format!("HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            // Who hung up does not want to know.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{}", place.address)
}

#[test]
fn a_gateway_with_a_password_is_asked_as_its_cluster_says() {
    let place = Place::new();
    place.write("web.yml", format!("basic_auth_users:\n  ann: {}\n", bcrypt::hash("right", 4).unwrap()));
    place.write("password", "right\n");
    let (web, password) = (place.arg("web.yml"), place.arg("password"));
    let serve = place.spawn(&mut place.command(&["pushgateway", "--web.config.file", &web]));
    let locked = Gate { place, running: serve };
    assert!(await_until(SOON, || locked.place.get("/-/ready").is_some()), "{}", locked.place.said());
    let old = with_checks();
    let (from, to) = (url(&old), url(&locked));
    // Nothing is lent to others: the cluster is that which names the very gateway.
    let refused = copy(&from, &to, &[]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    let told = format!("error: {}: not authenticated (401)", locked.place.address);
    assert!(refused.stderr.contains(&told) && !refused.stderr.contains("cluster"), "{}", refused.stderr);
    let config = old.place.path("config.toml");
    let text = format!(
        "[[cluster]]\nname = \"a\"\nprometheus = [\"http://127.0.0.1:1\"]\npushgateway = [\"{to}/\"]\n\
         auth = {{ basic = {{ user = \"ann\", password_file = \"{password}\" }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let done = run(command().args(["migrate", "pushgateway", &from, &to, "--config"]).arg(&config), b"");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stderr.contains("2 copied, 0 there already, 0 refused; checks: 2 copied"),
        "{}",
        done.stderr
    );
    // A configuration that was named is used or refused.
    std::fs::write(&config, "[[cluster]]\nname = 1\n").unwrap();
    let bad = run(command().args(["migrate", "pushgateway", &from, &to, "--config"]).arg(&config), b"");
    assert_eq!(bad.code, Some(2), "{}", bad.stderr);
    let bad = run(command().args(["migrate", "pushgateway", &from, &to]).env("IAASMON_CONFIG", &config), b"");
    assert_eq!(bad.code, Some(4), "{}", bad.stderr);
    assert!(bad.stderr.starts_with("note: the configuration is not used: "), "{}", bad.stderr);
}
