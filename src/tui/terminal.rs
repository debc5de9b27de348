//! Taking the terminal over and giving it back exactly as it was.
//!
//! What was changed is recorded in statics before it is sent, so that a panic, a signal or the deadline of
//! a stuck program can undo it without the object that drew. Nothing is ever asked from the terminal: no
//! cursor position, no colours, no keyboard protocol; over SSH answers come late and are read as keys.

use crate::tui::events::interrupted;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is switched on and off, in the order of entering: recorded bit, on, off.
const MODES: [(u8, &[u8], &[u8]); 3] = [
    (1 << 1, b"\x1b[?1049h", b"\x1b[0m\x1b[?1049l"), // alternate screen
    (1 << 2, b"\x1b[?2004h", b"\x1b[?2004l"),        // bracketed paste: pasted text never runs keys
    (1 << 3, b"\x1b[?25l", b"\x1b[?25h"),            // hidden cursor
];
/// Raw input, which is no escape sequence but a setting of the line.
const RAW: u8 = 1;

static ENTERED: AtomicU8 = AtomicU8::new(0);
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Takes the terminal over. Done again, it repeats the modes, for a terminal that something else has changed.
pub fn enter() -> io::Result<()> {
    let input = io::stdin();
    let now = tcgetattr(&input)?;
    let mut raw = now.clone();
    cfmakeraw(&mut raw);
    if ENTERED.fetch_or(RAW, Ordering::SeqCst) & RAW == 0 {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
    tcsetattr(&input, SetArg::TCSANOW, &raw)?;
    let mut bytes = Vec::new();
    for (bit, on, _) in MODES {
        ENTERED.fetch_or(bit, Ordering::SeqCst);
        bytes.extend_from_slice(on);
    }
    write(&bytes)
}

/// Gives the terminal back: undoes what is recorded, the last first, and nothing when that was done already.
///
/// A terminal that has gone is not touched.
pub fn leave() {
    let entered = ENTERED.swap(0, Ordering::SeqCst);
    if entered == 0 || gone() {
        return;
    }
    // The line first: it cannot block, while a terminal that has stopped reading keeps a write waiting.
    if entered & RAW != 0
        && let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take()
    {
        // Nothing can be done about a failure, and there is nobody left to tell.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
    }
    let bytes = undo(entered);
    if !bytes.is_empty() {
        let _ = write(&bytes);
    }
}

/// Whether the terminal was hung up.
pub fn gone() -> bool {
    let input = io::stdin();
    let mut state = [PollFd::new(input.as_fd(), PollFlags::empty())];
    interrupted(|| poll(&mut state, PollTimeout::ZERO)).is_ok_and(|events| events > 0)
}

/// Returns what switches off the modes in `entered`, the last one first.
fn undo(entered: u8) -> Vec<u8> {
    MODES
        .iter()
        .rev()
        .filter(|(bit, ..)| entered & bit != 0)
        .flat_map(|(.., off)| off.iter().copied())
        .collect()
}

/// Writes all of `bytes` to the terminal, at once where it takes them.
pub fn write(mut bytes: &[u8]) -> io::Result<()> {
    let output = io::stdout();
    while !bytes.is_empty() {
        match nix::unistd::write(&output, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // Somebody who shares the terminal has made it non-blocking.
            Err(Errno::EAGAIN) => {
                let mut waits = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
                interrupted(|| poll(&mut waits, PollTimeout::NONE))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_undone_in_reverse_and_nothing_else() {
        let all = MODES.iter().fold(RAW, |bits, (bit, ..)| bits | bit);
        assert_eq!(undo(all), b"\x1b[?25h\x1b[?2004l\x1b[0m\x1b[?1049l");
        assert_eq!(undo(1 << 2 | RAW), b"\x1b[?2004l");
        assert_eq!(undo(0), b"");
    }
}
