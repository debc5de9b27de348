//! What holds for any pushes in any order: everything is as in a model that keeps groups in the plainest way and looks at all of
//! them each time.

mod promise;

use super::group::{Group, Mode, Nanos};
use super::index::Index;
use super::keep::{Kept, pack};
use super::ready::{FAILED, PUSHED, STATUS, ready};
use super::result;
use super::scrape::Scrape;
use super::series::Series;
use super::shelf::Shelf;
use super::stage::{Change, Changed, Stage, What};
use crate::detail::latest::Key;
use crate::model::family::{Family, Kind, Metric, Summary, Value};
use crate::model::group::GroupKey;
use crate::model::histogram::{Buckets, Count, Counts, Histogram, Native, Span};
use crate::model::names::Names;
use crate::sys::clock::Moment;
use crate::wire::exposition::parse::parse;
use crate::wire::exposition::{Exposition, Format, protobuf};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The gateway's own families.
const OWN: [(&str, Kind); 4] =
    [("own", Kind::Gauge), ("own_s", Kind::Summary), ("own_h_bucket", Kind::Untyped), (STATUS, Kind::Gauge)];
/// Few names, of which many are samples of others.
const NAMES: [&str; 16] = [
    "a",
    "a_count",
    "a_sum",
    "a_bucket",
    "b",
    "b_count",
    "c",
    "own",
    "own_s",
    "own_s_sum",
    "own_h",
    "own_h_bucket",
    "é \"\n",
    "é \"\n_sum",
    PUSHED,
    FAILED,
];
const LABELS: [&str; 7] = ["g", "instance", "job", "le", "quantile", "x", "é="];
const KINDS: [Kind; 6] =
    [Kind::Counter, Kind::Gauge, Kind::Untyped, Kind::Summary, Kind::Histogram, Kind::GaugeHistogram];

type Labels = BTreeMap<String, String>;

