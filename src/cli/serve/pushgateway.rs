//! `iaasmon serve pushgateway`: metrics of jobs that have no node.

mod original;

pub use original::may_be_empty;

use super::ServeArgs;
use crate::cli::error::{AppError, Exit};
use crate::model::names::Names;
use crate::model::network::Network;
use crate::model::time::{format_duration, parse_duration};
use crate::serve::pushgateway::{Gateway, KeepError, Options, Promise};
use crate::serve::skeleton::{Address, Skeleton};
use clap::{Args, ValueEnum};
use original::OriginalArgs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Upstream's.
const DEFAULT_LISTEN: &str = ":9091";
/// Upstream's.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

const EXAMPLES: &str = "\
Examples:
  iaasmon serve pushgateway --persistence.file /var/lib/iaasmon/pushgateway.redb
  iaasmon serve pushgateway --persistence.file /var/lib/iaasmon/pushgateway.redb --ttl 'ci-.*=2h'
  echo 'backup_size_bytes 42' | curl --data-binary @- localhost:9091/metrics/job/backup/instance/db1";

/// Hold the metrics that jobs without a node push: a drop-in for Prometheus' Pushgateway, on port 9091
///
/// It takes what the original takes, by the same paths and flags. What it acknowledges survives a crash where a file is
/// named; a push that would break the page for everybody is refused; and a push costs the same however much is held.
/// docs/pushgateway.md has every request that it answers, and the move from the original.
#[derive(Debug, Clone, Args)]
#[command(version, after_help = EXAMPLES)]
pub struct PushgatewayArgs {
    /// Keep groups in this file, which is not one of the original's; without it a restart forgets them
    #[arg(long = "persistence.file", value_name = "FILE", value_parser = may_be_empty())]
    pub file: Option<PathBuf>,
    /// Acknowledge a push when it is on the disk, or write what has changed once in --persistence.interval
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub durability: Durability,
    /// How often is written with --durability interval [default: 5m]
    #[arg(long = "persistence.interval", value_name = "DURATION", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Let groups go that nobody pushed for so long, by a pattern of whole job names [can be repeated, the first that fits; a push
    /// says otherwise by the header X-Iaasmon-TTL]
    #[arg(long = "ttl", value_name = "JOB=DURATION", value_parser = parse_ttl)]
    pub ttls: Vec<(regex::Regex, Duration)>,
    /// How many MiB all groups may hold
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub limit: u32,
    /// How many bytes of a check's output are kept
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024)]
    pub output_limit: usize,
    /// Let this network read the output of checks [can be repeated]
    #[arg(long, value_name = "CIDR")]
    pub detail_allow: Vec<Network>,
    /// Answer 202 as the original does without its check: what cannot stand beside the rest is dropped all the same, unsaid
    #[arg(long = "push.disable-consistency-check", overrides_with = "checked")]
    pub unchecked: bool,
    /// Take any text as the name of a metric or label
    #[arg(long = "push.enable-utf8-names", overrides_with = "no_utf8")]
    pub utf8: bool,
    /// Where Prometheus scrapes it
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", value_parser = parse_path)]
    pub telemetry_path: String,
    /// Where browsers find it, if a proxy stands before it; its path is the default of --web.route-prefix
    #[arg(long = "web.external-url", value_name = "URL", value_parser = parse_external)]
    pub external_url: Option<Url>,
    /// What comes before every path
    #[arg(long = "web.route-prefix", value_name = "PATH", value_parser = parse_prefix)]
    pub prefix: Option<String>,
    /// Let clients end it by PUT or POST /-/quit
    #[arg(long = "web.enable-lifecycle", overrides_with = "no_lifecycle")]
    pub lifecycle: bool,
    /// Let clients delete all groups by PUT /api/v1/admin/wipe
    #[arg(long = "web.enable-admin-api", overrides_with = "no_admin_api")]
    pub admin_api: bool,
    /// What the original takes beside these.
    #[command(flatten)]
    pub original: OriginalArgs,
    /// What every service takes.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// When a push is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// When it is on the disk
    #[default]
    Commit,
    /// When it is in memory
    Interval,
}

