//! What Sensu's definitions say of alerting: after how many bad results, to whom, and how often again.

use crate::sensu::definitions::Settings;
use crate::sensu::schedule::Timing;
use crate::wire::sensu_json::{Object, Value, field};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who handles the events of a check that names nobody (server/process.rb: `|| "default"`).
const NOBODY_NAMED: &str = "default";
/// So many names are told, of the rest their number.
const MOST_NAMES: usize = 20;
/// Prometheus refuses durations of centuries, and nobody waits for a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a check alerted under Sensu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensuCheck {
    /// Its name, as results and labels carry it.
    pub name: String,
    /// The bad result in a row that is the first to be told of; 1 where nothing is said.
    pub occurrences: u64,
    /// The time between two runs; of a cron line the shortest. None for one that nobody schedules.
    pub interval: Option<Duration>,
    /// Who is told, in order, each once; never empty.
    pub handlers: Vec<String>,
    /// How long until it is told again, where it is said.
    pub refresh: Option<Duration>,
    /// Whether anybody is ever told: not of metrics, of `handle: false`, and of what is not published.
    pub alerts: bool,
}

impl SensuCheck {
    /// Returns how long a bad status must last until the result that is told of has come: the first one begins the time, so there
    /// is one interval less than there are results.
    pub fn wait(&self) -> Duration {
        let times = u32::try_from(self.occurrences.saturating_sub(1)).unwrap_or(u32::MAX);
        self.interval.unwrap_or_default().saturating_mul(times).min(LONGEST)
    }

    fn of(check: &Object) -> Option<Self> {
        Some(Self {
            name: field(check, "name")?.as_str()?.to_owned(),
            occurrences: number(check, "occurrences").unwrap_or(1).max(1),
            interval: Timing::of(check).as_ref().and_then(interval),
            handlers: handlers(check),
            refresh: number(check, "refresh").map(Duration::from_secs),
            alerts: alerts(check),
        })
    }
}

/// Returns how every check alerted, in order of name. Of several definitions with one name the last holds.
pub fn checks(settings: &Settings) -> Vec<SensuCheck> {
    let all = settings.checks().filter_map(|(_, check)| SensuCheck::of(check));
    let named: BTreeMap<String, SensuCheck> = all.map(|check| (check.name.clone(), check)).collect();
    named.into_values().collect()
}

/// Returns what the definitions say of alerting that is not carried over, a line for each kind.
pub fn left_out(settings: &Settings) -> Vec<String> {
    let told: Vec<(&str, &Object)> = settings.checks().filter(|(_, check)| alerts(check)).collect();
    let those = |which: fn(&Object) -> bool| -> BTreeSet<String> {
        told.iter().filter(|(_, check)| which(check)).map(|(name, _)| (*name).to_owned()).collect()
    };
    let known = field(settings.root(), "handlers").and_then(Value::as_object);
    let used: BTreeSet<String> = told.iter().flat_map(|(_, check)| handlers(check)).collect();
    let handlers = |which: fn(&Object) -> bool| -> BTreeSet<String> {
        let is = |name: &String| known.and_then(|all| field(all, name)?.as_object()).is_some_and(which);
        used.iter().filter(|name| is(name)).cloned().collect()
    };
    let is_set = |handler: &Object| field(handler, "type").and_then(Value::as_str) == Some("set");
    let is_choosy =
        |handler: &Object| ["severities", "filter", "filters"].iter().any(|name| says(handler, name));
    let kinds = [
        ("occurrences that are no whole number: these checks alert at once", those(has_odd_occurrences)),
        ("`dependencies` of checks are not carried over", those(|check| says(check, "dependencies"))),
        ("handlers that are sets stay one name in the label `handlers`", handlers(is_set)),
        ("`severities` and `filters` of handlers are not carried over", handlers(is_choosy)),
    ];
    kinds.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| note(what, names)).collect()
}

fn note(what: &str, names: BTreeSet<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let first: Vec<String> = names.into_iter().take(MOST_NAMES).collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{what}: {}{more}", first.join(", "))
}

/// Reports whether a field holds anything.
fn says(of: &Object, name: &str) -> bool {
    field(of, name).is_some_and(|value| match value {
        Value::Null => false,
        value => value.as_array() != Some(&[]),
    })
}

