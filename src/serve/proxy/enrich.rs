//! Enriching a batch of alerts: what is known of their checks, and as much of what is not as comes in time.

use super::annotate::{Found, Rule, annotations};
use super::cache::Cached;
use super::exchange::{Age, Outgoing, Received};
use super::fetch::{Class, Failure, Fetched, Fetcher};
use super::meter::Meter;
use crate::model::time::{Timestamp, format_duration};
use crate::net::detail_url;
use crate::sys::clock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A detail is asked for again after so long: less than a minute, after which an alert comes again.
const FRESH_FOR: Duration = Duration::from_secs(45);
/// So long after it fired an alert is new: what mails it is about to be sent, and must show the run that failed.
const NEW_FOR: Duration = Duration::from_secs(60);
/// The detail of a new alert is asked for again after so long.
const NEW_FRESH_FOR: Duration = Duration::from_secs(2);

/// Enriches alerts by rules.
pub(super) struct Enricher {
    rules: Vec<Rule>,
    check_label: String,
    fetcher: Arc<Fetcher>,
    meter: Arc<Meter>,
}

/// One alert that is being enriched.
pub(super) struct Work {
    received: Received,
    wanted: Option<Wanted>,
}

struct Wanted {
    rule: usize,
    url: String,
    known: Option<Cached>,
    begun: Instant,
    state: State,
}

enum State {
    /// What is known is good enough.
    Fresh,
    UnderWay(watch::Receiver<Option<Fetched>>),
    Done(Fetched),
}

/// An alert that went out before its detail was there.
pub(super) struct Late {
    pub received: Received,
    rule: usize,
    url: String,
    /// When the run was executed that it shows.
    shown: Option<Timestamp>,
    /// Whether it fires since a moment ago: a message about it is still to be sent.
    is_new: bool,
    flight: watch::Receiver<Option<Fetched>>,
    begun: Instant,
}

impl Enricher {
    pub(super) fn new(
        rules: Vec<Rule>,
        check_label: String,
        fetcher: Arc<Fetcher>,
        meter: Arc<Meter>,
    ) -> Self {
        Self { rules, check_label, fetcher, meter }
    }

    /// Begins to fetch what one alert wants and is not known well enough.
    pub(super) fn begin(&self, received: Received) -> Work {
        let labels = &received.alert.labels;
        let Some((rule, of)) = self.rules.iter().enumerate().find(|(_, rule)| rule.is_for(labels)) else {
            return Work { received, wanted: None };
        };
        let begun = clock::instant();
        let url = match detail_url(&of.detail_url, labels) {
            Ok(url) => url,
            Err(why) => {
                let failure = Failure { class: Class::Label, why };
                let wanted =
                    Wanted { rule, url: String::new(), known: None, begun, state: State::Done(Err(failure)) };
                return Work { received, wanted: Some(wanted) };
            }
        };
        let known = self.fetcher.known(&url);
        let state = if received.resolved || self.is_fresh(known.as_ref(), &received, begun) {
            State::Fresh
        } else {
            State::UnderWay(self.fetcher.fetch(&url, labels.get(&self.check_label)))
        };
        let wanted = Wanted { rule, url: url.into(), known, begun, state };
        Work { received, wanted: Some(wanted) }
    }

    fn is_fresh(&self, known: Option<&Cached>, received: &Received, now: Instant) -> bool {
        let fresh_for = if is_new(received, now) { NEW_FRESH_FOR } else { FRESH_FOR };
        let fetched = known.and_then(|known| known.fetched);
        fetched.is_some_and(|fetched| now.saturating_duration_since(fetched) < fresh_for)
    }

