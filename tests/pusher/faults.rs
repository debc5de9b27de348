//! Gateways that are dead, hang, or answer with errors, and a pusher that is killed.

use super::gateway::Gateway;
use super::server::{self, Answer};
use super::support::apart::Apart;
use super::support::{SOON, await_until};
use super::world::World;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn what_a_dead_gateway_missed_it_gets_though_the_pusher_was_killed() {
    let (dead, well) = (Gateway::new(), Gateway::running());
    let world = World::new();
    // Its output says which run it was, and it runs in the first life alone.
    world.check("counted", "echo run >> runs; wc -l < runs; exit 1");
    let mut pusher = world.serve(&[&dead, &well], &["--state-dir", "state"]);
    world.await_kept(&dead, 1.0);
    let third = |result: &serde_json::Value| number(result) >= 3;
    well.await_result("/job/counted/checks/counted", third);
    world.place.await_ready(200, &format!("gateways: {}: connection refused", dead.name()));
    assert_eq!(world.metric("iaasmon_pusher_gateway_up", &dead, ""), 0.0);
    assert!(world.metric("iaasmon_pusher_spool_age_seconds", &dead, "") > 0.5);
    assert_eq!(world.metric("iaasmon_pusher_spool_results", &dead, ""), 1.0, "of each check the newest");
    assert_eq!(world.metric("iaasmon_pusher_spool_results", &well, ""), 0.0);
    pusher.end(Signal::SIGKILL);
    let had = number(&well.result("/job/counted/checks/counted").expect("pushed"));

    // In the second life another check runs, and what waited still waits.
    world.check("counted", "sleep 60");
    world.check("other", "echo other");
    let mut pusher = world.serve(&[&dead, &well], &["--state-dir", "state"]);
    world.await_kept(&dead, 2.0);
    pusher.end(Signal::SIGKILL);
    let _pusher = world.serve(&[&dead, &well], &["--state-dir", "state"]);
    dead.start();
    let counted = dead.await_result("/job/counted/checks/counted", |_| true);
    // The last run may have come to the well one alone: it was killed within the quarter of a second that the disk is spared.
    assert!(number(&counted) + 1 >= had && counted["status"] == 1, "{counted} and {had}");
    dead.await_result("/job/other/checks/other", |_| true);
    world.place.await_ready(200, "");
    assert!(await_until(SOON, || world.metric("iaasmon_pusher_gateway_up", &dead, "") == 1.0));
}

/// The number of the run that a result is of.
fn number(result: &serde_json::Value) -> u64 {
    result["output"].as_str().and_then(|output| output.trim().parse().ok()).unwrap_or_default()
}

#[test]
fn a_gateway_that_hangs_holds_up_no_other_and_has_the_newest_once_it_goes_on() {
    let (hanging, well) = (Gateway::running(), Gateway::running());
    let world = World::new();
    world.check("counted", "echo run >> runs; wc -l < runs");
    let mut pusher = world.serve(&[&hanging, &well], &["--state-dir", "state"]);
    let path = "/job/counted/checks/counted";
    hanging.await_result(path, |_| true);
    hanging.stop();
    let then = number(&well.result(path).expect("pushed"));
    well.await_result(path, |result| number(result) >= then + 4);
    assert!(world.outcome(&hanging, "failed") >= 1.0);
    world.place.await_ready(200, "timed out after 1s");
    hanging.wake();
    hanging.await_result(path, |result| number(result) >= then + 4);
    // What came late came to nothing: in the end both have the same.
    assert!(pusher.end(Signal::SIGTERM).success());
    let newest = number(&well.result(path).expect("pushed"));
    assert_eq!(number(&hanging.result(path).expect("pushed")), newest);
}

#[test]
fn a_gateway_that_hangs_does_not_hold_up_the_end() {
    let (hanging, well) = (Gateway::running(), Gateway::running());
    let world = World::new();
    world.check("counted", "echo run >> runs; wc -l < runs");
    let mut pusher = world.serve(&[&hanging, &well], &["--state-dir", "state"]);
    let path = "/job/counted/checks/counted";
    let then = number(&hanging.await_result(path, |_| true));
    hanging.stop();
    well.await_result(path, |result| number(result) >= then + 2);
    let begun = clock::instant();
    assert!(pusher.end(Signal::SIGTERM).success());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let said = world.place.said();
    assert!(said.contains("they wait for the next start") && said.contains("timed out after 1s"), "{said}");
    let newest = number(&well.result(path).expect("pushed"));
    world.check("counted", "sleep 60");
    let _pusher = world.serve(&[&hanging, &well], &["--state-dir", "state"]);
    hanging.wake();
    hanging.await_result(path, |result| number(result) == newest);
}

