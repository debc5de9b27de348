//! Prometheus' own configuration for one cluster: what it scrapes, and whom it sends alerts to.
//!
//! Its jobs are what `rules` names: the two are written to fit.

use super::quoted;
use crate::config::{Auth, Cluster, Config, Tls};
use crate::model::cluster::{ALERTMANAGER_JOB, PROMETHEUS_JOB, PROXY_JOB, PUSHER_JOB, PUSHGATEWAY_JOB};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use url::Url;

/// Prometheus' own default: fewer are not asked for.
const QUEUE: u64 = 10_000;

/// Returns the name of the job that watches the same servers of a peer.
pub fn peer_job(job: &str) -> String {
    job.replacen("iaasmon-", "iaasmon-peer-", 1)
}

/// Takes a name for the job of the nodes.
///
/// # Errors
/// None at all, and the names of our own jobs: Prometheus refuses two jobs of one name, and the rules about servers would be
/// about nodes.
pub fn node_job(name: &str) -> Result<String, String> {
    let servers = [PROMETHEUS_JOB, ALERTMANAGER_JOB, PROXY_JOB, PUSHGATEWAY_JOB, PUSHER_JOB];
    match name {
        _ if name.trim().is_empty() => Err("a job has a name".to_owned()),
        _ if servers.contains(&name) || name.starts_with("iaasmon-peer-") => {
            Err("that is the job of servers, which `generate prometheus` writes: nodes have their own"
                .to_owned())
        }
        _ => Ok(name.to_owned()),
    }
}

/// What the configuration is for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of this replica, where the pair is told apart.
    pub replica: Option<String>,
    /// How many nodes there are.
    pub nodes: u64,
    /// The job that scrapes the nodes.
    pub job: String,
    /// Where the nodes stand.
    pub targets: Targets,
    /// The files of rules.
    pub rules: Vec<String>,
}

/// Where the nodes stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// In files, as `generate targets` writes them.
    Files(Vec<String>),
    /// At an address that answers with their list.
    Http(Url),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unfit {}

/// Writes the configuration of a cluster's Prometheus.
///
/// # Errors
/// A cluster whose alerts could be lost by it, and secrets that stand in the configuration itself: none is written.
pub fn prometheus(config: &Config, cluster: &Cluster, options: &Options) -> Result<Written, Unfit> {
    let mut warnings = Vec::new();
    let mut text = started(options);
    text += "global:\n  scrape_interval: 30s\n  evaluation_interval: 30s\n";
    text += &external_labels(cluster, options);
    text += "rule_files:\n";
    options.rules.iter().for_each(|file| text += &format!("  - {}\n", quoted(file)));
    alerting(&mut text, cluster, &mut warnings)?;
    text += "scrape_configs:\n";
    nodes(&mut text, cluster, options);
    text += "  # The servers of this cluster; each replica watches the other.\n";
    for (job, urls) in servers(cluster) {
        scrape(&mut text, cluster, job, None, urls)?;
    }
    if !cluster.pushgateway.is_empty() {
        text += "  # Without honor_labels every pushed job and instance would be renamed to exported_job and exported_instance.\n";
        scrape(&mut text, cluster, PUSHGATEWAY_JOB, None, &cluster.pushgateway)?;
    }
    scrape(&mut text, cluster, PUSHER_JOB, None, &cluster.pusher)?;
    for peer in config.clusters.iter().filter(|peer| peer.name != cluster.name) {
        let _ = writeln!(text, "  # The servers of {}, for the rules about peers.", peer.name.as_str());
        for (job, urls) in servers(peer) {
            scrape(&mut text, peer, job, Some(peer.name.as_str()), urls)?;
        }
        warnings.extend(left_out(peer));
    }
    warnings.extend(left_out(cluster));
    Ok(Written { text, warnings })
}

