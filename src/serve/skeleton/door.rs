//! Accepting connections and seeing each to its end: handshake, requests, time limits, drain.

use super::access::Peer;
use super::front::Front;
use super::listen::{Accepted, Listener, Socket};
use axum::Router;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// A pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request's head is a few hundred bytes; this bounds what one connection may make us hold.
const MAX_HEAD: usize = 16 * 1024;

/// The address that a request was sent to; an extension of every request that came by TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress(pub SocketAddr);

/// What a service lets its clients take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more have to wait in the system's queue, and idle ones make room for them.
    pub connections: usize,
    /// How long a client may take to send a request's head, from its first byte or from the start of the connection.
    pub head: Duration,
    /// How long a connection may rest between two requests.
    pub idle: Duration,
    /// How long a whole request may take, its body and our work included, and how long we wait for the client to take the
    /// answer; none is without end.
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
            head: Duration::from_secs(10),
            // Prometheus keeps a connection for five minutes: who closes it first makes every scrape connect anew.
            idle: Duration::from_secs(330),
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
    Hall::new(front, limits, stop).serve(listeners).await;
}

/// What all connections of a service share.
pub(super) struct Hall {
    front: Arc<Front>,
    limits: Limits,
    slots: Arc<Semaphore>,
    /// Somebody waits for a slot: those who rest should leave.
    crowded: Notify,
    /// No new requests; what runs may finish.
    stop: CancellationToken,
    /// Nobody waits any longer.
    end: CancellationToken,
    connections: TaskTracker,
}

