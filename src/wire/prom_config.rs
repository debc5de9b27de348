//! The few parts of Prometheus' configuration file that decide what Alertmanager gets to see.

use super::WireError;
use crate::model::labels::Labels;
use crate::model::relabel::{AlertRelabelling, RelabelAction, RelabelRule};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct File {
    global: Global,
    alerting: Alerting,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Global {
    external_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Alerting {
    alert_relabel_configs: Vec<Rule>,
    alertmanagers: Vec<Target>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Target {
    alert_relabel_configs: Vec<Rule>,
}

#[derive(Debug, Deserialize, Default, PartialEq)]
#[serde(default)]
struct Rule {
    action: Option<String>,
    source_labels: Vec<String>,
    separator: Option<String>,
    regex: Option<String>,
    target_label: String,
    replacement: Option<String>,
}

/// Reads external labels and alert relabelling out of the configuration that `/api/v1/status/config` shows.
///
/// Alertmanagers may have rules of their own (Prometheus 2.51): they are repeated if all have the
/// same, otherwise the result answers "unknown" for every alert.
pub fn decode_alert_relabelling(yaml: &str) -> Result<AlertRelabelling, WireError> {
    let file: File =
        serde_saphyr::from_str(yaml).map_err(|e| WireError::Json(format!("prometheus.yml: {e}")))?;
    let mut rules: Vec<RelabelRule> = file.alerting.alert_relabel_configs.iter().map(rule).collect();
    let own: Vec<&Vec<Rule>> = file.alerting.alertmanagers.iter().map(|t| &t.alert_relabel_configs).collect();
    match own.as_slice() {
        [first, rest @ ..] if rest.iter().all(|r| r == first) => rules.extend(first.iter().map(rule)),
        [] => {}
        _ => rules.push(RelabelRule { action: RelabelAction::Unsupported, ..rule(&Rule::default()) }),
    }
    Ok(AlertRelabelling {
        external_labels: file.global.external_labels.into_iter().collect::<Labels>(),
        rules,
    })
}

fn rule(raw: &Rule) -> RelabelRule {
    let action = match raw.action.as_deref().unwrap_or("replace").to_ascii_lowercase().as_str() {
        "replace" => RelabelAction::Replace,
        "keep" => RelabelAction::Keep,
        "drop" => RelabelAction::Drop,
        "keepequal" => RelabelAction::KeepEqual,
        "dropequal" => RelabelAction::DropEqual,
        "labelmap" => RelabelAction::LabelMap,
        "labeldrop" => RelabelAction::LabelDrop,
        "labelkeep" => RelabelAction::LabelKeep,
        "lowercase" => RelabelAction::Lowercase,
        "uppercase" => RelabelAction::Uppercase,
        _ => RelabelAction::Unsupported,
    };
    RelabelRule {
        action,
        source_labels: raw.source_labels.clone(),
        separator: raw.separator.clone().unwrap_or_else(|| ";".to_owned()),
        regex: Regex::new(&format!("^(?:{})$", raw.regex.as_deref().unwrap_or("(.*)"))).ok(),
        target: raw.target_label.clone(),
        replacement: raw.replacement.clone().unwrap_or_else(|| "$1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::relabel::Relabelled;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    fn apply(yaml: &str, pairs: &[(&str, &str)]) -> Relabelled {
        decode_alert_relabelling(yaml).expect("yaml").apply(&labels(pairs))
    }

    #[test]
    fn external_labels_fill_gaps_and_the_replica_is_dropped() {
        let yaml = "global:\n  scrape_interval: 15s\n  external_labels: {cluster: east, replica: a, team: infra}\n\
            alerting:\n  alert_relabel_configs:\n  - regex: replica\n    action: labeldrop\n  alertmanagers:\n  - static_configs: [{targets: [x]}]\n";
        let sent = apply(yaml, &[("alertname", "A"), ("team", "storage")]);
        assert_eq!(
            sent,
            Relabelled::Sent(labels(&[("alertname", "A"), ("cluster", "east"), ("team", "storage")]))
        );
    }

    #[test]
    fn every_action_does_what_prometheus_does() {
        let with = |rule: &str| {
            apply(
                &format!("alerting: {{alert_relabel_configs: [{rule}]}}"),
                &[("a", "X1"), ("b", "y"), ("m_c", "z")],
            )
        };
        let base = [("a", "X1"), ("b", "y"), ("m_c", "z")];
        let sent = |more: &[(&str, &str)]| Relabelled::Sent(base.iter().chain(more).copied().collect());
        assert_eq!(with("{source_labels: [a, b], target_label: t}"), sent(&[("t", "X1;y")]));
        assert_eq!(
            with("{source_labels: [a], regex: 'X(.)', target_label: t, replacement: 'n${1}'}"),
            sent(&[("t", "n1")])
        );
        assert_eq!(with("{source_labels: [a], regex: 'Q(.)', target_label: t}"), sent(&[]));
        assert_eq!(with("{action: lowercase, source_labels: [a], target_label: a}"), sent(&[("a", "x1")]));
        assert_eq!(with("{action: labelmap, regex: 'm_(.+)'}"), sent(&[("c", "z")]));
        assert_eq!(with("{action: keep, source_labels: [b], regex: n}"), Relabelled::Dropped);
        assert_eq!(with("{action: drop, source_labels: [b], regex: y}"), Relabelled::Dropped);
        assert_eq!(with("{action: dropequal, source_labels: [b], target_label: b}"), Relabelled::Dropped);
        assert_eq!(with("{action: labelkeep, regex: a}"), Relabelled::Sent(labels(&[("a", "X1")])));
        assert_eq!(
            with("{action: hashmod, modulus: 2, source_labels: [a], target_label: t}"),
            Relabelled::Unknown
        );
    }

    #[test]
    fn alertmanagers_with_different_rules_are_not_guessed() {
        let yaml =
            "alerting: {alertmanagers: [{alert_relabel_configs: [{action: labeldrop, regex: a}]}, {}]}";
        assert_eq!(apply(yaml, &[("a", "1")]), Relabelled::Unknown);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(yaml in "\\PC{0,200}") {
            let _ = decode_alert_relabelling(&yaml);
        }
    }
}
