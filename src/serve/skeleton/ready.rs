//! Whether a service can do its job, and why not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The reasons for which a service is not ready; each copy is the same one.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    reasons: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// Says that this part keeps the service from its job, or that it no longer does.
    pub fn block(&self, part: &'static str, why: Option<String>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => {
                if reasons.insert(part, why.clone()).as_ref() != Some(&why) {
                    tracing::warn!(part, why, "not ready");
                }
            }
            None => {
                if reasons.remove(part).is_some() {
                    tracing::info!(part, "ready again");
                }
            }
        }
    }

    /// Returns `part: why` for each part that is not ready.
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().map(|(part, why)| format!("{part}: {why}")).collect()
    }
}
