use super::*;
use proptest::prelude::*;

#[test]
fn sizes_have_binary_and_decimal_units() {
    for (text, bytes) in [("1", 1), ("64MiB", 64 << 20), ("64 MB", 64_000_000), ("2GiB", 2 << 30), ("7B", 7)]
    {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for text in ["", "0", "0MiB", "MiB", "-1", "1.5GiB", "64mib", "+3", "99999999999GiB", "1 0"] {
        assert!(size(text).is_err(), "{text}");
    }
}

#[test]
fn templates_may_have_labels_in_host_port_path_and_query() {
    for text in [
        "http://{instance}/api/v1/checks/{check}",
        "http://{instance}:10105/{check}",
        "https://{host}.example:{port}/{check}?source={source}&x=1",
        "http://[::1]:{port}/{check}",
    ] {
        assert_eq!(detail_url(text).as_deref(), Ok(text));
    }
    for text in ["", "{instance}", "http://", "http://{instance}/a b", "http://{a}/?q= x", "http://{{a}}/"] {
        assert!(detail_url(text).is_err(), "{text}");
    }
}

#[test]
fn messages_show_foreign_text_short_and_harmless() {
    assert_eq!(quote("a\u{1b}[31m\"b\""), "`a\\u{1b}[31m\"b\"`");
    assert_eq!(quote("\u{202e}x"), "`\\u{202e}x`");
    assert_eq!(quote(&"x".repeat(100)).len(), 60 + "`...`".len());
}

#[test]
fn passwords_in_urls_are_not_quoted() {
    assert_eq!(quote_url("http://u:p@h:1"), "`http://***@h:1`");
    assert_eq!(quote_url("u:p/@w@h"), "`***@h`");
    assert_eq!(quote_url("http://h"), "`http://h`");
}

#[test]
fn a_hostile_pattern_is_refused_in_time() {
    let why = pattern("(?:a{1000}){1000}").expect_err("too large");
    assert!(why.message.contains("exceeds size limit"), "{}", why.message);
}

#[test]
fn zero_means_no_limit_and_nothing_else() {
    assert_eq!(limit("0"), Ok(None));
    assert_eq!(limit("0s"), Ok(None));
    assert_eq!(limit("1d"), Ok(Some(Duration::from_secs(86_400))));
    assert!(timeout("0").is_err());
}

proptest! {
    #[test]
    fn written_sizes_read_back(bytes in 1u64..) {
        prop_assert_eq!(size(&format_size(bytes)), Ok(bytes));
    }

    #[test]
    fn accepted_urls_keep_their_text_and_hold_no_login(text in "(http|https|ftp)?(://)?[a-z@:.0-9/?#]{0,20}") {
        if let Ok(url) = url(&text) {
            prop_assert!(url.has_host() && url.username().is_empty() && url.password().is_none());
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }
}
