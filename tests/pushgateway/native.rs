//! Native histograms: taken and shown as the original does it, kept through a crash, scraped by a Prometheus, moved to another
//! gateway, and refused where no Prometheus could scrape them.

use super::gate_world::{Gate, PROTOBUF, Scraper, delimited, told};
use super::support::{SOON, await_until, iaasmon};
use iaasmon::wire::exposition::protobuf::message::{
    Bucket, BucketSpan, Histogram, LabelPair, Metric, MetricFamily,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset: Some(offset), length: Some(length) }
}

/// 1 value at zero, 2 between 1 and 2^(1/8), 3 beyond, 1 below zero, with no classic buckets.
fn seconds() -> Histogram {
    Histogram {
        sample_count: Some(7),
        sample_sum: Some(12.5),
        schema: Some(3),
        zero_threshold: Some(1e-128),
        zero_count: Some(1),
        negative_spans: vec![span(0, 1)],
        negative_deltas: vec![1],
        positive_spans: vec![span(1, 1), span(4, 1)],
        positive_deltas: vec![2, 1],
        ..Histogram::default()
    }
}

fn weights() -> Histogram {
    Histogram {
        sample_count_float: Some(4.5),
        sample_sum: Some(-3.0),
        schema: Some(-1),
        zero_threshold: Some(0.5),
        zero_count_float: Some(1.5),
        positive_spans: vec![span(-2, 2)],
        positive_counts: vec![1.0, 2.0],
        ..Histogram::default()
    }
}

fn both() -> Histogram {
    let bucket = |bound, count| Bucket {
        upper_bound: Some(bound),
        cumulative_count: Some(count),
        cumulative_count_float: None,
    };
    Histogram { buckets: vec![bucket(1.0, 4), bucket(f64::INFINITY, 7)], ..seconds() }
}

fn family(name: &str, kind: i32, metrics: &[(&str, Histogram)]) -> MetricFamily {
    let metric = |(path, histogram): &(&str, Histogram)| Metric {
        labels: vec![LabelPair { name: Some("path".to_owned()), value: Some((*path).to_owned()) }],
        histogram: Some(Box::new(histogram.clone())),
        ..Metric::default()
    };
    let metrics = metrics.iter().map(metric).collect();
    MetricFamily { name: Some(name.to_owned()), help: Some("Took.".to_owned()), kind: Some(kind), metrics }
}

fn everything() -> Vec<u8> {
    delimited(&[
        family(
            "took_seconds",
            4,
            &[
                ("/a", seconds()),
                ("/b", both()),
                ("/c", Histogram { sample_count: Some(1), ..Histogram::default() }),
            ],
        ),
        family("weight_kg", 5, &[("/", weights())]),
    ])
}

fn push(gate: &Gate, path: &str, body: &[u8]) -> (u16, String) {
    let answer = gate.ask_with("PUT", path, &[PROTOBUF], body);
    (answer.code, answer.text())
}

#[test]
fn what_is_pushed_is_told_as_the_original_tells_it_and_outlives_a_crash() {
    let (ours, theirs) = (Gate::kept(&[]), Gate::debian(&["--persistence.file="]));
    for gate in [&ours, &theirs] {
        assert_eq!(push(gate, "/metrics/job/j/instance/i", &everything()), (200, String::new()));
        gate.push("/metrics/job/k", "# TYPE s summary\ns{quantile=\"0.5\"} 2\ns_sum 4\ns_count 2\nm 1\n");
    }
    let all = told(&ours);
    assert_eq!(all, told(&theirs));
    assert_eq!(all.len(), 6, "{all:#?}");
    let ours = ours.again(Signal::SIGKILL, &[]);
    assert_eq!(told(&ours), all);
    // Another family beside them changes nothing, and one of their name takes their place.
    let add = |body: &str| assert_eq!(ours.ask("POST", "/metrics/job/j/instance/i", body).code, 200);
    add("other 1\n");
    assert_eq!(told(&ours).len(), all.len() + 1);
    let classic = "# TYPE took_seconds histogram\ntook_seconds_bucket{path=\"/a\",le=\"+Inf\"} 1\ntook_seconds_sum{path=\"/a\"} 1\ntook_seconds_count{path=\"/a\"} 1\n";
    add(classic);
    let left = told(&ours);
    assert_eq!(left.len(), all.len() - 1, "{left:#?}");
    assert!(left.iter().all(|(name, value)| !name.starts_with("took_") || value.contains("native: None")));
}

