//! The output of a command, as far as it is kept: so much of its beginning, and so much of its end.

use std::collections::VecDeque;

/// Output as far as it is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The beginning.
    pub(super) bytes: Vec<u8>,
    /// How many bytes there were.
    pub(super) total: u64,
    /// The end of what is too much for `bytes`.
    pub(super) tail: VecDeque<u8>,
    most: usize,
    most_tail: usize,
}

impl Kept {
    pub(super) fn new(most: usize, most_tail: usize) -> Self {
        Self { most, most_tail, ..Self::default() }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        self.total += piece.len() as u64;
        let (kept, rest) = piece.split_at(piece.len().min(self.most - self.bytes.len()));
        self.bytes.extend_from_slice(kept);
        if self.most_tail > 0 {
            self.tail.extend(rest);
            self.tail.drain(..self.tail.len().saturating_sub(self.most_tail));
        }
    }
}
