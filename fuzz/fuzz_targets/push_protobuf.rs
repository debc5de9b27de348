//! No body makes the decoder of protobuf panic or becomes more than was foreseen of it, and all that it takes can be written as text
//! and messages that are read.
#![no_main]

use iaasmon::model::names::Names;
use iaasmon::wire::exposition::{extent, parse, protobuf, write};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|body: &[u8]| {
    let _ = protobuf::is_announced(&String::from_utf8_lossy(body));
    for names in [Names::Legacy, Names::Utf8] {
        let extent = extent::of_protobuf(body);
        let Ok(families) = protobuf::parse(body, names) else { continue };
        assert!(families.iter().map(|family| family.metrics.len()).sum::<usize>() <= extent.metrics);
        let mut text = String::new();
        families.iter().for_each(|family| write::samples(family, &mut text));
        assert!(text.len() <= extent.text, "{} of {extent:?}", text.len());
        for family in families {
            let mut page = String::new();
            write::head(&family.name, family.help.as_deref(), family.kind, &mut page);
            write::samples(&family, &mut page);
            let read = parse::parse(page.as_bytes(), names).expect("what was written is read");
            assert_eq!(read.len(), 1);
            // What text does not say of it is as it was pushed.
            let natives: Vec<Arc<[u8]>> = protobuf::write::natives(&family).into_iter().map(Into::into).collect();
            let messages = protobuf::write::page(&page, &[(family.name.to_string(), natives)].into()).expect("text");
            let again = protobuf::parse(&messages, names).expect("messages");
            for metric in family.metrics.iter().filter(|metric| metric.is_native()) {
                // NaN is not itself, but it is written alike.
                let told = again[0].metrics.iter().filter(|one| one.labels == metric.labels);
                assert!(told.map(|one| format!("{one:?}")).any(|one| one == format!("{metric:?}")), "{metric:?}");
            }
        }
    }
});
