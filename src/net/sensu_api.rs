//! The client of Sensu's API, for the time in which both systems run.

use super::error::NetError;
use super::http::{Ask, Http, Reply};
use crate::config::{Auth, Cluster, Defaults};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::wire::WireError;
use crate::wire::detail::error_text;
use crate::wire::sensu_api::{SensuClient, SensuEvent, decode_clients, decode_events};
use std::path::PathBuf;
use url::Url;

/// One Sensu API.
#[derive(Debug, Clone)]
pub struct SensuApi {
    http: Http,
}

impl SensuApi {
    /// Builds the client. User and password may stand in the URL; a file may hold the password instead.
    pub fn new(url: &Url, password_file: Option<PathBuf>, defaults: &Defaults) -> Self {
        let mut cluster = Cluster::new("sensu", defaults);
        let mut base = url.clone();
        if let Some(password_file) = password_file {
            cluster.auth = Some(Auth::BasicFile { user: url.username().to_owned(), password_file });
            // A URL that can be asked can be without them.
            let _ = base.set_username("").and_then(|()| base.set_password(None));
        }
        Self { http: Http::open_one(&cluster, ReplicaKind::Sensu, &base) }
    }

    /// Returns who this is.
    pub fn replica(&self) -> &Replica {
        self.http.replica()
    }

    /// Asks for all events.
    pub async fn events(&self) -> Result<Reply<Vec<SensuEvent>>, NetError> {
        self.list("/events", decode_events).await
    }

    /// Asks for all clients.
    pub async fn clients(&self) -> Result<Reply<Vec<SensuClient>>, NetError> {
        self.list("/clients", decode_clients).await
    }

    async fn list<T: Send + 'static>(
        &self,
        path: &str,
        decode: fn(&[u8]) -> Result<T, WireError>,
    ) -> Result<Reply<T>, NetError> {
        let raw = self.http.ask(Ask::get(path), error_text).await?;
        self.http.reply(path, raw, decode).await
    }
}
