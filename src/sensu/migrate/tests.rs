use super::{Finding, Kind, Tally, Verdict, report, tally};
use crate::sensu::definitions::{Sources, load};

fn findings(definitions: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.json");
    std::fs::write(&file, definitions).expect("written");
    let sources = Sources { file: Some(file), hostname: "n1".to_owned(), ..Sources::default() };
    report(&load(&sources, &mut Vec::new()).expect("valid"))
}

/// What is said of a check, as `verdict about`.
fn said(findings: &[Finding], name: &str) -> Vec<String> {
    let of = findings.iter().filter(|finding| finding.kind == Kind::Check && finding.name == name);
    of.map(|finding| format!("{} {}", finding.verdict.word(), finding.about)).collect()
}

fn words(findings: &[Finding], kind: Kind, name: &str, about: &str) -> String {
    let of = |f: &&Finding| f.kind == kind && f.name == name && f.about == about;
    findings.iter().find(of).map(|finding| finding.text.clone()).unwrap_or_default()
}

#[test]
fn a_plain_check_carries_over() {
    let found = findings(
        r#"{"checks":{"disk":{"command":"/usr/lib/check_disk","interval":60,"timeout":10,"standalone":true}}}"#,
    );
    assert_eq!(said(&found, "disk"), ["carries schedule"]);
    assert_eq!(words(&found, Kind::Check, "disk", "schedule"), "runs every 1m");
    assert_eq!(tally(&found), Tally { carries: 1, ..Tally::default() });
    // Without a handler the server takes the default one.
    assert!(words(&found, Kind::Handler, "default", "handler").starts_with("not defined here, for 1 check:"));
}

#[test]
fn what_the_server_did_needs_a_decision() {
    let found = findings(
        r#"{"checks":{"a":{"command":"x","interval":60,"timeout":9,"standalone":true,"handlers":["mail"],"occurrences":3,
        "refresh":1800,"type":"metric","aggregates":["web"],"dependencies":["c/d"],"handle":false,"auto_resolve":false,
        "ttl":120}}}"#,
    );
    let expected = [
        "decide aggregates",
        "decide dependencies",
        "decide auto_resolve",
        "decide type",
        "differs occurrences",
        "differs refresh",
        "differs handle",
        "differs handlers",
        "carries schedule",
        "carries ttl",
    ];
    assert_eq!(said(&found, "a"), expected);
    assert_eq!(
        words(&found, Kind::Check, "a", "occurrences"),
        "nobody counts to 3: `generate rules --sensu` writes `for: 2m`"
    );
    assert!(words(&found, Kind::Check, "a", "refresh").ends_with("writes `repeat_interval: 30m`"));
    assert_eq!(tally(&found), Tally { decide: 1, ..Tally::default() });
}

#[test]
fn who_asks_for_a_check_decides_whether_it_runs_here() {
    let found = findings(
        r#"{"client":{"subscriptions":["web","roundrobin:web"]},"checks":{
        "ours":{"command":"x","interval":5,"timeout":1,"subscribers":["db","web"]},
        "shared":{"command":"x","interval":5,"timeout":1,"subscribers":["roundrobin:web"]},
        "theirs":{"command":"x","interval":5,"timeout":1,"subscribers":["db"]},
        "never":{"command":"x","timeout":1,"publish":false,"subscribers":["web"]},
        "proxied":{"command":"x","interval":5,"timeout":1,"subscribers":["web"],"proxy_requests":{"client_attributes":{"a":1}}}}}"#,
    );
    assert_eq!(said(&found, "ours"), ["differs subscribers"]);
    assert_eq!(said(&found, "shared"), ["decide subscribers"]);
    assert_eq!(said(&found, "theirs"), ["decide subscribers"]);
    assert_eq!(said(&found, "never"), ["differs publish"]);
    assert_eq!(said(&found, "proxied"), ["decide proxy_requests"]);
}

#[test]
fn the_differences_of_the_engine_are_named() {
    let found = findings(
        r#"{"client":{"disk":{"warn":80}},"checks":{
        "hooked":{"command":"check_x -w :::disk.warn:::","interval":5,"standalone":true,"note":"Füllstand",
            "hooks":{"critical":{"command":"ps :::disk.warn:::"}}},
        "lost":{"command":"/opt/sensu/embedded/bin/check-x.rb :::disk.crit:::","interval":5,"timeout":-1,"standalone":true}}}"#,
    );
    let expected = [
        "differs command",
        "differs hooks",
        "differs text",
        "differs timeout",
        "differs token",
        "carries schedule",
        "carries hooks",
    ];
    assert_eq!(said(&found, "hooked"), expected);
    assert_eq!(
        said(&found, "lost"),
        ["decide command", "decide timeout", "decide token", "carries schedule"]
    );
    assert!(words(&found, Kind::Check, "lost", "token").contains("`disk.crit`"));
    assert_eq!(tally(&found), Tally { decide: 1, differs: 1, carries: 0 });
}

#[test]
fn handlers_filters_mutators_and_the_clients_own_are_sections() {
    let found = findings(
        r#"{"client":{"keepalive":{"handler":"mail"}},"redis":{"host":"r"},
        "handlers":{"mail":{"type":"pipe","command":"mailx ops","severities":["critical"],"filter":"night"},"all":{"type":"set","handlers":["mail"]}},
        "filters":{"night":{"negate":true,"attributes":{"check":{"team":"x"}}}},
        "mutators":{"tag":{"command":"tag.rb"}},
        "checks":{"a":{"command":"x","interval":5,"timeout":1,"standalone":true,"handler":"mail"}}}"#,
    );
    assert_eq!(
        words(&found, Kind::Handler, "mail", "handler"),
        "`mailx ops`, for 1 check: make it a route and a receiver of Alertmanager"
    );
    assert!(words(&found, Kind::Handler, "mail", "severities").starts_with(r#"["critical"] "#));
    assert!(words(&found, Kind::Handler, "all", "handler").starts_with("to mail, for no check here:"));
    assert!(words(&found, Kind::Filter, "night", "attributes").contains(r#"`not {"check":{"team":"x"}}`"#));
    assert!(words(&found, Kind::Mutator, "tag", "command").contains("`tag.rb`"));
    assert!(words(&found, Kind::Client, "n1", "keepalive").contains("NodeDown"));
    let service = found.iter().find(|finding| finding.kind == Kind::Service).expect("Redis");
    assert_eq!((service.verdict, &*service.name), (Verdict::Differs, "redis"));
    let order: Vec<_> = found.iter().map(|finding| (finding.verdict, finding.kind)).collect();
    assert!(order.is_sorted(), "what has to be decided comes first: {order:?}");
}
