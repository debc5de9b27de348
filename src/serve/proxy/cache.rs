//! The newest detail of every check that was asked for: bounded, the longest unused goes first.

use super::words::Words;
use foldhash::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// How many details are held at most: all alerts of a storm.
const MOST: usize = 50_000;
/// How many bytes they have together.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// What a slot takes beside its words.
const OF_A_SLOT: usize = 128;

/// The words of a detail and when it was fetched; none where that was before a restart.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub words: Arc<Words>,
    pub fetched: Option<Instant>,
}

struct Slot {
    cached: Cached,
    used: u64,
}

impl Slot {
    fn bytes(&self, url: &str) -> usize {
        url.len() + self.cached.words.bytes().len() + OF_A_SLOT
    }
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

    /// Returns a detail for another reason than to show it: that is no use of it.
    pub(super) fn peek(&self, url: &str) -> Option<&Cached> {
        self.slots.get(url).map(|slot| &slot.cached)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn put(&mut self, url: &str, cached: Cached) {
        self.uses += 1;
        let slot = Slot { cached, used: self.uses };
        self.bytes += slot.bytes(url);
        if let Some(before) = self.slots.insert(url.into(), slot) {
            self.bytes -= before.bytes(url);
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
        self.bytes = self.slots.iter().map(|(url, slot)| slot.bytes(url)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;
    use super::{Cache, Cached, MOST};
    use crate::sys::clock;
    use crate::wire::detail::decode_detail;
    use std::sync::Arc;

    #[test]
    fn what_was_not_used_for_longest_goes_when_there_are_too_many() {
        let mut cache = Cache::default();
        let detail = decode_detail("x", br#"{"output":"o"}"#).expect("a detail");
        let cached = Cached { words: Arc::new(Words::of(&detail, 9)), fetched: Some(clock::instant()) };
        for number in 0..=MOST {
            if number % 1000 == 0 {
                assert!(cache.get("0").is_some() || number == 0, "it is used all the time");
                assert!(cache.peek("1").is_some() || number == 0, "that is no use of it");
            }
            cache.put(&number.to_string(), cached.clone());
        }
        assert!(cache.len() <= MOST / 2 + 2, "{}", cache.len());
        assert!(cache.get("0").is_some() && cache.get("1").is_none());
        assert!(cache.get(&MOST.to_string()).is_some());
        let counted: usize = cache.slots.iter().map(|(url, slot)| slot.bytes(url)).sum();
        assert_eq!(cache.bytes(), counted);
    }
}
