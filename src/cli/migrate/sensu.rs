//! `iaasmon migrate sensu DIR`: what Sensu's definitions come to here.

use super::list;
use crate::cli::args::ListArgs;
use crate::cli::definitions::DefinitionArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Shape, Tone};
use crate::cli::streams::Streams;
use crate::config::Env;
use crate::sensu::definitions::{Settings, load};
use crate::sensu::migrate::{Finding, Verdict, report, tally};
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  iaasmon migrate sensu /etc/sensu/conf.d -c /etc/sensu/config.json
  iaasmon migrate sensu ./conf.d --sort name -o wide     check by check, nothing cut
  iaasmon migrate sensu ./conf.d --exit-code || echo 'something is left to decide'
  iaasmon migrate sensu ./conf.d -o json | jq '.data[] | select(.verdict == \"decide\")'";

/// Say what Sensu's definitions come to here: what carries over, what differs, what has to be decided
///
/// One line an attribute of which there is something to say, and one on when each check runs, decisions first. `decide`: Sensu's server did it and somebody has to say what does now
/// (handlers, filters, mutators, occurrences, refresh and the like), or it cannot run here. `differs`: it works, and
/// not quite as before. `carries`: as it was. Nothing is run or changed. Run it with the definitions of one node, its
/// client among them: that says which checks are its own.
///
/// Definitions that sensu-client would refuse are refused with everything that is wrong, and code 2. With --exit-code
/// it is 1 where something has to be decided.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SensuArgs {
    /// The folder of definitions, such as /etc/sensu/conf.d
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A file that is read before the folder, such as /etc/sensu/config.json
    #[arg(short = 'c', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<Finding>;

const SHAPE: Shape<Finding> = Shape {
    columns: &[
        C::word("verdict", |row, _| {
            Cell::ranked(row.verdict.word(), row.verdict as u8).tone(tone(row.verdict))
        }),
        C::word("kind", |row, _| Cell::ranked(row.kind.word(), row.kind as u8)),
        C::name("name", |row, _| Cell::text(&*row.name)),
        C::name("about", |row, _| Cell::text(&*row.about)),
        C::text("text", |row, _| Cell::text(&*row.text)),
    ],
    name: |row| row.name.clone(),
};

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Decide => Tone::Warn,
        Verdict::Differs => Tone::Plain,
        Verdict::Carries => Tone::Dim,
    }
}

/// Runs the command.
pub fn run(
    args: &SensuArgs,
    global: Option<&Path>,
    env: &Env,
    streams: &mut Streams<'_>,
) -> Result<Exit, AppError> {
    // What is packaged on this machine has no part in another's definitions.
    let file = args.file.clone().or_else(|| global.map(Path::to_owned));
    if let Some(missing) = file.as_ref().filter(|file| !file.exists()) {
        return Err(AppError::usage(format!("there is no {}", missing.display())));
    }
    let definitions = DefinitionArgs { file: file.clone(), folders: vec![args.folder.clone()] };
    let mut sources = definitions.sources(None, env);
    sources.file = file;
    let settings = load(&sources, &mut Vec::new()).map_err(|refused| {
        let told = AppError::usage("the definitions are not valid");
        refused.lines().into_iter().fold(told, AppError::hint)
    })?;
    let findings = report(&settings);
    let decide = findings.iter().any(|finding| finding.verdict == Verdict::Decide);
    let mut notes = notes(&settings, &findings);
    let unread = settings.unread().iter();
    notes.extend(unread.map(|path| format!("passed over, as it cannot be read: {}", path.display())));
    list(&SHAPE, findings, &notes, &args.list, streams)?;
    Ok(Exit::Done.or_problems(&args.list, decide))
}

fn notes(settings: &Settings, findings: &[Finding]) -> Vec<String> {
    let counts = tally(findings);
    let mut notes = vec![format!(
        "{} checks: {} carry over, {} differ, {} need a decision",
        settings.checks().count(),
        counts.carries,
        counts.differs,
        counts.decide
    )];
    if settings.files().is_empty() {
        notes.push("no .json file was found".to_owned());
    }
    if settings.subscriptions().count() <= 1 {
        notes.push(
            "no client with subscriptions is defined here: -c FILE names the file that does, else no subscriber is known"
                .to_owned(),
        );
    }
    notes
}
