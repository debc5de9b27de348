//! What names a group of pushed metrics: a set of labels with a job among them. And what names a check in such a group.

use std::collections::BTreeMap;
use std::fmt;

/// Stands between names and values; no UTF-8 text contains it.
const SEPARATOR: u8 = 0xff;
/// The label that every group has.
const JOB: &str = "job";

/// The grouping labels, sorted by name, each name once.
///
/// They are held in the form in which upstream keys its groups (storage/diskmetricstore.go, groupingKeyFor): name, 0xFF,
/// value, 0xFF, name and so on. So a key is one piece of memory, is compared in one go, and can be a key of a store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(Box<[u8]>);

impl GroupKey {
    /// Builds the key of a group of `job`. Of labels with one name the last counts, and `job` before all of them.
    pub fn new<'a>(job: &'a str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sorted: BTreeMap<&str, &str> = labels.into_iter().collect();
        sorted.insert(JOB, job);
        let parts: Vec<&[u8]> =
            sorted.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        Self(parts.join(&SEPARATOR).into())
    }

    /// Takes the form that [`Self::as_bytes`] gave; `None` where it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let texts = bytes.split(|byte| *byte == SEPARATOR).map(str::from_utf8);
        let texts: Vec<&str> = texts.collect::<Result<_, _>>().ok()?;
        let names = texts.iter().step_by(2);
        let good = texts.len().is_multiple_of(2)
            && names.clone().all(|name| !name.is_empty())
            && names.is_sorted_by(|a, b| a < b);
        let key = Self(bytes.into());
        (good && key.get(JOB).is_some_and(|job| !job.is_empty())).then_some(key)
    }

    /// Returns the canonical form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the labels in order of name, the job among them.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |bytes| str::from_utf8(bytes).expect("a key is made of texts");
        let mut texts = self.0.split(|byte| *byte == SEPARATOR).map(text);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Returns the value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.labels().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the job.
    pub fn job(&self) -> &str {
        self.get(JOB).unwrap_or_default()
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.labels()).finish()
    }
}

/// What names a check whose result is pushed: its group, its name, and the host that it is about, where that is another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushedCheck {
    /// The group.
    pub group: GroupKey,
    /// The check.
    pub check: Box<str>,
    /// The host that the result is about, where it is not who pushes it.
    pub source: Option<Box<str>>,
}

impl fmt::Display for PushedCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.check)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " of {source}"))?;
        write!(f, " in {:?}", self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::GroupKey;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_upstreams() {
        let key = GroupKey::new("j", [("z", "1"), ("a", ""), ("z", "2"), ("job", "k")]);
        assert_eq!(key.as_bytes(), b"a\xff\xffjob\xffj\xffz\xff2");
        assert_eq!(key.labels().collect::<Vec<_>>(), [("a", ""), ("job", "j"), ("z", "2")]);
        assert_eq!((key.job(), key.get("z"), key.get("y")), ("j", Some("2"), None));
        assert_eq!(format!("{key:?}"), r#"{"a": "", "job": "j", "z": "2"}"#);
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        for bytes in [
            &b""[..],
            b"job",
            b"job\xff",
            b"a\xffb",
            b"job\xffj\xffa\xffb",
            b"job\xffj\xffz",
            b"job\xffj\xffjob\xffj",
            b"\xffx\xffjob\xffj",
            b"job\xff\xc3",
        ] {
            assert_eq!(GroupKey::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_read_back_and_does_not_depend_on_order(
            job in ".{1,5}",
            labels in prop::collection::btree_map(".{1,4}", ".{0,4}", 0..5),
        ) {
            let pairs = || labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let key = GroupKey::new(&job, pairs());
            prop_assert_eq!(GroupKey::from_bytes(key.as_bytes()), Some(key.clone()));
            let mut reversed: Vec<_> = pairs().collect();
            reversed.reverse();
            prop_assert_eq!(GroupKey::new(&job, reversed), key);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..30)) {
            if let Some(key) = GroupKey::from_bytes(&bytes) {
                prop_assert_eq!(key.labels().count() * 2, bytes.split(|byte| *byte == 0xff).count());
            }
        }
    }
}
