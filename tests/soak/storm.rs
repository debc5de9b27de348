//! A storm through a proxy: alerts of many nodes, some of them dead, deaf or slow, come, are sent again and end, wave after wave.
//! Every sender is answered, every alert is at every member with its words in time, and the proxy does not grow with what is over.

use crate::proxy_world::{Am, Proxy};
use crate::support::{SOON, await_until, get_json};
use crate::{below, run};
use iaasmon::sys::clock;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;

const NODES: usize = 2000;
/// As a Prometheus 2.42 sends them.
const BATCH: usize = 64;
/// When Alertmanager sends the first mail about an alert: `group_wait`.
const FIRST_MAIL: Duration = Duration::from_secs(30);
/// What a proxy of this size takes without what is over: a debug build holds 2,000 alerts and details in a fifth of it.
const MOST_ANONYMOUS: u64 = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Well,
    /// Answers after a while.
    Slow,
    /// Refuses connections.
    Dead,
    /// Drops SYNs.
    Deaf,
}

impl Kind {
    fn of(number: usize) -> Self {
        match number * 37 % 100 {
            0..9 => Self::Dead,
            9 => Self::Deaf,
            10..15 => Self::Slow,
            _ => Self::Well,
        }
    }
}

/// All nodes, each on an address of its own.
struct Fleet {
    _runtime: Runtime,
    _queued: Vec<std::net::TcpStream>,
}

/// Where a node listens: few ports, for a proxy asks few.
fn place(number: usize) -> SocketAddr {
    let [.., low, _] = std::process::id().to_be_bytes();
    let [.., last] = std::process::id().to_be_bytes();
    let host = u8::try_from(number % 250 + 1).unwrap();
    let port = 10_200 + u16::try_from(number / 250).unwrap();
    SocketAddr::from((Ipv4Addr::new(127, 64 + low % 64, last, host), port))
}

impl Fleet {
    fn start() -> Self {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut queued = Vec::new();
        for number in 0..NODES {
            let (kind, at) = (Kind::of(number), place(number));
            let _inside = runtime.enter();
            let listen = |backlog| -> TcpListener {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(at).unwrap();
                socket.listen(backlog).unwrap()
            };
            match kind {
                Kind::Dead => {}
                Kind::Deaf => {
                    let listener = listen(0);
                    runtime.spawn(async move {
                        let _listener = listener;
                        std::future::pending::<()>().await;
                    });
                    // The first fills the queue; what follows is dropped.
                    let connect = || TcpStream::connect_timeout(&at, Duration::from_millis(50)).ok();
                    queued.extend(std::iter::from_fn(connect).take(8));
                }
                Kind::Well | Kind::Slow => drop(runtime.spawn(serve(listen(64), number, kind))),
            }
        }
        Self { _runtime: runtime, _queued: queued }
    }
}

async fn serve(listener: TcpListener, number: usize, kind: Kind) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // Who asked may have gone.
            let _ = stream.read(&mut [0; 2048]).await;
            if kind == Kind::Slow {
                tokio::time::sleep(Duration::from_millis(1000 + number as u64 % 2000)).await;
            }
            let executed = iaasmon::model::time::rfc3339(clock::now());
            let body =
                json!({"v": 1, "check": "disk", "status": 2, "executed": executed, "output": words(number)});
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        });
    }
}

fn words(number: usize) -> String {
    format!("CRIT: node {number}: {}\n", "/var is full ".repeat(38))
}

/// A sender with one connection.
struct Sender {
    stream: TcpStream,
    address: String,
}

impl Sender {
    fn to(proxy: &Proxy) -> Self {
        let address = proxy.place.address.clone();
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self { stream, address }
    }

    /// Sends alerts in batches, and returns for how long the slowest was waited.
    fn send(&mut self, alerts: &[Value]) -> Duration {
        let times = alerts.chunks(BATCH).map(|batch| {
            let body = Value::from(batch).to_string();
            let begun = clock::instant();
            write!(
                self.stream,
                "POST /api/v2/alerts HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            )
            .unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                self.stream.read_exact(&mut byte).unwrap();
                answer.extend(byte);
            }
            let head = String::from_utf8_lossy(&answer).to_lowercase();
            assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 0"), "{head}");
            begun.elapsed()
        });
        times.max().unwrap()
    }
}

fn alerts(wave: usize, ends_in: i64) -> Vec<Value> {
    let now = clock::now();
    let at = |seconds| iaasmon::model::time::rfc3339(now + chrono::TimeDelta::seconds(seconds));
    let alert = |number: usize| {
        json!({
            "labels": {"alertname": "Storm", "instance": place(number).to_string(), "check": "disk",
                "number": number.to_string(), "wave": wave.to_string()},
            "annotations": {"summary": "the rule's own"}, "startsAt": at(-5), "endsAt": at(ends_in),
        })
    };
    (0..NODES).map(alert).collect()
}

/// Returns the outputs of the active alerts of a wave, by node.
fn active(am: &Am, wave: usize) -> Option<BTreeMap<usize, Option<String>>> {
    let alerts = get_json(&format!("{}/api/v2/alerts?filter=wave%3D%22{wave}%22", am.url()))?;
    let one = |alert: &Value| {
        let number = alert["labels"]["number"].as_str()?.parse().ok()?;
        Some((number, alert["annotations"]["check_output"].as_str().map(str::to_owned)))
    };
    alerts.as_array()?.iter().map(one).collect()
}

/// What the proxy holds, in kB.
fn anonymous(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn soak_live_a_storm_brings_every_alert_with_its_words_in_time() {
    let _fleet = Fleet::start();
    let ams = [Am::start(), Am::start()];
    let proxy = Proxy::start(&[&ams[0], &ams[1]], &["--state-dir", "state"]);
    let mut wave = 0;
    run("alerts of a storm, one node in ten dead", 1, |random| {
        wave += 1;
        one_wave(random, wave, &proxy, &ams)
    });
}

fn one_wave(random: &mut TestRng, wave: usize, proxy: &Proxy, ams: &[Am; 2]) -> usize {
    let mut sender = Sender::to(proxy);
    let begun = clock::instant();
    let resends = 1 + below(random, 3);
    for _ in 0..resends {
        let longest = sender.send(&alerts(wave, 240));
        assert!(longest < Duration::from_millis(5_900), "a sender waited for {longest:?}");
    }
    for am in ams {
        let mut missing = Vec::new();
        let mut all_told = || {
            let active = active(am, wave).unwrap_or_default();
            let is_told = |number: &usize| match (Kind::of(*number), active.get(number)) {
                (Kind::Well | Kind::Slow, Some(output)) => output.as_ref() == Some(&words(*number)),
                (Kind::Dead | Kind::Deaf, Some(_)) => true,
                (_, None) => false,
            };
            missing = (0..NODES).filter(|number| !is_told(number)).collect();
            missing.is_empty()
        };
        assert!(await_until(FIRST_MAIL.saturating_sub(begun.elapsed()), &mut all_told), "{missing:?}");
    }
    sender.send(&alerts(wave, -1));
    for am in ams {
        assert!(await_until(SOON, || active(am, wave).is_some_and(|active| active.is_empty())));
        assert!(await_until(SOON, || proxy.ledger("queue_length", am) == 0.0));
        proxy.assert_balance(am);
        assert_eq!(proxy.ledger("copies_expired_total", am), 0.0);
    }
    let holds = anonymous(proxy);
    assert!(holds < MOST_ANONYMOUS, "after wave {wave} it holds {holds} kB");
    (resends + 1) * NODES
}
