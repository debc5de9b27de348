//! The alerts of checks: three a set of checks that wait for the same time and are handled by the same people.
//!
//! Sensu told of a check at its N-th bad result in a row (`occurrences`), and counted anew from 1 when the status changed
//! (server/process.rb: the count goes on only where `check[:status]` is that of the stored event). One alert a status, each
//! with a `for` of N - 1 intervals, counts in the same way: CRIT after WARN waits anew here because it did there. What Sensu
//! did not do is to tell of a recovery in between, since the event stayed until a result was OK. So an alert that fires goes
//! on while the check is bad in another way, until the alert of the new status fires.
//!
//! Time stands for results here, so that the N-th result, when it comes later than its interval says, may be a moment
//! after the alert. It is the bad ones before it that are told of then.

use super::{Alert, Options};
use crate::generate::sensu::SensuCheck;
use crate::generate::{any_of, comment, quoted};
use crate::model::time::format_duration;
use std::collections::BTreeMap;
use std::time::Duration;

/// A set of checks that alert alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    /// How long a status must last.
    pub(super) wait: Duration,
    /// Who is told, with commas; none where Sensu's definitions do not know the checks.
    pub(super) handlers: Option<String>,
    /// The matcher of their names, in braces; empty where it is all checks.
    selector: String,
}

impl Set {
    /// Returns the labels of its alerts beside the severity. They are the same for a check at all times: no alert changes by them.
    pub(super) fn labels(&self) -> Vec<(&'static str, String)> {
        let wait = (!self.wait.is_zero()).then(|| ("waits", format_duration(self.wait)));
        self.handlers.clone().map(|names| ("handlers", names)).into_iter().chain(wait).collect()
    }
}

/// The alerts of a status: name, condition, severity, words. Prometheus sends them in this order: that a check got worse arrives
/// before the end of its warning does, which would be told otherwise.
const STATUSES: [(&str, &str, &str, &str); 3] = [
    ("CheckCritical", "== 2", "critical", "is CRITICAL"),
    ("CheckWarning", "== 1", "warning", "is WARNING"),
    ("CheckUnknown", ">= 3", "unknown", "gives no usable result"),
];

/// Writes the rules of all checks.
pub(super) fn write(text: &mut String, options: &Options) {
    for set in sets(options) {
        let who = match (&set.handlers, options.sensu.is_empty()) {
            (Some(handlers), _) => Some(format!("Checks that {handlers} handled under Sensu")),
            (None, false) => Some("All other checks: Sensu's definitions do not know them".to_owned()),
            (None, true) => None,
        };
        if let Some(who) = who {
            let wait = (!set.wait.is_zero()).then(|| {
                format!(
                    ", {} after the first bad result; an alert goes on until that of another status fires",
                    format_duration(set.wait)
                )
            });
            *text += &format!("      # {}{}.\n", comment(&who), wait.unwrap_or_default());
        }
        for at in 0..STATUSES.len() {
            super::write(text, &alert(options, &set, at));
        }
    }
}

/// Returns the sets in order: those who wait for the least first, the checks that are not known last.
pub(super) fn sets(options: &Options) -> Vec<Set> {
    let label = &options.check_label;
    let mut sets: BTreeMap<(Duration, String), Vec<&str>> = BTreeMap::new();
    for check in options.sensu.iter().filter(|check| check.alerts) {
        sets.entry((check.wait(), check.handlers.join(","))).or_default().push(&check.name);
    }
    let known = sets.into_iter().map(|((wait, handlers), names)| Set {
        wait,
        handlers: Some(handlers),
        selector: format!("{{{label}=~{}}}", quoted(&any_of(&names))),
    });
    // Those that nobody was told of are left out here too.
    let all: Vec<&str> = options.sensu.iter().map(|check| check.name.as_str()).collect();
    let selector = match all.is_empty() {
        true => String::new(),
        false => format!("{{{label}!~{}}}", quoted(&any_of(&all))),
    };
    known.chain([Set { wait: Duration::ZERO, handlers: None, selector }]).collect()
}

