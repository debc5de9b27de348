//! The statuses of a check's newest runs: what Sensu calls its history. They are held for every check, so each takes one byte.

/// So many are held, as many as Sensu's server kept.
const MOST: usize = 21;
/// There was no such run.
const NONE: u8 = u8::MAX;

/// The newest statuses of one check, the newest last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses([u8; MOST]);

impl Default for Statuses {
    fn default() -> Self {
        Self([NONE; MOST])
    }
}

impl Statuses {
    /// Appends one. What is no exit code is told as the largest one that can be told.
    pub fn push(&mut self, status: i64) {
        self.0.rotate_left(1);
        self.0[MOST - 1] = u8::try_from(status).unwrap_or(NONE).min(NONE - 1);
    }

    /// Returns them, the oldest first.
    pub fn as_bytes(&self) -> &[u8] {
        let unused = self.0.iter().take_while(|status| **status == NONE).count();
        &self.0[unused..]
    }

    /// Reads what [`Statuses::as_bytes`] returned.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut statuses = Self::default();
        bytes.iter().for_each(|status| statuses.push((*status).into()));
        statuses
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Statuses};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_newest_are_held_in_their_order(runs in proptest::collection::vec(0..255_i64, 0..60)) {
            let mut statuses = Statuses::default();
            runs.iter().for_each(|status| statuses.push(*status));
            let newest = &runs[runs.len().saturating_sub(MOST)..];
            let held: Vec<i64> = statuses.as_bytes().iter().map(|status| (*status).into()).collect();
            prop_assert_eq!(&held[..], newest);
            prop_assert_eq!(Statuses::of_bytes(statuses.as_bytes()), statuses);
        }
    }

    #[test]
    fn whatever_number_a_client_sends_is_a_run() {
        let mut statuses = Statuses::default();
        [-1, 255, i64::MAX, 0].into_iter().for_each(|status| statuses.push(status));
        assert_eq!(statuses.as_bytes(), [254, 254, 254, 0]);
    }
}
