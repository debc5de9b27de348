//! The difference of two texts, line by line, as `diff -u` shows it.

use std::collections::VecDeque;
use std::fmt::Write as _;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// Texts whose changed middles are larger than this (the product of their lines) are not compared within them:
/// time and memory stay bounded whatever a script prints.
const MOST_CELLS: usize = 4_000_000;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in both texts.
    Same,
    /// It is in the old one alone.
    Removed,
    /// It is in the new one alone.
    Added,
}

impl Change {
    /// Returns the character that a unified diff writes in front of the line.
    pub fn sign(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

/// Returns every line of both texts in order, each with what became of it. Removed lines come before those that
/// stand in their place.
pub fn lines<'a>(old: &'a str, new: &'a str) -> Vec<(Change, &'a str)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b).count();
    let mut all: Vec<_> = old[..head].iter().map(|line| (Change::Same, *line)).collect();
    middle(&old[head..old.len() - tail], &new[head..new.len() - tail], &mut all);
    all.extend(old[old.len() - tail..].iter().map(|line| (Change::Same, *line)));
    all
}

/// Compares what is between the first and the last difference by its longest common subsequence.
fn middle<'a>(old: &[&'a str], new: &[&'a str], all: &mut Vec<(Change, &'a str)>) {
    let wide = new.len() + 1;
    if old.len().saturating_mul(new.len()) > MOST_CELLS {
        all.extend(old.iter().map(|line| (Change::Removed, *line)));
        all.extend(new.iter().map(|line| (Change::Added, *line)));
        return;
    }
    // `common[i * wide + j]`: how many lines of the rests from `i` and `j` on can be paired.
    let mut common = vec![0_u16; (old.len() + 1) * wide];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * wide + j] = if old[i] == new[j] {
                common[(i + 1) * wide + j + 1].saturating_add(1)
            } else {
                common[(i + 1) * wide + j].max(common[i * wide + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push((Change::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[(i + 1) * wide + j] >= common[i * wide + j + 1])
        {
            all.push((Change::Removed, old[i]));
            i += 1;
        } else {
            all.push((Change::Added, new[j]));
            j += 1;
        }
    }
}

/// Returns the unified diff of two texts without its two lines of names; empty where no line differs.
pub fn unified(old: &str, new: &str) -> String {
    let all = lines(old, new);
    let mut text = String::new();
    let (mut old_at, mut new_at) = (1, 1);
    let mut before: VecDeque<&str> = VecDeque::new();
    let mut at = 0;
    while at < all.len() {
        let (change, line) = all[at];
        if change == Change::Same {
            before.push_back(line);
            if before.len() > CONTEXT {
                before.pop_front();
            }
            (old_at, new_at, at) = (old_at + 1, new_at + 1, at + 1);
            continue;
        }
        let start = at - before.len();
        let end = end_of_hunk(&all, at);
        let hunk = &all[start..end];
        let count = |other| hunk.iter().filter(|(change, _)| *change != other).count();
        let (old_lines, new_lines) = (count(Change::Added), count(Change::Removed));
        // A side without lines is named by the line before it.
        let first = |at: usize, lines: usize| at - before.len() - usize::from(lines == 0);
        let (old_first, new_first) = (first(old_at, old_lines), first(new_at, new_lines));
        writeln!(text, "@@ -{old_first},{old_lines} +{new_first},{new_lines} @@")
            .expect("a string takes everything");
        for (change, line) in hunk {
            writeln!(text, "{}{line}", change.sign()).expect("a string takes everything");
        }
        old_at += old_lines - before.len();
        new_at += new_lines - before.len();
        before.clear();
        at = end;
    }
    text
}

/// Returns where the hunk ends whose first change is at `from`: changes with little between them are one hunk.
fn end_of_hunk(all: &[(Change, &str)], from: usize) -> usize {
    let mut last = from;
    for (at, (change, _)) in all.iter().enumerate().skip(from) {
        if *change != Change::Same {
            last = at;
        } else if at - last > 2 * CONTEXT {
            break;
        }
    }
    (last + 1 + CONTEXT).min(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_diff_reads_as_that_of_the_program() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n";
        let new = old.replace("\n4\n", "\nfour\n").replace("\n20\n", "\n20\n21\n");
        assert_eq!(
            unified(old, &new),
            "@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-4\n+four\n 5\n 6\n 7\n@@ -18,3 +18,4 @@\n 18\n 19\n 20\n+21\n"
        );
        assert_eq!(unified("a\n", "a"), "");
        assert_eq!(unified("", "a\nb"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified("a", ""), "@@ -1,1 +0,0 @@\n-a\n");
    }

    #[test]
    fn huge_texts_are_not_compared_within() {
        let text = |shift: usize| (0..3000).map(|i| format!("{}\n", i + shift)).collect::<String>();
        let (old, new) = (text(0), text(1));
        let all = lines(&old, &new);
        assert_eq!(all.len(), 6000);
        assert!(all.iter().all(|(change, _)| *change != Change::Same));
    }

    fn side(all: &[(Change, &str)], without: Change) -> Vec<String> {
        all.iter().filter(|(change, _)| *change != without).map(|(_, line)| (*line).to_owned()).collect()
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_off(old in "[abc\n]{0,40}", new in "[abc\n]{0,40}") {
            let all = lines(&old, &new);
            prop_assert_eq!(side(&all, Change::Added), old.lines().collect::<Vec<_>>());
            prop_assert_eq!(side(&all, Change::Removed), new.lines().collect::<Vec<_>>());
            let same = old.lines().eq(new.lines());
            prop_assert_eq!(unified(&old, &new).is_empty(), same);
        }

        #[test]
        fn every_changed_line_is_in_the_diff(old in "[ab\n]{0,80}", new in "[ab\n]{0,80}") {
            let changes = lines(&old, &new);
            let text = unified(&old, &new);
            let signs = |sign: char| text.lines().filter(|l| l.starts_with(sign)).count();
            let count = |kind| changes.iter().filter(|(change, _)| *change == kind).count();
            prop_assert_eq!(signs('-'), count(Change::Removed));
            prop_assert_eq!(signs('+'), count(Change::Added));
        }
    }
}
