//! What the exporter knows, and reading more of it from the logs.

use super::Options;
use crate::detail::history::{Depth, keeps_output};
use crate::detail::latest::{Ended, Entry, Key, Latest, Run, Took};
use crate::model::time::Timestamp;
use crate::sys::tail::{Notice, Position, Tail};
use crate::wire::sensu_log::LONGEST_LINE;
use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use std::path::Path;
use std::sync::Arc;

/// How many runs wait for the store at most.
const MOST_UNKEPT: usize = 20_000;
/// How many bytes of their outputs do.
const MOST_UNKEPT_BYTES: usize = 16 * 1024 * 1024;
/// From here on they do not wait for their time: a backlog is kept as it is read.
const KEEP_AT: usize = 5_000;
const KEEP_AT_BYTES: usize = 4 * 1024 * 1024;

/// How many bytes of outputs, and of attributes, the newest results take in the store together; with both, half of it is left to
/// the history. Of each so much is kept as falls to its share, but this much always.
const MOST_ENTRIES_BYTES: usize = 4 * 1024 * 1024;
const LEAST_ENTRY_BYTES: usize = 2048;

/// How lines were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) results: u64,
    pub(super) older: u64,
    pub(super) other: u64,
    pub(super) not_json: u64,
    pub(super) too_long: u64,
    pub(super) refused: u64,
}

/// One log.
pub(super) struct Followed {
    tail: Tail,
    pub(super) behind: u64,
    trouble: Option<String>,
}

impl Followed {
    pub(super) fn path(&self) -> &Path {
        self.tail.path()
    }
}

pub(super) struct State {
    pub(super) logs: Vec<Followed>,
    pub(super) latest: Latest,
    pub(super) counted: Counted,
    unkept: Vec<Unkept>,
    /// The bytes of their outputs.
    unkept_bytes: usize,
    /// What is being written to the store: it can be read there once that is done.
    keeping: Arc<Vec<Unkept>>,
    outputs: HashMap<Key, Kept>,
    changed: HashSet<Key>,
    pub(super) history_lost: u64,
    depth: Depth,
}

/// When an output was last kept, of which run where that is known, and how many were.
#[derive(Debug, Clone, Copy)]
struct Kept {
    at: Timestamp,
    of: Option<u64>,
    count: u64,
}

/// A run that is not in the store yet.
#[derive(Debug, Clone)]
pub(super) struct Unkept {
    pub(super) key: Key,
    pub(super) run: Run,
    /// Its output with its number, where it is kept.
    pub(super) output: Option<(u64, Box<[u8]>)>,
}

/// What is to be written to the store.
pub(super) struct ToKeep {
    pub(super) runs: Arc<Vec<Unkept>>,
    pub(super) entries: Vec<(Key, Option<Vec<u8>>)>,
    pub(super) logs: Vec<LogState>,
}

/// Where a log is, and what it said to be scheduled.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct LogState {
    pub(super) path: std::path::PathBuf,
    pub(super) position: Option<Position>,
    pub(super) scheduled: Option<Vec<String>>,
}

impl State {
    pub(super) fn new(options: &Options) -> Self {
        let follow = |path: &std::path::PathBuf| Followed {
            tail: Tail::open(path, None).with_line_limit(LONGEST_LINE),
            behind: 0,
            trouble: None,
        };
        Self {
            logs: options.logs.iter().map(follow).collect(),
            latest: Latest::new(options.logs.len(), options.output_limit),
            counted: Counted::default(),
            unkept: Vec::new(),
            unkept_bytes: 0,
            keeping: Arc::default(),
            outputs: HashMap::new(),
            changed: HashSet::new(),
            history_lost: 0,
            depth: options.history,
        }
    }

    /// Puts a log back to where it was.
    pub(super) fn resume(&mut self, log: usize, kept: LogState) {
        if let Some(followed) = self.logs.get_mut(log) {
            followed.tail = Tail::open(kept.path, kept.position).with_line_limit(LONGEST_LINE);
        }
        if let (Some(names), Ok(log)) = (kept.scheduled, u16::try_from(log)) {
            self.latest.restore_scheduled(log, names);
        }
    }

