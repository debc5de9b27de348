//! The text formats that Prometheus scrapes: 0.0.4, and OpenMetrics 1.0. Below it, what is pushed: [`parse`] and [`protobuf`]
//! read families, [`mod@write`] writes them; [`extent`] knows beforehand what that takes.

pub mod extent;
mod fold;
#[cfg(test)]
mod laws;
pub mod parse;
pub mod protobuf;
mod token;
pub mod write;

use protobuf::Undecodable;
use protobuf::write::Natives;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a page can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Length-delimited messages, for the sake of native histograms.
    Protobuf,
}

impl Format {
    /// Returns the one of these that an `Accept` header likes best: of equals the one that it names first, and the first of these
    /// where it names none. OpenMetrics 0.0.1 is what 1.0 was called as a draft.
    pub fn among(formats: &[Self], accept: &str) -> Self {
        let mut best = (0.0, formats.first().copied().unwrap_or(Self::Text));
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                parameters
                    .iter()
                    .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim())
            };
            let format = match (kind, parameter("version")) {
                ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => Self::OpenMetrics,
                ("text/plain", None | Some("0.0.4" | "1.0.0")) | ("text/*" | "*/*", _) => Self::Text,
                _ if protobuf::is_announced(range) => Self::Protobuf,
                _ => continue,
            };
            let quality = parameter("q").map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0));
            if quality > best.0 && formats.contains(&format) {
                best = (quality, format);
            }
        }
        best.1
    }

    /// Returns the value of `Content-Type`; Prometheus 3 fails a scrape without one.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// What a family's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A count that only grows. Its family is named without `_total`, which the samples get.
    Counter,
    /// Facts as labels; the family is named without `_info`, the value is 1.
    Info,
    /// Counts of values up to bounds ([`Exposition::histogram`]).
    Histogram,
    /// Count and sum of values ([`Exposition::summaries`]).
    Summary,
}

/// Writes families one after the other, as text that is made something else at the end where it must.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
    family: String,
    kind: Kind,
    /// The lines of others for families that are still to come, with heads of their own in case these do not.
    guests: BTreeMap<String, (String, String)>,
    /// Those of the family that was begun last.
    guest: String,
    /// What no text can hold of the samples of others.
    natives: Natives,
}

