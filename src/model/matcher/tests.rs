//! The cases of upstream's own tables (matcher/parse/parse_test.go, pkg/labels/parse_test.go), written anew, and laws.

use super::MatchOp::{Equal, NotEqual, NotRegex, Regex};
use super::breadth::{Refusal, all_negative, check_silence, is_broad, matches_empty};
use super::*;
use proptest::prelude::*;

type Case = (&'static str, &'static [(&'static str, MatchOp, &'static str)]);

fn build(want: &[(&str, MatchOp, &str)]) -> Vec<Matcher> {
    want.iter().map(|(name, op, value)| Matcher::new(name, *op, value)).collect()
}

fn m(text: &str) -> Matcher {
    parse_matcher(text).unwrap().matcher
}

#[test]
fn utf8_grammar() {
    let cases: &[Case] = &[
        ("", &[]),
        ("{}", &[]),
        ("{foo=bar}", &[("foo", Equal, "bar")]),
        ("{foo=bar,}", &[("foo", Equal, "bar")]),
        ("{foo!=bar}", &[("foo", NotEqual, "bar")]),
        ("{foo=~[a-z]+}", &[("foo", Regex, "[a-z]+")]),
        ("{foo!~[a-z]+}", &[("foo", NotRegex, "[a-z]+")]),
        ("{foo=🙂bar}", &[("foo", Equal, "🙂bar")]),
        ("foo=bar", &[("foo", Equal, "bar")]),
        ("foo=bar,", &[("foo", Equal, "bar")]),
        ("foo!~[a-z]+", &[("foo", NotRegex, "[a-z]+")]),
        (r#"{"foo"="bar"}"#, &[("foo", Equal, "bar")]),
        (r#"{"foo"!="bar",}"#, &[("foo", NotEqual, "bar")]),
        (r#"{"foo"=~"\\d+"}"#, &[("foo", Regex, r"\d+")]),
        (r#"{"foo"="\xf0\x9f\x99\x82"}"#, &[("foo", Equal, "🙂")]),
        (r#"{"foo"="\U0001f642"}"#, &[("foo", Equal, "🙂")]),
        (r#"{"foo"="\u00e9\101"}"#, &[("foo", Equal, "éA")]),
        (r#"{"foo"="bar\n"}"#, &[("foo", Equal, "bar\n")]),
        (r#"{"foo"="bar\t"}"#, &[("foo", Equal, "bar\t")]),
        (r#"{"foo"="\"bar\""}"#, &[("foo", Equal, "\"bar\"")]),
        (r#"{"foo"="bar\\"}"#, &[("foo", Equal, "bar\\")]),
        ("{foo=bar,bar!=baz}", &[("foo", Equal, "bar"), ("bar", NotEqual, "baz")]),
        (r#" foo = "bar" , bar != "baz" "#, &[("foo", Equal, "bar"), ("bar", NotEqual, "baz")]),
        ("{name-with-dashes = \"bar\"}", &[("name-with-dashes", Equal, "bar")]),
    ];
    for (input, want) in cases {
        assert_eq!(utf8::list(input).as_deref(), Ok(&*build(want)), "{input}");
    }
}

#[test]
fn utf8_grammar_says_where_and_what() {
    for (input, want) in [
        (",", "0:1: unexpected ,: expected label name"),
        ("{,}", "1:2: unexpected ,: expected label name"),
        ("{", "1:1: end of input: expected close brace"),
        ("}", "0:1: }: expected opening brace"),
        ("foo=bar}", "7:8: }: expected opening brace"),
        ("{foo=bar", "8:8: end of input: expected close brace"),
        ("{foo=:\"bar\"}", "6:11: unexpected \"bar\": expected a comma or close brace"),
        ("{foo=\"bar\\w\"}", "5:12: \"bar\\w\": invalid input"),
        ("{\"foo\"=~\"\\d+\"}", "8:13: \"\\d+\": invalid input"),
        ("{foo=bar\\n}", "8:9: \\: invalid input: expected a comma or close brace"),
        ("{\"foo\"=\"\\xf0\\x9f\"}", "7:17: \"\\xf0\\x9f\": invalid input"),
        ("{foo=\"bar}", "5:10: \"bar}: missing end \": expected label value"),
        ("{foo=bar}x", "9:10: x: expected end of input"),
        ("foo!bar", "3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'"),
        ("foo=bar,,", "8:9: unexpected ,: expected a matcher or close brace after comma"),
        ("日本", "2:2: end of input: expected an operator such as '=', '!=', '=~' or '!~'"),
    ] {
        let problem = utf8::list(input).unwrap_err();
        let columns = |at: usize| input[..at].chars().count();
        let said = format!("{}:{}: {}", columns(problem.at.start), columns(problem.at.end), problem.message);
        assert_eq!(said, want, "{input}");
    }
    assert_eq!(utf8::matcher("{}").unwrap_err().message, "no matchers");
    assert_eq!(utf8::matcher("foo=bar,bar=baz").unwrap_err().message, "expected 1 matcher, found 2");
}

#[test]
fn classic_grammar() {
    let cases: &[Case] = &[
        ("{}", &[]),
        ("{foo='}", &[("foo", Equal, "'")]),
        ("{foo=`}", &[("foo", Equal, "`")]),
        ("{foo=\\\"}", &[("foo", Equal, "\"")]),
        ("{foo=bar}", &[("foo", Equal, "bar")]),
        ("{foo=~\"bar.*\"}", &[("foo", Regex, "bar.*")]),
        ("{foo!~bar.*}", &[("foo", NotRegex, "bar.*")]),
        (
            r#"{foo="bar",baz!~".*quux", d="w"}"#,
            &[("foo", Equal, "bar"), ("baz", NotRegex, ".*quux"), ("d", Equal, "w")],
        ),
        (r#"{foo=""}"#, &[("foo", Equal, "")]),
        (r#"{foo="bar,quux", job="job1"}"#, &[("foo", Equal, "bar,quux"), ("job", Equal, "job1")]),
        (r#"{foo = "bar", dings != "bums", }"#, &[("foo", Equal, "bar"), ("dings", NotEqual, "bums")]),
        (r#"{quote="She said: \"Hi, ladies!…\""}"#, &[("quote", Equal, "She said: \"Hi, ladies!…\"")]),
        ("tricky=~~~", &[("tricky", Regex, "~~")]),
        (r#"trickier==\\=\=\""#, &[("trickier", Equal, r#"=\=\=""#)]),
        (r#"q != "\"" , c !~ "foo,bar" , "#, &[("q", NotEqual, "\""), ("c", NotRegex, "foo,bar")]),
        ("{foo=bar}}", &[("foo", Equal, "bar}")]),
        ("{foo=bar}},}", &[("foo", Equal, "bar}}")]),
        ("{foo=,bar=}}", &[("foo", Equal, ""), ("bar", Equal, "}")]),
        (r"{foo=bar\t}", &[("foo", Equal, r"bar\t")]),
        (r"{foo=bar\n}", &[("foo", Equal, "bar\n")]),
        (r"{foo=bar\}", &[("foo", Equal, r"bar\")]),
        (r"{foo=bar\\}", &[("foo", Equal, r"bar\")]),
        (r#"{foo=bar\"}"#, &[("foo", Equal, "bar\"")]),
        ("job=", &[("job", Equal, "")]),
        ("{foo=", &[("foo", Equal, "")]),
        ("{foo=}b", &[("foo", Equal, "}b")]),
        ("a:b=c", &[("a:b", Equal, "c")]),
    ];
    for (input, want) in cases {
        assert_eq!(classic::list(input).as_deref(), Ok(&*build(want)), "{input}");
    }
    for input in [
        ",",
        "{,}",
        "{invalid-name = \"valid label\"}",
        "\"{foo=\\\"bar\"}",
        "\"foo=\\\"bar\"",
        "{{foo=",
        "1a=b",
    ] {
        assert_eq!(classic::list(input).unwrap_err().message, "bad matcher format", "{input}");
    }
    for (input, at) in [
        ("job=\"value", 4),
        ("job=value\"", 9),
        (r#"trickier==\\=\=\"""#, 17),
        ("contains = foo\"bar", 14),
        ("{a=b,c=\"d\"e}", 9),
    ] {
        let problem = classic::list(input).unwrap_err();
        assert_eq!(
            (problem.at.start, &*problem.message),
            (at, "matcher value contains unescaped double quote")
        );
    }
}

#[test]
fn the_classic_reading_wins_and_the_other_is_shown() {
    for (input, name, value, other, needs_utf8) in [
        ("foo=bar", "foo", "bar", None, false),
        ("foo=\"bar\"", "foo", "bar", None, false),
        (r#"foo="a\tb""#, "foo", r"a\tb", Some("a\tb"), false),
        ("foo=bar,", "foo", "bar,", Some("bar"), false),
        (r#"foo="\d""#, "foo", r"\d", None, false),
        ("foo=bar baz", "foo", "bar baz", None, false),
        ("名前=node", "名前", "node", None, true),
        ("\"foo\"=bar", "foo", "bar", None, true),
        ("\"a b\"=c", "a b", "c", None, true),
    ] {
        let parsed = parse_matcher(input).unwrap();
        assert_eq!((&*parsed.matcher.name, &*parsed.matcher.value), (name, value), "{input}");
        assert_eq!(parsed.other.as_ref().map(|m| &*m.value), other, "{input}");
        assert_eq!(parsed.needs_utf8, needs_utf8, "{input}");
    }
    let list = parse_matchers(r#"{a="b",c=~"d"}"#).unwrap();
    assert_eq!((list.matchers, list.other, list.needs_utf8), (vec![m("a=b"), m("c=~d")], None, false));
    assert_eq!(parse_matchers("{a=b}}").unwrap().matchers, [Matcher::new("a", Equal, "b}")]);
    assert!(parse_matchers("{a.b=c}").unwrap().needs_utf8);
}

#[test]
fn errors_point_at_the_fault() {
    for (input, want) in [
        ("q=~(\"", "4:5: matcher value contains unescaped double quote\nq=~(\"\n    ^"),
        ("a.b=\"c", "4:6: \"c: missing end \": expected label value\na.b=\"c\n    ^^"),
        ("{a=b}", "0:1: unexpected open or close brace\n{a=b}\n^"),
        ("日本", "2:2: end of input: expected an operator such as '=', '!=', '=~' or '!~'\n日本\n    ^"),
        ("\"\"=x", "0:2: empty label name\n\"\"=x\n^^"),
        ("", "0:0: no matchers\n\n^"),
    ] {
        let error = parse_matcher(input).unwrap_err();
        assert_eq!(format!("{error}\n{}", error.pointer()), want);
    }
}

#[test]
fn a_bare_first_word_is_an_alertname_and_a_broken_matcher_is_not() {
    let parsed = parse_arguments(&["NodeDown", "rack=r1"]).unwrap();
    assert_eq!(parsed.matchers, [m("alertname=NodeDown"), m("rack=r1")]);
    assert_eq!(parsed.notes, ["`NodeDown` is read as alertname=\"NodeDown\""]);
    for arguments in [&["q=~(\""][..], &["rack!r1"], &["{}"], &["@age<5m"], &[""], &["\"NodeDown\""]] {
        assert!(parse_arguments(arguments).is_err(), "{arguments:?}");
    }
    let error = parse_arguments(&["rack=r1", "NodeDown"]).unwrap_err();
    assert_eq!(error.hint, Some("only the first word can stand for alertname=\"...\""));
    let notes = |argument| parse_arguments(&[argument]).unwrap().notes;
    assert!(notes("foo=a,bar=b")[0].contains("is read as one matcher, foo=\"a,bar=b\""));
    assert!(notes(r#"foo="\t""#)[0].contains("UTF-8 grammar would read foo=\"\t\""));
    assert!(notes("foo=bar").is_empty());
}

#[test]
fn prints_as_alertmanager_does() {
    for (name, value, want) in [
        ("foo", "bar", r#"foo="bar""#),
        ("foo", "a\"b\\c\nd", r#"foo="a\"b\\c\nd""#),
        ("名前", "é", r#"名前="é""#),
        ("a b", "c\td\u{1}\u{a0}", r#""a b"="c\td\x01\u00a0""#),
    ] {
        assert_eq!(Matcher::new(name, Equal, value).to_string(), want);
    }
}

#[test]
fn absent_labels_are_empty_and_unknown_regexes_are_not_decided() {
    let labels = Labels::new([("a".into(), "x1".into())]);
    for (text, want) in [
        ("a=x1", Verdict::Yes),
        ("a=~x", Verdict::No),
        ("a=~x.", Verdict::Yes),
        ("a!~x.", Verdict::No),
        ("b=", Verdict::Yes),
        ("b!=", Verdict::No),
        ("b=~.*", Verdict::Yes),
        ("b!=y", Verdict::Yes),
        ("a=~(?!x)", Verdict::Unknown),
        ("a!~(?!x)", Verdict::Unknown),
    ] {
        assert_eq!(m(text).accepts(&labels), want, "{text}");
    }
    assert_eq!(m("a=~(?!x)").unsupported(), Some("invalid or unsupported Perl syntax after (?"));
}

#[test]
fn silences_are_refused_by_alertmanagers_rule() {
    for (texts, want) in [
        (&[][..], Err(Refusal::NoMatcher)),
        (&["a="], Err(Refusal::AllMatchEmpty)),
        (&["a=~.*", "b="], Err(Refusal::AllMatchEmpty)),
        (&["a=~x|"], Err(Refusal::AllMatchEmpty)),
        (&["a=~.*", "b=c"], Ok(())),
        (&["a!=b"], Ok(())),
        (&["a!~.*"], Ok(())),
        (&["a=~(?!x)"], Ok(())),
    ] {
        let matchers: Vec<Matcher> = texts.iter().map(|text| m(text)).collect();
        assert_eq!(check_silence(&matchers), want, "{texts:?}");
    }
    assert_eq!(matches_empty(&m("a=~(?!x)")), Verdict::Unknown);
    assert_eq!(check_silence(&[Matcher::new("", Equal, "x")]), Err(Refusal::EmptyName));
}

#[test]
fn broad_silences_are_recognised() {
    for (texts, negative, broad) in [
        (&["a!=b", "c!~d"][..], true, true),
        (&["a=~.+"], false, true),
        (&["a=~\".{3,}\""], false, true),
        (&["a=~[^x]+.*", "b!=c"], false, true),
        (&["a="], false, true),
        (&["a=~x|"], false, true),
        (&["a=~(?!x)"], false, true),
        (&["severity=critical"], false, true),
        (&["severity=critical", "rack=r1"], false, false),
        (&["instance=~node-.*"], false, false),
        (&["alertname=NodeDown"], false, false),
    ] {
        let matchers: Vec<Matcher> = texts.iter().map(|text| m(text)).collect();
        assert_eq!(
            (all_negative(&matchers), is_broad(&matchers, &["severity"])),
            (negative, broad),
            "{texts:?}"
        );
    }
}

fn any_op() -> impl Strategy<Value = MatchOp> {
    prop_oneof![Just(Equal), Just(NotEqual), Just(Regex), Just(NotRegex)]
}

proptest! {
    #[test]
    fn printed_matchers_parse_back(
        name in "[a-zA-Z_][a-zA-Z0-9_]{0,4}|[^\\x00]{1,4}",
        op in any_op(),
        value in "(\\PC|[\\\\\"{}=,n\\n\\t]){0,6}",
    ) {
        let matcher = Matcher::new(&name, op, &value);
        let parsed = parse_matcher(&matcher.to_string()).unwrap();
        prop_assert_eq!(&parsed.matcher, &matcher);
        prop_assert_eq!(parsed.other, None);
        let list = parse_matchers(&format!("{{{matcher},{matcher}}}")).unwrap();
        prop_assert_eq!(list.matchers, [matcher.clone(), matcher]);
        prop_assert_eq!(list.other, None);
    }

    #[test]
    fn parsing_never_panics_and_errors_can_be_shown(text in "[a-b={}!~,\"\\\\ \\nx0u日]{0,12}|.{0,12}") {
        let errors = [parse_matcher(&text).err(), parse_matchers(&text).err(), parse_arguments(&[&text]).err()];
        for error in errors.into_iter().flatten() {
            prop_assert!(error.pointer().ends_with('^'));
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}
