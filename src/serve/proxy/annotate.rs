//! What a check's detail adds to its alert: a pure function of the result, so that two proxies side by side write the same.

use crate::model::check::Detail;
use crate::model::labels::Labels;
use crate::model::matcher::{Matcher, Verdict, accepts_all};
use crate::model::time::rfc3339;
use serde_json::Value;

/// How much of an output goes into an annotation: annotations go to every receiver, and an Alertmanager holds all of them.
pub const OUTPUT_CAP: usize = 2048;
/// How much of any other annotation.
const WORDS_CAP: usize = 512;
/// How many earlier statuses are told.
const HISTORY: usize = 20;
/// What annotations of ours begin with; nobody else's of these names stays.
const PREFIX: &str = "check_";
const ERROR: &str = "check_output_error";

/// Which alerts are enriched, and from where.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The alerts that it is for.
    pub matchers: Vec<Matcher>,
    /// Where the detail is fetched, with `{label}` places.
    pub detail_url: String,
    /// How many bytes of the output are written.
    pub output_cap: usize,
    /// Attributes of the definition that become annotations of the same name.
    pub copy: Vec<String>,
    /// The annotations that are written; none means all. Why there is no output is always said.
    pub only: Vec<String>,
}

impl Rule {
    /// Reports whether it is for this alert.
    pub fn is_for(&self, labels: &Labels) -> bool {
        accepts_all(&self.matchers, labels) == Verdict::Yes
    }
}

/// What was found of an alert's check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// The newest detail that is known.
    pub detail: Option<&'a Detail>,
    /// Why there is no newer one.
    pub problem: Option<&'a str>,
    /// Where it is.
    pub url: &'a str,
}

/// Returns the annotations of an alert: its own, and what was found.
pub(super) fn annotations(own: &[(String, String)], found: Found<'_>, rule: &Rule) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        own.iter().filter(|(name, _)| !name.starts_with(PREFIX)).cloned().collect();
    let mut add = |name: &str, value: String| {
        let wanted = rule.only.is_empty() || name == ERROR || rule.only.iter().any(|only| only == name);
        if wanted && !value.is_empty() {
            all.push((name.to_owned(), value));
        }
    };
    if let Some(detail) = found.detail {
        add("check_output", output(detail, rule.output_cap));
        detail_words(detail, &mut add);
    }
    add("check_url", found.url.to_owned());
    if let Some(problem) = found.problem {
        let known = found.detail.and_then(|detail| detail.executed);
        let of = known.map(|at| format!("; what is known is of {}", rfc3339(at))).unwrap_or_default();
        add(ERROR, cut(&clean(&format!("{problem}{of}")), WORDS_CAP));
    }
    for attribute in &rule.copy {
        let name = annotation_name(attribute);
        let value = found.detail.and_then(|detail| detail.other.get(attribute)).map(text).unwrap_or_default();
        // What the alert rule says by that name is meant to be said.
        if !value.is_empty() && !all.iter().any(|(known, _)| *known == name) {
            all.push((name, cut(&clean(&value), WORDS_CAP)));
        }
    }
    all
}

/// Everything that the detail says beside the output.
fn detail_words(detail: &Detail, add: &mut impl FnMut(&str, String)) {
    let words = |value: &str| cut(&clean(value), WORDS_CAP);
    let other = |name: &str| detail.other.get(name).map(text).unwrap_or_default();
    add("check_command", words(detail.command.as_deref().unwrap_or_default()));
    let status = detail.exit_status().or(detail.status.map(|status| i64::from(status.value())));
    add("check_status", status.map(|status| status.to_string()).unwrap_or_default());
    for name in ["client", "address", "issued"] {
        add(&format!("{PREFIX}{name}"), words(&other(name)));
    }
    add("check_executed", detail.executed.map(rfc3339).unwrap_or_default());
    add("check_duration", detail.duration.map(|seconds| format!("{seconds:.3}")).unwrap_or_default());
    add("check_occurrences", words(&other("occurrences")));
    add("check_handlers", words(&other("handlers")));
    add("check_last_ok", words(&other("last_ok")));
    let history = detail.other.get("history").and_then(Value::as_array);
    let history =
        history.map(|all| all[all.len().saturating_sub(HISTORY)..].iter().map(text).collect::<Vec<_>>());
    add("check_history", words(&history.unwrap_or_default().join(",")));
}

/// The output, cut with a note of how long it was.
fn output(detail: &Detail, cap: usize) -> String {
    let clean = clean(&detail.output);
    let whole = detail.output_bytes.unwrap_or(detail.output.len() as u64);
    if clean.len() <= cap && !detail.output_truncated {
        return clean;
    }
    let kept = &clean[..clean.floor_char_boundary(cap)];
    format!("{}\n(cut: {whole} bytes in all)", kept.trim_end())
}

/// A value as text: a list with commas, anything nested as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Takes out what no mail or chat can show: control characters but for line ends and tabs.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

fn cut(text: &str, cap: usize) -> String {
    if text.len() <= cap {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(cap)])
}

