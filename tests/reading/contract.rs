//! The JSON documents of a real fleet against `docs/json.md`: each field is there, with the type that is written, and
//! none is missing in the page.

use super::{failing, json};
use crate::support::{await_until, iaasmon_on, servers, settled_fleet};
use iaasmon::demo::Demo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fields whose own names are data (labels, integrations) or those of another's contract: what is in them is no part of
/// this one.
const MAPS: [&str; 6] = ["labels", "annotations", "notifications", "other", "body", "headers"];

type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// Collects every path of a document with the types seen there.
fn walk(value: &Value, path: &str, shape: &mut Shape) {
    let mut note = |kind| {
        if !path.is_empty() {
            shape.entry(path.to_owned()).or_default().insert(kind);
        }
    };
    match value {
        Value::Null => note("null"),
        Value::Bool(_) => note("yes/no"),
        Value::Number(_) => note("number"),
        Value::String(_) => note("text"),
        Value::Array(items) => {
            note("list");
            for item in items.iter().filter(|item| item.is_object()) {
                let inner = if path.is_empty() { String::new() } else { format!("{path}[]") };
                fields(item, &inner, shape);
            }
        }
        Value::Object(_) => {
            note("object");
            if !MAPS.iter().any(|map| path.ends_with(map)) {
                fields(value, path, shape);
            }
        }
    }
}

fn fields(object: &Value, path: &str, shape: &mut Shape) {
    for (name, value) in object.as_object().unwrap() {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(value, &inner, shape);
    }
}

/// Reads the table under the heading, field by field.
fn documented(heading: &str) -> Shape {
    let page = include_str!("../../docs/json.md");
    let (_, section) =
        page.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("{heading} is not documented"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let (field, kind) = (cells.next().unwrap(), cells.next().unwrap());
        let (kind, null) = kind.strip_suffix(" or null").map_or((kind, None), |kind| (kind, Some("null")));
        let kind = match kind.split(' ').next().unwrap() {
            "text" | "time" => "text",
            "number" => "number",
            "yes/no" => "yes/no",
            "list" => "list",
            "map" | "object" => "object",
            other => panic!("{heading}: {field}: unknown type {other}"),
        };
        (field.trim_end_matches('`').to_owned(), [Some(kind), null].into_iter().flatten().collect())
    })
    .collect()
}

/// Returns how the documents seen differ from the page.
fn differences(heading: &str, documents: &[&Value]) -> Vec<String> {
    let mut seen = Shape::new();
    documents.iter().for_each(|document| walk(document, "", &mut seen));
    let want = documented(heading);
    let mut found = Vec::new();
    for (field, kinds) in &seen {
        match want.get(field) {
            None => found.push(format!("{heading}: `{field}` is printed and not documented")),
            Some(allowed) if !kinds.is_subset(allowed) => {
                found.push(format!("{heading}: `{field}` is {kinds:?} and documented as {allowed:?}"));
            }
            Some(_) => {}
        }
    }
    let missing = want.keys().filter(|field| !seen.contains_key(*field));
    found.extend(missing.map(|field| format!("{heading}: `{field}` is documented and not printed")));
    found
}

/// Returns how what the commands that write print differs from the page; `id` names a silence, which is ended.
fn of_writes(demo: &Demo, node: &str, id: &str) -> Vec<String> {
    let data = |args: &[&str]| json(demo, &[&["silence"], args].concat()).0["data"].take();
    let add = ["add", "--node", node, "--comment", "INC-2 disk", "--all-clusters", "--allow-broad"];
    let preview = data(&["preview", "--node", node, "--comment", "INC-2 disk", "--duration", "9h"]);
    let mut requests = vec![data(&[&add[..], &["--dry-run"]].concat())];
    let added = data(&[&add[..], &["--yes"]].concat());
    let made = added["id"].as_str().unwrap().to_owned();
    let extended = data(&["extend", &made, "1h", "--yes", "--allow-broad"]);
    let edited = data(&["edit", &made, "--comment", "INC-3 disk", "--yes", "--allow-broad"]);
    requests.push(data(&["expire", id, "--dry-run"]));
    let expired = data(&["expire", id, "--yes"]);
    assert_eq!(expired["id"], id, "{expired:#}");
    let nothing = data(&["expire", id, "--yes"]);
    assert!(nothing["op"].is_null(), "{nothing:#}");
    let op = edited["op"].as_str().unwrap();
    let resumed = data(&["resume", op]);
    let status = data(&["status", op]);
    let undone = data(&["undo", op, "--yes"]);
    let results = [&added, &extended, &edited, &expired, &nothing, &resumed, &status, &undone];
    let mut found = differences("`iaasmon silence status OP`", &results);
    found.extend(differences("`iaasmon silence add --dry-run`", &requests.iter().collect::<Vec<_>>()));
    found.extend(differences("`iaasmon silence preview`", &[&preview]));
    found
}

