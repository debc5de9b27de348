//! `iaasmon alerts`: everything that fires, on every cluster.

use super::args::{Format, ListArgs};
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Shape, Tone};
use super::session::Session;
use crate::fleet::alerts::{AlertMarks, Wanted, marks};
use crate::fleet::filter::{AlertSubject, MarkedAlert};
use crate::fleet::{Answer, Cluster, alerts};
use crate::model::alert::{Alert, AlertState};
use crate::model::filter::{Pseudo, RowKind};
use crate::wire::am_v2::Annotations;
use clap::Args;
use serde::Serialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  iaasmon alerts
  iaasmon alerts severity=critical @state=active '@age<15m'
  iaasmon alerts rack=~r11. disk
  iaasmon alerts @new !@state=acked
  iaasmon alerts --sort node,-since -o wide
  iaasmon alerts -o json | jq '.data[].labels'
  iaasmon alerts --exit-code || echo 'somebody has work to do'";

/// List every alert that fires, silenced and inhibited ones marked
///
/// Prometheus and Alertmanager are asked together: STATE is what becomes of the alert (active: somebody is
/// told; silenced, inhibited, muted: nobody is; unsent: no Alertmanager has it; unknown: no Alertmanager
/// answered). The most severe come first, the newest first among them.
///
/// A filter knows @cluster @state @age @since @for @new @flap @node @check @out @am @silence @author @comment
/// @ticket @fp @receiver. @new is an alert that began within the last 15 minutes. @flap is one that went off and on at
/// least twice within the last hour: it makes each Prometheus read an hour of every alert. @state=acked,
/// @author, @comment and @ticket are those of the silences that hold it (acked: a comment that begins with
/// ACK!), which are asked for then. @out is any annotation; in a regex of it `.` takes line ends too.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertsArgs {
    /// Which alerts.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Pending alerts too: true, but not for long enough to fire
    #[arg(long)]
    pub pending: bool,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// An alert with the node and the check that it is about, by the labels that its cluster names them with.
#[derive(Debug, Clone, Serialize)]
pub struct AlertRow {
    /// The node; empty where the alert is about none.
    pub node: Arc<str>,
    /// The check; empty where the alert is about none.
    pub check: Arc<str>,
    /// Whether somebody works on it. A word for readers: `state` stays `silenced` where programs read it.
    #[serde(skip)]
    pub acked: bool,
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
}

impl AlertRow {
    /// Finds node and check of an alert of `cluster`.
    pub fn new(cluster: &Cluster, alert: Alert) -> Self {
        let label = |name: &str| Arc::<str>::from(alert.labels.get(name));
        let (node, check) = (label(&cluster.config.node_label), label(&cluster.config.check_label));
        Self { node, check, acked: false, alert }
    }

    /// Returns where it is, for people: its node, else its job.
    pub fn place(&self) -> Cow<'_, str> {
        match &*self.node {
            "" => self.alert.job().into(),
            node => node.into(),
        }
    }
}

type C = Column<AlertRow>;

/// How alerts are listed.
pub const SHAPE: Shape<AlertRow> = Shape {
    columns: &[
        C::word("sev", |row, _| {
            let severity = row.alert.severity;
            Cell::ranked(severity.word(), severity as u8).tone(severity.into())
        }),
        C::name("alert", |row, _| Cell::text(row.alert.name())),
        C::name("node", |row, _| Cell { raw: (&*row.node).into(), ..Cell::text(row.place()) }),
        C::name("cluster", |row, _| Cell::text(row.alert.cluster.as_str())).droppable(2),
        C::word("state", |row, _| {
            let state = row.alert.state;
            let word = if row.acked { "acked" } else { state.word() };
            Cell::ranked(word, state as u8).tone(tone_of(state))
        }),
        C::number("since", |row, now| Cell::age(row.alert.since, now)),
        C::number("value", |row, _| Cell::optional(row.alert.value, short)).droppable(3),
        C::text("summary", |row, _| Cell::text(row.alert.summary())).droppable(1),
        C::name("check", |row, _| Cell::text(&*row.check)).wide(),
        C::word("fingerprint", |row, _| Cell::text(row.alert.fingerprint.to_string())).wide(),
        C::name("receivers", |row, _| Cell::text(row.alert.receivers.join(","))).wide(),
        C::name("silenced_by", |row, _| Cell::text(row.alert.silenced_by.join(","))).wide(),
        C::name("inhibited_by", |row, _| Cell::text(row.alert.inhibited_by.join(","))).wide(),
        C::name("seen_by", |row, _| Cell::text(row.alert.seen_by.join(","))).wide(),
        C::name("labels", |row, _| Cell::text(row.alert.labels.to_string())).wide(),
    ],
    name: |row| row.alert.fingerprint.to_string(),
};

