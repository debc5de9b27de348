//! Nodes whose processes are killed at any moment: what reached the log is served, once, and no child is left behind.

use crate::support::service::{Place, Running};
use crate::support::{SOON, await_until, command};
use crate::{below, run};
use nix::sys::signal::Signal;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Each says how often it ran, and ends with that number modulo three.
const COUNTING: [&str; 4] = ["c0", "c1", "c2", "c3"];
/// How often a node is killed in a round.
const KILLS: usize = 4;
/// More logs than are moved away in a round, so that none is dropped.
const KEPT: &str = "200";

/// Which processes a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    Node,
    /// The exporter is killed, the runner, or both.
    Two,
}

struct Node {
    place: Place,
    parts: Parts,
    runner: Option<Running>,
    exporter: Option<Running>,
}

impl Node {
    fn new(parts: Parts) -> Self {
        let place = Place::new();
        let counting = |name: &str| {
            // The number is kept before it is told: a run that was killed in between leaves a gap and never a repetition.
            let command = format!(
                "echo $$ >> pids; n=$(($(cat n-{name} 2>/dev/null || echo 0) + 1)); echo $n > new-{name}; mv new-{name} n-{name}; echo run $n; exit $((n % 3))"
            );
            (name.to_owned(), json!({"command": command, "interval": 1, "standalone": true}))
        };
        let mut checks: serde_json::Map<_, _> = COUNTING.into_iter().map(counting).collect();
        // One that holds on, with a grandchild: nobody but the guard ends those.
        let holds = "echo $$ >> pids; trap '' TERM; sleep 500 & echo $! >> pids; sleep 500; sleep 500";
        checks.insert("holds".to_owned(), json!({"command": holds, "interval": 1, "standalone": true}));
        let client =
            json!({"name": "n1", "address": "127.0.0.1", "subscriptions": [], "socket": {"enabled": false}});
        std::fs::create_dir(place.path("conf.d")).expect("created");
        place.write("conf.d/all.json", json!({"client": client, "checks": checks}).to_string());
        Self { place, parts, runner: None, exporter: None }
    }

    /// Starts what does not run.
    fn start(&mut self) {
        let [definitions, log, state, socket] =
            ["conf.d", "log", "state", "socket"].map(|name| self.place.arg(name));
        let runs = ["-d", &definitions, "-l", &log, "--rotate-size", "20000", "--rotate-keep", KEPT];
        let exports = ["--state-dir", &state, "--history", "100000"];
        if self.exporter.is_none() {
            let first = if self.parts == Parts::Node {
                [&["node"][..], &runs].concat()
            } else {
                vec!["exporter", "--follow", &log]
            };
            self.exporter = Some(self.place.serve(&[&first[..], &exports].concat()));
        }
        if self.parts == Parts::Two && self.runner.is_none() {
            let listen = format!("unix:{socket}");
            let mut serve = command();
            serve.args(["serve", "runner"]).args(runs).args(["--listen", &listen]);
            self.runner = Some(self.place.spawn(serve.current_dir(self.place.path(""))));
        }
    }

    /// Kills some of its processes, and waits until no check of a killed runner is left.
    fn kill(&mut self, random: &mut TestRng) {
        let which = if self.parts == Parts::Node { 0 } else { below(random, 3) };
        let mut killed_runner = self.parts == Parts::Node;
        if which != 1
            && let Some(mut exporter) = self.exporter.take()
        {
            exporter.end(Signal::SIGKILL);
        }
        if which != 0
            && let Some(mut runner) = self.runner.take()
        {
            runner.end(Signal::SIGKILL);
            killed_runner = true;
        }
        if killed_runner {
            self.assert_no_child();
        }
    }

