use super::*;
use proptest::prelude::*;

/// Reports whether both are the same piece of memory: nothing was copied.
fn same(shown: &str, text: &str) -> bool {
    shown.as_ptr() == text.as_ptr() && shown.len() == text.len()
}

#[test]
fn harmless_text_is_borrowed() {
    for text in ["", "plain", "ディスク使用率 91%", "naïve é", "👩\u{200d}👩\u{200d}👧 ok", "❤\u{fe0f}"]
    {
        assert!(same(&line(text), text), "{text}");
        assert_eq!(line(text), text);
        assert!(same(&block(text), text), "{text}");
    }
    let lines = "two\nlines";
    assert!(same(&block(lines), lines));
}

#[test]
fn a_mail_has_no_colours_and_keeps_its_lines() {
    let said = "Active: \u{1b}[0;31mfailed\u{1b}[0m (Result: exit-code)\r\n\tnext\u{7}\u{1b}]0;title\u{7} \u{9b}1mZ\u{85}\n";
    assert_eq!(plain(said), "Active: failed (Result: exit-code)\n\tnext Z\n");
}

#[test]
fn escape_sequences_are_dropped_whole() {
    for (text, want) in [
        ("x \u{1b}[31mred\u{1b}[0m.", "x red."),
        ("\u{9b}1;31mred", "red"),
        ("a\u{1b}]0;title\u{7}b", "ab"),
        ("a\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\b", "alinkb"),
        ("a\u{9d}52;c;AAAA\u{9c}b", "ab"),
        ("a\u{1b}Pq#0;2\u{1b}\\b", "ab"),
        ("a\u{1b}_apc\u{1b}\\b\u{1b}^pm\u{1b}\\c\u{1b}Xsos\u{1b}\\d", "abcd"),
        ("a\u{90}dcs\u{9c}b\u{98}sos\u{9c}c\u{9e}pm\u{9c}d\u{9f}apc\u{9c}e", "abcde"),
        ("a\u{1b}(Bb\u{1b}#8c\u{1b}7d\u{1b}cE", "abcdE"),
        ("unterminated \u{1b}[31", "unterminated "),
        ("unterminated \u{1b}]0;gone", "unterminated "),
        ("aborted \u{1b}]0;gone\u{18}kept", "aborted kept"),
        ("restarted \u{1b}]0;gone\u{1b}[1mkept", "restarted kept"),
        ("broken \u{1b}[3é", "broken é"),
        ("lone \u{1b}", "lone "),
        ("twice \u{1b}\u{1b}[1mbold", "twice bold"),
        ("stray \u{9c}st", "stray st"),
    ] {
        assert_eq!(line(text), want, "{text:?}");
    }
}

#[test]
fn an_endless_sequence_hides_no_other_line() {
    assert_eq!(block("a\u{1b}]0;x\nb\u{9d}y\r\nc"), "a\nb\nc");
}

