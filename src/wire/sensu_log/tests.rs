use super::{Line, RESULT, SCHEDULED, read, write_line};
use crate::wire::sensu_json::tests::any_value;
use crate::wire::sensu_json::{Object, Value, set};
use chrono::{Local, TimeZone};
use proptest::prelude::*;

/// A real line, as facts of the original's log have it.
const REAL: &[u8] = br#"{"timestamp":"2026-11-23T06:40:25.675998+0000","level":"info","message":"publishing check result","payload":{"client":"golden-01","check":{"command":"exit 255","interval":10,"standalone":true,"name":"exit_255","issued":1795416025,"executed":1795416025,"duration":0.054,"output":"","status":255}}}"#;

#[test]
fn a_real_result_is_read() {
    let Line::Result(result) = read(REAL) else { panic!("{:?}", read(REAL)) };
    assert_eq!(result.timestamp.to_text(), "2026-11-23T06:40:25.675998+0000");
    assert_eq!((result.client.to_text(), result.check.to_text()), ("golden-01".into(), "exit_255".into()));
    assert_eq!(
        (result.status, result.executed, result.duration),
        (Some(255), Some(1_795_416_025), Some(0.054))
    );
    assert!(result.source.is_none() && result.output.is_empty());
    let (start, end) = result.output_at;
    assert_eq!(&result.fields[start..end], b"\"\"");
    let fields = Value::parse(result.fields).expect("an object");
    assert_eq!(fields.as_object().expect("an object").len(), 9);
}

#[test]
fn the_whole_golden_log_is_read() {
    let log = std::fs::read("fixtures/golden/sensu-client.log").expect("the fixture");
    let (mut results, mut other) = (0, 0);
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match read(line) {
            Line::Result(result) => {
                results += 1;
                let fields = Value::parse(result.fields).expect("an object");
                assert_eq!(fields.to_bytes(), result.fields, "written as the original wrote it");
                let output =
                    fields.as_object().and_then(|fields| fields.get(&b"output"[..])).expect("output");
                assert_eq!(output.as_bytes(), Some(&*result.output.bytes()));
            }
            Line::Other => other += 1,
            line => panic!("{line:?}"),
        }
    }
    assert_eq!((results, other), (1124, 278));
}

#[test]
fn torn_and_foreign_lines_are_no_json() {
    for cut in 1..REAL.len() {
        assert_eq!(read(&REAL[..cut]), Line::NotJson, "cut at {cut}");
    }
    for cut in [1, 60, 150, 200, REAL.len() - 1] {
        let torn = [&REAL[..cut], REAL].concat();
        assert_eq!(read(&torn), Line::NotJson, "torn at {cut}");
    }
    let foreign =
        ["", "x", "[1]", "null", "/usr/lib/ruby/x.rb:1:in `f': bad (RuntimeError)", "{\"a\":1} x", "{]"];
    for line in foreign {
        assert_eq!(read(line.as_bytes()), Line::NotJson, "{line}");
    }
    assert_eq!(read(b"{}"), Line::Other);
    assert_eq!(
        read(br#"{"message":"publishing check result","payload":{"client":"a","check":{"output":"x"}}}"#),
        Line::Other
    );
    assert_eq!(read(br#"{"message":"publishing check result","payload":5}"#), Line::Other);
}

#[test]
fn a_line_is_written_as_the_original_writes_it() {
    let now = Local.timestamp_opt(1_795_416_025, 675_998_000).single().expect("a time");
    let fields = Value::parse(br#"{"client":"golden-01","check":{"output":"a\n"}}"#).expect("valid");
    let mut out = Vec::new();
    write_line(&mut out, &now, "info", RESULT, &[("payload", &fields)]);
    let offset = now.format("%z").to_string();
    let wall = now.format("%Y-%m-%dT%H:%M:%S").to_string();
    assert_eq!(
        String::from_utf8(out).expect("ascii"),
        format!(
            "{{\"timestamp\":\"{wall}.675998{offset}\",\"level\":\"info\",\"message\":\"publishing check result\",\
             \"payload\":{{\"client\":\"golden-01\",\"check\":{{\"output\":\"a\\n\"}}}}}}\n"
        )
    );
}

#[test]
fn the_names_of_scheduled_checks_are_read_back() {
    let names = Value::Array(vec![Value::from("disk"), Value::text(b"a\"b")]);
    let mut out = Vec::new();
    write_line(&mut out, &Local.timestamp_nanos(0), "info", SCHEDULED, &[("checks", &names)]);
    let Line::Scheduled(read) = read(out.trim_ascii_end()) else { panic!("not a list") };
    assert_eq!(read.iter().map(|name| name.to_text()).collect::<Vec<_>>(), ["disk", "a\"b"]);
}

proptest! {
    /// Whatever stands in the fields, the scan finds what a whole parse finds.
    #[test]
    fn the_scan_agrees_with_the_parser(
        extra in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..6), any_value()), 0..5),
        name in "[a-z]{1,6}",
        output in proptest::collection::vec(any::<u8>(), 0..60),
        status in any::<i64>(),
    ) {
        let mut check = Object::new();
        for (key, value) in extra {
            check.insert(key.into(), value);
        }
        set(&mut check, "name", name.as_str());
        set(&mut check, "output", Value::text(&output));
        set(&mut check, "status", status);
        let mut payload = Object::new();
        set(&mut payload, "client", "c");
        set(&mut payload, "check", check);
        let mut line = Vec::new();
        write_line(&mut line, &Local.timestamp_nanos(0), "info", RESULT, &[("payload", &payload.into())]);
        let Line::Result(result) = read(line.trim_ascii_end()) else { panic!("{}", String::from_utf8_lossy(&line)) };
        prop_assert_eq!(result.check.to_text(), name);
        prop_assert_eq!(&*result.output.bytes(), &output[..]);
        prop_assert_eq!(result.status, Some(status));
    }

    #[test]
    fn arbitrary_bytes_never_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&line);
    }

    #[test]
    fn arbitrary_json_like_text_never_panics(inside in "[\\[\\]{}:,\"\\\\a-f0-9.-]{0,60}") {
        let line = format!("{{\"message\":\"publishing check result\",\"payload\":{{\"client\":\"a\",\"check\":{{\"name\":\"x\",{inside}}}}}}}");
        if let Line::Result(result) = read(line.as_bytes()) {
            let _ = (result.output.to_text(), result.check.bytes());
        }
    }
}
