//! What every service shares: listening, TLS, who is answered, limits, readiness, metrics, reload, and a graceful end.
//!
//! | request | answer |
//! |---|---|
//! | `GET /-/healthy` | 200 while the process runs |
//! | `GET /-/ready` | 200, or 503 with one reason a line |
//! | `POST /-/reload` | loads the configuration again, as HUP does |
//! | `GET /-/log-level`, `PUT /-/log-level` | the level of the lines on standard error |
//! | `GET /metrics` | text 0.0.4 or OpenMetrics by `Accept`, gzip |
//!
//! Reload and log level are for this machine and for authenticated clients.

mod access;
mod admin;
mod door;
mod front;
mod gzip;
mod listen;
mod meter;
mod notify;
mod ready;
mod tls;
mod web;

pub use access::Peer;
pub use door::{Limits, LocalAddress, serve};
pub use listen::Address;
pub use ready::Readiness;

use crate::config::web::WebErrors;
use crate::sys::telemetry::LogLevel;
use crate::wire::exposition::Exposition;
use door::Hall;
use front::Front;
use listen::Doors;
use meter::Meter;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use web::WebFile;

/// The words of HTTP that a service is written in.
pub mod http {
    pub use axum::Router;
    pub use axum::body::{Body, Bytes};
    pub use axum::extract::{Extension, Path, Query, RawQuery, State};
    pub use axum::http::{HeaderMap, StatusCode, header};
    pub use axum::response::{IntoResponse, Response};
    pub use axum::routing::{get, post, put};
}

/// How a service listens and whom it answers.
#[derive(Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: Vec<Address>,
    /// exporter-toolkit's web config file.
    pub web_config: Option<PathBuf>,
    /// What its clients may take.
    pub limits: Limits,
    /// The level of its own lines.
    pub level: LogLevel,
}

/// Why a service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The web config file is wrong.
    #[error(transparent)]
    Web(#[from] WebErrors),
    /// Addresses that cannot be listened on, found before one is bound.
    #[error("{}", .0.join("; "))]
    Addresses(Vec<String>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// The system's signals cannot be had.
    #[error("signals: {0}")]
    Signals(std::io::Error),
}

/// Writes a service's own metrics.
pub type WriteMetrics = Arc<dyn Fn(&mut Exposition) + Send + Sync>;
/// Loads a service's configuration again, or says why not.
pub type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a service brings.
pub struct Service {
    /// Its name, as in `iaasmon serve NAME`.
    pub name: &'static str,
    /// What it answers beside the paths above.
    pub routes: http::Router,
    /// Its own metrics.
    pub metrics: WriteMetrics,
    /// What a reload does.
    pub reload: Reload,
}

/// A service's frame, before anything is bound: all that can be wrong with it has been looked at.
pub struct Skeleton {
    options: Options,
    doors: Doors,
    web: Arc<WebFile>,
    readiness: Readiness,
    stop: CancellationToken,
}

impl Skeleton {
    /// Looks at the addresses, and reads the web config file and its keys.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn prepare(options: Options) -> Result<Self, ServeError> {
        let mut problems = Vec::new();
        let doors = Doors::check(&options.listen, &mut problems);
        let web = match (WebFile::open(options.web_config.clone()), problems.is_empty()) {
            (Ok(web), true) => Arc::new(web),
            (Err(error), true) => return Err(error.into()),
            (web, false) => {
                problems.extend(web.err().map(|error| error.to_string()));
                return Err(ServeError::Addresses(problems));
            }
        };
        Ok(Self { options, doors, web, readiness: Readiness::default(), stop: CancellationToken::new() })
    }

    /// Returns what the service tells its readiness to.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Returns the token that is cancelled when the service is to end; cancelling it ends the service.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Binds every address, says that it is ready, and serves until a signal or [`Skeleton::stop`] ends it.
    ///
    /// # Errors
    /// When an address cannot be had; nothing is served then.
    pub async fn run(self, service: Service) -> Result<(), ServeError> {
        let Self { options, doors, web, readiness, stop } = self;
        // Whatever way this ends, those who share the token end too.
        let _end = stop.clone().drop_guard();
        let listeners = doors.bind().await?;
        let hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
        let mut signals = Signals::new().map_err(ServeError::Signals)?;
        let meter = Arc::new(Meter::default());
        let admin = admin::Admin {
            name: service.name,
            readiness: readiness.clone(),
            meter: meter.clone(),
            web: web.clone(),
            metrics: service.metrics,
            reload: service.reload,
            level: options.level,
        };
        let admin = Arc::new(admin);
        let router = service.routes.merge(admin.clone().routes());
        let front = Front::new(router, Some(web), meter, options.limits.request);
        for listener in &listeners {
            tracing::info!(address = listener.name(), "listening");
        }
        let hall = Hall::new(front, options.limits, stop.clone());
        let mut serving = tokio::spawn(async move { hall.serve(listeners).await });
        notify::ready();
        let tending = tokio::spawn(tend(admin, hangup, readiness));
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "ending"),
            () = stop.cancelled() => {}
            // The doors never close by themselves.
            _ = &mut serving => {}
        }
        notify::stopping();
        stop.cancel();
        if !serving.is_finished() {
            tokio::select! {
                _ = &mut serving => {}
                signal = signals.next() => tracing::warn!(signal, "ending at once"),
            }
        }
        tending.abort();
        Ok(())
    }
}

/// Reloads at HUP, and tells the supervisor that all is well.
async fn tend(admin: Arc<admin::Admin>, mut hangup: tokio::signal::unix::Signal, readiness: Readiness) {
    let mut watchdog = notify::Watchdog::new();
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                // Its outcome is logged and counted.
                let _ = admin.reload().await;
            }
            () = watchdog.due() => notify::alive(&readiness),
        }
    }
}

/// The signals that end a service.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "TERM",
            _ = self.interrupt.recv() => "INT",
        }
    }
}
