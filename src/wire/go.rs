//! What Go's standard library does to text, where what we read, write or answer is to be what a server in Go would.

use std::fmt::Write as _;

/// Reads a float as expfmt does: Go's strconv.ParseFloat without hexadecimals and underscores. Rust's grammar is the same but for
/// a sign before NaN, and for what is too large, which in Go is an error.
pub(super) fn parse_float(token: &[u8]) -> Option<f64> {
    let text = str::from_utf8(token).ok()?;
    let value: f64 = text.parse().ok()?;
    let unsigned = text.trim_start_matches(['+', '-']);
    let good = if value.is_nan() {
        unsigned.len() == text.len()
    } else {
        value.is_finite() || unsigned.starts_with(['i', 'I'])
    };
    good.then_some(value)
}

/// Writes a float as expfmt does: strconv's `g` with as many digits as it takes to read it back, and a zero without its sign.
pub fn write_float(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.abs() < 1e6 && value.fract() == 0.0 {
        // Most of what is pushed; also -0.0.
        let _ = write!(out, "{}", value as i32);
    } else {
        write_fraction(value, out);
    }
}

fn write_fraction(value: f64, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{value:e}");
    let Some(e) = out[start..].find('e').map(|at| start + at) else { return };
    let exponent: i32 = out[e + 1..].parse().unwrap_or_default();
    if let Some(digit) = even_digit(value, &out[start..e]) {
        out.replace_range(e - 1..e, digit.encode_utf8(&mut [0; 4]));
    }
    out.truncate(e);
    // Go's threshold where the number of digits is free.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let digits: String = out[start..].chars().filter(char::is_ascii_digit).collect();
    out.truncate(start);
    if value < 0.0 {
        out.push('-');
    }
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (before, after) = digits.split_at(digits.len().min(exponent + 1));
            let _ = write!(out, "{before}.{after}");
        }
        Err(_) => {
            out.push_str(&"0.0000"[..1 + exponent.unsigned_abs() as usize]);
            out.push_str(&digits);
        }
    }
}

/// Between two shortest texts that are equally near Go takes the one whose last digit is even, Rust the greater one. Returns the
/// last digit where it is another.
fn even_digit(value: f64, mantissa: &str) -> Option<char> {
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let last = mantissa.bytes().next_back()?;
    // No two texts of 15 digits are the same number.
    if digits < 16 || last.is_multiple_of(2) {
        return None;
    }
    let longer = format!("{value:.digits$e}");
    let (longer, _) = longer.split_once('e')?;
    let below = longer.strip_suffix('5')?.bytes().next_back()?;
    // No number has more digits than this.
    let exact = format!("{value:.767e}");
    let rest = exact.strip_prefix(longer)?.split_once('e')?.0;
    let is_tie = rest.bytes().all(|digit| digit == b'0');
    let other = char::from(if below == last { last + 1 } else { below });
    let power = exact.split_once('e')?.1;
    let text = format!("{}{other}e{power}", &mantissa[..mantissa.len() - 1]);
    (is_tie && text.parse() == Ok(value)).then_some(other)
}

/// Of what is longer the beginning is quoted: it stands in what is said of an error, and may be as long as a push.
const MOST_QUOTED: usize = 1024;

/// Quotes text as `%q` does.
pub(super) fn quote(text: &[u8]) -> String {
    let (text, rest) = text.split_at(text.len().min(MOST_QUOTED));
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(c, '"', &mut out);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    if !rest.is_empty() {
        out.push_str("...");
    }
    out
}

/// Quotes a byte as `%q` does, which takes it for a character of Latin-1.
pub(super) fn quote_byte(byte: u8) -> String {
    let mut out = String::from('\'');
    push_escaped(char::from(byte), '\'', &mut out);
    out.push('\'');
    out
}

fn push_escaped(c: char, quote: char, out: &mut String) {
    let _ = match c {
        '\\' => out.write_str("\\\\"),
        _ if c == quote => write!(out, "\\{c}"),
        '\x07' => out.write_str("\\a"),
        '\x08' => out.write_str("\\b"),
        '\x0c' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\x0b' => out.write_str("\\v"),
        _ if is_printable(c) => out.write_char(c),
        _ if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        _ if u32::from(c) <= 0xffff => write!(out, "\\u{:04x}", u32::from(c)),
        _ => write!(out, "\\U{:08x}", u32::from(c)),
    };
}

/// Returns whether Go calls a character printable. Rust means the same by its escapes for debugging (but that it escapes quotes,
/// and at the beginning of a text what joins the character before it), of another year's Unicode.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let (mut bytes, mut text) = ([0; 8], String::with_capacity(8));
    text.push('a');
    text.push_str(c.encode_utf8(&mut bytes));
    text.escape_debug().nth(1) == Some(c)
}

/// Where Base64 is no Base64, and what was decoded before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadBase64 {
    pub decoded: Vec<u8>,
    pub at: usize,
}

