//! Alert rules for Prometheus, and promtool's unit tests of them.
//!
//! What is bad is recorded once an evaluation, and the alerts are of what was recorded: scanning every status series costs a
//! Prometheus ten to a hundred times as much. The recorded series holds the last state while a node cannot be scraped: without
//! that a dying node first resolves the alerts of all its checks.

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            job: "iaasmon".to_owned(),
            status_metric: "iaasmon_check_status".to_owned(),
            bad_metric: "iaasmon_check_status:bad".to_owned(),
            check_label: "check".to_owned(),
            node_label: "instance".to_owned(),
        }
    }
}

/// One alert.
struct Alert {
    name: &'static str,
    expr: String,
    /// How long it must hold.
    hold: &'static str,
    severity: &'static str,
    summary: String,
    /// Why it is there, as a comment.
    why: &'static str,
}

/// Writes the file of rules.
pub fn rules(options: &Options) -> String {
    let mut text = String::from("groups:\n");
    text += "  # Recording and alerts in one group: the alerts are of this evaluation's series.\n";
    text += "  - name: iaasmon_checks\n    rules:\n";
    let Options { status_metric, bad_metric, .. } = options;
    text += "      # The second half holds the last state while a node cannot be scraped.\n";
    let _ = writeln!(text, "      - record: {bad_metric}");
    let expr = format!("({status_metric} != 0) or ({bad_metric} and on (job, instance) up == 0)");
    let _ = writeln!(text, "        expr: {}", quoted(&expr));
    checks(options).iter().for_each(|alert| write(&mut text, alert));
    text += "  - name: iaasmon_nodes\n    rules:\n";
    nodes(options).iter().for_each(|alert| write(&mut text, alert));
    text += "  - name: iaasmon_delivery\n    rules:\n";
    delivery().iter().for_each(|alert| write(&mut text, alert));
    text
}

fn write(text: &mut String, alert: &Alert) {
    let Alert { name, expr, hold, severity, summary, why } = alert;
    if !why.is_empty() {
        let _ = writeln!(text, "      # {why}");
    }
    let _ = writeln!(text, "      - alert: {name}\n        expr: {}", quoted(expr));
    if !hold.is_empty() {
        let _ = writeln!(text, "        for: {hold}");
    }
    let _ = writeln!(text, "        labels: {{ severity: {severity} }}");
    let _ = writeln!(text, "        annotations:\n          summary: {}", quoted(summary));
}

/// A YAML string; JSON's are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn checks(options: &Options) -> Vec<Alert> {
    let Options { bad_metric, check_label, node_label, .. } = options;
    let summary =
        |what: &str| format!("{{{{ $labels.{check_label} }}}} on {{{{ $labels.{node_label} }}}} {what}");
    let alert = |name, expr: String, severity, what: &str, why| Alert {
        name,
        expr,
        hold: "",
        severity,
        summary: summary(what),
        why,
    };
    vec![
        alert("CheckWarning", format!("{bad_metric} == 1"), "warning", "is WARNING", ""),
        alert("CheckCritical", format!("{bad_metric} == 2"), "critical", "is CRITICAL", ""),
        alert(
            "CheckUnknown",
            format!("{bad_metric} >= 3 unless on (job, instance) iaasmon_runner_stale == 1"),
            "unknown",
            "gives no usable result",
            "A dead runner is one fact, RunnerStale, and not one alert a check.",
        ),
    ]
}

