//! `iaasmon node NAME`: everything that is known of one machine.

mod live;

use super::alerts::short;
use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::lookup::find_node;
use super::render::{Cell, Column, Document, Page, Shape, Tone, write_json, write_yaml};
use super::session::Session;
use super::silences::SilenceNote;
use crate::fleet::detail::{SOURCE, details};
use crate::fleet::filter::NodeCheckSubject;
use crate::fleet::node::{NodeDetail, node};
use crate::fleet::{Answer, Cluster};
use crate::model::alert::Alert;
use crate::model::check::CheckState;
use crate::model::cluster::ClusterName;
use crate::model::filter::{Filter, Pseudo, RowKind};
use crate::model::labels::Labels;
use crate::model::node::{NodeUp, StatusCounts};
use crate::model::status::Status;
use crate::model::time::{Timestamp, age, format_age};
use clap::Args;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  iaasmon node hv-0451
  iaasmon node hv-0451 !@state=ok      only what fails
  iaasmon node hv-0451 '@out=~.*full.*'  whose output has this word
  iaasmon node hv-0451 -o csv          its checks
  iaasmon node hv-0451 --live          what the node itself says, beside Prometheus
  iaasmon check hv-0451 check_disk     what one of them said";

/// Show one node: its checks, its alerts, and the silences that hit it
///
/// A silence is shown if it hits one of the node's alerts, or if its matchers on the node's own labels accept
/// the node: then it hits alerts to come. A filter picks checks: it knows @cluster @state @age @since @for @check
/// @exit @out @dur. @out (a check's output) and @dur (how long it
/// ran) are asked of the node itself, one request a check. A regex of @out is for the whole output: `.` takes
/// line ends too, the last one left out.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodeArgs {
    /// The node's name, without its port, or the beginning of it
    pub name: String,
    /// Ask the node's own /metrics and mark where Prometheus says something else
    #[arg(long, conflicts_with = "filter")]
    pub live: bool,
    /// Which checks.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<CheckState>;

const SHAPE: Shape<CheckState> = Shape {
    columns: &[
        C::word("status", |row, _| {
            Cell::ranked(row.status.word(), 3 - row.status.badness()).tone(row.status.into())
        }),
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::name("source", |row, _| Cell::text(row.source.as_deref().unwrap_or_default())).sparse(),
        C::number("since", |row, now| Cell::maybe_age(row.since, now)),
        C::word("replicas", |row, _| Cell::text(if row.disputed { "disagree" } else { "" }).tone(Tone::Warn)),
    ],
    name: |row| match &row.source {
        Some(source) => format!("{}/{source}", row.check),
        None => row.check.to_string(),
    },
};

/// The node as a document.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    cluster: &'a ClusterName,
    name: &'a str,
    up: NodeUp,
    labels: &'a Labels,
    counts: StatusCounts,
    checks: &'a [CheckState],
    alerts: &'a [Alert],
    silences: Vec<Hit>,
}

/// A silence and how many of the node's alerts it hits now.
#[derive(Debug, Serialize)]
struct Hit {
    #[serde(flatten)]
    note: SilenceNote,
    alerts: usize,
    uncertain: bool,
}

/// Runs the command.
pub async fn run(args: &NodeArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::NodeCheck, session)?;
    let target = find_node(session, &args.name).await?;
    if args.live {
        return live::run(args, target, session).await;
    }
    let Answer { mut value, coverage, mut notes } = node(&target.cluster, &target.name, |_| {}).await;
    let silent = keep(&mut value, &filter, &target.cluster, session).await;
    notes.extend(silent.iter().cloned());
    let coverage = coverage.join(target.coverage);
    let found = value.up == NodeUp::Down || value.counts.bad() > 0;
    let exit = match args.list.output {
        Format::Json | Format::Yaml => {
            let whole = Whole::of(&value);
            let document = Document::new(&whole, &coverage, &notes);
            match args.list.output {
                Format::Json => write_json(&document, session.streams.out)?,
                _ => write_yaml(&document, session.streams.out)?,
            }
            session.tell(&coverage, &notes)?
        }
        Format::Table | Format::Wide => {
            write_head(&value, &target.cluster.config.check_label, session)?;
            let checks = Answer { value: value.checks, coverage, notes };
            session.list(&SHAPE, checks, &args.list, "no checks")?
        }
        Format::Csv | Format::Jsonl | Format::Name => {
            session.list(&SHAPE, Answer { value: value.checks, coverage, notes }, &args.list, "")?
        }
    };
    // Whether a check that could not be asked fits is not known.
    let exit = if silent.is_some() && exit == Exit::Done { Exit::Partial } else { exit };
    Ok(exit.or_problems(&args.list, found))
}

