//! What became of an operation: the results of each cluster, and what they amount to.

use crate::cli::args::{Format, ListArgs};
use crate::cli::error::{AppError, Exit, naming};
use crate::cli::render::{Cell, Column, Document, Listing, Shape, Tone, write_json, write_yaml};
use crate::cli::session::Session;
use crate::cli::streams::View;
use crate::fleet::Coverage;
use crate::fleet::silence::{OpId, Outcome, Progress, Replication, Standing};
use crate::model::cluster::ClusterName;
use crate::model::text;
use crate::model::time::Timestamp;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;

/// One cluster's result; the shape of its JSON.
#[derive(Debug, Clone, Serialize)]
pub struct ResultRow {
    /// The cluster.
    pub cluster: ClusterName,
    /// `applied`, `failed`, `unknown`, `skipped`, or `interrupted`.
    pub result: &'static str,
    /// Whether all members have it, where that is known.
    pub replicated: Option<bool>,
    /// The id there.
    pub id: Option<Arc<str>>,
    /// The result in words.
    pub detail: String,
}

type C = Column<ResultRow>;

/// How results are listed.
const SHAPE: Shape<ResultRow> = Shape {
    columns: &[
        C::name("cluster", |row, _| Cell::text(row.cluster.as_str())),
        C::text("result", |row, _| {
            let tone = match row.result {
                "applied" => Tone::Plain,
                "skipped" => Tone::Dim,
                _ => Tone::Bad,
            };
            Cell::text(&*row.detail).tone(tone)
        }),
        C::word("id", |row, _| Cell::text(row.id.as_deref().unwrap_or(""))),
    ],
    name: |row| row.id.as_deref().unwrap_or("").to_owned(),
};

#[derive(Serialize)]
struct ResultData {
    /// Nothing where nothing was to be done: there is no such operation.
    op: Option<String>,
    kind: &'static str,
    id: Option<Arc<str>>,
    settled: bool,
    clusters: Vec<ResultRow>,
}

/// Returns one row per cluster.
pub fn rows(standing: &Standing) -> Vec<ResultRow> {
    let written = |cluster: &ClusterName| standing.tasks.get(cluster).and_then(|p| p.written.clone());
    let row = |(cluster, outcome): (ClusterName, Option<Outcome>)| {
        let replicated = match &outcome {
            Some(Outcome::Applied { replication, .. }) => Some(match replication {
                Replication::Alone | Replication::Done => true,
                Replication::Down(_) | Replication::Missing(_) => false,
            }),
            _ => None,
        };
        let id = written(&cluster);
        let result = outcome.as_ref().map_or("interrupted", Outcome::word);
        let detail = outcome.map_or_else(|| "interrupted".to_owned(), |outcome| outcome.to_string());
        ResultRow { cluster, result, replicated, id, detail }
    };
    standing.outcomes().into_iter().map(row).collect()
}

/// What became of an operation.
pub struct Results<'r> {
    /// Where it stands.
    pub standing: &'r Standing,
    /// Whether it can be gone on with: not without a journal.
    pub journalled: bool,
    /// Who was asked before it was planned.
    pub coverage: &'r Coverage,
}

