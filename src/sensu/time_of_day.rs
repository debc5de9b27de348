//! Times of the day as Ruby's `Time.parse` reads them (lib/time.rb, and `Date._parse` behind it), as far as subdue needs them.
//!
//! `Date._parse` looks for a time anywhere in the text, then for a date in the rest, and passes over the words that are
//! left. Dates with the names of months, years of two digits and bare digits (`1130` is the 30th of November) are not read here.

use chrono::{DateTime, Duration, FixedOffset, Local, NaiveDate, TimeZone as _};
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A time of the day, of today and in the local zone unless it names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    date: Option<NaiveDate>,
    since_midnight: Duration,
    zone: Option<FixedOffset>,
}

/// Hour, minute, second, fraction, half of the day and zone (date_parse.c: parse_time).
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix-u)
        (?<hour>[0-9]+)\s*
        (?:
            (?: :\s*(?<m1>[0-9]+)(?:\s*:\s*(?<s1>[0-9]+)(?:[,.](?<fraction>[0-9]*))?)?
              | h(?:\s*(?<m2>[0-9]+)m?(?:\s*(?<s2>[0-9]+)s?)?)? )
            (?:\s*(?<half1>[ap])(?:m\b|\.m\.))?
          | (?<half2>[ap])(?:m\b|\.m\.)
        )
        (?:\s*(?<zone>(?:gmt|utc?)?[-+][0-9]+(?:[,.:][0-9]+(?::[0-9]+)?)?|[a-z]+(?:\sdst)?\b))?";
    Regex::new(pattern).expect("the pattern is fixed")
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r"(?-u)([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|/([0-9]{1,2})/([0-9]{1,2})|([0-9]{2})([0-9]{2}))";
    Regex::new(pattern).expect("the pattern is fixed")
});
static OFFSET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)^([-+])([0-9]{2})(?::?([0-9]{2}))?$").expect("the pattern is fixed"));

/// Ruby's table (time.rb: ZoneOffset), hours east; the letters are those of the military zones.
const ZONES: [(&str, i32); 12] = [
    ("UTC", 0),
    ("UT", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];
const EAST: &str = "ABCDEFGHIKLM";
const WEST: &str = "NOPQRSTUVWXY";

impl TimeOfDay {
    /// Reads a time; none for what `Time.parse` or we refuse.
    pub fn parse(text: &str) -> Option<Self> {
        let kept = |c: char| c.is_alphanumeric() || "-+',./:@[]".contains(c);
        let text: String = text.chars().map(|c| if kept(c) { c } else { ' ' }).collect();
        let Some(time) = TIME.captures(&text) else {
            let (date, rest) = date_in(&text)?;
            let midnight = Self { date: Some(date?), since_midnight: Duration::zero(), zone: None };
            return rest.trim().is_empty().then_some(midnight);
        };
        let rest = text.replacen(&time[0], " ", 1);
        let (date, rest) = date_in(&rest)?;
        if rest.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let zone = time.name("zone").map_or(Some(None), |zone| zone_of(zone.as_str()))?;
        Some(Self { date, since_midnight: since_midnight(&time)?, zone })
    }

    /// Returns the moment that is meant at `now`: without a date it is today's in its own zone (time.rb: make_time).
    pub fn at(&self, now: &DateTime<Local>) -> Option<DateTime<Local>> {
        let today = self.zone.map_or(now.date_naive(), |zone| now.with_timezone(&zone).date_naive());
        self.on(self.date.unwrap_or(today))
    }

    /// Returns the first moment of the day that it falls on, which for 24:00 is the next.
    pub fn midnight(&self) -> Self {
        Self { since_midnight: Duration::days(self.since_midnight.num_days()), ..*self }
    }

    /// Returns the last moment of that day, as far as Ruby's clock goes (utilities.rb:340).
    pub fn last(&self) -> Self {
        let since_midnight = self.midnight().since_midnight + Duration::days(1) - Duration::nanoseconds(1);
        Self { since_midnight, ..*self }
    }

    /// Returns the moments between `from` and `to` from which on "today" is another day for it.
    pub fn changes(&self, from: DateTime<Local>, to: DateTime<Local>) -> Vec<DateTime<Local>> {
        let next = |zone: &FixedOffset, time: &DateTime<Local>| {
            let tomorrow = time.with_timezone(zone).date_naive().succ_opt()?.and_hms_opt(0, 0, 0)?;
            zone.from_local_datetime(&tomorrow).single().map(|time| time.with_timezone(&Local))
        };
        let Some(zone) = self.zone.filter(|_| self.date.is_none()) else { return Vec::new() };
        let changes = std::iter::successors(next(&zone, &from), |time| next(&zone, time));
        changes.take_while(|time| *time < to).collect()
    }

    /// In an hour that a change of the clocks leaves out it is the same time after it.
    fn on(&self, day: NaiveDate) -> Option<DateTime<Local>> {
        let naive = day.and_hms_opt(0, 0, 0)?.checked_add_signed(self.since_midnight)?;
        match self.zone {
            Some(zone) => zone.from_local_datetime(&naive).single().map(|time| time.with_timezone(&Local)),
            None => Local
                .from_local_datetime(&naive)
                .earliest()
                .or_else(|| Local.from_local_datetime(&(naive + Duration::hours(1))).earliest()),
        }
    }
}

/// How long after midnight; Ruby's clock knows a 24:00 and a leap second.
fn since_midnight(time: &Captures<'_>) -> Option<Duration> {
    let part = |one: &str, other: &str| time.name(one).or_else(|| time.name(other)).map(|part| part.as_str());
    let number = |text: Option<&str>| text.map_or(Some(0), |text| text.parse::<i64>().ok());
    let hour = number(part("hour", "hour"))?;
    let hour = match part("half1", "half2") {
        Some("p" | "P") => hour % 12 + 12,
        Some(_) => hour % 12,
        None => hour,
    };
    let (minute, second) = (number(part("m1", "m2"))?, number(part("s1", "s2"))?);
    if minute > 59 || second > 60 || hour > 24 || (hour == 24 && (minute, second) != (0, 0)) {
        return None;
    }
    let digits = part("fraction", "fraction").unwrap_or_default();
    let nanoseconds = format!("{digits:0<9}").get(..9)?.parse().ok()?;
    Some(Duration::seconds(hour * 3600 + minute * 60 + second) + Duration::nanoseconds(nanoseconds))
}

/// Takes a date out of a text: the date where there is one, and what is left. None for one that does not exist.
fn date_in(text: &str) -> Option<(Option<NaiveDate>, String)> {
    let Some(found) = DATE.captures(text) else { return Some((None, text.to_owned())) };
    let numbers: Vec<u32> =
        found.iter().skip(1).flatten().filter_map(|part| part.as_str().parse().ok()).collect();
    let &[year, month, day] = numbers.as_slice() else { return None };
    let first = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, 1)?;
    // The 30th of February is the 2nd of March.
    let date = (1..=31).contains(&day).then(|| first + Duration::days(i64::from(day) - 1))?;
    Some((Some(date), text.replacen(&found[0], " ", 1)))
}