fn nodes(options: &Options) -> Vec<Alert> {
    let Options { job, node_label, .. } = options;
    let up = format!("up{{job={}}}", quoted(job));
    let share_down = format!("count by (job) ({up} == 0) / count by (job) ({up})");
    let node = format!("{{{{ $labels.{node_label} }}}}");
    vec![
        Alert {
            name: "RunnerStale",
            expr: "iaasmon_runner_stale == 1".to_owned(),
            hold: "2m",
            severity: "critical",
            summary: format!("no check of {node} has a result that holds: its runner is gone"),
            why: "The two minutes are for a node that has just started.",
        },
        Alert {
            name: "NodeDown",
            expr: format!("{up} == 0 unless on (job) ({share_down} > 0.2)"),
            hold: "2m",
            severity: "critical",
            summary: format!("{node} does not answer"),
            why: "Where a fifth of all nodes is gone at once it is the way to them: ScrapeFailing says so, once.",
        },
        Alert {
            name: "ScrapeFailing",
            expr: format!("{share_down} > 0.2"),
            hold: "2m",
            severity: "critical",
            summary: "{{ $value | humanizePercentage }} of the nodes of {{ $labels.job }} cannot be scraped from here".to_owned(),
            why: "",
        },
        Alert {
            name: "TargetsVanished",
            expr: format!("count by (job) ({up}) < 0.95 * count by (job) ({up} offset 1h)"),
            hold: "5m",
            severity: "warning",
            summary: "{{ $labels.job }} has lost targets since an hour ago: {{ $value }} are left".to_owned(),
            why: "A target that is gone from the service discovery has no `up`, and no alert of its own.",
        },
        Alert {
            name: "NodeNotReady",
            expr: format!("iaasmon_ready{{job={}}} == 0", quoted(job)),
            hold: "5m",
            severity: "warning",
            summary: format!("iaasmon on {node} cannot do its job: see /-/ready there"),
            why: "",
        },
        Alert {
            name: "NodeStateNotWritable",
            expr: format!("iaasmon_state_writable{{job={}}} == 0", quoted(job)),
            hold: "15m",
            severity: "warning",
            summary: format!("{node} cannot keep the history of its checks: its disk is full or read-only"),
            why: "",
        },
    ]
}

fn delivery() -> Vec<Alert> {
    vec![
        Alert {
            name: "NotificationsFail",
            expr: "rate(alertmanager_notifications_failed_total[5m]) > 0".to_owned(),
            hold: "5m",
            severity: "critical",
            summary: "{{ $labels.instance }} cannot deliver by {{ $labels.integration }}".to_owned(),
            why: "",
        },
        Alert {
            name: "AlertsNotSent",
            expr: "rate(prometheus_notifications_errors_total[5m]) > 0 or rate(prometheus_notifications_dropped_total[5m]) > 0".to_owned(),
            hold: "5m",
            severity: "critical",
            summary: "{{ $labels.instance }} cannot hand over its alerts".to_owned(),
            why: "",
        },
        Alert {
            name: "ProxyLosesAlerts",
            expr: "increase(iaasmon_proxy_copies_expired_total[15m]) > 0".to_owned(),
            hold: "",
            severity: "critical",
            summary: "{{ $labels.instance }} could not hand over alerts to {{ $labels.alertmanager }} in time".to_owned(),
            why: "",
        },
        Alert {
            name: "Watchdog",
            expr: "vector(1)".to_owned(),
            hold: "",
            severity: "none",
            summary: "always fires: who does not hear of it hears of nothing else".to_owned(),
            why: "A peer that no longer gets it knows that alerts do not come through.",
        },
    ]
}

