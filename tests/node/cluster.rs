//! A cluster around real nodes: one Prometheus with the alert rules, one Alertmanager, and iaasmon's configuration for them.

use super::support::service::{Place, Running};
use super::support::{Outcome, SOON, ask, await_until, command, get_json, run, servers};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::Command;

/// A node whose checks say what they are told to say.
pub struct Node {
    /// Its name in the cluster, and Sensu's name of the client.
    pub name: &'static str,
    pub place: Place,
    running: Vec<Running>,
    parts: Parts,
}

/// How the node's processes are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// `iaasmon serve node`.
    One,
    /// `iaasmon serve runner` and `iaasmon serve exporter`.
    RunnerAndExporter,
}

impl Node {
    /// Starts a node with these checks, each a second apart: `name` or `name@source`. They say that all is well.
    pub fn start(name: &'static str, parts: Parts, checks: &[&str]) -> Self {
        let place = Place::new();
        let definitions = checks.iter().map(|check| {
            let (name, source) = check.split_once('@').map_or((*check, None), |(name, of)| (name, Some(of)));
            let mut definition =
                json!({"command": format!("sh {name}.sh"), "interval": 1, "standalone": true});
            if let Some(source) = source {
                definition["source"] = source.into();
            }
            (name.to_owned(), definition)
        });
        let client =
            json!({"name": name, "address": "127.0.0.1", "subscriptions": [], "socket": {"enabled": false}});
        let all = json!({"client": client, "checks": definitions.collect::<serde_json::Map<_, _>>()});
        std::fs::create_dir(place.path("conf.d")).expect("created");
        place.write("conf.d/all.json", all.to_string());
        let mut node = Self { name, place, running: Vec::new(), parts };
        for check in checks {
            node.says(check.split('@').next().unwrap_or(check), 0, "all is well");
        }
        node.run();
        node
    }

    /// Has a check say something else from its next run on.
    pub fn says(&self, check: &str, status: i32, output: &str) {
        let script = format!("cat <<'END'\n{output}\nEND\nexit {status}\n");
        // In one step: a run must not meet half a script.
        self.place.write("script.new", script);
        let script = self.place.path(&format!("{check}.sh"));
        std::fs::rename(self.place.path("script.new"), script).expect("moved");
    }

    /// Starts its processes.
    pub fn run(&mut self) {
        let [definitions, log, state, runner] =
            ["conf.d", "log", "state", "runner"].map(|n| self.place.arg(n));
        let listen = format!("unix:{runner}");
        let export = ["--state-dir", &state, "--extra-series", "executed,duration"];
        match self.parts {
            Parts::One => {
                let args = [&["node", "-d", &definitions, "-l", &log][..], &export].concat();
                self.running.push(self.place.serve(&args));
            }
            Parts::RunnerAndExporter => {
                let mut serve = command();
                serve.args(["serve", "runner", "-d", &definitions, "-l", &log, "--listen", &listen]);
                self.running.push(self.place.spawn(serve.current_dir(self.place.path(""))));
                let args = [&["exporter", "--follow", &log][..], &export].concat();
                self.running.push(self.place.serve(&args));
            }
        }
    }

    /// Ends its processes.
    pub fn end(&mut self, signal: Signal) {
        for mut running in self.running.drain(..) {
            running.end(signal);
        }
    }

    /// Waits until its own page has this status of a check.
    pub fn await_status(&self, check: &str, status: u8) {
        self.place.await_metric(&format!("iaasmon_check_status{{check=\"{check}\"}}"), status.into());
    }
}

/// The servers of a cluster, and the configuration for them.
pub struct Cluster {
    prometheus: Place,
    alertmanager: Place,
    _prometheus: Running,
    alerting: Running,
    targets: Vec<Value>,
}

