//! Where a service listens: TCP, unix sockets, sockets that systemd holds. Checked first, bound later.

use super::ServeError;
use listenfd::ListenFd;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// The longest path that the system takes for a socket (`sun_path`, unix(7)).
const MAX_UNIX_PATH: usize = 107;

/// An address as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`; `:port` is every address of the machine.
    Tcp {
        /// The name or address, empty for all.
        host: String,
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
    /// `systemd`: the sockets of the unit's `.socket` files.
    Systemd,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text).map_err(|why| {
            format!(
                "`{text}` is no address: {why}; write 127.0.0.1:10105, [::1]:10105, :10105, unix:/run/iaasmon.sock or systemd"
            )
        })
    }
}

fn read(text: &str) -> Result<Address, String> {
    if text == "systemd" {
        return Ok(Address::Systemd);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let good = path.is_absolute() && path.as_os_str().len() <= MAX_UNIX_PATH;
        let wrong = || format!("a socket needs an absolute path of at most {MAX_UNIX_PATH} bytes");
        return good.then_some(Address::Unix(path)).ok_or_else(wrong);
    }
    let (host, port) = text.rsplit_once(':').ok_or("no port")?;
    let port = port.parse().map_err(|_| "the port must be a number up to 65535")?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains([':', '[', ']']) {
        return Err("an IPv6 address stands in brackets".to_owned());
    }
    let host = bare.unwrap_or(host);
    if host.contains(['/', ' ']) {
        return Err("the host is a name or an address, without a scheme".to_owned());
    }
    Ok(Address::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// Addresses that were checked and are not bound yet.
pub(super) struct Doors(Vec<(Address, Door)>);

enum Door {
    Tcp(Vec<SocketAddr>),
    Unix,
    Systemd(ListenFd),
}

impl Doors {
    /// Checks `addresses` as far as that goes without binding them; adds what is wrong to `problems`.
    pub(super) fn check(addresses: &[Address], problems: &mut Vec<String>) -> Self {
        let mut doors = Vec::new();
        if addresses.is_empty() {
            problems.push("nowhere to listen: give --listen".to_owned());
        }
        for (number, address) in addresses.iter().enumerate() {
            if addresses[..number].contains(address) {
                problems.push(format!("--listen {address} is given twice"));
                continue;
            }
            match check(address) {
                Ok(door) => doors.push((address.clone(), door)),
                Err(why) => problems.push(format!("--listen {address}: {why}")),
            }
        }
        Self(doors)
    }

    /// Binds all of them, or none.
    pub(super) async fn bind(self) -> Result<Vec<Listener>, ServeError> {
        let mut listeners = Vec::new();
        for (address, door) in self.0 {
            let bound = match (door, &address) {
                (Door::Tcp(resolved), _) => {
                    TcpListener::bind(&resolved[..]).await.map(|l| vec![Listener::Tcp(l)])
                }
                (Door::Systemd(held), _) => take_all(held),
                (Door::Unix, Address::Unix(path)) => bind_unix(path).map(|listener| vec![listener]),
                (Door::Unix, _) => Ok(Vec::new()),
            };
            let fail = |error| ServeError::Listen { address: address.to_string(), error };
            listeners.extend(bound.map_err(fail)?);
        }
        Ok(listeners)
    }
}

fn check(address: &Address) -> Result<Door, String> {
    match address {
        Address::Tcp { host, port } if host.is_empty() => {
            // The first takes both families; the second is for machines without IPv6.
            let all = [(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()];
            Ok(Door::Tcp(all.to_vec()))
        }
        Address::Tcp { host, port } => match (host.as_str(), *port).to_socket_addrs() {
            Ok(resolved) => Ok(Door::Tcp(resolved.collect())),
            Err(why) => Err(format!("cannot find the address of {host}: {why}")),
        },
        Address::Unix(path) => match (path.parent().map(Path::is_dir), path.symlink_metadata()) {
            (Some(true), Ok(there)) if !there.file_type().is_socket() => {
                Err("the path exists and is no socket".to_owned())
            }
            (Some(true), _) => Ok(Door::Unix),
            _ => Err("its folder does not exist".to_owned()),
        },
        Address::Systemd => {
            let held = ListenFd::from_env();
            if held.len() == 0 {
                return Err(
                    "no socket was handed over by systemd: is there a .socket unit, and was it started?"
                        .to_owned(),
                );
            }
            Ok(Door::Systemd(held))
        }
    }
}

/// Takes every socket that systemd passed.
fn take_all(mut held: ListenFd) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for number in 0..held.len() {
        // Which kind it is shows only when it is taken; a wrong guess leaves it where it is.
        if let Ok(Some(listener)) = held.take_tcp_listener(number) {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
        } else if let Some(listener) = held.take_unix_listener(number)? {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Unix { listener: UnixListener::from_std(listener)?, _file: None });
        }
    }
    Ok(listeners)
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    // What a process left behind that was killed is in the way; what somebody answers on is not ours to remove.
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process answers there")),
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile::of(path)?;
    Ok(Listener::Unix { listener, _file: Some(file) })
}

/// The file of a socket that we made; it goes when we go, unless another has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let there = path.symlink_metadata()?;
        Ok(Self { path: path.to_owned(), identity: (there.dev(), there.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |there: std::fs::Metadata| (there.dev(), there.ino()) == self.identity;
        if self.path.symlink_metadata().is_ok_and(ours) {
            // The next start removes it otherwise.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A bound address.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

/// One end of a connection.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A new connection: the socket, who is there, and which of our addresses was asked; none of both on a unix socket.
pub(super) type Accepted = (Box<dyn Socket>, Option<(SocketAddr, SocketAddr)>);

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written in one piece; waiting for more would only delay them.
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((Box::new(stream), Some((peer, local))))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), None))
            }
        }
    }

    /// Returns the address for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| address.to_string())
            }
            Self::Unix { listener, .. } => {
                let path = listener.local_addr().ok().and_then(|at| at.as_pathname().map(Path::to_owned));
                path.map_or_else(|| "unix".to_owned(), |path| format!("unix:{}", path.display()))
            }
        }
    }
}

