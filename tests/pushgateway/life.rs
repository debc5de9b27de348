//! How long groups live, how all of them go, how the gateway ends, and where its pages are.

use super::gate_world::{Gate, groups, push_many};
use super::support::service::{Answer, Place};
use super::support::{SOON, await_until, run};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use std::time::Duration;

const TTL: &str = "X-Iaasmon-TTL";

fn push_with_ttl(gate: &Gate, path: &str, ttl: &str) -> u16 {
    gate.ask_with("POST", path, &[(TTL, ttl)], "m 1\n").code
}

/// Whether a group of this job was ever pushed to and is there.
fn has(gate: &Gate, job: &str) -> bool {
    let stamp = format!("push_time_seconds{{instance=\"\",job=\"{job}\"}} once");
    gate.pushed().contains(&stamp)
}

#[test]
fn a_group_goes_when_nobody_has_pushed_for_as_long_as_it_said() {
    let gate = Gate::start(&["--ttl", "ci-.*=1s", "--ttl", "long|ci-.*=1h"]);
    // By the rule, which is for whole names; by the push, in place of the rule; for ever.
    for job in ["ci-1", "xci-1", "long", "plain"] {
        gate.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    for (job, ttl) in [("short", "1s500ms"), ("ci-kept", "0s"), ("ci-long", "2h"), ("huge", "100000y")] {
        assert_eq!(push_with_ttl(&gate, &format!("/metrics/job/{job}"), ttl), 200, "{job}");
    }
    for wrong in ["", "1", "-1s", "soon", "1s 1m"] {
        let refused = gate.ask_with("POST", "/metrics/job/wrong", &[(TTL, wrong)], "m 1\n");
        let named = refused.text().contains(&format!("{wrong:?} is no duration"));
        assert!(refused.code == 400 && named, "{wrong:?}: {}", refused.text());
    }
    assert!(await_until(SOON, || !has(&gate, "ci-1") && !has(&gate, "short")));
    for job in ["xci-1", "long", "plain", "ci-kept", "ci-long", "huge"] {
        assert!(has(&gate, job), "{job}");
    }
    assert_eq!(groups(&gate).len(), 6);
    assert_eq!(gate.place.metric("iaasmon_pushgateway_groups_expired_total"), Some(2.0));
    // Whoever pushes in time keeps it, by the newest that was said.
    assert_eq!(push_with_ttl(&gate, "/metrics/job/kept", "1s"), 200);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/kept", "1h"), 200);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/short", "1s"), 200);
    assert!(await_until(SOON, || !has(&gate, "short")));
    assert!(has(&gate, "kept"));
}

#[test]
fn a_push_that_fails_does_not_lengthen_a_life() {
    let gate = Gate::start(&[]);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/j", "2s"), 200);
    let goes_on_failing = || {
        let code = gate.ask_with("POST", "/metrics/job/j", &[(TTL, "1h")], "m 1 1600000000000\n").code;
        assert_eq!(code, 400);
        !has(&gate, "j")
    };
    assert!(await_until(SOON, goes_on_failing));
}

#[test]
fn what_is_left_of_a_life_is_kept_over_a_restart() {
    let gate = Gate::kept(&[]);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/short", "3s"), 200);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/long", "1h"), 200);
    assert_eq!(push_with_ttl(&gate, "/metrics/job/huge", "100000y"), 200);
    gate.push("/metrics/job/none", "m 1\n");
    let Gate { place, mut running } = gate;
    let since = clock::instant();
    running.end(Signal::SIGKILL);
    // Its time passes while nobody is there.
    assert!(await_until(SOON, || since.elapsed() > Duration::from_secs(3)));
    let gate = Gate::kept_at(place, &[]);
    let since = clock::instant();
    assert!(await_until(SOON, || !has(&gate, "short")));
    assert!(since.elapsed() < Duration::from_millis(2900), "it lived for {:?} more", since.elapsed());
    assert!(["long", "huge", "none"].iter().all(|job| has(&gate, job)));
}

