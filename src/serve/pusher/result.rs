//! What is pushed of a result: the group that it belongs to, and its detail as a gateway takes it (DESIGN 5.2), secrets masked.
//!
//! A definition says where its results belong: `"push_job": "backup"` and `"push_grouping": {"db": "main"}`, tokens in both.

use crate::detail::trim;
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::names::{Names, is_reserved};
use crate::sensu::definitions::Settings;
use crate::sensu::redact::{redact_for_others, redact_text};
use crate::sensu::schedule::scheduled;
use crate::sensu::tokens::substitute;
use crate::wire::sensu_json::{Int, Object, Value, field, set};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// How much of a definition and of what its hooks said is pushed; the longest attributes go first.
const MOST_FIELDS: usize = 64 * 1024;
/// Labels that mean something else in every group.
const TAKEN: [&str; 3] = ["job", "check", "source"];
const JOB: &str = "push_job";
const GROUPING: &str = "push_grouping";

/// Where results belong whose definitions say nothing about it.
#[derive(Debug, Clone, Default)]
pub struct Labelling {
    /// The job; the check's own name where there is none.
    pub job: Option<String>,
    /// The labels beside it; those of a definition go before them.
    pub grouping: BTreeMap<String, String>,
}

/// A result on its way, or that its check is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pushed {
    pub(super) check: PushedCheck,
    /// None where the check is gone.
    pub(super) body: Option<Arc<[u8]>>,
}

/// Says whether a grouping label may have this name.
///
/// # Errors
/// Why it may not.
pub fn grouping_name(name: &str) -> Result<(), String> {
    match name {
        _ if TAKEN.contains(&name) => Err(format!("`{name}` is no grouping label: every group has its own")),
        _ if Names::Legacy.take_label(name) && !is_reserved(name) => Ok(()),
        _ => Err(format!("`{name}` cannot be the name of a label: letters, digits and _")),
    }
}

/// Returns what cannot be pushed of definitions that are valid otherwise, a line on each problem.
pub fn judge(settings: &Settings) -> Vec<String> {
    settings
        .checks()
        .flat_map(|(name, check)| problems(check).into_iter().map(move |why| format!("{name}: {why}")))
        .collect()
}

fn problems(check: &Object) -> Vec<String> {
    let mut problems = Vec::new();
    if field(check, "name").and_then(Value::as_str).is_some_and(|name| matches!(name, "." | "..")) {
        problems.push("such a name cannot stand in the path of a push".to_owned());
    }
    if field(check, JOB).is_some_and(|job| job.as_str().is_none_or(str::is_empty)) {
        problems.push(format!("{JOB} is a text that is not empty"));
    }
    match field(check, GROUPING) {
        None => {}
        Some(Value::Object(labels)) => {
            for (name, value) in labels {
                let name = String::from_utf8_lossy(name);
                problems.extend(grouping_name(&name).err().map(|why| format!("{GROUPING}: {why}")));
                if label_value(value).is_none() {
                    problems.push(format!("{GROUPING}: the value of `{name}` is no text"));
                }
            }
        }
        Some(_) => problems.push(format!("{GROUPING} is an object: {{\"name\": \"value\"}}")),
    }
    // Other attributes are one's own; these are slips, and would push to the wrong place.
    let names = check.keys().map(|name| String::from_utf8_lossy(name));
    let is_slip = |name: &Cow<'_, str>| {
        (name.starts_with(JOB) || name.starts_with("push_group")) && *name != JOB && *name != GROUPING
    };
    problems
        .extend(names.filter(is_slip).map(|name| format!("{name} says nothing: {JOB} and {GROUPING} do")));
    problems
}

/// A label's value; whole numbers are meant as they are written.
fn label_value(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Int(Int::Small(number)) => Some(number.to_string().into()),
        other => other.as_str().map(Cow::Borrowed),
    }
}

/// Reads what the engine publishes; none where it has no name.
pub(super) fn read(payload: &Object, labelling: &Labelling, most_output: usize) -> Option<Pushed> {
    let check = field(payload, "check")?.as_object()?;
    let body = body(payload, check, most_output);
    Some(Pushed { check: named(check, labelling)?, body: Some(body.into()) })
}

