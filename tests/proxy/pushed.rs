//! The whole way of a check that belongs to no node: pusher, pushgateway, a Prometheus with what is generated for it, two
//! proxies, Alertmanager, and what `iaasmon` shows of it; also while the pushgateway is away.

use super::support::service::{Place, Running};
use super::support::{Outcome, SOON, ask, await_until, command, run, servers};
use super::world::Am;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::Command;

/// One cluster, and somebody who looks at it.
struct Region {
    desk: Place,
    am: Am,
    prometheus: Place,
    gateway: Place,
    pusher: Place,
    gateway_runs: Option<Running>,
    _running: Vec<Running>,
}

impl Region {
    /// Starts all of it, with a check `backup` that has said nothing yet.
    fn start() -> Self {
        let [desk, prometheus, gateway, pusher] = [(); 4].map(|()| Place::new());
        let (am, proxies) = (Am::start(), [(); 2].map(|()| Place::new()));
        let url = |place: &Place| format!("http://{}", place.address);
        let config = format!(
            "[policy.silence]\ncomment_required = false\njournals = {:?}\n[[cluster]]\nname = \"east\"\n\
             prometheus = [{:?}]\nalertmanager = [{:?}]\nproxy = {:?}\npushgateway = [{:?}]\n\
             detail_url = \"http://{{instance}}/api/v1/checks/{{check}}\"\n",
            desk.arg("journals"),
            url(&prometheus),
            am.url(),
            proxies.each_ref().map(url),
            url(&gateway)
        );
        desk.write("config.toml", config);
        let mut region =
            Self { desk, am, prometheus, gateway, pusher, gateway_runs: None, _running: Vec::new() };
        region.run_gateway();
        let config = region.desk.arg("config.toml");
        let of_cluster = ["--config", &config, "--cluster", "east"];
        let proxies =
            proxies.map(|place| place.serve(&[&["proxy", "--budget", "3s"], &of_cluster[..]].concat()));
        let running = proxies.into_iter().chain([region.run_prometheus(), region.run_pusher(&of_cluster)]);
        region._running = running.collect();
        region
    }

    fn run_gateway(&mut self) {
        let file = self.gateway.arg("groups.redb");
        self.gateway_runs = Some(self.gateway.serve(&["pushgateway", "--persistence.file", &file]));
    }

    /// A Prometheus with the configuration and the rules that are generated, each second where it is each half minute.
    fn run_prometheus(&self) -> Running {
        let of_cluster = |what| self.iaasmon(&["generate", what, "--cluster", "east"]).stdout;
        let place = &self.prometheus;
        place.write("prometheus.yml", of_cluster("prometheus").replace("interval: 30s", "interval: 1s"));
        place.write("iaasmon.rules.yml", of_cluster("rules"));
        let mut serve = Command::new(servers().prometheus);
        serve.arg(format!("--config.file={}", place.arg("prometheus.yml")));
        serve.arg(format!("--storage.tsdb.path={}", place.arg("data")));
        serve.arg(format!("--web.listen-address={}", place.address)).arg("--rules.alert.resend-delay=4s");
        place.await_answer(place.spawn(&mut serve))
    }

    fn run_pusher(&self, of_cluster: &[&str]) -> Running {
        std::fs::create_dir(self.pusher.path("jobs.d")).unwrap();
        let client = json!({"client": {"name": "jobs-1", "address": "127.0.0.1", "subscriptions": []}});
        let check = json!({"checks": {"backup": {
            "command": "sh backup.sh", "interval": 1, "standalone": true,
            "push_job": "nightly", "push_grouping": {"db": "main"},
        }}});
        self.pusher.write("jobs.d/client.json", client.to_string());
        self.pusher.write("jobs.d/checks.json", check.to_string());
        self.says(0, "OK: not yet");
        let args = ["pusher", "-d", "jobs.d", "-l", "log", "--check-dir", ".", "--state-dir", "state"];
        let mut serve = self.pusher.command(&[&args, of_cluster].concat());
        serve.env("TMPDIR", self.pusher.path(""));
        self.pusher.await_answer(self.pusher.spawn(&mut serve))
    }

    /// Has the check say this from now on.
    fn says(&self, status: u8, output: &str) {
        self.pusher.write("new.sh", format!("echo '{output}'\nexit {status}\n"));
        std::fs::rename(self.pusher.path("new.sh"), self.pusher.path("backup.sh")).unwrap();
    }