#[test]
fn all_groups_go_at_once_where_that_is_wanted() {
    let gate = Gate::kept(&[]);
    gate.push("/metrics/job/j", "m 1\n");
    assert_eq!(gate.ask("PUT", "/api/v1/admin/wipe", "").code, 404);
    assert!(has(&gate, "j"));
    let gate = gate.again(Signal::SIGTERM, &["--web.enable-admin-api"]);
    push_many(&gate, 600);
    let commits = || gate.place.metric("iaasmon_pushgateway_commits_total").unwrap();
    let before = commits();
    assert_eq!(gate.ask("PUT", "/api/v1/admin/wipe", "").code, 202);
    assert_eq!(gate.pushed(), [""; 0]);
    // One write for each would take a minute where there are many.
    assert!(commits() - before < 60.0, "{} writes", commits() - before);
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert_eq!(gate.pushed(), [""; 0]);
}

#[test]
fn it_ends_when_a_client_says_so_and_keeps_what_it_has() {
    for args in [&["--web.enable-lifecycle"][..], &["--web.enable-lifecycle", "--durability", "interval"]] {
        let mut gate = Gate::kept(args);
        gate.push("/metrics/job/j", "m 1\n");
        let answer = gate.ask("POST", "/-/quit", "");
        assert_eq!((answer.code, answer.text().as_str()), (200, "Requesting termination... Goodbye!"));
        assert!(await_until(SOON, || gate.running.has_ended()));
        let gate = Gate::kept_at(gate.place, args);
        assert!(has(&gate, "j"), "{args:?}");
    }
}

#[test]
fn pages_are_where_the_flags_say() {
    let prefixed: [&[&str]; 4] = [
        &["--web.route-prefix", "/a/b"],
        &["--web.route-prefix", "a/b/"],
        &["--web.external-url", "http://proxy.example/a/b/"],
        &["--web.external-url", "http://proxy.example/c", "--web.route-prefix", "/a/b"],
    ];
    for args in prefixed {
        let place = Place::new();
        let mut serve = place.command(&["pushgateway", "--web.telemetry-path", "/custom"]);
        let running = place.spawn(serve.args(args));
        let gate = Gate { place, running };
        let answers = || gate.place.get("/a/b/-/ready").is_some_and(|answer| answer.code == 200);
        assert!(await_until(SOON, answers), "{args:?}: {}", gate.place.said());
        gate.push("/a/b/metrics/job/j", "m 1\n");
        let page = gate.place.get("/a/b/custom").unwrap();
        assert!(page.text().contains("\nm{instance=\"\",job=\"j\"} 1\n"), "{args:?}");
        // Its links hold as well where a proxy takes a prefix away.
        let shown = if args.contains(&"http://proxy.example/c") { "/c" } else { "/a/b" };
        let own = gate.place.get("/a/b/").unwrap();
        assert!(
            own.code == 200 && own.text().contains(&format!("{shown}/static/page.css")),
            "{args:?}: {own:?}"
        );
        let moved = gate.place.get("/a/b").unwrap();
        assert!(moved.code == 301 && moved.head.contains("location: /a/b/"), "{args:?}: {moved:?}");
        assert_eq!(gate.place.get("/a/b/static/page.css").map(|style| style.code), Some(200), "{args:?}");
        for path in ["/metrics/job/j", "/custom", "/", "/a/", "/a/b/metrics", "/a/metrics/job/j", "/-/ready"]
        {
            assert!(
                gate.place.get(path).is_some_and(|answer| matches!(answer.code, 404 | 405)),
                "{args:?} {path}"
            );
        }
        let status = gate.place.json("/a/b/api/v1/status");
        assert_eq!(status["data"]["flags"]["web.route-prefix"], "/a/b");
        assert_eq!(status["data"]["flags"]["web.telemetry-path"], "/custom");
    }
}

#[test]
fn the_own_page_is_where_the_original_has_it_below_a_prefix() {
    for flag in ["--web.external-url=http://proxy.example/push", "--web.route-prefix=/push/"] {
        let ours = Place::new();
        let running = ours.spawn(&mut ours.command(&["pushgateway", flag]));
        let ours = Gate { place: ours, running };
        let theirs = Gate::debian(&["--persistence.file=", flag]);
        assert!(await_until(SOON, || ours.place.get("/").is_some()), "{}", ours.place.said());
        // Debian's is 500 where its templates are not installed.
        for (path, code, other) in
            [("/push/", 200, [200, 500]), ("/push", 301, [301; 2]), ("/", 404, [404; 2])]
        {
            let [own, their] = [&ours, &theirs].map(|gate| gate.place.get(path).unwrap());
            assert_eq!(own.code, code, "{flag} {path}");
            assert!(other.contains(&their.code), "{flag} {path}: {}", their.code);
            let target = |answer: &Answer| {
                let head = answer.head.to_ascii_lowercase();
                head.lines().find_map(|line| line.strip_prefix("location: ").map(str::to_owned))
            };
            assert_eq!(target(&own), target(&their), "{flag} {path}");
        }
    }
}

