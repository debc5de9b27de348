//! The client of one pushgateway: results of checks, and metrics.

use super::deadline::Deadline;
use super::error::{NetError, NetErrorKind};
use super::http::{Ask, Http, Payload, Reply};
use crate::model::cluster::{About, Replica};
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::names::Names;
use crate::model::time::format_duration;
use crate::wire::WireError;
use crate::wire::detail::{error_text, is_older, is_own_error};
use crate::wire::exposition::Format;
use crate::wire::push_groups::{PushedGroup, decode_build, decode_checks, decode_flags, decode_groups};
use crate::wire::push_path;
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use url::Url;

/// The header that says after how long without a push a group goes.
pub const TTL: &str = "x-iaasmon-ttl";

/// The parameter that names the host which a result is about.
const SOURCE: &str = "source";

/// After how long without a push the gateway is to forget the group; none leaves that to the gateway.
pub type Ttl = Option<Duration>;

/// One pushgateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PushgatewayClient {
    http: Http,
}

/// Metrics for one group.
#[derive(Debug, Clone, Copy)]
pub struct Metrics<'a> {
    /// The group.
    pub group: &'a GroupKey,
    /// What is pushed.
    pub body: &'a [u8],
    /// What that is: text, or messages.
    pub format: Format,
    /// Whether they take the place of all that the group has, and not only of what is called as they are.
    pub replace: bool,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The gateway took it.
    Accepted,
    /// It was passed over: the gateway knows a newer result of the check.
    Older,
    /// It will never take it.
    Refused(String),
    /// It did not answer, or could not take it now.
    Failed(String),
}

impl PushgatewayClient {
    /// Speaks through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    /// Returns the same gateway for requests that must all be answered by `deadline`.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { http: self.http.by(deadline) }
    }

    /// Returns who this is.
    pub fn replica(&self) -> &Replica {
        self.http.replica()
    }

    /// Returns its address, as configured.
    pub fn url(&self) -> &Url {
        self.http.base()
    }

    /// Returns where a result is put; none where the name of the check cannot stand in a path.
    pub fn result_url(&self, check: &PushedCheck) -> Option<Url> {
        let mut url = self.http.url(&push_path::write_check(check, Names::Legacy)?);
        if let Some(source) = &check.source {
            url.query_pairs_mut().append_pair(SOURCE, source);
        }
        Some(url)
    }

    /// Returns where the metrics of a group are put.
    pub fn metrics_url(&self, group: &GroupKey) -> Url {
        self.http.url(&metrics_path(group))
    }

    /// Hands over the result of a check, a JSON object in the detail API's form. A gateway passes over one that is older than
    /// what it has, so a repetition does no harm.
    pub async fn put_result(&self, check: &PushedCheck, body: &[u8], ttl: Ttl) -> PushOutcome {
        match self.send_result(Method::PUT, check, Payload::Written(body.to_vec()), ttl).await {
            Ok(answer) if is_older(&answer) => PushOutcome::Older,
            Ok(_) => PushOutcome::Accepted,
            Err(denial) => denial.outcome(&TOO_LARGE),
        }
    }

    /// Has a check forgotten: nobody pushes it any more.
    pub async fn delete_result(&self, check: &PushedCheck) -> PushOutcome {
        match self.send_result(Method::DELETE, check, Payload::None, None).await {
            Ok(_) => PushOutcome::Accepted,
            Err(denial) if denial.is_own && denial.kind.is_not_found() => PushOutcome::Accepted,
            Err(denial) => denial.outcome(&TOO_LARGE),
        }
    }

    async fn send_result(
        &self,
        method: Method,
        check: &PushedCheck,
        body: Payload<'_>,
        ttl: Ttl,
    ) -> Result<Vec<u8>, Denial> {
        let Some(path) = push_path::write_check(check, Names::Legacy) else {
            let message = format!("`{}` cannot stand in a path", check.check);
            return Err(Denial { kind: NetErrorKind::Unsent(message), is_own: true });
        };
        self.send(Ask { method, query: &of_source(check), body, ..Ask::get(&path) }, ttl).await
    }

    /// Hands over metrics.
    pub async fn push(&self, metrics: Metrics<'_>, ttl: Ttl) -> PushOutcome {
        let path = metrics_path(metrics.group);
        let method = if metrics.replace { Method::PUT } else { Method::POST };
        let ask = Ask { method, body: Payload::Metrics(metrics.body, metrics.format), ..Ask::get(&path) };
        // The original's words are plain text.
        self.send(ask, ttl)
            .await
            .map_or_else(|denial| denial.outcome(&WRONG_METRICS), |_| PushOutcome::Accepted)
    }

    /// Asks for all groups with their metrics.
    ///
    /// # Errors
    /// When it does not answer, or says something else.
    pub async fn groups(&self) -> Result<Vec<PushedGroup>, NetError> {
        self.read("/api/v1/metrics", decode_groups).await
    }

    /// Asks which checks it has.
    ///
    /// # Errors
    /// When it does not answer, is an original and has none, or says something else.
    pub async fn checks(&self) -> Result<Vec<PushedCheck>, NetError> {
        self.read("/api/v1/checks", decode_checks).await
    }

    /// Asks for the newest result of a check, and returns it as it was told.
    ///
    /// # Errors
    /// When it does not answer, or says why not: status 404 where it does not know the check.
    pub async fn result(&self, check: &PushedCheck) -> Result<Vec<u8>, NetError> {
        let path = push_path::write_check(check, Names::Legacy).unwrap_or_default();
        Ok(self.http.ask(Ask { query: &of_source(check), ..Ask::get(&path) }, error_text).await?.body)
    }

    /// Asks for the page that Prometheus reads, like this if it can.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn page(&self, path: &str, format: Format) -> Result<Vec<u8>, NetError> {
        let headers = [("accept", format.content_type())];
        Ok(self.http.ask(Ask { headers: &headers, ..Ask::get(path) }, error_text).await?.body)
    }

    /// Asks whether it can do its job.
    ///
    /// # Errors
    /// When it does not answer, or says why it cannot: status 503.
    pub async fn ready(&self) -> Result<(), NetError> {
        self.http.ask(Ask::get("/-/ready"), error_text).await.map(drop)
    }

    /// Asks whether it is there.
    ///
    /// # Errors
    /// When it does not answer, or says something else.
    pub async fn healthy(&self) -> Result<Reply<()>, NetError> {
        let asked = self.http.ask(Ask::get("/-/healthy"), error_text).await?;
        Ok(Reply { value: (), meta: asked.meta, warnings: Vec::new() })
    }

    /// Asks what it is and since when it runs.
    ///
    /// # Errors
    /// When it does not answer, or says something else.
    pub async fn about(&self) -> Result<Reply<About>, NetError> {
        let path = "/api/v1/status";
        let raw = self.http.ask(Ask::get(path), error_text).await?;
        self.http.reply(path, raw, decode_build).await
    }

    /// Asks for its flags by name.
    ///
    /// # Errors
    /// When it does not answer, or says something else.
    pub async fn flags(&self) -> Result<BTreeMap<String, String>, NetError> {
        self.read("/api/v1/status", decode_flags).await
    }

    async fn read<T: Send + 'static>(
        &self,
        path: &str,
        decode: fn(&[u8]) -> Result<T, WireError>,
    ) -> Result<T, NetError> {
        let raw = self.http.ask(Ask::get(path), error_text).await?;
        Ok(self.http.reply(path, raw, decode).await?.value)
    }

    async fn send(&self, ask: Ask<'_>, ttl: Ttl) -> Result<Vec<u8>, Denial> {
        let ttl = ttl.map(format_duration);
        let headers: Vec<(&str, &str)> = ttl.iter().map(|ttl| (TTL, ttl.as_str())).collect();
        let is_own = AtomicBool::new(false);
        let look = |body: &[u8]| {
            is_own.store(is_own_error(body), Ordering::Relaxed);
            error_text(body)
        };
        let sent = self.http.ask_looking(Ask { headers: &headers, ..ask }, &look).await;
        sent.map(|raw| raw.body)
            .map_err(|error| Denial { kind: error.kind, is_own: is_own.load(Ordering::Relaxed) })
    }
}

