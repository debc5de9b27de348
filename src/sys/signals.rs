//! The signals that end a process, sent by somebody who may say the same thing twice.

use super::clock;
use nix::sys::signal::Signal;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::signal::unix::{self, SignalKind};

/// What comes so soon after the first signal is part of it: `timeout` of coreutils sends TERM to a process and, microseconds
/// later, to its group; systemd may send HUP behind TERM. Nobody insists that fast.
const PART_OF_THE_FIRST: Duration = Duration::from_secs(1);

/// Signals that are heard.
#[derive(Debug)]
pub struct Signals {
    all: Vec<(unix::Signal, Signal)>,
    first: Option<Instant>,
}

impl Signals {
    /// Hears these from now on; what they do otherwise they do no more, as long as the process lives. Needs a runtime.
    ///
    /// # Errors
    /// When the system's signals cannot be had.
    pub fn hear(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let hear = |signal| Ok((unix::signal(SignalKind::from_raw(signal as i32))?, signal));
        let all: io::Result<Vec<_>> = signals.into_iter().map(hear).collect();
        Ok(Self { all: all?, first: None })
    }

    /// Waits for the next one that means something new.
    pub async fn next(&mut self) -> Signal {
        loop {
            let all = &mut self.all;
            let signal = poll_fn(|context| {
                let mut heard = all.iter_mut();
                let heard =
                    heard.find_map(|(heard, signal)| heard.poll_recv(context).is_ready().then_some(*signal));
                heard.map_or(Poll::Pending, Poll::Ready)
            });
            let signal = signal.await;
            let is_part = self.first.is_some_and(|first| first.elapsed() < PART_OF_THE_FIRST);
            self.first = self.first.or_else(|| Some(clock::instant()));
            if !is_part {
                return signal;
            }
        }
    }
}

/// Returns what people call a signal: `TERM`.
pub fn name(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

/// Whether a signal is ignored now. Who starts a program that way, as `nohup` does with HUP, wants it to stay so; that the
/// program hears it would undo it.
pub fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal as i32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[tokio::test]
    async fn what_follows_the_first_signal_at_once_is_part_of_it_and_what_comes_later_is_not() {
        let mut signals = Signals::hear([Signal::SIGUSR1, Signal::SIGWINCH]).expect("heard");
        raise(Signal::SIGWINCH).expect("sent");
        assert_eq!(name(signals.next().await), "WINCH");
        for again in [Signal::SIGWINCH, Signal::SIGUSR1] {
            raise(again).expect("sent");
            let heard = tokio::time::timeout(Duration::from_millis(100), signals.next()).await;
            assert!(heard.is_err(), "{again} is part of the first");
        }
        tokio::time::sleep(PART_OF_THE_FIRST).await;
        raise(Signal::SIGUSR1).expect("sent");
        assert_eq!(signals.next().await, Signal::SIGUSR1);
    }

    #[test]
    fn what_is_ignored_is_known() {
        // The runtime of Rust has it so from the start, and nobody ignores the other one.
        assert!(is_ignored(Signal::SIGPIPE) && !is_ignored(Signal::SIGSEGV));
    }
}
