//! Clients that take too much or too long, and requests that run when the service ends.

use super::exporter;
use super::support::service::{Answer, Place};
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn connect(place: &Place) -> TcpStream {
    let stream = TcpStream::connect(&place.address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream
}

#[test]
fn who_sends_a_head_drop_by_drop_is_cut_off() {
    let place = Place::new();
    let _exporter = exporter(&place, &["--head-timeout", "1s"]);
    let mut slow = connect(&place);
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").expect("taken");
    let cut = await_until(SOON, || {
        assert_eq!(place.get("/-/healthy").expect("others are answered").code, 200);
        // Never ending: only the cut makes this fail.
        slow.write_all(b"X: y\r\n").is_err()
    });
    assert!(cut);
}

#[test]
fn idle_connections_do_not_keep_others_out() {
    let place = Place::new();
    let _exporter = exporter(&place, &["--head-timeout", "1s", "--max-connections", "2"]);
    let idle = [connect(&place), connect(&place)];
    assert_eq!(place.get("/-/healthy").expect("it waits for its turn").code, 200);
    for mut stream in idle {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("closed by the service");
    }
    place.await_metric("iaasmon_http_connections", 1.0);
}

#[test]
fn a_head_or_a_body_that_is_too_large_is_refused() {
    let place = Place::new();
    let _exporter = exporter(&place, &[]);
    let mut stream = connect(&place);
    let head = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(20_000));
    stream.write_all(head.as_bytes()).expect("taken");
    let mut bytes = [0; 512];
    let length = stream.read(&mut bytes).expect("answered");
    assert_eq!(Answer::read(&bytes[..length]).expect("an answer").code, 431);
    let mut stream = connect(&place);
    stream
        .write_all(b"PUT /-/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        .expect("taken");
    // The refusal may come at any moment of this.
    let _ = stream.write_all(&vec![b'x'; 4_000_000]);
    let length = stream.read(&mut bytes).expect("answered");
    assert_eq!(Answer::read(&bytes[..length]).expect("an answer").code, 413);
    assert_eq!(place.get("/-/healthy").expect("answered").code, 200);
}

#[test]
fn a_request_that_runs_is_answered_before_the_end_and_no_other_is_taken() {
    let place = Place::new();
    let mut exporter = exporter(&place, &[]);
    let mut running = connect(&place);
    running.write_all(b"PUT /-/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwa").expect("taken");
    place.await_metric("iaasmon_http_requests_running", 2.0);
    exporter.signal(Signal::SIGTERM);
    assert!(await_until(SOON, || TcpStream::connect(&place.address).is_err()), "it still accepts");
    assert!(!exporter.has_ended());
    running.write_all(b"rn").expect("taken");
    let mut bytes = Vec::new();
    running.read_to_end(&mut bytes).expect("answered and closed");
    let answer = Answer::read(&bytes).expect("an answer");
    assert_eq!((answer.code, answer.text().as_str()), (200, "warn\n"));
    assert!(await_until(SOON, || exporter.has_ended()));
}

#[test]
fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let place = Place::new();
    let mut exporter = exporter(&place, &[]);
    let mut running = connect(&place);
    running.write_all(b"PUT /-/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwa").expect("taken");
    place.await_metric("iaasmon_http_requests_running", 2.0);
    assert!(exporter.end(Signal::SIGTERM).success(), "{}", place.said());
    running.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    // Closed or reset, but not open.
    assert!(!matches!(running.read(&mut [0; 1]), Ok(1..)));
}
