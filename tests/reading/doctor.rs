//! The doctor's rules on real servers that are set up wrongly, and on deliveries that really fail.

use crate::support::pushgateway::Pushgateway;
use crate::support::service::Place;
use crate::support::{Killed, SOON, await_until, get_json, iaasmon, servers};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Returns an address on which nobody listens.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Serves each connection with `talk` until the test ends.
fn listen(talk: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|peer| drop(std::thread::spawn(move || talk(peer))))
    });
    address
}

/// A mail server that knows no recipient.
fn refuse_mail(peer: TcpStream) {
    let mut out = peer.try_clone().unwrap();
    let mut say = move |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).is_ok();
    say("220 mail.test");
    for line in BufReader::new(peer).lines().map_while(Result::ok) {
        let answer = if line.starts_with("RCPT") { "550 no such user here" } else { "250 ok" };
        if !say(answer) {
            return;
        }
    }
}

/// A web service that is broken.
fn refuse_http(peer: TcpStream) {
    let mut out = peer.try_clone().unwrap();
    let mut reader = BufReader::new(peer);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    // What cannot be told to a peer that has gone need not be told.
    let _ = out.write_all(
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops",
    );
}

fn spawn(program: &Path, folder: &Path, args: &[String]) -> Killed {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap())
}

fn doctor(config: &Path, args: &[&str]) -> Value {
    let config = config.to_str().unwrap();
    let outcome = iaasmon(&[&["--config", config, "doctor", "-o", "json"], args].concat());
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {}", outcome.stderr))
}

/// Returns the texts of what the doctor found by `rule`.
fn texts(doctor: &Value, rule: &str) -> Vec<String> {
    let found = doctor["data"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule);
    found.map(|finding| finding["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn live_deliveries_that_fail_are_named_with_server_integration_and_count() {
    let folder = tempfile::tempdir().unwrap();
    let (mail, web, gone) = (listen(refuse_mail), listen(refuse_http), closed());
    let address = closed();
    let config = format!(
        "global: {{smtp_smarthost: '{mail}', smtp_from: a@b.test, smtp_require_tls: false}}
route: {{receiver: all, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: all
  email_configs: [{{to: someone@b.test}}, {{to: other@b.test, smarthost: '{gone}'}}]
  webhook_configs: [{{url: 'http://{web}/hook'}}]
  slack_configs: [{{api_url: 'http://{web}/slack', channel: '#x'}}]
"
    );
    fs::write(folder.path().join("am.yml"), config).unwrap();
    let args = [
        "--config.file=am.yml".to_owned(),
        "--storage.path=data".to_owned(),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let _server = spawn(&servers().alertmanager, folder.path(), &args);
    let url = format!("http://{address}");
    assert!(await_until(SOON, || get_json(&format!("{url}/api/v2/status")).is_some()), "it starts");
    let ours = folder.path().join("iaasmon.toml");
    fs::write(&ours, format!("[[cluster]]\nname = \"lab\"\nalertmanager = [\"{url}\"]\n")).unwrap();
    assert!(texts(&doctor(&ours, &[]), "delivery").is_empty(), "nothing was sent yet");

    let alert = r#"[{"labels": {"alertname": "DiskFull", "severity": "critical"}}]"#;
    let mut post = TcpStream::connect(&address).unwrap();
    write!(
        post,
        "POST /api/v2/alerts HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{alert}",
        alert.len()
    )
    .unwrap();
    let all_failed = || {
        ["email", "webhook", "slack"].iter().all(|name| {
            texts(&doctor(&ours, &["rule=delivery"]), "delivery")
                .iter()
                .any(|text| text.contains(&format!(" {name} ")))
        })
    };
    // Alertmanager counts a notification as failed when it gives up, ten seconds after the first attempt.
    assert!(await_until(SOON, all_failed), "{}", doctor(&ours, &[]));
    for text in texts(&doctor(&ours, &[]), "delivery") {
        assert!(text.starts_with(&format!("{address} could not deliver ")), "who: {text}");
        assert!(text.chars().any(|c| matches!(c, '1'..='9')) && text.contains(" of "), "how many: {text}");
    }
    let status = iaasmon(&["--config", ours.to_str().unwrap(), "status", "email"]);
    assert!(status.stdout.contains("lab") && status.stdout.contains(&address), "{}", status.stdout);
    assert!(status.stdout.contains("email: ") && status.stdout.contains("slack: "), "{}", status.stdout);
    let code = iaasmon(&["--config", ours.to_str().unwrap(), "status", "--exit-code"]).code;
    assert_eq!(code, Some(1));
}

/// Starts a Prometheus that keeps its replica label, records nothing, queues one alert, knows no Alertmanager, and
/// asks `path` of its one node (itself).
fn wrong_prometheus(folder: &Path, replica: &str, path: &str, node: &str) -> (Killed, String) {
    let address = closed();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{replica: {replica}}}}}
rule_files: [rules.yml]
scrape_configs:
- job_name: node
  metrics_path: {path}
  static_configs: [{{targets: ['{node}']}}]
"
    );
    fs::create_dir(folder.join(replica)).unwrap();
    let folder = folder.join(replica);
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    // It comes and goes every three seconds.
    let rules = "groups:
- name: lab
  rules:
  - {alert: Flapping, expr: vector(time()) % 6 < 3}
  - {alert: Steady, expr: vector(1)}
";
    fs::write(folder.join("rules.yml"), rules).unwrap();
    let args = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        "--alertmanager.notification-queue-capacity=1".to_owned(),
        format!("--web.listen-address={address}"),
    ];
    (spawn(&servers().prometheus, &folder, &args), address)
}

