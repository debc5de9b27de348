//! The same requests to ours and to Debian's, at random: the same codes, and the same is there afterwards.
//!
//! What is known to differ is not asked here (surface.rs has it): groups that differ by an empty `instance` alone, slashes in
//! values that are not in Base64, names that no page can hold or that are reserved, `go_*`, cut gzip, and a job that
//! is no Base64: the one after it gets no answer from Debian's.

use super::gate_world::{GZIP, Gate, PROTOBUF, assert_same, delimited, gzip};
use super::support::service::{Answer, Place};
use iaasmon::wire::exposition::protobuf::message::{
    Bucket, BucketSpan, Histogram, LabelPair, Metric, MetricFamily, Number, Quantile, Summary,
};
use nix::sys::signal::Signal;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::fmt::Write as _;

const OPERATIONS: usize = 600;
/// So often both are looked at.
const BETWEEN: usize = 10;

struct Dice(TestRng);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const JOBS: [&str; 8] = [
    "/job/a",
    "/job/b",
    "/job/%C3%A9+%20%22",
    "/job@base64/L3gv",
    "/job@base64/4pi6",
    "/job/a",
    "/job@base64/YQ==",
    "/job/..a",
];
const LABELS: [&str; 12] = [
    "",
    "",
    "",
    "/instance/i",
    "/instance/k",
    "/x/1",
    "/x@base64/MQ",
    "/x@base64/=",
    "/x/a=b/instance/i",
    "/job/other",
    "/instance/i/x/1",
    "/x/1/instance/i/x/2",
];
const WRONG_PATHS: [&str; 6] =
    ["/job@base64/=", "/job/a/x", "/job/a/__x/1", "/job/a/1x/1", "/job/a/x@base64/+", "/job/a/x/1/y"];
const KINDS: [&str; 5] = ["counter", "gauge", "untyped", "summary", "histogram"];
const NUMBERS: [&str; 10] = ["0", "1", "-1.5", "1e300", "NaN", "+Inf", "-Inf", "1000000", "0.1", "123456789"];
const WRONG_BODIES: [&str; 7] =
    ["m 1", "m\n", "m 1 2 3\n", "m{x} 1\n", "m{x=\"1\",x=\"2\"} 1\n", "# TYPE m nothing\n", "m 1\r\n"];

/// Few names, so that they meet; the type of most is always the same, so that some pushes are taken.
fn name_and_kind(dice: &mut Dice) -> (String, &'static str) {
    let number = dice.below(10);
    let kind = if dice.chance(95) { KINDS[number % 5] } else { dice.one(&KINDS) };
    let ending = if dice.chance(5) { dice.one(&["_sum", "_count", "_bucket"]) } else { "" };
    (format!("m{number}{ending}"), if ending.is_empty() { kind } else { "untyped" })
}

fn pairs(dice: &mut Dice) -> Vec<(&'static str, &'static str)> {
    let mut pairs: Vec<_> = ["instance", "job", "x", "y"].into_iter().filter(|_| dice.chance(25)).collect();
    if dice.chance(50) {
        pairs.reverse();
    }
    pairs.into_iter().map(|name| (name, dice.one(&["", "1", "é\\\"", "long long"]))).collect()
}

fn text(dice: &mut Dice) -> String {
    let mut body = String::new();
    for _ in 0..dice.below(4) {
        let (name, kind) = name_and_kind(dice);
        if dice.chance(30) {
            // Whose help is shown where two differ is chance there: all say the same.
            writeln!(body, "# HELP {name} About {name}: \\\\ \\n end.").unwrap();
        }
        if kind != "untyped" || dice.chance(50) {
            writeln!(body, "# TYPE {name} {kind}").unwrap();
        }
        for _ in 0..dice.below(3) {
            let labels = pairs(dice);
            let with = |more: Option<(&'static str, &'static str)>| {
                let all = labels.iter().copied().chain(more);
                let all: Vec<String> = all.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
            };
            // What looks like a count may be the one of a histogram before it: 1.5.1 takes whole ones only.
            let number = if name.contains('_') { "7" } else { dice.one(&NUMBERS) };
            match kind {
                "summary" => {
                    writeln!(body, "{name}{} {number}", with(Some(("quantile", "0.5")))).unwrap();
                    writeln!(body, "{name}_sum{} {number}\n{name}_count{} 7", with(None), with(None))
                        .unwrap();
                }
                "histogram" => {
                    writeln!(body, "{name}_bucket{} 3", with(Some(("le", "0.5")))).unwrap();
                    writeln!(body, "{name}_bucket{} 2000000", with(Some(("le", "+Inf")))).unwrap();
                    writeln!(body, "{name}_sum{} {number}", with(None)).unwrap();
                    writeln!(body, "{name}_count{} 2000000", with(None)).unwrap();
                }
                _ => writeln!(
                    body,
                    "{name}{}  {number}{}",
                    with(None),
                    if dice.chance(2) { " 1600000000000" } else { "" }
                )
                .unwrap(),
            }
        }
    }
    body
}

