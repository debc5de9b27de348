//! When a check runs first (client/process.rb:398-403): spread over the interval by the MD5 of its name, the same after every
//! restart, so that neither a node's checks nor a fleet's nodes run all at once.

use md5::{Digest as _, Md5};
use std::time::Duration;

/// Returns how long after `now_ms` (epoch milliseconds) the check of this client runs first.
pub fn until_first(client: &str, check: &str, interval: Duration, now_ms: i64) -> Duration {
    let digest = Md5::digest(format!("{client}:{check}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let hash = i128::from(u64::from_le_bytes(first));
    let interval = i128::try_from(interval.as_millis()).unwrap_or(i128::MAX).max(1);
    let wait = (hash - i128::from(now_ms)).rem_euclid(interval);
    Duration::from_millis(u64::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::until_first;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Two checks of the golden run: `exit_255` first ran in the second 1795416025, `stdin_check` in 1795416022.
    #[test]
    fn it_is_the_real_clients() {
        let started = 1_795_416_018_310;
        for (check, first) in [("exit_255", 1_795_416_025), ("stdin_check", 1_795_416_022)] {
            let wait = until_first("golden-01", check, Duration::from_secs(10), started);
            let fired = started + i64::try_from(wait.as_millis()).expect("small");
            assert_eq!(fired / 1000, first, "{check}");
        }
    }

    proptest! {
        #[test]
        fn it_is_below_the_interval_and_at_the_same_phase_whenever_it_is_asked(
            name in "[a-z]{1,8}", seconds in 1_u64..100_000, now in 0_i64..4_000_000_000_000, later in 0_i64..10_000_000,
        ) {
            let interval = Duration::from_secs(seconds);
            let phase = |now: i64| {
                let wait = until_first("c", &name, interval, now);
                (wait < interval, (now + wait.as_millis() as i64).rem_euclid(seconds as i64 * 1000))
            };
            let (small, first) = phase(now);
            prop_assert!(small);
            prop_assert_eq!(first, phase(now + later).1);
        }
    }
}
