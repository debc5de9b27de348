//! Reads a pattern by Go's rules and writes it for Rust's engine.

use super::class;
use std::fmt::Write as _;

/// Why a pattern is not translated.
pub(super) type Refused = Box<str>;

/// Go refuses counts above this, also as the product of nested ones (regexp/syntax `repeatIsValid`).
const MAX_REPEAT: u32 = 1000;

/// A pattern for Rust's engine.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Whether it means the same in both engines for ASCII values only.
    pub(super) ascii_only: bool,
}

/// Translates a pattern, without anchors.
pub(super) fn translate(pattern: &str) -> Result<Translated, Refused> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        ascii_only: false,
        fold: false,
        groups: Vec::new(),
        inner: 1,
        atom: None,
        names: Vec::new(),
    };
    while let Some(c) = translator.next() {
        translator.step(c)?;
    }
    if !translator.groups.is_empty() {
        return Err("missing closing )".into());
    }
    Ok(Translated { pattern: translator.out, ascii_only: translator.ascii_only })
}

/// What to restore when a group closes.
struct Group {
    fold: bool,
    inner: u32,
}

pub(super) struct Translator<'a> {
    pub(super) rest: &'a str,
    pub(super) out: String,
    pub(super) ascii_only: bool,
    /// Whether case is ignored here, `(?i)`.
    pub(super) fold: bool,
    groups: Vec<Group>,
    /// The largest product of nested counts in the current group.
    inner: u32,
    /// The same for the last atom; `None` where nothing stands that a repetition could apply to.
    atom: Option<u32>,
    names: Vec<&'a str>,
}

impl<'a> Translator<'a> {
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    pub(super) fn take(&mut self, prefix: &str) -> bool {
        self.rest.strip_prefix(prefix).map(|rest| self.rest = rest).is_some()
    }