/// A zone (time.rb: zone_offset): `Some(None)` for a name that means nothing to Ruby, and so the local zone. None where Ruby
/// refuses it. Ruby also knows the local zone's own two names, which for most are the local zone anyway.
#[expect(clippy::option_option, reason = "refused, the local zone, and another are three answers")]
fn zone_of(name: &str) -> Option<Option<FixedOffset>> {
    if let Some(parts) = OFFSET.captures(name) {
        let number = |at: usize| parts.get(at).map_or(Some(0), |part| part.as_str().parse::<i32>().ok());
        let seconds = number(2)? * 3600 + number(3)? * 60;
        return FixedOffset::east_opt(if &parts[1] == "-" { -seconds } else { seconds }).map(Some);
    }
    let name = name.to_ascii_uppercase();
    let military = |letters: &str, sign: i32| {
        let place = letters.chars().position(|letter| name.len() == 1 && name.starts_with(letter));
        place.and_then(|place| i32::try_from(place + 1).ok()).map(|hours| sign * hours)
    };
    let hours = ZONES.iter().find(|(known, _)| *known == name).map(|(_, hours)| *hours);
    let hours = hours.or_else(|| military(EAST, 1)).or_else(|| military(WEST, -1));
    Some(hours.and_then(|hours| FixedOffset::east_opt(hours * 3600)))
}

#[cfg(test)]
mod tests {
    use super::TimeOfDay;
    use chrono::{DateTime, Local, NaiveDateTime, TimeZone as _};
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Local> {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").expect("a time");
        Local.from_local_datetime(&naive).earliest().expect("a time that exists")
    }

