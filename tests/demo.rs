//! The demo with real servers: it starts, its alerts arrive, and nothing of it stays behind.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod support;

use iaasmon::demo::fleet::{Fleet, Scenario};
use iaasmon::wire::mail::decode_mails;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;
use support::{Killed, SOON, alert_names, ask, await_until, command, get_json, iaasmon_on, peers, run};

/// Starts `iaasmon demo --headless` with a few nodes and returns it with its folder.
fn headless(parent: &Path) -> (Killed, PathBuf) {
    let arguments = [
        "demo",
        "--headless",
        "--clusters=1",
        "--nodes=10",
        "--real-nodes=1",
        "--checks=8",
        "--scrape-interval=1s",
    ];
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

/// Lists the processes whose command line or environment names `folder`: the guard, the servers, the real nodes and
/// what these start. The simulated nodes' plan does not, so those are told by their answers instead.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let read = |file: PathBuf| {
        let text = std::fs::read(file).unwrap_or_default();
        String::from_utf8_lossy(&text).replace('\0', " ")
    };
    entries
        .map(|entry| (read(entry.path().join("cmdline")), read(entry.path().join("environ"))))
        .filter(|(line, environment)| line.contains(name) || environment.contains(name))
        .map(|(line, _)| line)
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
    let there = processes_of(&folder);
    // The demo's guard, the mailbox, four servers, two proxies, a pushgateway, a pusher and a real node, and the guards of the
    // checks of these two name it.
    let named = there.iter().filter(|line| line.contains(folder.to_str().unwrap())).count();
    assert_eq!(named, 13, "{there:#?}");
    assert!(there.iter().any(|line| line.contains(" check-guard ")), "{there:#?}");
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
fn live_alerts_come_with_their_output_through_the_proxies() {
    let options =
        iaasmon::demo::Options { clusters: 1, nodes: 16, proxies: true, ..support::fleet_options() };
    let demo = support::start(&options);
    let cluster = &demo.clusters()[0];
    for member in &cluster.alertmanager {
        let with_output = || {
            let alerts = get_json(&format!("{}/api/v2/alerts", member.url())).unwrap_or_default();
            let of_checks =
                alerts.as_array().into_iter().flatten().filter(|one| one["labels"]["check"].is_string());
            let outputs: Vec<bool> =
                of_checks.map(|one| one["annotations"]["check_output"].is_string()).collect();
            !outputs.is_empty() && outputs.iter().all(|has| *has)
        };
        assert!(await_until(SOON, with_output), "{}", member.name());
    }
    let doctor = iaasmon_on(&demo, &["doctor", "-o", "json"]);
    let findings: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
    let of_proxies = |one: &&serde_json::Value| one["text"].as_str().unwrap().contains("proxy");
    let found: Vec<_> = findings["data"].as_array().unwrap().iter().filter(of_proxies).collect();
    assert!(found.is_empty(), "{found:#?}");
    cluster.proxy[0].kill().unwrap();
    let told = || iaasmon_on(&demo, &["doctor"]).stdout.contains("does not answer");
    assert!(await_until(SOON, told), "{}", iaasmon_on(&demo, &["doctor"]).stdout);
}

