//! Request by request what the original answers, to us and to Debian's (1.5.1). Where the two differ on purpose the row says what
//! Debian's answers and why ours is another answer: this is the list of the differences that one request shows.

use super::gate_world::{GZIP, Gate, PROTOBUF, assert_same, delimited, groups, gzip};
use super::support::service::Answer;
use iaasmon::wire::exposition::protobuf::message::{LabelPair, Metric, MetricFamily, Number};

/// What is sent, and what comes back.
struct Row {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    answer: (u16, &'static str),
    /// What Debian's answers (0 where it is not asked), and why ours does not.
    differs: Option<(u16, &'static str, &'static str)>,
}

fn row(method: &'static str, path: &'static str, body: impl AsRef<[u8]>, answer: (u16, &'static str)) -> Row {
    Row { method, path, headers: &[], body: body.as_ref().to_vec(), answer, differs: None }
}

impl Row {
    fn with(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    fn theirs(self, code: u16, text: &'static str, why: &'static str) -> Self {
        Self { differs: Some((code, text, why)), ..self }
    }

    /// Asks, and tells where the answer is another one.
    fn check(&self, gate: &Gate, whose: &str, want: (u16, &str)) -> Option<String> {
        if want.0 == 0 {
            return None;
        }
        let answer = gate.ask_with(self.method, self.path, self.headers, &self.body);
        let got = (answer.code, comparable(&answer));
        let body = String::from_utf8_lossy(&self.body);
        let asked = format!("{whose}: {} {} {:?} {body:?}", self.method, self.path, self.headers);
        ((got.0, got.1.as_str()) != want).then(|| format!("{asked}\n   got {got:?}\n  want {want:?}"))
    }
}

/// The text of an answer without the dump of a message, which differs from version to version.
fn comparable(answer: &Answer) -> String {
    let text = answer.text();
    let text = text.trim_end_matches('\n');
    // Which of two types comes first is chance there.
    let text = text.find(" is not a ").map_or(text, |end| &text[..end + " is not a".len()]);
    let dump = text.find(" {").zip(text.rfind('}')).filter(|_| text.contains("collected metric"));
    dump.map_or_else(|| text.to_owned(), |(from, to)| format!("{}{}", &text[..from], &text[to + 1..]))
}

const INCONSISTENT: &str = "pushed metrics are invalid or inconsistent with existing metrics: ";

fn inconsistent(what: &str) -> &'static str {
    format!("{INCONSISTENT}{what}").leak()
}

/// Redirects of Go's router, which clients follow without the body.
const REDIRECT: &str = "a client would follow the redirect without its body, or as a GET";
/// `/metrics` is the skeleton's page.
const OUTSIDE: &str = "said without words outside of the paths of pushes";
const NO_TEXT: &str =
    "not asked: it is refused, but its group stays, and from then on there is no page and no push is taken";
const NO_GO: &str = "it is no program in Go";

fn paths() -> Vec<Row> {
    let m = "m 1\n";
    vec![
        row("POST", "/metrics/job/j", "m 3.14\n", (200, "")),
        row("POST", "/metrics", m, (405, "")).theirs(405, "Method Not Allowed", OUTSIDE),
        row("POST", "/metrics/job/", m, (400, "job name is required")).theirs(307, "", REDIRECT),
        row("POST", "/metrics/job", m, (400, "not the path of a push: \"/metrics/job\"")).theirs(
            404,
            "404 page not found",
            "it says what is wrong",
        ),
        row("POST", "/metrics/foo", m, (400, "not the path of a push: \"/metrics/job\"")).theirs(
            404,
            "404 page not found",
            "it says what is wrong",
        ),
        row("POST", "/metrics/job@base64/=", m, (400, "job name is required")),
        row("POST", "/metrics/job@base64/dGVzdC9qb2I", "mm 1\n", (200, "")),
        row("POST", "/metrics/job@base64/dGVzdC9qb2I=", "mm 1\n", (200, "")),
        row(
            "POST",
            "/metrics/job/j/a@base64/!!",
            m,
            (400, "invalid base64 encoding for label a=\"!!\": illegal base64 data at input byte 0"),
        ),
        row(
            "POST",
            "/metrics/job/j/a@base64/a+b",
            m,
            (400, "invalid base64 encoding for label a=\"a+b\": illegal base64 data at input byte 1"),
        ),
        row("POST", "/metrics/job/j/a", m, (400, "odd number of components in label string \"/a\"")),
        row("POST", "/metrics/job/j/", m, (200, "")),
        row("POST", "/metrics/job/j/a-b/c", m, (400, "improper label name \"a-b\"")),
        row("POST", "/metrics/job/j/a=b/c", m, (400, "improper label name \"a=b\"")),
        row("POST", "/metrics/job/j/__x/c", m, (400, "improper label name \"__x\"")),
        row("POST", "/metrics/job/j/job/k", "mj 1\n", (200, "")),
        row("POST", "/metrics/job/j/e@base64/=", "me 1\n", (200, "")),
        row("POST", "/metrics/job/j/e@base64/", "me 1\n", (200, "")),
        row(
            "POST",
            "/metrics/job/j/p//var",
            m,
            (400, "empty component in label string \"/p//var\": an empty value is written as name@base64/="),
        )
        .theirs(301, "", REDIRECT),
        row(
            "POST",
            "/metrics/job/j/p/../q",
            m,
            (400, "component \"..\" in label string \"/p/../q\": write it as name@base64/Li4"),
        )
        .theirs(301, "", REDIRECT),
        row("POST", "/metrics/job/j/p/a%2Fb", "mp 1\n", (200, "")).theirs(
            400,
            "odd number of components in label string \"/p/a/b\"",
            "the path is cut before it is decoded: an encoded slash belongs to the value",
        ),
        row("POST", "/metrics/job/titan/name/%CE%A0%CF%81%CE%BF", "mu 1\n", (200, "")),
        row("POST", "/metrics/job/j/p/a+b", "mplus 1\n", (200, "")),
        row("POST", "/metrics/job/j/p/a%zz", m, (400, "invalid URL escape \"%zz\"")).theirs(
            400,
            "400 Bad Request",
            "Go's server refuses it before the pushgateway sees it",
        ),
        row("POST", "/metrics/job/%ff", m, (400, "job name \"\\xff\" is not valid UTF-8"))
            .theirs(0, "", NO_TEXT),
        row("POST", "/metrics/job/j/l@base64/_w", m, (400, "value \"\\xff\" of label l is not valid UTF-8"))
            .theirs(0, "", NO_TEXT),
        row(
            "POST",
            "/metrics/job@base64/!!",
            m,
            (400, "invalid base64 encoding in job name \"\": illegal base64 data at input byte 0"),
        ),
        row("POST", "/metrics/job@base64/dGVzdC9qb2I", "mm 1\n", (200, "")).theirs(
            0,
            "",
            "not asked: after a job that is no Base64 no other one in Base64 is answered",
        ),
        row("GET", "/metrics/job/j", "", (405, "Method Not Allowed")),
        row("PATCH", "/metrics/job/j", m, (405, "Method Not Allowed")),
        row("DELETE", "/metrics/job/j", "", (202, "")),
        row("DELETE", "/metrics/job/nope", "", (202, "")),
        row("DELETE", "/metrics/job/j/a", "", (400, "odd number of components in label string \"/a\"")),
        row("DELETE", "/metrics/job@base64/dGVzdC9qb2I/instance@base64/dGVzdA", "", (202, "")),
    ]
}

fn bodies() -> Vec<Row> {
    let post = |body: &str, answer| row("POST", "/metrics/job/j", body, answer);
    let refused = |body: &str, text| post(body, (400, text));
    let gzipped = |body: &[u8], answer| row("POST", "/metrics/job/gz", body, answer).with(&[GZIP]);
    let whole = gzip(b"mg 1\n");
    vec![
        post("m 3.14\n", (200, "")),
        refused("m 3.14", "text format parsing error in line 1: unexpected end of input stream"),
        refused(
            "m 3.14\r\n",
            "text format parsing error in line 1: expected float as value, got \"3.14\\r\"",
        ),
        refused("m{__x=\"1\"} 1\n", "text format parsing error in line 1: label name \"__x\" is reserved")
            .theirs(
                400,
                inconsistent("collected metric \"m\" has a label with an invalid name: __x"),
                "the body is wrong, whatever else there is: its group gets no stamp",
            ),
        refused("blablabla\n", "text format parsing error in line 1: expected float as value, got \"\""),
        refused("a-b 1\n", "text format parsing error in line 1: expected float as value, got \"-b\""),
        refused("a foo\n", "text format parsing error in line 1: expected float as value, got \"foo\""),
        refused("m 1 1600000000000\n", inconsistent("pushed metrics must not have timestamps")),
        row(
            "POST",
            "/metrics/job/j2",
            "# TYPE m counter\nm 1\n",
            (400, inconsistent("collected metric \"m\" is not a")),
        ),
        refused(
            "a 1\na 2\n",
            inconsistent("collected metric \"a\" was collected before with the same name and label values"),
        ),
        refused(
            "a{job=\"x\"} 1\na{job=\"y\"} 2\n",
            inconsistent("collected metric \"a\" was collected before with the same name and label values"),
        ),
        refused(
            "# TYPE a counter\n# TYPE a gauge\na 1\n",
            "text format parsing error in line 2: second TYPE line for metric name \"a\", or TYPE reported after samples",
        ),
        refused(
            "a 1\n# TYPE a gauge\n",
            "text format parsing error in line 2: second TYPE line for metric name \"a\", or TYPE reported after samples",
        ),
        post("# HELP m other\nm 1\n", (200, "")),
        refused(
            "process_open_fds 1\n",
            inconsistent("gathered metric family process_open_fds has type UNTYPED but should have GAUGE"),
        ),
        post("# TYPE process_open_fds gauge\nprocess_open_fds 1\n", (200, "")),
        post("go_goroutines 1\n", (200, "")).theirs(
            400,
            inconsistent("gathered metric family go_goroutines has type UNTYPED but should have GAUGE"),
            NO_GO,
        ),
        row("DELETE", "/metrics/job/j", "", (202, "")),
        post("push_time_seconds 1\n", (200, "")),
        post("# TYPE push_time_seconds counter\npush_time_seconds 1\n", (200, "")),
        post("push_failure_time_seconds 7\n", (200, "")).theirs(
            400,
            inconsistent("collected metric \"push_failure_time_seconds\" is not a"),
            "passed over as push_time_seconds is",
        ),
        row("POST", "/metrics/job/j3", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n", (200, "")),
        post("om 1\n# EOF\n", (200, "")),
        refused(
            "# TYPE om counter\nom_total 1 # {trace_id=\"x\"} 1\n",
            "text format parsing error in line 2: expected integer as timestamp, got \"#\"",
        ),
        post("mjson 1\n", (200, "")).with(&[("Content-Type", "application/json")]),
        post("mform 1\n", (200, "")).with(&[("Content-Type", "application/x-www-form-urlencoded")]),
        post("", (200, "")),
        row("PUT", "/metrics/job/j", "", (200, "")),
        gzipped(&whole, (200, "")),
        row("POST", "/metrics/job/gz", &whole, (200, "")).with(&[("Content-Encoding", "GZIP")]).theirs(
            400,
            "text format parsing error in line 1: invalid metric name",
            "later versions take the word in any case",
        ),
        gzipped(b"notgzip\n", (400, "unexpected EOF")),
        gzipped(b"this is no gzip\n", (400, "gzip: invalid header")),
        gzipped(&whole[..whole.len() - 3], (400, "unexpected EOF")).theirs(
            200,
            "",
            "what was cut off is taken for all of it",
        ),
        post("mz 1\n", (200, "")).with(&[("Content-Encoding", "zstd")]),
        row("POST", "/metrics/job/pb", delimited(&[counter("pb_a", 1.0), counter("pb_b", 2.0)]), (200, ""))
            .with(&[PROTOBUF]),
        row("POST", "/metrics/job/pb", delimited(&[counter("pb_a", 1.0), counter("pb_a", 2.0)]), (200, ""))
            .with(&[PROTOBUF]),
        row("POST", "/metrics/job/pb", &delimited(&[counter("pb_a", 1.0)])[..5], (400, "unexpected EOF"))
            .with(&[PROTOBUF]),
        row(
            "POST",
            "/metrics/job/pb",
            delimited(&[counter("bad-name", 1.0)]),
            (400, "invalid metric name \"bad-name\""),
        )
        .with(&[PROTOBUF])
        .theirs(200, "", "no page can hold the name: with Debian's the next scrape fails"),
    ]
}

fn around() -> Vec<Row> {
    vec![
        row("GET", "/-/healthy", "", (200, "healthy")).theirs(200, "OK", "every service of iaasmon says so"),
        row("GET", "/-/ready", "", (200, "ready")).theirs(
            200,
            "OK",
            "every service of iaasmon says so, and what it does without",
        ),
        row("POST", "/-/quit", "", (403, "Lifecycle API is not enabled.")),
        row("PUT", "/-/quit", "", (403, "Lifecycle API is not enabled.")),
        row("GET", "/-/quit", "", (405, "Only POST or PUT requests allowed.")),
        row("GET", "/api/v1/nope", "", (404, "")).theirs(404, "404 page not found", OUTSIDE),
        row("POST", "/api/v1/admin/wipe", "", (405, "")).theirs(405, "Method Not Allowed", OUTSIDE),
        row("OPTIONS", "/api/v1/metrics", "", (200, "")),
        row("OPTIONS", "/api/v1/status", "", (200, "")),
        row("PUT", "/api/v1/admin/wipe", "", (202, "")),
        row("GET", "/api/v1/metrics", "", (200, "{\"status\":\"success\",\"data\":[]}")),
    ]
}

fn counter(name: &str, value: f64) -> MetricFamily {
    let label = LabelPair { name: Some("x".to_owned()), value: Some("\u{3a0}".to_owned()) };
    let metric =
        Metric { labels: vec![label], counter: Some(Number { value: Some(value) }), ..Metric::default() };
    MetricFamily { name: Some(name.to_owned()), help: None, kind: Some(0), metrics: vec![metric] }
}

#[test]
fn every_request_is_answered_as_the_original_answers_it() {
    let mut wrong = Vec::new();
    for rows in [paths(), bodies(), around()] {
        let ours = Gate::start(&["--web.enable-admin-api"]);
        let theirs = Gate::debian(&["--persistence.file=", "--web.enable-admin-api"]);
        for row in rows {
            let (code, text) = row.differs.map_or(row.answer, |(code, text, _)| (code, text));
            wrong.extend(row.check(&ours, "ours", row.answer));
            wrong.extend(row.check(&theirs, "Debian's", (code, text)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the original's own tests of its store do (storage/diskmetricstore_test.go), one request after the other.
const STORY: [(&str, &str, &str); 21] = [
    ("POST", "/metrics/job/j1/instance/i1", "m 1\n"),
    ("POST", "/metrics/job/j1/instance/i2", "m 2\nn 1\n"),
    (
        "POST",
        "/metrics/job/j3/instance/i1",
        "# HELP h Two\\nlines.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1000000\nh_bucket{le=\"+Inf\"} 2000000\nh_sum 1e7\nh_count 2000000\n",
    ),
    ("POST", "/metrics/job/j1/instance/i1", "m{x=\"1\"} 3\nm{x=\"2\"} 4\n"),
    ("POST", "/metrics/job/Bj%C3%B6rn/instance/inst%27a%22n%5Cce1", "# TYPE s summary\ns_sum 0\ns_count 0\n"),
    (
        "POST",
        "/metrics/job/j4",
        "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns{quantile=\"0.99\"} 1e21\ns_sum -Inf\ns_count 3000000\n",
    ),
    // A push that is refused makes the group, with the stamp of its failure.
    ("POST", "/metrics/job/t", "m 1 1600000000000\n"),
    ("POST", "/metrics/job/t", "# TYPE process_open_fds counter\nprocess_open_fds 1\n"),
    // One that is taken keeps that stamp.
    ("POST", "/metrics/job/t", "k 1\n"),
    // Another group, the same series: that cannot be, whatever the labels were that were pushed.
    ("POST", "/metrics/job/t/instance/a", "k{job=\"z\",instance=\"y\"} 1\n"),
    ("POST", "/metrics/job/t/instance/a", "k 1\n"),
    ("PUT", "/metrics/job/t", "l 1\n"),
    ("PUT", "/metrics/job/t", "l 1\nl 2\n"),
    ("PUT", "/metrics/job/t", ""),
    ("POST", "/metrics/job/t", ""),
    ("POST", "/metrics/job/u", ""),
    // It has no more than what it names: not the group with an instance.
    ("DELETE", "/metrics/job/j1", ""),
    ("DELETE", "/metrics/job/j1/instance/i2", ""),
    ("POST", "/metrics/job/w", "v{instance=\"own\"} 1\nv{instance=\"other\"} 2\n"),
    ("POST", "/metrics/job/w", "# TYPE v_sum untyped\nv_sum 1\n# TYPE v2 summary\nv2_sum 1\nv2_count 1\n"),
    ("POST", "/metrics/job/x", "# TYPE v2_count gauge\nv2_count 1\n"),
];

#[test]
fn groups_become_what_they_become_in_the_original() {
    let (ours, theirs) = (Gate::start(&[]), Gate::debian(&["--persistence.file="]));
    for (method, path, body) in STORY {
        let [own, other] = [&ours, &theirs].map(|gate| gate.ask(method, path, body).code);
        assert_eq!(own, other, "{method} {path} {body}");
        assert_same(&ours, &theirs, &format!("{method} {path} {body}"));
    }
}

#[test]
fn a_group_that_says_of_itself_what_another_says_is_refused() {
    // With Debian's the second one is refused and there all the same, and from then on there is no page.
    let gate = Gate::start(&[]);
    gate.push("/metrics/job/v/instance@base64/=", "v 1\n");
    let answer = gate.ask("POST", "/metrics/job/v", "other 1\n");
    let same = "collected metric \"push_time_seconds\" { label:<name:\"instance\" value:\"\" > label:<name:\"job\" value:\"v\" > } was collected before with the same name and label values; the other one is of group instance=\"\",job=\"v\"";
    assert_eq!((answer.code, answer.text()), (400, format!("{}\n", inconsistent(same))));
    assert_eq!(groups(&gate).len(), 1);
    assert_eq!(gate.ask("DELETE", "/metrics/job/v/instance@base64/=", "").code, 202);
    gate.push("/metrics/job/v", "other 1\n");
    let lines = [
        "other{instance=\"\",job=\"v\"} 1",
        "push_failure_time_seconds{instance=\"\",job=\"v\"} never",
        "push_time_seconds{instance=\"\",job=\"v\"} once",
    ];
    assert_eq!(gate.pushed(), lines);
}

#[test]
fn what_a_process_tells_of_itself_stands_beside_what_the_gateway_tells() {
    let gate = Gate::start(&[]);
    gate.push(
        "/metrics/job/app",
        "# HELP process_open_fds Files.\n# TYPE process_open_fds gauge\nprocess_open_fds 7\n",
    );
    let page = gate.page();
    let at =
        page.find("# TYPE process_open_fds gauge\nprocess_open_fds ").unwrap_or_else(|| panic!("{page}"));
    let lines: Vec<&str> = page[at..].lines().take(4).collect();
    assert_eq!(lines[2], "process_open_fds{instance=\"\",job=\"app\"} 7");
    assert!(lines[3].starts_with("# HELP"), "{lines:?}");
    assert_eq!(page.matches("# TYPE process_open_fds ").count(), 1);
}
