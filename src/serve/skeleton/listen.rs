//! Where a service listens: addresses, sockets in the file system, and what systemd hands over.

use super::ServeError;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::net::{TcpListener, UnixListener};

/// Where a service is to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port` or `:port`
    Tcp(String),
    /// `unix:/path`
    Unix(PathBuf),
    /// `systemd`: every socket that systemd hands over.
    Systemd,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: write host:port, :port, unix:/path or systemd")]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        port.parse::<u16>().map_err(|_| bad())?;
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // An IPv6 address without brackets would lose its last part to the port.
        if inside.contains(':') != host.starts_with('[') || host.contains([' ', '/']) {
            return Err(bad());
        }
        Ok(Self::Tcp(if host.is_empty() { format!("[::]:{port}") } else { text.to_owned() }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// A bound address.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.unwrap_or(Path::new("")).display())
            }
        }
    }
}

/// Binds all addresses, or none.
pub(super) async fn bind(addresses: &[Address]) -> Result<Vec<Listener>, ServeError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let fail = |error| ServeError::Listen { address: address.to_string(), error };
        match address {
            Address::Tcp(text) => listeners.push(Listener::Tcp(tcp(text).await.map_err(fail)?)),
            Address::Unix(path) => listeners.push(Listener::Unix(unix(path).map_err(fail)?)),
            Address::Systemd => listeners.extend(handed_over().map_err(fail)?),
        }
    }
    Ok(listeners)
}

async fn tcp(address: &str) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // `:port` means all addresses; without IPv6 those of IPv4 are all.
        Err(error) if address.starts_with("[::]:") && error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(address.replacen("[::]", "0.0.0.0", 1)).await
        }
        bound => bound,
    }
}

/// A socket that a killed service left behind is in nobody's way: it is told from a living one by knocking.
fn unix(path: &Path) -> std::io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// The sockets of `LISTEN_FDS` (sd_listen_fds(3)).
fn handed_over() -> std::io::Result<Vec<Listener>> {
    let mut sockets = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..sockets.len() {
        if let Ok(Some(listener)) = sockets.take_tcp_listener(at) {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
        } else if let Some(listener) = sockets.take_unix_listener(at)? {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Unix(UnixListener::from_std(listener)?));
        }
    }
    if listeners.is_empty() {
        return Err(std::io::Error::other(
            "no socket was handed over (LISTEN_FDS is not set for this process)",
        ));
    }
    Ok(listeners)
}

/// Removes the sockets in the file system.
pub(super) fn clear(addresses: &[Address]) {
    for address in addresses {
        if let Address::Unix(path) = address {
            // Another instance may have taken the path over already, or somebody removed it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether an address is this machine's own.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, address) in [
            ("127.0.0.1:80", Address::Tcp("127.0.0.1:80".into())),
            (":80", Address::Tcp("[::]:80".into())),
            ("[::1]:80", Address::Tcp("[::1]:80".into())),
            ("name.example:80", Address::Tcp("name.example:80".into())),
            ("unix:/run/x", Address::Unix("/run/x".into())),
            ("systemd", Address::Systemd),
        ] {
            assert_eq!(text.parse::<Address>().as_ref(), Ok(&address), "{text}");
            assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address));
        }
        for text in ["", "80", "host", "host:", "host:70000", "::1:80", "unix:", "http://x:80", "a b:80"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
