//! `silence add`, `preview`, `edit`, `extend`, `expire`: what is to be done, and what it would do.

use super::confirm::Desk;
use super::draft::{author, later, of_args, parse_matchers, when};
use super::list::not_found;
use super::report::{Drafted, dry_run, print_preview, refusal, write_preview, write_reasons};
use super::results::Results;
use super::{AddArgs, EditArgs, ExpireArgs, ExtendArgs, PreviewArgs, Surroundings, WhatArgs};
use crate::cli::args::Format;
use crate::cli::error::{AppError, Exit};
use crate::cli::session::Session;
use crate::config::SilencePolicy;
use crate::fleet::Coverage;
use crate::fleet::silence::{
    self, Change, Draft, Facts, Kind, LogicalSilence, OpId, Opened, PreviewError, Targets, comment_wish,
    fetch_facts, find, group, judge, judge_expiry, would_page,
};
use crate::model::alert::Alert;
use crate::model::silence::SilenceState;
use crate::model::text;
use crate::model::time::both_clocks;
use futures_util::future::join_all;

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

async fn drafted(
    what: &WhatArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<(Drafted, Known), AppError> {
    let known = ask(session).await;
    let draft = of_args(what, &known.facts, session, session.named, around)?;
    let preview = silence::preview(&draft, &known.facts);
    let judgement = judge(&draft, &preview, &known.facts, &session.config.policy, session.now);
    Ok((Drafted { draft, preview, judgement }, known))
}

/// Runs `silence preview`.
pub async fn preview(
    args: &PreviewArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let (mut drafted, known) = drafted(&args.what, session, around).await?;
    let wish = comment_wish(&drafted.draft.comment, &session.config.policy);
    // Whoever only looks need not say why.
    let wish = wish.filter(|_| args.what.comment.is_none());
    if wish.is_some() {
        let policy =
            SilencePolicy { comment_required: false, comment_pattern: None, ..session.config.policy.clone() };
        let Drafted { draft, preview, .. } = &drafted;
        drafted.judgement = judge(draft, preview, &known.facts, &policy, session.now);
    }
    print_preview(args.output, &drafted, &known.coverage, session)?;
    let exit = session.tell(&known.coverage, &[])?;
    drafted.preview.targets().map_err(|error| nowhere(&error, &known))?;
    if let Some(wish) = wish {
        writeln!(session.streams.err, "  hint: the policy wants {}: --comment TEXT", text::line(&wish))?;
    }
    refusal(&drafted.judgement).map_or(Ok(exit), Err)
}

/// Runs `silence add`.
pub async fn add(args: &AddArgs, session: &mut Session<'_>, around: &Surroundings) -> Result<Exit, AppError> {
    let (drafted, known) = drafted(&args.what, session, around).await?;
    write_preview(session.streams.err, &drafted, session.now)?;
    session.tell(&known.coverage, &[])?;
    let Drafted { draft, preview, judgement } = drafted;
    preview.targets().map_err(|error| nowhere(&error, &known))?;
    if let Some(error) = refusal(&judgement) {
        return Err(error);
    }
    let operation = silence::add(&draft, &preview, &known.facts, OpId::new(session.now), session.now);
    let mut desk = Desk { session, around, confirm: &args.confirm, known: &known };
    let exit = desk.carry_out(operation, &judgement).await?;
    // Where it would have been needed is not known everywhere.
    let partial = draft.targets == Targets::Matching && preview.unknown().next().is_some();
    Ok(if partial && !args.confirm.ask.dry_run { Exit::Partial } else { exit })
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
    let mut desk = Desk { session, around, confirm: &args.confirm, known: &known };
    change_silence(&mut desk, silence, &change, Kind::Edit).await
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
    let mut desk = Desk { session, around, confirm: &args.confirm, known: &known };
    change_silence(&mut desk, silence, &change, Kind::Extend).await
}

async fn change_silence(
    desk: &mut Desk<'_, '_>,
    silence: &LogicalSilence,
    change: &Change,
    kind: Kind,
) -> Result<Exit, AppError> {
    let (known, now) = (desk.known, desk.session.now);
    if silence.state == SilenceState::Expired {
        if change.ends_at.is_none() {
            return Err(
                AppError::usage("the silence has ended").hint("give --duration or --end to make it again")
            );
        }
        writeln!(desk.session.streams.err, "note: the silence has ended; it is made again with a new id")?;
    }
    let draft = Draft {
        matchers: change.matchers.clone().unwrap_or_else(|| silence.matchers.clone()),
        starts_at: Some(silence.starts_at).filter(|start| *start > now),
        ends_at: change.ends_at.unwrap_or(silence.ends_at),
        created_by: change.created_by.clone().unwrap_or_else(|| silence.created_by.clone()),
        comment: change.comment.clone().unwrap_or_else(|| silence.comment.clone()),
        targets: Targets::Named(silence.clusters()),
    };
    let mut preview = silence::preview(&draft, &known.facts);
    // What is changed is no other silence like it.
    preview.overlaps.retain(|overlap| !silence.has_id(&overlap.silence.id));
    let judgement = judge(&draft, &preview, &known.facts, &desk.session.config.policy, now);
    let drafted = Drafted { draft, preview, judgement };
    write_preview(desk.session.streams.err, &drafted, now)?;
    desk.session.tell(&known.coverage, &[])?;
    if let Some(error) = refusal(&drafted.judgement) {
        return Err(error);
    }
    let unseen = known.tell_unseen(desk.session)?;
    let mut operation = silence::edit(silence, change, kind, OpId::new(now), now);
    operation.skip_read_only(&desk.session.fleet);
    let exit = desk.carry_out(operation, &drafted.judgement).await?;
    Ok(if unseen && exit == Exit::Done && !desk.confirm.ask.dry_run { Exit::Partial } else { exit })
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
    let unseen = known.tell_unseen(session)? && !args.confirm.ask.dry_run;
    let (one, mut exits) = (chosen.len() == 1, Vec::new());
    let mut desk = Desk { session, around, confirm: &args.confirm, known: &known };
    for silence in chosen {
        match expire_one(&mut desk, silence, &alerts).await {
            Ok(exit) => exits.push(exit),
            Err(error) if one => return Err(error),
            // One that may not be written to keeps none of the others alive.
            Err(error) => {
                let error = error.naming(desk.session.file.as_deref());
                error.write(desk.session.streams.err)?;
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

/// Reports in the form asked for that there was nothing to end.
fn already_over(desk: &mut Desk<'_, '_>, silence: &LogicalSilence) -> Result<Exit, AppError> {
    let output = desk.confirm.output;
    let nothing = silence::expire(silence, OpId::new(desk.session.now), desk.session.now);
    if desk.confirm.ask.dry_run {
        return dry_run(&nothing, output, &desk.known.coverage, desk.session);
    }
    if matches!(output, Format::Table | Format::Wide | Format::Name) {
        writeln!(desk.session.streams.out, "{}", text::line(&silence.id))?;
        return Ok(Exit::Done);
    }
    let opened = Opened::without_journal(nothing);
    let results = Results { standing: opened.standing(), journalled: false, coverage: &desk.known.coverage };
    results.show(output, desk.session)
}

async fn expire_one(
    desk: &mut Desk<'_, '_>,
    silence: &LogicalSilence,
    alerts: &[Alert],
) -> Result<Exit, AppError> {
    let (known, now) = (desk.known, desk.session.now);
    let err = &mut *desk.session.streams.err;
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    writeln!(err, "silence  {}", text::line(&matchers.join(" ")))?;
    writeln!(err, "by       {}: {}", text::line(&silence.created_by), text::line(&silence.comment))?;
    if silence.state == SilenceState::Expired {
        writeln!(err, "note     it ended at {}", both_clocks(silence.ends_at))?;
        return already_over(desk, silence);
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
    let mut operation = silence::expire(silence, OpId::new(now), now);
    operation.skip_read_only(&desk.session.fleet);
    let judgement = judge_expiry(pages.len(), &desk.session.config.policy);
    write_reasons(err, &judgement)?;
    desk.carry_out(operation, &judgement).await
}
