//! The fleet: every configured cluster with its clients.

use crate::config::{self, Config};
use crate::model::cluster::{ClusterName, ReplicaKind};
use crate::net::{
    Alertmanager, Deadline, DetailClient, Http, PrometheusClient, ProxyClient, PushgatewayClient,
};
use std::sync::Arc;

/// Every cluster that a command works on.
#[derive(Debug, Clone)]
pub struct Fleet {
    clusters: Vec<Arc<Cluster>>,
}

/// One cluster with its clients.
#[derive(Debug)]
pub struct Cluster {
    /// Its configuration.
    pub config: config::Cluster,
    /// Its Prometheus replicas.
    pub prometheus: Vec<PrometheusClient>,
    /// Its Alertmanager members.
    pub alertmanager: Vec<Alertmanager>,
    /// Its alert proxies.
    pub proxy: Vec<ProxyClient>,
    /// Its pushgateways.
    pub pushgateway: Vec<PushgatewayClient>,
    /// Its nodes' detail API.
    pub detail: DetailClient,
}

impl Cluster {
    /// Returns its name.
    pub fn name(&self) -> &ClusterName {
        &self.config.name
    }

    /// Returns the same cluster for one question that takes several requests one after the other: together they
    /// have the time of one.
    pub fn one_question(&self) -> Self {
        self.by(self.deadline())
    }

    /// Returns when a question that begins now must be answered.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.config.timeout)
    }

    /// Returns the same cluster whose requests must all be answered by `deadline`.
    pub(super) fn by(&self, deadline: Deadline) -> Self {
        Self {
            config: self.config.clone(),
            prometheus: self.prometheus.iter().map(|prom| prom.by(deadline)).collect(),
            alertmanager: self.alertmanager.iter().map(|member| member.by(deadline)).collect(),
            proxy: self.proxy.iter().map(|proxy| proxy.by(deadline)).collect(),
            pushgateway: self.pushgateway.iter().map(|gateway| gateway.by(deadline)).collect(),
            detail: self.detail.by(deadline),
        }
    }
}

/// A name or pattern that fits no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no cluster is called `{pattern}`")]
pub struct UnknownCluster {
    /// What was asked for.
    pub pattern: String,
    /// What there is.
    pub known: Vec<String>,
}

impl Fleet {
    /// Builds the clients of every cluster. Nothing is sent yet.
    pub fn new(config: &Config) -> Self {
        Self { clusters: config.clusters.iter().map(|c| Arc::new(open(c))).collect() }
    }

    /// Returns the clusters in order of configuration.
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// Returns the cluster of that name.
    pub fn cluster(&self, name: &ClusterName) -> Option<&Arc<Cluster>> {
        self.clusters.iter().find(|c| c.name() == name)
    }

    /// Keeps the clusters whose name fits one of `patterns` (`*` and `?` are wildcards); no pattern keeps all.
    /// A pattern that fits none is an error: a typing mistake must not look like an empty fleet.
    pub fn select(&self, patterns: &[String]) -> Result<Self, UnknownCluster> {
        let chosen = choose(&self.clusters, |cluster| cluster.name(), patterns)?;
        Ok(Self { clusters: chosen.into_iter().cloned().collect() })
    }
}

/// Returns the clusters of a configuration whose name fits one of `patterns`, as [`Fleet::select`] does.
pub fn chosen<'a>(
    config: &'a Config,
    patterns: &[String],
) -> Result<Vec<&'a config::Cluster>, UnknownCluster> {
    choose(&config.clusters, |cluster| &cluster.name, patterns)
}

fn choose<'a, T>(
    clusters: &'a [T],
    name: impl Fn(&T) -> &ClusterName,
    patterns: &[String],
) -> Result<Vec<&'a T>, UnknownCluster> {
    let fits = |pattern: &str, cluster: &T| glob(pattern, name(cluster).as_str());
    if let Some(pattern) =
        patterns.iter().find(|pattern| !clusters.iter().any(|cluster| fits(pattern, cluster)))
    {
        let known = clusters.iter().map(|cluster| name(cluster).to_string()).collect();
        return Err(UnknownCluster { pattern: pattern.clone(), known });
    }
    let is_chosen =
        |cluster: &&T| patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, cluster));
    Ok(clusters.iter().filter(is_chosen).collect())
}

fn open(config: &config::Cluster) -> Cluster {
    let prometheus = Http::open(config, ReplicaKind::Prometheus, &config.prometheus);
    let alertmanager = Http::open(config, ReplicaKind::Alertmanager, &config.alertmanager);
    let proxy = Http::open(config, ReplicaKind::Proxy, &config.proxy);
    let pushgateway = Http::open(config, ReplicaKind::Pushgateway, &config.pushgateway);
    Cluster {
        config: config.clone(),
        prometheus: prometheus.into_iter().map(PrometheusClient::new).collect(),
        alertmanager: alertmanager.into_iter().map(Alertmanager::new).collect(),
        proxy: proxy.into_iter().map(ProxyClient::new).collect(),
        pushgateway: pushgateway.into_iter().map(PushgatewayClient::new).collect(),
        detail: DetailClient::new(config),
    }
}

/// Matches `name` against a shell-like pattern with `*` and `?`, in linear time: on a mismatch only the last `*` is widened.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_like_a_shell() {
        for (pattern, name, fits) in [
            ("prod-*", "prod-east", true),
            ("*-east", "prod-east", true),
            ("*", "", true),
            ("p?od-*t", "prod-east", true),
            ("prod", "prod-east", false),
            ("*a*b", "aab", true),
            ("*a*b", "aba", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, name), fits, "{pattern} on {name}");
        }
    }

    #[tokio::test]
    async fn a_certificate_that_cannot_be_read_fails_its_own_requests_alone() {
        let mut config = Config::default();
        let mut cluster = config::Cluster::new("east", &config.defaults);
        cluster.prometheus = vec!["https://127.0.0.1:1".parse().expect("a URL")];
        cluster.tls.ca = Some("/nowhere/ca.pem".into());
        config.clusters = vec![cluster, config::Cluster::new("west", &config.defaults)];
        let fleet = Fleet::new(&config);
        assert_eq!(fleet.clusters().len(), 2);
        let error = fleet.clusters()[0].prometheus[0].vector("up").await.expect_err("no certificate");
        assert!(!error.kind.may_have_arrived(), "nothing was sent");
        assert_eq!(
            error.to_string(),
            "cluster east: 127.0.0.1:1: cannot read /nowhere/ca.pem: no such file or directory"
        );
    }

    #[test]
    fn a_pattern_without_a_cluster_is_an_error() {
        let mut config = Config::default();
        config.clusters =
            ["prod-east", "prod-west", "dev"].map(|n| config::Cluster::new(n, &config.defaults)).into();
        let fleet = Fleet::new(&config);
        let names = |f: &Fleet| f.clusters().iter().map(|c| c.name().to_string()).collect::<Vec<_>>();
        assert_eq!(names(&fleet.select(&["prod-*".into()]).expect("two")), ["prod-east", "prod-west"]);
        assert_eq!(names(&fleet.select(&[]).expect("all")).len(), 3);
        assert_eq!(fleet.select(&["dev".into(), "prdo-*".into()]).expect_err("unknown").pattern, "prdo-*");
    }
}
