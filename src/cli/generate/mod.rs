//! `iaasmon generate ...`: what stands around iaasmon, written from its configuration. One file a command.

pub mod alertmanager;
mod command_line;
pub mod kubernetes;
pub mod logrotate;
pub mod output;
pub mod prometheus;
mod region;
pub mod rules;
pub mod sensu;
pub mod systemd;
pub mod targets;

use super::args::GlobalArgs;
use super::error::{AppError, Exit};
use crate::config::{self, Env};
use clap::Subcommand;
use std::io::Write;

/// Write what stands around iaasmon: rules, the servers' configuration, templates of mails, units, manifests
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum GenerateCommand {
    Rules(rules::RulesArgs),
    Prometheus(prometheus::PrometheusArgs),
    Targets(targets::TargetsArgs),
    Alertmanager(alertmanager::AlertmanagerArgs),
    Systemd(systemd::SystemdArgs),
    Kubernetes(kubernetes::KubernetesArgs),
    Logrotate(logrotate::LogrotateArgs),
}

/// Runs a command.
pub fn run(
    command: &GenerateCommand,
    global: &GlobalArgs,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    // Without a configuration the names are those of iaasmon itself.
    let config = config::load_if_there(global.config.as_deref(), env)?.unwrap_or_default();
    let named = &global.cluster;
    match command {
        GenerateCommand::Rules(args) => args.output.put(&[args.file(&config, named, err)?], out, err),
        GenerateCommand::Prometheus(args) => args.output.put(&[args.file(&config, named, err)?], out, err),
        GenerateCommand::Targets(args) => args.output.put(&[args.file(&config, err)?], out, err),
        GenerateCommand::Alertmanager(args) => args.output.put(&args.files(&config, named, err)?, out, err),
        GenerateCommand::Systemd(args) => args.output.put(&args.files(&config, named)?, out, err),
        GenerateCommand::Kubernetes(args) => args.output.put(&args.files(&config, named)?, out, err),
        GenerateCommand::Logrotate(args) => args.output.put(&[args.file()], out, err),
    }
}
