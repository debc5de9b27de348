//! Subdue: windows of the day in which a check does not run (utilities.rb:332-386).

use crate::wire::sensu_json::{Object, Value, field};
use chrono::{DateTime, Datelike as _, Duration, FixedOffset, Local, NaiveDate, NaiveTime, TimeZone as _};
use regex::Regex;
use std::sync::LazyLock;

/// What `subdue.days` may name; the days in chrono's order, Monday first.
pub const DAYS: [&str; 8] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "all"];

/// The last instant of a day, as far as the original looks.
const LAST: (u32, u32, u32) = (23, 59, 59);

/// A time of the day, in the local zone unless it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    time: NaiveTime,
    zone: Option<FixedOffset>,
}

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i-u)^\s*(\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*(?:([ap])\.?m\.?)?\s*(?:(z|utc|gmt)|([+-])(\d{2}):?(\d{2}))?\s*$";
    Regex::new(pattern).expect("the pattern is fixed")
});

/// Reads a time of the day as Ruby's `Time.parse` reads those that occur: `09:00 AM`, `11:59:59 PM`, `17:00`, `5PM`,
/// `17:00 UTC`, `17:00 +0900`. None for anything else.
pub fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let parts = TIME.captures(text)?;
    let number = |at: usize| parts.get(at).map(|part| part.as_str().parse::<u32>().ok());
    let hour = number(1)??;
    let half = parts.get(4).map(|half| half.as_str().to_ascii_lowercase());
    if number(2).is_none() && half.is_none() {
        return None;
    }
    let hour = match half.as_deref() {
        Some(_) if hour > 12 => return None,
        Some("p") => hour % 12 + 12,
        Some(_) => hour % 12,
        None => hour,
    };
    let time = NaiveTime::from_hms_opt(hour, number(2).unwrap_or(Some(0))?, number(3).unwrap_or(Some(0))?)?;
    let zone = match (parts.get(5), parts.get(6)) {
        (Some(_), _) => FixedOffset::east_opt(0),
        (None, Some(sign)) => {
            let seconds = i32::try_from(number(7)?? * 3600 + number(8)?? * 60).ok()?;
            FixedOffset::east_opt(if sign.as_str() == "-" { -seconds } else { seconds })
        }
        (None, None) => None,
    };
    Some(TimeOfDay { time, zone })
}

/// Whether a check is subdued at `now`: in a window of today's day, or of `all`. Both ends belong to a window.
pub fn is_subdued(check: &Object, now: &DateTime<Local>) -> bool {
    windows(check, now.date_naive()).any(|(begin, end)| begin <= *now && *now <= end)
}

/// Returns how much of the time from `from` to `to` lies outside all windows: what counts for staleness.
pub fn outside(check: &Object, from: &DateTime<Local>, to: &DateTime<Local>) -> Duration {
    let whole = (*to - *from).max(Duration::zero());
    if field(check, "subdue").is_none() {
        return whole;
    }
    // Longer ago than this everything is stale, whatever was subdued.
    let first = from.date_naive().max(to.date_naive() - Duration::days(14));
    let mut inside: Vec<(DateTime<Local>, DateTime<Local>)> = first
        .iter_days()
        .take_while(|day| *day <= to.date_naive())
        .flat_map(|day| windows(check, day))
        .map(|(begin, end)| (begin.max(*from), end.min(*to)))
        .filter(|(begin, end)| begin < end)
        .collect();
    inside.sort();
    let mut subdued = Duration::zero();
    let mut covered = *from;
    for (begin, end) in inside {
        let begin = begin.max(covered);
        if end > begin {
            subdued += end - begin;
            covered = end;
        }
    }
    whole - subdued
}

/// The windows of one day. One that ends before it begins is the end of the day and its beginning, as the original has it.
fn windows(check: &Object, day: NaiveDate) -> impl Iterator<Item = (DateTime<Local>, DateTime<Local>)> {
    let days = field(check, "subdue").and_then(Value::as_object).and_then(|subdue| field(subdue, "days"));
    let days = days.and_then(Value::as_object);
    let today = DAYS[day.weekday().num_days_from_monday() as usize];
    let lists = ["all", today].map(|name| days.and_then(|days| field(days, name)).and_then(Value::as_array));
    let windows = lists.into_iter().flatten().flatten().filter_map(Value::as_object);
    windows.flat_map(move |window| {
        let time = |name| field(window, name).and_then(Value::as_str).and_then(time_of_day);
        let (Some(begin), Some(end)) = (time("begin"), time("end")) else { return Vec::new() };
        let (Some(begin), Some(end)) = (on(day, begin), on(day, end)) else { return Vec::new() };
        if begin <= end {
            return vec![(begin, end)];
        }
        let midnight = TimeOfDay { time: NaiveTime::MIN, zone: None };
        let (hour, minute, second) = LAST;
        let last = NaiveTime::from_hms_opt(hour, minute, second).map(|time| TimeOfDay { time, zone: None });
        let pairs = [(on(day, midnight), Some(end)), (Some(begin), last.and_then(|last| on(day, last)))];
        pairs.into_iter().filter_map(|(begin, end)| Some((begin?, end?))).collect()
    })
}

