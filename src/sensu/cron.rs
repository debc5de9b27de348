//! Cron lines as parse-cron 0.1.4 reads them: five fields, a sixth is passed over, local time.

use chrono::{DateTime, TimeZone};
use croner::parser::{CronParser, Seconds};
use regex::Regex;
use std::sync::LazyLock;

/// A cron line; without a pattern where no year has such a day.
#[derive(Debug, Clone)]
pub struct Cron(Option<croner::Cron>);

/// How many days each month has at most.
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The names for lines that parse-cron knows.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// What stands for a number, wherever it stands.
const WORDS: [(&str, &str); 19] = [
    ("jan", "1"),
    ("feb", "2"),
    ("mar", "3"),
    ("apr", "4"),
    ("may", "5"),
    ("jun", "6"),
    ("jul", "7"),
    ("aug", "8"),
    ("sep", "9"),
    ("oct", "10"),
    ("nov", "11"),
    ("dec", "12"),
    ("sun", "0"),
    ("mon", "1"),
    ("tue", "2"),
    ("wed", "3"),
    ("thu", "4"),
    ("fri", "5"),
    ("sat", "6"),
];

/// One item of a field's list (cron_parser.rb: parse_element): no `L`, `?` or `#`, and a step only after a range.
static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)^(?:\*(?:/[0-9]+)?|[0-9]+(?:-[0-9]+(?:/[0-9]+)?)?)$").expect("the pattern is fixed")
});

impl Cron {
    /// Reads a line; none where it is no cron line.
    pub fn parse(line: &str) -> Option<Self> {
        let named = NAMED.iter().find(|(name, _)| *name == line.trim()).map(|(_, line)| *line);
        let line = named.unwrap_or(line).to_ascii_lowercase();
        let line = WORDS.iter().fold(line, |line, (word, number)| line.replace(word, number));
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_field = |field: &&str| field.split(',').all(|item| ITEM.is_match(item));
        if !(5..=6).contains(&fields.len()) || !fields.iter().take(5).all(is_field) {
            return None;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let pattern = parser.parse(&fields[..5].join(" ")).ok()?;
        Some(Self(Some(pattern).filter(|_| is_ever(fields[2], fields[3], fields[4]))))
    }

    /// Returns the next whole minute strictly after `now` in which the line is true, in the zone of `now`.
    ///
    /// Where the clocks change, a line for one time of the day is true once: in the hour that comes twice the first time, and
    /// in the one that is left out as soon as that is over. One for every hour or minute goes on through both; the original
    /// fell silent for the hour that comes twice, since it plans by the hands of the clock (parse-cron, `InternalTime`).
    pub fn next_after<Z: TimeZone>(&self, now: &DateTime<Z>) -> Option<DateTime<Z>> {
        self.0.as_ref()?.find_next_occurrence(now, false).ok()
    }
}

/// Reports whether a line with these fields ever comes true. The 31st of February is the usual way to write "never", and to look
/// for it through all years takes milliseconds.
fn is_ever(days: &str, months: &str, weekdays: &str) -> bool {
    let has = |month: usize| holds(months, 1, month as u32);
    // Where both are named, a day of the week is enough.
    weekdays != "*"
        || (1..=12).any(|month| has(month) && (1..=DAYS[month - 1]).any(|day| holds(days, 1, day)))
}

/// Reports whether a field of numbers from `first` on holds one.
fn holds(field: &str, first: u32, number: u32) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap_or(first), to.parse().unwrap_or(u32::MAX)),
            None if range == "*" => (first, u32::MAX),
            None => range.parse().map_or((first, u32::MAX), |number| (number, number)),
        };
        let step = step.parse().unwrap_or(1).max(1);
        (from..=to).contains(&number) && (number - from).is_multiple_of(step)
    })
}

