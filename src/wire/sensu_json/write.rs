//! The writer: oj's bytes (OJ/dump.c), so that a log line of ours cannot be told from the original's.

use super::{Int, Value};
use std::io::Write as _;

pub(super) fn compact(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                compact(item, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (at, (key, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                compact(field, out);
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

pub(super) fn indented(value: &Value, depth: usize, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                indented(item, depth + 1, out);
            }
            line(out, depth);
            out.push(b']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push(b'{');
            for (at, (key, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                write_string(key, out);
                out.push(b':');
                indented(field, depth + 1, out);
            }
            line(out, depth);
            out.push(b'}');
        }
        flat => compact(flat, out),
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Int(Int::Small(n)) => write!(out, "{n}").expect("memory takes every write"),
        Value::Int(Int::Big(digits)) => out.extend(digits.as_bytes()),
        Value::Float(n) => write_float(*n, out),
        Value::String(bytes) => write_string(bytes, out),
        Value::Null | Value::Array(_) | Value::Object(_) => out.extend(b"null"),
    }
}

/// Appends a string: quotes, backslashes and control characters escaped, every other byte as it is (OJ/dump.c:126-134).
pub fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\t' => b"\\t",
            b'\r' => b"\\r",
            b'\x08' => b"\\b",
            b'\x0c' => b"\\f",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        if short.is_empty() {
            write!(out, "\\u{byte:04x}").expect("memory takes every write");
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Appends a float: `0.0`, whole ones with one digit behind the point, the rest as C's `%.15g`.
pub fn write_float(n: f64, out: &mut Vec<u8>) {
    // oj asks whether the number survives a trip through a 64-bit integer.
    const WHOLE_BELOW: f64 = 9.2e18;
    if n == 0.0 {
        out.extend(b"0.0");
    } else if n == n.trunc() && n.abs() < WHOLE_BELOW {
        write!(out, "{n:.1}").expect("memory takes every write");
    } else {
        write_shortest(n, out);
    }
}

/// `%.15g`: fifteen significant digits without trailing zeros; an exponent below -4 and from 15 on.
fn write_shortest(n: f64, out: &mut Vec<u8>) {
    let scientific = format!("{n:.14e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let short = |digits: &str| digits.trim_end_matches('0').trim_end_matches('.').to_owned();
    let text = if (-4..15).contains(&exponent) {
        let places = usize::try_from(14 - exponent).expect("at most 18");
        match format!("{n:.places$}") {
            fixed if fixed.contains('.') => short(&fixed),
            fixed => fixed,
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", short(digits), exponent.abs())
    };
    out.extend(text.as_bytes());
}
