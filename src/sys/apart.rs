//! Work on a thread of its own, beside the requests.

/// Works something out on a thread of its own: what takes milliseconds on the thread of the requests holds up everybody
/// else's answers and time limits. A panic goes on here.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The program ends and has called it off: nobody waits any more.
            Err(_) => std::future::pending().await,
        },
    }
}
