//! Times as operators type them: relative, RFC 3339, or local.

use crate::model::time::{Timestamp, parse_duration};
use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeZone};

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// No form fits.
    #[error("not a time: `{0}` (write 2h, 18:00, 2026-11-24 18:00, or 2026-11-24T18:00:00Z)")]
    Form(String),
    /// The clocks skip it.
    #[error("there is no {0} here: the clocks are put forward")]
    Skipped(String),
}

/// Reads a time: `2h` and `+2h` from now, RFC 3339, `2026-11-24 18:00` and `18:00` in `zone`, the latter being
/// the next one to come.
pub fn parse_when<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<Timestamp, WhenError> {
    let text = text.trim();
    let wrong = || WhenError::Form(text.to_owned());
    if let Ok(duration) = parse_duration(text.strip_prefix('+').unwrap_or(text)) {
        return chrono::TimeDelta::from_std(duration)
            .ok()
            .and_then(|d| now.checked_add_signed(d))
            .ok_or_else(wrong);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    // Of a time that comes twice, when clocks are put back, the first is meant: a silence that ends too early pages.
    let local = |naive: NaiveDateTime| {
        zone.from_local_datetime(&naive)
            .earliest()
            .map(|t| t.to_utc())
            .ok_or_else(|| WhenError::Skipped(text.to_owned()))
    };
    for form in ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"] {
        if let Ok(naive) = NaiveDateTime::parse_from_str(text, form) {
            return local(naive);
        }
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| wrong())?;
    let today = now.with_timezone(zone).date_naive();
    match local(today.and_time(time))? {
        past if past <= now => local(today.succ_opt().ok_or_else(wrong)?.and_time(time)),
        later => Ok(later),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    fn parsed(text: &str) -> Result<String, WhenError> {
        let now = "2026-11-24T12:00:00Z".parse().expect("a time");
        let tokyo = FixedOffset::east_opt(9 * 3600).expect("an offset");
        parse_when(text, now, &tokyo).map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("2h", "2026-11-24T14:00:00Z"),
            ("+1d12h", "2026-11-26T00:00:00Z"),
            ("2026-11-24T18:00:00Z", "2026-11-24T18:00:00Z"),
            ("2026-11-24T18:00:00+01:00", "2026-11-24T17:00:00Z"),
            ("2026-11-25 18:00", "2026-11-25T09:00:00Z"),
            ("2026-11-25T18:00:30", "2026-11-25T09:00:30Z"),
            // It is 21:00 in Tokyo.
            ("22:30", "2026-11-24T13:30:00Z"),
            ("20:00", "2026-11-25T11:00:00Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "tomorrow", "25:00", "2026-13-01 00:00", "-2h", "18"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
