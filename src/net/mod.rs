//! The one HTTP client and the typed clients of Prometheus, Alertmanager and the detail API.
//!
//! Nothing outside this room names `reqwest`, and no body is read without a cap.

mod alertmanager;
mod confined;
mod detail;
mod error;
mod http;
mod prometheus;
mod proxy;
mod sensu_api;

pub use alertmanager::{Alertmanager, NotificationCounts, Write};
pub use confined::{Allowed, BadAllowed, Confined};
pub use detail::{DetailClient, LiveSample, detail_url, expand_detail_url};
pub use error::{NetError, NetErrorKind};
pub use http::{Deadline, Http, Meta, Passed, Reply};
pub use prometheus::{BuildInfo, PrometheusClient, PrometheusSettings, RuntimeInfo};
pub use proxy::{Ledger, ProxyClient};
pub use sensu_api::SensuApi;
