//! What becomes of operations while they are carried out, and what became of them.

use crate::fleet::silence::{Kind, OpId, Outcome, Replication, Standing, Step, What};
use crate::model::text;
use crate::model::time::rfc3339;
use crate::tui::state::confirm::Deed;

/// One or several operations that are or were carried out, one after the other.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is, in a few words, safe.
    pub title: String,
    /// The operations that have begun.
    pub ops: Vec<OpId>,
    /// A row per operation and cluster.
    pub rows: Vec<RunRow>,
    /// Whether it is over; with the reason if it could not begin or go on.
    pub ended: Option<Result<(), String>>,
}

/// One operation's part on one cluster.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// The place of its operation.
    op: usize,
    /// The cluster, safe.
    pub cluster: String,
    /// How many firing alerts a new silence hits there.
    pub hits: Option<usize>,
    /// The silence that was written.
    pub id: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far an operation is on one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not begun, or at this step.
    Doing(&'static str),
    /// Over.
    Done(Outcome),
    /// Cut off before its end was known.
    Cut,
}

impl RunRow {
    /// Returns the word for how it stands.
    pub fn word(&self) -> &'static str {
        match &self.progress {
            Progress::Doing(step) => step,
            Progress::Done(outcome) => outcome.word(),
            Progress::Cut => "interrupted",
        }
    }

    /// Returns what is to be said beside the word, safe.
    pub fn detail(&self) -> String {
        let Progress::Done(outcome) = &self.progress else { return String::new() };
        let whole = outcome.to_string();
        let rest = whole.strip_prefix(outcome.word()).unwrap_or(&whole).trim();
        text::line(rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')).unwrap_or(rest)).into_owned()
    }

    /// Reports whether it is over, and all is well.
    pub fn is_well(&self) -> bool {
        matches!(&self.progress, Progress::Done(outcome) if outcome.is_well())
    }

    /// Reports whether it is not over yet.
    pub fn is_under_way(&self) -> bool {
        matches!(self.progress, Progress::Doing(_))
    }

    fn is(&self, word: &str) -> bool {
        self.word() == word
    }
}

impl Run {
    /// Prepares what `deed` will do: `parts` are the clusters of each operation.
    pub fn starting(title: &str, deed: &Deed, parts: &[Vec<String>]) -> Self {
        let mut rows = Vec::new();
        for (op, clusters) in parts.iter().enumerate() {
            let row = |cluster: &String| RunRow {
                op,
                cluster: text::line(cluster).into_owned(),
                hits: hits(deed, cluster),
                id: String::new(),
                progress: Progress::Doing("waiting"),
            };
            rows.extend(clusters.iter().map(row));
        }
        Self { title: title.to_owned(), ops: Vec::new(), rows, ended: None }
    }

    /// Shows an operation of the journal.
    pub fn of(standing: &Standing) -> Self {
        let mut run = Self {
            title: title(standing),
            ops: vec![standing.operation.op],
            rows: Vec::new(),
            ended: Some(Ok(())),
        };
        run.take(0, standing);
        run
    }

    /// Takes the name of the operation that begins.
    pub fn began(&mut self, op: OpId) {
        self.ops.push(op);
    }

    /// Takes a step of the engine.
    pub fn step(&mut self, step: &Step) {
        let (Some(cluster), Some(op)) = (&step.cluster, self.ops.len().checked_sub(1)) else { return };
        let progress = match &step.what {
            What::Done(outcome) => Progress::Done(outcome.clone()),
            What::Sending(_) => Progress::Doing("sending"),
            What::Answered(_) => Progress::Doing("answered"),
            What::Written(id) => {
                self.row(op, cluster.as_str()).id = text::line(id).into_owned();
                Progress::Doing("written")
            }
            What::Reading => Progress::Doing("no answer: reading every member"),
            What::Expiring(_) => Progress::Doing("expiring"),
            What::Expired(_) => Progress::Doing("expired"),
            What::Verifying => Progress::Doing("asking the other members"),
            What::Journalled | What::Ended => return,
        };
        self.row(op, cluster.as_str()).progress = progress;
    }

    /// Takes the end of the operation that is under way.
    pub fn carried(&mut self, standing: &Standing) {
        if let Some(op) = self.ops.len().checked_sub(1) {
            self.take(op, standing);
            // Where nothing had to be done after all there is nothing to wait for.
            self.rows.retain(|row| row.op != op || !row.is_under_way());
        }
    }

    /// Takes the end of everything.
    pub fn end(&mut self, outcome: Result<(), String>) {
        self.ended = Some(outcome.map_err(|why| text::line(&why).into_owned()));
    }

    fn take(&mut self, op: usize, standing: &Standing) {
        for (cluster, outcome) in standing.outcomes() {
            let written = standing.tasks.get(&cluster).and_then(|task| task.written.clone());
            let row = self.row(op, cluster.as_str());
            row.progress = outcome.map_or(Progress::Cut, Progress::Done);
            row.id = text::line(&written.unwrap_or_default()).into_owned();
        }
    }

