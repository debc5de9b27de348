//! `iaasmon serve pusher`: checks that belong to no node, pushed to the pushgateways.

use super::runner::{RunnerArgs, SIGNALS, refusal};
use crate::cli::args::GlobalArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::gateways::{Around, GatewayArgs};
use crate::config::Env;
use crate::serve::pusher::{self, Labelling, Options, Pushes, StateDirError};
use crate::serve::runner::{self, Runner};
use crate::serve::skeleton::Skeleton;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Prometheus has to reach it.
const DEFAULT_LISTEN: &str = ":10108";

const EXAMPLES: &str = "\
Examples:
  iaasmon serve pusher -d /etc/iaasmon/jobs.d --cluster prod-east --state-dir /var/lib/iaasmon -l /var/log/iaasmon/pusher.log
  iaasmon serve pusher -d jobs.d --gateway http://push-1:9091 --gateway http://push-2:9091 --job edge --grouping site=fra
  iaasmon serve pusher -d jobs.d --validate_config     are the definitions good, and can all of them be pushed

In a definition: where its results belong, tokens in both
  \"push_job\": \"backup\", \"push_grouping\": {\"db\": \"main\", \"site\": \":::site:::\"}";

/// What a reload leaves as it is.
const RESTART: &str = "\
HUP does not read the configuration again, nor which gateways there are: a restart does.";

/// No result is longer in JSON than so many times its output: each of its bytes may be written as `\\u001b`.
const MOST_ESCAPED: usize = 6;

/// Run checks of what has no node, and push each result to the pushgateways
///
/// Definitions, schedule and log are the runner's; -c and -d name those that are pushed, never a node's own by themselves. Each
/// result, status and output, goes to every gateway under its group: the job is the definition's push_job, else --job, else the
/// check's name; beside it stand the labels of --grouping and of the definition's push_grouping. There is no label `instance`
/// unless one of them has it: what is pushed belongs to no machine. While a gateway does not answer, the newest result of each
/// check waits for it, on disk with --state-dir, and nothing older is pushed over something newer. A check that leaves the
/// definitions is deleted at the gateways: after HUP, or with --state-dir at the next start. It runs beside a node's own runner and
/// opens no socket: `iaasmon push` is for results of other programs.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{SIGNALS}\n\n{RESTART}"))]
#[command(mut_arg("file", |arg| arg.help("Read this file of definitions; none is read by itself")))]
#[command(mut_arg("folders", |arg| {
    arg.help("Read all .json files below these folders, in order of name; none is read by itself")
}))]
pub struct PusherArgs {
    /// What runs.
    #[command(flatten)]
    pub runner: RunnerArgs,
    /// What is pushed, and where to.
    #[command(flatten)]
    pub push: PushArgs,
}

/// What is pushed, and where to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Push options")]
pub struct PushArgs {
    /// Where to.
    #[command(flatten)]
    pub gateways: GatewayArgs,
    /// The job of results whose definitions have no push_job [default: the check's name]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub job: Option<String>,
    /// Keep here what waits for a gateway, and which checks there were; without it, a restart loses that
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How many MiB of results may wait for each gateway, and those of 10,000 checks at most; what came longest ago goes first
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub spool_limit: u32,
    /// How many bytes of an output are pushed
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024, value_parser = clap::value_parser!(u32).range(..=4 * 1024 * 1024))]
    pub output_limit: u32,
}

impl PushArgs {
    fn options(&self, global: &GlobalArgs, env: &Env) -> Result<Options, AppError> {
        let (output_limit, spool_limit) =
            (self.output_limit as usize, self.spool_limit as usize * 1024 * 1024);
        if output_limit * MOST_ESCAPED > spool_limit {
            let error = format!(
                "--output-limit {output_limit} does not fit --spool-limit {}: one result may be {MOST_ESCAPED} times as long",
                self.spool_limit
            );
            let least = (output_limit * MOST_ESCAPED).div_ceil(1024 * 1024);
            return Err(AppError::usage(error).hint(format!("--spool-limit {least} would do")));
        }
        let around = Around {
            config: global.config.as_deref(),
            clusters: &global.cluster,
            timeout: global.timeout,
            env,
        };
        Ok(Options {
            gateways: self.gateways.clients(around)?,
            labelling: Labelling { job: self.job.clone(), grouping: self.gateways.labels() },
            output_limit,
            state_dir: self.state_dir.clone(),
            spool_limit,
        })
    }
}

impl From<StateDirError> for AppError {
    fn from(error: StateDirError) -> Self {
        Self::usage(error.to_string())
            .hint("each pusher has a folder of its own; without one, a restart loses what waits")
    }
}

/// Runs the pusher.
pub fn run(
    args: &PusherArgs,
    global: &GlobalArgs,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    let definitions = &args.runner.definitions;
    if definitions.file.is_none() && definitions.folders.is_empty() {
        return Err(AppError::usage("no definitions are named: -d DIR or -c FILE")
            .hint("those below /etc/sensu are the node's own, which `iaasmon serve runner` runs"));
    }
    // --config is iaasmon's configuration here, which names the gateways.
    if let Some(done) = args.runner.before(&definitions.sources(None, env), pusher::judge, out, err)? {
        return Ok(done);
    }
    let (options, runner) = (args.push.options(global, env)?, args.runner.options(None, env)?);
    super::node_runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.runner.serve.options(DEFAULT_LISTEN)?)?;
        let pushes = Pushes::prepare(options)?;
        let runner = runner::Options { alone: false, receiver: Some(pusher::receiver(&pushes)), ..runner };
        let runner = Runner::prepare(runner).await.map_err(refusal)?;
        pusher::run(skeleton, runner, pushes).await?;
        Ok(Exit::Done)
    })
}