impl Exposition {
    /// Begins an empty page.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            text: String::with_capacity(8 * 1024),
            family: String::new(),
            kind: Kind::Gauge,
            guests: BTreeMap::new(),
            guest: String::new(),
            natives: Natives::new(),
        }
    }

    /// Takes the lines of somebody else's samples of a family that may be begun later: they follow its own, for a family
    /// stands in one piece. Where it is not begun they stand below `head`.
    pub fn host(&mut self, family: &str, head: String, lines: String) {
        self.guests.insert(family.to_owned(), (head, lines));
    }

    /// Begins a family; what follows are its samples. A family may be begun once a page.
    pub fn family(&mut self, name: &str, help: &str, kind: Kind) {
        self.seat();
        self.family.clear();
        self.family.push_str(name);
        self.kind = kind;
        let word = match (kind, self.format) {
            (Kind::Gauge, _) | (Kind::Info, Format::Text | Format::Protobuf) => "gauge",
            (Kind::Counter, _) => "counter",
            (Kind::Info, Format::OpenMetrics) => "info",
            (Kind::Histogram, _) => "histogram",
            (Kind::Summary, _) => "summary",
        };
        // In 0.0.4 a family is called what its samples are called.
        let suffix = match self.format {
            Format::Text | Format::Protobuf => self.suffix(),
            Format::OpenMetrics => "",
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push_str(suffix);
        self.text.push(' ');
        escape(help, self.format == Format::OpenMetrics, &mut self.text);
        let _ = write!(self.text, "\n# TYPE {name}{suffix} {word}\n");
        if !self.guests.is_empty() {
            self.guest = self.guests.remove(&format!("{name}{suffix}")).unwrap_or_default().1;
        }
    }

    /// Ends the family that was begun last.
    fn seat(&mut self) {
        self.text.push_str(&std::mem::take(&mut self.guest));
    }

    fn suffix(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram | Kind::Summary => "",
        }
    }

    /// Writes a sample of the family that was begun last.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.family);
        self.text.push_str(self.suffix());
        for (at, (name, label)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(label, true, &mut self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.text.push(' ');
        number(value, &mut self.text);
        self.text.push('\n');
    }

    /// Writes a histogram as a family of its own: `buckets` are upper bounds with the count of all values up to them.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[(f64, u64)], count: u64, sum: f64) {
        self.family(name, help, Kind::Histogram);
        let mut part = |suffix: &str, le: Option<&str>, value: f64| {
            self.family.truncate(name.len());
            self.family.push_str(suffix);
            match le {
                Some(le) => self.sample(&[("le", le)], value),
                None => self.sample(&[], value),
            }
        };
        for (bound, count) in buckets {
            part("_bucket", Some(&format!("{bound:?}")), *count as f64);
        }
        part("_bucket", Some("+Inf"), count as f64);
        part("_count", None, count as f64);
        part("_sum", None, sum);
    }

    /// Writes summaries without quantiles as a family of its own: of each a label, how many values there were, and their sum.
    pub fn summaries<'l>(
        &mut self,
        name: &str,
        help: &str,
        summaries: impl Iterator<Item = ((&'l str, &'l str), u64, f64)>,
    ) {
        self.family(name, help, Kind::Summary);
        for (label, count, sum) in summaries {
            for (suffix, value) in [("_sum", sum), ("_count", count as f64)] {
                self.family.truncate(name.len());
                self.family.push_str(suffix);
                self.sample(&[label], value);
            }
        }
    }

    /// Appends families that are written already, in the page's format.
    pub fn append(&mut self, write: impl FnOnce(&mut String)) {
        self.seat();
        write(&mut self.text);
    }

    /// Returns what the page is to be read as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Takes native histograms of a family, as [`protobuf::write::natives`] writes them, in the place of what its lines say.
    pub fn native(&mut self, family: &str, natives: Arc<[u8]>) {
        match self.natives.get_mut(family) {
            Some(known) => known.push(natives),
            None => drop(self.natives.insert(family.to_owned(), vec![natives])),
        }
    }

    /// Ends the page as it is to be read.
    ///
    /// # Errors
    /// Where something was appended that is no text of families.
    pub fn into_bytes(mut self) -> Result<Vec<u8>, Undecodable> {
        let natives = std::mem::take(&mut self.natives);
        match self.format {
            Format::Text | Format::OpenMetrics => Ok(self.finish().into_bytes()),
            Format::Protobuf => protobuf::write::page(&self.finish(), &natives),
        }
    }

    /// Ends the page as text.
    pub fn finish(mut self) -> String {
        self.seat();
        for (head, lines) in std::mem::take(&mut self.guests).into_values() {
            self.text.push_str(&head);
            self.text.push_str(&lines);
        }
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Writes text with escapes for backslashes and ends of lines, and for quotes where it stands in some.
fn escape(text: &str, quotes: bool, out: &mut String) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'"' if quotes => "\\\"",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(escaped);
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
}

