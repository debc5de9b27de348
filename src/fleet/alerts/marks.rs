//! What a filter may ask of alerts that their own answers do not hold: who silenced them and why, and whether
//! they flap. Each is asked for only where a filter wants it, because each is a request more.

use super::{Relabelled, decode_alert_relabelling};
use crate::fleet::clusters::Cluster;
use crate::fleet::gather::{Answer, ask, gather};
use crate::fleet::silences::silences;
use crate::model::alert::Alert;
use crate::model::filter::{Filter, Pseudo};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::silence::Silence;
use crate::net::{NetError, PrometheusClient, Reply};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The value of `ALERTS_FOR_STATE` is when the alert began: it changes each time the alert comes back. The range
/// makes every Prometheus read an hour of these series, which is why nobody asks without need.
const FLAPPING: &str = "changes(ALERTS_FOR_STATE[1h]) >= 2";

/// How the comment of a silence begins that says "somebody works on it" (as kthxbye and karma have it).
const ACK: &str = "ACK!";

/// What a filter wants to know beside the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Who silenced them and why.
    pub silences: bool,
    /// Which ones flap.
    pub flapping: bool,
}

impl Wanted {
    /// Looks at what a filter asks for.
    pub fn by(filter: &Filter) -> Self {
        let of_silence = [Pseudo::Author, Pseudo::Comment, Pseudo::Ticket];
        Self {
            silences: filter.names(Pseudo::State, "acked") || of_silence.into_iter().any(|p| filter.uses(p)),
            flapping: filter.uses(Pseudo::Flap),
        }
    }
}

/// What was found beside the alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertMarks {
    silences: HashMap<Arc<str>, Arc<Silence>>,
    flapping: Option<Flapping>,
}

/// The alerts that flap: by identity, and by a part of their labels where a Prometheus hides what it adds.
#[derive(Debug, Clone, Default)]
struct Flapping {
    exact: HashSet<Fingerprint>,
    parts: Vec<Labels>,
}

impl AlertMarks {
    /// Takes silences that are at hand already.
    pub fn with_silences<'a>(silences: impl IntoIterator<Item = &'a Silence>) -> Self {
        let by_id = silences.into_iter().map(|silence| (silence.id.clone(), Arc::new(silence.clone())));
        Self { silences: by_id.collect(), flapping: None }
    }

    /// Returns the silences that hold an alert back, as far as they were asked for.
    pub fn silences_of(&self, alert: &Alert) -> impl Iterator<Item = &Silence> {
        alert.silenced_by.iter().filter_map(|id| self.silences.get(id)).map(AsRef::as_ref)
    }

    /// Reports whether somebody works on it: one of its silences says so.
    pub fn is_acked(&self, alert: &Alert) -> bool {
        self.silences_of(alert).any(|silence| silence.comment.starts_with(ACK))
    }

    /// Reports whether it flaps; `None` where nobody was asked.
    pub fn is_flapping(&self, alert: &Alert) -> Option<bool> {
        let flapping = self.flapping.as_ref()?;
        let by_part = || flapping.parts.iter().any(|part| part.is_subset_of(&alert.labels));
        Some(flapping.exact.contains(&alert.fingerprint) || by_part())
    }

    /// Joins the marks of two clusters.
    pub fn join(mut self, other: Self) -> Self {
        self.silences.extend(other.silences);
        self.flapping = match (self.flapping, other.flapping) {
            (Some(mut ours), Some(theirs)) => {
                ours.exact.extend(theirs.exact);
                ours.parts.extend(theirs.parts);
                Some(ours)
            }
            (ours, theirs) => ours.or(theirs),
        };
        self
    }
}

/// Asks a cluster for what is wanted; for nothing, nobody is asked.
pub async fn marks(cluster: &Cluster, wanted: Wanted) -> Answer<Vec<AlertMarks>> {
    let noted = async {
        match wanted.silences {
            true => silences(cluster, |_| {})
                .await
                .map(|copies| vec![AlertMarks::with_silences(copies.iter().map(|copy| &copy.silence))]),
            false => Answer::concat([]),
        }
    };
    let flapping = async {
        match wanted.flapping {
            true => flapping(cluster)
                .await
                .map(|flapping| vec![AlertMarks { flapping: Some(flapping), ..AlertMarks::default() }]),
            false => Answer::concat([]),
        }
    };
    let (noted, flapping) = tokio::join!(noted, flapping);
    Answer::concat([noted, flapping])
}

async fn flapping(cluster: &Cluster) -> Answer<Flapping> {
    let asks = cluster.prometheus.iter().map(|prom| ask(prom.replica(), flapping_on(prom))).collect();
    let gathered = gather(asks, |_| {}).await;
    let mut flapping = Flapping::default();
    for reply in gathered.outcomes.into_iter().filter_map(|outcome| outcome.result.ok()) {
        for (labels, exact) in reply.value {
            let labels = labels.without(&cluster.config.drop_labels);
            match exact {
                true => drop(flapping.exact.insert(labels.fingerprint())),
                false => flapping.parts.push(labels),
            }
        }
    }
    Answer { value: flapping, coverage: gathered.coverage, notes: Vec::new() }
}

/// Returns label sets that flap, each with whether it is the one that Alertmanager gets.
async fn flapping_on(prom: &PrometheusClient) -> Result<Reply<Vec<(Labels, bool)>>, NetError> {
    let (flapping, settings) = tokio::join!(prom.vector(FLAPPING), prom.settings());
    let relabelling = settings.ok().and_then(|reply| decode_alert_relabelling(&reply.value.yaml).ok());
    let sent = |labels: Labels| match relabelling.as_ref().map(|relabelling| relabelling.apply(&labels)) {
        Some(Relabelled::Sent(sent)) => Some((sent, true)),
        Some(Relabelled::Dropped) => None,
        Some(Relabelled::Unknown) | None => Some((labels, false)),
    };
    Ok(flapping?.map(|samples| samples.into_iter().filter_map(|sample| sent(sample.labels)).collect()))
}
