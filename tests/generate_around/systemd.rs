//! The units, read by systemd itself.

use super::support::PROGRAM;
use super::{files_of, is_taken, said, tool, with_configuration, written};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Where the units expect the program.
const INSTALLED: &str = "/usr/local/bin/iaasmon";
/// The most that `systemd-analyze security` may find, of ten points. What is left to find is the network, which they are for.
const EXPOSED_AT_MOST: f64 = 1.5;

/// All units, by name.
fn units(more: &[&str]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    written(&[&["generate", "systemd", "--out", folder.path().to_str().unwrap()], more].concat());
    files_of(folder.path())
}

fn analyze(verb: &[&str], unit: &Path) -> (bool, String) {
    let mut analyze = Command::new(tool("systemd-analyze", "systemd", "usr/bin"));
    said(analyze.arg("--man=no").args(verb).arg(unit))
}

/// Writes a unit for a program that is there.
fn place(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text.replace(INSTALLED, PROGRAM)).unwrap();
    file
}

/// The settings of a unit, without comments and with lines put together again.
fn settings(text: &str) -> Vec<(String, String)> {
    let mut whole = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(begun) => whole += begun,
            None => whole = whole + line + "\n",
        }
    }
    let pairs = whole.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn systemd_takes_every_unit_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let all = units(&[
        "--cluster",
        "prod \"east\" 100%",
        "--detail-allow",
        "10.1.2.0/24",
        "--detail-allow",
        "fd00::/8",
    ]);
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    let expected = ["exporter", "node", "proxy", "pusher", "pushgateway", "runner"];
    assert_eq!(names, expected.map(|name| format!("iaasmon-{name}.service")));
    for (name, text) in &all {
        assert_eq!(analyze(&["verify"], &place(folder.path(), name, text)), (true, String::new()), "{name}");
    }
    let wrong = all["iaasmon-proxy.service"].replace("WatchdogSec=", "WatchDogSec=");
    let (_, complaint) = analyze(&["verify"], &place(folder.path(), "iaasmon-wrong.service", &wrong));
    assert!(complaint.contains("WatchDogSec"), "it would not have told: {complaint}");
}

#[test]
fn services_without_plugins_are_shut_in() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in units(&[]) {
        let file = place(folder.path(), &name, &text);
        let (_, report) = analyze(&["security", "--offline=yes", "--no-pager"], &file);
        let level = report.lines().find_map(|line| line.split_once("Overall exposure level for "));
        let level: f64 = level.unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
        if ["exporter", "proxy", "pushgateway"].iter().any(|one| name.contains(one)) {
            assert!(level <= EXPOSED_AT_MOST, "{name}: {level}\n{report}");
        }
    }
}

#[test]
fn nothing_is_taken_from_plugins() {
    let all = units(&[]);
    // systemd.exec(5): those that imply NoNewPrivileges= for a unit with User=, which ends sudo; then those that hide or forbid.
    let never = [
        "DynamicUser",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "NoNewPrivileges",
        "PrivateDevices",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "SystemCallArchitectures",
        "SystemCallFilter",
        "SystemCallLog",
        "AmbientCapabilities",
        "CapabilityBoundingSet",
        "DeviceAllow",
        "DevicePolicy",
        "IPAddressDeny",
        "InaccessiblePaths",
        "MemoryMax",
        "PrivateMounts",
        "PrivateNetwork",
        "PrivateTmp",
        "PrivateUsers",
        "ProcSubset",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectProc",
        "ProtectSystem",
        "ReadOnlyPaths",
        "RemoveIPC",
        "RootDirectory",
        "TemporaryFileSystem",
        "UMask",
    ];
    for name in ["iaasmon-node.service", "iaasmon-runner.service", "iaasmon-pusher.service"] {
        let settings = settings(&all[name]);
        let taken: Vec<_> =
            settings.iter().filter(|(setting, _)| never.contains(&setting.as_str())).collect();
        assert!(taken.is_empty(), "{name}: {taken:?}");
        for wanted in [("KillMode", "mixed"), ("OOMPolicy", "continue"), ("User", "sensu")] {
            let has = settings.iter().any(|(setting, value)| (setting.as_str(), value.as_str()) == wanted);
            assert!(has, "{name} has not {wanted:?}");
        }
    }
}

#[test]
fn the_program_takes_the_command_line_of_every_unit() {
    for (name, text) in units(&["--cluster", "prod-east", "--detail-allow", "10.1.2.0/24"]) {
        let settings = settings(&text);
        let starts: Vec<_> = settings.iter().filter(|(setting, _)| setting == "ExecStart").collect();
        let [(_, line)] = starts[..] else { panic!("{name}: {starts:?}") };
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(words[0], INSTALLED);
        is_taken(&words);
        let is_one_of = |names: &[&str]| names.iter().any(|one| name.contains(one));
        assert_eq!(words.contains(&"prod-east".to_owned()), is_one_of(&["proxy", "pusher"]), "{line}");
        let tells = is_one_of(&["node", "exporter", "pushgateway"]);
        assert_eq!(words.contains(&"10.1.2.0/24".to_owned()), tells, "{line}");
        // Where systemd makes a folder, and where the program looks for it.
        for (setting, value) in &settings {
            let root = match setting.as_str() {
                "StateDirectory" => "/var/lib",
                "LogsDirectory" => "/var/log",
                _ => continue,
            };
            assert!(line.contains(&format!("{root}/{value}")), "{setting}={value} is not in {line}");
        }
    }
}

#[test]
fn proxies_and_pushers_are_for_one_cluster() {
    let cluster =
        |name: &str| format!("[[cluster]]\nname = \"{name}\"\nalertmanager = [\"http://am.{name}:9093\"]\n");
    let two = cluster("east") + &cluster("west");
    let refused = with_configuration(&two, &["generate", "systemd"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("there are east, west") && refused.stderr.contains("--cluster"),
        "{}",
        refused.stderr
    );
    for unit in ["proxy", "pusher"] {
        let unknown = with_configuration(&two, &["generate", "systemd", unit, "--cluster", "eats"]);
        assert_eq!(unknown.code, Some(2));
        assert!(unknown.stderr.contains("did you mean `east`?"), "{}", unknown.stderr);
    }
    // What needs no cluster asks for none, and where there is one alone it is that.
    assert_eq!(with_configuration(&two, &["generate", "systemd", "node", "pushgateway"]).code, Some(0));
    let one = with_configuration(&cluster("east"), &["generate", "systemd", "proxy"]);
    assert!(one.stdout.contains("--cluster east\n"), "{}{}", one.stdout, one.stderr);
    assert!(
        one.stdout.starts_with("# Written by `iaasmon generate systemd proxy --cluster east` "),
        "{}",
        one.stdout
    );
}
