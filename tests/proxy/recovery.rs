//! Members that fail, refuse or hang, and a proxy that ends: nobody has to send anything for it to become well again.

use super::support::service::Answer;
use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, alert, firing};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

fn is_up(proxy: &Proxy, member: &str) -> Option<f64> {
    proxy.place.metric(&format!("iaasmon_proxy_alertmanager_up{{alertmanager=\"{member}\"}}"))
}

#[test]
fn a_proxy_whose_members_are_back_is_ready_although_nothing_waits_for_them() {
    let mut am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    am.end();
    assert_eq!(proxy.post(&json!([alert("Over", &node, 3)])).code, 503);
    proxy.place.await_ready(503, "none takes alerts");
    assert!(await_until(SOON, || proxy.ledger("queue_length", &am) == 0.0), "it is over");
    assert_eq!(is_up(&proxy, &am.place.address), Some(0.0));
    am.run();
    proxy.place.await_ready(200, "");
    assert_eq!(is_up(&proxy, &am.place.address), Some(1.0));
    proxy.assert_balance(&am);
}

#[test]
fn what_comes_while_a_member_is_left_alone_is_tried_at_once() {
    let mut am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    am.end();
    assert_eq!(proxy.post(&json!([firing("Before", &node)])).code, 503);
    // By then it is left alone for seconds.
    assert!(await_until(SOON, || proxy.ledger("sends_failed_total", &am) >= 6.0));
    am.run();
    let answer = proxy.post(&json!([firing("After", &node)]));
    assert_eq!(answer.code, 200, "{}", answer.text());
    am.await_annotation("Before", "check_output", "CRIT");
}

#[test]
fn what_refuses_everything_is_no_member_that_is_well_and_decides_nothing() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    // As a server does that wants TLS.
    let strange = Node::start(Says::Bytes(b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let proxy = Proxy::start(&[&am], &["--alertmanager", &format!("http://{}", strange.address)]);
    am.signal(Signal::SIGSTOP);
    let alerts: Vec<Value> = (0..8).map(|number| firing(&format!("a{number}"), &node)).collect();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| proxy.post(&Value::Array(alerts)));
        assert!(await_until(SOON, || is_up(&proxy, &strange.address) == Some(0.0)));
        am.signal(Signal::SIGCONT);
        let answer = answer.join().unwrap();
        assert_eq!(answer.code, 200, "{}", answer.text());
    });
    am.await_annotation("a7", "check_output", "CRIT");
    let refused = format!("iaasmon_proxy_copies_refused_total{{alertmanager=\"{}\"}}", strange.address);
    assert_eq!(proxy.place.metric(&refused), Some(0.0));
    assert!(strange.asked() < 30, "it was asked {} times", strange.asked());
    proxy.place.await_ready(200, "");
}

/// Sends a body as it is.
fn send(proxy: &Proxy, body: &[u8]) -> Answer {
    let head = format!("POST /api/v2/alerts HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    proxy.place.send(&[head.as_bytes(), body].concat()).unwrap()
}

#[test]
fn whatever_an_alertmanager_takes_reaches_it() {
    let am = Am::start();
    let proxy = Proxy::start(&[&am], &[]);
    let bodies: [&[u8]; 5] = [
        b"[{\"labels\":{\"alertname\":\"bytes\",\"x\":\"a\xffb\"}},{\"labels\":{\"alertname\":\"beside\"}}]",
        br#"[{"labels":{"alertname":"half"},"annotations":{"x":"\udc80"}}]"#,
        br#"[{"labels":{"alertname":"null"},"annotations":{"x":null}}]"#,
        br#"[{"labels":{"alertname":"zone"},"startsAt":"2026-11-29T10:00:00"}]"#,
        br#"[{"labels":{"alertname":"empty"},"startsAt":""}]"#,
    ];
    for body in bodies {
        let answer = send(&proxy, body);
        assert_eq!(answer.code, 200, "{}: {}", String::from_utf8_lossy(body), answer.text());
    }
    for name in ["bytes", "beside", "half", "null", "zone", "empty"] {
        assert!(await_until(SOON, || am.alert(name).is_some()), "{name}");
    }
    assert_eq!(proxy.place.metric("iaasmon_proxy_alerts_misshapen_total"), Some(0.0));
    // What it cannot read, either, it says itself.
    let answer = send(&proxy, br#"[{"labels":{"alertname":"never"},"endsAt":"soon"}]"#);
    assert_eq!(answer.code, 400);
    assert!(answer.text().contains("soon"), "{}", answer.text());
    proxy.assert_balance(&am);
}

#[test]
fn alerts_that_are_huge_go_on_without_staying_in_memory() {
    let am = Am::start();
    let proxy = Proxy::start(&[&am], &[]);
    let resident = || proxy.place.metric("process_resident_memory_bytes").unwrap();
    let before = resident();
    let huge = "x".repeat(12 * 1024 * 1024);
    for number in 0..20 {
        let alert = json!([{"labels": {"alertname": format!("h{number}")}, "annotations": {"d": huge}}]);
        assert_eq!(proxy.post(&alert).code, 200);
    }
    let grown = resident() - before;
    assert!(grown < 120e6, "it grew by {} MB", grown / 1e6);
    let length = || am.alert("h19").and_then(|all| all["d"].as_str().map(str::len));
    assert!(await_until(SOON, || length().is_some_and(|length| (200_000..300_000).contains(&length))));
}

#[test]
fn a_proxy_that_ends_sends_the_words_that_it_promised() {
    let am = Am::start();
    let node = Node::start(Says::Late(Duration::from_secs(1), "CRIT: late\n"));
    let mut proxy = Proxy::start(&[&am], &[]);
    assert_eq!(proxy.post(&json!([firing("Late", &node)])).code, 200);
    am.await_annotation("Late", "check_output_error", "it follows");
    assert!(proxy.running.end(Signal::SIGTERM).success());
    am.await_annotation("Late", "check_output", "CRIT: late");
}

#[test]
fn who_says_it_twice_is_not_made_to_wait_for_a_member_that_hangs() {
    let node = Node::start(Says::Output("CRIT\n"));
    let member = Node::start(Says::Nothing);
    let mut proxy = Proxy::start(&[], &["--alertmanager", &format!("http://{}", member.address)]);
    assert!(matches!(proxy.post(&json!([firing("Stuck", &node)])).code, 503 | 504));
    assert!(await_until(SOON, || member.asked() == 2), "it is tried again");
    proxy.running.signal(Signal::SIGTERM);
    assert!(await_until(SOON, || proxy.place.said().contains("ending")));
    let begun = clock::instant();
    proxy.running.insist(Signal::SIGTERM);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
