//! Two servers that answer as Prometheus does while one of them has just been continued after a pause.

use crate::config::{self, Config};
use crate::fleet::Fleet;
use crate::fleet::nodes::nodes;
use crate::model::status::Status;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// What one Prometheus holds of the one check of the one node.
#[derive(Clone, Copy)]
struct Held {
    up: f64,
    recorded: Option<f64>,
    raw: Option<(f64, f64)>,
}

/// Starts a server that lives as long as the test's process, and returns its address.
fn prometheus(held: Held) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, held);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, held: Held) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        body.len() >= length.unwrap_or(0)
    };
    while !whole(&request) {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    let series = |name: &str, value: f64| {
        format!(r#"{{"metric":{{{name}"instance":"n1","job":"node","check":"disk"}},"value":[1,"{value}"]}}"#)
    };
    let result = if request.starts_with("GET /api/v1/rules") {
        let rule = r#"{"groups":[{"rules":[{"name":"iaasmon_check_status:bad"}]}]}"#;
        format!(r#"{{"status":"success","data":{rule}}}"#)
    } else {
        let list: Vec<String> = if request.contains("timestamp") {
            let both = |(value, time)| {
                [series("", time), series(r#""__name__":"iaasmon_check_status","iaasmon_raw":"1","#, value)]
            };
            held.raw.map(both).into_iter().flatten().collect()
        } else if request.contains("query=up%7B") {
            let up = held.up;
            vec![format!(
                r#"{{"metric":{{"__name__":"up","instance":"n1","job":"node"}},"value":[1,"{up}"]}}"#
            )]
        } else {
            let bad = |value| series(r#""__name__":"iaasmon_check_status:bad","#, value);
            held.recorded.map(bad).into_iter().collect()
        };
        let list = list.join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{list}]}}}}"#)
    };
    // A client that has gone is none of this server's business.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{result}",
        result.len()
    );
}

/// Returns what the fleet says of the check: nothing where it is well, else its status and whether it is disputed.
async fn verdict(a: Held, b: Held) -> Option<(Status, bool)> {
    let mut config = Config::default();
    let mut cluster = config::Cluster::new("east", &config.defaults);
    cluster.prometheus = [a, b].map(|held| prometheus(held).parse().expect("a URL")).into();
    config.clusters = vec![cluster];
    let fleet = Fleet::new(&config);
    let answer = nodes(&fleet.clusters()[0], |_| {}).await;
    assert_eq!(answer.coverage.answered(), 2, "{}", answer.coverage.summary());
    assert_eq!(answer.value.len(), 1);
    let node = &answer.value[0];
    assert_eq!(node.counts.bad() as usize, node.failing.len());
    assert_eq!(node.seen_by.len(), 2);
    node.failing.first().map(|f| (f.status, f.disputed))
}

#[tokio::test]
async fn a_recovery_that_a_paused_replica_missed_is_a_recovery() {
    let paused = Held { up: 1.0, recorded: Some(2.0), raw: Some((2.0, 100.0)) };
    let well = Held { up: 1.0, recorded: None, raw: Some((0.0, 160.0)) };
    assert_eq!(verdict(paused, well).await, None);
    assert_eq!(verdict(well, paused).await, None, "in either order");
}

#[tokio::test]
async fn a_failure_that_a_paused_replica_missed_is_a_failure() {
    let paused = Held { up: 1.0, recorded: None, raw: Some((0.0, 100.0)) };
    let failing = Held { up: 1.0, recorded: Some(2.0), raw: Some((2.0, 160.0)) };
    assert_eq!(verdict(paused, failing).await, Some((Status::Crit, false)));
}

#[tokio::test]
async fn a_replica_that_does_not_scrape_the_node_has_no_say() {
    let empty = Held { up: 0.0, recorded: None, raw: None };
    let failing = Held { up: 1.0, recorded: Some(1.0), raw: Some((1.0, 160.0)) };
    assert_eq!(verdict(empty, failing).await, Some((Status::Warn, false)));
}

#[tokio::test]
async fn a_restarted_replica_before_its_first_evaluation_turns_nothing_green() {
    let fresh = Held { up: 1.0, recorded: None, raw: Some((2.0, 170.0)) };
    let failing = Held { up: 1.0, recorded: Some(2.0), raw: Some((2.0, 160.0)) };
    assert_eq!(verdict(fresh, failing).await, Some((Status::Crit, false)));
    let unread = Held { raw: None, ..fresh };
    assert_eq!(verdict(unread, failing).await, Some((Status::Crit, true)), "nobody settles it");
}
