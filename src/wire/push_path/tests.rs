use super::{BadPath, PREFIX, parse, write, write_check};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::names::Names;
use proptest::prelude::*;

fn read(rest: &str) -> Result<String, String> {
    parse(rest, Names::Legacy).map(|group| format!("{group:?}")).map_err(|error| error.to_string())
}

#[test]
fn paths_name_groups_as_upstream_reads_them() {
    for (rest, group) in [
        ("/j", r#"{"job": "j"}"#),
        ("/j/", r#"{"job": "j"}"#),
        ("/j/a/b/c/d", r#"{"a": "b", "c": "d", "job": "j"}"#),
        ("/j/job/k", r#"{"job": "j"}"#),
        ("/j/a/b/a/c", r#"{"a": "c", "job": "j"}"#),
        ("/j/a/", r#"{"a": "", "job": "j"}"#),
        ("/j/a/b;c+d", r#"{"a": "b;c+d", "job": "j"}"#),
        ("/t%20%CE%A0/name/%CE%A0", r#"{"job": "t Π", "name": "Π"}"#),
        ("/j/a/%00", r#"{"a": "\0", "job": "j"}"#),
        ("@base64/dGVzdC9qb2I=", r#"{"job": "test/job"}"#),
        (
            "@base64/dGVzdC9qb2I/instance@base64/dGVzdGluc3RhbmNl",
            r#"{"instance": "testinstance", "job": "test/job"}"#,
        ),
        ("%40base64/am8/a%40base64/am8%3D", r#"{"a": "jo", "job": "jo"}"#),
        ("/j/a@base64/", r#"{"a": "", "job": "j"}"#),
        ("/j/a@base64/=", r#"{"a": "", "job": "j"}"#),
        ("/j/a@base64/===", r#"{"a": "", "job": "j"}"#),
        ("/j/a@base64/Li4/b@base64/AB", r#"{"a": "..", "b": "\0", "job": "j"}"#),
        ("/j/U__label_2e_name2/v", r#"{"U__label_2e_name2": "v", "job": "j"}"#),
        // Upstream finds a component more.
        ("/j%2Fk/p/a%2Fb", r#"{"job": "j/k", "p": "a/b"}"#),
    ] {
        assert_eq!(read(rest), Ok(group.to_owned()), "{rest}");
    }
}

#[test]
fn other_paths_are_refused_in_upstreams_words() {
    for (rest, error) in [
        ("/", "job name is required"),
        ("@base64/=", "job name is required"),
        ("@base64/", "job name is required"),
        ("//a/b", "job name is required"),
        ("@base64/=/a", r#"odd number of components in label string "/a""#),
        ("@base64/!!", r#"invalid base64 encoding in job name "": illegal base64 data at input byte 0"#),
        (
            "@base64/YWJj!!",
            r#"invalid base64 encoding in job name "abc": illegal base64 data at input byte 4"#,
        ),
        (
            "/j/a@base64/!!",
            r#"invalid base64 encoding for label a="!!": illegal base64 data at input byte 0"#,
        ),
        (
            "/j/a@base64/a+b",
            r#"invalid base64 encoding for label a="a+b": illegal base64 data at input byte 1"#,
        ),
        ("/j/a@base64/A", r#"invalid base64 encoding for label a="A": illegal base64 data at input byte 0"#),
        (
            "/j/a@base64/b=c",
            r#"invalid base64 encoding for label a="b=c": illegal base64 data at input byte 1"#,
        ),
        ("/j/a", r#"odd number of components in label string "/a""#),
        ("/j/a/b/", r#"odd number of components in label string "/a/b/""#),
        ("/j/a/b/c%20d", r#"odd number of components in label string "/a/b/c d""#),
        ("/j/a-b/c", r#"improper label name "a-b""#),
        ("/j/a=b/c", r#"improper label name "a=b""#),
        ("/j/__x/c", r#"improper label name "__x""#),
        ("/j/__name__/c", r#"improper label name "__name__""#),
        ("/j/%CE%A0/c", r#"improper label name "Π""#),
        ("/j/%FF/c", r#"improper label name "\xff""#),
        ("/j/@base64/c", r#"improper label name """#),
        ("/j/a@base64@base64/c", r#"improper label name "a@base64""#),
        // Upstream's words are not to the point here, or it answers with a redirect.
        ("/j/a/%zz", r#"invalid URL escape "%zz""#),
        ("/j/a/%f", r#"invalid URL escape "%f""#),
        ("/%", r#"invalid URL escape "%""#),
        ("/%FF", r#"job name "\xff" is not valid UTF-8"#),
        ("@base64/_w", r#"job name "\xff" is not valid UTF-8"#),
        ("/j/a/%FF", r#"value "\xff" of label a is not valid UTF-8"#),
        ("/j/a@base64/_w", r#"value "\xff" of label a is not valid UTF-8"#),
        ("/j//", r#"empty component in label string "//": an empty value is written as name@base64/="#),
        (
            "/j/p//var",
            r#"empty component in label string "/p//var": an empty value is written as name@base64/="#,
        ),
        (
            "/j//p/var",
            r#"empty component in label string "//p/var": an empty value is written as name@base64/="#,
        ),
        ("/j/a/..", r#"component ".." in label string "/a/..": write it as name@base64/Li4"#),
        ("/j/a/%2e", r#"component "." in label string "/a/.": write it as name@base64/Lg"#),
        ("/..", r#"component ".." in label string "..": write it as name@base64/Li4"#),
        ("", r#"not the path of a push: "/metrics/job""#),
        ("@base64", r#"not the path of a push: "/metrics/job@base64""#),
        ("s/j", r#"not the path of a push: "/metrics/jobs/j""#),
    ] {
        assert_eq!(read(rest), Err(error.to_owned()), "{rest}");
    }
}

#[test]
fn with_utf8_names_they_are_unescaped() {
    let read = |rest: &str| parse(rest, Names::Utf8).map(|group| format!("{group:?}"));
    assert_eq!(read("/j/U__dotted_2e_label_2e_name/v").unwrap(), r#"{"dotted.label.name": "v", "job": "j"}"#);
    assert_eq!(read("/j/U__a_2e_b@base64/dg").unwrap(), r#"{"a.b": "v", "job": "j"}"#);
    assert_eq!(read("/j/a-b/v").unwrap(), r#"{"a-b": "v", "job": "j"}"#);
    assert_eq!(read("/j/U__/v"), Err(BadPath::Name("\"U__\"".to_owned())));
    assert_eq!(read("/j/__a/v"), Err(BadPath::Name("\"__a\"".to_owned())));
    // Upstream looks at what is written only.
    assert_eq!(read("/j/U______name____/v"), Err(BadPath::Name("\"U______name____\"".to_owned())));
}

#[test]
fn a_path_is_written_so_that_upstream_reads_it() {
    let group = GroupKey::new(
        "a/b",
        [("empty", ""), ("instance", "Π x"), ("dots", ".."), ("line", "a\nb"), ("z", "1.2")],
    );
    assert_eq!(
        format!("{PREFIX}{}", write(&group, Names::Legacy)),
        "/metrics/job@base64/YS9i/dots@base64/Li4/empty@base64/=/instance/%CE%A0%20x/line@base64/YQpi/z/1.2"
    );
    assert_eq!(write(&GroupKey::new("j", [("a.b", "c")]), Names::Utf8), "/j/U__a_2e_b/c");
}

#[test]
fn the_path_of_a_check_is_that_of_its_group_and_its_name_is_one_component() {
    let path = |check: &str| {
        let group = GroupKey::new("backup", [("db", "a/b")]);
        write_check(&PushedCheck { group, check: check.into(), source: Some("lb-1".into()) }, Names::Legacy)
    };
    let disk = "/api/v1/groups/job/backup/db@base64/YS9i/checks/disk%2Fvar%20%C3%A9";
    assert_eq!(path("disk/var é").as_deref(), Some(disk));
    assert_eq!(path("...").as_deref(), Some("/api/v1/groups/job/backup/db@base64/YS9i/checks/..."));
    // They would be followed on the way.
    assert_eq!((path("."), path(".."), path("")), (None, None, None));
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,5}", "[./%+@=\\x00-\\x20é]{0,4}", any::<String>()]
}

/// A path as it might be meant.
fn nearly_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "a", "job", "@base64", "=", "%2F", "%", "%ff", "_w", "YWI", "..", ".", "U__", "_2e_",
        "__", "é", "+", " ", "-",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_written_path_is_read_back(
        job in value().prop_filter("a job is not empty", |job| !job.is_empty()),
        classic in prop::collection::btree_map("[a-zA-TV-Z][a-zA-Z0-9_]{0,5}|U__[a-z_]{0,4}", value(), 0..4),
        any in prop::collection::btree_map(value(), value(), 0..4),
    ) {
        let any = any.iter().filter(|(name, _)| !name.is_empty() && !name.starts_with("__"));
        let pairs = |(name, value): (&'_ String, &'_ String)| (name.clone(), value.clone());
        let classic: Vec<_> = classic.iter().map(pairs).collect();
        let mixed: Vec<_> = any.map(pairs).chain(classic.clone()).collect();
        for (names, labels) in [(Names::Legacy, classic), (Names::Utf8, mixed)] {
            let group = GroupKey::new(&job, labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let path = write(&group, names);
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
            prop_assert_eq!(parse(&path, names), Ok(group), "{}", path);
        }
    }

    #[test]
    fn arbitrary_paths_never_panic(path in prop_oneof![any::<String>(), nearly_path()]) {
        for names in [Names::Legacy, Names::Utf8] {
            if let Ok(group) = parse(&path, names) {
                prop_assert!(!group.job().is_empty());
                prop_assert_eq!(parse(&write(&group, names), names), Ok(group));
            }
        }
    }
}
