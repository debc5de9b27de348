//! Delivering to one member: one request in flight, the next when it is answered.

use super::Shared;
use super::exchange::{Member, Outgoing};
use crate::model::text::line;
use crate::net::{Alertmanager, NetErrorKind};
use crate::sys::clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// So many alerts go out at a time, as from a Prometheus, and so many bytes.
const MOST_ALERTS: usize = 256;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// A member that failed is asked again after so long, twice as long each time it fails again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A lane without work is looked at this often: copies become too old.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One member and the task that delivers to it.
pub(super) struct Delivery {
    pub member: Member,
    pub name: Arc<str>,
    am: Alertmanager,
    wake: Notify,
    trouble: Mutex<Option<String>>,
}

impl Delivery {
    pub(super) fn new(member: Member, am: Alertmanager) -> Arc<Self> {
        let name = am.replica().name.clone();
        Arc::new(Self { member, name, am, wake: Notify::new(), trouble: Mutex::default() })
    }

    /// Says that something is to be sent.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns why its last request failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the member, to be asked for something.
    pub(super) fn alertmanager(&self) -> &Alertmanager {
        &self.am
    }

    /// Delivers until `end`.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>, end: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !end.is_cancelled() {
            let (batch, again) = {
                let mut exchange = shared.exchange();
                let batch = exchange.take(self.member, MOST_ALERTS, MOST_BYTES, clock::moment());
                let lane = exchange.lanes().find(|(member, _)| *member == self.member);
                (batch, lane.and_then(|(_, lane)| lane.next_again()))
            };
            if batch.is_empty() {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(until(again)) => {}
                    () = end.cancelled() => {}
                }
                continue;
            }
            match self.deliver(&shared, batch).await {
                Ok(()) => {
                    self.note(None);
                    pause = FIRST_PAUSE;
                }
                Err(why) => {
                    self.note(Some(why));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = end.cancelled() => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*noted, &trouble) {
            (None, Some(why)) => tracing::warn!(alertmanager = &*self.name, why, "takes no alerts"),
            (Some(_), None) => tracing::info!(alertmanager = &*self.name, "takes alerts again"),
            _ => {}
        }
        *noted = trouble;
    }

    /// Sends a batch. One that is refused is halved until the alert is found that is at fault.
    async fn deliver(&self, shared: &Shared, batch: Vec<Arc<Outgoing>>) -> Result<(), String> {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let answer = self.am.post_alerts(list(&part)).await;
            let Err(error) = answer else {
                shared.exchange().accepted(self.member, &part, clock::moment());
                continue;
            };
            if !is_refusal(&error.kind) {
                let unsent: Vec<Arc<Outgoing>> = parts.into_iter().rev().flatten().collect();
                let in_doubt = error.kind.may_have_arrived();
                shared.exchange().failed(self.member, &part, &unsent, in_doubt);
                return Err(error.kind.to_string());
            }
            if let [copy] = &part[..] {
                let why = error.kind.to_string();
                let alert: Vec<String> =
                    copy.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                let alert = alert.join(",");
                tracing::warn!(alertmanager = &*self.name, alert = %line(&alert), why, "refuses an alert");
                shared.exchange().refused(self.member, copy, &why);
            } else {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
        }
        Ok(())
    }
}

/// How long is waited until the next look.
fn until(again: Option<Instant>) -> Duration {
    let again = again.map(|at| at.saturating_duration_since(clock::instant()));
    again.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
}

/// Whether it is what was sent that is at fault, and not who sends it, the way or the member.
fn is_refusal(kind: &NetErrorKind) -> bool {
    matches!(kind, NetErrorKind::Status { status: 400 | 413 | 422, .. })
}

fn list(part: &[Arc<Outgoing>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(part.iter().map(|copy| copy.body.len() + 1).sum::<usize>() + 2);
    body.push(b'[');
    for (place, copy) in part.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&copy.body);
    }
    body.push(b']');
    body
}