#[test]
fn who_finds_the_address_in_use_leaves_no_file_behind() {
    let gate = Gate::kept(&[]);
    for name in ["fresh", "groups"] {
        let file = gate.place.arg(name);
        let second = run(&mut gate.place.command(&["pushgateway", "--persistence.file", &file]), b"");
        assert_eq!(second.code, Some(2), "{}", second.stderr);
        assert!(second.stderr.contains("cannot listen on"), "{}", second.stderr);
    }
    assert!(!gate.place.path("fresh").exists() && gate.place.path("groups").exists());
    let other = run(
        &mut Place::new().command(&["pushgateway", "--persistence.file", &gate.place.arg("groups")]),
        b"",
    );
    assert!(other.code == Some(2) && other.stderr.contains("in use by another process"), "{}", other.stderr);
}

#[test]
fn a_command_line_of_the_original_is_taken_as_it_is() {
    let gate = Gate::start(&[
        "--persistence.file=",
        "--persistence.interval=5m",
        "--web.config.file=",
        "--web.local-assets=/usr/share/prometheus/pushgateway",
        "--web.enable-lifecycle",
        "--no-web.enable-lifecycle",
        "--no-web.enable-admin-api",
        "--no-push.disable-consistency-check",
        "--log.level=info",
        "--log.format=logfmt",
    ]);
    assert_eq!(gate.ask("POST", "/-/quit", "").code, 403);
    let said = gate.place.said();
    for warned in
        ["no --persistence.file", "--persistence.interval has no effect", "--web.local-assets has no effect"]
    {
        assert_eq!(said.lines().filter(|line| line.contains(warned)).count(), 1, "{warned}: {said}");
    }
    drop(gate);
    // What is said last holds.
    let gate = Gate::start(&[
        "--no-web.enable-lifecycle",
        "--web.enable-lifecycle",
        "--durability=interval",
        "--persistence.interval=1s",
    ]);
    assert!(!gate.place.said().contains("--persistence.interval"), "{}", gate.place.said());
    assert_eq!(gate.ask("POST", "/-/quit", "").code, 200);

    let place = Place::new();
    let version = run(&mut place.command(&["pushgateway", "--version"]), b"");
    assert_eq!(version.code, Some(0), "{}", version.stderr);
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", version.stdout);
    // There is no socket that systemd would have handed over.
    let socket = run(&mut place.command(&["pushgateway", "--web.systemd-socket"]), b"");
    assert_eq!(socket.code, Some(2), "{}", socket.stderr);
    assert!(socket.stderr.contains("--listen systemd: no socket was handed over"), "{}", socket.stderr);
}

#[test]
fn pages_that_cannot_be_where_the_flags_say_are_refused() {
    let place = Place::new();
    for (flag, value) in [
        ("--web.telemetry-path", "/"),
        ("--web.telemetry-path", "metrics"),
        ("--web.telemetry-path", "/-/ready"),
        ("--web.telemetry-path", "/metrics/job/j"),
        ("--web.telemetry-path", "/api/v1/status"),
        ("--web.telemetry-path", "/:a"),
        ("--web.telemetry-path", "/a b"),
        ("--web.telemetry-path", "/{a}"),
        ("--web.route-prefix", "/{a}"),
        ("--web.route-prefix", "/*a"),
        ("--web.route-prefix", "/:a/b"),
        ("--web.route-prefix", "/a b"),
        ("--web.route-prefix", "/a//b"),
        ("--ttl", "ci"),
        ("--ttl", "(=1h"),
        ("--ttl", "a=0s"),
    ] {
        let outcome = run(&mut place.command(&["pushgateway", flag, value]), b"");
        assert_eq!(outcome.code, Some(2), "{flag} {value}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(flag) && !outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}
