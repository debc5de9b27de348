//! Senders beside each other, senders that go away, and the end of the proxy.

use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, firing, long_firing};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

/// Begins to send alerts and leaves the connection open.
fn begin(proxy: &Proxy, alerts: &Value) -> TcpStream {
    let body = alerts.to_string();
    let mut stream = TcpStream::connect(&proxy.place.address).unwrap();
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    stream
        .write_all(format!("POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}").as_bytes())
        .unwrap();
    stream
}

#[test]
fn the_second_of_two_senders_waits_as_long_as_the_first() {
    let am = Am::start();
    let node = Node::start(Says::Late(Duration::from_millis(400), "CRIT: of both\n"));
    let proxy = Proxy::start(&[&am], &[]);
    let alert = json!([long_firing("Both", &node)]);
    let _first = begin(&proxy, &alert);
    assert!(await_until(SOON, || node.asked() == 1));
    assert_eq!(proxy.post(&alert).code, 200);
    let both = am.alert("Both").unwrap();
    assert_eq!(both["check_output"], "CRIT: of both\n", "{both}");
    assert_eq!(proxy.place.metric("iaasmon_proxy_alerts_late_total"), Some(0.0));
    assert_eq!(node.asked(), 1);
}

#[test]
fn a_sender_that_hangs_up_takes_nobodys_alert_with_it() {
    let am = Am::start();
    let node = Node::start(Says::Nothing);
    let proxy = Proxy::start(&[&am], &["--budget", "2s"]);
    let received = || proxy.place.metric("iaasmon_proxy_alerts_received_total{state=\"firing\"}");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| proxy.post(&json!([firing("Shared", &node)])));
        assert!(await_until(SOON, || received() == Some(1.0)));
        let second = begin(&proxy, &json!([firing("Shared", &node)]));
        assert!(await_until(SOON, || received() == Some(2.0)));
        drop(second);
        let answer = first.join().unwrap();
        assert_eq!(answer.code, 200, "{}", answer.text());
    });
    assert!(am.alert("Shared").is_some());
    proxy.assert_balance(&am);
    assert_eq!(proxy.ledger("copies_offered_total", &am), 2.0);
}

#[test]
fn words_that_were_promised_are_sent_before_the_proxy_ends() {
    let am = Am::start();
    let node = Node::start(Says::Late(Duration::from_millis(900), "CRIT: at last\n"));
    let mut proxy = Proxy::start(&[&am], &[]);
    assert_eq!(proxy.post(&json!([firing("Last", &node)])).code, 200);
    assert!(proxy.running.end(Signal::SIGTERM).success(), "{}", proxy.place.said());
    let last = am.alert("Last").unwrap();
    assert_eq!(last["check_output"], "CRIT: at last\n", "{last}");
}

#[test]
fn who_says_twice_that_it_ends_does_not_wait() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let mut proxy = Proxy::start(&[&am], &[]);
    am.signal(Signal::SIGSTOP);
    let sender = begin(&proxy, &json!([firing("Stuck", &node)]));
    assert!(await_until(SOON, || proxy.ledger("queue_length", &am) == 1.0));
    drop(sender);
    let begun = clock::instant();
    proxy.running.signal(Signal::SIGTERM);
    assert!(await_until(SOON, || proxy.place.said().contains("ending")));
    proxy.running.insist(Signal::SIGTERM);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    am.signal(Signal::SIGCONT);
}
