//! Subdue: windows of the day in which a check does not run (utilities.rb:332-386).

use super::time_of_day::TimeOfDay;
use crate::wire::sensu_json::{Object, Value, field};
use chrono::{DateTime, Datelike as _, Duration, Local, NaiveDate, TimeZone as _};

/// What `subdue.days` may name; the days in chrono's order, Monday first.
pub const DAYS: [&str; 8] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "all"];

/// From when to when a check does not run; both ends belong to it.
type Window = (DateTime<Local>, DateTime<Local>);

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
    let mut inside: Vec<Window> = first
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

/// The windows of one day, in which its entry holds.
fn windows(check: &Object, day: NaiveDate) -> impl Iterator<Item = Window> {
    let days = field(check, "subdue").and_then(Value::as_object).and_then(|subdue| field(subdue, "days"));
    let days = days.and_then(Value::as_object);
    let today = DAYS[day.weekday().num_days_from_monday() as usize];
    let lists = ["all", today].map(|name| days.and_then(|days| field(days, name)).and_then(Value::as_array));
    let windows = lists.into_iter().flatten().flatten().filter_map(Value::as_object);
    windows.flat_map(move |window| {
        let time = |name| field(window, name).and_then(Value::as_str).and_then(TimeOfDay::parse);
        let (Some(begin), Some(end)) = (time("begin"), time("end")) else { return Vec::new() };
        let pieces = pieces(day, begin, end).into_iter();
        pieces.flat_map(|piece| within(piece, begin, end).into_iter().flatten()).collect()
    })
}

/// The pieces of a day in which both ends mean the same moment all along: one with a zone of its own has its own midnight.
fn pieces(day: NaiveDate, begin: TimeOfDay, end: TimeOfDay) -> Vec<Window> {
    let start = |day: NaiveDate| {
        let midnight = day.and_hms_opt(0, 0, 0)?;
        let times = [midnight, midnight + Duration::hours(1)];
        times.iter().find_map(|time| Local.from_local_datetime(time).earliest())
    };
    let (Some(first), Some(next)) = (start(day), day.succ_opt().and_then(start)) else { return Vec::new() };
    let mut starts = vec![first, next];
    starts.extend(begin.changes(first, next));
    starts.extend(end.changes(first, next));
    starts.sort();
    starts.dedup();
    starts.windows(2).map(|pair| (pair[0], pair[1] - Duration::nanoseconds(1))).collect()
}

/// What of a piece lies in a window. One that ends before it begins is the end of the day and its beginning, as the original
/// has it (utilities.rb:332-344): both of today.
fn within(piece: Window, begin: TimeOfDay, end: TimeOfDay) -> [Option<Window>; 2] {
    let at = |time: TimeOfDay| time.at(&piece.0);
    let (Some(from), Some(to)) = (at(begin), at(end)) else { return [None, None] };
    let windows = if from <= to {
        [Some((from, to)), None]
    } else {
        [at(begin.midnight()).map(|midnight| (midnight, to)), at(end.last()).map(|last| (from, last))]
    };
    windows.map(|window| {
        let (from, to) = window?;
        Some((from.max(piece.0), to.min(piece.1))).filter(|(from, to)| from <= to)
    })
}

#[cfg(test)]
mod tests {
    use super::{is_subdued, outside};
    use crate::wire::sensu_json::{Object, Value};
    use chrono::{DateTime, Duration, Local, NaiveDateTime, TimeZone as _};
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Local> {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").expect("a time");
        Local.from_local_datetime(&naive).earliest().expect("a time that exists")
    }

    fn check(days: &str) -> Object {
        let json = format!(r#"{{"subdue":{{"days":{days}}}}}"#);
        Value::parse(json.as_bytes()).expect("valid").as_object().expect("an object").clone()
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
    fn a_night_lasts_to_the_last_instant_of_the_day() {
        let night = check(r#"{"all":[{"begin":"22:00","end":"06:00"}]}"#);
        assert!(is_subdued(&night, &at("2026-11-24 23:59:59.999999999")));
        let passed = outside(&night, &at("2026-11-24 22:00:00"), &at("2026-11-25 06:00:00"));
        assert!(passed < Duration::milliseconds(1), "{passed}");
    }

    #[test]
    fn a_window_with_a_zone_is_laid_on_the_day_of_that_zone() {
        // Whatever the local zone is: in some of these the day is another one.
        for hours in -12..=14_i32 {
            let sign = if hours < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:00", hours.abs());
            let window = format!(r#"{{"all":[{{"begin":"09:00 {zone}","end":"11:30 {zone}"}}]}}"#);
            let (window, wrapped) = (check(&window), check(&window.replace("11:30", "08:00")));
            let now = |time: &str| {
                let time = format!("2026-11-24T{time}{zone}");
                DateTime::parse_from_rfc3339(&time).expect("a time").with_timezone(&Local)
            };
            for (time, in_window, in_wrapped) in [
                ("10:02:00", true, true),
                ("08:30:00", false, false),
                ("12:00:00", false, true),
                ("23:59:59.5", false, true),
                ("00:00:00", false, true),
            ] {
                assert_eq!(is_subdued(&window, &now(time)), in_window, "{time}{zone}");
                assert_eq!(is_subdued(&wrapped, &now(time)), in_wrapped, "{time}{zone}");
            }
            let passed = outside(&window, &now("00:00:00"), &now("23:59:59"));
            assert_eq!(passed.num_seconds(), 86_399 - 9000, "{zone}");
        }
    }

    #[test]
    fn windows_on_a_date_are_on_no_other_day() {
        let once = check(r#"{"all":[{"begin":"2026-11-24 09:00","end":"2026-11-26 09:00"}]}"#);
        assert!(
            is_subdued(&once, &at("2026-11-25 23:59:59.9")) && !is_subdued(&once, &at("2026-11-26 09:30:00"))
        );
        assert_eq!(outside(&once, &at("2026-11-24 00:00:00"), &at("2026-11-27 00:00:00")).num_hours(), 24);
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
    }
}
