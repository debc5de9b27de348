//! The body of `POST /api/v2/alerts`: alerts as a Prometheus sends them, taken apart as far as a proxy must know them, and put
//! together again with everything else as it came. An Alertmanager reads generously, as Go does, and what it takes is no less than
//! an alert here: bytes that are no UTF-8 and halves of surrogates are read as U+FFFD, null as no text, and a time that we cannot
//! read is left to it.

use super::WireError;
use crate::model::labels::{Interner, Labels};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// No sender puts more into one request: Prometheus sends 256 at most, vmalert all of one rule.
pub const MOST_ALERTS: usize = 50_000;
/// No alert has so many labels, annotations or other fields: each is compared with those before it.
const MOST_MEMBERS: usize = 1000;

/// So many bytes of annotations an alert has at most; what is longer is cut.
const MOST_WORDS: usize = 256 * 1024;
/// And so many of everything else.
const MOST_REST: usize = 256 * 1024;

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
    /// All other fields as they came, each with a comma before it.
    rest: Box<[u8]>,
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
    let text = String::from_utf8_lossy(body);
    let items: Vec<&RawValue> = serde_json::from_str(&text)?;
    if items.len() > MOST_ALERTS {
        return Err(WireError::Json(format!("more than {MOST_ALERTS} alerts in one request")));
    }
    let (mut alerts, mut misshapen) = (Vec::with_capacity(items.len()), Vec::new());
    let mut interner = Interner::default();
    for (place, item) in items.into_iter().enumerate() {
        let read = serde_json::from_str::<Raw<'_>>(item.get()).map(|raw| raw.posted(&mut interner));
        match read {
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
    /// Returns how many bytes it holds beside its labels, which others hold too.
    pub fn bytes(&self) -> usize {
        self.rest.len() + self.annotations.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }

    /// Returns whether it has ended.
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= now)
    }

    /// Writes the alert with these annotations in the place of its own.
    ///
    /// # Panics
    /// Never: strings can always be written as JSON.
    pub fn write(&self, annotations: &[(impl AsRef<str>, impl AsRef<str>)], out: &mut Vec<u8>) {
        let words: usize =
            annotations.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 6).sum();
        // Some of it is escaped.
        out.reserve(words + words / 16 + self.rest.len() + 32);
        out.extend(b"{\"annotations\":{");
        for (place, (name, value)) in annotations.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write_text(name.as_ref(), out);
            out.push(b':');
            write_text(value.as_ref(), out);
        }
        out.push(b'}');
        out.extend_from_slice(&self.rest);
        out.push(b'}');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is JSON");
}

/// An alert as it stands in the request.
#[derive(Default)]
struct Raw<'a> {
    labels: Vec<(Text<'a>, Text<'a>)>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    annotations: Vec<(Text<'a>, Text<'a>)>,
    rest: Box<[u8]>,
}

impl Raw<'_> {
    /// Makes an alert of it. Those of one request have most of their labels in common, and in the same places.
    fn posted(self, interner: &mut Interner) -> Posted {
        let labels = self.labels.iter().enumerate().map(|(place, (name, value))| {
            (interner.intern_at(2 * place, &name.0), interner.intern_at(2 * place + 1, &value.0))
        });
        Posted {
            labels: Labels::new(labels),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            annotations: self
                .annotations
                .into_iter()
                .map(|(name, value)| (name.0.into_owned(), value.0.into_owned()))
                .collect(),
            rest: self.rest,
        }
    }
}

/// A string, borrowed from the request where nothing in it is escaped. Half a surrogate is no error.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneText;
        impl<'de> Visitor<'de> for OneText {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_bytes<E>(self, text: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(text)))
            }
            fn visit_bytes<E>(self, text: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(text).into_owned().into()))
            }
        }
        deserializer.deserialize_bytes(OneText)
    }
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneAlert)
    }
}

struct OneAlert;

impl<'de> Visitor<'de> for OneAlert {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut alert = Raw::default();
        let mut rest: Vec<(Text<'de>, &'de RawValue)> = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if name.0 == "annotations" {
                let Pairs(pairs) = map.next_value::<Option<Pairs<'de>>>()?.unwrap_or_default();
                alert.annotations = bounded(pairs);
                continue;
            }
            let value: &'de RawValue = map.next_value()?;
            let json = value.get();
            match &*name.0 {
                "labels" => {
                    let Pairs(pairs) = read(&name.0, json)?;
                    alert.labels = pairs;
                }
                "startsAt" => alert.starts_at = moment(&name.0, json)?,
                "endsAt" => alert.ends_at = moment(&name.0, json)?,
                _ => {}
            }
            // The last of a repeated name counts, as for Go's decoder.
            rest.retain(|(known, _)| known.0 != name.0);
            if rest.len() >= MOST_MEMBERS {
                return Err(serde::de::Error::custom(TOO_MANY));
            }
            rest.push((name, value));
        }
        alert.rest = joined(&rest);
        if alert.rest.len() > MOST_REST {
            return Err(serde::de::Error::custom("its labels and other fields are larger than 256 KiB"));
        }
        Ok(alert)
    }
}

const TOO_MANY: &str = "it has more than 1000 labels, annotations or other fields";

/// Cuts annotations where they are longer than all of them may be together.
fn bounded<'a>(mut annotations: Vec<(Text<'a>, Text<'a>)>) -> Vec<(Text<'a>, Text<'a>)> {
    let mut room = MOST_WORDS;
    annotations.retain_mut(|(Text(name), Text(value))| {
        let fits = name.len() <= room;
        room = room.saturating_sub(name.len());
        if value.len() > room {
            *value = format!("{}...", &value[..value.floor_char_boundary(room)]).into();
        }
        room = room.saturating_sub(value.len());
        fits
    });
    annotations
}

