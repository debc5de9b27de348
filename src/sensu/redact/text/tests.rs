use super::redact;
use crate::sys::clock;
use proptest::prelude::*;
use std::time::Duration;

fn masked(text: &str) -> String {
    String::from_utf8_lossy(&redact(text.as_bytes())).into_owned()
}

#[test]
fn secrets_are_masked_and_the_rest_is_kept() {
    for (text, expected) in [
        // Flags.
        ("mysql --password=hunter2 -w 80", "mysql --password=REDACTED -w 80"),
        ("mysql --password hunter2 -w 80", "mysql --password REDACTED -w 80"),
        ("x --password=abc,def;ghi&jkl -w 5", "x --password=REDACTED -w 5"),
        ("x --password abc,def -w 5", "x --password REDACTED -w 5"),
        ("x --password=ab\"cd -w 5", "x --password=REDACTED -w 5"),
        ("x --password=it's -w 5", "x --password=REDACTED -w 5"),
        (r#"x --password="a\"b secret" -w 5"#, "x --password=REDACTED -w 5"),
        (r#"x --password=a"b c"d -w 5"#, "x --password=REDACTED -w 5"),
        (r"x --password=a\ b -w 5", "x --password=REDACTED -w 5"),
        ("x --password \\\n  abc \\\n  -w 5", "x --password \\\n  REDACTED \\\n  -w 5"),
        ("x --password='a b' 'c d'", "x --password=REDACTED 'c d'"),
        ("--token abc --other x", "--token REDACTED --other x"),
        ("x -dbpassword abc y", "x -dbpassword REDACTED y"),
        ("x --password --user y", "x --password --user y"),
        (r#"run(["--password","a b","-w"])"#, r#"run(["--password",REDACTED,"-w"])"#),
        ("run(['--password', 'x', '-w'])", "run(['--password', REDACTED, '-w'])"),
        // Variables and lines of configuration.
        ("DB_PASSWORD='a b' run", "DB_PASSWORD=REDACTED run"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=REDACTED psql"),
        ("dbpassword: x and y", "dbpassword: REDACTED and y"),
        ("password = x y", "password = REDACTED y"),
        ("secret-key: abc", "secret-key: REDACTED"),
        ("access_key_id: abc", "access_key_id: REDACTED"),
        ("access_token_path=/x", "access_token_path=REDACTED"),
        ("http://host/x?token=abc&user=bob ok", "http://host/x?token=REDACTED ok"),
        // Documents.
        (r#"{"api_key": "x y", "n": 1}"#, r#"{"api_key": REDACTED, "n": 1}"#),
        (r#"{"a":"b","password":"x","n":1}"#, r#"{"a":"b","password":REDACTED,"n":1}"#),
        (r#"{"pass":5,"fail":0} {"token":null}"#, r#"{"pass":REDACTED,"fail":0} {"token":REDACTED}"#),
        (r#"{\"password\":\"x\"}"#, r#"{\"password\":REDACTED}"#),
        (r#""{\"password\": \"a\\\"b c\", \"n\": 1}""#, r#""{\"password\": REDACTED, \"n\": 1}""#),
        (
            r#"{:password=>"a b", "token"=>"c d", :n=>1}"#,
            r#"{:password=>REDACTED, "token"=>REDACTED, :n=>1}"#,
        ),
        (r#"{"password":"cut off he"#, r#"{"password":REDACTED"#),
        ("<password>x</password>", "<password>REDACTED</password>"),
        (
            "<db:Password type=\"a\">\n a b\n</db:Password> ok",
            "<db:Password type=\"a\">REDACTED</db:Password> ok",
        ),
        ("<credentials><a>x</a><b>y</b></credentials>", "<credentials>REDACTED</credentials>"),
        // Addresses and headers.
        ("http://bob:s3cret@host/x", "http://bob:REDACTED@host/x"),
        ("http://bob:p@ss/w0rd@host/x", "http://bob:REDACTED@host/x"),
        ("http://host:80/path ok", "http://host:80/path ok"),
        ("curl -H 'Authorization: Bearer abc.def'", "curl -H 'Authorization: Bearer REDACTED'"),
        (r#"{"Authorization": "Basic YTpi"}"#, r#"{"Authorization": "Basic REDACTED"}"#),
        // Nothing to hide.
        ("the password is wrong", "the password is wrong"),
        ("passing 5 of 5 tests: ok", "passing 5 of 5 tests: ok"),
        ("usage: x -u <user> -p <password> <host>", "usage: x -u <user> -p <password> <host>"),
        ("tokens: 5, secretary: bob, password_file=/x", "tokens: 5, secretary: bob, password_file=/x"),
        ("pass >= 5 and pass <= 6", "pass >= 5 and pass <= 6"),
        ("DISK OK - /var 40% | used=40%", "DISK OK - /var 40% | used=40%"),
        ("password:", "password:"),
    ] {
        assert_eq!(masked(text), expected, "{text}");
    }
}

/// Text that is hard to read takes no longer than its length says.
#[test]
fn masking_is_linear() {
    for (part, many) in [
        ("pass", 50_000),
        ("-pass", 40_000),
        ("<pass>", 30_000),
        ("<pass ", 30_000),
        ("token=a\"b ", 20_000),
        ("token='", 30_000),
        ("token=\\\\\"", 20_000),
        ("\\", 200_000),
        ("\"", 200_000),
        ("://a:", 40_000),
        ("bearer ", 30_000),
        ("authorization:", 15_000),
        ("pass ", 40_000),
    ] {
        let begun = clock::instant();
        let _ = redact(format!("token={}", part.repeat(many)).as_bytes());
        let _ = redact(part.repeat(many).as_bytes());
        assert!(begun.elapsed() < Duration::from_secs(5), "{part}: {:?}", begun.elapsed());
    }
    let deeper: String = (1..600).map(|depth| format!("token={}\"x ", "\\".repeat(depth))).collect();
    let begun = clock::instant();
    let _ = redact(deeper.as_bytes());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A text as JSON has it.
fn json(text: &str) -> String {
    serde_json::to_string(text).expect("text")
}

proptest! {
    /// However a shell is given it: as it is, and in either quotes.
    #[test]
    fn nothing_of_a_flags_value_is_left(
        name in "(-{1,2}|[a-zA-Z_]{0,4})(password|PASSWORD|api_key|apikey|Secret)",
        secret in "[!-<?-~][!-~]{0,19}",
        spaced in "[ -\\[\\]-~]{1,20}",
    ) {
        let single = format!("'{}'", spaced.replace('\'', "'\\''"));
        let double = format!("\"{}\"", secret.replace('\\', "\\\\").replace('"', "\\\""));
        let mixed = format!("'{}'", spaced.replace('\'', r#"'"'"'"#));
        for value in [&secret, &single, &double, &mixed] {
            for sign in ["=", " "] {
                // Behind a space another flag, or a sign, is no value.
                if sign == " " && (!name.starts_with('-') || value.starts_with(['-', ':'])) {
                    continue;
                }
                let text = format!("x {name}{sign}{value} y");
                let masked = masked(&text);
                let rest = masked.strip_prefix(&format!("x {name}{sign}REDACTED"));
                // A quote or a backslash that only opens takes what is behind it along.
                prop_assert!(rest.is_some_and(|rest| " y".ends_with(rest)), "{text}: {masked}");
            }
        }
    }

    /// In a document, also in one that is a text of another, and nothing around it goes.
    #[test]
    fn nothing_of_a_documents_value_is_left(
        name in "[a-z_]{0,4}(password|apiKey|secret)",
        secret in any::<String>(),
        space in " {0,2}",
    ) {
        let document = |value: &str| format!("{{\"n\":1,\"{name}\":{space}{value},\"m\":2}}");
        let (plain, hidden) = (document(&json(&secret)), document("REDACTED"));
        prop_assert_eq!(masked(&plain), hidden.clone());
        prop_assert_eq!(masked(&json(&plain)), json(&hidden));
        prop_assert_eq!(masked(&json(&json(&plain))), json(&json(&hidden)));
        let element = format!("<a><{name}>{}</{name}></a>", secret.replace('<', "&lt;"));
        let empty = secret.is_empty();
        prop_assert_eq!(masked(&element), format!("<a><{name}>{}</{name}></a>", if empty { "" } else { "REDACTED" }));
    }

    #[test]
    fn nothing_of_an_addresss_password_is_left(secret in "[!#-;=?-~]{3,20}") {
        let text = format!("see https://u:{secret}@h/ now");
        prop_assert!(!masked(&text).contains(&format!(":{secret}")), "{}", masked(&text));
    }

    #[test]
    fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = redact(&text);
    }

    #[test]
    fn arbitrary_marks_around_names_never_panic(text in "(password|token|--secret|[\"'\\\\<>/=:, \n-]|a){0,30}") {
        let once = redact(text.as_bytes()).into_owned();
        prop_assert!(once.len() <= text.len() + 8 * 30);
    }
}
