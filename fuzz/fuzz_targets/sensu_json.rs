//! No text makes the parser panic, and what it read is written so that it reads the same again.
#![no_main]

use iaasmon::wire::sensu_json::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(value) = Value::parse(text) else { return };
    let written = value.to_bytes();
    let again = Value::parse(&written).expect("what was written");
    assert_eq!(again.to_bytes(), written);
    let mut indented = Vec::new();
    value.write_indented(&mut indented);
    assert_eq!(Value::parse(&indented).expect("what was written").to_bytes(), written);
});
