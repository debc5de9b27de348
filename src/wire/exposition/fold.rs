//! Puts samples together to families: the lines of a summary or a histogram are one metric for each set of other labels.

use crate::model::family::{Family, Kind, Metric, Pair, Summary, Value};
use crate::model::histogram::{Count, Histogram};
use crate::wire::go;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::hash::BuildHasher as _;

/// Where a sample belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    family: usize,
    part: Part,
}

/// What a sample says of its metric, by the ending of its name.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Its value; of a summary or a histogram a quantile or a bucket.
    Own,
    Count,
    Sum,
}

/// The endings that samples of summaries (but for the last) and histograms have.
const ENDINGS: [(&str, Part); 3] = [("_count", Part::Count), ("_sum", Part::Sum), ("_bucket", Part::Own)];

/// A family as far as it was read.
#[derive(Debug)]
struct Open<'a> {
    name: Cow<'a, str>,
    help: Option<Cow<'a, str>>,
    kind: Option<Kind>,
    metrics: Vec<Metric<'a>>,
    /// The metric that the last sample was of.
    newest: usize,
}

/// All families of a body.
#[derive(Debug, Default)]
pub(super) struct Families<'a> {
    open: Vec<Open<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
    /// The metrics of summaries and histograms: family and place, by what [`RandomState`] makes of family and labels.
    by_labels: HashMap<u64, (usize, usize)>,
    hashing: RandomState,
    /// The family that was named last.
    newest: usize,
}

impl<'a> Families<'a> {
    /// Finds the family that a name belongs to, or begins one.
    pub(super) fn target(&mut self, name: Cow<'a, str>) -> Target {
        let found = self.known(&name).unwrap_or_else(|| {
            let family = self.open.len();
            self.by_name.insert(name.clone(), family);
            self.open.push(Open { name, help: None, kind: None, metrics: Vec::new(), newest: 0 });
            Target { family, part: Part::Own }
        });
        self.newest = found.family;
        found
    }

    fn known(&self, name: &str) -> Option<Target> {
        let own = |family| Target { family, part: Part::Own };
        if self.open.get(self.newest).is_some_and(|newest| newest.name == name) {
            return Some(own(self.newest));
        }
        if let Some(family) = self.by_name.get(name) {
            return Some(own(*family));
        }
        let ending = ENDINGS.iter().find_map(|(ending, part)| Some((name.strip_suffix(ending)?, *part)));
        let (stem, part) = ending.filter(|(stem, _)| !stem.is_empty())?;
        let family = *self.by_name.get(stem)?;
        let folds = match self.open[family].kind {
            Some(Kind::Summary) => !matches!(part, Part::Own),
            Some(Kind::Histogram | Kind::GaugeHistogram) => true,
            Some(Kind::Counter | Kind::Gauge | Kind::Untyped) | None => false,
        };
        folds.then_some(Target { family, part })
    }

    pub(super) fn name(&self, target: Target) -> &str {
        &self.open[target.family].name
    }

    pub(super) fn kind(&self, target: Target) -> Option<Kind> {
        self.open[target.family].kind
    }

    pub(super) fn set_kind(&mut self, target: Target, kind: Kind) {
        self.open[target.family].kind = Some(kind);
    }

    pub(super) fn has_help(&self, target: Target) -> bool {
        self.open[target.family].help.is_some()
    }

    pub(super) fn set_help(&mut self, target: Target, help: Cow<'a, str>) {
        self.open[target.family].help = Some(help);
    }

    pub(super) fn set_time(&mut self, target: Target, metric: usize, time: i64) {
        self.open[target.family].metrics[metric].timestamp_ms = Some(time);
    }

