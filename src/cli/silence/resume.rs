//! `silence resume`: look what stands, show what is left, ask, and send that.

use super::confirm::run;
use super::operations::opened;
use super::report::dry_run;
use super::results::Results;
use super::{ResumeArgs, Surroundings};
use crate::cli::error::{AppError, Exit};
use crate::cli::session::Session;
use crate::fleet::Coverage;
use crate::fleet::silence::{self, Left, Limits, Operation, Standing, Task};
use crate::fleet::silences::silences;
use crate::model::cluster::ClusterName;
use crate::model::text;
use futures_util::future::join_all;
use std::io::{self, Write};

/// Runs `silence resume`.
pub async fn resume(
    args: &ResumeArgs,
    session: &mut Session<'_>,
    around: &Surroundings,
) -> Result<Exit, AppError> {
    let opened = opened(args.op, session, around)?;
    check(opened.standing(), session)?;
    let left = silence::left(&session.fleet, opened.standing(), Limits::default()).await;
    write_left(session.streams.err, &left)?;
    let stuck = left.iter().any(|(_, left)| left.stuck.is_some());
    let tasks = left.iter().filter_map(|(_, left)| left.task().cloned()).collect();
    let rest = Operation { tasks, skipped: Vec::new(), ..opened.standing().operation.clone() };
    if args.ask.dry_run {
        let coverage = asked(opened.standing(), session).await;
        dry_run(&rest, args.output, &coverage, session)?;
        let exit = session.tell(&coverage, &[])?;
        return Ok(if stuck && exit == Exit::Done { Exit::Partial } else { exit });
    }
    // What nobody was shown is not sent, should it turn out to be needed after all.
    let agreed: Vec<ClusterName> = rest.tasks.iter().map(|task| task.cluster.clone()).collect();
    if rest.tasks.is_empty() {
        let why =
            if stuck { "nothing can be sent as long as that is so" } else { "nothing is left to be sent" };
        writeln!(session.streams.err, "{why}")?;
    } else {
        let question = format!("finish {} on {} cluster(s)? [y/N]", rest.kind.word(), rest.tasks.len());
        if !args.ask.confirmed(&question, None, session, around).await? {
            return Ok(Exit::Usage);
        }
    }
    let standing = run(&session.fleet, opened.only_on(agreed)).await?;
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

/// Asks who can be read of those that the operation is for.
async fn asked(standing: &Standing, session: &Session<'_>) -> Coverage {
    let concerned = session.fleet.clusters().iter().filter(|c| standing.tasks.contains_key(c.name()));
    let answers = join_all(concerned.map(|cluster| silences(cluster, |_| {}))).await;
    answers.into_iter().fold(Coverage::default(), |all, answer| all.join(answer.coverage))
}

/// Says per cluster what stands and what is still to be sent.
fn write_left(err: &mut dyn Write, left: &[(&Task, Left)]) -> io::Result<()> {
    for (task, left) in left {
        writeln!(err, "cluster  {}: {}", task.cluster, text::line(&left.in_words(task)))?;
    }
    Ok(())
}
