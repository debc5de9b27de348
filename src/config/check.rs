//! The merged layers to a complete configuration: defaults filled in, and the rules that span several keys.

use super::files::is_open_to_all;
use super::layer::{ClusterLayer, Common, Layer, Servers, SilenceLayer, UiLayer};
use super::origin::{At, List, Origin, Origins, Pairs};
use super::problem::Problem;
use super::valid::{Auth, Cluster, Config, ConfirmAbove, Defaults, SilencePolicy, Ui};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;
use url::Url;

/// A configuration and everything that was noticed while it was put together.
#[derive(Default)]
pub struct Checked {
    /// The configuration; to be used only if there are no problems.
    pub config: Config,
    /// Where each value came from.
    pub origins: Origins,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What works but is probably not meant.
    pub warnings: Vec<Problem>,
}

/// Fills in the defaults and checks the rules that span keys, clusters and files.
pub fn check(layer: Layer) -> Checked {
    let mut checked = Checked::default();
    checked.defaults(layer.defaults);
    checked.enrich(layer.enrich);
    checked.generate(layer.generate);
    checked.silence(layer.silence);
    checked.ui(layer.ui);
    if layer.clusters.is_empty() && !layer.flawed {
        checked.problems.push(
            Problem::general("no cluster is configured")
                .hint("`iaasmon config init` writes an example to begin with")
                .hint("`iaasmon demo` starts a fleet to try things on"),
        );
    }
    for cluster in layer.clusters {
        checked.check_servers(&cluster);
        checked.check_headers(&cluster);
        let cluster = checked.cluster(cluster);
        checked.warn(&cluster);
        checked.config.clusters.push(cluster);
    }
    checked
}

impl Checked {
    /// Takes a value if it was written, else leaves what stands in `slot`; notes the origin either way.
    pub(super) fn take<T>(&mut self, path: &str, slot: &mut T, written: Option<At<T>>) {
        let origin = written.map_or(Origin::Default, |at| {
            *slot = at.value;
            at.origin
        });
        self.origins.insert(path.to_owned(), origin);
    }

    /// As [`Checked::take`] for values that have no default.
    pub(super) fn take_some<T>(&mut self, path: &str, slot: &mut Option<T>, written: Option<At<T>>) {
        self.take(path, slot, written.map(|at| At { value: Some(at.value), origin: at.origin }));
    }

    fn defaults(&mut self, layer: Common) {
        let mut defaults = Defaults::default();
        self.take("defaults.timeout", &mut defaults.timeout, layer.timeout);
        self.take("defaults.max_body", &mut defaults.max_body, layer.max_body);
        self.take("defaults.node_label", &mut defaults.node_label, layer.node_label);
        self.take("defaults.check_label", &mut defaults.check_label, layer.check_label);
        self.take("defaults.status_metric", &mut defaults.status_metric, layer.status_metric);
        self.take("defaults.bad_metric", &mut defaults.bad_metric, layer.bad_metric);
        self.config.defaults = defaults;
    }

    fn silence(&mut self, layer: SilenceLayer) {
        let mut policy = SilencePolicy::default();
        let mut above = ConfirmAbove::default();
        self.take("policy.silence.comment_required", &mut policy.comment_required, layer.comment_required);
        self.take_some("policy.silence.comment_pattern", &mut policy.comment_pattern, layer.comment_pattern);
        self.take("policy.silence.max_duration", &mut policy.max_duration, layer.max_duration);
        self.take_some("policy.silence.author", &mut policy.author, layer.author);
        self.take_some("policy.silence.journals", &mut policy.journals, layer.journals);
        self.take("policy.silence.confirm_above.alerts", &mut above.alerts, layer.alerts);
        self.take("policy.silence.confirm_above.clusters", &mut above.clusters, layer.clusters);
        self.take("policy.silence.confirm_above.duration", &mut above.duration, layer.duration);
        self.config.policy = SilencePolicy { confirm_above: above, ..policy };
    }

    fn ui(&mut self, layer: UiLayer) {
        let mut ui = Ui::default();
        self.take_some("ui.theme", &mut ui.theme, layer.theme);
        self.take("ui.color", &mut ui.color, layer.color);
        self.take("ui.refresh", &mut ui.refresh, layer.refresh);
        self.config.ui = ui;
    }

