//! The local sockets: every message that the real client was sent, and every reply that it gave.

use super::world::World;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

struct Exchange {
    kind: String,
    sent: String,
    reply: Option<String>,
}

fn recorded() -> Vec<Exchange> {
    let text = std::fs::read_to_string("fixtures/golden/socket-replies.jsonl").expect("the recorded replies");
    let read = |line: &str| -> Exchange {
        let one: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        Exchange {
            kind: text("kind").expect("a kind"),
            sent: text("sent").expect("what was sent"),
            reply: text("reply"),
        }
    };
    text.lines().map(read).collect()
}

/// Says to the runner of `world` what was said to the real client, and asserts that it answers the same.
pub fn submit_everything(world: &World) {
    for exchange in recorded() {
        let Exchange { kind, sent, reply } = &exchange;
        let got = match kind.as_str() {
            "udp" => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.send_to(sent.as_bytes(), format!("{}:3030", world.address)).expect("sent");
                continue;
            }
            "http" => tcp(world, 3031, &[sent.as_bytes().to_vec()], false),
            _ => tcp(world, 3030, &pieces(sent), kind == "tcp+shutdown"),
        };
        let got = String::from_utf8_lossy(&got).replace(&world.address, "127.0.0.1");
        let expected = reply.as_deref().unwrap_or_default();
        if sent.starts_with("GET /settings") && expected.contains("200 OK") {
            // The settings hold the order of the files: what matters is who may see what.
            assert!(got.starts_with("HTTP/1.1 200 OK\r\nContent-length: "), "{sent}: {got}");
            assert_eq!(got.contains("s3cret"), expected.contains("s3cret"), "{sent}");
        } else {
            assert_eq!(got, expected, "{kind}: {sent}");
        }
    }
}

/// What to send, piece by piece; long messages and bytes outside UTF-8 were recorded in words.
fn pieces(sent: &str) -> Vec<Vec<u8>> {
    if sent.ends_with("...") {
        return vec![format!(r#"{{"name": "sock_big", "output": "{}"}}"#, "B".repeat(200_000)).into_bytes()];
    }
    if sent.contains("sock_badutf8") {
        return vec![b"{\"name\":\"sock_badutf8\",\"output\":\"x \xff y\"}".to_vec()];
    }
    sent.split(" | ").map(|piece| piece.as_bytes().to_vec()).collect()
}

fn tcp(world: &World, port: u16, pieces: &[Vec<u8>], shut: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect((world.address.as_str(), port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            // Pieces that came at once would be one; there is nothing to wait for but time.
            std::thread::sleep(Duration::from_millis(200));
        }
        stream.write_all(piece).expect("taken");
    }
    if shut {
        stream.shutdown(Shutdown::Write).expect("shut");
    }
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("closed in time");
    got
}

#[test]
fn what_many_connections_send_at_once_is_bounded_and_small_results_come_through() {
    let world = World::new();
    // Not the port of the golden definitions: they may be at work beside this.
    let options = format!(r#"{{"enabled": true, "bind": "{}", "port": 3033}}"#, world.address);
    world.define("socket", &format!(r#"{{"client": {{"socket": {options}}}}}"#));
    let mut runner = world.start(&[]);
    world.await_log("scheduled checks");
    let large = vec![b'x'; 12_000_000];
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect((world.address.as_str(), 3033)).expect("it listens");
                // The connection that does not fit is closed: the rest of it is not taken.
                let sent = stream.write_all(b"{\"output\":\"").and_then(|()| stream.write_all(&large));
                let _ = sent.and_then(|()| stream.read_to_end(&mut Vec::new()));
            });
        }
        world.await_log("too much comes in at the same time");
        let small = tcp(&world, 3033, &[br#"{"name": "small", "output": "fits"}"#.to_vec()], false);
        assert_eq!(String::from_utf8_lossy(&small), "ok");
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", runner.pid())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 200_000, "{kilobytes} kB (24 times 12 MB are not in it)");
    assert!(runner.end().success());
}
