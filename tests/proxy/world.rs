//! A proxy, two Alertmanagers behind it, and nodes whose answers a test decides.

use super::support::service::{Answer, Place, Running};
use super::support::{SOON, await_until, get_json, servers};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An Alertmanager by itself.
pub struct Am {
    pub place: Place,
    running: Option<Running>,
}

impl Am {
    pub fn start() -> Self {
        Self::with(&json!({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
    }

    /// Starts one with this configuration; JSON is YAML.
    pub fn with(configuration: &Value) -> Self {
        let place = Place::new();
        place.write("am.yml", configuration.to_string());
        let mut am = Self { place, running: None };
        am.run();
        am
    }

    /// Starts one with the `alertmanager.yml` that stands in a folder.
    pub fn generated(place: Place) -> Self {
        std::fs::rename(place.path("alertmanager.yml"), place.path("am.yml")).unwrap();
        let mut am = Self { place, running: None };
        am.run();
        am
    }

    pub fn run(&mut self) {
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let mut serve = Command::new(servers().alertmanager);
        serve.arg(flag("config.file", &self.place.arg("am.yml")));
        serve.arg(flag("storage.path", &self.place.arg("data")));
        serve.arg(flag("web.listen-address", &self.place.address)).arg("--cluster.listen-address=");
        let running = self.place.spawn(&mut serve);
        self.running = Some(self.place.await_answer(running));
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.place.address)
    }

    pub fn end(&mut self) {
        self.running.take().unwrap().end(Signal::SIGKILL);
    }

    pub fn signal(&self, signal: Signal) {
        self.running.as_ref().unwrap().signal(signal);
    }

    /// Returns the annotations of an active alert, by name.
    pub fn alert(&self, name: &str) -> Option<Value> {
        let alerts = get_json(&format!("{}/api/v2/alerts", self.url()))?;
        let found = alerts.as_array()?.iter().find(|alert| alert["labels"]["alertname"] == name)?.clone();
        Some(found["annotations"].clone())
    }

    /// Waits until an active alert has this annotation.
    pub fn await_annotation(&self, name: &str, annotation: &str, text: &str) {
        let has =
            || self.alert(name).is_some_and(|all| all[annotation].as_str().is_some_and(|t| t.contains(text)));
        assert!(await_until(SOON, has), "{name}: {annotation} is not {text:?}: {:?}", self.alert(name));
    }

    pub fn await_gone(&self, name: &str) {
        assert!(await_until(SOON, || self.alert(name).is_none()), "{name} is still active");
    }
}

/// What a node does when it is asked.
#[derive(Debug, Clone)]
pub enum Says {
    /// Answers with this output.
    Output(&'static str),
    /// Answers so after a while.
    Late(Duration, &'static str),
    /// Answers with these bytes.
    Bytes(Vec<u8>),
    /// Takes the connection and says nothing.
    Nothing,
    /// Begins an answer and says this again and again, a little of it at a time.
    Drip(&'static [u8]),
}

/// A node.
pub struct Node {
    pub address: String,
    says: Arc<Mutex<(Says, usize)>>,
}

impl Node {
    pub fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let says = Arc::new(Mutex::new((says, 0)));
        let state = says.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || answer(stream, &state));
            }
        });
        Self { address, says }
    }

    /// Has it do something else from now on.
    pub fn says(&self, says: Says) {
        self.says.lock().unwrap().0 = says;
    }

