//! A client that asks addresses which a label names, and none but those that are allowed: a label is foreign input, and whoever
//! writes it must not have us ask a metadata service or a neighbour's loopback.

use super::client::{build, client_builder};
use super::error::NetErrorKind;
use super::http::{one_line, read_capped};
use crate::config::{Cluster, Tls};
use crate::model::network::{BadNetwork, Network};
use crate::sys::apart::apart;
use reqwest::Client;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use url::{Host, Url};

/// The port of the exporter.
const EXPORTER: u16 = 10105;
/// Networks that are nobody's but ours (RFC 1918, RFC 4193, RFC 6598).
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
/// Each has a client of its own.
const MOST_PORTS: usize = 64;
/// A node that lives takes a connection at once; this leaves a lost packet its second chance. A machine without power must not
/// hold a place for as long as a script may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// So many names are looked up at a time. A lookup cannot be called off, and where no name server answers it holds a thread of the
/// whole program's pool for up to a minute: the alerts' own way needs some, too.
static LOOKUPS: Semaphore = Semaphore::const_new(64);

/// Addresses that may be asked: a network, on one port or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    network: Network,
    port: Option<u16>,
}

/// A text that names no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAllowed {
    /// No network.
    #[error(transparent)]
    Network(#[from] BadNetwork),
    /// No port.
    #[error("`{0}` is no port: write 10.0.0.0/8:10105, [fd00::1]:10105, or a network alone")]
    Port(String),
}

impl Allowed {
    /// Returns what is allowed without being named: private networks, on the exporter's port.
    ///
    /// # Panics
    /// Never: the networks are fixed.
    pub fn private() -> Vec<Self> {
        let network = |text: &str| text.parse().expect("a network");
        PRIVATE.iter().map(|text| Self { network: network(text), port: Some(EXPORTER) }).collect()
    }

    fn holds(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|allowed| allowed == port) && self.network.holds(address)
    }
}

impl FromStr for Allowed {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        // A colon is part of an IPv6 address, but not of its length, nor of what follows its brackets.
        let (network, port) = match (text.rfind(['/', ']']), text.rfind(':')) {
            (Some(end), Some(colon)) if colon > end => (&text[..colon], Some(&text[colon + 1..])),
            (None, Some(colon)) if text.find(':') == Some(colon) => {
                (&text[..colon], Some(&text[colon + 1..]))
            }
            _ => (text, None),
        };
        let port =
            port.map(|port| port.parse().map_err(|_| BadAllowed::Port(port.to_owned()))).transpose()?;
        Ok(Self { network: network.replace(['[', ']'], "").parse()?, port })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.network),
            None => write!(f, "{}", self.network),
        }
    }
}

/// Who may be asked.
#[derive(Debug)]
struct Door {
    allowed: Vec<Allowed>,
    /// Servers that the configuration names: whatever address their names have.
    named: Vec<(Host<String>, u16)>,
}

impl Door {
    fn is_open(&self, address: IpAddr, port: u16) -> bool {
        self.allowed.iter().any(|allowed| allowed.holds(address, port))
    }

    fn is_named(&self, name: &str, port: u16) -> bool {
        let is_it =
            |host: &Host<String>| matches!(host, Host::Domain(known) if known.eq_ignore_ascii_case(name));
        self.named.iter().any(|(host, known)| *known == port && is_it(host))
    }
}

/// A client that asks allowed addresses alone, by GET, once, without credentials.
#[derive(Debug)]
pub struct Confined {
    cluster: Cluster,
    door: Arc<Door>,
    cap: u64,
    clients: Mutex<Clients>,
}

/// A client by port and scheme.
#[derive(Debug, Default)]
struct Clients {
    all: HashMap<(u16, bool), (Client, u64)>,
    uses: u64,
}

impl Clients {
    fn get(&mut self, door: (u16, bool)) -> Option<Client> {
        self.uses += 1;
        let (client, used) = self.all.get_mut(&door)?;
        *used = self.uses;
        Some(client.clone())
    }

    /// Keeps a client, in the place of the one that was not used for longest where there are too many.
    fn put(&mut self, door: (u16, bool), client: Client) {
        if self.all.len() >= MOST_PORTS {
            let oldest = self.all.iter().min_by_key(|(_, (_, used))| *used).map(|(door, _)| *door);
            oldest.and_then(|door| self.all.remove(&door));
        }
        self.all.insert(door, (client, self.uses));
    }
}

impl Confined {
    /// Builds the client: of the cluster's settings it takes the authority that signs nodes' certificates, the time limit and the
    /// pushgateways, which are always allowed. `cap` bounds a body.
    pub fn new(cluster: &Cluster, allowed: Vec<Allowed>, cap: u64) -> Self {
        let named = cluster
            .pushgateway
            .iter()
            .filter_map(|url| Some((url.host()?.to_owned(), url.port_or_known_default()?)));
        let door = Arc::new(Door { allowed, named: named.collect() });
        let mut cluster = cluster.clone();
        (cluster.auth, cluster.http_proxy) = (None, None);
        cluster.headers.clear();
        cluster.tls = Tls { ca: cluster.tls.ca, ..Tls::default() };
        Self { cluster, door, cap, clients: Mutex::default() }
    }

