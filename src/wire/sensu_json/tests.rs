use super::{Object, Value, set};
use proptest::prelude::*;

fn rewritten(text: &str) -> String {
    let value = Value::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    String::from_utf8(value.to_bytes()).expect("these are UTF-8")
}

#[test]
fn numbers_are_printed_as_oj_prints_them() {
    for (read, written) in [
        ("10.50", "10.5"),
        ("1e3", "1000.0"),
        ("0.000001", "1e-06"),
        ("1.5e20", "1.5e+20"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-123456789012345678901234567890", "-123456789012345678901234567890"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("0.75", "0.75"),
        ("2.014", "2.014"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000.0"),
        ("123456.7890123456789", "123456.789012346"),
        ("0.0001", "0.0001"),
        ("0.00001234", "1.234e-05"),
        ("9223372036854775807", "9223372036854775807"),
        ("007", "7"),
        ("1e300", "1e+300"),
    ] {
        assert_eq!(rewritten(read), written, "{read}");
    }
}

#[test]
fn strings_keep_every_byte() {
    let all: Vec<u8> = (0..=255).collect();
    let written = Value::text(&all).to_bytes();
    assert!(
        written.starts_with(br#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e"#)
    );
    assert!(written.windows(4).any(|four| four == b"~\x7f\x80\x81"), "nothing above 0x1f is escaped");
    assert_eq!(Value::parse(&written).expect("our own"), Value::text(&all));
    assert_eq!(rewritten(r#""\/ < > & \u2028 \ud83d\ude00 é""#), "\"/ < > & \u{2028} 😀 é\"");
}

#[test]
fn half_a_surrogate_pair_is_kept() {
    let value = Value::parse(br#""\ud83dx""#).expect("oj takes it");
    assert_eq!(value.as_bytes(), Some(&b"\xed\xa0\xbdx"[..]));
}

#[test]
fn comments_a_byte_order_mark_and_equal_keys_are_read() {
    let text = "\u{feff} /* a */ {\"a\": 1, // b\n \"b\": 2, \"a\": {\"c\": []}}";
    assert_eq!(rewritten(text), r#"{"a":{"c":[]},"b":2}"#);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("", "a value is missing at the end at line 1, column 1"),
        ("{\"a\": 1,}", "a key in double quotes is expected at line 1, column 9"),
        ("[1,\n 2 3]", "a comma or ] is expected at line 2, column 4"),
        ("{\"a\" 1}", "a colon is expected at line 1, column 6"),
        ("\"abc", "a string is not closed at line 1, column 2"),
        ("\"\\x\"", "an unknown escape at line 1, column 2"),
        ("{} x", "something stands behind the end at line 1, column 4"),
        ("nul", "a value is expected at line 1, column 1"),
        ("1e999", "a number is too large at line 1, column 6"),
        ("/* open", "a comment is not closed at line 1, column 1"),
        ("-", "a digit is expected at line 1, column 2"),
    ] {
        let error = Value::parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), told, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Value::parse(deep.as_bytes()).expect_err("deep").problem, "nested too deeply");
}

#[test]
fn indented_as_the_original_prints_its_settings() {
    let value = Value::parse(br#"{"a":{"b":[1,{"c":null}],"d":{},"e":[]}}"#).expect("valid");
    let mut out = Vec::new();
    value.write_indented(&mut out);
    let lines = [
        "{",
        "  \"a\":{",
        "    \"b\":[",
        "      1,",
        "      {",
        "        \"c\":null",
        "      }",
        "    ],",
        "    \"d\":{},",
        "    \"e\":[]",
        "  }",
        "}",
    ];
    assert_eq!(String::from_utf8(out).expect("ascii"), lines.join("\n"));
}

#[test]
fn a_field_that_is_set_again_keeps_its_place() {
    let mut object = Object::new();
    set(&mut object, "a", 1);
    set(&mut object, "b", "x");
    set(&mut object, "a", true);
    assert_eq!(Value::from(object).to_bytes(), br#"{"a":true,"b":"x"}"#);
}

/// What oj's fifteen digits leave of a number.
fn in_fifteen_digits(n: f64) -> f64 {
    let read = Value::parse(&Value::Float(n).to_bytes()).expect("our own");
    read.as_f64().expect("a number")
}

/// oj's digits are lossy, and what is left may be whole and so be written otherwise: once is enough for that.
#[test]
fn a_number_of_more_than_fifteen_digits_is_rounded_once() {
    assert_eq!(rewritten("1894946572895303.3"), "1.8949465728953e+15");
    assert_eq!(rewritten("1.8949465728953e+15"), "1894946572895300.0");
    assert_eq!(rewritten("1894946572895300.0"), "1894946572895300.0");
}

/// Any value that the reader can return and that fifteen digits can hold.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let float = any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(in_fifteen_digits);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        float.prop_map(Value::Float),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::text),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..6), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.into(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_back_and_written_the_same(value in any_value()) {
        let written = value.to_bytes();
        let read = Value::parse(&written).expect("our own");
        prop_assert_eq!(read.to_bytes(), written.clone());
        let mut indented = Vec::new();
        read.write_indented(&mut indented);
        prop_assert_eq!(Value::parse(&indented).expect("our own").to_bytes(), written);
    }

    #[test]
    fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Value::parse(&text);
    }

    #[test]
    fn arbitrary_json_like_text_never_panics(text in "[\\[\\]{}:,\"\\\\u0-9a-f./* \n-]{0,80}") {
        if let Ok(value) = Value::parse(text.as_bytes()) {
            prop_assert_eq!(Value::parse(&value.to_bytes()).expect("our own").to_bytes(), value.to_bytes());
        }
    }

    #[test]
    fn fifteen_digits_survive(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let mut out = Vec::new();
        super::write_float(n, &mut out);
        let text = std::str::from_utf8(&out).expect("ascii");
        let back: f64 = text.parse().expect("a number");
        prop_assert!((back - n).abs() <= n.abs() * 1e-14, "{n} {text}");
        prop_assert!(!text.ends_with('.') && text != "-0.0", "{}", text);
    }
}