/// A time of a day; in an hour that a change of the clocks leaves out it is the first after it.
fn on(day: NaiveDate, time: TimeOfDay) -> Option<DateTime<Local>> {
    let naive = day.and_time(time.time);
    match time.zone {
        Some(zone) => zone.from_local_datetime(&naive).single().map(|time| time.with_timezone(&Local)),
        None => Local
            .from_local_datetime(&naive)
            .earliest()
            .or_else(|| Local.from_local_datetime(&(naive + Duration::hours(1))).earliest()),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_subdued, outside, time_of_day};
    use crate::wire::sensu_json::{Object, Value};
    use chrono::{DateTime, Duration, Local, NaiveDateTime, TimeZone as _};
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Local> {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time");
        Local.from_local_datetime(&naive).earliest().expect("a time that exists")
    }

    fn check(days: &str) -> Object {
        let json = format!(r#"{{"subdue":{{"days":{days}}}}}"#);
        Value::parse(json.as_bytes()).expect("valid").as_object().expect("an object").clone()
    }

    #[test]
    fn times_of_the_day_are_read_as_ruby_reads_them() {
        for (text, same) in [
            ("09:00 AM", "9:00"),
            ("00:00 AM", "0:00"),
            ("12:00:00 AM", "0:00:00"),
            ("12:30 PM", "12:30"),
            ("11:59:59 PM", "23:59:59"),
            ("5PM", "17:00"),
            ("5 p.m.", "17:00"),
            ("17:00:00.5", "17:00"),
            ("17:00 UTC", "17:00Z"),
            ("17:00 +09:00", "17:00+0900"),
        ] {
            assert_eq!(time_of_day(text), time_of_day(same), "{text}");
            assert!(time_of_day(text).is_some(), "{text}");
        }
        for text in ["", "noon", "24:01", "13:00 PM", "9", "09:60", "9:00 XM"] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }

    #[test]
    fn both_ends_belong_to_a_window_and_midnight_splits_one() {
        // 2026-11-24 is a Tuesday.
        let night =
            check(r#"{"tuesday":[{"begin":"22:00","end":"06:00"}],"all":[{"begin":"12:00","end":"12:30"}]}"#);
        for (time, subdued) in [
            ("2026-11-24 12:00:00", true),
            ("2026-11-24 12:30:00", true),
            ("2026-11-24 12:30:01", false),
            ("2026-11-24 05:59:59", true),
            ("2026-11-24 06:00:01", false),
            ("2026-11-24 22:00:00", true),
            ("2026-11-25 05:00:00", false),
            ("2026-11-25 12:15:00", true),
        ] {
            assert_eq!(is_subdued(&night, &at(time)), subdued, "{time}");
        }
        assert!(!is_subdued(&Object::new(), &at("2026-11-24 12:00:00")));
    }

    #[test]
    fn time_inside_windows_does_not_count() {
        let noon = check(r#"{"all":[{"begin":"12:00","end":"13:00"},{"begin":"12:30","end":"14:00"}]}"#);
        let passed = |from: &str, to: &str| outside(&noon, &at(from), &at(to)).num_minutes();
        assert_eq!(passed("2026-11-24 11:00:00", "2026-11-24 15:00:00"), 120);
        assert_eq!(passed("2026-11-24 12:10:00", "2026-11-24 13:50:00"), 0);
        assert_eq!(passed("2026-11-24 11:00:00", "2026-11-26 11:00:00"), 48 * 60 - 240);
        assert_eq!(passed("2026-11-24 11:00:00", "2026-11-24 10:00:00"), 0);
    }

    proptest! {
        #[test]
        fn what_lies_outside_is_no_more_than_the_whole(
            from in 1_700_000_000_i64..1_800_000_000, length in 0_i64..1_000_000,
            begin in 0_u32..24, end in 0_u32..24,
        ) {
            let check = check(&format!(r#"{{"all":[{{"begin":"{begin}:00","end":"{end}:30"}}]}}"#));
            let time = |seconds| Local.timestamp_opt(seconds, 0).single().expect("a time");
            let passed = outside(&check, &time(from), &time(from + length));
            prop_assert!(passed >= Duration::zero() && passed <= Duration::seconds(length));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,20}") {
            let _ = time_of_day(&text);
        }
    }
}
