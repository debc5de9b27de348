//! What people are told: the configuration and the words that `generate alertmanager` writes, and `notify-preview`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use support::{Outcome, command, run, servers};
use tempfile::TempDir;

/// A folder with a configuration.
struct Desk {
    folder: TempDir,
}

const CONFIG: &str = r##"
[[cluster]]
name = "east"
alertmanager = ["http://am.example:9093"]
[generate.mail]
smarthost = "127.0.0.1:25"
from = "sensu@example.com"
to = ["oncall@example.com"]
reply_to = "oncall@example.com"
[generate.slack]
webhook_file = "/etc/alertmanager/slack-url"
channel = "#alerts"
[[generate.receiver]]
name = "storage"
match = ['handlers=~"(.*,)?storage(,.*)?"', 'env!="dev"']
mail_to = ["storage@example.com", "second@example.com"]
slack_channel = "#storage"
webhook = ["http://bot.example:8080/alerts"]
"##;

impl Desk {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn iaasmon(&self, args: &[&str]) -> Outcome {
        run(command().arg("--config").arg(self.path("config.toml")).args(args), b"")
    }

    /// Writes everything and has amtool look at it; returns the configuration.
    fn generate(&self, extra: &[&str]) -> String {
        let out = self.path("out").display().to_string();
        let written = self.iaasmon(&[&["generate", "alertmanager", "--out", &out], extra].concat());
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        let file = self.path("out/alertmanager.yml");
        let amtool = Command::new(amtool()).arg("check-config").arg(&file).output().unwrap();
        let said =
            String::from_utf8_lossy(&amtool.stdout).into_owned() + &String::from_utf8_lossy(&amtool.stderr);
        assert!(amtool.status.success(), "{said}");
        std::fs::read_to_string(file).unwrap()
    }

    fn preview(&self, alerts: &Value, extra: &[&str]) -> Outcome {
        let file = self.write("alerts.json", &alerts.to_string());
        let amtool = amtool().display().to_string();
        self.iaasmon(&[&["notify-preview", "--file", &file, "--amtool", &amtool], extra].concat())
    }

    fn document(&self, alerts: &Value) -> Value {
        let shown = self.preview(alerts, &["-o", "json"]);
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        serde_json::from_str::<Value>(&shown.stdout).unwrap()["data"].clone()
    }
}

fn amtool() -> PathBuf {
    servers().alertmanager.with_file_name("amtool")
}

/// An alert of a check as the proxy sends it.
fn alert(name: &str, severity: &str, ends_at: &str) -> Value {
    json!({
        "labels": {"alertname": name, "check": "disk", "instance": "hv-1:10105", "severity": severity},
        "annotations": {
            "summary": "disk on hv-1", "check_output": "CRIT: /var is full: 97% <b>\n", "check_client": "hv-1",
            "check_address": "10.0.0.7", "check_issued": "2026-11-23T06:22:40.123Z", "check_status": "2",
            "check_command": "check_disk -w 80", "check_occurrences": "3", "playbook": "https://wiki/disk?a=1&b=2",
        },
        "startsAt": "2026-11-23T06:22:41Z", "endsAt": ends_at, "generatorURL": "http://prometheus/",
    })
}

fn critical() -> Value {
    alert("CheckCritical", "critical", "2099-01-01T00:00:00Z")
}

#[test]
fn what_is_generated_is_taken_by_amtool_whatever_is_configured() {
    let many = CONFIG.replace(
        "[generate.mail]",
        "[generate]\ngroup_by = \"node\"\ngroup_wait = \"30s\"\n[generate.mail]\nhtml = false",
    );
    let minimal = "[[cluster]]\nname = \"a\"\nalertmanager = [\"http://am:9093\"]\n[generate.slack]\nwebhook_file = \"/x\"\nchannel = \"#a\"\n";
    let words = r#"
subject = "{{{client}}} \"%s' {label.team}"
body = """
  {{ {output} }}
\"quoted\" <b> `x`

{annotation.x}{label.y} \\ {silence}
"""
[generate.slack]"#;
    let strange = CONFIG.replace("[generate.slack]", words);
    for config in [CONFIG, &many, minimal, &strange] {
        let desk = Desk::new(config);
        let first = desk.generate(&[]);
        assert_eq!(desk.generate(&[]), first, "the same each time");
        let out = desk.path("out").display().to_string();
        assert_eq!(desk.iaasmon(&["generate", "alertmanager", "--check", &out]).code, Some(0));
        desk.write("out/iaasmon.tmpl", "other");
        let differs = desk.iaasmon(&["generate", "alertmanager", "--check", &out]);
        assert_eq!(differs.code, Some(1), "{}", differs.stderr);
        assert!(differs.stderr.contains("iaasmon.tmpl:"), "{}", differs.stderr);
        std::fs::remove_file(desk.path("out/iaasmon.tmpl")).unwrap();
        let missing = desk.iaasmon(&["generate", "alertmanager", "--check", &out]);
        assert_eq!(missing.code, Some(1), "{}", missing.stderr);
        assert!(missing.stderr.contains("iaasmon.tmpl: is missing"), "{}", missing.stderr);
        let one = desk.path("out/alertmanager.yml").display().to_string();
        assert_eq!(desk.iaasmon(&["generate", "alertmanager", "--check", &one]).code, Some(0));
    }
}

