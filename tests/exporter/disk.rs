//! Disks that are full or read-only: what is served stays right, and nothing that reached the log is lost.

use super::log::{append, result};
use super::support::apart::Apart;
use super::support::service::Place;
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const WRITABLE: &str = "iaasmon_state_writable";
const MANY: &str = "100000";

/// Definitions of checks that say something else each time they run, a second apart.
fn define(place: &Place, checks: &[&str]) {
    let definition = |check: &&str| {
        let command = format!("echo {check} $$ $(date +%s.%N); exit 1");
        ((*check).to_owned(), json!({"command": command, "interval": 1, "standalone": true}))
    };
    let checks: serde_json::Map<_, _> = checks.iter().map(definition).collect();
    let client =
        json!({"name": "n1", "address": "127.0.0.1", "subscriptions": [], "socket": {"enabled": false}});
    std::fs::create_dir_all(place.path("conf.d")).expect("created");
    place.write("conf.d/all.json", json!({"client": client, "checks": checks}).to_string());
}

/// The digests of a check's outputs as they stand in a log.
fn logged(log: &Path, check: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    let checks = lines.map(|line| line["payload"]["check"].clone()).filter(|found| found["name"] == check);
    checks.map(|found| digest(found["output"].as_str().expect("text"))).collect()
}

fn digest(output: &str) -> String {
    Sha256::digest(output).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests of a check's outputs in the history, the oldest first.
fn history(place: &Place, check: &str) -> Vec<String> {
    let page = place.json(&format!("/api/v1/checks/{check}/history"));
    let runs = page["runs"].as_array().unwrap_or_else(|| panic!("{page}")).iter().rev();
    runs.map(|run| run["output_sha256"].as_str().expect("a digest").to_owned()).collect()
}

fn status(check: &str) -> String {
    format!("iaasmon_check_status{{check=\"{check}\"}}")
}

#[test]
fn a_state_that_cannot_be_written_is_done_without_and_taken_up_again() {
    let place = Place::new();
    define(&place, &["a"]);
    let [definitions, log, state] = ["conf.d", "log", "state"].map(|name| place.arg(name));
    let args = ["node", "-d", &definitions, "-l", &log, "--state-dir", &state, "--history", MANY];
    let mut node = place.serve(&args);
    place.await_metric(WRITABLE, 1.0);
    place.await_metric(&status("a"), 1.0);
    assert!(node.end(Signal::SIGTERM).success(), "{}", place.said());
    // The folder is read-only at the next start: statuses are served all the same, and everybody is told.
    let apart = Apart::read_only(&place.path("state"));
    let mut node = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
    place.await_metric(WRITABLE, 0.0);
    place.await_ready(200, "history: the state cannot be written: ");
    assert!(place.get("/-/ready").expect("answered").text().contains("Read-only file system"));
    let ran = logged(&place.path("log"), "a").len();
    assert!(await_until(SOON, || logged(&place.path("log"), "a").len() > ran + 2));
    place.await_metric(&status("a"), 1.0);
    assert!(history(&place, "a").len() > ran, "the newest runs are held");
    assert_eq!(place.metric("iaasmon_history_runs_lost_total"), Some(0.0));
    // The disk comes back: what the store held and what came since is one history, each run once.
    apart.make_writable(&place.path("state"));
    place.await_metric(WRITABLE, 1.0);
    assert!(await_until(SOON, || place.get("/-/ready").is_some_and(|page| page.text() == "ready\n")));
    assert!(node.end(Signal::SIGTERM).success(), "{}", place.said());
    let _node = place.serve(&["exporter", "--follow", &log, "--state-dir", &state, "--history", MANY]);
    assert_eq!(history(&place, "a"), logged(&place.path("log"), "a"), "{}", place.said());
}

#[test]
fn a_state_folder_that_is_somebody_elses_is_done_without() {
    let place = Place::new();
    let folder = place.path("state");
    std::fs::create_dir(&folder).expect("created");
    let let_in =
        |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).expect("set");
    let_in(0o555);
    place.write("log", result("a", 2, "bad"));
    let apart = Apart::with("true", &[]);
    let [log, state] = ["log", "state"].map(|name| place.arg(name));
    let serve = place.command(&["exporter", "--follow", &log, "--state-dir", &state]);
    let mut exporter = place.await_answer(place.spawn(&mut apart.command_without_privilege(&serve)));
    place.await_metric(&status("a"), 2.0);
    place.await_metric(WRITABLE, 0.0);
    place.await_ready(200, "Permission denied");
    let_in(0o755);
    place.await_metric(WRITABLE, 1.0);
    assert!(exporter.end(Signal::SIGTERM).success(), "{}", place.said());
}

