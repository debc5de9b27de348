//! Reads text 0.0.4 as strictly as upstream's pushgateway and in its words (prometheus/common, expfmt/text_parse.go): a body that
//! it refuses is refused here, for the same reason in the same line.
//!
//! Where it differs: a text in quotes is one token, not the continuation of another; inside braces the name of the metric comes
//! first; `quantile` and `le` are given once, as any label; a label that is reserved is refused here, not when it is stored;
//! counts of a summary are no less than 0; a `HELP` is UTF-8. Whatever breaks one of these rules would leave upstream with
//! something else than was meant, or with a page that nobody can read.

#[cfg(test)]
mod tests;

use super::fold::{Families, Target};
use super::token::{Cursor, Stop};
use crate::model::family::{Family, Kind, Pair};
use crate::model::names::{Names, is_reserved};
use crate::wire::go;
use std::borrow::Cow;

/// So many labels are compared with each other as they come; of more, the same are found once they are in order.
const FEW: usize = 32;

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("text format parsing error in line {line}: {what}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// Upstream's words.
    pub what: String,
}

/// Reads all families of a body, in the order in which they were named first; one without samples is none.
///
/// # Errors
/// At the first line that is wrong.
pub fn parse(body: &[u8], names: Names) -> Result<Vec<Family<'_>>, Malformed> {
    let (cursor, families) = (Cursor::new(body), Families::default());
    let mut parser = Parser { cursor, families, names, labels: Vec::new(), own: None };
    let mut line = 1;
    loop {
        match parser.line() {
            Ok(true) => line += 1,
            Ok(false) => return Ok(parser.families.finish()),
            Err(Stop::Wrong(what)) => return Err(Malformed { line, what }),
            Err(Stop::End) => {
                return Err(Malformed { line, what: "unexpected end of input stream".to_owned() });
            }
        }
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    families: Families<'a>,
    names: Names,
    /// The labels of the line.
    labels: Vec<Pair<'a>>,
    /// The value of the line's `quantile` or `le`, where it belongs to the metric's value.
    own: Option<f64>,
}

impl<'a> Parser<'a> {
    /// Reads a line, and returns whether there was one.
    fn line(&mut self) -> Result<bool, Stop> {
        self.cursor.skip_blanks();
        match self.cursor.peek() {
            None => return Ok(false),
            Some(b'\n') => self.cursor.skip(1),
            Some(b'#') => self.comment()?,
            Some(b'{') => {
                self.cursor.skip(1);
                let (target, more) = self.name_in_braces()?;
                self.labels(target, true, more)?;
                self.sample(target)?;
            }
            Some(_) => {
                let name = self.cursor.metric_name()?;
                if name.is_empty() {
                    return Stop::wrong("invalid metric name");
                }
                let target = self.target(name)?;
                let braces = self.cursor.after_blanks()? == b'{';
                if braces {
                    self.cursor.skip(1);
                }
                self.labels(target, false, braces)?;
                self.sample(target)?;
            }
        }
        Ok(true)
    }

    fn comment(&mut self) -> Result<(), Stop> {
        self.cursor.skip(1);
        self.cursor.after_blanks()?;
        let keyword = self.cursor.word()?;
        if !matches!(keyword, b"HELP" | b"TYPE") {
            return self.cursor.line().map(drop);
        }
        if self.cursor.byte()? != b'\n' {
            self.cursor.after_blanks()?;
        }
        let name = self.cursor.metric_name()?;
        match self.cursor.byte()? {
            // What says nothing is as well.
            b'\n' => return self.cursor.line().map(drop),
            b' ' | b'\t' => {}
            _ => return Stop::wrong("invalid metric name in comment"),
        }
        let target = self.families.target(self.metric_name(name)?);
        if self.cursor.after_blanks()? == b'\n' {
            return self.cursor.line().map(drop);
        }
        if keyword == b"HELP" { self.help(target) } else { self.kind(target) }
    }

