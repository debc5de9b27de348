//! `iaasmon generate systemd`.

use super::command_line::command_line;
use super::output::OutputArgs;
use super::region::one_if_any;
use crate::cli::error::AppError;
use crate::config::Config;
use crate::generate::File;
use crate::generate::systemd::{Options, Unit};
use crate::model::network::Network;
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  iaasmon generate systemd node --detail-allow 10.1.2.0/24 --out /etc/systemd/system      on a node
  iaasmon generate systemd proxy --cluster prod-east --out /etc/systemd/system      beside Alertmanager
  iaasmon generate systemd pushgateway pusher --cluster prod-east --out /etc/systemd/system      for jobs without a node
  iaasmon generate systemd node --check /etc/systemd/system      is what is deployed what would be written now

After --out: systemctl daemon-reload && systemctl enable --now iaasmon-node
What is yours alone goes beside it: systemctl edit iaasmon-node";

/// Write units for systemd: node, runner, exporter, proxy, pushgateway, pusher
///
/// On a node goes `node`, in sensu-client's place; `runner` and `exporter` are its two halves. Exporter, proxy and pushgateway are
/// shut in as far as systemd can. Node, runner and pusher are not, because their plugins need sudo and see the whole machine; each
/// unit says why. The program is expected as /usr/local/bin/iaasmon, the configuration of proxy and pusher as
/// /etc/iaasmon/config.toml, the pusher's definitions in /etc/iaasmon/jobs.d.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SystemdArgs {
    /// The units [default: all]
    #[arg(value_name = "UNIT", value_enum)]
    pub units: Vec<Unit>,
    /// Let this network read the output of checks: that of the proxies, and that of people [can be repeated]
    #[arg(long, value_name = "CIDR")]
    pub detail_allow: Vec<Network>,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ValueEnum for Unit {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl SystemdArgs {
    /// Writes the files.
    ///
    /// # Errors
    /// When proxy or pusher are wanted and their cluster is not known.
    pub fn files(&self, config: &Config, clusters: &[String]) -> Result<Vec<File>, AppError> {
        let wanted = |unit: &Unit| self.units.is_empty() || self.units.contains(unit);
        let cluster = match Unit::ALL.iter().any(|unit| unit.is_for_a_cluster() && wanted(unit)) {
            true => one_if_any(config, clusters)?.map(|cluster| cluster.name.as_str().to_owned()),
            false => None,
        };
        let options = Options { cluster, detail_allow: self.detail_allow.clone() };
        let file = |unit: Unit| {
            let flags = options.flags(unit);
            let words = ["systemd", unit.name()].into_iter().chain(flags.iter().map(String::as_str));
            File::new(unit.file_name(), &command_line(words), &unit.text(&options))
        };
        Ok(Unit::ALL.into_iter().filter(wanted).map(file).collect())
    }
}
