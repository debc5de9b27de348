//! The past of pushed checks is kept within its bounds beside the writer, who has pushes that wait.

use super::keep::Keeper;
use crate::detail::history::Depth;
use crate::sys::clock;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often what was run too long ago is looked for, all of the past being read for it.
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// Who forgets what is too old or too much.
pub(super) struct Tidy {
    since: Instant,
    under_way: Option<JoinHandle<()>>,
}

impl Tidy {
    pub(super) fn new() -> Self {
        Self { since: clock::instant(), under_way: None }
    }

    /// Begins to forget where it is time, unless that is under way.
    pub(super) fn look(&mut self, keeper: &Arc<Keeper>) {
        let is_due = self.since.elapsed() >= EVERY || keeper.has_much_past();
        if !is_due || self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.since = clock::instant();
        let keeper = keeper.clone();
        self.under_way = Some(std::thread::spawn(move || {
            let oldest = clock::now() - chrono::Duration::days(i64::from(Depth::default().days));
            if let Err(error) = keeper.forget(oldest) {
                tracing::warn!(%error, "old runs are not forgotten");
            }
        }));
    }

    /// Waits until it is done.
    pub(super) fn end(self) {
        if let Some(thread) = self.under_way {
            // A panic has been told where it came about.
            let _ = thread.join();
        }
    }
}
