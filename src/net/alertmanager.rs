//! The client of one Alertmanager member (API v2).

use super::deadline::Deadline;
use super::error::{NetError, NetErrorKind};
use super::http::{Ask, Http, Passed, Payload, Raw, Reply};
use crate::model::alert::AmAlert;
use crate::model::cluster::Replica;
use crate::model::silence::Silence;
use crate::wire::am_v2::{self, AlertStream, AmStatus, Annotations, SilenceRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One Alertmanager member. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    http: Http,
}

/// How something is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// By a body.
    Post,
    /// By its path.
    Delete,
}

/// What a member sent and failed to send since it started, by integration (`email`, `slack`, ...).
pub type NotificationCounts = BTreeMap<String, (u64, u64)>;

impl Alertmanager {
    /// Speaks through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    /// Returns the same member for the requests of one question, which must all be answered by `deadline`.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { http: self.http.by(deadline) }
    }

    /// Returns who this is.
    pub fn replica(&self) -> &Replica {
        self.http.replica()
    }

    /// Returns the door, for its address.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Asks for every alert, suppressed ones included.
    pub async fn alerts(&self, keep: Annotations) -> Result<Reply<Vec<AmAlert>>, NetError> {
        self.stream_alerts(&[], keep).await
    }

    /// Asks for the alerts that match `filters`, each one matcher as text; without any, for all.
    pub async fn alerts_matching(
        &self,
        filters: &[String],
        keep: Annotations,
    ) -> Result<Reply<Vec<AmAlert>>, NetError> {
        let query: Vec<(&str, &str)> = filters.iter().map(|f| ("filter", f.as_str())).collect();
        self.stream_alerts(&query, keep).await
    }

    /// Asks for the alerts that silences hold back, with the first line of each annotation.
    pub async fn silenced_alerts(&self) -> Result<Reply<Vec<AmAlert>>, NetError> {
        let query = [("active", "false"), ("unprocessed", "false"), ("silenced", "true")];
        let reply = self.stream_alerts(&query, Annotations::FirstLine).await?;
        // An inhibited alert passes the server's filter whether it is silenced or not.
        Ok(reply.map(|alerts| alerts.into_iter().filter(|a| !a.silenced_by.is_empty()).collect()))
    }

    /// Decodes alerts while they come: with their outputs they can be 100 MB.
    async fn stream_alerts(
        &self,
        query: &[(&str, &str)],
        keep: Annotations,
    ) -> Result<Reply<Vec<AmAlert>>, NetError> {
        let path = "/api/v2/alerts";
        let ask = Ask { query, ..Ask::get(path) };
        let begin = |_| AlertStream::new(keep);
        let raw = self.http.stream(ask, am_v2::error_text, begin, AlertStream::push).await?;
        let Raw { body, meta } = raw;
        let value = body.finish().map_err(|error| self.failed(path, error.into()))?;
        Ok(Reply { value, meta, warnings: Vec::new() })
    }

    /// Asks for every silence, expired ones included.
    pub async fn silences(&self) -> Result<Reply<Vec<Silence>>, NetError> {
        let raw = self.http.ask(Ask::get("/api/v2/silences"), am_v2::error_text).await?;
        self.http.reply("/api/v2/silences", raw, am_v2::decode_silences).await
    }

    /// Asks for one silence; a member that does not know it answers 404.
    pub async fn silence(&self, id: &str) -> Result<Reply<Silence>, NetError> {
        let path = silence_path(id);
        let raw = self.http.ask(Ask::get(&path), am_v2::error_text).await?;
        self.http.reply("/api/v2/silence", raw, am_v2::decode_silence).await
    }

    /// Creates or updates a silence and returns its id, which for an update may be a new one.
    /// Never repeated: each POST without id makes another silence.
    pub async fn post_silence(&self, request: &SilenceRequest) -> Result<Reply<Arc<str>>, NetError> {
        let body = am_v2::encode_silence(request);
        let ask = Ask {
            method: reqwest::Method::POST,
            body: Payload::Json(&body),
            repeatable: false,
            ..Ask::get("/api/v2/silences")
        };
        let raw = self.http.ask(ask, am_v2::error_text).await?;
        self.http.reply("/api/v2/silences", raw, am_v2::decode_silence_id).await
    }

    /// Expires a silence. Expiring an expired one changes nothing, so this may be repeated.
    pub async fn expire_silence(&self, id: &str) -> Result<Reply<()>, NetError> {
        let path = silence_path(id);
        let ask = Ask { method: reqwest::Method::DELETE, ..Ask::get(&path) };
        let raw = self.http.ask(ask, am_v2::error_text).await?;
        self.http.reply("/api/v2/silence", raw, |_| Ok(())).await
    }

    /// Hands over alerts, a list of them as JSON. Never repeated: what arrives last is what counts.
    pub async fn post_alerts(&self, alerts: Vec<u8>) -> Result<Reply<()>, NetError> {
        let path = "/api/v2/alerts";
        let ask = Ask {
            method: reqwest::Method::POST,
            body: Payload::Written(alerts),
            repeatable: false,
            ..Ask::get(path)
        };
        let raw = self.http.ask(ask, am_v2::error_text).await?;
        self.http.reply(path, raw, |_| Ok(())).await
    }

    /// Passes a request for something below `/api/v2/` on and returns the answer as it comes; a write with its method and body.
    pub async fn pass(
        &self,
        path_and_query: &str,
        write: Option<(Write, Vec<u8>)>,
    ) -> Result<Passed, NetError> {
        let (method, body) = match write {
            None => (reqwest::Method::GET, None),
            Some((Write::Post, body)) => (reqwest::Method::POST, Some(body)),
            Some((Write::Delete, _)) => (reqwest::Method::DELETE, None),
        };
        let passed = self.http.pass(method, path_and_query, body).await;
        passed.map_err(|kind| self.failed(path_and_query.split('?').next().unwrap_or_default(), kind))
    }

    /// Asks for version, uptime and the gossip cluster.
    pub async fn status(&self) -> Result<Reply<AmStatus>, NetError> {
        let raw = self.http.ask(Ask::get("/api/v2/status"), am_v2::error_text).await?;
        self.http.reply("/api/v2/status", raw, am_v2::decode_status).await
    }

    /// Asks the member's own metrics what it sent and failed to send.
    pub async fn notifications(&self) -> Result<Reply<NotificationCounts>, NetError> {
        let raw = self.http.ask(Ask::get("/metrics"), am_v2::error_text).await?;
        self.http.reply("/metrics", raw, |body| Ok(notification_counts(&String::from_utf8_lossy(body)))).await
    }

    fn failed(&self, path: &str, kind: NetErrorKind) -> NetError {
        NetError { replica: self.replica().clone(), request: path.to_owned(), kind }
    }
}

