//! What the gateway counts, by upstream's names where upstream counts it too (handler/misc.go).

use crate::serve::skeleton::http::Method;
use crate::wire::exposition::{Exposition, Kind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Handler {
    Push,
    Delete,
    Wipe,
    Check,
    Bulk,
}

impl Handler {
    fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Wipe => "wipe",
            Self::Check => "check",
            Self::Bulk => "bulk",
        }
    }
}

/// How many, and how much of it in all.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u64,
    sum: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
    }
}

#[derive(Debug, Default)]
struct Requests {
    by_code: BTreeMap<(u16, Handler, &'static str), u64>,
    sizes: BTreeMap<&'static str, Sum>,
    times: BTreeMap<&'static str, Sum>,
    commits: Sum,
}

/// Counters of one gateway.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: Mutex<Requests>,
    expired: AtomicU64,
    older: AtomicU64,
    groups_written: AtomicU64,
    commits_failed: AtomicU64,
    series: AtomicU64,
}

impl Meter {
    fn requests(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answered(&self, handler: Handler, method: &Method, code: u16, took: Duration) {
        let method = word(method);
        let mut requests = self.requests();
        *requests.by_code.entry((code, handler, method)).or_default() += 1;
        if handler == Handler::Push {
            requests.times.entry(method).or_default().add(took.as_secs_f64());
        }
    }

    pub(super) fn pushed(&self, method: &Method, bytes: usize) {
        self.requests().sizes.entry(word(method)).or_default().add(bytes as f64);
    }

    pub(super) fn committed(&self, took: Duration, groups: usize, good: bool) {
        if good {
            self.requests().commits.add(took.as_secs_f64());
            self.groups_written.fetch_add(groups as u64, Ordering::Relaxed);
        } else {
            self.commits_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn series(&self, number: usize) {
        self.series.store(number as u64, Ordering::Relaxed);
    }

    pub(super) fn expired(&self, groups: usize) {
        self.expired.fetch_add(groups as u64, Ordering::Relaxed);
    }

    /// Counts a result that is older than the one that is known.
    pub(super) fn older(&self) {
        self.older.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes all of it, with how many groups there are and what they hold.
    pub(super) fn write(&self, out: &mut Exposition, groups: usize, bytes: usize) {
        self.write_requests(out);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let commits = self.requests().commits;
        for (name, help, kind, value) in [
            ("iaasmon_pushgateway_groups", "Groups that are held.", Kind::Gauge, groups as f64),
            ("iaasmon_pushgateway_series", "Metrics that they have.", Kind::Gauge, read(&self.series)),
            ("iaasmon_pushgateway_held_bytes", "What they hold.", Kind::Gauge, bytes as f64),
            (
                "iaasmon_pushgateway_groups_expired",
                "Groups that went because nobody pushed them for as long as they said.",
                Kind::Counter,
                read(&self.expired),
            ),
            (
                "iaasmon_pushgateway_results_older",
                "Results of checks that were passed over, because newer ones were known.",
                Kind::Counter,
                read(&self.older),
            ),
            ("iaasmon_pushgateway_commits", "Writes to the disk.", Kind::Counter, commits.count as f64),
            ("iaasmon_pushgateway_commit_seconds", "How long they took in all.", Kind::Counter, commits.sum),
            (
                "iaasmon_pushgateway_commits_failed",
                "Writes that failed.",
                Kind::Counter,
                read(&self.commits_failed),
            ),
            (
                "iaasmon_pushgateway_groups_written",
                "Groups that were written by them.",
                Kind::Counter,
                read(&self.groups_written),
            ),
        ] {
            out.family(name, help, kind);
            out.sample(&[], value);
        }
    }

    fn write_requests(&self, out: &mut Exposition) {
        let requests = self.requests();
        out.family("pushgateway_build", "A metric with a constant '1' value labeled by version.", Kind::Info);
        out.sample(&[("version", env!("CARGO_PKG_VERSION")), ("branch", "iaasmon")], 1.0);
        out.family(
            "pushgateway_http_requests",
            "Total HTTP requests processed by the Pushgateway, excluding scrapes.",
            Kind::Counter,
        );
        for ((code, handler, method), count) in &requests.by_code {
            let code = code.to_string();
            out.sample(&[("code", &code), ("handler", handler.word()), ("method", method)], *count as f64);
        }
        for (name, help, sums) in [
            (
                "pushgateway_http_push_size_bytes",
                "HTTP request size for pushes to the Pushgateway.",
                &requests.sizes,
            ),
            (
                "pushgateway_http_push_duration_seconds",
                "HTTP request duration for pushes to the Pushgateway.",
                &requests.times,
            ),
        ] {
            out.summaries(
                name,
                help,
                sums.iter().map(|(method, sum)| (("method", *method), sum.count, sum.sum)),
            );
        }
    }
}

fn word(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "put",
        Method::POST => "post",
        Method::DELETE => "delete",
        _ => "other",
    }
}
