//! Deep merge and deep difference (loader.rb:398-430).

use crate::wire::sensu_json::{Object, Value};

/// Merges `two` into `one`: objects field by field, lists as a union in order, anything else by replacement.
pub fn deep_merge(one: &mut Object, two: Object) {
    for (key, value) in two {
        match (one.get_mut(&key), value) {
            (Some(Value::Object(one)), Value::Object(two)) => deep_merge(one, two),
            (Some(Value::Array(one)), Value::Array(two)) => unite(one, two),
            (Some(place), value) => *place = value,
            (None, value) => {
                one.insert(key, value);
            }
        }
    }
}

/// Ruby's `a.concat(b).uniq`.
fn unite(one: &mut Vec<Value>, two: Vec<Value>) {
    let mut united: Vec<Value> = Vec::with_capacity(one.len() + two.len());
    // Written out once each, so that ten thousand subscriptions do not compare with each other.
    let mut seen = std::collections::HashSet::new();
    for value in one.drain(..).chain(two) {
        if seen.insert(value.to_bytes()) {
            united.push(value);
        }
    }
    *one = united;
}

/// Returns what differs: `{key: [old, new]}`, nested where both are objects.
pub fn deep_diff(one: &Object, two: &Object) -> Object {
    let mut diff = Object::new();
    let new = two.iter().filter(|(key, _)| !one.contains_key(*key)).map(|(key, _)| key);
    for key in one.keys().chain(new) {
        let (old, new) = (one.get(key), two.get(key));
        if old == new {
            continue;
        }
        let change = match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => Value::Object(deep_diff(old, new)),
            _ => {
                let value = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
                Value::Array(vec![value(old), value(new)])
            }
        };
        diff.insert(key.clone(), change);
    }
    diff
}
