//! The folder of checkpoint and history where it cannot be used, and who may read.

use super::log::{append, result};
use super::support::run;
use super::support::service::Place;
use nix::sys::signal::Signal;

#[test]
fn a_damaged_store_is_set_aside_and_the_log_is_read_again() {
    let place = Place::new();
    let (log, follow, state) = (place.path("log"), place.arg("log"), place.arg("state"));
    append(&log, result("a", 1, "careful"));
    let args = ["exporter", "--follow", &follow, "--state-dir", &state];
    assert!(place.serve(&args).end(Signal::SIGTERM).success());
    let store = place.path("state/exporter.redb");
    let length = std::fs::metadata(&store).expect("it was written").len();
    for damage in [vec![], b"no store at all".to_vec(), vec![0xa5; usize::try_from(length).expect("small")]] {
        std::fs::write(&store, &damage).expect("damaged");
        let mut exporter = place.serve(&args);
        place.await_metric("iaasmon_check_status{check=\"a\"}", 1.0);
        assert_eq!(place.json("/api/v1/checks/a/history")["runs"][0]["output"], "careful");
        assert!(exporter.end(Signal::SIGTERM).success());
    }
    assert!(place.said().contains("the store was damaged, history begins anew"), "{}", place.said());
}

#[test]
fn a_folder_that_cannot_be_used_refuses_the_start() {
    let place = Place::new();
    place.write("file", "");
    let (follow, state) = (place.arg("log"), place.arg("file/state"));
    let refused = run(&mut place.command(&["exporter", "--follow", &follow, "--state-dir", &state]), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--state-dir") && refused.stderr.contains("Not a directory"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("without --state-dir nothing is kept"), "{}", refused.stderr);
}

#[test]
fn two_exporters_do_not_share_a_store() {
    let (place, other) = (Place::new(), Place::new());
    place.write("log", result("a", 0, "fine"));
    let (follow, state) = (place.arg("log"), place.arg("state"));
    let args = ["exporter", "--follow", &follow, "--state-dir", &state];
    let _exporter = place.serve(&args);
    let refused = run(&mut other.command(&args), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    place.await_metric("iaasmon_check_status{check=\"a\"}", 0.0);
}

#[test]
fn the_last_output_before_a_change_is_kept_with_the_first_one_after_it() {
    for state in [&[][..], &["--state-dir", "state"]] {
        let place = Place::new();
        let log = place.path("log");
        let args = [&["exporter", "--follow", "log"], state].concat();
        let mut exporter = place.serve(&args);
        for (status, output) in [(0, "first"), (0, "second"), (0, "third"), (2, "full")] {
            append(&log, result("a", status, output));
        }
        place.await_metric("iaasmon_check_status{check=\"a\"}", 2.0);
        let outputs = || {
            let history = place.json("/api/v1/checks/a/history");
            let runs = history["runs"].as_array().expect("a list").iter();
            runs.map(|run| run["output"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(outputs(), ["full", "third", "-", "first"]);
        assert!(exporter.end(Signal::SIGTERM).success());
        if !state.is_empty() {
            // The first one of the new status is the last one before the next.
            let _exporter = place.serve(&args);
            append(&log, result("a", 0, "fourth"));
            place.await_metric("iaasmon_check_status{check=\"a\"}", 0.0);
            assert_eq!(outputs(), ["fourth", "full", "third", "-", "first"]);
        }
    }
}
