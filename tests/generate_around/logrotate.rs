//! What logrotate is told, and whether a line is lost by it.

use super::support::{SOON, await_until};
use super::world::World;
use super::{said, tool, written};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// As often the log is moved; fewer than are kept.
const ROTATIONS: usize = 6;

fn logrotate(args: &[&str], file: &Path) -> (bool, String) {
    let folder = file.parent().unwrap();
    let mut logrotate = Command::new(tool("logrotate", "logrotate", "usr/sbin"));
    logrotate.args(args).arg("--state").arg(folder.join("state")).arg(file);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    said(logrotate.env("PATH", std::env::join_paths(folders).unwrap()))
}

/// Puts a stanza for logs of `folder`, which are ours, where it can be used.
fn place(folder: &Path, stanza: &str, logs: &str) -> std::path::PathBuf {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let user = nix::unistd::User::from_uid(user).unwrap().unwrap().name;
    let group = nix::unistd::Group::from_gid(group).unwrap().unwrap().name;
    let ours = stanza
        .replace(logs, folder.to_str().unwrap())
        .replace("su sensu sensu", &format!("su {user} {group}"));
    let file = folder.join("stanza");
    std::fs::write(&file, ours).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    file
}

#[test]
fn logrotate_takes_both_stanzas() {
    for (log, folder, name) in [
        ("runner", "/var/log/iaasmon", "runner.log"),
        ("runner", "/var/log/iaasmon", "pusher.log"),
        ("sensu-client", "/var/log/sensu", "sensu-client.log"),
    ] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(name), "a line\n").unwrap();
        let stanza = written(&["generate", "logrotate", log]);
        let file = place(home.path(), &stanza, folder);
        let (good, report) = logrotate(&["--debug", "--force"], &file);
        assert!(good && report.contains("log needs rotating"), "{log}: {report}");
        // It warns that it only talks.
        assert!(!report.contains("error") && report.matches("warning").count() == 1, "{log}: {report}");
        std::fs::write(&file, stanza.replace("delaycompress", "delaycompres")).unwrap();
        let (_, report) = logrotate(&["--debug"], &file);
        assert!(report.contains("delaycompres"), "it would not have told: {report}");
    }
}

/// What each check printed, as all logs of the folder have it together.
fn logged(folder: &Path) -> BTreeMap<String, Vec<u32>> {
    let (good, text) = said(Command::new("sh").arg("-c").arg("zcat -f log*").current_dir(folder));
    assert!(good, "{text}");
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["message"] == "publishing check result" {
            let check = &line["payload"]["check"];
            let number = check["output"].as_str().unwrap().trim().parse().unwrap();
            found.entry(check["name"].as_str().unwrap().to_owned()).or_default().push(number);
        }
    }
    found.values_mut().for_each(|numbers| numbers.sort_unstable());
    found
}

#[test]
fn no_line_is_lost_while_the_log_is_moved_again_and_again() {
    let world = World::new();
    // Each counts its runs and prints the number.
    let checks: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let definition = |name: &String| {
        let command = format!("n=$(($(cat ran-{name} 2>/dev/null || echo 0) + 1)); echo $n | tee ran-{name}");
        (name.clone(), serde_json::json!({ "command": command, "interval": 1, "standalone": true }))
    };
    let checks: serde_json::Map<_, _> = checks.iter().map(definition).collect();
    world.define("checks", &serde_json::json!({ "checks": checks }).to_string());
    let folder = world.path("");
    let stanza = written(&["generate", "logrotate"]).replace("runner.log", "log");
    let file = place(&folder, &stanza, "/var/log/iaasmon");
    // systemd as far as the stanza asks it: the unit of the runner is the one that is active.
    let systemctl = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 9\necho \"$*\" >>asked\ncase \"$*\" in\n\
        '--quiet is-active iaasmon-runner.service') exit 0 ;;\n\
        '--quiet is-active '*) exit 3 ;;\n\
        'kill --kill-who=main --signal=USR2 iaasmon-runner.service') kill -USR2 \"$(cat pid)\" ;;\n\
        *) exit 1 ;;\nesac\n";
    std::fs::write(world.path("systemctl"), systemctl).unwrap();
    std::fs::set_permissions(world.path("systemctl"), std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut runner = world.start(&[]);
    // In each log all checks have run once, or as often together.
    let is_full = || world.log_text().matches("publishing check result").count() >= checks.len();
    for number in 1..=ROTATIONS {
        assert!(await_until(SOON, is_full), "{}", world.log_text());
        let (good, report) = logrotate(&["--force"], &file);
        assert!(good && report.is_empty(), "{report}");
        assert!(world.path("log.1").exists(), "it was not moved");
        let opened = await_until(SOON, || world.path("log").exists());
        assert!(
            opened,
            "no new log after {number}: {}",
            std::fs::read_to_string(world.path("asked")).unwrap()
        );
    }
    assert!(await_until(SOON, is_full), "{}", world.log_text());
    assert!(runner.end().success());

    let asked = std::fs::read_to_string(world.path("asked")).unwrap();
    assert_eq!(asked.matches("kill --kill-who=main").count(), ROTATIONS, "{asked}");
    assert!(world.path(&format!("log.{ROTATIONS}.gz")).exists(), "older ones are packed");
    let logged = logged(&folder);
    assert_eq!(logged.len(), checks.len());
    for (name, numbers) in &logged {
        let ran: u32 =
            std::fs::read_to_string(world.path(&format!("ran-{name}"))).unwrap().trim().parse().unwrap();
        assert_eq!(*numbers, (1..=ran).collect::<Vec<_>>(), "{name} ran {ran} times");
    }
    let lines: usize = logged.values().map(Vec::len).sum();
    assert!(lines > ROTATIONS * checks.len(), "{lines} lines say little");
}
