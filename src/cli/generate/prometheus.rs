//! `iaasmon generate prometheus`.

use super::command_line::command_line;
use super::output::OutputArgs;
use super::region::one;
use crate::cli::error::AppError;
use crate::cli::migrate::events::api_url;
use crate::config::Config;
use crate::generate::File;
use crate::generate::prometheus::{Options, Targets, node_job, prometheus};
use crate::model::text::line;
use clap::Args;
use std::io::Write;
use url::Url;

const EXAMPLES: &str = "\
Examples:
  iaasmon generate prometheus --cluster prod-east --replica a --out /etc/prometheus
  iaasmon generate prometheus --cluster prod-east --replica b --sd-url http://inventory.example/nodes
  iaasmon generate prometheus --cluster prod-east --replica a --check /etc/prometheus/prometheus.yml";

/// Write the configuration of a cluster's Prometheus: what it scrapes, and whom it sends alerts to
///
/// Alerts go to every proxy of the cluster, never to one alone and never to an Alertmanager beside them; where there is no proxy,
/// to every Alertmanager. The label that tells the two replicas apart is dropped on the way. It scrapes nodes, pushgateways,
/// pushers, the cluster's own servers, and those of the other clusters, which the rules of `generate rules --cluster` watch.
/// Certificates and authentication are those of the configuration, by the names of their files: no secret is written. The flags
/// that Prometheus needs stand in the first lines.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PrometheusArgs {
    /// The name of this replica: a or b, say [default: the pair is not told apart]
    #[arg(long, value_name = "NAME")]
    pub replica: Option<String>,
    /// How many nodes there are; the queue of alerts is made for them
    #[arg(long, value_name = "COUNT", default_value_t = 20_000)]
    pub nodes: u64,
    /// The job that scrapes the nodes
    #[arg(long, value_name = "JOB", default_value = "iaasmon", value_parser = node_job)]
    pub job: String,
    /// The files of nodes, as `generate targets` writes them [can be repeated]
    #[arg(long, value_name = "GLOB", default_value = "targets/*.json", conflicts_with = "sd_url")]
    pub targets: Vec<String>,
    /// Ask this address for the nodes instead (`http_sd_configs`)
    #[arg(long, value_name = "URL", value_parser = sd_url)]
    pub sd_url: Option<Url>,
    /// The files of rules [can be repeated]
    #[arg(long, value_name = "GLOB", default_value = "iaasmon.rules.yml")]
    pub rules: Vec<String>,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn sd_url(text: &str) -> Result<Url, String> {
    let url = api_url(text)?;
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        false => Err("no secret is written: leave user and password out".to_owned()),
    }
}

impl PrometheusArgs {
    /// Writes the file, and tells what people should know of it.
    ///
    /// # Errors
    /// When the cluster is not known, and what makes its alerts go wrong.
    pub fn file(&self, config: &Config, clusters: &[String], err: &mut dyn Write) -> Result<File, AppError> {
        let cluster = one(config, clusters)?;
        if self.replica.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            return Err(AppError::usage("--replica: one word is expected, as a or b"));
        }
        let options = Options {
            replica: self.replica.clone(),
            nodes: self.nodes,
            job: self.job.clone(),
            targets: match &self.sd_url {
                Some(url) => Targets::Http(url.clone()),
                None => Targets::Files(self.targets.clone()),
            },
            rules: self.rules.clone(),
        };
        let written = prometheus(config, cluster, &options)
            .map_err(|unfit| AppError::usage(unfit.message).hint(unfit.hint))?;
        for warning in &written.warnings {
            writeln!(err, "warning: {}", line(warning))?;
        }
        Ok(File::new("prometheus.yml", &self.command(cluster.name.as_str()), &written.text))
    }

    /// The command that writes the same again.
    fn command(&self, cluster: &str) -> String {
        let mut words = vec!["prometheus", "--cluster", cluster];
        self.replica.iter().for_each(|name| words.extend(["--replica", name]));
        let nodes = self.nodes.to_string();
        if self.nodes != 20_000 {
            words.extend(["--nodes", &nodes]);
        }
        if self.job != "iaasmon" {
            words.extend(["--job", &self.job]);
        }
        match &self.sd_url {
            Some(url) => words.extend(["--sd-url", url.as_str()]),
            None if self.targets == ["targets/*.json"] => {}
            None => self.targets.iter().for_each(|glob| words.extend(["--targets", glob])),
        }
        if self.rules != ["iaasmon.rules.yml"] {
            self.rules.iter().for_each(|glob| words.extend(["--rules", glob]));
        }
        command_line(words)
    }
}
