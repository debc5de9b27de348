//! A pushgateway of ours or Debian's, and what is asked of either.

use super::support::service::{Answer, Place, Running};
use super::support::{get_json, server_cache, servers};
use iaasmon::model::family as model;
use iaasmon::model::histogram::Count;
use iaasmon::model::names::Names;
use iaasmon::wire::exposition::protobuf;
use iaasmon::wire::exposition::protobuf::message::MetricFamily;
use nix::sys::signal::Signal;
use prost::Message as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// What announces families as protobuf.
pub const PROTOBUF: (&str, &str) = (
    "Content-Type",
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
);
/// What a Prometheus asks for that takes them.
const ACCEPT: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,text/plain;version=0.0.4;q=0.5";
pub const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

/// A pushgateway that runs.
pub struct Gate {
    pub place: Place,
    pub running: Running,
}

impl Gate {
    /// Starts ours, which forgets everything.
    pub fn start(args: &[&str]) -> Self {
        Self::start_at(Place::new(), args)
    }

    /// Starts ours, which keeps everything in the file `groups`.
    pub fn kept(args: &[&str]) -> Self {
        Self::kept_at(Place::new(), args)
    }

    pub fn kept_at(place: Place, args: &[&str]) -> Self {
        let file = place.arg("groups");
        let all: Vec<&str> = ["--persistence.file", &file].iter().chain(args).copied().collect();
        Self::start_at(place, &all)
    }

    pub fn start_at(place: Place, args: &[&str]) -> Self {
        let all: Vec<&str> = ["pushgateway"].iter().chain(args).copied().collect();
        let running = place.serve(&all);
        Self { place, running }
    }

    /// Ends it and starts it again, with its file.
    pub fn again(self, signal: Signal, args: &[&str]) -> Self {
        let Self { place, mut running } = self;
        running.end(signal);
        Self::kept_at(place, args)
    }

    /// Starts Debian's.
    pub fn debian(args: &[&str]) -> Self {
        let place = Place::new();
        let mut serve = Command::new(debians());
        serve.arg(format!("--web.listen-address={}", place.address)).args(args);
        let running = place.spawn(&mut serve);
        let running = place.await_answer(running);
        Self { place, running }
    }

    pub fn ask(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask_with(method, path, &[], body)
    }

    pub fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let request = request(method, path, headers, body.as_ref());
        let answer = self.place.send(&request);
        let last = || self.place.said().lines().last().unwrap_or_default().to_owned();
        answer.unwrap_or_else(|| {
            panic!(
                "{method} {path} {headers:?} {:?}: no answer: {}",
                String::from_utf8_lossy(&body.as_ref()[..body.as_ref().len().min(200)]),
                last()
            )
        })
    }

    /// Pushes, and fails where that is not acknowledged.
    pub fn push(&self, path: &str, body: impl AsRef<[u8]>) {
        let answer = self.ask("PUT", path, body);
        assert_eq!(answer.code, 200, "{path}: {}", answer.text());
    }

    /// Returns the page.
    pub fn page(&self) -> String {
        self.place.get("/metrics").expect("answered").text()
    }

    /// Returns the lines of what was pushed, without the values of stamps.
    pub fn pushed(&self) -> Vec<String> {
        pushed_lines(&self.page())
    }
}

/// Returns the groups of the query API in order, with nothing in them that is the gateway's time or that the two write differently.
pub fn groups(gate: &Gate) -> Vec<String> {
    let told = gate.place.json("/api/v1/metrics")["data"].as_array().expect("groups").clone();
    let plain = |mut group: Value| {
        group.as_object_mut().unwrap().iter_mut().for_each(|(name, family)| make_comparable(name, family));
        group.to_string()
    };
    let mut groups: Vec<String> = told.into_iter().map(plain).collect();
    groups.sort();
    groups
}

fn make_comparable(name: &str, family: &mut Value) {
    if let Some(time) = family.get_mut("time_stamp") {
        *time = time.as_str().is_some_and(|time| time.starts_with("20")).into();
    }
    let Some(metrics) = family.get_mut("metrics").and_then(Value::as_array_mut) else { return };
    // Here in the order of the page, there in which they came.
    metrics.sort_by_key(|metric| metric["labels"].to_string());
    for metric in metrics {
        if let Some(value) = metric.get_mut("value") {
            // A zero has lost its sign where it has become text.
            let text = if value == "-0" { "0" } else { value.as_str().unwrap() };
            *value = if name.starts_with("push_") { (text != "0").into() } else { text.into() };
        }
        // Ours is always there, as on the page.
        match metric.get_mut("buckets") {
            // Debian's version does not tell native ones.
            Some(buckets @ Value::Array(_)) => *buckets = Value::Object(Map::new()),
            Some(Value::Object(buckets)) => drop(buckets.remove("+Inf")),
            _ => {}
        }
    }
}

/// Returns what the page says in messages of what was pushed: family with its type, labels, and value, without the bucket of all,
/// which text adds.
pub fn told(gate: &Gate) -> BTreeMap<String, String> {
    let answer = gate
        .place
        .send(format!("GET /metrics HTTP/1.0\r\nAccept: {ACCEPT}\r\n\r\n").as_bytes())
        .expect("answered");
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let mut kinds = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    assert!(kinds.next().is_some_and(|(_, kind)| protobuf::is_announced(kind)), "{}", answer.head);
    let families = protobuf::parse(&answer.body, Names::Utf8).expect("messages");
    let metrics =
        families.iter().flat_map(|family| family.metrics.iter().map(move |metric| (family, metric)));
    let pushed = metrics.filter(|(family, metric)| {
        !family.name.starts_with("push_") && metric.labels.iter().any(|(name, _)| name == "job")
    });
    pushed
        .map(|(family, metric)| {
            let mut value = metric.value.clone();
            // What was not said is 0 in text.
            match &mut value {
                model::Value::Histogram(histogram) => {
                    histogram.buckets.retain(|(bound, _)| *bound != f64::INFINITY);
                    histogram.count.get_or_insert(Count::Whole(0));
                    histogram.sum.get_or_insert(0.0);
                }
                model::Value::Summary(summary) => {
                    summary.count.get_or_insert(0);
                    summary.sum.get_or_insert(0.0);
                }
                model::Value::Plain(_) => {}
            }
            (format!("{} {:?} {:?}", family.name, family.kind, metric.labels), format!("{value:?}"))
        })
        .collect()
}

