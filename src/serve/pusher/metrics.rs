//! The metrics of the pushes: for each gateway a ledger that must balance, and what waits.

use super::lane::Counts;
use super::pushes::Shared;
use crate::model::time::age;
use crate::sys::clock;
use crate::wire::exposition::{Exposition, Kind};

/// An outcome: its word, and how many results had it.
type Outcome = (&'static str, fn(&Counts) -> u64);

/// What becomes of a result. What was offered is the sum of the first five, of what waits, and of one that is in flight beside a
/// newer one; those that failed are tried again.
const OUTCOMES: [Outcome; 6] = [
    ("accepted", |counts| counts.accepted),
    ("older", |counts| counts.older),
    ("refused", |counts| counts.refused),
    ("superseded", |counts| counts.superseded),
    ("dropped", |counts| counts.dropped),
    ("failed", |counts| counts.failed),
];

struct Row<'a> {
    gateway: &'a str,
    counts: Counts,
    results: f64,
    bytes: f64,
    kept: f64,
    age: f64,
    up: f64,
}

/// A gauge: its name, its help, and its value.
type Gauge = (&'static str, &'static str, fn(&Row<'_>) -> f64);

const GAUGES: [Gauge; 5] = [
    ("iaasmon_pusher_spool_results", "Results that wait for the gateway.", |row| row.results),
    ("iaasmon_pusher_spool_bytes", "The bytes of what waits for the gateway.", |row| row.bytes),
    ("iaasmon_pusher_spool_kept", "Results of the gateway that are on disk.", |row| row.kept),
    ("iaasmon_pusher_spool_age_seconds", "For how long the gateway is without the first of them.", |row| {
        row.age
    }),
    ("iaasmon_pusher_gateway_up", "Whether the gateway answered when it was last asked.", |row| row.up),
];

pub(super) fn write(out: &mut Exposition, shared: &Shared) {
    let now = clock::now();
    let rows: Vec<Row<'_>> = shared
        .gateways
        .iter()
        .map(|gateway| {
            let up = if gateway.is_up() { 1.0 } else { 0.0 };
            let lane = gateway.lane();
            let age = lane.oldest().map_or(0.0, |since| age(since, now).as_secs_f64());
            let [results, bytes, kept] =
                [lane.len(), lane.bytes(), lane.kept_results()].map(|number| number as f64);
            Row { gateway: &gateway.name, counts: lane.counts(), results, bytes, kept, age, up }
        })
        .collect();
    out.family(
        "iaasmon_pusher_results",
        "Results that were to be pushed, and checks that were to be deleted.",
        Kind::Counter,
    );
    for row in &rows {
        out.sample(&[("gateway", row.gateway)], row.counts.offered as f64);
    }
    out.family(
        "iaasmon_pusher_pushes",
        "What became of them: accepted, older than what the gateway had, refused for good, superseded by a newer one, dropped for want of room; failed ones are tried again.",
        Kind::Counter,
    );
    for row in &rows {
        for (outcome, count) in OUTCOMES {
            out.sample(&[("gateway", row.gateway), ("outcome", outcome)], count(&row.counts) as f64);
        }
    }
    for (name, help, value) in GAUGES {
        out.family(name, help, Kind::Gauge);
        for row in &rows {
            out.sample(&[("gateway", row.gateway)], value(row));
        }
    }
    if let Some(keeper) = &shared.keeper {
        let help = "Whether results that wait are kept on disk.";
        out.family("iaasmon_pusher_spool_writable", help, Kind::Gauge);
        out.sample(&[], if keeper.trouble().is_none() { 1.0 } else { 0.0 });
    }
}
