//! Earlier runs of a check: which one is shown, and against what it is set.

use crate::model::check::{History, Run};
use crate::model::diff;
use crate::model::status::Status;
use crate::model::text;
use crate::model::time::{Timestamp, format_took};

/// How many runs are asked for.
pub const RUNS: usize = 200;

/// Earlier runs of a check.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// What the node keeps; nothing until it was asked for and has answered.
    history: Option<History>,
    /// Whether it was asked for.
    asked: bool,
    /// How many runs before the newest the shown one is.
    pub back: usize,
    /// Whether the difference to the last run that was well is shown.
    pub diff: bool,
}

/// What is to be shown.
pub(super) enum View {
    /// The newest output.
    Newest,
    /// Earlier runs are under way.
    Asking,
    /// An earlier run.
    Run { source: String, ran: Option<Timestamp>, facts: String, output: Option<String> },
    /// A run against the last one that was well, with its own facts where it is not the newest.
    Diff {
        source: String,
        ran: Option<Timestamp>,
        against: Option<Timestamp>,
        facts: Option<String>,
        diff: String,
    },
}

const NO_OK: &str = "no earlier run was well and has its output kept";
const NOT_KEPT: &str = "no output kept for this run";

impl Past {
    /// Returns the places of the runs before the newest one in the history.
    fn older(&self, newest: Option<Timestamp>) -> Vec<usize> {
        let runs = self.history.as_ref().map_or(&[][..], |history| &history.runs);
        let earlier = |run: &Run| newest.zip(run.executed).is_none_or(|(newest, ran)| ran < newest);
        (0..runs.len()).filter(|at| earlier(&runs[*at])).collect()
    }

    /// Asks for the history, once.
    fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    pub(super) fn step(&mut self, older: bool, newest: Option<Timestamp>) -> Result<bool, &'static str> {
        if !older {
            let newer = self.back.checked_sub(1).ok_or("this is the newest run; r asks for a newer one")?;
            self.back = self.stops(newest).into_iter().rfind(|back| *back <= newer).unwrap_or(0);
            return Ok(false);
        }
        if self.history.is_some() {
            let next = self.stops(newest).into_iter().find(|back| *back > self.back);
            self.back = next.ok_or(match self.back < self.older(newest).len() {
                true => "no older run has another status or its output kept",
                false => "no older run is kept",
            })?;
        } else {
            self.back += 1;
        }
        Ok(self.ask())
    }

    /// Returns at which runs one stops, as numbers of runs before the newest: at those that have their output, or another status
    /// than the one after them. Of a check that runs every few seconds most runs have neither.
    fn stops(&self, newest: Option<Timestamp>) -> Vec<usize> {
        let Some(history) = &self.history else { return Vec::new() };
        let status = |at: usize| history.runs[at].status;
        let older = self.older(newest);
        // After all of them came the newest, which is the first one of the history or newer.
        let after = std::iter::once(&0).chain(&older);
        let runs = (1..).zip(after.zip(&older));
        let stops =
            runs.filter(|(_, (after, at))| history.output(**at).is_some() || status(**after) != status(**at));
        stops.map(|(back, _)| back).collect()
    }

    pub(super) fn toggle(&mut self, newest: Option<Timestamp>) -> Result<bool, &'static str> {
        self.diff = !self.diff;
        if self.diff
            && self.history.is_some()
            && let Err(why) = self.pair(newest)
        {
            self.diff = false;
            return Err(why);
        }
        Ok(self.diff && self.ask())
    }

    /// Takes the history; returns why what was wished for is not there.
    pub(super) fn take(
        &mut self,
        history: Result<&History, &str>,
        newest: Option<Timestamp>,
    ) -> Option<String> {
        let history = match history {
            Ok(history) => history,
            Err(why) => {
                *self = Self::default();
                return Some(text::line(&format!("no earlier runs: {why}")).into_owned());
            }
        };
        self.history = Some(history.clone());
        let older = self.older(newest).len();
        let mut complaint = (self.back > older).then(|| "no older run is kept".to_owned());
        self.back = self.back.min(older);
        // It was stepped to before anybody knew what it says.
        if self.back > 0 {
            self.back = self.stops(newest).into_iter().find(|back| *back >= self.back).unwrap_or(self.back);
        }
        if self.diff
            && let Err(why) = self.pair(newest)
        {
            self.diff = false;
            complaint = Some(why.to_owned());
        }
        complaint
    }

    /// Returns the place of the shown run in the history; none for the newest output.
    fn shown(&self, newest: Option<Timestamp>) -> Option<usize> {
        let back = self.back.checked_sub(1)?;
        self.older(newest).get(back).copied()
    }

    /// Returns the last run that was well before the shown one, or why the two cannot be compared.
    fn pair(&self, newest: Option<Timestamp>) -> Result<usize, &'static str> {
        let history = self.history.as_ref().ok_or(NO_OK)?;
        let shown = self.shown(newest);
        if shown.is_some_and(|at| history.output(at).is_none()) {
            return Err(NOT_KEPT);
        }
        let ran = shown.map_or(newest, |at| history.runs[at].executed);
        history.last_ok(ran).ok_or(NO_OK)
    }

    /// Returns what is to be shown; `own` is the newest output where it is the check's own.
    pub(super) fn view(&self, newest: Option<Timestamp>, own: Option<&str>) -> View {
        if self.back == 0 && !self.diff {
            return View::Newest;
        }
        let Some(history) = &self.history else { return View::Asking };
        let shown = self.shown(newest);
        let run = shown.map(|at| &history.runs[at]);
        let ran = run.map_or(newest, |run| run.executed);
        let facts = run.map(facts);
        // The word first: it is what one steps through runs for.
        let which = run.map_or("newest".to_owned(), |run| {
            let word = run.status.map_or("?".into(), |status| status.word_of_exit(run.exit_status));
            format!("{word}, run {} of {}", self.back, self.older(newest).len())
        });
        let output = match shown {
            Some(at) => history.output(at),
            // What an alert carries is no output; the history's first run may have one.
            None => own.or_else(|| history.output(0)),
        };
        match (self.diff, self.pair(newest)) {
            (true, Ok(good)) => {
                let old = history.output(good).unwrap_or_default();
                let diff = diff::unified(old, output.unwrap_or_default());
                View::Diff { source: which, ran, against: history.runs[good].executed, facts, diff }
            }
            (wanted, _) => {
                // Where it is the shown run whose output is missing, the place of the output says so.
                let lacks = if wanted && output.is_some() { ", none ok before" } else { "" };
                let place = if run.is_some() { " before the newest" } else { "" };
                View::Run {
                    source: format!("{which}{place}{lacks}"),
                    ran,
                    facts: facts.unwrap_or_default(),
                    output: output.map(str::to_owned),
                }
            }
        }
    }
}

