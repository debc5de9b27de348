//! What holds for any families and any bytes.

use super::protobuf::{self, message};
use super::{extent, parse, write};
use crate::model::family::{Family, Kind, Metric, Pair, Summary, Value};
use crate::model::histogram::{Buckets, Count, Counts, Histogram, Native, Span};
use crate::model::names::Names;
use proptest::prelude::*;
use prost::Message as _;
use std::borrow::Cow;
use std::sync::Arc;

/// Any number but -0, which is written as 0.
fn number() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits);
    let plain = (-1000_i32..1000).prop_map(|tenths| f64::from(tenths) / 10.0);
    prop_oneof![any, plain, Just(f64::INFINITY), Just(f64::NAN), Just(1e6)]
        .prop_map(|value| if value == 0.0 { 0.0 } else { value })
}

/// A number that a bound can be.
fn bound() -> impl Strategy<Value = f64> {
    number().prop_map(|value| if value.is_nan() { 0.5 } else { value })
}

/// So many values as a float can count.
fn whole() -> impl Strategy<Value = u64> {
    0..(1_u64 << 53)
}

/// Text in all its forms: what needs escapes, what is of several bytes.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "[\"\\\\\n\r{}=, #é\u{0}]{0,8}", any::<String>()]
}

fn summary() -> impl Strategy<Value = Value> {
    let quantiles = prop::collection::vec((bound(), number()), 0..4);
    (whole(), number(), quantiles).prop_map(|(count, sum, quantiles)| {
        Value::Summary(Summary { count: Some(count), sum: Some(sum), quantiles })
    })
}

/// A histogram that is written as it is: with the bucket that counts all, its counts all whole or all weighted.
fn histogram() -> impl Strategy<Value = Value> {
    let buckets = prop::collection::vec((bound(), whole()), 0..4);
    (whole(), number(), buckets, any::<bool>()).prop_map(|(count, sum, mut buckets, weighted)| {
        buckets.push((f64::INFINITY, count));
        let count = |count: u64| match weighted {
            true => Count::Float((count % 1000) as f64 + 0.5),
            false => Count::Whole(count),
        };
        let buckets: Vec<_> = buckets.into_iter().map(|(bound, value)| (bound, count(value))).collect();
        let all = buckets.last().map(|(_, count)| *count);
        Value::Histogram(Histogram { count: all, sum: Some(sum), buckets, native: None })
    })
}

/// Buckets of one side, as somebody might have them.
fn native_side(weighted: bool) -> impl Strategy<Value = Buckets> {
    let spans = prop::collection::vec((0..5_i32, 0..4_u32), 0..4);
    (spans, -300..300_i32, 0..1000_i64).prop_map(move |(spans, first, count)| {
        let mut spans: Vec<Span> =
            spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
        if let Some(span) = spans.first_mut() {
            span.offset = first;
        }
        let length: u32 = spans.iter().map(|span| span.length).sum();
        // Some are larger and some smaller than the one before.
        let counts = (0..i64::from(length)).map(|at| (count + 7 * at) % 11);
        let counts = match weighted {
            true => Counts::Floats(counts.map(|count| count as f64 + 0.5).collect()),
            false => Counts::Deltas(
                counts.scan(0, |before, count| Some(count - std::mem::replace(before, count))).collect(),
            ),
        };
        Buckets { spans, counts }
    })
}

/// A native histogram that Prometheus takes, with classic buckets or none.
fn native() -> impl Strategy<Value = Histogram> {
    let sides = any::<bool>()
        .prop_flat_map(|weighted| (Just(weighted), native_side(weighted), native_side(weighted)));
    let number = prop_oneof![Just(0.0), Just(1e-128), Just(f64::INFINITY)];
    (sides, -4..=8_i32, number, 0..9_u64, prop::option::of(whole())).prop_map(
        |((weighted, negative, mut positive), schema, zero_threshold, zero, buckets)| {
            // As Go's library marks one without values.
            if positive.spans.is_empty() {
                positive.spans.push(Span { offset: 0, length: 0 });
            }
            let count =
                |whole: u64| if weighted { Count::Float(whole as f64 + 0.25) } else { Count::Whole(whole) };
            let native = Native { schema, zero_threshold, zero_count: Some(count(zero)), negative, positive };
            let found: f64 = native.buckets().iter().map(|bucket| bucket.count.value()).sum();
            let buckets = buckets.into_iter().map(|all| (0.5, count(all))).collect();
            let all = Some(if weighted { Count::Float(found) } else { Count::Whole(found as u64) });
            Histogram { count: all, sum: Some(1.5), buckets, native: Some(native.into()) }
        },
    )
}

