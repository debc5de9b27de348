//! What happens to a log, and what stands in it.

use super::log::{append, result, result_at, scheduled};
use super::support::service::Place;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;

fn status(check: &str) -> String {
    format!("iaasmon_check_status{{check=\"{check}\"}}")
}

#[test]
fn a_log_is_followed_through_everything_that_happens_to_it() {
    let place = Place::new();
    let (log, follow) = (place.path("log"), place.arg("log"));
    let _exporter = place.serve(&["exporter", "--follow", &follow]);
    place.await_ready(503, "log: ");
    assert!(place.get("/-/ready").expect("answered").text().contains("it is not there"));
    append(&log, result("a", 0, "appeared late"));
    place.await_metric(&status("a"), 0.0);
    place.await_ready(200, "ready");
    // Deleted and made anew.
    std::fs::remove_file(&log).expect("removed");
    place.await_metric(&status("a"), 0.0);
    append(&log, result("a", 1, "made anew"));
    place.await_metric(&status("a"), 1.0);
    // Copied and truncated.
    std::fs::copy(&log, place.path("log.1")).expect("copied");
    std::fs::File::options().write(true).truncate(true).open(&log).expect("truncated");
    append(&log, result("b", 2, "after"));
    place.await_metric(&status("b"), 2.0);
    place.await_metric("iaasmon_log_lines_total{result=\"result\"}", 3.0);
    // Not to be read: a file that points to itself, for the superuser may read everything else.
    std::fs::remove_file(&log).expect("removed");
    std::os::unix::fs::symlink("log", &log).expect("linked");
    place.await_ready(503, "symbolic link");
    assert_eq!(place.metric(&status("a")), Some(1.0));
    std::fs::remove_file(&log).expect("removed");
    append(&log, result("c", 0, "there again"));
    place.await_metric(&status("c"), 0.0);
    place.await_ready(200, "ready");
}

#[test]
fn whatever_stands_in_a_log_is_taken_or_counted() {
    let place = Place::new();
    let (log, follow) = (place.path("log"), place.arg("log"));
    let large = "x".repeat(1_000_000);
    append(&log, "this is no JSON\n{\"half\": \n{\"message\":\"something else\"}\n");
    append(&log, result("large", 1, &large));
    let (before, after) = result("binary", 0, "SPLIT")
        .split_once("SPLIT")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("split");
    append(&log, [before.as_bytes(), b"caf\xe9 \xff", after.as_bytes()].concat());
    append(&log, result("far", 300, "a strange exit code"));
    append(&log, result_at(clock::now().timestamp() + 86_400, "jumped", 0, "from tomorrow"));
    // A last line without an end is no line yet.
    append(&log, result("unfinished", 2, "cut").trim_end());
    let _exporter = place.serve(&["exporter", "--follow", &follow]);
    place.await_metric(&status("far"), 3.0);
    let detail = place.json("/api/v1/checks/large");
    assert_eq!((&detail["output_bytes"], &detail["output_truncated"]), (&1_000_000.into(), &true.into()));
    assert_eq!(detail["output"].as_str().map(str::len), Some(64 * 1024));
    assert_eq!(place.json("/api/v1/checks/binary")["output"], "caf\u{fffd} \u{fffd}");
    assert_eq!(place.json("/api/v1/checks/far")["exit_status"], 300);
    let jumped = place.json("/api/v1/checks/jumped");
    let executed = jumped["executed"].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>();
    assert!(executed.expect("RFC 3339") <= clock::now(), "{jumped}");
    for (result, count) in [("result", 4.0), ("not_json", 2.0), ("other", 1.0), ("too_long", 0.0)] {
        place.await_metric(&format!("iaasmon_log_lines_total{{result=\"{result}\"}}"), count);
    }
    let unknown = place.get("/api/v1/checks/unfinished").expect("answered");
    assert_eq!((unknown.code, &unknown.json()["known"]), (404, &4.into()));
    append(&log, "\n");
    place.await_metric(&status("unfinished"), 2.0);
}

