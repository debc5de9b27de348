//! What a service counts of its own traffic.

use crate::wire::exposition::{Exposition, Kind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counters of requests and connections.
#[derive(Debug, Default)]
pub(super) struct Meter {
    by_code: Mutex<BTreeMap<u16, u64>>,
    micros: AtomicU64,
    running: AtomicI64,
    connections: AtomicI64,
    handshakes_failed: AtomicU64,
    reloads: [AtomicU64; 2],
    reloaded: AtomicI64,
}

/// Counts one thing for as long as it lives.
pub(super) struct Counted(Arc<Meter>, fn(&Meter) -> &AtomicI64);

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    fn count(self: &Arc<Self>, what: fn(&Self) -> &AtomicI64) -> Counted {
        what(self).fetch_add(1, Ordering::Relaxed);
        Counted(self.clone(), what)
    }

    pub(super) fn connection(self: &Arc<Self>) -> Counted {
        self.count(|meter| &meter.connections)
    }

    pub(super) fn request(self: &Arc<Self>) -> Counted {
        self.count(|meter| &meter.running)
    }

    pub(super) fn answered(&self, code: u16, took: Duration) {
        *self.by_code.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a reload; `now` in epoch seconds.
    pub(super) fn reloaded(&self, good: bool, now: i64) {
        self.reloads[usize::from(good)].fetch_add(1, Ordering::Relaxed);
        if good {
            self.reloaded.store(now, Ordering::Relaxed);
        }
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        out.family("iaasmon_http_requests", "Requests by the code of their answer.", Kind::Counter);
        for (code, count) in &*self.by_code.lock().unwrap_or_else(PoisonError::into_inner) {
            out.sample(&[("code", &code.to_string())], *count as f64);
        }
        let mut one = |name: &str, help: &str, kind: Kind, value: f64| {
            out.family(name, help, kind);
            out.sample(&[], value);
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let level = |gauge: &AtomicI64| gauge.load(Ordering::Relaxed) as f64;
        let seconds = read(&self.micros) / 1e6;
        one("iaasmon_http_request_seconds", "Time spent on all requests.", Kind::Counter, seconds);
        one(
            "iaasmon_http_requests_running",
            "Requests that are answered now.",
            Kind::Gauge,
            level(&self.running),
        );
        one("iaasmon_http_connections", "Open connections.", Kind::Gauge, level(&self.connections));
        let failed = read(&self.handshakes_failed);
        one(
            "iaasmon_tls_handshakes_failed",
            "Connections that were not encrypted in time, or not at all.",
            Kind::Counter,
            failed,
        );
        out.family("iaasmon_reloads", "Reloads of the configuration.", Kind::Counter);
        for (outcome, count) in [("good", &self.reloads[1]), ("refused", &self.reloads[0])] {
            out.sample(&[("outcome", outcome)], read(count));
        }
        let reloaded = level(&self.reloaded);
        if reloaded > 0.0 {
            out.family(
                "iaasmon_last_reload_timestamp_seconds",
                "When the configuration was last loaded again.",
                Kind::Gauge,
            );
            out.sample(&[], reloaded);
        }
    }
}