#[test]
fn a_cluster_has_its_own_names_of_labels() {
    let desk = Desk::new(&CONFIG.replace("[generate.mail]", "check_label = \"name\"\n[generate.mail]"));
    let text = desk.generate(&["--cluster", "east"]);
    assert!(text.contains("equal: [\"instance\", \"name\", \"source\", \"job\"]"), "{text}");
    assert!(text.starts_with("# Written by `iaasmon generate alertmanager --cluster east`"), "{text}");
    let mut alert = critical();
    alert["labels"] =
        json!({"alertname": "CheckCritical", "name": "disk", "instance": "hv-1", "severity": "critical"});
    assert_eq!(desk.document(&alert)["mail"]["subject"], "ALERT - hv-1/disk: CRITICAL");
}

#[test]
fn words_of_ones_own_are_kept_to_the_letter() {
    let config = CONFIG.replace("[generate.slack]", "subject = \"{{{client}}} \\\"%s' {label.check}\"\nbody = \"  {{ {severity} }}\\n\\n\\\"q\\\" <b>\\n{annotation.none}\\n\"\n[generate.slack]");
    let data = Desk::new(&config).document(&critical());
    assert_eq!(data["mail"]["subject"], "{hv-1} \"%s' disk");
    // The line without a value is left out.
    assert_eq!(data["mail"]["text"], "  { critical }\n\n\"q\" <b>\n");
    assert!(data["mail"]["html"].as_str().unwrap().contains("\"q\" &lt;b&gt;"));
}

