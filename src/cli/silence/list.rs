//! `silence list` and `silence show`.

use super::{ListSilences, ShowArgs};
use crate::cli::args::{Format, ListArgs};
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Document, Shape, Tone, write_json, write_yaml};
use crate::cli::session::Session;
use crate::fleet::filter::SilenceSubject;
use crate::fleet::silence::{FindError, LogicalSilence, find, group, held, short_id};
use crate::fleet::silences::{SilenceCopy, silences};
use crate::fleet::{Answer, Cluster};
use crate::model::cluster::ClusterName;
use crate::model::filter::{Pseudo, RowKind};
use crate::model::labels::Fingerprint;
use crate::model::silence::{SilenceState, telling_first};
use crate::model::text;
use crate::model::time::{Timestamp, age, format_left, rfc3339};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A silence as it is listed; the shape of its JSON.
#[derive(Debug, Clone, Serialize)]
pub struct SilenceRow {
    /// The id to use; any copy's does as well.
    pub id: Arc<str>,
    /// `active`, `pending` or `expired`.
    pub state: SilenceState,
    /// When it starts.
    #[serde(serialize_with = "crate::model::time::serialize")]
    pub starts_at: Timestamp,
    /// When the last copy ends.
    #[serde(serialize_with = "crate::model::time::serialize")]
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Each as it is written.
    pub matchers: Vec<String>,
    /// Firing alerts that it holds back now.
    pub firing: usize,
    /// How the clusters differ, in words.
    pub drift: Vec<String>,
    /// Every copy.
    pub copies: Vec<CopyRow>,
}

/// One cluster's copy.
#[derive(Debug, Clone, Serialize)]
pub struct CopyRow {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its id there.
    pub id: Arc<str>,
    /// Where it stands.
    pub state: SilenceState,
    /// When it ends there.
    #[serde(serialize_with = "crate::model::time::serialize")]
    pub ends_at: Timestamp,
    /// When it was last written.
    #[serde(serialize_with = "crate::model::time::serialize")]
    pub updated_at: Timestamp,
    /// Members that have it.
    pub members: Vec<Arc<str>>,
}

impl SilenceRow {
    /// Takes a silence and the number of alerts that it holds back.
    pub fn new(silence: &LogicalSilence, firing: usize) -> Self {
        Self {
            id: silence.id.clone(),
            state: silence.state,
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            matchers: telling_first(&silence.matchers).into_iter().map(ToString::to_string).collect(),
            firing,
            drift: silence.drift.iter().map(ToString::to_string).collect(),
            copies: silence.copies.iter().map(copy_row).collect(),
        }
    }

    fn clusters(&self) -> String {
        let names: BTreeSet<&str> = self.copies.iter().map(|copy| copy.cluster.as_str()).collect();
        let mark = if self.drift.is_empty() { "" } else { " (differs)" };
        names.into_iter().collect::<Vec<_>>().join(",") + mark
    }
}

fn copy_row(copy: &SilenceCopy) -> CopyRow {
    CopyRow {
        cluster: copy.cluster.clone(),
        id: copy.silence.id.clone(),
        state: copy.silence.state,
        ends_at: copy.silence.ends_at,
        updated_at: copy.silence.updated_at,
        members: copy.seen_by.clone(),
    }
}

type C = Column<SilenceRow>;

/// How many of a silence's alerts fire: the only column that takes more than the list of silences to know.
const FIRING: &str = "firing";

/// How silences are listed.
pub const SHAPE: Shape<SilenceRow> = Shape {
    columns: &[
        C::word("ends_in", |row, now| {
            let left = match row.state {
                SilenceState::Expired => "over".to_owned(),
                _ => format_left(age(now, row.ends_at)),
            };
            Cell { raw: rfc3339(row.ends_at).into(), ..Cell::ranked(left, row.ends_at.timestamp() as f64) }
        }),
        C::word("state", |row, _| {
            let tone = if row.state == SilenceState::Active { Tone::Plain } else { Tone::Dim };
            Cell::ranked(row.state.word(), row.state as u8).tone(tone)
        }),
        C::name("author", |row, _| Cell::text(&*row.created_by)).droppable(2),
        C::name("clusters", |row, _| Cell::text(row.clusters())),
        C::text("matchers", |row, _| Cell::text(row.matchers.join(" "))),
        C::text("comment", |row, _| Cell::text(&*row.comment)).droppable(1),
        C::word("id", |row, _| Cell { text: short_id(&row.id).into(), ..Cell::text(&*row.id) }),
        C::number(FIRING, |row, _| Cell::number(row.firing as f64)).wide(),
        C::word("starts", |row, _| Cell::text(rfc3339(row.starts_at))).wide(),
        C::word("ends", |row, _| Cell::text(rfc3339(row.ends_at))).wide(),
        C::name("ids", |row, _| {
            let ids = row.copies.iter().map(|copy| format!("{}:{}", copy.cluster, copy.id));
            Cell::text(ids.collect::<Vec<_>>().join(","))
        })
        .wide(),
        C::text("drift", |row, _| Cell::text(row.drift.join("; "))).wide(),
    ],
    name: |row| row.id.to_string(),
};

