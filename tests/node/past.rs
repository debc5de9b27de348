//! What people ask a node itself: earlier runs, what is new since all was well, and its metrics beside Prometheus.

use super::cluster::{Cluster, Node, Parts};
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The statuses of the runs, the newest first, each as often as it came in a row counted once.
fn phases(document: &Value) -> Vec<&str> {
    let rows = document["data"].as_array().expect("a list").iter();
    let mut phases: Vec<&str> = rows.map(|row| row["status"].as_str().expect("a status")).collect();
    phases.dedup();
    phases
}

#[test]
fn earlier_runs_of_a_real_node_are_listed_and_compared() {
    let mut node = Node::start("web-1", Parts::One, &["disk"]);
    node.says("disk", 0, "DISK OK\n/ 40%\n/var 71%");
    let cluster = Cluster::around(&[&node]);
    let history = |more: &[&str]| cluster.json(&[&["check", "web-1", "disk", "--history"], more].concat());
    node.await_status("disk", 0);
    for (status, output) in [(1, "DISK WARNING\n/ 40%\n/var 91%"), (2, "DISK CRITICAL\n/ 40%\n/var 99%")] {
        node.says("disk", status, output);
        node.await_status("disk", u8::try_from(status).expect("a status"));
    }
    let (document, outcome) = history(&["--exit-code"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_eq!(phases(&document), ["crit", "warn", "ok"], "{document}");
    let rows = document["data"].as_array().expect("a list");
    let first = |status: &str| rows.iter().rfind(|row| row["status"] == status).expect("it was so");
    // Where the status changed the output is kept, and it is told that it is another one.
    for (status, output) in
        [("warn", "DISK WARNING\n/ 40%\n/var 91%\n"), ("crit", "DISK CRITICAL\n/ 40%\n/var 99%\n")]
    {
        assert_eq!(
            (&first(status)["output"], &first(status)["changed"]),
            (&output.into(), &true.into()),
            "{document}"
        );
    }
    assert!(rows.iter().all(|row| row["duration"].as_f64().is_some_and(|took| took < 30.0)), "{document}");

    let (document, outcome) = cluster.json(&["check", "web-1", "disk", "--diff"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let (row, diff) = (&document["data"], document["data"]["diff"].as_str().expect("text"));
    assert_eq!((&row["found"], &row["status"]), (&true.into(), &"crit".into()), "{document}");
    let changed: Vec<&str> = diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(changed, ["-DISK OK", "+DISK CRITICAL", "-/var 71%", "+/var 99%"], "{diff}");
    assert!(diff.contains("\n / 40%\n"), "{diff}");
    let page = cluster.iaasmon(&["check", "web-1", "disk", "--diff"]).stdout;
    assert!(
        page.contains("the last ok (-) against the newest (+)") && page.contains("+DISK CRITICAL"),
        "{page}"
    );

    // All of it outlives a restart, and is gone on with.
    node.end(Signal::SIGTERM);
    node.says("disk", 0, "DISK OK\n/ 40%\n/var 70%");
    node.run();
    node.await_status("disk", 0);
    let (document, _) = history(&["-n", "500"]);
    assert_eq!(phases(&document), ["ok", "crit", "warn", "ok"], "{document}");
    let (document, _) = cluster.json(&["check", "web-1", "disk", "--diff"]);
    assert_eq!(document["data"]["status"], "ok", "{document}");
}

#[test]
fn the_nodes_own_page_stands_beside_prometheus() {
    let node = Node::start("web-1", Parts::One, &["disk", "load", "port@switch-1"]);
    node.says("load", 1, "busy");
    let cluster = Cluster::around(&[&node]);
    let settled = || cluster.ask("count(iaasmon_check_status == 1)") == Some(1.0);
    assert!(await_until(SOON, settled));
    let live = || {
        let (document, outcome) = cluster.json(&["node", "web-1", "--live"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let rows = document["data"].as_array().expect("a list").iter();
        let word = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        let row = |row: &Value| {
            ["check", "source", "live", "prometheus", "differs"].map(|n| word(row, n)).join(" ")
        };
        rows.map(row).collect::<Vec<_>>()
    };
    assert_eq!(live(), ["load - warn warn -", "disk - ok ok -", "port switch-1 ok ok -"]);
    // The node goes on, Prometheus does not.
    cluster.stop_scraping();
    node.says("disk", 2, "full");
    node.await_status("disk", 2);
    assert_eq!(live(), ["disk - crit ok status", "load - warn warn -", "port switch-1 ok ok -"]);
    let problems = cluster.iaasmon(&["node", "web-1", "--live", "--exit-code"]);
    assert_eq!(problems.code, Some(1), "{}", problems.stderr);
}

#[test]
fn results_about_other_hosts_are_listed_filtered_and_asked_for_by_their_host() {
    let node = Node::start("web-1", Parts::One, &["disk", "port@switch-1"]);
    let cluster = Cluster::around(&[&node]);
    let count = |query: &str, n: f64| {
        assert!(await_until(SOON, || cluster.ask(query) == Some(n)), "{query}");
    };
    count("count(iaasmon_check_status == 0)", 2.0);
    let unnamed = cluster.iaasmon(&["check", "web-1", "port"]);
    assert!(unnamed.stderr.contains("port --source switch-1`"), "{}", unnamed.stderr);
    let named = cluster.iaasmon(&["check", "web-1", "port", "--source", "switch-1"]);
    assert!(
        named.code == Some(0) && named.stdout.contains("all is well"),
        "{}{}",
        named.stdout,
        named.stderr
    );
    node.says("port", 1, "port 7 is down\nport 8 is up");
    count("count(ALERTS{alertname=\"CheckWarning\",alertstate=\"firing\"})", 1.0);
    let table = cluster.iaasmon(&["node", "web-1", "@out=~port.*up"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let row = table.stdout.lines().find(|line| line.starts_with("WARN")).unwrap_or_default();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..3], ["WARN", "port", "switch-1"], "{}", table.stdout);
    assert!(!table.stdout.contains("disk"), "{}", table.stdout);
    let (document, _) = cluster.json(&["node", "web-1", "source=switch-1"]);
    let checks = document["data"]["checks"].as_array().expect("a list");
    assert!(
        checks.len() == 1 && checks[0]["source"] == "switch-1" && checks[0]["since"].is_string(),
        "{document}"
    );
    // No host of its own, no column.
    let table = cluster.iaasmon(&["node", "web-1", "@check=disk"]).stdout;
    assert!(!table.contains("SOURCE"), "{table}");
}
