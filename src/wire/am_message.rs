//! The message that Alertmanager gives to its templates, and posts to webhooks (`template.Data`).

use super::WireError;
use crate::model::labels::Labels;
use crate::model::time::{Timestamp, rfc3339};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One alert of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAlert {
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// When it began.
    pub starts_at: String,
    /// When it ended, or will.
    pub ends_at: String,
    /// Where its rule is.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// Its identity.
    pub fingerprint: String,
}

/// An alert as files have it: of the API, of a request, or of a webhook.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    status: Value,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    ends_at: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

/// Decodes an alert, a list of them (the API's answers and requests), or a message to a webhook; at least one.
pub fn decode_alert_file(text: &str, now: Timestamp) -> Result<Vec<MessageAlert>, WireError> {
    let value: Value = serde_json::from_str(text)?;
    let alerts = match value {
        Value::Array(alerts) => alerts,
        Value::Object(mut object) => match object.remove("alerts") {
            Some(Value::Array(alerts)) => alerts,
            _ => vec![Value::Object(object)],
        },
        _ => return Err(WireError::Json("neither an alert nor a list of alerts".to_owned())),
    };
    if alerts.is_empty() {
        return Err(WireError::Json("no alert is in it".to_owned()));
    }
    alerts.into_iter().map(|alert| Ok(MessageAlert::of_raw(serde_json::from_value(alert)?, now))).collect()
}

impl MessageAlert {
    /// Builds one from what an Alertmanager told.
    pub fn new(labels: &Labels, annotations: &Labels, starts_at: Timestamp, generator_url: &str) -> Self {
        let map = |labels: &Labels| {
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Self {
            status: "firing",
            labels: map(labels),
            annotations: map(annotations),
            starts_at: rfc3339(starts_at),
            ends_at: NEVER.to_owned(),
            generator_url: generator_url.to_owned(),
            fingerprint: labels.fingerprint().to_string(),
        }
    }

    fn of_raw(raw: Raw, now: Timestamp) -> Self {
        let ended =
            DateTime::parse_from_rfc3339(&raw.ends_at).is_ok_and(|at| at.timestamp() > 0 && at <= now);
        // What the API lists fires, however long ago the answer was saved.
        let is_over = raw.status == "resolved" || (ended && raw.status.is_null());
        let labels: Labels = raw.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        Self {
            status: if is_over { "resolved" } else { "firing" },
            fingerprint: labels.fingerprint().to_string(),
            labels: raw.labels,
            annotations: raw.annotations,
            starts_at: or(raw.starts_at, &rfc3339(now)),
            ends_at: or(raw.ends_at, NEVER),
            generator_url: raw.generator_url,
        }
    }
}

/// Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Builds the message of one group; `external_url` is the Alertmanager's.
pub fn message(alerts: &[MessageAlert], group_by: &[&str], receiver: &str, external_url: &str) -> Value {
    let common = |of: fn(&MessageAlert) -> &BTreeMap<String, String>| -> BTreeMap<&String, &String> {
        let Some((first, others)) = alerts.split_first() else { return BTreeMap::new() };
        of(first)
            .iter()
            .filter(|(name, value)| others.iter().all(|one| of(one).get(*name) == Some(*value)))
            .collect()
    };
    let labels = common(|alert| &alert.labels);
    let group: BTreeMap<&String, &String> = labels
        .iter()
        .filter(|(name, _)| group_by.contains(&name.as_str()))
        .map(|(name, value)| (*name, *value))
        .collect();
    let fires = alerts.iter().any(|alert| alert.status == "firing");
    json!({
        "receiver": receiver,
        "status": if fires { "firing" } else { "resolved" },
        "alerts": alerts,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": common(|alert| &alert.annotations),
        "externalURL": external_url.trim_end_matches('/'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        DateTime::parse_from_rfc3339("2026-11-23T07:00:00Z").expect("a time").to_utc()
    }

    #[test]
    fn alerts_of_the_api_of_requests_and_of_webhooks_are_read() {
        let api = r#"{"labels":{"alertname":"A","check":"disk"},"annotations":{"x":"1"},"status":{"state":"active"},
            "startsAt":"2026-11-23T06:00:00Z","endsAt":"2026-11-23T07:04:00Z","fingerprint":"zz","generatorURL":"http://p"}"#;
        let one = decode_alert_file(api, now()).expect("an alert");
        assert_eq!((one.len(), one[0].status, one[0].labels["check"].as_str()), (1, "firing", "disk"));
        let saved = api.replace("07:04", "06:59");
        assert_eq!(decode_alert_file(&saved, now()).expect("one")[0].status, "firing", "the answer is old");
        let over = saved.replace(r#""status":{"state":"active"},"#, "");
        assert_eq!(decode_alert_file(&format!("[{over},{api}]"), now()).expect("two")[0].status, "resolved");
        let webhook = r#"{"status":"firing","alerts":[{"status":"resolved","labels":{"alertname":"A"},"endsAt":"2027-01-01T00:00:00Z"}]}"#;
        assert_eq!(decode_alert_file(webhook, now()).expect("one")[0].status, "resolved");
        for bad in ["", "7", "[]", "{}", r#"{"alerts":[]}"#, r#"{"labels":{"a":1}}"#] {
            assert!(decode_alert_file(bad, now()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_all_have_in_common_is_told() {
        let text =
            r#"[{"labels":{"alertname":"A","instance":"n"}},{"labels":{"alertname":"B","instance":"n"}}]"#;
        let alerts = decode_alert_file(text, now()).expect("two");
        let message = message(&alerts, &["instance", "check"], "default", "http://am:9093/");
        assert_eq!(message["groupLabels"], json!({"instance": "n"}));
        assert_eq!(message["commonLabels"], json!({"instance": "n"}));
        assert_eq!(message["externalURL"], "http://am:9093");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC*", name in "[a-z]{1,4}") {
            let _ = decode_alert_file(&text, now());
            let nested = json!([{ "labels": { name: text.clone() }, "endsAt": text }]);
            prop_assert_eq!(decode_alert_file(&nested.to_string(), now()).expect("an alert").len(), 1);
        }
    }
}
