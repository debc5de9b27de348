//! The files that a demo's servers read, and iaasmon's own configuration for them.

use super::fleet::Fleet;
use crate::model::time::format_duration;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The most that a scrape may take, whatever the interval.
const MAX_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a cluster's server files are written from.
pub(crate) struct Facts<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) env: &'a str,
    pub(crate) region: &'a str,
    pub(crate) interval: Duration,
    /// Where Prometheus sends its alerts: the proxies, or the Alertmanagers where there are none.
    pub(crate) alerting: [SocketAddr; 2],
    pub(crate) rules: &'a Path,
    pub(crate) targets: &'a Path,
}

/// Writes the alert rules; a node may miss scrapes for `hold`.
pub(crate) fn rules(hold: Duration) -> String {
    include_str!("rules.yml").replace("${HOLD}", &format_duration(hold))
}

/// Writes Prometheus' configuration. The label `replica` is dropped from alerts, or every alert
/// would reach Alertmanager twice under two identities.
pub(crate) fn prometheus(facts: &Facts<'_>, replica: char) -> String {
    let interval = format_duration(facts.interval);
    let timeout = format_duration(facts.interval.min(MAX_SCRAPE_TIMEOUT));
    let Facts { cluster, env, region, alerting: [first, second], .. } = facts;
    let (rules, targets) = (quote(facts.rules), quote(facts.targets));
    format!(
        r#"global:
  scrape_interval: {interval}
  scrape_timeout: {timeout}
  evaluation_interval: {interval}
  external_labels: {{ cluster: "{cluster}", env: "{env}", region: "{region}", replica: "{replica}" }}
alerting:
  alert_relabel_configs:
    - {{ regex: replica, action: labeldrop }}
  alertmanagers:
    - static_configs:
        - targets: ["{first}", "{second}"]
rule_files: [{rules}]
scrape_configs:
  - job_name: iaasmon
    file_sd_configs:
      - files: [{targets}]
    relabel_configs:
      # The node's name stands in `instance`; its address is kept for asking it for details.
      - {{ source_labels: [__address__], target_label: address }}
"#
    )
}

/// Writes Alertmanager's configuration: Sensu's three severities, and a node's silence hides its checks.
pub(crate) fn alertmanager(interval: Duration) -> String {
    let wait = format_duration(interval);
    let again = format_duration(interval * 5);
    format!(
        r#"route:
  receiver: mail
  group_by: [alertname, cluster, rack]
  group_wait: {wait}
  group_interval: {again}
  repeat_interval: 4h
  routes:
    - {{ matchers: ['severity="critical"'], receiver: pager }}
    - {{ matchers: ['team="storage"'], receiver: storage-slack }}
inhibit_rules:
  - source_matchers: ['alertname="NodeDown"']
    target_matchers: ['alertname=~"Check.*|RunnerStale"']
    equal: [cluster, instance]
# Receivers without an integration go nowhere: nobody is paged by a demo.
receivers:
  - name: mail
  - name: pager
  - name: storage-slack
"#
    )
}

/// Writes the list of a fleet's nodes for Prometheus' file discovery.
pub(crate) fn targets(fleet: &Fleet) -> String {
    let groups: Vec<_> = fleet
        .nodes()
        .iter()
        .map(|node| {
            serde_json::json!({
                "targets": [format!("{}:{}", node.address, fleet.port())],
                "labels": {
                    "instance": node.name, "rack": node.rack, "pdu": node.pdu, "az": node.az,
                    "role": node.role.word(), "team": node.role.team(),
                }
            })
        })
        .collect();
    serde_json::Value::from(groups).to_string()
}

/// One cluster as iaasmon's configuration names it.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) env: &'a str,
    pub(crate) region: &'a str,
    pub(crate) prometheus: [String; 2],
    pub(crate) alertmanager: [String; 2],
    pub(crate) proxy: Vec<String>,
}

/// Writes iaasmon's configuration for a demo.
pub(crate) fn config<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> String {
    let mut text = String::from(concat!(
        "# Written by `iaasmon demo`; gone when it ends.\n",
        // What is tried out here must not stand among the operations on the real fleet.
        "\n[policy.silence]\njournals = \"operations\"\n",
    ));
    for Entry { name, env, region, prometheus, alertmanager, proxy } in entries {
        write!(
            text,
            r#"
[[cluster]]
name = "{name}"
labels = {{ env = "{env}", region = "{region}" }}
prometheus = {prometheus:?}
alertmanager = {alertmanager:?}
detail_url = "http://{{address}}/api/v1/checks/{{check}}"
"#
        )
        .expect("a string takes everything");
        if !proxy.is_empty() {
            writeln!(text, "proxy = {proxy:?}").expect("a string takes everything");
        }
    }
    text
}

/// Writes a path as a YAML double-quoted scalar, which JSON's string is.
fn quote(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
