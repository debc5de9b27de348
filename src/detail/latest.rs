//! The newest result of every check, taken from any number of logs.
//!
//! A line costs a walk over its bytes and one copy; nothing is parsed into values before somebody asks for the detail.

mod stored;

use super::bound::{Bound, GRACE_SECONDS, Judged};
use super::statuses::Statuses;
use super::{labels, trim};
use crate::model::status::Status;
use crate::model::time::Timestamp;
use crate::sys::clock::{self, Moment};
use crate::wire::sensu_log::{Line, ResultLine, read};
use foldhash::fast::RandomState;
use foldhash::quality::FixedState;
use indexmap::{Equivalent, IndexMap};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many checks are known at most; no node comes near.
pub const MOST_CHECKS: usize = 10_000;
/// How much of a definition and of what hooks said is kept of each check; the longest attributes go first.
const MOST_FIELDS: usize = 16 * 1024;
/// How much is held of the words of all checks. Beyond that of each new result only so much is kept as names it: whoever reaches
/// the runner's socket could fill the memory of a node.
const MOST_WORDS: usize = 64 * 1024 * 1024;
const FEW_WORDS: usize = 2048;
/// A result from further ahead counts as arriving now: a clock that jumped must freeze nothing.
const AHEAD_SECONDS: i64 = 60;

/// What names a check on a node: the host that it is about, where that is another, and the check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The host that the result is about, where it is not the node itself.
    pub source: Option<Box<str>>,
    /// The check.
    pub check: Box<str>,
}

/// A [`Key`] that borrows from a line: nearly every line is about a check that is known, which is found without a copy.
#[derive(PartialEq, Eq, Hash)]
struct Name<'a> {
    source: Option<&'a str>,
    check: &'a str,
}

impl Equivalent<Arc<Key>> for Name<'_> {
    fn equivalent(&self, key: &Arc<Key>) -> bool {
        self.source == key.source.as_deref() && self.check == &*key.check
    }
}

/// The newest result of one check.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The client that sent it.
    pub client: Box<str>,
    /// Its exit code, or whatever number came.
    pub status: i64,
    /// When it ran.
    pub executed: Timestamp,
    /// Seconds that it took.
    pub duration: Option<f64>,
    /// The `check` object as it stood in the line, but for the value of its output.
    pub fields: Box<[u8]>,
    /// The output as far as it is kept.
    pub output: Box<[u8]>,
    /// How long the output was.
    pub output_bytes: u64,
    /// The digest of the whole output.
    pub sha256: [u8; 32],
    /// Since when the status is what it is.
    pub status_since: Timestamp,
    /// When it was last OK.
    pub last_ok: Option<Timestamp>,
    /// How many results in a row had this status.
    pub occurrences: u32,
    /// The statuses of the newest runs.
    pub history: Statuses,
    /// How many results there were since this check was first seen.
    pub runs: u64,
    /// The log that it came from, by its place.
    pub log: u16,
    /// For how long it holds.
    pub bound: Bound,
    /// Labels that the definition adds.
    pub labels: Vec<(Box<str>, Box<str>)>,
    raw_labels: Option<Box<[u8]>>,
    /// A hash of the output as it stood in the line: the same again is not digested again. None where it is not known.
    seen: Option<u64>,
    /// When its line was read, by the steady clock: what fell silent is told by this, whatever the other clock does.
    heard: Instant,
    /// How old it was then, by the wall clock.
    age: chrono::Duration,
}

/// One run, for the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub number: u64,
    /// When it ran.
    pub executed: Timestamp,
    /// Its status.
    pub status: i64,
    /// Seconds that it took.
    pub duration: Option<f64>,
    /// The digest of its whole output.
    pub sha256: [u8; 32],
    /// Whether the status is another one than before.
    pub changed: bool,
}

/// The last run with a status, and its output.
pub type Ended = (Run, Box<[u8]>);
/// Whoever is told of new results: of which check, as it is known now, the run, and the one before it where the status changed.
pub type Tell<'a> = dyn FnMut(&Key, &Entry, Run, Option<Ended>) + 'a;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// The newest result of its check.
    Result,
    /// A result that is older than the one that another log had.
    Older,
    /// A result, but too many checks are known.
    Refused,
    /// Another event.
    Other,
    /// No JSON.
    NotJson,
}