    fn cluster(&mut self, layer: ClusterLayer) -> Cluster {
        let mut cluster = Cluster::new(layer.name.value.as_str(), &self.config.defaults);
        let path = |key: &str| format!("cluster.{}.{key}", layer.name.value);
        self.origins.insert(path("name"), layer.name.origin.clone());
        self.take(&path("labels"), &mut cluster.labels, layer.labels.map(pairs));
        self.take(&path("prometheus"), &mut cluster.prometheus, layer.prometheus.map(values));
        self.take(&path("alertmanager"), &mut cluster.alertmanager, layer.alertmanager.map(values));
        self.take(&path("proxy"), &mut cluster.proxy, layer.proxy.map(values));
        self.take(&path("pushgateway"), &mut cluster.pushgateway, layer.pushgateway.map(values));
        self.take(&path("pusher"), &mut cluster.pusher, layer.pusher.map(values));
        self.take_some(&path("detail_url"), &mut cluster.detail_url, layer.detail_url);
        self.take(&path("drop_labels"), &mut cluster.drop_labels, layer.drop_labels.map(values));
        self.take(&path("access"), &mut cluster.access, layer.access);
        self.take_some(&path("auth"), &mut cluster.auth, layer.auth);
        self.take(&path("tls"), &mut cluster.tls, layer.tls);
        self.take(&path("headers"), &mut cluster.headers, layer.headers.map(pairs));
        self.take_some(&path("http_proxy"), &mut cluster.http_proxy, layer.http_proxy);
        let common = layer.common;
        self.inherit(&path, "timeout", &mut cluster.timeout, common.timeout);
        self.inherit(&path, "max_body", &mut cluster.max_body, common.max_body);
        self.inherit(&path, "node_label", &mut cluster.node_label, common.node_label);
        self.inherit(&path, "check_label", &mut cluster.check_label, common.check_label);
        self.inherit(&path, "status_metric", &mut cluster.status_metric, common.status_metric);
        self.inherit(&path, "bad_metric", &mut cluster.bad_metric, common.bad_metric);
        cluster
    }

    /// As [`Checked::take`] for values that `[defaults]` supplies: the origin is then the default's own.
    fn inherit<T>(
        &mut self,
        path: &impl Fn(&str) -> String,
        key: &str,
        slot: &mut T,
        written: Option<At<T>>,
    ) {
        if written.is_some() {
            self.take(&path(key), slot, written);
        } else if let Some(origin) = self.origins.get(&format!("defaults.{key}")).cloned() {
            self.origins.insert(path(key), origin);
        }
    }

    /// Checks that a cluster has servers and shares none with itself or an earlier cluster.
    ///
    /// Two clusters may share an address if their requests differ: a tenant header or a login tells them apart.
    fn check_servers(&mut self, layer: &ClusterLayer) {
        let name = &layer.name.value;
        if !layer.flawed && count(&layer.prometheus) + count(&layer.alertmanager) == 0 {
            self.problems.push(
                Problem::at(&layer.origin, format!("cluster `{name}` has no server"))
                    .hint("give it `prometheus` or `alertmanager` addresses, or both"),
            );
        }
        for (kind, servers, earlier) in [
            ("prometheus", &layer.prometheus, (|c| &c.prometheus) as fn(&Cluster) -> &Vec<Url>),
            ("alertmanager", &layer.alertmanager, |c| &c.alertmanager),
            ("proxy", &layer.proxy, |c| &c.proxy),
            ("pushgateway", &layer.pushgateway, |c| &c.pushgateway),
            ("pusher", &layer.pusher, |c| &c.pusher),
        ] {
            let servers = servers.as_ref().map_or(&[][..], |at| &at.value);
            for (i, server) in servers.iter().enumerate() {
                let url = &server.value;
                if servers[..i].iter().any(|other| same_server(&other.value, url)) {
                    let message = format!("`{kind}` names {url} twice");
                    self.problems
                        .push(Problem::at(&server.origin, message).hint("a replica is a server of its own"));
                }
                let shared = self.config.clusters.iter().find(|cluster| {
                    earlier(cluster).iter().any(|other| same_server(other, url))
                        && same_requests(cluster, layer)
                });
                if let Some(cluster) = shared {
                    let message = format!("`{kind}` {url} belongs to cluster `{}` already", cluster.name);
                    let hint = "clusters share a server only if their `headers` or `auth` differ";
                    self.problems.push(Problem::at(&server.origin, message).hint(hint));
                }
            }
        }
    }

