use super::message::{Bucket, BucketSpan, Histogram, LabelPair, Metric, MetricFamily, Number};
use super::{Undecodable, is_announced, parse};
use crate::model::family::{Family, Kind, Value};
use crate::model::histogram::{self as model, Count};
use crate::model::names::Names;
use prost::Message as _;

fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> MetricFamily {
    let label = |(name, value): &(&str, &str)| LabelPair {
        name: Some((*name).to_owned()),
        value: Some((*value).to_owned()),
    };
    let metric = Metric {
        labels: labels.iter().map(label).collect(),
        gauge: Some(Number { value: Some(value) }),
        ..Metric::default()
    };
    MetricFamily { name: Some(name.to_owned()), help: None, kind: Some(1), metrics: vec![metric] }
}

fn histogram(histogram: Histogram) -> MetricFamily {
    let metric = Metric { histogram: Some(Box::new(histogram)), ..Metric::default() };
    MetricFamily { name: Some("h".to_owned()), help: None, kind: Some(4), metrics: vec![metric] }
}

fn body(families: &[MetricFamily]) -> Vec<u8> {
    families.iter().flat_map(MetricFamily::encode_length_delimited_to_vec).collect()
}

fn read(families: &[MetricFamily]) -> Result<Vec<Family<'static>>, String> {
    parse(&body(families), Names::Legacy).map_err(|error| error.to_string())
}

#[test]
fn only_one_media_type_is_protobuf() {
    for yes in [
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        "application/vnd.google.protobuf;encoding=delimited;proto=io.prometheus.client.MetricFamily;",
        " Application/VND.google.Protobuf ;\tEncoding=\"delimited\" ; PROTO=\"io.prometheus.client.Metric\\Family\" ; q=1",
    ] {
        assert!(is_announced(yes), "{yes}");
    }
    for no in [
        "",
        ";",
        "text/plain; version=0.0.4",
        "application/vnd.google.protobuf",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=DELIMITED",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; x",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; encoding=text",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited text",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=\"delimited",
        "application/vnd.google.protobuf proto=io.prometheus.client.MetricFamily; encoding=delimited",
        "application/json; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    ] {
        assert!(!is_announced(no), "{no}");
    }
}

#[test]
fn of_families_with_one_name_the_last_counts() {
    let empty = MetricFamily { name: Some("gone".to_owned()), ..MetricFamily::default() };
    let families =
        [gauge("a", &[], 1.0), gauge("gone", &[], 1.0), gauge("b", &[], 2.0), gauge("a", &[], 3.0), empty];
    let families = read(&families).unwrap();
    let said: Vec<_> = families.iter().map(|family| (&*family.name, &family.metrics[0].value)).collect();
    assert_eq!(said, [("a", &Value::Plain(3.0)), ("b", &Value::Plain(2.0))]);
    assert_eq!(families[0].kind, Kind::Gauge);
    assert_eq!(parse(b"", Names::Legacy), Ok(vec![]));
}

