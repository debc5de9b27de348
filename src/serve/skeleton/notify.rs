//! What systemd is told (sd_notify(3)); nothing where there is none.

use super::ready::Readiness;
use sd_notify::NotifyState;
use std::time::Duration;

/// Every address is bound.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is loaded again; `MONOTONIC_USEC` belongs to it since systemd 253.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The process goes on; what keeps it from its job is the status that `systemctl status` shows.
pub(super) fn alive(readiness: &Readiness) {
    let (reasons, notes) = (readiness.reasons(), readiness.notes());
    let status = match (reasons.is_empty(), notes.is_empty()) {
        (true, true) => "ready".to_owned(),
        (true, false) => format!("ready; {}", notes.join("; ")),
        (false, _) => format!("not ready: {}", reasons.join("; ")),
    };
    tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// When systemd wants to hear that the process goes on.
pub(super) struct Watchdog {
    interval: Option<tokio::time::Interval>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        // Half of what is allowed, as sd_watchdog_enabled(3) recommends.
        let half =
            sd_notify::watchdog_enabled().map(|allowed| allowed / 2).filter(|half| *half > Duration::ZERO);
        Self { interval: half.map(tokio::time::interval) }
    }

    pub(super) async fn due(&mut self) {
        match &mut self.interval {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }
}
