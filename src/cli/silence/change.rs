//! `silence add`, `preview`, `edit`, `extend`, `expire`: show, ask, do, report.

use super::draft::{author, later, of_args, parse_matchers, when};
use super::list::not_found;
use super::report::{
    both_clocks, dry_run, print_preview, print_results, refusal, write_preview, write_reasons,
};
use super::{AddArgs, ConfirmArgs, EditArgs, ExpireArgs, ExtendArgs, PreviewArgs, Surroundings, WhatArgs};
use crate::cli::args::Format;
use crate::cli::error::{AppError, Exit};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{
    self, Change, ConfirmLevel, Draft, Facts, Judgement, Kind, Limits, LogicalSilence, OpId, Opened,
    Operation, Preview, PreviewError, Targets, fetch_facts, find, group, judge, judge_expiry, would_page,
};
use crate::model::alert::Alert;
use crate::model::silence::SilenceState;
use crate::model::text;
use futures_util::future::join_all;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long requests in flight may take when somebody hangs up.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Everything that is known, of every chosen cluster.
pub struct Known {
    pub facts: Vec<Facts>,
    pub silences: Vec<LogicalSilence>,
    pub coverage: Coverage,
}

/// Asks every cluster at once.
pub async fn ask(session: &Session<'_>) -> Known {
    let facts = join_all(session.fleet.clusters().iter().map(|cluster| fetch_facts(cluster))).await;
    let silences = group(facts.iter().flat_map(|f| &f.silences).cloned());
    let coverage = facts.iter().fold(Coverage::default(), |all, f| all.join(f.coverage.clone()));
    Known { facts, silences, coverage }
}

impl Known {
    fn find(&self, id: &str) -> Result<&LogicalSilence, AppError> {
        let asked = || self.facts.iter().filter(|f| f.has_alertmanager);
        let exit = match (asked().any(|f| f.reachable), asked().all(|f| f.reachable)) {
            (_, true) => Exit::Done,
            (true, false) => Exit::Partial,
            (false, false) => Exit::Nothing,
        };
        find(&self.silences, id).map_err(|error| not_found(&error, exit))
    }

    /// Says which clusters may have a copy that cannot be seen, and returns whether there are any.
    fn tell_unseen(&self, session: &mut Session<'_>) -> Result<bool, AppError> {
        let unseen = self.facts.iter().filter(|f| f.has_alertmanager && !f.reachable);
        let names: Vec<&str> = unseen.map(|f| f.cluster.as_str()).collect();
        for name in &names {
            writeln!(session.streams.err, "unknown  {name}: does not answer, a copy there stays as it is")?;
        }
        Ok(!names.is_empty())
    }

    fn alerts(&self) -> Vec<Alert> {
        self.facts.iter().flat_map(|f| &f.alerts).cloned().collect()
    }
}

fn nowhere(error: &PreviewError, known: &Known) -> AppError {
    let asked = || known.facts.iter().filter(|f| f.has_alertmanager);
    if asked().next().is_some() && asked().all(|f| !f.reachable) {
        return AppError::new(Exit::Nothing, error.to_string())
            .hint("no Alertmanager answers; clusters named with --cluster are tried all the same");
    }
    let out = AppError::usage(error.to_string());
    match error {
        PreviewError::NothingMatches { .. } => {
            out.hint("name clusters with --cluster, or take all of them with --all-clusters")
        }
        PreviewError::AllSkipped(_) => out,
    }
}

struct Drafted {
    draft: Draft,
    preview: Preview,
    judgement: Judgement,
    known: Known,
}

