use super::*;
use crate::config::{Auth, Color};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

const SYSTEM: &str = r#"
[defaults]
timeout = "3s"
node_label = "node"
[[cluster]]
name = "east"
prometheus = ["http://pe:9090", "http://pf:9090"]
[[cluster]]
name = "west"
prometheus = ["http://pw:9090"]
timeout = "9s"
[policy.silence]
confirm_above = { alerts = 7, duration = "2h" }
"#;

const USER: &str = r#"
[defaults]
timeout = "4s"
[[cluster]]
name = "lab"
prometheus = ["http://lab:9090"]
[[cluster]]
name = "east"
auth = { bearer_file = "token" }
prometheus = ["http://mine:9090"]
[policy.silence]
confirm_above = { alerts = 8 }
"#;

fn both(flags: &[Flag], env: &Env) -> (TempDir, Loaded) {
    let dir = folder(&[("user.toml", USER), ("system.toml", SYSTEM), ("token", "secret")]);
    let files = [dir.path().join("user.toml"), dir.path().join("system.toml")];
    let loaded = load_usual(&files, flags, env).unwrap_or_else(|errors| panic!("{errors}"));
    (dir, loaded)
}

#[test]
fn the_users_file_is_laid_over_the_systems() {
    let (dir, Loaded { config, origins, .. }) = both(&[], &Env::default());
    assert_eq!(config.defaults.timeout, Duration::from_secs(4));
    assert_eq!(config.defaults.node_label, "node");
    let names: Vec<&str> = config.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["east", "west", "lab"], "the system's order, then what the user adds");
    let east = &config.clusters[0];
    assert_eq!(east.prometheus.len(), 1, "a list is replaced as a whole");
    assert!(matches!(&east.auth, Some(Auth::BearerFile(file)) if *file == dir.path().join("token")));
    assert_eq!(east.timeout, Duration::from_secs(4), "inherited");
    assert_eq!(config.clusters[1].timeout, Duration::from_secs(9), "its own");
    let above = config.policy.confirm_above;
    assert_eq!((above.alerts, above.clusters, above.duration), (8, 1, Duration::from_secs(7200)));
    let origin = |key: &str| origins[key].to_string().replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(origin("defaults.timeout"), "user.toml:3:11");
    assert_eq!(origin("cluster.east.timeout"), "user.toml:3:11");
    assert_eq!(origin("defaults.node_label"), "system.toml:4:14");
    assert_eq!(origin("cluster.west.timeout"), "system.toml:11:11");
    assert_eq!(origin("cluster.west.access"), "default");
    assert_eq!(origin("policy.silence.confirm_above.duration"), "system.toml:13:42");
}

#[test]
fn flags_win_over_the_environment_and_that_over_files() {
    let env = [("IAASMON_TIMEOUT", "6s"), ("IAASMON_COLOR", "never"), ("IAASMON_THEME", "")];
    let flag = Flag { name: "--timeout", key: "defaults.timeout", value: "7s".to_owned() };
    let (_dir, loaded) = both(&[flag], &env.into_iter().collect());
    assert_eq!(loaded.config.defaults.timeout, Duration::from_secs(7));
    assert_eq!(loaded.config.clusters[0].timeout, Duration::from_secs(7));
    assert_eq!(loaded.config.clusters[1].timeout, Duration::from_secs(9), "a cluster's own value stays");
    assert_eq!(loaded.config.ui.color, Color::Never);
    assert_eq!(loaded.config.ui.theme, None, "an empty variable is unset");
    assert_eq!(loaded.origins["defaults.timeout"].to_string(), "flag --timeout");
    assert_eq!(loaded.origins["ui.color"].to_string(), "env IAASMON_COLOR");
}

#[test]
fn every_override_sets_its_key() {
    let env: Env = OVERRIDES
        .iter()
        .map(|(name, _)| {
            let value = match *name {
                "IAASMON_TIMEOUT" | "IAASMON_REFRESH" => "33s",
                "IAASMON_MAX_BODY" => "1MiB",
                "IAASMON_COLOR" => "256",
                _ => "word",
            };
            (*name, value)
        })
        .collect();
    let (_dir, loaded) = both(&[], &env);
    for (name, key) in OVERRIDES {
        assert_eq!(loaded.origins[key], Origin::Env(name));
    }
}

