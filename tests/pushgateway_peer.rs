//! What is pushed is judged and shown as a real Pushgateway does it: one body or path after the other goes to both.

mod support;

#[path = "pushgateway_peer/pushes.rs"]
mod pushes;

use iaasmon::model::family::Family;
use iaasmon::model::group::GroupKey;
use iaasmon::model::names::Names;
use iaasmon::wire::exposition::protobuf::message;
use iaasmon::wire::exposition::{parse, protobuf, write};
use iaasmon::wire::push_path::{self, PREFIX};
use prost::Message as _;
use std::collections::BTreeSet;
use support::pushgateway::Pushgateway;

const TEXT: &str = "text/plain";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The lines of a page that are about names with a beginning, in no order.
fn lines(page: &str, beginning: &str) -> BTreeSet<String> {
    let is_about = |line: &str| {
        let line = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        line.starts_with(beginning)
    };
    // A character that ends a line for others stands in some.
    page.split('\n').filter(|line| is_about(line)).map(str::to_owned).collect()
}

/// The page of pushed families in their group.
fn page<'a>(mut families: Vec<Family<'a>>, group: &'a GroupKey) -> String {
    let mut out = String::new();
    for family in &mut families {
        family.place_in(group);
        write::head(&family.name, family.help.as_deref(), family.kind, &mut out);
        write::samples(family, &mut out);
    }
    out
}

#[test]
fn bodies_are_judged_in_the_same_words() {
    // Without the check it says what the parser alone says.
    let gateway = Pushgateway::start(&["--push.disable-consistency-check"]);
    let (mut taken, mut refused) = (0, 0);
    for body in pushes::bodies() {
        let ours = parse::parse(&body, Names::Legacy).map_err(|error| format!("{error}\n"));
        let theirs = gateway.ask("PUT", "/metrics/job/j", TEXT, &body);
        let shown = String::from_utf8_lossy(&body);
        match ours {
            // It goes on with another number, or with what is no text.
            Err(error) if [": negative ", ": invalid help text "].iter().any(|what| error.contains(what)) => {
                continue;
            }
            Ok(_) => assert_eq!(theirs.code, 202, "{shown:?}: {}", theirs.text()),
            Err(error) => assert_eq!((theirs.code, theirs.text()), (400, error), "{shown:?}"),
        }
        if theirs.code == 202 { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 50 && refused > 100, "{taken} taken, {refused} refused");
}

#[test]
fn what_is_taken_is_shown_alike() {
    let gateway = Pushgateway::start(&[]);
    for (at, (labels, body)) in pushes::groups().into_iter().enumerate() {
        let beginning = format!("p{at}_");
        let body = body.replace("NAME", &beginning);
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let group = GroupKey::new(&format!("job /{at}"), pairs);
        let path = format!("{PREFIX}{}", push_path::write(&group, Names::Legacy));
        let answer = gateway.ask("PUT", &path, TEXT, body.as_bytes());
        assert_eq!(answer.code, 200, "{path} {body:?}: {}", answer.text());
        let theirs = gateway.place.get("/metrics").expect("a page").text();
        let families = parse::parse(body.as_bytes(), Names::Legacy).expect("families");
        assert_eq!(lines(&page(families, &group), &beginning), lines(&theirs, &beginning), "{path} {body}");
        assert_eq!(gateway.ask("DELETE", &path, TEXT, b"").code, 202);
    }
}

#[test]
fn paths_name_the_same_groups() {
    let gateway = Pushgateway::start(&[]);
    let (mut taken, mut refused) = (0, 0);
    for (at, rest) in pushes::paths().into_iter().enumerate() {
        let (path, beginning) = (format!("{PREFIX}{rest}"), format!("p{at}_m"));
        let body = format!("{beginning} 1\n");
        let theirs = gateway.ask("PUT", &path, TEXT, body.as_bytes());
        match push_path::parse(&rest, Names::Legacy) {
            Ok(group) => {
                assert_eq!(theirs.code, 200, "{path}: {}", theirs.text());
                let families = parse::parse(body.as_bytes(), Names::Legacy).expect("families");
                let theirs = gateway.place.get("/metrics").expect("a page").text();
                assert_eq!(lines(&page(families, &group), &beginning), lines(&theirs, &beginning), "{path}");
                assert_eq!(gateway.ask("DELETE", &path, TEXT, b"").code, 202);
                taken += 1;
            }
            // What it sends elsewhere, or says of every request that is no request.
            Err(error) if matches!(theirs.code, 301 | 307 | 404) || theirs.text() == "400 Bad Request" => {
                assert_ne!(error.to_string(), "", "{path}");
            }
            Err(error) => {
                assert_eq!((theirs.code, theirs.text()), (400, format!("{error}\n")), "{path}");
                refused += 1;
            }
        }
    }
    assert!(taken > 50 && refused > 50, "{taken} taken, {refused} refused");
    // The last of it: having said this, Debian's version never answers such a request again.
    for (method, rest) in [("PUT", "@base64/YWJj!!"), ("POST", "@base64/YWJjZGVmZ2hpag!/odd")] {
        let error = push_path::parse(rest, Names::Legacy).expect_err("no Base64").to_string();
        let theirs = gateway.ask(method, &format!("{PREFIX}{rest}"), TEXT, b"m 1\n");
        assert_eq!((theirs.code, theirs.text()), (400, format!("{error}\n")), "{rest}");
    }
}

#[test]
fn protobuf_is_read_alike() {
    let gateway = Pushgateway::start(&[]);
    let families = pushes::messages();
    let body: Vec<u8> =
        families.iter().flat_map(message::MetricFamily::encode_length_delimited_to_vec).collect();
    assert!(protobuf::is_announced(PROTOBUF));
    let push = |body: &[u8]| gateway.ask("PUT", "/metrics/job/j/instance/i", PROTOBUF, body);
    assert_eq!(push(&body).code, 200);
    let group = GroupKey::new("j", [("instance", "i")]);
    let ours = page(protobuf::parse(&body, Names::Legacy).expect("families"), &group);
    let theirs = gateway.place.get("/metrics").expect("a page").text();
    assert_eq!(lines(&ours, "pb_"), lines(&theirs, "pb_"));
    // Two with one name, and one that ends early; where Debian's version finds nothing but a length, it finds an end.
    let twice = [&body[..], &body[..]].concat();
    for body in [
        &twice[..],
        &body[..body.len() - 1],
        &body[..20],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x02\x0a\x7f",
    ] {
        let (ours, theirs) = (protobuf::parse(body, Names::Legacy), push(body));
        assert_eq!(ours.is_ok(), theirs.code == 200, "{ours:?} {}", theirs.text());
        if ours == Err(protobuf::Undecodable::Truncated) {
            assert_eq!(theirs.text(), "unexpected EOF\n");
        }
    }
    // The same bytes are no text.
    assert_eq!(gateway.ask("PUT", "/metrics/job/j", TEXT, &body).code, 400);
}
