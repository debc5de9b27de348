//! The exporter's metrics (DESIGN 5.3): one series per check, and what is to be known of the node as a whole.

use super::Options;
use super::state::State;
use crate::detail::bound::Judged;
use crate::detail::latest::{Entry, Key};
use crate::model::check::STATUS_METRIC;
use crate::model::status::Status;
use crate::sys::clock::Moment;
use crate::wire::exposition::{Exposition, Kind};

/// More series than the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtraSeries {
    /// `iaasmon_check_executed_timestamp_seconds`
    pub executed: bool,
    /// `iaasmon_check_duration_seconds`
    pub duration: bool,
}

type Row<'a> = (&'a Key, &'a Entry, Judged);

/// Writes them; `is_kept` says whether checkpoint and history could be written, where they are to be.
pub(super) fn write(
    out: &mut Exposition,
    state: &State,
    options: &Options,
    is_kept: Option<bool>,
    now: Moment,
) {
    let stale = state.latest.is_runner_stale(now);
    let mut rows: Vec<Row<'_>> =
        state.latest.iter().map(|(key, entry)| (key, entry, entry.judge(stale, now))).collect();
    rows.sort_unstable_by_key(|(key, _, _)| *key);
    let status = "The status of each check: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN. Past its time an OK becomes its ttl_status, or 3; \
        what fails stays as it is.";
    series(out, STATUS_METRIC, status, &rows, |_, judged| Some(judged.status.value().into()));
    if options.extra_series.executed {
        let help = "When each check last ran.";
        let name = "iaasmon_check_executed_timestamp_seconds";
        series(out, name, help, &rows, |entry, _| Some(entry.executed.timestamp_millis() as f64 / 1000.0));
    }
    if options.extra_series.duration {
        let help = "How long each check's last run took.";
        series(out, "iaasmon_check_duration_seconds", help, &rows, |entry, _| entry.duration);
    }
    let mut one = |name: &str, help: &str, kind: Kind, value: f64| {
        out.family(name, help, kind);
        out.sample(&[], value);
    };
    let help = "1 when no check of the node has a result within its bound: the runner is gone.";
    one("iaasmon_runner_stale", help, Kind::Gauge, f64::from(u8::from(stale)));
    let newest = state.latest.newest(now);
    if let Some(age) = newest {
        let lag = age.num_milliseconds().max(0) as f64 / 1000.0;
        one("iaasmon_log_lag_seconds", "The age of the newest result.", Kind::Gauge, lag);
    }
    let behind: u64 = state.logs.iter().map(|log| log.behind).sum();
    one(
        "iaasmon_log_behind_bytes",
        "Bytes of the logs that are still to be read.",
        Kind::Gauge,
        behind as f64,
    );
    let lost = state.history_lost as f64;
    one("iaasmon_history_runs_lost", "Runs that the history could not take.", Kind::Counter, lost);
    if let Some(is_kept) = is_kept {
        let help = "Whether checkpoint and history could be written when it was last tried.";
        one("iaasmon_state_writable", help, Kind::Gauge, f64::from(u8::from(is_kept)));
    }
    let refused = state.latest.labels_refused as f64;
    one("iaasmon_check_labels_refused", "Labels of definitions that are none.", Kind::Counter, refused);
    out.family("iaasmon_log_lines", "Lines of the logs by what they were.", Kind::Counter);
    let counted = &state.counted;
    for (result, count) in [
        ("result", counted.results),
        ("older", counted.older),
        ("other", counted.other),
        ("not_json", counted.not_json),
        ("too_long", counted.too_long),
        ("refused", counted.refused),
    ] {
        out.sample(&[("result", result)], count as f64);
    }
    out.family("iaasmon_checks", "Checks by status, and how many of all are stale.", Kind::Gauge);
    for status in [Status::Ok, Status::Warn, Status::Crit, Status::Unknown] {
        let word = ["ok", "warn", "crit", "unknown"][usize::from(status.value())];
        let count = rows.iter().filter(|(_, _, judged)| judged.status == status).count();
        out.sample(&[("state", word)], count as f64);
    }
    out.sample(&[("state", "stale")], rows.iter().filter(|(_, _, judged)| judged.stale).count() as f64);
}

fn series(
    out: &mut Exposition,
    name: &str,
    help: &str,
    rows: &[Row<'_>],
    value: impl Fn(&Entry, &Judged) -> Option<f64>,
) {
    out.family(name, help, Kind::Gauge);
    let mut labels: Vec<(&str, &str)> = Vec::new();
    for (key, entry, judged) in rows {
        let Some(value) = value(entry, judged) else { continue };
        labels.clear();
        labels.push(("check", &key.check));
        labels.extend(key.source.as_deref().map(|source| ("source", source)));
        labels.extend(entry.labels.iter().map(|(name, value)| (&**name, &**value)));
        out.sample(&labels, value);
    }
}
