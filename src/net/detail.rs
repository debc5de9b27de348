//! The client of the detail API: a check's output, fetched straight from its node.

use super::error::{NetError, NetErrorKind};
use super::http::{Ask, Deadline, Http, Reply};
use crate::config::{Cluster, Tls};
use crate::model::check::Detail;
use crate::model::cluster::ReplicaKind;
use crate::model::labels::Labels;
use crate::wire::detail::{decode_detail, error_text};
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
        let template = self.cluster.detail_url.as_deref().unwrap_or_default();
        let unsent = |why: String| NetError {
            replica: crate::model::cluster::Replica {
                cluster: self.cluster.name.clone(),
                kind: ReplicaKind::Node,
                name: labels.get(&self.cluster.node_label).into(),
            },
            request: template.to_owned(),
            kind: NetErrorKind::Unsent(why),
        };
        if template.is_empty() {
            return Err(unsent("detail_url is not configured for this cluster".into()));
        }
        let url = expand_detail_url(template, labels).map_err(unsent)?;
        let mut base = url.clone();
        base.set_path("");
        base.set_query(None);
        let mut http = Http::open_one(&self.cluster, ReplicaKind::Node, &base);
        if let Some(deadline) = self.deadline {
            http = http.by(deadline);
        }
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let raw = http.ask(Ask { query: &query, ..Ask::get(url.path()) }, error_text).await?;
        match decode_detail(check, &raw.body) {
            Ok(value) => Ok(Reply { value, meta: raw.meta, warnings: Vec::new() }),
            Err(error) => Err(NetError {
                replica: http.replica().clone(),
                request: url.path().to_owned(),
                kind: error.into(),
            }),
        }
    }
}

/// Fills the `{label}` places of a detail URL.
///
/// In host position a value must be `host` or `host:port` and is used as it is; elsewhere it is
/// percent-encoded, so that no label can leave its place.
pub fn expand_detail_url(template: &str, labels: &Labels) -> Result<Url, String> {
    let host_end =
        template.find("://").map_or(0, |i| template[i + 3..].find('/').map_or(template.len(), |j| i + 3 + j));
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
    fn labels_fill_their_places() {
        let url = expand_detail_url(TEMPLATE, &labels("hv-1.r114:10105", "disk /var#1?")).expect("a URL");
        assert_eq!(url.as_str(), "http://hv-1.r114:10105/api/v1/checks/disk%20%2Fvar%231%3F");
        assert_eq!(
            expand_detail_url(TEMPLATE, &labels("[::1]:1", "x")).expect("IPv6").host_str(),
            Some("[::1]")
        );
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
