//! `iaasmon migrate events`: the parallel run, with Sensu's API played and everything else real.

use super::cluster::{Cluster, Node, Parts};
use super::server::{self, Answer};
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Sensu's side: what `GET /events` answers.
#[derive(Clone, Default)]
struct Sensu(Arc<Mutex<Vec<Value>>>);

impl Sensu {
    /// Serves the API and returns its URL.
    fn serve(&self) -> String {
        let events = self.clone();
        let address = server::start_routed(move |path, _| match path {
            "/events" => Answer::json(Value::Array(events.all().clone()).to_string().as_bytes()),
            _ => Answer::http("404 Not Found", "", b""),
        });
        format!("http://{address}")
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.0.lock().expect("no panic elsewhere")
    }

    /// Has the API tell of this check, and no longer of what it was before; status 0 is the end of the event.
    fn says(&self, client: &str, check: &str, status: i64) {
        let mut all = self.all();
        all.retain(|event| event["client"]["name"] != client || event["check"]["name"] != check);
        if status != 0 {
            all.push(event(client, check, status));
        }
    }
}

/// An event with everything that Sensu 1.9 puts into one (server/process.rb: `process_event`).
fn event(client: &str, check: &str, status: i64) -> Value {
    json!({
        "id": format!("0a1b-{client}-{check}"),
        "client": {
            "name": client, "address": "127.0.0.1", "subscriptions": [format!("client:{client}")],
            "version": "1.9.0", "timestamp": 1_795_416_018,
        },
        "check": {
            "command": format!("sh {check}.sh"), "interval": 1, "standalone": true, "name": check, "issued": 1_795_416_025,
            "executed": 1_795_416_025, "duration": 0.054, "output": format!("{check} said\n"), "status": status,
            "type": "standard", "history": ["0", status.to_string()], "total_state_change": 6,
        },
        "occurrences": 2, "occurrences_watermark": 2, "last_ok": 1_795_416_015, "action": "create",
        "timestamp": 1_795_416_026, "last_state_change": 1_795_416_020, "silenced": false, "silenced_by": [],
    })
}

/// Every row as `verdict client/check`, and the exit code.
fn compared(cluster: &Cluster, api: &str) -> (Vec<String>, Option<i32>) {
    let (document, outcome) = cluster.json(&["migrate", "events", "--sensu-api", api]);
    let word = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    let rows = document["data"].as_array().expect("a list").iter();
    let rows =
        rows.map(|row| format!("{} {}/{}", word(row, "verdict"), word(row, "client"), word(row, "check")));
    (rows.collect(), outcome.code)
}

/// Alerts take a scrape, two evaluations and a message: waits until the command says this.
fn await_compared(cluster: &Cluster, api: &str, rows: &[&str], code: i32) {
    let mut last = None;
    let so = || {
        let now = compared(cluster, api);
        let is_so = now.0 == rows && now.1 == Some(code);
        last = Some(now);
        is_so
    };
    assert!(await_until(SOON, so), "not {rows:?} with code {code}: {last:?}");
}

#[test]
fn sensu_and_the_alerts_agree_until_one_of_them_says_something_else() {
    let one = Node::start("web-1", Parts::One, &["disk", "load", "ntp", "port@switch-1"]);
    let two = Node::start("web-2", Parts::RunnerAndExporter, &["mail", "raid"]);
    let mut dies = Node::start("web-3", Parts::One, &["disk"]);
    let mut cluster = Cluster::around(&[&one, &two, &dies]);
    let sensu = Sensu::default();
    let api = sensu.serve();
    // Nothing is wrong, and both say so.
    await_compared(&cluster, &api, &[], 0);
    for (node, check, status, client) in [
        (&one, "disk", 2, "web-1"),
        (&one, "load", 1, "web-1"),
        // About another host: Sensu makes a client of it.
        (&one, "port", 2, "switch-1"),
        // Any other code is UNKNOWN on both sides.
        (&two, "mail", 127, "web-2"),
        (&two, "raid", 3, "web-2"),
    ] {
        node.says(check, status, "not well");
        sensu.says(client, check, status.into());
    }
    dies.end(Signal::SIGKILL);
    sensu.says("web-3", "keepalive", 2);
    let agreed = [
        "agrees switch-1/port",
        "agrees web-1/disk",
        "agrees web-1/load",
        "agrees web-2/mail",
        "agrees web-2/raid",
        "agrees web-3/keepalive",
    ];
    await_compared(&cluster, &api, &agreed, 0);
    // Sensu alone changes its mind, in every way that there is.
    sensu.says("web-1", "disk", 0);
    sensu.says("web-1", "load", 2);
    sensu.says("web-1", "ntp", 1);
    let disagreed = ["missing web-1/ntp", "differs web-1/load", "extra web-1/disk"];
    let still = ["agrees switch-1/port", "agrees web-2/mail", "agrees web-2/raid", "agrees web-3/keepalive"];
    await_compared(&cluster, &api, &[&disagreed[..], &still].concat(), 1);
    // And the node follows: its scripts, the scrape, the rules and the messages are real.
    one.says("disk", 0, "well again");
    one.says("load", 2, "worse");
    one.says("ntp", 1, "off");
    let followed = ["agrees switch-1/port", "agrees web-1/load", "agrees web-1/ntp"];
    await_compared(&cluster, &api, &[&followed[..], &still[1..]].concat(), 0);
    let table = cluster.iaasmon(&["migrate", "events", "--sensu-api", &api]);
    assert!(table.stderr.contains("6 events and alerts, 0 disagree"), "{}", table.stderr);
    // Without the Alertmanager nobody knows who would be told: that is no agreement.
    cluster.end_alerting();
    let (_, code) = compared(&cluster, &api);
    assert_eq!(code, Some(3));
}
