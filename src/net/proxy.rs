//! The client of one of our alert proxies: its ledger, and what it tells of itself.

use super::deadline::Deadline;
use super::error::NetError;
use super::http::{Ask, Http, Reply};
use crate::model::cluster::{About, Replica};
use crate::model::time::Timestamp;
use prometheus_parse::{Scrape, Value};
use std::collections::BTreeMap;

/// What became of the copies of alerts for one Alertmanager, since the proxy started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ledger {
    /// Copies that were to be sent.
    pub offered: f64,
    /// Those that it took.
    pub forwarded: f64,
    /// Those that it will never take.
    pub refused: f64,
    /// Those in whose place a newer one was sent.
    pub superseded: f64,
    /// Those that could not be sent while they meant something.
    pub expired: f64,
    /// Those of them that no other Alertmanager has either.
    pub lost: f64,
    /// Whether the last request to it failed.
    pub down: bool,
    /// Those that wait or are under way.
    pub queued: f64,
    /// For how many seconds it is without the first of them.
    pub waiting: f64,
}

/// One proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProxyClient {
    http: Http,
}

impl ProxyClient {
    /// Speaks through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    /// Returns the same proxy for the requests of one question, which must all be answered by `deadline`.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { http: self.http.by(deadline) }
    }

    /// Returns who this is.
    pub fn replica(&self) -> &Replica {
        self.http.replica()
    }

    /// Asks for the ledger, by Alertmanager.
    pub async fn ledger(&self) -> Result<Reply<BTreeMap<String, Ledger>>, NetError> {
        self.page(ledger).await
    }

    /// Asks what it is and since when it runs.
    pub async fn about(&self) -> Result<Reply<About>, NetError> {
        self.page(about).await
    }

    /// Asks whether it can do its job.
    ///
    /// # Errors
    /// When it does not answer, or says why it cannot: status 503.
    pub async fn ready(&self) -> Result<(), NetError> {
        self.http.ask(Ask::get("/-/ready"), words).await.map(drop)
    }

    async fn page<T: Send + 'static>(&self, read: fn(&str) -> T) -> Result<Reply<T>, NetError> {
        let path = "/metrics";
        let raw = self.http.ask(Ask::get(path), words).await?;
        self.http.reply(path, raw, move |body| Ok(read(&String::from_utf8_lossy(body)))).await
    }
}

fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Reads what every service of ours tells of itself.
fn about(text: &str) -> About {
    let is_wanted = |line: &&str| {
        line.starts_with("iaasmon_build_info") || line.starts_with("process_start_time_seconds")
    };
    let scrape = Scrape::parse(text.lines().filter(is_wanted).map(|line| Ok(line.to_owned())));
    let mut about = About::default();
    for sample in scrape.map(|scrape| scrape.samples).unwrap_or_default() {
        let (Value::Gauge(value) | Value::Untyped(value)) = sample.value else { continue };
        match sample.metric.as_str() {
            "iaasmon_build_info" => about.version = sample.labels.get("version").map(str::to_owned),
            "process_start_time_seconds" if value.is_finite() => {
                about.started = Timestamp::from_timestamp_millis((value * 1e3) as i64)
            }
            _ => {}
        }
    }
    about
}

/// Reads the ledger out of our own page.
fn ledger(text: &str) -> BTreeMap<String, Ledger> {
    let wanted = text.lines().filter(|line| line.starts_with("iaasmon_proxy_"));
    let scrape = Scrape::parse(wanted.map(|line| Ok(line.to_owned())));
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    for sample in scrape.map(|scrape| scrape.samples).unwrap_or_default() {
        let (Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) = sample.value else {
            continue;
        };
        let Some(member) = sample.labels.get("alertmanager") else { continue };
        let ledger = ledgers.entry(member.to_owned()).or_default();
        match sample.metric.as_str() {
            "iaasmon_proxy_copies_offered_total" => ledger.offered = value,
            "iaasmon_proxy_copies_forwarded_total" => ledger.forwarded = value,
            "iaasmon_proxy_copies_refused_total" => ledger.refused = value,
            "iaasmon_proxy_copies_superseded_total" => ledger.superseded = value,
            "iaasmon_proxy_copies_expired_total" => ledger.expired = value,
            "iaasmon_proxy_copies_lost_total" => ledger.lost = value,
            "iaasmon_proxy_alertmanager_up" => ledger.down = value == 0.0,
            "iaasmon_proxy_queue_length" => ledger.queued = value,
            "iaasmon_proxy_queue_age_seconds" => ledger.waiting = value,
            _ => {}
        }
    }
    ledgers
}

#[cfg(test)]
mod tests {
    use super::{About, Ledger, about, ledger};
    use crate::model::time::Timestamp;

    #[test]
    fn a_proxy_tells_its_version_and_its_start() {
        let text = "# TYPE iaasmon_build_info gauge\niaasmon_build_info{version=\"0.9.1\",service=\"proxy\"} 1\n\
            # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1795000000.25\n";
        let started = Timestamp::from_timestamp_millis(1_795_000_000_250);
        assert_eq!(about(text), About { version: Some("0.9.1".to_owned()), started });
        assert_eq!(about("garbage {{{\nprocess_start_time_seconds NaN\n"), About::default());
    }

    #[test]
    fn a_ledger_is_read_by_member() {
        let text = "# TYPE iaasmon_proxy_copies_offered_total counter\n\
            iaasmon_proxy_copies_offered_total{alertmanager=\"am-1:9093\"} 12\n\
            iaasmon_proxy_copies_forwarded_total{alertmanager=\"am-1:9093\"} 9\n\
            iaasmon_proxy_copies_expired_total{alertmanager=\"am-1:9093\"} 1\n\
            iaasmon_proxy_copies_lost_total{alertmanager=\"am-1:9093\"} 1\n\
            iaasmon_proxy_alertmanager_up{alertmanager=\"am-1:9093\"} 0\n\
            iaasmon_proxy_alertmanager_up{alertmanager=\"am-2:9093\"} 1\n\
            iaasmon_proxy_queue_length{alertmanager=\"am-1:9093\"} 2\n\
            iaasmon_proxy_queue_age_seconds{alertmanager=\"am-1:9093\"} 7.5\n\
            iaasmon_proxy_copies_offered_total{alertmanager=\"am-2:9093\"} 12\n\
            iaasmon_proxy_added_seconds_bucket{le=\"0.1\"} 3\ngarbage {{{\n";
        let first = Ledger {
            offered: 12.0,
            forwarded: 9.0,
            expired: 1.0,
            lost: 1.0,
            down: true,
            queued: 2.0,
            waiting: 7.5,
            ..Ledger::default()
        };
        let second = Ledger { offered: 12.0, ..Ledger::default() };
        let expected = [("am-1:9093".to_owned(), first), ("am-2:9093".to_owned(), second)];
        assert_eq!(ledger(text), expected.into());
        assert!(ledger("").is_empty());
    }
}
