//! No body of a push of many groups makes its parser panic; what it takes names a group that can be kept, and no more is made of its
//! metrics than was foreseen.
#![no_main]

use iaasmon::model::group::GroupKey;
use iaasmon::model::names::Names;
use iaasmon::wire::exposition::{extent, parse};
use iaasmon::wire::push_line::{self, MOST_KEY};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for names in [Names::Legacy, Names::Utf8] {
        let mut last = 0;
        for (number, line) in push_line::lines(body) {
            assert!(number > last);
            last = number;
            let Ok(line) = push_line::parse(line, names) else { continue };
            assert!(!line.key.job().is_empty() && line.key.as_bytes().len() <= MOST_KEY);
            assert_eq!(GroupKey::from_bytes(line.key.as_bytes()), Some(line.key));
            let extent = extent::of_text(line.metrics.as_bytes());
            if let Ok(families) = parse::parse(line.metrics.as_bytes(), names) {
                assert!(families.iter().map(|family| family.metrics.len()).sum::<usize>() <= extent.metrics);
            }
        }
    }
});