fn servers(cluster: &Cluster) -> [(&'static str, &[Url]); 3] {
    [
        (PROMETHEUS_JOB, &cluster.prometheus),
        (ALERTMANAGER_JOB, &cluster.alertmanager),
        (PROXY_JOB, &cluster.proxy),
    ]
}

/// A rule that fires on every node at once is cut down to the queue before anything is sent: what is over is lost until the next
/// time that it is sent.
fn started(options: &Options) -> String {
    let capacity = options.nodes.saturating_mul(5).div_ceil(2).max(QUEUE);
    format!(
        "# Start it with flags, which no file can hold, for {} nodes:\n\
         #   --alertmanager.notification-queue-capacity={capacity}\n\
         #   --alertmanager.notification-batch-size=256      (3.4 and later; 64 and fixed before)\n",
        options.nodes
    )
}

fn replica_labels(cluster: &Cluster) -> Vec<&str> {
    match cluster.drop_labels.is_empty() {
        true => vec!["replica"],
        false => cluster.drop_labels.iter().map(String::as_str).collect(),
    }
}

fn external_labels(cluster: &Cluster, options: &Options) -> String {
    let mut labels: BTreeMap<&str, &str> =
        cluster.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let (Some(replica), Some(label)) = (&options.replica, replica_labels(cluster).first()) {
        labels.insert(label, replica);
    }
    if labels.is_empty() {
        return String::new();
    }
    let lines: String =
        labels.iter().map(|(name, value)| format!("    {name}: {}\n", quoted(value))).collect();
    format!("  external_labels:\n{lines}")
}

fn alerting(text: &mut String, cluster: &Cluster, warnings: &mut Vec<String>) -> Result<(), Unfit> {
    let name = cluster.name.as_str();
    let receivers = match (&*cluster.proxy, &*cluster.alertmanager) {
        ([], []) => {
            return Err(Unfit {
                message: format!(
                    "cluster `{name}` has neither a proxy nor an Alertmanager: its alerts would go nowhere"
                ),
                hint: "name its `proxy` and `alertmanager` in the configuration",
            });
        }
        ([], members) => {
            warnings.push(format!(
                "cluster `{name}` has no proxy: its alerts go out without the output of checks"
            ));
            *text += "# There is no proxy: alerts go straight to every Alertmanager, without the output of checks.\n";
            members
        }
        ([_], _) => {
            return Err(Unfit {
                message: format!(
                    "cluster `{name}` has a single proxy: while it restarts no alert would pass"
                ),
                hint: "name two in its `proxy`: each takes every alert, and Alertmanager knows the copies for one",
            });
        }
        (proxies, _) => {
            *text += "# Every proxy takes every alert: a load balancer before them would halve that. No Alertmanager stands beside them:\n\
                      # what came to it bare would take the place of what came with a check's output.\n";
            proxies
        }
    };
    *text += "alerting:\n";
    *text += "  # Both replicas must send the same labels, or each alert is there twice.\n";
    let dropped = replica_labels(cluster).join("|");
    let _ = writeln!(
        text,
        "  alert_relabel_configs:\n    - regex: {}\n      action: labeldrop",
        quoted(&dropped)
    );
    *text += "  alertmanagers:\n";
    for ((scheme, path), hosts) in by_way(receivers) {
        let _ = writeln!(text, "    - scheme: {scheme}\n      api_version: v2");
        if !path.is_empty() {
            let _ = writeln!(text, "      path_prefix: {}", quoted(&path));
        }
        access(text, cluster, "      ")?;
        *text += "      static_configs:\n        - targets:\n";
        hosts.iter().for_each(|host| *text += &format!("            - {}\n", quoted(host)));
    }
    Ok(())
}

fn nodes(text: &mut String, cluster: &Cluster, options: &Options) {
    let _ = writeln!(text, "  - job_name: {}", quoted(&options.job));
    // Nodes are asked for details by the same scheme; neither a token nor a certificate of ours is lent to them.
    if cluster.detail_url.as_ref().is_some_and(|url| url.starts_with("https://")) {
        *text += "    scheme: https\n";
        if let Some(ca) = &cluster.tls.ca {
            let _ = writeln!(text, "    tls_config:\n      ca_file: {}", quoted(&ca.display().to_string()));
        }
    }
    match &options.targets {
        Targets::Files(files) => {
            *text += "    file_sd_configs:\n      - files:\n";
            files.iter().for_each(|file| *text += &format!("          - {}\n", quoted(file)));
        }
        Targets::Http(url) => {
            let _ = writeln!(text, "    http_sd_configs:\n      - url: {}", quoted(url.as_str()));
        }
    }
}

/// Writes the job of servers of one kind. A peer's job has a name of its own, since its certificates may be others, and the label
/// `job` that the rules look for.
fn scrape(
    text: &mut String,
    cluster: &Cluster,
    job: &str,
    peer: Option<&str>,
    urls: &[Url],
) -> Result<(), Unfit> {
    if urls.is_empty() {
        return Ok(());
    }
    let mut labels = Vec::new();
    let name = match peer {
        None => job.to_owned(),
        Some(peer) => {
            let shared = peer_job(job);
            labels.extend([("job", shared.clone()), ("peer", peer.to_owned())]);
            shared.replacen("peer-", &format!("peer-{peer}-"), 1)
        }
    };
    let _ = writeln!(text, "  - job_name: {}", quoted(&name));
    if job == PUSHGATEWAY_JOB {
        *text += "    honor_labels: true\n";
    }
    access(text, cluster, "    ")?;
    *text += "    static_configs:\n";
    for ((scheme, path), hosts) in by_way(urls) {
        *text += "      - targets:\n";
        hosts.iter().for_each(|host| *text += &format!("          - {}\n", quoted(host)));
        let mut labels = labels.clone();
        if scheme != "http" {
            labels.push(("__scheme__", scheme));
        }
        if !path.is_empty() {
            labels.push(("__metrics_path__", format!("{path}/metrics")));
        }
        if !labels.is_empty() {
            *text += "        labels:\n";
            labels
                .iter()
                .for_each(|(name, value)| *text += &format!("          {name}: {}\n", quoted(value)));
        }
    }
    Ok(())
}

/// Sorts servers by scheme and path, which are not a part of a target.
fn by_way(urls: &[Url]) -> BTreeMap<(String, String), Vec<String>> {
    let mut ways: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for url in urls {
        let way = (url.scheme().to_owned(), url.path().trim_end_matches('/').to_owned());
        let port = url.port_or_known_default().unwrap_or(80);
        ways.entry(way).or_default().push(format!("{}:{port}", url.host_str().unwrap_or_default()));
    }
    ways
}

/// Writes how requests to a cluster's servers authenticate: the names of files, and no secret.
fn access(text: &mut String, cluster: &Cluster, indent: &str) -> Result<(), Unfit> {
    let path = |path: &std::path::Path| quoted(&path.display().to_string());
    match &cluster.auth {
        None => {}
        Some(Auth::BearerFile(file)) => {
            let _ = writeln!(text, "{indent}authorization:\n{indent}  credentials_file: {}", path(file));
        }
        Some(Auth::BasicFile { user, password_file }) => {
            let (user, file) = (quoted(user), path(password_file));
            let _ = writeln!(
                text,
                "{indent}basic_auth:\n{indent}  username: {user}\n{indent}  password_file: {file}"
            );
        }
        Some(Auth::Bearer(_) | Auth::Basic { .. }) => {
            return Err(Unfit {
                message: format!(
                    "the secret of cluster `{}` stands in the configuration itself, and none is written",
                    cluster.name.as_str()
                ),
                hint: "put it into a file, and name that by `bearer_file` or `password_file`",
            });
        }
    }
    let Tls { ca, cert, key, server_name } = &cluster.tls;
    let files = [("ca_file", ca), ("cert_file", cert), ("key_file", key)];
    let files = files.into_iter().filter_map(|(name, file)| Some((name, path(file.as_ref()?))));
    let lines: Vec<_> = files.chain(server_name.iter().map(|name| ("server_name", quoted(name)))).collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "{indent}tls_config:");
        lines.iter().for_each(|(name, value)| *text += &format!("{indent}  {name}: {value}\n"));
    }
    Ok(())
}

