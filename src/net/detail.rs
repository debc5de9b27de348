//! The client of the detail API: a check's output and its past, fetched straight from its node.

use super::error::{NetError, NetErrorKind};
use super::http::{Ask, Deadline, Http, Reply};
use crate::config::{Cluster, Tls};
use crate::model::check::{Detail, History};
use crate::model::cluster::ReplicaKind;
use crate::model::labels::Labels;
use crate::wire::WireError;
use crate::wire::detail::{decode_detail, decode_history, error_text};
use url::Url;

/// Fetches details from the nodes of one cluster.
///
/// Nodes are not replicas of the monitoring: neither the cluster's credentials (password, token, client
/// certificate) nor its headers are lent to them, and they are checked against their own names, not the
/// servers'. Only the authority is shared.
#[derive(Debug, Clone)]
pub struct DetailClient {
    cluster: Cluster,
    deadline: Option<Deadline>,
}

impl DetailClient {
    /// Builds the client of a cluster's nodes.
    pub fn new(cluster: &Cluster) -> Self {
        let mut cluster = cluster.clone();
        cluster.auth = None;
        cluster.headers.clear();
        cluster.tls = Tls { ca: cluster.tls.ca, ..Tls::default() };
        Self { cluster, deadline: None }
    }

    /// Returns the same client for the requests of one question, which must all be answered by `deadline`.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// Fetches the detail of `check` from where the cluster's `detail_url` points for these labels.
    pub async fn fetch(&self, check: &str, labels: &Labels) -> Result<Reply<Detail>, NetError> {
        let url = self.url(labels)?;
        self.get(&url, |body| decode_detail(check, body)).await
    }

