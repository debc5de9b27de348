//! Members that answer 500 for a while, or slowly: the sender is served by the others, and they have everything in the end.

use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, firing, resolved};
use iaasmon::sys::clock;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a gate does with a request.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    /// Answers so, and lets nothing through.
    Status(u16),
    /// Lets it through after a while.
    Slow(Duration),
    /// Refuses one list of alerts, takes one without any, and is dead from then on.
    RefusesAndDies,
}

/// A way to an Alertmanager that is as good as the test wants it to be.
struct Gate {
    url: String,
    mood: Arc<Mutex<Mood>>,
}

impl Gate {
    fn before(am: &Am) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(Mood::Well));
        let (shared, to) = (mood.clone(), am.place.address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mood, to) = (shared.clone(), to.clone());
                std::thread::spawn(move || while serve(&stream, &mood, &to).is_some() {});
            }
        });
        Self { url, mood }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

/// Serves one request of a connection.
fn serve(mut stream: &TcpStream, mood: &Mutex<Mood>, to: &str) -> Option<()> {
    let request = read_message(stream)?;
    let kept = mood;
    let mood = *kept.lock().unwrap();
    let is_empty = request.ends_with(b"\r\n\r\n[]");
    if matches!(mood, Mood::RefusesAndDies) && is_empty {
        *kept.lock().unwrap() = Mood::Status(503);
    }
    let answer = match mood {
        Mood::RefusesAndDies if !is_empty => b"HTTP/1.1 400 Oops\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Mood::Status(code) => format!("HTTP/1.1 {code} Oops\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        Mood::Well | Mood::Slow(_) | Mood::RefusesAndDies => {
            if let Mood::Slow(by) = mood {
                std::thread::sleep(by);
            }
            let mut way = TcpStream::connect(to).ok()?;
            way.write_all(&request).ok()?;
            read_message(&way)?
        }
    };
    stream.write_all(&answer).ok()
}

/// Reads a request or an answer with its body.
fn read_message(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if bytes.len() >= at + 4 + length.unwrap_or(0_usize) {
            return Some(bytes);
        }
    }
}

/// A proxy whose first member is behind a gate.
fn proxy(gate: &Gate, ams: &[&Am]) -> Proxy {
    Proxy::start(ams, &["--alertmanager", &gate.url])
}

fn queue(proxy: &Proxy, gate: &Gate) -> f64 {
    let member = gate.url.trim_start_matches("http://");
    proxy.place.metric(&format!("iaasmon_proxy_queue_length{{alertmanager=\"{member}\"}}")).unwrap()
}

#[test]
fn a_member_that_answers_500_for_a_while_has_everything_in_the_end() {
    let ams = [Am::start(), Am::start()];
    let gate = Gate::before(&ams[0]);
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = proxy(&gate, &[&ams[1]]);
    assert_eq!(proxy.post(&json!([firing("Ends", &node)])).code, 200);
    ams[0].await_annotation("Ends", "check_output", "CRIT");
    for status in [500, 503, 429] {
        gate.is(Mood::Status(status));
        for alert in [
            firing("Begins", &node),
            firing("Flaps", &node),
            resolved("Flaps", &node),
            resolved("Ends", &node),
        ] {
            let begun = clock::instant();
            assert_eq!(proxy.post(&json!([alert])).code, 200, "the other one took it");
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        gate.is(Mood::Well);
        assert!(await_until(SOON, || queue(&proxy, &gate) == 0.0));
        for am in &ams {
            am.await_annotation("Begins", "check_output", "CRIT");
            am.await_gone("Ends");
            am.await_gone("Flaps");
        }
        assert_eq!(proxy.post(&json!([firing("Ends", &node), resolved("Begins", &node)])).code, 200);
    }
    assert_eq!(
        proxy.place.metric(&format!(
            "iaasmon_proxy_copies_expired_total{{alertmanager=\"{}\"}}",
            gate.url.trim_start_matches("http://")
        )),
        Some(0.0)
    );
}

#[test]
fn a_member_that_is_slow_holds_up_neither_the_sender_nor_the_other() {
    let ams = [Am::start(), Am::start()];
    let gate = Gate::before(&ams[0]);
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = proxy(&gate, &[&ams[1]]);
    gate.is(Mood::Slow(Duration::from_secs(3)));
    for number in 0..10 {
        let begun = clock::instant();
        assert_eq!(proxy.post(&json!([firing(&format!("a{number}"), &node)])).code, 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    ams[1].await_annotation("a9", "check_output", "CRIT");
    assert_eq!(proxy.post(&json!([resolved("a0", &node)])).code, 200);
    // Two or three requests bring all of it: what waits goes together.
    assert!(await_until(SOON, || queue(&proxy, &gate) == 0.0));
    ams[0].await_annotation("a9", "check_output", "CRIT");
    ams[0].await_gone("a0");

    // Alone it is waited for, as long as a sender may wait.
    let alone = Proxy::start(&[], &["--alertmanager", &gate.url]);
    assert_eq!(alone.post(&json!([firing("Alone", &node)])).code, 200);
    ams[0].await_annotation("Alone", "summary", "the rule's own");
}

#[test]
fn a_member_that_dies_among_the_halves_of_a_batch_has_refused_nothing() {
    let (am, node) = (Am::start(), Node::start(Says::Output("CRIT\n")));
    let gate = Gate::before(&am);
    let proxy = Proxy::start(&[], &["--alertmanager", &gate.url]);
    gate.is(Mood::RefusesAndDies);
    let alerts: Vec<_> = (0..8).map(|number| firing(&format!("a{number}"), &node)).collect();
    let answer = proxy.post(&json!(alerts));
    assert_eq!(answer.code, 503, "{}", answer.text());
    gate.is(Mood::Well);
    (0..8).for_each(|number| am.await_annotation(&format!("a{number}"), "check_output", "CRIT"));
    let member = gate.url.strip_prefix("http://").unwrap();
    let refused = format!("iaasmon_proxy_copies_refused_total{{alertmanager=\"{member}\"}}");
    assert_eq!(proxy.place.metric(&refused), Some(0.0));
}
