//! No body makes the strict parser panic or becomes more than was foreseen of it, and what it takes it takes again once it has been
//! written, with the same page.
#![no_main]

use iaasmon::model::family::Family;
use iaasmon::model::names::Names;
use iaasmon::wire::exposition::{extent, parse, write};
use libfuzzer_sys::fuzz_target;

fn page(families: &[Family<'_>]) -> String {
    let mut page = String::new();
    for family in families {
        write::head(&family.name, family.help.as_deref(), family.kind, &mut page);
        write::samples(family, &mut page);
    }
    page
}

/// Whether a family is called as the samples of another are: such a push is refused when it is stored.
fn collide(families: &[Family<'_>]) -> bool {
    let stems =
        |name: &str| ["_count", "_sum", "_bucket"].map(|ending| name.strip_suffix(ending).map(str::to_owned));
    let mut stems = families.iter().flat_map(|family| stems(&family.name)).flatten();
    stems.any(|stem| families.iter().any(|family| family.name == stem))
}

fuzz_target!(|body: &[u8]| {
    for names in [Names::Legacy, Names::Utf8] {
        let Ok(families) = parse::parse(body, names) else { continue };
        let (written, extent) = (page(&families), extent::of_text(body));
        let samples = written.lines().filter(|line| !line.starts_with('#')).count();
        assert!(families.iter().map(|family| family.metrics.len()).sum::<usize>() <= extent.metrics);
        assert!(samples <= extent.lines, "{samples} of {extent:?}");
        if !collide(&families) {
            let again = parse::parse(written.as_bytes(), names).expect("what was written is read");
            assert_eq!(page(&again), written);
        }
    }
});
