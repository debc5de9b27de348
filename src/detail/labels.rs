//! Labels that a definition adds to its series: `"prometheus_labels": {"team": "storage"}`.

use crate::model::names::{Names, is_reserved};
use crate::wire::sensu_json::Value;

/// More than this is no label but a record.
const MOST: usize = 8;
const LONGEST: usize = 128;
/// Labels that are ours or Prometheus'.
const TAKEN: [&str; 5] = ["check", "source", "instance", "job", "le"];

/// A label's name and its value.
pub type Label = (Box<str>, Box<str>);

/// Reads the value of `prometheus_labels`: what is valid, in order of name, and how many were refused.
pub fn read(raw: &[u8]) -> (Vec<Label>, usize) {
    let Ok(Value::Object(fields)) = Value::parse(raw) else { return (Vec::new(), 1) };
    let mut labels = Vec::new();
    let mut refused = 0;
    for (name, value) in &fields {
        let (name, value) = (std::str::from_utf8(name).ok(), value.as_str());
        match (name, value) {
            (Some(name), Some(value)) if is_name(name) && value.len() <= LONGEST && labels.len() < MOST => {
                labels.push((name.into(), value.into()));
            }
            _ => refused += 1,
        }
    }
    labels.sort();
    (labels, refused)
}

/// The label names of the text format, but for those that are taken.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST && Names::Legacy.take_label(name) && !is_reserved(name) && !TAKEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::read;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_label_is_refused_and_the_rest_is_kept() {
        let (labels, refused) =
            read(br#"{"team":"storage","a":"x","check":"y","__x":"y","1a":"y","b c":"y","n":5,"long":null}"#);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!((labels.as_slice(), refused), (&[("a", "x"), ("team", "storage")][..], 6));
        let bomb: Vec<String> = (0..100).map(|n| format!("\"l{n}\":\"x\"")).collect();
        let (labels, refused) = read(format!("{{{}}}", bomb.join(",")).as_bytes());
        assert_eq!((labels.len(), refused), (8, 92));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&raw);
        }
    }
}