/// Reads the files of a folder of the demo's mailbox, in the order in which they came.
fn came(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect();
    files.sort();
    // The oldest may go meanwhile.
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

#[test]
fn live_a_plugin_that_fails_is_told_by_mail_and_webhook_with_its_output() {
    let parent = tempfile::tempdir().unwrap();
    let (_child, folder) = headless(parent.path());
    let definitions = std::fs::read_dir(folder.join("prod-east")).unwrap();
    let mut names = definitions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let node = names.find(|name| name.starts_with("hv-")).expect("the real node has a folder");

    // Its plugin is installed nowhere, so this one fails whenever one looks.
    let subject = format!("ALERT - {node}/check_raid: UNKNOWN");
    let mut mail = None;
    let mut mailed = || {
        let all = came(&folder.join("mails"));
        mail = all.iter().flat_map(|mail| decode_mails(mail)).find(|mail| mail.subject == subject);
        mail.is_some()
    };
    assert!(await_until(SOON, &mut mailed), "{:?}", came(&folder.join("mails")).len());
    let mail = mail.unwrap();
    assert!(mail.body.lines().next().unwrap().contains("check_raid: not found"), "{mail:#?}");
    let facts = [format!("Host: {node}"), "Command:  check_raid --quiet".into(), "Status:  UNKNOWN".into()];
    assert!(facts.iter().all(|fact| mail.body.lines().any(|line| line == fact)), "{mail:#?}");
    assert_eq!(mail.extra("X-Sensu-Check-Name"), Some("check_raid"));

    let mut alert = serde_json::Value::Null;
    let mut told = || {
        let all = came(&folder.join("webhook"));
        let all = all.iter().map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        let mut alerts = all.flat_map(|message| message["alerts"].as_array().unwrap().clone());
        let is_it = |one: &serde_json::Value| {
            one["labels"]["instance"] == *node && one["labels"]["check"] == "check_raid"
        };
        alert = alerts.find(is_it).unwrap_or_default();
        alert.is_object()
    };
    assert!(await_until(SOON, &mut told), "{:?}", came(&folder.join("webhook")).len());
    let said = |name: &str| alert["annotations"][name].as_str().unwrap_or_default();
    assert!(said("check_output").contains("check_raid: not found"), "{alert:#}");
    assert!(mail.body.starts_with(said("check_output").trim_end()), "{mail:#?}");
    assert!(said("check_history").starts_with("127"), "{alert:#}");
}

#[test]
fn live_a_real_node_shows_what_its_scripts_said() {
    let options = iaasmon::demo::Options {
        clusters: 1,
        nodes: 10,
        real_nodes: 1,
        checks: 8,
        ..support::fleet_options()
    };
    let demo = support::start(&options);
    let cluster = &demo.clusters()[0];
    let fleet = Fleet::new(cluster.plan().clone());
    let node = fleet.real_nodes().next().unwrap().name.as_str();
    let asked = |args: &[&str]| iaasmon_on(&demo, &[&["check", node], args].concat());

    let port = cluster.real[0].address();
    assert!(await_until(SOON, || asked(&["check_exporter"]).code == Some(0)));
    let shown = asked(&["check_exporter"]).stdout;
    assert!(shown.contains(&format!("TCP OK - {port} is listened on")), "{shown}");
    assert!(shown.contains("of the node, run "), "{shown}");

    let runs = || {
        let history: serde_json::Value =
            serde_json::from_str(&asked(&["check_raid", "--history", "-o", "json"]).stdout)
                .unwrap_or_default();
        history["data"].as_array().map_or(0, Vec::len)
    };
    assert!(await_until(SOON, || runs() > 1), "{} runs", runs());
    let history = asked(&["check_raid", "--history"]).stdout;
    assert!(history.contains("UNKN (127)") && history.contains("check_raid: not found"), "{history}");
    // It takes a second run.
    let same =
        || asked(&["check_exporter", "--diff"]).stdout.contains("the output is that of the last ok run");
    assert!(await_until(SOON, same));

    let live = iaasmon_on(&demo, &["node", node, "--live"]);
    assert!(live.code == Some(0) && live.stdout.contains("check_exporter"), "{}{}", live.stdout, live.stderr);
    for (check, status) in [("check_exporter", 0.0), ("check_raid", 3.0)] {
        let query = format!("iaasmon_check_status{{instance=\"{node}\",check=\"{check}\"}}");
        let known = || ask(&cluster.prometheus[0].url(), &query);
        assert!(await_until(SOON, || known() == Some(status)), "{check}: {:?}", known());
    }
    drop(demo);
    assert!(get_json(&format!("http://{port}/api/v1/checks")).is_none(), "the node still answers");
}

#[test]
fn live_a_check_of_no_node_is_told_with_its_output() {
    let options = iaasmon::demo::Options {
        clusters: 1,
        nodes: 10,
        checks: 8,
        proxies: true,
        pushgateway: true,
        ..support::fleet_options()
    };
    let demo = support::start(&options);
    let cluster = &demo.clusters()[0];
    let query = "iaasmon_check_status{job=\"alertmanager\",check=\"alertmanager_api\",instance=\"\",exported_job=\"\"}";
    for prometheus in &cluster.prometheus {
        let known = || ask(&prometheus.url(), query);
        assert!(await_until(SOON, || known() == Some(0.0)), "{}: {:?}", prometheus.name(), known());
    }
    cluster.alertmanager[1].kill().unwrap();
    let mut alert = serde_json::Value::Null;
    let mut told = || {
        let alerts = iaasmon_on(&demo, &["alerts", "job=alertmanager", "-o", "json"]).stdout;
        alert = serde_json::from_str::<serde_json::Value>(&alerts).unwrap_or_default()["data"][0].clone();
        alert["annotations"]["check_output"].as_str().is_some_and(|output| output.contains("1 of 2"))
    };
    assert!(await_until(SOON, &mut told), "{alert:#}");
    assert_eq!((&alert["state"], &alert["severity"]), (&"active".into(), &"warning".into()), "{alert:#}");
    let shown = iaasmon_on(&demo, &["alert", alert["fingerprint"].as_str().unwrap()]).stdout;
    assert!(shown.contains("ALERTMANAGER WARNING - 1 of 2 of prod-east answer"), "{shown}");
}

#[test]
fn live_what_is_tried_out_stays_with_the_demo() {
    let (parent, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_child, folder) = headless(parent.path());
    let mut silence = command();
    silence.env("HOME", home.path()).arg("--config").arg(folder.join("config.toml"));
    silence.args(["silence", "add", "a=b", "--all-clusters", "--comment=INC-1", "--author=kim", "--yes"]);
    let outcome = run(&mut silence, b"");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(std::fs::read_dir(folder.join("operations")).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "nothing among the real fleet's operations"
    );
}

#[test]
fn live_alerts_reach_both_members_once_each() {
    let demo = support::settled_fleet();
    let [east, west] = demo.clusters() else { panic!("two clusters") };
    // The first cluster has a rack with full disks, the second one without power.
    for (cluster, name, least) in
        [(east, "CheckCritical", 8), (west, "NodeDown", 4), (west, "RunnerStale", 1)]
    {
        for member in &cluster.alertmanager {
            let count = || alert_names(&member.url()).iter().filter(|each| *each == name).count();
            assert!(await_until(SOON, || count() >= least), "{name} on {}: {}", member.name(), count());
        }
    }
    let alerts = get_json(&format!("{}/api/v2/alerts", west.alertmanager[0].url())).unwrap();
    let alerts = alerts.as_array().unwrap();
    let identities: HashSet<_> = alerts.iter().map(|alert| alert["labels"].to_string()).collect();
    assert_eq!(identities.len(), alerts.len());
    assert!(alerts.iter().all(|alert| alert["labels"]["cluster"] == "prod-west"), "{alerts:#?}");
    assert!(alerts.iter().all(|alert| alert["labels"].get("replica").is_none()), "{alerts:#?}");
}

#[test]
fn live_a_dying_node_keeps_the_state_of_its_checks_and_only_the_node_pages() {
    // The power supplies fail at 15 s, so they are seen failing before the nodes go at 30 s.
    let options = iaasmon::demo::Options {
        clusters: 1,
        nodes: 10,
        scenario: Scenario::Power,
        elapsed: Duration::from_secs(16),
        ..support::fleet_options()
    };
    let demo = support::start(&options);
    let alertmanager = demo.clusters()[0].alertmanager[0].url();
    let inhibited =
        format!("{alertmanager}/api/v2/alerts?active=false&silenced=false&filter=severity=%22critical%22");
    let inhibited = || get_json(&inhibited).unwrap_or_default().as_array().map_or(0, Vec::len);
    assert!(
        await_until(SOON, || inhibited() == 4),
        "{} inhibited of {:?}",
        inhibited(),
        alert_names(&alertmanager)
    );
    let down = alert_names(&alertmanager).iter().filter(|name| *name == "NodeDown").count();
    assert_eq!(down, 4);
}

#[test]
fn live_a_server_can_be_killed_stopped_woken_and_started_empty() {
    let options = iaasmon::demo::Options { clusters: 1, nodes: 10, checks: 8, ..support::fleet_options() };
    let demo = support::start(&options);
    let prometheus = &demo.clusters()[0].prometheus[0];
    let nodes_up = || ask(&prometheus.url(), "count(up)");
    assert!(await_until(SOON, || nodes_up() == Some(10.0)));

    prometheus.stop().unwrap();
    // A thread of it may just be answering on the other core.
    assert!(await_until(SOON, || nodes_up().is_none()), "a stopped server answers");
    assert!(prometheus.is_alive());
    prometheus.cont().unwrap();
    assert!(await_until(SOON, || nodes_up() == Some(10.0)));

    prometheus.kill().unwrap();
    assert!(!prometheus.is_alive());
    prometheus.restart_empty().unwrap();
    assert!(await_until(SOON, || nodes_up() == Some(10.0)));
    assert!(std::fs::metadata(prometheus.log()).unwrap().len() > 0);
}

#[test]
fn live_the_gossip_of_a_cluster_can_be_split_and_healed() {
    let options = iaasmon::demo::Options { clusters: 1, nodes: 2, checks: 1, ..support::fleet_options() };
    let demo = support::start(&options);
    let cluster = &demo.clusters()[0];
    let seen = || cluster.alertmanager.each_ref().map(|member| peers(&member.url()));
    assert!(await_until(SOON, || seen() == [2, 2]), "{:?}", seen());
    cluster.split_gossip().unwrap();
    // A member that found its peer would do so at the first of its attempts, every two seconds.
    assert!(!await_until(Duration::from_secs(3), || seen() != [1, 1]), "{:?}", seen());
    cluster.alertmanager[1].restart().unwrap();
    assert!(await_until(SOON, || seen() == [2, 2]), "{:?}", seen());
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
