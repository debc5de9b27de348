//! The way of a peer's Watchdog, on real servers: what is written about it names what these count.

use super::write;
use crate::support::{Killed, PROGRAM, SOON, ask, await_until, get_json, iaasmon, servers};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

fn spawn(command: &mut Command, folder: &Path) -> Killed {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap())
}

fn alertmanager(folder: &Path, address: &str) -> Killed {
    let mut command = Command::new(servers().alertmanager);
    command.args(["--config.file=am.yml", "--cluster.listen-address="]);
    command.arg(format!("--web.listen-address={address}")).arg(format!("--storage.path=am-{address}"));
    spawn(&mut command, folder)
}

fn proxy(folder: &Path, address: &str, alertmanager: &str) -> Killed {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "proxy", "--listen", address, "--state-dir", &format!("proxy-{address}")]);
    command.args(["--alertmanager", &format!("http://{alertmanager}")]);
    command.args(["--detail-url", "http://{instance}/api/v1/checks/{check}"]);
    spawn(&mut command, folder)
}

#[test]
fn where_a_peers_watchdog_does_not_pass_is_seen_on_real_servers() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // All of them are held until the last is chosen: one that is let go is soon chosen again.
    let held: [TcpListener; 6] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [prometheus, am, lonely, one, two, idle] = held.map(|one| one.local_addr().unwrap().to_string());
    write(at, "am.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
    let _members = [&am, &lonely].map(|address| alertmanager(at, address));
    let _proxies = [&one, &two, &idle].map(|address| proxy(at, address, &am));
    // The Prometheus of `east` is the one that `west` names too: it watches its own Watchdog on its way. Nobody sends anything
    // to one of the proxies and one of the Alertmanagers of `west`. Clusters share servers only where they authenticate
    // differently.
    let config = format!(
        r#"
[[cluster]]
name = "east"
alertmanager = ["http://{am}"]
proxy = ["http://{one}", "http://{two}"]
[[cluster]]
name = "west"
prometheus = ["http://{prometheus}"]
alertmanager = ["http://{am}", "http://{lonely}"]
proxy = ["http://{one}", "http://{two}", "http://{idle}"]
auth = {{ basic = {{ user = "watch", password_file = "{}" }} }}
"#,
        write(at, "password", "hunter2")
    );
    let config = write(at, "config.toml", &config);
    for what in ["prometheus", "rules"] {
        let args = ["--config", &config, "generate", what, "--cluster", "east"];
        let made = iaasmon(&[&args[..], &["--out", at.to_str().unwrap()]].concat());
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }
    // So that the test does not wait.
    let file = at.join("prometheus.yml");
    let text = std::fs::read_to_string(&file).unwrap().replace("30s", "1s");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(servers().prometheus);
    command.args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--rules.alert.resend-delay=1s",
    ]);
    command.arg(format!("--web.listen-address={prometheus}"));
    let _prometheus = spawn(&mut command, at);

    let url = format!("http://{prometheus}");
    assert!(await_until(SOON, || ask(&url, "sum(up{peer=\"west\"})") == Some(6.0)), "all are there");
    let rules = get_json(&format!("{url}/api/v1/rules")).unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let path: Vec<&Value> = rules.filter(|rule| rule["name"] == "PeerAlertPathBroken").collect();
    // The conditions hold long before the alerts do, whose `for` is longer than this test.
    let broken = || {
        let mut broken: Vec<String> = Vec::new();
        for rule in &path {
            let query: String =
                url::form_urlencoded::byte_serialize(rule["query"].as_str().unwrap().as_bytes()).collect();
            let answer = get_json(&format!("{url}/api/v1/query?query={query}")).unwrap_or_default();
            let part = rule["labels"]["part"].as_str().unwrap();
            let found = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            let instance = |one: &Value| one["metric"]["instance"].as_str().unwrap_or_default().to_owned();
            broken.extend(found.iter().map(|one| format!("{part} {}", instance(one))));
        }
        broken.sort();
        broken
    };
    let mut expected = [format!("alertmanager {lonely}"), format!("forward {idle}"), format!("proxy {idle}")];
    expected.sort();
    assert!(await_until(SOON, || broken() == expected), "{:?}, not {expected:?}", broken());
}
