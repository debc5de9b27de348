//! What a gateway that is well hears of, and in which group.

use super::gateway::Gateway;
use super::support::await_until;
use super::support::{SOON, iaasmon};
use super::world::World;
use nix::sys::signal::Signal;

#[test]
fn results_reach_every_gateway_in_their_groups() {
    let (one, two) = (Gateway::running(), Gateway::running());
    let world = World::new();
    world.check("plain", "echo fine");
    world.define(
        "backup",
        r#"{"checks": {"check_backup": {"command": "echo 'late: token=hunter2hunter2'; exit 2", "interval": 1, "standalone": true,
            "push_job": "backup", "push_grouping": {"db": "main/a", "site": ":::site:::"}, "team": "db", "handlers": ["mailer"],
            "source": "db-7"}}}"#,
    );
    let mut pusher = world.serve(&[&one, &two], &["--grouping", "site=none", "--grouping", "env=test"]);
    for gateway in [&one, &two] {
        let plain = gateway.await_result("/job/plain/env/test/site/none/checks/plain", |_| true);
        assert_eq!((&plain["status"], &plain["output"]), (&0.into(), &"fine\n".into()));
        assert_eq!(
            (&plain["client"], &plain["interval"], &plain["command"]),
            (&"ops-1".into(), &1.0.into(), &"echo fine".into())
        );
        let path = "/job/backup/db@base64/bWFpbi9h/env/test/site/fra/checks/check_backup?source=db-7";
        let backup = gateway.await_result(path, |_| true);
        assert_eq!((&backup["status"], &backup["team"]), (&2.into(), &"db".into()));
        assert_eq!(backup["handlers"][0], "mailer");
        assert!(backup["executed"].is_string() && backup["duration"].as_f64().is_some(), "{backup}");
        // Prometheus sees both, and no secret has left the pusher.
        let plain = r#"iaasmon_check_status{check="plain",env="test",instance="",job="plain",site="none"}"#;
        let backup = r#"iaasmon_check_status{check="check_backup",db="main/a",env="test",instance="",job="backup",site="fra",source="db-7"}"#;
        assert_eq!((gateway.metric(plain), gateway.metric(backup)), (Some(0.0), Some(2.0)));
        assert!(gateway.keeps("late: token=") && !gateway.keeps("hunter2"));
    }
    // The log is the runner's.
    let log = std::fs::read_to_string(world.place.path("log")).expect("the log");
    assert!(log.contains("publishing check result") && log.contains("hunter2hunter2"), "{log}");
    world.place.await_ready(200, "");
    assert_eq!(world.metric("iaasmon_pusher_gateway_up", &one, ""), 1.0);
    assert!(world.place.metric("iaasmon_runner_checks") == Some(2.0));
    let balances = || {
        let offered = world.metric("iaasmon_pusher_results_total", &one, "");
        let outcomes = ["accepted", "older", "refused", "superseded", "dropped"]
            .map(|outcome| world.outcome(&one, outcome));
        offered >= 2.0 && outcomes.iter().sum::<f64>() == offered && outcomes[0] == offered
    };
    assert!(await_until(SOON, balances), "{}", world.place.get("/metrics").expect("a page").text());
    assert!(pusher.end(Signal::SIGTERM).success());
}

#[test]
fn what_runs_at_the_end_is_pushed_before_it() {
    let gateway = Gateway::running();
    let world = World::new();
    world.check("slow", "touch runs; sleep 2; echo done");
    let mut pusher = world.serve(&[&gateway], &[]);
    assert!(await_until(SOON, || world.place.path("runs").exists()));
    assert!(pusher.end(Signal::SIGTERM).success());
    let result = gateway.result("/job/slow/checks/slow").expect("pushed");
    assert_eq!(result["output"], "done\n");
}