/// The newest result of every check. A copy of it shares them: it costs the same however much was said.
#[derive(Debug, Clone)]
pub struct Latest {
    entries: IndexMap<Arc<Key>, Arc<Entry>, RandomState>,
    /// Which checks each log said to be scheduled.
    scheduled: Vec<Option<HashSet<Box<str>>>>,
    /// Which checks each log once said to be scheduled, and no longer does.
    dropped: Vec<HashSet<Box<str>>>,
    keep: usize,
    /// The bytes of all words that are held.
    words: usize,
    gone: Vec<Key>,
    /// Labels of definitions that were refused, since the start.
    pub labels_refused: u64,
}

impl Latest {
    /// Builds an empty one for so many logs; of each output at most `keep` bytes are kept.
    pub fn new(logs: usize, keep: usize) -> Self {
        Self {
            entries: IndexMap::default(),
            scheduled: vec![None; logs],
            dropped: vec![HashSet::new(); logs],
            keep,
            words: 0,
            gone: Vec::new(),
            labels_refused: 0,
        }
    }

    /// Returns all checks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter().map(|(key, entry)| (&**key, &**entry))
    }

    /// Returns the checks that `other` does not have as they are here.
    pub fn beyond<'a>(&'a self, other: Option<&Self>) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        let is_same = move |key: &Arc<Key>, entry: &Arc<Entry>| {
            other.and_then(|other| other.entries.get(key)).is_some_and(|theirs| Arc::ptr_eq(theirs, entry))
        };
        let all = self.entries.iter();
        all.filter(move |(key, entry)| !is_same(key, entry)).map(|(key, entry)| (&**key, &**entry))
    }

    /// Returns how many bytes of words are held.
    pub fn held(&self) -> usize {
        self.words
    }

    /// Forgets one check, and reports whether it was known.
    pub fn remove(&mut self, key: &Key) -> bool {
        let gone = self.entries.swap_remove(key);
        self.words -= gone.as_ref().map_or(0, |entry| entry.words());
        gone.is_some()
    }

    /// Returns how many checks are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no check is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns one check.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key).map(|entry| &**entry)
    }

    /// Returns the check that somebody asks for. Who is named as the source of its own results is no other host, as when they came.
    pub fn find(&self, key: &Key) -> Option<(&Key, &Entry)> {
        let own = Name { source: None, check: &key.check };
        let (known, entry) = self.entries.get_key_value(key).or_else(|| {
            let source = key.source.as_deref()?;
            self.entries.get_key_value(&own).filter(|(_, entry)| &*entry.client == source)
        })?;
        Some((known, entry))
    }

    /// Takes one line of a log, named by its place; each result that is the newest is told to `run`, with the run before it and
    /// its output where that had another status: it was the last of its kind.
    pub fn take(&mut self, log: u16, line: &[u8], now: Timestamp, run: &mut Tell<'_>) -> Took {
        match read(line) {
            Line::Result(result) => self.result(log, &result, now, run),
            Line::Scheduled(names) => {
                self.schedule(log, names.into_iter().map(|name| name.to_text().into()).collect());
                Took::Other
            }
            Line::Other => Took::Other,
            Line::NotJson => Took::NotJson,
        }
    }

    fn result(&mut self, log: u16, result: &ResultLine<'_>, now: Timestamp, run: &mut Tell<'_>) -> Took {
        // A node that names itself is no other host.
        let source = result.source.filter(|source| source.escaped() != result.client.escaped());
        let source = source.map(|source| source.to_text());
        let name = Name { source: source.as_deref(), check: &result.check.to_text() };
        let executed = executed(result.executed, now);
        let status = result.status.unwrap_or(3);
        let place = match self.entries.get_full(&name) {
            Some((_, _, known)) if known.log != log && known.outlives(executed, now) => return Took::Older,
            Some((_, _, known)) if known.log == log && known.is_same(result, executed, status) => {
                return Took::Older;
            }
            Some((place, _, _)) => place,
            None if self.is_last_of_a_dropped(log, name.check, result) => return Took::Other,
            None if self.entries.len() >= self.most(log, name.check) => return Took::Refused,
            None => {
                let key = Key { source: name.source.map(Into::into), check: name.check.into() };
                self.entries.insert_full(key.into(), Entry::first(status, executed).into()).0
            }
        };
        let (key, entry) = self.entries.get_index_mut(place).expect("found or put there just now");
        let entry = Arc::make_mut(entry);
        let changed = entry.runs == 0 || entry.status != status;
        let ended = (changed && entry.runs > 0).then(|| (entry.run(), entry.output.clone()));
        entry.advance(status, executed, changed);
        entry.log = log;
        entry.duration = result.duration;
        entry.hear(now);
        entry.bound.update(&result.bound, executed);
        self.labels_refused += entry.take_labels(result.labels) as u64;
        self.words -= entry.words();
        let many = self.words >= MOST_WORDS;
        let (output, fields) = if many { (FEW_WORDS, FEW_WORDS) } else { (usize::MAX, MOST_FIELDS) };
        entry.take_text(result, self.keep.min(output), fields);
        self.words += entry.words();
        run(key, entry, entry.run(), ended);
        Took::Result
    }

    /// How many checks may be known for this one to be taken. Anybody on the machine may send results to the runner's socket: the
    /// names that they make up must leave room for those that are scheduled.
    fn most(&self, log: u16, check: &str) -> usize {
        let scheduled = self.scheduled.get(usize::from(log)).and_then(Option::as_ref);
        let made_up = scheduled.is_some_and(|names| !names.contains(check));
        if made_up { MOST_CHECKS / 2 } else { MOST_CHECKS }
    }

    /// A check that ran while its definition was removed tells its result after that: nobody would tell another one, and the
    /// check would become stale. What a socket sends under the same name has no schedule.
    fn is_last_of_a_dropped(&self, log: u16, check: &str, result: &ResultLine<'_>) -> bool {
        let dropped = self.dropped.get(usize::from(log)).is_some_and(|names| names.contains(check));
        dropped && (result.bound.interval.is_some() || result.bound.cron.is_some())
    }

    /// A log says what is scheduled from here on: what it said before and does not say now is gone, and so is what the runner must
    /// have run, if not by these definitions. What a socket sends has no command.
    fn schedule(&mut self, log: u16, names: HashSet<Box<str>>) {
        let Some(before) = self.scheduled.get_mut(usize::from(log)) else { return };
        let gone = self.entries.extract_if(.., |key, entry| {
            let was = before.as_ref().is_some_and(|before| before.contains(&key.check));
            entry.log == log && (was || entry.was_scheduled()) && !names.contains(&key.check)
        });
        let gone: Vec<Key> = gone.map(|(key, _)| Arc::unwrap_or_clone(key)).collect();
        let dropped = self.dropped.get_mut(usize::from(log));
        if let (Some(dropped), Some(before)) = (dropped, before.as_ref()) {
            dropped.extend(before.iter().cloned());
            dropped.retain(|name| !names.contains(name));
            // Only those of the last reloads can still be running.
            if dropped.len() > MOST_CHECKS {
                dropped.clear();
            }
        }
        *before = Some(names);
        self.forget(gone);
    }

    fn forget(&mut self, gone: Vec<Key>) {
        if !gone.is_empty() {
            self.gone.extend(gone);
            self.count_words();
        }
    }

    fn count_words(&mut self) {
        self.words = self.entries.values().map(|entry| entry.words()).sum();
    }

    /// Forgets what no log names as scheduled and what was silent for so long, while its log went on. Silence is counted by
    /// the steady clock and from our own start on, so that neither a jump of the clock nor a long pause forgets anything.
    pub fn retire(&mut self, after: Duration) {
        let mut newest: Vec<Option<Instant>> = vec![None; self.scheduled.len()];
        for entry in self.entries.values() {
            if let Some(newest) = newest.get_mut(usize::from(entry.log)) {
                *newest = (*newest).max(Some(entry.heard));
            }
        }
        let scheduled = &self.scheduled;
        let gone = self.entries.extract_if(.., |key, entry| {
            let log = usize::from(entry.log);
            let named =
                scheduled.get(log).and_then(Option::as_ref).is_some_and(|names| names.contains(&key.check));
            // The others of a log that stopped fell silent with it: who is dead has removed no check.
            let goes_on = newest.get(log).copied().flatten();
            !named && goes_on.is_some_and(|newest| newest.saturating_duration_since(entry.heard) > after)
        });
        let gone = gone.map(|(key, _)| Arc::unwrap_or_clone(key)).collect();
        self.forget(gone);
    }

    /// Returns the checks that were forgotten since this was last called.
    pub fn take_gone(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.gone)
    }

    /// Returns whether the runner is gone, which is one fact: no check has a result that holds; or some have none, and since
    /// longer than the fastest of these is given, nothing ran at all, though most, or another that still holds, should have.
    /// A check that runs once a day holds for days after its runner has died.
    ///
    /// Checks without a bound say nothing about it, unless there are no others.
    pub fn is_runner_stale(&self, now: Moment) -> bool {
        let seconds = |entry: &Arc<Entry>| (now.wall - entry.ran(now)).num_milliseconds() as f64 / 1000.0;
        let (mut stale, mut held) = (0, 0);
        let (mut given, mut should) = (f64::INFINITY, f64::INFINITY);
        for entry in self.entries.values().filter(|entry| entry.bound.is_bounded()) {
            if let Some(over) = entry.bound.overdue(entry.ran(now), entry.duration, now.wall) {
                stale += 1;
                given = given.min(seconds(entry) - over);
            } else {
                held += 1;
                should = should.min(entry.bound.interval().unwrap_or(f64::INFINITY));
            }
        }
        if held == 0 {
            return stale > 0 || self.entries.is_empty();
        }
        let silent = self.entries.values().map(seconds).fold(f64::INFINITY, f64::min);
        stale > 0 && silent > given && (stale > held || silent > should + GRACE_SECONDS)
    }

    /// Returns the age of the newest result.
    pub fn newest(&self, now: Moment) -> Option<chrono::Duration> {
        self.entries.values().map(|entry| now.wall - entry.ran(now)).min()
    }
}

