//! The configuration as the rest of the program sees it: typed, complete, every default filled in.
//!
//! Nothing here parses; [`load`](super::load) builds these from files and the environment. All
//! fields are public so that tests and the demo can build a fleet without a file.

use super::generate::Generate;
use crate::model::check::STATUS_METRIC;
use crate::model::cluster::ClusterName;
use crate::model::matcher::Matcher;
use crate::model::time::format_duration;
use regex::Regex;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Everything that files, environment and flags say.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What a cluster gets that does not say otherwise.
    pub defaults: Defaults,
    /// The fleet, in order of appearance; names are unique.
    pub clusters: Vec<Cluster>,
    /// What the proxy adds to which alerts; the first that fits holds. Without any, alerts with a check label get all of it.
    pub enrich: Vec<Enrich>,
    /// Who is told of alerts, how often, and in which words.
    pub generate: Generate,
    /// What a silence must fulfil, and from where on it needs a second look.
    pub policy: SilencePolicy,
    /// How the terminal interface looks and how often it asks.
    pub ui: Ui,
    /// The files that were read, the one that wins first.
    pub source: Vec<PathBuf>,
}

/// Values for every cluster that does not set its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// How long a server may take to answer.
    pub timeout: Duration,
    /// The label that names a node.
    pub node_label: String,
    /// The label that names a check.
    pub check_label: String,
    /// The metric that carries a check's status.
    pub status_metric: String,
    /// The recorded series of all checks that are not OK.
    pub bad_metric: String,
    /// The largest body that is read, in bytes after decompression; lists of alerts may be eight times as large.
    pub max_body: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            node_label: "instance".to_owned(),
            check_label: "check".to_owned(),
            status_metric: STATUS_METRIC.to_owned(),
            bad_metric: "iaasmon_check_status:bad".to_owned(),
            // 200,000 series are 50 MB. 50,000 enriched alerts are 100 MB, but they are decoded while they come and
            // may be eight times as large. More than this is a broken or hostile server.
            max_body: 64 * 1024 * 1024,
        }
    }
}

/// One cluster: a pair set of Prometheus and Alertmanager servers, or one of the two kinds alone.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its unique name.
    pub name: ClusterName,
    /// Labels of the cluster itself, usable in filters as `@name`.
    pub labels: BTreeMap<String, String>,
    /// Prometheus replicas, or backends that speak its query API.
    pub prometheus: Vec<Url>,
    /// Alertmanager members.
    pub alertmanager: Vec<Url>,
    /// Our alert proxies; `doctor` reads their ledgers.
    pub proxy: Vec<Url>,
    /// Pushgateways that also serve check detail.
    pub pushgateway: Vec<Url>,
    /// What pushes there; Prometheus scrapes them.
    pub pusher: Vec<Url>,
    /// Where a check's detail is fetched, with `{label}` placeholders; validated.
    pub detail_url: Option<String>,
    /// Labels that tell replicas apart and are dropped before merging.
    pub drop_labels: Vec<String>,
    /// Whether silences may be written here.
    pub access: Access,
    /// How requests authenticate.
    pub auth: Option<Auth>,
    /// Certificates.
    pub tls: Tls,
    /// Headers sent with every request.
    pub headers: Vec<(String, SecretString)>,
    /// The HTTP proxy to go through. Unset means none, whatever the environment says.
    pub http_proxy: Option<Url>,
    /// How long a server may take to answer.
    pub timeout: Duration,
    /// The largest body that is read, in bytes after decompression; lists of alerts may be eight times as large.
    pub max_body: u64,
    /// The label that names a node.
    pub node_label: String,
    /// The label that names a check.
    pub check_label: String,
    /// The metric that carries a check's status.
    pub status_metric: String,
    /// The recorded series of all checks that are not OK.
    pub bad_metric: String,
}

impl Cluster {
    /// Builds a cluster without servers, with the values of `defaults`.
    pub fn new(name: &str, defaults: &Defaults) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            prometheus: Vec::new(),
            alertmanager: Vec::new(),
            proxy: Vec::new(),
            pushgateway: Vec::new(),
            pusher: Vec::new(),
            detail_url: None,
            drop_labels: Vec::new(),
            access: Access::Rw,
            auth: None,
            tls: Tls::default(),
            headers: Vec::new(),
            http_proxy: None,
            timeout: defaults.timeout,
            max_body: defaults.max_body,
            node_label: defaults.node_label.clone(),
            check_label: defaults.check_label.clone(),
            status_metric: defaults.status_metric.clone(),
            bad_metric: defaults.bad_metric.clone(),
        }
    }

    /// Returns how many servers of every kind it names.
    pub fn servers(&self) -> usize {
        let kinds = [&self.prometheus, &self.alertmanager, &self.proxy, &self.pushgateway, &self.pusher];
        kinds.map(Vec::len).iter().sum()
    }
}