    /// Fetches the newest `limit` runs of `check`, from below its detail.
    pub async fn history(
        &self,
        check: &str,
        labels: &Labels,
        limit: usize,
    ) -> Result<Reply<History>, NetError> {
        let mut url = self.url(labels)?;
        url.set_path(&format!("{}/history", url.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        self.get(&url, |body| decode_history(check, body)).await
    }

    /// Fetches the samples of these metrics from the node's own `/metrics`, where `detail_url` leads to the nodes
    /// themselves.
    pub async fn metrics(&self, names: &[&str], labels: &Labels) -> Result<Reply<Vec<LiveSample>>, NetError> {
        let template = self.cluster.detail_url.as_deref().unwrap_or_default();
        let host = &template[..host_end(template)];
        let url = match host {
            "" => self.url(labels)?,
            host if !host.contains('{') => {
                let why = "detail_url leads to one host for all nodes, not to the nodes themselves";
                return Err(self.unsent(labels, why.into()));
            }
            host => expand_detail_url(&format!("{host}/metrics"), labels)
                .map_err(|why| self.unsent(labels, why))?,
        };
        self.get(&url, |body| Ok(live_samples(names, &String::from_utf8_lossy(body)))).await
    }

    fn url(&self, labels: &Labels) -> Result<Url, NetError> {
        let template = self.cluster.detail_url.as_deref().unwrap_or_default();
        if template.is_empty() {
            return Err(self.unsent(labels, "detail_url is not configured for this cluster".into()));
        }
        detail_url(template, labels).map_err(|why| self.unsent(labels, why))
    }

    fn unsent(&self, labels: &Labels, why: String) -> NetError {
        NetError {
            replica: crate::model::cluster::Replica {
                cluster: self.cluster.name.clone(),
                kind: ReplicaKind::Node,
                name: labels.get(&self.cluster.node_label).into(),
            },
            request: self.cluster.detail_url.clone().unwrap_or_default(),
            kind: NetErrorKind::Unsent(why),
        }
    }

    async fn get<T>(
        &self,
        url: &Url,
        decode: impl FnOnce(&[u8]) -> Result<T, WireError>,
    ) -> Result<Reply<T>, NetError> {
        let mut base = url.clone();
        base.set_path("");
        base.set_query(None);
        let mut http = Http::open_one(&self.cluster, ReplicaKind::Node, &base);
        if let Some(deadline) = self.deadline {
            http = http.by(deadline);
        }
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let raw = http.ask(Ask { query: &query, ..Ask::get(url.path()) }, error_text).await;
        let raw = raw.map_err(without_password)?;
        match decode(&raw.body) {
            Ok(value) => Ok(Reply { value, meta: raw.meta, warnings: Vec::new() }),
            Err(error) => Err(NetError {
                replica: http.replica().clone(),
                request: url.path().to_owned(),
                kind: error.into(),
            }),
        }
    }
}

/// Says what a node is asked without, where it wants it.
fn without_password(mut error: NetError) -> NetError {
    if let NetErrorKind::Status { status: 401, message } = &mut error.kind {
        *message = "no password is brought to a node; one without users in its web config opens its outputs to us by --detail-allow".into();
    }
    error
}

/// One sample of a node's own metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSample {
    /// The metric's name.
    pub metric: String,
    /// Its labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Reads the samples of the metrics of these names.
///
/// `prometheus-parse` is lenient and loses labels after a comma in a value; the exporter writes the names of checks
/// and hosts, which have none.
fn live_samples(names: &[&str], text: &str) -> Vec<LiveSample> {
    // Without their types all values read alike.
    let wanted = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    let scrape = prometheus_parse::Scrape::parse(wanted.map(|line| Ok(line.to_owned())));
    let samples = scrape.map(|scrape| scrape.samples).unwrap_or_default();
    let named = samples.into_iter().filter(|sample| names.contains(&&*sample.metric));
    let read = named.filter_map(|sample| {
        let labels = sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match sample.value {
            prometheus_parse::Value::Untyped(value) => {
                Some(LiveSample { metric: sample.metric, labels, value })
            }
            _ => None,
        }
    });
    read.collect()
}

/// Returns where the host of a template ends.
fn host_end(template: &str) -> usize {
    template.find("://").map_or(0, |i| template[i + 3..].find('/').map_or(template.len(), |j| i + 3 + j))
}

/// Returns the URL of a check's detail. A result about another host is asked for by it: the node may have a check of its own by
/// that name.
///
/// # Errors
/// As [`expand_detail_url`].
pub fn detail_url(template: &str, labels: &Labels) -> Result<Url, String> {
    let mut url = expand_detail_url(template, labels)?;
    let source = labels.get("source");
    if !source.is_empty() && !template.contains("{source}") {
        url.query_pairs_mut().append_pair("source", source);
    }
    Ok(url)
}

/// Fills the `{label}` places of a detail URL.
///
/// In host position a value must be `host` or `host:port` and is used as it is; elsewhere it is
/// percent-encoded, so that no label can leave its place.
pub fn expand_detail_url(template: &str, labels: &Labels) -> Result<Url, String> {
    let host_end = host_end(template);
    let mut text = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').ok_or("detail_url: `{` without `}`")? + open;
        let name = &rest[open + 1..close];
        let value = labels.get(name);
        // A URL parser resolves `.` and `..` even when they are percent-encoded.
        if matches!(value, "" | "." | "..") {
            return Err(format!("detail_url: label `{name}` is missing or not usable: {value:?}"));
        }
        text.push_str(&rest[..open]);
        if template.len() - rest.len() + open < host_end {
            text.push_str(host_value(name, value)?);
        } else {
            text.extend(value.bytes().map(encode_byte));
        }
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    Url::parse(&text).map_err(|e| format!("detail_url: {text}: {e}"))
}

fn host_value<'a>(name: &str, value: &'a str) -> Result<&'a str, String> {
    let plain = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    let url = plain.then(|| Url::parse(&format!("http://{value}/")).ok()).flatten();
    match url {
        Some(url) if url.host().is_some() && url.path() == "/" => Ok(value),
        _ => Err(format!("detail_url: label `{name}` is not host or host:port: {value:?}")),
    }
}

