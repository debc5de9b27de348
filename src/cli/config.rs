//! `iaasmon config check | show | init`.

use crate::config::{self, ConfigErrors, EXAMPLE, Env, Flag, Loaded, Problem};
use clap::{Args, Subcommand, ValueEnum};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Done.
const DONE: u8 = 0;
/// Usage, configuration or policy.
const WRONG: u8 = 2;

/// Check the configuration, show what is in force, or begin one
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and list everything that is wrong with it
    #[command(after_help = "Example:\n  iaasmon config check")]
    Check(CheckArgs),
    /// Print the configuration in force, secrets as ***
    #[command(after_help = "Example:\n  iaasmon config show --origin")]
    Show(ShowArgs),
    /// Write a commented example to begin with
    ///
    /// Nothing that is there already is replaced unless --force is given.
    #[command(after_help = "Example:\n  iaasmon config init")]
    Init(InitArgs),
}

/// Arguments of `config check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Fail on warnings too
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `config show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Say where each value came from: file and line, variable, flag or default
    #[arg(long)]
    pub origin: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: ShowFormat,
}

/// How `config show` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ShowFormat {
    /// As a file that loads again
    #[default]
    Toml,
    /// As JSON in the shape of the file
    Json,
}

/// Arguments of `config init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
    /// The file to write [default: the user's configuration file]
    pub path: Option<PathBuf>,
}

/// Where configuration comes from in this run.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The file of `--config`.
    pub file: Option<&'a Path>,
    /// Values given by flags.
    pub flags: &'a [Flag],
    /// The environment.
    pub env: &'a Env,
}

impl Sources<'_> {
    /// Loads the configuration.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        config::load_with(self.file, self.flags, self.env)
    }
}

/// Runs one of the commands and returns the exit code; results go to `out`, complaints to `err`.
pub fn run(
    command: &ConfigCommand,
    sources: &Sources<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    match command {
        ConfigCommand::Check(args) => check(args, sources, out, err),
        ConfigCommand::Show(args) => show(args, sources, out, err),
        ConfigCommand::Init(args) => init(args, sources, out, err),
    }
}

fn check(
    args: &CheckArgs,
    sources: &Sources<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = match sources.load().and_then(Loaded::with_files) {
        Ok(loaded) => loaded,
        Err(errors) => return complain(&errors, err),
    };
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    if args.strict && !loaded.warnings.is_empty() {
        writeln!(err, "{}", counted(loaded.warnings.len(), "warning"))?;
        return Ok(WRONG);
    }
    let config = &loaded.config;
    let servers = config.clusters.iter().map(|cluster| cluster.servers()).sum();
    let files: Vec<String> = config.source.iter().map(|file| file.display().to_string()).collect();
    let clusters = counted(config.clusters.len(), "cluster");
    writeln!(out, "ok: {clusters}, {} ({})", counted(servers, "server"), files.join(", "))?;
    Ok(DONE)
}

fn show(args: &ShowArgs, sources: &Sources<'_>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(errors) => return complain(&errors, err),
    };
    let origins = args.origin.then_some(&loaded.origins);
    match args.output {
        ShowFormat::Toml => out.write_all(config::to_toml(&loaded.config, origins).as_bytes())?,
        ShowFormat::Json => writeln!(out, "{:#}", config::to_json(&loaded.config, origins))?,
    }
    Ok(DONE)
}

fn init(args: &InitArgs, sources: &Sources<'_>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let named = args.path.clone().or_else(|| sources.file.map(Path::to_path_buf));
    let named = named.or_else(|| sources.env.get("IAASMON_CONFIG").map(PathBuf::from));
    let usual = sources.env.user_file();
    let Some(path) = named.or_else(|| usual.clone()) else {
        return fail(
            Problem::general("no file named, and HOME is not set").hint("name one: config init PATH"),
            err,
        );
    };
    let shown = path.display();
    match write_example(&path, args.force) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            let problem = Problem::general(format!("{shown} is there already"));
            return fail(problem.hint("--force replaces it; `iaasmon config check` checks it"), err);
        }
        Err(why) => return fail(Problem::general(format!("cannot write {shown}: {why}")), err),
    }
    let flag = if usual.as_ref() == Some(&path) { String::new() } else { format!(" --config {shown}") };
    writeln!(out, "wrote {shown}")?;
    writeln!(out, "next: put your servers' addresses into it, then run `iaasmon{flag} config check`")?;
    Ok(DONE)
}

/// Writes the example for its owner alone: people will add passwords to it.
fn write_example(path: &Path, force: bool) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // Not passed on as it is: that a part of the folder exists as a file is not "there already".
        let unmade = |why: io::Error| io::Error::other(format!("cannot make its folder: {why}"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unmade)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.open(path)?;
    file.write_all(EXAMPLE.as_bytes())?;
    file.sync_all()
}

/// Lists what is wrong with the configuration.
fn complain(errors: &ConfigErrors, err: &mut dyn Write) -> io::Result<u8> {
    for problem in errors.problems() {
        writeln!(err, "error: {problem}")?;
    }
    if errors.problems().len() > 1 {
        writeln!(err, "{}", counted(errors.problems().len(), "problem"))?;
    }
    Ok(WRONG)
}

fn fail(problem: Problem, err: &mut dyn Write) -> io::Result<u8> {
    writeln!(err, "error: {problem}")?;
    Ok(WRONG)
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
