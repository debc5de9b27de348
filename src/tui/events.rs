//! Where the interface's events come from besides its own tasks: keys, signals, the end of the terminal.
//!
//! Three threads, all blocked in the kernel while nothing happens. crossterm 0.29 reads a terminal that has
//! gone for ever and at full speed, so its reader is entered only when there is something to read, and a
//! watchdog looks for the hang-up by itself.

use crate::tui::msg::Msg;
use crate::tui::terminal;
use crossterm::event::{self, Event as Input};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// How long what is being written may take after the end has been asked for.
pub const GRACE: Duration = Duration::from_secs(5);

/// Something that the runtime hears of.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a message is moved once, and boxing each key costs more")]
pub enum Event {
    /// For the state.
    Msg(Msg),
    /// The terminal may have another size.
    Resized,
    /// A signal asks to stop until continued.
    Stop,
    /// The program was continued.
    Continued,
    /// A signal asks to end; SIGHUP also stands for a terminal that has gone.
    End(i32),
}

/// Starts the threads that feed `events`.
pub fn start(events: &Sender<Event>) -> io::Result<()> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])?;
    let (to_signals, to_watchdog, to_input) = (events.clone(), events.clone(), events.clone());
    thread::Builder::new().name("signals".into()).spawn(move || hear(signals, &to_signals))?;
    thread::Builder::new().name("hang-up".into()).spawn(move || watch(&to_watchdog))?;
    thread::Builder::new().name("input".into()).spawn(move || read(&to_input))?;
    Ok(())
}

/// Passes signals on; the second that asks to end is obeyed at once.
fn hear(mut signals: Signals, events: &Sender<Event>) {
    let mut asked = false;
    for signal in signals.forever() {
        let event = match signal {
            SIGWINCH => Event::Resized,
            SIGTSTP => Event::Stop,
            SIGCONT => Event::Continued,
            ends => {
                if asked {
                    die(ends);
                }
                asked = true;
                end_within_grace(ends);
                Event::End(ends)
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Waits for the terminal to go away; uses no time while it is there.
fn watch(events: &Sender<Event>) {
    let input = io::stdin();
    // No event is asked for; a hang-up is reported always.
    let mut gone = [PollFd::new(input.as_fd(), PollFlags::empty())];
    if interrupted(|| poll(&mut gone, PollTimeout::NONE)).is_ok() {
        end_within_grace(SIGHUP);
        // Without a receiver the program is ending already.
        let _ = events.send(Event::End(SIGHUP));
    }
}

/// Reads keys until the terminal goes away.
fn read(events: &Sender<Event>) {
    let input = io::stdin();
    loop {
        let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        let waited = interrupted(|| poll(&mut ready, PollTimeout::NONE));
        // Together with a hang-up there is nothing to read but an endless end of file.
        if waited.is_err() || ready[0].revents() != Some(PollFlags::POLLIN) {
            return;
        }
        loop {
            match event::read() {
                Ok(Input::Key(key)) => drop(events.send(Event::Msg(Msg::Key(key)))),
                Ok(Input::Paste(text)) => drop(events.send(Event::Msg(Msg::Paste(text)))),
                Ok(Input::Resize(..)) => drop(events.send(Event::Resized)),
                Ok(_) => {}
                Err(_) => return,
            }
            if !event::poll(Duration::ZERO).unwrap_or(false) {
                break;
            }
        }
    }
}

/// Ends the program when the grace is over, whatever the drawing thread is stuck in.
fn end_within_grace(signal: i32) {
    // Without a second thread there is no deadline; the program still ends as soon as it notices.
    let _ = thread::Builder::new().name("deadline".into()).spawn(move || {
        thread::sleep(GRACE + Duration::from_millis(500));
        die(signal);
    });
}

/// Gives the terminal back and ends by `signal`, so that whoever started the program sees why it ended.
pub fn die(signal: i32) -> ! {
    terminal::leave();
    // Puts the default action back and raises the signal; it does not return for those that end a program.
    let _ = emulate_default_handler(signal);
    std::process::abort()
}

/// Repeats a call that a signal has interrupted.
pub fn interrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