#[test]
fn live_servers_that_are_set_up_wrongly_are_found_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    let node = listen(|peer| {
        // Metrics are good, anything else is not there.
        let mut out = peer.try_clone().unwrap();
        let mut line = String::new();
        let _ = BufReader::new(peer).read_line(&mut line);
        let (status, body) =
            if line.contains(" /metrics ") { ("200 OK", "x 1\n") } else { ("404 Not Found", "") };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n");
        let _ = write!(out, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    });
    let (_a, a) = wrong_prometheus(folder.path(), "a", "/metrics", &node);
    let (_b, b) = wrong_prometheus(folder.path(), "b", "/not-there", &node);
    let dead = closed();
    let ours = folder.path().join("iaasmon.toml");
    let text = format!(
        "[[cluster]]\nname = \"lab\"\nprometheus = [\"http://{a}\", \"http://{b}\"]\nalertmanager = [\"http://{dead}\"]\n"
    );
    fs::write(&ours, text).unwrap();
    let has =
        |doctor: &Value, rule: &str, words: &str| texts(doctor, rule).iter().any(|text| text.contains(words));
    let expected = [
        ("unreachable", format!("alertmanager {dead} does not answer: connection refused")),
        ("recording_rule", format!("{a} has no rule that records iaasmon_check_status:bad")),
        ("queue_capacity", format!("{b} queues at most 1 alerts, but there are 1 nodes")),
        ("alertmanagers", format!("{a} sends to 0 of 1 alertmanagers")),
        // It knows nobody to send to; it does not scrape itself, and tells all the same.
        ("sender_lost", format!("{a} dropped ")),
        ("replica_label", "different labels (replica)".to_owned()),
        ("disagreement", "about 1 nodes being up".to_owned()),
    ];
    let mut last = Value::Null;
    let all = await_until(SOON, || {
        last = doctor(&ours, &[]);
        expected.iter().all(|(rule, words)| has(&last, rule, words))
    });
    assert!(all, "{last:#}");

    let names = |filter: &str| {
        let args = ["--config", ours.to_str().unwrap(), "alerts", filter, "--pending", "-o", "json"];
        let alerts: Value = serde_json::from_str(&iaasmon(&args).stdout).unwrap();
        let names =
            alerts["data"].as_array().unwrap().iter().map(|row| row["labels"]["alertname"].to_string());
        names.collect::<Vec<_>>()
    };
    assert!(await_until(SOON, || names("@flap").iter().any(|name| name.contains("Flapping"))), "two rounds");
    assert!(names("@flap").iter().all(|name| name.contains("Flapping")), "what stays does not flap");
    assert!(names("!@flap").iter().any(|name| name.contains("Steady")));

    // An Alertmanager that nobody sends to: what is not on its way after a second look is lost.
    let am = closed();
    fs::write(folder.path().join("am.yml"), "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
    let args = [
        "--config.file=am.yml".to_owned(),
        "--storage.path=am".to_owned(),
        format!("--web.listen-address={am}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let _am = spawn(&servers().alertmanager, folder.path(), &args);
    assert!(await_until(SOON, || get_json(&format!("http://{am}/api/v2/status")).is_some()), "it starts");
    let text = format!(
        "[[cluster]]\nname = \"lab\"\nprometheus = [\"http://{a}\", \"http://{b}\"]\nalertmanager = [\"http://{am}\"]\n"
    );
    fs::write(&ours, text).unwrap();
    let found = doctor(&ours, &[]);
    assert!(has(&found, "unsent", "in no alertmanager"), "{found:#}");
}

#[test]
fn live_pushgateways_that_are_set_up_wrongly_are_found_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, original, dead) = (Place::new(), Pushgateway::start(&[]), closed());
    let _ours = ours.serve(&["pushgateway"]);
    let push = |path: &str, body: &str| {
        let head = format!("PUT {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        ours.send(format!("{head}{body}").as_bytes()).unwrap().code
    };
    assert_eq!(push("/metrics/job/good", "m 1\n"), 200);
    assert_eq!(push("/metrics/job/bad/db/main", "m 1 1600000000000\n"), 400);
    let address = closed();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: push\n  static_configs: [{{targets: ['{}']}}]\n",
        ours.address
    );
    fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let args = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        format!("--web.listen-address={address}"),
    ];
    let _prometheus = spawn(&servers().prometheus, folder.path(), &args);
    let own = folder.path().join("iaasmon.toml");
    let [ours, original] = [&ours.address, &original.place.address];
    let text = format!(
        "[[cluster]]\nname = \"lab\"\nprometheus = [\"http://{address}\"]\npushgateway = [\"http://{ours}\", \"http://{original}\", \"http://{dead}\"]\n"
    );
    fs::write(&own, text).unwrap();
    let expected = [
        ("unreachable", format!("pushgateway {dead} does not answer: connection refused")),
        (
            "pushgateway_file",
            format!("pushgateway {ours} keeps its groups in memory alone: a restart resolves their alerts"),
        ),
        (
            "pushgateway_file",
            format!(
                "pushgateway {original} keeps its groups in memory alone: a restart resolves their alerts"
            ),
        ),
        (
            "pushgateway_detail",
            format!(
                "pushgateway {original} has no detail API: no alert of what is pushed there has its output"
            ),
        ),
        (
            "pushgateway_scrape",
            format!("{address} does not scrape pushgateway {original}: what is pushed there is not seen"),
        ),
        (
            "pushgateway_labels",
            format!(
                "{address} renames the labels of what is pushed (exported_job): neither its alerts nor its output are found by job and group"
            ),
        ),
        ("pushgateway_refused", "the last push of a group was refused: job=bad,db=main".to_owned()),
    ];
    let mut last = Value::Null;
    let all = await_until(SOON, || {
        last = doctor(&own, &[]);
        expected.iter().all(|(rule, text)| texts(&last, rule).contains(text))
    });
    assert!(all, "{last:#}");
    assert!(texts(&last, "pushgateway_silent").is_empty(), "{last:#}");
}
