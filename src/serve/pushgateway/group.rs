//! One group as it is held: its metrics as the text in which they are scraped, in one piece.
//!
//! A group is never changed. A push makes another one of it, which takes its place once it is on the disk and shares what is the
//! same.

use super::index::Index;
use super::ready::{PUSHED, Ready, STATUS};
use super::series::Series;
use crate::detail::latest::{Entry, Key, Latest};
use crate::model::family::{Family, Kind, Metric, Value};
use crate::model::group::GroupKey;
use crate::model::names::Names;
use crate::wire::exposition::{parse, protobuf, write};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Nanoseconds since 1970, as upstream stamps pushes; 0 is never.
pub(super) type Nanos = i64;

/// What a group takes besides what is in it: its places here and there, and its stamps.
pub(super) const A_GROUP: usize = 512;
/// What a family of a group takes besides its lines, that it is found by its name among them.
pub(super) const A_PART: usize = size_of::<Part>() + 200;
/// What the native histograms of a family take besides themselves, that they are found by its name.
pub(super) const A_NATIVE: usize = 200;
/// What a metric takes besides its line: its number in two places, of which one is never full.
pub(super) const A_SERIES: usize = 40;

/// One group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub key: GroupKey,
    /// When a push last succeeded.
    pub pushed: Nanos,
    /// When one last failed.
    pub failed: Nanos,
    /// Since when its life counts, by the wall clock as it goes now: where that is set, this goes with it, and the stamps stay.
    pub since: Nanos,
    /// After how long without a push it goes.
    pub ttl: Option<Duration>,
    /// The newest result of each check that was pushed with its words.
    pub checks: Option<Arc<Latest>>,
    parts: Arc<[Part]>,
    text: Arc<str>,
    natives: Option<Arc<Natives>>,
    /// The metrics of all parts, behind that of its stamps (of two groups that say the same of themselves, an `instance` that is
    /// empty and none, there can be but one) and before those of its checks.
    series: Arc<[u64]>,
}

/// The native histograms among the metrics of families, as messages: no text holds them.
type Natives = BTreeMap<Arc<str>, Arc<[u8]>>;

/// One family of a group.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: Arc<str>,
    pub help: Option<Arc<str>>,
    pub kind: Kind,
    /// When it was pushed.
    pub pushed: Nanos,
    /// Where it ends in the text and among the series of the group.
    text_end: u32,
    series_end: u32,
}

/// What becomes of the families that a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They go: a `PUT`.
    Replace,
    /// Those that are pushed anew go: a `POST`.
    Merge,
}

impl Group {
    /// A group of which nothing is known.
    pub(super) fn empty(key: GroupKey, series: &Series) -> Self {
        let stamps = series.of(PUSHED, placed(&key).iter().copied());
        Self {
            key,
            pushed: 0,
            failed: 0,
            since: 0,
            ttl: None,
            checks: None,
            parts: Arc::default(),
            text: Arc::default(),
            natives: None,
            series: [stamps].into(),
        }
    }

    /// Returns the group after a push.
    pub(super) fn after(&self, mode: Mode, families: Vec<Ready>, now: Nanos, words: &Index) -> Self {
        let room = families.iter().map(|family| family.lines.len()).sum::<usize>();
        let mut made =
            Builder::of(self.series[0], room + if mode == Mode::Merge { self.text.len() } else { 0 });
        let mut natives =
            self.natives.as_deref().filter(|_| mode == Mode::Merge).cloned().unwrap_or_default();
        let mut kept = if mode == Mode::Merge { &self.parts[..] } else { &[] }.iter().enumerate().peekable();
        for family in families {
            while let Some((place, part)) = kept.next_if(|(_, part)| *part.name < *family.name) {
                made.keep(self, place, part);
            }
            kept.next_if(|(_, part)| *part.name == *family.name);
            let name = words.share_name(&family.name);
            match family.native {
                Some(native) => natives.insert(name.clone(), native),
                None => natives.remove(&name),
            };
            let part = Part {
                name,
                help: family.help.as_deref().map(|help| words.share_help(&family.name, help)),
                kind: family.kind,
                pushed: now,
                text_end: 0,
                series_end: 0,
            };
            made.push(part, &family.lines, &family.series);
        }
        kept.for_each(|(place, part)| made.keep(self, place, part));
        made.series.extend_from_slice(self.series_of_checks());
        Self {
            key: self.key.clone(),
            pushed: now,
            failed: self.failed,
            since: now,
            ttl: self.ttl,
            checks: self.checks.clone(),
            parts: made.parts.into(),
            text: made.text.into(),
            natives: (!natives.is_empty()).then(|| natives.into()),
            series: made.series.into(),
        }
    }