/// Returns what the results of all checks that are scheduled will be called.
pub(super) fn planned(settings: &Settings, labelling: &Labelling) -> HashSet<PushedCheck> {
    let checks = scheduled(settings).into_iter().filter_map(|(place, ..)| settings.check_at(place));
    checks.filter_map(|check| named(&substitute(check, settings.client()).check, labelling)).collect()
}

/// Returns what names the results of a check whose tokens are in place; none where it has no name.
fn named(check: &Object, labelling: &Labelling) -> Option<PushedCheck> {
    let text = |name| field(check, name).and_then(Value::as_bytes).filter(|text| !text.is_empty());
    let name = String::from_utf8_lossy(text("name")?);
    let source = text("source").map(|source| String::from_utf8_lossy(source).into());
    let job = field(check, JOB).and_then(Value::as_str).filter(|job| !job.is_empty());
    let job = job.or(labelling.job.as_deref()).unwrap_or(&name);
    let group =
        GroupKey::new(job, grouping(check, labelling).iter().map(|(name, value)| (&**name, &**value)));
    Some(PushedCheck { group, check: name.into(), source })
}

fn grouping<'a>(check: &'a Object, labelling: &'a Labelling) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    let given = labelling.grouping.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
    let own = field(check, GROUPING).and_then(Value::as_object).into_iter().flatten();
    // What is no label was refused with the definition.
    let own = own.filter_map(|(name, value)| {
        let name = String::from_utf8_lossy(name);
        grouping_name(&name).ok()?;
        Some((name, label_value(value)?))
    });
    given.chain(own).collect()
}

/// The detail: what the definition says, what came of it, and who ran it.
fn body(payload: &Object, check: &Object, most_output: usize) -> Vec<u8> {
    let output = field(check, "output").and_then(Value::as_bytes).unwrap_or_default();
    let output = Value::text(trim::output(&redact_text(output), most_output));
    let rest = check.iter().filter(|(name, _)| ![&b"output"[..], b"source"].contains(&&***name));
    let rest: Object = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    let Value::Object(mut fields) = fitting(redact_for_others(&Value::Object(rest))) else {
        return Vec::new();
    };
    // They stand in the path.
    for name in ["name", JOB, GROUPING] {
        fields.shift_remove(name.as_bytes());
    }
    if let Some(client) = field(payload, "client") {
        set(&mut fields, "client", client.clone());
    }
    set(&mut fields, "output", output);
    // Scripts may write any bytes; JSON is text.
    String::from_utf8_lossy(&Value::Object(fields).to_bytes()).into_owned().into_bytes()
}

fn fitting(fields: Value) -> Value {
    let text = fields.to_bytes();
    if text.len() <= MOST_FIELDS {
        return fields;
    }
    // Its own words are read back.
    Value::parse(&trim::fields(&text, MOST_FIELDS)).unwrap_or(fields)
}

#[cfg(test)]
mod tests {
    use super::{Labelling, Pushed, grouping_name, problems, read};
    use crate::wire::sensu_json::{Object, Value, set};
    use proptest::prelude::*;

