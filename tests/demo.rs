//! The demo with real servers: it starts, its alerts arrive, and nothing of it stays behind.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod support;

use iaasmon::demo::fleet::Scenario;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;
use support::{Killed, alert_names, await_until, command, get_json};

/// Long enough for a busy machine; every wait ends as soon as its condition holds.
const SOON: Duration = Duration::from_secs(60);

/// Starts `iaasmon demo --headless` with a few nodes and returns it with its folder.
fn headless(parent: &Path) -> (Killed, PathBuf) {
    let arguments =
        ["demo", "--headless", "--clusters=1", "--nodes=10", "--checks=8", "--scrape-interval=1s"];
    let mut command = command();
    command.args(arguments).env("TMPDIR", parent).stdout(Stdio::piped());
    for name in ["IAASMON_SERVER_CACHE", "XDG_CACHE_HOME", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut child = Killed(command.spawn().unwrap());
    let config = first_line(child.0.stdout.take().unwrap());
    let folder = config.parent().unwrap().to_owned();
    (child, folder)
}

fn first_line(stdout: ChildStdout) -> PathBuf {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.ends_with("config.toml\n"), "printed {line:?}");
    line.trim_end().into()
}

/// Lists the processes whose command line names `folder`; the guard and the servers all do, and the nodes' plan
/// does not, so those are told by their parent's group instead.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(name))
        .collect()
}

/// Returns an address of a node, to see whether the process of the nodes is there.
fn a_node(folder: &Path) -> String {
    let targets = std::fs::read_to_string(folder.join("prod-east/targets.json")).unwrap();
    let targets: serde_json::Value = serde_json::from_str(&targets).unwrap();
    format!("http://{}/api/v1/checks", targets[0]["targets"][0].as_str().unwrap())
}

#[test]
fn live_nothing_stays_behind_after_kill_9() {
    let parent = tempfile::tempdir().unwrap();
    let (mut demo, folder) = headless(parent.path());
    let node = a_node(&folder);
    assert_eq!(processes_of(&folder).len(), 5, "{:#?}", processes_of(&folder));
    assert_eq!(get_json(&node).unwrap()["checks"].as_array().unwrap().len(), 8);
    demo.0.kill().unwrap();
    demo.0.wait().unwrap();
    assert!(await_until(SOON, || processes_of(&folder).is_empty()), "{:#?}", processes_of(&folder));
    assert!(await_until(SOON, || get_json(&node).is_none()), "the nodes still answer");
    assert!(await_until(SOON, || !folder.exists()), "{} is still there", folder.display());
}

#[test]
fn live_a_signal_ends_the_demo_in_order() {
    let parent = tempfile::tempdir().unwrap();
    let (mut demo, folder) = headless(parent.path());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &folder.join("config.toml").metadata().unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(demo.0.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(demo.0.wait().unwrap().success());
    assert_eq!(processes_of(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[test]
fn live_alerts_reach_both_members_once_each_and_the_inhibition_works() {
    let demo = support::fleet();
    // The first cluster has a rack with full disks, the second one without power.
    let count = |cluster: usize, member: usize, name: &str| {
        let names = alert_names(&demo.clusters()[cluster].alertmanager[member].url());
        names.iter().filter(|each| *each == name).count()
    };
    for member in [0, 1] {
        assert!(
            await_until(SOON, || count(0, member, "CheckCritical") >= 8),
            "{}",
            count(0, member, "CheckCritical")
        );
        assert!(await_until(SOON, || count(1, member, "NodeDown") == 4), "{}", count(1, member, "NodeDown"));
    }
    let alertmanager = demo.clusters()[1].alertmanager[0].url();
    let inhibited = format!("{alertmanager}/api/v2/alerts?active=false&silenced=false&inhibited=true");
    let alerts = get_json(&format!("{alertmanager}/api/v2/alerts")).unwrap();
    assert!(
        alerts.as_array().unwrap().iter().all(|alert| alert["labels"].get("replica").is_none()),
        "{alerts}"
    );
    assert!(get_json(&inhibited).unwrap().is_array());
}

#[test]
fn live_a_server_can_be_killed_stopped_woken_and_started_empty() {
    let options = iaasmon::demo::Options { clusters: 1, nodes: 10, checks: 8, ..support::fleet_options() };
    let demo = support::start(&options);
    let prometheus = &demo.clusters()[0].prometheus[0];
    let nodes_up = || {
        let answer = get_json(&format!("{}/api/v1/query?query=count(up)", prometheus.url()))?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<u32>().ok()
    };
    assert!(await_until(SOON, || nodes_up() == Some(10)));

    prometheus.stop().unwrap();
    assert!(nodes_up().is_none(), "a stopped server answered");
    assert!(prometheus.is_alive());
    prometheus.cont().unwrap();
    assert!(await_until(SOON, || nodes_up() == Some(10)));

    prometheus.kill().unwrap();
    assert!(!prometheus.is_alive());
    prometheus.restart_empty().unwrap();
    assert!(await_until(SOON, || nodes_up() == Some(10)));
    assert!(std::fs::metadata(prometheus.log()).unwrap().len() > 0);
}

#[test]
fn live_the_scenarios_prometheus_dies_and_only_that_one() {
    let options = iaasmon::demo::Options {
        clusters: 1,
        nodes: 10,
        checks: 8,
        scenario: Scenario::Replica,
        elapsed: Duration::ZERO,
        ..support::fleet_options()
    };
    let demo = support::start(&options);
    let alive = || demo.clusters()[0].servers().filter(|server| server.is_alive()).count();
    let later = |seconds| demo.clusters()[0].plan().epoch + chrono::TimeDelta::seconds(seconds);
    demo.play(later(10)).unwrap();
    assert_eq!(alive(), 5);
    demo.play(later(61)).unwrap();
    assert_eq!(alive(), 4);
    assert!(!demo.clusters()[0].prometheus[1].is_alive());
}

#[test]
fn a_machine_without_servers_is_told_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = command();
    command.args(["demo", "--headless"]).env("PATH", empty.path()).env("IAASMON_SERVER_CACHE", empty.path());
    let outcome = support::run(&mut command, b"");
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("apt-get install prometheus prometheus-alertmanager"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_scenarios_are_listed() {
    let outcome = support::iaasmon(&["demo", "--list-scenarios"]);
    assert_eq!(outcome.code, Some(0));
    for scenario in Scenario::ALL {
        assert!(outcome.stdout.contains(&format!("\n  {:<8} ", scenario.word())), "{}", outcome.stdout);
    }
}