    /// Checks that no header repeats another one or what `auth` sends.
    fn check_headers(&mut self, layer: &ClusterLayer) {
        let headers = layer.headers.as_ref().map_or(&[][..], |at| &at.value);
        for (i, (name, value)) in headers.iter().enumerate() {
            if headers[..i].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                self.problems.push(Problem::at(&value.origin, format!("the header `{name}` is given twice")));
            }
            if name.eq_ignore_ascii_case("authorization") && layer.auth.is_some() {
                let message = "both `auth` and an `Authorization` header are given";
                self.problems.push(Problem::at(&value.origin, message).hint("keep `auth`"));
            }
        }
    }

    /// Notes what works but endangers a secret or the answer.
    fn warn(&mut self, cluster: &Cluster) {
        let name = &cluster.name;
        let origin_of = |checked: &Self, key: &str| {
            checked.origins.get(&format!("cluster.{name}.{key}")).cloned().unwrap_or(Origin::Default)
        };
        for (key, servers) in [("prometheus", &cluster.prometheus), ("alertmanager", &cluster.alertmanager)] {
            if servers.len() == 1 {
                let message =
                    format!("cluster `{name}` has a single {key} server: nothing answers while it is down");
                self.warnings.push(Problem::at(&origin_of(self, key), message));
            }
        }
        let plain = cluster.prometheus.iter().chain(&cluster.alertmanager).find(|url| url.scheme() == "http");
        if let (Some(_), Some(url)) = (&cluster.auth, plain) {
            let message = format!("cluster `{name}` sends its login over plain http to {url}");
            self.warnings.push(Problem::at(&origin_of(self, "auth"), message));
        }
        let auth = origin_of(self, "auth");
        match &cluster.auth {
            Some(Auth::BearerFile(path) | Auth::BasicFile { password_file: path, .. }) => {
                self.warn_open(&auth, path);
            }
            Some(Auth::Bearer(_) | Auth::Basic { .. }) => {
                if let Origin::File(place) = &auth {
                    self.warn_open(&auth, &place.file.clone());
                }
            }
            None => {}
        }
        if let Some(key) = &cluster.tls.key {
            self.warn_open(&origin_of(self, "tls"), key);
        }
    }

    fn warn_open(&mut self, origin: &Origin, path: &Path) {
        if is_open_to_all(path) {
            let message = format!("{} holds a secret and every user may read it", path.display());
            self.warnings.push(Problem::at(origin, message).hint(format!("chmod 600 {}", path.display())));
        }
    }
}

pub(super) fn values<T>(list: At<List<T>>) -> At<Vec<T>> {
    At { value: list.value.into_iter().map(|at| at.value).collect(), origin: list.origin }
}

fn pairs<T, C: FromIterator<(String, T)>>(map: At<Pairs<T>>) -> At<C> {
    At { value: map.value.into_iter().map(|(name, at)| (name, at.value)).collect(), origin: map.origin }
}

fn count(servers: &Servers) -> usize {
    servers.as_ref().map_or(0, |at| at.value.len())
}

/// Reports whether two addresses are one server: a closing slash makes no difference.
fn same_server(a: &Url, b: &Url) -> bool {
    a.as_str().trim_end_matches('/') == b.as_str().trim_end_matches('/')
}

/// Reports whether requests of both clusters would look alike.
fn same_requests(cluster: &Cluster, layer: &ClusterLayer) -> bool {
    let headers = layer.headers.as_ref().map_or(&[][..], |at| &at.value);
    let same_header = |(name, value): &(String, SecretString)| {
        headers.iter().any(|(other, at)| other == name && at.value.expose_secret() == value.expose_secret())
    };
    let same_headers = cluster.headers.len() == headers.len() && cluster.headers.iter().all(same_header);
    same_headers && same_auth(cluster.auth.as_ref(), layer.auth.as_ref().map(|at| &at.value))
}

fn same_auth(a: Option<&Auth>, b: Option<&Auth>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Auth::Bearer(a)), Some(Auth::Bearer(b))) => a.expose_secret() == b.expose_secret(),
        (Some(Auth::BearerFile(a)), Some(Auth::BearerFile(b))) => a == b,
        (
            Some(Auth::Basic { user: a, .. } | Auth::BasicFile { user: a, .. }),
            Some(Auth::Basic { user: b, .. } | Auth::BasicFile { user: b, .. }),
        ) => a == b,
        _ => false,
    }
}