#[test]
fn text_says_what_it_can() {
    // Debian's version has no page any more after a gauge histogram, and its query API knows no buckets but classic ones.
    let gate = Gate::start(&[]);
    assert_eq!(push(&gate, "/metrics/job/j", &everything()).0, 200);
    let lines = [
        "took_seconds_bucket{instance=\"\",job=\"j\",path=\"/a\",le=\"+Inf\"} 7",
        "took_seconds_sum{instance=\"\",job=\"j\",path=\"/a\"} 12.5",
        "took_seconds_count{instance=\"\",job=\"j\",path=\"/a\"} 7",
        "took_seconds_bucket{instance=\"\",job=\"j\",path=\"/b\",le=\"1\"} 4",
        "took_seconds_bucket{instance=\"\",job=\"j\",path=\"/b\",le=\"+Inf\"} 7",
        "# TYPE weight_kg histogram",
        "weight_kg_bucket{instance=\"\",job=\"j\",path=\"/\",le=\"+Inf\"} 4.5",
    ];
    let page = gate.page();
    for line in lines {
        assert!(page.lines().any(|known| known == line), "{line}: {page}");
    }
    // As newer versions tell it (api/v1/api.go): bounds that are part of the bucket, lower, upper, count.
    let group = gate.place.json("/api/v1/metrics")["data"][0].clone();
    let metrics = &group["took_seconds"]["metrics"];
    assert_eq!((&metrics[0]["count"], &metrics[0]["sum"]), (&json!("7"), &json!("12.5")));
    assert_eq!(
        metrics[0]["buckets"],
        json!([
            [1, "-1", "-0.9170040432046712", "1"],
            [3, "-1e-128", "1e-128", "1"],
            [0, "1", "1.0905077326652577", "2"],
            [0, "1.5422108254079407", "1.681792830507429", "3"],
        ])
    );
    assert_eq!(metrics[2]["buckets"], json!({"+Inf": "1"}));
    assert_eq!(group["weight_kg"]["metrics"][0]["buckets"][0], json!([3, "-0.5", "0.5", "1.5"]));
}

#[test]
fn what_no_prometheus_could_scrape_is_refused() {
    let gate = Gate::start(&[]);
    assert_eq!(push(&gate, "/metrics/job/j", &everything()).0, 200);
    let before = told(&gate);
    for (change, why) in [
        (
            Histogram { positive_deltas: vec![2], ..seconds() },
            "positive side: spans of 2 buckets, but 1 counts",
        ),
        (Histogram { sample_count: Some(8), ..seconds() }, "7 values in buckets, but a count of 8"),
        (Histogram { schema: Some(-53), ..seconds() }, "schema -53 is not one of -4 to 8"),
        (
            Histogram { positive_spans: vec![span(0, u32::MAX), span(0, u32::MAX)], ..seconds() },
            "positive side: spans of 8589934590 buckets, but 2 counts",
        ),
        // No weights: what a sum of 0 says is passed over, here and there.
        (
            Histogram { zero_count: None, zero_count_float: Some(0.0), ..seconds() },
            "6 values in buckets, but a count of 7",
        ),
        (
            Histogram { sample_count: None, sample_count_float: Some(0.0), ..seconds() },
            "7 values in buckets, but a count of 0",
        ),
        // Weights: what counts values is passed over.
        (
            Histogram { sample_count: Some(10), sample_count_float: None, ..weights() },
            "3 values in buckets, but a count of 0",
        ),
        (Histogram { sample_count_float: Some(2.5), ..weights() }, "3 values in buckets, but a count of 2.5"),
        (
            Histogram {
                positive_spans: vec![span(0, 1_000_000)],
                positive_deltas: vec![0; 1_000_000],
                ..seconds()
            },
            "positive side: 1000000 buckets or spans, and not 10000 at most",
        ),
    ] {
        let body = delimited(&[family("took_seconds", 4, &[("/a", change)])]);
        let expected = format!("native histogram \"took_seconds\" cannot be scraped: {why}\n");
        assert_eq!(push(&gate, "/metrics/job/j", &body), (400, expected));
    }
    assert_eq!(told(&gate), before);
    // What says no more of native buckets than that there could be some is classic, as for a Prometheus.
    for odd in [
        Histogram { schema: Some(0), ..Histogram::default() },
        Histogram { zero_threshold: Some(0.0), zero_count: Some(0), ..Histogram::default() },
    ] {
        let buckets = both().buckets;
        let odd = Histogram { sample_count: Some(7), buckets, ..odd };
        let body = delimited(&[family("took_seconds", 4, &[("/a", odd)])]);
        assert_eq!(push(&gate, "/metrics/job/j", &body), (200, String::new()));
    }
}

