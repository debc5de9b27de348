//! A line of a push of many groups (`POST /api/v1/push`): a JSON object that names a group and says what becomes of it.
//!
//! ```text
//! {"job": "backup", "labels": {"db": "main"}, "metrics": "backup_bytes 42\n", "mode": "replace", "ttl": "15m"}
//! ```

use super::go;
use crate::model::group::GroupKey;
use crate::model::names::{Names, is_reserved};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A group may have labels of so many bytes: as many as the head of a request has, in which other pushes name theirs.
pub const MOST_KEY: usize = 16 * 1024;

/// What becomes of what the group has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Families of the same names are replaced, as by `POST`.
    #[default]
    Merge,
    /// Everything is, as by `PUT`.
    Replace,
    /// The group goes, as by `DELETE`.
    Delete,
}

/// A line, its metrics not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushLine {
    /// The group.
    pub key: GroupKey,
    /// What becomes of it.
    pub mode: Mode,
    /// Metrics as text 0.0.4.
    pub metrics: String,
    /// After how long without a push the group goes, as it was written.
    pub ttl: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    job: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    metrics: String,
    #[serde(default)]
    mode: Mode,
    ttl: Option<String>,
}

/// Returns the lines of a body with their numbers, from 1, without those that are empty.
pub fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(place, line)| (place + 1, line))
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it, for whoever pushes it.
pub fn parse(line: &[u8], names: Names) -> Result<PushLine, String> {
    let Raw { job, labels, metrics, mode, ttl } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if job.is_empty() {
        return Err("job name is required".to_owned());
    }
    if let Some(name) = labels.keys().find(|name| !names.take_label(name) || is_reserved(name)) {
        return Err(format!("improper label name {}", go::quote(name.as_bytes())));
    }
    let key = GroupKey::new(&job, labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if key.as_bytes().len() > MOST_KEY {
        return Err(format!("the labels of a group hold at most {} KiB", MOST_KEY / 1024));
    }
    Ok(PushLine { key, mode, metrics, ttl })
}

#[cfg(test)]
mod tests {
    use super::{MOST_KEY, Mode, PushLine, lines, parse};
    use crate::model::group::GroupKey;
    use crate::model::names::Names;
    use proptest::prelude::*;
    use serde_json::json;

    fn error(line: &str) -> String {
        parse(line.as_bytes(), Names::Legacy).expect_err(line)
    }

    #[test]
    fn a_line_that_is_none_is_told_so() {
        for (line, words) in [
            ("", "EOF"),
            ("[]", "invalid"),
            ("{}", "missing field `job`"),
            (r#"{"job":""}"#, "job name is required"),
            (r#"{"job":"j","mode":"Delete"}"#, "unknown variant"),
            (r#"{"job":"j","label":{}}"#, "unknown field `label`"),
            (r#"{"job":"j","labels":{"a":1}}"#, "invalid type"),
            (r#"{"job":"j","labels":{"a-b":""}}"#, "improper label name \"a-b\""),
            (r#"{"job":"j","labels":{"__a":""}}"#, "improper label name \"__a\""),
            (r#"{"job":"j"} {}"#, "trailing"),
        ] {
            assert!(error(line).contains(words), "{line}: {}", error(line));
        }
        let long = "x".repeat(MOST_KEY);
        assert!(error(&format!(r#"{{"job":"{long}"}}"#)).contains("at most 16 KiB"));
        let name = error(&format!(r#"{{"job":"j","labels":{{"{long}-":""}}}}"#));
        assert!(name.len() < 2000 && name.ends_with("\"..."), "{name}");
        assert!(error(&"[".repeat(1_000_000)).len() < 1000);
    }

    #[test]
    fn lines_have_their_numbers_and_empty_ones_are_none() {
        let found: Vec<_> = lines(b"a\n\n \t\r\nb\n").collect();
        assert_eq!(found, [(1, &b"a"[..]), (4, b"b")]);
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_line_is_read(
            job in ".{1,9}",
            labels in prop::collection::btree_map("[a-z]{1,4}", ".{0,9}", 0..4),
            metrics in ".{0,20}",
            mode in prop::sample::select(vec![("merge", Mode::Merge), ("replace", Mode::Replace), ("delete", Mode::Delete)]),
            ttl in prop::option::of("[0-9]m"),
        ) {
            let line = json!({"job": job, "labels": labels, "metrics": metrics, "mode": mode.0, "ttl": ttl}).to_string();
            let key = GroupKey::new(&job, labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert_eq!(lines(line.as_bytes()).count(), 1);
            prop_assert_eq!(parse(line.as_bytes(), Names::Legacy), Ok(PushLine { key, mode: mode.1, metrics, ttl }));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[{}\"\\\\:,a-z0-9\\[\\] \n]{0,60}") {
            for body in [&bytes[..], text.as_bytes(), &[br#"{"job":"#, &bytes[..], b"}"].concat()] {
                for (place, line) in lines(body) {
                    prop_assert!(place > 0);
                    if let Ok(line) = parse(line, Names::Utf8) {
                        prop_assert!(!line.key.job().is_empty());
                    }
                }
            }
        }
    }
}