fn number(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, Format, Kind};
    use proptest::prelude::*;

    fn page(format: Format) -> String {
        let mut page = Exposition::new(format);
        page.family("a_status", "What\n\"it\" \\ says.", Kind::Gauge);
        page.sample(&[], 2.5);
        page.sample(&[("check", "disk \"/\"\n\\"), ("source", "s")], f64::INFINITY);
        page.family("a_runs", "Runs.", Kind::Counter);
        page.sample(&[("result", "ok")], 3.0);
        page.family("a_build", "The build.", Kind::Info);
        page.sample(&[("version", "1")], 1.0);
        page.finish()
    }

    #[test]
    fn both_formats_are_written_by_their_rules() {
        assert_eq!(
            page(Format::Text),
            "# HELP a_status What\\n\"it\" \\\\ says.\n# TYPE a_status gauge\na_status 2.5\n\
             a_status{check=\"disk \\\"/\\\"\\n\\\\\",source=\"s\"} +Inf\n\
             # HELP a_runs_total Runs.\n# TYPE a_runs_total counter\na_runs_total{result=\"ok\"} 3\n\
             # HELP a_build_info The build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n"
        );
        let open = page(Format::OpenMetrics);
        for line in [
            "# HELP a_status What\\n\\\"it\\\" \\\\ says.",
            "# TYPE a_runs counter",
            "a_runs_total{result=\"ok\"} 3",
            "# TYPE a_build info",
            "a_build_info{version=\"1\"} 1",
        ] {
            assert!(open.lines().any(|known| known == line), "{line}: {open}");
        }
        assert!(open.ends_with("\n# EOF\n"));
    }

    #[test]
    fn samples_of_others_stand_in_the_family_that_has_their_name() {
        let mut page = Exposition::new(Format::Text);
        for (family, line) in [("a_total", "a_total{job=\"j\"} 2\n"), ("c", "c 3\n")] {
            page.host(family, format!("# TYPE {family} gauge\n"), line.to_owned());
        }
        page.family("a", "A.", Kind::Counter);
        page.sample(&[], 1.0);
        page.family("b", "B.", Kind::Gauge);
        page.append(|text| text.push_str("# TYPE d untyped\n"));
        assert_eq!(
            page.finish(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total{job=\"j\"} 2\n\
             # HELP b B.\n# TYPE b gauge\n# TYPE d untyped\n# TYPE c gauge\nc 3\n"
        );
    }

    #[test]
    fn the_format_is_the_one_that_the_scraper_likes_best() {
        // What Prometheus 2.42 and 3.x send, and 2.42 where it takes native histograms.
        let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let three = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        // 3.x with native histograms.
        let newest = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let (open, proto) = ([Format::Text, Format::OpenMetrics], [Format::Text, Format::Protobuf]);
        for accept in [two, three, native, newest, "application/openmetrics-text"] {
            assert_eq!(Format::among(&open, accept), Format::OpenMetrics, "{accept}");
            let asks = accept.starts_with("application/vnd");
            let expected = if asks { Format::Protobuf } else { Format::Text };
            assert_eq!(Format::among(&proto, accept), expected, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html",
            "text/plain;version=0.0.4,application/openmetrics-text;q=0.5",
            "x;q=;;",
            "application/openmetrics-text;q=0",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;Q=0",
            "application/vnd.google.protobuf",
        ] {
            for formats in [open, proto] {
                assert_eq!(Format::among(&formats, accept), Format::Text, "{accept}");
            }
        }
    }

    proptest! {
        #[test]
        fn simple_samples_are_read_back(value in -1e9..1e9_f64, label in "[a-zA-Z0-9 _.:-]{0,20}") {
            let mut page = Exposition::new(Format::Text);
            page.family("a_b", "Help.", Kind::Gauge);
            page.sample(&[("check", &label)], value);
            let lines = page.finish();
            let read = prometheus_parse::Scrape::parse(lines.lines().map(|line| Ok(line.to_owned()))).expect("parsed");
            let sample = read.samples.first().expect("a sample");
            prop_assert_eq!(sample.labels.get("check"), Some(label.as_str()));
            prop_assert_eq!(&sample.value, &prometheus_parse::Value::Gauge(value));
        }

        #[test]
        fn no_value_leaves_its_line(label in ".{0,40}", help in ".{0,40}") {
            for format in [Format::Text, Format::OpenMetrics] {
                let mut page = Exposition::new(format);
                page.family("a", &help, Kind::Gauge);
                page.sample(&[("l", &label)], 1.0);
                let lines = page.finish().split('\n').count();
                prop_assert_eq!(lines, if format == Format::Text { 4 } else { 5 });
            }
        }

        #[test]
        fn arbitrary_accepts_never_panic(accept in ".{0,80}") {
            let _ = Format::among(&[Format::Text, Format::OpenMetrics, Format::Protobuf], &accept);
        }
    }
}