fn joined(fields: &[(Text<'_>, &RawValue)]) -> Box<[u8]> {
    let length = fields.iter().map(|(name, value)| name.0.len() + value.get().len() + 4).sum();
    let mut out = Vec::with_capacity(length);
    for (name, value) in fields {
        out.push(b',');
        write_text(&name.0, &mut out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.into()
}

fn read<'de, T: Deserialize<'de>, E: serde::de::Error>(name: &str, json: &'de str) -> Result<T, E> {
    serde_json::from_str(json).map_err(|error| E::custom(format_args!("{name}: {error}")))
}

/// Reads a time; the year 1, which Go writes for none, is none, and so is what an Alertmanager may know how to read.
fn moment<E: serde::de::Error>(name: &str, json: &str) -> Result<Option<Timestamp>, E> {
    let Text(text) = read::<Option<Text<'_>>, E>(name, json)?.unwrap_or_default();
    Ok(text.parse().ok().filter(|time: &Timestamp| time.timestamp() > 0))
}

/// The members of an object of strings, in order; the last of a repeated name counts.
#[derive(Default)]
struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    let value = value.unwrap_or_default();
                    let place = pairs.iter().position(|(known, _)| known.0 == name.0);
                    match place {
                        Some(place) => pairs[place].1 = value,
                        None if pairs.len() >= MOST_MEMBERS => {
                            return Err(serde::de::Error::custom(TOO_MANY));
                        }
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
        let body = r#"[{"labels":{"a":"1"}},{"labels":{"a":1}},{"labels":{}},7,{"labels":{"a":"2"},"annotations":{"b":2}},{"labels":{"a":"3"},"endsAt":3},{"labels":{"a":"4"},"annotations":null,"endsAt":"0001-01-01T00:00:00Z"}]"#;
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

    #[test]
    fn what_an_alertmanager_takes_is_an_alert() {
        let written = |body: &[u8]| {
            let (alerts, misshapen) = decode(body).expect("a list");
            assert_eq!((alerts.len(), misshapen), (1, Vec::new()), "{}", String::from_utf8_lossy(body));
            let mut out = Vec::new();
            alerts[0].write(&alerts[0].annotations, &mut out);
            let value: Value =
                serde_json::from_str(&String::from_utf8(out).expect("text").replace("udc80", "ufffd"))
                    .expect("JSON");
            (alerts[0].clone(), value)
        };
        let (alert, value) = written(b"[{\"labels\":{\"alertname\":\"a\xff\",\"b\":null}}]");
        assert_eq!((alert.labels.get("alertname"), alert.labels.get("b")), ("a\u{fffd}", ""));
        assert_eq!(value["labels"], json!({"alertname": "a\u{fffd}", "b": null}), "as it came");
        let (_, value) = written(
            br#"[{"labels":{"a":"\udc80"},"annotations":{"x":"\udc80","n":null},"startsAt":"2026-11-29T10:00:00","endsAt":""}]"#,
        );
        assert!(value["annotations"]["x"].as_str().is_some_and(|x| x.contains('\u{fffd}')), "{value}");
        assert_eq!((&value["annotations"]["n"], &value["endsAt"]), (&json!(""), &json!("")));
        assert_eq!(value["startsAt"], "2026-11-29T10:00:00");
        let (alert, _) = written(br#"[{"labels":{"a":"1"},"endsAt":"soon"}]"#);
        assert!(!alert.is_resolved("2026-11-29T10:00:00Z".parse().expect("a time")));
    }

    #[test]
    fn an_alert_is_bounded_and_goes_on_nevertheless() {
        let text = |length: usize| "\u{e9}".repeat(length / 2);
        let body = json!([{"labels": {"a": "1"}, "annotations": {"a": text(200_000), "b": text(200_000), "c": "x"}}]);
        let (alerts, _) = decode(body.to_string().as_bytes()).expect("a list");
        let lengths: Vec<(&str, usize)> =
            alerts[0].annotations.iter().map(|(name, value)| (name.as_str(), value.len())).collect();
        assert_eq!(lengths, [("a", 200_000), ("b", super::MOST_WORDS - 200_002 + 3)]);
        let body = json!([{"labels": {"a": "1"}, "generatorURL": text(300_000)}]);
        let (alerts, misshapen) = decode(body.to_string().as_bytes()).expect("a list");
        assert!(alerts.is_empty() && misshapen[0].why.contains("256 KiB"), "{misshapen:?}");
    }

    #[test]
    fn an_alert_with_labels_without_end_is_none() {
        let many = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|number| format!(r#""l{number}":"x""#)).collect();
            format!("{{{}}}", pairs.join(","))
        };
        for (field, count, good) in [("labels", 1000, 1), ("labels", 1001, 0), ("annotations", 1001, 0)] {
            let body = format!(r#"[{{"labels":{{"a":"1"}},"{field}":{}}}]"#, many(count));
            let (alerts, misshapen) = decode(body.as_bytes()).expect("a list");
            assert_eq!((alerts.len(), misshapen.len()), (good, 1 - good), "{count} {field}");
        }
        let body = format!("[{}]", many(1001));
        assert!(decode(body.as_bytes()).expect("a list").1[0].why.contains("more than 1000"));
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