/// What a cluster says: its silences, and which alerts they hold back.
struct Part {
    copies: Vec<SilenceCopy>,
    held: Vec<(Fingerprint, Vec<Arc<str>>)>,
}

/// Which alerts each silence holds back, by the id of its copies.
struct Held<'a>(HashMap<&'a str, Vec<usize>>);

impl<'a> Held<'a> {
    fn of(held: impl Iterator<Item = &'a (Fingerprint, Vec<Arc<str>>)>) -> Self {
        let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
        for (alert, (_, ids)) in held.enumerate() {
            for id in ids {
                by_id.entry(id).or_default().push(alert);
            }
        }
        Self(by_id)
    }

    /// Counts the alerts that a silence holds back, each once although several copies may hold it.
    fn count(&self, silence: &LogicalSilence) -> usize {
        let of_copies = silence.copies.iter().filter_map(|copy| self.0.get(&*copy.silence.id));
        let mut alerts: Vec<usize> = of_copies.flatten().copied().collect();
        alerts.sort_unstable();
        alerts.dedup();
        alerts.len()
    }
}

/// Asks a cluster for its silences, and `with_held` also for the alerts that they hold back, which costs
/// Alertmanager far more: it goes through all its alerts.
async fn part(cluster: &Cluster, with_held: bool) -> Answer<Vec<Part>> {
    if !with_held {
        return silences(cluster, |_| {}).await.map(|copies| vec![Part { copies, held: Vec::new() }]);
    }
    let (silences, held) = tokio::join!(silences(cluster, |_| {}), held(cluster));
    let coverage = silences.coverage.join(held.coverage);
    Answer { value: vec![Part { copies: silences.value, held: held.value }], coverage, notes: silences.notes }
}

/// Reports whether a list in this form shows what its silences hold back.
fn shows_held(list: &ListArgs) -> bool {
    let sorted = list.sort.iter().any(|name| name.trim_start_matches('-').eq_ignore_ascii_case(FIRING));
    sorted || !matches!(list.output, Format::Table | Format::Name)
}

/// Runs `silence list`.
pub async fn run(args: &ListSilences, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Silence, session)?;
    // Who asks for expired ones by name wants to see them.
    let expired = args.expired || filter.names(Pseudo::State, SilenceState::Expired.word());
    let (own, now) = (&session.labels, session.now);
    let with_held = shows_held(&args.list);
    let answer =
        session.ask_all(async |cluster: &Cluster| part(cluster, with_held).await).await.map(|parts| {
            let (copies, held): (Vec<_>, Vec<_>) = parts.into_iter().map(|p| (p.copies, p.held)).unzip();
            let held = Held::of(held.iter().flatten());
            let mut all = group(copies.into_iter().flatten());
            all.retain(|silence| expired || silence.state != SilenceState::Expired);
            all.retain(|silence| filter.is_empty() || filter.shows(&SilenceSubject::new(silence, own, now)));
            all.iter().map(|silence| SilenceRow::new(silence, held.count(silence))).collect()
        });
    session.list(&SHAPE, answer, &args.list, "no silences")
}

/// Says why an id names nothing, and what may be the reason; `exit` is what the coverage means.
pub fn not_found(error: &FindError, exit: Exit) -> AppError {
    match error {
        FindError::Unknown(_) if exit != Exit::Done => {
            AppError::new(exit, format!("{error} where somebody answered")).hint("the others may have it")
        }
        FindError::Unknown(_) => AppError::usage(error.to_string())
            .hint("`iaasmon silence list --expired` lists all that there are"),
        FindError::Ambiguous(..) | FindError::TooShort(_) => AppError::usage(error.to_string()),
    }
}