fn facts(run: &Run) -> String {
    let code = |status: Status| run.exit_status.unwrap_or(status.value().into());
    let status = run.status.map(|status| format!("{} (exit {})", status.word(), code(status)));
    let took = run.duration.map(|took| format!("took {}", format_took(took)));
    status.into_iter().chain(took).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::Past;
    use crate::model::check::{History, Run};
    use crate::model::status::Status;
    use chrono::DateTime;

    #[test]
    fn runs_that_say_nothing_else_are_stepped_over() {
        let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0);
        let run = |minute, status, output: Option<&str>| Run {
            executed: at(minute),
            status: Some(status),
            exit_status: None,
            duration: None,
            output_sha256: None,
            output: output.map(str::to_owned),
        };
        let (crit, ok) = (Status::Crit, Status::Ok);
        let runs = vec![
            run(9, crit, None),
            run(8, crit, None),
            run(7, crit, Some("disk")),
            run(6, crit, None),
            run(5, ok, None),
            run(4, ok, None),
            run(3, ok, Some("fine")),
            run(2, ok, None),
        ];
        let history = History { check: "c".to_owned(), source: None, runs };
        let mut past = Past::default();
        assert_eq!(past.step(true, at(9)), Ok(true));
        assert_eq!((past.take(Ok(&history), at(9)), past.back), (None, 2));
        let mut step = |older| past.step(older, at(9)).map(|_| past.back);
        assert_eq!([step(true), step(true)], [Ok(4), Ok(6)]);
        assert_eq!(step(true), Err("no older run has another status or its output kept"));
        assert_eq!([step(false), step(false)], [Ok(4), Ok(2)]);
        assert_eq!(step(false), Ok(0));
        assert_eq!(step(false), Err("this is the newest run; r asks for a newer one"));
    }
}
