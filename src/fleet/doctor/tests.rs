use super::*;
use crate::config::{self, Config};
use crate::fleet::Fleet;
use crate::fleet::status::{Gossip, ReplicaStatus};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::net::NotificationCounts;

fn fleet() -> Fleet {
    let mut config = Config::default();
    let mut cluster = config::Cluster::new("east", &config.defaults);
    cluster.prometheus =
        ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(|u| u.parse().expect("a URL")).into();
    cluster.alertmanager =
        ["http://127.0.0.1:3", "http://127.0.0.1:4"].map(|u| u.parse().expect("a URL")).into();
    cluster.detail_url = Some("http://{instance}/api/v1/checks/{check}".into());
    config.clusters.push(cluster);
    Fleet::new(&config)
}

fn replica(kind: ReplicaKind, name: &str) -> ReplicaStatus {
    ReplicaStatus {
        replica: Replica { cluster: "east".into(), kind, name: name.into() },
        up: true,
        version: None,
        took_seconds: Some(0.01),
        started: None,
        age_seconds: None,
        skew_seconds: None,
        peers: None,
        notifications: NotificationCounts::new(),
        error: None,
    }
}

fn sender(name: &str, yaml: &str) -> Sender {
    let relabelling = decode_alert_relabelling(yaml).ok();
    Sender {
        name: name.into(),
        queue_capacity: Some(10_000),
        alertmanagers: Some(2),
        relabelling,
        records_bad: Some(true),
        failed_sends: None,
    }
}

fn examine(change: impl FnOnce(&mut ClusterStatus, &mut Vec<Sender>)) -> Vec<(Level, &'static str)> {
    let fleet = fleet();
    let mut status = ClusterStatus {
        cluster: "east".into(),
        gossip: Gossip::Whole,
        replicas: vec![replica(ReplicaKind::Prometheus, "p"), replica(ReplicaKind::Alertmanager, "am")],
    };
    let mut senders = vec![
        sender("a", "global: {external_labels: {cluster: east}}"),
        sender("b", "global: {external_labels: {cluster: east}}"),
    ];
    change(&mut status, &mut senders);
    let facts = Facts {
        cluster: &fleet.clusters()[0],
        status: &status,
        senders: &senders,
        nodes: &[],
        alerts: &[],
        silences: &[],
    };
    rules::examine(&facts).into_iter().map(|f| (f.level, f.rule)).collect()
}

#[test]
fn a_healthy_cluster_is_said_to_be_healthy() {
    assert_eq!(examine(|_, _| {}), [(Level::Ok, "all")]);
}

#[test]
fn each_ailment_is_found() {
    use Level::{Problem, Warning};
    type Change<'a> = &'a dyn Fn(&mut ClusterStatus, &mut Vec<Sender>);
    let cases: [(&str, Level, Change<'_>); 8] = [
        ("unreachable", Problem, &|s, _| s.replicas[0].error = Some("timed out after 5s".into())),
        ("clock_skew", Warning, &|s, _| s.replicas[1].skew_seconds = Some(-41.0)),
        ("not_scraping", Problem, &|s, _| s.replicas[0].age_seconds = Some(900.0)),
        ("delivery", Problem, &|s, _| s.replicas[1].notifications = [("slack".to_owned(), (4, 4))].into()),
        ("gossip", Problem, &|s, _| s.gossip = Gossip::Split),
        ("recording_rule", Warning, &|_, p| p[0].records_bad = Some(false)),
        ("alertmanagers", Problem, &|_, p| p[1].alertmanagers = Some(1)),
        ("replica_label", Problem, &|_, p| {
            p[1] = sender("b", "global: {external_labels: {cluster: east, replica: b}}")
        }),
    ];
    for (rule, level, change) in cases {
        assert_eq!(examine(change), [(level, rule)]);
    }
}

#[test]
fn a_dropped_replica_label_is_no_finding() {
    let yaml = |r: &str| {
        format!(
            "global: {{external_labels: {{replica: {r}}}}}\nalerting: {{alert_relabel_configs: [{{regex: replica, action: labeldrop}}]}}"
        )
    };
    assert_eq!(
        examine(|_, p| *p = vec![sender("a", &yaml("a")), sender("b", &yaml("b"))]),
        [(Level::Ok, "all")]
    );
}