    fn help(&mut self, target: Target) -> Result<(), Stop> {
        if self.families.has_help(target) {
            let name = quote(self.families.name(target));
            return Stop::wrong(format!("second HELP line for metric name {name}"));
        }
        let help = text(self.cursor.help()?);
        let help = help.or_else(|bytes| Stop::wrong(format!("invalid help text {}", go::quote(&bytes))))?;
        self.families.set_help(target, help);
        Ok(())
    }

    fn kind(&mut self, target: Target) -> Result<(), Stop> {
        if self.families.kind(target).is_some() {
            let name = quote(self.families.name(target));
            return Stop::wrong(format!(
                "second TYPE line for metric name {name}, or TYPE reported after samples"
            ));
        }
        let word = self.cursor.line()?;
        let kind =
            kind_of(word).ok_or_else(|| Stop::Wrong(format!("unknown metric type {}", go::quote(word))))?;
        self.families.set_kind(target, kind);
        Ok(())
    }

    /// Finds the family of a sample; from now on it has a type.
    fn target(&mut self, name: Cow<'a, [u8]>) -> Result<Target, Stop> {
        let target = self.families.target(self.metric_name(name)?);
        if self.families.kind(target).is_none() {
            self.families.set_kind(target, Kind::Untyped);
        }
        Ok(target)
    }

    fn metric_name(&self, name: Cow<'a, [u8]>) -> Result<Cow<'a, str>, Stop> {
        match text(name) {
            Ok(name) if self.names.take_metric(&name) => Ok(name),
            Ok(name) => Stop::wrong(format!("invalid metric name {}", quote(&name))),
            Err(bytes) => Stop::wrong(format!("invalid metric name {}", go::quote(&bytes))),
        }
    }

    /// Takes the name of a metric behind `{`, and returns whether labels may follow.
    fn name_in_braces(&mut self) -> Result<(Target, bool), Stop> {
        self.cursor.after_blanks()?;
        let name = self.cursor.metric_name()?;
        let next = self.cursor.after_blanks()?;
        match next {
            _ if name.is_empty() => Stop::wrong("invalid metric name"),
            b',' | b'}' => {
                let target = self.target(name)?;
                self.cursor.skip(1);
                Ok((target, next == b','))
            }
            b'=' => Stop::wrong("invalid metric name"),
            other => Stop::wrong(format!("unexpected end of metric name {}", go::quote_byte(other))),
        }
    }

    /// Takes labels up to `}`, where there are any, and puts them in order.
    fn labels(&mut self, target: Target, name_in_braces: bool, any: bool) -> Result<(), Stop> {
        self.labels.clear();
        self.own = None;
        let own_label = self.families.kind(target).and_then(Kind::own_label);
        let mut more = any;
        while more && self.cursor.after_blanks()? != b'}' {
            let name = self.label_name(target, name_in_braces)?;
            let is_own = own_label == Some(&*name);
            if self.knows_label(&name, is_own) {
                return Stop::wrong(self.repeated(target));
            }
            let value = self.label_value()?;
            if is_own {
                self.own = Some(own_value(&name, &value)?);
            }
            let next = self.cursor.after_blanks()?;
            if !matches!(next, b',' | b'}') {
                return Stop::wrong(format!("unexpected end of label value {}", quote(&value)));
            }
            if !is_own {
                self.labels.push((name, value));
            }
            more = next == b',';
            if more {
                self.cursor.skip(1);
            }
        }
        if any {
            self.cursor.skip(1);
        }
        self.sort_labels(target)
    }

    fn sort_labels(&mut self, target: Target) -> Result<(), Stop> {
        if !self.labels.is_sorted_by(|a, b| a.0 < b.0) {
            self.labels.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            if self.labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Stop::wrong(self.repeated(target));
            }
        }
        Ok(())
    }

