//! Bodies that are too large, that end early, that are no gzip, or that become far more than they are: each is answered in a clear
//! word, none leaves a trace, and none costs more memory than there is room for.

use super::gate_world::{GZIP, Gate, PROTOBUF, groups, gzip, peak_mib, request};
use super::support::SOON;
use super::support::service::Answer;
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

const MIB: usize = 1024 * 1024;

/// Sends a request of which the gateway may not read all, and returns its answer.
fn send(gate: &Gate, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(&gate.place.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let mut half = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Who is refused need not be listened to.
            let _ = half.write_all(request);
        });
        let mut bytes = Vec::new();
        // A connection that is reset may have brought its answer before.
        let _ = stream.read_to_end(&mut bytes);
        let _ = stream.shutdown(Shutdown::Both);
        Answer::read(&bytes)
    })
}

fn told(gate: &Gate, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let answer = send(gate, &request("PUT", path, headers, body));
    answer.map_or((0, String::new()), |answer| (answer.code, answer.text()))
}

/// So many lines of one family, each with a label of so many bytes.
fn lines(family: &str, count: usize, length: usize) -> String {
    (0..count).map(|at| format!("{family}{{l=\"{at}{}\"}} 1\n", "x".repeat(length))).collect()
}

#[test]
fn a_large_push_is_taken_and_one_that_is_too_large_is_told_so() {
    let gate = Gate::kept(&[]);
    for family in ["first", "second"] {
        assert_eq!(gate.ask("POST", "/metrics/job/large", lines(family, 4, MIB)).code, 200);
    }
    let too_large = vec![b'\n'; 64 * MIB + 1];
    let (code, text) = told(&gate, "/metrics/job/other", &[], &too_large);
    assert!(code == 0 || (code == 413 && text.contains("at most 64 MiB")), "{code} {text}");
    let (code, text) = told(&gate, "/metrics/job/other", &[GZIP], &gzip_of_mib(65));
    assert_eq!((code, text.as_str()), (413, "a push holds at most 64 MiB\n"));
    // All of it is there after a restart; tests/soak.rs has a group that is larger than one push may be.
    let gate = gate.again(Signal::SIGKILL, &[]);
    let page = gate.page();
    let lines = |family: &str| page.lines().filter(|line| line.starts_with(&format!("{family}{{"))).count();
    assert_eq!((lines("first"), lines("second")), (4, 4), "{}", gate.place.said());
    assert!(!page.contains("job=\"other\""));
}

/// Packs so many MiB of nothing: as many members, for packing them would take long.
fn gzip_of_mib(mebibytes: usize) -> Vec<u8> {
    gzip(&vec![b'\n'; MIB]).repeat(mebibytes)
}

#[test]
fn a_body_that_ends_early_leaves_no_trace() {
    let gate = Gate::kept(&[]);
    let head = |rest: &str| format!("PUT /metrics/job/j HTTP/1.1\r\nHost: g\r\n{rest}\r\n\r\n");
    let packed = gzip(b"m 1\n");
    let mut bad_sum = packed.clone();
    let sum = bad_sum.len() - 8;
    bad_sum[sum] ^= 1;
    let long = lines("m", 100, 10_000);
    let cut_short: [(String, &[u8]); 8] = [
        (head("Content-Length: 400"), b"m 1\n"),
        (head("Content-Length: 2000000"), long.as_bytes()),
        (head("Transfer-Encoding: chunked"), b"4\r\nm 1\n\r\n"),
        (head("Transfer-Encoding: chunked"), b"4\r\nm 1\n\r\nnonsense\r\n"),
        (head("Transfer-Encoding: chunked"), b"fffffffffffffffff\r\nm 1\n"),
        (head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 4"), b"m 1\n"),
        (
            head(&format!("Content-Encoding: gzip\r\nContent-Length: {}", packed.len() - 3)),
            &packed[..packed.len() - 3],
        ),
        (head(&format!("Content-Encoding: gzip\r\nContent-Length: {}", bad_sum.len())), &bad_sum),
    ];
    for (head, body) in &cut_short {
        let mut stream = TcpStream::connect(&gate.place.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let code = Answer::read(&answer).map(|answer| answer.code);
        assert!(matches!(code, None | Some(400)), "{head}: {code:?}");
    }
    assert_eq!(groups(&gate), [""; 0], "{}", gate.page());
    gate.push("/metrics/job/j", "m 1\n");
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert_eq!(groups(&gate).len(), 1);
}

#[test]
fn bombs_of_gzip_cost_a_refusal_and_bounded_memory() {
    let gate = Gate::start(&[]);
    gate.push("/metrics/job/before", "m 1\n");
    let bomb = gzip_of_mib(1024);
    assert!(bomb.len() < 8 * MIB);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (code, text) = told(&gate, "/metrics/job/bomb", &[GZIP], &bomb);
                assert!(matches!(code, 413 | 503), "{code} {text}");
            });
        }
        gate.push("/metrics/job/meanwhile", "m 1\n");
    });
    // Four are unpacked at a time, each into a vector that may be half empty.
    assert!(peak_mib(&gate) < 800, "{} MiB", peak_mib(&gate));
    assert_eq!(groups(&gate).len(), 2);
}

