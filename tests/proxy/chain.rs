//! The whole way: a plugin turns bad, and the first message that Alertmanager sends has what it printed.

use super::cluster::{Node, Parts};
use super::support::service::Place;
use super::support::{SOON, await_until, servers};
use super::world::{Am, Proxy};
use iaasmon::sys::clock;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A webhook that keeps what it was told.
struct Hook {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let list = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(message) = read(stream) {
                    list.lock().unwrap().push(message);
                }
            }
        });
        Self { url, told }
    }

    /// Returns the alerts of all messages so far, in their order.
    fn alerts(&self) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().flat_map(|message| message["alerts"].as_array().unwrap()).cloned().collect()
    }

    /// Waits for the first alert of this name and status.
    fn await_first(&self, name: &str, status: &str) -> Value {
        let mut found = None;
        let mut is_there = || {
            let is_it = |alert: &Value| alert["labels"]["alertname"] == name && alert["status"] == status;
            found = self.alerts().into_iter().find(is_it);
            found.is_some()
        };
        assert!(await_until(SOON, &mut is_there), "no {name} {status} in {:#?}", self.alerts());
        found.unwrap()
    }
}

fn read(mut stream: TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse::<usize>().ok());
        if body.len() >= length? {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
            return serde_json::from_str(body).ok();
        }
    }
}

/// A Prometheus that scrapes `node` each second and alerts through `proxies`.
fn prometheus(node: &Node, proxies: &[&Proxy]) -> (Place, super::support::service::Running) {
    let place = Place::new();
    let rules = std::fs::read_to_string("src/demo/rules.yml").unwrap();
    place.write("rules.yml", rules.replace("${HOLD}", "0s"));
    let targets: Vec<&str> = proxies.iter().map(|proxy| proxy.place.address.as_str()).collect();
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "iaasmon", "static_configs": [{"targets": [node.place.address]}]}],
    });
    place.write("prometheus.yml", config.to_string());
    let mut serve = Command::new(servers().prometheus);
    serve.arg(format!("--config.file={}", place.arg("prometheus.yml")));
    serve.arg(format!("--storage.tsdb.path={}", place.arg("data")));
    serve.arg(format!("--web.listen-address={}", place.address)).arg("--rules.alert.resend-delay=4s");
    let running = place.spawn(&mut serve);
    let running = place.await_answer(running);
    (place, running)
}

#[test]
fn the_first_message_has_what_the_plugin_printed() {
    let hook = Hook::start();
    let am = Am::with(&json!({
        "route": {"receiver": "hook", "group_by": ["..."], "group_wait": "2s", "group_interval": "1s"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": hook.url, "send_resolved": true}]}],
    }));
    let node = Node::start("hv-1", Parts::One, &["disk"]);
    let proxies = [Proxy::start(&[&am], &[]), Proxy::start(&[&am], &[])];
    let _prometheus = prometheus(&node, &[&proxies[0], &proxies[1]]);
    node.await_status("disk", 0);
    let begun = clock::instant();
    node.says("disk", 2, "CRIT: /var is full: 97%");
    let first = hook.await_first("CheckCritical", "firing");
    let took = begun.elapsed();
    let annotations = &first["annotations"];
    assert_eq!(annotations["check_output"], "CRIT: /var is full: 97%\n", "{first:#}");
    assert_eq!((&annotations["check_status"], &annotations["check_client"]), (&json!("2"), &json!("hv-1")));
    assert_eq!(annotations["check_command"], "sh disk.sh");
    let held =
        proxies.iter().filter_map(|proxy| proxy.place.metric("iaasmon_proxy_added_seconds_sum")).sum::<f64>();
    writeln!(std::io::stderr(), "from the plugin to the message: {took:?}, held up by the proxies: {held} s")
        .unwrap();

    node.says("disk", 0, "all is well again");
    let over = hook.await_first("CheckCritical", "resolved");
    assert!(over["annotations"]["check_output"].is_string(), "{over:#}");
    // Nothing was sent that says otherwise, and nothing was lost on the way.
    let messages = hook.alerts();
    let statuses: Vec<&Value> = messages.iter().map(|alert| &alert["status"]).collect();
    assert_eq!(statuses, ["firing", "resolved"], "{messages:#?}");
    proxies.iter().for_each(|proxy| proxy.assert_balance(&am));
}
