//! Bodies and paths, good and bad: those of upstream's own tests, and others that are nearly right.

use super::message::{Bucket, Histogram, LabelPair, Metric, MetricFamily, Number, Quantile, Summary};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// The same in every run, so that what differs can be looked at again.
fn generated<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Bodies that mean something to every version. (Debian's knows no names in quotes, nor the escape of a quote in a `HELP`.)
pub fn bodies() -> Vec<Vec<u8>> {
    let known = [
        "",
        "\n",
        "  ",
        "# x",
        "#\n",
        "# EOF\n",
        "m 3.14",
        "m 3.14\r\n",
        "a 1\nb 2",
        "m 1 \n",
        "m 1 2\n",
        "m 1 2 \n",
        "m 1 2 3\n",
        "m 1 1.5\n",
        "m 1 +5\n",
        "m 1 99999999999999999999\n",
        "m  1\n",
        "\t m\t1\n",
        "m{a=\"b\"}1\n",
        "m{a=\"b\",}1\n",
        "m{,}1\n",
        "m{a}1\n",
        "m{ a = \"b\" , c=\"d\" } 1\n",
        "m{a=\"b\" c=\"d\"} 1\n",
        "m{a=\"b\\x\"} 1\n",
        "m{a=\"b\nc\"} 1\n",
        "m{a=\"é\"} 1\n",
        "m{a=b} 1\n",
        "m{é=\"b\"} 1\n",
        "m{aé=\"b\"} 1\n",
        "m{a=\"b\",a=\"c\"} 1\n",
        "m{__name__=\"b\"} 1\n",
        "m +NaN\n",
        "m nAn\n",
        "m +inf\n",
        "m -InFiNiTy\n",
        "m Infi\n",
        "m 0x10\n",
        "m 0x1p4\n",
        "m 1_000\n",
        "m 1e400\n",
        "m 1e-400\n",
        "m .5\n",
        "m 5.\n",
        "m .\n",
        "m 1e\n",
        "m 1e+\n",
        "m\n",
        "m",
        "m{",
        "m{}\n",
        "m{} 1\n",
        "m{a=\"\"} 1\n",
        "9m 1\n",
        "a-b 1\n",
        "m foo\n",
        "# HELP m a \\x b\n",
        "# HELP m a\\\n",
        "# HELP m a\n# HELP m b\n",
        "# HELP m\n# HELP m b\nm 1\n",
        "# HELP 9m b\n",
        "# TYPE m foo\n",
        "# TYPE m counter \n",
        "# TYPE m\n# TYPE m counter\nm 1\n",
        "# TYPE m CouNTER\nm 1\n",
        "#TYPE m counter\nm 1\n",
        "# TYPE met-ric\n",
        "# TYPE m counter\n# TYPE m gauge\n",
        "m 1\n# TYPE m gauge\n",
        "# TYPE s summary\ns 1\n",
        "# TYPE s summary\ns{quantile=\"x\"} 1\n",
        "# TYPE s summary\n# TYPE s_sum gauge\n",
        "# TYPE s summary\ns{quantile=\"NaN\"} 1\n",
        "# TYPE h histogram\nh_bucket 1\n",
        "# TYPE h histogram\nh{le=\"1\"} 7\nh_count 3\nh_sum 2\n",
        "# TYPE h histogram\nh_bucket{le=\"0x1p-3\"} 1\n",
        "h_sum 1\n# TYPE h histogram\nh_sum 2\n",
        "m{a=\"b\"",
        "m{a=\"b",
        "m{a=\"b\\",
        "m\x001\n",
        "m{a=\"x\x00y\"} 1\n",
        "m 1 # {trace_id=\"x\"} 1\n",
        "m{a=\"b\"+} 1\n",
        "@m{a=\"b\"} 1 2",
        "m{@=\"b\"} 3.14",
        "blablabla",
        "m \u{a0}1\u{ad}\u{200b}\u{10ffff}\n",
    ];
    let known = known.map(|body| body.as_bytes().to_vec()).into_iter().chain([
        b"m{a=\"b\xff\"} 1\n".to_vec(),
        b"\xff 1\n".to_vec(),
        b"m \xc3(\xe2\x82\n".to_vec(),
        b"# \xff\nm 1\n".to_vec(),
    ]);
    let place =
        (any::<prop::sample::Index>(), 0..3, prop::sample::select(b"{}\",=\\ \n#01ae.-+_\t\r\xff:".to_vec()));
    let nearly = (body(), prop::collection::vec(place, 0..3)).prop_map(|(body, changes)| {
        let mut body = body.replace("NAME", "p_").into_bytes();
        for (place, how, byte) in changes {
            let at = place.index(body.len().max(1));
            match how {
                0 => body.insert(at, byte),
                1 if at < body.len() => body[at] = byte,
                _ if at < body.len() => drop(body.remove(at)),
                _ => {}
            }
        }
        body
    });
    known.chain(generated(nearly, 2000).into_iter().filter(|body| !is_read_otherwise(body))).collect()
}

/// Whether a body has something that Debian's version reads otherwise: names in quotes and quotes in a help text are new, and
/// a backslash in a `TYPE` it leaves out.
fn is_read_otherwise(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.split('\n').any(|line| {
        let line: String = line.chars().filter(|c| !matches!(c, ' ' | '\t')).collect();
        let in_name = line.starts_with(['{', '"']) || line.contains("{\"") || line.contains(",\"");
        let in_help = line.starts_with("#HELP") && line.contains('"');
        in_name || in_help || (line.starts_with("#TYPE") && line.contains(['"', '\\']))
    })
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|bits| f64::from_bits(bits).to_string()),
        (-1_000_000_000_i64..1_000_000_000).prop_map(|number| number.to_string()),
        // Many of these lie between two shortest texts.
        (1_u64 << 50..1 << 54, 0..8)
            .prop_map(|(number, halvings)| (number as f64 / f64::from(1 << halvings)).to_string()),
        (any::<u64>(), 0..40).prop_map(|(number, power)| (number as f64 * 10_f64.powi(power)).to_string()),
        prop::sample::select(vec![
            "0", "-0", "1e6", "1e-5", "+Inf", "-Inf", "NaN", "999999", "1000000", "0.00001", "1e21", ".5",
            "1E3"
        ])
        .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "[a-zé{},=# /.+\\x01\u{2028}]{0,6}"]
}

