//! A result of a check as it is pushed, in the form of the detail API (DESIGN 5.2), made into what a runner logs: from there on the
//! same code says what is kept of it, how long it holds, and what is masked.

use crate::detail::latest::Key;
use crate::model::group::GroupKey;
use crate::wire::sensu_log::RESULT;
use chrono::DateTime;
use serde_json::{Map, Value, json};

/// What the gateway says of a check by itself: what somebody else says by these names is passed over.
const OWN: [&str; 14] = [
    "v",
    "node",
    "check",
    "name",
    "source",
    "client",
    "address",
    "log",
    "stale",
    "occurrences",
    "history",
    "last_ok",
    "status_since",
    "output_truncated",
];
/// A name that is longer is none.
const MOST_NAME: usize = 1024;
/// So many bytes of JSON are labels at most.
const MOST_LABELS: usize = 16 * 1024;

/// Makes a line of a log of a pushed result.
///
/// # Errors
/// What is wrong with it, for whoever pushed it.
pub(super) fn line(key: &Key, group: &GroupKey, body: &[u8]) -> Result<Vec<u8>, String> {
    if key.check.is_empty() || key.check.len() > MOST_NAME {
        return Err(format!("a check has a name of at most {MOST_NAME} bytes"));
    }
    let mut said: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| format!("the result of a check is a JSON object: {error}"))?;
    let status = said.get("status").and_then(Value::as_i64);
    let status = status
        .ok_or("`status` is missing or no whole number: 0 OK, 1 WARN, 2 CRIT, anything else UNKNOWN")?;
    let client = said.get("client").and_then(Value::as_str).filter(|client| !client.is_empty());
    let client = client.or_else(|| group.get("instance").filter(|instance| !instance.is_empty()));
    let client = client.unwrap_or_else(|| group.job()).to_owned();
    // These are held beside what is cut, so nobody may make much of them.
    let source = key.source.as_deref().unwrap_or_default();
    if client.len() > MOST_NAME || source.len() > MOST_NAME {
        return Err(format!("`client` and `source` are names of at most {MOST_NAME} bytes"));
    }
    if said.get("prometheus_labels").is_some_and(|labels| labels.to_string().len() > MOST_LABELS) {
        return Err(format!("`prometheus_labels` hold at most {MOST_LABELS} bytes"));
    }
    for name in ["executed", "issued"] {
        if let Some(time) = said.get_mut(name) {
            *time = seconds(time)
                .ok_or_else(|| format!("`{name}` is a time: RFC 3339, or seconds since 1970"))?;
        }
    }
    for name in ["interval", "ttl", "duration"] {
        let good = |value: &Value| value.is_null() || value.as_f64().is_some_and(|number| number >= 0.0);
        if said.get(name).is_some_and(|value| !good(value)) {
            return Err(format!("`{name}` is a number of seconds"));
        }
        said.retain(|known, value| known != name || !value.is_null());
    }
    match said.get("output") {
        None | Some(Value::Null) => said.insert("output".to_owned(), "".into()),
        Some(Value::String(_)) => None,
        Some(_) => return Err("`output` is a text".to_owned()),
    };
    said.retain(|name, _| !OWN.contains(&name.as_str()) && name != "output_bytes");
    said.insert("name".to_owned(), (*key.check).into());
    said.insert("status".to_owned(), status.into());
    if let Some(source) = &key.source {
        said.insert("source".to_owned(), (**source).into());
    }
    let line = json!({"message": RESULT, "payload": {"client": client, "check": said}});
    Ok(line.to_string().into_bytes())
}

/// A time in whole seconds, as Sensu has it.
fn seconds(time: &Value) -> Option<Value> {
    match time {
        Value::Null => Some(Value::Null),
        Value::Number(number) => Some((number.as_f64()?.floor() as i64).into()),
        Value::String(text) => Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp().into()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::detail::latest::{Key, Latest, Took};
    use crate::model::group::GroupKey;

    fn key(check: &str) -> Key {
        Key { source: None, check: check.into() }
    }

    #[test]
    fn a_pushed_result_is_taken_as_a_logged_one() {
        let body = br#"{"v":1,"status":2,"output":"CRIT: 3 members\n","executed":"2026-11-23T06:22:40.869Z","duration":0.5,
            "interval":60,"command":"etcdctl --password=hunter2","history":[0,0],"team":"control","client":null}"#;
        let group = GroupKey::new("etcd", [("cluster", "c1")]);
        let line = line(&key("etcd health"), &group, body).expect("a result");
        let now = chrono::DateTime::from_timestamp(1_795_415_000, 0).expect("a time");
        let mut latest = Latest::new(1, 1024);
        assert_eq!(latest.take(0, &line, now, &mut |_, _, _, _| {}), Took::Result);
        let entry = latest.get(&key("etcd health")).expect("known");
        assert_eq!((entry.status, &*entry.client, &*entry.output), (2, "etcd", &b"CRIT: 3 members\n"[..]));
        assert_eq!(
            (entry.executed.timestamp(), entry.duration, entry.bound.interval()),
            (1_795_414_960, Some(0.5), Some(60.0))
        );
        let fields = String::from_utf8_lossy(&entry.fields);
        assert!(fields.contains("\"team\":\"control\"") && !fields.contains("history"), "{fields}");
    }

    #[test]
    fn what_is_no_result_is_told_so() {
        for (body, words) in [
            (&b""[..], "JSON object"),
            (b"[]", "JSON object"),
            (b"{}", "`status` is missing"),
            (b"{\"status\":\"2\"}", "`status` is missing"),
            (b"{\"status\":1.5}", "`status` is missing"),
            (b"{\"status\":1,\"executed\":\"yesterday\"}", "`executed` is a time"),
            (b"{\"status\":1,\"interval\":-1}", "`interval` is a number"),
            (b"{\"status\":1,\"output\":7}", "`output` is a text"),
        ] {
            let error = line(&key("c"), &GroupKey::new("j", []), body).expect_err("refused");
            assert!(error.contains(words), "{error}");
        }
        assert!(line(&key(""), &GroupKey::new("j", []), b"{\"status\":0}").is_err());
    }
}