#[test]
fn what_cannot_be_answered_is_refused_in_the_words_of_the_contract() {
    let place = Place::new();
    append(&place.path("log"), result("a", 0, "fine"));
    let follow = place.arg("log");
    let _exporter = place.serve(&["exporter", "--follow", &follow]);
    place.await_metric(&status("a"), 0.0);
    for (path, code) in [
        ("/api/v1/checks/%ff", 400),
        ("/api/v1/checks/a/history?limit=x", 400),
        ("/api/v1/checks/a/history?limit=-1", 400),
        ("/api/v1/checks/a?source=x&source=y", 400),
        ("/api/v1/checks/a?source=other", 404),
        ("/api/v1/nodes", 404),
        ("/api/v2/checks", 404),
        ("/api", 404),
        ("/api/", 404),
        ("/api/v1/checks/a/b/c", 404),
    ] {
        let answer = place.get(path).expect("answered");
        assert_eq!(answer.code, code, "{path}: {}", answer.text());
        let body = answer.json();
        assert_eq!(body["v"], 1, "{path}: {body}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {body}");
    }
    assert_eq!(place.json("/api/v1/checks/a?source=")["output"], "fine");
    assert_eq!(place.json("/api/v1/checks/a/history?source=&limit=0")["runs"], serde_json::json!([]));
}

#[test]
fn of_two_logs_the_newer_result_wins() {
    let place = Place::new();
    let (old, new) = (place.path("sensu"), place.path("runner"));
    let now = clock::now().timestamp();
    append(&old, result_at(now - 100, "a", 2, "the old runner's"));
    append(&new, result_at(now - 50, "a", 1, "the new runner's"));
    let (first, second) = (place.arg("sensu"), place.arg("runner"));
    let _exporter = place.serve(&["exporter", "--follow", &first, "--follow", &second]);
    place.await_metric(&status("a"), 1.0);
    append(&old, result_at(now - 70, "a", 0, "late and old"));
    place.await_metric("iaasmon_log_lines_total{result=\"older\"}", 1.0);
    place.await_metric(&status("a"), 1.0);
    append(&old, result_at(now - 10, "a", 0, "late and new"));
    place.await_metric(&status("a"), 0.0);
    // One that is missing is no trouble while the other is there.
    std::fs::remove_file(&old).expect("removed");
    append(&new, result_at(now, "a", 2, "alone"));
    place.await_metric(&status("a"), 2.0);
    place.await_ready(200, "ready");
}

#[test]
fn a_check_that_is_no_longer_scheduled_is_gone_for_good() {
    let place = Place::new();
    let (log, follow, state) = (place.path("log"), place.arg("log"), place.arg("state"));
    append(&log, scheduled(&["stays", "goes", "went"]));
    append(&log, result("stays", 0, "") + &result("goes", 2, "") + &result("went", 1, ""));
    let args = ["exporter", "--follow", &follow, "--state-dir", &state];
    let mut exporter = place.serve(&args);
    place.await_metric(&status("went"), 1.0);
    assert!(exporter.end(Signal::SIGTERM).success());
    // One goes while nobody looks, one while the exporter runs and has kept it.
    append(&log, scheduled(&["stays", "goes"]));
    let mut exporter = place.serve(&args);
    assert_eq!(place.metric(&status("went")), None);
    place.await_metric(&status("goes"), 2.0);
    append(&log, scheduled(&["stays"]));
    place.await_metric("iaasmon_checks{state=\"crit\"}", 0.0);
    assert!(exporter.end(Signal::SIGTERM).success());
    let _exporter = place.serve(&args);
    assert_eq!(place.metric(&status("stays")), Some(0.0));
    assert_eq!([place.metric(&status("goes")), place.metric(&status("went"))], [None, None]);
    assert_eq!(place.get("/api/v1/checks/goes/history").expect("answered").code, 404);
}
