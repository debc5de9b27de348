//! The paths that every service answers.

use super::access::Peer;
use super::meter::Meter;
use super::ready::Readiness;
use super::web::WebFile;
use super::{Pages, Reload, WriteMetrics, notify};
use crate::sys::apart::apart;
use crate::sys::telemetry::LogLevel;
use crate::sys::{clock, process};
use crate::wire::exposition::{Exposition, Format, Kind};
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the paths need.
pub(super) struct Admin {
    pub(super) name: &'static str,
    pub(super) readiness: Readiness,
    pub(super) meter: Arc<Meter>,
    pub(super) web: Arc<WebFile>,
    pub(super) metrics: WriteMetrics,
    pub(super) reload: Reload,
    /// One reload at a time.
    pub(super) reloading: Mutex<()>,
    pub(super) level: LogLevel,
    pub(super) pages: Pages,
}

type Shared = State<Arc<Admin>>;

impl Admin {
    pub(super) fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/-/healthy", get(async || "healthy\n"))
            .route("/-/ready", get(ready))
            .route("/-/reload", post(reload))
            .route("/-/log-level", get(level).put(set_level))
            .route(&self.pages.metrics.clone(), get(metrics))
            .with_state(self)
    }

    /// Loads everything again, beside the requests: the web config file first, since it says who may ask.
    pub(super) async fn reload(&self) -> Result<(), String> {
        let _alone = self.reloading.lock().await;
        notify::reloading();
        let (web, service) = (self.web.clone(), self.reload.clone());
        let loaded = apart(move || {
            let web = web.reload().map_err(|error| format!("the old web config stays: {error}"));
            [web, service()]
        });
        let parts = loaded.await;
        notify::ready();
        let outcome = outcome(parts);
        self.meter.reloaded(outcome.is_ok(), clock::now().timestamp());
        match &outcome {
            Ok(()) => tracing::info!("reloaded"),
            Err(problem) => tracing::error!(problem, "not reloaded in full"),
        }
        outcome
    }

    fn write(&self, out: &mut Exposition) {
        (self.metrics)(out);
        write_own(self.name, &self.meter, &self.web, self.reasons().is_empty(), out);
    }

    fn reasons(&self) -> Vec<String> {
        let web = self.web.problem().map(|problem| format!("web config: {problem}"));
        self.readiness.reasons().into_iter().chain(web).collect()
    }
}

/// Says which part was refused, and which is in force all the same.
fn outcome(parts: [Result<Option<&str>, String>; 2]) -> Result<(), String> {
    let (loaded, refused): (Vec<_>, Vec<_>) = parts.into_iter().partition(Result::is_ok);
    let mut told: Vec<String> = refused.into_iter().filter_map(Result::err).collect();
    if told.is_empty() {
        return Ok(());
    }
    let loaded = loaded.into_iter().filter_map(Result::ok).flatten();
    told.extend(loaded.map(|name| format!("loaded: the new {name}")));
    Err(told.join("; "))
}

/// What every service tells of itself.
pub(super) fn write_own(name: &str, meter: &Meter, web: &WebFile, is_ready: bool, out: &mut Exposition) {
    meter.write(out);
    if let Some(not_after) = web.current().not_after {
        out.family("iaasmon_tls_not_after_timestamp_seconds", "When the certificate ends.", Kind::Gauge);
        out.sample(&[], not_after as f64);
    }
    out.family("iaasmon_ready", "Whether the service can do its job; /-/ready says why not.", Kind::Gauge);
    out.sample(&[], f64::from(u8::from(is_ready)));
    out.family("iaasmon_build", "The build.", Kind::Info);
    out.sample(&[("version", env!("CARGO_PKG_VERSION")), ("service", name)], 1.0);
    write_process(out);
}

/// The names that every Prometheus client library gives them.
fn write_process(out: &mut Exposition) {
    let process = process::look();
    for (name, help, kind, value) in [
        ("process_cpu_seconds", "Processor time.", Kind::Counter, process.cpu_seconds),
        ("process_resident_memory_bytes", "Resident memory.", Kind::Gauge, process.resident_bytes),
        ("process_virtual_memory_bytes", "Address space.", Kind::Gauge, process.virtual_bytes),
        ("process_open_fds", "Open files.", Kind::Gauge, process.open_fds),
        ("process_max_fds", "How many files may be open.", Kind::Gauge, process.max_fds),
        ("process_start_time_seconds", "When the process began.", Kind::Gauge, process.start_seconds),
        ("process_threads", "Threads.", Kind::Gauge, process.threads),
    ] {
        out.family(name, help, kind);
        out.sample(&[], value);
    }
}

