//! The whole way, with what `iaasmon generate` writes around it: a plugin turns bad, and mail and webhook say what it printed.

use super::cluster::{Node, Parts};
use super::support::service::{Place, Running};
use super::support::smtp::Smtp;
use super::support::{SOON, await_until, command, get_json, run, servers};
use super::world::{Am, Proxy};
use iaasmon::sys::clock;
use iaasmon::wire::mail::Mail;
use nix::sys::signal::Signal;
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

/// The desk of whoever generates the configuration and writes silences.
struct Desk {
    place: Place,
}

impl Desk {
    /// Everybody is told by mail and by webhook.
    fn new(smtp: &Smtp, hook: &Hook, am_address: &str) -> Self {
        let place = Place::new();
        let config = format!(
            "[policy.silence]\ncomment_required = false\njournals = {:?}\n[[cluster]]\nname = \"east\"\nalertmanager = [\"http://{am_address}\"]\n\
             [generate]\ngroup_wait = \"3s\"\ngroup_interval = \"1s\"\n\
             [generate.mail]\nsmarthost = {:?}\nfrom = \"sensu@example.com\"\nto = [\"oncall@example.com\"]\ntls = false\n\
             [[generate.receiver]]\nname = \"all\"\nmatch = ['alertname=~\".+\"']\nmail_to = [\"oncall@example.com\"]\nwebhook = [{:?}]\n",
            place.arg("journals"),
            smtp.place.address,
            hook.url
        );
        place.write("config.toml", config);
        Self { place }
    }

    fn run(&self, args: &[&str]) -> String {
        let done = run(command().arg("--config").arg(self.place.path("config.toml")).args(args), b"");
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
        done.stdout
    }
}

