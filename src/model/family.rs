//! Families of metrics as they are pushed: what Go's `dto.MetricFamily` (prometheus/client_model) holds of them, without
//! exemplars, creation times and units.

use super::group::GroupKey;
use super::histogram::Histogram;
use std::borrow::Cow;

/// Every metric of a group has this label, empty if need be: without it Prometheus would put the gateway's own in its place.
const INSTANCE: &str = "instance";

/// A label's name and value.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What the values of a family mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A count that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Quantiles, with the count and the sum of all values.
    Summary,
    /// Nobody said.
    Untyped,
    /// Counts of values up to bounds, with the count and the sum of all values.
    Histogram,
    /// A histogram whose counts also fall. Text 0.0.4 does not know it: there it is a histogram.
    GaugeHistogram,
}

impl Kind {
    /// Returns how upstream names it outside of the text format: `GAUGE_HISTOGRAM`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "COUNTER",
            Self::Gauge => "GAUGE",
            Self::Summary => "SUMMARY",
            Self::Untyped => "UNTYPED",
            Self::Histogram => "HISTOGRAM",
            Self::GaugeHistogram => "GAUGE_HISTOGRAM",
        }
    }

    /// Returns the word of a `# TYPE` line of text 0.0.4.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
            Self::Histogram | Self::GaugeHistogram => "histogram",
        }
    }

    /// Returns the label that is no label of such a metric but a part of its value.
    pub fn own_label(self) -> Option<&'static str> {
        match self {
            Self::Summary => Some("quantile"),
            Self::Histogram | Self::GaugeHistogram => Some("le"),
            Self::Counter | Self::Gauge | Self::Untyped => None,
        }
    }
}

/// Metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family<'a> {
    /// Its name; samples of summaries and histograms have endings.
    pub name: Cow<'a, str>,
    /// What it says about itself.
    pub help: Option<Cow<'a, str>>,
    /// What its values mean; each metric has a value that fits.
    pub kind: Kind,
    /// The metrics, in the order in which they came.
    pub metrics: Vec<Metric<'a>>,
}

/// One metric of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric<'a> {
    /// Its labels, sorted by name, each name once; an empty value is a value.
    pub labels: Vec<Pair<'a>>,
    /// Its value.
    pub value: Value,
    /// A time that came with it, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
}

/// The value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter, a gauge, or of what has no type.
    Plain(f64),
    /// Of a summary.
    Summary(Summary),
    /// Of a histogram of either kind.
    Histogram(Histogram),
}

/// The parts of a summary, as far as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// How many values there were.
    pub count: Option<u64>,
    /// Their sum.
    pub sum: Option<f64>,
    /// Quantiles with their values, in the order in which they came.
    pub quantiles: Vec<(f64, f64)>,
}

impl<'a> Family<'a> {
    /// Gives every metric the labels of the group, in place of its own of the same names, and an `instance` if it has none
    /// (upstream's sanitizeLabels).
    pub fn place_in(&mut self, group: &'a GroupKey) {
        let group: Vec<(&str, &str)> = group.labels().collect();
        for metric in &mut self.metrics {
            metric.place_in(&group);
        }
    }

    /// Returns it with all that it borrowed.
    pub fn into_owned(self) -> Family<'static> {
        Family {
            name: owned(self.name),
            help: self.help.map(owned),
            kind: self.kind,
            metrics: self.metrics.into_iter().map(Metric::into_owned).collect(),
        }
    }
}

impl<'a> Metric<'a> {
    fn place_in(&mut self, group: &[(&'a str, &'a str)]) {
        let own = std::mem::take(&mut self.labels);
        let mut labels = Vec::with_capacity(own.len() + group.len() + 1);
        let mut theirs =
            group.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).peekable();
        // Both are in order.
        for pair in own {
            while let Some(before) = theirs.next_if(|their| their.0 < pair.0) {
                labels.push(before);
            }
            labels.push(theirs.next_if(|their| their.0 == pair.0).unwrap_or(pair));
        }
        labels.extend(theirs);
        if let Err(place) = labels.binary_search_by(|(name, _)| (**name).cmp(INSTANCE)) {
            labels.insert(place, (Cow::Borrowed(INSTANCE), Cow::Borrowed("")));
        }
        self.labels = labels;
    }

    /// Reports whether it is a native histogram, which no text can hold.
    pub fn is_native(&self) -> bool {
        matches!(&self.value, Value::Histogram(histogram) if histogram.native.is_some())
    }

    /// Returns it with all that it borrowed.
    pub fn into_owned(self) -> Metric<'static> {
        let labels = self.labels.into_iter().map(|(name, value)| (owned(name), owned(value))).collect();
        Metric { labels, value: self.value, timestamp_ms: self.timestamp_ms }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Family, Kind, Metric, Value};
    use crate::model::group::GroupKey;

    fn placed(labels: &[(&'static str, &'static str)], group: &GroupKey) -> Vec<(String, String)> {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let metrics = vec![Metric { labels, value: Value::Plain(1.0), timestamp_ms: None }];
        let mut family = Family { name: "m".into(), help: None, kind: Kind::Gauge, metrics };
        family.place_in(group);
        let labels = family.into_owned().metrics.remove(0).labels;
        labels.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    #[test]
    fn the_labels_of_the_group_win_and_there_is_always_an_instance() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let group = GroupKey::new("j", [("b", "")]);
        assert_eq!(placed(&[], &group), pairs(&[("b", ""), ("instance", ""), ("job", "j")]));
        assert_eq!(
            placed(&[("a", "1"), ("b", "2"), ("instance", "i"), ("job", "k"), ("z", "3")], &group),
            pairs(&[("a", "1"), ("b", ""), ("instance", "i"), ("job", "j"), ("z", "3")])
        );
        let group = GroupKey::new("j", [("instance", "own"), ("zz", "last")]);
        assert_eq!(
            placed(&[("instance", "i"), ("k", "1")], &group),
            pairs(&[("instance", "own"), ("job", "j"), ("k", "1"), ("zz", "last")])
        );
    }
}
