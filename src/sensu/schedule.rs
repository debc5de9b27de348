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
    if field(check, "publish").and_then(Value::as_bool) == Some(false) {
        return false;
    }
    if field(check, "standalone").is_some_and(Value::is_truthy) {
        return true;
    }
    // Those would be requested for other hosts, by attributes that only the server knew.
    if field(check, "proxy_requests").is_some_and(Value::is_truthy) {
        return false;
    }
    let subscribers = field(check, "subscribers").and_then(Value::as_array).unwrap_or_default();
    subscribers.iter().filter_map(Value::as_str).any(|one| subscriptions.contains(queue(one)))
}

/// Returns what a client subscribes to in order to get what is sent to `subscriber`.
///
/// A round robin, or a direct queue, reached one client at a time; here it is each one's own check.
pub fn queue(subscriber: &str) -> &str {
    let prefixes = ["roundrobin:", "direct:"];
    prefixes.into_iter().find_map(|prefix| subscriber.strip_prefix(prefix)).unwrap_or(subscriber)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Object {
        let read = Value::parse(text.as_bytes()).expect("JSON");
        read.as_object().expect("an object").clone()
    }

    #[test]
    fn shared_queues_are_subscriptions_of_their_own() {
        let subscriptions = HashSet::from(["web", "client:a"]);
        let here = |subscriber: &str| {
            is_here(&check(&format!(r#"{{"subscribers":["{subscriber}"]}}"#)), &subscriptions)
        };
        assert!(here("web") && here("roundrobin:web") && here("direct:web") && here("direct:client:a"));
        assert!(!here("db") && !here("direct:db") && !here("other:web") && !here("direct:roundrobin:web"));
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