fn has_odd_occurrences(check: &Object) -> bool {
    says(check, "occurrences") && whole(check, "occurrences").is_none()
}

fn alerts(check: &Object) -> bool {
    let is = |name, value| field(check, name).and_then(Value::as_bool) == Some(value);
    let is_metric = field(check, "type").and_then(Value::as_str) == Some("metric");
    !is_metric && !is("handle", false) && !is("publish", false)
}

/// `handlers` wins over `handler`, as in the original.
fn handlers(check: &Object) -> Vec<String> {
    let list = field(check, "handlers").and_then(Value::as_array);
    let names = list.map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let names = names.or_else(|| Some(vec![field(check, "handler")?.as_str()?]));
    let mut names: Vec<String> = names.unwrap_or_default().into_iter().map(str::to_owned).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    if names.is_empty() { vec![NOBODY_NAMED.to_owned()] } else { names }
}

/// A whole number, which Sensu took from strings too (`to_i`).
fn whole(check: &Object, name: &str) -> Option<i64> {
    let value = field(check, name)?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn number(check: &Object, name: &str) -> Option<u64> {
    u64::try_from(whole(check, name)?).ok().filter(|number| *number > 0)
}

/// Returns the shortest time between two runs, so that nobody waits for longer than the results took. That of a cron line is looked
/// for among its first runs of a year that is always the same one.
fn interval(timing: &Timing) -> Option<Duration> {
    let cron = match timing {
        Timing::Interval(interval) => return Some(*interval),
        Timing::Cron(cron) => cron,
    };
    let mut runs = Vec::new();
    let mut at: DateTime<Utc> = DateTime::from_timestamp(1_704_067_200, 0)?;
    while runs.len() < 100
        && let Some(next) = cron.next_after(&at)
    {
        at = next;
        runs.push(next);
    }
    runs.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> SensuCheck {
        let read = Value::parse(text.as_bytes()).expect("JSON");
        SensuCheck::of(read.as_object().expect("an object")).expect("a check")
    }

    #[test]
    fn the_first_bad_result_begins_the_time() {
        let seconds = |text: &str| one(text).wait().as_secs();
        assert_eq!(seconds(r#"{"name":"a","interval":60}"#), 0);
        assert_eq!(seconds(r#"{"name":"a","interval":60,"occurrences":1}"#), 0);
        assert_eq!(seconds(r#"{"name":"a","interval":60,"occurrences":3}"#), 120);
        assert_eq!(seconds(r#"{"name":"a","interval":60,"occurrences":"2"}"#), 60);
        assert_eq!(seconds(r#"{"name":"a","interval":60,"occurrences":-2}"#), 0);
        assert_eq!(seconds(r#"{"name":"a","interval":60,"occurrences":9223372036854775807}"#), 365 * 86400);
        assert_eq!(seconds(r#"{"name":"a","cron":"0 9-17 * * *","interval":5,"occurrences":2}"#), 3600);
        assert_eq!(seconds(r#"{"name":"a","cron":"0 0 31 2 *","occurrences":2}"#), 0, "it never runs");
    }

    #[test]
    fn who_is_told_is_named_once_and_in_order() {
        let of = |text: &str| one(text).handlers.join(",");
        assert_eq!(of(r#"{"name":"a","handlers":["slack","mail","slack"],"handler":"page"}"#), "mail,slack");
        assert_eq!(of(r#"{"name":"a","handler":"page"}"#), "page");
        assert_eq!(of(r#"{"name":"a"}"#), "default");
        assert_eq!(of(r#"{"name":"a","handlers":[]}"#), "default");
    }

    #[test]
    fn of_some_checks_nobody_was_told() {
        for text in [r#""handle":false"#, r#""type":"metric""#, r#""publish":false"#] {
            assert!(!one(&format!(r#"{{"name":"a",{text}}}"#)).alerts, "{text}");
        }
        assert!(one(r#"{"name":"a","handle":true,"type":"standard","publish":true}"#).alerts);
        assert_eq!(one(r#"{"name":"a","refresh":3600}"#).refresh, Some(Duration::from_secs(3600)));
    }
}