#[test]
fn a_gateway_that_comes_and_goes_misses_nothing() {
    let gateway = Gateway::running();
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.check(name, &format!("echo run >> {name}.runs; wc -l < {name}.runs"));
    }
    let mut pusher = world.serve(&[&gateway], &["--state-dir", "state"]);
    for round in 0..4 {
        gateway.await_result("/job/a/checks/a", |_| true);
        gateway.kill();
        std::thread::sleep(Duration::from_millis(700));
        if round == 2 {
            pusher.end(Signal::SIGKILL);
            pusher = world.serve(&[&gateway], &["--state-dir", "state"]);
        }
        gateway.start();
        std::thread::sleep(Duration::from_millis(900));
    }
    assert!(pusher.end(Signal::SIGTERM).success());
    for name in ["a", "b", "c"] {
        let runs = std::fs::read_to_string(world.place.path(&format!("{name}.runs")))
            .expect("it ran")
            .lines()
            .count();
        let result = gateway.result(&format!("/job/{name}/checks/{name}")).expect("pushed");
        assert_eq!(number(&result), runs as u64, "{name}");
    }
}

/// The words of a pushgateway that does not take something.
const OWN_WORDS: &str = r#"{"v":1,"error":"so it is"}"#;

/// A server that answers every push with this status and these words, and how many there were.
fn answering(status: &'static str, words: &'static str) -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let address = server::start_routed(move |path, _| {
        if path == "/-/ready" {
            return Answer::http("200 OK", "", b"");
        }
        counter.fetch_add(1, Ordering::Relaxed);
        Answer::http(status, "", words.as_bytes())
    });
    (address.to_string(), count)
}

