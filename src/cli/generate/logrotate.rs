//! `iaasmon generate logrotate`.

use super::output::OutputArgs;
use crate::generate::File;
use crate::generate::logrotate::Log;
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  iaasmon generate logrotate --out /etc/logrotate.d
  iaasmon generate logrotate sensu-client > /etc/logrotate.d/sensu      in place of the package's own
  iaasmon generate logrotate --check /etc/logrotate.d/iaasmon      is what is deployed what would be written now

Try it without moving anything: logrotate --debug /etc/logrotate.d/iaasmon";

/// Write what logrotate does with the logs of runner and pusher
///
/// A log is moved once a day, and the unit of `generate systemd` that writes it is told to open it again: no line is lost. Seven
/// days are kept.
/// `sensu-client` is the log of a real one, while it runs beside the exporter.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogrotateArgs {
    /// Whose log
    #[arg(value_name = "LOG", value_enum, default_value = "runner")]
    pub log: Log,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ValueEnum for Log {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Runner, Self::SensuClient]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Runner => "runner",
            Self::SensuClient => "sensu-client",
        }))
    }
}

impl LogrotateArgs {
    /// Writes the file.
    pub fn file(&self) -> File {
        let which = if self.log == Log::Runner { "" } else { " sensu-client" };
        File::new(self.log.file_name(), &format!("iaasmon generate logrotate{which}"), self.log.text())
    }
}
