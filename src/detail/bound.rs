//! For how long a result holds: a frozen check is not a healthy check, and staleness is not a storm (DESIGN, rule 5).

use crate::model::status::Status;
use crate::model::time::Timestamp;
use crate::sensu::cron::Cron;
use crate::sensu::subdue;
use crate::wire::sensu_json::{Object, Value, set};
use crate::wire::sensu_log::BoundFields;
use chrono::{Duration, Local, TimeZone as _};
use std::sync::OnceLock;

/// How long after its time a result may come: a busy node starts checks late, and the log is read a moment later.
pub(super) const GRACE_SECONDS: f64 = 30.0;
/// How many runs may be missing (DESIGN, rule 5).
const INTERVALS: f64 = 3.0;
/// Further ahead nothing is planned; larger numbers are nonsense, and would overflow.
const MOST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

/// What the definition says about how long a result holds.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    interval: Option<f64>,
    ttl: Option<f64>,
    ttl_status: Option<i64>,
    cron: Option<(Box<[u8]>, Option<Cron>)>,
    /// When the newest result ran.
    executed: Timestamp,
    /// How long after that the cron line is due, worked out when somebody asks: some lines take a while, and of most results
    /// nobody asks.
    due_after: OnceLock<Option<Duration>>,
    /// The value of `subdue` as it was read, and the same as an object around it.
    subdue: Option<(Box<[u8]>, Object)>,
}

/// A result as it is to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What is exported.
    pub status: Status,
    /// Whether the result is past its bound.
    pub stale: bool,
    /// Why the status is not the result's own.
    pub reason: Option<String>,
}

impl Bound {
    /// Takes over what a line says; what is the same as before is not parsed again.
    pub fn update(&mut self, fields: &BoundFields<'_>, executed: Timestamp) {
        self.interval = fields.interval.filter(|seconds| *seconds > 0.0);
        self.ttl = fields.ttl.filter(|seconds| *seconds > 0.0);
        self.ttl_status = fields.ttl_status;
        let same = |known: Option<&Box<[u8]>>, read: Option<&[u8]>| known.map(|known| &**known) == read;
        let cron = fields.cron.map(|line| line.escaped());
        if !same(self.cron.as_ref().map(|(raw, _)| raw), cron) {
            self.cron = cron.map(|raw| (raw.into(), std::str::from_utf8(raw).ok().and_then(Cron::parse)));
        }
        (self.executed, self.due_after) = (executed, OnceLock::new());
        if !same(self.subdue.as_ref().map(|(raw, _)| raw), fields.subdue) {
            self.subdue = fields.subdue.and_then(|raw| {
                let mut check = Object::new();
                set(&mut check, "subdue", Value::parse(raw).ok()?);
                Some((raw.into(), check))
            });
        }
    }

    /// Reports whether the definition says anything about how long a result holds.
    pub fn is_bounded(&self) -> bool {
        self.ttl.is_some() || self.is_scheduled()
    }

    /// Reports whether the definition says when the check runs.
    pub(super) fn is_scheduled(&self) -> bool {
        self.interval.is_some() || self.cron.is_some()
    }

    /// Returns the seconds between runs.
    pub fn interval(&self) -> Option<f64> {
        self.interval
    }

    /// Returns by how many seconds the result is past its bound; none while it holds, or where it has no bound.
    pub(super) fn overdue(&self, executed: Timestamp, duration: Option<f64>, now: Timestamp) -> Option<f64> {
        let grace = GRACE_SECONDS + duration.unwrap_or_default();
        if let Some(ttl) = self.ttl {
            return past(self.passed(executed, now), ttl);
        }
        if self.cron.is_some() {
            let due = executed.checked_add_signed(self.due_after()?)?;
            return if due > now { None } else { past(self.passed(due, now), grace) };
        }
        let interval = self.interval?;
        past(self.passed(executed, now), INTERVALS * interval + grace)
    }

    fn due_after(&self) -> Option<Duration> {
        *self.due_after.get_or_init(|| {
            let (_, cron) = self.cron.as_ref()?;
            let due = cron.as_ref()?.next_after(&local(self.executed))?;
            Some(due.signed_duration_since(self.executed))
        })
    }

    /// Returns the seconds since `executed` that count: those inside subdue do not.
    fn passed(&self, executed: Timestamp, now: Timestamp) -> f64 {
        let passed = match &self.subdue {
            Some((_, check)) => subdue::outside(check, &local(executed), &local(now)),
            None => now - executed,
        };
        passed.max(Duration::zero()).num_milliseconds() as f64 / 1000.0
    }

    /// Reports whether a result is past its bound.
    pub fn is_past(&self, executed: Timestamp, duration: Option<f64>, now: Timestamp) -> bool {
        self.overdue(executed, duration, now).is_some()
    }

