//! Asking the members of one cluster: who is well, what they hold.

use super::{Engine, Limits};
use crate::fleet::Cluster;
use crate::fleet::silence::identity::{ANNOTATIONS_SINCE, version};
use crate::model::silence::{Silence, SilenceState};
use crate::net::{Alertmanager, NetError, NetErrorKind};
use crate::sys::clock;
use crate::wire::am_v2::AmStatus;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A member and what it says of itself, if it has said anything.
pub(super) struct Member<'c> {
    pub am: &'c Alertmanager,
    pub status: Option<AmStatus>,
}

impl Member<'_> {
    pub fn name(&self) -> Arc<str> {
        self.am.replica().name.clone()
    }

    pub fn keeps_annotations(&self) -> bool {
        let number = self.status.as_ref().and_then(|s| version(&s.version_info.version));
        number.is_some_and(|v| v >= ANNOTATIONS_SINCE)
    }

    /// Reports whether this member says that `other` is not in its gossip cluster.
    pub fn is_split_from(&self, other: &Self) -> bool {
        match (&self.status, &other.status) {
            (Some(own), Some(others)) => {
                !own.cluster.peers.iter().any(|peer| peer.name == others.cluster.name)
            }
            _ => false,
        }
    }
}

/// Asks every member how it is; the quickest first in the list, those that have not answered last. A member that
/// hangs delays only a little.
pub(super) async fn survey<'c>(cluster: &'c Cluster, limits: &Limits) -> Vec<Member<'c>> {
    let mut asked: FuturesUnordered<_> =
        cluster.alertmanager.iter().map(|am| async move { (am, am.status().await) }).collect();
    let mut well: Vec<Member<'c>> = Vec::new();
    loop {
        let answer = if well.is_empty() {
            asked.next().await
        } else {
            // The first one is enough to begin with.
            tokio::time::timeout(limits.straggler, asked.next()).await.unwrap_or(None)
        };
        match answer {
            Some((am, Ok(reply))) => well.push(Member { am, status: Some(reply.value) }),
            Some((_, Err(_))) => {}
            None => break,
        }
    }
    let silent =
        cluster.alertmanager.iter().filter(|am| !well.iter().any(|m| m.am.replica() == am.replica()));
    let silent: Vec<_> = silent.map(|am| Member { am, status: None }).collect();
    well.into_iter().chain(silent).collect()
}

/// What all members of a cluster hold, the newest version of each silence.
pub(super) struct Holdings {
    pub silences: BTreeMap<Arc<str>, Silence>,
    /// Members that could not be read, and why.
    pub unread: BTreeMap<Arc<str>, NetError>,
}

impl Holdings {
    /// Returns the members that could not be read and may have been sent something: a refused connection is a
    /// process that is not there, which holds nothing back, unless it had been sent something.
    pub fn in_doubt(&self, sent: impl Fn(&str) -> bool) -> Vec<String> {
        let absent = |e: &NetError| matches!(e.kind, NetErrorKind::Connect(_));
        let doubtful = self.unread.iter().filter(|(name, error)| sent(name) || !absent(error));
        doubtful.map(|(name, error)| format!("{name}: {}", error.kind)).collect()
    }
}

/// Reads the silences of every member.
pub(super) async fn read_all(cluster: &Cluster) -> Holdings {
    let mut holdings = Holdings { silences: BTreeMap::new(), unread: BTreeMap::new() };
    let answers =
        join_all(cluster.alertmanager.iter().map(|am| async move { (am, am.silences().await) })).await;
    for (am, answer) in answers {
        match answer {
            Ok(reply) => reply.value.into_iter().for_each(|s| holdings.add(s)),
            Err(error) => {
                holdings.unread.insert(am.replica().name.clone(), error);
            }
        }
    }
    holdings
}

impl Holdings {
    fn add(&mut self, silence: Silence) {
        match self.silences.get_mut(&silence.id) {
            Some(known) if known.updated_at >= silence.updated_at => {}
            Some(known) => *known = silence,
            None => {
                self.silences.insert(silence.id.clone(), silence);
            }
        }
    }
}

/// Reads one silence from all members: the newest version, who has that version, who cannot be read.
pub(super) async fn newest(
    id: &Arc<str>,
    members: &[Member<'_>],
) -> (Option<Silence>, BTreeSet<Arc<str>>, BTreeMap<Arc<str>, NetError>) {
    let answers = join_all(members.iter().map(|m| async move { (m.name(), m.am.silence(id).await) })).await;
    let (mut versions, mut errors) = (Vec::new(), BTreeMap::new());
    for (name, answer) in answers {
        match answer {
            Ok(reply) => versions.push((name, reply.value)),
            Err(error) if error.kind.is_not_found() => {}
            Err(error) => {
                errors.insert(name, error);
            }
        }
    }
    let now = versions.iter().map(|(_, s)| s).max_by_key(|s| s.updated_at).cloned();
    let holders =
        versions.iter().filter(|(_, s)| now.as_ref().is_some_and(|now| now.updated_at == s.updated_at));
    let holders = holders.map(|(name, _)| name.clone()).collect();
    (now, holders, errors)
}

/// Reports whether a silence has ended wherever it can be read; `None` where no member shows it.
pub(super) async fn has_ended(id: &Arc<str>, members: &[Member<'_>]) -> Option<bool> {
    let answers = join_all(members.iter().map(|m| m.am.silence(id))).await;
    let states: Vec<SilenceState> = answers.into_iter().flatten().map(|reply| reply.value.state).collect();
    (!states.is_empty()).then(|| states.iter().all(|state| *state == SilenceState::Expired))
}

/// What a member must show to have caught up.
#[derive(Clone, Copy)]
pub(super) enum Expected<'s> {
    /// This silence is in force and ends then.
    InForce(&'s str, crate::model::time::Timestamp),
    /// This silence has ended or is not known.
    Ended(&'s str),
}

/// How another member stands to what one was told.
pub(super) enum Caught {
    Up,
    Down,
    Behind,
}

impl Engine<'_> {
    /// Asks `member` until it shows what is expected, `limit` has passed, or it turns out not to answer.
    pub(super) async fn catch_up(
        &self,
        member: &Member<'_>,
        expected: Expected<'_>,
        limit: Duration,
    ) -> Caught {
        let started = clock::instant();
        loop {
            let (id, wanted) = match expected {
                Expected::InForce(id, _) => (id, true),
                Expected::Ended(id) => (id, false),
            };
            match member.am.silence(id).await {
                Ok(reply) => {
                    let in_force = reply.value.state != SilenceState::Expired;
                    let same_end = match expected {
                        Expected::InForce(_, ends_at) => reply.value.ends_at == ends_at,
                        Expected::Ended(_) => true,
                    };
                    if in_force == wanted && same_end {
                        return Caught::Up;
                    }
                }
                Err(error) if error.kind.is_not_found() && !wanted => return Caught::Up,
                Err(error) if error.kind.is_not_found() => {}
                // Overload passes; a member that is not there does not come back for us.
                Err(NetError { kind: NetErrorKind::Status { .. }, .. }) => {}
                Err(_) => return Caught::Down,
            }
            if started.elapsed() >= limit {
                return Caught::Behind;
            }
            tokio::time::sleep(self.limits.poll).await;
        }
    }
}
