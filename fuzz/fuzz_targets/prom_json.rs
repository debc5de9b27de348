//! No answer of a Prometheus makes the decoders panic, and a cut answer is never taken for whole.
#![no_main]

use iaasmon::model::labels::Interner;
use iaasmon::wire::prom_json::{decode_alerts, decode_error, decode_query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let whole = decode_query(body, &mut Interner::default());
    let _ = decode_alerts(body, &mut Interner::default());
    let _ = decode_error(body);
    let trimmed = body.trim_ascii_end();
    if whole.is_ok() && !trimmed.is_empty() {
        assert!(decode_query(&trimmed[..trimmed.len() - 1], &mut Interner::default()).is_err());
    }
});