#[test]
fn wrong_variables_are_problems_beside_those_of_the_files() {
    let dir = folder(&[("c.toml", "[[cluster]]\nname = \"a\"\nprometheus = [\"a\"]\n")]);
    let file = dir.path().join("c.toml");
    let env = [("IAASMON_TIMEOUT", "soon")].into_iter().collect();
    let errors = load_with(Some(&file), &[], &env).expect_err("two problems");
    let text = errors.to_string();
    assert_eq!(errors.problems().len(), 2, "{text}");
    assert!(text.contains("env IAASMON_TIMEOUT: `defaults.timeout`: not a duration: `soon`"), "{text}");
}

#[test]
fn a_named_file_is_read_alone_and_must_be_there() {
    let dir = folder(&[("one.toml", "[[cluster]]\nname = \"one\"\nprometheus = [\"http://a:1\"]\n")]);
    let (one, none) = (dir.path().join("one.toml"), dir.path().join("none.toml"));
    let env: Env =
        [("IAASMON_CONFIG", none.as_os_str()), ("HOME", dir.path().as_os_str())].into_iter().collect();
    assert_eq!(load(Some(&one), &env).expect("the flag wins").source, [one]);
    let text = load(None, &env).expect_err("the variable's file is missing").to_string();
    assert_eq!(text, format!("{}: cannot read: no such file or directory", none.display()));
}

#[test]
fn without_any_file_the_places_and_a_way_on_are_named() {
    let dir = folder(&[]);
    let places = [dir.path().join("user.toml"), dir.path().join("system.toml")];
    let text = load_usual(&places, &[], &Env::default()).expect_err("nothing there").to_string();
    assert!(text.starts_with("no configuration found\n  hint: looked for "), "{text}");
    assert!(text.contains("user.toml and ") && text.contains("iaasmon config init"), "{text}");
}

#[test]
fn unreadable_text_is_located() {
    let dir = folder(&[]);
    let file = dir.path().join("latin1.toml");
    fs::write(&file, b"# fine\n# caf\xE9\n").expect("written");
    let text = load(Some(&file), &Env::default()).expect_err("not UTF-8").to_string();
    assert_eq!(text, format!("{}:2:6: not UTF-8", file.display()));
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).expect("written");
    let text = load(Some(&file), &Env::default()).expect_err("too large").to_string();
    assert!(text.ends_with("larger than 1 mib"), "{text}");
    let text = load(Some(dir.path()), &Env::default()).expect_err("a folder").to_string();
    assert!(text.ends_with("not a regular file"), "{text}");
}

#[test]
fn home_is_where_the_tilde_points() {
    let dir = folder(&[("token", "secret")]);
    let text =
        "[[cluster]]\nname = \"a\"\nprometheus = [\"https://a\"]\nauth = { bearer_file = \"~/token\" }\n";
    let env = [("HOME", dir.path().as_os_str())].into_iter().collect();
    let loaded = parse(text, Path::new("/nowhere/c.toml"), &env).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(
        matches!(&loaded.config.clusters[0].auth, Some(Auth::BearerFile(file)) if file.starts_with(dir.path()))
    );
    let errors = parse(text, Path::new("/nowhere/c.toml"), &Env::default()).expect_err("no home").to_string();
    assert!(errors.contains("HOME is not set"), "{errors}");
}

#[test]
fn dangers_are_warnings() {
    let dir = folder(&[("token", "secret")]);
    let text = "[[cluster]]\nname = \"a\"\nprometheus = [\"http://a\"]\nauth = { bearer_file = \"token\" }\n";
    let file = dir.path().join("c.toml");
    let warnings = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(dir.path().join("token"), fs::Permissions::from_mode(mode)).expect("set");
        let loaded = parse(text, &file, &Env::default()).unwrap_or_else(|errors| panic!("{errors}"));
        loaded.warnings.iter().map(|warning| warning.message.clone()).collect::<Vec<_>>()
    };
    let open = warnings(0o644);
    assert_eq!(open.len(), 3, "{open:?}");
    assert!(open[0].contains("single prometheus server"), "{open:?}");
    assert!(open[1].contains("over plain http to http://a/"), "{open:?}");
    assert!(open[2].contains("every user may read it"), "{open:?}");
    assert_eq!(warnings(0o600), open[..2]);
}