/// Decodes Base64 for URLs without padding as Go's base64.RawURLEncoding does: ends of lines are skipped, and bits that
/// are left over are not looked at.
pub(super) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, BadBase64> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut quantum, mut sextets) = (0_u32, 0);
    let mut last = 0;
    for (at, byte) in text.iter().enumerate() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            b'\r' | b'\n' => continue,
            _ => return Err(BadBase64 { decoded, at }),
        };
        quantum = quantum << 6 | u32::from(sextet);
        sextets += 1;
        last = at;
        if sextets == 4 {
            decoded.extend_from_slice(&quantum.to_be_bytes()[1..]);
            (quantum, sextets) = (0, 0);
        }
    }
    match sextets {
        0 => {}
        1 => return Err(BadBase64 { decoded, at: last }),
        _ => {
            let bytes = (quantum << (6 * (4 - sextets))).to_be_bytes();
            decoded.extend_from_slice(&bytes[1..sextets as usize]);
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::{decode_base64, parse_float, quote, quote_byte, write_float};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn written(value: f64) -> String {
        let mut out = String::new();
        write_float(value, &mut out);
        out
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.5, "123456.5"),
            (999_999.9, "999999.9"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (1_795_414_970.946_915_9, "1.7954149709469159e+09"),
            // 0.25 and 0.75 lie between two texts of 17 digits.
            (1_860_435_968_092_754.0 + 0.25, "1.8604359680927542e+15"),
            (1_860_435_968_092_754.0 + 0.75, "1.8604359680927548e+15"),
            (1_860_435_968_092_753.0 + 0.25, "1.8604359680927532e+15"),
            (123_456.0 + 1.0 / 4096.0, "123456.00024414062"),
            (-1_860_435_968_092_753.0 - 0.75, "-1.8604359680927538e+15"),
            (1.844_674_407_370_955_2e19, "1.8446744073709552e+19"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn floats_are_read_as_expfmt_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-.5", -0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("1e-400", 0.0),
            ("Inf", f64::INFINITY),
            ("+iNFinity", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_float(b"nAn").is_some_and(f64::is_nan));
        for text in [
            "", ".", "+", "-", "1e", "1e+", "e1", "1_0", "0x1p4", "0x10", "0b1", "1e400", "-1e400", "+NaN",
            "-nan", "nan0", "infi", "infinit", "1.2.3", " 1", "1 ", "1\r", "1f", "١",
        ] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_float(b"1\xff"), None);
    }

    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        assert_eq!(quote("a \"b\" \\ 'c' é 世 \u{301}".as_bytes()), "\"a \\\"b\\\" \\\\ 'c' é 世 \u{301}\"");
        assert_eq!(quote(b"\x00\x07\x08\t\n\x0b\x0c\r\x1b\x7f"), r#""\x00\a\b\t\n\v\f\r\x1b\x7f""#);
        assert_eq!(
            quote("\u{a0}\u{ad}\u{200b}\u{2028}\u{e000}\u{10ffff}".as_bytes()),
            r#""\u00a0\u00ad\u200b\u2028\ue000\U0010ffff""#
        );
        assert_eq!(quote(b"a\xff\xc3(\xe2\x82"), r#""a\xff\xc3(\xe2\x82""#);
        assert_eq!(
            [b'}', b'\'', b'"', b'\n', 0xc3].map(quote_byte),
            ["'}'", r"'\''", "'\"'", r"'\n'", "'Ã'"]
        );
    }

    #[test]
    fn base64_is_decoded_as_go_decodes_it() {
        let bad = |text: &str| decode_base64(text.as_bytes()).map_err(|bad| (bad.decoded, bad.at));
        assert_eq!(bad("dGVzdC9qb2I"), Ok(b"test/job".to_vec()));
        assert_eq!(bad(""), Ok(vec![]));
        assert_eq!(bad("A\nB"), Ok(vec![0]));
        assert_eq!(bad("_-8"), Ok(vec![0xff, 0xef]));
        assert_eq!(bad("!!"), Err((vec![], 0)));
        assert_eq!(bad("a+b"), Err((vec![], 1)));
        assert_eq!(bad("YWJj!!"), Err((b"abc".to_vec(), 4)));
        assert_eq!(bad("A"), Err((vec![], 0)));
        assert_eq!(bad("AAAAA"), Err((vec![0, 0, 0], 4)));
        assert_eq!(bad("b=c"), Err((vec![], 1)));
    }

    proptest! {
        #[test]
        fn floats_are_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let read = parse_float(written(value).as_bytes()).expect("a float");
            prop_assert!(read.to_bits() == bits || (read == 0.0 && value == 0.0) || (read.is_nan() && value.is_nan()));
        }

        #[test]
        fn base64_of_others_is_decoded(bytes: Vec<u8>) {
            prop_assert_eq!(decode_base64(URL_SAFE_NO_PAD.encode(&bytes).as_bytes()), Ok(bytes));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_float(&bytes);
            let _ = decode_base64(&bytes);
            prop_assert!(quote(&bytes).len() >= 2);
        }
    }
}
