//! No path of a push makes its parser panic, and the path that is written for a group names this group.
#![no_main]

use iaasmon::model::group::GroupKey;
use iaasmon::model::names::Names;
use iaasmon::wire::push_path::{parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(group) = GroupKey::from_bytes(bytes) {
        assert_eq!(group.as_bytes(), bytes);
    }
    let path = String::from_utf8_lossy(bytes);
    for names in [Names::Legacy, Names::Utf8] {
        if let Ok(group) = parse(&path, names) {
            assert_eq!(GroupKey::from_bytes(group.as_bytes()).as_ref(), Some(&group));
            assert_eq!(parse(&write(&group, names), names), Ok(group));
        }
    }
});
