//! docs/pushgateway.md, held against a gateway: its commands are run, its paths and fields are there.

use super::gate_world::Gate;
use super::support::run;
use serde_json::{Map, Value, json};
use std::process::Command;

const PAGE: &str = include_str!("../../docs/pushgateway.md");
const HERE: &str = "localhost:9091";

/// The rows of the table that begins with this head, by column.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let lines =
        PAGE.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('|').skip(1).map(str::trim).collect()).collect();
    assert!(rows.len() > 2, "no table with the head {head}");
    rows
}

/// What stands between backquotes.
fn code(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_command_of_the_page_does_what_it_is_there_for() {
    let gate = Gate::kept(&[]);
    let blocks = PAGE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<&str> = blocks.filter(|block| block.contains(HERE) && block.contains("curl")).collect();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        let script = format!("set -euo pipefail\n{}", block.replace(HERE, &gate.place.address));
        let ran = run(Command::new("bash").arg("-c").arg(&script), b"");
        assert_eq!(ran.code, Some(0), "{block}\n{}{}", ran.stdout, ran.stderr);
    }
    let page = gate.page();
    for left in [
        "{instance=\"db1\",job=\"backup\"} 42",
        "{db=\"main\",instance=\"\",job=\"backup\"} 42",
        "{instance=\"\",job=\"ci\"} 12",
    ] {
        assert!(page.contains(left), "{left}: {page}");
    }
    assert!(!page.contains("path=") && !page.contains("iaasmon_check_status{"), "{page}");
}

#[test]
fn every_path_of_the_page_is_answered() {
    let gate = Gate::kept(&["--web.enable-admin-api"]);
    let check = "/api/v1/groups/job/j/a/b/checks/c";
    let mut asked = 0;
    for row in rows("| request | what it does |") {
        let mut methods: Vec<&str> = Vec::new();
        let mut last = "";
        for said in code(row[0]) {
            let (method, path) =
                said.split_once(' ').unwrap_or(if said.starts_with('/') { ("", said) } else { (said, "") });
            if !method.is_empty() {
                methods = if last.is_empty() { methods } else { Vec::new() };
                methods.push(method);
            }
            last = path;
            let path = path
                .replace("LABEL/VALUE/...", "a/b")
                .replace("LABEL=VALUE&...", "job=j&a=b")
                .replace("JOB", "j")
                .replace("CHECK", "c");
            for method in methods.iter().filter(|_| !path.is_empty()) {
                assert_eq!(gate.ask("PUT", check, "{\"status\":0}").code, 200);
                let body = if path == check { "{\"status\":0}" } else { "" };
                let answer = gate.ask(method, &path, body);
                // It is not to end.
                let good = answer.code < 300 || (path == "/-/quit" && answer.code == 403);
                assert!(good, "{method} {path}: {} {}", answer.code, answer.text());
                asked += 1;
            }
        }
    }
    assert!(asked >= 20, "{asked}");
}

#[test]
fn every_field_of_the_page_is_taken_and_told() {
    let gate = Gate::kept(&[]);
    let path = "/api/v1/groups/job/j/a/b/checks/c";
    let mut result: Map<String, Value> = Map::new();
    for row in rows("| field | type | meaning |") {
        let Some(name) = code(row[0]).next() else { continue };
        let value = match row[1] {
            "whole number" => json!(2),
            "seconds" => json!(60),
            "time" => json!("2026-11-30T06:58:00Z"),
            "text" => json!("words"),
            "list" => json!(["mail"]),
            other => panic!("{other}: {row:?}"),
        };
        result.insert(name.to_owned(), value);
    }
    assert!(result.len() >= 10, "{result:?}");
    let answer = gate.ask("PUT", path, Value::from(result.clone()).to_string());
    assert_eq!(answer.code, 200, "{}", answer.text());
    let told = gate.place.json(path);
    for name in result.keys() {
        assert!(!told[name].is_null(), "{name}: {told}");
    }
    for name in rows("| field | meaning |").iter().flat_map(|row| code(row[0])) {
        assert!(told.get(name).is_some(), "{name}: {told}");
    }
    let bulk = PAGE.split("## Many groups at once").nth(1).unwrap();
    let bulk = bulk.split("| field | meaning |").nth(1).unwrap();
    let names: Vec<&str> =
        bulk.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let samples =
        json!({"job": "k", "labels": {"a": "b"}, "metrics": "m 1\n", "mode": "replace", "ttl": "2h"});
    let names = &names[..samples.as_object().unwrap().len()];
    assert!(names.iter().all(|name| samples.get(name).is_some()), "{names:?}");
    assert_eq!(gate.ask("POST", "/api/v1/push", samples.to_string()).code, 200);
}
