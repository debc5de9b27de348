//! `iaasmon status`: is the monitoring itself well.

use super::args::ListArgs;
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Shape, Tone};
use super::session::Session;
use crate::fleet::filter::ReplicaSubject;
use crate::fleet::status::{Gossip, ReplicaStatus, SKEW_SECONDS, status};
use crate::model::filter::RowKind;
use crate::model::time::format_age;
use clap::Args;
use serde::Serialize;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  iaasmon status
  iaasmon status @state=down
  iaasmon status kind=alertmanager version!=0.27.0
  iaasmon status kind=~'proxy|pushgateway'
  iaasmon status -o wide --sort -latency
  iaasmon status --exit-code || echo 'look at the monitoring first'";

/// Show every server of every cluster: does it answer, how fast, how old is what it knows
///
/// AGE is that of the newest sample a Prometheus holds: more than a scrape or two means that it does not
/// scrape. PEERS is how many members an Alertmanager sees, itself included. SKEW is how far its clock is
/// ahead of ours, where that is more than 5s. PROBLEM is why it does not answer, else which notifications
/// could not be sent since it started, or why a proxy or a pushgateway is not ready. A filter knows the labels kind, replica and version, @cluster, @state (up, down) and @age.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Which servers.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// One server, with what its cluster's members see of each other.
#[derive(Debug, Clone, Serialize)]
struct Row {
    #[serde(flatten)]
    replica: ReplicaStatus,
    gossip: Option<Gossip>,
}

/// Samples older than this are not from the last scrapes, whatever the interval.
const AGE_BOUND: f64 = 180.0;

type C = Column<Row>;

const SHAPE: Shape<Row> = Shape {
    columns: &[
        C::name("cluster", |row, _| Cell::text(row.replica.replica.cluster.as_str())),
        C::word("kind", |row, _| Cell::text(row.replica.replica.kind.word())),
        C::name("replica", |row, _| Cell::text(&*row.replica.replica.name)),
        C::word(
            "state",
            |row, _| if row.replica.up { Cell::text("up") } else { Cell::text("DOWN").tone(Tone::Bad) },
        ),
        C::word("version", |row, _| Cell::text(row.replica.version.as_deref().unwrap_or(""))).droppable(6),
        C::number("latency", |row, _| {
            Cell::optional(row.replica.took_seconds, |s| format!("{:.0}ms", s * 1e3))
        })
        .droppable(4),
        C::number("age", |row, _| {
            Cell::optional(row.replica.age_seconds, |s| format!("{s:.0}s"))
                .tone(beyond(row.replica.age_seconds, AGE_BOUND))
        })
        .droppable(2),
        C::number("skew", |row, _| {
            let skew = row.replica.skew_seconds.filter(|s| s.abs() > SKEW_SECONDS);
            Cell::optional(skew, |s| format!("{s:+.1}s")).tone(Tone::Warn)
        })
        .droppable(5),
        C::number("peers", |row, _| Cell::optional(row.replica.peers.map(|n| n as f64), |n| n.to_string()))
            .droppable(3),
        C::word("gossip", |row, _| gossip(row)).droppable(1),
        C::text("problem", problem),
        C::number("up_for", |row, now| Cell::maybe_age(row.replica.started, now)).wide(),
        C::name("notifications", |row, _| Cell::text(notifications(&row.replica))).wide(),
    ],
    name: |row| format!("{}/{}", row.replica.replica.cluster, row.replica.replica.name),
};

fn beyond(value: Option<f64>, bound: f64) -> Tone {
    if excess(value, bound).is_some() { Tone::Warn } else { Tone::Plain }
}

fn excess(value: Option<f64>, bound: f64) -> Option<f64> {
    value.filter(|value| value.abs() > bound)
}

fn gossip(row: &Row) -> Cell<'_> {
    let Some(gossip) = row.gossip else { return Cell::text("") };
    let tone = match gossip {
        Gossip::Whole | Gossip::Single => Tone::Plain,
        Gossip::Partial | Gossip::Split => Tone::Bad,
        Gossip::Unknown => Tone::Unknown,
    };
    Cell::text(gossip.word()).tone(tone)
}

/// Why it does not answer, else what is wrong with what it answers: a narrow terminal has no column for that.
fn problem(row: &Row, _: crate::model::time::Timestamp) -> Cell<'_> {
    if let Some(error) = &row.replica.error {
        return Cell::text(&**error).tone(Tone::Bad);
    }
    let failing = failing(&row.replica)
        .map(|(integration, sent, failed)| format!("{integration}: {failed} of {} failed", sent.max(failed)));
    let not_ready = row.replica.not_ready.as_ref().map(|why| format!("not ready: {why}"));
    let old = excess(row.replica.age_seconds, AGE_BOUND);
    let old = old.map(|age| format!("newest sample is {} old", words_of(age)));
    let skew = excess(row.replica.skew_seconds, SKEW_SECONDS);
    let skew = skew.map(|skew| format!("clock is off by {}", words_of(skew)));
    Cell::text(failing.chain(not_ready).chain(old).chain(skew).collect::<Vec<_>>().join(", "))
        .tone(Tone::Warn)
}

fn words_of(seconds: f64) -> String {
    format_age(Duration::try_from_secs_f64(seconds.abs()).unwrap_or(Duration::MAX))
}

fn failing(replica: &ReplicaStatus) -> impl Iterator<Item = (&str, u64, u64)> {
    replica
        .notifications
        .iter()
        .filter(|(_, (_, failed))| *failed > 0)
        .map(|(integration, (sent, failed))| (integration.as_str(), *sent, *failed))
}

fn notifications(replica: &ReplicaStatus) -> String {
    let all = replica.notifications.iter().filter(|(_, (sent, failed))| sent + failed > 0);
    all.map(|(name, (sent, failed))| format!("{name}={sent}/{failed}")).collect::<Vec<_>>().join(" ")
}

/// Runs the command.
pub async fn run(args: &StatusArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Replica, session)?;
    let mut answer = session
        .ask_all(async |cluster| {
            status(cluster, |_| {}).await.map(|status| {
                let gossip = |replica: &ReplicaStatus| replica.peers.map(|_| status.gossip);
                status
                    .replicas
                    .iter()
                    .map(|r| Row { replica: r.clone(), gossip: gossip(r) })
                    .collect::<Vec<_>>()
            })
        })
        .await;
    let own = &session.labels;
    answer.value.retain(|row| filter.is_empty() || filter.shows(&ReplicaSubject::new(&row.replica, own)));
    let found = answer.value.iter().any(is_problem);
    let exit = session.list(&SHAPE, answer, &args.list, "no servers")?;
    Ok(exit.or_problems(&args.list, found))
}

fn is_problem(row: &Row) -> bool {
    let split = row.gossip.is_some_and(|gossip| matches!(gossip, Gossip::Partial | Gossip::Split));
    let ails = row.replica.not_ready.is_some() || failing(&row.replica).next().is_some();
    !row.replica.up || split || ails
}
