//! Which alerts silences hold back now, as the members say: far less to fetch than every alert.

use crate::fleet::gather::{ask, gather};
use crate::fleet::{Answer, Cluster};
use crate::model::labels::Fingerprint;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Asks every member for the alerts that are silenced, each once, with the ids of all silences that hit it.
pub async fn held(cluster: &Cluster) -> Answer<Vec<(Fingerprint, Vec<Arc<str>>)>> {
    let asks = cluster.alertmanager.iter().map(|am| ask(am.replica(), am.silenced_alerts())).collect();
    let gathered = gather(asks, |_| {}).await;
    let mut held: BTreeMap<Fingerprint, Vec<Arc<str>>> = BTreeMap::new();
    for reply in gathered.outcomes.into_iter().filter_map(|outcome| outcome.result.ok()) {
        for alert in reply.value {
            let by = held.entry(alert.fingerprint).or_default();
            by.extend(alert.silenced_by);
            by.sort();
            by.dedup();
        }
    }
    Answer { value: held.into_iter().collect(), coverage: gathered.coverage, notes: Vec::new() }
}
