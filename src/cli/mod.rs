//! The command line: arguments, one file per command, rendering, exit codes, errors for people.

pub mod config;
pub mod demo;
pub mod docs;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// One terminal over every Prometheus and Alertmanager pair.
#[derive(Debug, Parser)]
#[command(name = "iaasmon", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    DemoGuard(demo::GuardArgs),
    #[command(hide = true)]
    DemoNodes(demo::NodesArgs),
}

/// Runs the program with `args` (the first is the program's name) and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is all that can go wrong here.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args, &mut out, &mut err, |_| {
            Err(std::io::Error::other("this build has no screens: use --headless"))
        })
        .map_err(|error| error.to_string()),
        Command::DemoGuard(args) => demo::run_guard(&args).map_err(|error| error.to_string()),
        Command::DemoNodes(args) => demo::run_nodes(&args).map_err(|error| error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "error: {error}");
            ExitCode::from(2)
        }
    }
}