#[test]
fn a_reload_takes_new_checks_and_leaves_the_old_ones_where_the_new_cannot_be_pushed() {
    let gateway = Gateway::running();
    let world = World::new();
    world.check("first", "echo 1");
    let pusher = world.serve(&[&gateway], &[]);
    gateway.await_result("/job/first/checks/first", |_| true);
    world.check("second", "echo 2");
    pusher.signal(Signal::SIGHUP);
    gateway.await_result("/job/second/checks/second", |_| true);
    world.define("third", r#"{"checks": {"third": {"command": "x", "interval": 1, "standalone": true, "push_grouping": {"a-b": "c"}}}}"#);
    pusher.signal(Signal::SIGHUP);
    assert!(await_until(SOON, || world
        .place
        .said()
        .contains("third: push_grouping: `a-b` cannot be the name")));
    assert_eq!(world.place.metric("iaasmon_runner_checks"), Some(2.0));
}

#[test]
fn a_check_that_leaves_the_definitions_leaves_the_gateways() {
    let (gateway, dying) = (Gateway::running(), Gateway::running());
    let world = World::new();
    let group = |job: &str| {
        let check =
            format!(r#"{{"command": "echo 1", "interval": 1, "standalone": true, "push_job": "{job}"}}"#);
        world.define("moves", &format!(r#"{{"checks": {{"moves": {check}}}}}"#));
    };
    group("here");
    world.check("goes", "echo 2");
    world.check("later", "echo 3");
    world.check("slow", "touch runs; until [ -e go ]; do sleep 0.1; done; echo 4");
    let gone = |gateway: &Gateway, path: &str| {
        let is_gone = await_until(SOON, || gateway.result(path).is_none());
        assert!(is_gone, "{path} is at {}: {}", gateway.name(), world.place.said());
    };
    let mut pusher = world.serve(&[&gateway, &dying], &["--state-dir", "state"]);
    for path in ["/job/here/checks/moves", "/job/goes/checks/goes", "/job/later/checks/later"] {
        gateway.await_result(path, |_| true);
        dying.await_result(path, |_| true);
    }
    dying.kill();
    assert!(await_until(SOON, || world.place.path("runs").exists()));
    world.forget("goes");
    world.forget("slow");
    group("there");
    pusher.signal(Signal::SIGHUP);
    gone(&gateway, "/job/goes/checks/goes");
    gone(&gateway, "/job/here/checks/moves");
    gateway.await_result("/job/there/checks/moves", |_| true);
    // What ran when its definition went is nobody's.
    world.place.write("go", "");
    assert!(await_until(SOON, || world.place.said().contains("its last result is not pushed")));
    gone(&gateway, "/job/slow/checks/slow");

    // What goes while no pusher runs is gone, too; and the one that was dead hears of all.
    assert!(pusher.end(Signal::SIGTERM).success());
    world.forget("later");
    let _pusher = world.serve(&[&gateway, &dying], &["--state-dir", "state"]);
    gone(&gateway, "/job/later/checks/later");
    dying.start();
    for path in ["/job/goes/checks/goes", "/job/here/checks/moves", "/job/later/checks/later"] {
        gone(&dying, path);
    }
    dying.await_result("/job/there/checks/moves", |_| true);
}

#[test]
fn what_cannot_be_pushed_is_told_at_the_start() {
    let world = World::new();
    world.define(
        "bad",
        r#"{"checks": {"bad": {"command": "x", "interval": 1, "standalone": true, "push_job": 7}}}"#,
    );
    let folder = world.place.arg("jobs.d");
    let with = |more: &[&str]| iaasmon(&[&["serve", "pusher", "-d", &folder], more].concat());
    let checked = with(&["--validate_config"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(2), "configuration is invalid\n"));
    assert!(checked.stderr.contains("bad: push_job is a text"), "{checked:?}");
    let started = with(&["--gateway", "http://127.0.0.1:1", "--listen", &world.place.address]);
    assert_eq!(started.code, Some(2));
    assert!(started.stderr.contains("hint: bad: push_job is a text"), "{started:?}");
    let nowhere = with(&[]);
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.stderr.contains("--gateway URL names one"), "{nowhere:?}");
    let large = with(&["--gateway", "http://127.0.0.1:1", "--output-limit", "3000000"]);
    assert_eq!(large.code, Some(2));
    assert!(large.stderr.contains("--output-limit 3000000 does not fit --spool-limit 16"), "{large:?}");
    assert!(large.stderr.contains("--spool-limit 18 would do"), "{large:?}");
    let nothing = iaasmon(&["serve", "pusher", "--gateway", "http://127.0.0.1:1"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("no definitions are named"), "{nothing:?}");
}