/// Keeps the checks that pass the filter; returns what must be said where the node did not give their outputs.
async fn keep(
    node: &mut NodeDetail,
    filter: &Filter,
    cluster: &Cluster,
    session: &Session<'_>,
) -> Option<String> {
    if filter.is_empty() {
        return None;
    }
    let asks = filter.uses(Pseudo::Out) || filter.uses(Pseudo::Dur);
    let (details, failed) = details(cluster, &node.labels, node.checks.iter().filter(|_| asks)).await;
    let (config, own, now) = (&cluster.config, &session.labels, session.now);
    node.checks.retain(|check| {
        let labels = node.labels.with(&config.node_label, &node.name).with(&config.check_label, &check.check);
        let labels = labels.with(SOURCE, check.source.as_deref().unwrap_or_default());
        let detail = details.get(&(check.check.clone(), check.source.clone()));
        filter.shows(&NodeCheckSubject { check, detail, cluster: &config.name, labels, own, now })
    });
    failed.map(|error| {
        format!("outputs could not be asked for on the node, so some checks are missing here: {error}")
    })
}

impl<'a> Whole<'a> {
    fn of(node: &'a NodeDetail) -> Self {
        let hit = |silence: &crate::fleet::node::NodeSilence| Hit {
            note: SilenceNote::of(&silence.copy),
            alerts: silence.alerts,
            uncertain: silence.uncertain,
        };
        Self {
            cluster: &node.cluster,
            name: &node.name,
            up: node.up,
            labels: &node.labels,
            counts: node.counts,
            checks: &node.checks,
            alerts: &node.alerts,
            silences: node.silences.iter().map(hit).collect(),
        }
    }
}

/// Writes what stands above the checks.
fn write_head(node: &NodeDetail, check_label: &str, session: &mut Session<'_>) -> Result<(), AppError> {
    let now = session.now;
    let mut page = Page::new(session.streams.out, session.streams.view);
    let tone = if node.up == NodeUp::Up { Tone::Good } else { node.up.into() };
    page.title(node.up.word(), tone, &node.name)?;
    page.fact("cluster", node.cluster.as_str())?;
    page.fact("checks", &counts(node.counts))?;
    page.fact("labels", &labels(&node.labels))?;
    let alerts: Vec<String> = node.alerts.iter().map(|alert| alert_line(alert, check_label, now)).collect();
    page.lines("alerts", alerts.iter().map(String::as_str))?;
    let silences: Vec<String> = node.silences.iter().map(|silence| silence_line(silence, now)).collect();
    page.lines("silences", silences.iter().map(String::as_str))?;
    Ok(page.gap()?)
}

fn counts(counts: StatusCounts) -> String {
    let StatusCounts { crit, unknown, warn, ok } = counts;
    let parts = [(crit, Status::Crit), (unknown, Status::Unknown), (warn, Status::Warn), (ok, Status::Ok)];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, status)| format!("{count} {}", status.word())).collect::<Vec<_>>().join(", ")
}

fn labels(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn alert_line(alert: &Alert, check_label: &str, now: Timestamp) -> String {
    let since = format_age(age(alert.since, now));
    let value = alert.value.map(short).map(|value| format!(", value {value}")).unwrap_or_default();
    let text = match alert.summary() {
        "" => named(alert, &[check_label, SOURCE]),
        summary => summary.to_owned(),
    };
    format!(
        "{} {} {}, {since}{value}: {text} [{}]",
        alert.severity.word(),
        alert.name(),
        alert.state.word(),
        alert.fingerprint
    )
}

/// Says what an alert is about whose rule has no words for it.
fn named(alert: &Alert, labels: &[&str]) -> String {
    let labels = labels.iter().map(|name| (name, alert.labels.get(name)));
    let set = labels.filter(|(_, value)| !value.is_empty());
    set.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn silence_line(silence: &crate::fleet::node::NodeSilence, now: Timestamp) -> String {
    let hits = match (silence.alerts, silence.uncertain) {
        (_, true) => "may hit, its regex cannot be evaluated here",
        (0, _) => "hits alerts to come",
        _ => "hits alerts now",
    };
    format!("{} [{hits}]", SilenceNote::of(&silence.copy).line(now))
}
