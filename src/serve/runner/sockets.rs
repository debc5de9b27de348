//! The local sockets, as `client.socket` and `client.http_socket` want them (client/process.rb: setup_sockets).

use super::intake::Intake;
use super::journal::Journal;
use super::{Rival, RunnerError, http_socket, socket};
use crate::sensu::definitions::Settings;
use crate::sensu::level::Level;
use crate::wire::sensu_json::{Object, Value, field};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// How many bytes all connections together may hold, beside the [`FREE`] ones of each: two of the largest messages.
const MOST_HELD: usize = 32 * 1024 * 1024;
/// What each connection may hold, however much the others do: results of everyday size always come through.
const FREE: usize = 64 * 1024;

/// Those that are switched on, bound.
#[derive(Default)]
pub(super) struct Sockets {
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
    http: Option<TcpListener>,
}

impl Sockets {
    /// Binds them. Beside another client, which has them, they are left out.
    pub(super) async fn bind(
        settings: &Settings,
        journal: &Journal,
        alone: bool,
    ) -> Result<Self, RunnerError> {
        if !alone {
            return Ok(Self::default());
        }
        let client = settings.client();
        let mut sockets = Self::default();
        match options(client, "socket") {
            Some(options) if is_off(options) => {
                journal.line(Level::Info, "client tcp/udp socket disabled per configuration", &[]);
            }
            options => {
                let address = address(options, 3030);
                debug(journal, "binding client tcp and udp sockets", &address);
                sockets.tcp = Some(TcpListener::bind(&address).await.map_err(taken(&address))?);
                sockets.udp = Some(UdpSocket::bind(&address).await.map_err(taken(&address))?);
            }
        }
        // Only where it is asked for (client/process.rb: `if @settings[:client][:http_socket]`).
        match options(client, "http_socket") {
            None => {}
            Some(options) if is_off(options) => {
                journal.line(Level::Info, "client http socket disabled per configuration", &[]);
            }
            some => {
                let address = address(some, 3031);
                debug(journal, "binding client http socket", &address);
                sockets.http = Some(TcpListener::bind(&address).await.map_err(taken(&address))?);
            }
        }
        Ok(sockets)
    }

    /// Answers on all of them until the returned tasks are ended.
    pub(super) fn listen(self, intake: &Intake) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let budget = Budget::new(MOST_HELD);
        if let Some(listener) = self.tcp {
            tasks.spawn(socket::tcp(listener, intake.clone(), budget.clone()));
        }
        if let Some(socket) = self.udp {
            tasks.spawn(socket::udp(socket, intake.clone()));
        }
        if let Some(listener) = self.http {
            tasks.spawn(http_socket::http(listener, intake.clone(), budget));
        }
        tasks
    }
}

/// The memory for what comes in, shared by all connections.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// What one connection holds of it, given back when it ends.
#[derive(Debug)]
pub(super) struct Share {
    left: Budget,
    held: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    pub(super) fn share(&self) -> Share {
        Share { left: self.clone(), held: 0 }
    }
}

impl Share {
    /// Takes what a buffer of this size needs; false where the others hold too much.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(FREE).saturating_sub(self.held);
        let take = |left: usize| left.checked_sub(more);
        let took = self.left.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if took {
            self.held += more;
        }
        took
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.left.0.fetch_add(self.held, Ordering::Relaxed);
    }
}

fn options<'a>(client: &'a Object, name: &str) -> Option<&'a Object> {
    field(client, name).and_then(Value::as_object)
}

fn is_off(options: &Object) -> bool {
    field(options, "enabled").and_then(Value::as_bool) == Some(false)
}

fn address(options: Option<&Object>, port: i64) -> String {
    let option = |name| options.and_then(|options| field(options, name));
    let bind = option("bind").and_then(Value::as_str).unwrap_or("127.0.0.1");
    let port = option("port").and_then(Value::as_i64).unwrap_or(port);
    if bind.contains(':') { format!("[{bind}]:{port}") } else { format!("{bind}:{port}") }
}

fn debug(journal: &Journal, message: &str, address: &str) {
    journal.line(Level::Debug, message, &[("options", &Value::from(address))]);
}

fn taken(address: &str) -> impl FnOnce(std::io::Error) -> RunnerError {
    let address = address.to_owned();
    move |error| match error.kind() {
        ErrorKind::AddrInUse => RunnerError::Rival(Rival::Port(address)),
        _ => RunnerError::Io { what: address, error },
    }
}

/// What takes results in for tests, with the folder that its log is in.
#[cfg(test)]
pub(super) fn idle_intake() -> (Intake, tempfile::TempDir) {
    use super::journal::Output;
    use crate::sensu::definitions::{Sources, load};
    use crate::sensu::engine::{Bounds, Engine};
    use crate::sys::logfile::{LogFile, Rotation};
    let folder = tempfile::tempdir().expect("a folder");
    let log = LogFile::open(&folder.path().join("log"), Rotation::default(), crate::sys::clock::now());
    let journal = Arc::new(Journal::new(Output::File(log.expect("opened")), Level::Info));
    let settings = load(&Sources { hostname: "n1".into(), ..Sources::default() }, &mut Vec::new());
    let settings = settings.unwrap_or_else(|refused| panic!("{refused}"));
    let around = crate::sys::child::Surroundings::default();
    let engine = Engine::new(settings, around, None, Bounds::default(), Arc::new(|_| {}));
    (Intake { engine, journal }, folder)
}

#[cfg(test)]
mod tests {
    use super::{Budget, FREE};

    #[test]
    fn what_one_connection_holds_the_others_lack_until_it_ends() {
        let budget = Budget::new(100);
        let (mut one, mut other, mut small) = (budget.share(), budget.share(), budget.share());
        assert!(one.hold(FREE + 60) && one.hold(FREE + 60) && one.hold(10));
        assert!(!other.hold(FREE + 41) && small.hold(FREE));
        assert!(other.hold(FREE + 40) && !one.hold(FREE + 61));
        drop(one);
        assert!(other.hold(FREE + 100) && !small.hold(FREE + 1));
    }
}
