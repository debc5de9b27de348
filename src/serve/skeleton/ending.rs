//! How a service is told to end: the first TERM or INT has it finish what it does, one that comes a second later or more has it
//! end at once.

use crate::sys::signals::{self, Signals};
use nix::sys::signal::Signal;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// The end of a service; each copy is the same one.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    begun: CancellationToken,
    at_once: CancellationToken,
    signal: Arc<OnceLock<&'static str>>,
}

impl Ending {
    /// Hears TERM and INT from now on, as long as the process lives. Needs a runtime.
    ///
    /// # Errors
    /// When the system's signals cannot be had.
    pub(super) fn on_signals() -> io::Result<Self> {
        let mut signals = Signals::hear([Signal::SIGTERM, Signal::SIGINT])?;
        let ending = Self::default();
        let heard = ending.clone();
        tokio::spawn(async move {
            let name = signals::name(signals.next().await);
            tracing::info!(signal = name, "ending");
            // Nobody else sets it.
            let _ = heard.signal.set(name);
            heard.begun.cancel();
            let name = signals::name(signals.next().await);
            tracing::warn!(signal = name, "ending at once");
            heard.at_once.cancel();
        });
        Ok(ending)
    }

    /// Returns the token that is cancelled when the service is to end.
    pub fn begun(&self) -> &CancellationToken {
        &self.begun
    }

    /// Returns the token that is cancelled when nothing is to be waited for any more.
    pub fn at_once(&self) -> &CancellationToken {
        &self.at_once
    }

    /// Returns the name of the signal that began it, without `SIG`; none where it was no signal.
    pub fn signal(&self) -> Option<&'static str> {
        self.signal.get().copied()
    }
}
