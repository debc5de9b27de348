//! What the gateway has beside the original: checks with their words, many groups in one request, the move from an original.

use super::gate_world::{Gate, pushed_lines};
use super::support::{SOON, await_until, iaasmon};
use iaasmon::config::{Cluster, Config};
use iaasmon::model::labels::Labels;
use iaasmon::net::{Deadline, DetailClient, NetErrorKind};
use serde_json::{Value, json};
use std::time::Duration;

fn put(gate: &Gate, path: &str, result: &Value) {
    let answer = gate.ask("PUT", path, result.to_string());
    assert_eq!(answer.code, 200, "{path}: {}", answer.text());
}

/// Asks for JSON, with the code that it has to come with.
fn read(gate: &Gate, path: &str, code: u16) -> Value {
    let answer = gate.ask("GET", path, "");
    assert_eq!(answer.code, code, "{path}: {}", answer.text());
    serde_json::from_str(&answer.text()).expect("JSON")
}

fn statuses(gate: &Gate) -> Vec<String> {
    let page = gate.page();
    page.lines().filter(|line| line.starts_with("iaasmon_check_status{")).map(str::to_owned).collect()
}

#[test]
fn status_and_words_of_a_check_come_and_go_together_and_survive() {
    let gate = Gate::kept(&[]);
    let path = "/api/v1/groups/job/etcd/cluster/c1/checks/member%20health";
    let bad = json!({"status": 2, "output": "CRIT: 3 of 5 members\n", "duration": 0.4, "executed": "2026-11-30T06:58:00.5Z",
        "command": "check_etcd --password=hunter2 -w 1", "runbook": "https://wiki/etcd", "occurrences": 99});
    put(&gate, path, &json!({"status": 0, "output": "OK\n", "executed": 1_795_000_000}));
    put(&gate, path, &bad);
    let line = "iaasmon_check_status{check=\"member health\",cluster=\"c1\",instance=\"\",job=\"etcd\"} 2";
    assert_eq!(statuses(&gate), [line]);
    let gate = gate.again(nix::sys::signal::Signal::SIGKILL, &[]);
    assert_eq!(statuses(&gate), [line]);

    let detail = read(&gate, "/api/v1/checks/member%20health?job=etcd&cluster=c1&severity=critical", 200);
    for (name, value) in [
        ("output", json!("CRIT: 3 of 5 members\n")),
        ("status", json!(2)),
        ("executed", json!("2026-11-30T06:58:00.000Z")),
        ("runbook", json!("https://wiki/etcd")),
        ("occurrences", json!(1)),
        ("history", json!([0, 2])),
        ("group", json!({"cluster": "c1", "job": "etcd"})),
    ] {
        assert_eq!(detail[name], value, "{name}");
    }
    assert!(!detail.to_string().contains("hunter2"), "{detail}");
    let history = read(&gate, "/api/v1/checks/member%20health/history?job=etcd&cluster=c1&limit=5", 200);
    let outputs: Vec<&Value> = history["runs"].as_array().unwrap().iter().map(|run| &run["output"]).collect();
    assert_eq!(outputs, [&json!("CRIT: 3 of 5 members\n"), &json!("OK\n")]);

    for (asked, runs) in [(format!("{path}/history"), 2), (format!("{path}/history?limit=1"), 1)] {
        let told = read(&gate, &asked, 200);
        assert_eq!(
            (told["runs"].as_array().map(Vec::len), &told["group"]),
            (Some(runs), &detail["group"]),
            "{told}"
        );
    }
    read(&gate, "/api/v1/groups/job/etcd/cluster/c2/checks/member%20health/history", 404);
    assert_eq!(gate.ask("PUT", &format!("{path}/history"), "{\"status\":0}").code, 400);

    // What waited in a spool replaces nothing that is newer.
    let pushed =
        || gate.page().lines().find(|line| line.starts_with("push_time_seconds{")).map(str::to_owned);
    let before = pushed();
    let old = json!({"status": 1, "output": "old\n", "executed": "2026-11-30T06:57:00Z"});
    let passed_over = gate.ask("PUT", path, old.to_string());
    assert_eq!((passed_over.code, passed_over.json()), (200, json!({"v": 1, "older": true})));
    assert_eq!((&read(&gate, path, 200)["status"], pushed()), (&json!(2), before));
    assert!(gate.page().contains("iaasmon_pushgateway_results_older_total 1\n"), "{}", gate.page());
    // Metrics of the group stand beside its checks.
    gate.push("/metrics/job/etcd/cluster/c1", "members 5\n");
    assert_eq!(pushed_lines(&gate.page()).len(), 4, "{}", gate.page());
    let refused = gate.ask(
        "POST",
        "/metrics/job/etcd/cluster/c1",
        "# TYPE iaasmon_check_status gauge\niaasmon_check_status{check=\"member health\"} 0\n",
    );
    assert_eq!(refused.code, 400, "{}", refused.text());
    assert_eq!(statuses(&gate), [line]);

    assert_eq!(gate.ask("DELETE", path, "").code, 202);
    assert!(statuses(&gate).is_empty());
    assert_eq!(read(&gate, path, 404)["known"], 0);
    put(&gate, path, &json!({"status": 1}));
    let history = read(&gate, "/api/v1/checks/member%20health/history?job=etcd&cluster=c1", 200);
    assert_eq!(history["runs"].as_array().unwrap().len(), 1, "{history}");
}

