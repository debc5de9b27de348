//! What every write has in common once it is planned: asked about, journalled, carried out, reported.

use super::change::Known;
use super::operations::folder;
use super::report::dry_run;
use super::results::{Results, finish};
use super::{AskArgs, ConfirmArgs, Surroundings};
use crate::cli::error::{AppError, Exit};
use crate::cli::session::Session;
use crate::fleet::Fleet;
use crate::fleet::silence::{self, ConfirmLevel, Judgement, Limits, Opened, Operation, Standing};
use crate::model::text;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long requests in flight may take when somebody hangs up.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where somebody writes silences: what they typed, what is known, and where they are told.
pub struct Desk<'d, 's> {
    pub session: &'d mut Session<'s>,
    pub around: &'d Surroundings,
    pub confirm: &'d ConfirmArgs,
    pub known: &'d Known,
}

impl Desk<'_, '_> {
    /// Shows what would be sent, or asks, journals, sends and reports.
    pub async fn carry_out(&mut self, operation: Operation, judgement: &Judgement) -> Result<Exit, AppError> {
        match self.prepare(operation, judgement).await? {
            Some(opened) => self.finish(opened).await,
            None if self.confirm.ask.dry_run => Ok(Exit::Done),
            None => Ok(Exit::Usage),
        }
    }

    /// Shows what would be sent, or asks and journals. `None`: nothing is to be sent.
    pub async fn prepare(
        &mut self,
        operation: Operation,
        judgement: &Judgement,
    ) -> Result<Option<Opened>, AppError> {
        if self.confirm.ask.dry_run {
            dry_run(&operation, self.confirm.output, &self.known.coverage, self.session)?;
            return Ok(None);
        }
        if operation.tasks.is_empty() {
            let why: Vec<String> =
                operation.skipped.iter().map(|(cluster, why)| format!("{cluster} {why}")).collect();
            return Err(AppError::usage(format!("nothing can be written: {}", why.join(", "))));
        }
        if !self.confirmed(&operation, judgement).await? {
            return Ok(None);
        }
        if self.confirm.no_journal {
            return Ok(Some(Opened::without_journal(operation)));
        }
        let folder = folder(self.around).map_err(|error| error.hint("--no-journal goes on without one"))?;
        silence::begin(folder, operation).map(Some).map_err(|error| {
            AppError::usage(format!("the journal cannot be written: {error}; nothing was sent"))
                .hint("--no-journal goes on without one: after a crash nobody knows what was done")
        })
    }

    async fn confirmed(&mut self, operation: &Operation, judgement: &Judgement) -> Result<bool, AppError> {
        let broad = judgement.level == ConfirmLevel::Broad;
        let ConfirmArgs { ask, allow_broad, .. } = self.confirm;
        if ask.yes && broad && !allow_broad {
            let why: Vec<&str> = judgement.why().collect();
            return Err(AppError::usage(format!("this is broad: {}", text::line(&why.join("; "))))
                .hint("--allow-broad with --yes does it all the same"));
        }
        let clusters = operation.tasks.len().to_string();
        let (question, answer) = if broad {
            let question = format!("This is broad. Type the number of clusters ({clusters}) to go on:");
            (question, Some(clusters.as_str()))
        } else {
            (format!("{} on {clusters} cluster(s)? [y/N]", operation.kind.word()), None)
        };
        ask.confirmed(&question, answer, self.session, self.around).await
    }

    /// Carries an opened operation out and reports.
    pub async fn finish(&mut self, opened: Opened) -> Result<Exit, AppError> {
        let journalled = opened.is_journalled();
        let standing = run(&self.session.fleet, opened).await?;
        let results = Results { standing: &standing, journalled, coverage: &self.known.coverage };
        results.report(self.confirm.output, self.session)
    }
}

impl AskArgs {
    /// Asks somebody, where `--yes` does not answer: `answer` must be typed, or else a yes. A no is said.
    pub async fn confirmed(
        &self,
        question: &str,
        answer: Option<&str>,
        session: &mut Session<'_>,
        around: &Surroundings,
    ) -> Result<bool, AppError> {
        if self.yes {
            return Ok(true);
        }
        if !around.interactive {
            return Err(AppError::usage("nobody is there to be asked: standard input is no terminal")
                .hint("--yes does it without asking"));
        }
        let err = &mut *session.streams.err;
        write!(err, "{question} ")?;
        err.flush()?;
        let Some(typed) = typed_line().await? else {
            writeln!(err, "\nnothing was done")?;
            err.flush()?;
            // As if it had never been caught: neither this question nor one that would follow is gone on with.
            signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGINT)?;
            return Ok(false);
        };
        let typed = typed.trim();
        let agreed = answer.map_or_else(|| matches!(typed, "y" | "Y" | "yes"), |answer| typed == answer);
        if !agreed {
            writeln!(err, "nothing was done")?;
        }
        Ok(agreed)
    }
}

/// Reads a line that somebody types; `None` where they interrupt. A signal that was watched once, for an operation
/// before this one, stays caught and ends no process by itself.
async fn typed_line() -> io::Result<Option<String>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell, told) = oneshot::channel();
    // A thread of its own: the runtime would wait for one of its pool at the end.
    std::thread::spawn(move || {
        let mut typed = String::new();
        // Nobody listens any more after an interrupt.
        let _ = tell.send(io::stdin().read_line(&mut typed).map(|_| typed));
    });
    tokio::select! {
        typed = told => typed.map_err(io::Error::other)?.map(Some),
        _ = interrupt.recv() => Ok(None),
    }
}

/// Carries an opened operation out; a hang-up leaves the requests in flight a few seconds.
pub async fn run(fleet: &Fleet, opened: Opened) -> Result<Standing, AppError> {
    let (op, journalled) = (opened.standing().operation.op, opened.is_journalled());
    let mut running =
        std::pin::pin!(silence::run(fleet, opened, Limits::default(), &|_| ControlFlow::Continue(())));
    let mut signals = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate()].map(signal);
    let [Ok(interrupt), Ok(hangup), Ok(terminate)] = &mut signals else {
        return Err(AppError::new(Exit::Partial, "signals cannot be watched; nothing was sent"));
    };
    tokio::select! {
        ended = &mut running => return Ok(ended.expect("nobody stops it")),
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
        _ = terminate.recv() => {}
    }
    match tokio::time::timeout(LAST_WORDS, running).await.ok().flatten() {
        Some(standing) => Ok(standing),
        None if !journalled => {
            Err(AppError::new(Exit::Partial, "interrupted; there is no journal of what was done")
                .hint("`iaasmon silence list` shows what is there"))
        }
        None => Err(AppError::new(Exit::Partial, format!("operation {op} was interrupted")).hint(finish(op))),
    }
}
