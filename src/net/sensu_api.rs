//! The client of Sensu's API, for the time in which both systems run.

use super::error::NetError;
use super::http::{Ask, Http, Reply};
use crate::config::{Auth, Cluster, Defaults};
use crate::model::cluster::{Replica, ReplicaKind};
use crate::wire::detail::error_text;
use crate::wire::sensu_api::{SensuEvent, decode_events};
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
        let path = "/events";
        let raw = self.http.ask(Ask::get(path), error_text).await?;
        match self.http.decode(raw, decode_events).await {
            Ok((value, meta)) => Ok(Reply { value, meta, warnings: Vec::new() }),
            Err(kind) => {
                Err(NetError { replica: self.http.replica().clone(), request: path.to_owned(), kind })
            }
        }
    }
}