/// When a result counts as having run.
fn executed(seconds: Option<i64>, now: Timestamp) -> Timestamp {
    let told = seconds.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    told.filter(|told| *told <= now + chrono::Duration::seconds(AHEAD_SECONDS)).unwrap_or(now)
}

impl Entry {
    fn first(status: i64, executed: Timestamp) -> Self {
        Self {
            client: Box::default(),
            status,
            executed,
            duration: None,
            fields: Box::default(),
            output: Box::default(),
            output_bytes: 0,
            sha256: Sha256::digest([]).into(),
            status_since: executed,
            last_ok: None,
            occurrences: 0,
            history: Statuses::default(),
            runs: 0,
            log: 0,
            bound: Bound::default(),
            labels: Vec::new(),
            raw_labels: None,
            seen: None,
            heard: clock::instant(),
            age: chrono::Duration::zero(),
        }
    }

    /// Notes when the result was heard of, and how old it was.
    fn hear(&mut self, now: Timestamp) {
        self.heard = clock::instant();
        self.age = (now - self.executed).max(chrono::Duration::zero());
    }

    /// When it ran, as the wall clock has it now: what has passed since is counted by the steady one, so that a jump makes
    /// no result fresh for days, and no healthy node stale at one stroke.
    fn ran(&self, now: Moment) -> Timestamp {
        let since = now.steady.saturating_duration_since(self.heard);
        let age = chrono::Duration::from_std(since).ok().and_then(|since| self.age.checked_add(&since));
        age.and_then(|age| now.wall.checked_sub_signed(age)).unwrap_or(self.executed)
    }

