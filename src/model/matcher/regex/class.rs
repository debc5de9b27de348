//! Character classes and escapes, read by Go's rules.

use super::translate::{Refused, Translator, push_char};

/// Categories and scripts that Go and Rust name alike. Go's `C` lacks the unassigned characters, which makes no
/// difference to ASCII.
const UNICODE: [&str; 50] = [
    "Any",
    "L",
    "Lu",
    "Ll",
    "Lt",
    "Lm",
    "Lo",
    "M",
    "Mn",
    "Mc",
    "Me",
    "N",
    "Nd",
    "Nl",
    "No",
    "P",
    "Pc",
    "Pd",
    "Ps",
    "Pe",
    "Pi",
    "Pf",
    "Po",
    "S",
    "Sm",
    "Sc",
    "Sk",
    "So",
    "Z",
    "Zs",
    "Zl",
    "Zp",
    "C",
    "Cc",
    "Cf",
    "Co",
    "Common",
    "Latin",
    "Greek",
    "Cyrillic",
    "Han",
    "Hiragana",
    "Katakana",
    "Hangul",
    "Arabic",
    "Hebrew",
    "Thai",
    "Devanagari",
    "Armenian",
    "Georgian",
];

/// Reads a class behind its `[` and writes it.
pub(super) fn bracket(t: &mut Translator<'_>) -> Result<(), Refused> {
    t.out.push('[');
    if t.take("^") {
        t.out.push('^');
    }
    let mut first = true;
    while first || !t.take("]") {
        first = false;
        if t.rest.starts_with("[:") {
            posix(t)?;
        } else if !(t.rest.starts_with('\\') && set_behind_backslash(t)?) {
            range(t)?;
        }
    }
    t.out.push(']');
    Ok(())
}

/// Reads `a` or `a-z`.
fn range(t: &mut Translator<'_>) -> Result<(), Refused> {
    let low = member(t)?;
    push_char(&mut t.out, low);
    t.note_fold(low);
    if t.rest.starts_with('-') && !t.rest.starts_with("-]") {
        t.take("-");
        let high = member(t)?;
        if high < low {
            return Err("invalid character class range".into());
        }
        t.out.push('-');
        push_char(&mut t.out, high);
        t.note_fold(high);
        // Between two settled letters others may stand.
        t.ascii_only |= t.fold && !high.is_ascii();
    }
    Ok(())
}

fn member(t: &mut Translator<'_>) -> Result<char, Refused> {
    match t.next().ok_or("missing closing ]")? {
        '\\' => escaped_char(t),
        c => Ok(c),
    }
}

/// Reads `[:alpha:]` or `[:^alpha:]`.
fn posix(t: &mut Translator<'_>) -> Result<(), Refused> {
    let (name, rest) =
        t.rest[2..].split_once(":]").ok_or("a class that contains [: is not evaluated here")?;
    let (negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let members = match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t ",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "!-~",
        "lower" => "a-z",
        "print" => " -~",
        "punct" => "!-/:-@\\[-`\\{-~",
        "space" => "\\t\\n\\v\\f\\r ",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return Err("invalid character class range".into()),
    };
    t.rest = rest;
    push_set(&mut t.out, negated, members);
    Ok(())
}

fn push_set(out: &mut String, negated: bool, members: &str) {
    out.push_str(if negated { "[^" } else { "[" });
    out.push_str(members);
    out.push(']');
}

/// In a class: takes a backslash and the set that it introduces, if it does.
fn set_behind_backslash(t: &mut Translator<'_>) -> Result<bool, Refused> {
    let before = t.rest;
    t.take("\\");
    let found = escaped_set(t)?;
    if !found {
        t.rest = before;
    }
    Ok(found)
}

/// Behind a backslash: writes the set for `\d`, `\w`, `\s` (ASCII in Go) or `\pX`, if it is one.
pub(super) fn escaped_set(t: &mut Translator<'_>) -> Result<bool, Refused> {
    let Some(c) = t.rest.chars().next() else { return Ok(false) };
    let members = match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        // Without the vertical tab, unlike POSIX and Rust.
        's' => "\\t\\n\\f\\r ",
        'p' => {
            unicode(t)?;
            return Ok(true);
        }
        _ => return Ok(false),
    };
    t.next();
    push_set(&mut t.out, c.is_ascii_uppercase(), members);
    Ok(true)
}

/// Reads `\pN`, `\p{Greek}`, `\p{^Greek}` and their negations; the `p` or `P` is next.
fn unicode(t: &mut Translator<'_>) -> Result<(), Refused> {
    let mut negated = t.next() == Some('P');
    let name = if t.take("{") {
        let (name, rest) = t.rest.split_once('}').ok_or("invalid character class range")?;
        t.rest = rest;
        let bare = name.strip_prefix('^');
        negated ^= bare.is_some();
        bare.unwrap_or(name)
    } else {
        let len = t.rest.chars().next().map_or(0, char::len_utf8);
        let (name, rest) = t.rest.split_at(len);
        t.rest = rest;
        name
    };
    if !UNICODE.contains(&name) {
        return Err("a Unicode class that is not evaluated here".into());
    }
    t.ascii_only = true;
    t.out.push_str(if negated { "\\P{" } else { "\\p{" });
    t.out.push_str(name);
    t.out.push('}');
    Ok(())
}

/// Behind a backslash: the one character that is meant. Octal and backreferences are refused.
pub(super) fn escaped_char(t: &mut Translator<'_>) -> Result<char, Refused> {
    let invalid = || "invalid or unsupported escape sequence";
    match t.next().ok_or("trailing backslash at end of expression")? {
        'a' => Ok('\u{7}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\u{b}'),
        'x' => hex(t).ok_or_else(|| invalid().into()),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
        _ => Err(invalid().into()),
    }
}

/// Reads `7F` or `{10FFFF}` behind `\x`.
fn hex(t: &mut Translator<'_>) -> Option<char> {
    let (digits, rest) = match t.rest.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => t.rest.split_at_checked(2)?,
    };
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    t.rest = rest;
    char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| valid)?)
}
