//! Which names metrics and labels may have: the classic alphabet, or any text since UTF-8 names came.

use std::borrow::Cow;

/// Labels that begin with this belong to Prometheus.
const RESERVED: &str = "__";
/// A name that begins with this is written in the classic alphabet and stands for another (Prometheus' "values" escaping).
const ESCAPED: &str = "U__";

/// A rule for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// Letters, digits and `_` (in metrics also `:`), no digit first: what every version understands.
    #[default]
    Legacy,
    /// Any text that is not empty.
    Utf8,
}

impl Names {
    /// Returns whether a metric may be called so.
    pub fn take_metric(self, name: &str) -> bool {
        match self {
            Self::Legacy => is_classic(name, true),
            Self::Utf8 => !name.is_empty(),
        }
    }

    /// Returns whether a label may be called so; that it is reserved is another question.
    pub fn take_label(self, name: &str) -> bool {
        match self {
            Self::Legacy => is_classic(name, false),
            Self::Utf8 => !name.is_empty(),
        }
    }

    /// Returns the name that `written` stands for where a name can be written in the classic alphabet only, as in the path
    /// of a push: with UTF-8 names `U__a_2e_b` is `a.b`. What is not written so stands for itself.
    ///
    /// Upstream (prometheus/common, model.UnescapeName) means to read six digits and reads five.
    pub fn unescape(self, written: &str) -> Cow<'_, str> {
        let escaped = if self == Self::Utf8 { written.strip_prefix(ESCAPED) } else { None };
        escaped.and_then(unescaped).map_or(Cow::Borrowed(written), Cow::Owned)
    }

    /// Writes `name` so that [`Self::unescape`] gives it back.
    pub fn escape(self, name: &str) -> Cow<'_, str> {
        if self == Self::Legacy || (is_classic(name, false) && !name.starts_with(ESCAPED)) {
            return Cow::Borrowed(name);
        }
        let mut escaped = ESCAPED.to_owned();
        for c in name.chars() {
            match c {
                '_' => escaped.push_str("__"),
                _ if c.is_ascii_alphanumeric() => escaped.push(c),
                _ => escaped.push_str(&format!("_{:x}_", u32::from(c))),
            }
        }
        Cow::Owned(escaped)
    }
}

/// Returns whether a label is Prometheus' own.
pub fn is_reserved(label: &str) -> bool {
    label.starts_with(RESERVED)
}

/// Returns whether `name` keeps to the classic alphabet.
fn is_classic(name: &str, colons: bool) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || (colons && *byte == b':');
    name.as_bytes().first().is_some_and(|first| !first.is_ascii_digit()) && name.as_bytes().iter().all(inner)
}

/// Undoes the escaping of what follows [`ESCAPED`].
fn unescaped(written: &str) -> Option<String> {
    let mut name = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('_') {
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find('_')?;
        let (digits, after) = (&rest[..end], &rest[end + 1..]);
        match digits.len() {
            0 => name.push('_'),
            1..=6 if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                name.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            }
            _ => return None,
        }
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::{Names, is_reserved};
    use proptest::prelude::*;

    #[test]
    fn names_are_judged_as_prometheus_judges_them() {
        for (name, metric, label) in [
            ("a", true, true),
            ("_a9", true, true),
            ("A:b", true, false),
            (":a", true, false),
            ("9a", false, false),
            ("a-b", false, false),
            ("é", false, false),
            ("a b", false, false),
            ("", false, false),
        ] {
            assert_eq!(Names::Legacy.take_metric(name), metric, "{name}");
            assert_eq!(Names::Legacy.take_label(name), label, "{name}");
            assert_eq!(Names::Utf8.take_metric(name), !name.is_empty());
            assert_eq!(Names::Utf8.take_label(name), !name.is_empty());
        }
        assert!(is_reserved("__name__") && is_reserved("__") && !is_reserved("_a"));
    }

    #[test]
    fn a_name_is_unescaped_where_it_was_escaped_and_only_with_utf8_names() {
        for (written, name) in [
            ("U__dotted_2e_label_2e_name", "dotted.label.name"),
            ("U__a__b", "a_b"),
            ("U___41_", "A"),
            ("U___10ffff_", "\u{10ffff}"),
            ("U__é", "é"),
            ("U__", ""),
            ("plain", "plain"),
            // Not written by anybody: they stand for themselves.
            ("U__a_", "U__a_"),
            ("U__a_2e", "U__a_2e"),
            ("U___d800_", "U___d800_"),
            ("U___110000_", "U___110000_"),
            ("U___1000000_", "U___1000000_"),
            ("U___xy_", "U___xy_"),
            ("U___+1_", "U___+1_"),
        ] {
            assert_eq!(Names::Utf8.unescape(written), name, "{written}");
            assert_eq!(Names::Legacy.unescape(written), written);
        }
        assert_eq!(Names::Utf8.escape("a.b_c"), "U__a_2e_b__c");
        assert_eq!(Names::Utf8.escape("U__a"), "U__U____a");
    }

    proptest! {
        #[test]
        fn escaping_is_undone_by_unescaping(name in ".{0,20}") {
            let escaped = Names::Utf8.escape(&name).into_owned();
            prop_assert!(Names::Legacy.take_label(&escaped), "{escaped}");
            prop_assert_eq!(Names::Utf8.unescape(&escaped), name);
        }
    }
}