    /// Fetches what is at `url`. `error_text` reads the server's words out of an error body.
    ///
    /// # Errors
    /// Where the address is not allowed nothing is sent.
    pub async fn get(&self, url: &Url, error_text: fn(&[u8]) -> String) -> Result<Vec<u8>, NetErrorKind> {
        let client = self.client(url)?;
        let limit = self.cluster.timeout;
        let answer = async {
            let response = client.get(url.clone()).send().await;
            let response = response.map_err(|error| self.words(&error))?;
            let status = response.status();
            if status.is_redirection() {
                return Err(NetErrorKind::Redirect("another place".to_owned()));
            }
            let mut body = Vec::new();
            let cap = if status.is_success() { self.cap } else { self.cap.min(64 * 1024) };
            let read = read_capped(response, cap, |chunk| {
                body.extend_from_slice(chunk);
                Ok(())
            })
            .await;
            if status.is_success() {
                return read.map(|()| body);
            }
            let message = if read.is_ok() { one_line(&error_text(&body)) } else { String::new() };
            Err(NetErrorKind::Status { status: status.as_u16(), message })
        };
        tokio::time::timeout(limit, answer).await.unwrap_or(Err(NetErrorKind::Timeout(limit)))
    }

    /// A name that leads to no allowed address fails as one that cannot be found; what our resolver says is the cause.
    fn words(&self, error: &reqwest::Error) -> NetErrorKind {
        match NetErrorKind::of_transport(error, self.cluster.timeout) {
            NetErrorKind::Connect(why) if why.contains(NOT_ALLOWED) => NetErrorKind::Unsent(why),
            kind => kind,
        }
    }

    fn client(&self, url: &Url) -> Result<Client, NetErrorKind> {
        let unsent = |why: String| Err(NetErrorKind::Unsent(why));
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return unsent(format!("{other}: is neither http nor https")),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let Some(host) = url.host() else { return unsent("no host".to_owned()) };
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        if !self.door.named.contains(&(host.to_owned(), port)) {
            if let Some(address) = literal.filter(|address| !self.door.is_open(*address, port)) {
                return unsent(not_allowed(&SocketAddr::new(address, port).to_string()));
            }
            // Looked at before a client is made: ports of labels must not fill the table of clients.
            if !self.door.allowed.iter().any(|allowed| allowed.port.is_none_or(|allowed| allowed == port)) {
                return unsent(not_allowed(&format!("port {port}")));
            }
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get((port, https)) {
            return Ok(client);
        }
        let resolver = Resolver { door: self.door.clone(), port };
        let client = client_builder(&self.cluster, url).and_then(|(_, builder)| {
            let builder = builder.connect_timeout(CONNECT_WITHIN.min(self.cluster.timeout));
            // A node is asked once a minute: 20,000 connections that wait for it would cost more than opening them.
            build(builder.dns_resolver(Arc::new(resolver)).pool_max_idle_per_host(0))
        });
        let client = client.map_err(NetErrorKind::Unsent)?;
        clients.put((port, https), client.clone());
        Ok(client)
    }
}

const NOT_ALLOWED: &str = "is not among the allowed addresses";

fn not_allowed(what: &str) -> String {
    format!("{what} {NOT_ALLOWED} (--allow)")
}

/// Resolves names to allowed addresses alone: the address that was looked at is the one that is connected to.
struct Resolver {
    door: Arc<Door>,
    port: u16,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (door, port) = (self.door.clone(), self.port);
        Box::pin(async move {
            let wanted = name.as_str().to_owned();
            let found = one_of(&LOOKUPS, move || (wanted.as_str(), port).to_socket_addrs()).await?;
            let found: Vec<SocketAddr> = found.collect();
            let named = door.is_named(name.as_str(), port);
            let fit = |address: &SocketAddr| named || door.is_open(address.ip(), port);
            let fitting: Vec<SocketAddr> = found.iter().copied().filter(fit).collect();
            match (fitting.is_empty(), found.first()) {
                (true, Some(first)) => {
                    Err(std::io::Error::other(not_allowed(&format!("{}, which is {first},", name.as_str())))
                        .into())
                }
                _ => Ok(Box::new(fitting.into_iter()) as reqwest::dns::Addrs),
            }
        })
    }
}

