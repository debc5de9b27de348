//! Delivering one push to every gateway at once, with patience for those that do not answer.

use crate::cli::error::Exit;
use crate::model::group::{GroupKey, PushedCheck};
use crate::net::{Metrics, PushOutcome, PushgatewayClient, Ttl};
use crate::sys::clock;
use crate::wire::exposition::Format;
use futures_util::future::join_all;
use serde::Serialize;
use std::fmt;
use std::pin::pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A gateway is asked again after so long, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is pushed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Payload<'a> {
    /// The result of a check.
    Result(&'a PushedCheck, &'a [u8]),
    /// Metrics as text.
    Metrics { group: &'a GroupKey, text: &'a [u8], replace: bool },
}

/// What became of it at one gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Delivered {
    gateway: String,
    outcome: Outcome,
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Accepted,
    /// It has a newer result of the check.
    Older,
    Refused,
    Failed,
    Unsent,
}

impl Delivered {
    fn new(client: &PushgatewayClient, outcome: Outcome, error: Option<String>) -> Self {
        Self { gateway: client.replica().name.to_string(), outcome, error }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.outcome == Outcome::Accepted
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.outcome {
            Outcome::Accepted => "took the push",
            Outcome::Older => "has a newer result of the check and passed this one over: is a clock wrong?",
            Outcome::Refused => "refuses the push",
            Outcome::Failed => "did not take the push",
            Outcome::Unsent => "was not asked",
        };
        write!(f, "{} {what}", self.gateway)?;
        self.error.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

/// Pushes to all of them at once, until it is `over`: those that have not answered by then are given up on, those alone.
pub(super) async fn all(
    clients: &[PushgatewayClient],
    payload: Payload<'_>,
    ttl: Ttl,
    patience: Duration,
    over: impl Future<Output = ()>,
) -> Vec<Delivered> {
    let stop = CancellationToken::new();
    let until_stopped = async |client| {
        tokio::select! {
            biased;
            delivered = one(client, payload, ttl, patience) => delivered,
            () = stop.cancelled() => Delivered::new(client, Outcome::Failed, Some("ended by a signal".to_owned())),
        }
    };
    let mut pushing = pin!(join_all(clients.iter().map(until_stopped)));
    tokio::select! {
        biased;
        delivered = pushing.as_mut() => return delivered,
        () = over => stop.cancel(),
    }
    pushing.await
}

async fn one(client: &PushgatewayClient, payload: Payload<'_>, ttl: Ttl, patience: Duration) -> Delivered {
    let begun = clock::instant();
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = match payload {
            Payload::Result(check, body) => client.put_result(check, body, ttl).await,
            Payload::Metrics { group, text, replace } => {
                client.push(Metrics { group, body: text, format: Format::Text, replace }, ttl).await
            }
        };
        match outcome {
            PushOutcome::Accepted => return Delivered::new(client, Outcome::Accepted, None),
            PushOutcome::Older => return Delivered::new(client, Outcome::Older, None),
            PushOutcome::Refused(why) => return Delivered::new(client, Outcome::Refused, Some(why)),
            PushOutcome::Failed(why) if begun.elapsed() + pause > patience => {
                return Delivered::new(client, Outcome::Failed, Some(why));
            }
            PushOutcome::Failed(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What is said where nobody was asked.
pub(super) fn unsent(clients: &[PushgatewayClient]) -> Vec<Delivered> {
    clients.iter().map(|client| Delivered::new(client, Outcome::Unsent, None)).collect()
}

/// What it amounts to where the push is all that was to be done.
pub(super) fn exit(delivered: &[Delivered]) -> Exit {
    if delivered.iter().all(Delivered::is_accepted) {
        Exit::Done
    } else if delivered.iter().all(|one| one.outcome == Outcome::Failed) {
        Exit::Nothing
    } else {
        Exit::Partial
    }
}
