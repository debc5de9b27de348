//! Rules made of Sensu's definitions and of peers, on promtool.

use super::{promtool, write};
use crate::support::iaasmon;
use ::iaasmon::generate::rules::{Options, rules, suite};
use ::iaasmon::generate::sensu::SensuCheck;
use std::time::Duration;

/// What Sensu's checks may say of alerting.
pub const DEFINITIONS: &str = r#"{"checks": {
  "disk": {"command": "x", "standalone": true, "interval": 60, "occurrences": 3, "handlers": ["slack", "mail"], "refresh": 3600},
  "ntp.drift": {"command": "x", "standalone": true, "interval": 30, "occurrences": 2, "handler": "mail"},
  "load": {"command": "x", "subscribers": ["all"], "interval": 60},
  "router": {"command": "x", "standalone": true, "interval": 60, "source": "router-1", "handlers": ["mail"]},
  "backup": {"command": "x", "standalone": true, "cron": "0 3 * * *", "occurrences": 2, "handlers": ["mail"]},
  "vmstat": {"command": "x", "standalone": true, "interval": 60, "type": "metric", "handlers": ["graphite"]},
  "probe": {"command": "x", "standalone": true, "interval": 60, "handle": false},
  "by-hand": {"command": "x", "publish": false, "subscribers": ["all"], "handlers": ["mail"]}
}}"#;

/// Two regions.
pub const CONFIG: &str = r#"
[[cluster]]
name = "east"
prometheus = ["http://127.0.0.1:1"]
alertmanager = ["http://127.0.0.1:2"]
[[cluster]]
name = "west"
prometheus = ["http://127.0.0.1:3"]
alertmanager = ["http://127.0.0.1:4"]
"#;

#[test]
fn rules_of_sensus_definitions_and_of_peers_pass_their_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    let definitions = folder.path().join("conf.d");
    std::fs::create_dir(&definitions).unwrap();
    write(&definitions, "checks.json", DEFINITIONS);
    let config = write(folder.path(), "config.toml", CONFIG);
    // Nodes and checks may have other labels.
    let named = write(
        folder.path(),
        "named.toml",
        &format!("[defaults]\nnode_label = \"node\"\ncheck_label = \"name\"\n{CONFIG}"),
    );
    let sensu = ["--sensu", definitions.to_str().unwrap()];
    let cases: [(&str, &[&str]); 3] = [
        (&config, &sensu),
        (&config, &["--cluster", "east"]),
        (&named, &["--cluster", "west", sensu[0], sensu[1]]),
    ];
    for (config, extra) in cases {
        let all = [&["--config", config, "generate", "rules"], extra].concat();
        let rules = iaasmon(&all);
        assert_eq!((rules.code, &*rules.stderr), (Some(0), ""), "{extra:?}");
        let tests = iaasmon(&[&*all, &["--tests", "iaasmon.rules.yml"]].concat());
        write(folder.path(), "iaasmon.rules.yml", &rules.stdout);
        write(folder.path(), "tests.yml", &tests.stdout);
        promtool(folder.path(), &["check", "rules", "--lint-fatal", "iaasmon.rules.yml"]);
        promtool(folder.path(), &["test", "rules", "tests.yml"]);
    }
}

