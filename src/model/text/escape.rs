//! Terminal escape sequences (ECMA-48), found in order to be dropped whole.

const ESC: char = '\u{1b}';

/// Returns what follows the sequence that `c` introduces; `None` if `c` introduces none. `after` is the text
/// behind `c`.
///
/// A sequence that never ends is dropped up to the end of its line, so that one broken script cannot hide the
/// lines that follow.
pub(super) fn skip(c: char, after: &str) -> Option<&str> {
    match c {
        ESC => Some(skip_escape(after)),
        '\u{9b}' => Some(skip_csi(after)),
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Some(skip_string(after)),
        // A string terminator without a string.
        '\u{9c}' => Some(after),
        _ => None,
    }
}

/// Skips what an ESC introduces.
fn skip_escape(after: &str) -> &str {
    match after.as_bytes().first() {
        Some(b'[') => skip_csi(&after[1..]),
        // DCS, SOS, OSC, PM, APC: a string of any content up to its terminator.
        Some(b'P' | b'X' | b']' | b'^' | b'_') => skip_string(&after[1..]),
        // Intermediate bytes and one final byte, such as the character set choice `ESC ( B`.
        Some(b' '..=b'~') => skip_final(after.trim_start_matches(|c| matches!(c, ' '..='/'))),
        _ => after,
    }
}

/// Skips a control sequence: parameters, intermediates, one final byte. Anything else aborts it and stays.
fn skip_csi(after: &str) -> &str {
    let after = after.trim_start_matches(|c| matches!(c, '0'..='?'));
    let after = after.trim_start_matches(|c| matches!(c, ' '..='/'));
    after.strip_prefix(|c| matches!(c, '@'..='~')).unwrap_or(after)
}

fn skip_final(after: &str) -> &str {
    after.strip_prefix(|c| matches!(c, '0'..='~')).unwrap_or(after)
}

/// Skips a control string up to BEL, ST, CAN or SUB, or in front of an ESC that begins something else or of the
/// end of the line.
fn skip_string(after: &str) -> &str {
    let end = after.find(['\u{7}', '\u{9c}', '\u{18}', '\u{1a}', ESC, '\n', '\r']).unwrap_or(after.len());
    let rest = &after[end..];
    if rest.starts_with(['\n', '\r']) {
        return rest;
    }
    if let Some(beyond) = rest.strip_prefix("\u{1b}\\") {
        return beyond;
    }
    if rest.starts_with(ESC) {
        return rest;
    }
    rest.strip_prefix(|_| true).unwrap_or(rest)
}
