//! Many clients at once, slow ones among them, and as much as a gateway may hold: others are served meanwhile, and it stays as large
//! as it may be.

use super::gate_world::{Gate, bulk_fill, groups, peak_mib, request};
use super::support::service::{Answer, Place};
use super::support::{SOON, await_until};
use iaasmon::sys::clock;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn connect(place: &Place) -> TcpStream {
    let stream = TcpStream::connect(&place.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn who_sends_drop_by_drop_is_ended_and_others_are_served_meanwhile() {
    let gate = Gate::start(&["--head-timeout", "1s", "--request-timeout", "2s", "--max-connections", "64"]);
    let begin = |text: &str| {
        let mut stream = connect(&gate.place);
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let head = "PUT /metrics/job/slow HTTP/1.1\r\nHost: g\r\n";
    let body = format!("{head}Content-Length: 1000000\r\n\r\nm");
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\nfffff\r\nm");
    let mut slow: Vec<TcpStream> = [head, &body, &chunks].repeat(20).into_iter().map(begin).collect();
    let mut pushed = 0;
    let all_ended = await_until(SOON, || {
        pushed += 1;
        gate.push("/metrics/job/served", format!("m {pushed}\n"));
        // Never ending: only the cut makes this fail.
        slow.retain_mut(|stream| stream.write_all(b"x").is_ok());
        slow.is_empty()
    });
    assert!(all_ended && pushed > 3, "{} go on, {pushed} pushed", slow.len());
    assert_eq!(groups(&gate).len(), 1);
    gate.place.await_metric("iaasmon_http_connections", 1.0);
}

#[test]
fn who_asks_for_a_page_and_does_not_take_it_costs_no_page() {
    let gate = Gate::start(&["--request-timeout", "8s"]);
    let lines: String = (0..2).map(|at| format!("m{{l=\"{at}{}\"}} 1\n", "x".repeat(1 << 20))).collect();
    (0..12).for_each(|number| gate.push(&format!("/metrics/job/large/n/{number}"), &lines));
    let ask = |path: &str| {
        let mut stream = connect(&gate.place);
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        stream
    };
    let deaf: Vec<TcpStream> = ["/metrics", "/api/v1/metrics"].repeat(40).into_iter().map(ask).collect();
    // A push waits for no page.
    for number in 0..20 {
        gate.push("/metrics/job/small", format!("n {number}\n"));
    }
    let scraped = || {
        let answer = gate.place.get("/metrics").expect("answered");
        // It may have been there too early for a turn.
        assert!(matches!(answer.code, 200 | 408 | 503), "{}", answer.code);
        answer.code == 200 && answer.text().contains("n{instance=\"\",job=\"small\"} 19\n")
    };
    assert!(await_until(SOON, scraped));
    // Two pages are made at a time, and 512 MiB of them wait: all of them would be 2 GiB.
    assert!(peak_mib(&gate) < 1000, "{} MiB", peak_mib(&gate));
    let open = || gate.place.metric("iaasmon_http_connections") <= Some(1.0);
    assert!(await_until(SOON, open), "{} connections go on", deaf.len());
}

#[test]
fn a_thousand_that_push_at_once_are_told_what_became_of_it() {
    // Here and there each is an open file.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let files = hard.min(4096).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, files, hard).unwrap();
    let clients = 1000.min(files as usize - 200);
    let gate = Gate::kept(&["--max-connections", "2000"]);
    let mut streams: Vec<TcpStream> = (0..clients).map(|_| connect(&gate.place)).collect();
    // All of it comes at once: the last line of a body is what is still to come of each.
    let body = format!("{}last 1\n", (0..500).map(|at| format!("m{{a=\"{at}\"}} 1\n")).collect::<String>());
    for (client, stream) in streams.iter_mut().enumerate() {
        let request = request("PUT", &format!("/metrics/job/crowd/n/{client}"), &[], body.as_bytes());
        stream.write_all(&request[..request.len() - 7]).unwrap();
    }
    streams.iter_mut().for_each(|stream| stream.write_all(b"last 1\n").unwrap());
    let mut answer = |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::read(&bytes).map(|answer| answer.code)
    };
    let codes: Vec<Option<u16>> = streams.into_iter().map(&mut answer).collect();
    let taken = codes.iter().filter(|code| **code == Some(200)).count();
    assert!(codes.iter().all(|code| matches!(code, Some(200 | 503))), "{codes:?}");
    assert!(taken > clients / 2, "{taken} of {clients}");
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert_eq!(gate.page().matches("\nlast{").count(), taken);
}

#[test]
fn what_is_beyond_the_limit_is_refused_and_what_goes_makes_room() {
    let gate = Gate::kept(&["--limit", "2"]);
    let body = format!("m{{l=\"{}\"}} 1\n", "x".repeat(300_000));
    let push = |job: usize| gate.ask("PUT", &format!("/metrics/job/j{job}"), &body);
    let first_refused = (0..20).find(|job| push(*job).code != 200).expect("it is full");
    assert!((4..8).contains(&first_refused), "{first_refused}");
    let refused = push(first_refused);
    assert_eq!((refused.code, refused.text().as_str()), (507, "the pushgateway is full: 2 MiB (--limit)\n"));
    let line = json!({"job": "bulk", "metrics": body}).to_string();
    let bulk = gate.ask("POST", "/api/v1/push", &line);
    assert_eq!(bulk.code, 507);
    assert!(
        bulk.text().starts_with("{\"error\":\"the pushgateway is full: 2 MiB (--limit)\""),
        "{}",
        bulk.text()
    );
    let result = json!({"status": 0, "output": "x".repeat(600_000)}).to_string();
    assert_eq!(gate.ask("PUT", "/api/v1/groups/job/c/checks/c", result).code, 507);
    // What is small has room, and what is there goes on being there.
    gate.push("/metrics/job/small", "m 1\n");
    assert_eq!(groups(&gate).len(), first_refused + 1);
    assert_eq!(gate.ask("DELETE", "/metrics/job/j0", "").code, 202);
    assert_eq!(push(first_refused).code, 200);
    let gate = gate.again(Signal::SIGTERM, &["--limit", "2"]);
    assert_eq!(gate.ask("PUT", "/metrics/job/one-more", &body).code, 507);
    assert_eq!(groups(&gate).len(), first_refused + 1);
    // Groups without metrics take room, too.
    for number in 0..4000 {
        if gate.ask("PUT", &format!("/metrics/job/e{number}"), "").code == 507 {
            return;
        }
    }
    panic!("4,000 empty groups had room");
}

#[test]
fn a_thousand_lines_come_each_by_itself_and_are_told_each() {
    let gate = Gate::kept(&[]);
    let line = |at: usize| {
        let metrics = match at % 5 {
            // A group that is refused has nothing of its line.
            1 => format!("good {at}\nbad"),
            2 => format!("good {at}\nsame 1\nsame 1\n"),
            3 => format!("# TYPE good counter\ngood {at}\n"),
            _ => format!("good {at}\n"),
        };
        match at % 5 {
            4 => "{\"job\":1}".to_owned(),
            _ => json!({"job": "j", "labels": {"n": at.to_string()}, "metrics": metrics, "mode": "replace"})
                .to_string(),
        }
    };
    let body: String = (0..1000).map(|at| line(at) + "\n").collect();
    let answer = gate.ask("POST", "/api/v1/push", body);
    assert_eq!(answer.code, 207);
    let told: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 1000);
    for (at, told) in told.iter().enumerate() {
        assert_eq!(told["line"], at + 1);
        assert_eq!(told["status"], if at % 5 == 0 { 200 } else { 400 }, "{told}");
        assert_eq!(told["error"].is_string(), at % 5 != 0, "{told}");
    }
    let there = |gate: &Gate| gate.page().lines().filter(|line| line.starts_with("good{")).count();
    assert_eq!(there(&gate), 200);
    // Refused for what they say and not for how, 400 have a stamp.
    assert_eq!(groups(&gate).len(), 600);
    assert!(!gate.page().contains("\nsame{"));
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert_eq!((there(&gate), groups(&gate).len()), (200, 600));
}

/// How long the fastest of some pushes takes: what else the machine does is no matter.
fn fastest_push(gate: &Gate) -> Duration {
    let time = |number: usize| {
        let begun = clock::instant();
        gate.push("/metrics/job/timed", format!("timed {number}\n"));
        begun.elapsed()
    };
    (0..30).map(time).min().unwrap()
}

#[test]
fn a_push_among_many_groups_costs_what_one_among_few_does() {
    const GROUPS: usize = 10_000;
    let gate = Gate::kept(&[]);
    let alone = fastest_push(&gate);
    bulk_fill(&gate, GROUPS);
    let among_many = fastest_push(&gate);
    assert!(
        among_many < 10 * alone + Duration::from_millis(20),
        "{alone:?} alone, {among_many:?} among {GROUPS}"
    );
    let has_all = |gate: &Gate| gate.page().matches("\nnumber{").count() == GROUPS;
    assert!(has_all(&gate));
    let gate = gate.again(Signal::SIGKILL, &[]);
    assert!(has_all(&gate), "{}", gate.place.said());
}
