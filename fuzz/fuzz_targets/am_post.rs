//! No sender of alerts and no file of targets makes the proxy panic, and what it hands on is what came, but for annotations.
#![no_main]

use iaasmon::wire::am_post::decode;
use iaasmon::wire::file_sd::decode_targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(text) = str::from_utf8(body) {
        let _ = decode_targets(text);
    }
    let Ok((alerts, _)) = decode(body) else { return };
    for alert in alerts {
        let mut written = b"[".to_vec();
        alert.write(&alert.annotations, &mut written);
        written.push(b']');
        let (again, misshapen) = decode(&written).expect("what was written is a request");
        assert!(misshapen.is_empty());
        assert_eq!(again[0].labels, alert.labels);
        assert_eq!((again[0].starts_at, again[0].ends_at), (alert.starts_at, alert.ends_at));
        assert_eq!(again[0].annotations, alert.annotations);
    }
});
