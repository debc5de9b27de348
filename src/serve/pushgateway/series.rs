//! Which series a metric is, as a number.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

/// Makes numbers of names and labels: keyed anew by each process, so that nobody can make two that are the same. Whoever finds
/// two that are the same looks at what they stand for all the same.
#[derive(Debug, Clone)]
pub(super) struct Series {
    keyed: RandomState,
    /// The bits that count: tests have few.
    mask: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self { keyed: RandomState::new(), mask: u64::MAX }
    }
}

impl Series {
    #[cfg(test)]
    pub(super) fn of_few_bits(mask: u64) -> Self {
        Self { mask, ..Self::default() }
    }

    /// Returns the number of a metric with these labels, which are in order.
    pub(super) fn of<'l>(&self, family: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> u64 {
        let mut hasher = self.keyed.build_hasher();
        family.hash(&mut hasher);
        labels.for_each(|pair| pair.hash(&mut hasher));
        hasher.finish() & self.mask
    }
}