/// Returns a state's colour: what is suppressed is dim, what nobody is told of stands out.
pub fn tone_of(state: AlertState) -> Tone {
    match state {
        AlertState::Active | AlertState::Unprocessed => Tone::Plain,
        AlertState::Unknown | AlertState::Unsent => Tone::Unknown,
        AlertState::Silenced | AlertState::Inhibited | AlertState::Muted | AlertState::Pending => Tone::Dim,
    }
}

/// Writes a value with at most four digits behind the point: more is noise in a list.
pub fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Runs the command.
pub async fn run(args: &AlertsArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Alert, session)?;
    // Tables show one line of text; only the structured forms carry whole outputs.
    let annotations = match args.list.output {
        Format::Json | Format::Jsonl | Format::Yaml => Annotations::Whole,
        Format::Table | Format::Wide | Format::Csv | Format::Name => Annotations::FirstLine,
    };
    let wanted = Wanted::by(&filter);
    let is_table = matches!(args.list.output, Format::Table | Format::Wide);
    let (mut answer, found) = tokio::join!(
        session.ask_all(async |cluster| match is_table && !wanted.silences {
            true => rows_with_acks(cluster, annotations).await,
            false => rows(cluster, annotations).await,
        }),
        session.ask_all(async |cluster| marks(cluster, wanted).await)
    );
    let marks = found.value.into_iter().fold(AlertMarks::default(), AlertMarks::join);
    if is_table && wanted.silences {
        mark_acked(&mut answer.value, &marks);
    }
    answer.coverage = answer.coverage.join(found.coverage);
    let pending = args.pending || filter.uses(Pseudo::State);
    answer.value.retain(|row| pending || row.alert.state.is_firing());
    let all = answer.value.len();
    answer.value.retain(|row| filter.is_empty() || filter.shows(&subject(row, &marks, session)));
    answer.value.sort_by_key(|row| (row.alert.severity, Reverse(row.alert.since)));
    let found = answer.value.iter().any(|row| is_problem(row.alert.state));
    let nothing = Session::nothing("alerts", all - answer.value.len());
    let exit = session.list(&SHAPE, answer, &args.list, &nothing)?;
    Ok(exit.or_problems(&args.list, found))
}

/// Asks one cluster, and where alerts are silenced also by what, within the time limit of the one question. Where nobody
/// answers that they stay `silenced`, which is true.
async fn rows_with_acks(cluster: &Cluster, keep: Annotations) -> Answer<Vec<AlertRow>> {
    let cluster = cluster.one_question();
    let mut answer = rows(&cluster, keep).await;
    if answer.value.iter().any(|row| row.alert.state == AlertState::Silenced) {
        let wanted = Wanted { silences: true, flapping: false };
        let found = marks(&cluster, wanted).await.value;
        mark_acked(&mut answer.value, &found.into_iter().fold(AlertMarks::default(), AlertMarks::join));
    }
    answer
}

fn mark_acked(rows: &mut [AlertRow], marks: &AlertMarks) {
    for row in rows {
        row.acked = row.alert.state == AlertState::Silenced && marks.is_acked(&row.alert);
    }
}

fn subject<'a>(row: &'a AlertRow, marks: &'a AlertMarks, session: &'a Session<'_>) -> MarkedAlert<'a> {
    let cluster = session.fleet.cluster(&row.alert.cluster).expect("a cluster of the fleet answered");
    let (node_label, check_label) = (&*cluster.config.node_label, &*cluster.config.check_label);
    let (own, now) = (&session.labels, session.now);
    let alert = AlertSubject { alert: &row.alert, node_label, check_label, own, now };
    MarkedAlert { alert, marks }
}

/// Asks one cluster.
pub async fn rows(cluster: &Cluster, keep: Annotations) -> Answer<Vec<AlertRow>> {
    let answer = alerts::alerts(cluster, keep, |_| {}).await;
    answer.map(|alerts| alerts.into_iter().map(|alert| AlertRow::new(cluster, alert)).collect())
}

/// Reports whether somebody has to act: it fires, and nobody has said that it may.
fn is_problem(state: AlertState) -> bool {
    match state {
        AlertState::Active | AlertState::Unknown | AlertState::Unsent | AlertState::Unprocessed => true,
        AlertState::Silenced | AlertState::Inhibited | AlertState::Muted | AlertState::Pending => false,
    }
}