#[test]
fn controls_and_invisible_characters() {
    for (text, want) in [
        ("a\0b\u{7}c\u{7f}d\u{85}e", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"),
        ("safe\u{202e}txt.exe\u{2066}\u{200f}\u{61c}", "safetxt.exe"),
        ("ad\u{200b}min\u{feff}\u{ad}\u{e0041}", "admin"),
        ("a\u{200d}b", "ab"),
        ("a\u{200d}\u{301}", "a\u{301}"),
        ("\u{200d}👧", "👧"),
        ("👩\u{200d}", "👩"),
    ] {
        assert_eq!(line(text), want, "{text:?}");
        assert_eq!(block(text), want, "{text:?}");
    }
}

#[test]
fn line_breaks_and_tabs() {
    let text = "a\tb\r\nc\rd\u{2028}e\n";
    assert_eq!(line(text), "a b c d e ");
    assert_eq!(block(text), "a       b\nc\nd\ne\n");
    assert_eq!(block("\t12345678\tx\n日本\ty\tz"), "        12345678        x\n日本    y       z");
}

#[test]
fn widths() {
    for (text, want) in [("", 0), ("abc", 3), ("日本", 4), ("é", 1), ("e\u{301}", 1), ("👩\u{200d}👧", 2)]
    {
        assert_eq!(width(text), want, "{text}");
    }
}

#[test]
fn truncation_keeps_graphemes() {
    for (text, columns, end, middle) in [
        ("node-0123456789", 15, "node-0123456789", "node-0123456789"),
        ("node-0123456789", 9, "node-01..", "node..789"),
        ("node-0123456789", 8, "node-0..", "nod..789"),
        ("node", 3, "n..", "n.."),
        ("node", 2, "..", ".."),
        ("node", 1, ".", "."),
        ("node", 0, "", ""),
        ("日本語のノード", 9, "日本語..", "日本..ド"),
        ("e\u{301}e\u{301}e\u{301}e\u{301}", 3, "e\u{301}..", "e\u{301}.."),
    ] {
        assert_eq!(truncate_end(text, columns), end, "{text} {columns}");
        assert_eq!(truncate_middle(text, columns), middle, "{text} {columns}");
    }
}

#[test]
fn padding_is_exact() {
    assert_eq!(pad("日本", 6), "日本  ");
    assert_eq!(pad("日本語", 5), "日.. ");
    assert_eq!(pad_left("42", 5), "   42");
    assert_eq!(pad_left("123456", 5), "123..");
}

#[test]
fn carets_stand_under_what_they_mean() {
    assert_eq!(point("foo=bar}", 7..8), "foo=bar}\n       ^");
    assert_eq!(point("名=\"x", 4..6), "名=\"x\n   ^^");
    assert_eq!(point("foo", 3..3), "foo\n   ^");
    assert_eq!(point("\u{1b}[1mfoo!", 7..8), "foo!\n   ^");
    assert_eq!(point("é", 1..99), "é\n^");
}

/// Text as an attacker would write it: many controls, sequences, joiners, wide and combining characters.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\u{1b}[".to_owned()),
        Just("\u{1b}]".to_owned()),
        Just("\u{9b}".to_owned()),
        Just("\u{200d}".to_owned()),
        Just("👩".to_owned()),
        Just("👧🏽".to_owned()),
        Just("❤\u{fe0f}".to_owned()),
        Just("日".to_owned()),
        Just("\u{301}".to_owned()),
        Just("\u{94d}क".to_owned()),
        "[\\x00-\\x7f]{1,4}",
        "[\\x{80}-\\x{9f}\\t\\r\\n]",
        "[\\x{200b}-\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{206f}]",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Takes minutes where every joiner looks at everything before it.
#[test]
fn a_megabyte_of_joined_emoji_is_one_line_soon() {
    let family = "👩\u{200d}".repeat(150_000) + "👧";
    assert_eq!(line(&family), family);
    assert_eq!(line(&format!("{family}\u{1b}[31m")), family);
}

proptest! {
    #[test]
    fn plain_text_has_lines_and_tabs_and_nothing_else_that_controls(text: String, odd in "[\\x1b\\x9b\\[\\]m0;\\x07\\r\\n\\ta]{0,20}") {
        for text in [&text, &odd] {
            let plain = plain(text);
            prop_assert!(plain.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert_eq!(super::plain(&plain), plain);
        }
    }

    #[test]
    fn what_is_shown_holds_no_control(text in hostile()) {
        let (line, block) = (line(&text), block(&text));
        prop_assert!(!line.contains(char::is_control), "{:?}", line);
        prop_assert!(!block.contains(|c: char| c.is_control() && c != '\n'), "{:?}", block);
        prop_assert!(!line.contains(is_invisible) && !block.contains(is_invisible));
    }

    #[test]
    fn making_safe_twice_changes_nothing(text in hostile()) {
        let (line1, block1) = (line(&text), block(&text));
        prop_assert!(same(&line(&line1), &line1));
        prop_assert!(same(&block(&block1), &block1), "{:?}", block1);
    }

    #[test]
    fn truncated_text_fits(text in hostile(), columns in 0usize..12) {
        let text = line(&text);
        for cut in [truncate_end(&text, columns), truncate_middle(&text, columns)] {
            prop_assert!(width(&cut) <= columns, "{:?}", cut);
            prop_assert!(same(&truncate_end(&cut, columns), &cut));
        }
        prop_assert_eq!(width(&pad(&text, columns)), columns);
        prop_assert_eq!(width(&pad_left(&text, columns)), columns);
    }

    #[test]
    fn pointing_never_panics(text in hostile(), start in 0usize..40, end in 0usize..40) {
        prop_assert!(point(&text, start..end).ends_with('^'));
    }
}