/// Which alerts the proxy enriches, and with what.
#[derive(Debug, Clone)]
pub struct Enrich {
    /// The alerts; none means those with a check label.
    pub matchers: Vec<Matcher>,
    /// Where their details are; none means the cluster's.
    pub detail_url: Option<String>,
    /// How many bytes of an output are written.
    pub output_limit: u64,
    /// Attributes of the definition that become annotations.
    pub copy: Vec<String>,
    /// The annotations that are written; none means all.
    pub annotations: Vec<String>,
}

impl Default for Enrich {
    fn default() -> Self {
        Self {
            matchers: Vec::new(),
            detail_url: None,
            // Annotations go to every receiver, and an Alertmanager holds all of them.
            output_limit: 2048,
            copy: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

/// Whether silences may be written on a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Read and write.
    #[default]
    Rw,
    /// Read only.
    Ro,
}

impl Access {
    /// Returns the word of the configuration file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rw => "rw",
            Self::Ro => "ro",
        }
    }
}

/// How requests to a cluster authenticate. Files are read at each use, so that a rotated token needs no restart.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer ...`
    Bearer(SecretString),
    /// A bearer token from a file.
    BearerFile(PathBuf),
    /// User and password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// User, and a file that holds the password.
    BasicFile {
        /// The user's name.
        user: String,
        /// Where the password stands.
        password_file: PathBuf,
    },
}

/// Certificates of a cluster's connections; `cert` and `key` stand together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The authority to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// The key of `cert`.
    pub key: Option<PathBuf>,
    /// The name to ask for and to verify instead of the URL's host.
    pub server_name: Option<String>,
}

/// What a silence must fulfil.
#[derive(Debug, Clone)]
pub struct SilencePolicy {
    /// Whether a comment must be given.
    pub comment_required: bool,
    /// What must be found in the comment (not anchored).
    pub comment_pattern: Option<Regex>,
    /// The longest silence; `None` is no limit.
    pub max_duration: Option<Duration>,
    /// From where on a silence needs a stronger confirmation.
    pub confirm_above: ConfirmAbove,
    /// The author to write; unset means the login name.
    pub author: Option<String>,
    /// Where the journals of operations are kept; unset means below the user's state folder.
    pub journals: Option<PathBuf>,
}

impl Default for SilencePolicy {
    fn default() -> Self {
        Self {
            comment_required: true,
            comment_pattern: None,
            // A silence that outlives a week has usually been forgotten.
            max_duration: Some(Duration::from_secs(7 * 24 * 3600)),
            confirm_above: ConfirmAbove::default(),
            author: None,
            journals: None,
        }
    }
}

/// The largest silence that a plain confirmation is enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmAbove {
    /// Alerts hit now.
    pub alerts: u32,
    /// Clusters written to.
    pub clusters: u32,
    /// Length.
    pub duration: Duration,
}

impl Default for ConfirmAbove {
    fn default() -> Self {
        Self { alerts: 50, clusters: 1, duration: Duration::from_secs(8 * 3600) }
    }
}

/// How the terminal interface looks and how often it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ui {
    /// The theme's name; unset means `default`.
    pub theme: Option<String>,
    /// How many colours are used.
    pub color: Color,
    /// How often every source is asked, at the most; never below [`Ui::MIN_REFRESH`].
    pub refresh: Duration,
}

impl Ui {
    /// The shortest refresh: below it the servers would do little else than answer us.
    pub const MIN_REFRESH: Duration = Duration::from_secs(15);
}

impl Default for Ui {
    fn default() -> Self {
        Self { theme: None, color: Color::Auto, refresh: Self::MIN_REFRESH }
    }
}

/// How many colours are used; the tiers of a terminal, or who decides on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// As `NO_COLOR`, `TERM` and `COLORTERM` say, and none where the output is not a terminal.
    #[default]
    Auto,
    /// As `Auto`, but also where the output is not a terminal or `NO_COLOR` is set.
    Always,
    /// None: everything is said in words and attributes.
    Never,
    /// The 16 colours of the terminal's own palette.
    Ansi16,
    /// The palette of 256.
    Ansi256,
    /// 24 bit.
    Truecolor,
}

impl Color {
    /// Every choice, in the order in which help lists them.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::Always, Self::Never, Self::Ansi16, Self::Ansi256, Self::Truecolor];

    /// Returns the word of the configuration file and of `--color`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
            Self::Ansi16 => "16",
            Self::Ansi256 => "256",
            Self::Truecolor => "truecolor",
        }
    }
}

impl fmt::Display for ConfirmAbove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alerts, clusters, duration } = self;
        write!(f, "{alerts} alerts, {clusters} cluster(s), {}", format_duration(*duration))
    }
}
