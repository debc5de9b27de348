//! Nodes, senders and requests that are as bad as they come: they cost words, never alerts, and no memory.

use super::support::service::Answer;
use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, firing};
use iaasmon::sys::clock;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// What a sender waits for at most, on a busy machine.
const IN_TIME: Duration = Duration::from_millis(5_900);

/// A node that drops SYNs: nobody takes the connections of its full queue.
struct Deaf {
    address: String,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Deaf {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let queued: Vec<TcpStream> = std::iter::from_fn(connect).take(10_000).collect();
        assert!(queued.len() < 10_000, "its queue has no end");
        Self { address: address.to_string(), _listener: listener, _queued: queued }
    }
}

#[test]
fn nodes_that_drop_syns_or_never_end_cost_an_alert_its_words_and_not_its_way() {
    let am = Am::start();
    let proxy = Proxy::start(&[&am], &[]);
    let mut flood = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..50 {
        flood.extend(b"100000\r\n");
        flood.resize(flood.len() + (1 << 20), b'x');
        flood.extend(b"\r\n");
    }
    let drip = Says::Drip(b"X-More: of it\r\n");
    let deaf = Deaf::start();
    let nodes = [Node::start(Says::Bytes(flood)), Node::start(drip)];
    for (name, address, why) in [
        ("Flood", &nodes[0].address, "larger than"),
        ("Drip", &nodes[1].address, "timed out"),
        ("Deaf", &deaf.address, "timed out"),
    ] {
        let mut alert = firing(name, &nodes[0]);
        alert["labels"]["instance"] = json!(address);
        let begun = clock::instant();
        let answer = proxy.post(&json!([alert]));
        assert_eq!(answer.code, 200, "{name}: {}", answer.text());
        assert!(begun.elapsed() < Duration::from_secs(2), "{name}: {:?}", begun.elapsed());
        am.await_annotation(name, "summary", "the rule's own");
        am.await_annotation(name, "check_output_error", why);
        assert!(am.alert(name).unwrap().get("check_output").is_none());
    }
    proxy.assert_balance(&am);
}

#[test]
fn requests_that_are_too_large_are_refused_and_hold_no_memory() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    assert_eq!(proxy.post(&json!([firing("Before", &node)])).code, 200);
    let before = resident(&proxy);
    // It says that it is large, and it does not say it.
    let answer = post_large(&proxy, "Content-Length: 67108864\r\n", 64);
    assert_eq!(answer.map(|answer| answer.code), Some(413));
    let chunked = post_large(&proxy, "Transfer-Encoding: chunked\r\n", 64);
    assert!(chunked.is_none_or(|answer| answer.code == 413));
    // Labels without end, each compared with those before it.
    let labels: Vec<String> = (0..60_000).map(|number| format!("\"l{number}\":\"x\"")).collect();
    let begun = clock::instant();
    let answer = proxy.send("POST", "/api/v2/alerts", &format!("[{{\"labels\":{{{}}}}}]", labels.join(",")));
    assert_eq!(answer.code, 400, "{}", answer.text());
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    let grown = resident(&proxy) - before;
    assert!(grown < 100e6, "it grew by {} MB", grown / 1e6);
    assert_eq!(proxy.post(&json!([firing("After", &node)])).code, 200);
}

fn resident(proxy: &Proxy) -> f64 {
    proxy.place.metric("process_resident_memory_bytes").unwrap()
}

/// Sends so many MiB after this header. Who refuses a request does not read all of it.
fn post_large(proxy: &Proxy, header: &str, mebibytes: usize) -> Option<Answer> {
    let mut stream = TcpStream::connect(&proxy.place.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let head = format!("POST /api/v2/alerts HTTP/1.1\r\nHost: p\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![b' '; 1 << 20];
    for _ in 0..mebibytes {
        let sent = match header.starts_with("Transfer") {
            true => stream
                .write_all(b"100000\r\n")
                .and_then(|()| stream.write_all(&piece))
                .and_then(|()| stream.write_all(b"\r\n")),
            false => stream.write_all(&piece),
        };
        if sent.is_err() {
            break;
        }
    }
    let mut bytes = Vec::new();
    // A connection that is reset may have brought its answer before.
    let _ = stream.read_to_end(&mut bytes);
    Answer::read(&bytes)
}

#[test]
fn a_thousand_connections_leave_a_sender_its_turn() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &["--head-timeout", "1s"]);
    let address: SocketAddr = proxy.place.address.parse().unwrap();
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..1000 {
        // Those beyond the queue of the listener wait in vain. The kernel asks again after 1 s and after 3 s, for the queue may
        // also be full because the machine is busy.
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else { break };
        let _ = stream.write_all(b"POST /api/v2/alerts HTTP/1.1\r\nHost: p\r\nContent-Le");
        held.push(stream);
    }
    assert!(held.len() > 300, "{} connections", held.len());
    let served = || {
        let request = firing("Served", &node).to_string();
        let body = format!("[{request}]");
        let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let request = format!("POST /api/v2/alerts HTTP/1.0\r\n{head}\r\n{body}");
        proxy.place.send(request.as_bytes()).is_some_and(|answer| answer.code == 200)
    };
    assert!(await_until(SOON, served), "{}", proxy.place.said());
    am.await_annotation("Served", "check_output", "CRIT");
}

/// A request as Prometheus 3.x writes it (notifier/util.go, sendloop.go), 256 alerts at a time; of one its labels have a name that
/// only it knows.
#[test]
fn a_request_of_256_alerts_of_a_newer_prometheus_is_taken_but_for_what_the_alertmanager_refuses() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    let alert = |number: usize| {
        let now = iaasmon::sys::clock::now();
        let at = |seconds| iaasmon::model::time::rfc3339(now + chrono::TimeDelta::seconds(seconds));
        let odd = if number == 200 { ",\"k8s.pod.name\":\"web-0\"" } else { "" };
        format!(
            "{{\"annotations\":{{\"summary\":\"\\u003cdisk\\u003e \\u0026 more\"}},\"endsAt\":\"{}\",\"startsAt\":\"{}\",\"generatorURL\":\"http://prom-a:9090/graph?g0.expr=up+%3D%3D+0\\u0026g0.tab=1\",\"labels\":{{\"alertname\":\"A{number}\",\"check\":\"disk\",\"instance\":\"{}\"{odd}}}}}",
            at(240),
            at(-5),
            node.address
        )
    };
    let body = format!("[{}]", (0..256).map(alert).collect::<Vec<_>>().join(","));
    let request = format!(
        "POST /api/v2/alerts HTTP/1.1\r\nHost: {}\r\nUser-Agent: Prometheus/3.10.0\r\nContent-Length: {}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n{body}",
        proxy.place.address,
        body.len()
    );
    let answer = proxy.place.send(request.as_bytes()).unwrap();
    assert_eq!(answer.code, 200, "{}", answer.text());
    let held = || -> Option<Vec<Value>> {
        Some(super::support::get_json(&format!("{}/api/v2/alerts", am.url()))?.as_array()?.clone())
    };
    let enriched = || {
        let with = |alert: &&Value| alert["annotations"]["check_output"] == "CRIT\n";
        held().is_some_and(|held| held.iter().filter(with).count() == 255)
    };
    assert!(await_until(SOON, enriched), "{:?}", held().map(|held| held.len()));
    let one = held().unwrap().remove(0);
    assert_eq!(one["annotations"]["summary"], "<disk> & more");
    assert_eq!(one["generatorURL"], "http://prom-a:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    assert_eq!(proxy.ledger("copies_refused_total", &am), 1.0);
    proxy.assert_balance(&am);
}