    fn step(&mut self, c: char) -> Result<(), Refused> {
        match c {
            '(' => self.open(),
            ')' => self.close(),
            '[' => {
                class::bracket(self)?;
                self.atom = Some(1);
                Ok(())
            }
            '|' => {
                self.out.push('|');
                self.atom = None;
                Ok(())
            }
            '.' | '^' | '$' => {
                self.emit(c.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(c.encode_utf8(&mut [0; 4]), 1),
            '{' => self.counted(),
            '\\' => self.escape(),
            _ => {
                self.literal(c);
                Ok(())
            }
        }
    }

    /// Writes something that a repetition may follow.
    fn emit(&mut self, text: &str) {
        self.out.push_str(text);
        self.atom = Some(1);
    }

    fn literal(&mut self, c: char) {
        push_char(&mut self.out, c);
        self.note_fold(c);
        self.atom = Some(1);
    }

    /// Notes a character whose case folding may depend on the version of Unicode.
    pub(super) fn note_fold(&mut self, c: char) {
        self.ascii_only |= self.fold && !folds_alike(c);
    }

    fn repeat(&mut self, operator: &str, count: u32) -> Result<(), Refused> {
        // Go refuses a repetition of a repetition (`a**`) and of nothing; Rust takes the first.
        let atom = self.atom.take().ok_or("a repetition must follow what it repeats")?;
        let product = atom.saturating_mul(count.max(1));
        if product > MAX_REPEAT {
            return Err("invalid repeat count".into());
        }
        self.inner = self.inner.max(product);
        self.out.push_str(operator);
        // Lazy or greedy makes no difference to whether the whole value matches.
        self.take("?");
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; anything else is a brace.
    fn counted(&mut self) -> Result<(), Refused> {
        let Some((min, max, rest)) = counts(self.rest) else {
            self.literal('{');
            return Ok(());
        };
        self.rest = rest;
        let top = max.unwrap_or(min);
        if top < min {
            return Err("invalid repeat count".into());
        }
        let operator = match max {
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        self.repeat(&operator, top)
    }

    fn open(&mut self) -> Result<(), Refused> {
        let mut opening = "(?:".to_owned();
        let mut fold = self.fold;
        if self.take("?P<") || self.take("?<") {
            self.name()?;
        } else if self.take("?") {
            let (flags, group) = self.flags()?;
            fold = flags.i.unwrap_or(fold);
            if !group {
                self.fold = fold;
                self.out.push_str(&flags.group(")"));
                self.atom = None;
                return Ok(());
            }
            opening = flags.group(":");
        }
        self.groups.push(Group { fold: self.fold, inner: self.inner });
        self.out.push_str(&opening);
        self.fold = fold;
        self.inner = 1;
        self.atom = None;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let group = self.groups.pop().ok_or("unexpected )")?;
        self.out.push(')');
        self.atom = Some(self.inner);
        self.fold = group.fold;
        self.inner = self.inner.max(group.inner);
        Ok(())
    }

    /// Reads a group's name up to `>`. (Also taken for `(?<=` and `(?<!`, which are no names and so refused.)
    fn name(&mut self) -> Result<(), Refused> {
        let (name, rest) = self.rest.split_once('>').ok_or("invalid named capture")?;
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || !word || self.names.contains(&name) {
            return Err("invalid named capture".into());
        }
        self.names.push(name);
        self.rest = rest;
        Ok(())
    }

    /// Reads flags up to `:` (true: a group follows) or `)`.
    fn flags(&mut self) -> Result<(Flags, bool), Refused> {
        let mut flags = Flags::default();
        let (mut on, mut dangling) = (true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.i = Some(on),
                'm' => flags.m = Some(on),
                's' => flags.s = Some(on),
                // Which repetition is lazy makes no difference here.
                'U' => {}
                '-' if on => {
                    on = false;
                    dangling = true;
                    continue;
                }
                ':' | ')' if !dangling => return Ok((flags, c == ':')),
                _ => break,
            }
            dangling = false;
        }
        Err("invalid or unsupported Perl syntax after (?".into())
    }

    fn escape(&mut self) -> Result<(), Refused> {
        let mut ahead = self.rest.chars();
        match ahead.next() {
            Some('A') => self.emit("\\A"),
            Some('z') => self.emit("\\z"),
            // Go's word boundary is ASCII.
            Some('b') => self.emit("(?-u:\\b)"),
            Some('B') => self.emit("(?-u:\\B)"),
            Some('Q') => return self.quotation(),
            _ => {
                if class::escaped_set(self)? {
                    self.atom = Some(1);
                } else {
                    let c = class::escaped_char(self)?;
                    self.literal(c);
                }
                return Ok(());
            }
        }
        self.rest = ahead.as_str();
        Ok(())
    }

    /// Reads `\Q...\E`. Without its end it would swallow the parenthesis that anchoring adds.
    fn quotation(&mut self) -> Result<(), Refused> {
        let (quoted, rest) = self.rest[1..].split_once("\\E").ok_or("missing \\E")?;
        for c in quoted.chars() {
            self.literal(c);
        }
        if quoted.is_empty() {
            // What a repetition behind it would apply to is nothing to rely on.
            self.atom = None;
        }
        self.rest = rest;
        Ok(())
    }
}

#[derive(Default)]
struct Flags {
    i: Option<bool>,
    m: Option<bool>,
    s: Option<bool>,
}

impl Flags {
    /// Writes `(?on-off` and `end`; flags alone that change nothing are left out.
    fn group(&self, end: &str) -> String {
        let of = |wanted: bool| {
            let all = [('i', self.i), ('m', self.m), ('s', self.s)];
            all.into_iter()
                .filter(move |(_, value)| *value == Some(wanted))
                .map(|(c, _)| c)
                .collect::<String>()
        };
        let (on, off) = (of(true), of(false));
        match (on.is_empty() && off.is_empty(), off.is_empty()) {
            (true, _) if end == ")" => String::new(),
            (_, true) => format!("(?{on}{end}"),
            (_, false) => format!("(?{on}-{off}{end}"),
        }
    }
}

/// Reads the counts behind `{` and returns what follows `}`. Numbers have no leading zeros.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = number(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(min), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, None, rest));
    }
    let (max, rest) = number(rest)?;
    Some((min, Some(max), rest.strip_prefix('}')?))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(len);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    // A number too large to hold is too large for Go, too.
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

/// Writes a character so that it stands for itself, inside and outside of classes.
pub(super) fn push_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}

/// Reports whether ignoring case treats `c` alike in every version of Go and here: letters of alphabets whose
/// pairs have been settled for long (compared with Go 1.19, character by character), and what has no case.
fn folds_alike(c: char) -> bool {
    let settled = matches!(c, '\0'..='\u{17f}' | '\u{386}'..='\u{3ce}' | '\u{400}'..='\u{45f}');
    settled || (c.to_lowercase().eq([c]) && c.to_uppercase().eq([c]))
}
