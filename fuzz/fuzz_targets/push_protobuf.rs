//! No body makes the decoder of protobuf panic or becomes more than was foreseen of it, and all that it takes can be written as text
//! that is read.
#![no_main]

use iaasmon::model::names::Names;
use iaasmon::wire::exposition::{extent, parse, protobuf, write};
use libfuzzer_sys::fuzz_target;

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
            match parse::parse(page.as_bytes(), names) {
                Ok(read) => assert_eq!(read.len(), 1),
                // Protobuf has signs where text has none.
                Err(error) => assert!(error.what.starts_with("negative "), "{error}: {page}"),
            }
        }
    }
});