    /// Returns the group with these checks.
    pub(super) fn with_checks(&self, checks: Latest, series: &Series) -> Self {
        let own = self.series.len() - self.series_of_checks().len();
        let names_same = self.checks.as_ref().is_some_and(|before| is_named_alike(before, &checks));
        let mut made = Self { checks: (!checks.is_empty()).then(|| checks.into()), ..self.clone() };
        if names_same {
            return made;
        }
        let statuses = made.statuses(|_| 0.0);
        let numbers = statuses
            .metrics
            .iter()
            .map(|metric| series.of(STATUS, metric.labels.iter().map(|(name, value)| (&**name, &**value))));
        made.series = self.series[..own].iter().copied().chain(numbers).collect();
        made
    }

    /// Returns its checks' statuses as metrics, in order.
    pub(super) fn statuses(&self, status: impl Fn(&Entry) -> f64) -> Family<'_> {
        let metric = |(key, entry): (&'_ Key, &'_ Entry)| {
            let own = entry.labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let named = [("check".to_owned(), key.check.to_string())].into_iter();
            let about = key.source.as_ref().map(|source| ("source".to_owned(), source.to_string()));
            let labels: BTreeMap<String, String> = own.chain(named).chain(about).collect();
            let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            Metric { labels, value: Value::Plain(status(entry)), timestamp_ms: None }
        };
        let checks = self.checks.iter().flat_map(|checks| checks.iter());
        let mut family = Family {
            name: STATUS.into(),
            help: None,
            kind: Kind::Gauge,
            metrics: checks.map(metric).collect(),
        };
        family.place_in(&self.key);
        family.metrics.sort_by(|a, b| a.labels.cmp(&b.labels));
        family
    }

    fn series_of_checks(&self) -> &[u64] {
        let start = self.parts.last().map_or(1, |last| last.series_end);
        &self.series[start as usize..]
    }

    /// Returns the families that it has a part in, with what each says about itself.
    pub(super) fn families(&self) -> impl Iterator<Item = (Arc<str>, Kind, Option<Arc<str>>)> {
        let has = |part: &&Part| *part.name == *STATUS;
        let told = self.checks.is_some() && !self.parts.iter().any(|part| has(&part));
        let parts = self.parts.iter().map(|part| (part.name.clone(), part.kind, part.help.clone()));
        parts.chain(told.then(|| (STATUS.into(), Kind::Gauge, None)))
    }

    /// Reports a status that was pushed as a metric, too.
    pub(super) fn doubled_status(&self) -> bool {
        let pushed = self.parts.iter().position(|part| *part.name == *STATUS);
        pushed.is_some_and(|place| {
            let checks = self.series_of_checks();
            self.series_of(place).iter().any(|number| checks.contains(number))
        })
    }

    /// Reports whether it exposes the very series of another one, whatever their values.
    pub(super) fn stands_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.series, &other.series)
            && Arc::ptr_eq(&self.parts, &other.parts)
            && self.checks.is_some() == other.checks.is_some()
    }

    /// Returns the group after a push that failed.
    pub(super) fn after_failure(&self, now: Nanos) -> Self {
        Self { failed: now, ..self.clone() }
    }

    /// Puts back when its families were pushed.
    pub(super) fn restore_times(&mut self, pushed: impl Fn(&str) -> Option<Nanos>) {
        for part in Arc::make_mut(&mut self.parts) {
            part.pushed = pushed(&part.name).unwrap_or(part.pushed);
        }
    }

    /// Returns its families, in order of name.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the lines of one of its families.
    pub(super) fn lines(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.parts[before].text_end);
        &self.text[start as usize..self.parts[place].text_end as usize]
    }

    /// Returns the native histograms among its metrics, by family.
    pub(super) fn natives(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<[u8]>)> {
        self.natives.iter().flat_map(|natives| natives.iter())
    }

    /// Returns the numbers of all that it exposes.
    pub(super) fn series(&self) -> &[u64] {
        &self.series
    }

    fn series_of(&self, place: usize) -> &[u64] {
        let start = place.checked_sub(1).map_or(1, |before| self.parts[before].series_end);
        &self.series[start as usize..self.parts[place].series_end as usize]
    }

    /// Returns its labels as its metrics have them, in order.
    pub(super) fn labels(&self) -> Vec<(&str, &str)> {
        placed(&self.key)
    }

    /// Returns how much it holds.
    pub(super) fn bytes(&self) -> usize {
        let help: usize =
            self.parts.iter().filter_map(|part| part.help.as_ref()).map(|help| help.len()).sum();
        let parts = self.parts.len() * A_PART + self.series.len() * A_SERIES;
        let checks =
            self.checks.as_ref().map_or(0, |checks| checks.held() + checks.len() * size_of::<Entry>());
        let natives: usize = self.natives().map(|(_, native)| native.len() + A_NATIVE).sum();
        A_GROUP + self.text.len() + natives + help + parts + checks + 2 * self.key.as_bytes().len()
    }

    /// Returns about how much there is of it on the page.
    pub(super) fn page_bytes(&self) -> usize {
        // A stamp is a line with a long name and all labels.
        self.text.len() + 2 * (self.key.as_bytes().len() + 96)
    }

    /// Writes one of its families so that all of it is read back.
    pub(super) fn write(&self, place: usize, out: &mut String) {
        let part = &self.parts[place];
        write::exact_head(&part.name, part.help.as_deref(), part.kind, out);
        out.push_str(self.lines(place));
    }

    /// Reads one of its families back.
    pub(super) fn family(&self, place: usize) -> Option<Family<'static>> {
        let mut body = String::new();
        self.write(place, &mut body);
        // What was written here is read by the same rules.
        let mut family = parse::parse(body.as_bytes(), Names::Utf8).ok()?.pop()?;
        if let Some(native) = self.natives.as_ref().and_then(|natives| natives.get(&*family.name)) {
            protobuf::write::restore(&mut family, native).ok()?;
        }
        Some(family.into_owned())
    }

    /// Returns what a number stands for: a family, and the labels of each of its metrics with this number.
    pub(super) fn named(&self, number: u64, series: &Series) -> Vec<(String, Labels)> {
        let mut named = Vec::new();
        if self.series[0] == number {
            let labels = self.labels().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            named.push((PUSHED.to_owned(), labels.collect()));
        }
        let places = (0..self.parts.len()).filter(|place| self.series_of(*place).contains(&number));
        let of_checks = self.series_of_checks().contains(&number).then(|| self.statuses(|_| 0.0));
        for family in places.filter_map(|place| self.family(place)).chain(of_checks) {
            for metric in &family.metrics {
                let labels = || metric.labels.iter().map(|(name, value)| (&**name, &**value));
                if series.of(&family.name, labels()) == number {
                    let labels = labels().map(|(name, value)| (name.to_owned(), value.to_owned()));
                    named.push((family.name.clone().into_owned(), labels.collect()));
                }
            }
        }
        named
    }
}

