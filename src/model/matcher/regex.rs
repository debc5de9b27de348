//! Alertmanager's regexes, which are Go's (RE2 syntax), on Rust's engine.
//!
//! Both engines match in linear time, but they do not read every pattern alike: `\d`, `\w`, `\s` and `\b` mean
//! ASCII in Go and Unicode in Rust, `&&` in a class is an operator in Rust, `{,3}` is text in Go, `a**` is an error
//! in Go. So a pattern is not handed over; it is read by Go's rules (regexp/syntax, flags `Perl`) and written anew
//! with every literal spelled out. What we are not certain of is refused, and the matcher answers "unknown".

use regex::{Error, Regex, RegexBuilder};
use std::fmt::Write as _;

mod class;
#[cfg(test)]
mod tests;
mod translate;

/// Compiled programs beyond this size are refused; a list of 1,000 long node names needs more than 4 MiB.
const SIZE_LIMIT: usize = 10 << 20;

/// A compiled, anchored regex.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    regex: Regex,
    /// Whether the answer is certain for ASCII values alone: Unicode's tables differ between versions of Go and ours.
    ascii_only: bool,
}

impl Compiled {
    /// Compiles as Alertmanager does, `^(?:pattern)$`. Fails with the reason why it is not evaluated here.
    pub(super) fn new(pattern: &str) -> Result<Self, Box<str>> {
        let translated = translate::translate(pattern)?;
        let mut anchored = String::with_capacity(translated.pattern.len() + 10);
        let _ = write!(anchored, "\\A(?:{})\\z", translated.pattern);
        let regex = RegexBuilder::new(&anchored).size_limit(SIZE_LIMIT).build();
        let regex = regex.map_err(|error| reason(&error))?;
        Ok(Self { regex, ascii_only: translated.ascii_only })
    }

    /// Reports whether the whole `value` matches; `None` where Go might answer differently.
    pub(super) fn is_match(&self, value: &str) -> Option<bool> {
        (!self.ascii_only || value.is_ascii()).then(|| self.regex.is_match(value))
    }
}

/// Says in one line what the engine objects to; its own messages show the translated pattern, which nobody wrote.
fn reason(error: &Error) -> Box<str> {
    match error {
        Error::CompiledTooBig(_) => "too large to be evaluated here".into(),
        _ => error.to_string().lines().last().unwrap_or("").trim_start_matches("error: ").into(),
    }
}
