//! The one HTTP client and the typed clients of Prometheus, Alertmanager, pushgateways and the detail API.
//!
//! Nothing outside this room names `reqwest`, and no body is read without a cap.

mod alertmanager;
mod client;
mod confined;
mod deadline;
mod detail;
mod error;
mod http;
mod prometheus;
mod proxy;
mod pushgateway;
mod sensu_api;

pub use alertmanager::{Alertmanager, NotificationCounts, Write};
pub use confined::{Allowed, BadAllowed, Confined};
pub use deadline::Deadline;
pub use detail::{DetailClient, LiveSample, Places, detail_url, expand_detail_url};
pub use error::{NetError, NetErrorKind};
pub use http::{Http, Meta, Passed, Reply, replica_name};
pub use prometheus::{BuildInfo, PrometheusClient, PrometheusSettings, RuntimeInfo, SendCounts, Sending};
pub use proxy::{Ledger, ProxyClient};
pub use pushgateway::{Metrics, PushOutcome, PushgatewayClient, TTL, Ttl};
pub use sensu_api::SensuApi;