impl Results<'_> {
    /// Prints the results of what was just done, and returns what they amount to. For people, and for scripts that
    /// take what is printed for the id, that is the id alone, with the table beside it on stderr.
    pub fn report(&self, format: Format, session: &mut Session<'_>) -> Result<Exit, AppError> {
        if !matches!(format, Format::Table | Format::Wide) {
            return self.show(format, session);
        }
        self.write_id(session.streams.out)?;
        session.streams.out.flush()?;
        // A reason is worth more than its place in a column: no row is cut.
        self.listing(session.now).print(&plain(format), View::default(), session.streams.err)?;
        Ok(self.conclude(session)?)
    }

    /// Prints the results for somebody who asks what became of it, and returns what they amount to.
    pub fn show(&self, format: Format, session: &mut Session<'_>) -> Result<Exit, AppError> {
        let (now, out) = (session.now, &mut *session.streams.out);
        match format {
            Format::Json => write_json(&Document::new(&self.data(), self.coverage, &[]), out)?,
            Format::Yaml => write_yaml(&Document::new(&self.data(), self.coverage, &[]), out)?,
            Format::Name => self.write_id(out)?,
            Format::Jsonl | Format::Csv => {
                self.listing(now).print(&plain(format), session.streams.view, out)?;
            }
            Format::Table | Format::Wide => {
                self.write_id(out)?;
                self.listing(now).print(&plain(format), session.streams.view, out)?;
            }
        }
        out.flush()?;
        Ok(self.conclude(session)?)
    }

    /// Returns the id that stands for what was made, or for what was ended where nothing was to be made.
    fn id(&self) -> Option<Arc<str>> {
        self.standing.id().or_else(|| self.standing.ended_id())
    }

    fn write_id(&self, out: &mut dyn Write) -> io::Result<()> {
        self.id().iter().try_for_each(|id| writeln!(out, "{}", text::line(id)))
    }

    fn listing(&self, now: Timestamp) -> Listing<'_, ResultRow> {
        Listing { shape: &SHAPE, rows: rows(self.standing), coverage: self.coverage, notes: &[], now }
    }

    fn data(&self) -> ResultData {
        let operation = &self.standing.operation;
        ResultData {
            op: (!operation.tasks.is_empty()).then(|| operation.op.to_string()),
            kind: operation.kind.word(),
            id: self.id(),
            settled: self.standing.is_settled(),
            clusters: rows(self.standing),
        }
    }

    /// Says what it amounts to, and what can be done about it.
    fn conclude(&self, session: &mut Session<'_>) -> io::Result<Exit> {
        let Self { standing, journalled, .. } = *self;
        let (err, op, rows) = (&mut *session.streams.err, standing.operation.op, rows(standing));
        let well = standing.is_settled()
            && rows.iter().all(|row| row.result == "applied" || row.result == "skipped")
            && all_well(standing);
        writeln!(err, "{}", sentence(standing, &rows))?;
        if let Some(by) = standing.undone {
            let by = if by == op { String::new() } else { format!(" by {by}") };
            writeln!(err, "it was taken back{by}")?;
        } else if !well && journalled {
            let hint = naming(&finish(op), session.file.as_deref());
            writeln!(err, "  hint: {}", text::line(&hint))?;
        }
        Ok(match well {
            true => Exit::Done,
            false if all_silent(standing) => Exit::Nothing,
            false => Exit::Partial,
        })
    }
}

/// Says how an operation is gone on with.
pub fn finish(op: OpId) -> String {
    format!("`iaasmon silence resume {op}` finishes it, `iaasmon silence undo {op}` takes it back")
}

fn plain(format: Format) -> ListArgs {
    ListArgs { output: format, ..ListArgs::default() }
}

/// Reports whether nothing was done because nobody answered.
fn all_silent(standing: &Standing) -> bool {
    let silent = |p: &Progress| matches!(p.outcome, Some(Outcome::Failed { silent: true, .. }));
    !standing.tasks.is_empty() && standing.tasks.values().all(silent)
}

fn all_well(standing: &Standing) -> bool {
    standing.outcomes().iter().all(|(_, outcome)| outcome.as_ref().is_some_and(Outcome::is_well))
}

fn sentence(standing: &Standing, rows: &[ResultRow]) -> String {
    let tasks = standing.operation.tasks.len();
    if tasks == 0 {
        return "nothing to end".to_owned();
    }
    let applied = rows.iter().filter(|row| row.result == "applied").count();
    let mut said = format!("{} applied on {applied} of {tasks} cluster(s)", standing.operation.kind.word());
    for word in ["failed", "unknown", "interrupted", "skipped"] {
        let of: Vec<&str> =
            rows.iter().filter(|row| row.result == word).map(|row| row.cluster.as_str()).collect();
        if !of.is_empty() {
            said += &format!("; {word}: {}", of.join(", "));
        }
    }
    said
}
