//! A proxy in front of each member of a cluster: it passes everything on, and does with each POST what the test says.

use iaasmon::demo::Cluster;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to one POST.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The member takes it, and its answer is lost: the connection stays open without a word.
    NoAnswer,
    /// The member takes it; this status and body come back instead of its own answer.
    Answer(&'static str, &'static str),
    /// The member is not asked.
    Refuse(&'static str, &'static str),
    /// It lies in between until [`Proxies::deliver`].
    Late,
    /// The member is stopped (SIGSTOP) just before it comes.
    Frozen,
}

/// Both members of a cluster behind proxies.
pub struct Proxies {
    pub addresses: [SocketAddr; 2],
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    faults: Mutex<VecDeque<Fault>>,
    posts: AtomicUsize,
    late: Mutex<Vec<(SocketAddr, Vec<u8>)>>,
}

impl Proxies {
    /// Puts proxies in front of the members; they live as long as the test's process.
    pub fn before(cluster: &Cluster) -> Self {
        let script = Arc::new(Script::default());
        let addresses = cluster.alertmanager.each_ref().map(|member| {
            let pid = Pid::from_raw(i32::try_from(member.pid()).unwrap());
            start(member.address(), pid, script.clone())
        });
        Self { addresses, script }
    }

    /// The configuration of a cluster behind them.
    pub fn config(&self) -> String {
        let urls = self.addresses.map(|address| format!("http://{address}"));
        format!("[defaults]\ntimeout = \"1s\"\n[[cluster]]\nname = \"prod-east\"\nalertmanager = {urls:?}\n")
    }

    /// Plans what becomes of the next POSTs; those after them pass.
    pub fn plan(&self, faults: &[Fault]) {
        self.script.faults.lock().unwrap().extend(faults);
        self.script.posts.store(0, Ordering::SeqCst);
    }

    /// Returns how many POSTs have come since the last plan.
    pub fn posts(&self) -> usize {
        self.script.posts.load(Ordering::SeqCst)
    }

    /// Hands over what was late.
    pub fn deliver(&self) {
        for (member, request) in std::mem::take(&mut *self.script.late.lock().unwrap()) {
            assert!(!forward(member, &request).unwrap().is_empty(), "the member answers");
        }
    }
}

fn start(member: SocketAddr, pid: Pid, script: Arc<Script>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = script.clone();
            // A client that has had enough closes the connection: no fault of ours.
            thread::spawn(move || serve(stream, member, pid, &script).ok());
        }
    });
    address
}

fn serve(mut client: TcpStream, member: SocketAddr, pid: Pid, script: &Script) -> std::io::Result<()> {
    let request = read_request(&mut client)?;
    let fault = if request.starts_with(b"POST") {
        script.posts.fetch_add(1, Ordering::SeqCst);
        script.faults.lock().unwrap().pop_front()
    } else {
        None
    };
    let answer = match fault {
        None => forward(member, &request)?,
        Some(Fault::NoAnswer) => {
            forward(member, &request)?;
            return wait_for_end(&mut client);
        }
        Some(Fault::Answer(status, body)) => {
            forward(member, &request)?;
            http(status, body)
        }
        Some(Fault::Refuse(status, body)) => http(status, body),
        Some(Fault::Late) => {
            script.late.lock().unwrap().push((member, request));
            return wait_for_end(&mut client);
        }
        Some(Fault::Frozen) => {
            kill(pid, Signal::SIGSTOP)?;
            forward(member, &request)?
        }
    };
    client.write_all(&answer)
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Reads until the client gives up.
fn wait_for_end(client: &mut TcpStream) -> std::io::Result<()> {
    client.read(&mut [0; 1]).map(drop)
}

/// Sends a request on a connection of its own and returns the whole answer.
fn forward(member: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(member)?;
    upstream.write_all(request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Reads head and body, and asks for the connection's end after the answer.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0; 1]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body)?;
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head.extend(body);
    Ok(head)
}
