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
    /// Whether the pause is the time of a probe.
    is_probed: bool,
    why: String,
}

impl Breaker {
    /// Lets a request through, or says why the last one failed, in the same words each time: they stand in annotations. Once a
    /// pause is over one request is let through, and the next only after that.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), String> {
        if self.is_open(now) {
            return Err(self.why.clone());
        }
        if self.until.is_some() {
            (self.until, self.is_probed) = (Some(now + PROBE_FOR), true);
        }
        Ok(())
    }

    /// Returns why nothing is asked now, if so.
    pub(super) fn why_open(&self, now: Instant) -> Option<&str> {
        self.is_open(now).then_some(self.why.as_str())
    }

    /// Notes that the node answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Notes that it did not. Those that were under way when its pause began say nothing new.
    pub(super) fn failed(&mut self, why: &str, now: Instant) {
        if self.is_open(now) && !self.is_probed {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        (self.is_probed, self.why) = (false, why.to_owned());
        if let Some(over) = self.failures.checked_sub(FAILURES) {
            let pause = FIRST_PAUSE.saturating_mul(1 << over.min(8)).min(LONGEST_PAUSE);
            self.until = Some(now + pause);
        }
    }

    /// Returns why its last request failed, if so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.is_suspect().then_some(self.why.as_str())
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
        // All requests of one moment fail at once, and are no reason for a longer pause.
        for _ in 0..6 {
            breaker.failed("refused", at(0));
        }
        assert_eq!(breaker.admit(at(1)), Err("refused".to_owned()));
        assert_eq!((breaker.why_open(at(9)), breaker.why_open(at(10))), (Some("refused"), None));
        assert_eq!(breaker.admit(at(10)), Ok(()), "a probe");
        assert!(breaker.admit(at(10)).is_err(), "one alone");
        breaker.failed("refused", at(12));
        assert!(breaker.admit(at(31)).is_err());
        assert_eq!(breaker.admit(at(32)), Ok(()), "20 s later");
        // A probe that nobody brings to an end does not close the door for ever.
        assert!(breaker.admit(at(61)).is_err());
        for probe in 0..20 {
            assert_eq!(breaker.admit(at(62 + 60 * probe)), Ok(()), "a minute is the longest pause");
            breaker.failed("timeout", at(62 + 60 * probe));
            assert!(breaker.admit(at(62 + 60 * probe + 39)).is_err());
        }
        breaker.answered();
        assert_eq!((breaker.admit(at(63 + 60 * 19)), breaker.is_suspect()), (Ok(()), false));
    }
}
