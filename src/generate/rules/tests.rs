use super::{Options, rules, suite};
use crate::generate::sensu::SensuCheck;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[test]
fn names_of_the_configuration_stand_in_the_rules() {
    let options = Options {
        job: "nodes\"x".to_owned(),
        bad_metric: "status:bad".to_owned(),
        check_label: "name".to_owned(),
        ..Options::default()
    };
    let text = rules(&options);
    assert!(text.contains("- record: status:bad\n"), "{text}");
    assert!(text.contains(r#"expr: "up{job=\"nodes\\\"x\"} == 0"#), "{text}");
    assert!(text.contains("{{ $labels.name }} {{ with $labels.instance }}on {{ . }}{{ else }}of job {{ $labels.job }}{{ end }} is"), "{text}");
}

/// Names of pieces that YAML, PromQL, regular expressions or templates read as something else.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n      - alert: Evil\n        expr: vector(1)".to_owned()),
        "[{}\" \\\\|#:'.-]{1,4}",
        "[\n\r\t\u{0}\u{7f}\u{85}\u{a0}\u{2028}\u{2029}\u{feff}\u{ffff}]",
        "\\PC{1,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

fn check() -> impl Strategy<Value = SensuCheck> {
    let handlers = prop::collection::btree_set(hostile(), 1..3);
    (hostile(), 1_u64..4, handlers, any::<bool>()).prop_map(|(name, occurrences, handlers, alerts)| {
        SensuCheck {
            name,
            occurrences,
            interval: Some(Duration::from_secs(60)),
            handlers: handlers.into_iter().collect(),
            refresh: None,
            alerts,
        }
    })
}

/// The names that the first matcher of an expression fits.
fn names(expr: &str) -> BTreeSet<String> {
    let pattern = &expr[expr.find("~\"").expect("a matcher") + 1..];
    let pattern = serde_json::Deserializer::from_str(pattern).into_iter::<String>().next();
    let pattern = pattern.expect("a string").expect("a whole one");
    let mut names = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '|' => names.push(String::new()),
            '\\' => names.last_mut().expect("one").push(chars.next().expect("what is escaped")),
            c => names.last_mut().expect("one").push(c),
        }
    }
    names.into_iter().collect()
}

/// What Prometheus makes of the template, which holds nothing but braces.
fn expanded(value: &Value) -> String {
    let text = value.as_str().expect("a text");
    let parts: Vec<&str> = text.split("{{ \"{{\" }}").collect();
    assert!(parts.iter().all(|part| !part.contains("{{")), "{text:?} executes something");
    parts.join("{{")
}

proptest! {
    #[test]
    fn any_names_of_checks_and_handlers_make_the_rules_expected_and_no_others(
        checks in prop::collection::vec(check(), 1..5)
    ) {
        // As definitions are read: each name once.
        let checks: BTreeMap<String, SensuCheck> =
            checks.into_iter().map(|check| (check.name.clone(), check)).collect();
        let sensu: Vec<SensuCheck> = checks.values().cloned().collect();
        let options = Options { sensu, ..Options::default() };
        let text = rules(&options);
        let parsed: Value = serde_saphyr::from_str(&text).expect(&text);
        let groups: Vec<&Value> = parsed["groups"].as_array().expect("groups").iter().collect();
        let found: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
        prop_assert_eq!(found, ["iaasmon_checks", "iaasmon_nodes", "iaasmon_pushers", "iaasmon_delivery"]);

        let mut expected: BTreeMap<(u64, String), BTreeSet<String>> = BTreeMap::new();
        for check in checks.values().filter(|check| check.alerts) {
            let set = (check.occurrences - 1, check.handlers.join(","));
            expected.entry(set).or_default().insert(check.name.clone());
        }
        let rules = groups[0]["rules"].as_array().expect("rules");
        prop_assert_eq!(rules.len(), 1 + 3 * (expected.len() + 1), "{}", text);
        let alerts = ["CheckCritical", "CheckWarning", "CheckUnknown"];
        for (set, rules) in expected.iter().zip(rules[1..].chunks(3)) {
            let ((minutes, handlers), members) = set;
            for (rule, alert) in rules.iter().zip(alerts) {
                prop_assert_eq!(&rule["alert"], alert);
                prop_assert_eq!(&expanded(&rule["labels"]["handlers"]), handlers);
                prop_assert_eq!(&names(rule["expr"].as_str().expect("a text")), members);
                let hold = if *minutes > 0 { json!(format!("{minutes}m")) } else { Value::Null };
                prop_assert_eq!(rule.get("for").unwrap_or(&Value::Null), &hold);
                prop_assert_eq!(rule["labels"].get("waits").unwrap_or(&Value::Null), &hold);
            }
        }
        for (rule, alert) in rules[rules.len() - 3..].iter().zip(alerts) {
            prop_assert_eq!(&rule["alert"], alert);
            prop_assert_eq!(names(rule["expr"].as_str().expect("a text")), checks.keys().cloned().collect());
        }

        let text = suite(&options, "rules.yml");
        let tests: Value = serde_saphyr::from_str(&text).expect(&text);
        prop_assert_eq!(&tests["rule_files"], &json!(["rules.yml"]));
        let scenes = tests["tests"].as_array().expect("scenes").len();
        prop_assert_eq!(scenes, text.matches("\n  - interval: 1m\n").count(), "{}", text);
    }
}