#[test]
fn a_full_disk_under_the_state_costs_no_run_and_no_answer() {
    let place = Place::new();
    std::fs::create_dir(place.path("state")).expect("created");
    let apart = Apart::small_disk(&place.path("state"), 16 * 1024);
    let [log, state] = ["log", "state"].map(|name| place.arg(name));
    let args = ["exporter", "--follow", &log, "--state-dir", &state];
    let say = |from: u32, to: u32| {
        let lines = (from..to)
            .map(|n| result(["a", "b", "c"][n as usize % 3], i64::from(n % 2), &format!("run {n}")));
        append(&place.path("log"), lines.collect::<String>());
    };
    say(0, 6000);
    let mut exporter = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
    place.await_metric(WRITABLE, 1.0);
    let filler = apart.fill(&place.path("state"));
    // So many runs are kept at once, and are more than the database has free pages for.
    say(6000, 14_000);
    place.await_metric(WRITABLE, 0.0);
    place.await_ready(200, "No space left on device");
    // It goes on for as long as it takes, in bounded memory.
    say(14_000, 60_000);
    place.await_metric("iaasmon_log_lines_total{result=\"result\"}", 60_000.0);
    let newest =
        |count: u32| (0..count).rev().map(|n| digest(&format!("run {}", 59_997 - 3 * n))).collect::<Vec<_>>();
    assert_eq!(history(&place, "a"), newest(100), "the newest runs are held");
    assert_eq!(place.metric("iaasmon_history_runs_lost_total"), Some(0.0));
    assert_eq!(place.metric(&status("a")), Some(1.0));
    assert!(!exporter.has_ended(), "{}", place.said());
    std::fs::remove_file(filler).expect("removed");
    place.await_metric(WRITABLE, 1.0);
    assert!(exporter.end(Signal::SIGTERM).success(), "{}", place.said());
    std::fs::remove_file(place.path("log")).expect("removed");
    // What is known now comes from the store alone.
    let _exporter = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
    assert_eq!(history(&place, "a"), newest(100), "{}", place.said());
    assert!(!place.said().contains("damaged"), "{}", place.said());
}

