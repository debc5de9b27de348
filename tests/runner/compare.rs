//! Two logs of sensu-client side by side, byte for byte with volatile numbers masked: what `fixtures/golden/compare.py` does.

use regex::bytes::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// What a group of lines is about: level, message and check.
pub type Group = (String, String, String);

/// Groups with their lines.
pub type Groups = BTreeMap<Group, BTreeSet<Vec<u8>>>;

/// The masked lines of each group.
pub fn groups(log: &[u8]) -> Groups {
    let masks = masks();
    let mut groups = Groups::new();
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let read: serde_json::Value =
            serde_json::from_str(&String::from_utf8_lossy(line)).unwrap_or(serde_json::Value::Null);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let check = match &read["check"] {
            serde_json::Value::Null => &read["payload"]["check"],
            check => check,
        };
        let group = (text(&read["level"]), text(&read["message"]), text(&check["name"]));
        let masked = masks
            .iter()
            .fold(line.to_vec(), |line, (volatile, mask)| volatile.replace_all(&line, *mask).into_owned());
        groups.entry(group).or_default().insert(masked);
    }
    groups
}

fn masks() -> Vec<(Regex, &'static [u8])> {
    let mask = |pattern: &str, mask: &'static [u8]| (Regex::new(pattern).expect("a pattern"), mask);
    vec![
        mask(r#"^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}""#, br#"{"timestamp":"T""#),
        mask(r#""(issued|executed|timestamp)":\d+"#, br#""$1":N"#),
        mask(r#""duration":\d+\.\d+"#, br#""duration":D"#),
        mask(r"(?-u:\b)1[5-9]\d{8}(?-u:\b)", b"EPOCH"),
        mask(r"pid=\d+ pgid=\d+ sid=\d+ ppid=\d+", b"PIDS"),
        mask(r"pipe:\[\d+\]|/proc/\d+/", b"X"),
        mask(r"(?-u:\b)run \d+", b"run N"),
        // Inside a string that holds JSON (the check that prints its standard input).
        mask(r#"\\"(issued|executed)\\":\d+"#, br#"\"$1\":N"#),
    ]
}