#[test]
fn a_prometheus_that_takes_them_scrapes_them() {
    let gate = Gate::start(&[]);
    let pushed = delimited(&[
        family("took_seconds", 4, &[("/a", seconds()), ("/b", both())]),
        family("weight_kg", 5, &[("/", weights())]),
        family(
            "mixed_seconds",
            4,
            &[("/a", both()), ("/c", Histogram { sample_count: Some(1), ..Histogram::default() })],
        ),
    ]);
    assert_eq!(push(&gate, "/metrics/job/j", &pushed), (200, String::new()));
    // Nothing that is taken fails the scrape.
    let odd = [
        ("no weights", Histogram { sample_count_float: Some(0.0), zero_count_float: Some(0.0), ..seconds() }),
        (
            "stale",
            Histogram {
                sample_sum: Some(f64::from_bits(0x7ff0_0000_0000_0002)),
                sample_count: Some(9),
                ..seconds()
            },
        ),
        ("far", Histogram { positive_spans: vec![span(i32::MAX, 1), span(i32::MAX, 1)], ..seconds() }),
        (
            "many",
            Histogram {
                sample_count: Some(10_000),
                zero_count: None,
                negative_spans: vec![],
                negative_deltas: vec![],
                positive_spans: vec![span(0, 10_000)],
                positive_deltas: std::iter::once(1).chain(std::iter::repeat_n(0, 9_999)).collect(),
                ..seconds()
            },
        ),
        ("infinite", Histogram { positive_counts: vec![f64::NAN, f64::INFINITY], ..weights() }),
    ];
    assert_eq!(push(&gate, "/metrics/job/odd", &delimited(&[family("odd", 4, &odd)])), (200, String::new()));
    gate.push("/metrics/job/k", "# TYPE size_bytes gauge\nsize_bytes{path=\"/\"} 42\n");
    let scraper = Scraper::start(&gate, &["--enable-feature=native-histograms"]);
    let query = |expression: &str| -> BTreeMap<String, String> {
        let path = |metric: &Value| metric["path"].as_str().unwrap_or_default().to_owned();
        scraper.query(expression).into_iter().map(|(metric, value)| (path(&metric), value)).collect()
    };
    let expected = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let counts = expected(&[("/a", "7"), ("/b", "7")]);
    let seen = || query("histogram_count(took_seconds)");
    assert!(await_until(SOON, || seen() == counts), "{:?} {}", seen(), scraper.trouble());
    // Where the buckets are: 2 of 7 values are up to 1, one of them below zero, and 4 up to 2^(1/8).
    let fraction = query("histogram_fraction(1, 1.0905077326652577, took_seconds{path='/a'}) * 7");
    assert_eq!(fraction, expected(&[("/a", "2")]));
    assert_eq!(query("histogram_sum(weight_kg)"), expected(&[("/", "-3")]));
    assert_eq!(query("histogram_count(weight_kg)"), expected(&[("/", "4.5")]));
    // For 2.42 a family is what its first metric is. Classic ones come first: of those nobody misses a bucket.
    assert_eq!(query("mixed_seconds_count"), expected(&[("/a", "7"), ("/c", "1")]));
    assert_eq!(query("mixed_seconds_bucket{le='1.0'}"), expected(&[("/a", "4")]));
    // Everything else is read from the same page.
    assert_eq!(query("size_bytes"), expected(&[("/", "42")]));
    assert_eq!(query("count(push_time_seconds{job=~'j|k'})"), expected(&[("", "2")]));
    assert_eq!(query("up"), expected(&[("", "1")]));
    assert_eq!(query("histogram_count(odd)").len(), odd.len());
}

