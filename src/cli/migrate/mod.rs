//! `iaasmon migrate ...`: moving over from Sensu, and what a team signs the switch with.

pub mod events;
pub mod logs;
pub mod pushgateway;
pub mod sensu;

use super::args::ListArgs;
use super::error::{AppError, Exit};
use super::render::{Listing, Shape};
use super::streams::Streams;
use crate::config::Env;
use crate::fleet::Coverage;
use crate::model::text;
use crate::sys::clock;
use clap::Subcommand;
use serde::Serialize;
use std::path::Path;

/// Move over from Sensu and from Prometheus' Pushgateway: read, compare, copy
///
/// In this order: `migrate sensu` says what the definitions mean here and what has to be decided; after a test
/// node has changed over, `migrate logs` sets its log beside the one of before; while both systems run, `migrate events`
/// sets Sensu's events beside the alerts. These three write nothing and run no plugin. `migrate pushgateway` copies what a
/// Pushgateway holds.
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum MigrateCommand {
    /// What needs no configuration.
    #[command(flatten)]
    Files(FileCommand),
    Events(events::EventsArgs),
}

/// The commands that read files alone, or ask whom they are told to: they need no configuration.
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum FileCommand {
    Sensu(sensu::SensuArgs),
    Logs(logs::LogsArgs),
    Pushgateway(pushgateway::PushgatewayArgs),
}

/// Runs a command on files. `global` is what `--config` named; the one that asks servers needs the configuration.
pub fn run_on_files(
    command: &FileCommand,
    global: Option<&Path>,
    env: &Env,
    streams: &mut Streams<'_>,
) -> Result<Exit, AppError> {
    match command {
        FileCommand::Sensu(args) => sensu::run(args, global, env, streams),
        FileCommand::Logs(args) => logs::run(args, streams),
        FileCommand::Pushgateway(args) => pushgateway::run(args, global, env, streams),
    }
}

/// Prints rows that come from files, not from servers.
fn list<T: Serialize>(
    shape: &Shape<T>,
    rows: Vec<T>,
    notes: &[String],
    args: &ListArgs,
    streams: &mut Streams<'_>,
) -> Result<(), AppError> {
    let coverage = Coverage::default();
    let listing = Listing { shape, rows, coverage: &coverage, notes, now: clock::now() };
    listing.print(args, streams.view, streams.out)?;
    for note in notes {
        writeln!(streams.err, "note: {}", text::line(note))?;
    }
    Ok(())
}
