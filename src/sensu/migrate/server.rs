//! What belonged to Sensu's server: handlers, filters, mutators, extensions, and what the client told it.

use super::check::{handlers, text, words};
use super::{Finding, Kind, Notes};
use crate::sensu::definitions::Settings;
use crate::wire::sensu_json::{Object, Value, field};
use std::collections::BTreeMap;

/// What a client defines for the server, and what takes its place.
const CLIENT: [(&str, &str); 3] = [
    (
        "keepalive",
        "no keepalives: NodeDown of `generate rules` takes their place after two minutes; other thresholds are its `for`",
    ),
    ("registration", "no registration: service discovery knows the nodes"),
    ("deregistration", "no deregistration: a node goes with its target; silence it before"),
];

/// Services that nothing of ours talks to.
const SERVICES: [&str; 4] = ["rabbitmq", "redis", "api", "dashboard"];

pub(super) fn look_at(findings: &mut Vec<Finding>, settings: &Settings) {
    all_handlers(findings, settings);
    for (name, filter) in section(settings, "filters") {
        let negated =
            if field(filter, "negate").and_then(Value::as_bool) == Some(true) { "not " } else { "" };
        let attributes = Value::Object(filter.clone());
        let what = field(filter, "attributes").unwrap_or(&attributes).to_bytes();
        let what = String::from_utf8_lossy(&what).into_owned();
        Notes::on(findings, Kind::Filter, &name).decide(
            "attributes",
            format!("no filters: put `{negated}{what}` into the rule, or a route's matchers"),
        );
    }
    for (name, mutator) in section(settings, "mutators") {
        let command = text(mutator, "command");
        Notes::on(findings, Kind::Mutator, &name).decide(
            "command",
            format!("no mutators: what `{command}` did is a notification template's work"),
        );
    }
    for (name, _) in section(settings, "extensions") {
        Notes::on(findings, Kind::Extension, &name).decide("extension", "no extensions are loaded");
    }
    let name = settings.client_name();
    for (about, what) in CLIENT {
        if field(settings.client(), about).is_some_and(Value::is_truthy) {
            Notes::on(findings, Kind::Client, name).decide(about, what);
        }
    }
    for service in SERVICES {
        if field(settings.root(), service).is_some() {
            Notes::on(findings, Kind::Service, service)
                .differs("service", "not used: results stay on the node");
        }
    }
}

/// Every handler that is defined or named, with how many checks name it.
fn all_handlers(findings: &mut Vec<Finding>, settings: &Settings) {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for (_, check) in settings.checks() {
        let named = handlers(check);
        // The server sends what names no handler to this one.
        let named = if named.is_empty() { vec!["default"] } else { named };
        named.into_iter().for_each(|name| *used.entry(name.to_owned()).or_default() += 1);
    }
    let defined = section(settings, "handlers");
    for (name, handler) in &defined {
        let uses = used.remove(name).unwrap_or_default();
        let notes = &mut Notes::on(findings, Kind::Handler, name);
        let how = match &*text(handler, "type") {
            "set" => format!("to {}", words(handler, "handlers").join(", ")),
            "pipe" => format!("`{}`", text(handler, "command")),
            "" => "not told how".to_owned(),
            other => format!("by {other}"),
        };
        notes.decide(
            "handler",
            format!("{how}, for {}: make it a route and a receiver of Alertmanager", checks(uses)),
        );
        for about in ["filter", "filters", "mutator", "severities", "handle_silenced", "handle_flapping"] {
            if let Some(value) = field(handler, about).filter(|value| value.is_truthy()) {
                let value = String::from_utf8_lossy(&value.to_bytes()).into_owned();
                notes.decide(about, format!("{value} has to become the matchers of that route"));
            }
        }
    }
    for (name, uses) in used {
        let text = format!(
            "not defined here, for {}: its route is decided with the server's definitions",
            checks(uses)
        );
        Notes::on(findings, Kind::Handler, &name).decide("handler", text);
    }
}

fn checks(count: usize) -> String {
    match count {
        0 => "no check here".to_owned(),
        1 => "1 check".to_owned(),
        count => format!("{count} checks"),
    }
}

fn section<'a>(settings: &'a Settings, name: &str) -> Vec<(String, &'a Object)> {
    let all = field(settings.root(), name).and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, one)| Some((String::from_utf8_lossy(name).into_owned(), one.as_object()?)))
        .collect()
}
