//! The rules: pure functions from facts to findings.

use super::pushed::{Gateway, gateway_rules, group_rules, scrape_rules};
use super::{Facts, Finding, Forwarder, Level, Sender, sent_by};
use crate::fleet::coverage::ReplicaCoverage;
use crate::fleet::status::{Gossip, ReplicaStatus, SKEW_SECONDS};
use crate::model::alert::AlertState;
use crate::model::cluster::ReplicaKind;
use crate::model::node::NodeUp;
use crate::model::silence::SilenceState;
use crate::model::time::format_age;
use std::collections::BTreeSet;
use std::time::Duration;

/// Prometheus' own lookback: a newest sample older than this means that it does not scrape.
const STALE_SECONDS: f64 = 300.0;

/// A copy of an alert that waits longer than this waits for a member that hangs.
const STUCK_SECONDS: f64 = 30.0;

/// Looks at everything and always says at least that all is well.
pub(super) fn examine(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for replica in &facts.status.replicas {
        findings.extend(replica_rules(facts, replica));
    }
    for sender in facts.senders {
        findings.extend(sender_rules(facts, sender));
        findings.extend(scrape_rules(facts, sender));
    }
    for forwarder in facts.forwarders {
        findings.extend(forwarder_rules(facts, forwarder));
    }
    for gateway in facts.gateways {
        findings.extend(gateway_rules(facts, gateway));
    }
    findings.extend(group_rules(facts));
    findings.extend(replica_label(facts));
    findings.extend(gossip(facts));
    findings.extend(silence_difference(facts));
    findings.extend(disagreement(facts));
    findings.extend(unsent(facts));
    findings.extend(detail_url(facts));
    findings.extend(not_looked_at(facts));
    if findings.is_empty() {
        let servers = facts.status.replicas.len();
        findings.push(finding(
            facts,
            Level::Ok,
            "all",
            format!("{servers} servers answer, agree and deliver"),
            "",
        ));
    }
    findings
}

/// Makes a finding about the cluster.
pub(super) fn finding(
    facts: &Facts<'_>,
    level: Level,
    rule: &'static str,
    text: String,
    hint: &str,
) -> Finding {
    Finding { cluster: facts.cluster.name().clone(), level, rule, text, hint: hint.to_owned() }
}

fn replica_rules(facts: &Facts<'_>, replica: &ReplicaStatus) -> Vec<Finding> {
    let name = &replica.replica.name;
    let kind = replica.replica.kind.word();
    if let Some(error) = &replica.error {
        // What that means of a proxy or a pushgateway is told where the way of alerts is looked at.
        if matches!(replica.replica.kind, ReplicaKind::Proxy | ReplicaKind::Pushgateway) {
            return Vec::new();
        }
        let text = format!("{kind} {name} does not answer: {error}");
        let stands_in = facts.status.replicas.iter().any(|r| r.up && r.replica.kind == replica.replica.kind);
        let hint = if stands_in {
            "until it is back the other replica of the pair answers alone"
        } else {
            "nobody stands in for it: what it knows is missing until it is back"
        };
        return vec![finding(facts, Level::Problem, "unreachable", text, hint)];
    }
    let mut findings = Vec::new();
    if let Some(skew) = replica.skew_seconds.filter(|s| s.abs() > SKEW_SECONDS) {
        let way = if skew > 0.0 { "ahead of" } else { "behind" };
        let text = format!(
            "the clock of {kind} {name} is {} {way} this machine's",
            format_age(Duration::from_secs_f64(skew.abs()))
        );
        findings.push(finding(
            facts,
            Level::Warning,
            "clock_skew",
            text,
            "check NTP on both: silences start and end by the server's clock",
        ));
    }
    if let Some(age) = replica.age_seconds.filter(|age| *age > STALE_SECONDS) {
        let text = format!(
            "the newest sample of {name} is {} old: it does not scrape",
            format_age(Duration::from_secs_f64(age))
        );
        findings.push(finding(
            facts,
            Level::Problem,
            "not_scraping",
            text,
            "look at its targets page and its log",
        ));
    }
    for (integration, (sent, failed)) in replica.notifications.iter().filter(|(_, (_, failed))| *failed > 0) {
        let level = if failed * 2 >= *sent { Level::Problem } else { Level::Warning };
        let text = format!(
            "{name} could not deliver {failed} of {sent} {integration} notifications since it started"
        );
        findings.push(finding(
            facts,
            level,
            "delivery",
            text,
            "its log names the reason; people may not have been told",
        ));
    }
    findings
}

