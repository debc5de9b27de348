//! `iaasmon serve ...`: the services for machines, and the flags that all of them take.

pub mod exporter;
pub mod proxy;
pub mod pusher;
pub mod pushgateway;
pub mod runner;

use super::args::GlobalArgs;
use super::error::{AppError, Exit};
use crate::config::Env;
use crate::model::time::parse_duration;
use crate::serve::skeleton::{Address, Limits, Options, ServeError};
use crate::sys::telemetry::{LogFormat, LogLevel};
use clap::{Args, Subcommand, ValueEnum};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing::Level;

/// The hidden command that the guard of the checks is.
pub const GUARD: &str = "check-guard";

/// Blocking work on a node: reading a log, looking at a password. Few threads with small stacks keep the node small.
const BLOCKING_THREADS: usize = 4;
const BLOCKING_STACK: usize = 256 * 1024;

/// Run one of the services for machines
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each service's own type carries its text, which becomes the help")]
pub enum ServeCommand {
    Node(exporter::NodeArgs),
    Runner(runner::RunnerArgs),
    Exporter(exporter::ExporterArgs),
    Proxy(proxy::ProxyArgs),
    Pushgateway(pushgateway::PushgatewayArgs),
    Pusher(pusher::PusherArgs),
}

/// Flags that every service takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service options")]
pub struct ServeArgs {
    /// Where to listen: host:port, :port, unix:/path or systemd [default: all addresses on port 10105, `serve proxy` 10106,
    /// `serve pushgateway` 9091, `serve pusher` 10108; `serve runner` 127.0.0.1:10107; can be repeated]
    #[arg(long, visible_alias = "web.listen-address", value_name = "ADDRESS")]
    pub listen: Vec<Address>,
    /// TLS, passwords, headers: the web config file of Prometheus' exporters
    #[arg(long = "web.config.file", value_name = "FILE", value_parser = pushgateway::may_be_empty())]
    pub web_config: Option<PathBuf>,
    /// How many connections are served at a time
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_connections: usize,
    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub head_timeout: Duration,
    /// How long a whole request may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub request_timeout: Duration,
    /// What the service says about itself on standard error; not what the runner's log holds (-L)
    #[arg(long = "log.level", alias = "log-level", value_name = "LEVEL", value_enum, default_value_t)]
    pub log_level: ServiceLevel,
    /// How it says so
    #[arg(long = "log.format", alias = "log-format", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: ServiceFormat,
}

/// Levels of a service's own lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the usual words")]
pub enum ServiceLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Forms of a service's own lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ServiceFormat {
    /// For people, and for journald
    #[default]
    #[value(alias = "logfmt")]
    Text,
    /// One JSON object a line
    Json,
}

impl ServeArgs {
    /// Returns how the service listens: at `default` where nothing was said. From here on its own lines are written.
    pub fn options(&self, default: &str) -> Result<Options, AppError> {
        let listen = if self.listen.is_empty() {
            vec![default.parse().map_err(|error| AppError::usage(format!("--listen: {error}")))?]
        } else {
            self.listen.clone()
        };
        let level = match self.log_level {
            ServiceLevel::Error => Level::ERROR,
            ServiceLevel::Warn => Level::WARN,
            ServiceLevel::Info => Level::INFO,
            ServiceLevel::Debug => Level::DEBUG,
            ServiceLevel::Trace => Level::TRACE,
        };
        let format = match self.log_format {
            ServiceFormat::Text => LogFormat::Text,
            ServiceFormat::Json => LogFormat::Json,
        };
        let limits = Limits {
            connections: self.max_connections.max(1),
            head: self.head_timeout,
            request: Some(self.request_timeout),
            ..Limits::default()
        };
        let level = LogLevel::begin(level, format);
        // An empty name is none, as for the original pushgateway.
        let web_config = self.web_config.clone().filter(|file| !file.as_os_str().is_empty());
        Ok(Options { listen, web_config, limits, level })
    }
}

impl From<ServeError> for AppError {
    fn from(error: ServeError) -> Self {
        let told = Self::usage(error.to_string());
        match error {
            ServeError::Listen { .. } => told.hint("--listen ADDRESS names another address"),
            ServeError::Addresses(_) | ServeError::Web(_) | ServeError::Signals(_) => told,
        }
    }
}

/// Builds the runtime of a node's services: one thread, since a node has other things to do.
pub fn node_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(BLOCKING_STACK)
        .build()
}

/// Runs a service until it is told to end.
pub fn run(
    command: &ServeCommand,
    global: &GlobalArgs,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    let config = global.config.as_deref();
    match command {
        ServeCommand::Node(args) => exporter::run_node(args, config, env, out, err),
        ServeCommand::Runner(args) => runner::run(args, config, env, out, err),
        ServeCommand::Exporter(args) => exporter::run(args),
        ServeCommand::Proxy(args) => proxy::run(args, config, &global.cluster, env),
        ServeCommand::Pushgateway(args) => pushgateway::run(args),
        ServeCommand::Pusher(args) => pusher::run(args, global, env, out, err),
    }
}
