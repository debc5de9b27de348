//! A small fleet from plain data: three clusters, believable texts, and a fixed clock.

use crate::config::{self, Access, Config};
use crate::fleet::detail::DetailSource;
use crate::fleet::node::{NodeDetail, NodeSilence};
use crate::fleet::silences::SilenceCopy;
use crate::fleet::status::{ClusterStatus, Gossip, ReplicaStatus};
use crate::fleet::{Answer, Coverage};
use crate::model::alert::{Alert, AlertState, Severity};
use crate::model::check::{CheckState, Detail, History, Run};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::node::{FailingCheck, Node, NodeUp, StatusCounts};
use crate::model::silence::{Silence, SilenceState};
use crate::model::status::Status;
use crate::model::time::Timestamp;
use crate::net::{Meta, NetError, NetErrorKind, Reply};
use crate::tui::msg::{Msg, OutputOf, Payload};
use crate::tui::state::rows::{AlertRow, NodeKey, NodeRow};
use crate::tui::state::{Screen, State};
use crate::tui::update::update;
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

const CLUSTERS: [&str; 3] = ["prod-east", "prod-west", "dev-east"];
const ID: &str = "3f1c9b1e-2a77-4b0e-9f43-0a1b2c3d4e5f";

/// How a fleet's servers behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Everybody answers.
    Fresh,
    /// One cluster has answered, two have not yet.
    Loading,
    /// The second cluster answered well and its next answer is overdue.
    Slow,
    /// The second cluster answered well, and four minutes later not any more.
    Stale,
    /// One of each pair of the first cluster is down.
    OneDown,
    /// Both Alertmanagers of the second cluster are down from the start.
    NoAlertmanager,
    /// All of them answered well, and seven minutes later none of them.
    Blind,
    /// Everybody answers, and nothing is wrong.
    Empty,
    /// Nothing is wrong as far as known; the second cluster never answered.
    Unclear,
    /// The second cluster refuses us.
    Refused,
    /// Nobody may write anywhere, and a clock is off.
    ReadOnly,
}

/// The time of the fixed clock.
pub fn now() -> Timestamp {
    "2026-11-24T03:12:07Z".parse().expect("a time")
}

fn ago(minutes: i64) -> Timestamp {
    now() - TimeDelta::minutes(minutes)
}

/// A fleet; `odd` stands in every text that is not ours.
pub struct World {
    /// What the servers do.
    pub case: Case,
    /// Put at the end of every foreign text.
    pub odd: String,
}

impl World {
    /// Builds the state of a terminal of this size.
    pub fn state(&self, size: (u16, u16)) -> State {
        let mut config = Config::default();
        config.clusters = CLUSTERS
            .map(|name| {
                let mut cluster = config::Cluster::new(name, &config.defaults);
                cluster.access = if self.case == Case::ReadOnly { Access::Ro } else { Access::Rw };
                let url =
                    |host: &str, port: u16| format!("http://{host}.{name}:{port}").parse().expect("a URL");
                cluster.prometheus = vec![url("prom-a", 9090), url("prom-b", 9090)];
                cluster.alertmanager = vec![url("am-1", 9093), url("am-2", 9093)];
                cluster.labels = [("env".to_owned(), name[..name.len() - 5].to_owned())].into();
                cluster
            })
            .to_vec();
        config.policy.author = Some("r.ahn".to_owned());
        let mut state = State::new(now(), size, &config);
        for cluster in 0..3 {
            self.answer(&mut state, cluster);
        }
        update(&mut state, Msg::Tick(now()));
        state
    }

