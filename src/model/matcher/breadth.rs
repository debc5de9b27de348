//! How much a silence's matchers take in: what Alertmanager refuses, and what a person should think about twice.

use super::{MatchOp, Matcher, Verdict};

/// Why Alertmanager would refuse matchers as a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("a silence needs at least one matcher")]
    NoMatcher,
    /// A matcher has no label name.
    #[error("a matcher has an empty label name")]
    EmptyName,
    /// Every matcher would match an absent label.
    #[error("at least one matcher must not match the empty string")]
    AllMatchEmpty,
}

/// Reports what Alertmanager would say to a silence with these matchers (silence.go `validateSilence`). A regex
/// that cannot be evaluated here passes: Alertmanager judges.
pub fn check_silence(matchers: &[Matcher]) -> Result<(), Refusal> {
    if matchers.is_empty() {
        Err(Refusal::NoMatcher)
    } else if matchers.iter().any(|m| m.name.is_empty()) {
        Err(Refusal::EmptyName)
    } else if matchers.iter().all(|m| matches_empty(m) == Verdict::Yes) {
        Err(Refusal::AllMatchEmpty)
    } else {
        Ok(())
    }
}

/// Reports whether Alertmanager counts the matcher as matching the empty string (silence.go `matchesEmpty`):
/// `!=` and `!~` never do, which is why `{x!="y"}` alone is accepted and silences nearly everything. The regex is
/// tested without anchors there; against an empty text that makes no difference.
pub fn matches_empty(matcher: &Matcher) -> Verdict {
    match matcher.op {
        MatchOp::Equal | MatchOp::Regex => matcher.accepts_value(""),
        MatchOp::NotEqual | MatchOp::NotRegex => Verdict::No,
    }
}

/// Reports whether every matcher excludes (`!=`, `!~`), so that whatever is not named is silenced.
pub fn all_negative(matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.op.is_negative())
}

/// Reports whether no matcher narrows the choice: each one excludes, matches an absent label, matches any value,
/// cannot be evaluated here, or names a label in `weak` (such as `severity`, which alone says little).
pub fn is_broad(matchers: &[Matcher], weak: &[impl AsRef<str>]) -> bool {
    !matchers.iter().any(|m| narrows(m) && !weak.iter().any(|name| name.as_ref() == &*m.name))
}

/// Values that have nothing in common. A regex that takes them all takes about anything.
const PROBES: [&str; 3] = ["Zq7#unlikely value", "0.9:_x/ywvu@k!", "-~+node-9999.example"];

/// Reports whether the matcher asks for something positive and particular.
fn narrows(matcher: &Matcher) -> bool {
    let any_value = || PROBES.iter().all(|probe| matcher.accepts_value(probe) != Verdict::No);
    !matcher.op.is_negative() && matches_empty(matcher) == Verdict::No && !any_value()
}
