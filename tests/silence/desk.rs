//! An operator with a configuration and a folder for journals, and what the members themselves hold.

use crate::support::{Outcome, await_until, command, fleet_options, peers, run, start};
use iaasmon::demo::fleet::Scenario;
use iaasmon::demo::{Cluster, Demo, Options, Server};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const SOON: Duration = Duration::from_secs(60);

/// Two clusters with next to no nodes: for what concerns Alertmanagers alone. All members know their peer.
pub fn quiet_fleet() -> Demo {
    let demo = start(&Options { nodes: 2, checks: 1, scenario: Scenario::Quiet, ..fleet_options() });
    for member in demo.clusters().iter().flat_map(|c| &c.alertmanager) {
        assert!(await_until(SOON, || peers(&member.url()) == 2), "{} is alone", member.name());
    }
    demo
}

/// Whoever works at it has journals of their own.
pub struct Desk {
    pub config: PathBuf,
    pub folder: tempfile::TempDir,
}

impl Desk {
    /// Works with the configuration `text`.
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, text).unwrap();
        Self { config, folder }
    }

    /// Works on the Alertmanagers of `demo` with a time limit of a second, on nothing else.
    pub fn on(demo: &Demo) -> Self {
        Self::new(&alertmanagers(demo.clusters()))
    }

    pub fn journals(&self) -> PathBuf {
        self.folder.path().join("iaasmon/operations")
    }

    /// Runs `iaasmon silence ...`.
    pub fn silence(&self, args: &[&str]) -> Outcome {
        self.run(&[&["silence"], args].concat())
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        run(self.command(self.folder.path()).args(args), b"")
    }

    pub fn command(&self, state: &Path) -> std::process::Command {
        let mut command = command();
        command.env("XDG_STATE_HOME", state).arg("--config").arg(&self.config);
        command
    }

    /// Runs `iaasmon silence ... -o json` and returns `data`.
    pub fn json(&self, args: &[&str]) -> Value {
        let outcome = self.silence(&[args, &["-o", "json"]].concat());
        let value: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}\n{}\n{}", outcome.stdout, outcome.stderr));
        value["data"].clone()
    }

    /// Returns the newest operation, as `silence status` lists it: its name and its state.
    pub fn newest(&self) -> (String, String) {
        let list = self.json(&["status"]);
        let text = |field| list[0][field].as_str().unwrap_or_else(|| panic!("{list}")).to_owned();
        (text("op"), text("state"))
    }
}

/// Returns a configuration of these clusters' Alertmanagers alone.
pub fn alertmanagers(clusters: &[Cluster]) -> String {
    let entries = clusters.iter().map(|c| {
        let urls = c.alertmanager.each_ref().map(Server::url);
        format!("[[cluster]]\nname = \"{}\"\nalertmanager = {urls:?}\n", c.name())
    });
    format!("[defaults]\ntimeout = \"1s\"\n{}", entries.collect::<String>())
}

/// Returns the silences of this comment that a member holds in force.
pub fn held(member: &Server, comment: &str) -> Vec<Value> {
    let all = crate::support::get_json(&format!("{}/api/v2/silences", member.url()))
        .unwrap_or_else(|| panic!("{} does not answer", member.name()));
    let mine = |s: &&Value| s["comment"] == comment && s["status"]["state"] != "expired";
    all.as_array().unwrap().iter().filter(mine).cloned().collect()
}

/// Waits until every member of these clusters holds exactly `count` silences of this comment in force: what was done
/// before a process was killed reaches the other member by gossip, when nobody waits for it any more.
fn await_count(clusters: &[Cluster], comment: &str, count: usize) {
    let members = || clusters.iter().flat_map(|cluster| &cluster.alertmanager);
    let all = || members().all(|member| held(member, comment).len() == count);
    // Who fails to come to it is told of by the assertion that follows.
    let _ = crate::support::await_until(GOSSIP, all);
}

/// Longer than any gossip between two members of one machine takes.
const GOSSIP: std::time::Duration = std::time::Duration::from_secs(15);

/// The law: every member of these clusters holds the same single silence of this comment in force. Returns one per
/// cluster.
pub fn assert_one(clusters: &[Cluster], comment: &str) -> Vec<Value> {
    await_count(clusters, comment, 1);
    clusters
        .iter()
        .map(|cluster| {
            let [a, b] = cluster.alertmanager.each_ref().map(|member| held(member, comment));
            assert_eq!(a.len(), 1, "{comment} on {}: {a:#?}", cluster.alertmanager[0].name());
            assert_eq!(b.len(), 1, "{comment} on {}: {b:#?}", cluster.alertmanager[1].name());
            assert_eq!((&a[0]["id"], &a[0]["endsAt"]), (&b[0]["id"], &b[0]["endsAt"]), "{comment}");
            a[0].clone()
        })
        .collect()
}

/// No member of these clusters holds a silence of this comment in force.
pub fn assert_none(clusters: &[Cluster], comment: &str) {
    await_count(clusters, comment, 0);
    for member in clusters.iter().flat_map(|cluster| &cluster.alertmanager) {
        let held = held(member, comment);
        assert!(held.is_empty(), "{comment} on {}: {held:#?}", member.name());
    }
}

/// Makes a silence past our program, as another tool would, and returns its id.
pub fn post(member: &Server, silence: &Value) -> String {
    let body = silence.to_string();
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let answer = ask(member, "POST /api/v2/silences", &head, &body);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let value: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
    value["silenceID"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Ends a silence past our program.
pub fn end(member: &Server, id: &str) {
    let answer = ask(member, &format!("DELETE /api/v2/silence/{id}"), "", "");
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

fn ask(member: &Server, what: &str, head: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(member.address()).unwrap();
    write!(stream, "{what} HTTP/1.0\r\n{head}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Makes the same silence on every cluster past our program, and waits until all members have it.
pub fn make(demo: &Demo, comment: &str) -> Vec<String> {
    let now = iaasmon::sys::clock::now();
    let at = |minutes| iaasmon::model::time::rfc3339(now + chrono::TimeDelta::minutes(minutes));
    let silence = json!({
        "matchers": [{"name": "alertname", "value": comment, "isRegex": false, "isEqual": true}],
        "startsAt": at(0), "endsAt": at(90), "createdBy": "somebody", "comment": comment,
    });
    let ids: Vec<String> = demo.clusters().iter().map(|c| post(&c.alertmanager[0], &silence)).collect();
    for cluster in demo.clusters() {
        assert!(await_until(SOON, || held(&cluster.alertmanager[1], comment).len() == 1), "gossip");
    }
    ids
}
