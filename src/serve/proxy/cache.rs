//! The newest detail of every check that was asked for: bounded, the longest unused goes first.

use crate::model::check::Detail;
use foldhash::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// How many details are held at most: all alerts of a storm.
const MOST: usize = 50_000;
/// How many bytes of words they have together.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// What is not kept of an attribute that nobody copies.
const LONGEST_ATTRIBUTE: usize = 1024;

/// A detail and when it was fetched; none where that was before a restart.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub detail: Arc<Detail>,
    pub fetched: Option<Instant>,
}

struct Slot {
    cached: Cached,
    bytes: usize,
    used: u64,
}

/// Details by their URL.
#[derive(Default)]
pub(super) struct Cache {
    slots: HashMap<Box<str>, Slot>,
    bytes: usize,
    uses: u64,
}

impl Cache {
    pub(super) fn get(&mut self, url: &str) -> Option<Cached> {
        self.uses += 1;
        let slot = self.slots.get_mut(url)?;
        slot.used = self.uses;
        Some(slot.cached.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn put(&mut self, url: &str, detail: Arc<Detail>, fetched: Option<Instant>) {
        self.uses += 1;
        let bytes = url.len() + weight(&detail);
        let slot = Slot { cached: Cached { detail, fetched }, bytes, used: self.uses };
        self.bytes += bytes;
        if let Some(before) = self.slots.insert(url.into(), slot) {
            self.bytes -= before.bytes;
        }
        if self.slots.len() > MOST || self.bytes > MOST_BYTES {
            self.make_room();
        }
    }

    /// Lets the longer unused half go: that is seldom, and keeps no order at every use.
    fn make_room(&mut self) {
        let mut uses: Vec<u64> = self.slots.values().map(|slot| slot.used).collect();
        let middle = uses.len() / 2;
        let (_, median, _) = uses.select_nth_unstable(middle);
        let median = *median;
        self.slots.retain(|_, slot| slot.used >= median);
        self.bytes = self.slots.values().map(|slot| slot.bytes).sum();
    }
}

fn weight(detail: &Detail) -> usize {
    let other: usize = detail.other.iter().map(|(name, value)| name.len() + length(value)).sum();
    detail.output.len() + detail.command.as_ref().map_or(0, String::len) + other + 256
}

fn length(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(length).sum(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + length(value)).sum()
        }
        _ => 8,
    }
}

/// Cuts a detail to what annotations can hold: `keep` bytes of its output, and no attribute that is long.
pub(super) fn trim(detail: &mut Detail, keep: usize) {
    if detail.output.len() > keep {
        detail.output_bytes.get_or_insert(detail.output.len() as u64);
        detail.output_truncated = true;
        detail.output.truncate(detail.output.floor_char_boundary(keep));
        detail.output.shrink_to_fit();
    }
    detail.other.retain(|_, value| length(value) <= LONGEST_ATTRIBUTE);
}

#[cfg(test)]
mod tests {
    use super::{Cache, MOST, trim};
    use crate::sys::clock;
    use crate::wire::detail::decode_detail;
    use std::sync::Arc;

    #[test]
    fn what_was_not_used_for_longest_goes_when_there_are_too_many() {
        let mut cache = Cache::default();
        let detail = Arc::new(decode_detail("x", br#"{"output":"o"}"#).expect("a detail"));
        for number in 0..=MOST {
            if number % 1000 == 0 {
                assert!(cache.get("0").is_some() || number == 0, "it is used all the time");
            }
            cache.put(&number.to_string(), detail.clone(), Some(clock::instant()));
        }
        assert!(cache.len() <= MOST / 2 + 2, "{}", cache.len());
        assert!(cache.get("0").is_some() && cache.get("1").is_none());
        assert!(cache.get(&MOST.to_string()).is_some());
        let counted: usize = cache.slots.values().map(|slot| slot.bytes).sum();
        assert_eq!(cache.bytes(), counted);
    }

    #[test]
    fn a_long_output_is_held_as_far_as_it_is_shown() {
        let body = format!(
            r#"{{"output":"{}","hook":{{"output":"{}"}},"team":"s"}}"#,
            "ä".repeat(100),
            "x".repeat(2000)
        );
        let mut detail = decode_detail("x", body.as_bytes()).expect("a detail");
        trim(&mut detail, 51);
        assert_eq!(
            (detail.output.len(), detail.output_bytes, detail.output_truncated),
            (50, Some(200), true)
        );
        assert!(detail.other.contains_key("team") && !detail.other.contains_key("hook"));
    }
}
