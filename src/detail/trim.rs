//! How much of a result's words is held: scripts, hooks and whoever reaches the runner's socket may say anything at any length.

use crate::wire::sensu_json::{Value, set};
use std::borrow::Cow;

/// Longer words are cut in the middle.
const LONGEST_WORD: usize = 1024;
/// The attribute that names those that were too long.
const DROPPED: &str = "dropped_attributes";
/// How many of them are named.
const MOST_NAMED: usize = 20;

/// Cuts an output, where it has to be, behind the last white space: half a password would not be known for one.
pub fn output(output: &[u8], keep: usize) -> &[u8] {
    if output.len() <= keep {
        return output;
    }
    let kept = &output[..keep];
    let near = keep.saturating_sub(LONGEST_WORD);
    match kept[near..].iter().rposition(u8::is_ascii_whitespace) {
        Some(at) => &kept[..=near + at],
        None => kept,
    }
}

/// Drops the longest attributes of a `check` object, as it stands in a line, until it is no longer than `most`, and names them
/// in one of its own.
pub fn fields(fields: &[u8], most: usize) -> Cow<'_, [u8]> {
    if fields.len() <= most {
        return Cow::Borrowed(fields);
    }
    let Ok(Value::Object(mut object)) = Value::parse(fields) else { return Cow::Borrowed(b"{}") };
    let mut lengths: Vec<_> = object
        .iter()
        .map(|(name, value)| (name.len() + value.to_bytes().len(), name.clone()))
        .filter(|(_, name)| **name != b"name"[..])
        .collect();
    lengths.sort_unstable();
    let mut length = fields.len();
    let mut dropped = Vec::new();
    // What names them takes its place, too.
    while let Some((longest, name)) = lengths.pop_if(|_| length + 64 * MOST_NAMED > most) {
        length -= longest.min(length);
        object.shift_remove(&name);
        dropped.push(name);
    }
    let named = dropped.iter().take(MOST_NAMED).map(|name| Value::text(output(name, 60)));
    set(&mut object, DROPPED, Value::Array(named.collect()));
    let fitting = Value::Object(object).to_bytes();
    // A name that is too long by itself.
    if fitting.len() > most { Cow::Borrowed(b"{}") } else { Cow::Owned(fitting) }
}

#[cfg(test)]
mod tests {
    use super::{fields, output};
    use crate::wire::sensu_json::{Value, field};
    use proptest::prelude::*;

    #[test]
    fn a_long_output_is_cut_between_words() {
        assert_eq!(output(b"one two", 100), b"one two");
        assert_eq!(output(b"one two", 5), b"one ");
        assert_eq!(output(b"password", 5), b"passw");
    }

    #[test]
    fn the_longest_attributes_go_first_and_are_named() {
        let long = "x".repeat(5_000);
        let line = format!(r#"{{"name":"disk","interval":60,"hook":{{"output":"{long}"}},"runbook":"r"}}"#);
        assert!(matches!(fields(line.as_bytes(), 10_000), std::borrow::Cow::Borrowed(_)), "it fits");
        let fitting = fields(line.as_bytes(), 4_000);
        let text = String::from_utf8_lossy(&fitting);
        assert_eq!(text, r#"{"name":"disk","interval":60,"runbook":"r","dropped_attributes":["hook"]}"#);
    }

    proptest! {
        #[test]
        fn whatever_comes_fits(
            attributes in proptest::collection::vec(("[a-z]{1,90}", 0_usize..2_000), 0..40),
            most in 2_000_usize..10_000,
        ) {
            let all: Vec<String> = attributes.iter().map(|(name, length)| format!(r#""{name}":"{}""#, "x".repeat(*length))).collect();
            let line = format!(r#"{{"name":"disk",{}{}}}"#, all.join(","), if all.is_empty() { r#""a":1"# } else { "" });
            let fitting = fields(line.as_bytes(), most);
            prop_assert!(fitting.len() <= most, "{}", fitting.len());
            let Ok(Value::Object(object)) = Value::parse(&fitting) else { panic!("{fitting:?}") };
            prop_assert!(field(&object, "name").is_some());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
            let _ = fields(&bytes, 2_000);
        }
    }
}
