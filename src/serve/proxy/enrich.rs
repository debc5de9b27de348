//! Enriching a batch of alerts: what is known of their checks, and as much of what is not as comes in time.

use super::annotate::{Found, Rule, annotations};
use super::cache::Cached;
use super::exchange::{Age, Outgoing, Received};
use super::fetch::{Class, Failure, Fetched, Fetcher};
use super::late::Late;
use super::meter::{Meter, Output};
use crate::sys::clock;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A detail is asked for again after so long: less than a minute, after which an alert comes again.
const FRESH_FOR: Duration = Duration::from_secs(45);
/// So long after it fired an alert is new: what mails it is about to be sent, and must show the run that failed. Its second copy, a
/// minute later, is not.
const NEW_FOR: Duration = Duration::from_secs(55);
/// The detail of a new alert is asked for again after so long.
const NEW_FRESH_FOR: Duration = Duration::from_secs(2);

/// What an alert says whose words are not there yet: the same in every copy, however long it waited.
const FOLLOWS: &str = "not fetched in time, it follows";

/// What an alert says for which no place of details is named.
const NOWHERE: &str = "no place of details is named for a check of a node: detail_url";

/// Enriches alerts by rules.
pub(super) struct Enricher {
    rules: RwLock<Arc<Rules>>,
    fetcher: Arc<Fetcher>,
    meter: Arc<Meter>,
}

/// What a reload may change.
pub(super) struct Rules {
    pub all: Vec<Arc<Rule>>,
    /// The label that names an alert's check.
    pub check_label: String,
}

/// One alert that is being enriched.
pub(super) struct Work {
    received: Received,
    wanted: Option<Wanted>,
}

struct Wanted {
    rule: Arc<Rule>,
    url: String,
    known: Option<Cached>,
    begun: Instant,
    state: State,
}

enum State {
    /// What is known is good enough.
    Fresh,
    /// With why the node was not reached when it was last asked, if so.
    UnderWay(watch::Receiver<Option<Fetched>>, Option<String>),
    Done(Fetched),
}

impl Enricher {
    pub(super) fn new(rules: Rules, fetcher: Arc<Fetcher>, meter: Arc<Meter>) -> Self {
        Self { rules: RwLock::new(Arc::new(rules)), fetcher, meter }
    }

