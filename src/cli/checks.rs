//! `iaasmon checks`: every check name over the fleet.

use super::args::ListArgs;
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Shape, Tone};
use super::session::Session;
use crate::fleet::Answer;
use crate::fleet::checks::{CheckSummary, WorstNode, checks, combine};
use crate::fleet::filter::CheckSubject;
use crate::model::filter::RowKind;
use crate::model::labels::Labels;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  iaasmon checks
  iaasmon checks '@fails>10' !ntp
  iaasmon checks --cluster prod-east --sort -crit --limit 5
  iaasmon checks -o json | jq '.data[] | select(.counts.crit > 0) | .worst'";

/// List every check by name: on how many nodes it is in which status, and the worst of them
///
/// Counting the healthy ones makes each Prometheus look at every status series: at 20,000 nodes this takes
/// seconds. `nodes` and `alerts` do not. A filter knows @cluster @state @check @node @fails. @cluster picks the checks that run there, counted over
/// all clusters; --cluster counts on some of them alone.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ChecksArgs {
    /// Which checks.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<CheckSummary>;

const SHAPE: Shape<CheckSummary> = Shape {
    columns: &[
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::number("crit", |row, _| Cell::count(row.counts.crit, Tone::Bad)),
        C::number("warn", |row, _| Cell::count(row.counts.warn, Tone::Warn)),
        C::number("unkn", |row, _| Cell::count(row.counts.unknown, Tone::Unknown)),
        C::number("ok", |row, _| Cell::number(row.counts.ok)),
        C::number("clusters", |row, _| Cell::number(row.clusters.len() as u32)).droppable(2),
        C::text("worst_nodes", |row, _| Cell::text(worst(row))).droppable(1),
    ],
    name: |row| row.check.to_string(),
};

fn worst(row: &CheckSummary) -> String {
    let name = |worst: &WorstNode| match &worst.job {
        Some(job) => format!("job={job}"),
        None => worst.node.to_string(),
    };
    let mut names: Vec<String> = row.worst.iter().map(name).collect();
    // Of a job one is as good as all of its groups.
    names.dedup();
    names.join(" ")
}

/// Runs the command.
pub async fn run(args: &ChecksArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Check, session)?;
    let Answer { value, coverage, notes } = session.ask_all(async |cluster| checks(cluster).await).await;
    let mut answer = Answer { value: combine(value), coverage, notes };
    let own = &session.labels;
    answer.value.retain(|check| {
        filter.is_empty() || filter.shows(&CheckSubject { check, labels: Labels::default(), own })
    });
    let found = answer.value.iter().any(|check| check.counts.bad() > 0);
    let exit = session.list(&SHAPE, answer, &args.list, "no checks")?;
    Ok(exit.or_problems(&args.list, found))
}