fn forwarder_rules(facts: &Facts<'_>, forwarder: &Forwarder) -> Vec<Finding> {
    let name = &forwarder.name;
    let ledger = match &forwarder.ledger {
        Ok(ledger) => ledger,
        Err(why) => {
            let text = format!("proxy {name} does not answer: {why}");
            let hint = "with another proxy beside it alerts still go on; alone it stops every one";
            return vec![finding(facts, Level::Problem, "unreachable", text, hint)];
        }
    };
    let mut findings = Vec::new();
    for (member, ledger) in ledger {
        if ledger.lost > 0.0 {
            let text = format!(
                "proxy {name} could hand {} copies of alerts to no Alertmanager in time since it started",
                ledger.lost
            );
            let hint =
                "nobody was told of them unless their sender sent them again; look at the members' logs";
            findings.push(finding(facts, Level::Problem, "proxy_lost", text, hint));
        }
        if ledger.expired > ledger.lost {
            let text = format!(
                "proxy {name} could not hand {} of {} copies of alerts to {member} in time since it started",
                ledger.expired - ledger.lost,
                ledger.offered
            );
            let hint = "another member has them; compare their alerts, and look at the member's log";
            findings.push(finding(facts, Level::Warning, "proxy_expired", text, hint));
        }
        if ledger.down {
            let text = format!("{member} takes no alerts from proxy {name}");
            let hint = "the proxy's /-/ready and its log say why; the member gets the newest of each alert when it is back";
            findings.push(finding(facts, Level::Problem, "proxy_member", text, hint));
        } else if ledger.waiting > STUCK_SECONDS {
            let age = format_age(Duration::from_secs_f64(ledger.waiting));
            let text = format!(
                "{} copies of alerts wait at proxy {name} for {member}, the first since {age}",
                ledger.queued
            );
            let hint = "the member hangs; it gets the newest of each when it answers";
            findings.push(finding(facts, Level::Problem, "proxy_queue", text, hint));
        }
        if ledger.refused > 0.0 {
            let text =
                format!("{member} refused {} copies of alerts that proxy {name} handed over", ledger.refused);
            let hint = "the proxy's log names them, with the reason: a label name that this version does not take, say";
            findings.push(finding(facts, Level::Warning, "proxy_refused", text, hint));
        }
    }
    findings
}

fn sender_rules(facts: &Facts<'_>, sender: &Sender) -> Vec<Finding> {
    let name = &sender.name;
    let nodes = facts.nodes.len() as u64;
    let mut findings = Vec::new();
    if sender.records_bad == Some(false) {
        let text = format!("{name} has no rule that records {}", facts.cluster.config.bad_metric);
        findings.push(finding(
            facts,
            Level::Warning,
            "recording_rule",
            text,
            "without it every refresh scans every status series, and a node that dies resolves its alerts",
        ));
    }
    if let Some(capacity) = sender.queue_capacity.filter(|capacity| *capacity < nodes * 5 / 2) {
        // One rule that fires on every node at once is dropped down to the capacity before anything is sent.
        let level = if capacity < nodes { Level::Problem } else { Level::Warning };
        let text = format!(
            "{name} queues at most {capacity} alerts, but there are {nodes} nodes: a fleet-wide alert would lose some"
        );
        let hint = format!(
            "start it with --alertmanager.notification-queue-capacity={}",
            (nodes * 5 / 2).max(10_000)
        );
        findings.push(finding(facts, level, "queue_capacity", text, &hint));
    }
    // Where there are proxies, they are what it sends to.
    let (configured, kind, hint) = match facts.forwarders.len() {
        0 => (
            facts.cluster.alertmanager.len(),
            "alertmanagers",
            "every Prometheus must send to every Alertmanager: alerts are not gossiped",
        ),
        proxies => (
            proxies,
            "proxies",
            "every Prometheus must send to every proxy, so that each alert has two ways; `iaasmon generate prometheus` writes it so",
        ),
    };
    if let Some(active) = sender.alertmanagers.filter(|active| *active < configured) {
        let text = format!("{name} sends to {active} of {configured} {kind}");
        findings.push(finding(facts, Level::Problem, "alertmanagers", text, hint));
    }
    findings.extend(sending_rules(facts, sender));
    if let Some(failed) = sender.failed_sends.filter(|failed| *failed >= 1.0) {
        let text =
            format!("{name} failed to send or dropped about {failed:.0} alerts in the last 15 minutes");
        findings.push(finding(
            facts,
            Level::Problem,
            "failed_sends",
            text,
            "a failed batch is not sent again before the next resend; look at its log",
        ));
    }
    findings
}