/// Asserts that both show the same.
pub fn assert_same(ours: &Gate, theirs: &Gate, after: &str) {
    for (own, other) in [(ours.pushed(), theirs.pushed()), (groups(ours), groups(theirs))] {
        let only = |these: &[String], those: &[String]| {
            these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
        };
        let [more, less] = [only(&own, &other), only(&other, &own)];
        assert!(own == other, "after {after}\nonly ours: {more:#?}\nonly theirs: {less:#?}");
    }
    assert_eq!(told(ours), told(theirs), "after {after}");
}

/// Returns the lines of samples that somebody pushed, in order; of stamps is left whether there is one.
pub fn pushed_lines(page: &str) -> Vec<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#') && line.contains("job=\""));
    let mut lines: Vec<String> = samples
        .map(|line| match line.rsplit_once(' ') {
            Some((stamp, value))
                if line.starts_with("push_time_seconds{")
                    || line.starts_with("push_failure_time_seconds{") =>
            {
                format!("{stamp} {}", if value == "0" { "never" } else { "once" })
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}

/// Returns the bytes of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n").into_bytes();
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    request.extend(body);
    request
}

/// Pushes so many groups `/metrics/job/many/n/NUMBER`, each with `number NUMBER` and some text, over several connections at a time.
pub fn push_many(gate: &Gate, groups: usize) {
    const AT_A_TIME: usize = 16;
    std::thread::scope(|scope| {
        for first in 0..AT_A_TIME {
            scope.spawn(move || {
                for number in (first..groups).step_by(AT_A_TIME) {
                    let body = format!("# HELP number The number.\n# TYPE number gauge\nnumber {number}\nother{{x=\"1\"}} 2\n");
                    gate.push(&format!("/metrics/job/many/n/{number}"), body);
                }
            });
        }
    });
}

/// Pushes so many groups `/metrics/job/many/n/NUMBER`, each with `number NUMBER`, by few requests.
pub fn bulk_fill(gate: &Gate, groups: usize) {
    let line = |at: usize| {
        let metrics =
            format!("# HELP number The number.\n# TYPE number gauge\nnumber {at}\nother{{x=\"1\"}} 2\n");
        serde_json::json!({"job": "many", "labels": {"n": at.to_string()}, "metrics": metrics}).to_string()
            + "\n"
    };
    for first in (0..groups).step_by(5_000) {
        let body: String = (first..groups.min(first + 5_000)).map(line).collect();
        let answer = gate.ask("POST", "/api/v1/push", body);
        assert_eq!(answer.code, 200, "{:.300}", answer.text());
    }
}

/// Returns the most memory that a gateway ever had, in MiB.
pub fn peak_mib(gate: &Gate) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// Packs a body.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Writes families as length-delimited protobuf.
pub fn delimited(families: &[MetricFamily]) -> Vec<u8> {
    families.iter().flat_map(MetricFamily::encode_length_delimited_to_vec).collect()
}

/// Finds Debian's program.
fn debians() -> PathBuf {
    let name = "prometheus-pushgateway";
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cached = server_cache().map(|cache| cache.join("pushgateway/usr/bin"));
    let folders = std::env::split_paths(&path).chain(cached);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "{name} is missing: run `apt-get install {name}`, or `scripts/servers pushgateway` for a private copy without root"
        )
    })
}

/// A Prometheus that scrapes a gateway each second.
pub struct Scraper {
    pub place: Place,
    _running: Running,
}

impl Scraper {
    pub fn start(gate: &Gate, args: &[&str]) -> Self {
        let place = Place::new();
        let scrape = json!({"job_name": "gate", "honor_labels": true, "scrape_interval": "1s", "scrape_timeout": "1s",
            "static_configs": [{"targets": [gate.place.address]}]});
        place.write("prometheus.yml", json!({"scrape_configs": [scrape]}).to_string());
        let mut serve = Command::new(servers().prometheus);
        serve.arg(format!("--config.file={}", place.arg("prometheus.yml")));
        serve.arg(format!("--storage.tsdb.path={}", place.arg("data")));
        serve.arg(format!("--web.listen-address={}", place.address)).args(args);
        let running = place.await_answer(place.spawn(&mut serve));
        Self { place, _running: running }
    }

    /// Returns why the last scrape failed.
    pub fn trouble(&self) -> String {
        let targets = get_json(&format!("http://{}/api/v1/targets", self.place.address)).unwrap_or_default();
        targets["data"]["activeTargets"][0]["lastError"].to_string()
    }

    /// Returns what an expression is now: labels and values.
    pub fn query(&self, expression: &str) -> Vec<(Value, String)> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let answer = get_json(&format!("http://{}/api/v1/query?query={query}", self.place.address))
            .unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str().unwrap_or_default().to_owned();
        let series = answer["data"]["result"].as_array().into_iter().flatten();
        series.map(|series| (series["metric"].clone(), value(series))).collect()
    }
}
