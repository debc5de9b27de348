//! Long answers, which are made as a whole: few at a time, and all that are not yet with their clients have a bound. So any number
//! of clients that ask at once, or that do not take what they asked for, cost a wait and no memory.

use crate::sys::apart::apart;
use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const KIB: u64 = 1024;
/// So many are made at a time: the servers of a pair may come at once, and each takes a core.
const MAKING: usize = 2;
/// So many bytes of answers wait for their clients; one that is larger waits alone. A page of 5,000 groups is 10 MiB.
const WAITING: u64 = 512 * KIB * KIB;
/// How long one waits for a turn; a scrape is given up by then.
const WITHIN: Duration = Duration::from_secs(10);
/// An answer is handed over in such pieces: what is with the system is no longer held.
const PIECE: usize = 64 * 1024;

/// Turns and room for the long answers of a service.
#[derive(Debug, Clone)]
pub struct LongAnswers {
    making: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    within: Duration,
}

/// The room of an answer; an extension of it, until it is on its way.
#[derive(Debug, Clone)]
struct Held(#[expect(dead_code, reason = "it is given back when it goes")] Arc<OwnedSemaphorePermit>);

impl Default for LongAnswers {
    fn default() -> Self {
        let places = usize::try_from(WAITING / KIB).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            making: Arc::new(Semaphore::new(MAKING)),
            waiting: Arc::new(Semaphore::new(places)),
            within: WITHIN,
        }
    }
}

impl LongAnswers {
    /// Makes an answer beside the requests, once it has its turn; or says that there are too many.
    pub async fn answer(&self, make: impl FnOnce() -> Response + Send + 'static) -> Response {
        let turn = tokio::time::timeout(self.within, self.making.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return too_many() };
        // Whoever asked may hang up: its turn ends only when the answer is made.
        let (mut response, _turn) = apart(move || (make(), turn)).await;
        let size = response.body().size_hint().exact().unwrap_or(WAITING);
        let places = u32::try_from(size.min(WAITING).div_ceil(KIB)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(self.within, self.waiting.clone().acquire_many_owned(places)).await;
        let Ok(Ok(room)) = room else { return too_many() };
        response.extensions_mut().insert(Held(Arc::new(room)));
        response
    }
}

fn too_many() -> Response {
    let later = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, later, "too many long answers are under way\n").into_response()
}

/// Holds the room of a long answer until it is sent.
pub(super) fn hold(mut response: Response) -> Response {
    match response.extensions_mut().remove::<Held>() {
        None => response,
        Some(held) => response.map(|body| Body::new(Sending { body, rest: Bytes::new(), _held: held })),
    }
}

/// A body that is sent in pieces: in one piece it would be gone from here before a byte of it is sent.
struct Sending {
    body: Body,
    rest: Bytes,
    _held: Held,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let end = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(end)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let exact = self.body.size_hint().exact().map(|size| size + self.rest.len() as u64);
        exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::{LongAnswers, MAKING, PIECE, WAITING, hold};
    use axum::body::{Body, HttpBody as _, to_bytes};
    use axum::response::Response;
    use futures_util::StreamExt as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_answers_are_made_at_a_time_and_all_are_made() {
        let (long, making, most) =
            (LongAnswers::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let ask = |_| {
            let (long, making, most) = (long.clone(), making.clone(), most.clone());
            async move {
                let made = long.answer(move || {
                    most.fetch_max(making.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    making.fetch_sub(1, Ordering::SeqCst);
                    Response::new(Body::from("page"))
                });
                made.await.status().as_u16()
            }
        };
        let answers: Vec<u16> = futures_util::future::join_all((0..20).map(ask)).await;
        assert_eq!(answers, [200; 20]);
        assert_eq!(most.load(Ordering::SeqCst), MAKING);
    }

    #[tokio::test]
    async fn an_answer_has_its_room_until_its_last_piece_is_sent() {
        let long = LongAnswers { within: Duration::from_millis(20), ..LongAnswers::default() };
        let free = || long.waiting.available_permits();
        let before = free();
        let text = "0123456789".repeat(PIECE / 4);
        let page = text.clone();
        let answer = hold(long.answer(move || Response::new(Body::from(page))).await);
        assert_eq!(answer.body().size_hint().exact(), Some(text.len() as u64));
        let mut pieces = answer.into_body().into_data_stream();
        let mut sent = Vec::new();
        while let Some(piece) = pieces.next().await {
            assert!(free() < before);
            sent.extend(piece.expect("memory"));
        }
        drop(pieces);
        assert!(sent == text.as_bytes() && free() == before);
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so() {
        let long = LongAnswers { within: Duration::from_millis(20), ..LongAnswers::default() };
        let all = u32::try_from(WAITING / 1024).expect("few");
        let held = long.waiting.clone().acquire_many_owned(all).await.expect("open");
        let ask = || long.answer(|| Response::new(Body::from("page")));
        assert_eq!(ask().await.status().as_u16(), 503);
        drop(held);
        let answer = hold(ask().await);
        assert_eq!(to_bytes(answer.into_body(), 10).await.expect("short"), "page");
    }
}