fn metric(kind: Kind, names: Names) -> impl Strategy<Value = Metric<'static>> {
    let value = match kind {
        Kind::Summary => summary().boxed(),
        Kind::Histogram | Kind::GaugeHistogram => histogram().boxed(),
        Kind::Counter | Kind::Gauge | Kind::Untyped => number().prop_map(Value::Plain).boxed(),
    };
    let name = match names {
        Names::Legacy => "[a-z_]{1,4}".boxed(),
        Names::Utf8 => prop_oneof!["[a-z_]{1,4}", any_text()].boxed(),
    };
    let labels = prop::collection::btree_map(name, any_text(), 0..5);
    (labels, value, any::<Option<i64>>()).prop_map(move |(labels, value, timestamp_ms)| {
        let labels = labels.into_iter().filter(|(name, _)| {
            !name.is_empty() && !name.starts_with("__") && kind.own_label() != Some(&**name)
        });
        let labels: Vec<Pair<'static>> = labels.map(|(name, value)| (name.into(), value.into())).collect();
        Metric { labels, value, timestamp_ms }
    })
}

/// A family as its text says it: nothing is left out, and no two metrics of a summary or histogram have the same labels.
fn family(names: Names) -> impl Strategy<Value = Family<'static>> {
    let kinds = prop_oneof![
        Just(Kind::Counter),
        Just(Kind::Gauge),
        Just(Kind::Untyped),
        Just(Kind::Summary),
        Just(Kind::Histogram)
    ];
    let help = prop::option::of(any_text());
    let name = match names {
        Names::Legacy => "[a-z:]{0,4}".boxed(),
        Names::Utf8 => prop_oneof!["[a-z:]{0,4}", any_text()].boxed(),
    };
    (kinds, help, name).prop_flat_map(move |(kind, help, name)| {
        prop::collection::vec(metric(kind, names), 1..4).prop_map(move |mut metrics| {
            for (at, metric) in metrics.iter_mut().enumerate() {
                metric.labels.retain(|(name, _)| *name != "nr");
                metric.labels.push((Cow::Borrowed("nr"), Cow::Owned(at.to_string())));
                metric.labels.sort();
            }
            // Blanks before it belong to the line, and nothing is no help.
            let help = help.as_deref().map(|help| help.trim_start_matches([' ', '\t']).to_owned());
            let help = help.filter(|help| !help.is_empty()).map(Cow::Owned);
            Family { name: Cow::Owned(name.clone()), help, kind, metrics }
        })
    })
}

/// Families whose names are not mixed up.
fn families(names: Names) -> impl Strategy<Value = Vec<Family<'static>>> {
    prop::collection::vec(family(names), 0..4).prop_map(|mut families| {
        for (at, family) in families.iter_mut().enumerate() {
            family.name = format!("f{at}{}z", family.name).into();
        }
        families
    })
}

fn any_families() -> impl Strategy<Value = (Names, Vec<Family<'static>>)> {
    prop_oneof![Just(Names::Legacy), Just(Names::Utf8)]
        .prop_flat_map(|names| families(names).prop_map(move |families| (names, families)))
}

