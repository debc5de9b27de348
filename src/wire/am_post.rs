//! The body of `POST /api/v2/alerts`: alerts as a Prometheus sends them, taken apart as far as a proxy must know them, and put
//! together again with everything else as it came.

use super::WireError;
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// No sender puts more into one request: Prometheus sends 256 at most, vmalert all of one rule.
pub const MOST_ALERTS: usize = 50_000;

/// One alert.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Its labels, which say which alert it is.
    pub labels: Labels,
    /// Since when it fires.
    pub starts_at: Option<Timestamp>,
    /// When it ended or will have, if nobody says otherwise before.
    pub ends_at: Option<Timestamp>,
    /// Its annotations, in the order in which they came.
    pub annotations: Vec<(String, String)>,
    /// All other fields as they came.
    rest: Vec<(String, Box<RawValue>)>,
}

/// Why one alert of a request is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// Its place in the request, from 0.
    pub place: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Decodes a request: the alerts, and what else stands among them.
///
/// # Errors
/// When the whole is no list.
pub fn decode(body: &[u8]) -> Result<(Vec<Posted>, Vec<Misshapen>), WireError> {
    let items: Vec<&RawValue> = serde_json::from_slice(body)?;
    if items.len() > MOST_ALERTS {
        return Err(WireError::Json(format!("more than {MOST_ALERTS} alerts in one request")));
    }
    let (mut alerts, mut misshapen) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        match serde_json::from_str::<Posted>(item.get()) {
            Ok(alert) if alert.labels.is_empty() => {
                misshapen.push(Misshapen { place, why: "it has no labels".to_owned() });
            }
            Ok(alert) => alerts.push(alert),
            Err(error) => misshapen.push(Misshapen { place, why: error.to_string() }),
        }
    }
    Ok((alerts, misshapen))
}

impl Posted {
    /// Returns whether it has ended.
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= now)
    }

    /// Writes the alert with these annotations in the place of its own.
    ///
    /// # Panics
    /// Never: strings can always be written as JSON.
    pub fn write(&self, annotations: &[(String, String)], out: &mut Vec<u8>) {
        let text = |text: &str, out: &mut Vec<u8>| {
            serde_json::to_writer(out, text).expect("a string is JSON");
        };
        out.extend(b"{\"annotations\":{");
        for (place, (name, value)) in annotations.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            text(name, out);
            out.push(b':');
            text(value, out);
        }
        out.push(b'}');
        for (name, value) in &self.rest {
            out.push(b',');
            text(name, out);
            out.push(b':');
            out.extend(value.get().as_bytes());
        }
        out.push(b'}');
    }
}

impl<'de> Deserialize<'de> for Posted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneAlert)
    }
}

struct OneAlert;

impl<'de> Visitor<'de> for OneAlert {
    type Value = Posted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Posted, A::Error> {
        let mut alert = Posted {
            labels: Labels::default(),
            starts_at: None,
            ends_at: None,
            annotations: Vec::new(),
            rest: Vec::new(),
        };
        while let Some(name) = map.next_key::<String>()? {
            if name == "annotations" {
                let Pairs(pairs) = map.next_value::<Option<Pairs>>()?.unwrap_or_default();
                alert.annotations = pairs;
                continue;
            }
            let value: Box<RawValue> = map.next_value()?;
            let json = value.get();
            match name.as_str() {
                "labels" => {
                    let Pairs(pairs) = read(&name, json)?;
                    alert.labels =
                        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                }
                "startsAt" => alert.starts_at = moment(&name, json)?,
                "endsAt" => alert.ends_at = moment(&name, json)?,
                _ => {}
            }
            // The last of a repeated name counts, as for Go's decoder.
            alert.rest.retain(|(known, _)| *known != name);
            alert.rest.push((name, value));
        }
        Ok(alert)
    }
}

fn read<'de, T: Deserialize<'de>, E: serde::de::Error>(name: &str, json: &'de str) -> Result<T, E> {
    serde_json::from_str(json).map_err(|error| E::custom(format_args!("{name}: {error}")))
}