    /// Has a cluster answer as it does in this case.
    fn answer(&self, state: &mut State, cluster: u16) {
        let second = cluster == 1;
        match self.case {
            Case::Loading if cluster > 0 => {}
            Case::Slow if second => self.tell(state, cluster, now() - TimeDelta::seconds(41), &|_| None),
            Case::Stale if second => {
                self.tell(state, cluster, ago(4), &|_| None);
                self.tell(state, cluster, now(), &|_| Some(timeout()));
            }
            Case::Blind => {
                self.tell(state, cluster, ago(7), &|_| None);
                self.tell(state, cluster, now(), &|_| {
                    Some(NetErrorKind::Connect("network is unreachable".into()))
                });
            }
            Case::OneDown if cluster == 0 => self.tell(state, cluster, now(), &|name| {
                matches!(name, "prom-b" | "am-2").then(|| NetErrorKind::Connect("connection refused".into()))
            }),
            Case::NoAlertmanager if second => {
                self.tell(state, cluster, now(), &|name| name.starts_with("am").then(timeout));
            }
            Case::Unclear if second => self.tell(state, cluster, now(), &|_| Some(timeout())),
            Case::Refused if second => self.tell(state, cluster, now(), &|_| {
                Some(NetErrorKind::Status { status: 403, message: format!("no role for you{}", self.odd) })
            }),
            _ => self.tell(state, cluster, now(), &|_| None),
        }
    }

    fn tell(
        &self,
        state: &mut State,
        cluster: u16,
        at: Timestamp,
        fails: &dyn Fn(&str) -> Option<NetErrorKind>,
    ) {
        let all = coverage(cluster, &["prom-a", "prom-b", "am-1", "am-2"], at, fails);
        let prometheus = coverage(cluster, &["prom-a", "prom-b"], at, fails);
        let members = coverage(cluster, &["am-1", "am-2"], at, fails);
        let rows = self.alerts(cluster, members.answered() > 0);
        let silences = self.silences(cluster);
        let status = self.status(cluster, fails);
        let empty = all.answered() == 0;
        let payloads = [
            Payload::Alerts(answer(if empty { Vec::new() } else { rows }, &all)),
            Payload::Nodes(answer(if empty { Vec::new() } else { self.nodes(cluster) }, &prometheus)),
            Payload::Silences(answer(if empty { Vec::new() } else { silences }, &members)),
            Payload::Status(Box::new(answer(status, &all))),
        ];
        for payload in payloads {
            update(state, Msg::Data { cluster, at, last: true, payload });
        }
    }

    fn text(&self, text: &str) -> String {
        format!("{text}{}", self.odd)
    }

