//! Label sets with Alertmanager's semantics: sorted by name, an absent label equals the empty string.

use foldhash::HashSet;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// One name and its value.
pub type Label = (Arc<str>, Arc<str>);

/// A set of labels, cheap to clone, sorted by name, without empty values.
///
/// Its hash is taken once, while the strings are at hand: merging replicas looks each set up several times, and
/// every look at twenty scattered strings is a look at memory.
#[derive(Debug, Clone)]
pub struct Labels {
    pairs: Arc<[Label]>,
    hash: u64,
}

/// Different in every process, as for any table that foreign text can fill.
static HASHING: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);

impl Labels {
    /// Builds a set: sorts, drops empty values (as Alertmanager does on arrival), keeps the last of a repeated name.
    pub fn new(pairs: impl IntoIterator<Item = Label>) -> Self {
        let mut pairs: Vec<Label> = pairs.into_iter().collect();
        // Servers write them in order.
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            Self::put_in_order(&mut pairs);
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Self::of(pairs)
    }

    /// Takes pairs that are in order, each name once, no value empty.
    fn of(pairs: Vec<Label>) -> Self {
        Self { hash: HASHING.hash_one(&pairs), pairs: pairs.into() }
    }

    fn put_in_order(pairs: &mut Vec<Label>) {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        // A stable sort leaves repeated names in order of arrival; `dedup_by` passes (later, earlier).
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
    }

    /// Returns the value of `name`, or `""` where it is absent.
    pub fn get(&self, name: &str) -> &str {
        // Sets are small (about ten labels): a scan beats a binary search over scattered strings.
        self.pairs.iter().find(|(n, _)| &**n == name).map_or("", |(_, value)| value)
    }

    /// Returns the pairs in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the pairs as shared strings, in order of name.
    pub fn pairs(&self) -> &[Label] {
        &self.pairs
    }

    /// Reports whether the set has no label.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns how many labels there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns the set without the labels in `names`.
    pub fn without(&self, names: &[impl AsRef<str>]) -> Self {
        if !self.pairs.iter().any(|(n, _)| names.iter().any(|drop| drop.as_ref() == &**n)) {
            return self.clone();
        }
        let kept = self.pairs.iter().filter(|(n, _)| !names.iter().any(|drop| drop.as_ref() == &**n));
        Self::of(kept.cloned().collect())
    }

    /// Returns the set with `name` set to `value` (removed if `value` is empty).
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::new(self.pairs.iter().cloned().chain([(name.into(), value.into())]))
    }

    /// Reports whether every label of `self` stands in `other` with the same value.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|(name, value)| other.get(name) == value)
    }

    /// Returns Alertmanager's identity of a label set: FNV-1a 64 over `name 0xFF value 0xFF ...`
    /// in order of name (prometheus/common `model.LabelSet.Fingerprint`).
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xFF]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, value) in self.iter() {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        Fingerprint(hash)
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.pairs, &other.pairs) || self.pairs == other.pairs)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pairs.cmp(&other.pairs)
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Labels {
    fn default() -> Self {
        // Every alert begins with two of them.
        static EMPTY: LazyLock<Labels> = LazyLock::new(|| Labels::of(Vec::new()));
        EMPTY.clone()
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())))
    }
}

/// Writes the set as Prometheus does: `{alertname="NodeDown", rack="r114"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;
        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of label names and values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    pairs.push((name.into(), value.into()));
                }
                Ok(Labels::new(pairs))
            }
        }
        deserializer.deserialize_map(LabelsVisitor)
    }
}

/// The identity of a label set, printed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gives equal strings one allocation while a large answer is decoded: 20,000 nodes repeat a few
/// thousand values, and sharing them is what keeps a snapshot small.
#[derive(Debug, Default)]
pub struct Interner {
    known: HashSet<Arc<str>>,
    /// What stood last in each place of a series: neighbours differ in one or two labels, and
    /// comparing a short string is cheaper than hashing it.
    last: Vec<Arc<str>>,
}

impl Interner {
    /// Returns the shared copy of `text`.
    pub fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let shared: Arc<str> = text.into();
        self.known.insert(shared.clone());
        shared
    }

    /// Returns the shared copy of a text that stands in place `place` of a repeating structure.
    pub fn intern_at(&mut self, place: usize, text: &str) -> Arc<str> {
        match self.last.get(place) {
            Some(last) if **last == *text => last.clone(),
            Some(_) => {
                let shared = self.intern(text);
                self.last[place] = shared.clone();
                shared
            }
            None => {
                let shared = self.intern(text);
                if place == self.last.len() {
                    self.last.push(shared.clone());
                }
                shared
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn fingerprints_are_alertmanagers() {
        // Both values were read from a running Alertmanager 0.25.
        let set =
            labels(&[("team", "net"), ("severity", "critical"), ("instance", "n1"), ("alertname", "A")]);
        assert_eq!(set.fingerprint().to_string(), "af55c2e965e82793");
        assert_eq!(labels(&[("alertname", "GOOD")]).fingerprint().to_string(), "aac5f95f0f6a987b");
    }

    #[test]
    fn an_absent_label_is_empty_and_an_empty_label_is_absent() {
        let set = labels(&[("a", "1"), ("b", "")]);
        assert_eq!(set.len(), 1);
        assert_eq!(set.get("b"), "");
        assert_eq!(set, labels(&[("a", "1")]));
    }

    #[test]
    fn the_last_of_a_repeated_name_wins() {
        assert_eq!(labels(&[("a", "1"), ("a", "2"), ("a", "3")]).get("a"), "3");
        assert!(labels(&[("a", "1"), ("a", "")]).is_empty());
    }

    proptest! {
        #[test]
        fn order_of_arrival_does_not_matter(map in proptest::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..8)) {
            let forward: Labels = map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let backward: Labels = map.iter().rev().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert_eq!(forward.fingerprint(), backward.fingerprint());
            prop_assert_eq!(forward, backward);
        }
    }
}
