//! The parallel run: Sensu's events beside the alerts of the fleet, per client and check.

use super::clusters::Cluster;
use crate::model::alert::{Alert, AlertState, Severity};
use crate::model::cluster::ClusterName;
use crate::model::status::Status;
use crate::wire::sensu_api::SensuEvent;
use serde::Serialize;
use std::collections::BTreeMap;

/// What Sensu calls the event of a client that is silent.
const KEEPALIVE: &str = "keepalive";

/// How alerts are named, so that they can be found beside events.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// The label that holds the client's name; without one the cluster's node label, a port cut off.
    pub client_label: Option<&'a str>,
    /// The alert that stands for a silent client.
    pub down_alert: &'a str,
}

/// An alert with what it has in common with events.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenAlert {
    client: String,
    check: String,
    cluster: ClusterName,
    alertname: String,
    state: AlertState,
    status: Option<Status>,
}

/// How both sides of a client's check stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Sensu has an event, nobody an alert.
    Missing,
    /// The alert fires on Prometheus, and no Alertmanager has it.
    Unsent,
    /// Both have it, with another status.
    Differs,
    /// There is an alert and no event.
    Extra,
    /// The alert waits for its `for`.
    Pending,
    /// Both say the same.
    Agrees,
}

impl Verdict {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unsent => "unsent",
            Self::Differs => "differs",
            Self::Extra => "extra",
            Self::Pending => "pending",
            Self::Agrees => "agrees",
        }
    }

    /// Whether somebody has to look.
    pub fn is_disagreement(self) -> bool {
        !matches!(self, Self::Pending | Self::Agrees)
    }
}

/// One check of one client, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// How the sides stand to each other.
    pub verdict: Verdict,
    /// Sensu's name of the client.
    pub client: String,
    /// The check.
    pub check: String,
    /// What Sensu says.
    pub event: Option<Status>,
    /// What the alert says, where it says anything.
    pub alert: Option<Status>,
    /// The alert's name.
    pub alertname: Option<String>,
    /// Its state.
    pub state: Option<&'static str>,
    /// Its cluster.
    pub cluster: Option<ClusterName>,
    /// What the check wrote, by Sensu.
    pub output: String,
}

impl SeenAlert {
    /// Finds client and check of an alert; none where it is about no check.
    pub fn of(cluster: &Cluster, alert: &Alert, naming: Naming<'_>) -> Option<Self> {
        let labels = &alert.labels;
        let node = match (labels.get("source"), naming.client_label) {
            // A result about another host: Sensu made a client of that.
            (source, _) if !source.is_empty() => source,
            (_, Some(label)) => labels.get(label),
            (_, None) => without_port(labels.get(&cluster.config.node_label)),
        };
        let check = match labels.get(&cluster.config.check_label) {
            "" if alert.name() == naming.down_alert => KEEPALIVE,
            check => check,
        };
        if node.is_empty() || check.is_empty() {
            return None;
        }
        Some(Self {
            client: node.to_owned(),
            check: check.to_owned(),
            cluster: alert.cluster.clone(),
            alertname: alert.name().to_owned(),
            state: alert.state,
            status: status(alert).filter(|_| check != KEEPALIVE),
        })
    }

    /// The alert that stands for several of one check: whoever is told of, then whoever fires.
    fn rank(&self) -> u8 {
        match self.state {
            AlertState::Pending => 2,
            AlertState::Unsent => 1,
            _ => 0,
        }
    }
}

/// The value of the rule is the check's status; where only an Alertmanager has the alert, its severity tells.
fn status(alert: &Alert) -> Option<Status> {
    match alert.value {
        Some(value) if value >= 1.0 => Some(Status::from_value(value)),
        _ => match alert.severity {
            Severity::Critical => Some(Status::Crit),
            Severity::Warning => Some(Status::Warn),
            Severity::Unknown | Severity::Info => None,
        },
    }
}

fn without_port(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => instance,
    }
}

