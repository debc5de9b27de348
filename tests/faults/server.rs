//! Servers that misbehave in ways that a real one cannot be brought to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How a server answers every request.
#[derive(Clone)]
pub enum Answer {
    /// These bytes, then the connection is closed.
    Bytes(Arc<Vec<u8>>),
    /// These bytes without waiting for a request, as a plain HTTP server answers a TLS handshake.
    Unasked(&'static [u8]),
    /// This head, then zeros without end.
    EndlessBody(&'static str),
    /// Header lines without end.
    EndlessHeaders,
    /// A byte of a header each 100 ms.
    SlowHeaders,
    /// These bytes after a pause.
    Late(Duration, Arc<Vec<u8>>),
    /// Nothing.
    Silence,
}

impl Answer {
    /// A whole HTTP answer.
    pub fn http(status: &str, headers: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(Arc::new(bytes))
    }

    /// A good answer with a JSON body.
    pub fn json(body: &[u8]) -> Self {
        Self::http("200 OK", "Content-Type: application/json\r\n", body)
    }

    /// The same answer, only later.
    pub fn late(self, pause: Duration) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Late(pause, bytes),
            other => other,
        }
    }
}

/// Starts a server on a loopback port; it lives as long as the test's process.
pub fn start(answer: Answer) -> SocketAddr {
    serve(move |mut stream| reply(&mut stream, &answer))
}

/// Starts a server that chooses its answer by path (with query) and body.
pub fn start_routed(route: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> SocketAddr {
    serve(move |mut stream| {
        let Some([_, path, body]) = read_request(&mut stream) else { return };
        write_answer(&mut stream, &route(&path, &body));
    })
}

/// Starts a TLS server that gives a good JSON answer.
pub fn start_tls(config: rustls::ServerConfig, body: &'static [u8]) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |stream| {
        let Ok(connection) = rustls::ServerConnection::new(config.clone()) else { return };
        let mut stream = rustls::StreamOwned::new(connection, stream);
        reply(&mut stream, &Answer::json(body));
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

/// The requests that a server has had, as method and path.
#[derive(Clone, Default)]
pub struct Seen(Arc<std::sync::Mutex<Vec<String>>>);

impl Seen {
    /// Takes what has come since the last look.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic elsewhere"))
    }
}

/// Starts a server that answers every request with a redirect (302) to `path`, and there with a JSON body.
pub fn start_moved(path: &'static str, body: &'static [u8]) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let address = serve(move |mut stream| {
        let Some([method, at, _]) = read_request(&mut stream) else { return };
        log.0.lock().expect("no panic elsewhere").push(format!("{method} {at}"));
        let answer = match at == path {
            true => Answer::json(body),
            false => Answer::http("302 Found", &format!("Location: {path}\r\n"), b""),
        };
        if let Answer::Bytes(bytes) = answer {
            let _ = stream.write_all(&bytes);
        }
    });
    (address, seen)
}

fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("bound");
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            thread::spawn(move || handle(stream));
        }
    });
    address
}

fn reply(stream: &mut (impl Read + Write), answer: &Answer) {
    if !matches!(answer, Answer::Unasked(_)) && read_request(stream).is_none() {
        return;
    }
    write_answer(stream, answer);
}

fn write_answer(stream: &mut (impl Read + Write), answer: &Answer) {
    // A client that has had enough closes the connection: that ends every one of these loops.
    let _ = match answer {
        Answer::Bytes(bytes) => stream.write_all(bytes).and_then(|()| stream.flush()),
        Answer::Unasked(bytes) => {
            stream.write_all(bytes).and_then(|()| stream.read(&mut [0; 1024])).map(drop)
        }
        Answer::EndlessBody(head) => {
            stream.write_all(head.as_bytes()).and_then(|()| repeat(stream, &[0; 65536], Duration::ZERO))
        }
        Answer::EndlessHeaders => stream
            .write_all(b"HTTP/1.1 200 OK\r\n")
            .and_then(|()| repeat(stream, b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", Duration::ZERO)),
        Answer::SlowHeaders => stream
            .write_all(b"HTTP/1.1 200 OK\r\n")
            .and_then(|()| repeat(stream, b"X", Duration::from_millis(100))),
        Answer::Late(pause, bytes) => {
            thread::sleep(*pause);
            stream.write_all(bytes)
        }
        Answer::Silence => stream.read(&mut [0; 1]).map(drop),
    };
}

/// Writes the same bytes until the client goes away, at most for a minute.
fn repeat(stream: &mut impl Write, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    let rounds = if pause.is_zero() { 100_000 } else { 600 };
    for _ in 0..rounds {
        stream.write_all(bytes)?;
        stream.flush()?;
        thread::sleep(pause);
    }
    Ok(())
}

/// Reads a request and returns its method, path and body; what is left unread would break the connection under
/// the answer.
fn read_request(stream: &mut impl Read) -> Option<[String; 3]> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Some([method, path, String::from_utf8_lossy(&body).into_owned()])
}
