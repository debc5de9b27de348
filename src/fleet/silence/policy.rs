//! What the policy says to a draft: refused, or how strongly it must be confirmed.

use super::draft::{Draft, DraftError, Facts};
use super::identity::UTF8_SINCE;
use super::preview::Preview;
use crate::config::SilencePolicy;
use crate::model::alert::Severity;
use crate::model::matcher::breadth::{all_negative, is_broad};
use crate::model::time::{Timestamp, age, format_duration};
use std::borrow::Borrow;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Labels that choose nothing in particular: a silence that names only these takes in much of a fleet.
const WEAK_LABELS: [&str; 6] = ["severity", "env", "region", "cluster", "job", "team"];

/// Above these a silence is broad, whatever the configuration says about a plain confirmation.
const BROAD_ALERTS: usize = 500;
const BROAD_DURATION: Duration = Duration::from_secs(24 * 3600);

/// How strongly a silence must be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfirmLevel {
    /// One key or word.
    Small,
    /// A second look.
    Medium,
    /// A typed word; from a script `--allow-broad`.
    Broad,
    /// Not possible.
    Refused,
}

impl ConfirmLevel {
    /// Returns the word for screens and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Broad => "broad",
            Self::Refused => "refused",
        }
    }
}

/// What policy and Alertmanager's own rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The strongest of all reasons.
    pub level: ConfirmLevel,
    /// Why, each reason once, the strongest first.
    pub reasons: Vec<(ConfirmLevel, String)>,
}

impl Judgement {
    /// Returns the reasons of the level that holds.
    pub fn why(&self) -> impl Iterator<Item = &str> {
        self.reasons.iter().filter(|(level, _)| *level == self.level).map(|(_, why)| why.as_str())
    }
}

/// Judges a draft on its preview.
pub fn judge<F: Borrow<Facts>>(
    draft: &Draft,
    preview: &Preview,
    facts: &[F],
    policy: &SilencePolicy,
    now: Timestamp,
) -> Judgement {
    let mut reasons = refusals(draft, preview, facts, policy, now);
    reasons.extend(breadth(draft, preview, now));
    reasons.extend(second_look(draft, preview, policy, now));
    reasons.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let level = reasons.first().map_or(ConfirmLevel::Small, |(level, _)| *level);
    Judgement { level, reasons }
}

/// Judges the end of a silence by what tells of itself at once when it is over.
pub fn judge_expiry(pages: usize, policy: &SilencePolicy) -> Judgement {
    let most = policy.confirm_above.alerts;
    if pages <= most as usize {
        return Judgement { level: ConfirmLevel::Small, reasons: Vec::new() };
    }
    let why = format!("{pages} alerts page again at once (more than {most})");
    Judgement { level: ConfirmLevel::Medium, reasons: vec![(ConfirmLevel::Medium, why)] }
}

/// Says which comment the policy wants, where this is none of that kind.
pub fn comment_wish(comment: &str, policy: &SilencePolicy) -> Option<String> {
    match &policy.comment_pattern {
        Some(pattern) if !pattern.is_match(comment) => Some(format!("a comment that contains `{pattern}`")),
        _ => (policy.comment_required && comment.trim().is_empty()).then(|| "a comment".to_owned()),
    }
}

/// Returns what forbids the draft.
fn refusals<F: Borrow<Facts>>(
    draft: &Draft,
    preview: &Preview,
    facts: &[F],
    policy: &SilencePolicy,
    now: Timestamp,
) -> Vec<(ConfirmLevel, String)> {
    let mut why = Vec::new();
    match draft.validate(now) {
        Err(DraftError::Matchers(refusal)) => why.push(refusal.to_string()),
        Err(error) => why.push(error.to_string()),
        Ok(()) => {}
    }
    why.extend(comment_wish(&draft.comment, policy).map(|wish| format!("the policy requires {wish}")));
    let length = length(draft, now);
    // The end is given to the second; an operation moves it by less than one.
    if let Some(max) = policy.max_duration.filter(|max| length > *max + Duration::from_secs(1)) {
        let (length, max) = (format_duration(whole_seconds(length)), format_duration(max));
        why.push(format!("it would last {length}, the policy allows {max}"));
    }
    if draft.needs_utf8() {
        why.extend(too_old(preview, facts));
    }
    why.into_iter().map(|why| (ConfirmLevel::Refused, why)).collect()
}

