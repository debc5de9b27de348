//! Two logs side by side: sensu-client's from before the switch and the runner's from after it.
//!
//! A log is taken in line by line and only sums are kept: per check how often which status came, fingerprints of a bounded
//! number of outputs with their numbers masked, and how many runs were missed. Checks change their minds while nothing is
//! wrong with either program, so the two sides agree where the usual status is the same, none is new, and an output was
//! seen on both sides.

use crate::wire::sensu_json::{Value, field};
use crate::wire::sensu_log::{Line, ResultLine, read};
use chrono::DateTime;
use regex::bytes::Regex;
use serde::Serialize;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::LazyLock;

/// How many different outputs are remembered of a check.
const OUTPUTS: usize = 64;
/// How much is shown of an output.
const SHOWN: usize = 200;

/// Whatever is a number differs from run to run: times, sizes, process ids.
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)[0-9]+(?:[.,:][0-9]+)*").expect("the pattern is fixed"));

/// A check, and the host that it is about where that is another.
type Name = (String, String);

/// What a log says.
#[derive(Debug, Default)]
pub struct Log {
    checks: BTreeMap<Name, Runs>,
    from: Option<i64>,
    to: Option<i64>,
    /// Lines that are no JSON, or were too long to be read.
    pub unread: u64,
}

/// The runs of one check.
#[derive(Debug, Default)]
struct Runs {
    runs: u64,
    statuses: BTreeMap<i64, u64>,
    outputs: BTreeSet<u64>,
    shown: String,
    /// Seconds between runs; none where a cron line or subdue decides.
    interval: Option<i64>,
    first: Option<i64>,
    last: Option<i64>,
    missed: u64,
}

/// How the two sides of a check stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It never ran after the switch.
    Missing,
    /// Its usual status is another, or one came that never did before.
    Status,
    /// No output was seen on both sides.
    Output,
    /// It ran less often than it should, and than before.
    Runs,
    /// It never ran before the switch.
    New,
    /// Nothing to see.
    Agrees,
}

impl Verdict {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Status => "status",
            Self::Output => "output",
            Self::Runs => "runs",
            Self::New => "new",
            Self::Agrees => "agrees",
        }
    }

    /// Whether somebody has to look before the switch is signed. A check that is new is none of it.
    pub fn is_disagreement(self) -> bool {
        !matches!(self, Self::New | Self::Agrees)
    }
}

/// One side of a check.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Side {
    /// How often it ran.
    pub runs: u64,
    /// How many runs its interval asked for that did not come.
    pub missed: u64,
    /// How often which status came.
    pub statuses: BTreeMap<i64, u64>,
    /// The beginning of its last output.
    pub output: String,
}

/// A check of either log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its name.
    pub check: String,
    /// The host that it is about, where that is not the client; else empty.
    pub source: String,
    /// How the sides stand to each other.
    pub verdict: Verdict,
    /// Before the switch.
    pub before: Side,
    /// After it.
    pub after: Side,
}

impl Log {
    /// Takes in one line, without its end.
    pub fn line(&mut self, line: &[u8]) {
        match read(line) {
            Line::Result(result) => self.result(&result),
            Line::NotJson => self.unread += u64::from(!line.is_empty()),
            Line::Scheduled(_) | Line::Other => {}
        }
    }

    /// Reports whether a result was found.
    pub fn has_results(&self) -> bool {
        !self.checks.is_empty()
    }

    fn result(&mut self, result: &ResultLine<'_>) {
        if let Some(at) = begun(result) {
            self.from = Some(self.from.map_or(at, |from| from.min(at)));
            self.to = Some(self.to.map_or(at, |to| to.max(at)));
        }
        let source = result.source.map(|source| source.to_text().into_owned()).unwrap_or_default();
        let name = (result.check.to_text().into_owned(), source);
        let runs = self.checks.entry(name).or_insert_with(|| Runs::begin(result));
        runs.add(result);
    }
}

impl Runs {
    fn begin(result: &ResultLine<'_>) -> Self {
        let fields = Value::parse(result.fields).ok();
        let fields = fields.as_ref().and_then(Value::as_object);
        let irregular = |name| fields.is_some_and(|fields| field(fields, name).is_some_and(Value::is_truthy));
        let interval = fields.and_then(|fields| field(fields, "interval")).and_then(Value::as_i64);
        let interval = interval.filter(|seconds| *seconds > 0 && !irregular("cron") && !irregular("subdue"));
        Self { interval: interval.filter(|_| result.duration.is_some()), ..Self::default() }
    }