#[test]
fn a_check_is_told_again_when_sensu_told_it_again() {
    let desk = Desk::new(CONFIG);
    let checks = json!({"checks": {
        "slow": {"command": "true", "interval": 60, "subscribers": ["all"], "refresh": 7200},
        "usual": {"command": "true", "interval": 60, "subscribers": ["all"], "refresh": 1800},
        "a.b": {"command": "true", "interval": 60, "subscribers": ["all"], "refresh": 7200},
    }});
    desk.write("checks.json", &checks.to_string());
    let folder = desk.path("").display().to_string();
    let text = desk.generate(&["--sensu", &folder]);
    assert_eq!(text.matches("repeat_interval: 2h").count(), 1, "{text}");
    let to = |labels: &[&str]| {
        let mut routes = Command::new(amtool());
        routes
            .args(["config", "routes", "test", "--config.file"])
            .arg(desk.path("out/alertmanager.yml"))
            .args(labels);
        let output = routes.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for check in ["check=slow", "check=usual", "check=a.b", "check=other"] {
        assert_eq!(to(&[check]), "default");
        assert_eq!(to(&[check, "handlers=mail,storage", "env=prod"]), "storage");
        assert_eq!(to(&[check, "handlers=storage", "env=dev"]), "default");
    }
    assert_eq!(to(&["alertname=Watchdog"]), "nobody");
}

#[test]
fn in_the_shadow_of_sensu_nobody_else_is_told() {
    let desk = Desk::new(CONFIG);
    for (shadow, wanted) in [
        ("me@example.com", "to: \"me@example.com\""),
        ("http://127.0.0.1:9/x", "url: \"http://127.0.0.1:9/x\""),
    ] {
        let text = desk.generate(&["--shadow", shadow]);
        for other in ["oncall@example.com\"\n        send", "storage@", "#alerts", "#storage", "bot.example"]
        {
            assert!(!text.contains(other), "{other} in {text}");
        }
        assert_eq!(text.matches(wanted).count(), 2, "{text}");
    }
    let refused = desk.iaasmon(&["generate", "alertmanager", "--shadow", "me"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[test]
fn what_is_missing_is_said_before_amtool_says_it() {
    let config =
        |part: &str| format!("[[cluster]]\nname = \"a\"\nalertmanager = [\"http://am:9093\"]\n{part}");
    for (part, wanted) in [
        ("[generate.mail]\nto = [\"a@b\"]\n", "smarthost"),
        ("[generate.slack]\nchannel = \"#a\"\n", "webhook_file"),
    ] {
        let refused = Desk::new(&config(part)).iaasmon(&["generate", "alertmanager"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stdout);
        assert!(refused.stderr.contains(wanted), "{}", refused.stderr);
    }
    let warned = Desk::new(&config("")).iaasmon(&["generate", "alertmanager"]);
    assert_eq!(warned.code, Some(0));
    assert!(warned.stderr.contains("told to nobody"), "{}", warned.stderr);
}

#[test]
fn a_mail_says_what_the_mails_of_sensu_said() {
    let data = Desk::new(CONFIG).document(&critical());
    assert_eq!(data["mail"]["subject"], "ALERT - hv-1/disk: CRITICAL");
    let filter = "filter=%7Bcheck%3D%22disk%22%2Cinstance%3D%22hv-1%3A10105%22%7D";
    let text = format!(
        "CRIT: /var is full: 97% <b>\n\
         Admin GUI: http://am.example:9093/#/alerts?{filter}\n\
         Host: hv-1\n\
         Timestamp: 2026-11-23 06:22:40 +0000\n\
         Address:  10.0.0.7\n\
         Check Name:  disk\n\
         Command:  check_disk -w 80\n\
         Status:  CRITICAL\n\
         Occurrences:  3\n\
         Playbook:  https://wiki/disk?a=1&b=2\n\
         Silence:  http://am.example:9093/#/silences/new?{filter}\n"
    );
    assert_eq!(data["mail"]["text"], text);
    let headers = json!({
        "X-Sensu-Host": "hv-1", "X-Sensu-Timestamp": "2026-11-23 06:22:40 +0000", "X-Sensu-Address": "10.0.0.7",
        "X-Sensu-Check-Name": "disk", "X-Sensu-Status": "CRITICAL", "X-Sensu-Occurrences": "3",
    });
    assert_eq!(data["mail"]["headers"], headers);
    let html = data["mail"]["html"].as_str().unwrap();
    assert!(
        html.contains("97% &lt;b&gt;") && html.contains("<a href=\"https://wiki/disk?a=1&amp;b=2\">"),
        "{html}"
    );
    assert_eq!(
        (&data["slack"]["title"], &data["slack"]["color"]),
        (&json!("10.0.0.7 - CRITICAL"), &json!("#FF0000"))
    );
    let slack = data["slack"]["text"].as_str().unwrap();
    // What a script prints must not call a whole channel.
    assert!(slack.starts_with("hv-1/disk: CRIT: /var is full: 97% &lt;b&gt; : 10.0.0.7\n"), "{slack}");
    assert!(slack.contains("https://wiki/disk?a=1&amp;b=2"), "{slack}");
}

#[test]
fn each_kind_of_alert_has_the_subject_that_it_had() {
    let desk = Desk::new(CONFIG);
    let subject = |alerts: Value| desk.document(&alerts)["mail"]["subject"].as_str().unwrap().to_owned();
    let over = "2026-11-23T07:00:00Z";
    assert_eq!(
        subject(alert("CheckWarning", "warning", "2099-01-01T00:00:00Z")),
        "ALERT - hv-1/disk: WARNING"
    );
    assert_eq!(
        subject(alert("CheckUnknown", "unknown", "2099-01-01T00:00:00Z")),
        "ALERT - hv-1/disk: UNKNOWN"
    );
    assert_eq!(subject(alert("CheckCritical", "critical", over)), "RESOLVED - hv-1/disk: OK");
    // The keepalive of Sensu.
    let labels =
        |labels: Value| json!({"labels": labels, "annotations": {"summary": "hv-1 does not answer"}});
    let down = labels(json!({"alertname": "NodeDown", "instance": "hv-1:10105", "severity": "critical"}));
    assert_eq!(subject(down.clone()), "ALERT - hv-1/keepalive: CRITICAL");
    let text = desk.document(&down)["mail"]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("hv-1 does not answer\n") && !text.contains("Command:"), "{text}");
    // A check about another host, and a rule about none.
    let mut other = critical();
    other["labels"]["source"] = json!("switch-7");
    assert_eq!(subject(other), "ALERT - switch-7/disk: CRITICAL");
    // The name that Sensu had for a node stands on its target.
    let mut named = down.clone();
    named["labels"]["client"] = json!("hv-one");
    assert_eq!(subject(named), "ALERT - hv-one/keepalive: CRITICAL");
    let of_peer = labels(json!({"alertname": "PeerUnreachable", "peer": "west", "severity": "critical"}));
    assert_eq!(subject(of_peer.clone()), "ALERT - west/PeerUnreachable: CRITICAL");
    let text = desk.document(&of_peer)["mail"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("%7Balertname%3D%22PeerUnreachable%22%2Cpeer%3D%22west%22%7D"), "{text}");
    let of_job = labels(json!({"alertname": "ScrapeFailing", "job": "iaasmon", "severity": "critical"}));
    assert_eq!(subject(of_job), "ALERT - iaasmon/ScrapeFailing: CRITICAL");
    // Worse, and not well: the end of the warning is not told.
    let worse = json!([alert("CheckWarning", "warning", over), critical()]);
    assert_eq!(subject(worse.clone()), "ALERT - hv-1/disk: CRITICAL");
    let text = desk.document(&worse)["mail"]["text"].as_str().unwrap().to_owned();
    assert!(!text.contains("Status:  OK") && text.matches("Host:").count() == 1, "{text}");
    // It was worse, and is well: one message.
    let well = |name, severity, at: &str| alert(name, severity, &format!("2026-11-23T07:00:{at}Z"));
    let over = json!([well("CheckWarning", "warning", "10"), well("CheckCritical", "critical", "20")]);
    assert_eq!(subject(over.clone()), "RESOLVED - hv-1/disk: OK");
    assert_eq!(desk.document(&over)["mail"]["text"].as_str().unwrap().matches("Host:").count(), 1);
    let mut another = critical();
    another["labels"]["check"] = json!("load");
    let several = json!([critical(), another]);
    assert_eq!(subject(several), "ALERT - hv-1/disk: CRITICAL (and others, 2 in all)");
}

#[test]
fn what_was_pushed_is_told_group_by_group() {
    let desk = Desk::new(CONFIG);
    let of = |name: &str, severity: &str, db: &str, ends_at: &str| {
        let mut alert = alert(name, severity, ends_at);
        alert["labels"] = json!({
            "alertname": name, "check": "backup", "job": "nightly", "db": db, "region": "east", "severity": severity,
        });
        alert["annotations"]["check_client"] = json!("jobs-1");
        alert["annotations"].as_object_mut().unwrap().remove("check_address");
        alert
    };
    let (over, goes_on) = ("2026-11-23T07:00:00Z", "2099-01-01T00:00:00Z");
    let mail = |alerts: Value| desk.document(&alerts)["mail"].clone();
    let worse = of("CheckCritical", "critical", "main", goes_on);
    let one = mail(worse.clone());
    assert_eq!(one["subject"], "ALERT - jobs-1/backup: CRITICAL");
    let text = one["text"].as_str().unwrap();
    // A silence of it is no wider than its group.
    let filter =
        "filter=%7Bcheck%3D%22backup%22%2Cdb%3D%22main%22%2Cjob%3D%22nightly%22%2Cregion%3D%22east%22%7D";
    assert!(text.contains(&format!("/#/silences/new?{filter}\n")), "{text}");
    assert!(text.starts_with("CRIT: /var is full") && !text.contains("Address:"), "{text}");
    assert_eq!(desk.document(&worse)["slack"]["title"], "jobs-1 - CRITICAL");
    // Its own warning goes on in it; that of another group has ended.
    let own = mail(json!([of("CheckWarning", "warning", "main", over), worse.clone()]));
    assert_eq!(own["text"].as_str().unwrap().matches("Host:").count(), 1, "{own:#}");
    let both = mail(json!([worse, of("CheckWarning", "warning", "other", over)]));
    assert_eq!(both["text"].as_str().unwrap().matches("Host:").count(), 2, "{both:#}");
    let yaml = desk.generate(&[]);
    assert!(
        yaml.contains("- source_matchers: ['alertname=\"CheckCritical\"', \"instance!=\\\"\\\"\"]"),
        "{yaml}"
    );
}

#[test]
fn a_preview_is_held_against_mails_of_sensu() {
    let desk = Desk::new(CONFIG);
    let sensu = "From: sensu@example.com\nSubject: ALERT - hv-1/disk: CRITICAL\nDate: Mon, 23 Nov 2026 06:22:41 +0000\n\
        X-Sensu-Host: hv-1\nX-Sensu-Check-Name: disk\nX-Sensu-Status: CRITICAL\nX-Sensu-Timestamp: 2026-11-20 01:02:03 +0000\n\n\
        CRIT: /var is full: 96%\nAdmin GUI: http://sensu/\nHost: hv-1\nTimestamp: 2026-11-20 01:02:03 +0000\nAddress:  10.0.0.7\n\
        Check Name:  disk\nCommand:  check_disk -w 80\nStatus:  CRITICAL\nOccurrences:  1\n";
    let mbox = |mails: &[&str]| {
        mails.iter().map(|mail| format!("From sensu Mon Nov 23 06:22:41 2026\n{mail}\n")).collect::<String>()
    };
    let other = sensu.replace("hv-1", "hv-2");
    let compare = |file: &str| desk.preview(&critical(), &["--compare", file]);
    let same = compare(&desk.write("same.mbox", &mbox(&[&other, sensu])));
    assert_eq!(same.code, Some(0), "{}{}", same.stdout, same.stderr);
    assert!(
        same.stdout.contains("same     Command") && same.stdout.contains("other    Timestamp"),
        "{}",
        same.stdout
    );
    let richer = sensu
        .replace("Occurrences:", "Team:  storage\nAddress:  10.9.9.9\nOccurrences:")
        .replace("Address:  10.0.0.7\n", "");
    let missing = compare(&desk.write("richer.eml", &richer));
    assert_eq!(missing.code, Some(1), "{}", missing.stdout);
    assert!(missing.stdout.contains("MISSING  Team: storage"), "{}", missing.stdout);
    assert!(missing.stdout.contains("DIFFERS  Address: 10.9.9.9, here 10.0.0.7"), "{}", missing.stdout);
    let unknown = compare(&desk.write("other.mbox", &mbox(&[&other])));
    assert_eq!(unknown.code, Some(2), "{}", unknown.stdout);
    assert!(unknown.stderr.contains("none of 1 mails"), "{}", unknown.stderr);
    assert_eq!(compare(&desk.write("none", "no mail")).code, Some(2));
}

#[test]
fn foreign_words_reach_the_terminal_made_safe() {
    let mut alert = critical();
    alert["annotations"]["check_output"] = json!("\u{1b}[31mred\u{202e} {{ define }}\n");
    alert["labels"]["check"] = json!("a\nb\u{7}");
    let shown = Desk::new(CONFIG).preview(&alert, &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", shown.stdout);
    assert!(shown.stdout.contains("{{ define }}"), "{}", shown.stdout);
}

#[test]
fn what_hinders_a_preview_is_said() {
    let desk = Desk::new(CONFIG);
    let file = desk.write("alert.json", &critical().to_string());
    let without = desk.iaasmon(&["notify-preview", "--file", &file, "--amtool", "/nonexistent/amtool"]);
    assert_eq!(without.code, Some(2), "{}", without.stdout);
    assert!(without.stderr.contains("apt-get install prometheus-alertmanager"), "{}", without.stderr);
    let broken = desk.iaasmon(&["notify-preview", "--file", &file, "--amtool", "/bin/false"]);
    assert!(broken.stderr.contains("amtool cannot render"), "{}", broken.stderr);
    let own = desk.write("own.tmpl", "{{ define \"iaasmon.subject\" }}{{ .Nothing }}{{ end }}");
    let broken = desk.preview(&critical(), &["--templates", &own]);
    assert_eq!(broken.code, Some(2), "{}", broken.stdout);
    assert!(broken.stderr.contains("amtool cannot render"), "{}", broken.stderr);
    for bad in ["", "[]", "{\"labels\": 7}"] {
        let file = desk.write("bad.json", bad);
        let refused = desk.iaasmon(&["notify-preview", "--file", &file]);
        assert_eq!(refused.code, Some(2), "{bad}: {}", refused.stdout);
        assert!(refused.stderr.contains("bad.json"), "{}", refused.stderr);
    }
    assert_eq!(desk.iaasmon(&["notify-preview"]).code, Some(2));
}
