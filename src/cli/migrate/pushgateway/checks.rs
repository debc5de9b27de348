//! The checks that a gateway of iaasmon has beside its metrics: asked for one by one, and pushed again.

use super::page;
use crate::model::check::STATUS_METRIC as STATUS;
use crate::model::family::Family;
use crate::model::group::{GroupKey, PushedCheck};
use crate::model::names::Names;
use crate::net::{NetError, PushOutcome, PushgatewayClient};
use crate::wire::exposition::Format;
use crate::wire::exposition::parse::parse;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// The checks of both gateways.
pub(super) struct Checks {
    old: Old,
    /// Those of the new one; none where it takes none.
    new: Option<HashSet<PushedCheck>>,
}

/// The checks of the old one.
enum Old {
    /// It may be read.
    Read(HashMap<GroupKey, Vec<PushedCheck>>),
    /// It may not: how many each group has, and why.
    Unread(HashMap<GroupKey, usize>, String),
}

/// What is to become of the checks of a group.
pub(super) struct Plan {
    pub copy: Vec<PushedCheck>,
    /// How many stay behind, and why.
    pub left: usize,
    pub why: Option<String>,
}

impl Checks {
    /// Asks both which they have.
    ///
    /// # Errors
    /// Where one does not answer.
    pub(super) async fn ask(old: &PushgatewayClient, new: &PushgatewayClient) -> Result<Self, NetError> {
        let (told, there) = tokio::join!(old.checks(), new.checks());
        let old = match told {
            Ok(checks) => {
                let mut by_group: HashMap<GroupKey, Vec<PushedCheck>> = HashMap::new();
                for check in checks {
                    by_group.entry(check.group.clone()).or_default().push(check);
                }
                by_group.values_mut().for_each(|checks| checks.sort());
                Old::Read(by_group)
            }
            // An original has none.
            Err(error) if error.kind.is_not_found() => Old::Read(HashMap::new()),
            Err(error) if error.kind.is_forbidden() => Old::Unread(count(old).await?, error.kind.to_string()),
            Err(error) => return Err(error),
        };
        let new = match there {
            Ok(checks) => Some(checks.into_iter().collect()),
            Err(error) if error.kind.is_not_found() => None,
            // They are pushed then; a gateway passes over what is older than what it has.
            Err(error) if error.kind.is_forbidden() => Some(HashSet::new()),
            Err(error) => return Err(error),
        };
        Ok(Self { old, new })
    }

    /// Says what is to become of a group's: what the new one has already stays as it is there.
    pub(super) fn plan(&self, group: &GroupKey) -> Plan {
        match (&self.old, &self.new) {
            (Old::Unread(counts, why), _) => {
                let there = self.new.iter().flatten().filter(|check| check.group == *group).count();
                let left = counts.get(group).map_or(0, |count| count.saturating_sub(there));
                Plan { copy: Vec::new(), left, why: (left > 0).then(|| why.clone()) }
            }
            (Old::Read(checks), Some(there)) => {
                let of_group = checks.get(group).into_iter().flatten();
                let copy = of_group.filter(|check| !there.contains(*check)).cloned().collect();
                Plan { copy, left: 0, why: None }
            }
            (Old::Read(checks), None) => {
                let left = checks.get(group).map_or(0, Vec::len);
                let why = (left > 0).then(|| "the new one takes no checks".to_owned());
                Plan { copy: Vec::new(), left, why }
            }
        }
    }
}

