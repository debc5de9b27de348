//! Nothing that a script prints reaches a terminal as a control character, a sequence or a change of direction.
#![no_main]

use iaasmon::model::text;
use libfuzzer_sys::fuzz_target;

fn is_safe(text: &str, line_breaks: bool) -> bool {
    text.chars().all(|c| {
        let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        !bidi && (!c.is_control() || (line_breaks && c == '\n'))
    })
}

fuzz_target!(|bytes: &[u8]| {
    let raw = String::from_utf8_lossy(bytes);
    let line = text::line(&raw);
    assert!(is_safe(&line, false), "{line:?}");
    assert!(is_safe(&text::block(&raw), true));
    for columns in [1, 7, 80] {
        assert!(text::width(&text::truncate_middle(&line, columns)) <= columns);
        assert!(text::width(&text::truncate_end(&line, columns)) <= columns);
    }
});