#[test]
fn what_is_refused_is_dropped_and_what_may_be_taken_later_waits() {
    for (status, words, is_dropped) in [
        ("400 Bad Request", OWN_WORDS, true),
        // A server of HTTPS that is asked in plain HTTP; others on the way are as outspoken.
        ("400 Bad Request", "The plain HTTP request was sent to HTTPS port", false),
        ("406 Not Acceptable", r#"{"error":"who are you?"}"#, false),
        ("413 Payload Too Large", "so it is", true),
        ("401 Unauthorized", OWN_WORDS, false),
        ("404 Not Found", "no such page", false),
        ("429 Too Many Requests", OWN_WORDS, false),
        ("503 Service Unavailable", OWN_WORDS, false),
        ("507 Insufficient Storage", OWN_WORDS, false),
    ] {
        let (address, count) = answering(status, words);
        let world = World::new();
        for name in ["a", "b", "c", "d"] {
            world.check(name, "echo a");
        }
        let url = format!("http://{address}");
        let _pusher = world.serve(&[], &["--gateway", &url]);
        assert!(await_until(SOON, || count.load(Ordering::Relaxed) > 0), "{status}");
        let outcome = |outcome: &str| {
            let series =
                format!("iaasmon_pusher_pushes_total{{gateway=\"{address}\",outcome=\"{outcome}\"}}");
            world.place.metric(&series).unwrap_or_default()
        };
        let (happens, never) = if is_dropped { ("refused", "failed") } else { ("failed", "refused") };
        assert!(await_until(SOON, || outcome(happens) >= 1.0), "{status}");
        assert_eq!(outcome(never), 0.0, "{status}");
        if is_dropped {
            assert!(
                await_until(SOON, || world.place.said().contains("refuses the result, it is dropped")),
                "{status}"
            );
            assert!(world.place.said().contains("so it is"), "{status}");
            // It answers, and says so again and again: the page tells it, and the log only now and then.
            world.place.await_ready(200, &format!("gateways: {address}: refuses results: "));
            assert!(await_until(SOON, || outcome(happens) >= 4.0), "{status}");
            let lines = world.place.said().matches("refuses the result, it is dropped").count();
            assert!((1..=outcome(happens).log2() as usize + 1).contains(&lines), "{}", world.place.said());
            let up = format!("iaasmon_pusher_gateway_up{{gateway=\"{address}\"}}");
            assert_eq!(world.place.metric(&up), Some(1.0), "{status}");
        } else {
            world.place.await_ready(200, &format!("gateways: {address}: "));
        }
    }
}

#[test]
fn a_gateway_that_refuses_is_well_again_once_it_takes_a_result() {
    let takes = Arc::new(AtomicBool::new(false));
    let switch = takes.clone();
    let address =
        server::start_routed(move |path, _| match path == "/-/ready" || takes.load(Ordering::Relaxed) {
            true => Answer::http("200 OK", "", b""),
            false => Answer::http("400 Bad Request", "", OWN_WORDS.as_bytes()),
        });
    let world = World::new();
    world.check("a", "echo a");
    let _pusher = world.serve(&[], &["--gateway", &format!("http://{address}")]);
    world.place.await_ready(200, "refuses results: ");
    switch.store(true, Ordering::Relaxed);
    let is_well = || world.place.get("/-/ready").is_some_and(|page| !page.text().contains("refuses"));
    assert!(await_until(SOON, is_well), "{}", world.place.said());
}

#[test]
fn a_result_that_is_older_than_what_the_gateway_knows_is_told() {
    let gateway = Gateway::running();
    // Somebody with a clock that goes ahead pushes the same check.
    let ahead = clock::now().timestamp() + 30;
    let path = "/job/a/checks/a";
    gateway.put_result(path, &format!(r#"{{"status":1,"output":"ahead","executed":{ahead}}}"#));
    let world = World::new();
    world.check("a", "echo a");
    let _pusher = world.serve(&[&gateway], &[]);
    assert!(await_until(SOON, || world.outcome(&gateway, "older") >= 1.0));
    assert!(world.place.said().contains("knows a newer result of the check"), "{}", world.place.said());
    assert_eq!(gateway.result(path).map(|result| result["output"].clone()), Some("ahead".into()));
    assert_eq!(world.metric("iaasmon_pusher_gateway_up", &gateway, ""), 1.0);
}

#[test]
fn a_gateway_that_is_dead_at_the_start_is_not_said_to_be_up() {
    let gateway = Gateway::new();
    let world = World::new();
    // It will not run for long.
    world.define(
        "daily",
        r#"{"checks": {"daily": {"command": "echo a", "interval": 86400, "standalone": true}}}"#,
    );
    let _pusher = world.serve(&[&gateway], &[]);
    assert_eq!(world.metric("iaasmon_pusher_gateway_up", &gateway, ""), 0.0);
    world.place.await_ready(200, &format!("gateways: {}: connection refused", gateway.name()));
    gateway.start();
    assert!(await_until(SOON, || world.metric("iaasmon_pusher_gateway_up", &gateway, "") == 1.0));
}

#[test]
fn a_disk_that_takes_nothing_is_done_without_and_taken_up_again() {
    let gateway = Gateway::new();
    let world = World::new();
    world.check("old", "echo old");
    let args = ["--state-dir", "state"];
    let mut pusher = world.serve(&[&gateway], &args);
    world.await_kept(&gateway, 1.0);
    assert!(pusher.end(Signal::SIGTERM).success());
    // At the next start the folder is read-only: checks run, and their results wait in memory.
    world.check("old", "sleep 60");
    world.check("new", "echo new");
    let apart = Apart::read_only(&world.place.path("state"));
    let mut command = world.command(&[&gateway], &args);
    let mut pusher = world.place.await_answer(world.place.spawn(&mut apart.command(&command)));
    world.place.await_metric("iaasmon_pusher_spool_writable", 0.0);
    world.place.await_ready(200, "spool: ");
    assert!(await_until(SOON, || world.metric("iaasmon_pusher_spool_results", &gateway, "") == 1.0));
    assert_eq!(world.metric("iaasmon_pusher_spool_kept", &gateway, ""), 0.0);
    // It is well again: what was on it and what came since wait together.
    apart.make_writable(&world.place.path("state"));
    world.await_kept(&gateway, 2.0);
    world.place.await_metric("iaasmon_pusher_spool_writable", 1.0);
    pusher.end(Signal::SIGKILL);
    command = world.command(&[&gateway], &args);
    let _pusher = world.place.await_answer(world.place.spawn(&mut command));
    gateway.start();
    gateway.await_result("/job/old/checks/old", |_| true);
    gateway.await_result("/job/new/checks/new", |_| true);
}

#[test]
fn a_spool_that_somebody_wrote_over_is_written_anew() {
    let gateway = Gateway::new();
    let world = World::new();
    world.check("a", "echo old");
    world.check("b", "echo old");
    let args = ["--state-dir", "state"];
    let mut pusher = world.serve(&[&gateway], &args);
    world.await_kept(&gateway, 2.0);
    world.place.write("state/pusher.redb", "nothing of ours");
    assert!(pusher.end(Signal::SIGTERM).success());
    world.check("a", "sleep 60");
    world.check("b", "sleep 60");
    let _pusher = world.serve(&[&gateway], &args);
    gateway.start();
    for path in ["/job/a/checks/a", "/job/b/checks/b"] {
        gateway.await_result(path, |result| result["output"] == "old\n");
    }
}

#[test]
fn two_pushers_do_not_share_a_folder() {
    let gateway = Gateway::new();
    let world = World::new();
    world.check("a", "echo a");
    let mut pusher = world.serve(&[&gateway], &["--state-dir", "state"]);
    world.await_kept(&gateway, 1.0);
    let other = World::new();
    other.check("b", "echo b");
    let state = world.place.arg("state");
    let mut second =
        other.place.command(&["pusher", "-d", "jobs.d", "--gateway", &gateway.url(), "--state-dir", &state]);
    let refused = crate::support::run(&mut second, b"");
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("in use by another process"), "{refused:?}");
    assert!(pusher.end(Signal::SIGTERM).success());
    assert!(world.place.said().contains("they wait for the next start"), "{}", world.place.said());
}
