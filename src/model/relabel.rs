//! Relabelling as Prometheus does it to alerts before they are sent (`alert_relabel_configs`).
//!
//! Alertmanager knows an alert by the label set that comes out of this; Prometheus' own API shows
//! the set that goes in. Only the actions that our engine can repeat exactly are repeated: for
//! `hashmod` and foreign regexes the answer is "unknown" and the caller matches by subset.

use super::labels::Labels;
use regex::Regex;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelabelAction {
    /// Sets `target` to the expanded replacement if the regex matches.
    Replace,
    /// Drops the alert unless the regex matches.
    Keep,
    /// Drops the alert if the regex matches.
    Drop,
    /// Drops the alert unless the sources equal the target.
    KeepEqual,
    /// Drops the alert if the sources equal the target.
    DropEqual,
    /// Copies labels whose name matches to the expanded name.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Sets `target` to the sources in lower case.
    Lowercase,
    /// Sets `target` to the sources in upper case.
    Uppercase,
    /// Anything else.
    Unsupported,
}

/// One relabelling rule.
#[derive(Debug, Clone)]
pub struct RelabelRule {
    /// What it does.
    pub action: RelabelAction,
    /// The labels whose values are joined.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// The anchored regex; `None` where it is beyond our engine.
    pub regex: Option<Regex>,
    /// The label that is set.
    pub target: String,
    /// The template of its value.
    pub replacement: String,
}

/// What became of a label set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relabelled {
    /// It is sent like this.
    Sent(Labels),
    /// It is not sent.
    Dropped,
    /// A rule cannot be repeated here.
    Unknown,
}

/// What a Prometheus does to an alert's labels on the way to Alertmanager.
#[derive(Debug, Clone, Default)]
pub struct AlertRelabelling {
    /// Added where absent, before the rules.
    pub external_labels: Labels,
    /// Applied in order.
    pub rules: Vec<RelabelRule>,
}

impl AlertRelabelling {
    /// Returns the label set that Alertmanager gets.
    pub fn apply(&self, labels: &Labels) -> Relabelled {
        let missing = self.external_labels.pairs().iter().filter(|(name, _)| labels.get(name).is_empty());
        let mut labels = Labels::new(labels.pairs().iter().chain(missing).cloned());
        for rule in &self.rules {
            match rule.apply(labels) {
                Relabelled::Sent(next) => labels = next,
                end => return end,
            }
        }
        Relabelled::Sent(labels)
    }
}

impl RelabelRule {
    fn apply(&self, labels: Labels) -> Relabelled {
        use RelabelAction as Do;
        let source =
            || self.source_labels.iter().map(|n| labels.get(n)).collect::<Vec<_>>().join(&self.separator);
        let keep_if = |keep: bool| if keep { Relabelled::Sent(labels.clone()) } else { Relabelled::Dropped };
        match self.action {
            Do::KeepEqual => return keep_if(source() == labels.get(&self.target)),
            Do::DropEqual => return keep_if(source() != labels.get(&self.target)),
            Do::Lowercase => return Relabelled::Sent(labels.with(&self.target, &source().to_lowercase())),
            Do::Uppercase => return Relabelled::Sent(labels.with(&self.target, &source().to_uppercase())),
            Do::Unsupported => return Relabelled::Unknown,
            _ => {}
        }
        let Some(regex) = &self.regex else { return Relabelled::Unknown };
        match self.action {
            Do::Keep => keep_if(regex.is_match(&source())),
            Do::Drop => keep_if(!regex.is_match(&source())),
            Do::LabelDrop => Relabelled::Sent(filter_names(&labels, |name| !regex.is_match(name))),
            Do::LabelKeep => Relabelled::Sent(filter_names(&labels, |name| regex.is_match(name))),
            Do::LabelMap => {
                let mapped = labels.iter().filter(|(name, _)| regex.is_match(name));
                let mapped = mapped.map(|(name, value)| {
                    (regex.replace(name, self.replacement.as_str()).into(), value.into())
                });
                Relabelled::Sent(Labels::new(labels.pairs().iter().cloned().chain(mapped)))
            }
            _ => Relabelled::Sent(self.replace(regex, &labels, &source())),
        }
    }

    fn replace(&self, regex: &Regex, labels: &Labels, source: &str) -> Labels {
        let Some(captures) = regex.captures(source) else { return labels.clone() };
        let expand = |template: &str| {
            let mut text = String::new();
            captures.expand(template, &mut text);
            text
        };
        labels.with(&expand(&self.target), &expand(&self.replacement))
    }
}

fn filter_names(labels: &Labels, keep: impl Fn(&str) -> bool) -> Labels {
    Labels::new(labels.pairs().iter().filter(|(name, _)| keep(name)).cloned())
}
