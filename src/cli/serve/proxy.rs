//! `iaasmon serve proxy`: between Prometheus and Alertmanager.

use super::ServeArgs;
use crate::cli::error::{AppError, Exit};
use crate::config::{self, Cluster, Config, Defaults, Enrich, Env};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::time::parse_duration;
use crate::net::Allowed;
use crate::serve::proxy::{OUTPUT_CAP, Options, Proxy, ProxyError, Rule};
use crate::serve::skeleton::Skeleton;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;
use url::Url;

/// Prometheus has to reach it.
const DEFAULT_LISTEN: &str = ":10106";
/// How long a member may take: a sender is answered after five seconds at the latest.
const MEMBER_WITHIN: Duration = Duration::from_secs(5);
/// So many threads do: nearly all of the work is waiting for others.
const MOST_THREADS: usize = 4;

const EXAMPLES: &str = "\
Examples:
  iaasmon serve proxy --cluster prod-east --state-dir /var/lib/iaasmon
  iaasmon serve proxy --alertmanager http://am-1:9093 --alertmanager http://am-2:9093 --detail-url 'http://{instance}/api/v1/checks/{check}'

In prometheus.yml, at least two proxies and no Alertmanager beside them:
  alerting:
    alertmanagers:
      - static_configs: [{ targets: [\"proxy-1:10106\", \"proxy-2:10106\"] }]";

/// Put each failing check's output into its alert, between Prometheus and Alertmanager
///
/// Takes alerts on port 10106 as an Alertmanager does, fetches the detail of each failing check from its node, adds it as
/// annotations and forwards to every Alertmanager of the cluster. An alert never waits for its output longer than --budget; what
/// comes later is sent after it, in time for the first mail. The annotations are check_output, check_command, check_status,
/// check_client, check_address, check_issued, check_executed, check_duration, check_occurrences, check_handlers, check_last_ok,
/// check_url, and check_output_error where there is no newer output.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProxyArgs {
    /// Forward to this Alertmanager, to each address where its name has several [default: those of the cluster; can be repeated]
    #[arg(long, value_name = "URL")]
    pub alertmanager: Vec<Url>,
    /// Forward also to the targets of this file, JSON or YAML as Prometheus' file_sd; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub alertmanager_file: Option<PathBuf>,
    /// Fetch details here, {label} being a label of the alert [default: the cluster's detail_url]
    #[arg(long, value_name = "TEMPLATE")]
    pub detail_url: Option<String>,
    /// The longest that alerts wait for their details; 0s means not at all
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_duration)]
    pub budget: Duration,
    /// Let details be fetched from these addresses, beside private networks on port 10105 [can be repeated]
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub allow: Vec<Allowed>,
    /// How many bytes of an output go into an alert [default: 2048; the rules of a configuration say it by rule]
    #[arg(long, value_name = "BYTES")]
    pub output_limit: Option<usize>,
    /// Make an annotation of this attribute of the check's definition, such as a playbook [can be repeated]
    #[arg(long, value_name = "ATTRIBUTE")]
    pub copy: Vec<String>,
    /// Keep details here, so that alerts have their output right after a restart
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Let authenticated clients write silences through the proxy
    #[arg(long)]
    pub pass_through_writes: bool,
    /// What every service takes.
    #[command(flatten)]
    pub serve: ServeArgs,
}

impl ProxyArgs {
    fn options(&self, config: Option<&Path>, cluster: &[String], env: &Env) -> Result<Options, AppError> {
        let by_flags = !self.alertmanager.is_empty() || self.alertmanager_file.is_some();
        // What flags name needs no file, and a file that is there has the rules.
        let config = match by_flags && config.is_none() {
            true => Config::default(),
            false => config::load(config, env).map_err(|errors| {
                AppError::from(errors)
                    .hint("a proxy can do without: --alertmanager URL --detail-url TEMPLATE")
            })?,
        };
        let mut cluster = if by_flags { self.of_flags(&config.defaults) } else { chosen(&config, cluster)? };
        // Requests to members are longer than those of people: they carry 256 outputs.
        cluster.timeout = cluster.timeout.max(MEMBER_WITHIN);
        let rules = self.rules(&config.enrich, &cluster)?;
        let mut allowed = Allowed::private();
        allowed.extend(&self.allow);
        Ok(Options {
            cluster,
            targets: self.alertmanager_file.clone(),
            rules,
            budget: self.budget,
            allowed,
            state_dir: self.state_dir.clone(),
            pass_through_writes: self.pass_through_writes,
        })
    }