/// Returns a refusal for every target that does not take UTF-8 label names, or of which it is not known.
fn too_old<F: Borrow<Facts>>(preview: &Preview, facts: &[F]) -> Vec<String> {
    let written = |f: &&Facts| preview.written().any(|c| c.cluster == f.cluster);
    let lacks = facts
        .iter()
        .map(Borrow::borrow)
        .filter(written)
        .filter(|f| f.version.is_none_or(|version| version < UTF8_SINCE));
    lacks
        .map(|f| match f.version {
            Some((major, minor)) => format!(
                "a matcher has a name in UTF-8, which cluster {} does not take (Alertmanager {major}.{minor}, 0.27 is needed)",
                f.cluster
            ),
            None => format!(
                "a matcher has a name in UTF-8, and it is not known whether cluster {} takes it (0.27 is needed)",
                f.cluster
            ),
        })
        .collect()
}

/// Returns what makes the draft broad.
fn breadth(draft: &Draft, preview: &Preview, now: Timestamp) -> Vec<(ConfirmLevel, String)> {
    let mut why = Vec::new();
    if !draft.matchers.is_empty() && all_negative(&draft.matchers) {
        why.push("it has only negative matchers: whatever they do not name is silenced".to_owned());
    } else if is_broad(&draft.matchers, &WEAK_LABELS) {
        why.push("no matcher names anything particular".to_owned());
    }
    let (alerts, written) = (preview.hits().count(), preview.written().count());
    if alerts > BROAD_ALERTS {
        why.push(format!("it hits {alerts} alerts (more than {BROAD_ALERTS})"));
    }
    let crit = preview.hits().filter(|hit| hit.severity == Severity::Critical).count();
    if crit * 10 > preview.crit_firing && crit >= FEW_CRIT {
        why.push(format!("it hits {crit} of {} critical alerts (more than 10 %)", preview.crit_firing));
    }
    // On one or two clusters "all" says nothing.
    if written > 2 && written == preview.clusters.len() {
        why.push(format!("it is for all {written} clusters"));
    }
    if length(draft, now) > BROAD_DURATION + Duration::from_secs(1) {
        why.push(format!("it lasts longer than {}", format_duration(BROAD_DURATION)));
    }
    why.into_iter().map(|why| (ConfirmLevel::Broad, why)).collect()
}

/// Of fewer critical alerts every silence hits a large share.
const FEW_CRIT: usize = 20;

/// Returns what asks for a second look.
fn second_look(
    draft: &Draft,
    preview: &Preview,
    policy: &SilencePolicy,
    now: Timestamp,
) -> Vec<(ConfirmLevel, String)> {
    let mut why = Vec::new();
    let above = policy.confirm_above;
    let (alerts, written) = (preview.hits().count(), preview.written().count());
    if alerts > above.alerts as usize {
        why.push(format!("it hits {alerts} alerts (more than {})", above.alerts));
    }
    if written > above.clusters as usize {
        why.push(format!("it is for {written} clusters (more than {})", above.clusters));
    }
    if length(draft, now) > above.duration + Duration::from_secs(1) {
        why.push(format!("it lasts longer than {}", format_duration(above.duration)));
    }
    why.into_iter().map(|why| (ConfirmLevel::Medium, why)).collect()
}

fn length(draft: &Draft, now: Timestamp) -> Duration {
    age(draft.starts_at.unwrap_or(now).max(now), draft.ends_at)
}

fn whole_seconds(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}
