//! Delivering to one member: one request in flight, the next when it is answered. One that fails is asked again and again, whether
//! there is something for it or not: nobody else finds out that it is well again.

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
    am: Mutex<Alertmanager>,
    wake: Notify,
    trouble: Mutex<Option<String>>,
}

impl Delivery {
    pub(super) fn new(member: Member, name: String, am: Alertmanager) -> Arc<Self> {
        Arc::new(Self {
            member,
            name: name.into(),
            am: Mutex::new(am),
            wake: Notify::new(),
            trouble: Mutex::default(),
        })
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
    pub(super) fn alertmanager(&self) -> Alertmanager {
        self.am.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Speaks to it through another door from the next request on: certificates or credentials have changed.
    pub(super) fn renew(&self, am: Alertmanager) {
        *self.am.lock().unwrap_or_else(PoisonError::into_inner) = am;
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
            let sent = match (batch.is_empty(), self.trouble()) {
                (true, None) => {
                    self.rest(until(again), &end).await;
                    continue;
                }
                (true, Some(_)) => self.probe(&shared).await,
                (false, _) => self.deliver(&shared, batch).await,
            };
            match sent {
                Ok(()) => {
                    self.note(None);
                    pause = FIRST_PAUSE;
                }
                Err(why) => {
                    self.note(Some(why));
                    tokio::select! {
                        () = tokio::time::sleep(FIRST_PAUSE) => {}
                        () = end.cancelled() => {}
                    }
                    // A sender that waits is to hear whether it takes alerts now.
                    self.rest(pause - FIRST_PAUSE, &end).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits for so long, or until something is to be sent.
    async fn rest(&self, longest: Duration, end: &CancellationToken) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = tokio::time::sleep(longest) => {}
            () = end.cancelled() => {}
        }
    }

    /// Asks a member that failed whether it takes alerts, where there are none for it.
    async fn probe(&self, shared: &Shared) -> Result<(), String> {
        let taken = self.takes_anything().await;
        match &taken {
            Ok(()) => shared.exchange().accepted(self.member, &[], clock::moment()),
            Err(_) => shared.exchange().failed(self.member, &[], &[], false),
        }
        taken
    }

    /// Reports whether it takes a list of no alerts, at which nobody can take offence.
    async fn takes_anything(&self) -> Result<(), String> {
        let answer = self.alertmanager().post_alerts(list(&[])).await;
        answer.map(drop).map_err(|error| error.kind.to_string())
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

    /// Sends a batch. One that is refused is halved until the alert is found that is at fault, unless it is the member that is: what
    /// refuses no alerts at all speaks TLS there, or is no Alertmanager.
    async fn deliver(&self, shared: &Shared, batch: Vec<Arc<Outgoing>>) -> Result<(), String> {
        // Whether it refuses everything, once that was asked.
        let (mut parts, mut is_at_fault) = (vec![batch], None);
        while let Some(mut part) = parts.pop() {
            let answer = self.alertmanager().post_alerts(list(&part)).await;
            let Err(error) = answer else {
                shared.exchange().accepted(self.member, &part, clock::moment());
                continue;
            };
            let refused = is_refusal(&error.kind);
            if refused && is_at_fault.is_none() {
                is_at_fault = Some(self.takes_anything().await.is_err());
            }
            // One that died between two halves refuses nothing.
            if !refused || is_at_fault == Some(true) {
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
