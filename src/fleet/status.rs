//! The health of a cluster's own servers: every replica, proxies and pushgateways among them, and whether the members gossip.

use super::clusters::Cluster;
use super::gather::{Answer, Gathered, SoFar, ask, gather};
use crate::model::cluster::{About, ClusterName, Replica};
use crate::model::time::{Timestamp, serialize_option};
use crate::net::{
    Alertmanager, NetError, NetErrorKind, NotificationCounts, PrometheusClient, ProxyClient,
    PushgatewayClient, Reply,
};
use crate::wire::am_v2::AmCluster;
use crate::wire::prom_json::QueryValue;
use serde::Serialize;
use std::collections::BTreeSet;

/// A clock that is off by more than this makes `since` and silences wrong to a reader. Less is the time that a
/// reply travels and says nothing.
pub const SKEW_SECONDS: f64 = 5.0;

/// How the Alertmanager members of a cluster see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gossip {
    /// One member, or none: nobody to gossip with.
    Single,
    /// Every member that answered sees all the others.
    Whole,
    /// Some member misses some other: alerts may be told twice, silences may lag.
    Partial,
    /// Members that answered do not see each other at all: each silence must be written to each side.
    Split,
    /// Fewer than two members answered.
    Unknown,
}

impl Gossip {
    /// Returns the word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Single => "-",
            Self::Whole => "ok",
            Self::Partial => "PARTIAL",
            Self::Split => "SPLIT",
            Self::Unknown => "?",
        }
    }
}

/// Something that a replica was asked and did not tell, while it answered other questions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// What was asked.
    pub what: &'static str,
    /// Why it is not known.
    pub why: String,
}

impl Unread {
    /// Tells which request brought nothing and why.
    pub fn failed(what: &'static str, error: &NetError) -> Self {
        Self { what, why: format!("{}: {}", error.request, error.kind) }
    }
}

/// One replica's health.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaStatus {
    /// Who.
    #[serde(flatten)]
    pub replica: Replica,
    /// Whether it answered.
    pub up: bool,
    /// Its version, without the distribution's suffix.
    pub version: Option<String>,
    /// How long its answer took, in seconds.
    pub took_seconds: Option<f64>,
    /// When it started.
    #[serde(serialize_with = "serialize_option")]
    pub started: Option<Timestamp>,
    /// Age in seconds of the newest sample that a Prometheus holds: large when it does not scrape.
    pub age_seconds: Option<f64>,
    /// How far its clock is ahead of ours, in seconds.
    pub skew_seconds: Option<f64>,
    /// How many members an Alertmanager sees, itself included.
    pub peers: Option<usize>,
    /// What an Alertmanager sent and failed to send since it started, by integration.
    pub notifications: NotificationCounts,
    /// Why a proxy or a pushgateway cannot do its job, as it says itself.
    pub not_ready: Option<String>,
    /// What it did not tell of itself.
    #[serde(skip)]
    pub unread: Vec<Unread>,
    /// Why it did not answer.
    pub error: Option<String>,
}

/// A cluster's health.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: ClusterName,
    /// How its Alertmanagers see each other.
    pub gossip: Gossip,
    /// Its replicas in order of configuration: Prometheus, Alertmanager, proxies, pushgateways.
    pub replicas: Vec<ReplicaStatus>,
}

/// What one replica tells of itself.
struct Part {
    status: ReplicaStatus,
    gossip: Option<AmCluster>,
}