/// Does something on a thread of its own, as one of so many. Its place is free when it is done, however soon nobody waits for it.
async fn one_of<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let place = places.acquire().await;
    apart(move || {
        let _place = place;
        work()
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Confined, MOST_PORTS, one_of};
    use crate::config::{Cluster, Defaults};
    use crate::net::NetErrorKind;
    use crate::sys::apart::apart;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    fn confined(allowed: &[&str]) -> Confined {
        let mut cluster = Cluster::new("east", &Defaults::default());
        cluster.timeout = Duration::from_secs(5);
        cluster.pushgateway.push("http://localhost:2".parse().expect("a URL"));
        let mut all = Allowed::private();
        all.extend(allowed.iter().map(|text| text.parse::<Allowed>().expect(text)));
        Confined::new(&cluster, all, 1000)
    }

    #[test]
    fn what_is_allowed_is_read_with_and_without_a_port() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/8:10105", "10.0.0.0/8:10105"),
            ("127.0.0.1:9091", "127.0.0.1/32:9091"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("fd00::/8", "fd00::/8"),
            ("fd00::/8:10105", "fd00::/8:10105"),
            ("::1", "::1/128"),
            ("[::1]:80", "::1/128:80"),
        ] {
            assert_eq!(text.parse::<Allowed>().expect(text).to_string(), shown);
        }
        for text in ["", "host", "10.0.0.0/8:", "10.0.0.0/8:x", "10.0.0.0/8:70000", "10.0.0.0/40"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_is_not_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        listener.set_nonblocking(true).expect("set");
        let port = listener.local_addr().expect("bound").port();
        let confined = confined(&["127.0.0.1:1"]);
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://2130706433:{port}/"),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "http://169.254.169.254:10105/".to_owned(),
            "http://localhost:10105/".to_owned(),
            "http://127.0.0.1:2/".to_owned(),
            "http://0.0.0.0:10105/".to_owned(),
            "ftp://10.0.0.1:10105/".to_owned(),
            "http://10.0.0.1/".to_owned(),
        ] {
            let answer = confined.get(&url.parse().expect("a URL"), |_| String::new()).await;
            assert!(matches!(answer, Err(NetErrorKind::Unsent(_))), "{url}: {answer:?}");
        }
        // One that the configuration names is asked, whatever address it has; here nobody listens.
        let named = confined.get(&"http://localhost:2/".parse().expect("a URL"), |_| String::new()).await;
        assert!(matches!(named, Err(NetErrorKind::Connect(_))), "{named:?}");
        let none = listener.accept().expect_err("nobody came");
        assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock);
    }

    /// Answers each connection with the next of these texts.
    fn serve(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    #[tokio::test]
    async fn answers_are_bounded_and_lead_nowhere_else() {
        let whole = |status: &str, head: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{head}\r\n{body}",
                body.len()
            )
        };
        let port = serve(vec![
            whole("200 OK", "", "hello"),
            whole("302 Found", "Location: http://127.0.0.1/\r\n", ""),
            whole("200 OK", "", &"x".repeat(1001)),
            whole("404 Not Found", "", "unknown"),
        ]);
        let confined = confined(&["127.0.0.0/8"]);
        let url = format!("http://localhost:{port}/").parse().expect("a URL");
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        assert_eq!(confined.get(&url, text).await, Ok(b"hello".to_vec()));
        assert!(matches!(confined.get(&url, text).await, Err(NetErrorKind::Redirect(_))));
        assert_eq!(confined.get(&url, text).await, Err(NetErrorKind::TooLarge(1000)));
        let status = NetErrorKind::Status { status: 404, message: "unknown".to_owned() };
        assert_eq!(confined.get(&url, text).await, Err(status));
    }

    #[tokio::test]
    async fn every_port_is_asked_however_many_there_are() {
        let confined = confined(&["127.0.0.0/8"]);
        let first = u16::try_from(MOST_PORTS).expect("few");
        // All of them are reserved; whoever listens there nevertheless is asked.
        for port in 1..=first + 6 {
            let url = format!("http://127.41.0.1:{port}/").parse().expect("a URL");
            let answer = confined.get(&url, |_| String::new()).await;
            assert!(matches!(answer, Err(NetErrorKind::Connect(_))), "{port}: {answer:?}");
        }
        assert_eq!(confined.clients.lock().expect("kept").all.len(), MOST_PORTS);
    }

    #[tokio::test]
    async fn lookups_that_hang_leave_threads_to_others() {
        static PLACES: Semaphore = Semaphore::const_new(3);
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        let mut held = Vec::new();
        for _ in 0..20 {
            let (release, hung) = mpsc::channel::<()>();
            held.push(release);
            let work = move || {
                BEGUN.fetch_add(1, Ordering::SeqCst);
                let _ = hung.recv();
            };
            // Whoever asked gives up.
            let answer = tokio::time::timeout(Duration::from_millis(20), one_of(&PLACES, work)).await;
            assert!(answer.is_err());
        }
        assert_eq!(apart(|| 7).await, 7);
        assert_eq!(BEGUN.load(Ordering::SeqCst), 3);
        drop(held);
        assert_eq!(one_of(&PLACES, || 8).await, 8);
    }
}
