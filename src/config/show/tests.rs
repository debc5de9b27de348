use crate::config::{EXAMPLE, Env, load_with, parse, to_json, to_toml};
use insta::assert_snapshot;
use std::path::Path;

const TEXT: &str = r#"
[defaults]
timeout = "3s"
[[cluster]]
name = "east"
labels = { env = "prod" }
prometheus = ["http://pe:9090"]
headers = { X-Scope-OrgID = "iaas", X-Key = "k" }
[policy.silence]
comment_pattern = 'INC-\d+'
max_duration = "0"
confirm_above = { alerts = 7 }
"#;

#[test]
fn shown_with_origins() {
    let env = [("IAASMON_COLOR", "256")].into_iter().collect();
    let loaded = parse(TEXT, Path::new("/c.toml"), &env).expect("valid");
    assert_snapshot!(to_toml(&loaded.config, Some(&loaded.origins)), @r##"
    [defaults]
    timeout = "3s"  # /c.toml:3:11
    max_body = "64MiB"  # default
    node_label = "instance"  # default
    check_label = "check"  # default
    status_metric = "iaasmon_check_status"  # default
    bad_metric = "iaasmon_check_status:bad"  # default

    [[cluster]]
    name = "east"  # /c.toml:5:8
    labels = { env = "prod" }  # /c.toml:6:10
    prometheus = ["http://pe:9090/"]  # /c.toml:7:14
    access = "rw"  # default
    headers = { X-Key = "***", X-Scope-OrgID = "iaas" }  # /c.toml:8:11
    timeout = "3s"  # /c.toml:3:11
    max_body = "64MiB"  # default
    node_label = "instance"  # default
    check_label = "check"  # default
    status_metric = "iaasmon_check_status"  # default
    bad_metric = "iaasmon_check_status:bad"  # default

    [generate]
    group_by = "check"  # default
    group_wait = "10s"  # default
    group_interval = "1m"  # default
    repeat_interval = "30m"  # default

    [generate.mail]
    to = []  # default
    tls = true  # default
    subject = "{action} - {client}/{check}: {status}"  # default
    body = """
    {output}
    Admin GUI: {gui}
    Host: {client}
    Timestamp: {issued}
    Address:  {address}
    Check Name:  {check}
    Command:  {command}
    Status:  {status}
    Occurrences:  {occurrences}
    Playbook:  {playbook}
    Silence:  {silence}
    """  # default
    html = true  # default

    [policy.silence]
    comment_required = true  # default
    comment_pattern = 'INC-\d+'  # /c.toml:10:19
    max_duration = "0s"  # /c.toml:11:16
    confirm_above = { alerts = 7, clusters = 1, duration = "8h" }  # alerts: /c.toml:12:28, clusters: default, duration: default

    [ui]
    color = "256"  # env IAASMON_COLOR
    refresh = "15s"  # default
    "##);
}

#[test]
fn shown_as_json() {
    let loaded = parse(TEXT, Path::new("/c.toml"), &Env::default()).expect("valid");
    assert_snapshot!(format!("{:#}", to_json(&loaded.config, None)), @r#"
    {
      "data": {
        "cluster": [
          {
            "access": "rw",
            "bad_metric": "iaasmon_check_status:bad",
            "check_label": "check",
            "headers": {
              "X-Key": "***",
              "X-Scope-OrgID": "iaas"
            },
            "labels": {
              "env": "prod"
            },
            "max_body": "64MiB",
            "name": "east",
            "node_label": "instance",
            "prometheus": [
              "http://pe:9090/"
            ],
            "status_metric": "iaasmon_check_status",
            "timeout": "3s"
          }
        ],
        "defaults": {
          "bad_metric": "iaasmon_check_status:bad",
          "check_label": "check",
          "max_body": "64MiB",
          "node_label": "instance",
          "status_metric": "iaasmon_check_status",
          "timeout": "3s"
        },
        "enrich": [],
        "generate": {
          "group_by": "check",
          "group_interval": "1m",
          "group_wait": "10s",
          "mail": {
            "body": "{output}\nAdmin GUI: {gui}\nHost: {client}\nTimestamp: {issued}\nAddress:  {address}\nCheck Name:  {check}\nCommand:  {command}\nStatus:  {status}\nOccurrences:  {occurrences}\nPlaybook:  {playbook}\nSilence:  {silence}\n",
            "html": true,
            "subject": "{action} - {client}/{check}: {status}",
            "tls": true,
            "to": []
          },
          "receiver": [],
          "repeat_interval": "30m"
        },
        "policy": {
          "silence": {
            "comment_pattern": "INC-\\d+",
            "comment_required": true,
            "confirm_above": {
              "alerts": 7,
              "clusters": 1,
              "duration": "8h"
            },
            "max_duration": "0s"
          }
        },
        "ui": {
          "color": "auto",
          "refresh": "15s"
        }
      },
      "source": [
        "/c.toml"
      ],
      "v": 1
    }
    "#);
    let with = to_json(&loaded.config, Some(&loaded.origins));
    assert_eq!(with["origins"]["defaults.timeout"], "/c.toml:3:11");
}

#[test]
fn the_example_names_every_key_and_its_live_part_passes() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("config.toml");
    std::fs::write(&file, EXAMPLE).expect("written");
    let loaded = load_with(Some(&file), &[], &Env::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.clusters.len(), 1);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    for section in crate::config::keys::ALL {
        for key in section.keys {
            assert!(EXAMPLE.contains(key), "the example does not show {key}");
        }
    }
}

/// What the example comments out is right too: with every `# ` before a key removed it says the same as without.
#[test]
fn the_examples_commented_values_are_the_defaults_or_valid() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") && !rest.starts_with("iaasmon") => format!("{rest}\n"),
            Some(rest) if rest.starts_with("[[") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        // One of two ways to log in, and files that are not there.
        .filter(|line| !line.starts_with("auth =") && !line.starts_with("tls ="))
        .collect();
    let env: Env = [("HOME", "/home/kim")].into_iter().collect();
    let loaded = parse(&uncommented, Path::new("/c.toml"), &env).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.clusters.len(), 2);
    let plain = parse(EXAMPLE, Path::new("/c.toml"), &Env::default()).expect("valid");
    assert_eq!(loaded.config.defaults, plain.config.defaults);
    assert_eq!(loaded.config.policy.max_duration, plain.config.policy.max_duration);
    assert_eq!(loaded.config.policy.confirm_above, plain.config.policy.confirm_above);
    assert_eq!(loaded.config.ui.refresh, plain.config.ui.refresh);
    assert_eq!(loaded.config.ui.color, plain.config.ui.color);
}