#[test]
fn what_becomes_far_more_than_it_is_is_refused_before_it_does() {
    let gate = Gate::start(&[]);
    let families: String = (0..1_200_000).map(|at| format!("a{at:x} 1\n")).collect();
    let heads: String = (0..50_000).map(|at| format!("# TYPE a{at:x} gauge\n")).collect();
    let packed_heads = gzip(heads.as_bytes()).repeat(32);
    let heads = heads.repeat(30);
    let empty = b"\x22\x00".repeat(2_000_000);
    let mut messages = Vec::new();
    prost::encode_length_delimiter(empty.len(), &mut messages).unwrap();
    messages.extend(empty);
    // Each of these may be the beginning of a label, or of a value.
    let labels = format!("m{{{}", "=".repeat(11_000_000));
    // With 2,000 labels of the group on each, 20,000 short lines are gigabytes.
    let wide: String = (0..2_000).map(|at| format!("/l{at:x}/v")).collect();
    let few: String = (0..20_000).map(|at| format!("m{{a=\"{at}\"}} 1\n")).collect();
    let object = format!("{{\"status\":0,\"x\":[{}0]}}", "[],".repeat(5_000_000));
    let bulk = format!("{{\"job\":{}", "[".repeat(10_000_000));
    let wide = format!("/metrics/job/wide{wide}");
    let bombs = [
        ("PUT", "/metrics/job/families", Vec::new(), families.as_bytes()),
        ("PUT", "/metrics/job/heads", Vec::new(), heads.as_bytes()),
        ("PUT", "/metrics/job/messages", vec![PROTOBUF], &messages[..]),
        ("PUT", "/metrics/job/labels", Vec::new(), labels.as_bytes()),
        ("PUT", &*wide, Vec::new(), few.as_bytes()),
        ("PUT", "/api/v1/groups/job/check/checks/c", Vec::new(), object.as_bytes()),
        ("POST", "/api/v1/push", Vec::new(), bulk.as_bytes()),
        ("PUT", "/metrics/job/packed", vec![GZIP], &packed_heads[..]),
    ];
    for (method, path, headers, body) in bombs {
        let answer = gate.ask_with(method, path, &headers, body);
        assert_eq!(answer.code, 413, "{path:.60}: {:.200}", answer.text());
        assert!(answer.text().contains("push less at a time"), "{path:.60}: {:.200}", answer.text());
    }
    assert!(peak_mib(&gate) < 400, "{} MiB", peak_mib(&gate));
    assert_eq!(groups(&gate), [""; 0]);
}

#[test]
fn many_that_push_much_at_once_take_turns() {
    let gate = Gate::start(&[]);
    // Each is 100 MiB while it is read.
    let body: String = (0..20_000).map(|at| format!("m{{a=\"{at}\"}} 1\n")).collect();
    let wide: String = (0..60).map(|at| format!("/l{at}/v")).collect();
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let push =
            |client: usize| told(&gate, &format!("/metrics/job/j{client}{wide}"), &[], body.as_bytes()).0;
        let clients: Vec<_> = (0..40).map(|client| scope.spawn(move || push(client))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let taken = codes.iter().filter(|code| **code == 200).count();
    assert!(taken > 0 && codes.iter().all(|code| matches!(code, 200 | 503)), "{codes:?}");
    assert_eq!(gate.place.metric("iaasmon_pushgateway_groups"), Some(taken as f64));
    let peak = peak_mib(&gate);
    // The room for what is read, and what was taken, a few times over.
    assert!(peak < 1024 + 3 * 10 * taken as u64, "{peak} MiB");
}

#[test]
fn labels_may_be_many_and_long_and_families_may_be_many() {
    let gate = Gate::kept(&[]);
    let many: String = (0..5_000).map(|at| format!("l{at:05}=\"v\",")).collect();
    let families: String = (0..5_000).map(|at| format!("f{at} 1\n")).collect();
    gate.push("/metrics/job/labels", format!("m{{{many}}} 1\n"));
    gate.push("/metrics/job/long", format!("m{{l=\"{}\"}} 1\n", "x".repeat(MIB)));
    gate.push("/metrics/job/families", &families);
    gate.push("/metrics/job/families/more/1", &families);
    let before = gate.pushed();
    assert_eq!(before.len(), 2 + 10_000 + 8);
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert!(gate.pushed() == before);
    // The page for people shows the beginning of each.
    let html = gate.ask("GET", "/", "").text();
    assert!(html.len() < 200_000 && html.contains("l00000=&quot;v&quot;"), "{}", html.len());
}

#[test]
fn no_words_of_a_push_go_on_without_end() {
    let gate = Gate::start(&["--log.level", "debug"]);
    let long = "x".repeat(2 * MIB);
    for (path, body) in [
        ("/metrics/job/a", format!("m{{l=\"{long}\"}} 1\nm{{l=\"{long}\"}} 2\n")),
        ("/metrics/job/b", format!("m {long}\n")),
        ("/metrics/job/c", format!("# TYPE m {long}\n")),
        ("/metrics/job/d", format!("{long}-\n")),
        ("/metrics/job/e", format!("m{{l=\"\x1b[31m\r\n{long}\"}} 1\n")),
        ("/metrics/job/%1b%5b31m%0a2026-01-01T00:00:00Z%20ERROR%20forged/a%0d/b", "m\n".to_owned()),
    ] {
        let answer = gate.ask("PUT", path, body);
        assert_eq!(answer.code, 400, "{path}: {:.200}", answer.text());
        assert!(answer.body.len() <= 4200, "{path}: {} bytes", answer.body.len());
    }
    let line = serde_json::json!({"job": "j", "metrics": format!("m {long}\n")}).to_string();
    let unknown = format!("{{\"job\":\"j\",\"{long}\":1}}");
    let answer = gate.ask("POST", "/api/v1/push", format!("{line}\n{unknown}\n"));
    assert!(answer.code == 400 && answer.body.len() < 10_000, "{} {}", answer.code, answer.body.len());
    let said = gate.place.said();
    assert!(said.contains("forged") && said.lines().count() > 5, "{said:.1000}");
    let is_plain = |line: &str| {
        !line.chars().any(char::is_control) && line.starts_with("20") && !line.contains(" ERROR ")
    };
    assert!(said.lines().all(is_plain), "{said:.3000}");
}