async fn drafted(
    what: &WhatArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Drafted, AppError> {
    let known = ask(session).await;
    let draft = of_args(what, &known.facts, session, session.named, around)?;
    let preview = silence::preview(&draft, &known.facts);
    let judgement = judge(&draft, &preview, &known.facts, &session.config.policy, session.now);
    Ok(Drafted { draft, preview, judgement, known })
}

/// Runs `silence preview`.
pub async fn preview(
    args: &PreviewArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let Drafted { draft, preview, judgement, known } = drafted(&args.what, session, around).await?;
    print_preview(args.output, &draft, &preview, &judgement, &known.coverage, session)?;
    let exit = session.tell(&known.coverage, &[])?;
    preview.targets().map_err(|error| nowhere(&error, &known))?;
    refusal(&judgement).map_or(Ok(exit), Err)
}

/// Runs `silence add`.
pub async fn add(args: &AddArgs, session: &mut Session<'_>, around: &Surroundings) -> Result<Exit, AppError> {
    let Drafted { draft, preview, judgement, known } = drafted(&args.what, session, around).await?;
    write_preview(session.streams.err, &draft, &preview, &judgement, session.now)?;
    session.tell(&known.coverage, &[])?;
    preview.targets().map_err(|error| nowhere(&error, &known))?;
    if let Some(error) = refusal(&judgement) {
        return Err(error);
    }
    let op = OpId::new(session.now);
    let operation = silence::add(&draft, &preview, &known.facts, op, session.now);
    let exit = carry_out(operation, &judgement, &args.confirm, &known.coverage, session, around).await?;
    // Where it would have been needed is not known everywhere.
    let partial = draft.targets == Targets::Matching && preview.unknown().next().is_some();
    Ok(if partial && !args.confirm.dry_run { Exit::Partial } else { exit })
}

/// Runs `silence edit`.
pub async fn edit(
    args: &EditArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let known = ask(session).await;
    let silence = known.find(&args.id)?;
    let now = session.now;
    let ends_at = match (args.duration, &args.end) {
        (Some(duration), _) => Some(later(now, duration)?),
        (None, Some(text)) => Some(when(text, now)?),
        (None, None) => None,
    };
    let matchers =
        (!args.matchers.is_empty()).then(|| parse_matchers(&args.matchers, session)).transpose()?;
    let created_by = args.author.as_deref().map(|name| author(Some(name), session, around)).transpose()?;
    let change = Change { ends_at, comment: args.comment.clone(), created_by, matchers };
    if change == Change::default() {
        return Err(AppError::usage("nothing to change")
            .hint("give --duration, --end, --comment, --author or matchers"));
    }
    change_silence(&known, silence, &change, Kind::Edit, &args.confirm, session, around).await
}

/// Runs `silence extend`.
pub async fn extend(
    args: &ExtendArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let known = ask(session).await;
    let silence = known.find(&args.id)?;
    // What is over is made again, from now on.
    let from = if silence.state == SilenceState::Expired { session.now } else { silence.ends_at };
    let change = Change { ends_at: Some(later(from, args.duration)?), ..Change::default() };
    change_silence(&known, silence, &change, Kind::Extend, &args.confirm, session, around).await
}

async fn change_silence(
    known: &Known,
    silence: &LogicalSilence,
    change: &Change,
    kind: Kind,
    confirm: &ConfirmArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let now = session.now;
    if silence.state == SilenceState::Expired {
        if change.ends_at.is_none() {
            return Err(
                AppError::usage("the silence has ended").hint("give --duration or --end to make it again")
            );
        }
        writeln!(session.streams.err, "note: the silence has ended; it is made again with a new id")?;
    }
    let draft = Draft {
        matchers: change.matchers.clone().unwrap_or_else(|| silence.matchers.clone()),
        starts_at: Some(silence.starts_at).filter(|start| *start > now),
        ends_at: change.ends_at.unwrap_or(silence.ends_at),
        created_by: change.created_by.clone().unwrap_or_else(|| silence.created_by.clone()),
        comment: change.comment.clone().unwrap_or_else(|| silence.comment.clone()),
        targets: Targets::Named(silence.clusters()),
    };
    let preview = silence::preview(&draft, &known.facts);
    let judgement = judge(&draft, &preview, &known.facts, &session.config.policy, now);
    write_preview(session.streams.err, &draft, &preview, &judgement, now)?;
    session.tell(&known.coverage, &[])?;
    if let Some(error) = refusal(&judgement) {
        return Err(error);
    }
    let unseen = known.tell_unseen(session)?;
    let mut operation = silence::edit(silence, change, kind, OpId::new(now), now);
    skip_read_only(&mut operation, &known.facts);
    let exit = carry_out(operation, &judgement, confirm, &known.coverage, session, around).await?;
    Ok(if unseen && exit == Exit::Done && !confirm.dry_run { Exit::Partial } else { exit })
}

/// Takes out what may not be written to.
pub fn skip_read_only(operation: &mut Operation, facts: &[Facts]) {
    let read_only =
        |cluster: &_| facts.iter().any(|f| f.cluster == *cluster && f.access == crate::config::Access::Ro);
    let skipped = operation.tasks.extract_if(.., |task| read_only(&task.cluster));
    operation.skipped.extend(skipped.map(|task| (task.cluster, "read-only".to_owned())));
}

/// Runs `silence expire`.
pub async fn expire(
    args: &ExpireArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let known = ask(session).await;
    session.tell(&known.coverage, &[])?;
    let mut chosen = args.ids.iter().map(|id| known.find(id)).collect::<Result<Vec<_>, _>>()?;
    // Two ids of the same silence mean it once.
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    chosen.dedup_by(|a, b| a.id == b.id);
    let alerts = known.alerts();
    let unseen = known.tell_unseen(session)? && !args.confirm.dry_run;
    let (one, mut exits) = (chosen.len() == 1, Vec::new());
    for silence in chosen {
        match expire_one(silence, &known, &alerts, &args.confirm, session, around).await {
            Ok(exit) => exits.push(exit),
            Err(error) if one => return Err(error),
            // One that may not be written to keeps none of the others alive.
            Err(error) => {
                error.write(session.streams.err)?;
                exits.push(error.exit);
            }
        }
    }
    let exit = exits.into_iter().reduce(together).unwrap_or(Exit::Done);
    Ok(if unseen { together(exit, Exit::Partial) } else { exit })
}

/// Returns what two deeds amount to: where one was done and the other not, a part was.
fn together(a: Exit, b: Exit) -> Exit {
    if a == b { a } else { Exit::Partial }
}

async fn expire_one(
    silence: &LogicalSilence,
    known: &Known,
    alerts: &[Alert],
    confirm: &ConfirmArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let err = &mut *session.streams.err;
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    writeln!(err, "silence  {}", text::line(&matchers.join(" ")))?;
    writeln!(err, "by       {}: {}", text::line(&silence.created_by), text::line(&silence.comment))?;
    if silence.state == SilenceState::Expired {
        writeln!(err, "note     it ended at {}", both_clocks(silence.ends_at))?;
        writeln!(session.streams.out, "{}", text::line(&silence.id))?;
        return Ok(Exit::Done);
    }
    let pages: Vec<&Alert> = would_page(silence, alerts, &known.silences).collect();
    writeln!(err, "pages    {} alert(s) will page again", pages.len())?;
    for alert in pages.iter().take(10) {
        let said = format!("{} {} {}", alert.severity.word(), alert.cluster, alert.labels);
        writeln!(err, "         {}", text::line(&said))?;
    }
    if pages.len() > 10 {
        writeln!(err, "         and {} more", pages.len() - 10)?;
    }
    let mut operation = silence::expire(silence, OpId::new(session.now), session.now);
    skip_read_only(&mut operation, &known.facts);
    let judgement = judge_expiry(pages.len(), &session.config.policy);
    write_reasons(session.streams.err, &judgement)?;
    carry_out(operation, &judgement, confirm, &known.coverage, session, around).await
}

/// Shows what would be sent, or asks, journals, sends and reports.
async fn carry_out(
    operation: Operation,
    judgement: &Judgement,
    confirm: &ConfirmArgs,
    coverage: &Coverage,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    match prepare(operation, judgement, confirm, coverage, session, around)? {
        Some(opened) => finish(opened, confirm.output, coverage, session).await,
        None if confirm.dry_run => Ok(Exit::Done),
        None => Ok(Exit::Usage),
    }
}

/// Shows what would be sent, or asks and journals. `None`: nothing is to be sent.
pub fn prepare(
    operation: Operation,
    judgement: &Judgement,
    confirm: &ConfirmArgs,
    coverage: &Coverage,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Option<Opened>, AppError> {
    if confirm.dry_run {
        dry_run(&operation, confirm.output, coverage, session)?;
        return Ok(None);
    }
    if operation.tasks.is_empty() {
        let why: Vec<String> =
            operation.skipped.iter().map(|(cluster, why)| format!("{cluster} {why}")).collect();
        return Err(AppError::usage(format!("nothing can be written: {}", why.join(", "))));
    }
    if !confirmed(&operation, judgement, confirm, session, around)? {
        writeln!(session.streams.err, "nothing was done")?;
        return Ok(None);
    }
    if confirm.no_journal {
        return Ok(Some(Opened::without_journal(operation)));
    }
    let folder = around.journals.as_deref().ok_or_else(|| {
        AppError::usage("there is no place for the journal: neither $XDG_STATE_HOME nor $HOME is set")
            .hint("--no-journal goes on without one")
    })?;
    silence::begin(folder, operation).map(Some).map_err(|error| {
        AppError::usage(format!("the journal cannot be written: {error}; nothing was sent"))
            .hint("--no-journal goes on without one: after a crash nobody knows what was done")
    })
}

/// Carries an opened operation out and reports; a hang-up leaves the requests in flight a few seconds.
pub async fn finish(
    opened: Opened,
    output: Format,
    coverage: &Coverage,
    session: &mut Session<'_>,
) -> Result<Exit, AppError> {
    let (op, journalled) = (opened.standing().operation.op, opened.is_journalled());
    let fleet = session.fleet.clone();
    let mut running =
        std::pin::pin!(silence::run(&fleet, opened, Limits::default(), &|_| ControlFlow::Continue(())));
    let mut signals = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate()].map(signal);
    let [Ok(interrupt), Ok(hangup), Ok(terminate)] = &mut signals else {
        return Err(AppError::new(Exit::Partial, "signals cannot be watched; nothing was sent"));
    };
    let ended = tokio::select! {
        ended = &mut running => ended,
        _ = interrupt.recv() => tokio::time::timeout(LAST_WORDS, running).await.ok().flatten(),
        _ = hangup.recv() => tokio::time::timeout(LAST_WORDS, running).await.ok().flatten(),
        _ = terminate.recv() => tokio::time::timeout(LAST_WORDS, running).await.ok().flatten(),
    };
    match ended {
        Some(standing) => print_results(&standing, output, journalled, coverage, session),
        None if !journalled => {
            Err(AppError::new(Exit::Partial, "interrupted; there is no journal of what was done")
                .hint("`iaasmon silence list` shows what is there"))
        }
        None => Err(AppError::new(Exit::Partial, format!("operation {op} was interrupted"))
            .hint(format!("`iaasmon silence resume {op}` finishes it, `undo {op}` takes it back"))),
    }
}

fn confirmed(
    operation: &Operation,
    judgement: &Judgement,
    confirm: &ConfirmArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<bool, AppError> {
    let broad = judgement.level == ConfirmLevel::Broad;
    if confirm.yes && broad && !confirm.allow_broad {
        let why: Vec<&str> = judgement.why().collect();
        return Err(AppError::usage(format!("this is broad: {}", text::line(&why.join("; "))))
            .hint("--allow-broad with --yes does it all the same"));
    }
    if confirm.yes {
        return Ok(true);
    }
    if !around.interactive {
        return Err(AppError::usage("nobody is there to be asked").hint("--yes does it without asking"));
    }
    let clusters = operation.tasks.len();
    let err = &mut *session.streams.err;
    if broad {
        write!(err, "This is broad. Type the number of clusters ({clusters}) to go on: ")?;
    } else {
        write!(err, "{} on {clusters} cluster(s)? [y/N] ", operation.kind.word())?;
    }
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(if broad { answer == clusters.to_string() } else { matches!(answer, "y" | "Y" | "yes") })
}