    /// Returns how often it was asked.
    pub fn asked(&self) -> usize {
        self.says.lock().unwrap().1
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<(Says, usize)>) {
    let mut head = [0; 8192];
    if stream.read(&mut head).unwrap_or(0) == 0 {
        return;
    }
    let says = {
        let mut state = state.lock().unwrap();
        state.1 += 1;
        state.0.clone()
    };
    let executed = iaasmon::model::time::rfc3339(iaasmon::sys::clock::now());
    let whole = |output: &str| {
        let body = json!({"v": 1, "check": "disk", "status": 2, "executed": executed, "duration": 0.5,
            "output": output, "command": "check_disk", "client": "n1", "handlers": ["mail"], "occurrences": 1,
            "playbook": "https://wiki/disk"})
        .to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let bytes = match says {
        Says::Output(output) => whole(output),
        Says::Late(after, output) => {
            std::thread::sleep(after);
            whole(output)
        }
        Says::Bytes(bytes) => bytes,
        Says::Drip(piece) => {
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while sent.is_ok() {
                std::thread::sleep(Duration::from_millis(200));
                sent = stream.write_all(piece);
            }
            return;
        }
        Says::Nothing => {
            // Until the other side gives up.
            let _ = stream.read(&mut head);
            return;
        }
    };
    // The other side may have gone.
    let _ = stream.write_all(&bytes);
}

/// A proxy in front of some Alertmanagers.
pub struct Proxy {
    pub place: Place,
    pub running: Running,
}

impl Proxy {
    pub fn start(ams: &[&Am], args: &[&str]) -> Self {
        Self::start_at(Place::new(), ams, args)
    }

    pub fn start_at(place: Place, ams: &[&Am], args: &[&str]) -> Self {
        let urls: Vec<String> = ams.iter().map(|am| am.url()).collect();
        let mut all = vec![
            "proxy",
            "--detail-url",
            "http://{instance}/api/v1/checks/{check}",
            "--allow",
            "127.0.0.0/8",
        ];
        urls.iter().for_each(|url| all.extend(["--alertmanager", url]));
        all.extend(args);
        let running = place.serve(&all);
        Self { place, running }
    }

    /// Sends alerts as Prometheus does.
    pub fn post(&self, alerts: &Value) -> Answer {
        self.send("POST", "/api/v2/alerts", &alerts.to_string())
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let request = format!("{method} {path} HTTP/1.0\r\n{head}\r\n{body}");
        self.place.send(request.as_bytes()).unwrap_or_else(|| panic!("no answer: {}", self.place.said()))
    }

    /// Returns a column of the ledger for a member.
    pub fn ledger(&self, column: &str, am: &Am) -> f64 {
        let series = format!("iaasmon_proxy_{column}{{alertmanager=\"{}\"}}", am.place.address);
        self.place.metric(&series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// Asserts that what was offered to a member is what became of it.
    pub fn assert_balance(&self, am: &Am) {
        let balanced = || {
            let columns = ["forwarded_total", "refused_total", "superseded_total", "expired_total"];
            let settled: f64 =
                columns.iter().map(|column| self.ledger(&format!("copies_{column}"), am)).sum();
            self.ledger("copies_offered_total", am) == settled + self.ledger("queue_length", am)
        };
        // A page is not of one moment.
        assert!(await_until(SOON, balanced), "{}", self.place.get("/metrics").unwrap().text());
    }
}

/// A detail of a run at this time, if it tells one.
pub fn told(output: &str, executed: Option<&str>) -> Says {
    let mut detail = json!({"v": 1, "check": "disk", "status": 2, "output": output});
    if let Some(executed) = executed {
        detail["executed"] = executed.into();
    }
    let body = detail.to_string();
    Says::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An alert of a check, as a Prometheus sends it.
pub fn alert(name: &str, node: &Node, ends_in: i64) -> Value {
    let now = iaasmon::sys::clock::now();
    let at = |seconds| iaasmon::model::time::rfc3339(now + chrono::TimeDelta::seconds(seconds));
    json!({
        "labels": {"alertname": name, "instance": node.address, "check": "disk"},
        "annotations": {"summary": "the rule's own"},
        "startsAt": at(-5), "endsAt": at(ends_in),
        "generatorURL": "http://prometheus/graph?g0.expr=x",
    })
}

pub fn firing(name: &str, node: &Node) -> Value {
    alert(name, node, 240)
}

/// One that fires for an hour: Alertmanager sends a message as soon as it hears of it.
pub fn long_firing(name: &str, node: &Node) -> Value {
    let since = iaasmon::sys::clock::now() - chrono::TimeDelta::hours(1);
    let mut alert = firing(name, node);
    alert["startsAt"] = iaasmon::model::time::rfc3339(since).into();
    alert
}

pub fn resolved(name: &str, node: &Node) -> Value {
    alert(name, node, -1)
}