    /// Reads a bite of every log; returns how many bytes are left where there is more.
    pub(super) fn read(&mut self, budget: usize, now: Timestamp) -> Option<u64> {
        let Self {
            logs, latest, counted, unkept, unkept_bytes, outputs, changed, history_lost, depth, ..
        } = self;
        let mut more = None;
        for (log, followed) in (0_u16..).zip(logs) {
            let mut note = |key: &Key, entry: &Entry, run: Run, ended: Option<Ended>| {
                if !changed.contains(key) {
                    changed.insert(key.clone());
                }
                let kept = outputs.get(key).copied();
                let output = keeps_output(&run, kept.map(|kept| kept.at)).then(|| entry.output.clone());
                // What a check said last before it went bad is what its words are compared with.
                let ended = ended.filter(|(run, _)| kept.and_then(|kept| kept.of) != Some(run.number));
                let ended = ended.map(|(run, output)| (run, Some(output)));
                for (run, output) in ended.into_iter().chain([(run, output)]) {
                    let output = output.map(|output| {
                        let count = outputs.get(key).map_or(0, |kept| kept.count + 1);
                        let kept = Kept { at: run.executed, of: Some(run.number), count };
                        outputs.insert(key.clone(), kept);
                        (count, output)
                    });
                    *unkept_bytes += output.as_ref().map_or(0, |(_, output)| output.len());
                    if unkept.len() >= MOST_UNKEPT || *unkept_bytes >= MOST_UNKEPT_BYTES {
                        *unkept_bytes = trim(unkept, *depth, history_lost);
                    }
                    unkept.push(Unkept { key: key.clone(), run, output });
                }
            };
            let read = followed.tail.read(budget, &mut |line| {
                if line.oversized {
                    counted.too_long += 1;
                    return;
                }
                let counter = match latest.take(log, line.bytes, now, &mut note) {
                    Took::Result => &mut counted.results,
                    Took::Older => &mut counted.older,
                    Took::Other => &mut counted.other,
                    Took::NotJson => &mut counted.not_json,
                    Took::Refused => &mut counted.refused,
                };
                *counter += 1;
            });
            match read {
                Ok(progress) => {
                    progress.notices.iter().for_each(tell);
                    followed.behind = progress.behind;
                    followed.trouble = (!followed.tail.is_open()).then(|| "it is not there".to_owned());
                    if progress.more {
                        *more.get_or_insert(0) += progress.behind;
                    }
                }
                Err(error) => followed.trouble = Some(error.to_string()),
            }
        }
        more
    }

    /// Returns why no log can be followed. One of several that is missing is no trouble: a node has sensu-client's before
    /// the switch and the runner's after it.
    pub(super) fn trouble(&self) -> Option<String> {
        let troubles: Vec<String> = self
            .logs
            .iter()
            .filter_map(|log| log.trouble.as_ref().map(|why| format!("{}: {why}", log.path().display())))
            .collect();
        (troubles.len() == self.logs.len()).then(|| troubles.join("; "))
    }

    /// Takes out what is to be written to the store.
    pub(super) fn take_unkept(&mut self, options: &Options) -> ToKeep {
        self.latest.retire(options.retire_after);
        self.bury();
        let latest = &self.latest;
        let most = (MOST_ENTRIES_BYTES / latest.len().max(1)).max(LEAST_ENTRY_BYTES);
        let entries = self.changed.drain().map(|key| {
            let packed = latest.get(&key).map(|entry| entry.pack(&key, most));
            (key, packed)
        });
        let entries = entries.collect();
        let logs = (0_u16..).zip(&self.logs).map(|(log, followed)| LogState {
            path: followed.path().to_owned(),
            position: followed.tail.position(),
            scheduled: latest.scheduled(log).map(|names| names.into_iter().map(str::to_owned).collect()),
        });
        let logs = logs.collect();
        self.unkept_bytes = 0;
        self.keeping = Arc::new(std::mem::take(&mut self.unkept));
        ToKeep { runs: self.keeping.clone(), entries, logs }
    }