#[cfg(test)]
mod tests {
    use super::{Cron, CronParser, Seconds};
    use chrono::{DateTime, FixedOffset, Local, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
    use proptest::prelude::*;

    fn local(text: &str) -> DateTime<Local> {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time");
        Local.from_local_datetime(&naive).earliest().expect("a time that exists")
    }

    #[test]
    fn lines_come_true_when_cron_says() {
        // 2026-11-24 is a Tuesday.
        for (line, next) in [
            ("* * * * *", "2026-11-24 10:31:00"),
            ("*/15 * * * *", "2026-11-24 10:45:00"),
            ("0 9-17/4 * * *", "2026-11-24 13:00:00"),
            ("5,50 10 * * *", "2026-11-24 10:50:00"),
            ("0 0 * * 0", "2026-11-29 00:00:00"),
            ("0 0 * * 7", "2026-11-29 00:00:00"),
            ("0 0 * * sun", "2026-11-29 00:00:00"),
            ("0 0 * jan mon", "2027-01-04 00:00:00"),
            ("0 0 * JAN Mon-FRI", "2027-01-01 00:00:00"),
            ("0-40/20 * * * *", "2026-11-24 10:40:00"),
            ("0 0 13 * 5", "2026-11-27 00:00:00"),
            ("0 0 29 2 *", "2028-02-29 00:00:00"),
            ("30 10 * * * passed-over", "2026-11-25 10:30:00"),
            ("@hourly", "2026-11-24 11:00:00"),
            ("@daily", "2026-11-25 00:00:00"),
            ("@midnight", "2026-11-25 00:00:00"),
            ("@weekly", "2026-11-29 00:00:00"),
            ("@monthly", "2026-12-01 00:00:00"),
            ("@yearly", "2027-01-01 00:00:00"),
            ("@annually", "2027-01-01 00:00:00"),
        ] {
            let cron = Cron::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(cron.next_after(&local("2026-11-24 10:30:00")), Some(local(next)), "{line}");
        }
    }

    /// Berlin in 2026: an hour is left out on 29 March at 02:00, and one comes twice on 25 October at 02:00.
    #[derive(Debug, Clone, Copy)]
    struct Berlin;

    impl TimeZone for Berlin {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, day: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            self.offset_from_local_datetime(&day.and_hms_opt(0, 0, 0).expect("midnight"))
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
            let fits = |offset: &FixedOffset| self.offset_from_utc_datetime(&(*local - *offset)) == *offset;
            let [summer, winter] = [2, 1].map(|hours| FixedOffset::east_opt(hours * 3600).expect("a zone"));
            match (fits(&summer), fits(&winter)) {
                (true, true) => MappedLocalTime::Ambiguous(summer, winter),
                (true, false) => MappedLocalTime::Single(summer),
                (false, true) => MappedLocalTime::Single(winter),
                (false, false) => MappedLocalTime::None,
            }
        }

        fn offset_from_utc_date(&self, day: &NaiveDate) -> FixedOffset {
            self.offset_from_utc_datetime(&day.and_hms_opt(0, 0, 0).expect("midnight"))
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            let change = |month, day| {
                NaiveDate::from_ymd_opt(2026, month, day).and_then(|day| day.and_hms_opt(1, 0, 0))
            };
            let summer = change(3, 29) <= Some(*utc) && Some(*utc) < change(10, 25);
            FixedOffset::east_opt(if summer { 7200 } else { 3600 }).expect("a zone")
        }
    }

    /// When a line is true in the day that begins in Berlin at midnight, with the offset.
    fn through(day: (u32, u32), line: &str) -> Vec<String> {
        let cron = Cron::parse(line).unwrap_or_else(|| panic!("{line}"));
        let midnight = |day| Berlin.with_ymd_and_hms(2026, day_of(day).0, day_of(day).1, 0, 0, 0);
        let (begin, end) = (midnight(day).single(), midnight((day.0, day.1 + 1)).single());
        let mut now = begin.expect("midnight comes once") - chrono::Duration::seconds(1);
        let mut times = Vec::new();
        while let Some(next) = cron.next_after(&now).filter(|next| Some(*next) < end) {
            assert!(next > now, "{line}: {next} after {now}");
            times.push(next.format("%H:%M%z").to_string());
            now = next;
        }
        times
    }

    fn day_of((month, day): (u32, u32)) -> (u32, u32) {
        let last = NaiveDate::from_ymd_opt(2026, month, day).is_none();
        if last { (month + 1, 1) } else { (month, day) }
    }

    const SPRING: (u32, u32) = (3, 29);
    const AUTUMN: (u32, u32) = (10, 25);

