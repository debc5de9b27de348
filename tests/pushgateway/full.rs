//! A disk that is full: what was acknowledged is served and stays, what is not taken is said so and leaves nothing.

use super::gate_world::{Gate, pushed_lines};
use super::support::apart::Apart;
use super::support::service::{Answer, Place, Running};
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use std::path::PathBuf;

const FULL: &str = "No space left on device";

/// A gateway on a disk of its own.
struct Small {
    apart: Apart,
    gate: Gate,
}

fn spawn(apart: &Apart, place: &Place) -> Running {
    let file = place.arg("disk/groups");
    place.spawn(&mut apart.command(&place.command(&["pushgateway", "--persistence.file", &file])))
}

impl Small {
    fn start() -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path("disk")).unwrap();
        let apart = Apart::small_disk(&place.path("disk"), 4 * 1024);
        let running = place.await_answer(spawn(&apart, &place));
        Self { apart, gate: Gate { place, running } }
    }

    /// Kills it, and starts it again.
    fn again(self) -> Self {
        let Self { apart, gate: Gate { place, mut running } } = self;
        running.end(Signal::SIGKILL);
        let running = place.await_answer(spawn(&apart, &place));
        Self { apart, gate: Gate { place, running } }
    }

    fn fill(&self) -> PathBuf {
        self.apart.fill(&self.gate.place.path("disk"))
    }

    /// Pushes more and more until the disk is full; returns how many of them there are.
    fn push_until_full(&self) -> (usize, Answer) {
        for number in 0..1000 {
            let answer = self.gate.ask("PUT", &format!("/metrics/job/many/n/{number}"), lines(200, number));
            if answer.code != 200 {
                return (number, answer);
            }
        }
        panic!("it never fills up");
    }

    fn files(&self) -> Vec<String> {
        let folder = self.apart.outside(&self.gate.place.path("disk"));
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn lines(count: usize, number: usize) -> String {
    (0..count).map(|line| format!("m{{line=\"{line}\"}} {number}\n")).collect()
}

/// More than there is room for in a file that has no room for a few lines more.
fn large(number: usize) -> String {
    lines(20_000, number)
}

#[test]
fn a_full_disk_takes_no_push_and_loses_none() {
    let small = Small::start();
    small.gate.push("/metrics/job/before", "before 1\n");
    let filler = small.fill();
    let (taken, answer) = small.push_until_full();
    assert_eq!(answer.code, 503);
    assert!(answer.text().contains(FULL), "{}", answer.text());
    small.gate.place.await_ready(503, FULL);
    let before = pushed_lines(&small.gate.page());
    assert_eq!(before.len(), 3 + taken * 202);
    // Whatever is tried leaves nothing.
    let check = "/api/v1/groups/job/before/checks/c";
    for (method, path, body) in [
        ("PUT", "/metrics/job/before", large(7)),
        ("POST", "/metrics/job/before", large(8)),
        ("PUT", "/metrics/job/new", large(9)),
        ("PUT", check, format!("{{\"status\":2,\"output\":\"{}\"}}", "x".repeat(1_000_000))),
    ] {
        let answer = small.gate.ask(method, path, body);
        assert_eq!(answer.code, 503, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains(FULL), "{}", answer.text());
        assert_eq!(pushed_lines(&small.gate.page()), before, "{method} {path}");
    }
    let line = serde_json::json!({"job": "before", "metrics": large(10)}).to_string();
    let answer = small.gate.ask("POST", "/api/v1/push", line);
    assert!(answer.text().contains("503") && answer.text().contains(FULL), "{}", answer.text());
    assert_eq!(pushed_lines(&small.gate.page()), before);
    std::fs::remove_file(filler).unwrap();
    small.gate.place.await_ready(200, "ready");
    small.gate.push("/metrics/job/after", "after 1\n");
    let all = pushed_lines(&small.gate.page());
    assert_eq!(all.len(), before.len() + 3);
    let small = small.again();
    assert_eq!(pushed_lines(&small.gate.page()), all);
    assert_eq!(small.files(), ["groups"], "{}", small.gate.place.said());
}

#[test]
fn a_kill_on_a_full_disk_loses_nothing_either() {
    let small = Small::start();
    small.gate.push("/metrics/job/before", "before 1\n");
    let filler = small.fill();
    let (taken, _) = small.push_until_full();
    let before = pushed_lines(&small.gate.page());
    assert_eq!(before.len(), 3 + taken * 202);
    let Small { apart, gate: Gate { place, mut running } } = small;
    running.end(Signal::SIGKILL);
    // It starts where it can, and says so where it cannot.
    let mut running = spawn(&apart, &place);
    assert!(await_until(SOON, || place.get("/-/healthy").is_some() || running.has_ended()));
    if running.has_ended() {
        assert!(place.said().contains(FULL), "{}", place.said());
    } else {
        running.end(Signal::SIGKILL);
    }
    std::fs::remove_file(filler).unwrap();
    let running = place.await_answer(spawn(&apart, &place));
    let small = Small { apart, gate: Gate { place, running } };
    assert_eq!(pushed_lines(&small.gate.page()), before, "{}", small.gate.place.said());
    assert_eq!(small.files(), ["groups"], "{}", small.gate.place.said());
}
