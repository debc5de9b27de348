//! The client of one Prometheus replica, or of anything that speaks its query API.

use super::deadline::Deadline;
use super::error::NetError;
use super::http::{Ask, Http, Payload, Raw, Reply};
use crate::model::alert::PromAlert;
use crate::model::cluster::Replica;
use crate::model::labels::Interner;
use crate::model::time::Timestamp;
use crate::wire::WireError;
use crate::wire::prom_json::{self, Answered, QueryValue, Sample};
use prometheus_parse::{Scrape, Value};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One Prometheus replica. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PrometheusClient {
    http: Http,
}

/// `GET /api/v1/status/buildinfo`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// Such as `2.42.0+ds`.
    pub version: String,
}

/// `GET /api/v1/status/runtimeinfo`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeInfo {
    /// When the server started.
    pub start_time: Timestamp,
    /// Whether the newest configuration file was accepted.
    #[serde(default)]
    pub reload_config_success: Option<bool>,
}

/// What decides over the label set that Alertmanager gets: read from `GET /api/v1/status/config`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrometheusSettings {
    /// The configuration file's text (YAML), secrets masked by Prometheus.
    pub yaml: String,
}

/// What a Prometheus counted on its way to one Alertmanager or proxy since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SendCounts {
    /// Alerts that it dropped.
    pub dropped: f64,
    /// Sends that failed: batches, from 3.1 on alerts.
    pub errors: f64,
}

/// The way of alerts out of a Prometheus, as it counts it itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sending {
    /// By whom it sent to; `""` where it does not tell them apart: before 3.10 it drops for all of them at once.
    pub counts: BTreeMap<String, SendCounts>,
    /// Alerts that wait in the fullest queue.
    pub queued: f64,
    /// How many a queue takes.
    pub capacity: f64,
}

impl PrometheusClient {
    /// Speaks through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    /// Returns the same replica for the requests of one question, which must all be answered by `deadline`.
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

    /// Asks for an instant query's result. Sent as a form: expressions outgrow what proxies take in a URL.
    pub async fn query(&self, expr: &str, time: Option<Timestamp>) -> Result<Reply<QueryValue>, NetError> {
        self.instant(expr, time, |body| prom_json::decode_query(body, &mut Interner::default())).await
    }

    /// Asks for an instant query that must answer with a vector.
    pub async fn vector(&self, expr: &str) -> Result<Reply<Vec<Sample>>, NetError> {
        self.instant(expr, None, |body| prom_json::decode_vector(body, &mut Interner::default())).await
    }

    async fn instant<T: Send + 'static>(
        &self,
        expr: &str,
        time: Option<Timestamp>,
        decode: impl FnOnce(&[u8]) -> Result<Answered<T>, WireError> + Send + 'static,
    ) -> Result<Reply<T>, NetError> {
        // The server must not go on calculating when we have stopped waiting.
        let timeout = format!("{}ms", self.http.time_left().as_millis().max(1));
        let time = time.map(crate::model::time::rfc3339);
        let mut form = vec![("query", expr), ("timeout", timeout.as_str())];
        if let Some(time) = &time {
            form.push(("time", time));
        }
        let ask =
            Ask { method: reqwest::Method::POST, body: Payload::Form(&form), ..Ask::get("/api/v1/query") };
        let raw = self.http.ask(ask, error_text).await?;
        self.decode("/api/v1/query", raw, decode).await
    }

    /// Asks for the alerts that this replica holds pending or firing.
    pub async fn alerts(&self) -> Result<Reply<Vec<PromAlert>>, NetError> {
        let raw = self.http.ask(Ask::get("/api/v1/alerts"), error_text).await?;
        self.decode("/api/v1/alerts", raw, |body| prom_json::decode_alerts(body, &mut Interner::default()))
            .await
    }

    /// Asks for the version.
    pub async fn build_info(&self) -> Result<Reply<BuildInfo>, NetError> {
        self.data("/api/v1/status/buildinfo").await
    }

    /// Asks when it started and whether its configuration was accepted.
    pub async fn runtime_info(&self) -> Result<Reply<RuntimeInfo>, NetError> {
        self.data("/api/v1/status/runtimeinfo").await
    }

    /// Asks for the command line flags.
    pub async fn flags(&self) -> Result<Reply<BTreeMap<String, String>>, NetError> {
        self.data("/api/v1/status/flags").await
    }

    /// Reports whether a recording rule of that name exists. Servers before 2.51 ignore the filter
    /// and answer with every rule, so the names are compared here.
    pub async fn has_rule(&self, record: &str) -> Result<bool, NetError> {
        let query = [("type", "record"), ("rule_name[]", record)];
        let raw = self.http.ask(Ask { query: &query, ..Ask::get("/api/v1/rules") }, error_text).await?;
        let rules: Reply<Rules> = self.decode("/api/v1/rules", raw, prom_json::decode_data).await?;
        Ok(rules.value.groups.iter().flat_map(|g| &g.rules).any(|rule| rule.name == record))
    }

    /// Asks how many Alertmanagers it sends to.
    pub async fn active_alertmanagers(&self) -> Result<Reply<usize>, NetError> {
        let reply: Reply<ActiveAlertmanagers> = self.data("/api/v1/alertmanagers").await?;
        Ok(reply.map(|a| a.active.len()))
    }

    /// Asks it what became of its alerts: its own metrics, for it may not scrape itself.
    pub async fn sending(&self) -> Result<Reply<Sending>, NetError> {
        let raw = self.http.ask(Ask::get("/metrics"), error_text).await?;
        let decode = |body: &[u8]| {
            Ok(Answered { value: sending(&String::from_utf8_lossy(body)), warnings: Vec::new() })
        };
        self.decode("/metrics", raw, decode).await
    }

    /// Asks for the configuration file.
    pub async fn settings(&self) -> Result<Reply<PrometheusSettings>, NetError> {
        let reply: Reply<PrometheusSettings> =
            self.data::<Yaml>("/api/v1/status/config").await?.map(|c| PrometheusSettings { yaml: c.yaml });
        Ok(reply)
    }

    async fn data<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<Reply<T>, NetError> {
        let raw = self.http.ask(Ask::get(path), error_text).await?;
        self.decode(path, raw, prom_json::decode_data).await
    }

    async fn decode<T: Send + 'static>(
        &self,
        path: &str,
        raw: Raw,
        decode: impl FnOnce(&[u8]) -> Result<Answered<T>, WireError> + Send + 'static,
    ) -> Result<Reply<T>, NetError> {
        let Reply { value: answer, meta, .. } = self.http.reply(path, raw, decode).await?;
        Ok(Reply { value: answer.value, meta, warnings: answer.warnings })
    }
}

