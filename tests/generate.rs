//! What `iaasmon generate` writes, held against the tools that read it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod support;

use std::process::Command;
use support::{command, iaasmon, run, servers};

#[path = "generate/peers.rs"]
mod peers;
#[path = "generate/prometheus.rs"]
mod prometheus;
#[path = "generate/rules.rs"]
mod rules;

/// Writes a file and returns its path.
fn write(folder: &std::path::Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs promtool, which comes with Prometheus.
fn promtool(folder: &std::path::Path, args: &[&str]) {
    let promtool = servers().prometheus.with_file_name("promtool");
    let output = Command::new(promtool).args(args).current_dir(folder).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
}

#[test]
fn the_rules_are_taken_by_promtool_and_pass_their_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    for extra in [&[][..], &["--job", "the nodes"]] {
        let rules = iaasmon(&[&["generate", "rules"], extra].concat());
        assert_eq!(rules.code, Some(0), "{}", rules.stderr);
        std::fs::write(folder.path().join("iaasmon.rules.yml"), &rules.stdout).unwrap();
        let tests = iaasmon(&[&["generate", "rules", "--tests", "iaasmon.rules.yml"], extra].concat());
        std::fs::write(folder.path().join("tests.yml"), &tests.stdout).unwrap();
        promtool(folder.path(), &["check", "rules", "iaasmon.rules.yml"]);
        promtool(folder.path(), &["test", "rules", "tests.yml"]);
        assert_eq!(
            iaasmon(&[&["generate", "rules"], extra].concat()).stdout,
            rules.stdout,
            "the same each time"
        );
    }
}

#[test]
fn what_is_deployed_is_compared_with_what_would_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    let name = file.to_str().unwrap();
    let rules = iaasmon(&["generate", "rules"]).stdout;
    // Another version wrote it.
    std::fs::write(&file, rules.replacen("(iaasmon ", "(iaasmon 0.0.", 1)).unwrap();
    assert_eq!(iaasmon(&["generate", "rules", "--check", name]).code, Some(0));
    std::fs::write(&file, rules.replace("== 2", "== 3")).unwrap();
    let differs = iaasmon(&["generate", "rules", "--check", name]);
    assert_eq!(differs.code, Some(1), "{}", differs.stderr);
    assert!(differs.stderr.contains("rules.yml:") && differs.stderr.contains("== 3"), "{}", differs.stderr);
    let missing = iaasmon(&["generate", "rules", "--check", "/nonexistent/rules.yml"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("rules.yml: is missing"), "{}", missing.stderr);
}

#[test]
fn a_configuration_that_is_wrong_is_told_and_not_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("iaasmon");
    std::fs::create_dir(&folder).unwrap();
    let generate = || run(command().env("XDG_CONFIG_HOME", home.path()).args(["generate", "rules"]), b"");
    std::fs::write(folder.join("config.toml"), "[defaults]\ncheck_label = 7\n").unwrap();
    let refused = generate();
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(refused.stderr.contains("config.toml:2"), "{}", refused.stderr);
    let named = "[defaults]\ncheck_label = \"name\"\n[[cluster]]\nname = \"east\"\nalertmanager = [\"http://am:1\"]\n";
    std::fs::write(folder.join("config.toml"), named).unwrap();
    let rules = generate();
    assert_eq!(rules.code, Some(0), "{}", rules.stderr);
    assert!(rules.stdout.contains("{{ $labels.name }}"), "{}", rules.stdout);
}