    fn iaasmon(&self, args: &[&str]) -> Outcome {
        run(command().arg("--config").arg(self.desk.path("config.toml")).args(args), b"")
    }

    /// Returns the servers, as they are listed.
    fn servers(&self) -> Vec<Value> {
        let listed = self.iaasmon(&["status", "-o", "json"]).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
        listed["data"].as_array().cloned().unwrap_or_default()
    }

    /// Returns the alerts of the job, as they are listed.
    fn alerts(&self) -> Vec<Value> {
        let listed = self.iaasmon(&["alerts", "job=nightly", "-o", "json"]).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
        listed["data"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until one alert of the job is listed, of this name, in this state and with this output.
    fn await_alert(&self, name: &str, state: &str, output: &str) -> Value {
        let mut last = Vec::new();
        let mut is_there = || {
            last = self.alerts();
            let [alert] = &last[..] else { return false };
            let said = alert["annotations"]["check_output"].as_str().unwrap_or_default();
            alert["labels"]["alertname"] == name && alert["state"] == state && said.trim_end() == output
        };
        assert!(await_until(SOON, &mut is_there), "no {name} that is {state} with {output:?}: {last:#?}");
        last.swap_remove(0)
    }

    fn await_value(&self, query: &str, wanted: Option<f64>) {
        let value = || ask(&format!("http://{}", self.prometheus.address), query);
        assert!(await_until(SOON, || value() == wanted), "{query} is {:?} and not {wanted:?}", value());
    }
}

#[test]
fn a_check_of_no_node_is_told_with_its_output_and_goes_on_while_its_pushgateway_is_away() {
    let mut region = Region::start();
    region.await_value(
        "iaasmon_check_status{job=\"nightly\",db=\"main\",instance=\"\",exported_job=\"\"}",
        Some(0.0),
    );

    // It turns bad, and everywhere is what it printed.
    region.says(2, "CRIT: no space left");
    let alert = region.await_alert("CheckCritical", "active", "CRIT: no space left");
    let labels = json!({
        "alertname": "CheckCritical", "check": "backup", "db": "main", "job": "nightly", "severity": "critical",
    });
    assert_eq!((&alert["labels"], &alert["node"]), (&labels, &"".into()), "{alert:#}");
    assert_eq!(alert["annotations"]["summary"], "backup of job nightly is CRITICAL");
    assert_eq!(alert["annotations"]["check_client"], "jobs-1", "{alert:#}");
    let fingerprint = alert["fingerprint"].as_str().unwrap();
    let shown = region.iaasmon(&["alert", fingerprint]).stdout;
    assert!(shown.starts_with("CRIT  CheckCritical  job=nightly\n"), "{shown}");
    assert!(
        shown.contains("output of the pushgateway, run ") && shown.contains("\n  CRIT: no space left"),
        "{shown}"
    );
    for name in ["nightly", "job=nightly", "db=main,job=nightly"] {
        let shown = region.iaasmon(&["check", name, "backup"]);
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert!(shown.stdout.starts_with("CRIT  backup  job=nightly,db=main\n"), "{}", shown.stdout);
    }
    // The gateway knows its earlier runs, too.
    let past = |args: &[&str]| {
        let told = region.iaasmon(&[&["check", "nightly", "backup"], args].concat());
        assert_eq!(told.code, Some(0), "{args:?}: {}", told.stderr);
        told.stdout
    };
    let runs: Value = serde_json::from_str(&past(&["--history", "-n", "100", "-o", "json"])).unwrap();
    let runs = runs["data"].as_array().unwrap();
    let [newest, oldest] = [&runs[0], runs.last().unwrap()];
    assert_eq!(newest["group"], json!({"job": "nightly", "db": "main"}), "{newest}");
    let told = |run: &Value| [&run["node"], &run["status"]].map(|it| it.as_str().unwrap().to_owned());
    assert_eq!(
        (told(newest), told(oldest)),
        (["", "crit"].map(str::to_owned), ["", "ok"].map(str::to_owned))
    );
    let wide = past(&["--history", "-o", "wide"]);
    assert!(wide.lines().skip(1).all(|line| line.starts_with("job=nightly,db=main ")), "{wide}");
    let diff = past(&["--diff"]);
    assert!(diff.starts_with("CRIT  backup  job=nightly,db=main\n"), "{diff}");
    assert!(diff.contains("-OK: not yet") && diff.contains("+CRIT: no space left"), "{diff}");
    let listed = region.iaasmon(&["alerts"]).stdout;
    assert!(listed.contains(" job=nightly "), "{listed}");
    let listed = region.iaasmon(&["checks"]).stdout;
    assert!(
        listed.lines().any(|line| line.starts_with("backup") && line.ends_with("job=nightly")),
        "{listed}"
    );

    // Its pushgateway dies: nothing new is known, and nothing is told as well.
    region.gateway_runs.take().unwrap().end(Signal::SIGKILL);
    region.await_value("up{job=\"iaasmon-pushgateway\"}", Some(0.0));
    region.await_value("iaasmon_check_status{job=\"nightly\"}", None);
    let later = clock::now().timestamp() as f64 + 2.0;
    region.await_value(
        &format!("timestamp(iaasmon_check_status:bad{{job=\"nightly\"}}) > bool {later}"),
        Some(1.0),
    );
    region.await_alert("CheckCritical", "active", "CRIT: no space left");
    let shown = region.iaasmon(&["check", "job=nightly", "backup"]);
    assert_eq!(shown.code, Some(3), "{}{}", shown.stdout, shown.stderr);
    assert!(shown.stdout.contains("CRIT: no space left"), "{}", shown.stdout);
    assert!(shown.stderr.contains("not of the pushgateway but of an alert: "), "{}", shown.stderr);

    let servers = region.servers();
    let [.., gateway] = &servers[..] else { panic!("{servers:#?}") };
    assert!(gateway["up"] == false && gateway["error"].is_string(), "{gateway}");
    let told = region.iaasmon(&["doctor"]).stdout;
    assert_eq!(told.matches("does not answer").count(), 1, "{told}");

    // It is back, with what it had and with what was pushed meanwhile: the check is well again.
    region.says(0, "OK: enough room");
    region.run_gateway();
    region.await_value("up{job=\"iaasmon-pushgateway\"}", Some(1.0));
    assert!(await_until(SOON, || region.alerts().is_empty()), "{:#?}", region.alerts());
    region.am.await_gone("CheckCritical");

    // Of one that is well nobody knows anything while its pushgateway is away, and nobody says that there is none.
    region.gateway_runs.take().unwrap().end(Signal::SIGKILL);
    region.await_value("iaasmon_check_status{job=\"nightly\"}", None);
    region.await_value("iaasmon_check_status:bad{job=\"nightly\"}", None);
    for name in ["nightly", "job=nightly,db=main"] {
        let unseen = region.iaasmon(&["check", name, "backup"]);
        let why = "the pushgateway of cluster east does not answer";
        assert!(unseen.code == Some(3) && unseen.stderr.contains(why), "{:?} {}", unseen.code, unseen.stderr);
        assert!(unseen.stderr.contains("missing east: "), "{}", unseen.stderr);
    }
    region.run_gateway();
    region.await_value("iaasmon_check_status{job=\"nightly\"}", Some(0.0));

    // How the servers are is told of proxies and gateways, too.
    let servers = region.servers();
    let kinds: Vec<_> = servers.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["prometheus", "alertmanager", "proxy", "proxy", "pushgateway"]);
    for row in &servers[2..] {
        assert_eq!((&row["up"], &row["version"]), (&json!(true), &json!(env!("CARGO_PKG_VERSION"))), "{row}");
        assert!(row["started"].is_string() && row["not_ready"].is_null(), "{row}");
    }

    // Silenced before it turns bad again; its output comes all the same.
    let silence = region.iaasmon(&[
        "silence",
        "add",
        "job=nightly",
        "db=main",
        "--duration",
        "1h",
        "--comment",
        "INC-1",
        "--all-clusters",
        "--yes",
    ]);
    assert_eq!(silence.code, Some(0), "{}", silence.stderr);
    region.says(1, "WARN: room for one more");
    let alert = region.await_alert("CheckWarning", "silenced", "WARN: room for one more");
    assert_eq!(alert["silenced_by"], json!([silence.stdout.trim()]), "{alert:#}");
}
