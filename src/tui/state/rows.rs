//! Rows made ready for the screen: safe texts and a lower-case search column, built once per value.

use crate::model::alert::{Alert, AlertState, Severity};
use crate::model::labels::Fingerprint;
use crate::model::node::Node;
use crate::model::text;
use crate::model::time::Timestamp;
use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// Identity of an alert on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The cluster, by its place in the configuration.
    pub cluster: u16,
    /// The alert.
    pub fingerprint: Fingerprint,
}

/// Identity of a node on the screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// The cluster, by its place in the configuration.
    pub cluster: u16,
    /// The node's raw name.
    pub name: Arc<str>,
}

/// Identity of a check of a node on the screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey {
    /// The node.
    pub node: NodeKey,
    /// The check's raw name.
    pub check: Arc<str>,
}

/// One alert, ready for the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    /// The cluster, by its place in the configuration.
    pub cluster: u16,
    /// The alert itself, raw.
    pub alert: Arc<Alert>,
    /// Its name, safe.
    pub name: Box<str>,
    /// Its node, safe and without port; empty if it has none.
    pub node: Box<str>,
    /// Its best one-line text, safe.
    pub summary: Box<str>,
    /// Everything that a search looks at, in lower case.
    pub search: Box<str>,
}

impl AlertRow {
    /// Makes an alert ready. `node_label` names the label that holds its node.
    pub fn new(cluster: u16, alert: Alert, node_label: &str) -> Self {
        let node = text::line(without_port(alert.labels.get(node_label)));
        let name = text::line(alert.name());
        let summary = text::line(alert.summary().lines().next().unwrap_or_default());
        let mut search = alert.cluster.to_string();
        for (_, value) in alert.labels.iter().chain(alert.annotations.iter()) {
            search.push('\n');
            search.push_str(value);
        }
        Self {
            cluster,
            name: name.into(),
            node: node.into(),
            summary: summary.into(),
            search: search.to_lowercase().into(),
            alert: Arc::new(alert),
        }
    }

    /// Returns its identity.
    pub fn key(&self) -> AlertKey {
        AlertKey { cluster: self.cluster, fingerprint: self.alert.fingerprint }
    }

    /// Returns what tells where it is: its node, else its job; empty where it has neither.
    pub fn place(&self) -> Cow<'_, str> {
        match &*self.node {
            "" => text::line(&self.alert.job()).into_owned().into(),
            node => node.into(),
        }
    }

    /// Returns what it is sorted by before its name: the worst first, those that somebody is told of before the
    /// others, the newest first.
    pub fn rank(&self) -> (Severity, bool, Reverse<Timestamp>) {
        (self.alert.severity, !self.is_loud(), Reverse(self.alert.since))
    }

    /// Orders alerts of the same rank.
    pub fn after_rank(&self, other: &Self) -> Ordering {
        self.node.cmp(&other.node).then_with(|| self.key().cmp(&other.key()))
    }

    /// Sorts rows as every list shows them. Done where they are fetched: the thread that draws then only merges.
    pub fn sort(rows: &mut [Self]) {
        rows.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.after_rank(b)));
    }

    /// Reports whether somebody is told of it, as far as is known: it fires and nothing suppresses it.
    pub fn is_loud(&self) -> bool {
        !matches!(
            self.alert.state,
            AlertState::Silenced | AlertState::Inhibited | AlertState::Muted | AlertState::Pending
        )
    }
}

/// One node, ready for the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRow {
    /// The cluster, by its place in the configuration.
    pub cluster: u16,
    /// The node itself, raw.
    pub node: Arc<Node>,
    /// Its name, safe and without port.
    pub name: Box<str>,
    /// Everything that a search looks at, in lower case.
    pub search: Box<str>,
}

impl NodeRow {
    /// Makes a node ready.
    pub fn new(cluster: u16, node: Node) -> Self {
        let name = text::line(without_port(&node.name));
        let mut search = format!("{name}\n{}", node.cluster);
        let values = node.labels.iter().map(|(_, value)| value);
        for word in values.chain(node.failing.iter().map(|f| &*f.check)) {
            search.push('\n');
            search.push_str(word);
        }
        Self { cluster, name: name.into(), search: search.to_lowercase().into(), node: Arc::new(node) }
    }

    /// Returns its identity.
    pub fn key(&self) -> NodeKey {
        NodeKey { cluster: self.cluster, name: self.node.name.clone() }
    }
}

/// Cuts a port off a node's name: it tells an operator nothing. `[::1]:9` becomes `[::1]`; an address
/// with several colons and no bracket has no port.
pub fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty()
                && !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{AlertRow, without_port};
    use crate::model::alert::Alert;

    #[test]
    fn what_has_no_node_is_where_its_job_is() {
        let place = |labels: &[(&str, &str)]| {
            let alert = Alert::firing("east", labels.iter().copied().collect(), Default::default());
            AlertRow::new(0, alert, "instance").place().into_owned()
        };
        assert_eq!(place(&[("job", "iaasmon"), ("instance", "hv-1:10105")]), "hv-1");
        assert_eq!(place(&[("job", "back\u{7}up"), ("db", "main")]), "job=back\u{fffd}up");
        assert_eq!(place(&[("peer", "west")]), "");
    }

    #[test]
    fn only_a_port_is_cut_off() {
        for (name, short) in [
            ("hv-1:10105", "hv-1"),
            ("hv-1", "hv-1"),
            ("[::1]:9", "[::1]"),
            ("fe80::1", "fe80::1"),
            ("a:b", "a:b"),
            (":9", ":9"),
            ("a:", "a:"),
        ] {
            assert_eq!(without_port(name), short);
        }
    }
}