    fn row(&mut self, op: usize, cluster: &str) -> &mut RunRow {
        let cluster = text::line(cluster).into_owned();
        let at = self.rows.iter().position(|row| row.op == op && row.cluster == cluster);
        let at = at.unwrap_or_else(|| {
            let progress = Progress::Doing("waiting");
            self.rows.push(RunRow { op, cluster, hits: None, id: String::new(), progress });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Reports whether everything was done and every member that answers has it.
    pub fn is_well(&self) -> bool {
        self.ended == Some(Ok(())) && self.rows.iter().all(RunRow::is_well)
    }

    /// Says in a line how it stands: `PARTIAL: 2 applied, 1 failed`.
    pub fn result(&self) -> String {
        if let Some(Err(why)) = &self.ended {
            let head = if self.rows.iter().any(|row| row.is("applied")) { "PARTIAL" } else { "NOT DONE" };
            return format!("{head}: {why}");
        }
        let words = ["applied", "failed", "unknown", "interrupted", "skipped"];
        let counts = words.map(|word| (word, self.rows.iter().filter(|row| row.is(word)).count()));
        let said: Vec<String> =
            counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
        let all = self.rows.len();
        if self.ended.is_none() {
            let over = self.rows.iter().filter(|row| !row.is_under_way()).count();
            return format!("UNDER WAY: {over} of {all} clusters over");
        }
        let head = match (self.is_well(), counts[0].1) {
            (true, _) => "DONE",
            (false, 0) => "NOT DONE",
            (false, _) if counts[0].1 == all => "DONE, BUT NOT EVERYWHERE",
            (false, _) => "PARTIAL",
        };
        format!("{head}: {}", said.join(", "))
    }

    /// Says what that means for the alerts, where new silences were made, safe.
    pub fn meaning(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let hits = |word: &str| -> usize {
            self.rows.iter().filter(|row| row.is(word)).filter_map(|row| row.hits).sum()
        };
        let all: usize = self.rows.iter().filter_map(|row| row.hits).sum();
        if self.ended.is_some() && self.rows.iter().any(|row| row.hits.is_some()) {
            let mut line = format!("{} of {all} matching alerts are silenced now", hits("applied"));
            for row in self.rows.iter().filter(|row| row.is("failed") || row.is("skipped")) {
                line += &format!("; {} on {} still page", row.hits.unwrap_or_default(), row.cluster);
            }
            let unknown: Vec<&str> =
                self.rows.iter().filter(|row| row.is("unknown")).map(|row| row.cluster.as_str()).collect();
            if !unknown.is_empty() {
                line += &format!("; not known: {}", unknown.join(", "));
            }
            lines.push(line + ".");
        }
        let missing = |row: &&RunRow| {
            matches!(
                &row.progress,
                Progress::Done(Outcome::Applied { replication: Replication::Missing(_), .. })
            )
        };
        for row in self.rows.iter().filter(missing) {
            lines.push(format!(
                "{} took it, but not every member has it: gossip may be split (key 5: clusters).",
                row.cluster
            ));
        }
        lines
    }

    /// Reports whether something is left that a resume could do.
    pub fn is_resumable(&self) -> bool {
        let left = |row: &RunRow| row.is("failed") || row.is("unknown") || row.is("interrupted");
        self.ended.is_some() && !self.ops.is_empty() && self.rows.iter().any(left)
    }

    /// Reports whether there may be something to take back.
    pub fn is_undoable(&self) -> bool {
        let touched = |row: &RunRow| !row.id.is_empty() || row.is("applied") || row.is("unknown");
        self.ended.is_some() && !self.ops.is_empty() && self.rows.iter().any(touched)
    }

    /// Returns a report for an incident's channel: plain lines.
    pub fn report(&self, command: &str) -> String {
        let ops: Vec<String> = self.ops.iter().map(ToString::to_string).collect();
        let mut lines = vec![format!("{}  {}", self.title, ops.join(" ")), self.result()];
        for row in &self.rows {
            let line = format!("  {}: {} {} {}", row.cluster, row.word(), row.detail(), row.id);
            lines.push(line.split_whitespace().fold("  ".to_owned(), |all, word| all + word + " "));
        }
        lines.extend(self.meaning());
        lines.push(command.to_owned());
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }
}

/// Returns how many alerts a new silence hits on a cluster; none where that says nothing.
fn hits(deed: &Deed, cluster: &str) -> Option<usize> {
    let Deed::Add { preview, .. } = deed else { return None };
    preview.clusters.iter().find(|c| c.cluster.as_str() == cluster).map(|c| c.alerts.len())
}

/// Names an operation of the journal: what kind, and of which silence, safe.
pub fn title(standing: &Standing) -> String {
    let operation = &standing.operation;
    let content = operation
        .tasks
        .iter()
        .find_map(|task| task.write.as_ref().or_else(|| task.expire.first().map(|seen| &seen.content)));
    let what = content.map_or_else(String::new, |content| {
        let matchers: Vec<String> = content.matchers.iter().map(ToString::to_string).collect();
        let until = if operation.kind == Kind::Expire {
            String::new()
        } else {
            format!(" until {}", &rfc3339(content.ends_at)[..16])
        };
        format!("  {}  ({}){until}", matchers.join(" "), content.comment)
    });
    text::line(&format!("{}{what}", operation.kind.word())).into_owned()
}