#[test]
fn they_move_to_another_gateway() {
    let (debians, ours, last) = (Gate::debian(&["--persistence.file="]), Gate::start(&[]), Gate::start(&[]));
    assert_eq!(push(&debians, "/metrics/job/j/instance/i", &everything()), (200, String::new()));
    debians.push("/metrics/job/k", "m 1\n");
    let before = told(&debians);
    // What 1.5.1 does not tell, and what newer versions and ours tell in another form.
    for (from, to) in [(&debians, &ours), (&ours, &last)] {
        let [from, to_url] = [from, to].map(|gate| format!("http://{}", gate.place.address));
        let moved = iaasmon(&["migrate", "pushgateway", &from, &to_url]);
        assert_eq!(moved.code, Some(0), "{}{}", moved.stdout, moved.stderr);
        assert!(moved.stderr.contains("2 groups: 2 copied, 0 there already, 0 refused"), "{}", moved.stderr);
        assert_eq!(told(to), before);
    }
}

#[test]
fn what_cannot_be_read_of_the_old_gateway_stays_there_and_is_told() {
    let (old, new) = (Gate::debian(&["--persistence.file="]), Gate::start(&[]));
    let bad = Histogram { schema: Some(9), ..seconds() };
    for (path, name, kind, histogram) in [
        ("/metrics/job/good", "good_seconds", 4, seconds()),
        ("/metrics/job/gauge", "gauge_kg", 5, weights()),
        ("/metrics/job/bad", "bad_seconds", 4, bad),
    ] {
        assert_eq!(push(&old, path, &delimited(&[family(name, kind, &[("/", histogram)])])).0, 200);
    }
    let [from, to] = [&old, &new].map(|gate| format!("http://{}", gate.place.address));
    let moved = iaasmon(&["migrate", "pushgateway", &from, &to]);
    assert_eq!(moved.code, Some(3), "{}{}", moved.stdout, moved.stderr);
    assert!(moved.stderr.contains("3 groups: 2 copied, 0 there already, 1 refused"), "{}", moved.stderr);
    let refused = moved.stdout.lines().find(|line| line.starts_with("refused")).expect("one");
    assert!(
        refused.contains("job=\"bad\"") && refused.contains("a histogram of it cannot be read"),
        "{refused}"
    );
    let all = told(&new);
    assert!(all.len() == 2 && all.values().all(|value| value.contains("native: Some")), "{all:#?}");
}

#[test]
fn a_gateway_whose_page_is_broken_can_be_left() {
    // Two groups that no page can have together: there is none any more.
    let old = Gate::debian(&["--persistence.file=", "--push.disable-consistency-check"]);
    let classic = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    for (path, body) in [
        ("/metrics/job/a", "# TYPE m gauge\nm 1\n"),
        ("/metrics/job/b", "# TYPE m counter\nm 1\n"),
        ("/metrics/job/c", classic),
    ] {
        assert_eq!(old.ask("PUT", path, body).code, 202);
    }
    let native = delimited(&[family("took_seconds", 4, &[("/", seconds())])]);
    assert_eq!(push(&old, "/metrics/job/d", &native).0, 202);
    let is_there = || old.place.json("/api/v1/metrics")["data"].as_array().is_some_and(|all| all.len() == 4);
    assert!(await_until(SOON, is_there) && old.place.get("/metrics").is_some_and(|page| page.code == 500));
    let new = Gate::start(&[]);
    let [from, to] = [&old, &new].map(|gate| format!("http://{}", gate.place.address));
    let moved = iaasmon(&["migrate", "pushgateway", &from, &to]);
    assert_eq!(moved.code, Some(3), "{}{}", moved.stdout, moved.stderr);
    assert!(moved.stderr.contains("note: the page of the old gateway cannot be read"), "{}", moved.stderr);
    assert!(
        moved.stderr.contains("4 groups: 2 copied, 0 there already, 2 refused"),
        "{}{}",
        moved.stdout,
        moved.stderr
    );
    assert!(new.page().lines().any(|line| line == "h_count{instance=\"\",job=\"c\"} 1"));
}