    fn labels(&self, pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(self.text(value)))))
    }

    fn alerts(&self, cluster: u16, routed: bool) -> Vec<AlertRow> {
        if matches!(self.case, Case::Empty | Case::Unclear) {
            return Vec::new();
        }
        let smart = "smartctl on /dev/nvme3 exit 2 (CRITICAL WARNING set)";
        let output =
            "FAILED spare 3%\n\u{1b}[31mCRITICAL\u{1b}[0m:\tnvme3\t97% used\nディスク交換が必要です\n";
        // Name, severity, node's number or a service, minutes, what, output.
        let list: &[(&str, &str, &str, i64, &str, &str)] = match cluster {
            0 => &[
                ("NodeDown", "critical", "04511", 4, "no heartbeat for 240s", ""),
                ("NodeDown", "critical", "04512", 4, "no heartbeat for 240s", ""),
                ("NodeDown", "critical", "04513", 5, "no heartbeat for 231s", ""),
                ("CheckDiskFailed", "warning", "04511", 9, smart, output),
                ("CheckClock", "unknown", "04520", 190, "check_ntp gives no usable result", ""),
                (
                    "CertExpiresSoon",
                    "info",
                    "",
                    8640,
                    "the certificate of api.example.net ends in 13 days",
                    "",
                ),
            ],
            1 => &[
                ("NodeDown", "critical", "08112", 2, "no heartbeat for 120s", ""),
                ("FsAlmostFull", "warning", "08113", 2880, "/var 91% 使用中", ""),
                ("KubeletTooManyPodsOnThisVeryLongAlertName", "warning", "08112", 30, "pods 251 of 250", ""),
            ],
            _ => &[("CheckRaidDegraded", "warning", "00001", 61, "md0 rebuild 41%", output)],
        };
        let rows = list.iter().map(|(name, severity, node, minutes, what, output)| {
            let mut pairs = vec![
                ("alertname", *name),
                ("severity", *severity),
                ("cluster", CLUSTERS[usize::from(cluster)]),
            ];
            let instance = format!("{}:10105", node_name(cluster, node));
            if node.is_empty() {
                pairs.push(("service", "api"));
            } else {
                pairs.extend([
                    ("instance", instance.as_str()),
                    ("rack", "r114"),
                    ("team", "storage"),
                    ("check", "check_smart"),
                ]);
            }
            let labels = self.labels(&pairs);
            let silenced = *name == "FsAlmostFull" && routed;
            let held = if silenced { AlertState::Silenced } else { AlertState::Active };
            let alert = Alert {
                cluster: CLUSTERS[usize::from(cluster)].into(),
                fingerprint: labels.fingerprint(),
                severity: Severity::of(&Labels::new([(Arc::from("severity"), Arc::from(*severity))])),
                labels,
                annotations: [
                    ("summary", self.text(what)),
                    ("output", if output.is_empty() { String::new() } else { self.text(output) }),
                    ("runbook_url", self.text("https://runbooks.example.net/disk/smart")),
                ]
                .into_iter()
                .collect(),
                state: if routed { held } else { AlertState::Unknown },
                since: ago(*minutes),
                value: Some(1.0),
                silenced_by: if silenced { vec![ID.into()] } else { Vec::new() },
                inhibited_by: Vec::new(),
                muted_by: Vec::new(),
                receivers: vec![self.text("storage-oncall").into()],
                generator_url: "http://prom-a:9090/graph".into(),
                seen_by: ["prom-a", "prom-b", "am-1"][..if routed { 3 } else { 2 }]
                    .iter()
                    .map(|name| replica(cluster, name).name)
                    .collect(),
                updated_at: Some(ago(1)),
                stale: false,
            };
            AlertRow::new(cluster, alert, "instance")
        });
        let mut rows: Vec<AlertRow> = rows.collect();
        AlertRow::sort(&mut rows);
        rows
    }

    fn nodes(&self, cluster: u16) -> Vec<NodeRow> {
        let numbers: &[&str] = match cluster {
            0 => &["04511", "04512", "04513", "04514", "04520"],
            1 => &["08112", "08113", "08114-with-a-name-that-no-column-holds"],
            _ => &["00001"],
        };
        let well = matches!(self.case, Case::Empty | Case::Unclear);
        let rows = numbers.iter().enumerate().map(|(i, number)| {
            let name = format!("{}:10105", node_name(cluster, number));
            let labels = self.labels(&[
                ("instance", &name),
                ("rack", "r114"),
                ("team", "storage"),
                ("role", "hypervisor"),
            ]);
            let down = !well && (i < 3 && cluster == 0 || i == 0 && cluster == 1);
            let mut counts = StatusCounts::default();
            let mut failing = Vec::new();
            if !well && i % 2 == 0 {
                for (check, status) in [("check_smart", Status::Crit), ("check_raid", Status::Warn)] {
                    counts.add(status);
                    failing.push(FailingCheck { check: self.text(check).into(), status, disputed: i == 2 });
                }
            }
            let up = if down { NodeUp::Down } else { NodeUp::Up };
            let name = labels.get("instance").into();
            NodeRow::new(
                cluster,
                Node {
                    cluster: CLUSTERS[usize::from(cluster)].into(),
                    name,
                    up,
                    labels,
                    counts,
                    failing,
                    seen_by: ["prom-a", "prom-b"].map(|name| replica(cluster, name).name).into(),
                    stale: false,
                },
            )
        });
        rows.collect()
    }

    fn silences(&self, cluster: u16) -> Vec<SilenceCopy> {
        if cluster != 1 || matches!(self.case, Case::Empty | Case::Unclear) {
            return Vec::new();
        }
        let silence = Silence {
            id: ID.into(),
            matchers: vec![Matcher::new("alertname", MatchOp::Equal, &self.text("FsAlmostFull"))],
            starts_at: ago(92),
            ends_at: ago(-28),
            updated_at: ago(92),
            created_by: self.text("j.doe"),
            comment: self.text("INC-88090 清掃"),
            state: SilenceState::Active,
            annotations: Default::default(),
        };
        let seen_by = vec![replica(cluster, "am-1").name, replica(cluster, "am-2").name];
        vec![SilenceCopy { cluster: CLUSTERS[1].into(), silence, seen_by }]
    }

    fn status(&self, cluster: u16, fails: &dyn Fn(&str) -> Option<NetErrorKind>) -> ClusterStatus {
        let replicas = ["prom-a", "prom-b", "am-1", "am-2"].map(|name| {
            let error = fails(name);
            let is_member = name.starts_with("am");
            ReplicaStatus {
                replica: replica(cluster, name),
                up: error.is_none(),
                version: error.is_none().then(|| self.text(if is_member { "0.28.1" } else { "3.5.0" })),
                took_seconds: error.is_none().then_some(0.014),
                started: error.is_none().then(|| ago(60 * 24 * 41)),
                age_seconds: (error.is_none() && !is_member).then_some(9.0),
                skew_seconds: (self.case == Case::ReadOnly && name == "prom-b").then_some(41.0),
                peers: (error.is_none() && is_member).then_some(2),
                notifications: Default::default(),
                not_ready: None,
                unread: Vec::new(),
                error: error.map(|error| error.to_string()),
            }
        });
        ClusterStatus {
            cluster: CLUSTERS[usize::from(cluster)].into(),
            gossip: if fails("am-1").is_some() { Gossip::Unknown } else { Gossip::Whole },
            replicas: replicas.into(),
        }
    }

    /// Answers what the shown page has asked for: the output of a check, then its earlier runs, or a node's checks.
    pub fn serve(&self, state: &mut State) {
        let here = state.page().output.here;
        let msg = match state.screen().clone() {
            Screen::Alert(key) if here => Msg::History(OutputOf::Alert(key), Ok(self.history())),
            Screen::Check(key) if here => Msg::History(OutputOf::Check(key), Ok(self.history())),
            Screen::Alert(key) => Msg::Output(OutputOf::Alert(key), now(), self.detail()),
            Screen::Check(key) => Msg::Output(OutputOf::Check(key), now(), self.detail()),
            Screen::Node(key) => Msg::Node(key.clone(), now(), Box::new(self.node(&key))),
            _ => return,
        };
        update(state, msg);
    }

    fn detail(&self) -> DetailSource {
        let output = "smartctl 7.4 2023-08-01 r5530 [x86_64-linux-6.1.0-31-amd64] (local build)\n\
            === START OF SMART DATA SECTION ===\n\
            \u{1b}[1;31mSMART overall-health self-assessment test result: FAILED!\u{1b}[0m\n\
            - available spare has fallen below threshold\n\n\
            Critical Warning:\t0x05\nTemperature:\t61 Celsius\nディスクの予備領域が不足しています。交換してください。\n\
            Data Units Read:\t1,403,221,005 [718 TB]  Data Units Written:\t2,910,004,112 [1.48 PB]  Media Errors:\t118\n";
        DetailSource::Node(Detail {
            check: "check_smart".to_owned(),
            status: Some(Status::Crit),
            executed: Some(ago(3)),
            interval: Some(60.0),
            duration: Some(1.8),
            stale: false,
            output: self.text(output),
            output_bytes: None,
            output_truncated: false,
            command: Some(self.text("/usr/lib/plugins/check_smart -d /dev/nvme3")),
            other: Default::default(),
        })
    }

    /// Runs of each minute: the newest, two that failed as well, of which one has its output kept, and a good one.
    pub fn history(&self) -> History {
        let crit = "smartctl 7.4 2023-08-01 r5530 [x86_64-linux-6.1.0-31-amd64] (local build)\n\
            === START OF SMART DATA SECTION ===\nSMART overall-health self-assessment test result: FAILED!\n\
            Critical Warning:\t0x04\nTemperature:\t58 Celsius\n";
        let good = "smartctl 7.4 2023-08-01 r5530 [x86_64-linux-6.1.0-31-amd64] (local build)\n\
            === START OF SMART DATA SECTION ===\nSMART overall-health self-assessment test result: PASSED\n\n\
            Critical Warning:\t0x00\nTemperature:\t41 Celsius\n";
        let runs = [
            (3, Status::Crit, None),
            (4, Status::Crit, Some(crit)),
            (5, Status::Unknown, None),
            (6, Status::Ok, Some(good)),
        ];
        let runs = runs.map(|(minutes, status, output)| Run {
            executed: Some(ago(minutes)),
            status: Some(status),
            exit_status: None,
            duration: Some(1.5),
            output_sha256: None,
            output: output.map(|output| self.text(output)),
        });
        History { check: "check_smart".to_owned(), source: None, runs: runs.into() }
    }

    fn node(&self, key: &NodeKey) -> Answer<NodeDetail> {
        let list = [
            ("check_smart", Status::Crit, Some(9)),
            ("check_raid", Status::Warn, Some(41)),
            ("check_ipmi", Status::Unknown, None),
            ("check_kvm", Status::Ok, None),
            ("check_ntp", Status::Ok, None),
        ];
        let mut counts = StatusCounts::default();
        let checks = list.map(|(check, status, since)| {
            counts.add(status);
            let disputed = status == Status::Warn;
            CheckState {
                check: self.text(check).into(),
                source: None,
                status,
                disputed,
                since: since.map(ago),
            }
        });
        let silences =
            self.silences(1).into_iter().map(|copy| NodeSilence { copy, alerts: 1, uncertain: false });
        let detail = NodeDetail {
            cluster: CLUSTERS[usize::from(key.cluster)].into(),
            name: key.name.clone(),
            up: NodeUp::Down,
            labels: self.labels(&[
                ("instance", "hv-04511.r114.east:10105"),
                ("rack", "r114"),
                ("role", "hypervisor"),
            ]),
            checks: checks.into(),
            counts,
            alerts: Vec::new(),
            silences: silences.collect(),
        };
        answer(detail, &coverage(key.cluster, &["prom-a", "prom-b"], now(), &|_| None))
    }
}

