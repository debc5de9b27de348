//! The files that a demo's servers read, and iaasmon's own configuration for them.

use super::addresses::Addresses;
use super::fleet::{Fleet, Plan};
use super::mailbox::{Doors, HOOK};
use crate::model::cluster::PUSHGATEWAY_JOB;
use crate::model::time::format_duration;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The most that a scrape may take, whatever the interval.
const MAX_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// The job that scrapes the nodes.
pub(crate) const JOB: &str = "iaasmon";

/// What a cluster's server files are written from.
pub(crate) struct Facts<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) env: &'a str,
    pub(crate) region: &'a str,
    pub(crate) interval: Duration,
    /// Where Prometheus sends its alerts: the proxies, or the Alertmanagers where there are none.
    pub(crate) alerting: [SocketAddr; 2],
    pub(crate) pushgateway: Option<SocketAddr>,
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
    let mut text = format!(
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
  - job_name: {JOB}
    file_sd_configs:
      - files: [{targets}]
    relabel_configs:
      # The node's name stands in `instance`; its address is kept for asking it for details.
      - {{ source_labels: [__address__], target_label: address }}
"#
    );
    if let Some(gateway) = facts.pushgateway {
        // As `iaasmon generate prometheus` writes it: what was pushed keeps its own job, and has no instance.
        write!(
            text,
            r#"  - job_name: {PUSHGATEWAY_JOB}
    honor_labels: true
    static_configs:
      - targets: ["{gateway}"]
"#
        )
        .expect("a string takes everything");
    }
    text
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

/// What the Alertmanagers tell, and where.
pub(crate) struct Mailing {
    pub(crate) doors: Doors,
    pub(crate) told: Told,
    pub(crate) interval: Duration,
}

/// The alerts that somebody is told of.
pub(crate) enum Told {
    /// All of them.
    All,
    /// Those of these nodes.
    Nodes(Vec<String>),
}

/// Writes iaasmon's configuration for a demo.
pub(crate) fn config(clusters: &[(Plan, Addresses)], mailing: Option<&Mailing>) -> String {
    let mut text = String::from(concat!(
        "# Written by `iaasmon demo`; gone when it ends.\n",
        // What is tried out here must not stand among the operations on the real fleet.
        "\n[policy.silence]\njournals = \"operations\"\n",
    ));
    text += &mailing.map(generate).unwrap_or_default();
    for (plan, at) in clusters {
        let (name, (env, region)) = (plan.cluster_name(), plan.env_and_region());
        let [prometheus, alertmanager] = [at.prometheus, at.alertmanager].map(urls);
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
        if let Some(proxy) = at.proxy {
            writeln!(text, "proxy = {:?}", urls(proxy)).expect("a string takes everything");
        }
        if let Some(push) = at.push {
            writeln!(text, "pushgateway = {:?}", urls([push.gateway])).expect("a string takes everything");
        }
    }
    text
}

fn urls<const N: usize>(addresses: [SocketAddr; N]) -> [String; N] {
    addresses.map(|address| format!("http://{address}"))
}

/// Writes who is told: one person by mail, and the same by a webhook, in the words that `iaasmon generate` has of itself.
fn generate(Mailing { doors, told, interval }: &Mailing) -> String {
    let Doors { mail, webhook } = doors;
    let again = format_duration(*interval * 5);
    let (to, matcher, group_by) = match told {
        Told::All => (r#"to = ["oncall@example.net"]"#, r#"alertname=~".+""#.to_owned(), "check"),
        // Nobody is told of the others, and an Alertmanager has less to do with few groups.
        Told::Nodes(names) => ("", format!(r#"instance=~"{}""#, names.join("|")), "node"),
    };
    format!(
        r#"
[generate]
group_by = "{group_by}"
# One is watching: it is sooner than at work.
group_wait = "3s"
group_interval = "{again}"
[generate.mail]
smarthost = "{mail}"
from = "iaasmon@example.net"
tls = false
{to}
[[generate.receiver]]
name = "oncall"
match = ['{matcher}']
mail_to = ["oncall@example.net"]
webhook = ["http://{webhook}{HOOK}"]
"#
    )
}

/// Writes a path as a YAML double-quoted scalar, which JSON's string is.
fn quote(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Generate, Grouping, parse};
    use crate::demo::addresses::Push;
    use crate::demo::fleet::{Scenario, tests::plan};
    use std::net::Ipv4Addr;

    /// Writes the configuration of a demo that tells `told`, reads it as iaasmon does, and returns who is told.
    fn generated(told: Option<Told>) -> Generate {
        let pair = |port: u16| [(Ipv4Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port + 1).into()];
        let [prometheus, alertmanager, gossip] = [9090, 9093, 9095].map(pair);
        let [gateway, pusher] = pair(9097);
        let push = Push { gateway, pusher };
        let at = Addresses { prometheus, alertmanager, gossip, proxy: Some(pair(10106)), push: Some(push) };
        let [mail, webhook] = pair(1025);
        let doors = Doors { mail, webhook };
        let mailing = told.map(|told| Mailing { doors, told, interval: Duration::from_secs(2) });
        let text = config(&[(plan(Scenario::Rack), at)], mailing.as_ref());
        let config = parse(&text, Path::new("config.toml"), &Env::default()).unwrap().config;
        assert_eq!(config.clusters[0].pushgateway[0].as_str(), "http://127.0.0.1:9097/");
        config.generate
    }

    #[test]
    fn all_alerts_are_told_or_those_of_some_nodes_or_none() {
        let all = generated(Some(Told::All));
        let [oncall] = &all.receivers[..] else { panic!("{all:?}") };
        assert_eq!((&oncall.mail_to, &all.mail.to), (&all.mail.to, &vec!["oncall@example.net".to_owned()]));
        assert_eq!(oncall.webhook[0].as_str(), "http://127.0.0.1:1026/webhook");
        assert_eq!((all.group_by, all.mail.smarthost.as_deref()), (Grouping::Check, Some("127.0.0.1:1025")));
        let names = ["hv-0001.r101.east", "hv-0001.r201.west"].map(str::to_owned).to_vec();
        let some = generated(Some(Told::Nodes(names)));
        let matcher = some.receivers[0].matchers[0].to_string();
        assert_eq!(matcher, r#"instance=~"hv-0001.r101.east|hv-0001.r201.west""#);
        assert!(some.mail.to.is_empty());
        assert!(generated(None).receivers.is_empty());
    }
}