    #[test]
    fn a_daily_line_is_true_once_on_the_days_when_the_clocks_change() {
        for (day, line, times) in [
            (SPRING, "30 1 * * *", ["01:30+0100"]),
            (SPRING, "30 2 * * *", ["03:00+0200"]),
            (SPRING, "30 3 * * *", ["03:30+0200"]),
            (AUTUMN, "30 1 * * *", ["01:30+0200"]),
            (AUTUMN, "30 2 * * *", ["02:30+0200"]),
            (AUTUMN, "0 3 * * *", ["03:00+0100"]),
        ] {
            assert_eq!(through(day, line), times, "{line}");
        }
    }

    #[test]
    fn lines_for_every_hour_or_minute_go_on_through_a_change_of_the_clocks() {
        for (day, hours) in [(SPRING, 23), (AUTUMN, 25)] {
            assert_eq!(through(day, "0 * * * *").len(), hours, "{:?}", through(day, "0 * * * *"));
            assert_eq!(through(day, "* * * * *").len(), hours * 60);
            assert_eq!(through(day, "*/15 * * * *").len(), hours * 4);
        }
        let twice = through(AUTUMN, "0 * * * *");
        assert!(twice.contains(&"02:00+0200".to_owned()) && twice.contains(&"02:00+0100".to_owned()));
    }

    proptest! {
        /// Whatever the zone does, the next time is later, a whole minute, and the same however often it is asked for.
        #[test]
        fn the_next_time_is_later_in_every_hour_of_the_year(minute in 0_i64..525_600, line in "[0-5]?[0-9] ([0-9]|\\*) \\* \\* \\*") {
            let cron = Cron::parse(&line).expect("a line");
            let begin = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().expect("a time");
            let now = (begin + chrono::Duration::minutes(minute)).with_timezone(&Berlin);
            let next = cron.next_after(&now).expect("it comes again");
            prop_assert!(next > now && next.timestamp() % 60 == 0);
            prop_assert!(next - now <= chrono::Duration::hours(26), "{next}");
        }
    }

    #[test]
    fn a_day_that_no_year_has_is_never_and_known_at_once() {
        for line in ["0 0 31 2 *", "* * 30-31 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 */2 *", "0 0 30 feb *"] {
            let cron = Cron::parse(line);
            match line {
                // January has 31 days.
                "0 0 31 */2 *" => assert!(cron.is_some_and(|cron| cron.0.is_some())),
                _ => assert!(cron.is_some_and(|cron| cron.0.is_none()), "{line}"),
            }
        }
        let now = local("2026-11-24 10:30:00");
        assert_eq!(Cron::parse("0 0 31 2 *").expect("a line").next_after(&now), None);
        assert!(Cron::parse("0 0 31 2 1").expect("a line").next_after(&now).is_some(), "a Monday will do");
    }

    proptest! {
        /// The shortcut says of no line that it never comes true which does.
        #[test]
        fn what_is_called_never_is_never(
            days in "([1-9]|[12][0-9]|3[01])(-3[01])?(,(29|3[01]))?|\\*/[1-9]|\\*",
            months in "([1-9]|1[0-2])(,(2|4))?|\\*/[1-9]|\\*",
        ) {
            let line = format!("0 0 {days} {months} *");
            let Some(cron) = Cron::parse(&line) else { return Ok(()) };
            let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
            let whole = parser.parse(&line).expect("it was read before");
            let found = whole.find_next_occurrence(&local("2026-11-24 10:30:00"), false).ok();
            prop_assert_eq!(cron.0.is_some(), found.is_some(), "{}", line);
        }
    }

    #[test]
    fn what_is_no_line_is_told() {
        for line in ["", "* * * *", "60 * * * *", "x * * * *", "* * * * * * *", "@never", "a b c d e"] {
            assert!(Cron::parse(line).is_none(), "{line}");
        }
        // What other readers of cron lines take and parse-cron does not.
        for line in [
            "0 0 L * *",
            "0 0 ? * 1",
            "0 0 * * MON#2",
            "0 0 15W * *",
            "0 0 * * 5L",
            "5/15 * * * *",
            "0 0 * january *",
            "0 0 * * monday",
            "+5 * * * *",
            "1,,2 * * * *",
        ] {
            assert!(Cron::parse(line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(line in "[0-9*/,@a-zL?#W -]{0,30}") {
            if let Some(cron) = Cron::parse(&line) {
                let now = local("2026-11-24 10:30:00");
                prop_assert!(cron.next_after(&now).is_none_or(|next| next > now));
            }
        }
    }
}