#[test]
fn a_full_disk_under_everything_holds_the_newest_results_until_there_is_room() {
    let place = Place::new();
    std::fs::create_dir(place.path("disk")).expect("created");
    define(&place, &["a", "b"]);
    let apart = Apart::small_disk(&place.path("disk"), 8 * 1024);
    let [definitions, log, state] = ["conf.d", "disk/log", "disk/state"].map(|name| place.arg(name));
    let args = ["node", "-d", &definitions, "-l", &log, "--state-dir", &state, "--history", MANY];
    let mut node = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
    place.await_metric(&status("a"), 1.0);
    place.await_metric(&status("b"), 1.0);
    let filler = apart.fill(&place.path("disk"));
    // Whatever is left of the log's last page is filled by whole lines alone.
    place.await_metric("iaasmon_runner_results_waiting", 2.0);
    place.await_ready(503, "No space left on device");
    // Runner and exporter say so with one voice: that the log can be read makes nobody ready who cannot write it.
    let ready = || place.get("/-/ready").is_some_and(|page| page.code == 200);
    assert!(!await_until(Duration::from_secs(2), ready));
    let lost = || place.metric("iaasmon_runner_results_lost_total");
    assert!(await_until(SOON, || lost() >= Some(4.0)), "newer results take the place of older ones");
    assert_eq!(place.metric(&status("a")), Some(1.0));
    std::fs::remove_file(filler).expect("removed");
    place.await_metric("iaasmon_runner_results_waiting", 0.0);
    place.await_ready(200, "ready");
    let told = place.metric("iaasmon_runner_results_written_total").expect("a number");
    assert!(node.end(Signal::SIGTERM).success(), "{}", place.said());
    // Every line is whole, and what stands in the log stands in the history, once.
    let outside = apart.outside(&place.path("disk/log"));
    let [a, b] = ["a", "b"].map(|check| logged(&outside, check));
    assert!((a.len() + b.len()) as f64 >= told, "{} and {} of {told}", a.len(), b.len());
    let follow = ["exporter", "--follow", &log, "--state-dir", &state, "--history", MANY];
    let _exporter = place.await_answer(place.spawn(&mut apart.command(&place.command(&follow))));
    assert_eq!((history(&place, "a"), history(&place, "b")), (a, b), "{}", place.said());
}

#[test]
fn a_node_whose_disk_is_read_only_starts_and_says_what_it_knows() {
    let place = Place::new();
    std::fs::create_dir(place.path("disk")).expect("created");
    define(&place, &["a"]);
    let [definitions, log, state] = ["conf.d", "disk/log", "disk/state"].map(|name| place.arg(name));
    append(&place.path("disk/log"), result("before", 2, "known from before"));
    let apart = Apart::read_only(&place.path("disk"));
    let args = ["node", "-d", &definitions, "-l", &log, "--state-dir", &state];
    let mut node = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
    place.await_metric(&status("before"), 2.0);
    place.await_ready(503, "Read-only file system");
    // The checks run, and what they say waits for the disk.
    place.await_metric("iaasmon_runner_results_waiting", 1.0);
    apart.make_writable(&place.path("disk"));
    place.await_metric(&status("a"), 1.0);
    place.await_metric(WRITABLE, 1.0);
    place.await_ready(200, "ready");
    // Which checks are scheduled was to be said at the start; it is said now.
    let text = std::fs::read_to_string(place.path("disk/log")).expect("the log");
    assert!(text.contains("\"message\":\"scheduled checks\",\"checks\":[\"a\"]"), "{text}");
    assert!(node.end(Signal::SIGTERM).success(), "{}", place.said());
}

#[test]
fn without_any_watch_to_be_had_a_log_is_read_all_the_same() {
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        let place = Place::new();
        let (log, state) = (place.arg("log"), place.arg("state"));
        place.write("log", result("a", 0, "first"));
        let apart = Apart::with("echo 0 >\"/proc/sys/user/$1\"", &[limit]);
        let args = ["exporter", "--follow", &log, "--state-dir", &state, "--history", MANY];
        let mut exporter = place.await_answer(place.spawn(&mut apart.command(&place.command(&args))));
        // Every question looks at the log first. So none is asked, and that it was read is known from the store growing: so
        // many runs do not wait for their time.
        let kept = || std::fs::metadata(place.path("state/exporter.redb")).map_or(0, |about| about.len());
        let before = kept();
        let many = (0..6000).map(|n| result("b", 2, &n.to_string()));
        append(&place.path("log"), many.collect::<String>());
        assert!(await_until(SOON, || kept() > before + 200_000), "{limit}: {before} {}", kept());
        assert!(exporter.end(Signal::SIGTERM).success(), "{}", place.said());
        std::fs::remove_file(place.path("log")).expect("removed");
        let _exporter = place.serve(&args);
        assert_eq!(place.metric(&status("b")), Some(2.0), "{limit}: {}", place.said());
    }
}
