//! Alerts that went out before their words were there: of each the newest copy waits for them.

use super::annotate::Rule;
use super::exchange::Received;
use super::fetch::Fetched;
use super::words::Words;
use crate::model::labels::Labels;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// So many wait at most: all of a storm. The next copy of any other brings its words.
const MOST: usize = 50_000;
/// And so much of them, but for what one may have at most.
const MOST_BYTES: usize = 64 << 20;

/// One of them.
pub(super) struct Late {
    pub received: Received,
    pub rule: Arc<Rule>,
    pub url: String,
    /// The words that it shows.
    pub shown: Option<Arc<Words>>,
    /// Why it shows no newer ones, as it says itself.
    pub problem: Option<String>,
    /// Brings them.
    pub flight: watch::Receiver<Option<Fetched>>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Lates(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    all: HashMap<Labels, Late>,
    bytes: usize,
}

impl Waiting {
    fn remove(&mut self, labels: &Labels) -> Option<Late> {
        let late = self.all.remove(labels)?;
        self.bytes -= late.received.alert.bytes();
        Some(late)
    }
}

impl Lates {
    /// Has a copy wait, in the place of an older one. Returns its labels where nobody waits for that alert yet.
    pub(super) fn put(&self, late: Late) -> Option<Labels> {
        let labels = late.received.alert.labels.clone();
        let mut waiting = self.waiting();
        let is_new = !waiting.all.contains_key(&labels);
        if is_new && (waiting.all.len() >= MOST || waiting.bytes >= MOST_BYTES) {
            return None;
        }
        waiting.remove(&labels);
        waiting.bytes += late.received.alert.bytes();
        waiting.all.insert(labels.clone(), late);
        is_new.then_some(labels)
    }

    /// Waits for the words of an alert, and takes out the copy that waits for them by then.
    pub(super) async fn landed(&self, labels: &Labels) -> Option<(Late, Fetched)> {
        loop {
            let mut flight = self.waiting().all.get(labels)?.flight.clone();
            let fetched = flight.wait_for(Option::is_some).await.ok().and_then(|fetched| fetched.clone());
            let mut waiting = self.waiting();
            if waiting.all.get(labels)?.flight.same_channel(&flight) {
                return waiting.remove(labels).zip(fetched);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
