//! Nodes that are dead, many of them.

use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, firing};
use iaasmon::sys::clock;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

/// A place that neither takes a connection nor refuses it, as a machine without power: its queue is full.
struct Deaf {
    address: String,
    _held: (OwnedFd, TcpStream),
}

impl Deaf {
    /// So many, all on one port.
    fn start(number: u8) -> Vec<Self> {
        let mut port = 0;
        let mut one = |place: u8| {
            let listener =
                socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
            bind(listener.as_raw_fd(), &SockaddrIn::new(127, 41, std::process::id() as u8, place + 1, port))
                .unwrap();
            listen(&listener, Backlog::new(0).unwrap()).unwrap();
            let bound: SockaddrIn = getsockname(listener.as_raw_fd()).unwrap();
            port = bound.port();
            let address = bound.to_string();
            let first = TcpStream::connect(&address).unwrap();
            Self { address, _held: (listener, first) }
        };
        (0..number).map(&mut one).collect()
    }
}

fn alerts(nodes: &[Deaf], check: &str) -> Value {
    let labels = |node: &Deaf| json!({"alertname": "Dead", "instance": node.address, "check": check});
    nodes.iter().map(|node| json!({"labels": labels(node), "annotations": {}})).collect()
}

#[test]
fn dead_nodes_keep_no_live_one_waiting() {
    let am = Am::start();
    let dead = Deaf::start(100);
    let node = Node::start(Says::Output("CRIT: alive\n"));
    let proxy = Proxy::start(&[&am], &[]);
    for check in 0..12 {
        assert_eq!(proxy.post(&alerts(&dead, &format!("check{check}"))).code, 200);
    }
    let begun = clock::instant();
    assert_eq!(proxy.post(&json!([firing("Live", &node)])).code, 200);
    am.await_annotation("Live", "check_output", "CRIT: alive");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Each of them is found out by two requests, and left alone.
    proxy.place.await_metric("iaasmon_proxy_nodes_paused", 100.0);
    proxy.place.await_metric("iaasmon_proxy_details_running", 0.0);
    let tried = proxy.place.metric("iaasmon_proxy_details_failed_total{reason=\"timeout\"}").unwrap();
    assert!((200.0..=300.0).contains(&tried), "{tried}");
}

#[test]
fn a_node_that_refuses_is_left_alone_for_ten_seconds_and_its_alerts_say_the_same_meanwhile() {
    let am = Am::start();
    let mut node = Node::start(Says::Nothing);
    node.address = "127.0.0.1:9".to_owned();
    let proxy = Proxy::start(&[&am], &[]);
    let checks: Vec<Value> = (0..6)
        .map(|number| {
            let mut alert = firing("Refused", &node);
            alert["labels"]["check"] = format!("check{number}").into();
            alert
        })
        .collect();
    let begun = clock::instant();
    assert_eq!(proxy.post(&Value::Array(checks.clone())).code, 200);
    am.await_annotation("Refused", "check_output_error", "connection refused");
    let why = am.alert("Refused").unwrap();
    proxy.place.await_metric("iaasmon_proxy_nodes_paused", 1.0);
    let paused = || proxy.place.metric("iaasmon_proxy_details_failed_total{reason=\"paused\"}").unwrap();
    let before = paused();
    assert_eq!(proxy.post(&Value::Array(checks)).code, 200);
    assert_eq!(paused(), before + 6.0);
    assert_eq!(am.alert("Refused").unwrap(), why, "an annotation that counts differs in each copy");
    // Six failures at the same moment are one: the pause is the first one, and no longer.
    proxy.place.await_metric("iaasmon_proxy_nodes_paused", 0.0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(await_until(SOON, || am.alert("Refused").is_some()));
}
