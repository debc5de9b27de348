use super::{Notice, Settings, Sources, deep_diff, deep_merge, load};
use crate::wire::sensu_json::tests::any_value;
use crate::wire::sensu_json::{Object, Value, field};
use proptest::prelude::*;
use std::path::Path;

fn sources(folder: &Path) -> Sources {
    Sources {
        folders: vec![folder.to_owned()],
        hostname: "vm".to_owned(),
        address: "192.0.2.2".to_owned(),
        ..Sources::default()
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, text).expect("written");
    }
    dir
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(&value.to_bytes()).into_owned()
}

fn loaded(files: &[(&str, &str)]) -> (Result<Settings, super::Refused>, Vec<Notice>) {
    let dir = folder(files);
    let mut notices = Vec::new();
    (load(&sources(dir.path()), &mut notices), notices)
}

/// Reads `fixtures/golden/conf.d/*`, `fixtures/golden/conf.d/nested/*` and `fixtures/golden/conf.d/nested/deep/*`.
#[test]
fn the_golden_definitions_load() {
    let mut notices = Vec::new();
    let settings = load(&sources(Path::new("fixtures/golden/conf.d")), &mut notices).expect("valid");
    assert_eq!(settings.client_name(), "golden-01");
    assert_eq!(settings.subscriptions().collect::<Vec<_>>(), ["dev", "web", "client:golden-01"]);
    assert_eq!(settings.spawn_limit(), 12);
    let count = |message: &str| notices.iter().filter(|notice| notice.message == message).count();
    assert_eq!(count("loading config files from directory"), 1);
    assert_eq!(count("loading config file"), 9);
    assert_eq!(count("config file applied changes"), 8);
    assert_eq!(count("applied sensu client overrides"), 1);
    let merged = Value::Object(settings.check("merged").expect("there").clone());
    assert_eq!(
        text(&merged),
        concat!(
            r#"{"command":"echo from b","handlers":["h2","h3","h1"],"opts":{"b":{"y":2,"x":1},"a":1},"password":"redact-me","#,
            r#""interval":10,"standalone":true,"name":"merged"}"#
        )
        .replace("echo from b", "echo from a")
    );
}