    /// Notes the checks that were retired: they must not come back from the store.
    fn bury(&mut self) {
        for key in self.latest.take_gone() {
            self.outputs.remove(&key);
            self.changed.insert(key);
        }
    }

    /// Whether so many runs wait that they are to be kept now.
    pub(super) fn is_laden(&self) -> bool {
        self.unkept.len() >= KEEP_AT || self.unkept_bytes >= KEEP_AT_BYTES
    }

    /// Makes room where there is no store: the newest runs are held here, the older ones are forgotten.
    pub(super) fn forget_old(&mut self, options: &Options) {
        self.latest.retire(options.retire_after);
        self.bury();
        self.changed.clear();
        self.unkept.retain(|unkept| self.latest.get(&unkept.key).is_some());
        self.trim();
    }

    /// Holds the newest runs alone, as many as the history would.
    pub(super) fn trim(&mut self) {
        self.unkept_bytes = trim(&mut self.unkept, self.depth, &mut self.history_lost);
    }

    /// Returns the runs that are not in the store for certain, the newest first. One whose output was kept later comes twice,
    /// with it first.
    pub(super) fn unkept(&self) -> impl Iterator<Item = &Unkept> {
        self.unkept.iter().rev().chain(self.keeping.iter().rev())
    }

    /// Lets go of what was written.
    pub(super) fn kept(&mut self) {
        self.keeping = Arc::default();
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&mut self, unkept: ToKeep) {
        self.kept();
        self.changed.extend(unkept.entries.into_iter().map(|(key, _)| key));
        let newer = std::mem::replace(&mut self.unkept, Arc::unwrap_or_clone(unkept.runs));
        self.unkept.extend(newer);
    }

    /// Takes over from what was known before, where the logs no longer tell of it: they were moved too far away.
    pub(super) fn take_over(&mut self, before: &Self) {
        self.counted = before.counted;
        self.history_lost += before.history_lost;
        self.changed.extend(self.latest.take_over(&before.latest));
    }

    /// Has every check written with the next ones: the store lost them.
    pub(super) fn all_changed(&mut self) {
        self.changed.extend(self.latest.iter().map(|(key, _)| key.clone()));
    }

    /// Puts back how many outputs of a check are in the store.
    pub(super) fn restore_outputs(&mut self, key: Key, count: u64, at: Timestamp) {
        self.outputs.insert(key, Kept { at, of: None, count });
    }
}

/// Holds the newest runs and outputs of each check alone, as many as the history would; what even so are too many are lost.
/// Returns the bytes of the outputs that are left.
fn trim(unkept: &mut Vec<Unkept>, depth: Depth, lost: &mut u64) -> usize {
    let mut held: HashMap<Key, (u32, u32, u64)> = HashMap::new();
    let mut bytes = 0;
    let mut newest = Vec::new();
    for mut one in unkept.drain(..).rev() {
        let (runs, outputs, number) = held.entry(one.key.clone()).or_default();
        if std::mem::replace(number, one.run.number) == one.run.number {
            continue;
        }
        *runs += 1;
        let length = one.output.as_ref().map_or(0, |(_, output)| output.len());
        *outputs += u32::from(one.output.is_some());
        if *outputs > depth.outputs || bytes + length > MOST_UNKEPT_BYTES / 2 {
            one.output = None;
        } else if *runs <= depth.runs {
            bytes += length;
        }
        if *runs > depth.runs {
            continue;
        }
        if newest.len() < MOST_UNKEPT / 2 {
            newest.push(one);
        } else {
            *lost += 1;
        }
    }
    newest.reverse();
    *unkept = newest;
    bytes
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Rotated { .. } => tracing::debug!(%notice, "log"),
        _ => tracing::warn!(%notice, "log"),
    }
}