/// Sets events beside alerts, what disagrees first. Events of status 0 are over and count for nothing.
pub fn compare(events: &[SensuEvent], alerts: &[SeenAlert]) -> Vec<Compared> {
    type Sides<'a> = (Option<&'a SensuEvent>, Vec<&'a SeenAlert>);
    let mut both: BTreeMap<(&str, &str), Sides<'_>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.status != 0) {
        both.entry((&event.client, &event.check)).or_default().0 = Some(event);
    }
    for alert in alerts {
        both.entry((&alert.client, &alert.check)).or_default().1.push(alert);
    }
    let mut compared: Vec<Compared> = both
        .into_iter()
        .filter_map(|((client, check), (event, alerts))| {
            let said = event.map(|event| Status::from_value(event.status as f64));
            // Of several rules about one check the one that says what Sensu says is meant.
            let differs = |alert: &SeenAlert| {
                matches!((said, alert.status), (Some(a), Some(b)) if a != b) && check != KEEPALIVE
            };
            let alert = alerts.into_iter().min_by_key(|alert| (alert.rank(), differs(alert)));
            let verdict = match (event, alert) {
                (Some(_), None) => Verdict::Missing,
                (None, Some(alert)) if alert.state == AlertState::Pending => return None,
                (None, _) => Verdict::Extra,
                (Some(_), Some(alert)) if differs(alert) => Verdict::Differs,
                (Some(_), Some(alert)) => match alert.state {
                    AlertState::Pending => Verdict::Pending,
                    AlertState::Unsent => Verdict::Unsent,
                    _ => Verdict::Agrees,
                },
            };
            Some(Compared {
                verdict,
                client: client.to_owned(),
                check: check.to_owned(),
                event: said,
                alert: alert.and_then(|alert| alert.status),
                alertname: alert.map(|alert| alert.alertname.clone()),
                state: alert.map(|alert| alert.state.word()),
                cluster: alert.map(|alert| alert.cluster.clone()),
                output: event.map(|event| event.output.clone()).unwrap_or_default(),
            })
        })
        .collect();
    compared.sort_by_key(|one| one.verdict);
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(client: &str, check: &str, status: i64) -> SensuEvent {
        SensuEvent {
            client: client.to_owned(),
            check: check.to_owned(),
            status,
            output: String::new(),
            silenced: false,
        }
    }

    fn alert(client: &str, check: &str, state: AlertState, status: Option<Status>) -> SeenAlert {
        let (client, check, alertname) = (client.to_owned(), check.to_owned(), "CheckFailed".to_owned());
        SeenAlert { client, check, cluster: "east".into(), alertname, state, status }
    }

    fn verdicts(events: &[SensuEvent], alerts: &[SeenAlert]) -> Vec<(Verdict, String)> {
        compare(events, alerts).into_iter().map(|one| (one.verdict, one.check)).collect()
    }

    #[test]
    fn every_verdict_has_its_reason_and_the_worst_come_first() {
        let events = ["agrees", "differs", "missing", "pending", "silenced", "unsent"]
            .map(|check| event("n", check, 2));
        let crit = Some(Status::Crit);
        let alerts = [
            alert("n", "agrees", AlertState::Active, crit),
            alert("n", "differs", AlertState::Active, Some(Status::Warn)),
            alert("n", "extra", AlertState::Active, crit),
            alert("n", "only-pending", AlertState::Pending, crit),
            alert("n", "pending", AlertState::Pending, crit),
            alert("n", "silenced", AlertState::Silenced, None),
            alert("n", "unsent", AlertState::Unsent, crit),
        ];
        let expected = [
            (Verdict::Missing, "missing"),
            (Verdict::Unsent, "unsent"),
            (Verdict::Differs, "differs"),
            (Verdict::Extra, "extra"),
            (Verdict::Pending, "pending"),
            (Verdict::Agrees, "agrees"),
            (Verdict::Agrees, "silenced"),
        ];
        let found = verdicts(&events, &alerts);
        assert_eq!(found, expected.map(|(verdict, check)| (verdict, check.to_owned())));
        assert_eq!(found.iter().filter(|(verdict, _)| verdict.is_disagreement()).count(), 4);
    }

    #[test]
    fn what_is_over_counts_for_nothing_and_one_fitting_alert_is_enough() {
        assert!(verdicts(&[event("n", "a", 0)], &[]).is_empty());
        let alerts = [
            alert("n", "a", AlertState::Pending, Some(Status::Crit)),
            alert("n", "a", AlertState::Active, Some(Status::Warn)),
            alert("n", "a", AlertState::Active, Some(Status::Crit)),
        ];
        assert_eq!(verdicts(&[event("n", "a", 2)], &alerts), [(Verdict::Agrees, "a".to_owned())]);
    }

    #[test]
    fn only_a_port_is_cut_off() {
        let cut = ["web-1:9100", "web-1", "10.0.0.1:9", "a:b", "a:"].map(without_port);
        assert_eq!(cut, ["web-1", "web-1", "10.0.0.1", "a:b", "a:"]);
    }
}
