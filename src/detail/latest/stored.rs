//! A newest result as the store keeps it over a restart.

use super::{Entry, Key};
use crate::detail::pack::{Pack, Unpack};
use crate::detail::statuses::Statuses;
use crate::detail::trim;
use crate::model::time::Timestamp;
use crate::wire::sensu_log::{self, Line};

impl Entry {
    /// Packs the entry for the store, with at most so many bytes of its output and of its attributes.
    pub fn pack(&self, key: &Key, most: usize) -> Vec<u8> {
        let millis = |time: Timestamp| time.timestamp_millis();
        let mut pack = Pack::default();
        pack.bytes(key.source.as_deref().unwrap_or_default().as_bytes());
        pack.bytes(key.check.as_bytes()).bytes(self.client.as_bytes());
        pack.number(self.status).number(millis(self.executed)).float(self.duration);
        pack.bytes(&trim::fields(&self.fields, most))
            .bytes(trim::output(&self.output, most))
            .number(self.output_bytes.cast_signed())
            .bytes(&self.sha256);
        pack.number(millis(self.status_since)).number(self.last_ok.map_or(i64::MIN, millis));
        pack.number(self.occurrences.into()).number(self.runs.cast_signed()).number(self.log.into());
        pack.bytes(self.history.as_bytes());
        pack.done()
    }

    /// Reads what [`Entry::pack`] wrote; none where it is something else.
    pub fn unpack(bytes: &[u8]) -> Option<(Key, Self)> {
        let mut read = Unpack(bytes);
        let time = |millis: i64| chrono::DateTime::from_timestamp_millis(millis);
        let text = |bytes: &[u8]| Some(Box::<str>::from(std::str::from_utf8(bytes).ok()?));
        let source = text(read.bytes()?)?;
        let key =
            Key { source: Some(source).filter(|source| !source.is_empty()), check: text(read.bytes()?)? };
        let client = text(read.bytes()?)?;
        let mut entry = Self::first(read.number()?, time(read.number()?)?);
        entry.client = client;
        entry.duration = read.float()?;
        entry.fields = read.bytes()?.into();
        entry.output = read.bytes()?.into();
        entry.output_bytes = read.number()?.cast_unsigned();
        entry.sha256 = read.bytes()?.try_into().ok()?;
        entry.status_since = time(read.number()?)?;
        entry.last_ok = Some(read.number()?).filter(|millis| *millis != i64::MIN).and_then(time);
        entry.occurrences = u32::try_from(read.number()?).ok()?;
        entry.runs = read.number()?.cast_unsigned();
        entry.log = u16::try_from(read.number()?).ok()?;
        // A store of before has none.
        entry.history = read.bytes().map(Statuses::of_bytes).unwrap_or_default();
        // What the definition says is read from it again.
        let line = [
            br#"{"message":"publishing check result","payload":{"client":"","check":"#,
            &*entry.fields,
            b"}}",
        ]
        .concat();
        if let Line::Result(result) = sensu_log::read(&line) {
            entry.bound.update(&result.bound, entry.executed);
            entry.take_labels(result.labels);
        }
        Some((key, entry))
    }
}