/// Writes promtool's unit tests of the rules, for a file that stands beside them under `name`.
pub fn tests(options: &Options, name: &str) -> String {
    let Options { job, status_metric, bad_metric, check_label, .. } = options;
    let series = |metric: &str, labels: &str, values: &str| {
        format!(
            "      - series: {}\n        values: {}\n",
            quoted(&format!("{metric}{{{labels}}}")),
            quoted(values)
        )
    };
    let on = |instance: &str| format!("job={},instance={}", quoted(job), quoted(instance));
    let check = |instance: &str, check: &str| format!("{},{check_label}={}", on(instance), quoted(check));
    let mut text = format!("rule_files:\n  - {}\nevaluation_interval: 1m\ntests:\n", quoted(name));

    text += "  # A check that goes bad and well again, one that gives nothing usable, and a node that dies meanwhile.\n";
    text += "  - interval: 1m\n    input_series:\n";
    for instance in ["a", "b", "c", "d", "e", "f"] {
        let values = if instance == "b" { "1 1 1 0 0 0 0 0" } else { "1x7" };
        text += &series("up", &on(instance), values);
    }
    text += &series(status_metric, &check("a", "disk"), "0 1 2 2 2 0 0 0");
    text += &series(status_metric, &check("a", "load"), "3x7");
    text += &series(status_metric, &check("b", "disk"), "0 2 2 _ _ _ _ _");
    text += "    alert_rule_test:\n";
    let labels = |instance: &str, name: &str, severity: &str| {
        format!("job: {}, instance: {instance}, {check_label}: {name}, severity: {severity}", quoted(job))
    };
    let node = |instance: &str, severity: &str| {
        format!("job: {}, instance: {instance}, severity: {severity}", quoted(job))
    };
    let expect = |text: &mut String, minute: u32, alert: &str, who: &[(String, &str)]| {
        let _ = write!(text, "      - {{ eval_time: {minute}m, alertname: {alert}, exp_alerts: [");
        let one = |(labels, summary): &(String, &str)| {
            format!("{{ exp_labels: {{ {labels} }}, exp_annotations: {{ summary: {} }} }}", quoted(summary))
        };
        let _ = writeln!(text, "{}] }}", who.iter().map(one).collect::<Vec<_>>().join(", "));
    };
    let b_critical = (labels("b", "disk", "critical"), "disk on b is CRITICAL");
    expect(&mut text, 0, "CheckWarning", &[]);
    expect(&mut text, 1, "CheckWarning", &[(labels("a", "disk", "warning"), "disk on a is WARNING")]);
    expect(&mut text, 1, "CheckCritical", std::slice::from_ref(&b_critical));
    expect(&mut text, 2, "CheckWarning", &[]);
    let a_critical = (labels("a", "disk", "critical"), "disk on a is CRITICAL");
    expect(&mut text, 2, "CheckCritical", &[a_critical, b_critical.clone()]);
    expect(
        &mut text,
        2,
        "CheckUnknown",
        &[(labels("a", "load", "unknown"), "load on a gives no usable result")],
    );
    text += "      # The node is gone, and its alert is not resolved by that.\n";
    expect(&mut text, 7, "CheckCritical", &[b_critical]);
    expect(&mut text, 7, "NodeDown", &[(node("b", "critical"), "b does not answer")]);
    expect(&mut text, 7, "ScrapeFailing", &[]);
    text += "    promql_expr_test:\n";
    let _ = writeln!(
        text,
        "      - expr: count({bad_metric})\n        eval_time: 7m\n        exp_samples: [{{ value: 2 }}]"
    );

    text += "  # A dead runner, and a network that parts us from half of the nodes: one alert each.\n";
    text += "  - interval: 1m\n    input_series:\n";
    for (instance, values) in [("a", "1x9"), ("b", "0x9"), ("c", "0x9"), ("d", "1x9")] {
        text += &series("up", &on(instance), values);
    }
    text += &series(status_metric, &check("a", "disk"), "3x9");
    text += &series("iaasmon_runner_stale", &on("a"), "1x9");
    text += "    alert_rule_test:\n";
    expect(&mut text, 5, "CheckUnknown", &[]);
    let stale = "no check of a has a result that holds: its runner is gone";
    expect(&mut text, 5, "RunnerStale", &[(node("a", "critical"), stale)]);
    expect(&mut text, 5, "NodeDown", &[]);
    let failing = format!("50% of the nodes of {job} cannot be scraped from here");
    expect(&mut text, 5, "ScrapeFailing", &[(format!("job: {}, severity: critical", quoted(job)), &failing)]);
    let watchdog = "always fires: who does not hear of it hears of nothing else";
    expect(&mut text, 5, "Watchdog", &[("severity: none".to_owned(), watchdog)]);
    text
}

#[cfg(test)]
mod tests {
    use super::{Options, rules};

    #[test]
    fn names_of_the_configuration_stand_in_the_rules() {
        let options = Options {
            job: "nodes\"x".to_owned(),
            bad_metric: "status:bad".to_owned(),
            check_label: "name".to_owned(),
            ..Options::default()
        };
        let text = rules(&options);
        assert!(text.contains("- record: status:bad\n"), "{text}");
        assert!(text.contains(r#"expr: "up{job=\"nodes\\\"x\"} == 0"#), "{text}");
        assert!(text.contains("{{ $labels.name }} on {{ $labels.instance }}"), "{text}");
    }
}
