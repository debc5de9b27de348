//! Deserialisers that intern while they read.
//!
//! A federated answer repeats the same few thousand strings hundreds of thousands of times. Reading
//! them into shared strings at once, instead of into maps of owned ones, is what makes decoding five
//! times faster and forty times smaller.

use crate::model::labels::{Interner, Label, Labels};
use crate::model::time::Timestamp;
use chrono::DateTime;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::Arc;

/// Reads one string into its shared copy.
pub struct Shared<'i>(pub &'i mut Interner);

impl<'de> DeserializeSeed<'de> for Shared<'_> {
    type Value = Arc<str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Shared<'_> {
    type Value = Arc<str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(self.0.intern(text))
    }
}

/// Reads one string of a structure that repeats into its shared copy.
struct Placed<'i>(&'i mut Interner, usize);

impl<'de> DeserializeSeed<'de> for Placed<'_> {
    type Value = Arc<str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(Text(|text: &str| self.0.intern_at(self.1, text)))
    }
}

/// Reads one string through a function, without sharing (for texts that do not repeat).
pub struct Text<F>(pub F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = T;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// Reads a time of RFC 3339. chrono's own `Deserialize` allows more forms and takes several times as long, three times
/// an alert.
pub struct Moment;

impl<'de> DeserializeSeed<'de> for Moment {
    type Value = Timestamp;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
        let time = Text(|text: &str| DateTime::parse_from_rfc3339(text)).deserialize(deserializer)?;
        time.map(|time| time.to_utc()).map_err(de::Error::custom)
    }
}

/// Reads `{"name": "value", ...}` into labels. Names are always shared; values as `value` decides.
pub struct LabelSet<'i> {
    /// Where shared strings live while decoding.
    pub interner: &'i mut Interner,
    /// How values are kept.
    pub values: Values,
}

/// How values of a label set are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Shared: labels repeat.
    Shared,
    /// Each its own: annotations hardly repeat.
    Owned,
    /// Each its own, only its first line and at most this many bytes: for lists of enriched alerts,
    /// whose outputs would fill the memory.
    FirstLine(usize),
}

impl<'de> DeserializeSeed<'de> for LabelSet<'_> {
    type Value = Labels;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LabelSet<'_> {
    type Value = Labels;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names and strings")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut pairs: Vec<Label> = Vec::with_capacity(12);
        while let Some(name) = map.next_key_seed(Placed(self.interner, 2 * pairs.len()))? {
            let value = match self.values {
                Values::Shared => map.next_value_seed(Placed(self.interner, 2 * pairs.len() + 1))?,
                Values::Owned => map.next_value_seed(Text(|text: &str| Arc::from(text)))?,
                Values::FirstLine(limit) => {
                    map.next_value_seed(Text(|text: &str| Arc::from(first_line(text, limit))))?
                }
            };
            pairs.push((name, value));
        }
        Ok(Labels::new(pairs))
    }
}

/// Returns the first line that says something, cut at a character border to at most `limit` bytes.
fn first_line(text: &str, limit: usize) -> &str {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    &line[..line.floor_char_boundary(limit)]
}

/// Reads an array of strings into shared copies; `null` is empty.
pub struct SharedList<'i>(pub &'i mut Interner);

impl<'de> DeserializeSeed<'de> for SharedList<'_> {
    type Value = Vec<Arc<str>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SharedList<'_> {
    type Value = Vec<Arc<str>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(Shared(self.0))? {
            list.push(item);
        }
        Ok(list)
    }
}

/// Reads an array, each element by a function that is handed a fresh access; `null` is empty.
pub struct Each<F>(pub F);

/// One element's deserialiser: called once per element of the array.
pub trait Element<'de> {
    /// Reads one element.
    fn read<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

struct One<'a, E>(&'a mut E);

impl<'de, E: Element<'de>> DeserializeSeed<'de> for One<'_, E> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.read(deserializer)
    }
}

impl<'de, E: Element<'de>> DeserializeSeed<'de> for Each<&mut E> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Element<'de>> Visitor<'de> for Each<&mut E> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_unit<X: de::Error>(self) -> Result<(), X> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(One(self.0))?.is_some() {}
        Ok(())
    }
}
