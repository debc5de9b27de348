//! What each attribute of a check comes to.

use super::Notes;
use crate::model::time::format_duration;
use crate::sensu::definitions::Settings;
use crate::sensu::schedule::{Timing, shared};
use crate::sensu::tokens::substitute;
use crate::wire::sensu_json::{Object, Value, field};
use std::collections::HashSet;
use std::time::Duration;

/// Whole attributes for which only one thing can be said.
const DECISIONS: [(&str, &str); 8] = [
    (
        "proxy_requests",
        "does not run: the server asked for it on behalf of other hosts; define it there, or here once each with `source`",
    ),
    ("aggregate", "no aggregates: count the status series in a rule"),
    ("aggregates", "no aggregates: count the status series in a rule"),
    ("dependencies", "no dependencies: write an inhibit rule of Alertmanager"),
    ("low_flap_threshold", "no flap detection: a rule's `for` and `keep_firing_for` do that work"),
    ("high_flap_threshold", "no flap detection: a rule's `for` and `keep_firing_for` do that work"),
    ("force_resolve", "no event is kept: an alert ends when the check is well"),
    ("extension", "no extensions: it does not run; write it as a command"),
];

pub(super) fn look_at(notes: &mut Notes<'_>, check: &Object, settings: &Settings) {
    schedule(notes, check, settings);
    command(notes, check);
    for (name, text) in DECISIONS {
        if field(check, name).is_some_and(Value::is_truthy) {
            notes.decide(name, text);
        }
    }
    alerting(notes, check);
    output(notes, check);
    limits(notes, check);
    tokens(notes, check, settings);
}

/// When and where it runs.
fn schedule(notes: &mut Notes<'_>, check: &Object, settings: &Settings) {
    let when = match Timing::of(check) {
        Some(Timing::Interval(every)) => format!("every {}", format_duration(every)),
        Some(Timing::Cron(_)) => format!("by cron `{}`", text(check, "cron")),
        None => "never by itself".to_owned(),
    };
    if field(check, "publish").and_then(Value::as_bool) == Some(false) {
        notes.differs("publish", "never scheduled, as before, and there is no API that could ask for it");
    } else if field(check, "standalone").is_some_and(Value::is_truthy) {
        notes.carries("schedule", format!("runs {when}"));
    } else if !field(check, "proxy_requests").is_some_and(Value::is_truthy) {
        let subscribers: Vec<&str> = words(check, "subscribers");
        let subscriptions: HashSet<&str> = settings.subscriptions().collect();
        let shared = shared(check, settings);
        if subscribers.iter().any(|one| subscriptions.contains(one)) && shared.is_empty() {
            notes.differs(
                "subscribers",
                format!("runs {when}, by the client's own clock: no server asks for it"),
            );
        } else if shared.is_empty() {
            let who = subscribers.join(", ");
            notes
                .decide("subscribers", format!("does not run here: this client subscribes to none of {who}"));
        }
        for queue in shared {
            notes.decide(
                "subscribers",
                format!("does not run here: `{queue}` reached one client at a time; make it `standalone` on one of them"),
            );
        }
    }
}

fn command(notes: &mut Notes<'_>, check: &Object) {
    let command = text(check, "command");
    if command.contains("/opt/sensu/embedded") {
        notes.decide("command", "needs /opt/sensu/embedded, which goes with Sensu's package: keep that installed, or give the plugin a Ruby");
    }
    let first = command.split_whitespace().next().unwrap_or_default();
    let is_plugin = first.starts_with("check-")
        || first.starts_with("check_")
        || first.starts_with("metrics-")
        || [".rb", ".sh", ".py", ".pl"].iter().any(|end| first.ends_with(end));
    if !first.contains('/') && is_plugin {
        notes.differs(
            "command",
            format!("`{first}` is looked for in PATH: --environment sensu sets that of Sensu's packages"),
        );
    }
}