#[test]
fn a_check_is_found_by_the_labels_of_its_alert() {
    let gate = Gate::start(&[]);
    let check = |group: &str| format!("/api/v1/groups/job/{group}/checks/c");
    for (group, status) in [("a", 0), ("a/db/main", 1), ("a/db/main/host/h", 2), ("a/zone/z", 3)] {
        put(&gate, &check(group), &json!({"status": status}));
    }
    let find =
        |labels: &str, code| read(&gate, &format!("/api/v1/checks/c?{labels}"), code)["status"].clone();
    assert_eq!(find("job=a&alertname=X", 200), 0);
    assert_eq!(find("job=a&db=main", 200), 1);
    assert_eq!(find("job=a&db=main&host=h&x=y", 200), 2);
    assert_eq!(find("job=b&db=main", 404), Value::Null);
    for (check, labels, hint) in [
        ("c", "", "4 groups have it: ask for ?"),
        ("c", "?job=b", "4 groups have it: ask for ?"),
        ("one", "?db=x%20y", "1 group has it: ask for ?db=x+y&job=s"),
        ("none", "", "unknown check `none`"),
    ] {
        put(&gate, "/api/v1/groups/job/s/db/x%20y/checks/one", &json!({"status": 0}));
        let told = read(&gate, &format!("/api/v1/checks/{check}{labels}"), 404);
        assert!(told["error"].as_str().unwrap().contains(hint) && told["known"] == 5, "{told}");
    }
    assert_eq!(gate.ask("DELETE", "/api/v1/groups/job/s/db/x%20y/checks/one", "").code, 202);
    let both = read(&gate, "/api/v1/checks/c?job=a&db=main&zone=z", 409);
    assert!(both["error"].as_str().unwrap().contains("in 2 groups"), "{both}");
    put(
        &gate,
        "/api/v1/groups/job/a/checks/c?source=switch%201",
        &json!({"status": 2, "output": "of a switch"}),
    );
    assert_eq!(read(&gate, "/api/v1/checks/c?job=a&source=switch%201", 200)["output"], "of a switch");
    let list = read(&gate, "/api/v1/checks", 200);
    assert_eq!(list["checks"].as_array().unwrap().len(), 5, "{list}");
}

#[test]
fn a_result_about_who_pushes_it_is_found_by_that_name_too() {
    let gate = Gate::kept(&[]);
    let path = "/api/v1/groups/job/a/checks/c?source=host-1";
    put(&gate, path, &json!({"status": 1, "output": "of itself", "client": "host-1"}));
    assert_eq!(statuses(&gate), ["iaasmon_check_status{check=\"c\",instance=\"\",job=\"a\"} 1"]);
    for asked in [path, "/api/v1/checks/c?job=a&source=host-1", "/api/v1/checks/c?job=a"] {
        let detail = read(&gate, asked, 200);
        assert_eq!((&detail["output"], &detail["source"]), (&json!("of itself"), &Value::Null), "{asked}");
    }
    let history = read(&gate, "/api/v1/checks/c/history?job=a&source=host-1", 200);
    assert_eq!(history["runs"].as_array().map(Vec::len), Some(1), "{history}");
    for other in ["/api/v1/groups/job/a/checks/c?source=host-2", "/api/v1/checks/c?job=a&source=host-2"] {
        read(&gate, other, 404);
    }
    assert_eq!(gate.ask("DELETE", path, "").code, 202);
    assert!(statuses(&gate).is_empty());
}

