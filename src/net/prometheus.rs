//! The client of one Prometheus replica, or of anything that speaks its query API.

use super::error::NetError;
use super::http::{Ask, Deadline, Http, Payload, Raw, Reply};
use crate::model::alert::PromAlert;
use crate::model::cluster::Replica;
use crate::model::labels::Interner;
use crate::model::time::Timestamp;
use crate::wire::WireError;
use crate::wire::prom_json::{self, Answered, QueryValue, Sample};
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
        match self.http.decode(raw, decode).await {
            Ok((answer, meta)) => Ok(Reply { value: answer.value, meta, warnings: answer.warnings }),
            Err(kind) => Err(NetError { replica: self.replica().clone(), request: path.to_owned(), kind }),
        }
    }
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
