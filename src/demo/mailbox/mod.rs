//! The mailbox of a demo: takes the mails and the webhook messages of its Alertmanagers, and keeps the newest as files.
//!
//! It is one process for all clusters, on loopback addresses like everything of a demo. Nothing is sent on.

mod shelf;
mod smtp;

use super::addresses::endpoint;
use super::server::{Recipe, Server};
use super::stage::Stage;
use super::{DemoError, block::Block};
use crate::serve::skeleton::http::{
    Bytes, DefaultBodyLimit, IntoResponse, Response, Router, State, StatusCode, get, post,
};
use crate::serve::skeleton::{Limits, serve};
use crate::sys::apart::apart;
use serde_json::Value;
use shelf::Shelf;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The folder of the mails, in the demo's.
pub const MAILS: &str = "mails";
/// The folder of the webhook's messages, in the demo's.
pub const WEBHOOK: &str = "webhook";
/// Where messages are posted.
pub(super) const HOOK: &str = "/webhook";
/// Its address, beyond those of the clusters' servers.
const SERVER: u8 = 200;
/// The largest message of either kind. One of a check has a few kilobytes.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Connections at a time: an Alertmanager has one for each message that it sends.
const CONNECTIONS: usize = 64;
/// How long a message may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the mailbox listens.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    /// For mails, by SMTP.
    pub mail: SocketAddr,
    /// For messages, by HTTP.
    pub webhook: SocketAddr,
}

impl Doors {
    /// Chooses them, on the ports that such mailboxes have elsewhere.
    pub(crate) fn choose(block: &Block) -> Result<Self, DemoError> {
        Ok(Self { mail: endpoint(block, SERVER, 1025)?, webhook: endpoint(block, SERVER, 8025)? })
    }

    /// Starts the mailbox without waiting for it.
    pub(crate) fn open(self, stage: &Stage) -> Result<Server, DemoError> {
        let Self { mail, webhook } = self;
        Server::start(Recipe {
            name: "mailbox".to_owned(),
            program: stage.program().to_owned(),
            args: vec![
                "demo-mailbox".into(),
                stage.folder().into(),
                mail.to_string().into(),
                webhook.to_string().into(),
            ],
            environment: Vec::new(),
            address: webhook,
            data: None,
            log: stage.folder().join("mailbox.log"),
            group: stage.group(),
        })
    }
}

/// Takes what comes and keeps it below `folder`, until `stop` is cancelled.
///
/// # Errors
/// When an address cannot be bound, or a folder cannot be made.
pub async fn receive(folder: &Path, doors: Doors, stop: CancellationToken) -> Result<(), DemoError> {
    let mails = Arc::new(Shelf::make(folder.join(MAILS), "eml")?);
    let messages = Arc::new(Shelf::make(folder.join(WEBHOOK), "json")?);
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.map_err(DemoError::file(address.to_string()))
    };
    // Who is told that the one is ready may use both.
    let (mail, webhook) = (bind(doors.mail).await?, bind(doors.webhook).await?);
    let limits = Limits {
        connections: CONNECTIONS,
        request: Some(PATIENCE),
        grace: Duration::from_millis(200),
        ..Limits::default()
    };
    let told = serve(vec![webhook], routes(messages), limits, stop.clone());
    tokio::select! {
        () = told => {}
        () = smtp::listen(mail, mails) => {}
    }
    Ok(())
}

fn routes(messages: Arc<Shelf>) -> Router {
    Router::new()
        .route(HOOK, post(take))
        .route("/-/ready", get(async || "ready\n"))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE))
        .with_state(messages)
}

/// Keeps a message, indented: it is there to be read.
async fn take(State(messages): State<Arc<Shelf>>, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "no JSON\n").into_response();
    };
    match apart(move || messages.put(format!("{message:#}\n").as_bytes())).await {
        Ok(()) => StatusCode::OK.into_response(),
        // Alertmanager tries again.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