#[test]
fn a_group_that_was_there_for_its_checks_goes_with_the_last_one() {
    let gate = Gate::kept(&[]);
    let check = |group: &str, check: &str| format!("/api/v1/groups/job/{group}/checks/{check}");
    for group in ["alone", "metrics", "failed"] {
        put(&gate, &check(group, "a"), &json!({"status": 1}));
        put(&gate, &check(group, "history"), &json!({"status": 2}));
    }
    assert_eq!(read(&gate, &check("alone", "history"), 200)["status"], 2, "a check may be called so");
    gate.push("/metrics/job/metrics", "m 1\n");
    assert_eq!(gate.ask("PUT", "/metrics/job/failed", "m 1 1600000000000\n").code, 400);
    let jobs = |gate: &Gate| -> Vec<String> {
        let told = gate.place.json("/api/v1/metrics");
        let groups = told["data"].as_array().unwrap().iter();
        groups.map(|group| group["labels"]["job"].as_str().unwrap().to_owned()).collect()
    };
    for group in ["alone", "metrics", "failed"] {
        assert_eq!(gate.ask("DELETE", &check(group, "a"), "").code, 202);
        assert_eq!(jobs(&gate), ["alone", "failed", "metrics"]);
    }
    for group in ["alone", "metrics", "failed"] {
        assert_eq!(gate.ask("DELETE", &check(group, "history"), "").code, 202);
    }
    assert_eq!(jobs(&gate), ["failed", "metrics"]);
    let gate = gate.again(nix::sys::signal::Signal::SIGKILL, &[]);
    assert_eq!(jobs(&gate), ["failed", "metrics"]);
}

#[test]
fn a_push_of_one_check_of_many_writes_that_one_alone() {
    const CHECKS: usize = 30;
    let gate = Gate::kept(&[]);
    let path = |number: usize| format!("/api/v1/groups/job/j/checks/c{number}");
    let push = |number: usize, word: &str| {
        put(&gate, &path(number), &json!({"status": 1, "output": word.repeat(60_000 / word.len())}));
    };
    (0..CHECKS).for_each(|number| push(number, "old "));
    let written = || {
        let told = std::fs::read_to_string(format!("/proc/{}/io", gate.running.pid())).unwrap();
        let bytes = told.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().trim().to_owned();
        bytes.parse::<u64>().unwrap()
    };
    let before = written();
    push(7, "new ");
    let one = written() - before;
    // It is nearly two MiB that all of them have said.
    assert!((60_000..400_000).contains(&one), "{one} bytes for one check");

    // Each is found again as it was, and the whole group goes at once.
    let gate = gate.again(nix::sys::signal::Signal::SIGKILL, &[]);
    let said = |number: usize| read(&gate, &path(number), 200)["output"].as_str().unwrap()[..4].to_owned();
    let all: Vec<String> = (0..CHECKS).map(said).collect();
    assert!((0..CHECKS).all(|number| all[number] == if number == 7 { "new " } else { "old " }), "{all:?}");
    assert_eq!(gate.ask("DELETE", "/metrics/job/j", "").code, 202);
    put(&gate, &path(1), &json!({"status": 1, "output": "again"}));
    let gate = gate.again(nix::sys::signal::Signal::SIGKILL, &[]);
    assert_eq!(statuses(&gate), ["iaasmon_check_status{check=\"c1\",instance=\"\",job=\"j\"} 1"]);
    assert!(!gate.place.said().contains("are let go"), "{}", gate.place.said());
}

#[test]
fn a_past_that_takes_too_much_room_loses_its_oldest_outputs_alone() {
    const CHECKS: usize = 10;
    const TURNS: usize = 12;
    // The past may take one MiB of the file; what is pushed takes nearly four.
    let gate = Gate::kept(&["--limit", "1"]);
    let since = iaasmon::sys::clock::now().timestamp() - 1000;
    for (turn, number) in (0..TURNS).flat_map(|turn| (0..CHECKS).map(move |number| (turn, number))) {
        let output = format!("{turn} {}", "x".repeat(30_000));
        let result = json!({"status": turn % 2, "output": output, "executed": since + turn as i64});
        put(&gate, &format!("/api/v1/groups/job/j/checks/c{number}"), &result);
    }
    let turns_told = |number: usize| -> Vec<bool> {
        let history = read(&gate, &format!("/api/v1/checks/c{number}/history?job=j"), 200);
        history["runs"].as_array().unwrap().iter().map(|run| run["output"].is_string()).collect()
    };
    let mut all = Vec::new();
    let mut is_within = || {
        all = (0..CHECKS).map(turns_told).collect();
        all.iter().flatten().filter(|told| **told).count() <= 32
    };
    assert!(await_until(SOON, &mut is_within), "{all:?}");
    for told in &all {
        assert_eq!(told.len(), TURNS, "no run is lost: {told:?}");
        assert!(told[0] && told.is_sorted_by(|newer, older| newer >= older), "the newest stay: {told:?}");
    }
}

