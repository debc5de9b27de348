//! `iaasmon silence`: silences on every cluster at once.

use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::session::Session;
use crate::config::{Env, SilencePolicy};
use crate::fleet::silence::OpId;
use crate::model::time::parse_duration;
use clap::{Args, Subcommand};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

mod change;
mod confirm;
mod draft;
mod list;
mod operations;
mod report;
mod results;
mod resume;
#[cfg(test)]
mod twin_tests;
mod when;

const EXAMPLES: &str = "\
Examples:
  iaasmon silence list
  iaasmon silence add NodeDown rack=r114 --duration 2h --comment 'INC-4711 power'
  iaasmon silence add --node node-17:9100 --end 18:00 --comment 'INC-4712 disk swap'
  iaasmon silence add --from-alert af55c2e965e82793 --ack
  iaasmon silence extend 0f3a8c21 1h
  iaasmon silence expire 0f3a8c21";

const LIST_EXAMPLES: &str = "\
Examples:
  iaasmon silence list
  iaasmon silence list '@expires<1h' @author=kim
  iaasmon silence list @state=expired --limit 10
  iaasmon silence list -o name '@ticket=INC-4711' | xargs -r iaasmon silence expire --yes";

/// Make, change and end silences on every cluster at once
///
/// One command makes the same silence on each cluster that it is for, and shows it as one. Every id of it names
/// the whole, also by its first 8 characters. What a command will do is shown first; from a script --yes does it.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct SilenceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SilenceCommand,
}

/// What can be done with silences.
#[derive(Debug, Clone, Subcommand)]
pub enum SilenceCommand {
    /// List silences, each once for all its clusters
    #[command(visible_alias = "ls")]
    ///
    /// A filter sees as labels what a silence's matchers name with =: rack=r114 finds silences on that rack. It knows
    /// @cluster @state @age @since @am @silence @author @comment @ticket @expires.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListSilences),
    /// Show one silence: every member's copy, how they differ, what it holds back
    #[command(after_help = "Example:\n  iaasmon silence show 0f3a8c21")]
    Show(ShowArgs),
    /// Make a silence
    #[command(
        after_help = "Example:\n  iaasmon silence add NodeDown rack=r114 --duration 2h --comment 'INC-4711 power'"
    )]
    Add(AddArgs),
    /// Change a silence
    #[command(after_help = "Example:\n  iaasmon silence edit 0f3a8c21 --duration 30m")]
    Edit(EditArgs),
    /// Let a silence end later
    #[command(after_help = "Example:\n  iaasmon silence extend 0f3a8c21 1h")]
    Extend(ExtendArgs),
    /// End silences now
    #[command(after_help = "Example:\n  iaasmon silence expire 0f3a8c21 --yes")]
    Expire(ExpireArgs),
    /// Show what a silence would hit, and make none
    #[command(after_help = "Example:\n  iaasmon silence preview NodeDown rack=r114")]
    Preview(PreviewArgs),
    /// Show operations: what was done where, what was interrupted
    #[command(after_help = "Example:\n  iaasmon silence status")]
    Status(StatusArgs),
    /// Finish an interrupted operation; nothing is made twice
    ///
    /// The members are read first: what stands already is shown, and what is still to be sent.
    #[command(after_help = "Example:\n  iaasmon silence resume --dry-run")]
    Resume(ResumeArgs),
    /// Take an operation back: what it made ends, what it ended is made again
    #[command(after_help = "Example:\n  iaasmon silence undo 01KAVX3V9W8T5D8N1Q6Z2R4B7C")]
    Undo(UndoArgs),
}

