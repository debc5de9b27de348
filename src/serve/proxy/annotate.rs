//! What a check's detail adds to its alert: a pure function of the result, so that two proxies side by side write
//! the same.

use super::words::{NAMES, WORDS_CAP, Words, cut};
use crate::model::labels::Labels;
use crate::model::matcher::{Matcher, Verdict, accepts_all};
use crate::model::text::plain;
use crate::net::Places;
use std::borrow::Cow;

/// How much of an output goes into an annotation: annotations go to every receiver, and an Alertmanager holds all of them.
pub const OUTPUT_CAP: usize = 2048;
const URL: &str = "check_url";
const ERROR: &str = "check_output_error";

/// Which alerts are enriched, and from where.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The alerts that it is for.
    pub matchers: Vec<Matcher>,
    /// Where the detail is fetched.
    pub places: Places,
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

/// A name and its value.
pub(super) type Annotation<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What was found of an alert's check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// The words of the newest detail that is known.
    pub words: Option<&'a Words>,
    /// Why there is no newer one.
    pub problem: Option<&'a str>,
    /// Where it is.
    pub url: &'a str,
}

/// Returns the annotations of an alert: its own, and what was found.
pub(super) fn annotations<'a>(
    own: &'a [(String, String)],
    found: Found<'a>,
    rule: &'a Rule,
) -> Vec<Annotation<'a>> {
    // What else stands there by our names goes.
    let is_ours = |name: &str| matches!(name, URL | ERROR) || NAMES.contains(&name);
    let own = own.iter().filter(|(name, _)| !is_ours(name));
    let mut all: Vec<Annotation<'a>> =
        own.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
    let mut add = |name: &'a str, value: Cow<'a, str>| {
        let wanted = rule.only.is_empty() || name == ERROR || rule.only.iter().any(|only| only == name);
        if wanted && !value.is_empty() {
            all.push((name.into(), value));
        }
    };
    if let Some(words) = found.words {
        add("check_output", words.output(rule.output_cap).into());
        words.annotations().for_each(|(name, value)| add(name, value.into()));
    }
    add(URL, found.url.into());
    if let Some(problem) = found.problem {
        let known = found.words.and_then(Words::executed);
        let of = known.map(|at| format!("; what is known is of {at}")).unwrap_or_default();
        add(ERROR, cut(&plain(&format!("{problem}{of}")), WORDS_CAP).into());
    }
    for attribute in &rule.copy {
        let name = annotation_name(attribute);
        let value = found.words.and_then(|words| words.attribute(attribute)).unwrap_or_default();
        // What the alert rule says by that name is meant to be said.
        if !value.is_empty() && !all.iter().any(|(known, _)| *known == name) {
            all.push((name.into(), value.into()));
        }
    }
    all
}

/// The name of an annotation that every Alertmanager takes (before 0.27 others are refused).
fn annotation_name(attribute: &str) -> String {
    let name: String =
        attribute.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;
    use super::Annotation;
    use super::{Found, OUTPUT_CAP, Places, Rule, annotations};
    use crate::wire::detail::decode_detail;
    use proptest::prelude::*;

    fn rule(copy: &[&str]) -> Rule {
        Rule {
            matchers: Vec::new(),
            places: Places::one("http://{instance}/api/v1/checks/{check}".to_owned()),
            output_cap: OUTPUT_CAP,
            copy: copy.iter().map(|&name| name.to_owned()).collect(),
            only: Vec::new(),
        }
    }

    fn words(json: &str) -> Words {
        Words::of(&decode_detail("disk", json.as_bytes()).expect("a detail"), OUTPUT_CAP)
    }

    const FULL: &str = r#"{"v":1,"check":"disk","status":2,"executed":"2026-11-23T06:22:40.869Z","duration":0.25,
        "output":"CRIT: /var 97%\u001b[31m\r\nsecond\n","command":"check_disk -w 80","client":"hv-1","address":"10.0.0.7",
        "issued":"2026-11-23T06:22:40.000Z","handlers":["mail","slack"],"occurrences":3,"last_ok":null,
        "history":[0,0,2,2],"playbook":"https://wiki/disk","team name":"storage","stale":false}"#;

    fn named<'a>(all: &'a [Annotation<'_>], name: &str) -> Option<&'a str> {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    #[test]
    fn an_alert_gets_every_fact_that_sensu_told() {
        let own = [
            ("summary".to_owned(), "disk full".to_owned()),
            ("check_output".to_owned(), "of somebody else".to_owned()),
            ("check_url".to_owned(), "of somebody else".to_owned()),
            ("check_runbook".to_owned(), "https://wiki/run".to_owned()),
            ("playbook".to_owned(), "the rule's own".to_owned()),
        ];
        let words = words(FULL);
        let found = Found { words: Some(&words), problem: None, url: "http://10.0.0.7:10105/x" };
        let rule = rule(&["playbook", "team name", "missing"]);
        let all = annotations(&own, found, &rule);
        let expected = [
            ("summary", "disk full"),
            ("check_runbook", "https://wiki/run"),
            ("playbook", "the rule's own"),
            ("check_output", "CRIT: /var 97%\nsecond\n"),
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
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_could_not_be_fetched_is_said_beside_what_is_known() {
        let found = Found { words: None, problem: Some("connection refused"), url: "http://n/" };
        let (playbook, plain) = (rule(&["playbook"]), rule(&[]));
        let bare = annotations(&[], found, &playbook);
        assert_eq!(named(&bare, "check_output_error"), Some("connection refused"));
        assert_eq!(named(&bare, "check_output"), None);
        let known = words(FULL);
        let found = Found { words: Some(&known), ..found };
        let all = annotations(&[], found, &plain);
        let said = "connection refused; what is known is of 2026-11-23T06:22:40.869Z";
        assert_eq!(named(&all, "check_output_error"), Some(said));
        assert!(named(&all, "check_output").is_some_and(|output| output.starts_with("CRIT")));
    }

    #[test]
    fn a_rule_may_want_few_annotations_and_still_hears_of_failures() {
        let words = words(FULL);
        let found = Found { words: Some(&words), problem: Some("refused"), url: "http://n/" };
        let rule = Rule { only: vec!["check_output".to_owned()], ..rule(&["playbook"]) };
        let all = annotations(&[], found, &rule);
        let names: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["check_output", "check_output_error", "playbook"]);
    }

    #[test]
    fn an_exit_code_above_three_is_told_as_it_is() {
        let words = words(r#"{"status":3,"exit_status":127,"output":"not found"}"#);
        let (found, rule) = (Found { words: Some(&words), problem: None, url: "" }, rule(&[]));
        assert_eq!(named(&annotations(&[], found, &rule), "check_status"), Some("127"));
    }

    proptest! {
        #[test]
        fn every_annotation_is_bounded_and_can_be_shown(
            output in any::<String>(), command in "\\PC{0,900}", attribute in "\\PC{1,12}", cap in 1_usize..100,
        ) {
            let value = serde_json::json!({"output": output, "command": command, attribute.clone(): command});
            let words = words(&value.to_string());
            let found = Found { words: Some(&words), problem: Some(&command), url: "http://n/" };
            let rule = Rule { output_cap: cap, ..rule(&[&attribute]) };
            for (name, value) in annotations(&[], found, &rule) {
                prop_assert!(value.len() <= 600 && !value.is_empty(), "{}", name);
                prop_assert!(!value.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{}", value);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{}", name);
            }
        }
    }
}