impl Cluster {
    /// Starts the servers around these nodes and waits until each was scraped.
    pub fn around(nodes: &[&Node]) -> Self {
        let (prometheus, alertmanager) = (Place::new(), Place::new());
        let programs = servers();
        alertmanager.write("am.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
        let mut serve = Command::new(programs.alertmanager);
        serve.arg(flag("config.file", &alertmanager.arg("am.yml")));
        serve.arg(flag("storage.path", &alertmanager.arg("data")));
        serve.arg(flag("web.listen-address", &alertmanager.address)).arg("--cluster.listen-address=");
        let alerting = alertmanager.spawn(&mut serve);
        let rules = std::fs::read_to_string("src/demo/rules.yml").expect("the rules");
        prometheus.write("rules.yml", rules.replace("${HOLD}", "0s"));
        // The node's name stands in `instance`; its address is kept for asking it for details.
        let targets = nodes.iter().map(|node| {
            let instance = format!("{}:10105", node.name);
            json!({"targets": [node.place.address], "labels": {"instance": instance, "address": node.place.address}})
        });
        let targets: Vec<Value> = targets.collect();
        prometheus.write("prometheus.yml", configuration(&alertmanager.address, &targets, "1s"));
        let mut serve = Command::new(programs.prometheus);
        serve.arg(flag("config.file", &prometheus.arg("prometheus.yml")));
        serve.arg(flag("storage.tsdb.path", &prometheus.arg("data")));
        serve.arg(flag("web.listen-address", &prometheus.address)).arg("--web.enable-lifecycle");
        let running = prometheus.spawn(&mut serve);
        let config = format!(
            "[defaults]\ntimeout = \"5s\"\n[[cluster]]\nname = \"east\"\nprometheus = [\"http://{}\"]\nalertmanager = [\"http://{}\"]\ndetail_url = \"http://{{address}}/api/v1/checks/{{check}}\"\n",
            prometheus.address, alertmanager.address
        );
        prometheus.write("config.toml", config);
        let cluster = Self { prometheus, alertmanager, _prometheus: running, alerting, targets };
        let all = nodes.len() as f64;
        assert!(await_until(SOON, || cluster.ask("sum(up)") == Some(all)), "{}", cluster.prometheus.said());
        cluster
    }

    /// Asks Prometheus for a number.
    pub fn ask(&self, query: &str) -> Option<f64> {
        ask(&self.url(), query)
    }

    /// Runs a command on this cluster.
    pub fn iaasmon(&self, args: &[&str]) -> Outcome {
        run(command().args(["--config", &self.prometheus.arg("config.toml")]).args(args), b"")
    }

    /// As [`Cluster::iaasmon`], for a command that prints JSON.
    pub fn json(&self, args: &[&str]) -> (Value, Outcome) {
        let outcome = self.iaasmon(&[args, &["-o", "json"]].concat());
        let value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {}{}", outcome.stdout, outcome.stderr));
        (value, outcome)
    }

    /// Has Prometheus scrape no more, and keep what it knows.
    pub fn stop_scraping(&self) {
        // With another interval every node waits for its turn in it; what was scraped is known for five minutes.
        let configuration = configuration(&self.alertmanager.address, &self.targets, "10h");
        self.prometheus.write("prometheus.yml", configuration);
        let reloaded = self.prometheus.send(b"POST /-/reload HTTP/1.0\r\n\r\n").expect("answered");
        assert_eq!(reloaded.code, 200, "{}", reloaded.text());
        // Until its discovery has told of them anew, Prometheus goes on with its targets as it was.
        let all_wait = || {
            let targets =
                get_json(&format!("{}/api/v1/targets?state=active", self.url())).unwrap_or_default();
            let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
            !active.is_empty() && active.iter().all(|target| target["scrapeInterval"] == "10h")
        };
        assert!(await_until(SOON, all_wait), "it goes on scraping");
    }

    /// Ends the Alertmanager.
    pub fn end_alerting(&mut self) {
        self.alerting.end(Signal::SIGKILL);
    }

    fn url(&self) -> String {
        format!("http://{}", self.prometheus.address)
    }
}

fn flag(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

/// Prometheus' configuration; JSON is YAML.
fn configuration(alertmanager: &str, targets: &[Value], interval: &str) -> String {
    let alerting = json!({"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]});
    let global = json!({"scrape_interval": interval, "scrape_timeout": "1s", "evaluation_interval": "1s"});
    let jobs = json!([{"job_name": "iaasmon", "static_configs": targets}]);
    json!({"global": global, "alerting": alerting, "rule_files": ["rules.yml"], "scrape_configs": jobs})
        .to_string()
}
