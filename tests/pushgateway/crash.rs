//! The ordinary run of the kills; tests/soak.rs has the long one.

use super::kills::Victim;
use proptest::test_runner::{RngAlgorithm, TestRng};

const ROUNDS: usize = 20;

#[test]
fn whatever_was_acknowledged_survives_kills() {
    let seed = iaasmon::sys::clock::now().timestamp_millis() as u64;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let named = Seed(seed);
    let mut victim = Victim::start(8 + (seed % 9) as usize, &[]);
    let acknowledged: usize = (0..ROUNDS).map(|_| victim.round(&mut random)).sum();
    assert!(acknowledged > ROUNDS * 20, "{acknowledged}");
    std::mem::forget(named);
}

/// Names the seed on the way out of a panic.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "this is what the reader of a failed test needs")]
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}
