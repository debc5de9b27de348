//! Strings that alerts share: the labels of a storm differ in one or two values, and each is held for as long as its alert is known.

use crate::model::labels::Labels;
use foldhash::HashSet;
use std::sync::Arc;

/// So many are held at most, none longer than this.
const MOST: usize = 4096;
const LONGEST: usize = 128;

/// Names and values that stood in labels lately.
#[derive(Default)]
pub(super) struct Strings(HashSet<Arc<str>>);

impl Strings {
    /// Returns the same labels, with every string that is known already in its place.
    pub(super) fn share(&mut self, labels: &Labels) -> Labels {
        // What all alerts have is soon back.
        if self.0.len() >= MOST {
            self.0.clear();
        }
        Labels::new(labels.pairs().iter().map(|(name, value)| (self.word(name), self.word(value))))
    }

    fn word(&mut self, text: &Arc<str>) -> Arc<str> {
        if text.len() > LONGEST {
            return text.clone();
        }
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        self.0.insert(text.clone());
        text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Strings};
    use crate::model::labels::Labels;
    use std::sync::Arc;

    #[test]
    fn labels_stay_what_they_are_and_share_their_strings() {
        let mut strings = Strings::default();
        let of = |number: usize| {
            let instance = format!("n{number}");
            [("alertname", "Down"), ("instance", instance.as_str())].into_iter().collect::<Labels>()
        };
        let shared: Vec<Labels> = (0..3 * MOST).map(|number| strings.share(&of(number))).collect();
        assert!(shared.iter().enumerate().all(|(number, labels)| *labels == of(number)));
        let is_one = |a: &Labels, b: &Labels| Arc::ptr_eq(&a.pairs()[0].1, &b.pairs()[0].1);
        assert!(is_one(&shared[0], &shared[1]));
        assert!(strings.0.len() <= MOST + 4, "{}", strings.0.len());
    }
}
