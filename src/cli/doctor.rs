//! `iaasmon doctor`: what makes alerts late, double or lost.

use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Page, Shape, Tone};
use super::session::Session;
use crate::fleet::doctor::{Finding, Level, doctor};
use crate::fleet::filter::FindingSubject;
use crate::model::filter::RowKind;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  iaasmon doctor
  iaasmon doctor @state=problem rule!=queue_capacity
  iaasmon doctor --all --cluster prod-east
  iaasmon doctor --exit-code -o json > report.json";

/// Examine the monitoring itself: what makes alerts late, double or lost, and what to do about it
///
/// Looked at are reachability, clocks, agreement of the replicas, gossip of the Alertmanagers, the recording
/// rule, the notification queue against the size of the fleet, replica labels, deliveries that fail, what the
/// proxies could not hand on, and the pushgateways: how they are scraped, and what nobody pushes any more. A
/// filter knows the labels rule and level, @cluster and @state (problem, warning, ok).
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Which findings.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Also what was looked at and found right
    #[arg(long)]
    pub all: bool,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<Finding>;

const SHAPE: Shape<Finding> = Shape {
    columns: &[
        C::word("level", |row, _| Cell::ranked(row.level.word(), row.level as u8).tone(tone_of(row.level))),
        C::name("cluster", |row, _| Cell::text(row.cluster.as_str())),
        C::word("rule", |row, _| Cell::text(row.rule)),
        C::text("finding", |row, _| Cell::text(&*row.text)),
        C::text("hint", |row, _| Cell::text(&*row.hint)),
    ],
    name: |row| format!("{}/{}", row.cluster, row.rule),
};

fn tone_of(level: Level) -> Tone {
    match level {
        Level::Problem => Tone::Bad,
        Level::Warning => Tone::Warn,
        Level::Ok => Tone::Good,
    }
}

/// Runs the command.
pub async fn run(args: &DoctorArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Finding, session)?;
    let mut answer = session.ask_all(async |cluster| doctor(cluster).await).await;
    answer.value.sort_by(|a, b| (a.level, &a.cluster).cmp(&(b.level, &b.cluster)));
    let own = &session.labels;
    answer.value.retain(|finding| filter.is_empty() || filter.shows(&FindingSubject::new(finding, own)));
    let found = answer.value.iter().any(|finding| finding.level != Level::Ok);
    answer.value.retain(|finding| args.all || finding.level != Level::Ok);
    if args.list.output != Format::Table || !args.list.sort.is_empty() {
        let exit = session.list(&SHAPE, answer, &args.list, "nothing found")?;
        return Ok(exit.or_problems(&args.list, found));
    }
    // A finding is two sentences: they are read, not compared, so no table.
    let mut page = Page::new(session.streams.out, session.streams.view);
    for finding in answer.value.iter().take(args.list.limit.unwrap_or(usize::MAX)) {
        let cluster = finding.cluster.as_str();
        page.title(finding.level.word(), tone_of(finding.level), &format!("{cluster}  {}", finding.rule))?;
        page.block(&finding.text)?;
        if !finding.hint.is_empty() {
            page.block(&format!("do: {}", finding.hint))?;
        }
    }
    let exit = session.tell(&answer.coverage, &answer.notes)?;
    if !found && exit == Exit::Done {
        writeln!(session.streams.out, "ok: nothing found that makes alerts late, double or lost")?;
    }
    Ok(exit.or_problems(&args.list, found))
}
