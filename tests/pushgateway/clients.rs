//! Those for whom it is there: the official client in Python, which pushes, and a Prometheus, which scrapes.

use super::gate_world::{Gate, Scraper};
use super::support::{Killed, SOON, await_until, server_cache};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// The script of the client, which does one step whenever it is told.
struct Client {
    _child: Killed,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(gate: &Gate) -> Self {
        let mut python = Command::new("python3");
        python.args(["-c", include_str!("push.py"), &gate.place.address]).env("PYTHONPATH", modules());
        python.env_remove("http_proxy").env_remove("HTTP_PROXY");
        let mut child = Killed(python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3"));
        let (input, output) = (child.0.stdin.take().unwrap(), child.0.stdout.take().unwrap());
        Self { _child: child, input, output: BufReader::new(output) }
    }

    fn step(&mut self) {
        self.input.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "the client was refused: it says why above");
    }
}

fn modules() -> PathBuf {
    let cached = server_cache().map(|cache| cache.join("prometheus-client/whole"));
    cached.filter(|folder| folder.join("prometheus_client").is_dir()).expect(
        "prometheus_client is missing: run `scripts/servers prometheus-client`, which has pip put it into a cache folder",
    )
}

/// What was pushed, by name and labels without those of the group.
fn values(gate: &Gate) -> BTreeMap<String, String> {
    let group = "empty=\"\",instance=\"a/b c\",job=\"a/job\"";
    let lines = gate.pushed().into_iter().filter(|line| line.contains(group));
    let lines = lines.map(|line| {
        let own = line.replace(group, "").replace("text=\"50%+é?#&\"", "");
        own.replace(",,", ",").replace("{,", "{").replace(",}", "}").replace("{}", "")
    });
    let split = |line: String| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.filter_map(split).collect()
}

#[test]
fn the_official_client_pushes_adds_and_deletes() {
    let gate = Gate::kept(&[]);
    let mut client = Client::start(&gate);
    client.step();
    let all = values(&gate);
    for (name, value) in [
        ("runs_total{result=\"o\\\"k\\\\\"}", "3"),
        ("level", "-Inf"),
        ("took_count", "1"),
        ("size_bucket{le=\"2.5\"}", "1"),
        ("about_info{version=\"1\"}", "1"),
        ("state{state=\"down\"}", "1"),
        ("push_time_seconds", "once"),
    ] {
        assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}: {all:#?}");
    }
    assert!(gate.page().contains("# HELP runs_total Runs \"so far\"\\nof it.\n"));
    // POST: the other families stay.
    client.step();
    let added = values(&gate);
    assert_eq!((added["level"].as_str(), added.len()), ("2.5", all.len()));
    // PUT: they go.
    client.step();
    let put = values(&gate);
    assert_eq!((put["level"].as_str(), put.len()), ("7", 3), "{put:?}");
    client.step();
    let page = gate.page();
    for name in ["process_open_fds", "process_cpu_seconds_total", "python_info"] {
        let pushed = page.lines().any(|line| line.starts_with(name) && line.contains("job=\"defaults\""));
        assert!(pushed, "{name}: {page}");
    }
    client.step();
    client.step();
    assert_eq!(gate.pushed(), [""; 0]);
}

#[test]
fn a_prometheus_scrapes_what_was_pushed_under_its_own_labels() {
    let gate = Gate::start(&[]);
    gate.push(
        "/metrics/job/backup/instance/db%22%5C1",
        "# TYPE size_bytes gauge\nsize_bytes{disk=\"a\"} 42\n",
    );
    gate.push(
        "/metrics/job/nightly",
        "# TYPE process_open_fds gauge\nprocess_open_fds 7\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n",
    );
    let scraper = Scraper::start(&gate, &[]);
    let metrics = |name: &str| {
        let all = scraper.query(name).into_iter();
        let mut all: Vec<_> = all.map(|(metric, value)| (metric.to_string(), value)).collect();
        all.sort();
        all
    };
    assert!(await_until(SOON, || !metrics("size_bytes").is_empty()), "{}", scraper.place.said());
    let series = |labels: serde_json::Value, value: &str| (labels.to_string(), value.to_owned());
    assert_eq!(
        metrics("size_bytes"),
        [series(
            json!({"__name__": "size_bytes", "disk": "a", "instance": "db\"\\1", "job": "backup"}),
            "42"
        )]
    );
    // A job without an instance has none there either, and is not the gateway's.
    let open = metrics("process_open_fds");
    assert!(
        open.contains(&series(json!({"__name__": "process_open_fds", "job": "nightly"}), "7")),
        "{open:?}"
    );
    assert_eq!(open.len(), 2, "{open:?}");
    assert_eq!(metrics("h_bucket").len(), 2);
    assert_eq!(metrics("push_time_seconds").len(), 2);
    let up = metrics("up");
    assert_eq!((up.len(), up[0].1.as_str()), (1, "1"));
    // What is deleted is gone with the next scrape.
    assert_eq!(gate.ask("DELETE", "/metrics/job/nightly", "").code, 202);
    assert!(await_until(SOON, || metrics("h_bucket").is_empty() && metrics("push_time_seconds").len() == 1));
}
