//! Alert rules for Prometheus, and promtool's unit tests of them.
//!
//! What is bad is recorded once an evaluation, and the alerts are of what was recorded: scanning every status series costs a
//! Prometheus ten to a hundred times as much. The recorded series holds the last state while a node cannot be scraped: without
//! that a dying node first resolves the alerts of all its checks.

mod checks;
mod peers;
mod suite;

pub use suite::suite;

use super::quoted;
use super::sensu::SensuCheck;
use crate::model::check::STATUS_METRIC;
use crate::model::cluster::PUSHGATEWAY_JOB;
use std::fmt::Write as _;

/// What the rules are about.
#[derive(Debug, Clone)]
pub struct Options {
    /// The job that scrapes the nodes.
    pub job: String,
    /// The metric of a check's status.
    pub status_metric: String,
    /// The series that is recorded.
    pub bad_metric: String,
    /// The label of a check's name.
    pub check_label: String,
    /// The label of a node.
    pub node_label: String,
    /// How checks alerted under Sensu; without any, all checks alert at once.
    pub sensu: Vec<SensuCheck>,
    /// The cluster and its peers, where it is scraped as `generate prometheus` writes it.
    pub cluster: Option<Region>,
}

/// A cluster among its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// The names of the others.
    pub peers: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            job: "iaasmon".to_owned(),
            status_metric: STATUS_METRIC.to_owned(),
            bad_metric: "iaasmon_check_status:bad".to_owned(),
            check_label: "check".to_owned(),
            node_label: "instance".to_owned(),
            sensu: Vec::new(),
            cluster: None,
        }
    }
}

