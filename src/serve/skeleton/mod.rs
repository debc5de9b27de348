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
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use web::WebFile;

/// The words of HTTP that a service is written in.
pub mod http {
    pub use axum::Router;
    pub use axum::body::Bytes;
    pub use axum::extract::{Extension, Path, Query, Request, State};
    pub use axum::http::{StatusCode, header};
    pub use axum::middleware::{Next, from_fn_with_state};
    pub use axum::response::{IntoResponse, Response};
    pub use axum::routing::get;
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
    signals: Signals,
}

impl Skeleton {
    /// Looks at the addresses, and reads the web config file and its keys. From here on signals are heard, so that none ends
    /// the process while it starts. Needs a runtime.
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
        let signals = Signals::new().map_err(ServeError::Signals)?;
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        Ok(Self { options, doors, web, readiness, stop, signals })
    }

    /// Waits for a signal that ends the service, for those who have long to do before [`Skeleton::run`].
    pub async fn told_to_end(&mut self) {
        self.signals.ending.next().await;
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
        let Self { options, doors, web, readiness, stop, signals } = self;
        let Signals { mut hangup, mut ending } = signals;
        // Whatever way this ends, those who share the token end too.
        let _end = stop.clone().drop_guard();
        let listeners = doors.bind().await?;
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
        let mut watchdog = notify::Watchdog::new();
        loop {
            tokio::select! {
                signal = ending.next() => {
                    tracing::info!(signal, "ending");
                    break;
                }
                () = stop.cancelled() => break,
                // The doors never close by themselves.
                _ = &mut serving => break,
                // Its outcome is logged and counted.
                _ = hangup.recv() => drop(admin.reload().await),
                () = watchdog.due() => notify::alive(&readiness),
            }
        }
        notify::stopping();
        stop.cancel();
        if !serving.is_finished() {
            tokio::select! {
                _ = &mut serving => {}
                signal = ending.next() => tracing::warn!(signal, "ending at once"),
            }
        }
        Ok(())
    }
}

/// The signals that a service hears.
struct Signals {
    hangup: Signal,
    ending: Ending,
}

/// Those that end it.
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let ending = Ending {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        Ok(Self { hangup: signal(SignalKind::hangup())?, ending })
    }
}

impl Ending {
    /// Waits for one of them and returns its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "TERM",
            _ = self.interrupt.recv() => "INT",
        }
    }
}