/// What of a cluster's way is for iaasmon alone.
fn left_out(cluster: &Cluster) -> Vec<String> {
    let name = cluster.name.as_str();
    let headers = (!cluster.headers.is_empty()).then(|| {
        format!("the `headers` of cluster `{name}` are not written: they are secrets, and Prometheus before 3 sends none")
    });
    let way = cluster.http_proxy.is_some().then(|| {
        format!("the `http_proxy` of cluster `{name}` is not written: it is the way of this machine, and not of its Prometheus")
    });
    headers.into_iter().chain(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Defaults;

    fn cluster(name: &str, proxies: usize) -> Cluster {
        let mut cluster = Cluster::new(name, &Defaults::default());
        let url = |text: String| text.parse::<Url>().expect("a URL");
        cluster.proxy = (1..=proxies).map(|n| url(format!("http://proxy-{n}.{name}:10106"))).collect();
        cluster.alertmanager = (1..=2).map(|n| url(format!("http://am-{n}.{name}:9093"))).collect();
        cluster.prometheus = vec![url(format!("https://prom.{name}/a/"))];
        cluster
    }

    fn written(own: Cluster, others: &[Cluster]) -> Result<Written, Unfit> {
        let clusters = [std::slice::from_ref(&own), others].concat();
        let options = Options {
            replica: Some("a".to_owned()),
            nodes: 20_000,
            job: "iaasmon".to_owned(),
            targets: Targets::Files(vec!["targets/*.json".to_owned()]),
            rules: vec!["iaasmon.rules.yml".to_owned()],
        };
        prometheus(&Config { clusters, ..Config::default() }, &own, &options)
    }

    #[test]
    fn alerts_go_to_every_proxy_and_to_nobody_else() {
        let Written { text, warnings } = written(cluster("east", 2), &[]).expect("written");
        let alerting = text.split("alerting:").nth(1).and_then(|rest| rest.split("scrape_configs:").next());
        let alerting = alerting.expect("both sections");
        assert!(alerting.contains("proxy-1.east:10106") && alerting.contains("proxy-2.east:10106"), "{text}");
        assert!(!alerting.contains("am-1.east"), "{text}");
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(text.contains("notification-queue-capacity=50000"), "{text}");
        assert!(text.contains("external_labels:\n    replica: \"a\"\n"), "{text}");
        assert!(text.contains("- \"prom.east:443\"\n        labels:\n          __scheme__: \"https\"\n          __metrics_path__: \"/a/metrics\"\n"), "{text}");
    }

    #[test]
    fn a_single_proxy_is_refused_and_none_is_told() {
        assert!(written(cluster("east", 1), &[]).expect_err("refused").message.contains("single proxy"));
        let Written { text, warnings } = written(cluster("east", 0), &[]).expect("written");
        assert!(text.contains("am-1.east:9093") && warnings[0].contains("no proxy"), "{text}\n{warnings:?}");
    }

    #[test]
    fn nodes_have_a_job_of_their_own() {
        for name in ["iaasmon", "iaasmon-proxies", "the nodes", "iaasmon-peer"] {
            assert_eq!(node_job(name).as_deref(), Ok(name));
        }
        for name in ["", " ", PROMETHEUS_JOB, ALERTMANAGER_JOB, PROXY_JOB, PUSHGATEWAY_JOB, PUSHER_JOB] {
            assert!(node_job(name).is_err(), "{name}");
        }
        assert!(node_job(&peer_job(PROXY_JOB)).is_err() && node_job("iaasmon-peer-west-proxy").is_err());
    }

    #[test]
    fn secrets_are_named_by_their_files_alone() {
        let mut own = cluster("east", 2);
        let peer = Cluster { auth: Some(Auth::Bearer("hunter2".to_owned().into())), ..cluster("west", 2) };
        let refused = written(own.clone(), &[peer]).expect_err("refused");
        assert!(refused.message.contains("`west`") && !refused.message.contains("hunter2"), "{refused}");
        own.auth = Some(Auth::BasicFile { user: "u".to_owned(), password_file: "/etc/pw".into() });
        let text = written(own, &[]).expect("written").text;
        assert_eq!(text.matches("password_file: \"/etc/pw\"").count(), 4, "{text}");
        let nodes =
            text.split("job_name: \"iaasmon\"").nth(1).and_then(|rest| rest.split("# The servers").next());
        assert!(!nodes.expect("the job").contains("password"), "{text}");
    }
}