    /// Goes by these rules from now on. What is under way is finished by those that it began with.
    pub(super) fn adopt(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to fetch what one alert wants and is not known well enough.
    pub(super) fn begin(&self, received: Received) -> Work {
        let labels = &received.alert.labels;
        let rules = self.rules();
        let Some(rule) = rules.all.iter().find(|rule| rule.is_for(labels)).cloned() else {
            return Work { received, wanted: None };
        };
        let begun = clock::instant();
        let urls = rule.places.urls(labels);
        let urls = urls.and_then(|urls| if urls.is_empty() { Err(NOWHERE.to_owned()) } else { Ok(urls) });
        let urls = match urls {
            Ok(urls) => urls,
            Err(why) => {
                self.meter.failed(Class::Label);
                let state = State::Done(Err(Failure { class: Class::Label, why }));
                let wanted = Wanted { rule, url: String::new(), known: None, begun, state };
                return Work { received, wanted: Some(wanted) };
            }
        };
        // Of several places the first names what is known, whoever told it: two proxies show the same.
        let url = urls[0].to_string();
        let known = self.fetcher.known(&url);
        let state = if received.resolved || self.is_fresh(known.as_ref(), &received, begun) {
            State::Fresh
        } else {
            let trouble = self.fetcher.trouble(&urls);
            State::UnderWay(self.fetcher.fetch(urls, labels.get(&rules.check_label)), trouble)
        };
        let wanted = Wanted { rule, url, known, begun, state };
        Work { received, wanted: Some(wanted) }
    }

    fn is_fresh(&self, known: Option<&Cached>, received: &Received, now: Instant) -> bool {
        let fresh_for = if is_new(received, now) { NEW_FRESH_FOR } else { FRESH_FOR };
        let fetched = known.and_then(|known| known.fetched);
        fetched.is_some_and(|fetched| now.saturating_duration_since(fetched) < fresh_for)
    }

    /// Waits for what is under way, until then at the latest.
    pub(super) async fn wait(&self, works: &mut [Work], until: Instant) {
        let wanted = || works.iter().filter_map(|work| work.wanted.as_ref());
        let flights: Vec<_> = wanted()
            .filter_map(|wanted| match &wanted.state {
                State::UnderWay(flight, _) => Some(flight.clone()),
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
        let _ = tokio::time::timeout_at(until.into(), all).await;
        for wanted in works.iter_mut().filter_map(|work| work.wanted.as_mut()) {
            let fetched = match &wanted.state {
                State::UnderWay(flight, _) => flight.borrow().clone(),
                State::Fresh | State::Done(_) => None,
            };
            if let Some(fetched) = fetched {
                wanted.state = State::Done(fetched);
            }
        }
    }

    /// Returns the alert as it goes out, and what is to be sent after it.
    pub(super) fn finish(&self, work: Work) -> (Outgoing, Option<Late>) {
        let Work { received, wanted } = work;
        let Some(wanted) = wanted else {
            self.meter.enriched(Output::Unwanted, false);
            return (outgoing(&received, 0, &received.alert.annotations), None);
        };
        let Wanted { rule, url, known, begun, state } = wanted;
        let since = known.as_ref().and_then(|known| known.fetched);
        let known = known.map(|known| known.words);
        let old = if known.is_some() { Output::Known } else { Output::None };
        let (words, output, problem, flight) = match state {
            State::Fresh => (known, Output::Hit, None, None),
            State::Done(Ok(words)) => (Some(words), Output::Fetched, None, None),
            State::Done(Err(failure)) => (known, old, Some(failure.why), None),
            State::UnderWay(flight, trouble) => {
                // What was fetched since this alert fires is of this episode. A node that fell silent is said to be so in the
                // same words whether it is asked just now or left alone, by this proxy and by the other.
                let is_of_now = since.is_some_and(|since| since >= received.first);
                let follows = || (!is_of_now).then(|| FOLLOWS.to_owned());
                (known, old, trouble.or_else(follows), Some(flight))
            }
        };
        let output = if received.resolved { Output::Resolved } else { output };
        self.meter.enriched(output, flight.is_some());
        let found = Found { words: words.as_deref(), problem: problem.as_deref(), url: &url };
        let out = written(&received, 0, found, &rule);
        // For an old one that has its words the next copy will do: what changes in an annotation later is sent to nobody.
        let late = flight.filter(|_| problem.is_some() || is_new(&received, begun));
        (out, late.map(|flight| Late { received, rule, url, shown: words, problem, flight }))
    }

    /// Returns an alert with what came of its fetch, unless that is what it showed.
    pub(super) fn finish_late(late: Late, fetched: Fetched) -> Option<Outgoing> {
        let Late { received, rule, url, shown, problem: told, .. } = late;
        let (words, problem) = match fetched {
            Ok(words) => (Some(words), None),
            Err(failure) => (shown.clone(), Some(failure.why)),
        };
        if (&words, &problem) == (&shown, &told) {
            return None;
        }
        let found = Found { words: words.as_deref(), problem: problem.as_deref(), url: &url };
        Some(written(&received, 1, found, &rule))
    }
}

/// The alert with what was found.
fn written(received: &Received, revision: u32, found: Found<'_>, rule: &Rule) -> Outgoing {
    outgoing(received, revision, &annotations(&received.alert.annotations, found, rule))
}

/// Whether an alert fires since a moment ago.
fn is_new(received: &Received, now: Instant) -> bool {
    now.saturating_duration_since(received.first) < NEW_FOR
}

fn outgoing(
    received: &Received,
    revision: u32,
    annotations: &[(impl AsRef<str>, impl AsRef<str>)],
) -> Outgoing {
    let mut body = Vec::new();
    received.alert.write(annotations, &mut body);
    Outgoing {
        labels: received.alert.labels.clone(),
        age: Age { receipt: received.receipt, revision },
        resolved: received.resolved,
        ends_at: received.alert.ends_at,
        received: received.at,
        body,
    }
}
