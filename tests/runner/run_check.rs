//! `iaasmon run-check`: one check as the runner would run it, and what is printed of it.

use super::support::{Outcome, PROGRAM, run};
use super::world::World;
use std::process::Command;

/// Runs it where `world` is, with something to read on its own standard input.
fn run_check(world: &World, args: &[&str]) -> Outcome {
    let mut command = Command::new(PROGRAM);
    command.arg("run-check").args(args).arg("-d").arg(world.path("conf.d"));
    command.current_dir(world.path("")).env("TMPDIR", world.path(""));
    run(&mut command, b"typed at the terminal")
}

fn world() -> World {
    let world = World::new();
    world.define(
        "checks",
        r#"{"checks": {
            "disk": {"command": "echo full; cat; exit 7", "interval": 60, "standalone": true,
                "hooks": {"non-zero": {"command": "echo from the hook; exit 1"}, "ok": {"command": "echo unseen"}}},
            "marks": {"command": "touch ran", "interval": 60, "standalone": true},
            "reads": {"command": "cat", "interval": 60, "standalone": true, "stdin": true},
            "files": {"command": "tr : ' ' < $SENSU_LOADED_TEMPFILE | wc -w", "interval": 60, "standalone": true},
            "bytes": {"command": "printf 'caf\\351'", "interval": 60, "standalone": true}}}"#,
    );
    world
}

#[test]
fn the_page_shows_what_the_check_and_its_hook_said() {
    let world = world();
    let page = run_check(&world, &["disk"]);
    assert_eq!(page.code, Some(0), "{}{}", page.stdout, page.stderr);
    assert!(page.stdout.contains("full") && !page.stdout.contains("typed"), "{}", page.stdout);
    assert!(page.stdout.contains("hook non-zero ended with 1\n  from the hook\n"), "{}", page.stdout);
    assert!(!page.stdout.contains("unseen\n"), "{}", page.stdout);
    assert_eq!(run_check(&world, &["disk", "--exit-code"]).code, Some(1));
}

#[test]
fn json_is_a_document_and_jsonl_the_line_of_the_log() {
    let world = world();
    let document = run_check(&world, &["disk", "-o", "json"]);
    let read: serde_json::Value = serde_json::from_str(&document.stdout).expect("JSON");
    let none = serde_json::json!([]);
    assert_eq!((&read["v"], &read["coverage"], &read["notes"]), (&1.into(), &none, &none));
    let data = &read["data"];
    assert_eq!(
        (&data["name"], &data["status"], &data["output"]),
        (&"disk".into(), &7.into(), &"full\n".into())
    );
    assert!(data["duration"].is_number() && data["executed"].is_number() && data["issued"].is_number());
    assert_eq!(data["hooks"]["non-zero"]["output"], "from the hook\n");
    let lossy = run_check(&world, &["bytes", "-o", "json"]);
    let lossy: serde_json::Value =
        serde_json::from_str(&lossy.stdout).expect("JSON, whatever the plugin wrote");
    assert_eq!(lossy["data"]["output"], "caf\u{fffd}");
    let line = run_check(&world, &["disk", "-o", "jsonl"]).stdout;
    assert!(line.starts_with(r#"{"command":"echo full; cat; exit 7","interval":60,"#), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn what_it_cannot_print_is_refused_before_anything_runs() {
    let world = world();
    for format in ["csv", "yaml", "name"] {
        let refused = run_check(&world, &["marks", "-o", format]);
        assert_eq!(refused.code, Some(2), "{format}: {}", refused.stderr);
        assert!(!world.path("ran").exists(), "{format}");
    }
    assert_eq!(run_check(&world, &["marks"]).code, Some(0));
    assert!(world.path("ran").exists());
}

#[test]
fn a_check_reads_nothing_unless_it_asks_and_finds_the_names_of_the_files() {
    let world = world();
    let given = run_check(&world, &["reads", "-o", "jsonl"]).stdout;
    assert!(given.contains(r#""output":"{\"client\":{\"name\":\"n1\""#), "{given}");
    let files = run_check(&world, &["files", "-o", "json"]);
    let files: serde_json::Value = serde_json::from_str(&files.stdout).expect("JSON");
    assert_eq!(files["data"]["output"].as_str().map(str::trim), Some("2"));
    let left = std::fs::read_dir(world.path("")).expect("a folder").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("loaded_files")), "{left:?}");
}

#[test]
fn without_a_name_the_checks_are_listed_and_without_definitions_that_is_said() {
    let world = world();
    let listed = run_check(&world, &[]).stdout;
    assert_eq!(listed, "disk\nmarks\nreads\nfiles\nbytes\n");
    let document: serde_json::Value =
        serde_json::from_str(&run_check(&world, &["-o", "json"]).stdout).expect("JSON");
    let names: Vec<_> = listed.lines().map(|name| serde_json::json!({"name": name})).collect();
    assert_eq!((&document["v"], &document["data"]), (&1.into(), &names.into()));
    let empty = World::new();
    std::fs::remove_file(empty.path("conf.d/client.json")).expect("removed");
    for args in [&[][..], &["disk"], &["-c", "typo.json"]] {
        let refused = run_check(&empty, args);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("error: no file of definitions was loaded"), "{}", refused.stderr);
    }
    let typo = run_check(&world, &["marks", "-c", "typo.json"]);
    let passed_over = "note: typo.json: config file does not exist or is not readable\n";
    assert_eq!((typo.code, &*typo.stderr), (Some(0), passed_over));
}

#[test]
fn a_check_that_the_runner_would_not_run_now_runs_with_a_note() {
    let world = World::new();
    world.define(
        "checks",
        r#"{"checks": {
            "asleep": {"command": "true", "interval": 60, "standalone": true,
                "subdue": {"days": {"all": [{"begin": "00:00", "end": "23:59:59"}]}}},
            "theirs": {"command": "true", "interval": 60, "subscribers": ["another"]}}}"#,
    );
    for (check, note) in [("asleep", "it is subdued"), ("theirs", "it is not scheduled here")] {
        let ran = run_check(&world, &[check]);
        assert!(ran.code == Some(0) && ran.stderr.ends_with(&format!("{note}\n")), "{}", ran.stderr);
    }
}
