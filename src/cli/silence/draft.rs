//! From the command line to a draft.

use super::when::parse_when;
use super::{Surroundings, WhatArgs};
use crate::cli::error::AppError;
use crate::cli::lookup::{listed, near};
use crate::cli::session::Session;
use crate::fleet::silence::{ACK_LENGTH, DEFAULT_LENGTH, Draft, Facts, Targets};
use crate::model::labels::Fingerprint;
use crate::model::matcher::{MatchOp, Matcher, MatcherError, parse_arguments};
use crate::model::text;
use crate::model::time::Timestamp;
use chrono::{Local, TimeDelta};
use std::collections::BTreeSet;
use std::time::Duration;

/// Labels that tell who noticed, not what is wrong. `instance` stays: one alert is about one node.
const STRIPPED: [&str; 6] =
    ["replica", "prometheus", "prometheus_replica", "monitor", "receive", "tenant_id"];

/// Builds the draft that the arguments describe; what should be known of how they were read goes to stderr.
pub fn of_args(
    args: &WhatArgs,
    facts: &[Facts],
    session: &mut Session<'_>,
    named: bool,
    around: &Surroundings,
) -> Result<Draft, AppError> {
    let matchers = matchers(args, facts, session)?;
    let now = session.now;
    let starts_at = args.start.as_deref().map(|text| when(text, now)).transpose()?;
    let length = args.duration.unwrap_or(if args.ack { ACK_LENGTH } else { DEFAULT_LENGTH });
    let ends_at = match &args.end {
        Some(text) => when(text, now)?,
        None => later(starts_at.unwrap_or(now), length)?,
    };
    let created_by = author(args.author.as_deref(), session, around)?;
    let mut comment = args.comment.clone().unwrap_or_default();
    if args.ack && !comment.starts_with("ACK!") {
        let text = if comment.is_empty() { format!("{created_by} is working on it") } else { comment };
        comment = format!("ACK! {text}");
    }
    let targets = match (args.all_clusters, named) {
        (true, _) => Targets::All,
        (false, true) => Targets::Named(facts.iter().map(|f| f.cluster.clone()).collect()),
        (false, false) => Targets::Matching,
    };
    Ok(Draft { matchers, starts_at, ends_at, created_by, comment, targets })
}

/// Reads a time of the command line.
pub fn when(text: &str, now: Timestamp) -> Result<Timestamp, AppError> {
    parse_when(text, now, &Local).map_err(|error| AppError::usage(error.to_string()))
}

/// Returns the time so much later.
pub fn later(from: Timestamp, by: Duration) -> Result<Timestamp, AppError> {
    let by = TimeDelta::from_std(by).ok();
    by.and_then(|by| from.checked_add_signed(by)).ok_or_else(|| AppError::usage("the end is too far away"))
}

/// Returns who is written as the author.
pub fn author(given: Option<&str>, session: &Session<'_>, around: &Surroundings) -> Result<String, AppError> {
    let policy = session.config.policy.author.as_deref();
    let name = given.or(policy).or(around.login.as_deref());
    name.map(str::to_owned)
        .ok_or_else(|| AppError::usage("nobody knows who you are").hint("give --author NAME"))
}

/// Reads matchers from arguments and tells how they were understood.
pub fn parse_matchers(arguments: &[String], session: &mut Session<'_>) -> Result<Vec<Matcher>, AppError> {
    let parsed = parse_arguments(arguments).map_err(|error| unreadable(&error))?;
    for note in &parsed.notes {
        writeln!(session.streams.err, "note: {}", text::line(note))?;
    }
    Ok(parsed.matchers)
}

fn unreadable(error: &MatcherError) -> AppError {
    let out = AppError::usage(format!("not a matcher: {error}\n{}", error.pointer()));
    error.hint.into_iter().fold(out, AppError::hint)
}

fn matchers(args: &WhatArgs, facts: &[Facts], session: &mut Session<'_>) -> Result<Vec<Matcher>, AppError> {
    let mut matchers = parse_matchers(&args.matchers, session)?;
    let mut add = |matcher: Matcher| {
        // What was written by hand wins over what is derived.
        if !matchers.iter().any(|m| m.name == matcher.name) {
            matchers.push(matcher);
        }
    };
    if let Some(fingerprint) = &args.from_alert {
        for (name, value) in alert_labels(fingerprint, facts, session)? {
            add(Matcher::new(&name, MatchOp::Equal, &value));
        }
    }
    if let Some(node) = &args.node {
        let labels: BTreeSet<&str> = facts.iter().map(|f| f.node_label.as_str()).collect();
        let one = labels.first().filter(|_| labels.len() == 1).ok_or_else(|| {
            let names = labels.iter().copied().collect::<Vec<_>>().join(", ");
            AppError::usage(format!("--node: the clusters name nodes by different labels ({names})"))
                .hint("choose clusters with --cluster, or write a matcher")
        })?;
        let explicit = args.all_clusters || session.named;
        add(Matcher::new(one, MatchOp::Equal, &node_name(node, facts, explicit, session)?));
    }
    if matchers.is_empty() {
        return Err(AppError::usage("nothing says what to silence")
            .hint("give a matcher such as alertname=NodeDown, or --node NAME, or --from-alert FINGERPRINT"));
    }
    Ok(matchers)
}