    /// Adds a sample and returns the place of its metric. `own` is the value of its `quantile` or `le`; where there is none, as
    /// where it is NaN, such a sample says nothing but that the metric is there. The labels are taken where they are kept.
    pub(super) fn add(
        &mut self,
        target: Target,
        labels: &mut Vec<Pair<'a>>,
        own: Option<f64>,
        value: f64,
    ) -> Result<usize, String> {
        let Target { family, part } = target;
        let own = own.filter(|own| !own.is_nan());
        let at = match self.open[family].kind.unwrap_or(Kind::Untyped) {
            Kind::Summary => self.metric(family, labels, || Value::Summary(Summary::default())),
            Kind::Histogram | Kind::GaugeHistogram => {
                self.metric(family, labels, || Value::Histogram(Histogram::default()))
            }
            Kind::Counter | Kind::Gauge | Kind::Untyped => {
                self.open[family].push(labels, Value::Plain(value));
                self.open[family].newest
            }
        };
        let Open { name, metrics, .. } = &mut self.open[family];
        match &mut metrics[at].value {
            Value::Plain(_) => Ok(()),
            Value::Summary(summary) => add_to_summary(summary, part, own, value, name),
            Value::Histogram(histogram) => add_to_histogram(histogram, part, own, value, name),
        }?;
        Ok(at)
    }

    /// Finds the metric with these labels, or begins one.
    fn metric(&mut self, family: usize, labels: &mut Vec<Pair<'a>>, empty: impl FnOnce() -> Value) -> usize {
        let open = &mut self.open[family];
        if open.metrics.get(open.newest).is_some_and(|newest| newest.labels == *labels) {
            return open.newest;
        }
        let mut key = self.hashing.hash_one((family, &*labels));
        // Another set with the same hash, if that ever happens, lies beside it.
        while let Some((other, at)) = self.by_labels.get(&key) {
            if *other == family && open.metrics[*at].labels == *labels {
                open.newest = *at;
                return *at;
            }
            key = key.wrapping_add(1);
        }
        open.push(labels, empty());
        self.by_labels.insert(key, (family, open.newest));
        open.newest
    }

    /// Returns the families that have metrics.
    pub(super) fn finish(self) -> Vec<Family<'a>> {
        let full = self.open.into_iter().filter(|open| !open.metrics.is_empty());
        let families = full.map(|open| {
            let mut metrics = open.metrics;
            for metric in &mut metrics {
                if let Value::Histogram(histogram) = &mut metric.value {
                    histogram.unify_counts();
                }
            }
            Family { name: open.name, help: open.help, kind: open.kind.unwrap_or(Kind::Untyped), metrics }
        });
        families.collect()
    }
}

impl<'a> Open<'a> {
    fn push(&mut self, labels: &mut Vec<Pair<'a>>, value: Value) {
        self.newest = self.metrics.len();
        if self.metrics.is_empty() {
            // Many families have one metric and no more: a vector that grows by itself begins with room for four.
            self.metrics.reserve_exact(1);
        }
        // No more than it needs: what the line before had is no measure, where somebody means no good.
        let mut own = Vec::with_capacity(labels.len());
        own.append(labels);
        self.metrics.push(Metric { labels: own, value, timestamp_ms: None });
    }
}

fn add_to_summary(
    summary: &mut Summary,
    part: Part,
    own: Option<f64>,
    value: f64,
    name: &str,
) -> Result<(), String> {
    match (part, own) {
        (Part::Sum, _) => summary.sum = Some(value),
        (Part::Own, Some(quantile)) => summary.quantiles.push((quantile, value)),
        (Part::Own, None) => {}
        (Part::Count, _) if value >= 0.0 => summary.count = Some(value as u64),
        (Part::Count, _) => return Err(format!("negative count for summary {}", go::quote(name.as_bytes()))),
    }
    Ok(())
}

fn add_to_histogram(
    histogram: &mut Histogram,
    part: Part,
    own: Option<f64>,
    value: f64,
    name: &str,
) -> Result<(), String> {
    let count = |what: &str| {
        let negative = || format!("negative {what} for histogram {}", go::quote(name.as_bytes()));
        Count::of(value).ok_or_else(negative)
    };
    match (part, own) {
        (Part::Count, _) => histogram.count = Some(count("count")?),
        (Part::Sum, _) => histogram.sum = Some(value),
        (Part::Own, Some(bound)) => histogram.buckets.push((bound, count("bucket population")?)),
        (Part::Own, None) => {}
    }
    Ok(())
}
