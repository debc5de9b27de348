//! The command line: arguments, one file per command, rendering, exit codes, errors for people.

pub mod alert;
pub mod alerts;
pub mod args;
pub mod check;
pub mod checks;
pub mod config;
pub mod definitions;
pub mod demo;
pub mod docs;
pub mod doctor;
pub mod error;
pub mod filter;
mod gateways;
pub mod generate;
mod input;
mod lookup;
pub mod migrate;
pub mod node;
pub mod nodes;
pub mod notify_preview;
pub mod output;
pub mod push;
pub mod query;
pub mod render;
pub mod run_check;
pub mod serve;
pub mod session;
pub mod silence;
pub mod silences;
pub mod status;
pub mod streams;
pub mod theme;

use crate::config::{Config, Env, Flag};
use crate::fleet::Fleet;
use crate::fleet::filter::ClusterLabels;
use crate::model::time::format_duration;
use crate::sys::clock;
use crate::tui;
use args::{Cli, Command, FleetCommand, GlobalArgs, ServiceCli, ServiceCommand};
use clap::{CommandFactory as _, Parser as _};
use error::{AppError, Exit};
use migrate::MigrateCommand;
use session::Session;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use streams::{ColorWishes, Streams, View};

/// Runs the program with `args` (the first is the program's name) and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse(args.into_iter().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is all that can go wrong here.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { 0 });
        }
    };
    // Standard output is not locked for good: the screens write to it from a task of their own.
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
    let mut err = io::stderr();
    let code = dispatch(&cli, &mut out, &mut err).and_then(|code| match out.flush() {
        // It is somebody else's: cron and CI go by it, whoever reads the rest.
        Err(error) if code != 0 && matches!(cli.command, Some(Command::Push(_))) => {
            let _ = AppError::from(error).write(&mut err);
            Ok(code)
        }
        flushed => Ok(flushed.map(|()| code)?),
    });
    ExitCode::from(code.unwrap_or_else(|error| {
        // Where the complaint cannot be written either, the exit code is all that is left.
        let _ = error.write(&mut err);
        error.exit.code()
    }))
}

/// Reads the arguments. Those of a process that stays are read alone; where they are wrong, or help is asked for, the tree of all
/// commands has the words.
fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let stays = ["serve", serve::GUARD, definitions::RUN_AS];
    if args.get(1).is_some_and(|command| stays.iter().any(|known| command == known))
        && let Ok(ServiceCli { global, command }) = ServiceCli::try_parse_from(&args)
    {
        return Ok(Cli { global, command: Some(Command::Service(command)) });
    }
    Cli::try_parse_from(args)
}

