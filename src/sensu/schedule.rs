//! Which checks run here, and when (client/process.rb:445-453).

use super::cron::Cron;
use super::definitions::Settings;
use crate::wire::sensu_json::{Object, Value, field};
use std::collections::HashSet;
use std::time::Duration;

/// When a check runs.
#[derive(Debug, Clone)]
pub enum Timing {
    /// Every so often.
    Interval(Duration),
    /// By a cron line, which wins over an interval.
    Cron(Box<Cron>),
}

impl Timing {
    /// Returns when a check runs; none for one that has neither.
    pub fn of(check: &Object) -> Option<Self> {
        if let Some(line) = field(check, "cron").and_then(Value::as_str) {
            return Cron::parse(line).map(Box::new).map(Self::Cron);
        }
        let seconds = field(check, "interval").and_then(Value::as_i64)?;
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Some(Self::Interval(Duration::from_secs(seconds)))
    }
}

/// Returns the checks that are scheduled here, with their place among all: standalone ones, as the client would, and those
/// that the server would have requested, because the client subscribes to one of their `subscribers`.
pub fn scheduled(settings: &Settings) -> Vec<(usize, &str, Timing)> {
    let subscriptions: HashSet<&str> = settings.subscriptions().collect();
    let all = settings.checks().enumerate();
    let here = all.filter_map(|(place, (_, check))| {
        let name = field(check, "name").and_then(Value::as_str)?;
        is_here(check, &subscriptions).then(|| Timing::of(check))?.map(|timing| (place, name, timing))
    });
    here.collect()
}

fn is_here(check: &Object, subscriptions: &HashSet<&str>) -> bool {
    if field(check, "standalone").is_some_and(Value::is_truthy) {
        return is_published(check);
    }
    is_requested(check) && subscribers(check).any(|one| !is_shared(one) && subscriptions.contains(one))
}

/// Returns the subscriptions by which a check reached this client alone of several, where it has no other: it is not scheduled.
///
/// From a `roundrobin:` or `direct:` queue one client at a time took a request (client/process.rb:322-331). Nobody deals them
/// out here, and a repair that is meant for one client must not run on all of them.
pub fn shared<'a>(check: &'a Object, settings: &Settings) -> Vec<&'a str> {
    let subscriptions: HashSet<&str> = settings.subscriptions().collect();
    let standalone = field(check, "standalone").is_some_and(Value::is_truthy);
    if standalone || !is_requested(check) || is_here(check, &subscriptions) {
        return Vec::new();
    }
    subscribers(check).filter(|one| is_shared(one) && subscriptions.contains(one)).collect()
}

fn is_published(check: &Object) -> bool {
    field(check, "publish").and_then(Value::as_bool) != Some(false)
}

/// Whether the server would have requested it of its subscribers. `proxy_requests` are for other hosts, by attributes that only
/// the server knew.
fn is_requested(check: &Object) -> bool {
    is_published(check) && !field(check, "proxy_requests").is_some_and(Value::is_truthy)
}

fn subscribers(check: &Object) -> impl Iterator<Item = &str> {
    let subscribers = field(check, "subscribers").and_then(Value::as_array).unwrap_or_default();
    subscribers.iter().filter_map(Value::as_str)
}

fn is_shared(subscription: &str) -> bool {
    ["roundrobin:", "direct:"].iter().any(|kind| subscription.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Object {
        let read = Value::parse(text.as_bytes()).expect("JSON");
        read.as_object().expect("an object").clone()
    }

    #[test]
    fn what_is_for_one_client_at_a_time_is_not_scheduled() {
        let subscriptions = HashSet::from(["web", "client:a", "roundrobin:web", "direct:one"]);
        let here = |subscribers: &str| {
            is_here(&check(&format!(r#"{{"subscribers":[{subscribers}]}}"#)), &subscriptions)
        };
        assert!(here(r#""web""#) && here(r#""client:a""#) && here(r#""roundrobin:web","web""#));
        assert!(!here(r#""db""#) && !here(r#""roundrobin:web""#) && !here(r#""direct:one""#));
        assert!(!here(r#""roundrobin:client:a""#) && !here(r#""direct:web""#));
    }

    #[test]
    fn what_is_not_published_or_for_other_hosts_is_not_ours() {
        let subscriptions = HashSet::from(["web"]);
        assert!(is_here(&check(r#"{"standalone":true}"#), &subscriptions));
        assert!(!is_here(&check(r#"{"standalone":true,"publish":false}"#), &subscriptions));
        let proxied = check(r#"{"subscribers":["web"],"proxy_requests":{"client_attributes":{}}}"#);
        assert!(!is_here(&proxied, &subscriptions));
    }
}
