//! A check's result with its output text, as a node's detail API serves it.

use super::status::Status;
use super::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metric of a check's status, which exporters and pushgateways expose.
pub const STATUS_METRIC: &str = "iaasmon_check_status";

/// One check of one node as Prometheus knows it: a number, no text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckState {
    /// The check's name.
    pub check: Arc<str>,
    /// The host that its results are about, where that is not the node.
    pub source: Option<Arc<str>>,
    /// Its status; the worse where replicas disagree.
    pub status: Status,
    /// Whether the replicas disagree.
    pub disputed: bool,
    /// Since when its alert fires, where one does.
    #[serde(serialize_with = "super::time::serialize_option")]
    pub since: Option<Timestamp>,
}

/// A result with its output text (DESIGN: detail). Only `output` is certain to be there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// The check's name, as asked for.
    pub check: String,
    /// Its status.
    pub status: Option<Status>,
    /// When it ran.
    #[serde(serialize_with = "super::time::serialize_option")]
    pub executed: Option<Timestamp>,
    /// Seconds between runs.
    pub interval: Option<f64>,
    /// Seconds that the run took.
    pub duration: Option<f64>,
    /// Whether the result is past its bound.
    pub stale: bool,
    /// The script's own output, raw.
    pub output: String,
    /// Size of the whole output in bytes, where the server cut it.
    pub output_bytes: Option<u64>,
    /// Whether `output` was cut.
    pub output_truncated: bool,
    /// The command as defined, secrets masked by the node.
    pub command: Option<String>,
    /// Everything else the node told, in order of name.
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Detail {
    /// Returns the exit code where `status` does not tell it: a code above 3, or a result that is stale.
    pub fn exit_status(&self) -> Option<i64> {
        self.other.get("exit_status")?.as_i64()
    }
}

/// The past runs of a check, the newest first, as its node keeps them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The check's name, as asked for.
    pub check: String,
    /// The host that the results are about, where that is not the node.
    pub source: Option<String>,
    /// The runs, the newest first.
    pub runs: Vec<Run>,
}

/// One run. Its output is not kept of every run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// When it ran.
    pub executed: Option<Timestamp>,
    /// Its status.
    pub status: Option<Status>,
    /// The exit code, where it is none of those that the four statuses stand for.
    pub exit_status: Option<i64>,
    /// Seconds that it took.
    pub duration: Option<f64>,
    /// The SHA-256 of its output, by which outputs are compared that are not kept.
    pub output_sha256: Option<String>,
    /// The output, raw, where it is kept.
    pub output: Option<String>,
}

impl History {
    /// Returns the output of a run: its own, or that of another run with the same hash.
    pub fn output(&self, run: usize) -> Option<&str> {
        let run = self.runs.get(run)?;
        if let Some(output) = &run.output {
            return Some(output);
        }
        let hash = run.output_sha256.as_ref()?;
        let twins = self.runs.iter().filter(|other| other.output_sha256.as_ref() == Some(hash));
        twins.filter_map(|other| other.output.as_deref()).next()
    }

    /// Reports whether the output of a run differs from that of the run before it; nothing where that is not known.
    pub fn changed(&self, run: usize) -> Option<bool> {
        let (new, old) = (self.runs.get(run)?, self.runs.get(run + 1)?);
        match (&new.output_sha256, &old.output_sha256) {
            (Some(new), Some(old)) => Some(new != old),
            _ => Some(new.output.as_ref()? != old.output.as_ref()?),
        }
    }

    /// Returns the newest run that was well, whose output is known, and that ended before the run of this moment.
    pub fn last_ok(&self, before: Option<Timestamp>) -> Option<usize> {
        (0..self.runs.len()).find(|at| {
            let run = &self.runs[*at];
            let earlier = before.zip(run.executed).is_none_or(|(before, executed)| executed < before);
            earlier && run.status == Some(Status::Ok) && self.output(*at).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::from_epoch;

    fn run(at: f64, status: Status, hash: &str, output: Option<&str>) -> Run {
        Run {
            executed: from_epoch(at),
            status: Some(status),
            exit_status: None,
            duration: None,
            output_sha256: (!hash.is_empty()).then(|| hash.to_owned()),
            output: output.map(str::to_owned),
        }
    }

    #[test]
    fn outputs_that_are_not_kept_are_found_and_compared_by_their_hash() {
        let history = History {
            runs: vec![
                run(50.0, Status::Crit, "b", None),
                run(40.0, Status::Crit, "b", Some("full")),
                run(30.0, Status::Ok, "c", None),
                run(20.0, Status::Ok, "a", None),
                run(10.0, Status::Ok, "a", Some("fine")),
            ],
            ..History::default()
        };
        let outputs: Vec<_> = (0..6).map(|at| history.output(at)).collect();
        assert_eq!(outputs, [Some("full"), Some("full"), None, Some("fine"), Some("fine"), None]);
        let changed: Vec<_> = (0..5).map(|at| history.changed(at)).collect();
        assert_eq!(changed, [Some(false), Some(true), Some(true), Some(false), None]);
        assert_eq!(history.last_ok(from_epoch(50.0)), Some(3), "the newest whose output is known");
        assert_eq!(history.last_ok(from_epoch(20.0)), Some(4), "a run is not compared with itself");
        assert_eq!(history.last_ok(from_epoch(10.0)), None);
    }

    #[test]
    fn without_hashes_only_kept_outputs_are_compared() {
        let runs = vec![
            run(30.0, Status::Ok, "", Some("a")),
            run(20.0, Status::Ok, "", Some("b")),
            run(10.0, Status::Ok, "", None),
        ];
        let history = History { runs, ..History::default() };
        assert_eq!([history.changed(0), history.changed(1)], [Some(true), None]);
        assert_eq!(history.output(2), None);
    }
}