/// Returns the set of a check.
pub(super) fn set_of(options: &Options, check: &SensuCheck) -> Option<Set> {
    let handlers = Some(check.handlers.join(","));
    sets(options).into_iter().find(|set| set.wait == check.wait() && set.handlers == handlers)
}

fn alert(options: &Options, set: &Set, at: usize) -> Alert {
    let Options { bad_metric, check_label, node_label, .. } = options;
    let (name, is, severity, words) = STATUSES[at];
    let bad = format!("{bad_metric}{}", set.selector);
    let mut expr = format!("{bad} {is}");
    if !set.wait.is_zero() {
        let others: Vec<&str> =
            STATUSES.iter().map(|(other, ..)| *other).filter(|other| *other != name).collect();
        let fires = |alerts: String| {
            format!(
                "ignoring (alertname, alertstate, severity, handlers, waits) ALERTS{{{alerts},alertstate=\"firing\"}}"
            )
        };
        let own = fires(format!("alertname=\"{name}\""));
        let other = fires(format!("alertname=~\"{}\"", others.join("|")));
        expr = format!("{expr} or ({bad} and {own} unless {other})");
    }
    let why = match name {
        "CheckUnknown" => {
            if !set.wait.is_zero() {
                expr = format!("({expr})");
            }
            expr += " unless on (job, instance) iaasmon_runner_stale == 1";
            "A dead runner is one fact, RunnerStale, and not one alert a check."
        }
        _ => "",
    };
    Alert {
        name,
        expr,
        hold: if set.wait.is_zero() { String::new() } else { format_duration(set.wait) },
        severity,
        labels: set.labels(),
        // What was pushed has no node.
        summary: format!(
            "{{{{ $labels.{check_label} }}}} {{{{ with $labels.{node_label} }}}}on {{{{ . }}}}{{{{ else }}}}of job {{{{ $labels.job }}}}{{{{ end }}}} {words}"
        ),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::rules::rules;

    fn check(name: &str, occurrences: u64, handlers: &[&str], alerts: bool) -> SensuCheck {
        SensuCheck {
            name: name.to_owned(),
            occurrences,
            interval: Some(Duration::from_secs(60)),
            handlers: handlers.iter().map(|name| (*name).to_owned()).collect(),
            refresh: None,
            alerts,
        }
    }

    #[test]
    fn checks_that_alert_alike_share_their_rules() {
        let sensu = vec![
            check("a.b", 3, &["mail"], true),
            check("c", 3, &["mail"], true),
            check("d", 1, &["mail", "page"], true),
            check("metrics", 1, &["graphite"], false),
        ];
        let text = rules(&Options { sensu, ..Options::default() });
        assert_eq!(text.matches("alert: CheckWarning").count(), 3, "{text}");
        assert!(text.contains(r#"iaasmon_check_status:bad{check=~\"a\\\\.b|c\"} == 1 or ("#), "{text}");
        assert!(text.contains(r#"labels: { severity: warning, handlers: "mail", waits: "2m" }"#), "{text}");
        assert!(text.contains(r#"labels: { severity: critical, handlers: "mail,page" }"#), "{text}");
        // Nobody was told of the metrics, and everybody is of what Sensu does not know.
        assert!(text.contains(r#"bad{check!~\"a\\\\.b|c|d|metrics\"} == 1""#), "{text}");
        assert!(!text.contains("graphite"), "{text}");
    }

    #[test]
    fn without_definitions_all_checks_are_one_set() {
        assert_eq!(sets(&Options::default()).len(), 1);
        let text = rules(&Options::default());
        assert!(text.contains("expr: \"iaasmon_check_status:bad == 1\"\n"), "{text}");
        assert!(!text.contains("ALERTS"), "{text}");
    }
}
