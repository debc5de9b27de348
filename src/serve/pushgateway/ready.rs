//! What a push brings, made ready beside the writer: consistent in itself, written as text, and hashed.

use super::group::{self, Group};
use super::series::Series;
pub(super) use crate::model::check::STATUS_METRIC as STATUS;
use crate::model::family::{Family, Kind, Metric, Value};
use crate::model::group::GroupKey;
use crate::wire::exposition::{protobuf, write};
use std::fmt;
use std::sync::Arc;

/// The families that say when a group was pushed. They are the gateway's own: what is pushed by their names is passed over, as
/// upstream overwrites it.
pub(super) const PUSHED: &str = "push_time_seconds";
pub(super) const FAILED: &str = "push_failure_time_seconds";

/// Why a push cannot stand beside what is there, in upstream's words as far as they are the same in all its versions
/// (client_golang, prometheus/registry.go).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pushed metrics are invalid or inconsistent with existing metrics: {0}")]
pub(super) struct Inconsistent(pub String);

/// A family that is ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub name: Box<str>,
    pub help: Option<Box<str>>,
    pub kind: Kind,
    /// The lines of its samples, with the group's labels.
    pub lines: String,
    /// Those of its metrics that are native histograms, as messages: their lines do not say all of them.
    pub native: Option<Arc<[u8]>>,
    /// A hash of each of its metrics.
    pub series: Vec<u64>,
}

impl Ready {
    /// How much it makes a group hold.
    pub(super) fn size(&self) -> usize {
        let help = self.help.as_ref().map_or(0, |help| help.len());
        let native = self.native.as_ref().map_or(0, |native| native.len() + group::A_NATIVE);
        self.lines.len()
            + native
            + self.name.len()
            + help
            + group::A_PART
            + group::A_SERIES * self.series.len()
    }
}

/// With the labels of its group a push may be this long.
pub(super) const MOST_LINES: usize = 64 * 1024 * 1024;

/// Whether families become longer than a push may be, with the labels of a group on each line.
pub(super) fn is_too_long(families: &[Family<'_>], group: &GroupKey) -> bool {
    let labels = group.as_bytes().len() + 64;
    let lines = |metric: &Metric<'_>| match &metric.value {
        Value::Plain(_) => 1,
        Value::Summary(summary) => summary.quantiles.len() + 2,
        Value::Histogram(histogram) => histogram.buckets.len() + 3 + usize::from(metric.is_native()),
    };
    let length = families.iter().flat_map(|family| family.metrics.iter().map(move |metric| (family, metric)));
    let length = length.map(|(family, metric)| {
        let own: usize = metric.labels.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        lines(metric).saturating_mul(labels + own + family.name.len())
    });
    length.fold(0_usize, usize::saturating_add) > MOST_LINES
}

/// Gives every metric the group's labels, and looks whether they can stand beside each other.
///
/// # Errors
/// A metric with a time, two of the same labels, or a label that is a part of a value.
pub(super) fn ready<'a>(
    families: Vec<Family<'a>>,
    group: &'a GroupKey,
    series: &Series,
) -> Result<Vec<Ready>, Inconsistent> {
    if families.iter().flat_map(|family| &family.metrics).any(|metric| metric.timestamp_ms.is_some()) {
        return Err(Inconsistent("pushed metrics must not have timestamps".to_owned()));
    }
    let kept = families.into_iter().filter(|family| !matches!(&*family.name, PUSHED | FAILED));
    let mut ready: Vec<Ready> = kept.map(|family| one(family, group, series)).collect::<Result<_, _>>()?;
    ready.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(ready)
}

fn one<'a>(mut family: Family<'a>, group: &'a GroupKey, series: &Series) -> Result<Ready, Inconsistent> {
    family.place_in(group);
    family.metrics.sort_by(|a, b| a.labels.cmp(&b.labels));
    if let Some([metric, _]) = family.metrics.windows(2).find(|two| two[0].labels == two[1].labels) {
        return Err(Inconsistent::twice(&family.name, texts(metric)));
    }
    if let Some(own) = family.kind.own_label() {
        let has_own = |metric: &&Metric<'_>| metric.labels.iter().any(|(name, _)| name == own);
        if let Some(metric) = family.metrics.iter().find(has_own) {
            let metric = Described(&family.name, texts(metric).collect());
            return Err(Inconsistent::new(format_args!(
                "collected metric {metric} must not have an explicit label {own:?}"
            )));
        }
    }
    let mut lines = String::new();
    write::samples(&family, &mut lines);
    Ok(Ready {
        native: protobuf::write::natives(&family).map(Arc::from),
        series: family.metrics.iter().map(|metric| series.of(&family.name, texts(metric))).collect(),
        lines,
        kind: family.kind,
        name: (*family.name).into(),
        help: family.help.as_deref().map(Into::into),
    })
}

