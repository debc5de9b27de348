//! Manifests for Kubernetes: the proxies of a cluster as a Deployment, `serve node` on every machine as a DaemonSet, and a
//! pushgateway with a disk as a StatefulSet. A pusher has none: its image would have to hold plugins, which are not ours.

mod node;
mod proxy;
mod pushgateway;

use crate::config::Config;
use crate::model::network::Network;
use std::fmt::Write as _;

/// What has manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// Between Prometheus and Alertmanager.
    Proxy,
    /// The checks of a machine, and their exporter.
    Node,
    /// What jobs without a node push to.
    Pushgateway,
}

/// What the manifests are told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image, which holds the program as `/usr/local/bin/iaasmon`.
    pub image: String,
    /// Where the objects are.
    pub namespace: String,
    /// The configuration of the proxies, with the one cluster that they are for.
    pub config: Config,
    /// Networks that may read the output of checks.
    pub detail_allow: Vec<Network>,
}

impl Component {
    /// Everything that has manifests.
    pub const ALL: [Self; 3] = [Self::Proxy, Self::Node, Self::Pushgateway];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Node => "node",
            Self::Pushgateway => "pushgateway",
        }
    }

    /// The name of its file.
    pub fn file_name(self) -> String {
        format!("iaasmon-{}.yaml", self.name())
    }

    /// Writes its documents, each with a line of three dashes before it.
    pub fn text(self, options: &Options) -> String {
        match self {
            Self::Proxy => proxy::documents(options),
            Self::Node => node::documents(options),
            Self::Pushgateway => pushgateway::documents(options),
        }
    }
}

/// The networks that may read the output of checks, as arguments of a container.
fn allowed(options: &Options) -> String {
    options
        .detail_allow
        .iter()
        .fold(String::new(), |text, network| text + &format!("\n            - --detail-allow={network}"))
}

/// The lines of `text`, each `depth` spaces in.
fn indented(text: &str, depth: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.is_empty() {
            true => out.push('\n'),
            false => {
                let _ = writeln!(out, "{:depth$}{line}", "");
            }
        }
    }
    out
}

/// The head of an object: what it is and what it is called.
fn head(api: &str, kind: &str, component: Component, namespace: &str) -> String {
    let name = component.name();
    format!(
        "---
apiVersion: {api}
kind: {kind}
metadata:
  name: iaasmon-{name}
  namespace: {}
  labels: {{ app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: {name} }}\n",
        super::quoted(namespace)
    )
}
