//! Writes pushed families as text 0.0.4, byte for byte as upstream does (prometheus/common, expfmt/text_create.go): the lines
//! that head a family and the lines of its samples apart, so that samples can be kept as text and put below one head.

use super::escape;
use crate::model::family::{Family, Kind, Metric, Summary, Value};
use crate::model::histogram::Histogram;
use crate::model::names::Names;
use crate::wire::go::write_float;
use std::fmt::Write as _;

/// Writes the lines that head a family.
pub fn head(name: &str, help: Option<&str>, kind: Kind, out: &mut String) {
    headed(name, help, kind.word(), out);
}

/// Writes the lines that head a family so that all of its type is read back, also what text 0.0.4 does not know.
pub fn exact_head(name: &str, help: Option<&str>, kind: Kind, out: &mut String) {
    headed(name, help, kind.name(), out);
}

fn headed(name: &str, help: Option<&str>, word: &str, out: &mut String) {
    if let Some(help) = help {
        out.push_str("# HELP ");
        metric_name(name, out);
        out.push(' ');
        escape(help, false, out);
        out.push('\n');
    }
    out.push_str("# TYPE ");
    metric_name(name, out);
    let _ = writeln!(out, " {word}");
}

/// Writes the lines of all samples of a family.
pub fn samples(family: &Family<'_>, out: &mut String) {
    let name = &*family.name;
    for metric in &family.metrics {
        match &metric.value {
            Value::Plain(value) => Line { name, ending: "", metric, own: None }.write(*value, out),
            Value::Summary(value) => summary(name, metric, value, out),
            Value::Histogram(value) => histogram(name, metric, value, out),
        }
    }
}

fn summary(name: &str, metric: &Metric<'_>, summary: &Summary, out: &mut String) {
    let line = |ending, own| Line { name, ending, metric, own };
    for (quantile, value) in &summary.quantiles {
        line("", Some(("quantile", *quantile))).write(*value, out);
    }
    line("_sum", None).write(summary.sum.unwrap_or_default(), out);
    line("_count", None).write(summary.count.unwrap_or_default() as f64, out);
}

fn histogram(name: &str, metric: &Metric<'_>, histogram: &Histogram, out: &mut String) {
    let line = |ending, own| Line { name, ending, metric, own };
    let count = histogram.count.map_or(0.0, |count| count.value());
    for (bound, count) in &histogram.buckets {
        line("_bucket", Some(("le", *bound))).write(count.value(), out);
    }
    // Without this one it is no histogram.
    if !histogram.buckets.iter().any(|(bound, _)| *bound == f64::INFINITY) {
        line("_bucket", Some(("le", f64::INFINITY))).write(count, out);
    }
    line("_sum", None).write(histogram.sum.unwrap_or_default(), out);
    line("_count", None).write(count, out);
}

/// The line of a sample, but for its value.
struct Line<'a> {
    name: &'a str,
    ending: &'static str,
    metric: &'a Metric<'a>,
    own: Option<(&'static str, f64)>,
}

impl Line<'_> {
    fn write(&self, value: f64, out: &mut String) {
        let outside = Names::Legacy.take_metric(self.name);
        if outside {
            out.push_str(self.name);
            out.push_str(self.ending);
        } else {
            out.push_str("{\"");
            escape(self.name, true, out);
            out.push_str(self.ending);
            out.push('"');
        }
        let mut before = if outside { '{' } else { ',' };
        for (name, value) in &self.metric.labels {
            out.push(before);
            label(name, value, out);
            before = ',';
        }
        if let Some((name, value)) = self.own {
            out.push(before);
            out.push_str(name);
            out.push_str("=\"");
            write_float(value, out);
            out.push('"');
            before = ',';
        }
        if before == ',' {
            out.push('}');
        }
        out.push(' ');
        write_float(value, out);
        if let Some(time) = self.metric.timestamp_ms {
            let _ = write!(out, " {time}");
        }
        out.push('\n');
    }
}

fn label(name: &str, value: &str, out: &mut String) {
    if Names::Legacy.take_label(name) {
        out.push_str(name);
    } else {
        quoted(name, out);
    }
    out.push('=');
    quoted(value, out);
}

fn metric_name(name: &str, out: &mut String) {
    if Names::Legacy.take_metric(name) {
        out.push_str(name);
    } else {
        quoted(name, out);
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    escape(text, true, out);
    out.push('"');
}