fn texts<'m>(metric: &'m Metric<'_>) -> impl Iterator<Item = (&'m str, &'m str)> {
    metric.labels.iter().map(|(name, value)| (&**name, &**value))
}

impl Inconsistent {
    /// What is wrong, as far as anybody reads it: it names what was pushed, which may be as long as a push.
    pub(super) fn new(why: impl fmt::Display) -> Self {
        Self(cut(why))
    }

    /// Names the group that has what is in the way: whoever pushed there can mend it.
    pub(super) fn held_by(self, group: Option<&Group>) -> Self {
        let Some(group) = group else { return self };
        let labels: Vec<String> =
            group.key.labels().map(|(name, value)| format!("{name}={value:?}")).collect();
        Self::new(format_args!("{}; the other one is of group {}", self.0, labels.join(",")))
    }

    /// A metric that is there already.
    pub(super) fn twice<'l>(family: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Self {
        let metric = Described(family, labels.collect());
        Self::new(format_args!(
            "collected metric {metric} was collected before with the same name and label values"
        ))
    }
}

/// So much is said of what is wrong with a push.
const MOST_WORDS: usize = 4096;

/// Writes something as far as anybody reads it.
pub(super) fn cut(text: impl fmt::Display) -> String {
    struct Cut(String);
    impl fmt::Write for Cut {
        fn write_str(&mut self, more: &str) -> fmt::Result {
            let end = more.floor_char_boundary(MOST_WORDS - self.0.len());
            self.0.push_str(&more[..end]);
            if end == more.len() { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut cut = Cut(String::new());
    // It ends where there is no more room: nothing beyond is even written.
    if fmt::write(&mut cut, format_args!("{text}")).is_err() {
        cut.0.push_str("...");
    }
    cut.0
}

/// A metric as an error names it, where upstream prints its protobuf message.
struct Described<'a>(&'a str, Vec<(&'a str, &'a str)>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {{", self.0)?;
        for (name, value) in &self.1 {
            write!(f, " label:<name:{name:?} value:{value:?} >")?;
        }
        f.write_str(" }")
    }
}

#[cfg(test)]
mod tests {
    use super::{Inconsistent, MOST_WORDS, cut, ready};
    use crate::model::group::GroupKey;
    use crate::model::names::Names;
    use crate::serve::pushgateway::series::Series;
    use crate::wire::exposition::parse::parse;

    fn made(body: &str) -> Result<Vec<(String, String)>, Inconsistent> {
        let group = GroupKey::new("j", [("a", "1")]);
        let families = parse(body.as_bytes(), Names::Legacy).expect("a body");
        let made = ready(families, &group, &Series::default())?;
        Ok(made.into_iter().map(|one| (one.name.into(), one.lines)).collect())
    }

    #[test]
    fn metrics_get_the_labels_of_their_group_and_stamps_are_passed_over() {
        let made =
            made("z 1\npush_time_seconds 7\nb{x=\"2\",job=\"k\"} 2\nb{x=\"1\"} 1\n").expect("consistent");
        let b =
            "b{a=\"1\",instance=\"\",job=\"j\",x=\"1\"} 1\nb{a=\"1\",instance=\"\",job=\"j\",x=\"2\"} 2\n";
        let z = "z{a=\"1\",instance=\"\",job=\"j\"} 1\n";
        assert_eq!(made, [("b".to_owned(), b.to_owned()), ("z".to_owned(), z.to_owned())]);
    }

    #[test]
    fn what_is_said_of_a_push_is_no_longer_than_anybody_reads() {
        let long = "é".repeat(MOST_WORDS);
        let error =
            made(&format!("m{{l=\"{long}\"}} 1\nm{{l=\"{long}\"}} 2\n")).expect_err("twice").to_string();
        assert!(error.starts_with("pushed metrics are") && error.ends_with("éé..."), "{error}");
        assert!(error.len() < MOST_WORDS + 100, "{}", error.len());
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn what_no_page_can_hold_is_refused_in_upstreams_words() {
        for (body, words) in [
            ("m 1 1600000000000\n", "pushed metrics must not have timestamps"),
            ("a 1\na 2\n", "was collected before with the same name and label values"),
            ("a{job=\"x\"} 1\na{job=\"y\"} 2\n", "label:<name:\"job\" value:\"j\" > } was collected before"),
        ] {
            let error = made(body).expect_err(body).to_string();
            let begin = "pushed metrics are invalid or inconsistent with existing metrics: ";
            assert!(error.starts_with(begin) && error.contains(words), "{error}");
        }
    }
}
