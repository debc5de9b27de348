use super::*;
use crate::config::{self, Config};
use crate::fleet::Fleet;
use crate::fleet::status::{Gossip, ReplicaStatus};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::net::{NetError, NetErrorKind, NotificationCounts, SendCounts};

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
        not_ready: None,
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
        sending: Sending::default(),
        scraped: None,
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
        gateways: &[],
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
    let cases: [(&str, Level, Change<'_>); 11] = [
        ("unreachable", Problem, &|s, _| s.replicas[0].error = Some("timed out after 5s".into())),
        ("clock_skew", Warning, &|s, _| s.replicas[1].skew_seconds = Some(-41.0)),
        ("not_scraping", Problem, &|s, _| s.replicas[0].age_seconds = Some(900.0)),
        ("delivery", Problem, &|s, _| s.replicas[1].notifications = [("slack".to_owned(), (4, 4))].into()),
        ("gossip", Problem, &|s, _| s.gossip = Gossip::Split),
        ("recording_rule", Warning, &|_, p| p[0].records_bad = Some(false)),
        ("alertmanagers", Problem, &|_, p| p[1].alertmanagers = Some(1)),
        ("sender_lost", Warning, &|_, p| {
            p[0].sending.counts.insert(String::new(), SendCounts { dropped: 35.0, errors: 0.0 });
        }),
        ("sender_errors", Warning, &|_, p| {
            p[1].sending.counts.insert("http://am".into(), SendCounts { dropped: 0.0, errors: 4.0 });
        }),
        ("sender_queue", Problem, &|_, p| {
            (p[0].sending.queued, p[0].sending.capacity) = (26.0, 50.0);
        }),
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
        gateways: &[],
        nodes: &[],
        alerts: &[],
        silences: &[],
        lists: &[("silences", refused)],
    };
    let texts: Vec<String> = rules::examine(&facts).into_iter().map(|f| f.text).collect();
    assert_eq!(texts, ["not looked at: silences of am:9093: GET /: forbidden (403)"]);
}

#[test]
fn where_there_are_proxies_a_prometheus_sends_to_them() {
    let found = |active: usize| {
        let fleet = fleet();
        let replicas = ["1", "2", "3"].map(|name| replica(ReplicaKind::Proxy, name)).into();
        let status = ClusterStatus { cluster: "east".into(), gossip: Gossip::Whole, replicas };
        let forwarder = |name: &str| Forwarder { name: name.into(), ledger: Ok(BTreeMap::new()) };
        let facts = Facts {
            cluster: &fleet.clusters()[0],
            status: &status,
            senders: &[Sender { alertmanagers: Some(active), ..sender("a", "global: {}") }],
            forwarders: &["1", "2", "3"].map(forwarder),
            gateways: &[],
            nodes: &[],
            alerts: &[],
            silences: &[],
            lists: &[],
        };
        rules::examine(&facts).into_iter().map(|f| f.text).collect::<Vec<_>>()
    };
    assert_eq!(found(2), ["a sends to 2 of 3 proxies"]);
    assert_eq!(found(3), ["3 servers answer, agree and deliver"]);
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
            gateways: &[],
            nodes: &[],
            alerts: &[],
            silences: &[],
            lists: &[],
        };
        rules::examine(&facts).into_iter().map(|f| (f.level, f.rule)).collect::<Vec<_>>()
    };
    assert_eq!(found(ledger(&|_| {})), [(Level::Ok, "all")]);
    assert_eq!(found(ledger(&|l| (l.expired, l.lost) = (1.0, 1.0))), [(Level::Problem, "proxy_lost")]);
    assert_eq!(found(ledger(&|l| l.expired = 1.0)), [(Level::Warning, "proxy_expired")]);
    assert_eq!(found(ledger(&|l| (l.down, l.waiting) = (true, 31.0))), [(Level::Problem, "proxy_member")]);
    assert_eq!(found(ledger(&|l| l.waiting = 31.0)), [(Level::Problem, "proxy_queue")]);
    assert_eq!(found(ledger(&|l| l.refused = 2.0)), [(Level::Warning, "proxy_refused")]);
    assert_eq!(found(Err("connection refused".to_owned())), [(Level::Problem, "unreachable")]);
}

/// Examines a cluster with one pushgateway, which one Prometheus scrapes.
fn pushed(change: impl FnOnce(&mut Gateway, &mut Scraped)) -> Vec<(Level, &'static str, String)> {
    let fleet = fleet();
    let replicas = vec![replica(ReplicaKind::Pushgateway, "push:9091")];
    let status = ClusterStatus { cluster: "east".into(), gossip: Gossip::Whole, replicas };
    let mut gateway = Gateway {
        name: "push:9091".into(),
        target: "push:9091".to_owned(),
        ready: Ok(()),
        has_file: Some(true),
        detail: Ok(()),
        unread: Vec::new(),
    };
    let mut scraped = Scraped { up: [("push:9091".to_owned(), true)].into(), ..Scraped::default() };
    change(&mut gateway, &mut scraped);
    let facts = Facts {
        cluster: &fleet.clusters()[0],
        status: &status,
        senders: &[Sender { scraped: Some(scraped), ..sender("p", "global: {}") }],
        forwarders: &[],
        gateways: &[gateway],
        nodes: &[],
        alerts: &[],
        silences: &[],
        lists: &[],
    };
    rules::examine(&facts).into_iter().map(|f| (f.level, f.rule, f.text)).collect()
}

