//! A fleet of 20,000 nodes with 50,000 enriched alerts on four clusters, in the state of the interface.

use iaasmon::config::{Cluster, Config};
use iaasmon::fleet::{Answer, Coverage};
use iaasmon::model::alert::{Alert, AlertState, Severity};
use iaasmon::model::labels::{Interner, Labels};
use iaasmon::model::node::{FailingCheck, Node, NodeUp, StatusCounts};
use iaasmon::model::status::Status;
use iaasmon::model::time::Timestamp;
use iaasmon::tui::msg::{Msg, Payload};
use iaasmon::tui::state::State;
use iaasmon::tui::state::rows::{AlertRow, NodeRow};
use iaasmon::tui::update::update;

/// Clusters of the fleet.
pub const CLUSTERS: u16 = 4;
/// Nodes of each cluster.
pub const NODES: usize = 5_000;
/// Alerts of each cluster.
pub const ALERTS: usize = 12_500;

/// Returns the state with every answer taken in.
pub fn full_state(size: (u16, u16)) -> State {
    let mut config = Config::default();
    config.clusters = (0..CLUSTERS).map(|i| cluster(&config, i)).collect();
    let mut state = State::new(time(0), size, &config);
    for i in 0..CLUSTERS {
        update(&mut state, answer_of_alerts(i));
        update(&mut state, answer_of_nodes(i));
    }
    state
}

fn cluster(config: &Config, i: u16) -> Cluster {
    let mut cluster = Cluster::new(&format!("prod-{i}"), &config.defaults);
    cluster.alertmanager = vec![format!("http://127.0.0.1:{}", 9100 + i).parse().expect("a URL")];
    cluster.prometheus = vec![format!("http://127.0.0.1:{}", 9000 + i).parse().expect("a URL")];
    cluster
}

/// Returns a moment some seconds after a fixed one.
pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000 + seconds, 0).expect("in range")
}

/// Returns one cluster's alerts as the message that brings them.
pub fn answer_of_alerts(cluster: u16) -> Msg {
    let mut interner = Interner::default();
    let mut rows: Vec<_> =
        (0..ALERTS).map(|i| AlertRow::new(cluster, alert(cluster, i, &mut interner), "instance")).collect();
    AlertRow::sort(&mut rows);
    Msg::Data { cluster, at: time(1), last: true, payload: Payload::Alerts(answer(rows)) }
}

fn answer_of_nodes(cluster: u16) -> Msg {
    let mut interner = Interner::default();
    let rows = (0..NODES).map(|i| NodeRow::new(cluster, node(cluster, i, &mut interner))).collect();
    Msg::Data { cluster, at: time(1), last: true, payload: Payload::Nodes(answer(rows)) }
}

/// Returns an answer that everybody stands behind.
pub fn answer<T>(value: T) -> Answer<T> {
    Answer { value, coverage: Coverage::default(), notes: Vec::new() }
}

fn labels(interner: &mut Interner, pairs: &[(&str, String)]) -> Labels {
    Labels::new(pairs.iter().map(|(name, value)| (interner.intern(name), interner.intern(value))))
}

fn node_labels(cluster: u16, i: usize) -> [(&'static str, String); 6] {
    [
        ("instance", format!("hv-{i:05}.r{}.c{cluster}:10105", i / 40)),
        ("rack", format!("r{}", i / 40)),
        ("pdu", format!("p{}", i / 80)),
        ("role", ["hypervisor", "storage", "kubernetes"][i % 3].to_owned()),
        ("az", format!("az{}", i % 3)),
        ("team", ["compute", "storage"][i % 2].to_owned()),
    ]
}

/// Returns alert `i` of a cluster.
pub fn alert(cluster: u16, i: usize, interner: &mut Interner) -> Alert {
    let severity = ["critical", "warning", "warning", "unknown"][i % 4];
    let mut pairs = node_labels(cluster, i % NODES).to_vec();
    pairs.push((
        "alertname",
        ["CheckCritical", "CheckWarning", "CheckWarning", "CheckUnknown"][i % 4].to_owned(),
    ));
    pairs.push(("check", format!("check_{}", i % 50)));
    pairs.push(("severity", severity.to_owned()));
    let labels = labels(interner, &pairs);
    let text = format!("check_{} on hv-{i:05} is {severity}", i % 50);
    let output = format!("DISK {severity} - free space: /var {i} MB (3% inode=91%)");
    Alert {
        cluster: format!("prod-{cluster}").as_str().into(),
        fingerprint: labels.fingerprint(),
        severity: Severity::of(&labels),
        labels,
        annotations: [("summary", text), ("output", output)].into_iter().collect(),
        state: [AlertState::Active, AlertState::Active, AlertState::Silenced][i % 3],
        since: time(-(i as i64)),
        value: Some(2.0),
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        muted_by: Vec::new(),
        receivers: vec![interner.intern("mail")],
        generator_url: interner.intern("http://prom:9090/graph"),
        seen_by: vec![interner.intern("am-1:9093"), interner.intern("am-2:9093")],
        updated_at: Some(time(0)),
        stale: false,
    }
}

/// Returns node `i` of a cluster.
pub fn node(cluster: u16, i: usize, interner: &mut Interner) -> Node {
    let mut counts = StatusCounts::default();
    let failing: Vec<FailingCheck> = (0..i % 3)
        .map(|n| {
            counts.add(Status::Warn);
            FailingCheck {
                check: interner.intern(&format!("check_{n}")),
                status: Status::Warn,
                disputed: false,
            }
        })
        .collect();
    let labels = labels(interner, &node_labels(cluster, i));
    let name = interner.intern(labels.get("instance"));
    Node {
        cluster: format!("prod-{cluster}").as_str().into(),
        name,
        up: NodeUp::Up,
        labels,
        counts,
        failing,
        seen_by: Vec::new(),
        stale: false,
    }
}
