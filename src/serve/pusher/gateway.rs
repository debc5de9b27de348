//! Pushing to one gateway: one request in flight, the next when it is answered, and pauses where it does not answer.

use super::lane::{Bounds, Lane, Parcel};
use super::result::Pushed;
use crate::model::group::PushedCheck;
use crate::model::text::line;
use crate::net::{PushOutcome, PushgatewayClient};
use crate::sys::clock;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A gateway that failed is asked again after so long, twice as long each time it fails again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// One gateway and what waits for it.
pub(super) struct Gateway {
    /// What operators call it.
    pub(super) name: String,
    /// What it is kept by on disk.
    pub(super) key: String,
    client: PushgatewayClient,
    lane: Mutex<Lane>,
    wake: Notify,
    health: Mutex<Health>,
}

/// How a gateway answers.
#[derive(Default)]
struct Health {
    was_asked: bool,
    /// Why it did not answer, or could not take what it was given.
    trouble: Option<String>,
    /// The checks whose results it refuses, and why.
    refused: BTreeMap<PushedCheck, String>,
}

impl Gateway {
    /// Names each as operators do, and where that would name two, by what tells them apart.
    pub(super) fn all(clients: Vec<PushgatewayClient>, bounds: Bounds) -> Vec<Arc<Self>> {
        let places = clients.iter().map(|client| {
            let replica = client.replica();
            [replica.cluster.to_string(), replica.name.to_string(), client.url().to_string()]
        });
        let names = names(&places.collect::<Vec<_>>());
        let all = clients.into_iter().zip(names).map(|(client, [name, key])| {
            let (lane, wake, health) = (Mutex::new(Lane::new(bounds)), Notify::new(), Mutex::default());
            Arc::new(Self { name, key, client, lane, wake, health })
        });
        all.collect()
    }

    pub(super) fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a result pushed, or its check deleted.
    pub(super) fn offer(&self, pushed: Pushed) {
        let [before, dropped] = {
            let mut lane = self.lane();
            let before = lane.counts().dropped;
            lane.offer(pushed, clock::now());
            [before, lane.counts().dropped]
        };
        if is_told(before, dropped) {
            let gateway = self.name.as_str();
            tracing::warn!(
                gateway,
                dropped,
                "there is no room for what waits, what came longest ago is dropped"
            );
        }
        self.wake.notify_one();
    }

    /// Returns why it did not answer when it was last asked.
    pub(super) fn trouble(&self) -> Option<String> {
        self.health().trouble.clone()
    }

    /// Reports whether it answered when it was last asked.
    pub(super) fn is_up(&self) -> bool {
        let health = self.health();
        health.was_asked && health.trouble.is_none()
    }

    /// Returns what is wrong with it.
    pub(super) fn complaint(&self) -> Option<String> {
        let health = self.health();
        let refused = || {
            let (check, why) = health.refused.first_key_value()?;
            let others = if health.refused.len() > 1 { " and others" } else { "" };
            Some(format!("refuses results: {why}: {}{others}", line(&check.to_string())))
        };
        health.trouble.clone().or_else(refused)
    }

