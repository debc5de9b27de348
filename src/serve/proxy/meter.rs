//! What the proxy counts beside the ledger of its lanes.

use super::fetch::{Class, Fetched};
use crate::wire::exposition::{Exposition, Kind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of times, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Times in buckets.
#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Times {
    fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (bucket, bound) in self.buckets.iter().zip(BUCKETS) {
            if seconds <= bound {
                add(bucket);
            }
        }
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        add(&self.count);
    }

    fn write(&self, out: &mut Exposition, name: &str, help: &str) {
        let buckets: Vec<(f64, u64)> =
            BUCKETS.into_iter().zip(&self.buckets).map(|(bound, count)| (bound, read(count))).collect();
        out.histogram(name, help, &buckets, read(&self.count), read(&self.micros) as f64 / 1e6);
    }
}

/// Counters of one proxy.
#[derive(Debug, Default)]
pub(super) struct Meter {
    received: [AtomicU64; 2],
    misshapen: AtomicU64,
    enriched: [AtomicU64; Output::ALL.len()],
    late: AtomicU64,
    reposted: AtomicU64,
    fetched: AtomicU64,
    failed: [AtomicU64; Class::ALL.len()],
    fetch_times: Times,
    added: Times,
    acknowledged: Times,
    verdicts: [AtomicU64; 4],
}

/// What an alert went out with at first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output {
    /// A detail that was fetched for it.
    Fetched,
    /// One that was fetched a moment ago.
    Hit,
    /// One that is older, since there was no newer one.
    Known,
    /// No detail.
    None,
    /// What was known: it is resolved, and nobody is asked.
    Resolved,
    /// Its own annotations alone: no rule is for it.
    Unwanted,
}

impl Output {
    const ALL: [(Self, &str); 6] = [
        (Self::Fetched, "fetched"),
        (Self::Hit, "hit"),
        (Self::Known, "known"),
        (Self::None, "none"),
        (Self::Resolved, "resolved"),
        (Self::Unwanted, "unwanted"),
    ];
}

/// How a request was answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Accepted,
    Refused,
    Failed,
    Invalid,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Meter {
    /// Counts an alert that was received.
    pub(super) fn received(&self, resolved: bool) {
        add(&self.received[usize::from(resolved)]);
    }

    /// Counts parts of requests that are no alerts.
    pub(super) fn misshapen(&self, number: usize) {
        self.misshapen.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Counts what an alert went out with. Each that is received goes out with something.
    pub(super) fn enriched(&self, output: Output, is_late: bool) {
        add(&self.enriched[output as usize]);
        if is_late {
            add(&self.late);
        }
    }

    /// Counts an alert that was sent once more with its output.
    pub(super) fn reposted(&self) {
        add(&self.reposted);
    }

    /// Counts a request for a detail.
    pub(super) fn fetched(&self, fetched: &Fetched, took: Duration) {
        self.fetch_times.add(took);
        match fetched {
            Ok(_) => add(&self.fetched),
            Err(failure) => self.failed(failure.class),
        }
    }

    /// Counts a detail that was not asked for, or could not be had.
    pub(super) fn failed(&self, class: Class) {
        if let Some(place) = Class::ALL.iter().position(|known| *known == class) {
            add(&self.failed[place]);
        }
    }

    /// Counts a request: how it was answered, how long its alerts were held up here, and how long the whole took.
    pub(super) fn answered(&self, answer: Answer, added: Duration, whole: Duration) {
        add(&self.verdicts[answer as usize]);
        self.added.add(added);
        self.acknowledged.add(whole);
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        let labelled = |out: &mut Exposition, name: &str, help: &str, values: &[(&str, &str, u64)]| {
            out.family(name, help, Kind::Counter);
            for (label, value, count) in values {
                out.sample(&[(label, value)], *count as f64);
            }
        };
        labelled(
            out,
            "iaasmon_proxy_alerts_received",
            "Alerts that senders handed over.",
            &[("state", "firing", read(&self.received[0])), ("state", "resolved", read(&self.received[1]))],
        );
        labelled(
            out,
            "iaasmon_proxy_requests",
            "Requests with alerts by how they were answered.",
            &[
                ("answer", "accepted", read(&self.verdicts[0])),
                ("answer", "refused", read(&self.verdicts[1])),
                ("answer", "failed", read(&self.verdicts[2])),
                ("answer", "invalid", read(&self.verdicts[3])),
            ],
        );
        let outputs =
            Output::ALL.map(|(output, name)| ("output", name, read(&self.enriched[output as usize])));
        labelled(
            out,
            "iaasmon_proxy_alerts_enriched",
            "Alerts by what they went out with at first: together as many as were received.",
            &outputs,
        );
        let failures: Vec<(&str, &str, u64)> = Class::ALL
            .iter()
            .zip(&self.failed)
            .map(|(class, count)| ("reason", class.word(), read(count)))
            .collect();
        labelled(out, "iaasmon_proxy_details_failed", "Details that could not be had.", &failures);
        for (name, help, count) in [
            ("iaasmon_proxy_details_fetched", "Details that were had.", &self.fetched),
            ("iaasmon_proxy_alerts_late", "Alerts that went out before their detail was there.", &self.late),
            (
                "iaasmon_proxy_alerts_reposted",
                "Alerts that were sent once more, with their output.",
                &self.reposted,
            ),
            ("iaasmon_proxy_alerts_misshapen", "What stood among alerts and is none.", &self.misshapen),
        ] {
            out.family(name, help, Kind::Counter);
            out.sample(&[], read(count) as f64);
        }
        self.fetch_times.write(
            out,
            "iaasmon_proxy_detail_seconds",
            "From asking for a detail to its answer.",
        );
        self.added.write(
            out,
            "iaasmon_proxy_added_seconds",
            "How long requests were held up before they went on.",
        );
        self.acknowledged.write(
            out,
            "iaasmon_proxy_acknowledgement_seconds",
            "From a request to its answer.",
        );
    }
}