    fn add(&mut self, result: &ResultLine<'_>) {
        self.runs += 1;
        let status = result.status.unwrap_or(3);
        *self.statuses.entry(status).or_default() += 1;
        let output = result.output.bytes();
        if self.outputs.len() < OUTPUTS {
            self.outputs.insert(fingerprint(status, &output));
        }
        self.shown = String::from_utf8_lossy(&output[..output.len().min(SHOWN)]).into_owned();
        if let Some(at) = begun(result) {
            if let Some(last) = self.last {
                self.missed += self.absent(at - last).saturating_sub(1);
            }
            self.first = self.first.or(Some(at));
            self.last = Some(at);
        }
    }

    /// How many intervals `seconds` are, half of one being jitter.
    fn absent(&self, seconds: i64) -> u64 {
        let Some(interval) = self.interval else { return 0 };
        u64::try_from(seconds.saturating_add(interval / 2) / interval).unwrap_or_default()
    }

    /// The missed runs, with those between the ends of the log and the first and the last run.
    fn all_missed(&self, log: &Log) -> u64 {
        let (Some(first), Some(last), Some(from), Some(to)) = (self.first, self.last, log.from, log.to)
        else {
            return self.missed;
        };
        // A whole interval lies between the start and the first run at most: that one is not missed.
        self.missed + self.absent(first - from).saturating_sub(1) + self.absent(to - last).saturating_sub(1)
    }

    fn side(&self, log: &Log) -> Side {
        Side {
            runs: self.runs,
            missed: self.all_missed(log),
            statuses: self.statuses.clone(),
            output: self.shown.clone(),
        }
    }

    /// The status that came most often, the worse number of equally frequent ones.
    fn usual(&self) -> Option<i64> {
        self.statuses.iter().max_by_key(|(status, count)| (**count, **status)).map(|(status, _)| *status)
    }
}

/// When a run began that was executed here. What comes by a socket may say anything, so the line's own time counts first.
fn begun(result: &ResultLine<'_>) -> Option<i64> {
    let duration = result.duration?;
    let written = DateTime::parse_from_str(&result.timestamp.to_text(), "%Y-%m-%dT%H:%M:%S%.f%z");
    match written {
        Ok(written) => Some((written.timestamp_millis() as f64 / 1000.0 - duration).round() as i64),
        Err(_) => result.executed,
    }
}

fn fingerprint(status: i64, output: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.hash(&mut hasher);
    NUMBER.replace_all(output, &b"N"[..]).hash(&mut hasher);
    hasher.finish()
}

/// Compares every check of either log, what disagrees first.
pub fn compare(before: &Log, after: &Log) -> Vec<Compared> {
    let names: BTreeSet<&Name> = before.checks.keys().chain(after.checks.keys()).collect();
    let compared = names.into_iter().map(|name| {
        let (old, new) = (before.checks.get(name), after.checks.get(name));
        let side = |runs: Option<&Runs>, log| runs.map(|runs| runs.side(log)).unwrap_or_default();
        let (check, source) = name.clone();
        let (old_side, new_side) = (side(old, before), side(new, after));
        let verdict = match (old, new) {
            (Some(_), None) => Verdict::Missing,
            (None, _) => Verdict::New,
            (Some(old), Some(new)) => judge((old, &old_side), (new, &new_side)),
        };
        Compared { check, source, verdict, before: old_side, after: new_side }
    });
    let mut compared: Vec<Compared> = compared.collect();
    compared.sort_by_key(|one| one.verdict);
    compared
}