/// Asks every replica of a cluster how it is.
pub async fn status(
    cluster: &Cluster,
    mut so_far: impl FnMut(SoFar<'_, ClusterStatus>),
) -> Answer<ClusterStatus> {
    let servers = cluster.prometheus.iter().map(|prom| ask(prom.replica(), prometheus(prom)));
    let members = cluster.alertmanager.iter().map(|am| ask(am.replica(), alertmanager(am)));
    let proxies = cluster.proxy.iter().map(|proxy| {
        ask(proxy.replica(), async { own(proxy.replica(), tokio::join!(proxy.about(), proxy.ready())) })
    });
    let gateways = cluster.pushgateway.iter().map(|gateway| {
        ask(gateway.replica(), async {
            own(gateway.replica(), tokio::join!(gateway.about(), gateway.ready()))
        })
    });
    let asks = servers.chain(members).chain(proxies).chain(gateways).collect();
    let gathered = gather(asks, |partial| so_far(&|| answer(cluster, partial))).await;
    answer(cluster, &gathered)
}

/// Asks a Prometheus for its newest sample, which any backend can tell, and for version and start, which some hide.
async fn prometheus(prom: &PrometheusClient) -> Result<Reply<Part>, NetError> {
    let (newest, build, runtime) =
        tokio::join!(prom.query("time() - max(timestamp(up))", None), prom.build_info(), prom.runtime_info());
    let newest = newest?;
    let mut status = blank(prom.replica());
    status.version = build.ok().map(|b| plain_version(&b.value.version));
    status.started = runtime.ok().map(|r| r.value.start_time);
    status.age_seconds = match &newest.value {
        QueryValue::Vector(samples) => samples.first().map(|s| s.value),
        _ => None,
    };
    if status.age_seconds.is_none() {
        let why = "it holds no sample of up".to_owned();
        status.unread.push(Unread { what: "age of the newest sample", why });
    }
    Ok(finish(newest.map(|_| ()), status, None))
}

async fn alertmanager(am: &Alertmanager) -> Result<Reply<Part>, NetError> {
    let (reply, notifications) = tokio::join!(am.status(), am.notifications());
    let reply = reply?;
    let mut status = blank(am.replica());
    status.version = Some(plain_version(&reply.value.version_info.version));
    status.started = Some(reply.value.uptime);
    status.peers = Some(reply.value.cluster.peers.len());
    match notifications {
        Ok(reply) => status.notifications = reply.value,
        Err(error) => status.unread.push(Unread::failed("deliveries", &error)),
    }
    let gossip = reply.value.cluster.clone();
    Ok(finish(reply.map(|_| ()), status, Some(gossip)))
}

/// Puts together what a service of ours, or a Pushgateway that is not ours, tells of itself.
fn own(
    replica: &Replica,
    (about, ready): (Result<Reply<About>, NetError>, Result<(), NetError>),
) -> Result<Reply<Part>, NetError> {
    let about = about?;
    let mut status = blank(replica);
    status.version = about.value.version.as_deref().map(plain_version);
    status.started = about.value.started;
    if let Err(NetError { kind: NetErrorKind::Status { status: 503, message }, .. }) = ready {
        status.not_ready = Some(message);
    }
    Ok(finish(about.map(|_| ()), status, None))
}

fn blank(replica: &Replica) -> ReplicaStatus {
    ReplicaStatus {
        replica: replica.clone(),
        up: false,
        version: None,
        took_seconds: None,
        started: None,
        age_seconds: None,
        skew_seconds: None,
        peers: None,
        notifications: NotificationCounts::new(),
        not_ready: None,
        unread: Vec::new(),
        error: None,
    }
}

fn finish(reply: Reply<()>, mut status: ReplicaStatus, gossip: Option<AmCluster>) -> Reply<Part> {
    status.up = true;
    status.took_seconds = Some(reply.meta.took.as_secs_f64());
    status.skew_seconds = reply.meta.skew;
    reply.map(|()| Part { status, gossip })
}

/// Cuts a distribution's suffix off: `2.42.0+ds` is 2.42.0.
fn plain_version(version: &str) -> String {
    version.split(['+', '-']).next().unwrap_or(version).to_owned()
}

fn answer(cluster: &Cluster, gathered: &Gathered<Part>) -> Answer<ClusterStatus> {
    let all = cluster
        .prometheus
        .iter()
        .map(PrometheusClient::replica)
        .chain(cluster.alertmanager.iter().map(Alertmanager::replica))
        .chain(cluster.proxy.iter().map(ProxyClient::replica))
        .chain(cluster.pushgateway.iter().map(PushgatewayClient::replica));
    let replicas = all
        .map(|replica| match gathered.outcomes.iter().find(|o| o.replica == *replica).map(|o| &o.result) {
            Some(Ok(reply)) => reply.value.status.clone(),
            Some(Err(error)) => ReplicaStatus { error: Some(error.kind.to_string()), ..blank(replica) },
            None => blank(replica),
        })
        .collect();
    let seen: Vec<&AmCluster> =
        gathered.outcomes.iter().filter_map(|o| o.result.as_ref().ok()?.value.gossip.as_ref()).collect();
    let value = ClusterStatus {
        cluster: cluster.name().clone(),
        gossip: gossip_of(cluster.alertmanager.len(), &seen),
        replicas,
    };
    Answer { value, coverage: gathered.coverage.clone(), notes: Vec::new() }
}

/// Compares what the members see of each other. `configured` members should be there.
fn gossip_of(configured: usize, seen: &[&AmCluster]) -> Gossip {
    if configured < 2 {
        return Gossip::Single;
    }
    if seen.len() < 2 {
        return Gossip::Unknown;
    }
    let peers: Vec<BTreeSet<&str>> =
        seen.iter().map(|c| c.peers.iter().map(|p| p.name.as_str()).collect()).collect();
    let sees = |i: usize, j: usize| i == j || peers[i].contains(seen[j].name.as_str());
    let pairs = || (0..seen.len()).flat_map(|i| (0..seen.len()).map(move |j| (i, j))).filter(|(i, j)| i != j);
    if pairs().all(|(i, j)| sees(i, j)) && peers.iter().all(|p| p.len() >= configured) {
        Gossip::Whole
    } else if pairs().any(|(i, j)| sees(i, j)) {
        Gossip::Partial
    } else {
        Gossip::Split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::am_v2::AmPeer;

    fn member(name: &str, peers: &[&str]) -> AmCluster {
        let peers = peers.iter().map(|p| AmPeer { name: (*p).to_owned(), address: String::new() }).collect();
        AmCluster { name: name.to_owned(), status: "ready".to_owned(), peers }
    }

    fn gossip(configured: usize, members: &[AmCluster]) -> Gossip {
        gossip_of(configured, &members.iter().collect::<Vec<_>>())
    }

    #[test]
    fn gossip_is_whole_partial_or_split() {
        assert_eq!(gossip(2, &[member("a", &["a", "b"]), member("b", &["a", "b"])]), Gossip::Whole);
        assert_eq!(gossip(2, &[member("a", &["a"]), member("b", &["b"])]), Gossip::Split);
        assert_eq!(gossip(2, &[member("a", &["a", "b"]), member("b", &["b"])]), Gossip::Partial);
        assert_eq!(gossip(3, &[member("a", &["a", "b"]), member("b", &["a", "b"])]), Gossip::Partial);
        assert_eq!(gossip(2, &[member("a", &["a"])]), Gossip::Unknown);
        assert_eq!(gossip(1, &[member("a", &[])]), Gossip::Single);
    }

    #[test]
    fn members_without_gossip_are_split() {
        // `--cluster.listen-address=` gives no name and no peers.
        assert_eq!(gossip(2, &[member("", &[]), member("", &[])]), Gossip::Split);
    }
}