#[test]
fn waiting_and_handlers_are_those_of_the_definitions() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "checks.json", DEFINITIONS);
    let rules = iaasmon(&["generate", "rules", "--sensu", folder.path().to_str().unwrap()]);
    assert_eq!(rules.code, Some(0), "{}", rules.stderr);
    let rule = |severity: &str, labels: &str| {
        let labels = format!("labels: {{ severity: {severity}, {labels} }}");
        let before = rules.stdout.split(&labels).next().filter(|before| before.len() < rules.stdout.len());
        before
            .unwrap_or_else(|| panic!("{labels}: {}", rules.stdout))
            .rsplit("- alert: ")
            .next()
            .unwrap()
            .to_owned()
    };
    let at_once = rule("critical", r#"handlers: "default""#);
    assert!(at_once.contains(r#"bad{check=~\"load\"} == 2""#) && !at_once.contains("for:"), "{at_once}");
    let proxied = rule("critical", r#"handlers: "mail""#);
    assert!(proxied.contains(r#"{check=~\"router\"}"#), "{proxied}");
    let third = rule("warning", r#"handlers: "mail,slack", waits: "2m""#);
    assert!(third.contains("{check=~\\\"disk\\\"} == 1 or (") && third.contains("for: 2m\n"), "{third}");
    let second = rule("warning", r#"handlers: "mail", waits: "30s""#);
    assert!(second.contains(r#"{check=~\"ntp\\\\.drift\"}"#) && second.contains("for: 30s\n"), "{second}");
    assert!(rule("warning", r#"handlers: "mail", waits: "1d""#).contains("backup"), "of a cron line");
    let rest = r#"bad{check!~\"backup|by-hand|disk|load|ntp\\\\.drift|probe|router|vmstat\"} == 2""#;
    assert!(rules.stdout.contains(rest), "{}", rules.stdout);
    assert!(!rules.stdout.contains("graphite"), "nobody is told of metrics");
}

#[test]
fn definitions_and_clusters_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "checks.json", r#"{"checks": {"a": {"command": "x", "standalone": true}}}"#);
    let refused = iaasmon(&["generate", "rules", "--sensu", folder.path().to_str().unwrap()]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(refused.stderr.contains("a: check interval must be an integer"), "{}", refused.stderr);
    let config = write(folder.path(), "config.toml", CONFIG);
    let refused = iaasmon(&["--config", &config, "generate", "rules", "--cluster", "eats"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(refused.stderr.contains("did you mean `east`?"), "{}", refused.stderr);
}

/// What YAML, PromQL, regular expressions or templates could read as something else.
const HOSTILE: [&str; 7] = [
    "x\n      - alert: Evil\n        expr: vector(1)",
    "{{ .Labels }} {{{ $value }}",
    "{{- \"}}\" -}} {{{{{",
    "a\u{85}b\u{2028}c\u{2029}d\u{7f}e\u{feff}f\u{1b}[1mg",
    "\"] } # ' \\ \\n",
    "a|b.*(c)[d]^$+?",
    "%s {{ define \"x\" }}",
];

#[test]
fn names_that_mean_something_to_yaml_or_templates_are_names() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    for (number, name) in HOSTILE.iter().enumerate() {
        let check = |name: String, occurrences| SensuCheck {
            name,
            occurrences,
            interval: Some(Duration::from_secs(60)),
            handlers: vec![HOSTILE[(number + 1) % HOSTILE.len()].to_owned()],
            refresh: None,
            alerts: true,
        };
        let sensu = vec![check((*name).to_owned(), 1), check(format!("{name} waits"), 3)];
        let options = Options { sensu, ..Options::default() };
        files.push(format!("{number}.yml"));
        tests.push(format!("{number}.test.yml"));
        write(folder.path(), &files[number], &rules(&options));
        write(folder.path(), &tests[number], &suite(&options, &files[number]));
    }
    let all = |command: [&'static str; 2], files: &[String]| {
        let args: Vec<&str> = command.into_iter().chain(files.iter().map(String::as_str)).collect();
        promtool(folder.path(), &args);
    };
    all(["check", "rules"], &files);
    all(["test", "rules"], &tests);
}

#[test]
fn a_handler_whose_name_is_a_rule_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    let handler = serde_json::to_string(HOSTILE[0]).unwrap();
    let check = r#"{"command": "x", "standalone": true, "interval": 60, "handler": HANDLER}"#;
    let text = format!("{{\"checks\": {{\"a\": {}}}}}", check.replace("HANDLER", &handler));
    write(folder.path(), "checks.json", &text);
    let rules = iaasmon(&["generate", "rules", "--sensu", folder.path().to_str().unwrap()]);
    assert_eq!((rules.code, &*rules.stderr), (Some(0), ""));
    assert!(
        !rules.stdout.lines().any(|line| line.trim_start().starts_with("- alert: Evil")),
        "{}",
        rules.stdout
    );
    assert!(rules.stdout.contains("# Checks that x"), "{}", rules.stdout);
}

#[test]
fn what_no_rule_says_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"checks": {
        "a": {"command": "x", "standalone": true, "interval": 60, "occurrences": ":::occ|3:::", "handler": "all"},
        "b": {"command": "x", "standalone": true, "interval": 60, "dependencies": ["a"], "handlers": ["mail"]},
        "c": {"command": "x", "standalone": true, "interval": 60, "occurrences": "2", "handlers": ["page"]},
        "m": {"command": "x", "standalone": true, "interval": 60, "type": "metric", "dependencies": ["a"], "handlers": ["graphite"]}
    }, "handlers": {
        "all": {"type": "set", "handlers": ["mail"]},
        "mail": {"type": "pipe", "command": "x", "severities": ["critical"]},
        "page": {"type": "pipe", "command": "x", "filters": []},
        "graphite": {"type": "pipe", "command": "x", "filter": "f"}
    }}"#;
    write(folder.path(), "checks.json", text);
    let rules = iaasmon(&["generate", "rules", "--sensu", folder.path().to_str().unwrap()]);
    assert_eq!(rules.code, Some(0), "{}", rules.stderr);
    let notes: Vec<&str> = rules.stderr.lines().collect();
    let expected = [
        "note: occurrences that are no whole number: these checks alert at once: a",
        "note: `dependencies` of checks are not carried over: b",
        "note: handlers that are sets stay one name in the label `handlers`: all",
        "note: `severities` and `filters` of handlers are not carried over: mail",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn the_job_of_nodes_is_named_and_is_none_of_servers() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "config.toml", CONFIG);
    for what in ["rules", "prometheus"] {
        for job in ["", "iaasmon-proxy", "iaasmon-peer-west-proxy"] {
            let args = ["--config", &config, "generate", what, "--cluster", "east", "--job", job];
            let refused = iaasmon(&args);
            assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{args:?}");
            assert!(refused.stderr.contains("--job"), "{}", refused.stderr);
        }
    }
}