#[test]
fn a_result_that_is_none_is_refused_and_leaves_nothing() {
    let gate = Gate::start(&[]);
    for (path, body) in [
        ("/api/v1/groups/job/a/checks/c", "{}"),
        ("/api/v1/groups/job/a/checks/c", "{\"status\":\"2\"}"),
        ("/api/v1/groups/job/a/checks/c", "[1]"),
        ("/api/v1/groups/job/a/checks/", "{\"status\":2}"),
        ("/api/v1/groups/job/a/checks/%ff", "{\"status\":2}"),
        ("/api/v1/groups/job/a/b/checks/c", "{\"status\":2}"),
        ("/api/v1/groups/job/checks/c", "{\"status\":2}"),
        ("/api/v1/groups/nope", "{\"status\":2}"),
    ] {
        let answer = gate.ask("PUT", path, body);
        assert_eq!(answer.code, 400, "{path} {body}: {}", answer.text());
    }
    let (deep, long) = ("[".repeat(100_000), "x".repeat(17 << 20));
    assert_eq!(
        gate.ask("PUT", "/api/v1/groups/job/a/checks/c", format!("{{\"status\":2,\"x\":{deep}")).code,
        400
    );
    let large = json!({"status": 2, "output": long}).to_string();
    assert_eq!(gate.ask("PUT", "/api/v1/groups/job/a/checks/c", large).code, 413);
    assert!(statuses(&gate).is_empty() && pushed_lines(&gate.page()).is_empty(), "{}", gate.page());
}

#[test]
fn every_line_of_a_bulk_push_is_all_or_nothing_by_itself() {
    let gate = Gate::kept(&[]);
    gate.push("/metrics/job/old", "gone 1\n");
    let lines = [
        json!({"job": "one", "labels": {"db": "a/b"}, "metrics": "x 1\ny 2\n"}).to_string(),
        json!({"job": "two", "metrics": "x 1\n# TYPE y counter\ny 2\n"}).to_string(),
        json!({"job": "three", "metrics": "x 1"}).to_string(),
        json!({"job": "old", "mode": "delete"}).to_string(),
        String::new(),
        json!({"job": "", "metrics": "x 1\n"}).to_string(),
        json!({"job": "five", "labels": {"__x": "1"}, "metrics": "x 1\n"}).to_string(),
        "{".to_owned(),
    ];
    let answer = gate.ask("POST", "/api/v1/push", lines.join("\n"));
    assert_eq!(answer.code, 207);
    let told: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<(u64, u64)> =
        told.iter().map(|one| (one["line"].as_u64().unwrap(), one["status"].as_u64().unwrap())).collect();
    assert_eq!(codes, [(1, 200), (2, 400), (3, 400), (4, 200), (6, 400), (7, 400), (8, 400)]);
    assert!(told[1]["error"].as_str().unwrap().contains("is not a UNTYPED"), "{told:?}");
    let samples: Vec<String> =
        pushed_lines(&gate.page()).into_iter().filter(|line| !line.starts_with("push_")).collect();
    let expected = ["x", "y"]
        .iter()
        .zip([1, 2])
        .map(|(name, value)| format!("{name}{{db=\"a/b\",instance=\"\",job=\"one\"}} {value}"));
    assert_eq!(samples, expected.collect::<Vec<_>>());
    assert_eq!(gate.ask("POST", "/api/v1/push", &lines[0]).code, 200);
    // Where no line was taken a client sees it that reads none.
    for bad in [&lines[1], &lines[7], &lines[1..3].join("\n")] {
        let answer = gate.ask("POST", "/api/v1/push", bad);
        assert_eq!((answer.code, answer.text().lines().count()), (400, bad.lines().count()), "{bad}");
    }
    assert_eq!(gate.ask("POST", "/api/v1/push", "\n".repeat(20_000)).code, 200);
    assert_eq!(gate.ask("POST", "/api/v1/push", "{}\n".repeat(10_001)).code, 413);
}

