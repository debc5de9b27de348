//! What can be typed: the command line's types, with the help that people read.

use super::config::ConfigCommand;
use super::demo::{self, DemoArgs, GuardArgs};
use super::docs::{CompletionsArgs, Gen};
use super::generate::GenerateCommand;
use super::migrate::MigrateCommand;
use super::push::PushArgs;
use super::run_check::RunCheckArgs;
use super::serve::ServeCommand;
use super::theme::ThemeCommand;
use super::{alert, alerts, check, checks, doctor, node, nodes, notify_preview, query, silence, status};
use crate::config::Color;
use crate::model::time::parse_duration;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What stands at the end of `iaasmon --help`.
const EXAMPLES: &str = "\
Examples:
  iaasmon status                         is the monitoring itself well, and who does not answer
  iaasmon alerts                         everything that fires, on every cluster
  iaasmon nodes --cluster 'prod-*'       nodes of some clusters, the worst first
  iaasmon demo                           try it on a fleet that is not yours

Exit codes:
  0 done   1 problems exist (with --exit-code; `migrate logs` and `migrate events` always tell)
  2 wrong usage, configuration or policy   3 of some pair nobody answered: rows are missing   4 nobody answered";

/// One terminal over every Prometheus and Alertmanager pair.
///
/// Every cluster is asked at once and every answer says who did not answer. Without a command, on a
/// terminal, the screens open.
#[derive(Debug, Clone, Parser)]
#[command(name = "iaasmon", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command; none opens the screens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes, in front of it or behind it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Read this configuration file alone
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only the clusters of this name; * and ? are wildcards [can be repeated]
    #[arg(long, global = true, value_name = "GLOB")]
    pub cluster: Vec<String>,
    /// How long a server may take to answer, such as 2s
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Colours: auto is none where the output is no terminal or NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_parser = colors())]
    pub color: Option<String>,
}

fn colors() -> PossibleValuesParser {
    PossibleValuesParser::new(Color::ALL.map(Color::word))
}

/// Every command.
#[derive(Debug, Clone, Subcommand)]
#[command(disable_help_subcommand = true)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum Command {
    /// What asks the fleet.
    #[command(flatten)]
    Fleet(FleetCommand),
    /// Check, show or begin the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List, check or look at the themes of the screens
    #[command(subcommand)]
    Theme(ThemeCommand),
    Demo(DemoArgs),
    /// What stays: see [`ServiceCli`].
    #[command(flatten)]
    Service(ServiceCommand),
    RunCheck(RunCheckArgs),
    Push(PushArgs),
    #[command(subcommand)]
    Migrate(MigrateCommand),
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Write the completion script of a shell
    #[command(
        after_help = "Example:\n  iaasmon completions bash > ~/.local/share/bash-completion/completions/iaasmon"
    )]
    Completions(CompletionsArgs),
    /// Write what packages need
    #[command(subcommand, hide = true)]
    Gen(Gen),
    /// The process that clears up behind a demo
    #[command(hide = true)]
    DemoGuard(GuardArgs),
    /// The process that answers for a demo's nodes
    #[command(hide = true)]
    DemoNodes(demo::NodesArgs),
    /// The process that takes a demo's mails and webhook messages
    #[command(hide = true)]
    DemoMailbox(demo::MailboxArgs),
}

/// The arguments of a process that stays. What the tree of all commands touches of the program would remain in its memory for good,
/// a megabyte and more on every node.
#[derive(Debug, Clone, Parser)]
#[command(name = "iaasmon", version)]
pub struct ServiceCli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: ServiceCommand,
}

/// The commands of processes that stay.
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each service's own type carries its text, which becomes the help")]
pub enum ServiceCommand {
    #[command(subcommand)]
    Serve(Box<ServeCommand>),
    /// The process that ends what a killed runner left
    #[command(hide = true, name = "check-guard")]
    CheckGuard {
        /// What others know it by
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        of: Vec<String>,
    },
    /// The process that becomes the user of a check, and then its shell
    #[command(hide = true, name = super::definitions::RUN_AS)]
    CheckAs {
        /// The user's name
        name: String,
        /// Its number
        user: u32,
        /// Its first group
        group: u32,
        /// What the shell gets
        line: OsString,
    },
}

/// The commands that ask the fleet: they need a configuration and a clock.
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each command's own type carries its text, which becomes the help")]
pub enum FleetCommand {
    Status(status::StatusArgs),
    #[command(visible_alias = "a")]
    Alerts(alerts::AlertsArgs),
    Alert(alert::AlertArgs),
    #[command(visible_alias = "n")]
    Nodes(nodes::NodesArgs),
    Node(node::NodeArgs),
    Checks(checks::ChecksArgs),
    Check(check::CheckArgs),
    Query(query::QueryArgs),
    Doctor(doctor::DoctorArgs),
    NotifyPreview(notify_preview::NotifyPreviewArgs),
    #[command(visible_alias = "s")]
    Silence(silence::SilenceArgs),
}

/// How a list is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output options")]
pub struct ListArgs {
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Leave out the line of headers
    #[arg(long)]
    pub no_headers: bool,
    /// Sort by these columns, as they are called in the header; -COLUMN turns one around
    #[arg(long, value_name = "COLUMN[,-COLUMN]", value_delimiter = ',', allow_hyphen_values = true)]
    pub sort: Vec<String>,
    /// Print at most this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// End with code 1 if the answer is that problems exist
    #[arg(long)]
    pub exit_code: bool,
}

/// The forms in which a list can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns that fit the terminal; long values are cut
    #[default]
    Table,
    /// Every column, as wide as it needs to be
    Wide,
    /// One document: {"v": 1, "data": [...], "coverage": [...], "notes": [...]}
    Json,
    /// One JSON object a row and nothing else; who did not answer is said on stderr
    Jsonl,
    /// As json, in YAML
    Yaml,
    /// Every column, whole and raw
    Csv,
    /// What identifies each row, one a line
    Name,
}