    /// What Ruby 3.1 makes of each at 2026-11-24 10:30:15.
    #[test]
    fn local_times_are_read_as_ruby_reads_them() {
        for (text, expected) in [
            ("17:00", "2026-11-24 17:00:00"),
            (" 9:05 ", "2026-11-24 09:05:00"),
            ("17 : 00", "2026-11-24 17:00:00"),
            ("1:2:3", "2026-11-24 01:02:03"),
            ("09:00 AM", "2026-11-24 09:00:00"),
            ("00:00 AM", "2026-11-24 00:00:00"),
            ("12:00:00 AM", "2026-11-24 00:00:00"),
            ("12:30 PM", "2026-11-24 12:30:00"),
            ("11:59:59 PM", "2026-11-24 23:59:59"),
            ("13:00 PM", "2026-11-24 13:00:00"),
            ("17:00 am", "2026-11-24 05:00:00"),
            ("0900 AM", "2026-11-24 00:00:00"),
            ("5PM", "2026-11-24 17:00:00"),
            ("5 p.m.", "2026-11-24 17:00:00"),
            ("17h", "2026-11-24 17:00:00"),
            ("9h30", "2026-11-24 09:30:00"),
            ("23:59:59.5", "2026-11-24 23:59:59.5"),
            ("17:00:05,25", "2026-11-24 17:00:05.25"),
            ("24:00", "2026-11-25 00:00:00"),
            ("24:00:00", "2026-11-25 00:00:00"),
            ("17:00:60", "2026-11-24 17:01:00"),
            ("17:00 JST", "2026-11-24 17:00:00"),
            ("17:00 EST DST", "2026-11-24 17:00:00"),
            ("17:00 Asia/Tokyo", "2026-11-24 17:00:00"),
            ("17:00 +9", "2026-11-24 17:00:00"),
            ("17:00 UTC+09:00", "2026-11-24 17:00:00"),
            ("9:00 XM", "2026-11-24 09:00:00"),
            ("Monday 17:00", "2026-11-24 17:00:00"),
            ("at 17:00, daily", "2026-11-24 17:00:00"),
            ("2026-01-01 09:00", "2026-01-01 09:00:00"),
            ("2026/1/1 9:00", "2026-01-01 09:00:00"),
            ("20260101T09:00", "2026-01-01 09:00:00"),
            ("09:00 2026-01-01", "2026-01-01 09:00:00"),
            ("2026-02-30 09:00", "2026-03-02 09:00:00"),
            ("2026-01-01", "2026-01-01 00:00:00"),
        ] {
            let time = TimeOfDay::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time.at(&at("2026-11-24 10:30:15")), Some(at(expected)), "{text}");
        }
    }

    #[test]
    fn zones_are_ruby_s_and_have_a_day_of_their_own() {
        let now = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").with_timezone(&Local);
        for (text, expected) in [
            ("17:00 UTC", "2026-11-24T17:00:00Z"),
            ("17:00Z", "2026-11-24T17:00:00Z"),
            ("17:00 (gmt)", "2026-11-24T17:00:00Z"),
            ("12:00:00 AM PST", "2026-11-24T00:00:00-08:00"),
            ("17:00 EDT", "2026-11-24T17:00:00-04:00"),
            ("17:00 A", "2026-11-24T17:00:00+01:00"),
            ("17:00 M", "2026-11-24T17:00:00+12:00"),
            ("17:00 N", "2026-11-24T17:00:00-01:00"),
            ("17:00 Y", "2026-11-23T17:00:00-12:00"),
            ("5:00 P", "2026-11-24T05:00:00-03:00"),
            ("17:00 +09:30", "2026-11-24T17:00:00+09:30"),
            ("17:00 -0900", "2026-11-24T17:00:00-09:00"),
            ("17:00 +09", "2026-11-24T17:00:00+09:00"),
            ("17:00 +14:00", "2026-11-25T17:00:00+14:00"),
            ("2026-01-01T09:00:00+09:00", "2026-01-01T09:00:00+09:00"),
        ] {
            let time = TimeOfDay::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time.at(&now("2026-11-24T10:30:15Z")), Some(now(expected)), "{text}");
        }
    }

    #[test]
    fn what_ruby_refuses_is_refused_and_so_are_the_dates_that_are_not_read() {
        for text in [
            "",
            " ",
            "noon",
            "begin",
            "9",
            "24:01",
            "25:00",
            "09:60",
            "17:00:61",
            "5 a.m",
            "5 P",
            "0900",
            "17:00 +24",
            "17:00 +2500",
            "2026-13-01 09:00",
        ] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
        for text in ["1130", "12", "Jan 1 17:00", "1/2 17:00", "17:00 5", "26-01-01 17:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,20}", near in "[0-9: hapm.+-]{0,12}[A-Z]{0,3}[0-9/-]{0,10}") {
            let now = at("2026-11-24 10:30:15");
            for text in [text, near] {
                if let Some(time) = TimeOfDay::parse(&text) {
                    let _ = (time.at(&now), time.midnight().at(&now), time.last().at(&now));
                    let _ = time.changes(now, now + chrono::Duration::days(2));
                }
            }
        }
    }
}