/// Sends each command on its way: those that need no fleet here, the others to [`on_fleet`].
fn dispatch(cli: &Cli, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, AppError> {
    let env = Env::of_process();
    let flags = flags(&cli.global);
    let sources = config::Sources { file: cli.global.config.as_deref(), flags: &flags, env: &env };
    let Some(command) = &cli.command else {
        screens(cli.global.config.as_deref(), None, &cli.global, &env)?.finish();
        return Ok(Exit::Done.code());
    };
    match command {
        Command::Config(command) => return Ok(config::run(command, &sources, out, err)?),
        Command::Demo(args) => {
            let mut reason = tui::ExitReason::Quit;
            demo::run(args, out, err, |config, hint| {
                reason = screens(Some(config), hint, &cli.global, &env)?;
                Ok::<_, AppError>(())
            })?;
            reason.finish();
        }
        Command::DemoGuard(args) => demo::run_guard(args)?,
        Command::DemoNodes(args) => demo::run_nodes(args)?,
        Command::DemoMailbox(args) => demo::run_mailbox(args)?,
        Command::Service(ServiceCommand::Serve(command)) => {
            return Ok(serve::run(command, &cli.global, &env, out, err)?.code());
        }
        Command::Service(ServiceCommand::CheckGuard { .. }) => {
            let table = io::stdout().as_fd().try_clone_to_owned()?.into();
            crate::sys::child::watch(&mut io::stdin().lock(), &table)?
        }
        Command::Service(ServiceCommand::CheckAs { name, user, group, line }) => {
            return Err(crate::sys::child::become_user(name, *user, *group, line).into());
        }
        Command::Push(args) => return push::run(args, &cli.global, &env, out, err),
        Command::RunCheck(args) => {
            let asked = cli.global.color.as_deref();
            let color = crate::config::Color::ALL.into_iter().find(|color| asked == Some(color.word()));
            let view = View::of_stdout(color.unwrap_or_default(), wishes(&env));
            let global = cli.global.config.as_deref();
            return Ok(run_check::run(args, global, &env, &mut Streams { out, err, view })?.code());
        }
        Command::Migrate(MigrateCommand::Files(command)) => {
            let asked = cli.global.color.as_deref();
            let color = crate::config::Color::ALL.into_iter().find(|color| asked == Some(color.word()));
            let view = View::of_stdout(color.unwrap_or_default(), wishes(&env));
            let global = cli.global.config.as_deref();
            return Ok(migrate::run_on_files(command, global, &env, &mut Streams { out, err, view })?.code());
        }
        Command::Generate(command) => {
            return Ok(generate::run(command, &cli.global, &env, out, err)?.code());
        }
        Command::Theme(command) => {
            // A theme can be looked at before there is any configuration.
            let asked = cli.global.color.as_deref();
            let color = crate::config::Color::ALL.into_iter().find(|color| asked == Some(color.word()));
            let view = View::of_stdout(color.unwrap_or_default(), wishes(&env));
            return Ok(theme::run(command, &env, &mut Streams { out, err, view })?.code());
        }
        Command::Completions(args) => docs::write_completions(args.shell, Cli::command(), out)?,
        Command::Gen(docs::Gen::Man { dir }) => {
            docs::write_man_pages(Cli::command(), dir)?;
        }
        Command::Migrate(MigrateCommand::Events(args)) => {
            let mut config = sources.load()?.config;
            apply(&cli.global, &mut config);
            let view = View::of_stdout(config.ui.color, wishes(&env));
            let streams = Streams { out, err, view };
            let run = async |session: &mut Session<'_>| migrate::events::run(args, session).await;
            return Ok(on_fleet(&cli.global, config, streams, run)?.code());
        }
        Command::Fleet(command) => {
            let mut config = sources.load()?.config;
            apply(&cli.global, &mut config);
            let view = View::of_stdout(config.ui.color, wishes(&env));
            let streams = Streams { out, err, view };
            let run = async |session: &mut Session<'_>| ask_fleet(command, session, &env).await;
            return Ok(on_fleet(&cli.global, config, streams, run)?.code());
        }
    }
    Ok(Exit::Done.code())
}

/// Opens the screens on the fleet of the configuration; `hint` is what they say first.
fn screens(
    file: Option<&Path>,
    hint: Option<String>,
    global: &GlobalArgs,
    env: &Env,
) -> Result<tui::ExitReason, AppError> {
    let flags = flags(global);
    let mut config = config::Sources { file, flags: &flags, env }.load()?.config;
    apply(global, &mut config);
    let fleet = Fleet::new(&config).select(&global.cluster)?;
    // The screens name a cluster by its place, so both must hold the same ones.
    config.clusters.retain(|cluster| fleet.cluster(&cluster.name).is_some());
    let opening = tui::Opening { file, narrowed: !global.cluster.is_empty(), hint };
    Ok(tui::run(&config, opening, fleet, env)?)
}

/// Runs a command that asks the fleet.
fn on_fleet(
    global: &GlobalArgs,
    config: Config,
    streams: Streams<'_>,
    run: impl AsyncFnOnce(&mut Session<'_>) -> Result<Exit, AppError>,
) -> Result<Exit, AppError> {
    let fleet = Fleet::new(&config).select(&global.cluster)?;
    let labels = ClusterLabels::of(&config);
    let named = !global.cluster.is_empty();
    let file = global.config.clone();
    let mut session =
        Session { config, file, fleet, named, labels, hint_if_empty: None, now: clock::now(), streams };
    // One thread: a command waits for the network, and starting threads would cost more than it gains.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(&mut session));
    // A body that is still being decoded came too late: nobody waits for it.
    runtime.shutdown_background();
    outcome.map_err(|error| error.naming(global.config.as_deref()))
}

async fn ask_fleet(command: &FleetCommand, session: &mut Session<'_>, env: &Env) -> Result<Exit, AppError> {
    match command {
        FleetCommand::Status(args) => status::run(args, session).await,
        FleetCommand::Alerts(args) => alerts::run(args, session).await,
        FleetCommand::Alert(args) => alert::run(args, session).await,
        FleetCommand::Nodes(args) => nodes::run(args, session).await,
        FleetCommand::Node(args) => node::run(args, session).await,
        FleetCommand::Checks(args) => checks::run(args, session).await,
        FleetCommand::Check(args) => check::run(args, session).await,
        FleetCommand::Query(args) => query::run(args, session).await,
        FleetCommand::Doctor(args) => doctor::run(args, session).await,
        FleetCommand::NotifyPreview(args) => notify_preview::run(args, session).await,
        FleetCommand::Silence(args) => {
            let around = silence::Surroundings::of(env, &session.config.policy);
            silence::run(args, session, &around).await
        }
    }
}

/// Returns the global flags that are configuration.
fn flags(global: &GlobalArgs) -> Vec<Flag> {
    let timeout = global.timeout.map(|timeout| Flag {
        name: "--timeout",
        key: "defaults.timeout",
        value: format_duration(timeout),
    });
    let color =
        global.color.as_ref().map(|color| Flag { name: "--color", key: "ui.color", value: color.clone() });
    timeout.into_iter().chain(color).collect()
}

/// Lets a flag win also over what a cluster says for itself.
fn apply(global: &GlobalArgs, config: &mut Config) {
    if let Some(timeout) = global.timeout {
        config.clusters.iter_mut().for_each(|cluster| cluster.timeout = timeout);
    }
}

fn wishes(env: &Env) -> ColorWishes<'_> {
    ColorWishes { no_color: env.get("NO_COLOR"), term: env.get("TERM") }
}