/// Reads what Prometheus counts of its notifications. The one label here is a URL, which holds no comma.
fn sending(text: &str) -> Sending {
    let wanted = text.lines().filter(|line| line.starts_with("prometheus_notifications_"));
    let scrape = Scrape::parse(wanted.map(|line| Ok(line.to_owned())));
    let mut sending = Sending::default();
    for sample in scrape.map(|scrape| scrape.samples).unwrap_or_default() {
        let (Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) = sample.value else {
            continue;
        };
        let to = sample.labels.get("alertmanager").unwrap_or_default().to_owned();
        match sample.metric.as_str() {
            "prometheus_notifications_dropped_total" => sending.counts.entry(to).or_default().dropped = value,
            "prometheus_notifications_errors_total" => sending.counts.entry(to).or_default().errors = value,
            "prometheus_notifications_queue_length" => sending.queued = sending.queued.max(value),
            "prometheus_notifications_queue_capacity" => sending.capacity = value,
            _ => {}
        }
    }
    sending
}

#[derive(Deserialize)]
struct ActiveAlertmanagers {
    #[serde(rename = "activeAlertmanagers")]
    active: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Rules {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize)]
struct RuleGroup {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    name: String,
}

#[derive(Deserialize)]
struct Yaml {
    yaml: String,
}

/// Prometheus says `errorType: error`; a proxy in front says whatever it likes.
fn error_text(body: &[u8]) -> String {
    match prom_json::decode_error(body) {
        Some(error) => error.to_string(),
        None => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{SendCounts, Sending, sending};

    #[test]
    fn what_was_lost_is_read_by_whom_it_was_for() {
        let old = "# HELP x y\nprometheus_notifications_dropped_total 35\n\
            prometheus_notifications_errors_total{alertmanager=\"http://am-1:9093/api/v2/alerts\"} 4\n\
            prometheus_notifications_queue_length 7\nprometheus_notifications_queue_capacity 50\n";
        let read = sending(old);
        let am = "http://am-1:9093/api/v2/alerts";
        assert_eq!(read.counts[""], SendCounts { dropped: 35.0, errors: 0.0 });
        assert_eq!(read.counts[am], SendCounts { dropped: 0.0, errors: 4.0 });
        assert_eq!((read.queued, read.capacity), (7.0, 50.0));
        // From 3.10 on every receiver has a queue of its own.
        let new = "prometheus_notifications_dropped_total{alertmanager=\"http://a\"} 1\n\
            prometheus_notifications_queue_length{alertmanager=\"http://a\"} 3\n\
            prometheus_notifications_queue_length{alertmanager=\"http://b\"} 2\n";
        let read = sending(new);
        assert_eq!((read.counts["http://a"].dropped, read.queued), (1.0, 3.0));
        assert_eq!(sending("garbage {{{"), Sending::default());
    }
}