/// Reads a time; the year 1, which Go writes for none, is none.
fn moment<E: serde::de::Error>(name: &str, json: &str) -> Result<Option<Timestamp>, E> {
    let Some(text) = read::<Option<String>, E>(name, json)? else { return Ok(None) };
    let time: Timestamp =
        text.parse().map_err(|error| E::custom(format_args!("{name}: {text:?}: {error}")))?;
    Ok(Some(time).filter(|time| time.timestamp() > 0))
}

/// The members of an object of strings, in order; the last of a repeated name counts.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    match pairs.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = value,
                        None => pairs.push((name, value)),
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Misshapen, decode};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const SENT: &str = r#"[{"annotations":{"summary":"x 1"},"endsAt":"2026-11-23T06:29:11.344Z","startsAt":"2026-11-23T06:25:11.344Z","generatorURL":"http://vm:29290/graph?g0.expr=up+%3D%3D+0","labels":{"alertname":"Down","instance":"n1:10105"},"later":{"a":[1.0,2]}}]"#;

    #[test]
    fn what_a_prometheus_sends_goes_on_as_it_came_but_for_annotations() {
        let (alerts, misshapen) = decode(SENT.as_bytes()).expect("a request");
        assert!(misshapen.is_empty());
        let alert = &alerts[0];
        assert_eq!(alert.labels.get("instance"), "n1:10105");
        assert_eq!(alert.annotations, [("summary".to_owned(), "x 1".to_owned())]);
        let ends_at = alert.ends_at.expect("a time");
        assert!(
            !alert.is_resolved(ends_at - chrono::Duration::milliseconds(1)) && alert.is_resolved(ends_at)
        );
        let mut out = Vec::new();
        let mut annotations = alert.annotations.clone();
        annotations.push(("check_output".to_owned(), "CRIT \"x\"\n\u{1b}".to_owned()));
        alert.write(&annotations, &mut out);
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains(r#""later":{"a":[1.0,2]}"#), "{text}");
        let mut written: Value = serde_json::from_str(&text).expect("JSON");
        let added = written["annotations"].as_object_mut().and_then(|all| all.remove("check_output"));
        assert_eq!(added, Some(json!("CRIT \"x\"\n\u{1b}")));
        assert_eq!(json!([written]), serde_json::from_str::<Value>(SENT).expect("JSON"));
    }

    #[test]
    fn a_bad_alert_is_told_and_the_others_stay() {
        let body = r#"[{"labels":{"a":"1"}},{"labels":{"a":1}},{"labels":{}},7,{"labels":{"a":"2"},"annotations":{"b":2}},{"labels":{"a":"3"},"endsAt":"soon"},{"labels":{"a":"4"},"annotations":null,"endsAt":"0001-01-01T00:00:00Z"}]"#;
        let (alerts, misshapen) = decode(body.as_bytes()).expect("a list");
        let values: Vec<&str> = alerts.iter().map(|alert| alert.labels.get("a")).collect();
        assert_eq!(values, ["1", "4"]);
        assert_eq!(alerts[1].ends_at, None);
        let places: Vec<usize> = misshapen.iter().map(|one| one.place).collect();
        assert_eq!(places, [1, 2, 3, 4, 5]);
        assert_eq!(misshapen[1], Misshapen { place: 2, why: "it has no labels".to_owned() });
        for body in ["", "{}", "null", "[{]", "[1"] {
            assert!(decode(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn whatever_strings_it_holds_an_alert_is_written_as_it_was_read(
            labels in proptest::collection::btree_map("[a-z]{1,5}", "\\PC{1,9}", 1..5),
            annotations in proptest::collection::btree_map("\\PC{1,5}", any::<String>(), 0..5),
        ) {
            let sent = json!([{"labels": labels, "annotations": annotations, "n": 1.50}]);
            let (alerts, _) = decode(sent.to_string().as_bytes()).expect("a request");
            let mut out = Vec::new();
            alerts[0].write(&alerts[0].annotations, &mut out);
            prop_assert_eq!(json!([serde_json::from_slice::<Value>(&out).expect("JSON")]), sent);
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
        }
    }
}
