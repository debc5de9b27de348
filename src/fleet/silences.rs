//! Silences of a cluster, merged over its members.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, SoFar, ask, gather};
use crate::model::cluster::ClusterName;
use crate::model::silence::Silence;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A silence of one cluster, with the members that know it.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceCopy {
    /// The cluster.
    pub cluster: ClusterName,
    /// The newest version of it.
    pub silence: Silence,
    /// Names of the members that report it.
    pub seen_by: Vec<Arc<str>>,
}

/// Asks every member of a cluster for its silences, expired ones included; each once, in order of id.
pub async fn silences(
    cluster: &Cluster,
    mut so_far: impl FnMut(SoFar<'_, Vec<SilenceCopy>>),
) -> Answer<Vec<SilenceCopy>> {
    let asks = cluster.alertmanager.iter().map(|am| ask(am.replica(), am.silences())).collect();
    let gathered = gather(asks, |partial| so_far(&|| answer(cluster, partial))).await;
    answer(cluster, &gathered)
}

fn answer(cluster: &Cluster, gathered: &Gathered<Vec<Silence>>) -> Answer<Vec<SilenceCopy>> {
    let lists = gathered
        .outcomes
        .iter()
        .filter_map(|o| Some((o.replica.name.clone(), o.result.as_ref().ok()?.value.as_slice())));
    Answer { value: merge(cluster.name(), lists), coverage: gathered.coverage.clone(), notes: Vec::new() }
}

/// Merges the members' lists: the newest version of each id stands, as in Alertmanager's own gossip
/// (last writer wins on `updatedAt`); of two equally new ones the one that ends later.
fn merge<'a>(
    cluster: &ClusterName,
    lists: impl Iterator<Item = (Arc<str>, &'a [Silence])>,
) -> Vec<SilenceCopy> {
    let mut copies: BTreeMap<Arc<str>, SilenceCopy> = BTreeMap::new();
    for (member, silences) in lists {
        for silence in silences {
            let copy = copies.entry(silence.id.clone()).or_insert_with(|| SilenceCopy {
                cluster: cluster.clone(),
                silence: silence.clone(),
                seen_by: Vec::new(),
            });
            if (silence.updated_at, silence.ends_at) > (copy.silence.updated_at, copy.silence.ends_at) {
                copy.silence = silence.clone();
            }
            if let Err(i) = copy.seen_by.binary_search(&member) {
                copy.seen_by.insert(i, member.clone());
            }
        }
    }
    copies.into_values().collect()
}