    /// Waits for what is under way, for so long at most.
    pub(super) async fn wait(&self, works: &mut [Work], budget: Duration) {
        let wanted = || works.iter().filter_map(|work| work.wanted.as_ref());
        let flights: Vec<_> = wanted()
            .filter_map(|wanted| match &wanted.state {
                State::UnderWay(flight) => Some(flight.clone()),
                State::Fresh | State::Done(_) => None,
            })
            .collect();
        let all = async {
            for mut flight in flights {
                // Who fetches never goes without a word, but where the program ends.
                let _ = flight.wait_for(Option::is_some).await;
            }
        };
        // What did not come in time goes on by itself.
        let _ = tokio::time::timeout(budget, all).await;
        for wanted in works.iter_mut().filter_map(|work| work.wanted.as_mut()) {
            let fetched = match &wanted.state {
                State::UnderWay(flight) => flight.borrow().clone(),
                State::Fresh | State::Done(_) => None,
            };
            if let Some(fetched) = fetched {
                self.meter.fetched(&fetched, wanted.begun.elapsed());
                wanted.state = State::Done(fetched);
            }
        }
    }

    /// Returns the alert as it goes out, and what is to be sent after it.
    pub(super) fn finish(&self, work: Work, budget: Duration) -> (Outgoing, Option<Late>) {
        let Work { received, wanted } = work;
        let Some(wanted) = wanted else {
            let own = &received.alert.annotations;
            return (outgoing(&received, 0, own), None);
        };
        let Wanted { rule, url, known, begun, state } = wanted;
        let known = known.map(|known| known.detail);
        let (detail, problem, flight) = match state {
            State::Fresh => (known, None, None),
            State::Done(Ok(detail)) => (Some(detail), None, None),
            State::Done(Err(failure)) => (known, Some(failure.why), None),
            State::UnderWay(flight) => {
                let late = format!("not fetched within {}, it follows", format_duration(budget));
                let problem = known.is_none().then_some(late);
                (known, problem, Some(flight))
            }
        };
        self.meter.enriched(detail.is_some(), flight.is_some());
        let found = Found { detail: detail.as_deref(), problem: problem.as_deref(), url: &url };
        let all = annotations(&received.alert.annotations, found, &self.rules[rule]);
        let out = outgoing(&received, 0, &all);
        let shown = detail.and_then(|detail| detail.executed);
        let is_new = is_new(&received, begun);
        (out, flight.map(|flight| Late { received, rule, url, shown, is_new, flight, begun }))
    }

    /// Waits for a detail that came too late, and returns the alert with it, if it had none or is new and shows another run now.
    /// For an old one the next copy will do: what changes in an annotation later is sent to nobody.
    pub(super) async fn catch_up(&self, late: Late) -> Option<Outgoing> {
        let Late { received, rule, url, shown, is_new, mut flight, begun } = late;
        let fetched = flight.wait_for(Option::is_some).await.ok()?.clone()?;
        self.meter.fetched(&fetched, begun.elapsed());
        let (detail, problem) = match fetched {
            Ok(detail) if shown.is_none() || (is_new && detail.executed != shown) => (Some(detail), None),
            // It said that its words follow, and they do not.
            Err(failure) if shown.is_none() && is_new => (None, Some(failure.why)),
            Ok(_) | Err(_) => return None,
        };
        let found = Found { detail: detail.as_deref(), problem: problem.as_deref(), url: &url };
        let all = annotations(&received.alert.annotations, found, &self.rules[rule]);
        Some(outgoing(&received, 1, &all))
    }
}

/// Whether an alert fires since a moment ago.
fn is_new(received: &Received, now: Instant) -> bool {
    now.saturating_duration_since(received.first) < NEW_FOR
}

fn outgoing(received: &Received, revision: u32, annotations: &[(String, String)]) -> Outgoing {
    let mut body = Vec::new();
    received.alert.write(annotations, &mut body);
    Outgoing {
        labels: received.alert.labels.clone(),
        age: Age { receipt: received.receipt, revision },
        resolved: received.resolved,
        ends_at: received.alert.ends_at,
        received: received.at,
        body: body.into(),
    }
}