/// The name of an annotation that every Alertmanager takes (before 0.27 others are refused).
fn annotation_name(attribute: &str) -> String {
    let name: String =
        attribute.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::{Found, OUTPUT_CAP, Rule, annotations};
    use crate::model::check::Detail;
    use crate::wire::detail::decode_detail;
    use proptest::prelude::*;

    fn rule(copy: &[&str]) -> Rule {
        Rule {
            matchers: Vec::new(),
            detail_url: "http://{instance}/api/v1/checks/{check}".to_owned(),
            output_cap: OUTPUT_CAP,
            copy: copy.iter().map(|&name| name.to_owned()).collect(),
            only: Vec::new(),
        }
    }

    fn detail(json: &str) -> Detail {
        decode_detail("disk", json.as_bytes()).expect("a detail")
    }

    const FULL: &str = r#"{"v":1,"check":"disk","status":2,"executed":"2026-11-23T06:22:40.869Z","duration":0.25,
        "output":"CRIT: /var 97%\u001b[31m\r\nsecond\n","command":"check_disk -w 80","client":"hv-1","address":"10.0.0.7",
        "issued":"2026-11-23T06:22:40.000Z","handlers":["mail","slack"],"occurrences":3,"last_ok":null,
        "history":[0,0,2,2],"playbook":"https://wiki/disk","team name":"storage","stale":false}"#;

    fn named<'a>(all: &'a [(String, String)], name: &str) -> Option<&'a str> {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn an_alert_gets_every_fact_that_sensu_told() {
        let own = [
            ("summary".to_owned(), "disk full".to_owned()),
            ("check_output".to_owned(), "of somebody else".to_owned()),
            ("playbook".to_owned(), "the rule's own".to_owned()),
        ];
        let detail = detail(FULL);
        let found = Found { detail: Some(&detail), problem: None, url: "http://10.0.0.7:10105/x" };
        let all = annotations(&own, found, &rule(&["playbook", "team name", "missing"]));
        let expected = [
            ("summary", "disk full"),
            ("playbook", "the rule's own"),
            ("check_output", "CRIT: /var 97%[31m\nsecond\n"),
            ("check_command", "check_disk -w 80"),
            ("check_status", "2"),
            ("check_client", "hv-1"),
            ("check_address", "10.0.0.7"),
            ("check_issued", "2026-11-23T06:22:40.000Z"),
            ("check_executed", "2026-11-23T06:22:40.869Z"),
            ("check_duration", "0.250"),
            ("check_occurrences", "3"),
            ("check_handlers", "mail, slack"),
            ("check_history", "0,0,2,2"),
            ("check_url", "http://10.0.0.7:10105/x"),
            ("team_name", "storage"),
        ];
        let all: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_could_not_be_fetched_is_said_beside_what_is_known() {
        let found = Found { detail: None, problem: Some("connection refused"), url: "http://n/" };
        let bare = annotations(&[], found, &rule(&["playbook"]));
        assert_eq!(named(&bare, "check_output_error"), Some("connection refused"));
        assert_eq!(named(&bare, "check_output"), None);
        let known = detail(FULL);
        let found = Found { detail: Some(&known), ..found };
        let all = annotations(&[], found, &rule(&[]));
        let said = "connection refused; what is known is of 2026-11-23T06:22:40.869Z";
        assert_eq!(named(&all, "check_output_error"), Some(said));
        assert!(named(&all, "check_output").is_some_and(|output| output.starts_with("CRIT")));
    }

    #[test]
    fn a_rule_may_want_few_annotations_and_still_hears_of_failures() {
        let detail = detail(FULL);
        let found = Found { detail: Some(&detail), problem: Some("refused"), url: "http://n/" };
        let rule = Rule { only: vec!["check_output".to_owned()], ..rule(&["playbook"]) };
        let names: Vec<String> = annotations(&[], found, &rule).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["check_output", "check_output_error", "playbook"]);
    }

    #[test]
    fn an_exit_code_above_three_is_told_as_it_is() {
        let detail = detail(r#"{"status":3,"exit_status":127,"output":"not found"}"#);
        let found = Found { detail: Some(&detail), problem: None, url: "" };
        assert_eq!(named(&annotations(&[], found, &rule(&[])), "check_status"), Some("127"));
    }

    proptest! {
        #[test]
        fn every_annotation_is_bounded_and_can_be_shown(
            output in any::<String>(), command in "\\PC{0,900}", attribute in "\\PC{1,12}", cap in 1_usize..100,
        ) {
            let value = serde_json::json!({"output": output, "command": command, attribute.clone(): command});
            let detail = detail(&value.to_string());
            let found = Found { detail: Some(&detail), problem: Some(&command), url: "http://n/" };
            let rule = Rule { output_cap: cap, ..rule(&[&attribute]) };
            for (name, value) in annotations(&[], found, &rule) {
                prop_assert!(value.len() <= 600 && !value.is_empty(), "{}", name);
                prop_assert!(!value.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{}", value);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{}", name);
            }
        }
    }
}
