//! Killed at any moment: nothing that reached the log is lost, and nothing is counted twice.

use super::log::{append, result, result_at};
use super::support::service::Place;
use super::support::{SOON, await_until};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const CHECKS: u64 = 4;
const ROUNDS: u64 = 10;
const ROTATE_EVERY: u64 = 3_000;

/// Appends numbered results and rotates, until told to stop.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(log: PathBuf) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                if number > 0 && number.is_multiple_of(ROTATE_EVERY) {
                    rotate(&log);
                }
                // Some at a time, and a line in two halves now and then: a reader must not take half a line.
                let lines: String = (number..number + 20).map(line).collect();
                let (first, second) = lines.split_at(lines.len() / 2);
                append(&log, first);
                append(&log, second);
                count.store(number + 20, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, written, thread: Some(thread) }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn end(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it wrote all");
        self.written()
    }
}

fn output(number: u64) -> String {
    format!("run {number}\n")
}

fn line(number: u64) -> String {
    result(&format!("c{}", number % CHECKS), 0, &output(number))
}

/// One run a second of one check, up to now.
fn backlog(runs: i64) -> String {
    let now = clock::now().timestamp();
    (0..runs).map(|n| result_at(now - runs + n, "a", 0, &output(n.unsigned_abs()))).collect()
}

fn rotate(log: &Path) {
    let name = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    for n in (1..30).rev() {
        // Most are not there yet.
        let _ = std::fs::rename(name(n), name(n + 1));
    }
    std::fs::rename(log, name(1)).expect("moved");
}

#[test]
fn killed_at_any_moment_it_counts_every_result_once() {
    let place = Place::new();
    let log = place.path("log");
    place.write("log", line(0).replace("\"c0\"", "\"first\""));
    let (follow, state) = (place.arg("log"), place.arg("state"));
    let args = ["exporter", "--follow", &follow, "--state-dir", &state, "--history", "100000"];
    // A checkpoint to begin with: without one, logs that were moved away already are another's.
    assert!(place.serve(&args).end(Signal::SIGTERM).success());
    let mut writer = Writer::start(log);
    for round in 0..ROUNDS {
        let mut exporter = place.serve(&args);
        // Checkpoints are written with every five thousand runs; the kill meets them where it may.
        let until = writer.written() + 2_000 + round * 433;
        assert!(await_until(SOON, || writer.written() >= until));
        exporter.end(Signal::SIGKILL);
    }
    let written = writer.end();
    let mut exporter = place.serve(&args);
    // The port opens with what was restored; it is ready once the backlog is read.
    assert!(await_until(SOON, || place.get("/-/ready").is_some_and(|page| page.text() == "ready\n")));
    for check in 0..CHECKS {
        let page = place.json(&format!("/api/v1/checks/c{check}/history"));
        let runs = page["runs"].as_array().expect("runs");
        let got: Vec<&str> = runs.iter().rev().filter_map(|run| run["output_sha256"].as_str()).collect();
        let wanted: Vec<String> = (check..written).step_by(CHECKS as usize).map(digest).collect();
        let at = got.iter().zip(&wanted).position(|(got, wanted)| got != wanted);
        assert_eq!((got.len(), at), (wanted.len(), None), "c{check} of {written}: {}", place.said());
        let detail = place.json(&format!("/api/v1/checks/c{check}"));
        assert_eq!(detail["occurrences"], wanted.len());
        assert_eq!(detail["history"], serde_json::json!(vec![0; wanted.len().min(21)]));
    }
    assert!(exporter.end(Signal::SIGTERM).success());
    assert!(!place.said().contains("lost"), "{}", place.said());
}

fn digest(number: u64) -> String {
    Sha256::digest(output(number)).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn results_are_served_with_the_first_answer_of_the_port() {
    let place = Place::new();
    place.write("log", result("a", 2, "bad"));
    let (follow, state) = (place.arg("log"), place.arg("state"));
    let args = ["exporter", "--follow", &follow, "--state-dir", &state];
    assert!(place.serve(&args).end(Signal::SIGTERM).success());
    // The log is gone: what is known comes from the store alone.
    std::fs::remove_file(place.path("log")).expect("removed");
    let mut exporter = place.spawn(&mut place.command(&args));
    let mut first = None;
    let answered = await_until(SOON, || {
        first = place.get("/metrics");
        first.is_some() || exporter.has_ended()
    });
    let page = first.map(|page| page.text()).unwrap_or_default();
    assert!(answered && page.contains("iaasmon_check_status{check=\"a\"} 2\n"), "{page} {}", place.said());
    assert_eq!(place.json("/api/v1/checks/a")["output"], "bad");
}

#[test]
fn a_large_backlog_is_kept_whole_and_known_before_the_port_opens() {
    let (place, runs) = (Place::new(), 30_000);
    place.write("log", backlog(runs));
    let (follow, state) = (place.arg("log"), place.arg("state"));
    let exporter = place.spawn(&mut place.command(&[
        "exporter",
        "--follow",
        &follow,
        "--state-dir",
        &state,
        "--history",
        "100000",
    ]));
    let mut first = None;
    let answered = await_until(SOON, || {
        first = place.get("/metrics");
        first.is_some()
    });
    let page = first.map(|page| page.text()).unwrap_or_default();
    assert!(
        answered && page.contains(&format!("iaasmon_log_lines_total{{result=\"result\"}} {runs}\n")),
        "{page}"
    );
    assert!(page.contains("iaasmon_history_runs_lost_total 0\n"), "{page}");
    let history = place.json("/api/v1/checks/a/history");
    assert_eq!(history["runs"].as_array().map(Vec::len), usize::try_from(runs).ok());
    drop(exporter);
}

#[test]
fn without_a_store_the_newest_runs_are_held() {
    let (place, runs) = (Place::new(), 30_000);
    place.write("log", backlog(runs));
    let follow = place.arg("log");
    let _exporter = place.serve(&["exporter", "--follow", &follow]);
    place.await_metric("iaasmon_history_runs_lost_total", 0.0);
    let history = place.json("/api/v1/checks/a/history");
    let runs = history["runs"].as_array().expect("runs");
    assert_eq!((runs.len(), runs[0]["output_sha256"].as_str()), (100, Some(&*digest(29_999))));
}