impl PushgatewayArgs {
    /// The file, where one is named: an empty name is none, as for the original.
    fn file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|file| !file.as_os_str().is_empty())
    }

    /// Says what was given and has no effect.
    fn warn(&self) {
        if self.file().is_none() {
            tracing::warn!("no --persistence.file: a restart forgets all groups");
        }
        if self.interval.is_some() && self.durability == Durability::Commit {
            tracing::warn!(
                "--persistence.interval has no effect without --durability interval: every push is written before it is acknowledged"
            );
        }
        if self.original.local_assets.is_some() {
            tracing::warn!("--web.local-assets has no effect: the page is a part of the program");
        }
    }

    fn options(&self) -> Options {
        let path = self.external_url.as_ref().map_or("/", Url::path);
        let prefix = self.prefix.as_deref().unwrap_or_else(|| path.trim_matches('/'));
        let promise = match self.durability {
            Durability::Commit => Promise::Commit,
            Durability::Interval => Promise::Interval(self.interval.unwrap_or(DEFAULT_INTERVAL)),
        };
        Options {
            file: self.file().map(Path::to_path_buf),
            promise,
            check_consistency: !self.unchecked,
            names: if self.utf8 { Names::Utf8 } else { Names::Legacy },
            limit: self.limit as usize * 1024 * 1024,
            output_limit: self.output_limit,
            detail_allow: self.detail_allow.clone(),
            ttls: self.ttls.clone(),
            telemetry_path: self.telemetry_path.clone(),
            prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
            browsed: match &self.external_url {
                Some(url) => url.path().trim_end_matches('/').to_owned(),
                None if prefix.is_empty() => String::new(),
                None => format!("/{prefix}"),
            },
            lifecycle: self.lifecycle,
            admin_api: self.admin_api,
            flags: self.flags(prefix),
        }
    }

    /// The flags by upstream's names, as its status shows them.
    fn flags(&self, prefix: &str) -> Vec<(String, String)> {
        let listen = self.serve.listen.iter().map(ToString::to_string).collect::<Vec<_>>();
        let listen = if listen.is_empty() { DEFAULT_LISTEN.to_owned() } else { listen.join(",") };
        let file = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let web_config =
            self.serve.web_config.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        [
            ("persistence.file", file),
            ("persistence.interval", format_duration(self.interval.unwrap_or(DEFAULT_INTERVAL))),
            ("push.disable-consistency-check", self.unchecked.to_string()),
            ("push.enable-utf8-names", self.utf8.to_string()),
            ("web.config.file", web_config),
            ("web.enable-admin-api", self.admin_api.to_string()),
            ("web.enable-lifecycle", self.lifecycle.to_string()),
            ("web.external-url", self.external_url.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("web.listen-address", listen),
            ("web.route-prefix", format!("/{prefix}")),
            ("web.telemetry-path", self.telemetry_path.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn parse_ttl(text: &str) -> Result<(regex::Regex, Duration), String> {
    let (job, ttl) = text.rsplit_once('=').ok_or("write it like 'ci-.*=2h'")?;
    let pattern = regex::Regex::new(&format!("^(?:{job})$")).map_err(|error| error.to_string())?;
    let ttl = parse_duration(ttl).map_err(|error| error.to_string())?;
    if ttl.is_zero() {
        return Err("a group that goes at once is of no use".to_owned());
    }
    Ok((pattern, ttl))
}

fn parse_path(text: &str) -> Result<String, String> {
    let others = ["/-/", "/api/", "/metrics/"];
    match text {
        "/" => Err("that is where its own page is".to_owned()),
        path if others.iter().any(|other| path.starts_with(other)) => {
            Err("something else is there already".to_owned())
        }
        path if path.starts_with('/') => plain(&path[1..]).map(|()| path.to_owned()),
        _ => Err("a path begins with a slash".to_owned()),
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    if !path.is_empty() {
        plain(path)?;
    }
    Ok(path.to_owned())
}

fn parse_external(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    parse_prefix(url.path()).map(|_| url)
}

/// Whether routes can be there: what has a meaning of its own in those, or in the line of a request, is no part of a path.
fn plain(path: &str) -> Result<(), String> {
    let is_plain = |part: &str| {
        let may_be = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()+,;=:@".contains(c);
        !part.is_empty() && !part.starts_with(':') && part.chars().all(may_be)
    };
    let bad = path.split('/').find(|part| !is_plain(part));
    bad.map_or(Ok(()), |part| Err(format!("`{part}` cannot be a part of it")))
}

impl From<KeepError> for AppError {
    fn from(error: KeepError) -> Self {
        let told = Self::usage(format!("--persistence.file: {error}"));
        match error {
            KeepError::Gob { .. } => told
                .hint("name another file, and while the original still runs: iaasmon migrate pushgateway http://OLD:9091 http://NEW:9091"),
            KeepError::Foreign { .. } => told.hint("name a file that is not there yet: it is made"),
            KeepError::Store(_) | KeepError::Disk { .. } => told,
        }
    }
}

/// Runs the pushgateway.
pub fn run(args: &PushgatewayArgs) -> Result<Exit, AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut serve = args.serve.clone();
        if args.original.systemd_socket {
            // The original, too, looks at no address then.
            serve.listen = vec![Address::Systemd];
        }
        let bound = Skeleton::prepare(serve.options(DEFAULT_LISTEN)?)?.bind().await?;
        let gateway = Gateway::prepare(args.options(), &bound)?;
        args.warn();
        gateway.run(bound).await;
        Ok(Exit::Done)
    })
}
