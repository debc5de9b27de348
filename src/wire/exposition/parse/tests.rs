use super::super::write;
use super::{Malformed, parse};
use crate::model::family::{Family, Kind, Summary, Value};
use crate::model::histogram::{Count, Histogram};
use crate::model::names::Names;

/// What a body says, written again.
fn page(families: &[Family<'_>]) -> String {
    let mut out = String::new();
    for family in families {
        write::head(&family.name, family.help.as_deref(), family.kind, &mut out);
        write::samples(family, &mut out);
    }
    out
}

fn read(body: &[u8], names: Names) -> Result<String, String> {
    parse(body, names).map(|families| page(&families)).map_err(|error| error.to_string())
}

#[test]
fn what_upstream_refuses_is_refused_in_its_words() {
    for (body, line, what) in [
        ("m 3.14", 1, "unexpected end of input stream"),
        ("a 1\nb 2", 2, "unexpected end of input stream"),
        ("# x", 1, "unexpected end of input stream"),
        ("# EOF", 1, "unexpected end of input stream"),
        ("# HELP m x", 1, "unexpected end of input stream"),
        ("m", 1, "unexpected end of input stream"),
        ("m{", 1, "unexpected end of input stream"),
        ("m{a=\"b\"", 1, "unexpected end of input stream"),
        ("m{a=\"b\\", 1, "unexpected end of input stream"),
        ("m foo", 1, "unexpected end of input stream"),
        ("m 1\r\n", 1, r#"expected float as value, got "1\r""#),
        ("m foo\n", 1, r#"expected float as value, got "foo""#),
        ("a-b 1\n", 1, r#"expected float as value, got "-b""#),
        ("m\n", 1, r#"expected float as value, got """#),
        ("m{}\n", 1, r#"expected float as value, got """#),
        ("m\x001\n", 1, r#"expected float as value, got "\x001""#),
        ("m +NaN\n", 1, r#"expected float as value, got "+NaN""#),
        ("m 1_0\n", 1, r#"expected float as value, got "1_0""#),
        ("m 0x1p4\n", 1, r#"expected float as value, got "0x1p4""#),
        ("m 1e400\n", 1, r#"expected float as value, got "1e400""#),
        ("m 1 \n", 1, r#"expected integer as timestamp, got """#),
        ("m 1 1.5\n", 1, r#"expected integer as timestamp, got "1.5""#),
        ("m 1 # {trace_id=\"x\"} 1\n", 1, r##"expected integer as timestamp, got "#""##),
        ("m 1 99999999999999999999\n", 1, r#"expected integer as timestamp, got "99999999999999999999""#),
        ("m 1 2 \n", 1, r#"spurious string after timestamp: " ""#),
        ("m 1 2 3\n", 1, r#"spurious string after timestamp: " 3""#),
        ("9m 1\n", 1, "invalid metric name"),
        ("é 1\n", 1, "invalid metric name"),
        ("{} 1\n", 1, "invalid metric name"),
        ("m 1\n{} 1\n", 2, "invalid metric name"),
        ("{label=\"bla\"} 3.14 2", 1, "invalid metric name"),
        ("m{,} 1\n", 1, r#"invalid label name for metric "m""#),
        ("m{é=\"b\"} 1\n", 1, r#"invalid label name for metric "m""#),
        ("m{a} 1\n", 1, "expected '=' after label name, found '}'"),
        ("m{a+=\"b\"} 1\n", 1, "expected '=' after label name, found '+'"),
        ("m{aé=\"b\"} 1\n", 1, "expected '=' after label name, found 'Ã'"),
        ("m{a=b} 1\n", 1, "expected '\"' at start of label value, found 'b'"),
        ("m{a=\"b\" c=\"d\"} 1\n", 1, r#"unexpected end of label value "b""#),
        ("m{a=\"b\\t\"} 1\n", 1, r"invalid escape sequence '\t'"),
        ("m{a=\"b\nc\"} 1\n", 1, r#"label value "b" contains unescaped new-line"#),
        ("m{a=\"b\\\\\nc\"} 1\n", 1, r#"label value "b\\" contains unescaped new-line"#),
        ("m{a=\"b\",a=\"c\"} 1\n", 1, r#"duplicate label names for metric "m""#),
        ("m{__name__=\"b\"} 1\n", 1, r#"label name "__name__" is reserved"#),
        ("m{__x=\"b\"} 1\n", 1, r#"label name "__x" is reserved"#),
        ("# HELP m a \\x b\n", 1, r"invalid escape sequence '\x'"),
        ("# HELP m a\\\n", 1, "invalid escape sequence '\\\n'"),
        ("# HELP m a\n\n# HELP m b\n", 3, r#"second HELP line for metric name "m""#),
        ("# HELP 9m b\n", 1, "invalid metric name in comment"),
        ("# TYPE met-ric\n", 1, "invalid metric name in comment"),
        ("# TYPE m foo\n", 1, r#"unknown metric type "foo""#),
        ("# TYPE m counter \n", 1, r#"unknown metric type "counter ""#),
        ("# TYPE m counter\r\n", 1, r#"unknown metric type "counter\r""#),
        (
            "# TYPE m counter\n# TYPE m gauge\n",
            2,
            r#"second TYPE line for metric name "m", or TYPE reported after samples"#,
        ),
        (
            "m 1\n# TYPE m gauge\n",
            2,
            r#"second TYPE line for metric name "m", or TYPE reported after samples"#,
        ),
        (
            "# TYPE s summary\n# TYPE s_sum gauge\n",
            2,
            r#"second TYPE line for metric name "s", or TYPE reported after samples"#,
        ),
        (
            "# TYPE s summary\ns{quantile=\"x\"} 1\n",
            2,
            r#"expected float as value for 'quantile' label, got "x""#,
        ),
        (
            "# TYPE h histogram\nh_bucket{le=\"0x1p-3\"} 1\n",
            2,
            r#"expected float as value for 'le' label, got "0x1p-3""#,
        ),
        ("# TYPE h histogram\nh_count -1\n", 2, r#"negative count for histogram "h""#),
        (
            "# TYPE h histogram\nh_bucket{le=\"1\"} -1.5\n",
            2,
            r#"negative bucket population for histogram "h""#,
        ),
        // Upstream takes these for something else.
        ("# TYPE s summary\ns_count -1\n", 2, r#"negative count for summary "s""#),
        ("# TYPE s summary\ns_count NaN\n", 2, r#"negative count for summary "s""#),
        (
            "# TYPE s summary\ns{quantile=\"1\",quantile=\"2\"} 1\n",
            2,
            r#"duplicate label names for metric "s""#,
        ),
    ] {
        let found = parse(body.as_bytes(), Names::Legacy);
        assert_eq!(found, Err(Malformed { line, what: what.to_owned() }), "{body:?}");
    }
    let error = parse(b"m 3.14", Names::Legacy).unwrap_err().to_string();
    assert_eq!(error, "text format parsing error in line 1: unexpected end of input stream");
}

#[test]
fn bytes_that_are_no_text_are_refused_in_their_line() {
    for (body, error) in [
        (&b"a 1\nm{l=\"\xbd\"} 3.14\n"[..], r#"line 2: invalid label value "\xbd""#),
        (b"m{l=\"\\n\xbd\"} 3.14\n", r#"line 1: invalid label value "\n\xbd""#),
        (b"# HELP m \xff\n", r#"line 1: invalid help text "\xff""#),
        (b"{\"\xff\"} 1\n", r#"line 1: invalid metric name "\xff""#),
        (b"m{\"\xff\"=\"\"} 1\n", r#"line 1: invalid label name "\xff""#),
        (b"m \xc3\n", r#"line 1: expected float as value, got "\xc3""#),
    ] {
        let error = format!("text format parsing error in {error}");
        assert_eq!(read(body, Names::Utf8), Err(error));
    }
    assert_eq!(read(b"# any \xff\nm 1\n", Names::Legacy), Ok("# TYPE m untyped\nm 1\n".to_owned()));
}

#[test]
fn what_upstream_takes_is_taken_as_it_means_it() {
    for (body, page) in [
        ("", ""),
        ("\n \t\n  ", ""),
        ("#\n# \n# EOF\n#x\n# HELP\n# TYPE \n# HELP m\n# TYPE m\n# HELP m \n", ""),
        ("# HELP m x\n# TYPE m counter\n", ""),
        ("m 1\n", "# TYPE m untyped\nm 1\n"),
        ("\t m\t1\n", "# TYPE m untyped\nm 1\n"),
        ("m{}1\n", "# TYPE m untyped\nm 1\n"),
        ("m { a = \"b\" , } 1\n", "# TYPE m untyped\nm{a=\"b\"} 1\n"),
        ("m{b=\"\",a=\"é\\n\\\\\\\"x\"} 1 +5\n", "# TYPE m untyped\nm{a=\"é\\n\\\\\\\"x\",b=\"\"} 1 5\n"),
        ("m{a=\"x\x00\r}\"} -inf -5\n", "# TYPE m untyped\nm{a=\"x\x00\r}\"} -Inf -5\n"),
        ("m nan\nm 1e-400\nm .5\nm 5.\n", "# TYPE m untyped\nm NaN\nm 0\nm 0.5\nm 5\n"),
        (
            "#HELP m  a \\\\ \\n \\\" b \n#\tTYPE\tm\tCouNTER\nm 1\n",
            "# HELP m a \\\\ \\n \" b \n# TYPE m counter\nm 1\n",
        ),
        ("a 1\nb 2\na 3\n", "# TYPE a untyped\na 1\na 3\n# TYPE b untyped\nb 2\n"),
        ("# HELP m\n# HELP m b\nm 1\n# HELP n x\n", "# HELP m b\n# TYPE m untyped\nm 1\n"),
        ("m{le=\"x\",quantile=\"y\"} 1\n", "# TYPE m untyped\nm{le=\"x\",quantile=\"y\"} 1\n"),
        // The order of lines and labels says nothing of which metric is meant.
        (
            "# TYPE s summary\ns_sum{a=\"1\",b=\"2\"} 3\ns_count 9\ns{b=\"2\",quantile=\"0.5\",a=\"1\"} 4\ns_count{b=\"2\",a=\"1\"} 2.7\ns 1\n",
            "# TYPE s summary\ns{a=\"1\",b=\"2\",quantile=\"0.5\"} 4\ns_sum{a=\"1\",b=\"2\"} 3\ns_count{a=\"1\",b=\"2\"} 2\ns_sum 0\ns_count 9\n",
        ),
        (
            "# TYPE h histogram\nh_bucket{le=\"1e6\"} 1\nh{le=\"+Inf\"} 7\nh_count 7\nh_sum 2\nh_bucket{le=\"NaN\"} 9\n",
            "# TYPE h histogram\nh_bucket{le=\"1e+06\"} 1\nh_bucket{le=\"+Inf\"} 7\nh_sum 2\nh_count 7\n",
        ),
        (
            "# TYPE h gaugehistogram\nh_bucket 1\n# TYPE g GAUGE_histogram\ng_sum 1\n",
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n# TYPE g histogram\ng_bucket{le=\"+Inf\"} 0\ng_sum 1\ng_count 0\n",
        ),
        // A name of its own goes before the ending of another, and only these two types have endings.
        (
            "h_sum 1\n# TYPE h histogram\nh_sum 2\nh_count 3\n# TYPE s summary\ns_bucket 4\ns_sum 5\n# TYPE g gauge\ng_sum 6\n_sum 7\n",
            "# TYPE h_sum untyped\nh_sum 1\nh_sum 2\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 0\nh_count 3\n\
             # TYPE s summary\ns_sum 5\ns_count 0\n# TYPE s_bucket untyped\ns_bucket 4\n# TYPE g_sum untyped\ng_sum 6\n# TYPE _sum untyped\n_sum 7\n",
        ),
        (
            "# TYPE s summary\n# HELP s_sum of it\ns_count 1\n",
            "# HELP s of it\n# TYPE s summary\ns_sum 0\ns_count 1\n",
        ),
        (
            "{\"m\"} 1\n{m,a=\"b\",} 2\nm{\"c\"=\"d\"} 3\n",
            "# TYPE m untyped\nm 1\nm{a=\"b\"} 2\nm{c=\"d\"} 3\n",
        ),
    ] {
        assert_eq!(read(body.as_bytes(), Names::Legacy), Ok(page.to_owned()), "{body:?}");
    }
}

#[test]
fn counts_may_be_missing_and_may_be_weighted() {
    let body = "# TYPE s summary\ns{quantile=\"0.5\"} 1\n# TYPE h histogram\nh_sum 2\n# TYPE w histogram\nw_bucket{le=\"1\"} 2\nw_count 2.5\n";
    let families = parse(body.as_bytes(), Names::Legacy).unwrap();
    let value = |at: usize| families[at].metrics[0].value.clone();
    assert_eq!(value(0), Value::Summary(Summary { quantiles: vec![(0.5, 1.0)], ..Summary::default() }));
    assert_eq!(value(1), Value::Histogram(Histogram { sum: Some(2.0), ..Histogram::default() }));
    let weighted = Histogram {
        count: Some(Count::Float(2.5)),
        buckets: vec![(1.0, Count::Float(2.0))],
        ..Histogram::default()
    };
    assert_eq!(value(2), Value::Histogram(weighted));
    assert_eq!(
        families.iter().map(|family| family.kind).collect::<Vec<_>>(),
        [Kind::Summary, Kind::Histogram, Kind::Histogram]
    );
}

#[test]
fn names_in_quotes_are_any_text_where_that_is_allowed() {
    let body = "# HELP \"a.b\" x\n# TYPE \"a.b\" counter\n{\"a.b\"} 1\n{\"a.b\",\"c d\"=\"e\"} 2\n\"a\\\\\\\"\\nz\"{x=\"y\"} 3\n";
    let page = "# HELP \"a.b\" x\n# TYPE \"a.b\" counter\n{\"a.b\"} 1\n{\"a.b\",\"c d\"=\"e\"} 2\n# TYPE \"a\\\\\\\"\\nz\" untyped\n{\"a\\\\\\\"\\nz\",x=\"y\"} 3\n";
    assert_eq!(read(body.as_bytes(), Names::Utf8), Ok(page.to_owned()));
    let folded = "# TYPE \"s.s\" summary\n{\"s.s_sum\"} 2\n{\"s.s\",quantile=\"0.5\"} 1\n";
    let page = "# TYPE \"s.s\" summary\n{\"s.s\",quantile=\"0.5\"} 1\n{\"s.s_sum\"} 2\n{\"s.s_count\"} 0\n";
    assert_eq!(read(folded.as_bytes(), Names::Utf8), Ok(page.to_owned()));
    for (body, classic, utf8) in [
        ("{\"a.b\"} 1\n", r#"invalid metric name "a.b""#, ""),
        ("# TYPE \"a.b\" counter\n", r#"invalid metric name "a.b""#, ""),
        ("m{\"a.b\"=\"c\"} 1\n", r#"invalid label name "a.b""#, ""),
        ("{\"a\",\"b\"} 1\n", "", r#"multiple metric names for metric "a""#),
        ("{\"a\".b=\"c\"} 1\n", "", "unexpected end of metric name '.'"),
        ("{\"\"} 1\n", "", "invalid metric name"),
        ("# TYPE \"\" counter\n", "", r#"invalid metric name """#),
        ("m{\"\"=\"a\"} 1\n", "", r#"invalid label name for metric "m""#),
        ("{\"a\\xc5z\"} 1\n", "", r"invalid escape sequence '\x'"),
        ("{\"a\nb\"} 1\n", "", r#"metric name "a" contains unescaped new-line"#),
        ("m{\"a\nb\"=\"c\"} 1\n", "", r#"label name "a" contains unescaped new-line"#),
        ("{\"a\"", "", "unexpected end of input stream"),
        ("m{\"__a\"=\"c\"} 1\n", "", r#"label name "__a" is reserved"#),
        // Upstream reads `foobar`.
        ("foo\"bar\" 1\n", "", r#"expected float as value, got "\"bar\"""#),
    ] {
        let error = |names| parse(body.as_bytes(), names).map(|_| ()).map_err(|error| error.what);
        assert_eq!(
            error(Names::Legacy),
            Err(if classic.is_empty() { utf8 } else { classic }.to_owned()),
            "{body}"
        );
        let expected = if utf8.is_empty() { Ok(()) } else { Err(utf8.to_owned()) };
        assert_eq!(error(Names::Utf8), expected, "{body}");
    }
}

#[test]
fn many_labels_are_no_bomb_and_the_same_are_found_among_them() {
    let labels = |count: usize| (0..count).map(|at| format!("l{at}=\"v\",")).collect::<String>();
    let body = format!("m{{{}}} 1\n", labels(100_000));
    let families = parse(body.as_bytes(), Names::Legacy).unwrap();
    assert_eq!(families[0].metrics[0].labels.len(), 100_000);
    for count in [1, 31, 32, 33, 1000] {
        let last = count - 1;
        let body = format!("m{{{}l{last}=\"w\"}} 1\n", labels(count));
        let error = parse(body.as_bytes(), Names::Legacy).unwrap_err().what;
        assert_eq!(error, "duplicate label names for metric \"m\"", "{count}");
    }
}

#[test]
fn many_histograms_are_no_bomb() {
    let mut body = "# TYPE h histogram\n".to_owned();
    for round in 0..2 {
        for at in 0..20_000 {
            body.push_str(&format!("h_bucket{{le=\"{round}\",a=\"{at}\"}} {round}\n"));
        }
    }
    let families = parse(body.as_bytes(), Names::Legacy).unwrap();
    assert_eq!(families[0].metrics.len(), 20_000);
    let Value::Histogram(histogram) = &families[0].metrics[19_999].value else { panic!("a histogram") };
    assert_eq!(histogram.buckets, [(0.0, Count::Whole(0)), (1.0, Count::Whole(1))]);
}
