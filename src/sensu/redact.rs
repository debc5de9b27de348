//! Secrets: masked by Sensu's own list of keys, and in text by what gives them away.

use crate::wire::sensu_json::Value;
use regex::bytes::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

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

/// What is shown to others: keys of either list masked, and secrets in every text.
pub fn redact_for_others(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let masked = fields.iter().map(|(key, field)| {
                let secret = KEYS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(key));
                (key.clone(), if secret { Value::text(MASK) } else { redact_for_others(field) })
            });
            Value::Object(masked.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(redact_for_others).collect()),
        Value::String(text) => Value::String(redact_text(text).into_owned().into()),
        other => other.clone(),
    }
}

/// `--password=x`, `password: x`, `--password x`, `SECRET_KEY=x`, in and without quotes.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    let names = KEYS.map(|key| key.replace('_', "[_-]?")).join("|");
    let pattern = format!(
        r#"(?i-u)((?:^|[^a-z0-9])(?:[a-z0-9]+[_-])*(?:{names})(?:["']?\s*[=:]\s*))(?:"[^"\n]*"|'[^'\n]*'|[^\s"',;&]+)|(--?(?:[a-z0-9]+[_-])*(?:{names})\s+)(?:"[^"\n]*"|'[^'\n]*'|[^\s"'-][^\s"']*)"#
    );
    Regex::new(&pattern).expect("the pattern is fixed")
});
/// `scheme://user:pass@host`: all up to the last `@` of the word, for a password may hold one, and a slash.
static URL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?-u)(://[^\s:/@"'<>]*:)[^\s"'<>]+@"#).expect("the pattern is fixed"));
/// `Bearer x`, `Basic x`
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i-u)\b(bearer|authorization:\s*basic)(\s+)[a-z0-9._~+/=-]{4,}")
        .expect("the pattern is fixed")
});

/// Returns a text with its secrets masked; borrowed where there is none.
pub fn redact_text(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(text);
    let patterns: [(&LazyLock<Regex>, &[u8]); 3] =
        [(&NAMED, b"${1}${2}REDACTED"), (&URL, b"${1}REDACTED@"), (&SCHEME, b"${1}${2}REDACTED")];
    for (pattern, mask) in patterns {
        if let Cow::Owned(masked) = pattern.replace_all(&text, mask) {
            text = Cow::Owned(masked);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{redact, redact_for_others, redact_text};
    use crate::wire::sensu_json::Value;
    use proptest::prelude::*;

    fn masked(text: &str) -> String {
        String::from_utf8_lossy(&redact_text(text.as_bytes())).into_owned()
    }

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
    fn secrets_in_text_are_masked_and_the_rest_is_kept() {
        for (text, expected) in [
            ("mysql --password=hunter2 -w 80", "mysql --password=REDACTED -w 80"),
            ("mysql --password hunter2 -w 80", "mysql --password REDACTED -w 80"),
            ("DB_PASSWORD='a b' run", "DB_PASSWORD=REDACTED run"),
            (r#"{"api_key": "x y", "n": 1}"#, r#"{"api_key": REDACTED, "n": 1}"#),
            ("http://bob:s3cret@host/x", "http://bob:REDACTED@host/x"),
            ("http://bob:p@ss/w0rd@host/x", "http://bob:REDACTED@host/x"),
            ("http://host:80/path ok", "http://host:80/path ok"),
            ("curl -H 'Authorization: Bearer abc.def'", "curl -H 'Authorization: Bearer REDACTED'"),
            ("the password is wrong", "the password is wrong"),
            ("passing 5 of 5 tests: ok", "passing 5 of 5 tests: ok"),
            ("DISK OK - /var 40% | used=40%", "DISK OK - /var 40% | used=40%"),
            ("--token abc --other x", "--token REDACTED --other x"),
            ("secret-key: abc", "secret-key: REDACTED"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_of_a_password_flag_is_left(secret in "[a-zA-Z0-9!#%+]{6,20}") {
            let (flag, url) = (format!("x --password={secret} y"), format!("https://u:{secret}@h/"));
            prop_assert!(!masked(&flag).contains(&secret), "{}", masked(&flag));
            prop_assert!(!masked(&url).contains(&secret), "{}", masked(&url));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = redact_text(&text);
        }
    }
}