fn page(families: &[Family<'_>]) -> String {
    let mut out = String::new();
    for family in families {
        write::head(&family.name, family.help.as_deref(), family.kind, &mut out);
        write::samples(family, &mut out);
    }
    out
}

/// A message whose labels are in no order.
fn message_of(family: &Family<'_>) -> message::MetricFamily {
    let mut message = protobuf::write::message(family);
    message.metrics.iter_mut().for_each(|metric| metric.labels.reverse());
    message
}

fn bytes_of(families: &[Family<'_>]) -> Vec<u8> {
    families.iter().flat_map(|family| message_of(family).encode_length_delimited_to_vec()).collect()
}

/// NaN is not itself, but it is written alike.
fn said(families: &[Family<'_>]) -> String {
    format!("{families:#?}")
}

/// Whether a family is called as the samples of another are: such a push is refused when it is stored.
fn collide(families: &[Family<'_>]) -> bool {
    let stems =
        |name: &str| ["_count", "_sum", "_bucket"].map(|ending| name.strip_suffix(ending).map(str::to_owned));
    let mut stems = families.iter().flat_map(|family| stems(&family.name)).flatten();
    stems.any(|stem| families.iter().any(|family| family.name == stem))
}

/// Lines as they might be meant.
fn nearly_lines() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "m",
        "h",
        "h_bucket",
        "h_sum",
        "h_count",
        " ",
        "\n",
        "{",
        "}",
        ",",
        "=",
        "\"",
        "\\",
        "\\n",
        "le",
        "quantile",
        "a",
        "b",
        "__name__",
        "1",
        "0.5",
        "NaN",
        "+Inf",
        "-1",
        "# TYPE h histogram\n",
        "# TYPE m summary\n",
        "# HELP m ",
        "# TYPE ",
        "#",
        "x\"} 1\n",
        " 1\n",
        "m{a=\"",
        "é",
        "\t",
        "\r",
        "1e3",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Whether families are no more than was foreseen of their body.
fn fits(families: &[Family<'_>], extent: extent::Extent) -> bool {
    let mut text = String::new();
    families.iter().for_each(|family| write::samples(family, &mut text));
    let metrics: usize = families.iter().map(|family| family.metrics.len()).sum();
    let labels = families.iter().flat_map(|family| &family.metrics).map(|metric| metric.labels.len());
    let native = |metric: &Metric<'_>| match &metric.value {
        Value::Histogram(Histogram { native: Some(native), .. }) => {
            let sides = [&native.negative, &native.positive];
            size_of::<Native>()
                + sides.map(|side| size_of_val(&*side.spans) + 8 * side.counts.len()).iter().sum::<usize>()
        }
        _ => 0,
    };
    let natives = families.iter().filter_map(protobuf::write::natives).map(|native| native.len());
    let held = size_of_val(families)
        + metrics * size_of::<Metric<'_>>()
        + labels.sum::<usize>() * size_of::<Pair<'_>>()
        + families.iter().flat_map(|family| &family.metrics).map(native).sum::<usize>()
        + natives.sum::<usize>();
    let lines = text.matches('\n').count();
    metrics <= extent.metrics && lines <= extent.lines && text.len() <= extent.text && held <= extent.held
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((names, families) in any_families()) {
        let text = page(&families);
        let read = parse::parse(text.as_bytes(), names).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert!(fits(&read, extent::of_text(text.as_bytes())));
        prop_assert_eq!(said(&read), said(&families), "{}", text);
        prop_assert_eq!(page(&read), text);
    }

    #[test]
    fn protobuf_says_what_text_says((names, families) in any_families()) {
        let text = page(&families);
        let bytes = bytes_of(&families);
        let decoded = protobuf::parse(&bytes, names).expect("families");
        prop_assert!(fits(&decoded, extent::of_protobuf(&bytes)));
        let read = parse::parse(text.as_bytes(), names).expect("families");
        prop_assert_eq!(said(&decoded), said(&read));
    }

    #[test]
    fn native_histograms_are_read_back(values in prop::collection::vec(prop::option::weighted(0.8, native()), 1..5)) {
        let metrics = values.iter().zip(0..).map(|(value, at): (_, u32)| Metric {
            labels: vec![("nr".into(), at.to_string().into())],
            value: Value::Histogram(value.clone().unwrap_or_default()),
            timestamp_ms: None,
        });
        let family =
            Family { name: "h".into(), help: None, kind: Kind::GaugeHistogram, metrics: metrics.collect() };
        let body = bytes_of(std::slice::from_ref(&family));
        let read = protobuf::parse(&body, Names::Legacy).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&read, std::slice::from_ref(&family));
        prop_assert!(fits(&read, extent::of_protobuf(&body)));
        // Text and what it does not say make the same, as a family and on a page.
        let mut text = String::new();
        write::exact_head("h", None, family.kind, &mut text);
        write::samples(&family, &mut text);
        let natives: Vec<Arc<[u8]>> = protobuf::write::natives(&family).into_iter().map(Into::into).collect();
        prop_assert_eq!(natives.is_empty(), values.iter().all(Option::is_none));
        let mut again = parse::parse(text.as_bytes(), Names::Legacy).expect("text");
        prop_assert!(again[0].metrics.iter().all(|metric| !metric.is_native()));
        for native in &natives {
            protobuf::write::restore(&mut again[0], native).expect("messages");
        }
        for (again, first) in again[0].metrics.iter().zip(&family.metrics) {
            prop_assert_eq!(again.is_native(), first.is_native());
            prop_assert!(!first.is_native() || again == first);
        }
        let page = protobuf::write::page(&text, &[("h".to_owned(), natives)].into()).expect("text");
        // There they follow the others.
        again[0].metrics.sort_by_key(Metric::is_native);
        prop_assert_eq!(protobuf::parse(&page, Names::Legacy).expect("messages"), again);
    }

    #[test]
    fn what_was_read_once_is_read_again_as_it_was(text in nearly_lines()) {
        for names in [Names::Legacy, Names::Utf8] {
            if let Ok(families) = parse::parse(text.as_bytes(), names) {
                prop_assert!(fits(&families, extent::of_text(text.as_bytes())));
                prop_assume!(!collide(&families));
                let written = page(&families);
                let again = parse::parse(written.as_bytes(), names).expect("what was written is read");
                prop_assert_eq!(page(&again), written);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in nearly_lines()) {
        for body in [&bytes[..], text.as_bytes(), &[text.as_bytes(), &bytes].concat()] {
            for names in [Names::Legacy, Names::Utf8] {
                if let Ok(families) = protobuf::parse(body, names) {
                    prop_assert!(fits(&families, extent::of_protobuf(body)));
                }
                if let Err(error) = parse::parse(body, names) {
                    prop_assert!(error.line <= body.split(|byte| *byte == b'\n').count());
                }
            }
        }
    }

    #[test]
    fn no_cut_or_changed_message_panics((names, families) in any_families(), at: prop::sample::Index, bit in 0..8) {
        let mut bytes = bytes_of(&families);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            let _ = protobuf::parse(&bytes[..at], names);
            bytes[at] ^= 1_u8 << bit;
            let _ = protobuf::parse(&bytes, names);
        }
    }

    #[test]
    fn the_lenient_parser_reads_the_same_of_simple_lines(
        samples in prop::collection::vec(("[a-z_]{1,8}", "[a-zA-Z0-9 _.:-]{0,10}", -1e9..1e9_f64), 1..6)
    ) {
        let line = |(name, label, value): &(String, String, f64)| format!("x{name}z{{check=\"{label}\"}} {value}\n");
        let text: String = samples.iter().map(line).collect();
        let lenient = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("parsed");
        let strict = parse::parse(text.as_bytes(), Names::Legacy).expect("families");
        let mut strict: Vec<(String, String, f64)> = strict.iter().flat_map(|family| {
            family.metrics.iter().map(|metric| {
                let Value::Plain(value) = metric.value else { panic!("a plain value") };
                (family.name.to_string(), metric.labels[0].1.to_string(), value)
            })
        }).collect();
        let mut lenient: Vec<(String, String, f64)> = lenient.samples.iter().map(|sample| {
            let prometheus_parse::Value::Untyped(value) = sample.value else { panic!("a plain value") };
            (sample.metric.clone(), sample.labels.get("check").unwrap_or_default().to_owned(), value)
        }).collect();
        strict.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        lenient.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        prop_assert_eq!(strict, lenient);
    }
}