/// Arguments of `list`.
#[derive(Debug, Clone, Args)]
pub struct ListSilences {
    /// Which silences.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Expired ones too; @state=expired asks for them alone
    #[arg(long)]
    pub expired: bool,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Arguments of `show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Any id of the silence, or at least its first 8 characters
    pub id: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Which alerts a silence is for.
#[derive(Debug, Clone, Args)]
pub struct WhatArgs {
    /// One matcher an argument: name=value, name!=value, name=~regex, name!~regex; a bare first word is an alertname
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// The labels of this alert, without those that only tell replicas apart
    #[arg(long, value_name = "FINGERPRINT")]
    pub from_alert: Option<String>,
    /// Everything on this node: its whole name, without the port, or a beginning that no other has
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Somebody works on it: 30 minutes, and a comment that begins with ACK!
    #[arg(long)]
    pub ack: bool,
    /// How long from its start [default: 2h]
    #[arg(long, short, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "end")]
    pub duration: Option<Duration>,
    /// When it starts: 2h, 18:00, 2026-11-24 18:00 (local), 2026-11-24T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// When it ends; as --start
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
    /// Why, with a ticket
    #[arg(long, short, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Who [default: the policy's author, else who logged in]
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// On every cluster, not only where it matches something now
    #[arg(long)]
    pub all_clusters: bool,
}

/// Whether a write is asked about.
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Print the requests and send none
    #[arg(long)]
    pub dry_run: bool,
}

/// How a new operation is confirmed, journalled and reported.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Whether.
    #[command(flatten)]
    pub ask: AskArgs,
    /// With --yes, also what is broad: no particular or only negative matchers, more than 500 alerts, at least 20 and
    /// more than a tenth of the critical ones, all clusters where there are more than two, or longer than 24h
    #[arg(long)]
    pub allow_broad: bool,
    /// Go on where no journal can be written: after a crash nobody knows what was done
    #[arg(long)]
    pub no_journal: bool,
    /// How to print the result; a table goes to stderr, so that stdout has the ids alone, one a line; with
    /// --dry-run the requests go to stdout instead
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `add`.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// What.
    #[command(flatten)]
    pub what: WhatArgs,
    /// How.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Arguments of `preview`.
#[derive(Debug, Clone, Args)]
pub struct PreviewArgs {
    /// What.
    #[command(flatten)]
    pub what: WhatArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `edit`.
#[derive(Debug, Clone, Args)]
pub struct EditArgs {
    /// Any id of the silence, or at least its first 8 characters
    pub id: String,
    /// New matchers instead of all old ones
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// It ends so long from now; this may shorten it
    #[arg(long, short, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "end")]
    pub duration: Option<Duration>,
    /// It ends then: 2h, 18:00, 2026-11-24 18:00 (local), 2026-11-24T18:00:00Z
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
    /// The new comment
    #[arg(long, short, value_name = "TEXT")]
    pub comment: Option<String>,
    /// The new author
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// How.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Arguments of `extend`.
#[derive(Debug, Clone, Args)]
pub struct ExtendArgs {
    /// Any id of the silence, or at least its first 8 characters
    pub id: String,
    /// How much later it ends
    #[arg(value_parser = parse_duration)]
    pub duration: Duration,
    /// How.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Arguments of `expire`.
#[derive(Debug, Clone, Args)]
pub struct ExpireArgs {
    /// Any id of each silence, or at least its first 8 characters
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// How.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The operation; all of them if none is named
    pub op: Option<OpId>,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Arguments of `resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The operation, as `iaasmon silence status` lists it [default: the only unfinished one]
    pub op: Option<OpId>,
    /// How.
    #[command(flatten)]
    pub ask: AskArgs,
    /// How to print the result; a table goes to stderr, so that stdout has the ids alone, one a line; with
    /// --dry-run the requests go to stdout instead
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArgs {
    /// The operation, as `iaasmon silence status` lists it [default: the only unfinished one]
    pub op: Option<OpId>,
    /// How.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// What the commands take from the process' surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where operations' journals are; `None` where neither `$XDG_STATE_HOME` nor `$HOME` is set.
    pub journals: Option<PathBuf>,
    /// Who logged in.
    pub login: Option<String>,
    /// Whether somebody is there to be asked.
    pub interactive: bool,
}

impl Surroundings {
    /// Takes them from the environment and the terminal.
    pub fn of(env: &Env, policy: &SilencePolicy) -> Self {
        Self {
            journals: env.journals(policy),
            login: env.login(),
            interactive: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        }
    }
}

/// Runs the command.
pub async fn run(
    args: &SilenceArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    match &args.command {
        SilenceCommand::List(args) => list::run(args, session).await,
        SilenceCommand::Show(args) => list::show(args, session).await,
        SilenceCommand::Add(args) => change::add(args, session, around).await,
        SilenceCommand::Preview(args) => change::preview(args, session, around).await,
        SilenceCommand::Edit(args) => change::edit(args, session, around).await,
        SilenceCommand::Extend(args) => change::extend(args, session, around).await,
        SilenceCommand::Expire(args) => change::expire(args, session, around).await,
        SilenceCommand::Status(args) => operations::status(args, session, around),
        SilenceCommand::Resume(args) => resume::resume(args, session, around).await,
        SilenceCommand::Undo(args) => operations::undo(args, session, around).await,
    }
}
