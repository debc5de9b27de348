//! Asking several replicas at once, and telling of every reply as it comes.

use super::coverage::Coverage;
use crate::model::cluster::Replica;
use crate::net::{NetError, Reply};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use std::pin::Pin;

/// A value with who stands behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<T> {
    /// The value: what is known from those who answered.
    #[serde(rename = "data")]
    pub value: T,
    /// Who answered.
    pub coverage: Coverage,
    /// What the reader must know about the value (a missing recording rule, a join by subset).
    pub notes: Vec<String>,
}

impl<T> Answer<T> {
    /// Applies `f` to the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: f(self.value), coverage: self.coverage, notes: self.notes }
    }
}

impl<T> Answer<Vec<T>> {
    /// Joins the answers of several clusters into one list.
    pub fn concat(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self { value: Vec::new(), coverage: Coverage::default(), notes: Vec::new() };
        for answer in answers {
            // One list alone, or the first of several, need not be moved.
            if whole.value.is_empty() {
                whole.value = answer.value;
            } else {
                whole.value.extend(answer.value);
            }
            whole.coverage = whole.coverage.join(answer.coverage);
            whole.notes.extend(answer.notes);
        }
        whole
    }
}

/// What the replies so far amount to, worked out only for whoever wants to know: joining the alerts of a storm once
/// per reply would cost a command that prints the last answer alone more than the servers take.
pub type SoFar<'a, T> = &'a dyn Fn() -> Answer<T>;

/// One replica's reply or failure.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub replica: Replica,
    pub result: Result<Reply<T>, NetError>,
}

/// A request under way, with who was asked.
pub(super) struct Asked<'a, T> {
    replica: Replica,
    future: Pin<Box<dyn Future<Output = Result<Reply<T>, NetError>> + Send + 'a>>,
}

/// Pairs a replica with its request.
pub(super) fn ask<'a, T>(
    replica: &Replica,
    future: impl Future<Output = Result<Reply<T>, NetError>> + Send + 'a,
) -> Asked<'a, T> {
    Asked { replica: replica.clone(), future: Box::pin(future) }
}

/// What has come so far.
#[derive(Debug)]
pub(super) struct Gathered<T> {
    pub outcomes: Vec<Outcome<T>>,
    pub coverage: Coverage,
}

/// Runs all requests at once and returns every outcome. After each outcome but the last, `so_far` is
/// told, so that a screen can paint what the quick ones said while a slow one is still out.
///
/// Each request has its own time limit (the HTTP client's), so this ends.
pub(super) async fn gather<T>(asks: Vec<Asked<'_, T>>, mut so_far: impl FnMut(&Gathered<T>)) -> Gathered<T> {
    let replicas: Vec<Replica> = asks.iter().map(|a| a.replica.clone()).collect();
    let mut pending: FuturesUnordered<_> = asks
        .into_iter()
        .enumerate()
        .map(|(i, a)| async move { (i, Outcome { replica: a.replica, result: a.future.await }) })
        .collect();
    let mut out = vec![true; replicas.len()];
    let mut gathered = Gathered { outcomes: Vec::new(), coverage: Coverage::default() };
    while let Some((i, outcome)) = pending.next().await {
        out[i] = false;
        gathered.outcomes.push(outcome);
        let answered = gathered.outcomes.iter().map(|o| Coverage::of(&o.replica, &o.result));
        let waiting =
            replicas.iter().zip(&out).filter(|(_, out)| **out).map(|(replica, _)| Coverage::waiting(replica));
        gathered.coverage = answered.chain(waiting).fold(Coverage::default(), Coverage::join);
        if !pending.is_empty() {
            so_far(&gathered);
        }
    }
    gathered
}
