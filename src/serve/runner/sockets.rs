//! The local sockets, as `client.socket` and `client.http_socket` want them (client/process.rb: setup_sockets).

use super::intake::Intake;
use super::journal::Journal;
use super::{Rival, RunnerError, http_socket, socket};
use crate::sensu::definitions::Settings;
use crate::sensu::level::Level;
use crate::wire::sensu_json::{Object, Value, field};
use std::io::ErrorKind;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

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
        if let Some(listener) = self.tcp {
            tasks.spawn(socket::tcp(listener, intake.clone()));
        }
        if let Some(socket) = self.udp {
            tasks.spawn(socket::udp(socket, intake.clone()));
        }
        if let Some(listener) = self.http {
            tasks.spawn(http_socket::http(listener, intake.clone()));
        }
        tasks
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