/// Whether an address is this machine's own.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["127.0.0.1:10105", "[::1]:0", ":10105", "node-1.east:80", "unix:/run/x.sock", "systemd"]
        {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_forms() {
        for (text, why) in [
            ("10105", "no port"),
            ("", "no port"),
            ("host:http", "the port must be"),
            ("host:65536", "the port must be"),
            ("::1:80", "an IPv6 address stands in brackets"),
            ("http://x:80", "an IPv6 address stands in brackets"),
            ("a b:80", "the host is a name or an address"),
            ("unix:run/x", "a socket needs an absolute path"),
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.starts_with(&format!("`{text}` is no address: {why}")), "{error}");
            assert!(error.contains("; write 127.0.0.1:10105"), "{error}");
        }
        let long = format!("unix:/{}", "x".repeat(200));
        assert!(long.parse::<Address>().is_err());
    }

    #[test]
    fn every_address_that_cannot_work_is_found_before_one_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "text").unwrap();
        let addresses = [
            Address::Unix(file),
            Address::Unix("/nonexistent/x.sock".into()),
            ":1".parse().unwrap(),
            ":1".parse().unwrap(),
            Address::Systemd,
        ];
        let mut problems = Vec::new();
        let doors = Doors::check(&addresses, &mut problems);
        assert_eq!(doors.0.len(), 1);
        let ends = ["is no socket", "folder does not exist", "is given twice", "was it started?"];
        assert_eq!(problems.len(), ends.len(), "{problems:?}");
        for (problem, end) in problems.iter().zip(ends) {
            assert!(problem.ends_with(end), "{problem}");
        }
        Doors::check(&[], &mut problems);
        assert_eq!(problems.last().map(String::as_str), Some("nowhere to listen: give --listen"));
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = bind_unix(&path).unwrap();
        assert_eq!(first.name(), format!("unix:{}", path.display()));
        let second = bind_unix(&path).err().expect("it is in use");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // What somebody else has put there in the meantime stays.
        let third = bind_unix(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        drop(third);
        assert!(path.exists());
    }
}