    /// Whether it stays the newest although another log has one of that time. Within one log its order is the truth, whatever the
    /// clock did; between logs it is the time.
    fn outlives(&self, executed: Timestamp, now: Timestamp) -> bool {
        self.executed >= executed && self.executed <= now + chrono::Duration::seconds(AHEAD_SECONDS)
    }

    /// Whether a line is the one that was read last: a log that was copied may hold it twice.
    fn is_same(&self, result: &ResultLine<'_>, executed: Timestamp, status: i64) -> bool {
        let (start, end) = result.output_at;
        let quotes = if end > start { 2 } else { 0 };
        let rest = result.fields.len() - (end - start);
        self.seen.is_some()
            && self.executed == executed
            && self.status == status
            && self.fields.len() == rest + quotes
            && self.fields[..start] == result.fields[..start]
            && self.fields[start + quotes..] == result.fields[end..]
            && self.seen == Some(FixedState::default().hash_one(result.output.escaped()))
    }

    /// Returns the run that it holds.
    fn run(&self) -> Run {
        Run {
            number: self.runs,
            executed: self.executed,
            status: self.status,
            duration: self.duration,
            sha256: self.sha256,
            changed: self.occurrences == 1,
        }
    }

    fn advance(&mut self, status: i64, executed: Timestamp, changed: bool) {
        if changed {
            self.status_since = executed;
            self.occurrences = 0;
        }
        self.occurrences = self.occurrences.saturating_add(1);
        self.runs += 1;
        self.history.push(status);
        self.status = status;
        self.executed = executed;
        if status == 0 {
            self.last_ok = Some(executed);
        }
    }

