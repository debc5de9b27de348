//! No answer of an Alertmanager makes the decoders panic; what a list keeps is the start of the whole.
#![no_main]

use iaasmon::wire::am_v2::{Annotations, decode_alerts, decode_silences, decode_status, error_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let short = decode_alerts(body, Annotations::FirstLine);
    let whole = decode_alerts(body, Annotations::Whole);
    assert_eq!(short.is_ok(), whole.is_ok());
    for (short, whole) in short.iter().flatten().zip(whole.iter().flatten()) {
        assert_eq!(short.labels, whole.labels);
        for (name, value) in short.annotations.iter() {
            assert!(whole.annotations.get(name).contains(value));
        }
    }
    let _ = decode_silences(body);
    let _ = decode_status(body);
    let _ = error_text(body);
});