    fn of_flags(&self, defaults: &Defaults) -> Cluster {
        let mut cluster = Cluster::new("proxy", defaults);
        cluster.alertmanager.clone_from(&self.alertmanager);
        cluster
    }

    /// Returns the rules of the configuration, or one for every alert of a check.
    fn rules(&self, configured: &[Enrich], cluster: &Cluster) -> Result<Vec<Rule>, AppError> {
        let of_checks = || vec![Matcher::new(&cluster.check_label, MatchOp::NotEqual, "")];
        let default_url = self.detail_url.as_ref().or(cluster.detail_url.as_ref());
        let one = [Enrich {
            output_limit: self.output_limit.unwrap_or(OUTPUT_CAP).max(1) as u64,
            copy: self.copy.clone(),
            ..Enrich::default()
        }];
        if !configured.is_empty() && (self.output_limit.is_some() || !self.copy.is_empty()) {
            return Err(AppError::usage(
                "--output-limit and --copy are for a proxy without rules, and the configuration has some",
            )
            .hint("write output_limit and copy into its [[enrich]]"));
        }
        let rules = if configured.is_empty() { &one[..] } else { configured };
        let rule = |rule: &Enrich| {
            Some(Rule {
                matchers: if rule.matchers.is_empty() { of_checks() } else { rule.matchers.clone() },
                detail_url: rule.detail_url.as_ref().or(default_url)?.clone(),
                output_cap: usize::try_from(rule.output_limit).unwrap_or(usize::MAX),
                copy: rule.copy.clone(),
                only: rule.annotations.clone(),
            })
        };
        rules.iter().map(rule).collect::<Option<_>>().ok_or_else(|| {
            AppError::usage("no place of details is named, so no alert would get its output")
                .hint("for example --detail-url 'http://{instance}/api/v1/checks/{check}'")
        })
    }
}

/// Returns the cluster that a proxy is for.
fn chosen(config: &Config, names: &[String]) -> Result<Cluster, AppError> {
    let named: Vec<&Cluster> = config
        .clusters
        .iter()
        .filter(|cluster| names.is_empty() || names.iter().any(|name| name == cluster.name.as_str()))
        .collect();
    match named[..] {
        [cluster] => Ok(cluster.clone()),
        [] => Err(AppError::usage("no Alertmanager is named")
            .hint("name them: --alertmanager URL, or --cluster NAME of the configuration")),
        _ => {
            let names: Vec<&str> = named.iter().map(|cluster| cluster.name.as_str()).collect();
            Err(AppError::usage(format!("a proxy is for one cluster, and there are {}", names.join(", ")))
                .hint("--cluster NAME says which"))
        }
    }
}

impl From<ProxyError> for AppError {
    fn from(error: ProxyError) -> Self {
        let told = Self::usage(error.to_string());
        match error {
            ProxyError::NoAlertmanager => told.hint("--alertmanager URL names one"),
            ProxyError::Targets(_) => told,
            ProxyError::StateDir { .. } => {
                told.hint("without --state-dir details are fetched anew after a restart")
            }
        }
    }
}

/// Runs the proxy.
pub fn run(args: &ProxyArgs, config: Option<&Path>, cluster: &[String], env: &Env) -> Result<Exit, AppError> {
    let options = args.options(config, cluster, env)?;
    runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.serve.options(DEFAULT_LISTEN)?)?;
        Proxy::prepare(options)?.run(skeleton).await?;
        Ok(Exit::Done)
    })
}

fn runtime() -> std::io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}