async fn ready(State(admin): Shared) -> Response {
    let reasons = admin.reasons();
    if reasons.is_empty() {
        let notes = admin.readiness.notes().into_iter().map(|note| note + "\n");
        return format!("ready\n{}", notes.collect::<String>()).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

async fn reload(State(admin): Shared, Extension(peer): Extension<Peer>) -> Response {
    if let Some(refused) = refuse(&peer) {
        return refused;
    }
    match admin.reload().await {
        Ok(()) => "reloaded\n".into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem + "\n").into_response(),
    }
}

async fn level(State(admin): Shared) -> String {
    admin.level.current() + "\n"
}

async fn set_level(State(admin): Shared, Extension(peer): Extension<Peer>, level: String) -> Response {
    if let Some(refused) = refuse(&peer) {
        return refused;
    }
    match admin.level.set(&level) {
        Ok(()) => (admin.level.current() + "\n").into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, problem + "\n").into_response(),
    }
}

/// What changes a service is for this machine and for those who proved who they are.
fn refuse(peer: &Peer) -> Option<Response> {
    let may = peer.is_local() || peer.is_authenticated();
    let text = "for this machine and authenticated clients only: see --web.config.file\n";
    (!may).then(|| (StatusCode::FORBIDDEN, text).into_response())
}

async fn metrics(State(admin): Shared, headers: HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::among(admin.pages.formats, text(header::ACCEPT));
    let long = admin.pages.long.clone();
    let write = move || {
        let mut page = Exposition::new(format);
        admin.write(&mut page);
        match page.into_bytes() {
            Ok(body) => {
                let head = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
                (head, body).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    };
    match long {
        Some(long) => long.answer(write).await,
        None => write(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Admin, Pages, outcome};
    use crate::serve::skeleton::meter::Meter;
    use crate::serve::skeleton::web::WebFile;
    use crate::sys::telemetry::LogLevel;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, PoisonError, mpsc};
    use tokio::sync::Notify;

    #[test]
    fn a_reload_says_what_was_refused_and_what_is_in_force() {
        let bad = |why: &str| Err(why.to_owned());
        let refused = |why: &str| Err(why.to_owned());
        assert_eq!(outcome([Ok(None), Ok(Some("definitions"))]), Ok(()));
        assert_eq!(
            outcome([bad("the old web config stays: x"), Ok(Some("definitions"))]),
            refused("the old web config stays: x; loaded: the new definitions")
        );
        assert_eq!(outcome([Ok(None), bad("a")]), refused("a"));
        assert_eq!(outcome([bad("a"), bad("b")]), refused("a; b"));
    }

    #[tokio::test]
    async fn a_reload_holds_nobody_up_and_two_of_them_take_turns() {
        let (release, wait) = mpsc::channel();
        let (wait, begun, running) =
            (Mutex::new(wait), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (begins, runs) = (begun.clone(), running.clone());
        let admin = Admin {
            name: "test",
            readiness: crate::serve::skeleton::Readiness::default(),
            meter: Arc::new(Meter::default()),
            web: Arc::new(WebFile::open(None).expect("no file")),
            metrics: Arc::new(|_| {}),
            reload: Arc::new(move || {
                assert_eq!(runs.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                begins.notify_one();
                wait.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("released");
                runs.fetch_sub(1, Ordering::SeqCst);
                Ok(None)
            }),
            reloading: tokio::sync::Mutex::default(),
            level: LogLevel::detached(),
            pages: Pages::default(),
        };
        let meanwhile = async {
            for _ in 0..2 {
                // This thread goes on although the reload has not ended.
                begun.notified().await;
                release.send(()).expect("it waits");
            }
        };
        let (first, second, ()) = tokio::join!(admin.reload(), admin.reload(), meanwhile);
        assert_eq!((first, second), (Ok(()), Ok(())));
    }
}