/// Returns how what `notify-preview` prints of an alert that fires differs from the page: alone, and held against a mail.
fn of_preview(demo: &Demo, fingerprint: &str) -> Vec<String> {
    let amtool = servers().alertmanager.with_file_name("amtool").display().to_string();
    let args = ["notify-preview", fingerprint, "--amtool", &amtool];
    let alone = json(demo, &args).0;
    let mail = &alone["data"]["mail"];
    let [subject, text] = ["subject", "text"].map(|part| mail[part].as_str().unwrap());
    assert!(subject.starts_with("ALERT - "), "{alone:#}");
    let header = |name: &str| format!("{name}: {}\n", mail["headers"][name].as_str().unwrap());
    let [host, check] = ["X-Sensu-Host", "X-Sensu-Check-Name"].map(header);
    let sensu = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(sensu.path(), format!("Subject: {subject}\n{host}{check}\n{text}")).unwrap();
    let sensu = sensu.path().display().to_string();
    let (compared, outcome) = json(demo, &[&args[..], &["--compare", &sensu]].concat());
    assert_eq!(outcome.code, Some(1), "the demo's alerts have no output there: {compared:#}");
    let mut found = differences("`iaasmon notify-preview`", &[&alone["data"], &compared["data"]]);
    found.extend(differences("Coverage", &[&alone["coverage"]]));
    found
}

#[test]
fn live_every_json_document_is_as_documented() {
    let demo = settled_fleet();
    let (node, check) = failing(&demo, "prod-east");
    let added = iaasmon_on(
        &demo,
        &["silence", "add", "--node", &node, "--ack", "--comment", "INC-1 disk", "--yes", "--allow-broad"],
    );
    assert_eq!(added.code, Some(0), "{}{}", added.stdout, added.stderr);
    let id = added.stdout.lines().next().unwrap().to_owned();
    let silenced = |row: &Value| row["state"] == "silenced";
    let on_node = format!("instance={node}");
    assert!(await_until(super::SOON, || {
        json(&demo, &["alerts", &on_node]).0["data"].as_array().unwrap().iter().any(silenced)
    }));
    let alerts = json(&demo, &["alerts", &on_node, &format!("check={check}")]).0;
    let fingerprint = alerts["data"][0]["fingerprint"].as_str().unwrap();

    let mut found = Vec::new();
    for (heading, args) in [
        ("status", vec!["status"]),
        ("alerts", vec!["alerts"]),
        ("alert FINGERPRINT", vec!["alert", fingerprint]),
        ("nodes", vec!["nodes"]),
        ("node NAME", vec!["node", &node]),
        ("checks", vec!["checks"]),
        ("node NAME --live", vec!["node", &node, "--live"]),
        ("check NODE CHECK", vec!["check", &node, &check]),
        ("check NODE CHECK --history", vec!["check", &node, &check, "--history"]),
        ("check NODE CHECK --diff", vec!["check", &node, &check, "--diff"]),
        ("query PROMQL", vec!["query", "count(up)"]),
        ("doctor", vec!["doctor", "--all"]),
        ("silence list", vec!["silence", "list"]),
        ("silence show ID", vec!["silence", "show", &id]),
        ("silence status", vec!["silence", "status"]),
    ] {
        let document = json(&demo, &args).0;
        assert_eq!(document["v"], 1);
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["coverage", "data", "notes", "v"], "{heading}");
        found.extend(differences(&format!("`iaasmon {heading}`"), &[&document["data"]]));
        if heading != "silence status" {
            found.extend(differences("Coverage", &[&document["coverage"]]));
        }
    }
    let acked = json(&demo, &["alerts", "@state=acked", "@author=tester", "@ticket=INC-1"]).0;
    assert!(!acked["data"].as_array().unwrap().is_empty(), "the silence is an ACK");
    assert!(acked["data"].as_array().unwrap().iter().all(|row| row["node"] == node.as_str()), "{acked}");
    found.extend(of_preview(&demo, fingerprint));
    found.extend(of_writes(&demo, &node, &id));
    assert!(found.is_empty(), "{}", found.join("\n"));
}
