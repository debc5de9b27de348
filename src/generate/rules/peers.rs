//! The servers of this cluster, and those of its peers: each region watches the others, by its own way to people.
//!
//! A region has no receiver that a peer's Watchdog could be sent to. What it sees is the counters along the peer's way: every
//! Prometheus sends its Watchdog again each minute, through every proxy, to every Alertmanager. A counter that stands still for
//! five minutes at one of these places therefore says that not even the Watchdog passed there. The last of them is the
//! strongest, `alertmanager_alerts_received_total`: it moves only if rules are evaluated, alerts sent, and taken. It alone would
//! not say where the way is broken, nor that one of two Prometheus is cut off; so each place has its alert, told apart by
//! `part`. They say `up unless it moves`: a counter that is not there at all counts as one that stands still.

use super::Alert;
use crate::generate::prometheus::peer_job;
use crate::model::cluster::{ALERTMANAGER_JOB, PEER_JOBS, PROMETHEUS_JOB, PROXY_JOB, SERVER_JOBS};

/// A server of this cluster that does not answer its scrape.
pub(super) fn server_down() -> Alert {
    Alert {
        name: "ServerDown",
        expr: format!("up{{job=~\"{SERVER_JOBS}\"}} == 0"),
        hold: "2m".to_owned(),
        severity: "critical",
        summary:
            "{{ $labels.instance }} of {{ $labels.job }} does not answer: what is left of its kind is alone"
                .to_owned(),
        ..Alert::default()
    }
}

/// The alerts about peers.
pub(super) fn alerts() -> Vec<Alert> {
    let away = format!("max by (peer) (up{{job=~\"{PEER_JOBS}\"}}) == 0");
    let mut alerts = vec![
        Alert {
            name: "PeerUnreachable",
            expr: away.clone(),
            hold: "5m".to_owned(),
            severity: "critical",
            summary:
                "no server of {{ $labels.peer }} answers from here: the way there is broken, or it is gone"
                    .to_owned(),
            why: "One alert for a region that is away, whatever the number of its servers.",
            ..Alert::default()
        },
        Alert {
            name: "PeerServerDown",
            expr: format!("up{{job=~\"{PEER_JOBS}\"}} == 0 unless on (peer) {away}"),
            hold: "5m".to_owned(),
            severity: "critical",
            summary: "{{ $labels.instance }} ({{ $labels.job }}) of {{ $labels.peer }} does not answer"
                .to_owned(),
            ..Alert::default()
        },
    ];
    alerts.extend(path());
    alerts
}

/// Returns what the alert about a place along the way says.
pub(super) fn path_summary(part: &str) -> String {
    path()
        .into_iter()
        .find(|alert| alert.labels == [("part", part.to_owned())])
        .map(|alert| alert.summary)
        .unwrap_or_default()
}

/// The places along a peer's way that its Watchdog has to pass.
fn path() -> Vec<Alert> {
    let moves = |job: &str, metric: &str| {
        let job = peer_job(job);
        format!(
            "up{{job=\"{job}\"}} == 1 unless on (peer, instance) sum by (peer, instance) (increase({metric}[5m])) > 0",
            metric = metric.replace("JOB", &format!("job=\"{job}\""))
        )
    };
    let proxy = peer_job(PROXY_JOB);
    let alertmanager = peer_job(ALERTMANAGER_JOB);
    let broken = |part: &str, expr: String, summary: &str, why| Alert {
        name: "PeerAlertPathBroken",
        expr,
        hold: "5m".to_owned(),
        severity: "critical",
        labels: vec![("part", part.to_owned())],
        summary: summary.to_owned(),
        why,
    };
    vec![
        broken(
            "prometheus",
            moves(PROMETHEUS_JOB, "prometheus_notifications_sent_total{JOB}"),
            "{{ $labels.instance }} of {{ $labels.peer }} sends no alerts, not even its Watchdog: its rules are not evaluated, or it knows nobody to send to",
            "Before 3.10 a Prometheus counts what failed as sent: that it arrives is for the next places to say.",
        ),
        broken(
            "proxy",
            moves(PROXY_JOB, "iaasmon_proxy_alerts_received_total{JOB,state=\"firing\"}"),
            "no Prometheus of {{ $labels.peer }} reaches its proxy {{ $labels.instance }}",
            "",
        ),
        broken(
            "forward",
            format!(
                "sum by (peer, instance, alertmanager) (increase(iaasmon_proxy_copies_forwarded_total{{job=\"{proxy}\"}}[5m])) == 0"
            ),
            "{{ $labels.instance }} of {{ $labels.peer }} hands nothing over to {{ $labels.alertmanager }}",
            "A proxy that none reaches forwards nothing either: both are told.",
        ),
        broken(
            "alertmanager",
            moves(ALERTMANAGER_JOB, "alertmanager_alerts_received_total{JOB,status=\"firing\"}"),
            "{{ $labels.instance }} of {{ $labels.peer }} is sent no alerts, not even the Watchdog: it would tell nobody of anything",
            "The end of the way: it moves only if everything before it works for at least one Prometheus.",
        ),
        broken(
            "delivery",
            format!(
                "sum by (peer, instance, integration) (rate(alertmanager_notifications_failed_total{{job=\"{alertmanager}\"}}[5m])) > 0"
            ),
            "{{ $labels.instance }} of {{ $labels.peer }} cannot deliver by {{ $labels.integration }}, and may not be able to say so",
            "",
        ),
    ]
}
