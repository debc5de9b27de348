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
use crate::model::text::line;
use crate::sensu::definitions::{LoadedFiles, Notice, Settings, load};
use crate::sensu::engine::run_once;
use crate::sensu::schedule::scheduled;
use crate::sensu::subdue::is_subdued;
use crate::sys::child::Guard;
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};
use clap::Args;
use std::fs::File;
use std::io;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  iaasmon run-check check_disk
  iaasmon run-check check_disk -d ./conf.d --environment sensu -o json
  iaasmon run-check                                    which checks there are";

/// Run one check now and show what it said
///
/// Definitions, tokens, hooks and time limit are the runner's. Environment, folder and user are your own: give
/// --environment and the --check options that the runner has for those of the runner. Nothing is logged and nothing
/// exported, but the plugin does what it does: one that repairs things repairs them. What it reads is empty, unless
/// the check asks for `stdin`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunCheckArgs {
    /// The check's name; without one, all are listed
    pub name: Option<String>,
    /// How to print: table is a page for people, json a document, jsonl the result as it would be logged
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// End with 1 where the status of the check is not 0
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
    let mut around = args.around.around(env)?;
    if let Format::Yaml | Format::Csv | Format::Name = args.output {
        return Err(AppError::usage("run-check prints table, json or jsonl"));
    }
    let mut notices = Vec::new();
    let settings = load(&args.definitions.sources(global, env), &mut notices);
    for what in notices.iter().filter_map(Notice::passed_over) {
        writeln!(streams.err, "note: {}", line(&what))?;
    }
    let settings = settings.map_err(|refused| {
        let told = AppError::usage("the definitions are not valid");
        refused.lines().into_iter().fold(told, AppError::hint)
    })?;
    if settings.files().is_empty() {
        return Err(AppError::usage("no file of definitions was loaded: name them by -c and -d"));
    }
    let Some(name) = &args.name else {
        return list(args.output, &settings, streams);
    };
    let check = definition(&settings, name)?;
    if let Some(note) = when_not(&check, &settings) {
        writeln!(streams.err, "note: {note}")?;
    }
    let loaded = LoadedFiles::write(&SurroundingArgs::loaded_folder(env), &settings);
    // A check is no terminal's foreground: one that reads from it would be stopped until its time is over.
    nix::unistd::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
    let guard = Guard::start(GUARD, Vec::new()).ok();
    let bounds = args.around.bounds();
    match &loaded {
        Ok(loaded) => around.variables.push(loaded.variable()),
        Err(error) => writeln!(streams.err, "note: SENSU_LOADED_TEMPFILE cannot be written: {error}")?,
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run_once(check, settings, around, guard, bounds));
    print(args.output, name, &result, streams)?;
    let bad = field(&result, "status").and_then(Value::as_i64) != Some(0);
    Ok(if args.exit_code && bad { Exit::Problems } else { Exit::Done })
}

/// Lists the checks that are defined.
fn list(format: Format, settings: &Settings, streams: &mut Streams<'_>) -> Result<Exit, AppError> {
    let row = |name: &str| Object::from_iter([(b"name"[..].into(), Value::from(name))]);
    let names = settings.checks().map(|(name, _)| name);
    match format {
        Format::Json => {
            let rows = names.map(|name| Value::Object(row(name))).collect();
            write_document(Value::Array(rows), streams)?;
        }
        Format::Jsonl => {
            for name in names {
                write_line(row(name), streams)?;
            }
        }
        _ => {
            for name in names {
                writeln!(streams.out, "{}", line(name))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Says why the runner would not run it now, where it would not.
fn when_not(check: &Object, settings: &Settings) -> Option<&'static str> {
    let name = field(check, "name").and_then(Value::as_str)?;
    if !scheduled(settings).iter().any(|(_, scheduled, _)| *scheduled == name) {
        return Some("the runner does not run this check by itself: it is not scheduled here");
    }
    is_subdued(check, &clock::local()).then_some("the runner would not run this check now: it is subdued")
}

fn print(format: Format, name: &str, result: &Object, streams: &mut Streams<'_>) -> Result<(), AppError> {
    match format {
        Format::Jsonl => write_line(result.clone(), streams)?,
        Format::Json => write_document(Value::Object(result.clone()), streams)?,
        _ => write_page(name, result, streams)?,
    }
    Ok(())
}

fn write_line(row: Object, streams: &mut Streams<'_>) -> io::Result<()> {
    let mut line = Value::Object(row).to_bytes();
    line.push(b'\n');
    streams.out.write_all(&line)
}

/// `{"v":1,"data":...,"coverage":[],"notes":[]}`: no server was asked. Bytes that are no text are shown as such.
fn write_document(data: Value, streams: &mut Streams<'_>) -> io::Result<()> {
    let mut document = Object::new();
    set(&mut document, "v", 1);
    set(&mut document, "data", data);
    set(&mut document, "coverage", Value::Array(Vec::new()));
    set(&mut document, "notes", Value::Array(Vec::new()));
    let mut text = Vec::new();
    Value::Object(document).write_indented(&mut text);
    writeln!(streams.out, "{}", String::from_utf8_lossy(&text))
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
    let hooks = field(result, "hooks").and_then(Value::as_object);
    for (name, hook) in hooks.into_iter().flatten() {
        // Only the one that ran has an output.
        let hook = hook.as_object();
        let Some(output) = hook.and_then(|hook| field(hook, "output")).and_then(Value::as_bytes) else {
            continue;
        };
        let status = hook.and_then(|hook| field(hook, "status")).and_then(Value::as_i64).unwrap_or(3);
        page.part(&format!("hook {} ended with {status}", String::from_utf8_lossy(name)))?;
        page.block(&String::from_utf8_lossy(output))?;
    }
    Ok(())
}
