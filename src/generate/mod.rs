//! What stands around iaasmon, written from its configuration: pure functions from what is wanted to text.

pub mod alertmanager;
pub mod kubernetes;
pub mod logrotate;
pub mod preview;
pub mod prometheus;
pub mod rules;
pub mod sensu;
pub mod systemd;
pub mod targets;
pub mod template;

use crate::model::text::line;

/// One file as it is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// What it holds, the header included.
    pub text: String,
}

impl File {
    /// Puts the header over what `command` wrote, as the comment of a YAML, INI or shell file.
    pub fn new(name: impl Into<String>, command: &str, body: &str) -> Self {
        Self { name: name.into(), text: format!("# {}\n{body}", header(command)) }
    }
}

/// The first line of every file that is written here: how it was made, so that it can be made again.
pub fn header(command: &str) -> String {
    format!(
        "Written by `{command}` (iaasmon {}); changes are lost when it is written again.",
        env!("CARGO_PKG_VERSION")
    )
}

/// A string on one line, as YAML and PromQL read it.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            c if is_foreign(c) => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted
}

/// A regular expression of Go that fits each of the names and nothing else; Prometheus and Alertmanager anchor it.
pub fn any_of(names: &[impl AsRef<str>]) -> String {
    let escaped = names.iter().map(|name| {
        let mut escaped = String::new();
        for c in name.as_ref().chars() {
            if r"\.+*?()|[]{}^$".contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    });
    escaped.collect::<Vec<_>>().join("|")
}

/// Makes what may stand in a comment: it stays on its line.
pub fn comment(text: &str) -> String {
    line(text).chars().filter(|c| !is_foreign(*c)).collect()
}

/// Reports whether JSON leaves a character as it is that YAML takes for the end of a line, or not at all.
fn is_foreign(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::{comment, quoted};

    #[test]
    fn what_ends_a_line_anywhere_is_escaped() {
        assert_eq!(quoted("a \"b\" \n\u{1f514}"), "\"a \\\"b\\\" \\n\u{1f514}\"");
        let odd = "\0\u{1b}\u{7f}\u{85}\u{2028}\u{2029}\u{feff}\u{ffff}";
        let expected = r#""\u0000\u001b\u007f\u0085\u2028\u2029\ufeff\uffff""#;
        assert_eq!(quoted(odd), expected);
        assert_eq!(serde_saphyr::from_str::<String>(expected).expect("YAML"), odd);
    }

    #[test]
    fn a_comment_is_one_line() {
        assert_eq!(comment("a\nb\u{85}c\u{2028}d\u{ffff}e"), "a b\u{fffd}c de");
    }
}