fn label() -> impl Strategy<Value = (String, String)> {
    ("[GH]", text())
}

fn sample(ending: &'static str, own: &'static str) -> impl Strategy<Value = String> {
    let labels = prop::collection::btree_map("[b-hk-z]{1,3}", (text(), any::<bool>()), 0..3);
    (labels, number(), 0..100_u32).prop_map(move |(labels, value, count)| {
        let mut labels: Vec<String> = (labels.iter().filter(|(name, _)| *name != "le"))
            .map(|(name, (value, odd))| {
                format!("{name}=\"{value}{}\"", if *odd { "\\n\\\"\\\\" } else { "" })
            })
            .collect();
        labels.reverse();
        if !own.is_empty() {
            labels.push(format!("{own}=\"{}\"", f64::from(count) / 4.0));
        }
        let value = if matches!(ending, "_count" | "_bucket") { count.to_string() } else { value };
        format!("NAMEx{ending}{{{}}} {value}\n", labels.join(","))
    })
}

/// A sample with a label that the group may have too, to be overridden.
fn overridden() -> impl Strategy<Value = String> {
    let labels = prop::sample::select(vec!["instance", "job", "G", "zz"]);
    (labels, number()).prop_map(|(label, value)| format!("NAMEx{{{label}=\"own\"}} {value}\n"))
}

/// The lines of a family; `NAME` is the beginning of every name.
fn family() -> impl Strategy<Value = String> {
    let plain = (prop::sample::select(vec!["counter", "gauge", "untyped"]), sample("", ""))
        .prop_map(|(kind, line)| format!("# HELP NAMEx of \\\\ {kind}\\n \n# TYPE NAMEx {kind}\n{line}"));
    let parts = |kind: &'static str, own: &'static str, ending: &'static str| {
        let lines = prop::collection::vec(
            prop_oneof![sample(ending, own), sample("_sum", ""), sample("_count", "")],
            1..6,
        );
        lines.prop_map(move |lines| format!("# TYPE NAMEx {kind}\n{}", lines.concat()))
    };
    prop_oneof![
        plain,
        sample("", ""),
        overridden(),
        parts("summary", "quantile", ""),
        parts("histogram", "le", "_bucket")
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop::collection::vec(family(), 0..4).prop_map(|families| {
        let named =
            families.iter().enumerate().map(|(at, family)| family.replace("NAMEx", &format!("NAMEx{at}")));
        named.collect()
    })
}

/// Grouping labels, and bodies that every version takes.
pub fn groups() -> Vec<(Vec<(String, String)>, String)> {
    generated((prop::collection::vec(label(), 0..3), body()), 300)
}

