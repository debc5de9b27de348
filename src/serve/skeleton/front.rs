//! The way of one request: who asks, may they, what is answered, and how it is counted.

use super::access::{Peer, Verdict};
use super::gzip;
use super::long;
use super::meter::Meter;
use super::tls::Acceptor;
use super::web::WebFile;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An id of somebody else's that is longer than this is no id.
const MOST_ID: usize = 128;

/// What all connections of a service share.
pub(super) struct Front {
    router: TowerToHyperService<Router>,
    web: Option<Arc<WebFile>>,
    pub(super) meter: Arc<Meter>,
    limit: Option<Duration>,
}

impl Front {
    pub(super) fn new(
        router: Router,
        web: Option<Arc<WebFile>>,
        meter: Arc<Meter>,
        limit: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self { router: TowerToHyperService::new(router), web, meter, limit })
    }

    /// Returns how the next connection is encrypted, if it is.
    pub(super) fn tls(&self) -> Option<Acceptor> {
        self.web.as_ref()?.current().tls.clone()
    }

    /// Answers one request.
    pub(super) async fn answer(&self, mut request: Request<Incoming>, mut peer: Peer) -> Response<Body> {
        let Some(web) = &self.web else { return self.call(request.map(Body::new), peer).await };
        let begun = crate::sys::clock::instant();
        let running = self.meter.request();
        let id = request_id(&request);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let packed = gzip::is_wanted(request.headers());
        let current = web.current();
        let mut response = match current.access.judge(request.headers(), &mut peer).await {
            Verdict::Welcome => self.call(request.map(Body::new), peer).await,
            Verdict::Unknown => {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic")];
                (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
            }
            Verdict::Busy => {
                let later = [(header::RETRY_AFTER, "1")];
                (StatusCode::SERVICE_UNAVAILABLE, later, "too many logins at a time\n").into_response()
            }
            Verdict::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n").into_response(),
        };
        if packed {
            response = gzip::compress(response).await;
        }
        response = long::hold(response);
        for (name, value) in &current.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.headers_mut().insert(REQUEST_ID, id.clone());
        let (code, took) = (response.status().as_u16(), begun.elapsed());
        self.meter.answered(code, took);
        drop(running);
        let id = id.to_str().unwrap_or_default();
        tracing::debug!(%method, path, code, took_ms = took.as_secs_f64() * 1000.0, request_id = id, "request");
        response
    }

    async fn call(&self, mut request: Request<Body>, peer: Peer) -> Response<Body> {
        request.extensions_mut().insert(peer);
        let answer = self.router.call(request);
        let answered = match self.limit {
            None => answer.await,
            Some(limit) => match tokio::time::timeout(limit, answer).await {
                Ok(answered) => answered,
                Err(_) => {
                    return (StatusCode::REQUEST_TIMEOUT, format!("not done within {limit:?}\n"))
                        .into_response();
                }
            },
        };
        answered.unwrap_or_else(|never| match never {})
    }
}

/// The id that came with the request where it is one, else a new one.
fn request_id(request: &Request<Incoming>) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let fit = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=MOST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    given.filter(fit).cloned().unwrap_or_else(|| {
        let id = ulid::Ulid::generate().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    })
}
