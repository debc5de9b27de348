//! Every list: its filter, its forms, its mistakes.

use super::{failing, json};
use crate::support::{SOON, await_until, iaasmon_on, settled_fleet};
use serde_json::Value;
use std::process::Stdio;

fn column(value: &Value, field: &str) -> Vec<String> {
    let rows = value["data"].as_array().unwrap().iter();
    rows.map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn live_every_list_takes_a_filter_and_every_form() {
    let demo = settled_fleet();
    let (node, check) = failing(&demo, "prod-east");
    let silence = |comment: &str| {
        let args =
            ["silence", "add", &format!("instance={node}"), "--comment", comment, "--yes", "--allow-broad"];
        let outcome = iaasmon_on(&demo, &args);
        assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
        outcome.stdout.lines().next().unwrap().to_owned()
    };
    let (kept, ended) = (silence("INC-1 kept"), silence("INC-2 ended"));
    assert_eq!(iaasmon_on(&demo, &["silence", "expire", &ended, "--yes"]).code, Some(0));

    let filtered = |args: &[&str], field: &str| column(&json(&demo, args).0, field);
    let kinds = filtered(&["status", "kind=alertmanager", "@state=up", "@region=east"], "kind");
    assert_eq!(kinds, ["alertmanager"; 2]);
    assert!(filtered(&["status", "@state=down"], "kind").is_empty());
    assert_eq!(filtered(&["checks", &format!("@check={check}")], "check"), [&*check]);
    assert!(filtered(&["checks", "@state=ok"], "check").len() < 12);
    assert_eq!(filtered(&["query", "up", &format!("instance={node}")], "cluster"), ["prod-east"]);
    assert_eq!(filtered(&["query", "count(up)", "@cluster=prod-west"], "cluster"), ["prod-west"]);
    assert!(filtered(&["doctor", "--all", "rule=all"], "rule").iter().all(|rule| rule == "all"));
    let asked = filtered(&["doctor", "--all", "@cluster=prod-east"], "cluster");
    assert!(!asked.is_empty() && asked.iter().all(|cluster| cluster == "prod-east"), "{asked:?}");
    assert_eq!(filtered(&["silence", "list", &format!("instance={node}")], "id"), [&*kept]);
    assert_eq!(filtered(&["silence", "list", "@state=expired"], "id"), [&*ended], "implies --expired");
    assert_eq!(filtered(&["silence", "list", "@ticket=INC-1", "@expires<2h"], "id"), [&*kept]);

    let failing = json(&demo, &["node", &node, "!@state=ok"]).0;
    assert!(failing["data"]["checks"].as_array().unwrap().iter().all(|check| check["status"] != "ok"));
    let spoken = json(&demo, &["node", &node, "@out=~(?s).+", "@dur<1h"]).0;
    assert_eq!(spoken["data"]["checks"].as_array().unwrap().len(), 12, "the node was asked for each");
    assert!(!filtered(&["alerts", "@new"], "state").is_empty(), "the fleet is minutes old");
    assert!(filtered(&["alerts", "!@new"], "state").is_empty());
    let count = |args: &[&str]| filtered(args, "state").len();
    // The fleet goes on between two questions: what holds of one moment holds soon.
    let whole = || count(&["alerts", "!@flap"]) + count(&["alerts", "@flap"]) == count(&["alerts"]);
    assert!(await_until(SOON, whole), "each alert either flaps or not");

    for (list, sort) in [
        (vec!["status"], "-replica"),
        (vec!["alerts"], "node,-since"),
        (vec!["nodes"], "-crit,node"),
        (vec!["node", &*node], "-check"),
        (vec!["checks"], "-ok"),
        (vec!["query", "up"], "-value"),
        (vec!["doctor", "--all"], "rule"),
        (vec!["silence", "list", "--expired"], "ends_in"),
        (vec!["silence", "status"], "-began"),
    ] {
        let run = |more: &[&str]| {
            let outcome = iaasmon_on(&demo, &[&list[..], more].concat());
            assert_eq!(outcome.code, Some(0), "{list:?} {more:?}: {}", outcome.stderr);
            outcome.stdout
        };
        let names = run(&["-o", "name"]);
        assert!(!names.is_empty(), "{list:?}");
        assert_eq!(run(&["-o", "name", "--sort", sort, "--limit", "1"]).lines().count(), 1, "{list:?}");
        let lines = |form| run(&["-o", form]).lines().count();
        assert!(await_until(SOON, || lines("jsonl") == lines("name")), "{list:?}: a line for each");
        let csv = run(&["-o", "csv", "--sort", sort]);
        let (header, rows) = csv.split_once('\n').unwrap();
        assert!(header.contains(',') && !rows.is_empty(), "{list:?}: {csv}");
        let bare = run(&["-o", "csv", "--sort", sort, "--no-headers"]);
        assert_ne!(bare.lines().next(), Some(header), "{list:?}");
        for form in ["table", "wide", "json", "yaml"] {
            assert!(run(&["-o", form]).lines().count() > 1, "{list:?} -o {form}");
        }
    }
}

#[test]
fn live_a_mistake_is_named_with_what_was_probably_meant() {
    let demo = settled_fleet();
    let (node, check) = failing(&demo, "prod-east");
    let slip = format!("{check}x");
    for (args, message, hint) in [
        (vec!["alerts", "@state=actve"], "alerts have no state `actve`", "did you mean active?"),
        (vec!["nodes", "@state=down"], "nodes have no state `down`", "write @up=down"),
        (vec!["status", "@state=dwon"], "replicas have no state `dwon`", "did you mean down?"),
        (vec!["silence", "list", "@state=expird"], "silences have no state", "did you mean expired?"),
        (vec!["checks", "@fp=1"], "checks have no @fp", "there are @cluster"),
        (vec!["query", "up", "@state=up"], "series have no @state", "there are @cluster"),
        (vec!["doctor", "@clustr=x"], "unknown field @clustr", "did you mean @cluster?"),
        (vec!["alerts", "rack=~r11("], "this regex cannot be evaluated here", "      ^^^^"),
        (vec!["alerts", "--sort", "nod"], "there is no column `nod`", "did you mean `node`?"),
        (vec!["query", "sum("], "parse error", "iaasmon query --help"),
        (vec!["node", "no-such-node"], "there is no node `no-such-node`", "config.toml nodes` lists them"),
        (vec!["check", &*node, &*slip], "has no check", "did you mean"),
        (vec!["alert", "00000000"], "no alert has the fingerprint", "it may have ended"),
        (vec!["nodes", "--cluster", "prod-eats"], "no cluster is called `prod-eats`", "prod-east"),
    ] {
        let outcome = iaasmon_on(&demo, &args);
        assert_eq!(outcome.code, Some(2), "{args:?}: {}{}", outcome.stdout, outcome.stderr);
        assert!(
            outcome.stderr.contains(message) && outcome.stderr.contains(hint),
            "{args:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "", "{args:?}");
    }
    let nothing = crate::support::iaasmon(&["alerts"]);
    assert_eq!(nothing.code, Some(2), "no configuration");
    assert!(nothing.stderr.contains("iaasmon config init"), "{}", nothing.stderr);
    for form in ["table", "csv", "json", "yaml", "jsonl", "name"] {
        let mut command = crate::support::command();
        command.arg("--config").arg(demo.config()).args(["alerts", "-o", form]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), &*said), (Some(0), ""), "a reader who has gone: -o {form}");
    }
    let exit_code = |args: &[&str]| iaasmon_on(&demo, &[args, &["--exit-code"]].concat()).code;
    assert_eq!(exit_code(&["alerts"]), Some(1));
    assert_eq!(exit_code(&["alerts", "alertname=NoSuchAlert"]), Some(0));
    assert_eq!(exit_code(&["check", &node, &check]), Some(1));
}