    /// Says that something waits.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Pushes what waits, and once `closing` is cancelled until nothing does or a push fails. `told` hears of each answer.
    pub(super) async fn run(self: Arc<Self>, closing: CancellationToken, told: impl Fn()) {
        let mut pause = FIRST_PAUSE;
        // What is said of it before the first result is to be true.
        self.ask(&closing).await;
        told();
        loop {
            let next = self.lane().take();
            let Some(parcel) = next else {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = closing.cancelled() => return,
                    () = tokio::time::sleep(spread(pause)), if self.trouble().is_some() => {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        self.ask(&closing).await;
                        told();
                    }
                }
                continue;
            };
            let outcome = match &parcel.body {
                Some(body) => self.client.put_result(&parcel.check, body, None).await,
                None => self.client.delete_result(&parcel.check).await,
            };
            let has_failed = matches!(outcome, PushOutcome::Failed(_));
            self.settle(&parcel, outcome);
            told();
            if !has_failed {
                pause = FIRST_PAUSE;
                continue;
            }
            if closing.is_cancelled() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(spread(pause)) => {}
                // It may be well again.
                () = closing.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks whether it is there, and ready.
    async fn ask(&self, closing: &CancellationToken) {
        tokio::select! {
            ready = self.client.ready() => {
                self.note(ready.err().map(|error| line(&error.kind.to_string()).into_owned()));
            }
            () = closing.cancelled() => {}
        }
    }

    fn settle(&self, parcel: &Parcel, outcome: PushOutcome) {
        let (check, now) = (&parcel.check, clock::now());
        match outcome {
            PushOutcome::Accepted => {
                self.lane().accepted(parcel, now);
                self.health().refused.remove(check);
            }
            PushOutcome::Older => {
                self.passed_over(parcel);
                self.health().refused.remove(check);
            }
            PushOutcome::Refused(why) => self.refused(parcel, line(&why).into_owned()),
            PushOutcome::Failed(why) => {
                self.lane().failed(parcel);
                return self.note(Some(line(&why).into_owned()));
            }
        }
        self.note(None);
    }

    fn passed_over(&self, parcel: &Parcel) {
        let mut lane = self.lane();
        let before = lane.counts().older;
        lane.older(parcel, clock::now());
        let older = lane.counts().older;
        drop(lane);
        if is_told(before, older) {
            let (gateway, check) = (self.name.as_str(), parcel.check.to_string());
            let why = "knows a newer result of the check, this one is passed over: does another one push it, or is a clock wrong?";
            tracing::warn!(gateway, check = %line(&check), older, "{why}");
        }
    }

    fn refused(&self, parcel: &Parcel, why: String) {
        let mut lane = self.lane();
        let before = lane.counts().refused;
        lane.refused(parcel, clock::now());
        let refused = lane.counts().refused;
        drop(lane);
        if is_told(before, refused) {
            let (gateway, check) = (self.name.as_str(), parcel.check.to_string());
            tracing::error!(gateway, check = %line(&check), why, refused, "refuses the result, it is dropped");
        }
        let mut health = self.health();
        match parcel.body {
            Some(_) => {
                health.refused.entry(parcel.check.clone()).or_insert(why);
            }
            None => {
                health.refused.remove(&parcel.check);
            }
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut health = self.health();
        (health.was_asked, health.trouble) = (true, trouble);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is told that a count went up: a long outage would fill the log, too, so that is told each time it has doubled.
fn is_told(before: u64, now: u64) -> bool {
    before.checked_ilog2() != now.checked_ilog2()
}

/// Returns the name and the key on disk of gateways, of which cluster, name and address are given.
fn names(places: &[[String; 3]]) -> Vec<[String; 2]> {
    let is_alone = |by: usize, text: &String| places.iter().filter(|place| place[by] == *text).count() == 1;
    let named = places.iter().map(|[cluster, name, url]| {
        // Two clusters may speak to one gateway with headers of their own: it keeps their groups apart.
        let key = if is_alone(2, url) { url.clone() } else { format!("{cluster} {url}") };
        let name = if is_alone(1, name) { name.clone() } else { key.clone() };
        [name, key]
    });
    named.collect()
}

/// Pushers of a fleet must not come all at once when a gateway is back.
fn spread(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    pause.mul_f64(0.75 + random as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{is_told, names};

    #[test]
    fn what_happens_again_and_again_is_told_each_time_it_has_doubled() {
        let told = |counts: &[u64]| counts.windows(2).filter(|pair| is_told(pair[0], pair[1])).count();
        assert_eq!(told(&(0..=1000).collect::<Vec<_>>()), 10);
        // One result may displace several.
        assert_eq!(told(&[0, 3, 3, 5, 7, 70]), 3);
    }

    #[test]
    fn two_gateways_have_neither_one_name_nor_one_spool() {
        let place = |cluster: &str, name: &str, url: &str| [cluster, name, url].map(str::to_owned);
        let named = names(&[
            place("a", "push:9091", "http://push:9091/"),
            place("a", "push:443", "https://push/"),
            place("a", "push:443", "http://push:443/"),
            place("b", "mimir:80", "http://mimir/"),
            place("c", "mimir:80", "http://mimir/"),
        ]);
        let expected = [
            ["push:9091", "http://push:9091/"],
            ["https://push/", "https://push/"],
            ["http://push:443/", "http://push:443/"],
            ["b http://mimir/", "b http://mimir/"],
            ["c http://mimir/", "c http://mimir/"],
        ];
        assert_eq!(named, expected.map(|pair| pair.map(str::to_owned)));
    }
}