/// Returns the whole name of the node that is meant, as `iaasmon node` finds it, among those that are known. One that
/// nobody knows is taken as it stands only where the clusters are named or a part of them was not heard.
fn node_name(
    name: &str,
    facts: &[Facts],
    explicit: bool,
    session: &mut Session<'_>,
) -> Result<String, AppError> {
    let of_nodes = facts.iter().flat_map(|f| f.nodes.iter().map(|node| &*node.name));
    let of_alerts = facts.iter().flat_map(|f| f.alerts.iter().map(|a| a.labels.get(&f.node_label)));
    let known: BTreeSet<&str> = of_nodes.chain(of_alerts).filter(|known| !known.is_empty()).collect();
    match called(name, &known).as_slice() {
        [only] => Ok((*only).to_owned()),
        [] if explicit || facts.iter().any(|f| f.coverage.missing().next().is_some()) => {
            writeln!(session.streams.err, "note: --node: no node `{}` is known", text::line(name))?;
            Ok(name.to_owned())
        }
        [] => {
            let error = AppError::usage(format!("--node: there is no node `{name}`"));
            let near = near(name, known.into_iter());
            let error = match near.is_empty() {
                true => error,
                false => error.hint(format!("did you mean {}?", listed(near))),
            };
            Err(error.hint("name clusters with --cluster, or take all with --all-clusters, for one to come"))
        }
        several => Err(AppError::usage(format!("--node: `{name}` fits {} nodes", several.len()))
            .hint(format!("it may be {}", listed(several.iter().copied())))),
    }
}

/// Returns the nodes called `name`: its whole name, else without the port, else all that begin so.
fn called<'k>(name: &str, known: &BTreeSet<&'k str>) -> Vec<&'k str> {
    if let Some(exact) = known.get(name) {
        return vec![exact];
    }
    let rest = |full: &&'k str| full.strip_prefix(name);
    let is_port = |rest: &str| {
        rest.strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    };
    let begins: Vec<&str> = known.iter().copied().filter(|full| rest(full).is_some()).collect();
    let whole: Vec<&str> = begins.iter().copied().filter(|full| rest(full).is_some_and(is_port)).collect();
    if whole.is_empty() { begins } else { whole }
}

fn alert_labels(
    fingerprint: &str,
    facts: &[Facts],
    session: &Session<'_>,
) -> Result<Vec<(String, String)>, AppError> {
    let wrong = || AppError::usage(format!("--from-alert: `{fingerprint}` is no fingerprint"));
    let wanted: Fingerprint =
        fingerprint.parse().map_err(|_| wrong().hint("`iaasmon alerts -o name` lists them"))?;
    let found = facts.iter().find_map(|f| f.alerts.iter().find(|a| a.fingerprint == wanted));
    let alert = found.ok_or_else(|| {
        let silent = facts.iter().any(|f| !f.reachable);
        let error = AppError::usage(format!("--from-alert: no alert has the fingerprint {fingerprint}"));
        if silent { error.hint("some clusters did not answer: it may be there") } else { error }
    })?;
    let cluster = session.fleet.cluster(&alert.cluster);
    let dropped = cluster.map(|c| c.config.drop_labels.as_slice()).unwrap_or_default();
    let keeps = |name: &str| !STRIPPED.contains(&name) && !dropped.iter().any(|d| d == name);
    Ok(alert.labels.iter().filter(|(n, _)| keeps(n)).map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_by_its_name_with_or_without_port_or_by_a_beginning() {
        let known: BTreeSet<&str> =
            ["hv-1:9100", "hv-1.lan:9100", "hv-10:9100", "hv-2", "st-3:9100", "st-3:9200"].into();
        assert_eq!(called("hv-1:9100", &known), ["hv-1:9100"]);
        assert_eq!(called("hv-1", &known), ["hv-1:9100"]);
        assert_eq!(called("hv-2", &known), ["hv-2"]);
        assert_eq!(called("hv-10", &known), ["hv-10:9100"]);
        assert_eq!(called("hv-1.", &known), ["hv-1.lan:9100"]);
        assert_eq!(called("st-3", &known), ["st-3:9100", "st-3:9200"]);
        assert_eq!(called("hv-3", &known), [""; 0]);
    }
}