/// Whether both have the same checks, and each of them the same labels.
fn is_named_alike(before: &Latest, now: &Latest) -> bool {
    let is_as_before =
        |(key, entry): (&Key, &Entry)| before.get(key).is_some_and(|b| b.labels == entry.labels);
    before.len() == now.len() && now.beyond(Some(before)).all(is_as_before)
}

/// Names and values.
pub(super) type Labels = Vec<(String, String)>;

/// The group's labels with an `instance`, in order.
fn placed(key: &GroupKey) -> Vec<(&str, &str)> {
    let mut labels: Vec<(&str, &str)> = key.labels().collect();
    if let Err(place) = labels.binary_search_by(|(name, _)| (*name).cmp("instance")) {
        labels.insert(place, ("instance", ""));
    }
    labels
}

/// Puts a group together.
struct Builder {
    parts: Vec<Part>,
    text: String,
    series: Vec<u64>,
}

impl Builder {
    fn of(stamps: u64, room: usize) -> Self {
        Self { parts: Vec::new(), text: String::with_capacity(room), series: vec![stamps] }
    }

    fn keep(&mut self, group: &Group, place: usize, part: &Part) {
        self.push(part.clone(), group.lines(place), group.series_of(place));
    }

    fn push(&mut self, part: Part, lines: &str, series: &[u64]) {
        self.text.push_str(lines);
        self.series.extend_from_slice(series);
        // A store that holds 4 GiB is refused long before.
        let end = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (text_end, series_end) = (end(self.text.len()), end(self.series.len()));
        self.parts.push(Part { text_end, series_end, ..part });
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Index, Mode};
    use crate::model::group::GroupKey;
    use crate::model::names::Names;
    use crate::serve::pushgateway::ready::{Ready, ready};
    use crate::serve::pushgateway::series::Series;
    use crate::wire::exposition::parse::parse;