/// What it counted since it started: nothing says when, and a restart of those it sends to may be behind it.
fn sending_rules(facts: &Facts<'_>, sender: &Sender) -> Vec<Finding> {
    let name = &sender.name;
    let mut findings = Vec::new();
    for (to, counts) in &sender.sending.counts {
        let whom = if to.is_empty() { String::new() } else { format!(" for {to}") };
        if counts.dropped > 0.0 {
            let text = format!("{name} dropped {} alerts{whom} since it started", counts.dropped);
            let hint = "it sends what still fires again a minute later; its log says whether the queue was full or nobody took them";
            findings.push(finding(facts, Level::Warning, "sender_lost", text, hint));
        } else if counts.errors > 0.0 {
            let text = format!("{} sends of {name}{whom} failed since it started", counts.errors);
            let hint = "what was in them went to the others alone; its log names the reason";
            findings.push(finding(facts, Level::Warning, "sender_errors", text, hint));
        }
    }
    let (queued, capacity) = (sender.sending.queued, sender.sending.capacity);
    if capacity > 0.0 && queued > capacity / 2.0 {
        let text = format!("{queued} alerts wait at {name}, whose queue takes {capacity}");
        let hint = "what it sends to is slow or hangs; when the queue is full the oldest are dropped";
        findings.push(finding(facts, Level::Problem, "sender_queue", text, hint));
    }
    findings
}