/// Ids come from users and from servers; only a UUID's characters reach the path.
fn silence_path(id: &str) -> String {
    let safe: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("/api/v2/silence/{safe}")
}

/// Sums `alertmanager_notifications_total` and `..._failed_total` by integration.
///
/// `prometheus-parse` is lenient and loses labels after a comma in a value; these two families carry
/// an integration's name and, in newer versions, a reason: words without commas.
fn notification_counts(text: &str) -> NotificationCounts {
    let wanted = text.lines().filter(|line| line.starts_with("alertmanager_notifications_"));
    let scrape = prometheus_parse::Scrape::parse(wanted.map(|line| Ok(line.to_owned())));
    let mut counts = NotificationCounts::new();
    for sample in scrape.map(|s| s.samples).unwrap_or_default() {
        let (prometheus_parse::Value::Counter(value) | prometheus_parse::Value::Untyped(value)) =
            sample.value
        else {
            continue;
        };
        let Some(integration) = sample.labels.get("integration") else { continue };
        let entry = counts.entry(integration.to_owned()).or_default();
        match sample.metric.as_str() {
            "alertmanager_notifications_total" => entry.0 = entry.0.saturating_add(value as u64),
            "alertmanager_notifications_failed_total" => entry.1 = entry.1.saturating_add(value as u64),
            _ => {}
        }
    }
    // A member lists every integration it could use; those never used say nothing.
    counts.retain(|_, (sent, failed)| *sent > 0 || *failed > 0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notification_failures_are_summed_over_reasons() {
        let text = "# HELP x y\nalertmanager_notifications_total{integration=\"email\"} 7\n\
            alertmanager_notifications_failed_total{integration=\"email\",reason=\"other\"} 2\n\
            alertmanager_notifications_failed_total{integration=\"email\",reason=\"serverError\"} 1\n\
            alertmanager_notification_requests_failed_total{integration=\"email\"} 9\n";
        assert_eq!(notification_counts(text), [("email".to_owned(), (7, 3))].into());
        assert!(notification_counts("garbage {{{").is_empty());
        let huge = "alertmanager_notifications_total{integration=\"email\",reason=\"a\"} 1e30\n\
            alertmanager_notifications_total{integration=\"email\",reason=\"b\"} 1e30\n";
        assert_eq!(notification_counts(huge), [("email".to_owned(), (u64::MAX, 0))].into());
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        assert_eq!(silence_path("../../-/quit?x#y"), "/api/v2/silence/-quitxy");
    }
}