fn messages(dice: &mut Dice) -> Vec<u8> {
    let families = (0..dice.below(3)).map(|_| {
        let (name, kind) = name_and_kind(dice);
        let metrics = (0..1 + dice.below(2)).map(|_| metric(dice, kind)).collect();
        let kind =
            ["counter", "gauge", "summary", "untyped", "histogram"].iter().position(|known| *known == kind);
        MetricFamily { name: Some(name), help: None, kind: kind.map(|kind| kind as i32), metrics }
    });
    let mut body = delimited(&families.collect::<Vec<_>>());
    if dice.chance(5) {
        // Where nothing but a length is left Debian's finds an end.
        body.pop();
    }
    body
}

fn metric(dice: &mut Dice, kind: &str) -> Metric {
    let labels = pairs(dice);
    let label = |(name, value): (&str, &str)| LabelPair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    };
    let value = dice.one(&NUMBERS).parse::<f64>().unwrap();
    let number = Some(Number { value: Some(value) });
    let mut metric = Metric { labels: labels.into_iter().map(label).collect(), ..Metric::default() };
    match kind {
        "counter" => metric.counter = number,
        "gauge" => metric.gauge = number,
        "untyped" => metric.untyped = number,
        "summary" => {
            let quantiles = vec![Quantile { quantile: Some(0.9), value: Some(value) }];
            metric.summary =
                Some(Box::new(Summary { sample_count: Some(3_000_000), sample_sum: Some(value), quantiles }));
        }
        _ => {
            let buckets = vec![Bucket {
                cumulative_count: Some(3),
                upper_bound: Some(1e6),
                cumulative_count_float: None,
            }];
            let (sample_count, sample_sum) = (Some(5), Some(value));
            let histogram = match dice.chance(50) {
                true => Histogram { sample_count, sample_sum, buckets, ..Histogram::default() },
                false => Histogram {
                    sample_count,
                    sample_sum,
                    schema: Some(dice.below(13) as i32 - 4),
                    zero_threshold: Some(1e-128),
                    zero_count: Some(1),
                    positive_spans: vec![BucketSpan { offset: Some(-3), length: Some(2) }],
                    positive_deltas: vec![1, 2],
                    ..Histogram::default()
                },
            };
            metric.histogram = Some(Box::new(histogram));
        }
    }
    metric
}

struct Asked {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Asked {
    fn of(&self, gate: &Gate) -> Answer {
        gate.ask_with(self.method, &self.path, &self.headers, &self.body)
    }
}

fn request(dice: &mut Dice) -> Asked {
    let path = if dice.chance(4) {
        dice.one(&WRONG_PATHS).to_owned()
    } else {
        dice.one(&JOBS).to_owned() + dice.one(&LABELS)
    };
    let method = dice.one(&["PUT", "PUT", "POST", "POST", "POST", "DELETE"]);
    let (mut headers, mut body) = match dice.below(20) {
        0 => (vec![], dice.one(&WRONG_BODIES).as_bytes().to_vec()),
        1..5 => (vec![PROTOBUF], messages(dice)),
        _ => (vec![], text(dice).into_bytes()),
    };
    if dice.chance(30) {
        headers.push(GZIP);
        body = gzip(&body);
    }
    Asked { method, path: format!("/metrics{path}"), headers, body }
}

#[test]
fn any_requests_come_to_the_same_as_at_the_original() {
    let seed = iaasmon::sys::clock::now().timestamp_millis() as u64;
    let mut dice = Dice::new(seed);
    let mut ours = Gate::kept_at(Place::new(), &[]);
    let theirs = Gate::debian(&["--persistence.file="]);
    let mut codes = std::collections::BTreeMap::<u16, usize>::new();
    for number in 1..=OPERATIONS {
        let asked = request(&mut dice);
        let [own, other] = [&ours, &theirs].map(|gate| asked.of(gate));
        let Asked { method, path, headers, body } = asked;
        let asked = format!(
            "seed {seed}, number {number}: {method} {path} {headers:?} {:?}",
            String::from_utf8_lossy(&body)
        );
        assert_eq!(own.code, other.code, "{asked}\nours: {}theirs: {}", own.text(), other.text());
        *codes.entry(own.code).or_default() += 1;
        if number % BETWEEN == 0 {
            assert_same(&ours, &theirs, &asked);
        }
        if number % (OPERATIONS / 4) == 0 {
            ours = ours.again(Signal::SIGKILL, &[]);
            assert_same(&ours, &theirs, &format!("a restart, {asked}"));
        }
    }
    // Nothing would be shown by a run in which nearly everything is refused.
    assert!(codes[&200] > OPERATIONS / 4 && codes[&400] > OPERATIONS / 20, "{codes:?}");
}
