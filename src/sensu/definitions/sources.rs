//! Where definitions come from, and what stands before any file is read (loader.rb:43-79).

use crate::wire::sensu_json::{Object, Value, set};
use nix::ifaddrs::getifaddrs;
use std::path::PathBuf;

/// How many commands run at a time, unless `sensu.spawn.limit` says otherwise.
pub(super) const SPAWN_LIMIT: usize = 12;

/// Where definitions come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// One file, read first.
    pub file: Option<PathBuf>,
    /// Folders, each read whole.
    pub folders: Vec<PathBuf>,
    /// The name of this host.
    pub hostname: String,
    /// Its first address that is not a loopback.
    pub address: String,
    /// `SENSU_CLIENT_NAME`, which files override.
    pub client_name: Option<String>,
    /// `SENSU_CLIENT_ADDRESS`
    pub client_address: Option<String>,
    /// `SENSU_CLIENT_SUBSCRIPTIONS`, with commas
    pub client_subscriptions: Option<String>,
}

impl Sources {
    /// Returns sources on this host; `variable` reads our environment.
    ///
    /// The variables of transport, Redis and API are not read: there is none of them.
    pub fn on_this_host<'a>(
        file: Option<PathBuf>,
        folders: Vec<PathBuf>,
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let variable = |name| variable(name).map(str::to_owned);
        Self {
            file,
            folders,
            hostname: hostname.unwrap_or_else(|| "unknown".to_owned()),
            address: address().unwrap_or_else(|| "unknown".to_owned()),
            client_name: variable("SENSU_CLIENT_NAME"),
            client_address: variable("SENSU_CLIENT_ADDRESS"),
            client_subscriptions: variable("SENSU_CLIENT_SUBSCRIPTIONS"),
        }
    }

    /// Returns what holds before any file is read.
    pub(super) fn defaults(&self) -> Object {
        let mut client = Object::new();
        set(&mut client, "name", self.hostname.as_str());
        set(&mut client, "address", self.address.as_str());
        let number = |n: i64| Value::from(n);
        let thresholds = object([("warning", number(120)), ("critical", number(180))]);
        let sensu = object([
            ("spawn", object([("limit", number(SPAWN_LIMIT as i64))])),
            ("keepalives", object([("thresholds", thresholds)])),
        ]);
        let transport =
            object([("name", Value::from("rabbitmq")), ("reconnect_on_error", Value::Bool(true))]);
        let empty = || Value::Object(Object::new());
        let all = object([
            ("client", Value::Object(client)),
            ("sensu", sensu),
            ("transport", transport),
            ("checks", empty()),
            ("filters", empty()),
            ("mutators", empty()),
            ("handlers", empty()),
            ("extensions", empty()),
        ]);
        match all {
            Value::Object(all) => all,
            _ => Object::new(),
        }
    }

    /// Returns what the environment says of the client, where it says anything.
    pub(super) fn client(&self) -> Option<Object> {
        let mut client = Object::new();
        if let Some(name) = &self.client_name {
            set(&mut client, "name", name.as_str());
        }
        if let Some(address) = &self.client_address {
            set(&mut client, "address", address.as_str());
        }
        if let Some(list) = &self.client_subscriptions {
            set(&mut client, "subscriptions", Value::Array(list.split(',').map(Value::from).collect()));
        }
        (!client.is_empty()).then_some(client)
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.as_bytes().into(), value)).collect())
}

/// The first IPv4 address that is not a loopback, as `Socket.ip_address_list` would have it.
fn address() -> Option<String> {
    let addresses = getifaddrs().ok()?.filter_map(|interface| interface.address);
    let mut ips = addresses.filter_map(|address| address.as_sockaddr_in().map(|address| address.ip()));
    ips.find(|ip| !ip.is_loopback()).map(|ip| ip.to_string())
}
