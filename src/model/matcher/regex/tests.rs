use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// Holds our answers against those of Go (Prometheus 2.42, `label_replace`): equal or unknown, never different. What
/// Go refuses, we refuse. Returns how many of the patterns that Go takes are evaluated here.
fn compare(answers: &str) -> (usize, usize) {
    let cases: Value = serde_json::from_str(answers).unwrap();
    let (mut taken, mut evaluated) = (0, 0);
    for case in cases.as_array().unwrap() {
        let pattern = case["pattern"].as_str().unwrap();
        let ours = Compiled::new(pattern);
        let Some(values) = case["values"].as_array() else {
            // Go takes this way to name a group since 1.22, with the same meaning.
            assert!(ours.is_err() || pattern.contains("(?<"), "Go refuses {pattern:?}");
            continue;
        };
        taken += 1;
        let Ok(ours) = ours else { continue };
        evaluated += 1;
        for pair in values {
            let (value, go) = (pair[0].as_str().unwrap(), pair[1].as_bool().unwrap());
            if let Some(found) = ours.is_match(value) {
                assert_eq!(found, go, "{pattern:?} on {value:?}");
            }
        }
    }
    (taken, evaluated)
}

#[test]
fn agrees_with_go_on_everyday_and_on_awkward_patterns() {
    let (taken, evaluated) = compare(include_str!("../../../../fixtures/matchers/re2.json"));
    assert_eq!((taken, evaluated), (38, 38));
}

#[test]
fn agrees_with_go_on_random_patterns() {
    let (taken, evaluated) = compare(include_str!("../../../../fixtures/matchers/re2-random.json"));
    assert!(evaluated * 10 >= taken * 8, "only {evaluated} of {taken} are evaluated");
}

#[test]
fn values_beyond_ascii_are_left_open_where_unicode_versions_differ() {
    for (pattern, value, want) in [
        ("\\pL", "a", Some(true)),
        ("\\pL", "é", None),
        ("(?i)ꙁ", "Ꙁ", None),
        ("(?i)ꙁ", "z", Some(false)),
        ("(?i)ディスク", "ディスク", Some(true)),
        ("(?i)ß", "ẞ", Some(true)),
    ] {
        assert_eq!(Compiled::new(pattern).unwrap().is_match(value), want, "{pattern} {value}");
    }
}

#[test]
fn reasons_are_one_line() {
    for (pattern, want) in [
        ("(", "missing closing )"),
        ("(?!x)y", "invalid or unsupported Perl syntax after (?"),
        ("a**", "a repetition must follow what it repeats"),
        ("\\1", "invalid or unsupported escape sequence"),
        ("\\pL{1000}", "too large to be evaluated here"),
    ] {
        assert_eq!(&*Compiled::new(pattern).err().unwrap(), want, "{pattern}");
    }
}

#[test]
fn a_list_of_a_thousand_names_fits() {
    let names: Vec<String> = (0..1000).map(|i| format!("node-{i:05}.prod.east.example.net:10105")).collect();
    let regex = Compiled::new(&names.join("|")).unwrap();
    assert_eq!(regex.is_match(&names[999]), Some(true));
    assert_eq!(regex.is_match("node-01000.prod.east.example.net:10105"), Some(false));
}

proptest! {
    #[test]
    fn compiling_never_panics(pattern in "[\\[\\](){}*+?|\\\\^$.:a-cQEpPdx0-9<>=!imsU-]{0,16}|.{0,16}", value in ".{0,8}") {
        if let Ok(regex) = Compiled::new(&pattern) {
            let _ = regex.is_match(&value);
        }
    }

    #[test]
    fn an_escaped_value_matches_itself_only(value in ".{0,8}", other in ".{0,8}") {
        let regex = Compiled::new(&::regex::escape(&value)).unwrap();
        prop_assert_eq!(regex.is_match(&value), Some(true));
        prop_assert_eq!(regex.is_match(&other), Some(value == other));
    }
}