    fn take_labels(&mut self, raw: Option<&[u8]>) -> usize {
        if self.raw_labels.as_deref() == raw {
            return 0;
        }
        self.raw_labels = raw.map(Into::into);
        let (labels, refused) = raw.map(labels::read).unwrap_or_default();
        self.labels = labels;
        refused
    }

    /// How many bytes of words it holds.
    fn words(&self) -> usize {
        self.fields.len() + self.output.len()
    }

    /// Takes over the words of a line: at most `keep` bytes of its output, and `fields` of everything else.
    fn take_text(&mut self, result: &ResultLine<'_>, keep: usize, fields: usize) {
        if *self.client != *result.client.to_text() {
            self.client = result.client.to_text().into();
        }
        let (start, end) = result.output_at;
        put(
            &mut self.fields,
            &[&result.fields[..start], if end > start { b"\"\"" } else { b"" }, &result.fields[end..]],
        );
        if let Cow::Owned(fitting) = trim::fields(&self.fields, fields) {
            self.fields = fitting.into();
        }
        let seen = Some(FixedState::default().hash_one(result.output.escaped()));
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        let output = result.output.bytes();
        self.sha256 = Sha256::digest(&output).into();
        self.output_bytes = output.len() as u64;
        put(&mut self.output, &[trim::output(&output, keep)]);
    }

    /// Judges the result as of now.
    pub fn judge(&self, runner_stale: bool, now: Moment) -> Judged {
        self.bound.judge(self.status, self.ran(now), self.duration, runner_stale, now.wall)
    }

    /// Returns the status that its exit code means.
    pub fn own_status(&self) -> Status {
        Status::from_value(self.status as f64)
    }

    /// Whether a runner ran it by a schedule.
    fn was_scheduled(&self) -> bool {
        self.bound.is_scheduled() && memchr::memmem::find(&self.fields, b"\"command\":").is_some()
    }
}

impl Latest {
    /// Puts back an entry that was kept.
    pub fn restore(&mut self, key: Key, mut entry: Entry, now: Timestamp) {
        entry.hear(now);
        if self.entries.len() < MOST_CHECKS && usize::from(entry.log) < self.scheduled.len() {
            self.words += entry.words();
            if let Some(replaced) = self.entries.insert(key.into(), entry.into()) {
                self.words -= replaced.words();
            }
        }
    }

    /// Takes over the results of `other` that are newer than what is known here, and returns whose they are.
    pub fn take_over(&mut self, other: &Self) -> Vec<Key> {
        let mut taken = Vec::new();
        for (key, entry) in &other.entries {
            let own = self.entries.get(key);
            if own.is_some_and(|own| own.executed >= entry.executed) {
                continue;
            }
            let mut entry = Entry::clone(entry);
            // Numbers of runs only grow: they say what is newer.
            entry.runs = entry.runs.max(own.map_or(0, |own| own.runs + 1));
            self.entries.insert(key.clone(), entry.into());
            taken.push(Key::clone(key));
        }
        self.count_words();
        // The same definitions were read again.
        self.labels_refused = self.labels_refused.max(other.labels_refused);
        taken
    }

    /// Returns what a log said to be scheduled.
    pub fn scheduled(&self, log: u16) -> Option<Vec<&str>> {
        let names = self.scheduled.get(usize::from(log))?.as_ref()?;
        Some(names.iter().map(|name| &**name).collect())
    }

    /// Puts back what a log said to be scheduled.
    pub fn restore_scheduled(&mut self, log: u16, names: Vec<String>) {
        if let Some(scheduled) = self.scheduled.get_mut(usize::from(log)) {
            *scheduled = Some(names.into_iter().map(Into::into).collect());
        }
    }
}

/// Writes parts into a box, in place where the length is the same.
fn put(place: &mut Box<[u8]>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if place.len() != length {
        *place = vec![0; length].into();
    }
    let mut at = 0;
    for part in parts {
        place[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}

#[cfg(test)]
mod tests;