    fn object(json: &str) -> Object {
        match Value::parse(json.as_bytes()) {
            Ok(Value::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    fn pushed(check: &str, labelling: &Labelling) -> Pushed {
        let mut payload = object(r#"{"client":"ops-1"}"#);
        set(&mut payload, "check", object(check));
        read(&payload, labelling, 1024).expect("it has a name")
    }

    fn group(check: &str, labelling: &Labelling) -> String {
        format!("{:?}", pushed(check, labelling).check.group)
    }

    #[test]
    fn the_definition_says_where_a_result_belongs_then_the_flags_then_the_checks_name() {
        let given = Labelling {
            job: Some("jobs".to_owned()),
            grouping: [("region", "east"), ("db", "none")].map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        };
        let plain = r#"{"name":"backup","status":0}"#;
        assert_eq!(group(plain, &Labelling::default()), r#"{"job": "backup"}"#);
        assert_eq!(group(plain, &given), r#"{"db": "none", "job": "jobs", "region": "east"}"#);
        let own = r#"{"name":"backup","push_job":"nightly","push_grouping":{"db":"main","shard":3}}"#;
        assert_eq!(group(own, &given), r#"{"db": "main", "job": "nightly", "region": "east", "shard": "3"}"#);
        assert_eq!(group(own, &Labelling::default()), r#"{"db": "main", "job": "nightly", "shard": "3"}"#);
        let about = pushed(r#"{"name":"ping","source":"switch-7"}"#, &given).check;
        assert_eq!((&*about.check, about.source.as_deref()), ("ping", Some("switch-7")));
        assert_eq!(pushed(r#"{"name":"ping","source":""}"#, &given).check.source, None);
    }

    #[test]
    fn a_detail_has_all_of_the_definition_and_no_secret() {
        let check = r#"{"name":"backup","command":"backup --password=hunter2","interval":60,"handlers":["mailer"],
            "team":"db","db_password":"hunter2","push_job":"j","push_grouping":{},"status":2,"executed":1700000000,
            "duration":0.5,"output":"failed: Bearer hunter2hunter2\n"}"#;
        let body = pushed(check, &Labelling::default()).body.expect("a result");
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(!text.contains("hunter2"), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            (&json["status"], &json["executed"], &json["duration"], &json["interval"], &json["client"]),
            (&2.into(), &1_700_000_000.into(), &0.5.into(), &60.into(), &"ops-1".into())
        );
        assert_eq!((&json["team"], &json["handlers"][0]), (&"db".into(), &"mailer".into()));
        assert!(json["output"].as_str().is_some_and(|output| output.starts_with("failed: ")), "{text}");
        let in_the_path = ["name", "push_job", "push_grouping", "source"];
        assert!(in_the_path.iter().all(|name| json.get(name).is_none()), "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_status_is_told_all_the_same() {
        let long = "x ".repeat(100_000);
        let check = format!(r#"{{"name":"a","status":1,"executed":5,"notes":"{long}","output":"{long}"}}"#);
        let body = pushed(&check, &Labelling::default()).body.expect("a result");
        assert!(body.len() < 70_000, "{}", body.len());
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((&json["status"], &json["executed"]), (&1.into(), &5.into()));
        assert_eq!(json["output"].as_str().map(str::len), Some(1024));
        assert_eq!(json["dropped_attributes"][0], "notes");
    }

    #[test]
    fn definitions_that_would_be_pushed_to_the_wrong_place_are_refused() {
        for (check, problem) in [
            (r#"{"name":"a"}"#, None),
            (r#"{"name":"a","push_job":":::name:::","push_grouping":{"a":"","b":1}}"#, None),
            (r#"{"name":".."}"#, Some("such a name cannot stand")),
            (r#"{"push_job":""}"#, Some("push_job is a text")),
            (r#"{"push_job":7}"#, Some("push_job is a text")),
            (r#"{"push_grouping":["a"]}"#, Some("push_grouping is an object")),
            (r#"{"push_grouping":{"a-b":"x"}}"#, Some("`a-b` cannot be the name")),
            (r#"{"push_grouping":{"__a":"x"}}"#, Some("`__a` cannot be the name")),
            (r#"{"push_grouping":{"job":"x"}}"#, Some("`job` is no grouping label")),
            (r#"{"push_grouping":{"a":null}}"#, Some("the value of `a` is no text")),
            (r#"{"push_groupings":{"a":"b"}}"#, Some("push_groupings says nothing")),
            (r#"{"push_notes":"one's own"}"#, None),
        ] {
            let found = problems(&object(check));
            match problem {
                None => assert!(found.is_empty(), "{check}: {found:?}"),
                Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{check}: {found:?}"),
            }
        }
        assert!(grouping_name("instance").is_ok() && grouping_name("check").is_err());
    }

    proptest! {
        #[test]
        fn whatever_a_script_writes_its_detail_is_json(output in prop::collection::vec(any::<u8>(), 0..200), status in any::<i64>()) {
            let mut check = object(r#"{"name":"a"}"#);
            set(&mut check, "output", Value::text(&output));
            set(&mut check, "status", status);
            let mut payload = Object::new();
            set(&mut payload, "check", check);
            let body = read(&payload, &Labelling::default(), 1024).and_then(|pushed| pushed.body).expect("it has a name");
            let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            prop_assert_eq!(json["status"].as_i64(), Some(status));
            prop_assert!(json["output"].is_string());
        }
    }
}
