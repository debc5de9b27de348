//! `iaasmon serve exporter` and `iaasmon serve node`: what Prometheus scrapes on a node.

use super::ServeArgs;
use super::runner::{RunnerArgs, SIGNALS, refusal};
use crate::cli::error::{AppError, Exit};
use crate::config::Env;
use crate::detail::history::Depth;
use crate::model::network::Network;
use crate::model::time::parse_duration;
use crate::serve::exporter::{Exporter, ExporterError, ExtraSeries, Options};
use crate::serve::node;
use crate::serve::runner::Runner;
use crate::serve::skeleton::Skeleton;
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where sensu-client's packages write the log.
const PACKAGED_LOG: &str = "/var/log/sensu/sensu-client.log";
/// Prometheus has to reach it.
const DEFAULT_LISTEN: &str = ":10105";

const EXAMPLES: &str = "\
Examples:
  iaasmon serve exporter --state-dir /var/lib/iaasmon
  iaasmon serve exporter --follow /var/log/sensu/sensu-client.log --follow /var/log/iaasmon/runner.log --detail-allow 10.1.2.0/24
  curl -s localhost:10105/api/v1/checks/check_disk";

const NODE_EXAMPLES: &str = "\
Examples:
  iaasmon serve node -c /etc/sensu/config.json -d /etc/sensu/conf.d -l /var/log/iaasmon/runner.log --state-dir /var/lib/iaasmon
  iaasmon serve node -d conf.d -l runner.log --follow /var/log/sensu/sensu-client.log --only check_disk";

/// Export the status of every check that a runner or sensu-client logged, and serve its output
///
/// One series per check, `iaasmon_check_status`, on port 10105. Each check's output and history are served to this
/// machine, to authenticated clients and to the networks of --detail-allow.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExporterArgs {
    /// What is exported.
    #[command(flatten)]
    pub export: ExportArgs,
    /// What every service takes.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Run the checks and export them: runner and exporter in one process, on port 10105
///
/// What it exports is what stands in the log that it writes, so both can be parted at any time.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{NODE_EXAMPLES}\n\n{SIGNALS}"))]
pub struct NodeArgs {
    /// What runs.
    #[command(flatten)]
    pub runner: RunnerArgs,
    /// What is exported.
    #[command(flatten)]
    pub export: ExportArgs,
}

/// What is exported.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Export options")]
pub struct ExportArgs {
    /// Follow this log [default: the runner's own in `serve node`, else /var/log/sensu/sensu-client.log; can be
    /// repeated, the newer result wins]
    #[arg(long = "follow", value_name = "FILE")]
    pub logs: Vec<PathBuf>,
    /// Keep checkpoint and history here, 64 MiB at most; without it, a restart reads the log files anew, not those that were
    /// rotated away, and history is lost
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Let this network read the output of checks [can be repeated]
    #[arg(long, value_name = "CIDR")]
    pub detail_allow: Vec<Network>,
    /// How many bytes of an output are kept
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024)]
    pub output_limit: usize,
    /// Export more than the status of each check
    #[arg(long, value_name = "SERIES", value_enum, value_delimiter = ',')]
    pub extra_series: Vec<Extra>,
    /// Forget a check of sensu-client that was silent so long while others went on
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    pub retire_after: Duration,
    /// How many runs of each check the history holds
    #[arg(long, value_name = "N", default_value_t = Depth::default().runs)]
    pub history: u32,
    /// How many outputs of each check the history holds
    #[arg(long, value_name = "N", default_value_t = Depth::default().outputs)]
    pub history_outputs: u32,
    /// How long the history holds a run
    #[arg(long, value_name = "DAYS", default_value_t = Depth::default().days)]
    pub history_days: u32,
}

/// Series beside the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Extra {
    /// When the check last ran
    Executed,
    /// How long that took
    Duration,
}

impl ExportArgs {
    /// Returns what the exporter is told; it follows `own` before what was named.
    fn options(&self, own: Option<&Path>) -> Options {
        let mut logs: Vec<PathBuf> = own.map(Path::to_owned).into_iter().collect();
        logs.extend(self.logs.iter().cloned());
        if logs.is_empty() {
            logs.push(PACKAGED_LOG.into());
        }
        // The same log twice would count every line twice.
        let mut seen = std::collections::HashSet::new();
        logs.retain(|log| seen.insert(log.clone()));
        Options {
            logs,
            state_dir: self.state_dir.clone(),
            detail_allow: self.detail_allow.clone(),
            output_limit: self.output_limit,
            extra_series: ExtraSeries {
                executed: self.extra_series.contains(&Extra::Executed),
                duration: self.extra_series.contains(&Extra::Duration),
            },
            retire_after: self.retire_after,
            history: Depth {
                runs: self.history.max(1),
                outputs: self.history_outputs.max(1),
                days: self.history_days.max(1),
            },
        }
    }
}

impl From<ExporterError> for AppError {
    fn from(error: ExporterError) -> Self {
        Self::usage(error.to_string()).hint("without --state-dir nothing is kept over a restart")
    }
}

/// Runs the exporter alone.
pub fn run(args: &ExporterArgs) -> Result<Exit, AppError> {
    super::node_runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.serve.options(DEFAULT_LISTEN)?)?;
        let exporter = Exporter::prepare(args.export.options(None))?;
        node::run(skeleton, None, exporter).await?;
        Ok(Exit::Done)
    })
}

/// Runs runner and exporter.
pub fn run_node(
    args: &NodeArgs,
    global: Option<&Path>,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    let sources = args.runner.definitions.sources(global, env);
    if let Some(done) = args.runner.before(&sources, |_| Vec::new(), out, err)? {
        return Ok(done);
    }
    let Some(log) = &args.runner.log else {
        return Err(AppError::usage("-l FILE is missing: the log is the hand-over from runner to exporter")
            .hint("for example -l /var/log/iaasmon/runner.log"));
    };
    let options = args.runner.options(global, env)?;
    super::node_runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.runner.serve.options(DEFAULT_LISTEN)?)?;
        let exporter = Exporter::prepare(args.export.options(Some(log)))?;
        let runner = Runner::prepare(options).await.map_err(refusal)?;
        node::run(skeleton, Some(runner), exporter).await?;
        Ok(Exit::Done)
    })
}
