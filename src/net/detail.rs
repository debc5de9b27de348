//! The client of the detail API: a check's output and its past, fetched straight from its node.

use super::deadline::Deadline;
use super::error::{NetError, NetErrorKind};
use super::http::{Ask, Http, Reply};
use crate::config::{Cluster, Tls};
use crate::model::alert::of_job;
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
        self.ask_each(self.urls(labels)?, |body| decode_detail(check, body)).await
    }

    /// Reports whether it is a pushgateway that has the detail of a check with these labels, and not a node.
    pub fn is_pushed(&self, labels: &Labels) -> bool {
        Places::of(&self.cluster).has_pushed(labels)
    }

    /// Fetches the newest `limit` runs of `check`, from below its detail.
    pub async fn history(
        &self,
        check: &str,
        labels: &Labels,
        limit: usize,
    ) -> Result<Reply<History>, NetError> {
        let mut urls = self.urls(labels)?;
        for url in &mut urls {
            url.set_path(&format!("{}/history", url.path().trim_end_matches('/')));
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
        }
        self.ask_each(urls, |body| decode_history(check, body)).await
    }

    /// Asks whether a pushgateway lets us read what it knows of checks, as we are when we fetch one.
    pub async fn lists_checks(&self, pushgateway: &Url) -> Result<(), NetError> {
        let mut url = pushgateway.clone();
        url.set_path(&format!("{}/api/v1/checks", url.path().trim_end_matches('/')));
        self.get(&url, self.deadline, |_| Ok(())).await.map(drop)
    }

    /// Fetches the samples of these metrics from the node's own `/metrics`, where `detail_url` leads to the nodes
    /// themselves.
    pub async fn metrics(&self, names: &[&str], labels: &Labels) -> Result<Reply<Vec<LiveSample>>, NetError> {
        let template = self.cluster.detail_url.as_deref().unwrap_or_default();
        let host = &template[..host_end(template)];
        let url = match host {
            "" => return Err(self.nowhere(labels)),
            host if !host.contains('{') => {
                let why = "detail_url leads to one host for all nodes, not to the nodes themselves";
                return Err(self.unsent(labels, why.into()));
            }
            host => expand_detail_url(&format!("{host}/metrics"), labels)
                .map_err(|why| self.unsent(labels, why))?,
        };
        self.get(&url, self.deadline, |body| Ok(live_samples(names, &String::from_utf8_lossy(body)))).await
    }

    fn urls(&self, labels: &Labels) -> Result<Vec<Url>, NetError> {
        let urls = Places::of(&self.cluster).urls(labels).map_err(|why| self.unsent(labels, why))?;
        if urls.is_empty() { Err(self.nowhere(labels)) } else { Ok(urls) }
    }

    fn nowhere(&self, labels: &Labels) -> NetError {
        self.unsent(labels, "detail_url is not configured for this cluster".into())
    }

    /// Asks one after the other until one has it. Each has its part of the time that is left, so that one that hangs leaves some to
    /// the next.
    async fn ask_each<T>(
        &self,
        urls: Vec<Url>,
        decode: impl Fn(&[u8]) -> Result<T, WireError>,
    ) -> Result<Reply<T>, NetError> {
        let mut failed: Option<NetError> = None;
        for (url, left) in urls.iter().zip((1..=urls.len()).rev()) {
            let parts = u32::try_from(left).unwrap_or(u32::MAX);
            let deadline = self.deadline.map(|deadline| deadline.one_of(parts));
            match self.get(url, deadline, &decode).await {
                Err(error) if !error.kind.is_final() => {
                    // Who did not answer may have what another one does not know.
                    let told = failed.filter(|before| !before.kind.is_not_found());
                    failed = Some(told.unwrap_or(error));
                }
                done => return done,
            }
        }
        Err(failed.unwrap_or_else(|| self.nowhere(&Labels::default())))
    }

    fn unsent(&self, labels: &Labels, why: String) -> NetError {
        NetError {
            replica: crate::model::cluster::Replica {
                cluster: self.cluster.name.clone(),
                kind: ReplicaKind::Node,
                name: match labels.get(&self.cluster.node_label) {
                    "" => of_job(labels).into(),
                    node => node.into(),
                },
            },
            request: self.cluster.detail_url.clone().unwrap_or_default(),
            kind: NetErrorKind::Unsent(why),
        }
    }

    async fn get<T>(
        &self,
        url: &Url,
        deadline: Option<Deadline>,
        decode: impl FnOnce(&[u8]) -> Result<T, WireError>,
    ) -> Result<Reply<T>, NetError> {
        let mut base = url.clone();
        base.set_path("");
        base.set_query(None);
        let mut http = Http::open_one(&self.cluster, ReplicaKind::Node, &base);
        if let Some(deadline) = deadline {
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

/// Where the details of a cluster's checks are: at the nodes, and at the pushgateways for what was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    nodes: Option<String>,
    pushed: Vec<String>,
    node_label: String,
}

impl Places {
    /// Returns those that a cluster names. Of several pushgateways the first that has it is meant.
    pub fn of(cluster: &Cluster) -> Self {
        let at = |url: &Url| {
            format!(
                "{}/api/v1/checks/{{{}}}?{{{ALL}}}",
                url.as_str().trim_end_matches('/'),
                cluster.check_label
            )
        };
        let pushed = cluster.pushgateway.iter().map(at).collect();
        Self { nodes: cluster.detail_url.clone(), pushed, node_label: cluster.node_label.clone() }
    }

    /// Returns one place for all of them.
    pub fn one(template: String) -> Self {
        Self { nodes: Some(template), pushed: Vec::new(), node_label: String::new() }
    }

    /// Returns whether there is any.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_none() && self.pushed.is_empty()
    }

    /// Returns where the detail of a check with these labels may be, in the order in which they are to be asked; none where no place
    /// is named.
    ///
    /// # Errors
    /// As [`expand_detail_url`].
    pub fn urls(&self, labels: &Labels) -> Result<Vec<Url>, String> {
        if self.has_pushed(labels) {
            return self.pushed.iter().map(|template| detail_url(template, labels)).collect();
        }
        self.nodes.iter().map(|template| detail_url(template, labels)).collect()
    }

    /// Returns whether a pushgateway has the detail of a check with these labels.
    pub fn has_pushed(&self, labels: &Labels) -> bool {
        !self.pushed.is_empty() && self.is_of_no_node(labels)
    }

    /// What was pushed has no node: no instance, or one that no exporter listens at. A node's has a port, unless the template
    /// brings one, and whatever else the template wants to know of a node.
    fn is_of_no_node(&self, labels: &Labels) -> bool {
        let node = labels.get(&self.node_label);
        if node.is_empty() || self.nodes.as_ref().is_some_and(|template| lacks_one(template, labels)) {
            return true;
        }
        let place = format!("{{{}}}", self.node_label);
        let is_whole = |template: &String| template[..host_end(template)].ends_with(&place);
        let has_port =
            |node: &str| node.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        self.nodes.as_ref().is_none_or(is_whole) && !has_port(node)
    }
}

