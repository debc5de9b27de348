//! Whether a service can do its job, and why not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What keeps a service from its job or from doing all of it; each copy is the same one.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    /// Why it is not ready, by part.
    reasons: BTreeMap<&'static str, String>,
    /// What it does without, by part.
    notes: BTreeMap<&'static str, String>,
}

impl Readiness {
    /// Says that this part keeps the service from its job, or that it no longer does.
    pub fn block(&self, part: &'static str, why: Option<String>) {
        match changed(&mut self.told().reasons, part, why) {
            Some(Some(why)) => tracing::warn!(part, why, "not ready"),
            Some(None) => tracing::info!(part, "ready again"),
            None => {}
        }
    }

    /// Says that the service does its job without this part, or that it has it again. Whoever takes machines out that are
    /// not ready would make things worse by it: the service stays ready, and says so.
    pub fn note(&self, part: &'static str, lacks: Option<String>) {
        match changed(&mut self.told().notes, part, lacks) {
            Some(Some(lacks)) => tracing::warn!(part, lacks, "goes on without"),
            Some(None) => tracing::info!(part, "whole again"),
            None => {}
        }
    }

    /// Returns `part: why` for each part that is not ready.
    pub fn reasons(&self) -> Vec<String> {
        lines(&self.told().reasons)
    }

    /// Returns `part: what is lacking` for each part that the service does without.
    pub fn notes(&self) -> Vec<String> {
        lines(&self.told().notes)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets what is said of a part, and returns it where that is news.
fn changed(
    said: &mut BTreeMap<&'static str, String>,
    part: &'static str,
    words: Option<String>,
) -> Option<Option<String>> {
    if said.get(part) == words.as_ref() {
        return None;
    }
    match &words {
        Some(words) => said.insert(part, words.clone()),
        None => said.remove(part),
    };
    Some(words)
}

fn lines(said: &BTreeMap<&'static str, String>) -> Vec<String> {
    said.iter().map(|(part, words)| format!("{part}: {words}")).collect()
}
