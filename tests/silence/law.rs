//! What must be in force on every member when an operation is done, and when it is taken back.

use crate::child::Deed;
use crate::desk::{assert_none, assert_one};
use iaasmon::demo::Demo;
use serde_json::Value;

/// What must be in force when the deed is done, or taken back.
pub fn assert_law(demo: &Demo, deed: Deed, comment: &str, taken_back: bool) {
    let clusters = demo.clusters();
    let none = match deed {
        Deed::Add => taken_back,
        Deed::Expire => !taken_back,
        Deed::Edit | Deed::Extend => false,
    };
    if none {
        return assert_none(clusters, comment);
    }
    for silence in assert_one(clusters, comment) {
        let matchers = silence["matchers"].as_array().map_or(0, Vec::len);
        let edited = deed == Deed::Edit && !taken_back;
        assert_eq!(matchers, if edited { 2 } else { 1 }, "{silence}");
        let extended = deed == Deed::Extend && !taken_back;
        assert_eq!(hours_left(&silence) > 5, extended, "{silence}");
    }
}

fn hours_left(silence: &Value) -> i64 {
    let end = chrono::DateTime::parse_from_rfc3339(silence["endsAt"].as_str().unwrap()).unwrap();
    (end.to_utc() - iaasmon::sys::clock::now()).num_hours()
}