/// Whether a label that names the host of a template is missing.
fn lacks_one(template: &str, labels: &Labels) -> bool {
    let mut places =
        template[..host_end(template)].split('{').skip(1).filter_map(|rest| rest.split('}').next());
    places.any(|name| labels.get(name).is_empty())
}

/// The place of all labels, as a query: a pushgateway finds the group that they are of.
const ALL: &str = "labels";

/// Returns the URL of a check's detail. A result about another host is asked for by it: the node may have a check of its own by
/// that name.
///
/// # Errors
/// As [`expand_detail_url`].
pub fn detail_url(template: &str, labels: &Labels) -> Result<Url, String> {
    let mut url = expand_detail_url(template, labels)?;
    let source = labels.get("source");
    let is_told = template.contains("{source}") || template.contains("{labels}");
    if !source.is_empty() && !is_told {
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
        if name == ALL && rest[..open].contains('?') {
            text.push_str(&rest[..open]);
            text.push_str(&as_query(labels));
            rest = &rest[close + 1..];
            continue;
        }
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

fn as_query(labels: &Labels) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    labels.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| {
        query.append_pair(name, value);
    });
    query.finish()
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
    fn what_was_pushed_is_asked_of_the_pushgateway_with_all_its_labels() {
        let mut cluster = Cluster::new("east", &crate::config::Config::default().defaults);
        cluster.pushgateway = vec!["http://push:9091/gate/".parse().expect("a URL")];
        let url = |cluster: &Cluster, labels: &[(&str, &str)]| {
            let labels: Labels = labels.iter().copied().collect();
            let urls = Places::of(cluster).urls(&labels).expect("URLs");
            let [url] = &urls[..] else { panic!("{urls:?}") };
            url.to_string()
        };
        let pushed = [("check", "etcd health"), ("job", "a/b&c"), ("source", "s"), ("empty", "")];
        let found =
            "http://push:9091/gate/api/v1/checks/etcd%20health?check=etcd+health&job=a%2Fb%26c&source=s";
        assert_eq!(url(&cluster, &pushed), found);
        cluster.detail_url = Some(TEMPLATE.to_owned());
        assert_eq!(url(&cluster, &pushed), found);
        let with = |instance| [("check", "c"), ("instance", instance)];
        assert!(url(&cluster, &with("db1")).starts_with("http://push:9091/"));
        assert_eq!(url(&cluster, &with("db1:10105")), "http://db1:10105/api/v1/checks/c");
        cluster.detail_url = Some("http://{instance}:10105/api/v1/checks/{check}".to_owned());
        assert_eq!(url(&cluster, &with("db1")), "http://db1:10105/api/v1/checks/c");
        cluster.detail_url = Some("http://{address}/api/v1/checks/{check}".to_owned());
        assert!(url(&cluster, &with("db1")).starts_with("http://push:9091/"), "no node has no address");
        let node = [("check", "c"), ("instance", "hv-1"), ("address", "10.0.0.7:10105")];
        assert_eq!(url(&cluster, &node), "http://10.0.0.7:10105/api/v1/checks/c");
        cluster.pushgateway.push("http://other:9091".parse().expect("a URL"));
        let urls = Places::of(&cluster).urls(&pushed.into_iter().collect()).expect("URLs");
        assert_eq!(urls.iter().filter_map(Url::host_str).collect::<Vec<_>>(), ["push", "other"]);
        cluster.pushgateway.clear();
        assert_eq!(url(&cluster, &node), "http://10.0.0.7:10105/api/v1/checks/c");
        cluster.detail_url = None;
        assert_eq!(Places::of(&cluster).urls(&Labels::default()), Ok(Vec::new()));
    }

    #[test]
    fn a_result_about_another_host_is_asked_for_by_it() {
        let mut cluster = Cluster::new("east", &crate::config::Config::default().defaults);
        let url = |cluster: &Cluster, labels: &Labels| {
            DetailClient::new(cluster).urls(labels).expect("URLs")[0].to_string()
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
