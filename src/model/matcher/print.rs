//! Matchers as Alertmanager prints them (upstream's pkg/labels/matcher.go).

use super::{Matcher, utf8};
use std::fmt::{Formatter, Result, Write};

/// Writes the matcher: the value in double quotes, the name only where it would not stand without.
pub(super) fn matcher(matcher: &Matcher, f: &mut Formatter<'_>) -> Result {
    if matcher.name.contains(utf8::is_reserved) {
        go_quote(&matcher.name, f)?;
        f.write_str(matcher.op.symbol())?;
        return go_quote(&matcher.value, f);
    }
    write!(f, "{}{}\"", matcher.name, matcher.op.symbol())?;
    for c in matcher.value.chars() {
        match c {
            '\\' | '"' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Writes a Go string literal that strconv.Unquote reads back. Go also escapes what it calls unprintable; here
/// only controls and spaces other than the blank are escaped, which reads back alike.
fn go_quote(text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\\' | '"' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            _ if c != ' ' && (c.is_whitespace() || c.is_control()) => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