/// A Prometheus that scrapes the nodes, and others that are well, each second and alerts through `proxies` by the generated rules.
fn prometheus(desk: &Desk, nodes: &[&Node], proxies: &[&Proxy], am: &Am) -> (Place, Running) {
    let place = Place::new();
    // The two minutes are for nodes that restart.
    place.write("rules.yml", desk.run(&["generate", "rules"]).replace("for: 2m", "for: 2s"));
    let proxies: Vec<&str> = proxies.iter().map(|proxy| proxy.place.address.as_str()).collect();
    // One node in six may be down before it is the way to them.
    let mut targets: Vec<&str> = nodes.iter().map(|node| node.place.address.as_str()).collect();
    targets.extend(&proxies);
    targets.extend([am.place.address.as_str(), place.address.as_str()]);
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": proxies}]}]},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "iaasmon", "static_configs": [{"targets": targets}]}],
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

fn subjects(mails: &[Mail], node: &str) -> Vec<String> {
    let of_node = mails.iter().filter(|mail| mail.extra("X-Sensu-Host") == Some(node));
    of_node.map(|mail| mail.subject.clone()).collect()
}

#[test]
fn mails_and_messages_are_those_that_sensu_sent() {
    let (smtp, hook, place) = (Smtp::start(), Hook::start(), Place::new());
    let desk = Desk::new(&smtp, &hook, &place.address);
    desk.run(&["generate", "alertmanager", "--out", &place.arg("")]);
    let am = Am::generated(place);
    let node = Node::start("hv-1", Parts::One, &["disk", "load"]);
    let mut dying = Node::start("hv-2", Parts::One, &["disk"]);
    // What changes in a group is told within its interval, a second here: on a busy machine a detail must not come after it.
    let proxies = [(); 2].map(|()| Proxy::start(&[&am], &["--budget", "3s"]));
    let _prometheus = prometheus(&desk, &[&node, &dying], &[&proxies[0], &proxies[1]], &am);
    node.await_status("disk", 0);
    dying.await_status("disk", 0);

    // Silenced before it turns bad: nobody is told of the load.
    let silenced = format!("instance=\"{}\"", node.place.address);
    desk.run(&[
        "silence",
        "add",
        &silenced,
        "check=load",
        "--duration",
        "1h",
        "--comment",
        "INC-1",
        "--all-clusters",
        "--yes",
    ]);
    node.says("load", 2, "CRIT: the load is 97");

    // The first message has what the plugin printed.
    let begun = clock::instant();
    node.says("disk", 1, "WARN: /var is filling up: 81%");
    let first = smtp.await_mail("ALERT - hv-1/disk: WARNING");
    let took = begun.elapsed();
    let lines: Vec<&str> = first.body.lines().collect();
    assert_eq!(lines[0], "WARN: /var is filling up: 81%", "{first:#?}");
    assert_eq!(lines[2], "Host: hv-1", "{first:#?}");
    assert!(lines.contains(&"Command:  sh disk.sh") && lines.contains(&"Status:  WARNING"), "{first:#?}");
    let message = hook.alerts().into_iter().find(|alert| alert["labels"]["check"] == "disk").unwrap();
    assert_eq!(message["annotations"]["check_output"], "WARN: /var is filling up: 81%\n", "{message:#}");
    let history = message["annotations"]["check_history"].as_str().unwrap_or_default();
    assert!(history.starts_with("0,") && history.contains(",1"), "{history}");
    let held =
        proxies.iter().filter_map(|proxy| proxy.place.metric("iaasmon_proxy_added_seconds_sum")).sum::<f64>();
    writeln!(std::io::stderr(), "from the plugin to the mail: {took:?}, held up by the proxies: {held} s")
        .unwrap();

    // It gets worse, and is not told as well again in between.
    node.says("disk", 2, "CRIT: /var is full: 97%");
    let worse = smtp.await_mail("ALERT - hv-1/disk: CRITICAL");
    assert!(worse.body.starts_with("CRIT: /var is full: 97%\n"), "{worse:#?}");

    // A node dies: one message, and its checks are neither told again nor told as well.
    dying.says("disk", 2, "CRIT: of the dying");
    smtp.await_mail("ALERT - hv-2/disk: CRITICAL");
    dying.end(Signal::SIGKILL);
    let down =
        smtp.await_mail("ALERT - 127.0.0.1/keepalive: CRITICAL".replace("127.0.0.1", host(&dying)).as_str());
    assert!(down.body.contains("does not answer"), "{down:#?}");
    dying.run();
    dying.says("disk", 0, "all is well again");
    smtp.await_mail("RESOLVED - hv-2/disk: OK");
    assert_eq!(subjects(&smtp.mails(), "hv-2"), ["ALERT - hv-2/disk: CRITICAL", "RESOLVED - hv-2/disk: OK"]);

    // It recovers.
    node.says("disk", 0, "all is well again");
    let over = smtp.await_mail("RESOLVED - hv-1/disk: OK");
    assert!(over.body.contains("Status:  OK\n"), "{over:#?}");
    let told = ["ALERT - hv-1/disk: WARNING", "ALERT - hv-1/disk: CRITICAL", "RESOLVED - hv-1/disk: OK"];
    assert_eq!(subjects(&smtp.mails(), "hv-1"), told);
    // The silenced one has its output too, where people look at alerts.
    let load = || {
        let alerts = get_json(&format!("{}/api/v2/alerts?filter=check=load", am.url())).unwrap_or_default();
        alerts[0]["status"]["state"] == "suppressed"
            && alerts[0]["annotations"]["check_output"] == "CRIT: the load is 97\n"
    };
    assert!(await_until(SOON, load), "the load is not suppressed with its output");
    assert!(hook.alerts().iter().all(|alert| alert["labels"]["check"] != "load"), "{:#?}", hook.alerts());
    proxies.iter().for_each(|proxy| proxy.assert_balance(&am));
}

/// The address of a node without its port.
fn host(node: &Node) -> &str {
    node.place.address.rsplit_once(':').unwrap().0
}
