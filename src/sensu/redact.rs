//! Secrets: masked by Sensu's own list of keys, and in text by what gives them away.

mod text;

pub use text::redact as redact_text;

use crate::wire::sensu_json::Value;

/// What stands where a secret stood.
const MASK: &[u8] = b"REDACTED";

/// sensu-client's default keys (utilities.rb:126-160); they match exactly, at any depth.
const KEYS: [&str; 25] = [
    "password",
    "passwd",
    "pass",
    "api_key",
    "api_token",
    "access_key",
    "secret_key",
    "private_key",
    "secret",
    "routing_key",
    "access_token_read",
    "access_token_write",
    "access_token_path",
    "webhook_url",
    "nickserv_password",
    "channel_password",
    "community",
    "keystore_password",
    "truststore_password",
    "proxy_password",
    "access_key_id",
    "secret_access_key",
    // Ours: what people call them in checks.
    "token",
    "bearer",
    "credentials",
];
/// How many of [`KEYS`] are the original's.
const ORIGINAL: usize = 22;

/// Returns a value with the original's keys masked, whatever they hold.
pub fn redact(value: &Value) -> Value {
    redact_also(value, &[])
}

/// The same with the keys of a client's own `redact` list masked too. (The original masks these in its keepalives alone,
/// client/process.rb:42-75, and there are none.)
pub fn redact_also(value: &Value, own: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            let masked = fields.iter().map(|(key, field)| {
                let secret = KEYS[..ORIGINAL].iter().chain(own).any(|known| known.as_bytes() == &**key);
                (key.clone(), if secret { Value::text(MASK) } else { redact_also(field, own) })
            });
            Value::Object(masked.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| redact_also(item, own)).collect()),
        other => other.clone(),
    }
}

/// What is shown to others: keys that end like one of either list masked, the value behind a flag in a list, and secrets in
/// every text.
pub fn redact_for_others(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let masked = fields.iter().map(|(key, field)| {
                let secret = is_named(key, field);
                (key.clone(), if secret { Value::text(MASK) } else { redact_for_others(field) })
            });
            Value::Object(masked.collect())
        }
        Value::Array(items) => {
            let before = std::iter::once(None).chain(items.iter().map(Some));
            let masked = before.zip(items).map(|(before, item)| {
                if is_flagged(before, item) { Value::text(MASK) } else { redact_for_others(item) }
            });
            Value::Array(masked.collect())
        }
        Value::String(text) => Value::String(text::redact(text).into_owned().into()),
        other => other.clone(),
    }
}

/// Whether a key gives its value away: `password`, and `db_password` or `dbPassword`, but not `"bypass": true`.
fn is_named(key: &[u8], field: &Value) -> bool {
    let letters = |key: &[u8]| -> Vec<u8> {
        key.iter().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase).collect()
    };
    let own = letters(key);
    let is_word = matches!(field, Value::Bool(_) | Value::Null);
    KEYS.iter().any(|known| {
        let known = known.as_bytes();
        known.eq_ignore_ascii_case(key) || !is_word && own.ends_with(&letters(known))
    })
}

/// Whether an item of a list is the value of the flag before it: `["--password", "x"]`.
fn is_flagged(before: Option<&Value>, item: &Value) -> bool {
    let flag =
        before.and_then(Value::as_bytes).is_some_and(|flag| flag.starts_with(b"-") && is_named(flag, item));
    flag && !item.as_bytes().is_some_and(|item| item.starts_with(b"-"))
}

#[cfg(test)]
mod tests {
    use super::{redact, redact_for_others};
    use crate::wire::sensu_json::Value;

    #[test]
    fn keys_are_masked_at_any_depth_and_whatever_they_hold() {
        let value = Value::parse(br#"{"a":{"password":{"x":1},"Password":"kept"},"list":[{"secret":5}]}"#);
        let value = value.expect("valid");
        let text = |value: Value| String::from_utf8_lossy(&value.to_bytes()).into_owned();
        assert_eq!(
            text(redact(&value)),
            r#"{"a":{"password":"REDACTED","Password":"kept"},"list":[{"secret":"REDACTED"}]}"#
        );
        let command = Value::parse(br#"{"command":"check --password=hunter2 -w 5"}"#).expect("valid");
        assert_eq!(text(redact_for_others(&command)), r#"{"command":"check --password=REDACTED -w 5"}"#);
    }

    #[test]
    fn for_others_keys_are_masked_by_how_they_end_and_lists_by_their_flags() {
        for (given, expected) in [
            (
                r#"{"db_password":"x","dbPassword":"x"}"#,
                r#"{"db_password":"REDACTED","dbPassword":"REDACTED"}"#,
            ),
            (r#"{"MY-API-KEY":["x"],"csrfToken":5}"#, r#"{"MY-API-KEY":"REDACTED","csrfToken":"REDACTED"}"#),
            (r#"{"password":true,"bypass":true}"#, r#"{"password":"REDACTED","bypass":true}"#),
            (r#"{"tokens":5,"password_file":"/x"}"#, r#"{"tokens":5,"password_file":"/x"}"#),
            (r#"["--password","x","y"]"#, r#"["--password","REDACTED","y"]"#),
            (
                r#"["run",["--db-token",5],{"a":["-pass","x"]}]"#,
                r#"["run",["--db-token","REDACTED"],{"a":["-pass","REDACTED"]}]"#,
            ),
            (r#"["--password","--user","x"]"#, r#"["--password","--user","x"]"#),
            (r#"["password","x"]"#, r#"["password","x"]"#),
        ] {
            let value = Value::parse(given.as_bytes()).expect(given);
            let masked = redact_for_others(&value).to_bytes();
            assert_eq!(String::from_utf8_lossy(&masked), expected, "{given}");
        }
    }
}
