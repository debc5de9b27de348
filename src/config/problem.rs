//! What is wrong with a configuration, where, and what was probably meant.

use super::origin::Origin;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` if it is about the configuration as a whole.
    pub origin: Option<Origin>,
    /// What, as a lower-case fragment.
    pub message: String,
    /// What to do about it, one sentence each.
    pub hints: Vec<String>,
}

impl Problem {
    /// Builds a problem of the configuration as a whole.
    pub fn general(message: impl Into<String>) -> Self {
        Self { origin: None, message: message.into(), hints: Vec::new() }
    }

    /// Builds a problem at `origin`.
    pub fn at(origin: &Origin, message: impl Into<String>) -> Self {
        Self { origin: Some(origin.clone()), message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Writes `file:line:column: what is wrong`, then one indented line for each hint.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// Builds the error of `problems`, in order of place; `None` if there are none.
    pub fn of(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns the problems in order of place.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns the word of `known` that `word` was probably meant to be: the nearest one, if no more than a third of
/// it had to change.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    let distance = |candidate: &str| edit_distance(&word, candidate);
    let best = known.iter().copied().min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= best.chars().count().div_ceil(3)).then_some(best)
}

/// Counts the edits between two words: insert, delete, replace, or swap two neighbours (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX; // no key is that long, and the table below grows with both
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["timeout", "node_label", "tls", "auth"];
        assert_eq!(nearest("timout", &known), Some("timeout"));
        assert_eq!(nearest("Timeuot", &known), Some("timeout"));
        assert_eq!(nearest("node-label", &known), Some("node_label"));
        assert_eq!(nearest("tsl", &known), Some("tls"));
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!(nearest(&"t".repeat(10_000), &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            let distance = edit_distance(&a, &b);
            prop_assert_eq!(distance, edit_distance(&b, &a));
            prop_assert_eq!(distance == 0, a == b);
            prop_assert!(distance <= a.len().max(b.len()));
        }
    }
}
