//! `silence resume`: look what stands, show what is left, ask, and send that.

use super::confirm::run;
use super::operations::{chosen, folder, nothing_sent, unusable};
use super::report::dry_run;
use super::results::Results;
use super::{ResumeArgs, Surroundings};
use crate::cli::error::{AppError, Exit};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{self, Left, Limits, Opened, Operation, Standing, Step, Task, What};
use crate::model::cluster::ClusterName;
use crate::model::text;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// Runs `silence resume`.
pub async fn resume(
    args: &ResumeArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let folder = folder(around)?;
    let op = chosen(args.op, folder, session)?;
    let opened = silence::open(folder, op).map_err(|error| unusable(op, &error))?;
    let opened = opened.ok_or_else(|| nothing_sent(op))?;
    check(opened.standing(), session)?;
    let left = silence::left(&session.fleet, opened.standing(), Limits::default()).await;
    write_left(session.streams.err, &left)?;
    let stuck = left.iter().any(|(_, left)| matches!(left, Left::Stuck(_)));
    let tasks = left.iter().filter_map(|(_, left)| left.task().cloned()).collect();
    let rest = Operation { tasks, skipped: Vec::new(), ..opened.standing().operation.clone() };
    if args.ask.dry_run {
        return dry_run(&rest, args.output, &Coverage::default(), session);
    }
    let standing = if rest.tasks.is_empty() {
        let why =
            if stuck { "nothing can be sent as long as that is so" } else { "nothing is left to be sent" };
        writeln!(session.streams.err, "{why}")?;
        look_only(opened, session).await?
    } else {
        let question = format!("finish {} on {} cluster(s)? [y/N]", rest.kind.word(), rest.tasks.len());
        if !args.ask.confirmed(&question, None, session, around)? {
            return Ok(Exit::Usage);
        }
        let standing = run(&session.fleet, opened, &|_| ControlFlow::Continue(())).await?;
        standing.expect("nobody stops it")
    };
    let results = Results { standing: &standing, journalled: true, coverage: &Coverage::default() };
    results.report(args.output, session)
}

/// Reports why an operation must not be finished.
fn check(standing: &Standing, session: &Session<'_>) -> Result<(), AppError> {
    let op = standing.operation.op;
    match standing.undone {
        // Nothing of it stood any more.
        Some(by) if by == op => return Err(AppError::usage(format!("operation {by} was taken back"))),
        Some(by) => {
            return Err(AppError::usage(format!("operation {op} was taken back by {by}"))
                .hint(format!("`iaasmon silence resume {by}` finishes that")));
        }
        None => {}
    }
    // Its part on a cluster that was left out would count as failed.
    let is_known = |name: &ClusterName| session.config.clusters.iter().any(|c| c.name == *name);
    let left_out = standing.tasks.keys().find(|name| is_known(name) && session.fleet.cluster(name).is_none());
    match left_out {
        Some(name) => Err(AppError::usage(format!("operation {op} is for {name} too"))
            .hint("without --cluster the whole of it is finished")),
        None => Ok(()),
    }
}

/// Brings the results up to date: who has what now. Should it turn out that something is to be sent after all, which
/// nobody was shown, that is left to the next time.
async fn look_only(opened: Opened, session: &Session<'_>) -> Result<Standing, AppError> {
    let op = opened.standing().operation.op;
    let no_sending = |step: &Step| match step.what {
        What::Sending(_) | What::Expiring(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let standing = run(&session.fleet, opened, &no_sending).await?;
    standing.ok_or_else(|| {
        AppError::new(Exit::Partial, "what the members hold has changed meanwhile; nothing was sent")
            .hint(format!("`iaasmon silence resume {op}` shows what is left now"))
    })
}

/// Says per cluster what stands and what is still to be sent.
fn write_left(err: &mut dyn Write, left: &[(&Task, Left)]) -> io::Result<()> {
    for (task, left) in left {
        writeln!(err, "cluster  {}: {}", task.cluster, text::line(&left.in_words(task)))?;
    }
    Ok(())
}
