//! The words of a check, as annotations have them: made once of each detail that is fetched, and held in one piece, for a storm has as
//! many of these as alerts, and each goes out again every minute.

use crate::model::check::Detail;
use crate::model::text::plain;
use crate::model::time::rfc3339;
use serde_json::Value;

/// How much of any annotation but the output.
pub(super) const WORDS_CAP: usize = 512;
/// How many statuses are told, the newest last: as many as Sensu kept.
const HISTORY: usize = 21;
/// The annotations that a detail gives.
pub(super) const NAMES: [&str; 12] = [
    "check_output",
    "check_command",
    "check_status",
    "check_client",
    "check_address",
    "check_issued",
    "check_executed",
    "check_duration",
    "check_occurrences",
    "check_handlers",
    "check_last_ok",
    "check_history",
];
/// What the store's values begin with: how they are to be read.
const FORM: u8 = 1;
/// The pair with the length of the whole output; it ends in a plus where the node or we cut it.
const WHOLE: &str = "";
/// What the names of attributes begin with, which are annotations only where a rule wants them.
const ATTRIBUTE: u8 = b'=';

/// Pairs of names and values, each with its length before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    bytes: Box<[u8]>,
}

impl Words {
    /// Takes from a detail what annotations may want of it, and so many bytes of its output.
    pub(super) fn of(detail: &Detail, keep: usize) -> Self {
        let mut bytes = vec![FORM];
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                push(&mut bytes, name);
                push(&mut bytes, value);
            }
        };
        let output = plain(&detail.output);
        let whole = detail.output_bytes.unwrap_or(detail.output.len() as u64);
        let is_cut = detail.output_truncated || output.len() > keep;
        add(WHOLE, &format!("{whole}{}", if is_cut { "+" } else { "" }));
        add("check_output", &output[..output.floor_char_boundary(keep)]);
        let words = |value: &str| cut(&plain(value), WORDS_CAP);
        let other = |name: &str| detail.other.get(name).map(text).unwrap_or_default();
        add("check_command", &words(detail.command.as_deref().unwrap_or_default()));
        let status = detail.exit_status().or(detail.status.map(|status| i64::from(status.value())));
        add("check_status", &status.map(|status| status.to_string()).unwrap_or_default());
        for (name, attribute) in
            [("check_client", "client"), ("check_address", "address"), ("check_issued", "issued")]
        {
            add(name, &words(&other(attribute)));
        }
        add("check_executed", &detail.executed.map(rfc3339).unwrap_or_default());
        add("check_duration", &detail.duration.map(|seconds| format!("{seconds:.3}")).unwrap_or_default());
        add("check_occurrences", &words(&other("occurrences")));
        add("check_handlers", &words(&other("handlers")));
        add("check_last_ok", &words(&other("last_ok")));
        let history = detail.other.get("history").and_then(Value::as_array);
        let history =
            history.map(|all| all[all.len().saturating_sub(HISTORY)..].iter().map(text).collect::<Vec<_>>());
        add("check_history", &words(&history.unwrap_or_default().join(",")));
        for (name, value) in &detail.other {
            add(&format!("={name}"), &words(&text(value)));
        }
        Self { bytes: bytes.into() }
    }

    /// Reads back what [`Words::bytes`] gave.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[FORM])?;
        while !rest.is_empty() {
            rest = take(take(rest)?.1)?.1;
        }
        Some(Self { bytes: bytes.into() })
    }

    /// Returns them as they are kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the annotations but for the output, by name.
    pub(super) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_one = |name: &str| {
            !matches!(name, WHOLE | "check_output") && !name.as_bytes().starts_with(&[ATTRIBUTE])
        };
        self.pairs().filter(move |(name, _)| is_one(name))
    }

    /// Returns the value of an attribute of the definition.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(known, _)| known.strip_prefix('=') == Some(name)).map(|(_, value)| value)
    }

    /// Returns when the check ran.
    pub(super) fn executed(&self) -> Option<&str> {
        self.get("check_executed")
    }

    /// Returns the output, cut to so many bytes with a note of how much of it this is.
    pub(super) fn output(&self, cap: usize) -> String {
        let (whole, output) =
            (self.get(WHOLE).unwrap_or_default(), self.get("check_output").unwrap_or_default());
        if output.len() <= cap && !whole.ends_with('+') {
            return output.to_owned();
        }
        let (whole, kept) = (whole.trim_end_matches('+'), &output[..output.floor_char_boundary(cap)]);
        format!("{}\n(cut: {} of {whole} bytes)", kept.trim_end(), kept.len())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &self.bytes[1..];
        std::iter::from_fn(move || {
            let (name, after) = take(rest)?;
            let (value, after) = take(after)?;
            rest = after;
            Some((name, value))
        })
    }
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Takes the first text, and what is behind it.
fn take(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
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

pub(super) fn cut(text: &str, cap: usize) -> String {
    if text.len() <= cap {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(cap)])
}

