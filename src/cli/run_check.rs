//! `iaasmon run-check NAME`: one run of one check, for whoever writes or repairs a plugin.

use super::args::Format;
use super::definitions::{DefinitionArgs, SurroundingArgs};
use super::error::{AppError, Exit};
use super::render::Page;
use super::serve::GUARD;
use super::streams::Streams;
use crate::config::Env;
use crate::model::nearest::nearest;
use crate::model::status::Status;
use crate::sensu::definitions::{Settings, load};
use crate::sensu::engine::run_once;
use crate::sys::child::Guard;
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};
use clap::Args;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  iaasmon run-check check_disk
  iaasmon run-check check_disk -d ./conf.d --environment sensu -o json
  iaasmon run-check                                    which checks there are";

/// Run one check now, as the runner would, and show what it said
///
/// Definitions, tokens, hooks, time limit and environment are the runner's. Nothing is logged and nothing exported,
/// but the plugin does what it does: one that repairs things repairs them.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunCheckArgs {
    /// The check's name; without one, all names are listed
    pub name: Option<String>,
    /// How to print: table is a page for people, json the result as it would be logged
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// End with the check's own status
    #[arg(long)]
    pub exit_code: bool,
    /// Where the definitions are.
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    /// What surrounds the check.
    #[command(flatten)]
    pub around: SurroundingArgs,
}

/// Runs the command.
pub fn run(
    args: &RunCheckArgs,
    global: Option<&Path>,
    env: &Env,
    streams: &mut Streams<'_>,
) -> Result<Exit, AppError> {
    args.around.check()?;
    let settings = load(&args.definitions.sources(global, env), &mut Vec::new()).map_err(|refused| {
        let told = AppError::usage("the definitions are not valid");
        refused.lines().into_iter().fold(told, AppError::hint)
    })?;
    let Some(name) = &args.name else {
        for (name, _) in settings.checks() {
            writeln!(streams.out, "{}", crate::model::text::line(name))?;
        }
        return Ok(Exit::Done);
    };
    let check = definition(&settings, name)?;
    let guard = Guard::start(GUARD).ok();
    let (around, bounds) = (args.around.around(env)?, args.around.bounds());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run_once(check, settings, around, guard, bounds));
    match args.output {
        Format::Table | Format::Wide => write_page(name, &result, streams)?,
        Format::Json | Format::Jsonl => {
            let mut text = Vec::new();
            let value = Value::Object(result.clone());
            if args.output == Format::Json {
                value.write_indented(&mut text)
            } else {
                value.write(&mut text)
            }
            text.push(b'\n');
            streams.out.write_all(&text)?;
        }
        Format::Yaml | Format::Csv | Format::Name => {
            return Err(AppError::usage("run-check prints table, json or jsonl"));
        }
    }
    let bad = field(&result, "status").and_then(Value::as_i64) != Some(0);
    Ok(if args.exit_code && bad { Exit::Problems } else { Exit::Done })
}

fn definition(settings: &Settings, name: &str) -> Result<Object, AppError> {
    let Some(check) = settings.check(name) else {
        let names: Vec<&str> = settings.checks().map(|(name, _)| name).collect();
        let error = AppError::usage(format!("no check is called `{name}`"));
        return Err(match nearest(name, &names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`iaasmon run-check` lists their names"),
        });
    };
    if field(check, "command").is_none() {
        return Err(AppError::usage(format!("`{name}` has no command: there are no extensions")));
    }
    let mut check = check.clone();
    set(&mut check, "issued", clock::now().timestamp());
    Ok(check)
}

fn write_page(name: &str, result: &Object, streams: &mut Streams<'_>) -> Result<(), AppError> {
    let text = |name| {
        let bytes = field(result, name).and_then(Value::as_bytes).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let code = field(result, "status").and_then(Value::as_i64).unwrap_or(3);
    let status = Status::from_value(code as f64);
    let mut page = Page::new(streams.out, streams.view);
    page.title(status.word(), status.into(), name)?;
    page.fact("status", &code.to_string())?;
    let took = field(result, "duration").and_then(Value::as_f64);
    page.fact("took", &took.map(|seconds| format!("{seconds:.3} s")).unwrap_or_default())?;
    page.fact("command", &text("command"))?;
    if let Some(source) = field(result, "source").and_then(Value::as_bytes) {
        page.fact("source", &String::from_utf8_lossy(source))?;
    }
    page.part("output")?;
    page.block(&text("output"))?;
    Ok(())
}
