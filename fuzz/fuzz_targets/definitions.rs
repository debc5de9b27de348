//! No definitions make merging, validation, the schedule or the report of a migration panic; what is refused is told why.
#![no_main]

use iaasmon::sensu::definitions::{Sources, deep_diff, deep_merge, load};
use iaasmon::sensu::migrate::report;
use iaasmon::sensu::schedule::scheduled;
use iaasmon::wire::sensu_json::{Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.json"), input.0).expect("written");
    std::fs::write(folder.path().join("b.json"), input.1).expect("written");
    let sources =
        Sources { folders: vec![folder.path().to_owned()], hostname: "n1".into(), ..Sources::default() };
    match load(&sources, &mut Vec::new()) {
        Ok(settings) => {
            let _ = (report(&settings), scheduled(&settings).len());
        }
        Err(refused) => assert!(!refused.lines().is_empty()),
    }
    if let (Ok(Value::Object(one)), Ok(Value::Object(two))) = (Value::parse(input.0), Value::parse(input.1)) {
        let mut merged: Object = one;
        deep_merge(&mut merged, two);
        assert!(deep_diff(&merged, &merged).is_empty());
    }
});
