//! The runner's own metrics.

use super::journal::Written;
use crate::sensu::engine::Engine;
use crate::wire::exposition::{Exposition, Kind};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn write(out: &mut Exposition, engine: &Engine, written: &Written, [good, bad]: [u64; 2]) {
    let counts = engine.counts();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let mut one = |name: &str, help: &str, kind: Kind, value: f64| {
        out.family(name, help, kind);
        out.sample(&[], value);
    };
    one("iaasmon_runner_checks", "Checks that are scheduled.", Kind::Gauge, engine.scheduled().len() as f64);
    one(
        "iaasmon_runner_checks_running",
        "Checks that run now.",
        Kind::Gauge,
        engine.in_progress().len().saturating_sub(counts.waiting()) as f64,
    );
    one(
        "iaasmon_runner_checks_waiting",
        "Checks that wait for a slot: as many as sensu.spawn.limit says run.",
        Kind::Gauge,
        counts.waiting() as f64,
    );
    one("iaasmon_runner_runs_fired", "Runs that were begun on schedule.", Kind::Counter, read(&counts.begun));
    one(
        "iaasmon_runner_lag_seconds",
        "The most by which a run of the last minute or two was begun late, its wait for a slot included.",
        Kind::Gauge,
        counts.most_late_seconds(),
    );
    one(
        "iaasmon_runner_late_seconds",
        "The time by which all runs together were begun late.",
        Kind::Counter,
        counts.late_seconds(),
    );
    one(
        "iaasmon_runner_runs_timed_out",
        "Commands that met their time limit.",
        Kind::Counter,
        read(&counts.timed_out),
    );
    one(
        "iaasmon_runner_runs_overlapped",
        "Runs that were left out because the one before ran still, or waited for a slot.",
        Kind::Counter,
        read(&counts.overlapped),
    );
    one(
        "iaasmon_runner_runs_subdued",
        "Runs that were left out while subdued.",
        Kind::Counter,
        read(&counts.subdued),
    );
    one(
        "iaasmon_runner_results_written",
        "Results that stand in the log.",
        Kind::Counter,
        written.results as f64,
    );
    one(
        "iaasmon_runner_results_waiting",
        "Results that wait until the log can be written.",
        Kind::Gauge,
        written.waiting as f64,
    );
    one(
        "iaasmon_runner_results_lost",
        "Results that a newer one replaced before the log could be written.",
        Kind::Counter,
        written.lost as f64,
    );
    one(
        "iaasmon_runner_log_lines_lost",
        "Other lines that could not be written.",
        Kind::Counter,
        written.lines_lost as f64,
    );
    out.family("iaasmon_runner_results", "Results by status.", Kind::Counter);
    for (status, count) in ["ok", "warn", "crit", "unknown"].into_iter().zip(&counts.results) {
        out.sample(&[("status", status)], read(count));
    }
    out.family("iaasmon_runner_definitions_reloads", "Reloads of the definitions.", Kind::Counter);
    for (outcome, count) in [("good", good), ("refused", bad)] {
        out.sample(&[("outcome", outcome)], count as f64);
    }
}