fn encode_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEMPLATE: &str = "http://{instance}/api/v1/checks/{check}";

    fn labels(instance: &str, check: &str) -> Labels {
        [("instance", instance), ("check", check)].into_iter().collect()
    }

    #[test]
    fn nothing_that_the_servers_know_us_by_is_lent_to_a_node() {
        let mut cluster = Cluster::new("east", &crate::config::Config::default().defaults);
        cluster.tls.ca = Some("/etc/ca.pem".into());
        (cluster.tls.cert, cluster.tls.key) = (Some("/etc/me.pem".into()), Some("/etc/me.key".into()));
        cluster.tls.server_name = Some("prometheus.east".into());
        cluster.headers.push(("X-Scope-OrgID".into(), "iaas".into()));
        let nodes = DetailClient::new(&cluster).cluster;
        assert_eq!(nodes.tls.ca, cluster.tls.ca, "who signs is the same");
        assert_eq!((nodes.tls.cert, nodes.tls.key, nodes.tls.server_name), (None, None, None));
        assert!(nodes.auth.is_none() && nodes.headers.is_empty());
    }

    #[test]
    fn a_result_about_another_host_is_asked_for_by_it() {
        let mut cluster = Cluster::new("east", &crate::config::Config::default().defaults);
        let url = |cluster: &Cluster, labels: &Labels| {
            DetailClient::new(cluster).url(labels).expect("a URL").to_string()
        };
        cluster.detail_url = Some(TEMPLATE.to_owned());
        let own = labels("h:1", "ping");
        assert_eq!(url(&cluster, &own), "http://h:1/api/v1/checks/ping");
        let of_another = own.with("source", "switch 1");
        assert_eq!(url(&cluster, &of_another), "http://h:1/api/v1/checks/ping?source=switch+1");
        cluster.detail_url = Some(format!("{TEMPLATE}?source={{source}}"));
        assert_eq!(url(&cluster, &of_another), "http://h:1/api/v1/checks/ping?source=switch%201");
    }

    #[test]
    fn labels_fill_their_places() {
        let url = expand_detail_url(TEMPLATE, &labels("hv-1.r114:10105", "disk /var#1?")).expect("a URL");
        assert_eq!(url.as_str(), "http://hv-1.r114:10105/api/v1/checks/disk%20%2Fvar%231%3F");
        assert_eq!(
            expand_detail_url(TEMPLATE, &labels("[::1]:1", "x")).expect("IPv6").host_str(),
            Some("[::1]")
        );
    }

    #[test]
    fn a_node_s_own_values_are_read_with_their_labels() {
        let text = "# TYPE iaasmon_check_status gauge\niaasmon_check_status{check=\"disk\"} 2\n\
            iaasmon_check_status{check=\"ping\",source=\"lb-1\"} 0\niaasmon_check_status_age{check=\"disk\"} 7\n\
            garbage {{{\niaasmon_runner_stale 1\n";
        let sample = |metric: &str, labels: &[(&str, &str)], value| LiveSample {
            metric: metric.to_owned(),
            labels: labels.iter().copied().collect(),
            value,
        };
        let want = [
            sample("iaasmon_check_status", &[("check", "disk")], 2.0),
            sample("iaasmon_check_status", &[("check", "ping"), ("source", "lb-1")], 0.0),
            sample("iaasmon_runner_stale", &[], 1.0),
        ];
        assert_eq!(live_samples(&["iaasmon_check_status", "iaasmon_runner_stale"], text), want);
        assert_eq!(live_samples(&["iaasmon_runner_stale"], text), want[2..]);
    }

    #[test]
    fn a_label_cannot_leave_host_position() {
        for instance in ["..", "evil/x", "a@b", "a?b", "a#b", "a b", "", "a:b:c:d", "a\nb"] {
            assert!(expand_detail_url(TEMPLATE, &labels(instance, "x")).is_err(), "{instance}");
        }
    }

    proptest! {
        #[test]
        fn no_check_name_changes_host_or_depth(check in "\\PC{1,20}") {
            let Ok(url) = expand_detail_url(TEMPLATE, &labels("h:1", &check)) else { return Ok(()) };
            prop_assert_eq!(url.host_str(), Some("h"));
            prop_assert_eq!(url.path_segments().map(Iterator::count), Some(4));
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }
}
