//! A door in front of an Alertmanager that can be shut while a request is inside: the server has run it, and the
//! client never hears of that.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What the doors of a cluster have in common.
#[derive(Debug, Default)]
pub struct Doors {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next new silence shuts the doors behind it.
    trap: bool,
    shut: bool,
}

impl Doors {
    /// Has the next new silence shut every door behind it.
    pub fn set_trap(&self) {
        self.state.lock().expect("no panic").trap = true;
    }

    /// Waits until a silence has gone in and the doors are shut.
    pub fn wait_until_shut(&self) {
        let mut state = self.state.lock().expect("no panic");
        while !state.shut {
            state = self.changed.wait(state).expect("no panic");
        }
    }

    /// Opens every door; who waits inside hears nothing more.
    pub fn open(&self) {
        *self.state.lock().expect("no panic") = State::default();
        self.changed.notify_all();
    }

    /// Puts a door before `server`, for as long as the test lives, and returns its address.
    pub fn before(self: &Arc<Self>, server: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("bound");
        let doors = self.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let doors = doors.clone();
                // A client or server that has gone is what these tests are about.
                std::thread::spawn(move || doors.pass(client, server).unwrap_or(()));
            }
        });
        address
    }

    fn pass(&self, mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
        let request = read_request(&mut client)?;
        if self.hold_while_shut() {
            return Ok(());
        }
        let mut upstream = TcpStream::connect(server)?;
        upstream.write_all(&request)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        if request.starts_with(b"POST /api/v2/silences") {
            let mut state = self.state.lock().expect("no panic");
            if std::mem::take(&mut state.trap) {
                state.shut = true;
                self.changed.notify_all();
            }
        }
        if self.hold_while_shut() {
            return Ok(());
        }
        client.write_all(&answer)
    }

    /// Waits while the doors are shut, and reports whether they were.
    fn hold_while_shut(&self) -> bool {
        let mut state = self.state.lock().expect("no panic");
        let was_shut = state.shut;
        while state.shut {
            state = self.changed.wait(state).expect("no panic");
        }
        was_shut
    }
}

/// Reads a whole request and has its connection end with it.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        match client.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).next()
    };
    let length: usize = field("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    while body.len() < length {
        match client.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => body.extend_from_slice(&buffer[..n]),
        }
    }
    let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut request = kept.collect::<Vec<_>>().join("\r\n").into_bytes();
    request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    request.extend(body);
    Ok(request)
}