/// Counts the checks of each group on the page that Prometheus reads, which everybody may.
async fn count(old: &PushgatewayClient) -> Result<HashMap<GroupKey, usize>, NetError> {
    let page = page(old, Format::Text).await?;
    let groups = old.groups().await?;
    // What cannot be read holds no checks that anybody sees.
    let families = parse(&page, Names::Utf8).unwrap_or_default();
    let mut counts: HashMap<GroupKey, usize> = HashMap::new();
    for metric in families.iter().filter(|family| family.name == STATUS).flat_map(|family| &family.metrics) {
        let has = |name: &str, value: &str| {
            value.is_empty() || metric.labels.iter().any(|(n, v)| n == name && v == value)
        };
        let fits = |key: &&GroupKey| key.labels().all(|(name, value)| has(name, value));
        let keys = groups.iter().map(|group| &group.key).filter(fits);
        if let Some(key) = keys.max_by_key(|key| key.labels().count()) {
            *counts.entry(key.clone()).or_default() += 1;
        }
    }
    // Those that were pushed as metrics go over with these.
    for group in &groups {
        let is_status = |family: &&Family<'_>| family.name == STATUS;
        let own: usize = group.families.iter().filter(is_status).map(|family| family.metrics.len()).sum();
        counts.entry(group.key.clone()).and_modify(|count| *count = count.saturating_sub(own));
    }
    Ok(counts)
}

impl Plan {
    /// Copies what it is about; of what fails it is told how much, and why the first one did.
    pub(super) async fn carry_out(self, old: &PushgatewayClient, new: &PushgatewayClient) -> Self {
        let mut done = Self { copy: Vec::new(), ..self };
        for check in self.copy {
            let failed = match old.result(&check).await {
                Ok(detail) => match as_pushed(&detail) {
                    Some(result) => match new.put_result(&check, &result, None).await {
                        PushOutcome::Accepted | PushOutcome::Older => None,
                        PushOutcome::Refused(why) | PushOutcome::Failed(why) => Some(why),
                    },
                    None => Some("its result cannot be read".to_owned()),
                },
                // It was deleted a moment ago.
                Err(error) if error.kind.is_not_found() => continue,
                Err(error) => Some(error.kind.to_string()),
            };
            match failed {
                None => done.copy.push(check),
                Some(why) => {
                    done.left += 1;
                    done.why.get_or_insert_with(|| format!("{}: {why}", check.check));
                }
            }
        }
        done
    }
}

/// Makes of a result as a gateway tells it the one that was pushed: what the gateway says by itself goes. What was masked for
/// readers stays masked.
fn as_pushed(detail: &[u8]) -> Option<Vec<u8>> {
    let mut told: Map<String, Value> = serde_json::from_slice(detail).ok()?;
    let status = told.remove("exit_status").or_else(|| told.get("status").cloned())?;
    // Before the words of a good result that is too old stands why it counts no longer.
    if status == 0
        && told.get("stale") == Some(&Value::Bool(true))
        && let Some(Value::String(output)) = told.get_mut("output")
        && let Some((_, own)) = output.split_once('\n')
    {
        *output = own.to_owned();
    }
    told.insert("status".to_owned(), status);
    told.remove("group");
    serde_json::to_vec(&told).ok()
}

#[cfg(test)]
mod tests {
    use super::as_pushed;
    use serde_json::{Value, json};

    fn pushed(detail: &Value) -> Value {
        serde_json::from_slice(&as_pushed(detail.to_string().as_bytes()).expect("a result")).expect("JSON")
    }

    #[test]
    fn a_result_is_pushed_as_it_was_however_old_it_has_become() {
        let fresh =
            json!({"status": 2, "output": "a\nb\n", "stale": false, "team": "x", "group": {"job": "j"}});
        assert_eq!(pushed(&fresh), json!({"status": 2, "output": "a\nb\n", "stale": false, "team": "x"}));
        let old =
            json!({"status": 3, "exit_status": 0, "output": "no result for 9 s\nOK\nall\n", "stale": true});
        assert_eq!(pushed(&old), json!({"status": 0, "output": "OK\nall\n", "stale": true}));
        let bad = json!({"status": 3, "exit_status": 127, "output": "not found\n!", "stale": true});
        assert_eq!(pushed(&bad), json!({"status": 127, "output": "not found\n!", "stale": true}));
        let kept = json!({"status": 0, "output": "reason\nOK", "stale": true});
        assert_eq!(pushed(&kept), json!({"status": 0, "output": "OK", "stale": true}));
        assert_eq!((as_pushed(b"{}"), as_pushed(b"[")), (None, None));
    }
}
