//! `iaasmon generate ...`: what stands around iaasmon, written from its configuration.

use super::error::{AppError, Exit};
use crate::config::{self, Env};
use crate::generate::header;
use crate::generate::rules::{Options, rules, tests};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  iaasmon generate rules > iaasmon.rules.yml
  iaasmon generate rules --tests iaasmon.rules.yml > iaasmon.rules.test.yml && promtool test rules iaasmon.rules.test.yml
  iaasmon generate rules --check /etc/prometheus/iaasmon.rules.yml      is what is deployed what would be written now";

/// Write what stands around iaasmon: alert rules
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum GenerateCommand {
    Rules(RulesArgs),
}

/// Write the alert rules for Prometheus, or promtool's unit tests of them
///
/// They record what is bad and alert on that; a node that cannot be scraped keeps the alerts of its checks. Names of labels and
/// metrics are those of the configuration, if there is one.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RulesArgs {
    /// The job that scrapes the nodes
    #[arg(long, value_name = "JOB", default_value = "iaasmon")]
    pub job: String,
    /// Write the unit tests of rules that stand in this file
    #[arg(long, value_name = "NAME")]
    pub tests: Option<String>,
    /// Compare with this file instead of writing; exit code 1 where it differs
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// Runs a command.
pub fn run(
    command: &GenerateCommand,
    config: Option<&Path>,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    let GenerateCommand::Rules(args) = command;
    // Without a configuration the names are those of iaasmon itself.
    let defaults = config::load_if_there(config, env)?.unwrap_or_default().defaults;
    let options = Options {
        job: args.job.clone(),
        status_metric: defaults.status_metric,
        bad_metric: defaults.bad_metric,
        check_label: defaults.check_label,
        node_label: defaults.node_label,
    };
    let text = match &args.tests {
        Some(name) => header(&format!("iaasmon generate rules --tests {name}")) + &tests(&options, name),
        None => header("iaasmon generate rules") + &rules(&options),
    };
    match &args.check {
        Some(file) => check(file, &text, err),
        None => {
            out.write_all(text.as_bytes())?;
            Ok(Exit::Done)
        }
    }
}

/// Compares what is deployed with what would be written.
fn check(file: &Path, text: &str, err: &mut dyn Write) -> Result<Exit, AppError> {
    let deployed = std::fs::read_to_string(file)
        .map_err(|error| AppError::usage(format!("--check: {}: {error}", file.display())))?;
    // The first line says which version wrote it.
    let body = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (deployed, wanted) = (body(&deployed), body(text));
    let differs = deployed.iter().zip(&wanted).position(|(is, should)| is != should);
    let at = differs.or((deployed.len() != wanted.len()).then(|| deployed.len().min(wanted.len())));
    let Some(at) = at else { return Ok(Exit::Done) };
    let line = |lines: &[String]| lines.get(at).map_or("(the end)", String::as_str).trim().to_owned();
    writeln!(err, "{}:{}: differs from what would be written now", file.display(), at + 2)?;
    writeln!(err, "  is:      {}\n  would be: {}", line(&deployed), line(&wanted))?;
    Ok(Exit::Problems)
}
