//! The last look before something is written, and what became of it.

pub use crate::fleet::silence::ConfirmLevel as Level;
use crate::fleet::silence::{
    ConfirmLevel, Draft, Facts, LogicalSilence, Outcome, Preview, Standing, Step, What,
};
use crate::model::text;
use std::time::Duration;
use tui_input::Input;

/// What is to be written, frozen: nothing that comes in while somebody reads changes it.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and the large one is the usual")]
pub enum Deed {
    /// New silences.
    Add {
        /// What.
        draft: Draft,
        /// Where, and what it hits.
        preview: Preview,
        /// What that was found from.
        facts: Vec<Facts>,
    },
    /// The end of a silence.
    Expire(Box<LogicalSilence>),
}

/// The last look.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// What is to be written.
    pub deed: Deed,
    /// What it is, in a few words.
    pub title: String,
    /// Who, what, where, until when and how much, safe.
    pub lines: Vec<String>,
    /// The command line that does the same.
    pub command: String,
    /// How strongly it must be confirmed.
    pub level: ConfirmLevel,
    /// What is typed where a word is asked for.
    pub typed: Input,
    /// Whether keys count yet.
    pub armed: bool,
    /// The number of its guard.
    pub token: u64,
}

/// The word that must be typed to confirm something broad.
pub const BROAD_WORD: &str = "broad";

impl Confirm {
    /// Returns for how long every key is ignored: what was pressed for the screen below must not write.
    pub fn guard(level: ConfirmLevel) -> Duration {
        match level {
            ConfirmLevel::Small => Duration::from_millis(400),
            _ => Duration::from_secs(1),
        }
    }

    /// Reports whether the word was typed, where one is asked for.
    pub fn has_word(&self) -> bool {
        self.level == ConfirmLevel::Broad && self.typed.value().trim() == BROAD_WORD
    }
}

/// An operation that is or was carried out.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is, in a few words.
    pub title: String,
    /// Its id, once it has one.
    pub op: String,
    /// Its clusters, safe, and how far each is.
    pub clusters: Vec<(String, Progress)>,
    /// Whether it is over; with the reason if it could not begin.
    pub ended: Option<Result<(), String>>,
}

/// How far an operation is on one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not begun, or at this step.
    Doing(&'static str),
    /// Over: whether well, and the words.
    Done(bool, String),
}

impl Run {
    /// Takes a step of the engine.
    pub fn step(&mut self, step: &Step) {
        let Some(cluster) = &step.cluster else { return };
        let progress = match &step.what {
            What::Done(outcome) => done(outcome),
            What::Sending(_) => Progress::Doing("sending"),
            What::Answered(_) | What::Written(_) => Progress::Doing("written"),
            What::Reading => Progress::Doing("no answer: reading every member"),
            What::Expiring(_) => Progress::Doing("expiring"),
            What::Expired(_) => Progress::Doing("expired"),
            What::Verifying => Progress::Doing("asking the other members"),
            What::Journalled | What::Ended => return,
        };
        self.set(cluster.as_str(), progress);
    }

    /// Takes the end of the operation.
    pub fn end(&mut self, outcome: Result<&Standing, String>) {
        match outcome {
            Ok(standing) => {
                for (cluster, task) in &standing.tasks {
                    if let Some(outcome) = &task.outcome {
                        self.set(cluster.as_str(), done(outcome));
                    }
                }
                self.ended = Some(Ok(()));
            }
            Err(why) => self.ended = Some(Err(text::line(&why).into_owned())),
        }
    }

    /// Counts the clusters where all is well, and all of them.
    pub fn well(&self) -> (usize, usize) {
        let well = self.clusters.iter().filter(|(_, p)| matches!(p, Progress::Done(true, _))).count();
        (well, self.clusters.len())
    }

    fn set(&mut self, cluster: &str, progress: Progress) {
        let cluster = text::line(cluster).into_owned();
        match self.clusters.iter_mut().find(|(name, _)| *name == cluster) {
            Some((_, slot)) => *slot = progress,
            None => self.clusters.push((cluster, progress)),
        }
    }
}

fn done(outcome: &Outcome) -> Progress {
    Progress::Done(outcome.is_well(), text::line(&outcome.to_string()).into_owned())
}
