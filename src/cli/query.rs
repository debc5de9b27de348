//! `iaasmon query`: one PromQL expression, asked of every Prometheus at the same moment.

use super::args::ListArgs;
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Shape, Tone};
use super::session::Session;
use crate::fleet::Coverage;
use crate::fleet::filter::SeriesSubject;
use crate::fleet::query::{QueryRow, query};
use crate::model::filter::RowKind;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  iaasmon query 'count(up == 0)'
  iaasmon query 'iaasmon_check_status{check=\"check_disk_var\"} == 2' -o csv
  iaasmon query up job=node @region=east
  iaasmon query 'sum by (rack) (iaasmon_check_status:bad)' --sort -value --limit 10";

/// Evaluate a PromQL expression on every cluster and put the answers together
///
/// Both replicas of a pair evaluate at the same moment and are merged series by series. Where they differ,
/// VALUE is one of them and DISAGREE says what the other has; of a range the longer one is shown and
/// nothing is compared, as no two servers scrape at the same moment. The result of every cluster is its own: sum()
/// is the sum of a cluster, not of the fleet. A filter sees the labels of the result's series, and @cluster.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct QueryArgs {
    /// The expression, in quotes
    #[arg(value_name = "PROMQL")]
    pub expr: String,
    /// Which series of the result.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<QueryRow>;

const SHAPE: Shape<QueryRow> = Shape {
    columns: &[
        C::name("cluster", |row, _| Cell::text(row.cluster.as_str())),
        C::text("series", |row, _| series(row)),
        C::number("value", |row, _| value(row)),
        C::text("disagree", |row, _| Cell::text(disagree(row)).tone(Tone::Warn)),
    ],
    name: |row| format!("{}/{}", row.cluster, row.labels),
};

/// Writes a series as Prometheus does, the labels that usually tell series apart first: the end is what is cut.
fn series(row: &QueryRow) -> Cell<'_> {
    let whole = row.labels.to_string();
    let mut labels: Vec<(&str, &str)> = row.labels.iter().filter(|(name, _)| *name != "__name__").collect();
    labels.sort_by_key(|(name, _)| !matches!(*name, "instance" | "node" | "check" | "alertname"));
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let text = format!("{}{{{}}}", row.labels.get("__name__"), labels.join(", "));
    Cell { raw: whole.clone().into(), key: Cell::text(whole).key, ..Cell::text(text) }
}

fn value(row: &QueryRow) -> Cell<'_> {
    let text = Cell::text(&*row.value);
    match row.value.parse::<f64>() {
        Ok(number) => Cell { key: Cell::number(number).key, ..text },
        Err(_) => text,
    }
}

fn disagree(row: &QueryRow) -> String {
    row.disagreeing
        .iter()
        .map(|(replica, value)| format!("{replica}: {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns what is wrong with the expression, where every Prometheus that answered at all refused it.
fn refused(coverage: &Coverage) -> Option<String> {
    if coverage.answered() > 0 {
        return None;
    }
    // Prometheus answers 400 for what it cannot parse and 422 for what it cannot execute.
    coverage.missing().filter_map(|replica| replica.error.as_deref()).find_map(|error| {
        ["status 400: ", "status 422: "]
            .iter()
            .find_map(|prefix| error.strip_prefix(prefix))
            .map(str::to_owned)
    })
}

/// Runs the command.
pub async fn run(args: &QueryArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Series, session)?;
    let now = session.now;
    let mut answer = session.ask_all(async |cluster| query(cluster, &args.expr, now).await).await;
    if let Some(why) = refused(&answer.coverage) {
        return Err(
            AppError::usage(why).hint("nobody could evaluate it; see the examples of `iaasmon query --help`")
        );
    }
    let own = &session.labels;
    answer.value.retain(|row| filter.is_empty() || filter.shows(&SeriesSubject { row, own }));
    let found = !answer.value.is_empty();
    let exit = session.list(&SHAPE, answer, &args.list, "no series")?;
    Ok(exit.or_problems(&args.list, found))
}
