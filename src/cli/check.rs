//! `iaasmon check NODE CHECK`: what a check's script said.

mod past;

use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::lookup::{Target, find_group, find_node, parse_group};
use super::output::CheckOutput;
use super::render::{Cell, Column, Document, Page, Shape, Tone, write_json, write_yaml};
use super::session::Session;
use crate::fleet::Answer;
use crate::fleet::detail::{Which, detail};
use crate::fleet::node::node;
use crate::model::check::{CheckState, Detail};
use crate::model::cluster::ClusterName;
use crate::model::labels::Labels;
use crate::model::nearest::nearest;
use crate::model::status::Status;
use crate::model::text;
use crate::model::time::{format_duration, format_took};
use clap::{ArgGroup, Args, value_parser};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  iaasmon check hv-0451 check_disk
  iaasmon check hv-0451 check_disk --raw | less -R
  iaasmon check hv-0451 check_disk --history -n 50     its runs, the newest first
  iaasmon check hv-0451 check_disk --diff              what is new since it was last well
  iaasmon check hv-0451 check_disk -o json | jq -r .data.detail.command
  iaasmon check job=backup,db=main backup_age          one that was pushed and belongs to no node";

/// Show the output of one check on one node
///
/// It is fetched from the node itself, or from the pushgateway where it was pushed. Where it is not given there, what the check's
/// alert carries is shown, with its age; the reason is said on stderr and the exit code is 3, because that text is older than
/// the question. Earlier runs are known to nodes and pushgateways alone.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("past").args(["history", "diff"]))]
pub struct CheckArgs {
    /// The node's name, without its port, or the beginning of it; of a check that was pushed its job, or labels of its group:
    /// job=backup,db=main
    pub node: String,
    /// The check's name
    pub check: String,
    /// The result about this host, where the check is about others than its node
    #[arg(long, value_name = "HOST")]
    pub source: Option<String>,
    /// The output alone, byte for byte: escape sequences reach the terminal
    #[arg(long, conflicts_with = "past")]
    pub raw: bool,
    /// The last runs: status, how long each took, where the output changed, and its first line
    #[arg(long)]
    pub history: bool,
    /// How the output differs from that of the last run that was well
    #[arg(long)]
    pub diff: bool,
    /// How many runs to look at [default: 20, with --diff 500]
    #[arg(short = 'n', long = "runs", value_name = "N", requires = "past", value_parser = value_parser!(u16).range(1..))]
    pub runs: Option<u16>,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

impl CheckArgs {
    fn which<'a>(&'a self, target: &'a Target) -> Which<'a> {
        let (node, group) = (target.node(), target.group.as_ref());
        Which { node, group, check: &self.check, source: self.source.as_deref() }
    }
}

/// A check's output with where it belongs.
#[derive(Debug, Clone, Serialize)]
struct Row {
    cluster: ClusterName,
    node: Arc<str>,
    group: Option<Labels>,
    check: String,
    #[serde(skip)]
    place: Arc<str>,
    #[serde(flatten)]
    output: CheckOutput,
}

type C = Column<Row>;

const SHAPE: Shape<Row> = Shape {
    columns: &[
        C::name("node", |row, _| Cell { raw: (&*row.node).into(), ..Cell::text(&*row.place) }),
        C::name("cluster", |row, _| Cell::text(row.cluster.as_str())),
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::word("status", |row, _| {
            row.status().map_or(Cell::text(""), |s| Cell::text(s.word()).tone(s.into()))
        }),
        C::word("source", |row, _| Cell::text(row.output.source)),
        C::number("executed", |row, now| {
            Cell::maybe_age(row.output.detail.as_ref().and_then(|d| d.executed), now)
        }),
        C::text("output", |row, _| Cell::text(row.output.output.as_deref().unwrap_or_default())),
    ],
    name: |row| format!("{}/{}", row.place, row.check),
};

impl Row {
    fn status(&self) -> Option<Status> {
        self.output.detail.as_ref()?.status
    }
}

/// Runs the command.
pub async fn run(args: &CheckArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let target = find(args, session).await?;
    if args.history {
        return past::history(args, &target, session).await;
    }
    if args.diff {
        return past::diff(args, &target, session).await;
    }
    let Answer { value, coverage, notes } = detail(&target.cluster, args.which(&target)).await;
    let row = Row {
        cluster: target.cluster.name().clone(),
        node: target.node().into(),
        group: target.group.clone(),
        check: args.check.clone(),
        place: target.name.clone(),
        output: CheckOutput::from(value),
    };
    if row.output.output.is_none() {
        let why = row.output.why.as_deref().unwrap_or("no answer");
        let lacks = Answer { value: why, coverage, notes };
        let error = explain(lacks, args, &target, "output", session).await?;
        let usage = error.exit == Exit::Usage;
        return Err(if usage { error } else { error.hint("no alert of this check carries it either") });
    }
    let found = row.status().is_none_or(|status| status != Status::Ok);
    if args.raw {
        session.streams.out.write_all(row.output.output.as_deref().unwrap_or_default().as_bytes())?;
        let exit = session.tell(&coverage, &notes)?;
        return conclude(exit.or_problems(&args.list, found), &row, session);
    }
    let (out, view) = (&mut *session.streams.out, session.streams.view);
    match args.list.output {
        Format::Json => write_json(&Document::new(&row, &coverage, &notes), out)?,
        Format::Yaml => write_yaml(&Document::new(&row, &coverage, &notes), out)?,
        Format::Table | Format::Wide => write_page(&row, session, view)?,
        Format::Csv | Format::Jsonl | Format::Name => {
            let shown = row.clone();
            let exit = session.list(&SHAPE, Answer { value: vec![row], coverage, notes }, &args.list, "")?;
            return conclude(exit.or_problems(&args.list, found), &shown, session);
        }
    }
    let exit = session.tell(&coverage, &notes)?;
    conclude(exit.or_problems(&args.list, found), &row, session)
}

/// Finds the node that is meant, else the group of that job that has the check.
async fn find(args: &CheckArgs, session: &mut Session<'_>) -> Result<Target, AppError> {
    let (name, check) = (&*args.node, &*args.check);
    if let Some(labels) = parse_group(name)? {
        let unknown = || AppError::usage(format!("no check `{check}` was pushed for {name}"));
        let found = find_group(session, &labels, check).await?;
        return found.ok_or_else(|| unknown().hint("`iaasmon checks` lists all checks by name"));
    }
    match find_node(session, name).await {
        Err(error) if error.exit == Exit::Usage => {
            let job = [("job", name)].into_iter().collect();
            match find_group(session, &job, check).await {
                Ok(found) => found.ok_or(error),
                // The name may be that of a node all the same.
                Err(unseen) if unseen.exit != Exit::Usage => {
                    let hints = error.complaints.into_iter().flat_map(|complaint| complaint.hints);
                    Err(hints.fold(unseen, AppError::hint))
                }
                Err(several) => Err(several),
            }
        }
        found => found,
    }
}

/// What an alert carries is a substitute: the one that was asked did not answer.
fn conclude(exit: Exit, row: &Row, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let Some(why) = &row.output.why else { return Ok(exit) };
    let who = if row.group.is_some() { "pushgateway" } else { "node" };
    writeln!(session.streams.err, "note: not of the {who} but of an alert: {}", text::line(why))?;
    Ok(if exit == Exit::Nothing { exit } else { Exit::Partial })
}

/// Finds out why the one that was asked does not have what was asked for (`what`) of a check.
async fn explain(
    lacks: Answer<&str>,
    args: &CheckArgs,
    target: &Target,
    what: &str,
    session: &mut Session<'_>,
) -> Result<AppError, AppError> {
    if target.group.is_some() {
        session.tell(&lacks.coverage, &lacks.notes)?;
        let what = format!("no {what} of `{}` of {}: {}", args.check, target.name, lacks.value);
        return Ok(AppError::new(Exit::Partial, what));
    }
    let known = node(&target.cluster, &target.name, |_| {}).await;
    session.tell(&lacks.coverage.join(known.coverage), &lacks.notes)?;
    let what = format!("no {what} of `{}`", args.check);
    Ok(missing(&target.name, args, &what, lacks.value, &known.value.checks))
}

/// Tells a name that is misspelt, or a host that was not named, from something that is not to be had.
fn missing(node: &str, args: &CheckArgs, what: &str, why: &str, known: &[CheckState]) -> AppError {
    let check = &*args.check;
    let names: Vec<&str> = known.iter().map(|known| &*known.check).collect();
    let list = format!("`iaasmon node {node}` lists its checks");
    if !names.is_empty() && !names.contains(&check) {
        let error = AppError::usage(format!("{node} has no check `{check}`"));
        return match nearest(check, &names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(list),
        };
    }
    let sources: Vec<Option<&str>> =
        known.iter().filter(|known| &*known.check == check).map(|known| known.source.as_deref()).collect();
    let error = AppError::new(Exit::Partial, format!("{what} on {node}: {why}"));
    match sources.first() {
        Some(Some(source)) if !sources.contains(&args.source.as_deref()) => {
            let named = format!("`iaasmon check {node} {check} --source {source}`");
            error.hint(format!("its results are about other hosts: name one by {named}")).hint(list)
        }
        _ => error.hint(list),
    }
}

fn write_page(row: &Row, session: &mut Session<'_>, view: super::streams::View) -> Result<(), AppError> {
    let mut page = Page::new(session.streams.out, view);
    let code = row.output.detail.as_ref().and_then(Detail::exit_status);
    let (word, tone) = match (row.status(), row.output.severity) {
        (Some(status), _) => (status.word_of_exit(code), status.into()),
        (None, Some(severity)) => (severity.word().into(), severity.into()),
        (None, None) => ("?".into(), Tone::Unknown),
    };
    page.title(&word, tone, &format!("{}  {}", row.check, row.place))?;
    page.fact("cluster", row.cluster.as_str())?;
    if let Some(detail) = &row.output.detail {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).map(format_duration).unwrap_or_default();
        page.fact("took", &detail.duration.map(format_took).unwrap_or_default())?;
        page.fact("interval", &detail.interval.map(seconds).unwrap_or_default())?;
        page.fact("command", detail.command.as_deref().unwrap_or_default())?;
    }
    Ok(row.output.write(&mut page, session.now)?)
}
