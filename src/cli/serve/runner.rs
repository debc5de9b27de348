//! `iaasmon serve runner`: sensu-client's place on a node.

use super::ServeArgs;
use crate::cli::definitions::{DefinitionArgs, SurroundingArgs};
use crate::cli::error::{AppError, Exit};
use crate::config::Env;
use crate::model::text::line;
use crate::model::time::parse_duration;
use crate::sensu::definitions::{Notice, Settings, Sources, load};
use crate::sensu::level::Level;
use crate::serve::runner::{Options, Rival, Runner, RunnerError};
use crate::serve::skeleton::{Pages, Service, Skeleton, http::Router};
use crate::sys::logfile::Rotation;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  iaasmon serve runner -c /etc/sensu/config.json -d /etc/sensu/conf.d -l /var/log/sensu/sensu-client.log
  iaasmon serve runner -d conf.d --validate_config     are the definitions good
  iaasmon serve runner -d conf.d --only check_disk     run one check beside a sensu-client that has the rest";

/// What a process with a runner in it does when it is signalled.
pub const SIGNALS: &str = "\
Signals:
  HUP   load the definitions again; the old ones stay where the new are not valid
  USR2  open the log again after it was moved away
  TRAP  switch debug on, or off again
  TERM  end, once the checks that run have ended; another one, a second later or more, ends at once
  INT   as TERM";

/// Run Sensu's check definitions and log each result as sensu-client does
///
/// It takes sensu-client's own flags, so that a unit file changes in the program's name alone. Checks with
/// `subscribers` are scheduled here too, where the client subscribes: there is no server that would request
/// them. It does not start beside a sensu-client that is at work, because plugins repair things.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{SIGNALS}"))]
pub struct RunnerArgs {
    /// Where the definitions are.
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    /// Write the log here [default: standard output; `serve node` needs a file]
    #[arg(short = 'l', long = "log", value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// What is logged: debug, info, warn, error or fatal; results always are
    #[arg(short = 'L', long = "log_level", value_name = "LEVEL", value_parser = parse_level, default_value = "info")]
    pub level: Level,
    /// Log everything: as -L debug
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// Write the process id here
    #[arg(short = 'p', long = "pid_file", value_name = "PIDFILE")]
    pub pid_file: Option<PathBuf>,
    /// Print the definitions as merged, secrets masked, and end
    #[arg(short = 'P', long = "print_config")]
    pub print_config: bool,
    /// Say whether the definitions are valid, and end
    #[arg(long = "validate_config")]
    pub validate_config: bool,
    /// Taken for the sake of old unit files: there are no extensions
    #[arg(short = 'e', long = "extension_dir", value_name = "DIR", hide = true)]
    pub extensions: Option<PathBuf>,
    /// Taken for the sake of old init scripts: nothing is done in the background here
    #[arg(short = 'b', long = "background", hide = true)]
    pub background: bool,
    /// Run these checks alone, beside another client that runs the rest
    #[arg(long, value_name = "NAME[,NAME]", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Move the log away when it is this large, in bytes [default: never, logrotate does]
    #[arg(long, value_name = "BYTES", value_parser = parse_rotate_size)]
    pub rotate_size: Option<u64>,
    /// Move the log away when it is this old [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_rotate_age)]
    pub rotate_age: Option<Duration>,
    /// How many logs that were moved away are kept
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub rotate_keep: u32,
    /// What surrounds the checks.
    #[command(flatten)]
    pub around: SurroundingArgs,
    /// What every service takes.
    #[command(flatten)]
    pub serve: ServeArgs,
}

fn parse_level(text: &str) -> Result<Level, String> {
    // The original's own words for it.
    Level::parse(text).ok_or_else(|| format!("Unknown log level: {text}"))
}

/// Why neither limit of the log may be 0.
const EVERY_LINE: &str = "the log would be moved away at every line: without this flag it never is";

fn parse_rotate_size(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(0) => Err(EVERY_LINE.to_owned()),
        parsed => {
            parsed.map_err(|_| "a number of bytes is expected, such as 104857600 for 100 MiB".to_owned())
        }
    }
}