/// One alert.
#[derive(Default)]
struct Alert {
    name: &'static str,
    expr: String,
    /// How long it must hold.
    hold: String,
    severity: &'static str,
    /// Further labels. Prometheus tells rules apart by their names and labels when it reads them anew: no two have all in common.
    labels: Vec<(&'static str, String)>,
    summary: String,
    /// Why it is there, as a comment.
    why: &'static str,
}

/// Writes the file of rules.
pub fn rules(options: &Options) -> String {
    let mut text = String::from("groups:\n");
    text += "  # Recording and alerts in one group: the alerts are of this evaluation's series.\n";
    text += "  - name: iaasmon_checks\n    rules:\n";
    let Options { job, status_metric, bad_metric, .. } = options;
    text += "      # The second part holds the last state while a node cannot be scraped, the third that of what was pushed while its\n\
             \x20     # pushgateway cannot be: what is at no target of its own, and is told by no other.\n";
    let _ = writeln!(text, "      - record: {bad_metric}");
    let others = format!("{{job!={}}}", quoted(job));
    let expr = format!(
        "({status_metric} != 0) or ({bad_metric} and on (job, instance) up == 0) or \
         ({bad_metric}{others} unless on (job, instance) up unless {status_metric}{others} and on () up{{job=\"{PUSHGATEWAY_JOB}\"}} == 0)"
    );
    let _ = writeln!(text, "        expr: {}", quoted(&expr));
    checks::write(&mut text, options);
    group(&mut text, "iaasmon_nodes", &nodes(options));
    group(&mut text, "iaasmon_pushers", &pushers());
    group(&mut text, "iaasmon_delivery", &delivery());
    if let Some(region) = &options.cluster {
        group(&mut text, "iaasmon_servers", &[peers::server_down()]);
        if !region.peers.is_empty() {
            text += "  # What a peer cannot tell when its own way to people is broken. This goes the way of our own alerts.\n";
            group(&mut text, "iaasmon_peers", &peers::alerts());
        }
    }
    text
}

fn group(text: &mut String, name: &str, alerts: &[Alert]) {
    let _ = writeln!(text, "  - name: {name}\n    rules:");
    alerts.iter().for_each(|alert| write(text, alert));
}

fn write(text: &mut String, alert: &Alert) {
    let Alert { name, expr, hold, severity, labels, summary, why } = alert;
    for line in why.lines() {
        let _ = writeln!(text, "      # {line}");
    }
    let _ = writeln!(text, "      - alert: {name}\n        expr: {}", quoted(expr));
    if !hold.is_empty() {
        let _ = writeln!(text, "        for: {hold}");
    }
    let more: String =
        labels.iter().map(|(name, value)| format!(", {name}: {}", quoted(&literal(value)))).collect();
    let _ = writeln!(text, "        labels: {{ severity: {severity}{more} }}");
    let _ = writeln!(text, "        annotations:\n          summary: {}", quoted(summary));
}

/// Values of labels are templates to Prometheus: makes one whose text is this.
fn literal(text: &str) -> String {
    text.replace("{{", r#"{{ "{{" }}"#)
}

fn nodes(options: &Options) -> Vec<Alert> {
    let Options { job, node_label, .. } = options;
    let up = format!("up{{job={}}}", quoted(job));
    let share_down = format!("count by (job) ({up} == 0) / count by (job) ({up})");
    let before = format!("count by (job) ({up} offset 1h)");
    let node = format!("{{{{ $labels.{node_label} }}}}");
    let alert = |name, hold: &str, severity, expr: String, summary: String, why| {
        let hold = hold.to_owned();
        Alert { name, expr, hold, severity, summary, why, ..Alert::default() }
    };
    vec![
        alert(
            "RunnerStale",
            "2m",
            "critical",
            "iaasmon_runner_stale == 1".to_owned(),
            format!("no check of {node} has a result that holds: its runner is gone"),
            "The two minutes are for a node that has just started.",
        ),
        alert(
            "NodeDown",
            "2m",
            "critical",
            format!("{up} == 0 unless on (job) ({share_down} > 0.2)"),
            format!("{node} does not answer"),
            "Where a fifth of all nodes is gone at once it is the way to them: ScrapeFailing says so, once.",
        ),
        alert(
            "ScrapeFailing",
            "2m",
            "critical",
            format!("{share_down} > 0.2"),
            "{{ $value | humanizePercentage }} of the nodes of {{ $labels.job }} cannot be scraped from here"
                .to_owned(),
            "",
        ),
        alert(
            "TargetsVanished",
            "5m",
            "warning",
            format!(
                "count by (job) ({up}) < 0.95 * {before} or (0 * {before} unless on (job) count by (job) ({up}))"
            ),
            "{{ $labels.job }} has lost targets since an hour ago: {{ $value }} are left".to_owned(),
            "A target that is gone from the service discovery has no `up`, and no alert of its own.\n\
             The second half is for all of them: then there is nothing left to count.",
        ),
        alert(
            "NodeNotReady",
            "5m",
            "warning",
            format!("iaasmon_ready{{job={}}} == 0", quoted(job)),
            format!("iaasmon on {node} cannot do its job: see /-/ready there"),
            "",
        ),
        alert(
            "NodeStateNotWritable",
            "15m",
            "warning",
            format!("iaasmon_state_writable{{job={}}} == 0", quoted(job)),
            format!("{node} cannot keep the history of its checks: its disk is full or read-only"),
            "",
        ),
    ]
}

/// What has no node: the way from a pusher to its pushgateways.
fn pushers() -> Vec<Alert> {
    vec![
        Alert {
            name: "PusherCannotDeliver",
            expr: "iaasmon_pusher_gateway_up == 0 or iaasmon_pusher_spool_age_seconds > 600".to_owned(),
            hold: "10m".to_owned(),
            severity: "critical",
            summary: "{{ $labels.instance }} cannot push the results of its checks to {{ $labels.gateway }}"
                .to_owned(),
            why: "Nothing is lost yet, since the newest result of each check waits; what is scraped at the gateway is older.\n\
                  The second half is for a gateway that answers and does not take everything.",
            ..Alert::default()
        },
        Alert {
            name: "PusherLosesResults",
            expr: "increase(iaasmon_pusher_pushes_total{outcome=~\"refused|dropped\"}[15m]) > 0".to_owned(),
            severity: "warning",
            summary: "results of {{ $labels.instance }} for {{ $labels.gateway }} are {{ $labels.outcome }}: its log says which"
                .to_owned(),
            ..Alert::default()
        },
    ]
}

/// The way from here to people. What is scraped of peers, with a label `peer`, has rules of its own.
fn delivery() -> Vec<Alert> {
    let alert = |name, hold: &str, severity, expr: &str, summary: &str, why| {
        let (expr, hold, summary) = (expr.to_owned(), hold.to_owned(), summary.to_owned());
        Alert { name, expr, hold, severity, summary, why, ..Alert::default() }
    };
    vec![
        alert(
            "NotificationsFail",
            "5m",
            "critical",
            "rate(alertmanager_notifications_failed_total{peer=\"\"}[5m]) > 0",
            "{{ $labels.instance }} cannot deliver by {{ $labels.integration }}",
            "",
        ),
        alert(
            "AlertsNotSent",
            "5m",
            "critical",
            "rate(prometheus_notifications_errors_total{peer=\"\"}[5m]) > 0 or rate(prometheus_notifications_dropped_total{peer=\"\"}[5m]) > 0",
            "{{ $labels.instance }} cannot hand over its alerts",
            "",
        ),
        alert(
            "ProxyLosesAlerts",
            "",
            "critical",
            "increase(iaasmon_proxy_copies_lost_total{peer=\"\"}[15m]) > 0",
            "{{ $labels.instance }} could not hand over alerts to {{ $labels.alertmanager }} in time",
            "",
        ),
        alert(
            "AlertmanagerTakesNothing",
            "5m",
            "critical",
            "iaasmon_proxy_alertmanager_up{peer=\"\"} == 0",
            "{{ $labels.alertmanager }} takes no alerts from {{ $labels.instance }}",
            "Nothing is lost while another member takes them; this one's death would be the end of all mails.",
        ),
        alert(
            "Watchdog",
            "",
            "none",
            "vector(1)",
            "always fires: who does not hear of it hears of nothing else",
            "A peer that no longer gets it knows that alerts do not come through.",
        ),
    ]
}

#[cfg(test)]
mod tests;