    fn assert_no_child(&self) {
        let left = || -> Vec<i32> {
            let pids = std::fs::read_to_string(self.place.path("pids")).unwrap_or_default();
            pids.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| self.is_ours(*pid)).collect()
        };
        assert!(await_until(SOON, || left().is_empty()), "checks outlived their runner: {:?}", left());
    }

    /// Whether a process lives that works in our folder: the number may have been given to another since.
    fn is_ours(&self, pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let lives = stat.rsplit_once(") ").is_some_and(|(_, after)| !after.starts_with(['Z', 'X']));
        lives
            && std::fs::read_link(format!("/proc/{pid}/cwd"))
                .is_ok_and(|folder| folder == self.place.path(""))
    }

    /// The outputs and statuses of a check in all logs, the oldest first.
    fn logged(&self, check: &str) -> Vec<(String, u64)> {
        let name = |number: usize| match number {
            0 => self.place.path("log"),
            _ => PathBuf::from(format!("{}.{number}", self.place.arg("log"))),
        };
        let logs = (0..).map(name).take_while(|log| log.exists()).collect::<Vec<_>>();
        let text: String =
            logs.iter().rev().map(|log| std::fs::read_to_string(log).expect("readable")).collect();
        let lines = text.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("torn: {error}: {line}"))
        });
        let checks =
            lines.map(|line| line["payload"]["check"].clone()).filter(|found| found["name"] == check);
        let told = |found: Value| Some((found["output"].as_str()?.to_owned(), found["status"].as_u64()?));
        checks.map(|found| told(found).expect("a result")).collect()
    }

    /// Asserts that all that is in the log is served, once, and returns how many results that are.
    fn assert_whole(&mut self) -> usize {
        self.start();
        // From here on nothing changes: the runner is gone, and the exporter has read everything.
        if self.parts == Parts::Two
            && let Some(mut runner) = self.runner.take()
        {
            runner.end(Signal::SIGKILL);
        }
        if self.parts == Parts::Node {
            self.exporter.take().expect("it runs").end(Signal::SIGKILL);
            let [log, state] = ["log", "state"].map(|name| self.place.arg(name));
            let args = ["exporter", "--follow", &log, "--state-dir", &state, "--history", "100000"];
            self.exporter = Some(self.place.serve(&args));
        }
        self.assert_no_child();
        assert!(await_until(SOON, || self
            .place
            .get("/-/ready")
            .is_some_and(|page| page.text() == "ready\n")));
        COUNTING.into_iter().map(|check| self.assert_served(check)).sum()
    }

    fn assert_served(&self, check: &str) -> usize {
        let logged = self.logged(check);
        let (newest, status) =
            logged.last().unwrap_or_else(|| panic!("{check} never ran: {}", self.place.said()));
        let series = format!("iaasmon_check_status{{check=\"{check}\"}}");
        assert_eq!(self.place.metric(&series), Some(*status as f64), "{newest}: {}", self.place.said());
        assert_eq!(self.place.json(&format!("/api/v1/checks/{check}"))["output"], newest.as_str());
        let page = self.place.json(&format!("/api/v1/checks/{check}/history"));
        let runs = page["runs"].as_array().expect("runs");
        let kept: Vec<u64> = runs.iter().rev().map(|run| run["status"].as_u64().expect("a status")).collect();
        let wanted: Vec<u64> = logged.iter().map(|(_, status)| *status).collect();
        assert_eq!(kept, wanted, "{check}: {}", self.place.said());
        // No run was begun twice: the numbers only grow.
        let numbers: Vec<u64> = logged
            .iter()
            .filter_map(|(output, _)| output.trim().strip_prefix("run ")?.parse().ok())
            .collect();
        assert_eq!(numbers.len(), logged.len());
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        logged.len()
    }
}

#[test]
fn soak_live_nodes_are_killed_at_any_moment() {
    let mut number = 0;
    run("nodes killed four times each", 2, |random| {
        number += 1;
        let mut node = Node::new(if number % 2 == 0 { Parts::Two } else { Parts::Node });
        // A checkpoint to begin with: without one, logs that were moved away already are another's.
        node.place.write("log", "");
        let [log, state] = ["log", "state"].map(|name| node.place.arg(name));
        node.place.write("log", "{\"message\":\"begun\"}\n");
        let args = ["exporter", "--follow", &log, "--state-dir", &state, "--history", "100000"];
        assert!(node.place.serve(&args).end(Signal::SIGTERM).success());
        for _ in 0..KILLS {
            node.start();
            let moment = Duration::from_millis(below(random, 3000) as u64);
            // At any moment: there is nothing to wait for.
            std::thread::sleep(moment);
            node.kill(random);
        }
        node.start();
        let ran = || COUNTING.iter().all(|check| !node.logged(check).is_empty());
        assert!(await_until(SOON, ran), "{}", node.place.said());
        node.assert_whole()
    });
}
