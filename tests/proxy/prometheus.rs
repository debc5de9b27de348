//! A real Prometheus that sends again and again, while the proxy is killed: what fires is at every member, what ended is not.

use super::support::service::{Place, Running};
use super::support::{SOON, await_until, get_json, servers};
use super::world::{Am, Node, Proxy, Says};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// More than two requests of a Prometheus 2.42, which puts 64 alerts into one.
const ALERTS: usize = 150;
/// Three times what passes between two resends.
const WATCHED: Duration = Duration::from_secs(10);

/// A target whose series say what fires.
struct Target {
    address: String,
    fires: Arc<Mutex<BTreeSet<usize>>>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let fires: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
        let shared = fires.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut page = String::new();
                let now = shared.lock().unwrap().clone();
                for number in 0..ALERTS {
                    let value = u8::from(now.contains(&number));
                    writeln!(page, "level{{number=\"{number}\"}} {value}").unwrap();
                }
                // Who asks reads to the end of the connection.
                let _ = stream.read(&mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        Self { address, fires }
    }

    fn say(&self, fires: BTreeSet<usize>) {
        *self.fires.lock().unwrap() = fires;
    }
}

/// A Prometheus that scrapes the target each second and sends what fires to the proxy, each three seconds.
fn prometheus(target: &Target, proxy: &Proxy, node: &Node) -> (Place, Running) {
    let place = Place::new();
    let labels = json!({"instance": node.address, "check": "disk"});
    let rule = json!({"alert": "Level", "expr": "level == 1", "labels": labels});
    place.write(
        "rules.yml",
        json!({"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}).to_string(),
    );
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [proxy.place.address]}]}]},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "level", "static_configs": [{"targets": [target.address]}]}],
    });
    place.write("prometheus.yml", config.to_string());
    let mut serve = Command::new(servers().prometheus);
    serve.arg(format!("--config.file={}", place.arg("prometheus.yml")));
    serve.arg(format!("--storage.tsdb.path={}", place.arg("data")));
    serve.arg(format!("--web.listen-address={}", place.address)).arg("--rules.alert.resend-delay=3s");
    let running = place.spawn(&mut serve);
    let running = place.await_answer(running);
    (place, running)
}

/// Returns the numbers of the alerts that are active, if all of them have their words.
fn active(am: &Am) -> Option<BTreeSet<usize>> {
    let alerts = get_json(&format!("{}/api/v2/alerts", am.url()))?;
    let number = |alert: &serde_json::Value| {
        alert["annotations"].get("check_output")?;
        alert["labels"]["number"].as_str()?.parse().ok()
    };
    alerts.as_array()?.iter().map(number).collect()
}

#[test]
fn a_proxy_that_is_killed_while_a_prometheus_sends_costs_nothing_and_brings_nothing_back() {
    let ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT: words\n"));
    let target = Target::start();
    let mut proxy = Proxy::start(&[&ams[0], &ams[1]], &["--state-dir", "state"]);
    let mut wanted: BTreeSet<usize> = (0..ALERTS).collect();
    target.say(wanted.clone());
    let (prometheus, _running) = prometheus(&target, &proxy, &node);
    let arrived = |wanted: &BTreeSet<usize>| {
        ams.iter().for_each(|am| {
            let all = await_until(SOON, || active(am).as_ref() == Some(wanted));
            let have = active(am).map(|active| active.len());
            assert!(all, "{have:?} and not {}: {}", wanted.len(), prometheus.said());
        });
    };
    arrived(&wanted);
    for round in 0..4 {
        // Killed at any moment of a resend; some end and some begin while nobody is there.
        std::thread::sleep(Duration::from_millis(round * 530));
        proxy.running.end(Signal::SIGKILL);
        wanted = (0..ALERTS).filter(|number| !(number + round as usize).is_multiple_of(3)).collect();
        target.say(wanted.clone());
        proxy = Proxy::start_at(proxy.place, &[&ams[0], &ams[1]], &["--state-dir", "state"]);
        arrived(&wanted);
    }
    // Nothing that ended comes back with a later resend, and nothing goes.
    let begun = clock::instant();
    while begun.elapsed() < WATCHED {
        for am in &ams {
            assert_eq!(active(am).as_ref(), Some(&wanted));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    ams.iter().for_each(|am| proxy.assert_balance(am));
}
