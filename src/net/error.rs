//! Why a request to a replica brought nothing usable.

use crate::model::cluster::Replica;
use crate::model::time::{format_duration, format_took};
use crate::wire::WireError;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

/// A failed request: where, what, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct NetError {
    /// The replica that was asked.
    pub replica: Replica,
    /// Method and path, without the query: the replica tells the rest. The path alone where the answer was at fault.
    pub request: String,
    /// Why.
    pub kind: NetErrorKind,
}

/// The classes of failure that callers tell apart.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetErrorKind {
    /// No whole answer within the limit.
    #[error("timed out after {}", after(*.0))]
    Timeout(Duration),
    /// The whole answer came, but could not be decoded within the limit: it is large and this machine busy.
    #[error("answered, but {} were not enough to read it", format_duration(*.0))]
    Unread(Duration),
    /// No connection: refused, unreachable, name not found. The request was not sent.
    #[error("{0}")]
    Connect(String),
    /// The certificate or the handshake was not acceptable. The request was not sent.
    #[error("tls: {0}")]
    Tls(String),
    /// The connection broke, or the peer does not speak HTTP.
    #[error("{0}")]
    Broken(String),
    /// The server answered with an error.
    #[error("{}{}", status_words(*.status), colon(.message))]
    Status {
        /// The HTTP status code.
        status: u16,
        /// The server's own words, cut to one line.
        message: String,
    },
    /// The answer points elsewhere; it is not followed to another host.
    #[error("redirects to {0}, which is not followed (check the URL in the configuration)")]
    Redirect(String),
    /// The body is larger than we are willing to read; a list of alerts may be several times as large as `max_body`.
    #[error("the answer is larger than {} MiB (see max_body)", .0 / (1024 * 1024))]
    TooLarge(u64),
    /// The body is not what this endpoint answers with.
    #[error("{0}")]
    Decode(#[from] WireError),
    /// Nothing was sent: the request could not be built (a token file that cannot be read, a bad header).
    #[error("{0}")]
    Unsent(String),
}

impl NetErrorKind {
    /// Reports whether the server has what was asked for and says what is wrong with the question: another one would say the same.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status { status: 409, .. })
    }

    /// Reports whether the server may have acted on the request although we have no answer.
    /// Repeating a write is safe only where this is false.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Tls(_) | Self::Unsent(_) | Self::Redirect(_) => false,
            // A server error may come after the deed, and a gateway in between knows nothing.
            Self::Status { status, .. } => *status >= 500,
            Self::Timeout(_) | Self::Unread(_) | Self::Broken(_) | Self::TooLarge(_) | Self::Decode(_) => {
                true
            }
        }
    }

    /// Reports whether the server said that we may not.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403, .. })
    }

    /// Reports whether the server said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }

    /// Sorts a transport failure into our classes.
    pub(super) fn of_transport(error: &reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() {
            return Self::Timeout(limit);
        }
        let root = root_cause(error);
        if error.is_builder() {
            Self::Unsent(root)
        } else if let Some(cause) = tls_cause(error) {
            Self::Tls(tls_words(cause).map_or(root, str::to_owned))
        } else if error.is_connect() {
            Self::Connect(root)
        } else if root.contains("invalid HTTP version") {
            // An alert of TLS, nearly always.
            Self::Broken("the answer is not HTTP: is it https://, or another port?".to_owned())
        } else {
            Self::Broken(format!("connection broke: {root}"))
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.replica, self.kind)
    }
}

impl std::error::Error for NetError {}

/// Writes how long somebody waited: whole seconds as they were configured, a part of the time as people say it.
fn after(waited: Duration) -> String {
    if waited.subsec_millis() == 0 { format_duration(waited) } else { format_took(waited.as_secs_f64()) }
}

/// Returns the innermost cause: the outer layers only repeat that sending failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    // The standard library appends "(os error 111)", which helps nobody at night.
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Returns the error of TLS that is behind this one.
fn tls_cause(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = hidden_tls(inner) {
            return Some(tls);
        }
        cause = inner.source();
    }
    None
}

/// Looks into io errors, also into those that wrap another: their `source` skips what they hold.
fn hidden_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let held = || error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.downcast_ref().or_else(|| hidden_tls(held()?))
}

/// Says what the library says in names of its own; none where its words are good.
fn tls_words(error: &rustls::Error) -> Option<&'static str> {
    use rustls::{CertificateError, Error, InvalidMessage};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Some("nobody who is trusted here has signed the certificate (tls.ca names the CA)")
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            Some("the server's certificate is that of a CA: one that is signed by it is needed")
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some("the server does not speak it: is it an http:// URL?")
        }
        _ => None,
    }
}

fn status_words(status: u16) -> String {
    let words = match status {
        401 => "not authenticated (401)",
        403 => "forbidden (403)",
        404 => "not found (404)",
        429 => "too many requests (429)",
        502..=504 => return format!("unavailable ({status})"),
        _ => return format!("status {status}"),
    };
    words.to_owned()
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