#[test]
fn the_groups_of_an_original_are_copied_once() {
    let (old, new) = (Gate::debian(&[]), Gate::kept(&[]));
    let histogram = "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    old.push("/metrics/job/a/path@base64/L3Zhcg/empty@base64/=", histogram);
    old.push("/metrics/job/b", "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 1\ns_count 2\n");
    old.push("/metrics/job/c", "m 1\n");
    new.push("/metrics/job/c", "m 2\n");
    let [from, to] = [&old, &new].map(|gate| format!("http://{}", gate.place.address));
    let copy = |args: &[&str]| iaasmon(&[&["migrate", "pushgateway", &from, &to], args].concat());
    let dry = copy(&["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(dry.stderr.contains("3 groups: 2 would be copied, 1 there already"), "{}", dry.stderr);
    assert_eq!(new.place.json("/api/v1/metrics")["data"].as_array().unwrap().len(), 1);
    let done = copy(&[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("2 copied, 1 there already, 0 refused"), "{}", done.stderr);
    let without_c = |gate: &Gate| {
        let lines = pushed_lines(&gate.page()).into_iter().filter(|line| !line.contains("job=\"c\""));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(without_c(&new), without_c(&old));
    assert!(new.page().contains("m{instance=\"\",job=\"c\"} 2"));
    assert!(copy(&["--json"]).stdout.lines().all(|line| line.contains("there already")));
    let nobody = iaasmon(&["migrate", "pushgateway", "http://127.0.0.1:1", &to]);
    assert_eq!(nobody.code, Some(4), "{}", nobody.stderr);
}

#[test]
fn the_page_shows_what_was_pushed_and_none_of_it_is_markup() {
    let gate = Gate::start(&[]);
    gate.push("/metrics/job/j/a@base64/PHNjcmlwdD4", "m{l=\"<img src=x>\"} 1\n");
    let check = "/api/v1/groups/job/j/a@base64/PHNjcmlwdD4/checks/members";
    put(&gate, check, &json!({"status": 2, "output": "3 of 5"}));
    let answer = gate.ask("GET", "/", "");
    let page = answer.text();
    assert!(page.contains("a=&quot;&lt;script&gt;&quot;") && page.contains("&lt;img src=x&gt;"), "{page}");
    assert!(!page.contains("<img") && !page.contains("<script>"), "{page}");
    for told in ["<p>1 group, ", "1 family, 1 check<", "\ncheck members CRIT\n"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(
        answer.head.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"),
        "{}",
        answer.head
    );
    for path in ["/static/page.js", "/static/page.css", "/status"] {
        assert_eq!(gate.ask("GET", path, "").code, 200, "{path}");
    }
}

#[test]
fn every_pushgateway_of_a_cluster_is_asked_until_one_has_the_check() {
    let gate = Gate::kept(&[]);
    put(&gate, "/api/v1/groups/job/backup/checks/age", &json!({"status": 2, "output": "CRIT: 9 days"}));
    let empty = Gate::start(&[]);
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = hanging.local_addr().unwrap().to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let labels: Labels =
        [("job", "backup"), ("check", "age"), ("severity", "critical")].into_iter().collect();
    let ask = |gateways: &[&str]| {
        let mut cluster = Cluster::new("east", &Config::default().defaults);
        cluster.pushgateway = gateways.iter().map(|it| format!("http://{it}").parse().unwrap()).collect();
        let client = DetailClient::new(&cluster).by(Deadline::after(Duration::from_secs(5)));
        let (detail, history) = runtime.block_on(async {
            (client.fetch("age", &labels).await, client.history("age", &labels, 5).await)
        });
        (detail.map(|reply| reply.value.output), history.map(|reply| reply.value.runs.len()))
    };
    let [here, nobody] = [&gate, &empty].map(|gate| gate.place.address.as_str());
    for gateways in [&[here][..], &["127.0.0.1:1", here], &[nobody, here], &[hanging.as_str(), here]] {
        let (output, runs) = ask(gateways);
        assert_eq!(output.as_deref(), Ok("CRIT: 9 days"), "{gateways:?}");
        assert_eq!(runs, Ok(1), "{gateways:?}");
    }
    let unknown = ask(&[nobody]).0.expect_err("nobody has it");
    assert!(unknown.kind.is_not_found(), "{unknown}");
    // It may be where nobody answers.
    for gateways in [["127.0.0.1:1", nobody], [nobody, "127.0.0.1:1"]] {
        let silent = ask(&gateways).0.expect_err("nobody has it");
        assert!(matches!(silent.kind, NetErrorKind::Connect(_)), "{gateways:?}: {silent}");
    }
}
