//! Leaves a node alone that does not answer: a dead one must not cost a wait for each of its alerts.

use std::time::{Duration, Instant};

/// After so many failures in a row nothing is asked for a while.
const FAILURES: u32 = 2;
/// For so long at first, twice as long after each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A probe that was given up without a word counts as failed after this.
const PROBE_FOR: Duration = Duration::from_secs(30);

/// What is known of one node's door.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: Option<Instant>,
    why: String,
}

impl Breaker {
    /// Lets a request through, or says why not. Once a pause is over one request is let through, and the next only after that.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), String> {
        match self.until {
            Some(until) if until > now => {
                let left = until.duration_since(now).as_secs() + 1;
                Err(format!("{} (asked again in {left}s)", self.why))
            }
            Some(_) => {
                self.until = Some(now + PROBE_FOR);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes that the node answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Notes that it did not.
    pub(super) fn failed(&mut self, why: &str, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.why = why.to_owned();
        if let Some(over) = self.failures.checked_sub(FAILURES) {
            let pause = FIRST_PAUSE.saturating_mul(1 << over.min(8)).min(LONGEST_PAUSE);
            self.until = Some(now + pause);
        }
    }

    /// Whether its last request failed: it waits apart from those of the others.
    pub(super) fn is_suspect(&self) -> bool {
        self.failures > 0
    }

    /// Whether nothing is asked now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use crate::sys::clock;
    use std::time::Duration;

    #[test]
    fn a_dead_node_is_probed_by_one_request_after_ever_longer_pauses() {
        let (mut breaker, begun) = (Breaker::default(), clock::instant());
        let at = |seconds| begun + Duration::from_secs(seconds);
        breaker.failed("refused", at(0));
        assert_eq!(breaker.admit(at(0)), Ok(()), "once is no rule");
        breaker.failed("refused", at(0));
        assert_eq!(breaker.admit(at(1)), Err("refused (asked again in 10s)".to_owned()));
        assert!(breaker.is_open(at(9)));
        assert_eq!(breaker.admit(at(10)), Ok(()), "a probe");
        assert!(breaker.admit(at(10)).is_err(), "one alone");
        breaker.failed("refused", at(12));
        assert!(breaker.admit(at(31)).is_err());
        assert_eq!(breaker.admit(at(32)), Ok(()), "20 s later");
        // A probe that nobody brings to an end does not close the door for ever.
        assert!(breaker.admit(at(61)).is_err());
        assert_eq!(breaker.admit(at(62)), Ok(()));
        for _ in 0..20 {
            breaker.failed("timeout", at(100));
        }
        assert!(breaker.admit(at(159)).is_err());
        assert_eq!(breaker.admit(at(160)), Ok(()), "a minute is the longest");
        breaker.answered();
        assert_eq!((breaker.admit(at(160)), breaker.is_suspect()), (Ok(()), false));
    }
}
