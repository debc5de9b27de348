//! What every service shares: listening on several addresses, limits, and a graceful end.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The words of HTTP that a service is written in.
pub mod http {
    pub use axum::Router;
    pub use axum::body::Bytes;
    pub use axum::extract::{Extension, Path, Query, State};
    pub use axum::http::{StatusCode, header};
    pub use axum::response::{IntoResponse, Response};
    pub use axum::routing::get;
}

/// A pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request's head is a few hundred bytes; this bounds what one connection may make us hold.
const MAX_HEAD: usize = 16 * 1024;

/// The address that a request was sent to; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress(pub SocketAddr);

/// What a service lets its clients take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more have to wait in the system's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, which also ends idle connections.
    pub head: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
    /// How long running requests may take to finish when the service ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(300),
            keep_alive: true,
            grace: Duration::from_secs(5),
        }
    }
}

/// Serves `router` on every listener until `stop` is cancelled, then lets running requests finish.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, limits: Limits, stop: CancellationToken) {
    let graceful = Arc::new(GracefulShutdown::new());
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut doors = JoinSet::new();
    for listener in listeners {
        let door = Door { router: router.clone(), limits, slots: slots.clone(), graceful: graceful.clone() };
        doors.spawn(door.open(listener, stop.clone()));
    }
    // Each ends when `stop` is cancelled; then nothing new is accepted.
    doors.join_all().await;
    let graceful = Arc::into_inner(graceful).expect("the doors are gone, and only they shared it");
    // What still runs after the grace is dropped with the runtime.
    let _ = tokio::time::timeout(limits.grace, graceful.shutdown()).await;
}

/// One listener with what its connections need.
struct Door {
    router: Router,
    limits: Limits,
    slots: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
}

impl Door {
    async fn open(self, listener: TcpListener, stop: CancellationToken) {
        let Ok(local) = listener.local_addr() else { return };
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            let Some((stream, slot)) = accepted else { continue };
            let connection = self.connection(stream, local);
            tokio::spawn(async move {
                // A client that hangs up in the middle of a request is no event of ours.
                let _ = connection.await;
                drop(slot);
            });
        }
    }

    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let slot = self.slots.clone().acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        local: SocketAddr,
    ) -> impl Future<Output = hyper::Result<()>> + use<> {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(LocalAddress(local));
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .keep_alive(self.limits.keep_alive)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        self.graceful.watch(connection)
    }
}

#[cfg(test)]
mod tests;