    fn families(body: &str, key: &GroupKey, series: &Series) -> Vec<Ready> {
        ready(parse(body.as_bytes(), Names::Legacy).expect("a body"), key, series).expect("consistent")
    }

    fn shown(group: &Group) -> String {
        (0..group.parts().len()).map(|place| group.lines(place)).collect()
    }

    #[test]
    fn a_put_replaces_everything_and_a_post_what_it_names() {
        let (series, key) = (Series::default(), GroupKey::new("j", [("instance", "i")]));
        let push = |group: &Group, mode, body: &str, now| {
            group.after(mode, families(body, &key, &series), now, &Index::new([], series.clone()))
        };
        let empty = Group::empty(key.clone(), &series);
        let first = push(&empty, Mode::Merge, "b 1\nc 1\n", 1);
        let second = push(&first, Mode::Merge, "a 2\nc{x=\"1\"} 2\n# HELP d D.\n# TYPE d gauge\nd 2\n", 2);
        assert_eq!(
            shown(&second),
            "a{instance=\"i\",job=\"j\"} 2\nb{instance=\"i\",job=\"j\"} 1\nc{instance=\"i\",job=\"j\",x=\"1\"} 2\nd{instance=\"i\",job=\"j\"} 2\n"
        );
        let told: Vec<_> = second.parts().iter().map(|part| (&*part.name, part.pushed)).collect();
        assert_eq!(told, [("a", 2), ("b", 1), ("c", 2), ("d", 2)]);
        assert_eq!((second.pushed, second.failed, second.series().len()), (2, 0, 5));
        let third = push(&second.after_failure(3), Mode::Replace, "c 3\n", 4);
        assert_eq!(
            (shown(&third), third.pushed, third.failed),
            ("c{instance=\"i\",job=\"j\"} 3\n".to_owned(), 4, 3)
        );
        let none = push(&third, Mode::Replace, "", 5);
        assert_eq!((shown(&none), none.pushed, none.series()), (String::new(), 5, empty.series()));
    }

    #[test]
    fn what_a_number_stands_for_is_found() {
        let (series, key) = (Series::of_few_bits(0), GroupKey::new("j", []));
        let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\nm{a=\"1\"} 1\n";
        let group = Group::empty(key.clone(), &series);
        let group =
            group.after(Mode::Merge, families(body, &key, &series), 1, &Index::new([], series.clone()));
        let named: Vec<_> =
            group.named(0, &series).into_iter().map(|(name, labels)| (name, labels.len())).collect();
        assert_eq!(named, [("push_time_seconds".to_owned(), 2), ("h".to_owned(), 2), ("m".to_owned(), 3)]);
    }
}
