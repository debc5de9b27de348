//! Token substitution: `:::disk.warn|80:::` becomes what the client says of itself, or the default (utilities.rb:162-231).
//!
//! Two things differ from the original on purpose: text outside ASCII is kept, and nothing is ever written into the definition.

use super::ruby::to_s;
use crate::wire::sensu_json::{Object, Value};
use regex::bytes::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// The original's pattern; `.` stands for no line end.
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u):::([^:].*?):::").expect("the pattern is fixed"));

/// A definition with its tokens replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Substituted {
    /// The definition; a token without a value is gone from it.
    pub check: Object,
    /// The paths of the tokens without a value, each once, in order.
    pub unmatched: Vec<String>,
}

/// Replaces the tokens in every string value of a check, at any depth; keys stay.
pub fn substitute(check: &Object, client: &Object) -> Substituted {
    let mut run = Run { client, unmatched: Vec::new() };
    let check = check.iter().map(|(key, value)| (key.clone(), run.value(value))).collect();
    Substituted { check, unmatched: run.unmatched }
}

struct Run<'a> {
    client: &'a Object,
    unmatched: Vec<String>,
}

impl Run<'_> {
    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text).into_owned().into()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, field)| (key.clone(), self.value(field))).collect())
            }
            other => other.clone(),
        }
    }

    fn text<'t>(&mut self, text: &'t [u8]) -> Cow<'t, [u8]> {
        TOKEN.replace_all(text, |token: &Captures<'_>| {
            let inside = &token[1];
            let (path, default) = match memchr::memchr(b'|', inside) {
                Some(bar) => (&inside[..bar], Some(&inside[bar + 1..])),
                None => (inside, None),
            };
            let value = find(self.client, path).or_else(|| default.map(<[u8]>::to_vec));
            value.unwrap_or_else(|| {
                let path = String::from_utf8_lossy(path).into_owned();
                if !self.unmatched.contains(&path) {
                    self.unmatched.push(path);
                }
                Vec::new()
            })
        })
    }
}

/// Walks the client by a path with dots. What is no object ends the walk, be the path at its end or not; an object at the
/// path's end is no value (utilities.rb: find_attribute_value).
fn find(client: &Object, path: &[u8]) -> Option<Vec<u8>> {
    let mut tree = client;
    for step in path.split(|byte| *byte == b'.') {
        match tree.get(step)? {
            Value::Object(deeper) => tree = deeper,
            Value::Null => return None,
            value => return Some(to_s(value)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::substitute;
    use crate::wire::sensu_json::{Object, Value, field};
    use proptest::prelude::*;

    fn object(json: &str) -> Object {
        Value::parse(json.as_bytes()).expect(json).as_object().expect("an object").clone()
    }

    fn client() -> Object {
        object(
            r#"{"name":"golden-01","environment":"dev","disk":{"warn":80,"ratio":0.75},"db":{"user":"app",
               "hosts":["a","b"],"empty":{}},"flag_true":true,"flag_false":false,"null_value":null,"jp":"日本"}"#,
        )
    }

    /// Returns the substituted command and the unmatched tokens.
    fn substituted(command: &str) -> (String, Vec<String>) {
        let check = Object::from_iter([(b"command"[..].into(), Value::from(command))]);
        let done = substitute(&check, &client());
        let command = field(&done.check, "command").and_then(Value::as_str).expect("text").to_owned();
        (command, done.unmatched)
    }

    #[test]
    fn tokens_are_replaced_as_the_original_does() {
        for (command, expected, unmatched) in [
            (
                "w=:::disk.warn::: r=:::disk.ratio::: n=:::name::: t=:::flag_true:::",
                "w=80 r=0.75 n=golden-01 t=true",
                &[][..],
            ),
            (
                "a=:::nope|fallback::: b=:::disk.none|a|b::: c=:::nope|::: d=:::nope|x.y z:::",
                "a=fallback b=a|b c= d=x.y z",
                &[],
            ),
            (":::nope::: :::disk.nope::: :::nope:::", "  ", &["nope", "disk.nope"]),
            ("f=:::flag_false|d:::", "f=false", &[]),
            ("f=:::null_value:::", "f=", &["null_value"]),
            ("h=:::db::: e=:::db.empty::: deep=:::db.user.x:::", "h= e= deep=app", &["db", "db.empty"]),
            ("a=:::db.hosts:::", "a=[\"a\", \"b\"]", &[]),
            (":::: ::: a::b :::name:::: :::::name:::", ": a::b golden-01: ::golden-01", &[" "]),
            ("コマンド :::jp:::", "コマンド 日本", &[]),
            (":::a\nb:::", ":::a\nb:::", &[]),
        ] {
            let (command, missing) = substituted(command);
            assert_eq!(
                (command.as_str(), missing.as_slice()),
                (expected, &unmatched.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn every_string_at_any_depth_is_replaced_and_the_definition_stays() {
        let check =
            object(r#"{"n":":::name:::","deep":{":::name:::":[":::environment:::",5,{"x":":::gone:::"}]}}"#);
        let before = check.clone();
        let done = substitute(&check, &client());
        assert_eq!(
            Value::Object(done.check).to_bytes(),
            br#"{"n":"golden-01","deep":{":::name:::":["dev",5,{"x":""}]}}"#
        );
        assert_eq!(done.unmatched, ["gone"]);
        assert_eq!(check, before);
    }

    proptest! {
        #[test]
        fn without_a_token_nothing_changes(text in "[^:]{0,60}") {
            prop_assert_eq!(substituted(&text), (text.clone(), vec![]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text in proptest::collection::vec(prop_oneof![Just(b':'), Just(b'|'), any::<u8>()], 0..100)) {
            let check = Object::from_iter([(b"c"[..].into(), Value::text(text))]);
            let _ = substitute(&check, &client());
        }
    }

    #[test]
    fn time_grows_with_the_text_alone() {
        let begun = crate::sys::clock::instant();
        let _ = substituted(&":::".repeat(300_000));
        let _ = substituted(&":::a|".repeat(200_000));
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
