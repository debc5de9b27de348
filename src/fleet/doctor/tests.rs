use super::*;
use crate::config::{self, Config};
use crate::fleet::Fleet;
use crate::fleet::status::{Gossip, ReplicaStatus};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::net::{NetError, NetErrorKind, NotificationCounts};

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
        unread: Vec::new(),
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
        unread: Vec::new(),
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
        forwarders: &[],
        nodes: &[],
        alerts: &[],
        silences: &[],
        lists: &[],
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

#[test]
fn what_could_not_be_read_is_said_and_nothing_is_called_well() {
    let unread = |what| Unread { what, why: "forbidden (403)".into() };
    let not_read = [(Level::Warning, "not_looked_at")];
    assert_eq!(examine(|s, _| s.replicas[1].unread.push(unread("deliveries"))), not_read);
    assert_eq!(examine(|_, p| p[0].unread.push(unread("flags"))), not_read);
    let down = examine(|s, p| {
        p[0].name = s.replicas[0].replica.name.clone();
        p[0].unread.push(unread("flags"));
        s.replicas[0].error = Some("timed out after 5s".into());
    });
    assert_eq!(down, [(Level::Problem, "unreachable")], "once is enough");
}

#[test]
fn a_list_that_a_server_refuses_is_named() {
    let replica = Replica { cluster: "east".into(), kind: ReplicaKind::Alertmanager, name: "am:9093".into() };
    let kind = NetErrorKind::Status { status: 403, message: String::new() };
    let refused = Coverage::of::<()>(
        &replica,
        &Err(NetError { replica: replica.clone(), request: "GET /".into(), kind }),
    );
    let status = ClusterStatus { cluster: "east".into(), gossip: Gossip::Whole, replicas: Vec::new() };
    let fleet = fleet();
    let facts = Facts {
        cluster: &fleet.clusters()[0],
        status: &status,
        senders: &[],
        forwarders: &[],
        nodes: &[],
        alerts: &[],
        silences: &[],
        lists: &[("silences", refused)],
    };
    let texts: Vec<String> = rules::examine(&facts).into_iter().map(|f| f.text).collect();
    assert_eq!(texts, ["not looked at: silences of am:9093: GET /: forbidden (403)"]);
}

#[test]
fn a_proxy_that_lost_something_or_holds_it_back_is_told() {
    let ledger = |change: &dyn Fn(&mut Ledger)| {
        let mut ledger = Ledger { offered: 10.0, forwarded: 10.0, ..Ledger::default() };
        change(&mut ledger);
        Ok([("am".to_owned(), ledger)].into())
    };
    let found = |ledger: Result<BTreeMap<String, Ledger>, String>| {
        let fleet = fleet();
        let status = ClusterStatus {
            cluster: "east".into(),
            gossip: Gossip::Whole,
            replicas: vec![replica(ReplicaKind::Prometheus, "p"), replica(ReplicaKind::Alertmanager, "am")],
        };
        let facts = Facts {
            cluster: &fleet.clusters()[0],
            status: &status,
            senders: &[],
            forwarders: &[Forwarder { name: "proxy-1".into(), ledger }],
            nodes: &[],
            alerts: &[],
            silences: &[],
            lists: &[],
        };
        rules::examine(&facts).into_iter().map(|f| (f.level, f.rule)).collect::<Vec<_>>()
    };
    assert_eq!(found(ledger(&|_| {})), [(Level::Ok, "all")]);
    assert_eq!(found(ledger(&|l| l.expired = 1.0)), [(Level::Problem, "proxy_lost")]);
    assert_eq!(found(ledger(&|l| l.waiting = 31.0)), [(Level::Problem, "proxy_queue")]);
    assert_eq!(found(ledger(&|l| l.refused = 2.0)), [(Level::Warning, "proxy_refused")]);
    assert_eq!(found(Err("connection refused".to_owned())), [(Level::Problem, "unreachable")]);
}
