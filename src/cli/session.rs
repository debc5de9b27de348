//! What every command on the fleet needs: the clusters chosen, the moment, and the way to print.

use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::render::{Listing, Shape};
use super::streams::Streams;
use crate::config::Config;
use crate::fleet::filter::ClusterLabels;
use crate::fleet::{Answer, Cluster, Coverage, CoverageVerdict, Fleet};
use crate::model::text;
use crate::model::time::Timestamp;
use futures_util::future::join_all;
use serde::Serialize;
use std::io;
use std::path::PathBuf;

/// One run of a command.
pub struct Session<'a> {
    /// The configuration in force.
    pub config: Config,
    /// Its file, where that was named.
    pub file: Option<PathBuf>,
    /// The clusters that `--cluster` chose.
    pub fleet: Fleet,
    /// Whether `--cluster` chose them.
    pub named: bool,
    /// The labels of all clusters, for filters.
    pub labels: ClusterLabels,
    /// What may be the reason where nothing is found.
    pub hint_if_empty: Option<String>,
    /// When it began; ages relate to this.
    pub now: Timestamp,
    /// Where to write.
    pub streams: Streams<'a>,
}

impl Session<'_> {
    /// Runs a use case on every cluster at once and joins the answers, so that a slow cluster delays no other.
    pub async fn ask_all<T>(&self, use_case: impl AsyncFn(&Cluster) -> Answer<Vec<T>>) -> Answer<Vec<T>> {
        Answer::concat(join_all(self.fleet.clusters().iter().map(|cluster| use_case(cluster))).await)
    }

    /// Says that nothing fits, and how much the filter hides: an empty list must not read as peace.
    pub fn nothing(what: &str, hidden: usize) -> String {
        match hidden {
            0 => format!("no {what}"),
            hidden => format!("no {what} that fit; {hidden} hidden by the filter"),
        }
    }

    /// Prints a list and what must be said about it, and returns what the answer amounts to.
    ///
    /// `nothing` is what a person reads where an empty list is the whole answer.
    pub fn list<T: Serialize>(
        &mut self,
        shape: &Shape<T>,
        answer: Answer<Vec<T>>,
        args: &ListArgs,
        nothing: &str,
    ) -> Result<Exit, AppError> {
        let Answer { value: rows, coverage, notes } = answer;
        let empty = rows.is_empty();
        let listing = Listing { shape, rows, coverage: &coverage, notes: &notes, now: self.now };
        listing.print(args, self.streams.view, self.streams.out)?;
        let exit = self.tell(&coverage, &notes)?;
        let for_people =
            matches!(args.output, Format::Table | Format::Wide) && self.streams.view.is_terminal();
        if empty && exit == Exit::Done && for_people {
            writeln!(self.streams.err, "{nothing}")?;
            if let Some(hint) = &self.hint_if_empty {
                writeln!(self.streams.err, "  hint: {}", text::line(hint))?;
            }
        }
        Ok(exit)
    }

    /// Says who did not answer, what servers warned of, and notes; says nothing where all is well.
    pub fn tell(&mut self, coverage: &Coverage, notes: &[String]) -> io::Result<Exit> {
        // Results first: on a terminal both go to the same place.
        self.streams.out.flush()?;
        let err = &mut *self.streams.err;
        for note in notes {
            writeln!(err, "note: {}", text::line(note))?;
        }
        for replica in coverage.replicas() {
            for warning in &replica.warnings {
                writeln!(err, "warning: {}: {}", replica.replica, text::line(warning))?;
            }
        }
        if coverage.missing().next().is_some() {
            writeln!(err, "coverage: {}", text::line(&coverage.summary()))?;
        }
        Ok(exit_of(coverage))
    }
}

/// Returns the exit code that a coverage means.
pub fn exit_of(coverage: &Coverage) -> Exit {
    match coverage.verdict() {
        CoverageVerdict::Complete => Exit::Done,
        CoverageVerdict::Partial => Exit::Partial,
        CoverageVerdict::Nothing => Exit::Nothing,
    }
}

impl Exit {
    /// Becomes [`Exit::Problems`] where problems were found, were asked for, and the answer is complete:
    /// of a part nobody knows what the rest would have said.
    pub fn or_problems(self, args: &ListArgs, found: bool) -> Self {
        if self == Self::Done && args.exit_code && found { Self::Problems } else { self }
    }
}