/// What somebody does to a group.
#[derive(Debug, Clone)]
enum Deed {
    Push(Mode, Vec<Family<'static>>, Option<Duration>),
    Check(&'static str, i64, Option<Duration>),
    DropCheck(&'static str),
    Delete,
}

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// Deeds as one batch, which the disk takes or not.
    Batch(Vec<(GroupKey, Deed)>, bool),
    Restart,
}

fn key() -> impl Strategy<Value = GroupKey> {
    let labels = prop_oneof![
        3 => Just(vec![]),
        3 => Just(vec![("instance", "")]),
        1 => Just(vec![("instance", "i")]),
        2 => Just(vec![("g", "1")]),
        1 => Just(vec![("g", ""), ("instance", "")]),
        1 => Just(vec![("le", "1")]),
        1 => Just(vec![("quantile", ""), ("é=", "\n\"\\")]),
    ];
    (prop_oneof![4 => Just("j"), 1 => Just("k")], labels).prop_map(|(job, labels)| GroupKey::new(job, labels))
}

fn value(kind: Kind) -> BoxedStrategy<Value> {
    let number = prop_oneof![Just(1.0), Just(f64::NAN), Just(f64::NEG_INFINITY), Just(1e21)];
    match kind {
        Kind::Summary => (number, 0..3_u64)
            .prop_map(|(sum, count)| {
                let quantiles = (0..count).map(|at| (at as f64 / 4.0, sum)).collect();
                Value::Summary(Summary { count: Some(count), sum: Some(sum), quantiles })
            })
            .boxed(),
        Kind::Histogram | Kind::GaugeHistogram => (number, 0..3_u64, prop::option::of(any::<bool>()))
            .prop_map(|(sum, count, native)| {
                let mut buckets: Vec<_> = (0..count).map(|at| (at as f64, Count::Whole(at))).collect();
                buckets.push((f64::INFINITY, Count::Whole(count)));
                if native == Some(false) {
                    // The usual ones have no others.
                    buckets.clear();
                }
                let native = native.map(|_| native_of(count).into());
                let count = Some(Count::Whole(count));
                Value::Histogram(Histogram { count, sum: Some(sum), buckets, native })
            })
            .boxed(),
        Kind::Counter | Kind::Gauge | Kind::Untyped => number.prop_map(Value::Plain).boxed(),
    }
}

/// So many values, one of them small.
fn native_of(count: u64) -> Native {
    let zero = count.min(1);
    let spans = vec![Span { offset: -1, length: 1 }];
    let positive = Buckets { spans, counts: Counts::Deltas(vec![(count - zero) as i64]) };
    Native { schema: 3, zero_count: Some(Count::Whole(zero)), positive, ..Native::default() }
}

/// A value as text says it.
fn as_text(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Histogram(histogram) = &mut value {
        histogram.native = None;
        if histogram.buckets.is_empty() {
            histogram.buckets.extend(histogram.count.map(|count| (f64::INFINITY, count)));
        }
    }
    value
}

fn metric(kind: Kind) -> impl Strategy<Value = Metric<'static>> {
    // What is a part of the value is no label for any parser.
    let names: Vec<_> = LABELS.into_iter().filter(|name| kind.own_label() != Some(name)).collect();
    let pair = (prop::sample::select(names), prop::sample::select(&["", "1", "j", "i"][..]));
    let labels = prop::collection::btree_map(Just(()).prop_flat_map(move |()| pair.clone()), Just(()), 0..3);
    let time = prop_oneof![40 => Just(None), 1 => Just(Some(1))];
    (labels, value(kind), time).prop_map(|(labels, value, timestamp_ms)| {
        let labels: BTreeMap<_, _> = labels.into_keys().collect();
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Metric { labels, value, timestamp_ms }
    })
}

fn family() -> impl Strategy<Value = Family<'static>> {
    let name = prop::sample::select(&NAMES[..]);
    let help = prop::option::of(prop::sample::select(&["A.", "B \\ \n."][..]));
    // Mostly of one type, or hardly anything could stand beside anything.
    let kind = prop_oneof![3 => Just(Kind::Untyped), 2 => Just(Kind::Histogram), 3 => prop::sample::select(&KINDS[..])];
    (name, help, kind).prop_flat_map(|(name, help, kind)| {
        prop::collection::vec(metric(kind), 1..3).prop_map(move |metrics| Family {
            name: name.into(),
            help: help.map(Into::into),
            kind,
            metrics,
        })
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    let mode = prop_oneof![Just(Mode::Replace), Just(Mode::Merge)];
    let ttl = prop::option::of((1..9_u64).prop_map(Duration::from_secs));
    // A parser hands over each name once.
    let families = prop::collection::vec(family(), 0..4).prop_map(|families| {
        let by_name: BTreeMap<_, _> = families.into_iter().map(|one| (one.name.clone(), one)).collect();
        by_name.into_values().rev().collect()
    });
    let check = prop::sample::select(&["a", "b"][..]);
    prop_oneof![
        10 => (mode, families, ttl.clone()).prop_map(|(mode, families, ttl)| Deed::Push(mode, families, ttl)),
        3 => (check.clone(), 0..4_i64, ttl).prop_map(|(check, status, ttl)| Deed::Check(check, status, ttl)),
        1 => check.prop_map(Deed::DropCheck),
        2 => Just(Deed::Delete),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let batch = (prop::collection::vec((key(), deed()), 1..6), prop::bool::weighted(0.8));
    let event = prop_oneof![8 => batch.prop_map(|(deeds, taken)| Event::Batch(deeds, taken)), 1 => Just(Event::Restart)];
    prop::collection::vec(event, 1..10)
}

/// A group in the model.
#[derive(Debug, Clone, Default)]
struct Plain {
    pushed: Nanos,
    failed: Nanos,
    ttl: Option<Duration>,
    families: BTreeMap<String, (Family<'static>, Nanos)>,
    checks: BTreeMap<&'static str, i64>,
}

/// All groups.
#[derive(Debug, Clone, Default)]
struct Model(BTreeMap<GroupKey, Plain>);

/// The labels of a metric of a group.
fn labels_in(
    key: &GroupKey,
    own: &[(std::borrow::Cow<'static, str>, std::borrow::Cow<'static, str>)],
) -> Labels {
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut labels: Labels = own.iter().map(|(name, value)| text((name, value))).collect();
    labels.extend(key.labels().map(text));
    labels.entry("instance".to_owned()).or_default();
    labels
}

fn labels_of_check(key: &GroupKey, check: &'static str) -> Labels {
    labels_in(key, &[("check".into(), check.into())])
}

impl Model {
    /// Makes a change, and returns whether it was taken.
    fn apply(&mut self, key: &GroupKey, deed: &Deed, now: Nanos) -> bool {
        let mut after = self.clone();
        match deed {
            Deed::Delete => {
                self.0.remove(key);
                return true;
            }
            Deed::DropCheck(check) => {
                let Some(group) = self.0.get_mut(key) else { return true };
                let is_gone = group.checks.remove(check).is_some();
                if is_gone
                    && group.checks.is_empty()
                    && group.families.is_empty()
                    && group.failed <= group.pushed
                {
                    self.0.remove(key);
                }
                return true;
            }
            Deed::Check(check, status, ttl) => {
                let group = after.0.entry(key.clone()).or_default();
                (group.pushed, group.ttl) = (now, *ttl);
                group.checks.insert(check, *status);
            }
            Deed::Push(mode, families, ttl) => {
                let group = after.0.entry(key.clone()).or_default();
                (group.pushed, group.ttl) = (now, *ttl);
                if *mode == Mode::Replace {
                    group.families.clear();
                }
                for family in families.iter().filter(|family| ![PUSHED, FAILED].contains(&&*family.name)) {
                    group.families.insert(family.name.to_string(), (family.clone(), now));
                }
            }
        }
        let has_time = |deed: &Deed| match deed {
            Deed::Push(_, families, _) => {
                families.iter().flat_map(|family| &family.metrics).any(|metric| metric.timestamp_ms.is_some())
            }
            Deed::Check(..) | Deed::DropCheck(_) | Deed::Delete => false,
        };
        if !has_time(deed) && after.stands() {
            *self = after;
            return true;
        }
        let mut stamped = self.clone();
        // One that is new by it goes as it would have gone.
        let ttl = match deed {
            Deed::Push(_, _, ttl) | Deed::Check(_, _, ttl) => *ttl,
            Deed::DropCheck(_) | Deed::Delete => None,
        };
        stamped.0.entry(key.clone()).or_insert_with(|| Plain { ttl, ..Plain::default() }).failed = now;
        if stamped.stands() {
            *self = stamped;
        }
        false
    }

    /// Every series with its family.
    fn series(&self) -> Vec<(String, Labels)> {
        let of_group = |(key, group): (&GroupKey, &Plain)| {
            let mut series =
                vec![(PUSHED.to_owned(), labels_in(key, &[])), (FAILED.to_owned(), labels_in(key, &[]))];
            for (family, _) in group.families.values() {
                series.extend(
                    family
                        .metrics
                        .iter()
                        .map(|metric| (family.name.to_string(), labels_in(key, &metric.labels))),
                );
            }
            series.extend(group.checks.keys().map(|check| (STATUS.to_owned(), labels_of_check(key, check))));
            series
        };
        self.0.iter().flat_map(of_group).collect()
    }

    /// Whether all of it can be on one page.
    fn stands(&self) -> bool {
        let mut kinds: BTreeMap<&str, Kind> = OWN.into_iter().collect();
        for (name, (family, _)) in self.0.values().flat_map(|group| &group.families) {
            if *kinds.entry(name).or_insert(family.kind) != family.kind {
                return false;
            }
            let own_label = |metric: &Metric<'_>, key: &GroupKey| {
                family
                    .kind
                    .own_label()
                    .is_some_and(|own| labels_in(key, &metric.clone().into_owned().labels).contains_key(own))
            };
            let in_groups = self.0.iter().filter(|(_, group)| group.families.contains_key(name));
            if in_groups
                .flat_map(|(key, _)| family.metrics.iter().map(move |metric| (metric, key)))
                .any(|(metric, key)| own_label(metric, key))
            {
                return false;
            }
        }
        let collide = kinds.iter().any(|(name, kind)| {
            let endings: &[&str] = match kind {
                Kind::Summary => &["_count", "_sum"],
                Kind::Histogram | Kind::GaugeHistogram => &["_count", "_sum", "_bucket"],
                _ => &[],
            };
            endings.iter().any(|ending| kinds.contains_key(&*format!("{name}{ending}")))
        });
        let series = self.series();
        !collide && series.iter().collect::<BTreeSet<_>>().len() == series.len()
    }

    /// The families as a page shows them: each metric by its labels.
    fn page(&self, format: Format) -> Page {
        let is_whole = format == Format::Protobuf;
        let word = |kind: Kind| if is_whole { kind.name() } else { kind.word() };
        let told = |value: &Value| if is_whole { value.clone() } else { as_text(value) };
        let mut page = Page::new();
        for (key, group) in &self.0 {
            for (family, _) in group.families.values() {
                let shown = page.entry(family.name.to_string()).or_default();
                shown.0.insert(word(family.kind));
                let metrics = family
                    .metrics
                    .iter()
                    .map(|metric| (labels_in(key, &metric.labels), format!("{:?}", told(&metric.value))));
                metrics.for_each(|metric| shown.1.push(metric));
            }
            for (check, status) in &group.checks {
                let shown = page.entry(STATUS.to_owned()).or_default();
                shown.0.insert(word(Kind::Gauge));
                let value = Value::Plain(*status as f64);
                shown.1.push((labels_of_check(key, check), format!("{value:?}")));
            }
            for (name, stamp) in [(PUSHED, group.pushed), (FAILED, group.failed)] {
                let shown = page.entry(name.to_owned()).or_default();
                shown.0.insert(word(Kind::Gauge));
                shown.1.push((labels_in(key, &[]), format!("{:?}", Value::Plain(stamp as f64 / 1e9))));
            }
        }
        page.values_mut().for_each(|shown| shown.1.sort());
        page
    }
}

/// Families with their types and metrics.
type Page = BTreeMap<String, (BTreeSet<&'static str>, Vec<(Labels, String)>)>;

fn page_of(families: Vec<Family<'_>>, word: fn(Kind) -> &'static str) -> Page {
    let mut page = Page::new();
    for family in families {
        let labels = |metric: &Metric<'_>| {
            metric
                .labels
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect::<Labels>()
        };
        let mut metrics: Vec<_> =
            family.metrics.iter().map(|metric| (labels(metric), format!("{:?}", metric.value))).collect();
        metrics.sort();
        let before = page.insert(family.name.to_string(), (BTreeSet::from([word(family.kind)]), metrics));
        assert!(before.is_none());
    }
    page
}

/// What is under test.
struct World {
    shelf: Shelf,
    index: Index,
    series: Series,
}

fn own() -> impl Iterator<Item = (String, Kind)> {
    OWN.into_iter().map(|(name, kind)| (name.to_owned(), kind))
}

fn named(check: &str) -> Key {
    Key { source: None, check: check.into() }
}

/// Makes a change of a deed as the pages do, and says whether they refuse it.
fn change(key: &GroupKey, deed: Deed, series: &Series) -> (Change, bool) {
    let (what, is_refused) = match deed {
        Deed::Delete => (What::Delete, false),
        Deed::DropCheck(check) => (What::DropCheck(named(check)), false),
        Deed::Check(check, status, ttl) => {
            let body = format!("{{\"status\":{status}}}");
            let line = result::line(&named(check), key, body.as_bytes()).expect("a result");
            (What::Check(line, ttl), false)
        }
        Deed::Push(mode, families, ttl) => match ready(families, key, series) {
            Ok(families) => (What::Push(mode, families, ttl), false),
            Err(_) => (What::Fail(ttl), true),
        },
    };
    (Change { key: key.clone(), what }, is_refused)
}

impl World {
    fn new(series: Series) -> Self {
        Self { shelf: Shelf::default(), index: Index::new(own(), series.clone()), series }
    }

    /// Does as the writer does.
    fn batch(&mut self, deeds: &[(GroupKey, Deed)], now: Nanos, taken: bool) -> Vec<bool> {
        let mut stage = Stage::new(&self.shelf, &mut self.index, &self.series, 1024);
        let mut done = Vec::new();
        for (key, deed) in deeds {
            let (change, is_refused) = change(key, deed.clone(), &self.series);
            let outcome = stage.apply(change, chrono::DateTime::from_timestamp_nanos(now));
            done.push(outcome.is_ok() && !is_refused);
        }
        if !taken {
            stage.undo();
            return done;
        }
        let changed: Vec<Changed> = stage.changed().collect();
        drop(stage);
        for change in changed {
            self.shelf.put(change.slot, change.now);
        }
        done
    }

    /// What a process finds that was started anew.
    fn restarted(&self) -> Self {
        let mut made = Self::new(Series::default());
        let mut groups: Vec<_> = self.shelf.iter().map(|(_, group)| group).collect();
        groups.sort_by_key(|group| &group.key);
        for group in groups {
            let kept = Kept::unpack(group.key.clone(), &pack(group)).expect("whole");
            let checks = group.checks.iter().flat_map(|checks| checks.iter());
            let kept = kept.with_checks(checks.map(|(key, entry)| (key.clone(), entry.clone())).collect());
            let group =
                kept.group(&made.index, &made.series, 1024, crate::sys::clock::now()).expect("as it was");
            let slot = made.shelf.vacant().next().expect("room");
            let shelf = &made.shelf;
            made.index
                .add(slot, &group, |slot| shelf.at(slot).map(|group| &**group))
                .expect("it stood beside the others");
            made.shelf.put(slot, Some(Arc::new(group)));
        }
        made
    }

    /// The index that is built of what there is.
    fn rebuilt(&self) -> Index {
        let mut index = Index::new(own(), self.series.clone());
        for (slot, group) in self.shelf.iter() {
            index
                .add(slot, group, |slot| self.shelf.at(slot).map(|group| &**group))
                .expect("all of it stands");
        }
        index
    }
}

fn page(shelf: &Shelf, now: Nanos, format: Format) -> Page {
    let mut page = Exposition::new(format);
    let now =
        Moment { wall: chrono::DateTime::from_timestamp_nanos(now), steady: crate::sys::clock::instant() };
    Scrape::of(shelf).sorted(format).write(now, &BTreeSet::new(), &mut page);
    let body = page.into_bytes().expect("text");
    match format {
        Format::Protobuf => page_of(protobuf::parse(&body, Names::Utf8).expect("messages"), Kind::name),
        Format::Text | Format::OpenMetrics => {
            page_of(parse(&body, Names::Utf8).unwrap_or_else(|error| panic!("{error}")), Kind::word)
        }
    }
}

fn assert_same(world: &World, model: &Model, now: Nanos) {
    assert_eq!(world.index.holds(), world.rebuilt().holds());
    assert_shows(&world.shelf, model, now);
}

fn assert_shows(shelf: &Shelf, model: &Model, now: Nanos) {
    for format in [Format::Text, Format::Protobuf] {
        assert_eq!(page(shelf, now, format), model.page(format));
    }
    assert_eq!(shelf.iter().count(), model.0.len());
    assert_eq!(shelf.bytes(), shelf.iter().map(|(_, group)| group.bytes()).sum::<usize>());
    for (key, plain) in &model.0 {
        let group = shelf.slot(key).and_then(|slot| shelf.at(slot)).expect("a group");
        assert_eq!((group.pushed, group.failed, group.ttl), (plain.pushed, plain.failed, plain.ttl));
        assert_eq!(families_of(group), families_of_model(key, plain));
    }
}

type Told = BTreeMap<String, (Kind, Option<String>, Nanos, Vec<(Labels, String)>)>;

fn families_of(group: &Group) -> Told {
    let told = group.parts().iter().enumerate().map(|(place, part)| {
        let family = group.family(place).expect("what was written is read");
        let labels = |metric: &Metric<'static>| labels_in(&group.key, &metric.labels);
        let metrics =
            family.metrics.iter().map(|metric| (labels(metric), format!("{:?}", metric.value))).collect();
        (family.name.to_string(), (family.kind, family.help.map(Into::into), part.pushed, metrics))
    });
    told.collect()
}

fn families_of_model(key: &GroupKey, plain: &Plain) -> Told {
    let told = plain.families.values().map(|(family, pushed)| {
        let metrics = family.metrics.iter();
        let mut metrics: Vec<_> =
            metrics.map(|metric| (labels_in(key, &metric.labels), format!("{:?}", metric.value))).collect();
        metrics.sort();
        let help = family.help.as_deref().map(str::to_owned);
        (family.name.to_string(), (family.kind, help, *pushed, metrics))
    });
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_as_in_a_plain_model(events in events(), bits in prop_oneof![Just(u64::MAX), Just(3), Just(0)]) {
        let (mut world, mut model) = (World::new(Series::of_few_bits(bits)), Model::default());
        for (now, event) in (1_i64..).zip(events) {
            match event {
                Event::Batch(deeds, taken) => {
                    let before = world.index.holds();
                    let mut after = model.clone();
                    let expected: Vec<bool> =
                        deeds.iter().map(|(key, deed)| after.apply(key, deed, now)).collect();
                    prop_assert_eq!(world.batch(&deeds, now, taken), expected);
                    if taken {
                        model = after;
                    } else {
                        prop_assert_eq!(world.index.holds(), before);
                    }
                }
                Event::Restart => world = world.restarted(),
            }
            assert_same(&world, &model, now);
        }
    }
}