fn timeout() -> NetErrorKind {
    NetErrorKind::Timeout(Duration::from_secs(5))
}

fn node_name(cluster: u16, number: &str) -> String {
    format!("hv-{number}.r114.{}", ["east", "west", "dev"][usize::from(cluster)])
}

fn replica(cluster: u16, name: &str) -> Replica {
    let cluster = CLUSTERS[usize::from(cluster)];
    let (kind, port) = if name.starts_with("am") {
        (ReplicaKind::Alertmanager, 9093)
    } else {
        (ReplicaKind::Prometheus, 9090)
    };
    Replica { cluster: cluster.into(), kind, name: format!("{name}.{cluster}:{port}").into() }
}

fn coverage(
    cluster: u16,
    names: &[&str],
    at: Timestamp,
    fails: &dyn Fn(&str) -> Option<NetErrorKind>,
) -> Coverage {
    let parts = names.iter().map(|name| {
        let replica = replica(cluster, name);
        let meta = Meta { took: Duration::from_millis(14), at, skew: None };
        let outcome = match fails(name) {
            None => Ok(Reply { value: (), meta, warnings: Vec::new() }),
            Some(kind) => Err(NetError { replica: replica.clone(), request: "GET /".to_owned(), kind }),
        };
        Coverage::of(&replica, &outcome)
    });
    parts.fold(Coverage::default(), Coverage::join)
}

fn answer<T>(value: T, coverage: &Coverage) -> Answer<T> {
    Answer { value, coverage: coverage.clone(), notes: Vec::new() }
}