/// What follows `/metrics/job` in paths that both read alike: slashes are not encoded, and all is text.
pub fn paths() -> Vec<String> {
    let known = [
        "/j",
        "/j/",
        "/j/a/",
        "/j/a/b/",
        "/j//",
        "/j/a//",
        "/j/..",
        "/j/a/%2e%2e",
        "/j/a/.",
        "//a/b",
        "/",
        "",
        "@base64/",
        "@base64/=",
        "%40base64/am8",
        "/j/a%40base64/am8",
        "/j/a/%zz",
        "/j/a@base64/",
        "/j/a@base64/===",
        "/j/a@base64/b=c",
        "/j/a@base64/A",
        "/j/a@base64/AAAAA",
        "/j/a@base64/AB",
        "/j/a/b/a/c",
        "/j/@base64/c",
        "/j/a@base64@base64/c",
        "/j/a/%00",
        "/j/a/b%0Ac",
        "/j/%CE%A0/c",
        "/j/a%20b/c",
        "/j/a/%CE%A0%20+x",
        "@base64/=/a",
        "/j/q/1",
        "/j/__name__/1",
        "/j/a/b;c",
        "/j/job/k",
        "/j/a-b/c",
        "/j/a@base64/a+b",
        "/j/a@base64/!!",
        "/j/a",
        "@base64/dGVzdC9qb2I",
        "@base64/dGVzdC9qb2I=/a@base64/dg==",
        "/j/U__a_2e_b/c",
        "/j/a/%E2%80%A8%01%7f",
        "/j/a/Π",
        "/j/a/x=y@z",
        "/j/a@base64/%20",
    ];
    let value = prop_oneof!["[a-z]{1,3}", "(%20|%CE%A0|%0A|%22|[+=@:]|[a-z]){1,3}"];
    let pair = prop_oneof![
        4 => ("[a-z_]{1,3}", value).prop_map(|(name, value)| format!("/{name}/{value}")),
        2 => ("[a-z_]{1,3}", "[A-Za-z0-9_-]{0,1}[AQgw]={0,2}").prop_map(|(name, value)| format!("/{name}@base64/{value}")),
        1 => ("[a-z.9-]{1,2}", "[a-z+!]{1,4}").prop_map(|(name, value)| format!("/{name}@base64/{value}")),
        1 => "[a-z]{0,2}".prop_map(|name| format!("/{name}")),
    ];
    let path = prop::collection::vec(pair, 0..3).prop_map(|pairs| format!("/j{}", pairs.concat()));
    // Debian's version shows no metric any more once a value was no text.
    let is_text = |path: &String| {
        let read = iaasmon::wire::push_path::parse(path, super::Names::Legacy);
        !read.is_err_and(|error| error.to_string().contains("UTF-8"))
    };
    known.map(str::to_owned).into_iter().chain(generated(path, 600)).filter(is_text).collect()
}

/// One message of each kind.
pub fn messages() -> Vec<MetricFamily> {
    let label =
        |name: &str, value: &str| LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) };
    let number = |value| Some(Number { value: Some(value) });
    let family = |name: &str, kind, metrics| {
        let help = Some(format!("help \\ of\n\"{name}\""));
        MetricFamily { name: Some(name.to_owned()), help, kind: Some(kind), metrics }
    };
    let quantiles = [(0.5, 1e6), (0.99, f64::NAN)]
        .map(|(quantile, value)| Quantile { quantile: Some(quantile), value: Some(value) });
    let summary = Summary { sample_count: Some(3), sample_sum: Some(1.5e-7), quantiles: quantiles.to_vec() };
    let buckets = [(0.1, 1), (1e6, 2)].map(|(bound, count)| Bucket {
        upper_bound: Some(bound),
        cumulative_count: Some(count),
        cumulative_count_float: None,
    });
    let histogram = Histogram {
        sample_count: Some(3),
        sample_sum: Some(7.0),
        buckets: buckets.to_vec(),
        ..Histogram::default()
    };
    let labels = vec![label("z", "é\n\"\\"), label("a", ""), label("job", "overridden")];
    vec![
        family(
            "pb_c",
            0,
            vec![
                Metric { counter: number(1.0), labels: labels.clone(), ..Metric::default() },
                Metric { counter: Some(Number { value: None }), ..Metric::default() },
            ],
        ),
        family("pb_g", 1, vec![Metric { gauge: number(-1e-5), labels, ..Metric::default() }]),
        family("pb_s", 2, vec![Metric { summary: Some(Box::new(summary)), ..Metric::default() }]),
        family("pb_u", 3, vec![Metric { untyped: number(f64::NEG_INFINITY), ..Metric::default() }]),
        family("pb_h", 4, vec![Metric { histogram: Some(Box::new(histogram)), ..Metric::default() }]),
    ]
}