/// Runs `silence show`.
pub async fn show(args: &ShowArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let answer = session.ask_all(async |cluster: &Cluster| part(cluster, true).await).await;
    let held: Vec<_> = answer.value.iter().flat_map(|part| &part.held).cloned().collect();
    let all = group(answer.value.into_iter().flat_map(|part| part.copies));
    let silence = match find(&all, &args.id) {
        Ok(silence) => silence,
        Err(error) => {
            let exit = session.tell(&answer.coverage, &answer.notes)?;
            return Err(not_found(&error, exit));
        }
    };
    let firing = held.iter().filter(|(_, by)| by.iter().any(|id| silence.has_id(id)));
    let alerts: Vec<String> = firing.map(|(fingerprint, _)| fingerprint.to_string()).collect();
    let row = SilenceRow::new(silence, alerts.len());
    let out = &mut *session.streams.out;
    match args.output {
        Format::Json => write_json(&Document::new(&row, &answer.coverage, &answer.notes), out)?,
        Format::Yaml => write_yaml(&Document::new(&row, &answer.coverage, &answer.notes), out)?,
        Format::Jsonl => {
            serde_json::to_writer(&mut *out, &row).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Name => writeln!(out, "{}", row.id)?,
        Format::Table | Format::Wide | Format::Csv => write_details(&row, &alerts, session)?,
    }
    Ok(session.tell(&answer.coverage, &answer.notes)?)
}

fn write_details(row: &SilenceRow, alerts: &[String], session: &mut Session<'_>) -> std::io::Result<()> {
    let now = session.now;
    let out = &mut *session.streams.out;
    let left = match row.state {
        SilenceState::Expired => "over".to_owned(),
        _ => format!("in {}", format_left(age(now, row.ends_at))),
    };
    writeln!(out, "id        {}", text::line(&row.id))?;
    writeln!(out, "state     {}", row.state.word())?;
    for (i, matcher) in row.matchers.iter().enumerate() {
        writeln!(out, "{:<9} {}", if i == 0 { "matchers" } else { "" }, text::line(matcher))?;
    }
    writeln!(out, "starts    {}", rfc3339(row.starts_at))?;
    writeln!(out, "ends      {} ({left})", rfc3339(row.ends_at))?;
    writeln!(out, "author    {}", text::line(&row.created_by))?;
    writeln!(out, "comment   {}", text::line(&row.comment))?;
    for drift in &row.drift {
        writeln!(out, "differs   {}", text::line(drift))?;
    }
    for copy in &row.copies {
        let members = copy.members.join(", ");
        let (state, ends) = (copy.state.word(), rfc3339(copy.ends_at));
        writeln!(
            out,
            "copy      {}: {} {state}, ends {ends}, on {members}",
            copy.cluster,
            text::line(&copy.id)
        )?;
    }
    writeln!(out, "holds     {} firing alert(s)", alerts.len())?;
    alerts.iter().try_for_each(|fingerprint| writeln!(out, "alert     {fingerprint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::silence::Silence;
    use crate::model::time::from_epoch;

    #[test]
    fn an_alert_that_several_copies_hold_counts_once() {
        let at = |s| from_epoch(1_795_000_000.0 + s).expect("a time");
        let copy = |cluster: &str, id: &str, comment: &str| SilenceCopy {
            cluster: cluster.into(),
            silence: Silence {
                id: id.into(),
                matchers: Vec::new(),
                starts_at: at(0.0),
                ends_at: at(3600.0),
                updated_at: at(0.0),
                created_by: "me".into(),
                comment: comment.into(),
                state: SilenceState::Active,
                annotations: Default::default(),
            },
            seen_by: Vec::new(),
        };
        let all = group([
            copy("east", "a", "one"),
            copy("east", "b", "one"),
            copy("east", "c", "two"),
            copy("west", "d", "x"),
        ]);
        let held = |n: u64, ids: &[&str]| (Fingerprint(n), ids.iter().map(|&id| id.into()).collect());
        let held = [held(1, &["a", "b"]), held(2, &["b", "c"]), held(3, &["e"])];
        let held = Held::of(held.iter());
        let count = |comment| held.count(all.iter().find(|s| s.comment == comment).expect("it is there"));
        assert_eq!([count("one"), count("two"), count("x")], [2, 1, 0]);
    }
}