    fn repeated(&self, target: Target) -> String {
        format!("duplicate label names for metric {}", quote(self.families.name(target)))
    }

    fn knows_label(&self, name: &str, is_own: bool) -> bool {
        if is_own { self.own.is_some() } else { self.labels.iter().take(FEW).any(|(known, _)| known == name) }
    }

    /// Takes a label's name and what follows it.
    fn label_name(&mut self, target: Target, name_in_braces: bool) -> Result<Cow<'a, str>, Stop> {
        let name = self.cursor.label_name()?;
        let metric = || quote(self.families.name(target));
        if name.is_empty() {
            return Stop::wrong(format!("invalid label name for metric {}", metric()));
        }
        match self.cursor.after_blanks()? {
            b'=' => self.cursor.skip(1),
            _ if name_in_braces => {
                return Stop::wrong(format!("multiple metric names for metric {}", metric()));
            }
            other => {
                let found = go::quote_byte(other);
                return Stop::wrong(format!("expected '=' after label name, found {found}"));
            }
        }
        match text(name) {
            Ok(name) if is_reserved(&name) => Stop::wrong(format!("label name {} is reserved", quote(&name))),
            Ok(name) if self.names.take_label(&name) => Ok(name),
            Ok(name) => Stop::wrong(format!("invalid label name {}", quote(&name))),
            Err(bytes) => Stop::wrong(format!("invalid label name {}", go::quote(&bytes))),
        }
    }

    fn label_value(&mut self) -> Result<Cow<'a, str>, Stop> {
        match self.cursor.after_blanks()? {
            b'"' => {}
            other => {
                let found = go::quote_byte(other);
                return Stop::wrong(format!("expected '\"' at start of label value, found {found}"));
            }
        }
        let value = text(self.cursor.label_value()?);
        value.or_else(|bytes| Stop::wrong(format!("invalid label value {}", go::quote(&bytes))))
    }

    /// Takes the value, and the time if there is one.
    fn sample(&mut self, target: Target) -> Result<(), Stop> {
        self.cursor.after_blanks()?;
        let token = self.cursor.word()?;
        let value = go::parse_float(token)
            .ok_or_else(|| Stop::Wrong(format!("expected float as value, got {}", go::quote(token))))?;
        let at = self.families.add(target, &mut self.labels, self.own, value).map_err(Stop::Wrong)?;
        if self.cursor.byte()? == b'\n' {
            self.cursor.skip(1);
            return Ok(());
        }
        self.cursor.after_blanks()?;
        let token = self.cursor.word()?;
        let time = str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        let time = time
            .ok_or_else(|| Stop::Wrong(format!("expected integer as timestamp, got {}", go::quote(token))))?;
        self.families.set_time(target, at, time);
        match self.cursor.line()? {
            [] => Ok(()),
            rest => Stop::wrong(format!("spurious string after timestamp: {}", go::quote(rest))),
        }
    }
}

fn kind_of(word: &[u8]) -> Option<Kind> {
    let kinds =
        [Kind::Counter, Kind::Gauge, Kind::Summary, Kind::Untyped, Kind::Histogram, Kind::GaugeHistogram];
    let named = kinds.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.name().as_bytes()));
    // OpenMetrics' spelling.
    named.or_else(|| word.eq_ignore_ascii_case(b"gaugehistogram").then_some(Kind::GaugeHistogram))
}

/// Reads a `quantile` or `le`.
fn own_value(name: &str, value: &str) -> Result<f64, Stop> {
    go::parse_float(value.as_bytes()).ok_or_else(|| {
        Stop::Wrong(format!("expected float as value for '{name}' label, got {}", quote(value)))
    })
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Cow<'_, [u8]>> {
    match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Cow::Borrowed(bytes)),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(Cow::Owned).map_err(|error| Cow::Owned(error.into_bytes()))
        }
    }
}

fn quote(text: &str) -> String {
    go::quote(text.as_bytes())
}