    /// Judges a result. `runner_stale` says that no check of the node holds: that is told once, not with every check.
    pub fn judge(
        &self,
        status: i64,
        executed: Timestamp,
        duration: Option<f64>,
        runner_stale: bool,
        now: Timestamp,
    ) -> Judged {
        let own = Status::from_value(status as f64);
        if !self.is_past(executed, duration, now) {
            return Judged { status: own, stale: false, reason: None };
        }
        if own != Status::Ok || runner_stale {
            return Judged { status: own, stale: true, reason: None };
        }
        let ago = (now - executed).num_seconds();
        if self.ttl.is_some() {
            // The words and the default of Sensu's server (server/process.rb: check_ttl_expired).
            let status = Status::from_value(self.ttl_status.unwrap_or(1) as f64);
            let reason = Some(format!("Last check execution was {ago} seconds ago"));
            return Judged { status, stale: true, reason };
        }
        let every = self.interval.map(|seconds| format!(", and it should run every {seconds} s"));
        let reason = format!("no result for {ago} s{}", every.unwrap_or_default());
        Judged { status: Status::Unknown, stale: true, reason: Some(reason) }
    }
}

fn past(passed: f64, allowed: f64) -> Option<f64> {
    (passed > allowed.min(MOST_SECONDS)).then_some(passed - allowed)
}

fn local(time: Timestamp) -> chrono::DateTime<Local> {
    Local.from_utc_datetime(&time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::{Bound, Judged};
    use crate::model::status::Status;
    use crate::model::time::Timestamp;
    use crate::wire::sensu_log::{Line, read};
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_795_000_000 + seconds, 0).expect("a time")
    }

    fn bound(fields: &str) -> Bound {
        let line = format!(
            r#"{{"message":"publishing check result","payload":{{"client":"c","check":{{"name":"a",{fields}"output":""}}}}}}"#
        );
        let Line::Result(result) = read(line.as_bytes()) else { panic!("{line}") };
        let mut bound = Bound::default();
        bound.update(&result.bound, at(0));
        bound
    }

    fn judge(fields: &str, status: i64, age: i64) -> (Status, bool) {
        let Judged { status, stale, .. } = bound(fields).judge(status, at(0), Some(1.0), false, at(age));
        (status, stale)
    }

    #[test]
    fn three_intervals_and_a_grace_are_allowed() {
        assert_eq!(judge(r#""interval":60,"#, 0, 211), (Status::Ok, false));
        assert_eq!(judge(r#""interval":60,"#, 0, 212), (Status::Unknown, true));
        assert_eq!(judge(r#""interval":60,"#, 2, 212), (Status::Crit, true), "a failing status stays");
        assert_eq!(judge("", 0, 1_000_000), (Status::Ok, false), "nothing says that it runs again");
        let reason =
            bound(r#""interval":60,"#).judge(0, at(0), None, false, at(300)).reason.expect("a reason");
        assert_eq!(reason, "no result for 300 s, and it should run every 60 s");
    }

    #[test]
    fn a_ttl_wins_and_has_its_own_status_and_words() {
        assert_eq!(judge(r#""interval":60,"ttl":100,"#, 0, 100), (Status::Ok, false));
        assert_eq!(judge(r#""interval":60,"ttl":100,"#, 0, 101), (Status::Warn, true));
        assert_eq!(judge(r#""ttl":100,"ttl_status":2,"#, 0, 101), (Status::Crit, true));
        assert_eq!(judge(r#""ttl":100,"ttl_status":7,"#, 0, 101), (Status::Unknown, true));
        let reason = bound(r#""ttl":100,"#).judge(0, at(0), None, false, at(300)).reason.expect("a reason");
        assert_eq!(reason, "Last check execution was 300 seconds ago");
    }

    #[test]
    fn a_cron_line_is_due_once_more_and_then_late() {
        // Due at each full hour: 1,795,000,000 is 400 seconds past one, in UTC and in every zone of full hours.
        let next = 3600 - 400;
        assert_eq!(judge(r#""cron":"0 * * * *","#, 0, next + 29), (Status::Ok, false));
        assert_eq!(judge(r#""cron":"0 * * * *","#, 0, next + 32), (Status::Unknown, true));
    }

    #[test]
    fn subdued_time_does_not_count() {
        let all_day = r#""interval":60,"subdue":{"days":{"all":[{"begin":"00:00","end":"23:59:59"}]}},"#;
        assert_eq!(judge(all_day, 0, 80_000), (Status::Ok, false));
    }

    #[test]
    fn where_nothing_holds_each_check_keeps_its_status() {
        let judged = bound(r#""interval":60,"#).judge(0, at(0), None, true, at(1000));
        assert_eq!(judged, Judged { status: Status::Ok, stale: true, reason: None });
    }

    proptest! {
        #[test]
        fn what_is_stale_stays_stale_and_a_future_result_holds(
            interval in 1_u32..100_000, status in -5_i64..300, age in -100_000_i64..1_000_000, later in 0_i64..1_000_000,
        ) {
            let bound = bound(&format!(r#""interval":{interval},"#));
            let judge = |age| bound.judge(status, at(0), None, false, at(age));
            if judge(age).stale {
                prop_assert!(judge(age + later).stale);
            }
            prop_assert!(!judge(age.min(0)).stale);
            if status != 0 {
                prop_assert_eq!(judge(age).status, Status::from_value(status as f64));
            }
        }
    }
}
