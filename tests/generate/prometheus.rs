//! A Prometheus that runs with what was written for it.

use super::{promtool, write};
use crate::support::{Killed, SOON, await_until, get_json, iaasmon, servers};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Takes requests and answers each with `body`; what was sent is kept.
fn server(body: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let mut reader = BufReader::new(peer.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
                let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                length = line.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap());
            }
            let mut sent = vec![0; length];
            if reader.read_exact(&mut sent).is_ok() {
                keep.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(&sent)));
            }
            // A peer that has gone is not answered.
            let _ = write!(
                peer,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, seen)
}

/// Returns an address on which nobody listens.
pub fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_prometheus_runs_with_what_was_written_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let metrics = "iaasmon_check_status{check=\"disk\"} 2\n";
    let ((node, _), (one, alerts), (two, others)) = (server(metrics), server(""), server(""));
    let (address, peer) = (free_port(), free_port());
    write(at, "password", "hunter2");
    let config = write(
        at,
        "config.toml",
        &format!(
            r#"
[[cluster]]
name = "east"
labels = {{ env = "prod", region = "east" }}
prometheus = ["http://{address}"]
alertmanager = ["http://am-1.invalid:9093", "http://am-2.invalid:9093"]
proxy = ["http://{one}", "http://{two}"]
pushgateway = ["http://push.invalid:9091/push"]
pusher = ["http://push.invalid:10108"]
[[cluster]]
name = "west"
prometheus = ["https://{peer}/prom"]
alertmanager = ["http://{peer}"]
proxy = ["http://{peer}"]
auth = {{ basic = {{ user = "watch", password_file = "{}/password" }} }}
"#,
            at.display()
        ),
    );
    let inventory =
        write(at, "inventory.csv", &format!("instance,rack,owner\n{node},r1,\"storage, east\"\n"));
    let out = at.join("etc");
    let out = out.to_str().unwrap();
    let generate = |args: &[&str]| {
        let made = iaasmon(&[&["--config", &config, "generate"], args].concat());
        assert_eq!(made.code, Some(0), "{args:?}: {}", made.stderr);
        assert!(!made.stderr.contains("warning"), "{args:?}: {}", made.stderr);
        assert!(!made.stdout.contains("hunter2"), "{args:?}");
    };
    let own = ["prometheus", "--cluster", "east", "--replica", "a", "--nodes", "6000"];
    generate(&[&own[..], &["--out", out]].concat());
    generate(&[&own[..], &["--check", out]].concat());
    generate(&["rules", "--cluster", "east", "--out", out]);
    generate(&["targets", "--csv", &inventory, "--out", &format!("{out}/targets")]);
    let out = at.join("etc");
    promtool(&out, &["check", "config", "--lint-fatal", "prometheus.yml"]);
    let file = out.join("prometheus.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let flag = "--alertmanager.notification-queue-capacity=15000";
    assert!(text.contains(flag), "{text}");
    // So that the test does not wait.
    std::fs::write(&file, text.replace("30s", "1s")).unwrap();

    let mut command = Command::new(servers().prometheus);
    command.current_dir(&out).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", flag]);
    command.arg(format!("--web.listen-address={address}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Killed(command.spawn().unwrap());
    let ask = |path: &str| get_json(&format!("http://{address}/api/v1/{path}")).unwrap_or_default();
    let urls = || {
        let active = ask("alertmanagers")["data"]["activeAlertmanagers"].clone();
        let mut urls: Vec<Value> =
            active.as_array().into_iter().flatten().map(|one| one["url"].clone()).collect();
        urls.sort_by_key(Value::to_string);
        urls
    };
    let mut expected = [&one, &two].map(|proxy| format!("http://{proxy}/api/v2/alerts"));
    expected.sort();
    assert!(await_until(SOON, || urls() == expected), "{:?}", urls());

    let targets = || ask("targets")["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    assert!(await_until(SOON, || targets().len() == 11), "{:#?}", targets());
    let mut seen: Vec<String> = targets()
        .iter()
        .map(|one| {
            let label = |name: &str| one["labels"][name].as_str().unwrap_or("-").to_owned();
            let url = one["scrapeUrl"].as_str().unwrap();
            format!("{} {} {} {url}", label("job"), label("peer"), label("rack"))
        })
        .collect();
    seen.sort();
    let mut expected = [
        format!("iaasmon - r1 http://{node}/metrics"),
        "iaasmon-alertmanager - - http://am-1.invalid:9093/metrics".to_owned(),
        "iaasmon-alertmanager - - http://am-2.invalid:9093/metrics".to_owned(),
        format!("iaasmon-peer-alertmanager west - http://{peer}/metrics"),
        format!("iaasmon-peer-prometheus west - https://{peer}/prom/metrics"),
        format!("iaasmon-peer-proxy west - http://{peer}/metrics"),
        format!("iaasmon-prometheus - - http://{address}/metrics"),
        format!("iaasmon-proxy - - http://{one}/metrics"),
        format!("iaasmon-proxy - - http://{two}/metrics"),
        "iaasmon-pusher - - http://push.invalid:10108/metrics".to_owned(),
        "iaasmon-pushgateway - - http://push.invalid:9091/push/metrics".to_owned(),
    ];
    expected.sort();
    assert_eq!(seen, expected);

    // Both proxies get each alert, with the cluster's labels and without the replica's.
    for proxy in [&alerts, &others] {
        let sent = || {
            let requests = proxy.lock().unwrap();
            requests.iter().find(|one| one.contains("\"alertname\":\"CheckCritical\"")).cloned()
        };
        assert!(await_until(SOON, || sent().is_some()), "{:?}", proxy.lock().unwrap());
        let sent = sent().unwrap();
        assert!(
            sent.contains("\"region\":\"east\"") && sent.contains("\"owner\":\"storage, east\""),
            "{sent}"
        );
        assert!(!sent.contains("\"replica\""), "{sent}");
    }
    let rules = ask("rules")["data"]["groups"].as_array().cloned().unwrap_or_default();
    let ill = |rule: &&Value| rule["health"] != "ok" && rule["health"] != "unknown";
    let ill: Vec<&Value> =
        rules.iter().flat_map(|group| group["rules"].as_array().unwrap()).filter(ill).collect();
    assert!(rules.len() == 6 && ill.is_empty(), "{ill:#?}");

    // What is scraped beside the nodes are servers, and no nodes.
    let listed = iaasmon(&["--config", &config, "nodes", "--cluster", "east", "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let names: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, [node.as_str()]);
}

#[test]
fn a_configuration_that_loses_alerts_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = |proxies: &str| {
        let text = format!("[[cluster]]\nname = \"east\"\nalertmanager = [\"http://am\"]\n{proxies}\n");
        let config = write(folder.path(), "config.toml", &text);
        iaasmon(&["--config", &config, "generate", "prometheus"])
    };
    let refused = cluster("proxy = [\"http://one\"]");
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("single proxy") && refused.stderr.contains("hint: "),
        "{}",
        refused.stderr
    );
    let without = cluster("");
    assert_eq!(without.code, Some(0), "{}", without.stderr);
    assert!(without.stderr.starts_with("warning: cluster `east` has no proxy"), "{}", without.stderr);
    assert!(without.stdout.contains("- \"am:80\""), "{}", without.stdout);
    let nobody = iaasmon(&["generate", "prometheus"]);
    assert_eq!(nobody.code, Some(2), "{}", nobody.stdout);
}

#[test]
fn targets_come_from_sensus_api_and_from_definitions_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (api, asked) = server(
        r#"[{"name":"web-2","address":"10.0.0.2","environment":"prod","keepalives":true},
            {"name":"web-1","address":"10.0.0.1","environment":"prod"},
            {"name":"router","address":"10.0.0.9","keepalives":false}]"#,
    );
    let url = format!("http://{api}");
    let from_api = iaasmon(&["generate", "targets", "--sensu-api", &url, "--label", "environment"]);
    assert_eq!(from_api.code, Some(0), "{}", from_api.stderr);
    assert!(from_api.stderr.contains("1 clients send no keepalives"), "{}", from_api.stderr);
    assert!(asked.lock().unwrap()[0].starts_with("GET /clients "), "{asked:?}");
    // The same nodes, as their definitions name them.
    std::fs::create_dir_all(at.join("web-1/conf.d")).unwrap();
    let client =
        |address: &str| format!(r#"{{"client": {{"address": "{address}", "environment": "prod"}}}}"#);
    write(&at.join("web-1/conf.d"), "client.json", &client("10.0.0.1"));
    write(at, "web-2.json", &client("10.0.0.2"));
    let nodes = at.to_str().unwrap();
    let definitions = ["generate", "targets", "--sensu", nodes, "--label", "environment"];
    assert_eq!(iaasmon(&definitions).stdout, from_api.stdout);
    write(at, "web-3.json", &client("10.0.0.2"));
    let twice = iaasmon(&definitions);
    assert_eq!(twice.code, Some(2), "{}", twice.stdout);
    assert!(twice.stderr.contains("10.0.0.2:10105 is listed twice"), "{}", twice.stderr);
    assert!(
        twice.stderr.contains("web-2.json and ") && twice.stderr.contains("web-3.json"),
        "{}",
        twice.stderr
    );
    let none = iaasmon(&["generate", "targets"]);
    assert_eq!(none.code, Some(2), "{}", none.stdout);
    let gone = iaasmon(&["generate", "targets", "--sensu-api", &format!("http://{}", free_port())]);
    assert_eq!(gone.code, Some(4), "{}", gone.stderr);
}

#[test]
fn an_inventory_without_nodes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let csv = write(at, "inventory.csv", "instance,rack\n");
    let (api, _) = server("[]");
    let api = format!("http://{api}");
    std::fs::create_dir(at.join("nodes")).unwrap();
    write(&at.join("nodes"), "router.json", r#"{"client": {"name": "router", "keepalives": false}}"#);
    let nodes = at.join("nodes");
    std::fs::create_dir(at.join("empty")).unwrap();
    for source in [["--csv", &csv], ["--sensu-api", &api], ["--sensu", nodes.to_str().unwrap()]] {
        let refused = iaasmon(&[&["generate", "targets"], &source[..]].concat());
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{source:?}");
        assert!(refused.stderr.contains("no node is listed"), "{}", refused.stderr);
    }
    let empty = iaasmon(&["generate", "targets", "--sensu", at.join("empty").to_str().unwrap()]);
    assert_eq!((empty.code, &*empty.stdout), (Some(2), ""), "{}", empty.stderr);
}

#[test]
fn labels_of_checks_and_alerts_are_no_labels_of_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let csv = write(at, "inventory.csv", "instance,rack,name\nweb-1,r1,x\n");
    let with = |text: &str| {
        let config = write(at, "config.toml", text);
        iaasmon(&["--config", &config, "generate", "targets", "--csv", &csv])
    };
    let cluster = "[[cluster]]\nname = \"east\"\nalertmanager = [\"http://am:1\"]\n";
    let taken = with(cluster);
    assert_eq!(taken.code, Some(0), "{}", taken.stderr);
    let refused = with(&format!("{cluster}check_label = \"name\"\n"));
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
    assert!(
        refused.stderr.contains("inventory.csv:1: column 3: the label `name` names the check"),
        "{}",
        refused.stderr
    );
}

#[test]
fn definitions_without_a_client_and_labels_that_none_has_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // What it does not say of itself is the name of the file.
    write(at, "web-1.json", r#"{"client": {"name": "web-1"}}"#);
    let generate =
        |label: &str| iaasmon(&["generate", "targets", "--sensu", at.to_str().unwrap(), "--label", label]);
    let told = generate("enviroment");
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!(told.stderr, "warning: --label enviroment: no client has such an attribute\n");
    let own = generate("severity");
    assert_eq!(own.code, Some(2), "{}", own.stdout);
    assert!(own.stderr.contains("--label: the label `severity`"), "{}", own.stderr);
    std::fs::create_dir(at.join("shared")).unwrap();
    write(&at.join("shared"), "checks.json", r#"{"checks": {}}"#);
    let refused = generate("name");
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
    let place = at.join("shared").display().to_string();
    assert!(
        refused.stderr.contains(&format!("{place}: there is no definition of a `client`")),
        "{}",
        refused.stderr
    );
}