fn parse_rotate_age(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(EVERY_LINE.to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

/// Says what a service cannot work with in definitions that are valid otherwise.
pub type Judge = fn(&Settings) -> Vec<String>;

impl RunnerArgs {
    /// Returns what the runner is told.
    ///
    /// # Errors
    /// What cannot be had on this machine.
    pub fn options(&self, global: Option<&Path>, env: &Env) -> Result<Options, AppError> {
        Ok(Options {
            sources: self.definitions.sources(global, env),
            log: self.log.clone(),
            level: if self.verbose { Level::Debug } else { self.level },
            rotation: Rotation { size: self.rotate_size, age: self.rotate_age, keep: self.rotate_keep },
            pid_file: self.pid_file.clone(),
            only: self.only.clone(),
            alone: self.only.is_empty(),
            bounds: self.around.bounds(),
            around: self.around.around(env)?,
            loaded_folder: SurroundingArgs::loaded_folder(env),
            guard: super::GUARD,
            receiver: None,
        })
    }

    /// Does what is done instead of running anything, where that is asked for, and takes what has no meaning here.
    ///
    /// # Errors
    /// When what it says cannot be written.
    pub fn before(
        &self,
        sources: &Sources,
        judge: Judge,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<Option<Exit>, AppError> {
        if self.validate_config || self.print_config {
            return show(sources, self.print_config, judge, out, err).map(Some);
        }
        if self.extensions.is_some() {
            writeln!(err, "note: -e is passed over: there are no extensions")?;
        }
        if self.background {
            writeln!(
                err,
                "note: -b is passed over: systemd, or whatever starts it, keeps it in the background"
            )?;
        }
        Ok(None)
    }
}

/// Runs the command.
pub fn run(
    args: &RunnerArgs,
    global: Option<&Path>,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    if let Some(done) = args.before(&args.definitions.sources(global, env), |_| Vec::new(), out, err)? {
        return Ok(done);
    }
    let options = args.options(global, env)?;
    super::node_runtime()?.block_on(async {
        let skeleton = Skeleton::prepare(args.serve.options(DEFAULT_LISTEN)?)?;
        let runner = Runner::prepare(options).await.map_err(refusal)?;
        let works = runner.works();
        let (metrics, reload) = (works.clone(), works);
        let service = Service {
            name: "runner",
            routes: Router::new(),
            metrics: Arc::new(move |out| metrics.write_metrics(out)),
            reload: Arc::new(move || reload.reload().map(Some)),
            pages: Pages::default(),
        };
        let (readiness, ending) = (skeleton.readiness(), skeleton.ending());
        let bound = skeleton.bind().await?;
        bound.serve_during(service, runner.run(&readiness, &ending)).await;
        Ok(Exit::Done)
    })
}

/// Where the runner is asked how it is: nobody but this machine needs to know.
const DEFAULT_LISTEN: &str = "127.0.0.1:10107";

/// `--validate_config` and `--print_config` (cli.rs, settings.rs): the original's words and exit codes.
fn show(
    sources: &Sources,
    print: bool,
    judge: Judge,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, AppError> {
    let mut notices = Vec::new();
    let loaded = load(sources, &mut notices);
    for what in notices.iter().filter_map(Notice::passed_over) {
        writeln!(err, "warning: {}", line(&what))?;
    }
    let mut text = Vec::new();
    let unfit = loaded.as_ref().map(judge).unwrap_or_default();
    for problem in &unfit {
        writeln!(err, "error: {}", line(problem))?;
    }
    let exit = match loaded {
        Ok(settings) if print => {
            settings.redacted().write_indented(&mut text);
            Exit::Done
        }
        Ok(_) if unfit.is_empty() => {
            text.extend(b"configuration is valid");
            Exit::Done
        }
        Ok(_) => {
            text.extend(b"configuration is invalid");
            Exit::Usage
        }
        Err(refused) => {
            text.extend(b"configuration is invalid\n");
            refused.to_value().write_indented(&mut text);
            Exit::Usage
        }
    };
    text.push(b'\n');
    out.write_all(&text)?;
    Ok(exit)
}

/// Tells why a runner did not start.
pub fn refusal(error: RunnerError) -> AppError {
    match &error {
        RunnerError::Refused(refused) => {
            let mut told = AppError::usage(error.to_string());
            for problem in refused.lines() {
                told = told.hint(problem);
            }
            told
        }
        RunnerError::Unfit(problems) => {
            let told = AppError::usage("the definitions are not fit for this service");
            problems.iter().fold(told, |told, problem| told.hint(problem))
        }
        RunnerError::Rival(rival) => {
            let told = AppError::usage(error.to_string());
            let told = match rival {
                Rival::Port(_) => told.hint("`ss -ltnp` as root tells which program that is"),
                Rival::Process { .. } | Rival::Held(_) | Rival::Same(_) | Rival::Left(_) => told,
            };
            told.hint("plugins repair things, and none may run twice: end the other client first")
                .hint("or name the checks that are ours alone: --only NAME,...")
        }
        RunnerError::NoCheck(_) => {
            AppError::usage(error.to_string()).hint("-P prints the definitions as they are merged")
        }
        RunnerError::Io { what, error: cause } => {
            let told = AppError::usage(error.to_string());
            match missing_folder(Path::new(what), cause) {
                Some(folder) => told.hint(format!("its folder is missing: mkdir -p {}", folder.display())),
                None => told,
            }
        }
    }
}

/// Returns the folder of a file that could not be made, where that is what is missing.
fn missing_folder<'a>(file: &'a Path, error: &std::io::Error) -> Option<&'a Path> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (error.kind() == std::io::ErrorKind::NotFound && !folder.exists()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use crate::cli::args::ServiceCli;
    use clap::Parser as _;

    #[test]
    fn limits_that_would_stop_everything_are_refused() {
        for (flag, zero, good, why) in [
            ("--max-runtime", "0s", "1s", "every check would be ended as soon as it begins"),
            ("--rotate-size", "0", "1", "moved away at every line"),
            ("--rotate-age", "0s", "1s", "moved away at every line"),
        ] {
            let parse = |value: &str| ServiceCli::try_parse_from(["iaasmon", "serve", "runner", flag, value]);
            assert!(parse(good).is_ok(), "{flag}");
            let refused = parse(zero).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(flag) && refused.contains(why), "{refused}");
        }
    }
}