/// What Sensu's server made of a result.
fn alerting(notes: &mut Notes<'_>, check: &Object) {
    let every = match Timing::of(check) {
        Some(Timing::Interval(every)) => Some(every),
        Some(Timing::Cron(_)) | None => None,
    };
    if let Some(times) = number(check, "occurrences").filter(|times| *times > 1.0) {
        let wait =
            every.and_then(|every| Duration::try_from_secs_f64(every.as_secs_f64() * (times - 1.0)).ok());
        let wait =
            wait.map(|wait| format!(": `generate rules --sensu` writes `for: {}`", format_duration(wait)));
        notes.differs("occurrences", format!("nobody counts to {times}{}", wait.unwrap_or_default()));
    }
    if let Some(seconds) = number(check, "refresh") {
        let every = Duration::try_from_secs_f64(seconds).map(format_duration).unwrap_or_default();
        notes.differs(
            "refresh",
            format!("Alertmanager repeats by route: `generate alertmanager --sensu` writes `repeat_interval: {every}`"),
        );
    }
    if field(check, "handle").and_then(Value::as_bool) == Some(false) {
        notes.differs("handle", "`generate rules --sensu` writes no alert of it");
    }
    if field(check, "auto_resolve").and_then(Value::as_bool) == Some(false) {
        notes.decide(
            "auto_resolve",
            "an alert ends when the check is well: `keep_firing_for` holds it for a time",
        );
    }
    if text(check, "type") == "metric" {
        notes.decide("type", "the output of a metric check is kept as text, and no metrics are taken from it: an exporter has to");
    }
    let handlers = handlers(check);
    if !handlers.is_empty() {
        let named = handlers.join(", ");
        notes.differs(
            "handlers",
            format!("Alertmanager's routes decide who is told; kept in the check's detail: {named}"),
        );
    }
    if field(check, "ttl").is_some_and(Value::is_truthy) {
        notes.carries("ttl", "past it a check that was well counts as `ttl_status`, marked as stale");
    }
    if field(check, "source").is_some_and(Value::is_truthy) {
        notes.differs(
            "source",
            "the series is this node's, with a label `source`; no client of that name appears",
        );
    }
}

fn output(notes: &mut Notes<'_>, check: &Object) {
    if ["truncate_output", "truncate_output_length"]
        .iter()
        .any(|name| field(check, name).is_some_and(Value::is_truthy))
    {
        notes.differs(
            "truncate_output",
            "the output is kept whole, up to the limits of the runner and the exporter",
        );
    }
    if let Some(hooks) = field(check, "hooks").and_then(Value::as_object) {
        notes.differs(
            "hooks",
            "what a hook said is in the result of that run alone; sensu-client repeats it in every later one",
        );
        for (name, hook) in hooks {
            let without = hook.as_object().is_some_and(|hook| field(hook, "timeout").is_none());
            if without {
                let name = String::from_utf8_lossy(name);
                notes.carries("hooks", format!("`{name}` has no timeout: it is ended after 60 s, as before"));
            }
        }
    }
    if !Value::Object(check.clone()).to_bytes().is_ascii() {
        notes.differs("text", "what is not ASCII is kept; sensu-client deletes it");
    }
}

fn limits(notes: &mut Notes<'_>, check: &Object) {
    if field(check, "command").is_none() {
        return;
    }
    match number(check, "timeout") {
        Some(seconds) if seconds < 0.0 => {
            notes.decide("timeout", "is negative: every run is UNKNOWN and the command never starts");
        }
        Some(seconds) if seconds > 0.0 => {
            if let Some(Timing::Interval(every)) = Timing::of(check)
                && seconds > every.as_secs_f64()
            {
                notes.carries(
                    "timeout",
                    "is longer than the interval: runs are passed over while one lasts, as before",
                );
            }
        }
        _ => notes.differs(
            "timeout",
            "has none: it is ended after --max-runtime, an hour by default; sensu-client waits for ever",
        ),
    }
}

fn tokens(notes: &mut Notes<'_>, check: &Object, settings: &Settings) {
    let substituted = substitute(check, settings.client());
    for token in &substituted.unmatched {
        notes.decide(
            "token",
            format!("the client has no `{token}` and there is no default: every run is UNKNOWN"),
        );
    }
    // Only in what the original shares between runs does it make a difference.
    let is_nested = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    let nested =
        check.iter().any(|(key, value)| is_nested(value) && substituted.check.get(key) != Some(value));
    if nested {
        notes.differs("token", "tokens in lists and objects are replaced in each run; sensu-client writes the first run's into the definition");
    }
}

/// The handlers that a check names.
pub(super) fn handlers(check: &Object) -> Vec<&str> {
    let one = field(check, "handler").and_then(Value::as_str);
    one.into_iter().chain(words(check, "handlers")).collect()
}

/// The texts of a list.
pub(super) fn words<'a>(object: &'a Object, name: &str) -> Vec<&'a str> {
    let list = field(object, name).and_then(Value::as_array).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> std::borrow::Cow<'a, str> {
    String::from_utf8_lossy(field(object, name).and_then(Value::as_bytes).unwrap_or_default())
}

/// A number, or a text that holds one, as Sensu's filters took it.
fn number(check: &Object, name: &str) -> Option<f64> {
    let value = field(check, name)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