impl Hall {
    pub(super) fn new(front: Arc<Front>, limits: Limits, stop: CancellationToken) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let connections = TaskTracker::new();
        let end = CancellationToken::new();
        Arc::new(Self { front, limits, slots, crowded: Notify::new(), stop, end, connections })
    }

    /// Serves on every listener until the service is stopped, then lets running requests finish for as long as they
    /// may.
    pub(super) async fn serve(self: &Arc<Self>, listeners: Vec<Listener>) {
        let mut doors = JoinSet::new();
        for listener in listeners {
            doors.spawn(self.clone().keep_open(listener));
        }
        // Each ends when the service is stopped; then nothing new is accepted.
        doors.join_all().await;
        self.connections.close();
        if timeout(self.limits.grace, self.connections.wait()).await.is_err() {
            self.end.cancel();
            self.connections.wait().await;
        }
    }

    async fn keep_open(self: Arc<Self>, listener: Listener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            let Some((accepted, slot)) = accepted else { continue };
            let hall = self.clone();
            self.connections.spawn(async move {
                let end = hall.end.clone();
                tokio::select! {
                    () = end.cancelled() => {}
                    () = hall.receive(accepted) => {}
                }
                drop(slot);
            });
        }
    }

    async fn accept(&self, listener: &Listener) -> Option<(Accepted, OwnedSemaphorePermit)> {
        let slot = match self.slots.clone().try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                self.crowded.notify_waiters();
                self.slots.clone().acquire_owned().await.ok()?
            }
        };
        match listener.accept().await {
            Ok(accepted) => Some((accepted, slot)),
            Err(error) => {
                debug!(%error, "no connection accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    /// Sees one connection to its end.
    async fn receive(&self, (socket, addresses): Accepted) {
        let _open = self.front.meter.connection();
        let began = Instant::now();
        let (address, local) = addresses.unzip();
        let mut peer = Peer { address, ..Peer::default() };
        // On a unix socket the file system says who may connect, and no key is needed within one machine.
        let tls = address.and_then(|_| self.front.tls());
        let socket = match tls {
            None => socket,
            Some(tls) => match timeout(self.limits.head, tls.accept(socket)).await {
                Ok(Ok((stream, certificate))) => {
                    peer.certificate = certificate;
                    Box::new(stream)
                }
                Ok(Err(error)) => {
                    debug!(?address, %error, "no TLS connection");
                    return self.front.meter.handshake_failed();
                }
                Err(_) => return self.front.meter.handshake_failed(),
            },
        };
        self.converse(socket, peer, local, began).await;
    }

    async fn converse(&self, socket: Box<dyn Socket>, peer: Peer, local: Option<SocketAddr>, began: Instant) {
        let pulse = Pulse::new(began);
        let (front, slots, beat) = (&self.front, &self.slots, &pulse);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let peer = peer.clone();
            if let Some(local) = local {
                request.extensions_mut().insert(LocalAddress(local));
            }
            async move {
                let _running = Running::begin(beat);
                let mut answer = front.answer(request, peer).await;
                // Others wait for this slot: this client may queue up again.
                if slots.available_permits() == 0 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .keep_alive(self.limits.keep_alive)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Watched { socket, pulse: pulse.clone() }), service);
        let mut connection = pin!(connection);
        let mut alarm = pin!(sleep_until(pulse.deadline(&self.limits).unwrap_or(began)));
        let mut leaving = false;
        loop {
            let progress = poll_fn(|cx| {
                // A client that hangs up in the middle of a request is no event of ours.
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let Some(deadline) = pulse.deadline(&self.limits) else { return Poll::Pending };
                if alarm.deadline() != deadline {
                    alarm.as_mut().reset(deadline);
                }
                alarm.as_mut().poll(cx)
            });
            tokio::select! {
                biased;
                () = progress => return,
                () = self.stop.cancelled(), if !leaving => {
                    if pulse.is_fresh() {
                        return; // nothing was asked
                    }
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.crowded.notified(), if !leaving => {
                    if pulse.is_resting() {
                        leaving = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// What a connection is doing, from which its time limit follows.
#[derive(Clone)]
struct Pulse(Arc<Mutex<Beat>>);

struct Beat {
    /// A request is being answered; that has a limit of its own.
    running: bool,
    /// When the head of a request began to come.
    head: Option<Instant>,
    /// When bytes last moved.
    last: Instant,
    /// No byte has come yet.
    fresh: bool,
    /// Since when the client takes nothing of what is to be sent.
    stuck: Option<Instant>,
    /// How long it took nothing before, of the same answer.
    waited: Duration,
}

impl Pulse {
    /// A client that connects wants to ask something: its time for the head runs from the start.
    fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Beat {
            running: false,
            head: Some(now),
            last: now,
            fresh: true,
            stuck: None,
            waited: Duration::ZERO,
        })))
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let beat = self.beat();
        let asks = match beat.head {
            _ if beat.running => None,
            Some(began) => Some(began + limits.head),
            None => Some(beat.last + limits.idle),
        };
        // A byte now and then would make an answer last as long as somebody likes.
        let takes =
            beat.stuck.zip(limits.request).map(|(since, most)| since + most.saturating_sub(beat.waited));
        asks.into_iter().chain(takes).min()
    }

    fn is_fresh(&self) -> bool {
        self.beat().fresh
    }

    fn is_resting(&self) -> bool {
        let beat = self.beat();
        !beat.running && beat.head.is_none()
    }

    fn has_read(&self) {
        let mut beat = self.beat();
        beat.last = Instant::now();
        beat.fresh = false;
        if !beat.running && beat.head.is_none() {
            beat.head = Some(beat.last);
        }
    }

    fn has_written(&self) {
        self.has_flushed();
        self.beat().last = Instant::now();
    }

    fn has_flushed(&self) {
        let mut beat = self.beat();
        if let Some(since) = beat.stuck.take() {
            beat.waited += since.elapsed();
        }
    }

    fn has_to_wait(&self) {
        self.beat().stuck.get_or_insert_with(Instant::now);
    }
}

/// A request is being answered while this lives.
struct Running<'p>(&'p Pulse);

impl<'p> Running<'p> {
    fn begin(pulse: &'p Pulse) -> Self {
        let mut beat = pulse.beat();
        beat.running = true;
        beat.head = None;
        beat.waited = Duration::ZERO;
        drop(beat);
        Self(pulse)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut beat = self.0.beat();
        beat.running = false;
        beat.last = Instant::now();
    }
}

/// A socket that tells the pulse when bytes move.
struct Watched {
    socket: Box<dyn Socket>,
    pulse: Pulse,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(cx, into);
        if into.filled().len() > before {
            self.pulse.has_read();
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        match outcome.is_ready() {
            true => self.pulse.has_written(),
            false => self.pulse.has_to_wait(),
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        // Under TLS what was written may still wait here.
        match outcome.is_ready() {
            true => self.pulse.has_flushed(),
            false => self.pulse.has_to_wait(),
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
