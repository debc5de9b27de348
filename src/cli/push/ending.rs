//! How `push` is told to end: a first signal is the command's, and asks for haste; who sends another one means us.

use crate::sys::signals::{Signals, is_ignored};
use nix::sys::signal::Signal;
use std::io;
use std::time::Duration;

/// Who sends a signal does not wait for long.
const HURRY: Duration = Duration::from_secs(3);

/// The signals that end us.
pub(super) struct Ending {
    signals: Signals,
    first: Option<Signal>,
}

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    First(Signal),
    Again,
}

impl Ending {
    /// Hears them from now on, but for those that whoever started us had ignored: `nohup`, or a shell that began a job behind
    /// itself. Needs a runtime.
    pub(super) fn hear() -> io::Result<Self> {
        let all = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
        let signals = Signals::hear(all.into_iter().filter(|signal| !is_ignored(*signal)))?;
        Ok(Self { signals, first: None })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Heard {
        let signal = self.signals.next().await;
        match self.first.replace(signal) {
            None => Heard::First(signal),
            first => {
                self.first = first;
                Heard::Again
            }
        }
    }

    /// Waits until whoever tells us to end waits no more: a while behind the first signal, and no longer than to the next.
    pub(super) async fn over(&mut self) {
        if self.first.is_none() {
            self.next().await;
        }
        // Either is the end of the wait.
        let _ = tokio::time::timeout(HURRY, self.next()).await;
    }

    /// What a shell says of a command that ended by it.
    pub(super) fn exit_code(&self) -> u8 {
        self.first.map_or(0, code_of)
    }
}

/// What a shell says of a command that ended by this signal.
pub(super) fn code_of(signal: Signal) -> u8 {
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}
