//! Cron lines as parse-cron 0.1.4 reads them: five fields, a sixth is passed over, local time.

use chrono::{DateTime, Local};
use croner::parser::{CronParser, Seconds};

/// A cron line.
#[derive(Debug, Clone)]
pub struct Cron(croner::Cron);

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

impl Cron {
    /// Reads a line; none where it is no cron line.
    pub fn parse(line: &str) -> Option<Self> {
        let named = NAMED.iter().find(|(name, _)| *name == line.trim()).map(|(_, line)| *line);
        let fields: Vec<&str> = named.unwrap_or(line).split_ascii_whitespace().collect();
        if !(5..=6).contains(&fields.len()) {
            return None;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        parser.parse(&fields[..5].join(" ")).ok().map(Self)
    }

    /// Returns the next whole minute strictly after `now` in which the line is true.
    pub fn next_after(&self, now: &DateTime<Local>) -> Option<DateTime<Local>> {
        self.0.find_next_occurrence(now, false).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Cron;
    use chrono::{DateTime, Local, NaiveDateTime, TimeZone as _};
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

    #[test]
    fn what_is_no_line_is_told() {
        for line in ["", "* * * *", "60 * * * *", "x * * * *", "* * * * * * *", "@never", "a b c d e"] {
            assert!(Cron::parse(line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(line in "[0-9*/,@a-z -]{0,30}") {
            if let Some(cron) = Cron::parse(&line) {
                let now = local("2026-11-24 10:30:00");
                prop_assert!(cron.next_after(&now).is_none_or(|next| next > now));
            }
        }
    }
}
