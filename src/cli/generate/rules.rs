//! `iaasmon generate rules`.

use super::command_line::command_line;
use super::output::OutputArgs;
use super::region::named;
use super::sensu::SensuArgs;
use crate::cli::error::AppError;
use crate::config::{Cluster, Config};
use crate::generate::File;
use crate::generate::prometheus::node_job;
use crate::generate::rules::{Options, Region, rules, suite};
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  iaasmon generate rules > iaasmon.rules.yml
  iaasmon generate rules --sensu /etc/sensu/conf.d --cluster prod-east --out /etc/prometheus
  iaasmon generate rules --tests iaasmon.rules.yml > iaasmon.rules.test.yml && promtool test rules iaasmon.rules.test.yml
  iaasmon generate rules --check /etc/prometheus/iaasmon.rules.yml      is what is deployed what would be written now";

/// Write the alert rules for Prometheus, or promtool's unit tests of them
///
/// They record what is bad and alert on that; a node that cannot be scraped keeps the alerts of its checks. Names of labels and
/// metrics are those of the configuration, if there is one.
///
/// With Sensu's definitions a check alerts when Sensu would have told of it: `occurrences` times `interval` becomes `for`, and its
/// handlers become the label `handlers`, sorted, with commas. With --cluster come the servers of that cluster and of the others,
/// as `generate prometheus` has them scraped: each region watches its peers, and whether their Watchdog still passes.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RulesArgs {
    /// The job that scrapes the nodes
    #[arg(long, value_name = "JOB", default_value = "iaasmon", value_parser = node_job)]
    pub job: String,
    /// Where Sensu's definitions are.
    #[command(flatten)]
    pub sensu: SensuArgs,
    /// Write the unit tests of rules that stand in this file
    #[arg(long, value_name = "NAME")]
    pub tests: Option<String>,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl RulesArgs {
    /// Writes the file.
    ///
    /// # Errors
    /// When the cluster is not known, and every problem of the definitions.
    pub fn file(&self, config: &Config, clusters: &[String], err: &mut dyn Write) -> Result<File, AppError> {
        let cluster = named(config, clusters)?;
        let options = Options { sensu: self.sensu.checks_with_notes(err)?, ..self.options(config, cluster) };
        let command = command_line(self.words(clusters));
        Ok(match &self.tests {
            Some(name) => File::new("iaasmon.rules.test.yml", &command, &suite(&options, name)),
            None => File::new("iaasmon.rules.yml", &command, &rules(&options)),
        })
    }

    fn options(&self, config: &Config, cluster: Option<&Cluster>) -> Options {
        let defaults = Cluster::new("", &config.defaults);
        let own = cluster.unwrap_or(&defaults);
        let region = |own: &Cluster| Region {
            name: own.name.to_string(),
            peers: config
                .clusters
                .iter()
                .filter(|peer| peer.name != own.name)
                .map(|peer| peer.name.to_string())
                .collect(),
        };
        Options {
            job: self.job.clone(),
            status_metric: own.status_metric.clone(),
            bad_metric: own.bad_metric.clone(),
            check_label: own.check_label.clone(),
            node_label: own.node_label.clone(),
            sensu: Vec::new(),
            cluster: cluster.map(region),
        }
    }

    /// The command that writes the same again.
    fn words<'a>(&'a self, clusters: &'a [String]) -> Vec<&'a str> {
        let mut words = vec!["rules"];
        clusters.iter().for_each(|name| words.extend(["--cluster", name]));
        if self.job != "iaasmon" {
            words.extend(["--job", &self.job]);
        }
        words.extend(self.sensu.flags());
        self.tests.iter().for_each(|name| words.extend(["--tests", name]));
        words
    }
}
