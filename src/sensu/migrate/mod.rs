//! Moving over from Sensu: what its definitions mean here, and whether the logs of before and after agree.
//!
//! Nothing is changed or written. A finding is about one attribute of one definition; each check also has one finding that
//! says when it runs. What Sensu's server did (handlers, filters, occurrences) is the business of Prometheus and
//! Alertmanager now: those findings name what takes its place, and somebody has to decide.

mod check;
pub mod logs;
mod server;

use super::definitions::Settings;
use serde::Serialize;
use std::collections::BTreeMap;

/// What becomes of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Somebody has to decide.
    Decide,
    /// It works, and not quite as before.
    Differs,
    /// It is as it was.
    Carries,
}

impl Verdict {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Differs => "differs",
            Self::Carries => "carries",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "Sensu's own words")]
pub enum Kind {
    Check,
    Handler,
    Filter,
    Mutator,
    Extension,
    Client,
    Service,
}

impl Kind {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Handler => "handler",
            Self::Filter => "filter",
            Self::Mutator => "mutator",
            Self::Extension => "extension",
            Self::Client => "client",
            Self::Service => "service",
        }
    }
}

/// What one attribute of one definition comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What becomes of it.
    pub verdict: Verdict,
    /// What kind of definition it is.
    pub kind: Kind,
    /// The definition's name.
    pub name: String,
    /// The attribute.
    pub about: String,
    /// What becomes of it, in words.
    pub text: String,
}

/// How many checks there are by their worst verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Somebody has to decide something.
    pub decide: usize,
    /// Nothing to decide, but something is not quite as before.
    pub differs: usize,
    /// As it was.
    pub carries: usize,
}

/// Returns everything that there is to say, what has to be decided first, then by kind and name.
pub fn report(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, fields) in settings.checks() {
        check::look_at(&mut Notes::on(&mut findings, Kind::Check, name), fields, settings);
    }
    server::look_at(&mut findings, settings);
    findings.sort_by(|a, b| (a.verdict, a.kind, &a.name).cmp(&(b.verdict, b.kind, &b.name)));
    findings
}

/// Counts the checks by their worst verdict.
pub fn tally(findings: &[Finding]) -> Tally {
    let mut worst: BTreeMap<&str, Verdict> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.kind == Kind::Check) {
        let verdict = worst.entry(&finding.name).or_insert(finding.verdict);
        *verdict = (*verdict).min(finding.verdict);
    }
    let count = |wanted| worst.values().filter(|verdict| **verdict == wanted).count();
    Tally {
        decide: count(Verdict::Decide),
        differs: count(Verdict::Differs),
        carries: count(Verdict::Carries),
    }
}

/// Takes down findings about one definition.
struct Notes<'a> {
    findings: &'a mut Vec<Finding>,
    kind: Kind,
    name: &'a str,
}

impl<'a> Notes<'a> {
    fn on(findings: &'a mut Vec<Finding>, kind: Kind, name: &'a str) -> Self {
        Self { findings, kind, name }
    }

    fn add(&mut self, verdict: Verdict, about: &str, text: impl Into<String>) {
        let (name, about) = (self.name.to_owned(), about.to_owned());
        self.findings.push(Finding { verdict, kind: self.kind, name, about, text: text.into() });
    }

    fn decide(&mut self, about: &str, text: impl Into<String>) {
        self.add(Verdict::Decide, about, text);
    }

    fn differs(&mut self, about: &str, text: impl Into<String>) {
        self.add(Verdict::Differs, about, text);
    }

    fn carries(&mut self, about: &str, text: impl Into<String>) {
        self.add(Verdict::Carries, about, text);
    }
}

#[cfg(test)]
mod tests;