#[cfg(test)]
mod tests {
    use super::Words;
    use crate::wire::detail::decode_detail;
    use proptest::prelude::*;

    fn words(json: &str, keep: usize) -> Words {
        Words::of(&decode_detail("x", json.as_bytes()).expect("a detail"), keep)
    }

    #[test]
    fn a_long_output_is_held_as_far_as_it_is_shown_and_its_length_is_told() {
        let body = format!(r#"{{"output":"{}","hook":"{}","team":"s"}}"#, "ä".repeat(100), "x".repeat(2000));
        let words = words(&body, 51);
        assert_eq!(words.output(2048), format!("{}\n(cut: 50 of 200 bytes)", "ä".repeat(25)));
        assert_eq!(words.output(11), format!("{}\n(cut: 10 of 200 bytes)", "ä".repeat(5)));
        assert_eq!(words.attribute("team"), Some("s"));
        assert_eq!(words.attribute("hook"), Some(format!("{}...", "x".repeat(512)).as_str()));
        assert!(words.bytes().len() < 640, "{}", words.bytes().len());
        let short = self::words(r#"{"output":"12345","output_truncated":true,"output_bytes":9}"#, 50);
        assert_eq!(short.output(50), "12345\n(cut: 5 of 9 bytes)");
    }

    #[test]
    fn every_name_that_is_written_is_known() {
        let names = [
            "output",
            "command",
            "status",
            "client",
            "address",
            "issued",
            "executed",
            "duration",
            "occurrences",
            "handlers",
            "last_ok",
            "history",
        ];
        assert_eq!(super::NAMES, names.map(|name| format!("check_{name}")));
        let history: Vec<u32> = (0..500).collect();
        let json = serde_json::json!({
            "output": "x", "command": "x", "status": 2, "client": "x", "address": "x", "issued": "x",
            "executed": 1_795_414_960, "duration": 1, "occurrences": 1, "handlers": ["x"], "last_ok": "x", "history": history,
        });
        let words = words(&json.to_string(), 50);
        let written: Vec<&str> = words.annotations().map(|(name, _)| name).collect();
        assert_eq!(written, super::NAMES[1..]);
        let newest: Vec<String> = (479..500).map(|status| format!("{status}")).collect();
        assert_eq!(words.get("check_history"), Some(newest.join(",").as_str()));
    }

    proptest! {
        #[test]
        fn words_are_read_back_as_they_were(output in any::<String>(), attribute in "\\PC{1,9}", value in any::<String>()) {
            let json = serde_json::json!({"output": output, attribute: value}).to_string();
            let words = words(&json, 100);
            prop_assert_eq!(Words::read(words.bytes()), Some(words.clone()));
            let mut cut = words.bytes().to_vec();
            cut.pop();
            prop_assert_eq!(Words::read(&cut), None);
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(words) = Words::read(&bytes) {
                let _ = (words.annotations().count(), words.output(3), words.executed());
            }
        }
    }
}