#[test]
fn a_pushgateway_that_is_not_as_it_should_be_is_told() {
    use Level::{Ok as Well, Problem, Warning};
    type Change<'a> = &'a dyn Fn(&mut Gateway, &mut Scraped);
    let status = |status, message: &str| Err(NetErrorKind::Status { status, message: message.to_owned() });
    let cases: [(Level, &str, &str, Change<'_>); 13] = [
        (Well, "all", "1 servers answer", &|_, _| {}),
        (Problem, "unreachable", "push:9091 does not answer: connection refused", &|g, _| {
            g.ready = Err(NetErrorKind::Connect("connection refused".to_owned()));
            g.has_file = Some(false);
            g.unread.push(Unread { what: "flags", why: "connection refused".to_owned() });
        }),
        (Problem, "pushgateway_ready", "cannot do its job: the disk is full", &|g, _| {
            g.ready = status(503, "the disk is full");
        }),
        (Well, "all", "", &|g, _| g.ready = status(404, "")),
        (
            Warning,
            "pushgateway_detail",
            "does not let us read the output of checks: forbidden (403): by --detail-allow",
            &|g, _| {
                g.detail = status(403, "by --detail-allow");
            },
        ),
        (Warning, "pushgateway_detail", "has no detail API", &|g, _| {
            g.detail = status(404, "404 page not found")
        }),
        (Well, "all", "", &|g, _| g.detail = Err(NetErrorKind::TooLarge(1))),
        (Warning, "pushgateway_file", "in memory alone", &|g, _| g.has_file = Some(false)),
        (Warning, "not_looked_at", "flags of push:9091: forbidden (403)", &|g, _| {
            g.has_file = None;
            g.unread.push(Unread { what: "flags", why: "forbidden (403)".to_owned() });
        }),
        (Problem, "pushgateway_scrape", "p cannot scrape pushgateway push:9091", &|_, s| {
            s.up.insert("push:9091".to_owned(), false);
        }),
        (Problem, "pushgateway_scrape", "p does not scrape pushgateway push:9091", &|_, s| s.up.clear()),
        (Well, "all", "", &|_, s| {
            s.up.clear();
            s.others = 1;
        }),
        (Warning, "pushgateway_labels", "p renames the labels", &|_, s| s.renaming.push("push".to_owned())),
    ];
    for (level, rule, words, change) in cases {
        let found = pushed(change);
        let [(is, by, text)] = &found[..] else { panic!("{rule}: {found:?}") };
        assert!((*is, *by) == (level, rule) && text.contains(words), "{rule}: {found:?}");
    }
}

#[test]
fn a_pushgateway_that_is_dead_is_told_once_however_many_miss_it() {
    let dead = |g: &mut Gateway| g.ready = Err(NetErrorKind::Connect("connection refused".to_owned()));
    for found in [
        pushed(|g, s| {
            dead(g);
            s.up.insert("push:9091".to_owned(), false);
        }),
        pushed(|g, s| {
            dead(g);
            s.up.clear();
        }),
    ] {
        let rules: Vec<&str> = found.iter().map(|(_, rule, _)| *rule).collect();
        assert_eq!(rules, ["unreachable"], "{found:?}");
    }
}

#[test]
fn groups_that_nobody_pushes_are_named_by_their_jobs() {
    let group = |db: &str| -> Labels { [("job", "backup"), ("db", db)].into_iter().collect() };
    let renamed: Labels =
        [("job", "push"), ("instance", "push:9091"), ("exported_job", "ci")].into_iter().collect();
    let found = pushed(|_, s| {
        s.refused = vec![group("a"), renamed.clone()];
        s.silent = ["a", "b", "c", "d"]
            .iter()
            .zip([9.0, 12.0, 11.0, 10.0])
            .map(|(db, days)| (group(db), days * 86_400.0))
            .collect();
    });
    let texts: Vec<&str> = found.iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "the last push of 2 groups was refused: job=backup,db=a, job=ci",
            "nobody has pushed 4 groups for more than a week: job=backup,db=b for 12d, job=backup,db=c for 11d, job=backup,db=d for 10d, ...",
        ]
    );
    let one = pushed(|_, s| s.refused = vec![group("a")]);
    assert_eq!(one[0].2, "the last push of a group was refused: job=backup,db=a");
}
