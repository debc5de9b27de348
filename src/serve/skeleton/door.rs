//! Accepting connections: bounded in number, encrypted where asked, ended gracefully.

use super::access::Peer;
use super::front::Front;
use super::listen::Listener;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request's head is a few hundred bytes; this bounds what one connection may make us hold.
const MAX_HEAD: usize = 16 * 1024;
/// How long a client may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The address that a request was sent to; an extension of every request that came by TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress(pub SocketAddr);

/// What a service lets its clients take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more have to wait in the system's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, which also ends idle connections.
    pub head: Duration,
    /// How long a whole request may take, its body and our work included; none is without end.
    pub request: Option<Duration>,
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
            request: None,
            keep_alive: true,
            grace: Duration::from_secs(5),
        }
    }
}

/// Serves `router` to everybody on every listener until `stop` is cancelled, then lets running requests finish.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, limits: Limits, stop: CancellationToken) {
    let front = Front::new(router, None, Arc::default(), limits.request);
    let listeners = listeners.into_iter().map(Listener::Tcp).collect();
    Doors { front, limits }.serve(listeners, stop).await;
}

/// All listeners of a service.
pub(super) struct Doors {
    pub(super) front: Arc<Front>,
    pub(super) limits: Limits,
}

impl Doors {
    pub(super) async fn serve(self, listeners: Vec<Listener>, stop: CancellationToken) {
        let graceful = Arc::new(GracefulShutdown::new());
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        let mut doors = JoinSet::new();
        for listener in listeners {
            let door = Door {
                front: self.front.clone(),
                limits: self.limits,
                slots: slots.clone(),
                graceful: graceful.clone(),
            };
            doors.spawn(door.open(listener, stop.clone()));
        }
        // Each ends when `stop` is cancelled; then nothing new is accepted.
        doors.join_all().await;
        // A connection in its handshake still holds a copy; it is dropped with the runtime.
        if let Some(graceful) = Arc::into_inner(graceful) {
            // What still runs after the grace is dropped with the runtime.
            let _ = tokio::time::timeout(self.limits.grace, graceful.shutdown()).await;
        }
    }
}

/// One listener with what its connections need.
struct Door {
    front: Arc<Front>,
    limits: Limits,
    slots: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
}

impl Door {
    async fn open(self, listener: Listener, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.accept(&listener) => {}
            }
        }
    }

    async fn accept(&self, listener: &Listener) {
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
        let accepted = match listener {
            Listener::Tcp(listener) => match listener.accept().await {
                Ok((stream, address)) => {
                    let local = stream.local_addr().ok().map(LocalAddress);
                    let peer = Peer { address: Some(address), ..Peer::default() };
                    self.greet(stream, peer, local, slot);
                    true
                }
                Err(_) => false,
            },
            Listener::Unix(listener) => match listener.accept().await {
                Ok((stream, _)) => {
                    // The file system says who may connect, and no key is needed within one machine.
                    self.speak(stream, Peer::default(), None, slot);
                    true
                }
                Err(_) => false,
            },
        };
        if !accepted {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Shakes hands where the service is encrypted, then speaks.
    fn greet(
        &self,
        stream: tokio::net::TcpStream,
        peer: Peer,
        local: Option<LocalAddress>,
        slot: OwnedSemaphorePermit,
    ) {
        let Some(tls) = self.front.tls() else { return self.speak(stream, peer, local, slot) };
        let speaker = Speaker {
            front: self.front.clone(),
            limits: self.limits,
            graceful: Arc::downgrade(&self.graceful),
        };
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await;
            let Ok(Ok((stream, certificate))) = shaken else {
                speaker.front.meter.handshake_failed();
                return;
            };
            let Some(graceful) = speaker.graceful.upgrade() else { return };
            let connection = speaker.connection(stream, Peer { certificate, ..peer }, local, &graceful);
            drop(graceful);
            let _ = connection.await;
            drop(slot);
        });
    }

    fn speak<S>(&self, stream: S, peer: Peer, local: Option<LocalAddress>, slot: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let speaker = Speaker {
            front: self.front.clone(),
            limits: self.limits,
            graceful: Arc::downgrade(&self.graceful),
        };
        let connection = speaker.connection(stream, peer, local, &self.graceful);
        tokio::spawn(async move {
            // A client that hangs up in the middle of a request is no event of ours.
            let _ = connection.await;
            drop(slot);
        });
    }
}

/// What one connection needs.
struct Speaker {
    front: Arc<Front>,
    limits: Limits,
    graceful: std::sync::Weak<GracefulShutdown>,
}

impl Speaker {
    fn connection<S>(
        &self,
        stream: S,
        peer: Peer,
        local: Option<LocalAddress>,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = hyper::Result<()>> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = self.front.clone();
        let open = front.meter.connection();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            if let Some(local) = local {
                request.extensions_mut().insert(local);
            }
            let (front, peer) = (front.clone(), peer.clone());
            async move { Ok::<_, std::convert::Infallible>(front.answer(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .keep_alive(self.limits.keep_alive)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        async move {
            let ended = connection.await;
            drop(open);
            ended
        }
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
