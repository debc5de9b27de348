//! Values as Ruby 2.4 turns them into text, where tokens put them into commands.

use crate::wire::sensu_json::{Int, Value};

/// `to_s`
pub(super) fn to_s(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::String(bytes) => bytes.to_vec(),
        other => inspect(other),
    }
}

/// `inspect`
fn inspect(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => b"nil".to_vec(),
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Int(Int::Small(n)) => n.to_string().into_bytes(),
        Value::Int(Int::Big(digits)) => digits.as_bytes().to_vec(),
        Value::Float(n) => float(*n).into_bytes(),
        Value::String(bytes) => string(bytes),
        Value::Array(items) => {
            let items: Vec<Vec<u8>> = items.iter().map(inspect).collect();
            [b"[", items.join(&b", "[..]).as_slice(), b"]"].concat()
        }
        Value::Object(fields) => {
            // Keys are symbols.
            let fields: Vec<Vec<u8>> = fields
                .iter()
                .map(|(key, field)| [&symbol(key)[..], b"=>", &inspect(field)].concat())
                .collect();
            [b"{", fields.join(&b", "[..]).as_slice(), b"}"].concat()
        }
    }
}

/// The shortest digits that read back the same, with an exponent below 1e-4 and from 1e16 on.
fn float(n: f64) -> String {
    let size = n.abs();
    if n == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{n:?}");
    }
    let scientific = format!("{n:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn symbol(key: &[u8]) -> Vec<u8> {
    let plain = key.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if plain { [b":", key].concat() } else { [b":", &string(key)[..]].concat() }
}

/// In double quotes; what is no printable UTF-8 as an escape.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for chunk in bytes.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            let next = letters.peek().copied();
            match letter {
                '"' => out.extend(b"\\\""),
                '\\' => out.extend(b"\\\\"),
                '\n' => out.extend(b"\\n"),
                '\r' => out.extend(b"\\r"),
                '\t' => out.extend(b"\\t"),
                '\x0c' => out.extend(b"\\f"),
                '\x0b' => out.extend(b"\\v"),
                '\x08' => out.extend(b"\\b"),
                '\x07' => out.extend(b"\\a"),
                '\x1b' => out.extend(b"\\e"),
                // Only what would be interpolated.
                '#' if matches!(next, Some('{' | '$' | '@')) => out.extend(b"\\#"),
                letter if letter.is_ascii_control() => {
                    out.extend(format!("\\x{:02X}", letter as u32).bytes())
                }
                letter if letter.is_control() => out.extend(format!("\\u{:04X}", letter as u32).bytes()),
                letter => out.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        out.extend(chunk.invalid().iter().flat_map(|byte| format!("\\x{byte:02X}").into_bytes()));
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::to_s;
    use crate::wire::sensu_json::Value;

    #[test]
    fn values_read_as_in_ruby() {
        for (json, text) in [
            (r#""plain \"text\"""#, "plain \"text\""),
            ("true", "true"),
            ("5", "5"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("0.75", "0.75"),
            ("10.50", "10.5"),
            ("1e3", "1000.0"),
            ("1e16", "1.0e+16"),
            ("1.5e20", "1.5e+20"),
            ("0.0001", "0.0001"),
            ("0.00001", "1.0e-05"),
            ("-2.5", "-2.5"),
            (r#"["a", "b"]"#, r#"["a", "b"]"#),
            (r#"[1, null, {"a": 1.5, "b-c": "x"}]"#, r#"[1, nil, {:a=>1.5, :"b-c"=>"x"}]"#),
            (r#"["日本\n\u001b\u0001#{x} # y\\"]"#, r#"["日本\n\e\x01\#{x} # y\\"]"#),
            ("[]", "[]"),
        ] {
            let value = Value::parse(json.as_bytes()).expect(json);
            assert_eq!(String::from_utf8_lossy(&to_s(&value)), text, "{json}");
        }
    }
}