/// Two replicas that send different labels make two alerts of one.
fn replica_label(facts: &Facts<'_>) -> Option<Finding> {
    let sent: Vec<_> = facts.senders.iter().filter_map(|s| Some((&s.name, sent_by(s)?))).collect();
    let (first, labels) = sent.first()?;
    let (other, theirs) = sent.iter().find(|(_, theirs)| theirs != labels)?;
    let names = labels
        .iter()
        .chain(theirs.iter())
        .filter(|(n, _)| labels.get(n) != theirs.get(n))
        .map(|(n, _)| n.to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    let names = names.join(", ");
    let text = format!(
        "{first} and {other} send alerts with different labels ({names}): every alert is there twice"
    );
    let hint =
        format!("drop it before sending: alert_relabel_configs: [{{regex: {names}, action: labeldrop}}]");
    Some(finding(facts, Level::Problem, "replica_label", text, &hint))
}

fn gossip(facts: &Facts<'_>) -> Option<Finding> {
    let (level, what) = match facts.status.gossip {
        Gossip::Split => (
            Level::Problem,
            "do not see each other: every notification is sent twice and silences do not spread",
        ),
        Gossip::Partial => (Level::Warning, "do not all see each other: notifications may be sent twice"),
        Gossip::Single | Gossip::Whole | Gossip::Unknown => return None,
    };
    Some(finding(
        facts,
        level,
        "gossip",
        format!("the alertmanagers {what}"),
        "check --cluster.peer and the gossip port (9094, TCP and UDP)",
    ))
}

/// Active silences that only some members know; a silence just made needs a moment to spread.
fn silence_difference(facts: &Facts<'_>) -> Option<Finding> {
    let members =
        facts.status.replicas.iter().filter(|r| r.up && r.replica.kind == ReplicaKind::Alertmanager).count();
    let lone = facts
        .silences
        .iter()
        .filter(|s| s.silence.state == SilenceState::Active && s.seen_by.len() < members)
        .count();
    (lone > 0).then(|| {
        let text = format!("{lone} active silences are not known to every alertmanager");
        finding(
            facts,
            Level::Warning,
            "silence_difference",
            text,
            "a silence spreads in a second; if this stays, the members do not gossip",
        )
    })
}

fn disagreement(facts: &Facts<'_>) -> Option<Finding> {
    let checks = facts.nodes.iter().flat_map(|n| &n.failing).filter(|f| f.disputed).count();
    let split = facts.nodes.iter().filter(|n| n.up == NodeUp::Split).count();
    (checks + split > 0).then(|| {
        let text = format!("the replicas disagree about {checks} checks, and about {split} nodes being up");
        finding(
            facts,
            Level::Warning,
            "disagreement",
            text,
            "a moment's difference is normal; if it stays, one replica cannot reach some nodes",
        )
    })
}

fn unsent(facts: &Facts<'_>) -> Option<Finding> {
    let lost: Vec<&str> =
        facts.alerts.iter().filter(|a| a.state == AlertState::Unsent).map(|a| a.name()).collect();
    let text = match &lost[..] {
        [] => return None,
        [one] => format!("1 alert fires on Prometheus and is in no alertmanager ({one}): nobody is told"),
        [first, ..] => format!(
            "{} alerts fire on Prometheus and are in no alertmanager ({first}, ...): nobody is told",
            lost.len()
        ),
    };
    Some(finding(
        facts,
        Level::Problem,
        "unsent",
        text,
        "see the other findings; right after a restart this heals within a minute",
    ))
}

fn detail_url(facts: &Facts<'_>) -> Option<Finding> {
    if facts.cluster.config.detail_url.is_some() || facts.cluster.prometheus.is_empty() {
        return None;
    }
    let text = "detail_url is not set: a check's output cannot be fetched from its node".to_owned();
    Some(finding(
        facts,
        Level::Warning,
        "detail_url",
        text,
        "set detail_url = \"http://{instance}/api/v1/checks/{check}\" for this cluster",
    ))
}

/// What servers that answer otherwise did not tell. One that does not answer at all has its own finding.
fn not_looked_at(facts: &Facts<'_>) -> Vec<Finding> {
    let replicas = &facts.status.replicas;
    let down = |name: &str| replicas.iter().any(|r| r.error.is_some() && *r.replica.name == *name);
    let of_status = replicas.iter().map(|r| (&r.replica.name, &r.unread));
    let of_senders = facts.senders.iter().map(|s| (&s.name, &s.unread));
    let mut unread: BTreeSet<(&str, &str, String)> = BTreeSet::new();
    let answers = |gateway: &&Gateway| gateway.ready.is_ok();
    let of_gateways = facts.gateways.iter().filter(answers).map(|g| (&g.name, &g.unread));
    for (name, list) in of_status.chain(of_senders).chain(of_gateways) {
        unread.extend(list.iter().map(|u| (&**name, u.what, u.why.clone())));
    }
    for (what, coverage) in facts.lists {
        let why = |part: &ReplicaCoverage| {
            let parts = [part.request.as_deref(), Some(part.error.as_deref().unwrap_or("no answer"))];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        };
        unread.extend(coverage.missing().map(|part| (&*part.replica.name, *what, why(part))));
    }
    let told = unread.into_iter().filter(|(name, ..)| !down(name));
    told.map(|(name, what, why)| {
        let text = format!("not looked at: {what} of {name}: {why}");
        let hint = "what it hides may be wrong unseen; let iaasmon read it, or look there yourself";
        finding(facts, Level::Warning, "not_looked_at", text, hint)
    })
    .collect()
}
