//! When a frame is due: at once after a key, rarely for data, never for nothing.

use std::time::{Duration, Instant};

/// Why the screen may look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Data or time; nobody waits for it.
    Data,
    /// A key, a paste, a resize: somebody waits.
    Input,
}

impl Cause {
    /// Returns the shortest time between two frames: 60 Hz for keys, so that a held key over a slow link
    /// queues no frames, and four a second for data, so that a storm of answers costs little.
    fn gap(self) -> Duration {
        match self {
            Self::Data => Duration::from_millis(250),
            Self::Input => Duration::from_millis(16),
        }
    }
}

/// The time of the last frame and what has happened since.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    cause: Option<Cause>,
}

impl Pace {
    /// Notes that the screen may look different.
    pub fn note(&mut self, cause: Cause) {
        self.cause = self.cause.max(Some(cause));
    }

    /// Returns how long the next frame is to be waited for; `None` when there is nothing to draw.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let gap = self.cause?.gap();
        Some(self.last.map_or(Duration::ZERO, |last| gap.saturating_sub(now.saturating_duration_since(last))))
    }

    /// Notes that a frame was drawn.
    pub fn drew(&mut self, now: Instant) {
        *self = Self { last: Some(now), cause: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn keys_are_drawn_soon_data_later_and_nothing_never() {
        let start = clock::instant();
        let after = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::default();
        assert_eq!(pace.wait(start), None);
        pace.note(Cause::Data);
        assert_eq!(pace.wait(start), Some(Duration::ZERO), "the first frame waits for nothing");
        pace.drew(start);
        assert_eq!(pace.wait(after(1000)), None);
        pace.note(Cause::Data);
        assert_eq!(pace.wait(after(50)), Some(Duration::from_millis(200)));
        pace.note(Cause::Input);
        pace.note(Cause::Data);
        assert_eq!(pace.wait(after(10)), Some(Duration::from_millis(6)), "a key is not held up by data");
        assert_eq!(pace.wait(after(50)), Some(Duration::ZERO));
    }
}
