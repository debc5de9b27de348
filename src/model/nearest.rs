//! The word that somebody probably meant.

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