/// Whoever says so, the push is too large for the way that it has to take.
const TOO_LARGE: [u16; 1] = [413];
/// What a Pushgateway refuses metrics with.
const WRONG_METRICS: [u16; 2] = [400, 413];
/// These say nothing of the push in anybody's words: a wrong password, an address where no gateway is, one that is too busy.
const OF_THE_WAY: [u16; 9] = [401, 403, 404, 405, 407, 408, 421, 425, 429];

/// Why a push was not taken.
struct Denial {
    kind: NetErrorKind,
    /// Whether the gateway itself said so, in its own words, and nobody on the way to it; or would have.
    is_own: bool,
}

impl Denial {
    /// Says whether it is the push itself that is at fault; a status of `refusing` says so in anybody's words.
    fn outcome(self, refusing: &[u16]) -> PushOutcome {
        let why = self.kind.to_string();
        let is_refusal = match self.kind {
            NetErrorKind::Status { status, .. } => {
                let is_own = self.is_own && (400..500).contains(&status) && !OF_THE_WAY.contains(&status);
                is_own || refusing.contains(&status)
            }
            _ => self.is_own,
        };
        if is_refusal { PushOutcome::Refused(why) } else { PushOutcome::Failed(why) }
    }
}

/// The query that says which host a result is about.
fn of_source(check: &PushedCheck) -> Vec<(&str, &str)> {
    check.source.iter().map(|source| (SOURCE, &**source)).collect()
}

fn metrics_path(group: &GroupKey) -> String {
    format!("{}{}", push_path::PREFIX, push_path::write(group, Names::Legacy))
}

#[cfg(test)]
mod tests {
    use super::{Denial, PushOutcome, TOO_LARGE, WRONG_METRICS};
    use crate::net::NetErrorKind;

    #[test]
    fn only_what_is_wrong_with_a_push_is_a_reason_to_drop_it() {
        let refused = |status, is_own, refusing: &[u16]| {
            let kind = NetErrorKind::Status { status, message: String::new() };
            matches!(Denial { kind, is_own }.outcome(refusing), PushOutcome::Refused(_))
        };
        for status in 400..600 {
            let by_the_gateway = [400, 413, 414, 415, 422, 431].contains(&status);
            let by_anybody = [status == 413, status == 400 || status == 413];
            if by_the_gateway
                || [401, 403, 404, 405, 407, 408, 421, 425, 429].contains(&status)
                || status >= 500
            {
                assert_eq!(refused(status, true, &TOO_LARGE), by_the_gateway, "{status}");
            }
            let told = [&TOO_LARGE[..], &WRONG_METRICS].map(|refusing| refused(status, false, refusing));
            assert_eq!(told, by_anybody, "{status}");
        }
        for kind in [
            NetErrorKind::Connect("connection refused".to_owned()),
            NetErrorKind::Redirect("http://login".to_owned()),
        ] {
            let failed = Denial { kind, is_own: false }.outcome(&WRONG_METRICS);
            assert!(matches!(failed, PushOutcome::Failed(_)), "{failed:?}");
        }
    }
}
