//! Instants and durations as Prometheus and Alertmanager write them. No clock is read here.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;
use std::time::Duration;

/// A point in time, UTC.
pub type Timestamp = DateTime<Utc>;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: `{0}` (write it like 30s, 5m, 2h, 1d12h)")]
pub struct DurationError(pub String);

/// Units in the order in which Prometheus wants them, largest first, with their milliseconds.
/// Weeks and years have fixed lengths (7 and 365 days), as in Prometheus' `model.ParseDuration`.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a duration of Prometheus' grammar: `1d12h`, `90s`, `250ms`, `0`.
///
/// Each unit may stand once, larger before smaller; no sign, no fraction, no spaces.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let unit = &after[..after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len()];
        let (_, factor) = units.by_ref().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        millis = number.checked_mul(*factor).and_then(|ms| millis.checked_add(ms)).ok_or_else(wrong)?;
        rest = &after[unit.len()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(millis)) }
}

/// Writes a duration so that [`parse_duration`] reads it back: `1d12h`, `250ms`, `0s`.
/// Anything below a millisecond is dropped.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // Years and weeks are left out: `400d` is clearer to a reader than `1y5w`.
    for (name, factor) in UNITS.iter().skip(2) {
        if millis >= *factor {
            let _ = write!(text, "{}{name}", millis / factor);
            millis %= factor;
        }
    }
    text
}

/// Writes how long a run took, to what a reader compares: `11ms`, `1.5s`.
pub fn format_took(seconds: f64) -> String {
    if seconds < 0.9995 { format!("{:.0}ms", seconds * 1000.0) } else { format!("{seconds:.1}s") }
}

/// Writes how old something is, coarsely, so that a screen changes at most once a minute:
/// `6s`, `4m`, `3h`, `2d`.
pub fn format_age(age: Duration) -> String {
    let secs = age.as_secs();
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..86_400 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// Writes what is left until an end, with two units so that nobody has to calculate: `28m`, `1h12m`, `2d3h`.
pub fn format_left(left: Duration) -> String {
    let secs = left.as_secs();
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..86_400 if (secs / 60).is_multiple_of(60) => format!("{}h", secs / 3_600),
        3_600..86_400 => format!("{}h{}m", secs / 3_600, secs / 60 % 60),
        _ if (secs / 3_600).is_multiple_of(24) => format!("{}d", secs / 86_400),
        _ => format!("{}d{}h", secs / 86_400, secs / 3_600 % 24),
    }
}

/// Returns how long before `now` `then` was; zero if it is still to come.
pub fn age(then: Timestamp, now: Timestamp) -> Duration {
    (now - then).to_std().unwrap_or(Duration::ZERO)
}

/// Writes RFC 3339 with milliseconds in UTC, the form that all our JSON carries.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a time in UTC and as the operator's own clock shows it.
pub fn both_clocks(time: Timestamp) -> String {
    let local = time.with_timezone(&chrono::Local);
    format!("{} UTC = {} local", time.format("%d %b %Y %H:%M"), local.format("%d %b %H:%M"))
}

/// Serialises a time as [`rfc3339`]; for serde's `serialize_with`.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

/// Serialises an optional time as [`rfc3339`], absent as `null`; for serde's `serialize_with`.
pub fn serialize_option<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}

/// Returns the time of an epoch in (fractional) seconds; `None` outside chrono's range.
pub fn from_epoch(seconds: f64) -> Option<Timestamp> {
    // Milliseconds are all that Prometheus stores; `as` saturates and NaN becomes 0, which the range check keeps out.
    if !seconds.is_finite() {
        return None;
    }
    DateTime::from_timestamp_millis((seconds * 1e3).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_follow_prometheus() {
        for (text, millis) in [
            ("0", 0),
            ("5m", 300_000),
            ("1d12h", 129_600_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1w", 604_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "m", "-5m", "1.5h", "5m1h", "1h1h", "1 h", "5min", "99999999999999999999y"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ages_and_remainders_are_coarse() {
        let secs = Duration::from_secs;
        assert_eq!(format_age(secs(59)), "59s");
        assert_eq!(format_age(secs(7_199)), "1h");
        assert_eq!(format_left(secs(4_320)), "1h12m");
        assert_eq!(format_left(secs(7_200)), "2h");
        assert_eq!(format_left(secs(183_600)), "2d3h");
    }

    proptest! {
        #[test]
        fn formatted_durations_parse_back(millis in 0u64..10_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