#[test]
fn live_a_cluster_whose_token_cannot_be_read_fails_alone() {
    let demo = settled_fleet();
    let text = std::fs::read_to_string(demo.config()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let west = "name = \"prod-west\"";
    assert!(text.contains(west));
    let broken = text.replace(west, &format!("{west}\nauth = {{ bearer_file = \"rotated-away\" }}"));
    std::fs::write(&config, broken).unwrap();
    let run =
        |args: &[&str]| crate::support::iaasmon(&[&["--config", config.to_str().unwrap()], args].concat());
    let outcome = run(&["alerts", "-o", "json"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let alerts: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(column(&alerts, "cluster").iter().all(|cluster| cluster == "prod-east"));
    assert!(!column(&alerts, "cluster").is_empty());
    let reasons = alerts["coverage"].as_array().unwrap().iter().filter(|r| r["cluster"] == "prod-west");
    for replica in reasons {
        let error = replica["error"].as_str().unwrap();
        assert!(error.contains("rotated-away: no such file"), "{error}");
    }
    let check = run(&["config", "check"]);
    assert_eq!(check.code, Some(2));
    assert!(check.stderr.contains("`bearer_file`: cannot read"), "{}", check.stderr);
    // The next request reads the file again: a rotated token needs no restart.
    std::fs::write(dir.path().join("rotated-away"), "token\n").unwrap();
    assert_eq!(run(&["alerts"]).code, Some(0));
}

#[test]
fn live_earlier_runs_and_the_node_s_own_metrics_are_read() {
    let demo = settled_fleet();
    let (nodes, _) = json(&demo, &["nodes", "@cluster=prod-east"]);
    let is_full = |row: &&Value| {
        let failing = row["failing"].as_array().unwrap();
        row["up"] == "up"
            && failing.iter().any(|bad| bad["check"] == "check_disk_var" && bad["status"] == "crit")
    };
    let full = nodes["data"].as_array().unwrap().iter().find(is_full).unwrap();
    let node = full["name"].as_str().unwrap();
    let check = ["check", node, "check_disk_var"];

    let (history, outcome) = json(&demo, &[&check[..], &["--history", "-n", "7"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let runs = history["data"].as_array().unwrap();
    assert_eq!(runs.len(), 7);
    assert!(runs.iter().all(|run| run["status"] == "crit" && run["output_sha256"].is_string()), "{history}");
    let table = iaasmon_on(&demo, &[&check[..], &["--history", "-n", "60"]].concat());
    assert_eq!(table.stdout.lines().count(), 61, "{}", table.stdout);
    // Few of these outputs are kept; all are alike, so that each is known by its hash.
    assert!(table.stdout.lines().skip(1).all(|line| line.contains("DISK CRITICAL")), "{}", table.stdout);
    let problems = iaasmon_on(&demo, &[&check[..], &["--history", "--exit-code"]].concat());
    assert_eq!(problems.code, Some(1));

    let diff = iaasmon_on(&demo, &[&check[..], &["--diff"]].concat());
    assert_eq!((diff.code, &*diff.stderr), (Some(0), ""), "{}", diff.stdout);
    for sign in ["  @@ -", "\n  -", "\n  +"] {
        assert!(diff.stdout.contains(sign), "{sign}: {}", diff.stdout);
    }
    assert!(!diff.stdout.contains('\u{1b}'), "made safe");
    let few = iaasmon_on(&demo, &[&check[..], &["--diff", "-n", "3"]].concat());
    assert_eq!(few.code, Some(0));
    assert!(few.stderr.contains("there is nothing to compare with"), "{}", few.stderr);
    let slip = iaasmon_on(&demo, &["check", node, "check_disk_vra", "--history"]);
    assert_eq!(slip.code, Some(2), "{}", slip.stderr);
    assert!(slip.stderr.contains("did you mean `check_disk_var`?"), "{}", slip.stderr);

    let (live, outcome) = json(&demo, &["node", node, "--live"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let checks = live["data"].as_array().unwrap();
    assert_eq!(checks.len(), 12, "{live}");
    let disk = checks.iter().find(|row| row["check"] == "check_disk_var").unwrap();
    assert_eq!((&disk["live"], &disk["prometheus"]), (&"crit".into(), &"crit".into()));
    assert!(disk["differs"].is_null(), "{disk}");

    demo.clusters()[0].nodes.kill().unwrap();
    for args in [vec!["node", node, "--live"], [&check[..], &["--history"]].concat()] {
        let dead = iaasmon_on(&demo, &args);
        assert_eq!(dead.code, Some(3), "{args:?}: {}", dead.stderr);
        assert!(dead.stderr.contains("connection refused"), "{}", dead.stderr);
    }
}
