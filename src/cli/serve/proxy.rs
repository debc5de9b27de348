//! `iaasmon serve proxy`: between Prometheus and Alertmanager.

use super::ServeArgs;
use crate::cli::error::{AppError, Exit};
use crate::config::{self, Cluster, Config, Enrich, Env};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::time::parse_duration;
use crate::net::{Allowed, Places};
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
/// Longer than this no sender can wait: it is answered within [`MEMBER_WITHIN`].
const LONGEST_BUDGET: Duration = Duration::from_secs(3);
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
/// annotations and forwards to every Alertmanager of the cluster. An alert never waits for its output longer than --budget,
/// or a second where it would be mailed at once; what comes later is sent after it, in time for the first mail. The
/// annotations are check_output, check_command, check_status, check_client, check_address, check_issued, check_executed,
/// check_duration, check_occurrences, check_handlers, check_history, check_last_ok, check_url, and check_output_error where
/// there is no newer output.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProxyArgs {
    /// Forward to this Alertmanager, to each address where its name has several [default: those of the cluster; can be repeated]
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    pub alertmanager: Vec<Url>,
    /// Forward also to the targets of this file, JSON or YAML as Prometheus' file_sd; it is looked at each 15 seconds
    #[arg(long, value_name = "FILE")]
    pub alertmanager_file: Option<PathBuf>,
    /// Fetch details here, {label} being a label of the alert, {labels} all of them as a query [default: the cluster's detail_url,
    /// and its pushgateway for what has no node]
    #[arg(long, value_name = "TEMPLATE", value_parser = parse_detail_url)]
    pub detail_url: Option<String>,
    /// The longest that alerts wait for their details, 3s at most; 0s means not at all
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_budget)]
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
        // What flags name needs no configuration; one that is named has the rules, and the cluster that they belong to.
        let config = match by_flags && config.is_none() && cluster.is_empty() {
            true => Config::default(),
            false => config::load(config, env).map_err(|errors| {
                AppError::from(errors)
                    .hint("a proxy can do without: --alertmanager URL --detail-url TEMPLATE")
            })?,
        };
        let mut cluster = match by_flags && cluster.is_empty() && config.clusters.len() != 1 {
            true => Cluster::new("proxy", &config.defaults),
            false => chosen(&config, cluster)?,
        };
        if !self.alertmanager.is_empty() {
            cluster.alertmanager.clone_from(&self.alertmanager);
        }
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
            group_wait: config.generate.group_wait,
            allowed,
            state_dir: self.state_dir.clone(),
            pass_through_writes: self.pass_through_writes,
        })
    }

    /// Returns the rules of the configuration, or one for every alert of a check.
    fn rules(&self, configured: &[Enrich], cluster: &Cluster) -> Result<Vec<Rule>, AppError> {
        let of_checks = || vec![Matcher::new(&cluster.check_label, MatchOp::NotEqual, "")];
        let default = self.detail_url.clone().map_or_else(|| Places::of(cluster), Places::one);
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
                places: match &rule.detail_url {
                    Some(template) => Places::one(template.clone()),
                    None => Some(default.clone()).filter(|places| !places.is_empty())?,
                },
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

/// Reads a place of details, as the configuration does.
fn parse_detail_url(text: &str) -> Result<String, String> {
    config::detail_url(text).map_err(|wrong| wrong.message)
}

/// Reads an address, as the configuration does.
fn parse_server(text: &str) -> Result<Url, String> {
    config::server_url(text).map_err(|wrong| match wrong.hint {
        Some(hint) => format!("{}; {hint}", wrong.message),
        None => wrong.message,
    })
}

fn parse_budget(text: &str) -> Result<Duration, String> {
    let budget = parse_duration(text).map_err(|error| error.to_string())?;
    if budget > LONGEST_BUDGET {
        return Err(
            "at most 3s: a sender is answered within five seconds, whoever takes its alerts".to_owned()
        );
    }
    Ok(budget)
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
        [] if !names.is_empty() => {
            Err(AppError::usage(format!("the configuration has no cluster {}", names.join(", "))))
        }
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
    let again = {
        let (args, config, cluster, env) =
            (args.clone(), config.map(Path::to_owned), cluster.to_owned(), env.clone());
        Box::new(move || args.options(config.as_deref(), &cluster, &env).map_err(|error| words(&error)))
    };
    runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.serve.options(DEFAULT_LISTEN)?)?;
        Proxy::prepare(options)?.run(skeleton, again).await?;
        Ok(Exit::Done)
    })
}

/// What is wrong with a configuration, on one line of the log.
fn words(error: &AppError) -> String {
    let all: Vec<&str> = error.complaints.iter().map(|complaint| complaint.message.as_str()).collect();
    all.join("; ")
}

fn runtime() -> std::io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::{ProxyArgs, parse_budget, parse_detail_url};
    use crate::config::Env;
    use crate::serve::proxy::Options;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        proxy: ProxyArgs,
    }

    /// What a proxy with this configuration and these flags goes by.
    fn options(config: &str, clusters: &[&str], flags: &[&str]) -> Result<Options, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config).expect("written");
        let typed = Typed::parse_from(["proxy"].iter().chain(flags));
        let clusters: Vec<String> = clusters.iter().map(|name| (*name).to_owned()).collect();
        let options = typed.proxy.options(Some(&file), &clusters, &Env::default());
        options.map_err(|error| error.complaints.iter().map(|complaint| complaint.message.as_str()).collect())
    }

    const TWO: &str = r#"
        [[cluster]]
        name = "a"
        alertmanager = ["http://am-a:9093"]
        headers = { X-Scope-OrgID = "a" }
        [[cluster]]
        name = "b"
        alertmanager = ["http://am-b:9093"]
        [[enrich]]
        detail_url = "http://{instance}/{check}""#;

    #[test]
    fn flags_stand_in_the_place_of_what_the_chosen_cluster_says() {
        let flags = ["--alertmanager", "http://am-c:9093"];
        let chosen = options(TWO, &["a"], &flags).expect("options").cluster;
        assert_eq!((chosen.name.as_str(), chosen.headers.len()), ("a", 1));
        assert_eq!(chosen.alertmanager, ["http://am-c:9093".parse().expect("a URL")]);
        let file = options(TWO, &["b"], &["--alertmanager-file", "x"]).expect("options").cluster;
        assert_eq!(file.alertmanager, ["http://am-b:9093".parse().expect("a URL")]);
        let neither = options(TWO, &[], &flags).expect("options").cluster;
        assert_eq!((neither.name.as_str(), neither.headers.len()), ("proxy", 0));
        assert_eq!(
            options(TWO, &["c"], &flags).map(drop),
            Err("the configuration has no cluster c".to_owned())
        );
        let both = options(TWO, &[], &[]).map(drop).expect_err("two");
        assert!(both.contains("a proxy is for one cluster"), "{both}");
    }

    #[test]
    fn what_cannot_be_meant_is_not_taken() {
        for url in ["nonsense", "http://u:secret@{instance}/x", "http://{instance"] {
            let error = parse_detail_url(url).expect_err(url);
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(parse_budget("3s").map(|budget| budget.as_secs()), Ok(3));
        assert!(parse_budget("7s").is_err_and(|error| error.starts_with("at most 3s")));
    }
}