#[test]
fn what_cannot_be_is_refused() {
    let long = |name: &str| gauge(name, &[("a", "1"), ("b", "2")], 1.0);
    assert!(read(&[long("m")]).is_ok());
    let no_value = MetricFamily { kind: Some(0), ..gauge("m", &[], 1.0) };
    let no_type = MetricFamily { kind: Some(9), ..gauge("m", &[], 1.0) };
    let mut with_le = histogram(Histogram::default());
    with_le.metrics[0].labels = vec![LabelPair { name: Some("le".to_owned()), value: None }];
    for (family, error) in [
        (gauge("a-b", &[], 1.0), r#"invalid metric name "a-b""#),
        (MetricFamily::default(), r#"invalid metric name """#),
        (gauge("m", &[("a-b", "")], 1.0), r#"invalid label name "a-b""#),
        (gauge("m", &[("", "")], 1.0), r#"invalid label name """#),
        (gauge("m", &[("__name__", "")], 1.0), r#"label name "__name__" is reserved"#),
        (gauge("m", &[("a", "1"), ("b", ""), ("a", "2")], 1.0), r#"duplicate label names for metric "m""#),
        (no_value, r#"metric "m" is not a COUNTER"#),
        (no_type, r#"unknown type 9 of metric "m""#),
        (with_le, r#"metric "h" must not have an explicit "le" label"#),
        (
            histogram(Histogram { zero_count: Some(1), sample_count: Some(2), ..Histogram::default() }),
            r#"native histogram "h" cannot be scraped: 1 values in buckets, but a count of 2"#,
        ),
        (
            histogram(Histogram { sample_count_float: Some(-1.0), ..Histogram::default() }),
            r#"negative count for histogram "h""#,
        ),
        (
            histogram(Histogram {
                buckets: vec![Bucket { cumulative_count_float: Some(-1.0), ..Bucket::default() }],
                ..Histogram::default()
            }),
            r#"negative bucket population for histogram "h""#,
        ),
    ] {
        assert_eq!(read(&[family]), Err(error.to_owned()));
    }
    assert_eq!(parse(&body(&[gauge("a.b", &[], 1.0)]), Names::Utf8).unwrap()[0].name, "a.b");
}

#[test]
fn sums_of_weights_override_numbers_of_values() {
    let bucket = |count, float| Bucket {
        upper_bound: Some(1.0),
        cumulative_count: count,
        cumulative_count_float: float,
    };
    let classic = Histogram {
        sample_count: Some(2),
        sample_count_float: Some(0.0),
        buckets: vec![
            bucket(Some(2), None),
            bucket(None, Some(1.5)),
            bucket(Some(2), Some(1.5)),
            bucket(None, None),
        ],
        ..Histogram::default()
    };
    let found = the_histogram(classic);
    assert_eq!((found.count, found.sum, found.native), (Some(Count::Whole(2)), None, None));
    let counts: Vec<Count> = found.buckets.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [Count::Whole(2), Count::Float(1.5), Count::Float(1.5), Count::Whole(0)]);
}

fn the_histogram(message: Histogram) -> model::Histogram {
    let families = read(&[histogram(message)]).unwrap();
    let Value::Histogram(found) = &families[0].metrics[0].value else { panic!("a histogram") };
    found.clone()
}

#[test]
fn native_buckets_are_kept_beside_classic_ones() {
    let span = |offset, length| BucketSpan { offset: Some(offset), length: Some(length) };
    let both = Histogram {
        sample_count: Some(6),
        sample_sum: Some(2.5),
        buckets: vec![Bucket { cumulative_count: Some(2), upper_bound: Some(1.0), ..Bucket::default() }],
        schema: Some(3),
        zero_threshold: Some(1e-128),
        zero_count: Some(1),
        positive_spans: vec![span(-2, 2), span(1, 1)],
        positive_deltas: vec![1, 1, 0],
        // Those of a histogram of weights, which this one is not.
        negative_counts: vec![0.5],
        ..Histogram::default()
    };
    let found = the_histogram(both.clone());
    assert_eq!(found.buckets, [(1.0, Count::Whole(2))]);
    let native = found.native.expect("native");
    let weighted = Histogram {
        sample_count: None,
        sample_count_float: Some(6.5),
        zero_count: None,
        zero_count_float: Some(1.5),
        positive_counts: vec![1.0, 1.5, 2.5],
        negative_counts: vec![],
        ..both.clone()
    };
    let weighted = the_histogram(weighted);
    assert_eq!(weighted.count, Some(Count::Float(6.5)));
    assert_eq!(weighted.native.expect("native").positive.counts, model::Counts::Floats(vec![1.0, 1.5, 2.5]));
    assert_eq!((native.schema, native.zero_threshold, native.zero_count), (3, 1e-128, Some(Count::Whole(1))));
    assert_eq!(native.positive.spans[0], model::Span { offset: -2, length: 2 });
    assert_eq!(native.positive.counts, model::Counts::Deltas(vec![1, 1, 0]));
    assert_eq!(native.negative, model::Buckets::default());
    // Go's library marks one without values by a span of nothing.
    let empty = Histogram { positive_spans: vec![span(0, 0)], ..Histogram::default() };
    assert_eq!(the_histogram(empty).native.expect("native").positive.spans.len(), 1);
    // Without one it is classic, whatever it could be.
    let without = Histogram {
        schema: Some(3),
        zero_threshold: Some(0.0),
        zero_count: Some(0),
        zero_count_float: Some(0.0),
        positive_deltas: vec![1],
        ..Histogram::default()
    };
    assert_eq!(the_histogram(without).native, None);
    let stale = Histogram { sample_sum: Some(f64::from_bits(0x7ff0_0000_0000_0002)), ..Histogram::default() };
    assert_eq!(the_histogram(stale).sum.map(f64::to_bits), Some(f64::NAN.to_bits()));
}

#[test]
fn a_body_that_ends_early_or_is_no_protobuf_is_refused() {
    let whole = body(&[gauge("m", &[("a", "1")], 1.0)]);
    for cut in 1..whole.len() {
        assert_eq!(parse(&whole[..cut], Names::Legacy), Err(Undecodable::Truncated), "{cut}");
    }
    let huge = b"\xff\xff\xff\xff\xff\xff\xff\xff\x7fx";
    assert_eq!(parse(huge, Names::Legacy), Err(Undecodable::Truncated));
    assert_eq!(parse(&[0x80; 9], Names::Legacy), Err(Undecodable::Truncated));
    assert_eq!(parse(&[0xff; 11], Names::Legacy), Err(Undecodable::Length));
    assert_eq!(Undecodable::Truncated.to_string(), "unexpected EOF");
    // A name that says that it is longer than its message, a name that is no text, a field that is no field.
    for message in [&b"\x02\x0a\x7f"[..], b"\x03\x0a\x01\xff", b"\x01\x07"] {
        let error = parse(message, Names::Legacy).unwrap_err();
        assert!(matches!(error, Undecodable::Message(_)), "{error}");
        assert!(error.to_string().starts_with("proto: cannot parse invalid wire-format data: "), "{error}");
    }
    assert_eq!(parse(b"m 1\n", Names::Legacy), Err(Undecodable::Truncated));
}
