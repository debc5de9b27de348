//! No line makes the reader of the log panic, and it finds in a result what a whole parse finds there.
#![no_main]

use iaasmon::sensu::migrate::logs::{Log, compare};
use iaasmon::wire::sensu_json::{Value, field};
use iaasmon::wire::sensu_log::{Line, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut log = Log::default();
    for line in text.split(|byte| *byte == b'\n') {
        log.line(line);
        let Line::Result(result) = read(line) else { continue };
        assert!(result.output_at.0 <= result.output_at.1 && result.output_at.1 <= result.fields.len());
        let Ok(Value::Object(fields)) = Value::parse(result.fields) else { continue };
        if let Some(name) = field(&fields, "name").and_then(Value::as_bytes) {
            assert_eq!(name, &*result.check.bytes());
        }
    }
    assert!(compare(&log, &log).iter().all(|check| !check.verdict.is_disagreement()));
});