#[test]
fn files_merge_in_order_of_their_names_and_names_are_appended_last() {
    let (settings, notices) = loaded(&[
        ("b.json", r#"{"checks":{"a":{"command":"second","handlers":["x","y"]}}}"#),
        (
            "a.json",
            "\u{feff}/* first */ {\"checks\":{\"a\":{\"command\":\"first\",\"handlers\":[\"x\"],\"interval\":5,\"standalone\":true}}}",
        ),
        ("c/d.json", ""),
        ("e.json", "[1]"),
        (".hidden.json", "{"),
        ("other.txt", "{"),
    ]);
    let settings = settings.expect("valid");
    let check = Value::Object(settings.check("a").expect("there").clone());
    assert_eq!(
        text(&check),
        r#"{"command":"second","handlers":["x","y"],"interval":5,"standalone":true,"name":"a"}"#
    );
    let changes =
        notices.iter().find(|notice| notice.message == "config file applied changes").expect("told");
    assert_eq!(
        text(field(&changes.fields, "changes").expect("changes")),
        r#"{"checks":{"a":{"command":["first","second"],"handlers":[["x"],["x","y"]]}}}"#
    );
    assert_eq!(settings.files().len(), 3, "a list at the top is passed over");
}

#[test]
fn a_check_for_one_client_at_a_time_is_not_scheduled_and_that_is_told() {
    let (settings, notices) = loaded(&[(
        "a.json",
        r#"{"client":{"subscriptions":["web","roundrobin:web"]},"checks":{
            "repair":{"command":"x --password=y","password":"z","interval":5,"subscribers":["roundrobin:web"]},
            "both":{"command":"x","interval":5,"subscribers":["roundrobin:web","web"]},
            "theirs":{"command":"x","interval":5,"subscribers":["roundrobin:db"]},
            "alone":{"command":"x","interval":5,"standalone":true,"subscribers":["roundrobin:web"]}}}"#,
    )]);
    let settings = settings.expect("valid");
    let scheduled: Vec<&str> =
        crate::sensu::schedule::scheduled(&settings).into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(scheduled, ["both", "alone"]);
    let told: Vec<&Notice> =
        notices.iter().filter(|notice| notice.message.starts_with("not scheduled: roundrobin:web")).collect();
    let [one] = told[..] else { panic!("{notices:?}") };
    let check = text(field(&one.fields, "check").expect("the check"));
    assert!(check.contains(r#""name":"repair""#) && check.contains(r#""password":"REDACTED""#), "{check}");
}

#[test]
fn what_the_client_has_masked_is_masked_where_all_is_printed() {
    let (settings, _) =
        loaded(&[("a.json", r#"{"client":{"redact":["pin"],"pin":1},"x":{"pin":2,"password":"y","n":3}}"#)]);
    let printed = text(&settings.expect("valid").redacted());
    assert!(printed.contains(r#""x":{"pin":"REDACTED","password":"REDACTED","n":3}"#), "{printed}");
    assert!(printed.contains(r#""redact":["pin"],"pin":"REDACTED""#), "{printed}");
}

#[test]
fn a_name_of_its_own_wins() {
    let (settings, _) = loaded(&[(
        "a.json",
        r#"{"checks":{"key":{"name":"other","command":"x","interval":5,"standalone":true}}}"#,
    )]);
    let settings = settings.expect("valid");
    assert_eq!(field(settings.check("key").expect("there"), "name"), Some(&Value::from("other")));
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let (refused, _) = loaded(&[("a.json", "{\"checks\": {,}}")]);
    let lines = refused.expect_err("no JSON").lines();
    assert!(lines[0].contains("a.json: config file must be valid json: a key in double quotes"), "{lines:?}");
    let mut notices = Vec::new();
    let missing =
        Sources { file: Some("/nonexistent.json".into()), ..sources(Path::new("fixtures/golden/conf.d")) };
    load(&missing, &mut notices).expect("only a warning");
    assert_eq!(notices[0].message, "config file does not exist or is not readable");
    assert_eq!(notices[1].message, "ignoring config file");
    let passed_over: Vec<String> = notices.iter().filter_map(Notice::passed_over).collect();
    assert_eq!(passed_over, ["/nonexistent.json: config file does not exist or is not readable"]);
    let refused = load(&sources(Path::new("/nonexistent")), &mut notices).expect_err("no folder");
    assert_eq!(refused.lines(), ["/nonexistent: it does not exist"]);
    assert_eq!(refused.notices()[0].message, "insufficient permissions for loading", "the log has its words");
    let refused = load(&sources(Path::new("Cargo.toml")), &mut notices).expect_err("no folder");
    assert_eq!(refused.lines(), ["Cargo.toml: it is no folder"]);
}

#[test]
fn endless_and_looping_paths_are_no_trap() {
    let dir = folder(&[("a/b.json", "{}")]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).expect("linked");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero.json")).expect("linked");
    let refused = load(&sources(dir.path()), &mut Vec::new()).expect_err("a device");
    assert!(refused.lines()[0].ends_with("zero.json: config file must be valid json: it is no regular file"));
}

#[test]
fn one_link_to_a_folder_is_followed_at_any_depth() {
    let elsewhere = folder(&[("in/deep/b.json", "{}"), ("in/.hidden/c.json", "{")]);
    let dir = folder(&[("a/x/y/a.json", "{}")]);
    let link = |target: &Path, name: &Path| std::os::unix::fs::symlink(target, name).expect("linked");
    link(elsewhere.path(), &dir.path().join("a/x/y/link"));
    // A second link on the way is one too many.
    link(&elsewhere.path().join("in/deep"), &elsewhere.path().join("in/again"));
    let settings = load(&sources(dir.path()), &mut Vec::new()).expect("valid");
    let names = settings
        .files()
        .iter()
        .map(|file| file.strip_prefix(dir.path()).expect("below").to_string_lossy().into_owned());
    assert_eq!(names.collect::<Vec<_>>(), ["a/x/y/a.json", "a/x/y/link/in/deep/b.json"]);
}

#[test]
fn a_folder_below_that_cannot_be_read_is_passed_over() {
    let dir = folder(&[("a.json", ""), ("locked/b.json", ""), ("open/c.json", "")]);
    let list = |path: &Path| -> std::io::Result<Vec<std::path::PathBuf>> {
        if path.ends_with("locked") {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    };
    let found = super::files::collect(dir.path(), &list).expect("the folder itself is readable");
    assert_eq!(found.files, [dir.path().join("a.json"), dir.path().join("open/c.json")]);
    assert_eq!(found.unread, [dir.path().join("locked")]);
    assert!(super::files::collect(&dir.path().join("locked"), &list).is_err());
}

#[test]
fn the_environment_comes_before_the_files() {
    let dir = folder(&[("a.json", r#"{"client":{"address":"from-file"}}"#)]);
    let sources = Sources {
        client_name: Some("from-env".to_owned()),
        client_address: Some("from-env".to_owned()),
        client_subscriptions: Some("x,y".to_owned()),
        ..sources(dir.path())
    };
    let settings = load(&sources, &mut Vec::new()).expect("valid");
    assert_eq!(
        text(&Value::Object(settings.client().clone())),
        r#"{"name":"from-env","address":"from-file","subscriptions":["x","y","client:from-env"]}"#
    );
}

fn any_object() -> impl Strategy<Value = Object> {
    proptest::collection::vec(("[a-c]{1,2}", any_value()), 0..5)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.into_bytes().into(), value)).collect())
}

proptest! {
    #[test]
    fn merging_the_same_again_changes_nothing(one in any_object(), two in any_object()) {
        // Lists are made unique where they meet: what was never merged may hold the same twice.
        let mut merged = one;
        deep_merge(&mut merged, two.clone());
        deep_merge(&mut merged, two.clone());
        let once = merged.clone();
        deep_merge(&mut merged, two);
        prop_assert_eq!(Value::Object(merged).to_bytes(), Value::Object(once).to_bytes());
    }

    #[test]
    fn there_is_a_difference_where_values_differ(one in any_object(), two in any_object()) {
        prop_assert_eq!(deep_diff(&one, &two).is_empty(), one == two);
        prop_assert!(deep_diff(&one, &one).is_empty());
    }

    #[test]
    fn arbitrary_definitions_never_panic(checks in any_object(), client in any_object()) {
        let root = Object::from_iter([
            (b"checks"[..].into(), Value::Object(checks)),
            (b"client"[..].into(), Value::Object(client)),
        ]);
        if let Err(refused) = Settings::new(root) {
            prop_assert!(!refused.lines().is_empty());
        }
    }
}