fn judge((old, before): (&Runs, &Side), (new, after): (&Runs, &Side)) -> Verdict {
    let is_new = |status: &i64| !old.statuses.contains_key(status);
    // As many runs may be missed as before, in proportion.
    let (asked, was_asked) = (after.runs + after.missed, before.runs + before.missed);
    let allowed = (before.missed * asked).div_ceil(was_asked.max(1));
    if old.usual() != new.usual() || new.statuses.keys().any(is_new) {
        Verdict::Status
    } else if old.outputs.is_disjoint(&new.outputs) {
        Verdict::Output
    } else if after.missed > allowed {
        Verdict::Runs
    } else {
        Verdict::Agrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(check: &str, at: i64, status: i64, output: &str) -> String {
        format!(
            r#"{{"timestamp":"T","level":"info","message":"publishing check result","payload":{{"client":"n","check":{{"interval":10,"name":"{check}","executed":{at},"duration":0.1,"output":"{output}","status":{status}}}}}}}"#
        )
    }

    fn log(lines: &[String]) -> Log {
        let mut log = Log::default();
        lines.iter().for_each(|one| log.line(one.as_bytes()));
        log
    }

    fn verdicts(before: &[String], after: &[String]) -> Vec<(String, Verdict)> {
        let compared = compare(&log(before), &log(after));
        compared.into_iter().map(|one| (one.check, one.verdict)).collect()
    }

    fn every_ten(check: &str, from: i64, times: i64) -> Vec<String> {
        (0..times).map(|n| line(check, from + 10 * n, 0, &format!("OK {n}.5 MB at {}", from + n))).collect()
    }

    #[test]
    fn numbers_do_not_matter_and_words_do() {
        let before = every_ten("disk", 1_000, 9);
        assert_eq!(verdicts(&before, &every_ten("disk", 9_003, 12)), [("disk".to_owned(), Verdict::Agrees)]);
        let other = [line("disk", 9_000, 0, "ok, 5 GB")];
        assert_eq!(verdicts(&before, &other), [("disk".to_owned(), Verdict::Output)]);
        let worse = [line("disk", 9_000, 2, "OK 5.5 MB at 7")];
        assert_eq!(verdicts(&before, &worse), [("disk".to_owned(), Verdict::Status)]);
    }

    #[test]
    fn one_new_status_among_many_is_told() {
        let mut after = every_ten("disk", 9_000, 9);
        after.push(line("disk", 9_090, 3, "Unmatched client token(s): x"));
        assert_eq!(verdicts(&every_ten("disk", 0, 9), &after), [("disk".to_owned(), Verdict::Status)]);
    }

    #[test]
    fn missing_and_new_checks_are_told_apart() {
        let found = verdicts(&[line("a", 1, 0, "x")], &[line("b", 1, 0, "x")]);
        assert_eq!(found, [("a".to_owned(), Verdict::Missing), ("b".to_owned(), Verdict::New)]);
        assert!(Verdict::Missing.is_disagreement() && !Verdict::New.is_disagreement());
    }

    #[test]
    fn missed_runs_are_counted_also_at_the_end() {
        let before = [every_ten("a", 0, 30), every_ten("b", 3, 30)].concat();
        let gap = [every_ten("a", 0, 10), every_ten("a", 150, 15), every_ten("b", 3, 30)].concat();
        let compared = compare(&log(&before), &log(&gap));
        assert_eq!((compared[0].verdict, compared[0].after.missed), (Verdict::Runs, 5));
        assert_eq!((compared[1].verdict, compared[1].after.missed), (Verdict::Agrees, 0));
        let stopped = [every_ten("a", 0, 10), every_ten("b", 3, 30)].concat();
        let compared = compare(&log(&before), &log(&stopped));
        assert_eq!((compared[0].verdict, compared[0].after.missed), (Verdict::Runs, 19));
        // As many as before is as before.
        assert_eq!(compare(&log(&gap), &log(&gap))[0].verdict, Verdict::Agrees);
    }

    #[test]
    fn the_golden_log_agrees_with_itself() {
        let text = std::fs::read("fixtures/golden/sensu-client.log").expect("the fixture");
        let mut golden = Log::default();
        text.split(|byte| *byte == b'\n').for_each(|line| golden.line(line));
        assert!(golden.has_results() && golden.unread == 0);
        let compared = compare(&golden, &golden);
        assert!(compared.len() > 40 && compared.iter().all(|one| one.verdict == Verdict::Agrees));
        // What sensu-client ran in time missed nothing, whatever a socket told of other times.
        let missed =
            |name: &str| compared.iter().find(|one| one.check == name).expect("a check").after.missed;
        assert_eq!(missed("exit_255"), 0);
        assert!(missed("slow_overlap") > 0, "each second run was passed over");
    }

    #[test]
    fn torn_lines_are_counted() {
        let whole = line("a", 1, 0, "x");
        assert_eq!(log(&[whole[..40].to_owned(), whole, "ruby: warning".to_owned()]).unread, 2);
    }
}
