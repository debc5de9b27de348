//! What every service shares: listening, TLS, who is answered, limits, readiness, metrics, reload, and a graceful end.
//!
//! | request | answer |
//! |---|---|
//! | `GET /-/healthy` | 200 while the process runs |
//! | `GET /-/ready` | 200, with a line for each thing that it does without, or 503 with one reason a line |
//! | `POST /-/reload` | loads the configuration again, as HUP does |
//! | `GET /-/log-level`, `PUT /-/log-level` | the level of the lines on standard error |
//! | `GET /metrics` | text 0.0.4 or OpenMetrics by `Accept`, gzip |
//!
//! Reload and log level are for this machine and for authenticated clients.

mod access;
mod admin;
mod door;
mod ending;
mod front;
mod gzip;
mod listen;
mod long;
mod meter;
mod notify;
mod ready;
mod tls;
mod web;

pub use access::Peer;
pub use door::{Limits, LocalAddress, serve};
pub use ending::Ending;
pub use listen::Address;
pub use long::LongAnswers;
pub use ready::Readiness;

use crate::config::web::WebErrors;
use crate::sys::telemetry::LogLevel;
use crate::wire::exposition::{Exposition, Format};
use door::Hall;
use front::Front;
use listen::{Doors, Listener};
use meter::Meter;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use web::WebFile;

/// The words of HTTP that a service is written in.
pub mod http {
    pub use axum::Router;
    pub use axum::body::{Body, Bytes, to_bytes};
    pub use axum::extract::{DefaultBodyLimit, Extension, FromRequestParts, Path, Query, Request, State};
    pub use axum::http::request::Parts;
    pub use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
    pub use axum::middleware::{Next, from_fn_with_state};
    pub use axum::response::{IntoResponse, Response};
    pub use axum::routing::{any, get, post, put};
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
    #[error("--web.config.file: {0}")]
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
/// Loads a service's own configuration again and names it, where there is any; or says why the old one stays.
pub type Reload = Arc<dyn Fn() -> Result<Option<&'static str>, String> + Send + Sync>;

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
    /// Where its pages are.
    pub pages: Pages,
}

/// Where a service's pages are, and what its metrics can be read as.
#[derive(Debug, Clone)]
pub struct Pages {
    /// What comes before every path; empty for nothing.
    pub prefix: String,
    /// Where its metrics are.
    pub metrics: String,
    /// What they can be read as, the usual one first.
    pub formats: &'static [Format],
    /// Where they are so long that they are written beside the requests, who else makes such answers.
    pub long: Option<LongAnswers>,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            metrics: "/metrics".to_owned(),
            formats: &[Format::Text, Format::OpenMetrics],
            long: None,
        }
    }
}

/// A service's frame, before anything is bound: all that can be wrong with it has been looked at.
pub struct Skeleton {
    options: Options,
    doors: Doors,
    web: Arc<WebFile>,
    readiness: Readiness,
    ending: Ending,
    hangup: Signal,
}

/// A service's frame with its addresses bound.
pub struct Bound {
    options: Options,
    listeners: Vec<Listener>,
    web: Arc<WebFile>,
    readiness: Readiness,
    ending: Ending,
    hangup: Signal,
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
                problems.extend(web.err().map(|error| ServeError::Web(error).to_string()));
                return Err(ServeError::Addresses(problems));
            }
        };
        let ending = Ending::on_signals().map_err(ServeError::Signals)?;
        let hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
        Ok(Self { options, doors, web, readiness: Readiness::default(), ending, hangup })
    }

    /// Returns what the service tells its readiness to.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Returns how the service is told to end.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Binds every address.
    ///
    /// # Errors
    /// When one cannot be had; none is bound then.
    pub async fn bind(self) -> Result<Bound, ServeError> {
        let Self { options, doors, web, readiness, ending, hangup } = self;
        let listeners = doors.bind().await?;
        Ok(Bound { options, listeners, web, readiness, ending, hangup })
    }
}

impl Bound {
    /// Returns what the service tells its readiness to.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Returns how the service is told to end.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Writes what a service of this name tells of itself by being one.
    pub fn write_metrics(&self, name: &'static str, out: &mut Exposition) {
        admin::write_own(name, &Meter::default(), &self.web, true, out);
    }

    /// Says that it is ready, and serves for as long as `work` goes on, which is to end some time after the service was told to.
    pub async fn serve_during(self, service: Service, work: impl Future<Output = ()>) {
        let closing = CancellationToken::new();
        let working = async {
            work.await;
            closing.cancel();
        };
        tokio::join!(self.serve(service, closing.clone()), working);
    }

    async fn serve(self, service: Service, closing: CancellationToken) {
        let Self { options, listeners, web, readiness, ending, mut hangup } = self;
        let meter = Arc::new(Meter::default());
        let admin = Arc::new(admin::Admin {
            name: service.name,
            readiness: readiness.clone(),
            meter: meter.clone(),
            web: web.clone(),
            metrics: service.metrics,
            reload: service.reload,
            reloading: tokio::sync::Mutex::default(),
            level: options.level,
            pages: service.pages.clone(),
        });
        let router = service.routes.merge(admin.clone().routes());
        let router = match service.pages.prefix.as_str() {
            "" => router,
            // Its first page is behind a slash, as Go's router has it: relative links of a page need that.
            prefix => {
                let whole = format!("{prefix}/");
                let moved = (http::StatusCode::MOVED_PERMANENTLY, [(http::header::LOCATION, whole.clone())]);
                http::Router::new().nest(&whole, router).route(prefix, http::get(async move || moved))
            }
        };
        let front = Front::new(router, Some(web), meter, options.limits.request);
        for listener in &listeners {
            tracing::info!(address = listener.name(), "listening");
        }
        let hall = Hall::new(front, options.limits, closing.clone());
        let mut serving = tokio::spawn(async move { hall.serve(listeners).await });
        notify::ready();
        let mut watchdog = notify::Watchdog::new();
        let mut stopping = false;
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                () = ending.at_once().cancelled() => break,
                () = ending.begun().cancelled(), if !stopping => {
                    stopping = true;
                    notify::stopping();
                    readiness.block("ending", Some("told to end, what runs is waited for".to_owned()));
                }
                // The doors never close by themselves.
                _ = &mut serving => break,
                // Its outcome is logged and counted.
                _ = hangup.recv() => drop(admin.reload().await),
                () = watchdog.due() => notify::alive(&readiness),
            }
        }
        if !stopping {
            notify::stopping();
        }
        closing.cancel();
        // Whatever way this ends, those who share the end do too.
        ending.begun().cancel();
        if !serving.is_finished() {
            tokio::select! {
                _ = &mut serving => {}
                () = ending.at_once().cancelled() => {}
            }
        }
    }
}
